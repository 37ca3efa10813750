"""Histories as text in which two workers and two services that do the same cannot differ."""

import json
import re
from collections.abc import Iterable
from typing import Any

from google.protobuf.message import Message
from temporalio.api.command.v1 import message_pb2 as _commands  # noqa: F401
from temporalio.api.common.v1 import message_pb2 as common
from temporalio.api.enums.v1 import event_type_pb2 as enums
from temporalio.api.failure.v1 import message_pb2 as failure
from temporalio.api.history.v1 import message_pb2 as history

from tests.interop.sdk.coding import uncoded
from tests.interop.sdk.playing import Played
from tests.oracle.normalise import Normaliser

_COMMANDED = {
    enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    enums.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED,
    enums.EVENT_TYPE_TIMER_STARTED,
    enums.EVENT_TYPE_TIMER_CANCELED,
    enums.EVENT_TYPE_MARKER_RECORDED,
    enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    enums.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
    enums.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
    enums.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
    enums.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
    enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
    enums.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
    enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
}
_NUMBERS = re.compile(r"\b(\w*event_id|activation_index|seq|activity_id|original_schedule_time)\b.*")
# Runs of one chain begin at least a second apart: how much of that is left is a matter of speed.
_SPACING = re.compile(r"^ *first_workflow_task_backoff: (<under a second>|0s)$")
# Names the request that took the task: a poll, or the answer to the task before.
_Started = history.WorkflowTaskStartedEventAttributes
# Who wrote it, or how large it came out: not what happened.
_UNSAID = {
    "worker_version",
    "stack_trace",
    "history_size_bytes",
    "sdk_name",
    "sdk_version",
    "metering_metadata",
    "event_time",
}
# An empty message of these kinds says as much as none.
_EMPTY = {"header", "priority", "sdk_metadata"}


def told(played: Played, loose: bool = False) -> str:
    """All histories of a program. ``loose``: only commands, in any order."""
    normaliser = Normaliser(played.began_at, played.salt)
    lines: list[str] = []
    for workflow_id, events in played.histories:
        lines.append(f"== {normaliser.text(workflow_id)}")
        for part in _events(normaliser, played, events, loose):
            lines.extend(part)
    return "\n".join(lines)


def _events(
    normaliser: Normaliser, played: Played, events: Iterable[history.HistoryEvent], loose: bool
) -> list[list[str]]:
    parts: list[list[str]] = []
    for event in events:
        if loose and event.event_type not in _COMMANDED:
            continue
        shown = history.HistoryEvent()
        shown.CopyFrom(event)
        shown.ClearField("event_time")
        _plain(shown, played.salt.encode())
        if loose and shown.HasField("workflow_execution_started_event_attributes"):
            # Where one could reset to is told per build.
            shown.workflow_execution_started_event_attributes.ClearField("prev_auto_reset_points")
        name = enums.EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
        rendered = [line for line in normaliser.render(shown)[2:] if not _SPACING.match(line)]
        if loose:
            parts.append([name, *(line for line in rendered if not _NUMBERS.search(line))])
        else:
            parts.append([f"{event.event_id} {name}", *rendered])
    return sorted(parts) if loose else parts


def _plain(message: Message, salt: bytes) -> None:
    """Take out of ``message`` what only says who wrote it."""
    for field, value in message.ListFields():
        if field.name in _UNSAID or (field.name == "request_id" and isinstance(message, _Started)):
            message.ClearField(field.name)
        elif field.name == "core_used_flags":
            # The fourth flag says that the worker checks Nexus operations.
            flags = [flag for flag in value if flag != 4]
            del value[:]
            value.extend(flags)
        elif isinstance(value, common.Payload):
            _plain_payload(value, salt)
        elif isinstance(value, Message):
            _plain(value, salt)
            if field.name in _EMPTY and not value.ByteSize():
                message.ClearField(field.name)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key in value:
                if isinstance(value[key], Message):
                    _plain(value[key], salt)
        elif field.message_type is not None:
            for one in value:
                _plain_payload(one, salt) if isinstance(one, common.Payload) else _plain(one, salt)


def _plain_payload(payload: Any, salt: bytes) -> None:
    if payload.metadata.get("encoding") == b"binary/secret":
        [plain] = uncoded([payload])
        payload.CopyFrom(plain)
        payload.metadata["coded"] = b"yes"
    payload.data = payload.data.replace(salt, b"SALT")
    if payload.data.startswith(b'{"message":'):
        hidden = json.loads(payload.data)
        hidden.pop("stack_trace", None)
        payload.data = json.dumps(hidden).encode()
    if not payload.data.startswith(b'{"seq":'):
        return
    told = json.loads(payload.data)
    for key in ("complete_time", "original_schedule_time"):
        del told[key]
    payload.data = json.dumps(told).encode()


__all__ = ["failure", "told"]
