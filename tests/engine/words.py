"""Words for tests about a run as a whole: commands, refusals, what history says."""

from typing import Any, cast

import pytest

from tenuto.engine import types
from tenuto.engine.chain import Run
from tenuto.engine.types import Rejected, WorkflowTaskHandout
from tenuto.limits import SECOND
from tenuto.wire import command as wire_command
from tenuto.wire import common, duration_pb2, history
from tenuto.wire import workflowservice as ws
from tests.engine.activities import boom
from tests.engine.support import World, payloads, token_of


def command(kind: int) -> wire_command.Command:
    return wire_command.Command(command_type=cast(Any, kind))


def closing(kind: int, **fields: Any) -> wire_command.Command:
    """COMPLETE (4), FAIL (5), CANCEL (7) or CONTINUE_AS_NEW (10), with these fields of its attributes."""
    made = command(kind)
    attributes: Any = {
        4: made.complete_workflow_execution_command_attributes,
        5: made.fail_workflow_execution_command_attributes,
        7: made.cancel_workflow_execution_command_attributes,
        10: made.continue_as_new_workflow_execution_command_attributes,
    }[kind]
    attributes.SetInParent()
    attributes.MergeFrom(type(attributes)(**fields))
    return made


def done(data: bytes = b'"r"') -> wire_command.Command:
    return closing(4, result=payloads(data))


def failing(**fields: Any) -> wire_command.Command:
    return closing(5, failure=boom(**fields))


def marker(name: str = "m", size: int = 0) -> wire_command.Command:
    made = command(9)
    made.record_marker_command_attributes.marker_name = name
    if size:
        made.record_marker_command_attributes.details["d"].CopyFrom(payloads(b"x" * size))
    return made


def values(**fields: bytes) -> dict[str, common.Payload]:
    return {name: payloads(data).payloads[0] for name, data in fields.items()}


def upsert(**fields: bytes) -> wire_command.Command:
    made = command(13)
    attributes = made.upsert_workflow_search_attributes_command_attributes
    attributes.SetInParent()
    for name, value in values(**fields).items():
        attributes.search_attributes.indexed_fields[name].CopyFrom(value)
    return made


def remember(**fields: bytes) -> wire_command.Command:
    made = command(16)
    attributes = made.modify_workflow_properties_command_attributes
    attributes.upserted_memo.SetInParent()
    for name, value in values(**fields).items():
        attributes.upserted_memo.fields[name].CopyFrom(value)
    return made


def length(seconds: float) -> duration_pb2.Duration:
    return duration_pb2.Duration(seconds=int(seconds), nanos=round((seconds - int(seconds)) * SECOND))


def refused(world: World, request: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        world.ask(request)
    return caught.value


def completion(
    handout: WorkflowTaskHandout, *commands: wire_command.Command, **fields: Any
) -> types.CompleteWorkflowTask:
    message = ws.RespondWorkflowTaskCompletedRequest(identity="worker", commands=commands, **fields)
    return types.CompleteWorkflowTask(token_of(handout), message)


def misstep(world: World, *commands: wire_command.Command, **fields: Any) -> Rejected:
    """What a worker is told of a completion that is wrong."""
    return refused(world, completion(world.poll(), *commands, **fields))


def fail_task(
    world: World, handout: WorkflowTaskHandout | None = None, cause: int = 24, **fields: Any
) -> None:
    message = ws.RespondWorkflowTaskFailedRequest(cause=cast(Any, cause), identity="worker", **fields)
    world.ask(types.FailWorkflowTask(token_of(handout or world.poll()), message))


def terminate(world: World, **fields: Any) -> None:
    world.ask(types.Terminate(ws.TerminateWorkflowExecutionRequest(**fields)))


def ask_cancel(world: World, **fields: Any) -> types.CancelReply:
    reply: types.CancelReply = world.ask(
        types.RequestCancel(ws.RequestCancelWorkflowExecutionRequest(**fields))
    )
    return reply


def sticky(seconds: int = 10, queue: str = "own") -> dict[str, Any]:
    return {
        "sticky_attributes": {
            "worker_task_queue": {"name": queue},
            "schedule_to_start_timeout": length(seconds),
        }
    }


def current(world: World) -> Run:
    assert world.chain is not None
    return world.chain.current.run


def last(world: World, run_id: str = "") -> history.HistoryEvent:
    return world.histories[run_id or world.run_id][-1]


def said(event: history.HistoryEvent) -> Any:
    """The event's attributes."""
    which = event.WhichOneof("attributes")
    assert which is not None
    return getattr(event, which)


def begun(**start: Any) -> World:
    world = World()
    world.start(**start)
    return world


def rested(**start: Any) -> World:
    """A workflow at rest after its first, empty task."""
    world = begun(**start)
    world.step()
    return world
