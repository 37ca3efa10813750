"""Retry policies: defaults, validity, and whether and when a failed attempt is followed by another.

One rule serves activities and workflows (execution-semantics 4.3). This room holds arithmetic only: it must
never look at a chain, a draft or a clock.
"""

import math

from tenuto.engine import events as ev
from tenuto.engine.chain import Retry
from tenuto.limits import LIMITS
from tenuto.wire import common, duration_pb2, enums_workflow, failure

State = enums_workflow.RetryState
TimeoutType = enums_workflow.TimeoutType

START_TO_CLOSE = TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
SCHEDULE_TO_START = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START
SCHEDULE_TO_CLOSE = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
HEARTBEAT = TimeoutType.TIMEOUT_TYPE_HEARTBEAT

TIMEOUT_NAMES: dict[int, str] = {
    TimeoutType.TIMEOUT_TYPE_UNSPECIFIED: "Unspecified",
    START_TO_CLOSE: "StartToClose",
    SCHEDULE_TO_START: "ScheduleToStart",
    SCHEDULE_TO_CLOSE: "ScheduleToClose",
    HEARTBEAT: "Heartbeat",
}
TIMEOUT_PREFIX = "TemporalTimeout:"
"""A non-retryable error type of this form means a timeout, not an application error."""

MAX_DURATION_NS = 2**63 - 1


def policy(message: common.RetryPolicy | None, default: bool) -> Retry | None:
    """The policy with its defaults filled in. ``None`` stays none, or, with ``default``, becomes the
    all-default policy that every activity has."""
    if message is None:
        if not default:
            return None
        message = common.RetryPolicy()
    initial = ev.nanoseconds(message.initial_interval) or LIMITS.retry_initial_ns
    maximum = ev.nanoseconds(message.maximum_interval)
    return Retry(
        initial_ns=initial,
        coefficient=message.backoff_coefficient or LIMITS.retry_coefficient,
        maximum_ns=maximum or min(initial * LIMITS.retry_maximum_factor, LIMITS.duration_ns),
        maximum_attempts=message.maximum_attempts,
        non_retryable=tuple(message.non_retryable_error_types),
    )


def to_wire(retry: Retry) -> common.RetryPolicy:
    """The policy as events, descriptions and polls show it: both intervals always present."""
    return common.RetryPolicy(
        initial_interval=ev.duration(retry.initial_ns),
        backoff_coefficient=retry.coefficient,
        maximum_interval=ev.duration(retry.maximum_ns),
        maximum_attempts=retry.maximum_attempts,
        non_retryable_error_types=retry.non_retryable,
    )


def validate(message: common.RetryPolicy) -> str | None:
    """What is wrong with a policy, as the caller will read it; None when nothing is. Defaults are filled in
    first, and a policy of one attempt is never wrong, since nothing else of it is used."""
    filled = policy(message, default=True)
    assert filled is not None
    if filled.maximum_attempts == 1:
        return None
    if problem := duration_problem(message.initial_interval):
        return f"invalid InitialInterval set on retry policy: {problem}"
    if filled.coefficient < 1:
        return "BackoffCoefficient cannot be less than 1 on retry policy."
    if problem := duration_problem(message.maximum_interval):
        return f"invalid MaximumInterval set on retry policy: {problem}"
    if filled.maximum_ns < filled.initial_ns and ev.nanoseconds(message.maximum_interval) > 0:
        return "MaximumInterval cannot be less than InitialInterval on retry policy."
    if filled.maximum_attempts < 0:
        return "MaximumAttempts cannot be negative on retry policy."
    for name in filled.non_retryable:
        if name.startswith(TIMEOUT_PREFIX) and name[len(TIMEOUT_PREFIX) :] not in TIMEOUT_NAMES.values():
            return f"Invalid timeout type value: {name[len(TIMEOUT_PREFIX) :]}."
    return None


def duration_problem(value: duration_pb2.Duration) -> str | None:
    """Why a wire duration is not acceptable; None when it is."""
    seconds, nanos = value.seconds, value.nanos
    if seconds and nanos and (seconds < 0) != (nanos < 0):
        return "duration has seconds and nanos with different signs"
    if seconds < 0 or nanos < 0:
        return "negative duration"
    return None


def interval(retry: Retry, attempt: int) -> int:
    """How long (ns) to wait after the given attempt (1 is the first) has failed, by the policy alone."""
    try:
        wanted = retry.initial_ns * math.pow(retry.coefficient, attempt - 1)
    except OverflowError:
        wanted = math.inf
    result = int(wanted) if 0 < wanted < MAX_DURATION_NS else 0
    if retry.maximum_ns and (result <= 0 or result > retry.maximum_ns):
        return retry.maximum_ns
    return result or MAX_DURATION_NS


def is_retryable(reason: failure.Failure | None, retry: Retry) -> bool:
    """Whether this failure allows another attempt. Only the failure itself is looked at, never its causes; no
    failure at all is retryable."""
    if reason is None:
        return True
    kind = reason.WhichOneof("failure_info")
    if kind in ("terminated_failure_info", "canceled_failure_info"):
        return False
    if kind == "timeout_failure_info":
        timeout = reason.timeout_failure_info.timeout_type
        if timeout not in (START_TO_CLOSE, HEARTBEAT):
            return False
        return TIMEOUT_PREFIX + TIMEOUT_NAMES[timeout] not in retry.non_retryable
    if kind == "server_failure_info":
        return not reason.server_failure_info.non_retryable
    if kind == "application_failure_info":
        application = reason.application_failure_info
        return not application.non_retryable and application.type not in retry.non_retryable
    return True


def next_retry(
    retry: Retry | None,
    attempt: int,
    now: int,
    expires_at: int,
    reason: failure.Failure | None,
    timeout_type: int = 0,
    *,
    cancel_requested: bool = False,
    paused: bool = False,
    capped: bool = False,
) -> tuple[int | None, int]:
    """What follows attempt ``attempt``, which has just failed with ``reason`` (or timed out by
    ``timeout_type``).

    Returns the wait (ns) until the next attempt with RETRY_STATE_IN_PROGRESS, or None with the RetryState
    that says why there is none. ``expires_at``: no attempt may begin later (0: no such limit). A paused one
    always gets its next attempt, with no wait of its own. ``capped``: the policy's longest interval bounds even
    a wait that the failure itself asks for, as it does for workflows.
    """
    if retry is None:
        return None, State.RETRY_STATE_RETRY_POLICY_NOT_SET
    if cancel_requested:
        return None, State.RETRY_STATE_CANCEL_REQUESTED
    if timeout_type in (SCHEDULE_TO_START, SCHEDULE_TO_CLOSE):
        return None, State.RETRY_STATE_TIMEOUT
    if not is_retryable(reason, retry):
        return None, State.RETRY_STATE_NON_RETRYABLE_FAILURE
    if paused:
        return 0, State.RETRY_STATE_IN_PROGRESS
    if 0 < retry.maximum_attempts <= attempt:
        return None, State.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
    wait = _wait(retry, attempt, reason)
    if capped and retry.maximum_ns:
        wait = min(wait, retry.maximum_ns)
    if expires_at and now + wait > expires_at:
        return None, State.RETRY_STATE_TIMEOUT
    return wait, State.RETRY_STATE_IN_PROGRESS


def _wait(retry: Retry, attempt: int, reason: failure.Failure | None) -> int:
    """The policy's interval, unless the failure names its own, which no maximum bounds."""
    if reason is not None and reason.HasField("application_failure_info"):
        application = reason.application_failure_info
        if application.HasField("next_retry_delay"):
            return max(ev.nanoseconds(application.next_retry_delay), 0)
    return interval(retry, attempt)
