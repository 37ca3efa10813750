"""Which calls are tried again, when, and for how long. Must never send anything itself.

Polls of workers are tried for ever; polls of callers too unless they set a time limit, which bounds all tries together;
everything else as `RetryConfig` says.
"""

from enum import Enum
from typing import Any

from tenuto import ambient
from tenuto.transport.config import RetryConfig
from tenuto.transport.errors import RPCError, RPCStatusCode

CALL_SECONDS = 30.0
"""How long one try of an ordinary call may take."""
POLL_SECONDS = 70.0
"""How long one try of a poll may take."""

_C = RPCStatusCode
RETRYABLE = frozenset(
    {
        _C.DATA_LOSS,
        _C.INTERNAL,
        _C.UNKNOWN,
        _C.RESOURCE_EXHAUSTED,
        _C.ABORTED,
        _C.OUT_OF_RANGE,
        _C.UNAVAILABLE,
    }
)
"""Codes after which the same call may well succeed."""
EXPIRED = frozenset({_C.CANCELLED, _C.DEADLINE_EXCEEDED})
"""Codes with which a poll ends that found nothing in its time."""
_TOO_LARGE = "larger than max"
_CROWDED_FIRST, _CROWDED_MOST, _CROWDED_FACTOR = 1.0, 10.0, 2.0
"""Waits after RESOURCE_EXHAUSTED, in seconds."""
_POLL_FIRST, _POLL_MOST, _POLL_FACTOR = 0.2, 10.0, 2.0


class Kind(Enum):
    """How patient a call is."""

    CALL = "call"
    CALLER_POLL = "caller_poll"
    WORKER_POLL = "worker_poll"


_WORKER_POLLS = frozenset({"PollWorkflowTaskQueue", "PollActivityTaskQueue", "PollNexusTaskQueue"})
_CALLER_POLLS = frozenset(
    {
        "UpdateWorkflowExecution",
        "PollWorkflowExecutionUpdate",
        "ExecuteMultiOperation",
        "PollActivityExecution",
        "PollNexusOperationExecution",
        "PollWorkflowExecutionTimeSkipping",
    }
)


def kind_of(method: str, request: Any) -> Kind:
    """How patient this call is."""
    if method in _WORKER_POLLS:
        return Kind.WORKER_POLL
    if method in _CALLER_POLLS:
        return Kind.CALLER_POLL
    if method == "GetWorkflowExecutionHistory" and request.wait_new_event:
        return Kind.CALLER_POLL
    return Kind.CALL


class Tries:
    """The tries of one call. ``started`` is the loop's time, in seconds, at which the first one began.

    ``limit`` is how many seconds all tries together may take, None for no limit by the caller.
    """

    __slots__ = ("_config", "_crowded", "_failed", "_kind", "_limit", "_started")

    def __init__(self, config: RetryConfig, kind: Kind, started: float, limit: float | None) -> None:
        self._config = config
        self._kind = kind
        self._started = started
        self._limit = limit
        self._failed = 0
        self._crowded = 0

    def wait_after(self, error: RPCError, now: float) -> float | None:
        """Seconds to wait before the next try, or None: ``error`` is final."""
        self._failed += 1
        if not self._worthwhile(error):
            return None
        wait = self._wait(error.status)
        spent = now - self._started
        if self._limit is not None and spent + wait >= self._limit:
            return None
        if self._kind is Kind.CALL:
            most = self._config.max_elapsed_time_millis
            if self._failed > self._config.max_retries or (most is not None and spent + wait > most / 1000):
                return None
        return wait

    def _worthwhile(self, error: RPCError) -> bool:
        status = error.status
        if status is _C.RESOURCE_EXHAUSTED and _TOO_LARGE in error.message:
            return False
        if status in RETRYABLE:
            return True
        return self._kind is not Kind.CALL and status in EXPIRED

    def _wait(self, status: RPCStatusCode) -> float:
        config = self._config
        if status in EXPIRED:
            return 0.0
        if status is _C.RESOURCE_EXHAUSTED:
            base = min(_CROWDED_FIRST * _CROWDED_FACTOR ** min(self._crowded, 16), _CROWDED_MOST)
            self._crowded += 1
        elif self._kind is Kind.CALL:
            grown = config.initial_interval_millis * config.multiplier ** min(self._failed - 1, 64)
            base = min(grown, config.max_interval_millis) / 1000
        else:
            base = min(_POLL_FIRST * _POLL_FACTOR ** min(self._failed - 1, 16), _POLL_MOST)
        spread = config.randomization_factor
        return base * (1.0 + ambient.uniform(-spread, spread))
