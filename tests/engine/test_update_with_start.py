"""Update with start: two operations in one, and what it says when either of them may not be."""

from typing import Any

import pytest

from tenuto.engine import types
from tenuto.engine.types import Reason, UpdateReply
from tenuto.limits import LIMITS, SECOND
from tenuto.wire import duration_pb2

from .support import World, reload, start_message
from .updates import (
    ADMITTED,
    COMPLETED,
    accept,
    complete_workflow,
    refused,
    respond,
    send,
    update_message,
)


@pytest.fixture
def world() -> World:
    """A workflow that has completed its first workflow task: history 1..4, nothing pending."""
    made = World()
    made.start()
    made.step()
    return made


def both(world: World, update_id: str = "u1", **fields: Any) -> UpdateReply:
    asked = types.UpdateWithStart(start_message("w", **fields), update_message(update_id))
    reply: UpdateReply = world.ask(asked)
    return reply


def test_update_with_start_starts_and_the_first_task_carries_the_update() -> None:
    world = World()
    reply = both(world)
    assert reply.stage == ADMITTED and reply.start is not None and reply.start.started
    assert world.names() == ["WF_STARTED", "WFT_SCHEDULED"]
    (message,) = world.poll().messages
    assert (message.id, message.event_id) == ("u1/request", 2)


def test_update_with_start_returns_a_completed_update_even_of_a_closed_workflow() -> None:
    world = World()
    both(world)
    world.step(messages=[accept(sequence=2), respond()])
    world.signal()
    world.step(complete_workflow())
    reply = both(world, request_id="other")
    assert reply.stage == COMPLETED and reply.start is not None
    assert not reply.start.started and reply.start.status == 2


def test_update_with_start_joins_the_run_of_the_same_start_request(world: World) -> None:
    reply = both(world)
    assert reply.start is not None and not reply.start.started and reply.run_id == world.run_id


def test_update_with_start_joins_an_update_in_flight(world: World) -> None:
    send(world)
    reply = both(world, request_id="other")
    assert reply.stage == ADMITTED and reply.start is not None and not reply.start.started


def test_update_with_start_uses_an_existing_run_when_it_may(world: World) -> None:
    reply = both(world, request_id="other", conflict=2)
    assert reply.start is not None and not reply.start.started
    assert len(world.poll().messages) == 1


def test_update_with_start_that_may_not_start_blames_the_start(world: World) -> None:
    asked = types.UpdateWithStart(start_message("w", request_id="other"), update_message())
    refusal = refused(world, asked)
    assert (refusal.reason, refusal.message) == (
        Reason.MULTI_OPERATION,
        "Update-with-Start could not be executed.",
    )
    start, update = refusal.detail
    assert start.refusal.reason is Reason.ALREADY_STARTED and update.aborted


def test_update_with_start_that_may_not_update_blames_the_update(world: World) -> None:
    for number in range(LIMITS.updates_in_flight):
        send(world, f"u{number}")
    asked = types.UpdateWithStart(start_message("w", request_id="other", conflict=2), update_message("more"))
    start, update = refused(world, asked).detail
    assert start.aborted and update.refusal.reason is Reason.CONCURRENT


def test_update_with_start_replaces_an_open_run_when_it_must(world: World) -> None:
    first = world.run_id
    reply = both(world, request_id="other", conflict=3)
    assert reply.start is not None and reply.start.started and reply.run_id != first
    assert world.names(first)[-1] == "WF_TERMINATED"
    assert len(world.poll().messages) == 1


def test_a_first_task_that_an_update_brought_early_is_recorded_when_the_first_wait_is_over() -> None:
    world = World()
    world.start(workflow_start_delay=duration_pb2.Duration(seconds=3))
    send(world)
    assert world.names() == ["WF_STARTED"]
    world.pass_time(3 * SECOND)
    assert world.names() == ["WF_STARTED", "WFT_SCHEDULED"]
    assert world.chain is not None and reload(world.chain).current.run.task is not None
