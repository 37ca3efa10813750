"""Failures cut to size: what is kept of one that is too large to store or to carry along.

This room must never change the message it is given.
"""

from tenuto.limits import LIMITS
from tenuto.wire import failure

OVERSIZE = "Failure exceeds size limit."
OVERHEAD = 10
"""Bytes set aside for the frame of each text."""


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
        return reason.SerializeToString()
    wrapped = failure.Failure(message=OVERSIZE)
    wrapped.server_failure_info.SetInParent()
    wrapped.cause.CopyFrom(truncate(reason, LIMITS.retained_failure_bytes))
    return wrapped.SerializeToString()


def truncate(reason: failure.Failure, limit: int) -> failure.Failure:
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
    if reason.HasField("cause") and limit > OVERHEAD:
        result.cause.CopyFrom(truncate(reason.cause, limit - 2))
    return result


def _cut(text: str, limit: int) -> str:
    """The longest beginning of ``text`` within ``limit`` bytes of UTF-8."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    return raw[: max(limit, 0)].decode(errors="ignore")
