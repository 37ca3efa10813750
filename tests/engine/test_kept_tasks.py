"""Workflow tasks that stay with their worker: steps are written behind a completion that stands in history already."""

import pytest

from tenuto.engine import types
from tenuto.engine.types import Rejected, TaskCompleted, TaskToken
from tenuto.limits import SECOND
from tenuto.wire import command as wire_command
from tenuto.wire import query
from tenuto.wire import workflowservice as ws
from tests.engine.support import World, token_of
from tests.engine.words import begun, current, done, marker, sticky

FIRST = ["WF_STARTED", "WFT_SCHEDULED", "WFT_STARTED", "WFT_COMPLETED", "MARKER_RECORDED"]


def record(
    world: World, token: TaskToken, *commands: wire_command.Command, **fields: object
) -> TaskCompleted:
    message = ws.RespondWorkflowTaskCompletedRequest(
        identity="worker",
        commands=commands or [marker()],
        force_create_new_workflow_task=True,
        return_new_workflow_task=True,
        **fields,  # type: ignore[arg-type]
    )
    reply: TaskCompleted = world.ask(types.CompleteWorkflowTask(token, message, keep=True))
    return reply


def kept(world: World, **start: object) -> tuple[World, TaskToken]:
    """A workflow whose first task has recorded a step and goes on."""
    token = record(world, token_of(world.poll())).kept
    assert token is not None
    return world, token


def finish(world: World, token: TaskToken, *commands: wire_command.Command) -> TaskCompleted:
    message = ws.RespondWorkflowTaskCompletedRequest(identity="worker", commands=commands)
    reply: TaskCompleted = world.ask(types.CompleteWorkflowTask(token, message))
    return reply


def test_steps_are_written_one_behind_the_other_and_the_end_behind_them() -> None:
    world, token = kept(begun())
    again = record(world, token).kept
    assert again is not None
    finish(world, again, marker(), done())
    assert world.names() == [*FIRST, "MARKER_RECORDED", "MARKER_RECORDED", "WF_COMPLETED"]
    completed = {
        event.marker_recorded_event_attributes.workflow_task_completed_event_id
        for event in world.history
        if event.HasField("marker_recorded_event_attributes")
    }
    assert completed == {4}


def test_a_step_that_is_sent_twice_is_refused() -> None:
    world, token = kept(begun())
    record(world, token)
    with pytest.raises(Rejected):
        record(world, token)
    assert world.names() == [*FIRST, "MARKER_RECORDED"]


def test_what_has_come_in_meanwhile_ends_the_task_and_comes_with_the_next() -> None:
    world, token = kept(begun())
    world.signal()
    reply = record(world, token)
    assert reply.kept is None
    assert reply.next_task is not None
    assert world.names()[5:] == ["MARKER_RECORDED", "WF_SIGNALED", "WFT_SCHEDULED", "WFT_STARTED"]
    assert reply.next_task.first_event_id == 4


def test_a_query_does_not_wait_for_the_last_step() -> None:
    world, token = kept(begun())
    asked = ws.QueryWorkflowRequest(query=query.WorkflowQuery(query_type="q"))
    world.ask(types.Query(asked, "q1", deadline_at=world.now + SECOND))
    reply = record(world, token)
    assert reply.next_task is not None
    assert list(reply.next_task.queries) == ["q1"]


def test_other_commands_end_the_task() -> None:
    world, token = kept(begun())
    timer = wire_command.Command(command_type=3)  # type: ignore[arg-type]
    timer.start_timer_command_attributes.timer_id = "t"
    timer.start_timer_command_attributes.start_to_fire_timeout.seconds = 5
    reply = record(world, token, marker(), timer)
    assert reply.next_task is not None
    assert world.names()[5:] == ["MARKER_RECORDED", "TIMER_STARTED", "WFT_SCHEDULED", "WFT_STARTED"]


def test_a_task_whose_worker_is_gone_is_followed_by_another_and_keeps_its_steps() -> None:
    world, token = kept(begun(), **sticky())
    world.pass_time(11 * SECOND)
    assert world.names() == [*FIRST, "WFT_SCHEDULED"]
    with pytest.raises(Rejected):
        record(world, token)
    assert current(world).sticky_queue == ""
    handout = world.poll()
    assert (handout.attempt, handout.first_event_id) == (1, 1)


def test_a_lost_worker_is_noticed_at_once() -> None:
    world, _ = kept(begun())
    world.now += 1
    world.ask(types.WorkersLost(world.now))
    assert world.names() == [*FIRST, "WFT_SCHEDULED"]


def test_a_failed_task_is_followed_by_another() -> None:
    world, token = kept(begun())
    world.ask(types.FailWorkflowTask(token, ws.RespondWorkflowTaskFailedRequest(identity="worker")))
    assert world.names() == [*FIRST, "WFT_SCHEDULED"]


def test_a_workflow_may_be_terminated_between_steps() -> None:
    world, token = kept(begun())
    world.ask(types.Terminate(ws.TerminateWorkflowExecutionRequest(reason="enough")))
    assert world.names() == [*FIRST, "WF_TERMINATED"]
    with pytest.raises(Rejected):
        record(world, token)


def test_flags_that_only_a_completion_can_hold_begin_another_task() -> None:
    world, token = kept(begun())
    reply = record(world, token, marker(), sdk_metadata={"lang_used_flags": [7]})
    assert reply.kept is not None
    assert world.names()[5:] == ["WFT_SCHEDULED", "WFT_STARTED", "WFT_COMPLETED", "MARKER_RECORDED"]
    finish(world, reply.kept, done())


def test_the_end_that_comes_too_late_is_tried_again_with_what_came_before_it() -> None:
    world, token = kept(begun())
    world.signal()
    with pytest.raises(Rejected, match="UnhandledCommand"):
        finish(world, token, done())
    assert world.names()[5:] == ["WF_SIGNALED", "WFT_SCHEDULED"]
    world.step(done())
