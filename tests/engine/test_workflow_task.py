"""Workflow tasks: how they are scheduled, handed out, lost and given again."""

import pytest

from tenuto.engine import agenda, types, workflow_task
from tenuto.engine.types import Reason
from tenuto.limits import LIMITS, MIB, SECOND
from tenuto.wire import duration_pb2
from tenuto.wire import workflowservice as ws
from tests.engine.activities import boom
from tests.engine.support import World
from tests.engine.words import (
    ask_cancel,
    begun,
    completion,
    current,
    done,
    fail_task,
    last,
    marker,
    refused,
    rested,
    said,
    sticky,
    terminate,
)


def test_a_trigger_schedules_a_task_only_when_none_is_pending() -> None:
    world = rested()
    world.signal("one")
    world.signal("two")
    assert world.names()[4:] == ["WF_SIGNALED", "WFT_SCHEDULED", "WF_SIGNALED"]


def test_news_beside_a_started_task_wait_for_its_end() -> None:
    world = begun()
    handout = world.poll()
    world.signal()
    assert world.names()[2:] == ["WFT_STARTED"]
    world.respond(handout)
    assert world.names()[3:] == ["WFT_COMPLETED", "WF_SIGNALED", "WFT_SCHEDULED"]


def test_a_full_history_goes_to_the_normal_queue_and_its_tail_to_the_sticky_one() -> None:
    world = begun()
    assert (world.poll().first_event_id, current(world).task.started_id) == (1, 3)  # type: ignore[union-attr]
    world = begun()
    world.step(**sticky())
    world.signal()
    handout = world.poll(sticky="own")
    assert (handout.first_event_id, handout.last_event_id, handout.previous_started_id) == (4, 7, 3)


def test_a_normal_poller_that_gets_a_sticky_task_ends_the_stickiness() -> None:
    world = begun()
    world.step(**sticky())
    world.signal()
    assert world.poll().first_event_id == 1
    assert current(world).sticky_queue == ""


def test_a_sticky_poller_cannot_have_a_task_of_the_normal_queue() -> None:
    world = begun()
    refusal = refused(world, types.StartWorkflowTask(world.run_id, 2, 1, 0, "own", True, "w", "r"))
    assert refusal.reason is Reason.NOT_FOUND


def test_a_repeated_poll_gets_the_same_task_and_another_one_nothing() -> None:
    world = begun()
    poll = types.StartWorkflowTask(world.run_id, 2, 1, 0, "queue", False, "w", "r")
    assert world.ask(poll) == world.ask(poll)
    assert refused(
        world, types.StartWorkflowTask(world.run_id, 2, 1, 0, "queue", False, "w", "other")
    ).reason is (Reason.NOT_FOUND)


@pytest.mark.parametrize(("scheduled_id", "stamp"), [(3, 0), (2, 1)])
def test_an_offer_that_is_out_of_date_is_refused(scheduled_id: int, stamp: int) -> None:
    world = begun()
    request = types.StartWorkflowTask(world.run_id, scheduled_id, 1, stamp, "queue", False, "w", "r")
    assert refused(world, request).message == "Workflow task not found."


@pytest.mark.parametrize("field", ["scheduled_id", "started_id", "started_at", "attempt"])
def test_a_token_must_name_the_started_task_in_every_part(field: str) -> None:
    world = begun()
    handout = world.poll()
    setattr(handout, field, getattr(handout, field) + 1)
    assert refused(world, completion(handout)).message == "Workflow task not found."


def test_a_completion_counts_once() -> None:
    world = begun()
    handout = world.poll()
    world.respond(handout)
    assert refused(world, completion(handout)).message == "Workflow task not found."


def test_the_first_failure_is_recorded_and_later_ones_only_counted() -> None:
    world = begun()
    fail_task(world, failure=boom("oops"))
    assert (said(last(world)).cause, said(last(world)).failure.message) == (24, "oops")
    for attempt in (2, 3):
        handout = world.poll()
        assert (handout.attempt, handout.scheduled_id, [event.event_id for event in handout.virtual]) == (
            attempt,
            5,
            [5, 6],
        )
        fail_task(world, handout)
    assert len(world.history) == 4


def test_a_failure_that_is_not_the_workers_makes_the_next_attempt_the_first() -> None:
    world = begun()
    fail_task(world)
    fail_task(world, cause=20)
    assert (world.names()[4:], world.poll().attempt) == (["WFT_SCHEDULED"], 1)


def test_a_huge_failure_of_a_task_is_shortened() -> None:
    world = begun()
    fail_task(world, failure=boom("x" * (2 * MIB + 1)))
    assert len(said(last(world)).failure.message) == LIMITS.retained_failure_bytes


def test_a_message_too_large_for_grpc_ends_the_workflow() -> None:
    world = begun()
    fail_task(world, cause=36)
    assert (world.names()[-2:], said(last(world)).reason) == (
        ["WFT_FAILED", "WF_TERMINATED"],
        "GrpcMessageTooLarge",
    )


def test_failing_a_task_of_a_closed_workflow_is_refused() -> None:
    world = begun()
    handout = world.poll()
    terminate(world)
    with pytest.raises(types.Rejected, match="workflow execution already completed"):
        fail_task(world, handout)


def test_the_timeout_of_later_attempts_grows() -> None:
    world = begun()
    terms = world.chain.current.terms  # type: ignore[union-attr]
    lengths = [workflow_task.task_timeout(terms, attempt) // SECOND for attempt in (1, 3, 4, 5, 6, 40)]
    assert lengths == [10, 10, 15, 20, 30, 610]


def test_a_task_nobody_finishes_times_out_and_is_given_again() -> None:
    world = begun()
    world.poll()
    world.pass_time(10 * SECOND)
    assert (world.names()[-1], said(last(world)).timeout_type, said(last(world)).started_event_id) == (
        "WFT_TIMED_OUT",
        1,
        3,
    )
    world.poll()
    world.pass_time(10 * SECOND)
    assert len(world.history) == 4
    assert world.poll().attempt == 3


def test_a_task_on_the_normal_queue_waits_for_ever() -> None:
    world = begun()
    world.pass_time(10_000 * SECOND)
    assert world.names() == ["WF_STARTED", "WFT_SCHEDULED"]


def test_a_sticky_task_waits_as_long_as_its_worker_said_and_keeps_attempt_one() -> None:
    world = begun()
    world.step(**sticky(seconds=3))
    world.signal()
    world.pass_time(3 * SECOND)
    assert world.names()[-2:] == ["WFT_TIMED_OUT", "WFT_SCHEDULED"]
    assert said(last(world)).attempt == 1
    assert world.poll().first_event_id == 1


def test_a_refused_sticky_offer_goes_to_the_normal_queue_without_an_event() -> None:
    world = begun()
    world.step(**sticky())
    world.signal()
    offer = agenda.task_dispatch(world.chain.current)  # type: ignore[union-attr]
    assert offer is not None
    events = len(world.history)
    world.ask(types.StickyRefused(offer.run_id, offer.scheduled_id, offer.attempt, offer.stamp))
    again = agenda.task_dispatch(world.chain.current)  # type: ignore[union-attr]
    assert again is not None
    assert (again.queue, again.normal_queue, again.stamp > offer.stamp) == ("queue", "", True)
    assert len(world.history) == events
    assert refused(
        world,
        types.StartWorkflowTask(offer.run_id, offer.scheduled_id, 1, offer.stamp, "own", True, "w", "r"),
    )


def test_stickiness_can_be_reset_by_call_but_not_on_a_closed_run() -> None:
    world = begun()
    world.step(**sticky())
    world.ask(types.ResetSticky())
    assert current(world).sticky_queue == ""
    terminate(world)
    assert refused(world, types.ResetSticky()).reason is Reason.NOT_FOUND


def test_a_completion_without_sticky_attributes_ends_the_stickiness() -> None:
    world = begun()
    world.step(**sticky())
    world.signal()
    world.respond(world.poll(sticky="own"))
    assert current(world).sticky_queue == ""


def problems(world: World) -> bool:
    return workflow_task.PROBLEMS in world.chain.current.terms.search_attributes  # type: ignore[union-attr]


def test_five_failures_in_a_row_are_reported_until_the_next_success() -> None:
    world = begun()
    for _ in range(4):
        fail_task(world)
    assert not problems(world)
    fail_task(world)
    assert problems(world)
    world.step()
    assert not problems(world)


def test_a_worker_is_told_when_to_continue_as_new() -> None:
    world = begun()
    world.step()
    for _ in range(LIMITS.history_suggest_events - 4):
        world.signal()
    world.poll()
    assert said(last(world)).suggest_continue_as_new
    assert list(said(last(world)).suggest_continue_as_new_reasons) == [2]


def test_a_cancel_request_makes_a_task_of_a_later_attempt_a_recorded_one() -> None:
    world = begun()
    fail_task(world)
    ask_cancel(world)
    handout = world.poll()
    assert (handout.attempt, handout.virtual, world.names()[4:]) == (
        1,
        (),
        ["WF_CANCEL_REQUESTED", "WFT_SCHEDULED", "WFT_STARTED"],
    )


def test_nothing_is_offered_of_a_closed_run() -> None:
    world = begun()
    world.step(done())
    assert agenda.task_dispatch(world.chain.current) is None  # type: ignore[union-attr]
    assert refused(world, types.StartWorkflowTask(world.run_id, 2, 1, 0, "queue", False, "w", "r"))


def test_a_first_task_that_an_update_brought_early_ends_the_first_wait_for_good() -> None:
    world = World()
    world.start(workflow_start_delay=duration_pb2.Duration(seconds=3600))
    message = ws.UpdateWorkflowExecutionRequest()
    message.workflow_execution.workflow_id = "w"
    message.request.meta.update_id = "u"
    message.request.input.name = "change"
    world.ask(types.Update(message))
    world.step(marker())
    assert current(world).backoff_until == 0
    world.signal()
    assert world.names()[5:] == ["WF_SIGNALED", "WFT_SCHEDULED"]
