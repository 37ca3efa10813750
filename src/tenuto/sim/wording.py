"""Short ways to make the protocol's values: payloads that hold JSON, durations, names of events."""

import json
from typing import Any

from tenuto.wire import common, duration_pb2, enums_event, history, timestamp_pb2

SECOND = 1_000_000_000
_NAMES = {number: name.removeprefix("EVENT_TYPE_") for name, number in enums_event.EventType.items()}


def payloads(value: Any) -> common.Payloads:
    """One JSON payload."""
    result = common.Payloads()
    result.payloads.append(payload(value))
    return result


def payload(value: Any) -> common.Payload:
    return common.Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())


def value_of(carrier: common.Payloads) -> Any:
    """What ``payloads`` was given; None when it is empty or not ours."""
    if not carrier.payloads:
        return None
    return json.loads(carrier.payloads[0].data)


def duration(ns: int) -> duration_pb2.Duration:
    return duration_pb2.Duration(seconds=ns // SECOND, nanos=ns % SECOND)


def nanoseconds(value: duration_pb2.Duration | timestamp_pb2.Timestamp) -> int:
    return value.seconds * SECOND + value.nanos


def event_name(event: history.HistoryEvent) -> str:
    return _NAMES[event.event_type]


def attributes_of(event: history.HistoryEvent) -> Any:
    """The event's attributes, whatever its type."""
    return getattr(event, str(event.WhichOneof("attributes")))
