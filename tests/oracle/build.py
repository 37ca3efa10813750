"""Builds protocol messages from plain Python values, so that a scenario reads like the request it sends.

Shortcuts: numbers are Durations in seconds, lists are Payloads, any JSON value is a Payload, strings are
workflow types, activity types, task queues or executions, dicts are memos, headers and search attributes.
A ready message passes as is.
"""

import json
from typing import Any

from google.protobuf import any_pb2, descriptor, duration_pb2, field_mask_pb2, message_factory, timestamp_pb2
from google.protobuf.message import Message
from temporalio.api.common.v1 import message_pb2 as common

_NAMED = {
    "temporal.api.common.v1.WorkflowType": "name",
    "temporal.api.common.v1.ActivityType": "name",
    "temporal.api.taskqueue.v1.TaskQueue": "name",
    "temporal.api.common.v1.WorkflowExecution": "workflow_id",
}
_MAPS = {
    "temporal.api.common.v1.Memo": "fields",
    "temporal.api.common.v1.Header": "fields",
    "temporal.api.common.v1.SearchAttributes": "indexed_fields",
}


def cases(labelled: dict[str, Any]) -> dict[str, Any]:
    """Its argument: a table of mixed cases, whose fields a type checker would otherwise call objects."""
    return labelled


def payload(value: Any, **metadata: str) -> common.Payload:
    """`value` as the JSON payload an SDK would send; `metadata` adds text entries to its metadata."""
    if isinstance(value, common.Payload):
        return value
    if value is None:
        made = common.Payload(metadata={"encoding": b"binary/null"})
    elif isinstance(value, bytes):
        made = common.Payload(metadata={"encoding": b"binary/plain"}, data=value)
    else:
        made = common.Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())
    for key, text in metadata.items():
        made.metadata[key] = text.encode()
    return made


def duration(seconds: float) -> duration_pb2.Duration:
    """`seconds` as a Duration; negative values keep their sign on both parts."""
    made = duration_pb2.Duration()
    made.FromNanoseconds(round(seconds * 1e9))
    return made


def message(kind: descriptor.Descriptor, value: Any) -> Message:
    """A message of type `kind` from `value`, applying the shortcuts above at every depth."""
    if isinstance(value, Message) and value.DESCRIPTOR is kind:
        return value
    name = kind.full_name
    made = message_factory.GetMessageClass(kind)()
    if name == "google.protobuf.Any" and isinstance(value, Message):
        packed = any_pb2.Any()
        packed.Pack(value)
        return packed
    if name == "google.protobuf.Duration" and not isinstance(value, dict):
        return duration(value)
    if name == "google.protobuf.Timestamp" and not isinstance(value, dict):
        stamp = timestamp_pb2.Timestamp()
        stamp.FromNanoseconds(round(value * 1e9))
        return stamp
    if name == "google.protobuf.FieldMask" and isinstance(value, list):
        return field_mask_pb2.FieldMask(paths=value)
    if name == "temporal.api.common.v1.Payload":
        return payload(value)
    if name == "temporal.api.common.v1.Payloads" and isinstance(value, list):
        return common.Payloads(payloads=[payload(item) for item in value])
    if name in _MAPS:
        value = {_MAPS[name]: value}
    elif name in _NAMED and isinstance(value, str):
        value = {_NAMED[name]: value}
    elif name == "temporal.api.common.v1.WorkflowExecution" and isinstance(value, tuple):
        value = {"workflow_id": value[0], "run_id": value[1]}
    for field_name, item in value.items():
        if item is not None:
            _set(made, kind.fields_by_name[field_name], item)
    return made


def _set(made: Message, field: descriptor.FieldDescriptor, value: Any) -> None:
    kind = field.message_type
    slot = getattr(made, field.name)
    if kind is not None and kind.GetOptions().map_entry:
        value_kind = kind.fields_by_name["value"].message_type
        for key, item in value.items():
            if value_kind is None:
                slot[key] = item
            else:
                slot[key].CopyFrom(message(value_kind, item))
    elif field.is_repeated:
        for item in value:
            if kind is None:
                slot.append(_scalar(field, item))
            else:
                slot.add().CopyFrom(message(kind, item))
    elif kind is not None:
        slot.CopyFrom(message(kind, value))
        slot.SetInParent()
    else:
        setattr(made, field.name, _scalar(field, value))


def _scalar(field: descriptor.FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None and isinstance(value, str):
        return field.enum_type.values_by_name[value].number
    return value
