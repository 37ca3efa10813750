"""Words for resets: the request as the host makes it, and what a run may have pending at the cut."""

from typing import Any

import pytest

from tenuto.engine import types
from tenuto.engine.types import Rejected
from tenuto.wire import command as wire_command
from tenuto.wire import workflowservice as ws

from .support import World

PREFIX = ["WF_STARTED", "WFT_SCHEDULED", "WFT_STARTED"]


def reset(world: World, finish_id: int, run_id: str = "", **fields: Any) -> str:
    """Reset as the host would: with all events of the base run and of those that continued it as new."""
    base = run_id or world.run_id
    message = ws.ResetWorkflowExecutionRequest(
        workflow_task_finish_event_id=finish_id,
        reason="because",
        request_id=fields.pop("request_id", f"reset-{world._seed}"),
        **fields,
    )
    followers = []
    events = world.histories.get(base, [])
    while events and events[-1].event_type == 28:
        following = events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        events = world.histories[following]
        followers.append((following, tuple(events)))
    asked = types.Reset(message, run_id, tuple(world.histories.get(base, [])), tuple(followers))
    reply: ws.ResetWorkflowExecutionResponse = world.ask(asked)
    return reply.run_id


def refused(world: World, finish_id: int, **fields: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        reset(world, finish_id, **fields)
    return caught.value


def timer(timer_id: str = "t", seconds: int = 1000) -> wire_command.Command:
    made = wire_command.Command(command_type=3)  # type: ignore[arg-type]
    made.start_timer_command_attributes.timer_id = timer_id
    made.start_timer_command_attributes.start_to_fire_timeout.seconds = seconds
    return made


def activity(activity_id: str = "a") -> wire_command.Command:
    made = wire_command.Command(command_type=1)  # type: ignore[arg-type]
    attributes = made.schedule_activity_task_command_attributes
    attributes.activity_id, attributes.activity_type.name = activity_id, "Act"
    attributes.task_queue.name = "queue"
    attributes.schedule_to_close_timeout.seconds = 100
    return made


def child(workflow_id: str = "c") -> wire_command.Command:
    made = wire_command.Command(command_type=11)  # type: ignore[arg-type]
    attributes = made.start_child_workflow_execution_command_attributes
    attributes.workflow_id, attributes.workflow_type.name = workflow_id, "Child"
    attributes.task_queue.name = "queue"
    return made


def send_update(world: World, update_id: str = "u1") -> types.UpdateReply:
    message = ws.UpdateWorkflowExecutionRequest()
    message.request.meta.update_id, message.request.input.name = update_id, "change"
    reply: types.UpdateReply = world.ask(types.Update(message))
    return reply


def terminate(world: World) -> None:
    world.ask(types.Terminate(ws.TerminateWorkflowExecutionRequest(reason="r")))
