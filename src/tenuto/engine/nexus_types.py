"""The vocabulary of Nexus between the engine and its host, as `types` is for all else."""

import enum

import msgspec

from tenuto.engine.chain import Outgoing as Outgoing
from tenuto.wire import common, failure


class Outcome(enum.IntEnum):
    """What an attempt to reach a handler came to, or what an operation came to."""

    SUCCEEDED = 1
    """With the result; of a cancellation: it was acknowledged."""
    STARTED = 2
    """It goes on under a token."""
    FAILED = 3
    CANCELED = 4
    ERROR = 5
    """The handler, or the way to it, has failed: ``retryable`` says whether it is tried again."""


NOTHING = common.Payload(metadata={"encoding": b"binary/null"})
"""The result of an operation that has none."""


class NexusAnswer(msgspec.Struct, frozen=True):
    """What came of one attempt. The reply of a `Delivered` NEXUS_START or NEXUS_CANCEL."""

    outcome: Outcome
    result: common.Payload | None = None
    token: str = ""
    links: tuple[common.Link, ...] = ()
    reason: failure.Failure | None = None
    retryable: bool = False


class AskNexus(msgspec.Struct, frozen=True):
    """What the handler is to be told for the sake of an owed message. A read; replies a `NexusHandout`, or None when
    nobody owes the message any more."""

    out_id: int


class NexusHandout(msgspec.Struct, frozen=True):
    """A start or a cancellation, all but input and header, which the scheduled event holds."""

    run_id: str
    scheduled_id: int
    endpoint: str
    endpoint_id: str
    service: str
    operation: str
    request_id: str
    token: str
    """Of an operation that is to be cancelled."""
    cancel: bool
    expires_at: int
    """When the operation times out as a whole; 0: never."""
    start_to_close_ns: int


class CompleteNexus(msgspec.Struct, frozen=True):
    """To a caller: what an operation came to that was going on."""

    scheduled_id: int
    request_id: str
    outcome: Outcome
    result: common.Payload | None = None
    reason: failure.Failure | None = None
    token: str = ""
    links: tuple[common.Link, ...] = ()
    """To what backs the operation; for a caller that has not heard that it began."""


class NexusParcel(msgspec.Struct, frozen=True, array_like=True):
    """Of CALLBACK: what the receiver's token names, and how the chain ended."""

    scheduled_id: int
    request_id: str
    event: bytes
    """The run's serialized close event."""
    token: str
    first_run_id: str


TO_HANDLERS = frozenset({7, 8})
"""Kinds of `Outgoing` that no chain receives: `Out.NEXUS_START`, `Out.NEXUS_CANCEL`."""


def is_for_handler(message: Outgoing) -> bool:
    """The message goes to a Nexus handler; the reply to it is a `NexusAnswer`."""
    return message.kind in TO_HANDLERS
