"""Updates when their run comes to its end."""

import pytest

from tenuto.engine import types
from tenuto.engine.types import Reason
from tenuto.wire import workflowservice as ws

from .support import World
from .updates import (
    COMPLETED,
    accept,
    complete_workflow,
    continue_as_new,
    look,
    notices_of,
    place,
    refused,
    reject,
    respond,
    send,
)


@pytest.fixture
def world() -> World:
    """A workflow that has completed its first workflow task: history 1..4, nothing pending."""
    made = World()
    made.start()
    made.step()
    return made


def test_updates_of_a_closing_workflow_are_aborted(world: World) -> None:
    send(world)
    world.step(complete_workflow())
    (notice,) = notices_of(world)
    assert notice.error is not None and notice.error.reason is Reason.NOT_FOUND
    assert notice.error.message == "workflow update was aborted by closing workflow"


def test_updates_of_a_workflow_that_continues_as_new_are_told_to_try_again(world: World) -> None:
    send(world)
    world.step(continue_as_new())
    (notice,) = notices_of(world)
    assert notice.error is not None and notice.error.reason is Reason.BUSY


def test_an_update_accepted_in_the_closing_task_is_complete_with_a_failure(world: World) -> None:
    send(world)
    run_id = world.run_id
    world.step(place("u1/accept"), complete_workflow(), messages=[accept()])
    assert world.names()[-2:] == ["WF_UPDATE_ACCEPTED", "WF_COMPLETED"]
    (notice,) = notices_of(world)
    assert notice.stage == COMPLETED and notice.outcome is not None
    assert notice.outcome.failure.application_failure_info.type == "AcceptedUpdateCompletedWorkflow"
    later = look(world, "u1", run_id)
    assert later.stage == COMPLETED and later.outcome == notice.outcome
    assert send(world).outcome == notice.outcome


def test_an_update_accepted_earlier_is_complete_with_a_failure_when_the_run_is_terminated(
    world: World,
) -> None:
    send(world)
    world.step(messages=[accept()])
    world.ask(types.Terminate(ws.TerminateWorkflowExecutionRequest(reason="r")))
    assert notices_of(world)[-1].stage == COMPLETED
    assert "WF_UPDATE_COMPLETED" not in world.names()


def test_messages_behind_the_close_command_write_nothing(world: World) -> None:
    send(world)
    world.step(complete_workflow(), messages=[accept(), respond()])
    assert world.names()[-1] == "WF_COMPLETED"
    (notice,) = notices_of(world)
    assert notice.error is not None


def test_a_rejection_behind_the_close_command_still_counts(world: World) -> None:
    send(world)
    world.step(complete_workflow(), messages=[reject()])
    (notice,) = notices_of(world)
    assert notice.error is None and notice.outcome is not None and notice.outcome.failure.message == "no"


def test_an_older_run_still_answers_for_its_updates(world: World) -> None:
    send(world)
    world.step(messages=[accept(), respond()])
    first = world.run_id
    world.signal()
    world.step(complete_workflow())
    world.start(request_id="again")
    assert look(world, "u1", first).stage == COMPLETED
    assert refused(world, types.AskUpdate("u1")).reason is Reason.NOT_FOUND
