"""Failures cut to size: what is kept of one that is too large to store or to carry along.

Reported failures are never changed, only the event's own copy is.
"""

from typing import Any

from tenuto.engine import events as ev
from tenuto.limits import LIMITS
from tenuto.wire import failure, history, update

OVERSIZE = "Failure exceeds size limit."
OVERHEAD = 10
"""Bytes set aside for the frame of each text."""


CAUSES = 50
"""Causes under a failure that are kept. Protobuf readers stop at a hundred levels, and histories add some of their own: an
event with more could be written and never be read again."""


def _holders() -> dict[int, tuple[str, ...]]:
    """Event type -> where in its attributes a failure is."""
    found: dict[int, tuple[str, ...]] = {}
    for kind, name in ev.ATTRIBUTES.items():
        attributes = history.HistoryEvent.DESCRIPTOR.fields_by_name[name].message_type
        assert attributes is not None
        for field in attributes.fields:
            inner = field.message_type.full_name if field.message_type is not None else ""
            if inner == failure.Failure.DESCRIPTOR.full_name:
                found[kind] = (name, field.name)
            elif inner == update.Outcome.DESCRIPTOR.full_name:
                found[kind] = (name, field.name, "failure")
    return found


HOLDERS = _holders()


def clip(event: history.HistoryEvent) -> None:
    """Cut the failure in an event of a kind in `HOLDERS` to as many causes as can be read again."""
    at: Any = event
    for name in HOLDERS[event.event_type]:
        if not at.HasField(name):
            return
        at = getattr(at, name)
    _clip(at)


def _clip(at: failure.Failure) -> None:
    for _ in range(CAUSES):
        if not at.HasField("cause"):
            return
        at = at.cause
    at.ClearField("cause")


def refused(message: str) -> failure.Failure:
    """The failure that stands for a payload the service would not store; it ends the activity."""
    result = failure.Failure(message=message)
    result.server_failure_info.non_retryable = True
    return result


def accepted(reason: failure.Failure) -> failure.Failure | None:
    """What replaces a reported failure above the size limit of one blob; None: it fits."""
    if reason.ByteSize() <= LIMITS.blob_bytes:
        return None
    result = refused(OVERSIZE)
    result.cause.CopyFrom(truncate(reason, LIMITS.blob_bytes // 4))
    return result


def retained(reason: failure.Failure | None) -> bytes:
    """A failure as a pending activity keeps it for its next attempt, serialized; empty for none."""
    if reason is None:
        return b""
    if reason.ByteSize() <= LIMITS.retained_failure_bytes:
        kept = failure.Failure()
        kept.CopyFrom(reason)
        _clip(kept)
        return kept.SerializeToString()
    wrapped = failure.Failure(message=OVERSIZE)
    wrapped.server_failure_info.SetInParent()
    wrapped.cause.CopyFrom(truncate(reason, LIMITS.retained_failure_bytes))
    return wrapped.SerializeToString()


def truncate(reason: failure.Failure, limit: int, causes: int = CAUSES) -> failure.Failure:
    """A failure of at most about ``limit`` bytes: its type and retryability, then as much as fits of source,
    message, stack trace and causes. Details and encoded attributes are dropped."""
    result = failure.Failure()
    if reason.HasField("application_failure_info"):
        result.application_failure_info.type = _cut(reason.application_failure_info.type, limit)
        result.application_failure_info.non_retryable = reason.application_failure_info.non_retryable
    elif reason.HasField("server_failure_info"):
        result.server_failure_info.CopyFrom(reason.server_failure_info)
    result.source = _cut(reason.source, limit - result.ByteSize() - OVERHEAD)
    limit -= result.ByteSize()
    for name in ("message", "stack_trace"):
        kept = _cut(getattr(reason, name), limit - OVERHEAD)
        setattr(result, name, kept)
        limit -= len(kept.encode()) + OVERHEAD
    if reason.HasField("cause") and limit > OVERHEAD and causes:
        result.cause.CopyFrom(truncate(reason.cause, limit - 2, causes - 1))
    return result


def _cut(text: str, limit: int) -> str:
    """The longest beginning of ``text`` within ``limit`` bytes of UTF-8."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    return raw[: max(limit, 0)].decode(errors="ignore")
