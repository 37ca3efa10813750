"""How the engine says no: one exception, and why. Nothing here decides anything."""

import enum
from dataclasses import dataclass
from typing import Any


class Reason(enum.Enum):
    """Why the engine refuses. The service maps each to one code and one typed detail."""

    INVALID = "invalid argument"
    NOT_FOUND = "not found"
    ALREADY_STARTED = "already started"
    PRECONDITION = "failed precondition"
    NOT_READY = "workflow not ready"
    BUSY = "busy workflow"
    CONCURRENT = "concurrent limit"
    DENIED = "permission denied"
    UNIMPLEMENTED = "unimplemented"
    UNAVAILABLE = "unavailable"
    QUERY_FAILED = "query failed"
    ABORTED = "aborted"
    MULTI_OPERATION = "multi-operation"
    STALE = "stale"
    """The request was decided on facts that have changed since they were loaded; the host loads again and retries."""


class Rejected(Exception):
    """The one exception ``decide`` raises. ``detail`` is a wire message (or whatever the reason's mapping expects)."""

    def __init__(self, reason: Reason, message: str, detail: Any = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.detail = detail

    def __repr__(self) -> str:
        return f"Rejected({self.reason.name}, {self.message!r})"


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """How one member of a multi-operation fared: fine (no refusal), refused, or ``aborted`` because of the other one.

    ``Rejected(MULTI_OPERATION).detail`` is a tuple of two: the start's, then the update's."""

    refusal: Rejected | None = None
    aborted: bool = False
