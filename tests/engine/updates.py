"""Words for updates: what a client asks, what a worker answers, what whoever waits is told."""

from typing import Any

import pytest

from tenuto.engine import types
from tenuto.engine.types import Rejected, UpdateNotice, UpdateReply
from tenuto.wire import any_pb2, failure, protocol
from tenuto.wire import command as wire_command
from tenuto.wire import update as wire_update
from tenuto.wire import workflowservice as ws

from .support import World, payloads

ADMITTED, ACCEPTED, COMPLETED = 1, 2, 3


def request(update_id: str = "u1", data: bytes = b'"in"') -> wire_update.Request:
    made = wire_update.Request()
    made.meta.update_id, made.meta.identity = update_id, "client"
    made.input.name = "change"
    made.input.args.CopyFrom(payloads(data))
    return made


def update_message(update_id: str = "u1", **fields: Any) -> ws.UpdateWorkflowExecutionRequest:
    made = ws.UpdateWorkflowExecutionRequest(request=request(update_id), **fields)
    made.workflow_execution.workflow_id = "w"
    return made


def send(world: World, update_id: str = "u1", **fields: Any) -> UpdateReply:
    reply: UpdateReply = world.ask(types.Update(update_message(update_id, **fields)))
    return reply


def look(world: World, update_id: str = "u1", run_id: str = "") -> UpdateReply:
    reply: UpdateReply = world.ask(types.AskUpdate(update_id, run_id))
    return reply


def packed(update_id: str, body: Any, suffix: str) -> protocol.Message:
    content = any_pb2.Any()
    content.Pack(body)
    return protocol.Message(id=f"{update_id}/{suffix}", protocol_instance_id=update_id, body=content)


def accept(update_id: str = "u1", sequence: int = 5, **fields: Any) -> protocol.Message:
    body = wire_update.Acceptance(
        accepted_request_message_id=f"{update_id}/request", accepted_request_sequencing_event_id=sequence
    )
    for name, value in fields.items():
        if isinstance(value, wire_update.Request):
            body.accepted_request.CopyFrom(value)
        else:
            setattr(body, name, value)
    return packed(update_id, body, "accept")


def reject(update_id: str = "u1", resurrect: wire_update.Request | None = None) -> protocol.Message:
    body = wire_update.Rejection(failure=failure.Failure(message="no"), rejected_request=resurrect)
    return packed(update_id, body, "reject")


def respond(update_id: str = "u1") -> protocol.Message:
    body = wire_update.Response(outcome=wire_update.Outcome(success=payloads(b'"out"')))
    body.meta.update_id = update_id
    return packed(update_id, body, "response")


def place(message_id: str) -> wire_command.Command:
    made = wire_command.Command(command_type=14)  # type: ignore[arg-type]
    made.protocol_message_command_attributes.message_id = message_id
    return made


def complete_workflow() -> wire_command.Command:
    made = wire_command.Command(command_type=4)  # type: ignore[arg-type]
    made.complete_workflow_execution_command_attributes.SetInParent()
    return made


def continue_as_new() -> wire_command.Command:
    made = wire_command.Command(command_type=10)  # type: ignore[arg-type]
    made.continue_as_new_workflow_execution_command_attributes.SetInParent()
    return made


def start_timer(timer_id: str = "t") -> wire_command.Command:
    made = wire_command.Command(command_type=3)  # type: ignore[arg-type]
    attributes = made.start_timer_command_attributes
    attributes.timer_id = timer_id
    attributes.start_to_fire_timeout.seconds = 1000
    return made


def notices_of(world: World, update_id: str = "u1") -> list[UpdateNotice]:
    return [n for n in world.notices if isinstance(n, UpdateNotice) and n.update_id == update_id]


def refused(world: World, asked: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        world.ask(asked)
    return caught.value
