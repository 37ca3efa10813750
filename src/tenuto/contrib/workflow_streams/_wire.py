"""What streams say to each other: names of handlers, types of errors, and the arguments and results of both.

An item's value travels as text, base64 of its serialized payload, because JSON has no place for a payload. Codecs do not
see single items: they are applied to the signal, update or query as a whole. This file must never wait.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from tenuto.converter import PayloadConverter
from tenuto.wire import common

T = TypeVar("T")

PUBLISH = "__temporal_workflow_stream_publish"
POLL = "__temporal_workflow_stream_poll"
"""The update that waits for items, and the query that takes what there is."""
OFFSET = "__temporal_workflow_stream_offset"

DRAINING = "StreamDraining"
TRUNCATED = "TruncatedOffset"
OUT_OF_RANGE = "TruncateOutOfRange"


@dataclass
class WorkflowStreamItem(Generic[T]):
    """One item as a subscriber gets it."""

    topic: str
    data: T
    """Decoded as the subscriber asked."""
    offset: int = 0
    """Its place among all items of the stream, from 0. Truncation and continue-as-new do not change it."""


@dataclass
class PublishEntry:
    """One item on its way to the workflow."""

    topic: str
    data: str
    """Base64 of the serialized payload."""


@dataclass
class PublishInput:
    """What a publisher sends: items that are taken as a whole, or not at all."""

    items: list[PublishEntry] = field(default_factory=list)
    publisher_id: str = ""
    """Empty: nobody notices when it comes twice."""
    sequence: int = 0
    """Counts the batches of one publisher, from 1. One that is not higher than the last is a repetition."""


@dataclass
class PollInput:
    """What a subscriber asks for."""

    topics: list[str] = field(default_factory=list)
    """Empty: all."""
    from_offset: int = 0


@dataclass
class WireItem:
    """One item on its way from the workflow, and in the state that the next run takes over."""

    topic: str
    data: str
    """Base64 of the serialized payload."""
    offset: int = 0


@dataclass
class PollResult:
    """What a subscriber gets."""

    items: list[WireItem] = field(default_factory=list)
    next_offset: int = 0
    more_ready: bool = False
    """There was more than fits into one answer."""


@dataclass
class PublisherState:
    """What a stream remembers of a publisher, to notice repetitions."""

    sequence: int
    last_seen: datetime
    """When its last batch came, by the workflow's clock."""


@dataclass
class WorkflowStreamState:
    """A stream as it is handed to the next run. Annotate the argument that carries it with ``WorkflowStreamState | None``:
    as ``Any`` it would arrive as a dict."""

    log: list[WireItem] = field(default_factory=list)
    base_offset: int = 0
    """The offset of the first item in ``log``."""
    publishers: dict[str, PublisherState] = field(default_factory=dict)


def packed(converter: PayloadConverter, value: Any) -> str:
    """A value as text. A payload passes as it is. Raises what the converter raises."""
    payload = value if isinstance(value, common.Payload) else converter.to_payloads([value])[0]
    return base64.b64encode(payload.SerializeToString()).decode("ascii")


def unpacked(converter: PayloadConverter, text: str, hint: Any) -> Any:
    """The value of the text as ``hint`` asks; None: as the converter likes."""
    payload = common.Payload.FromString(base64.b64decode(text))
    return converter.from_payload(payload) if hint is None else converter.from_payload(payload, hint)
