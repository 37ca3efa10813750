"""Retry policies: defaults, validity, intervals, and the order in which reasons not to retry are found."""

import pytest

from tenuto.engine import retry
from tenuto.engine.chain import Retry
from tenuto.limits import SECOND
from tenuto.wire import common, duration_pb2, enums_workflow, failure

S = enums_workflow.RetryState
IN_PROGRESS = S.RETRY_STATE_IN_PROGRESS
NON_RETRYABLE = S.RETRY_STATE_NON_RETRYABLE_FAILURE
TIMEOUT = S.RETRY_STATE_TIMEOUT
EXHAUSTED = S.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
NOT_SET = S.RETRY_STATE_RETRY_POLICY_NOT_SET
CANCELED = S.RETRY_STATE_CANCEL_REQUESTED

NOW = 1000 * SECOND


def wire(seconds: float) -> duration_pb2.Duration:
    return duration_pb2.Duration(seconds=int(seconds), nanos=round((seconds - int(seconds)) * SECOND))


def filled(**fields: object) -> Retry:
    result = retry.policy(common.RetryPolicy(**fields), default=True)  # type: ignore[arg-type]
    assert result is not None
    return result


def application(kind: str = "Boom", **fields: object) -> failure.Failure:
    result = failure.Failure(message="boom")
    result.application_failure_info.CopyFrom(failure.ApplicationFailureInfo(type=kind, **fields))  # type: ignore[arg-type]
    return result


def timed_out(kind: int) -> failure.Failure:
    result = failure.Failure(message="late")
    result.timeout_failure_info.timeout_type = kind  # type: ignore[assignment]
    return result


# ---- defaults and validity ------------------------------------------------------------------------------


def test_no_policy_stays_none_unless_a_default_is_wanted() -> None:
    assert retry.policy(None, default=False) is None
    assert retry.policy(None, default=True) == Retry(SECOND, 2.0, 100 * SECOND, 0)


def test_the_maximum_interval_defaults_to_a_hundred_initial_ones() -> None:
    assert filled(initial_interval=wire(3)).maximum_ns == 300 * SECOND


def test_a_policy_on_the_wire_shows_its_defaults() -> None:
    message = retry.to_wire(filled(maximum_attempts=4, non_retryable_error_types=["X"]))
    assert message == common.RetryPolicy(
        initial_interval=wire(1),
        backoff_coefficient=2.0,
        maximum_interval=wire(100),
        maximum_attempts=4,
        non_retryable_error_types=["X"],
    )


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"initial_interval": wire(-1)}, "invalid InitialInterval set on retry policy: negative duration"),
        ({"backoff_coefficient": 0.5}, "BackoffCoefficient cannot be less than 1 on retry policy."),
        ({"maximum_interval": wire(-1)}, "invalid MaximumInterval set on retry policy: negative duration"),
        (
            {"initial_interval": wire(10), "maximum_interval": wire(5)},
            "MaximumInterval cannot be less than InitialInterval on retry policy.",
        ),
        (
            {"maximum_interval": wire(0.5)},
            "MaximumInterval cannot be less than InitialInterval on retry policy.",
        ),
        ({"maximum_attempts": -1}, "MaximumAttempts cannot be negative on retry policy."),
        ({"non_retryable_error_types": ["TemporalTimeout:foo"]}, "Invalid timeout type value: foo."),
        ({"non_retryable_error_types": ["TemporalTimeout:"]}, "Invalid timeout type value: ."),
        ({"non_retryable_error_types": ["TemporalTimeout:StartToClose", "Mine"]}, None),
        ({"maximum_attempts": 1, "backoff_coefficient": 0.5, "maximum_interval": wire(-3)}, None),
        ({}, None),
    ],
)
def test_a_wrong_policy_is_told_what_is_wrong(fields: dict[str, object], text: str | None) -> None:
    assert retry.validate(common.RetryPolicy(**fields)) == text  # type: ignore[arg-type]


# ---- intervals ------------------------------------------------------------------------------------------


def test_intervals_grow_by_the_coefficient_up_to_the_maximum() -> None:
    policy = filled(maximum_interval=wire(5))
    assert [retry.interval(policy, n) / SECOND for n in (1, 2, 3, 4, 100, 100_000)] == [1, 2, 4, 5, 5, 5]


def test_an_interval_beyond_all_numbers_becomes_the_maximum() -> None:
    assert retry.interval(Retry(SECOND, float("inf"), 7 * SECOND, 0), 3) == 7 * SECOND
    assert retry.interval(Retry(SECOND, float("nan"), 7 * SECOND, 0), 3) == 7 * SECOND
    assert retry.interval(Retry(SECOND, 10.0, 0, 0), 500) == retry.MAX_DURATION_NS


def test_a_failure_may_name_its_own_delay_beyond_the_maximum() -> None:
    policy = filled(maximum_interval=wire(5))
    wait = retry.next_retry(policy, 1, NOW, 0, application(next_retry_delay=wire(500)))
    assert wait == (500 * SECOND, IN_PROGRESS)


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_delay_of_nothing_means_at_once(seconds: int) -> None:
    reason = application(next_retry_delay=wire(seconds))
    assert retry.next_retry(filled(), 5, NOW, 0, reason) == (0, IN_PROGRESS)


def test_a_named_delay_exceeds_neither_attempts_nor_time() -> None:
    reason = application(next_retry_delay=wire(500))
    assert retry.next_retry(filled(maximum_attempts=2), 2, NOW, 0, reason) == (None, EXHAUSTED)
    assert retry.next_retry(filled(), 2, NOW, NOW + 499 * SECOND, reason) == (None, TIMEOUT)
    assert retry.next_retry(filled(), 2, NOW, NOW + 500 * SECOND, reason) == (500 * SECOND, IN_PROGRESS)


# ---- what is retryable ----------------------------------------------------------------------------------


def test_terminated_and_canceled_are_never_retried() -> None:
    terminated, canceled = failure.Failure(), failure.Failure()
    terminated.terminated_failure_info.SetInParent()
    canceled.canceled_failure_info.SetInParent()
    assert not retry.is_retryable(terminated, filled())
    assert not retry.is_retryable(canceled, filled())


def test_flags_and_listed_types_forbid_a_retry() -> None:
    server = failure.Failure()
    server.server_failure_info.non_retryable = True
    assert not retry.is_retryable(server, filled())
    assert not retry.is_retryable(application(non_retryable=True), filled())
    assert not retry.is_retryable(application("Bad"), filled(non_retryable_error_types=["Bad"]))
    assert retry.is_retryable(application("Good"), filled(non_retryable_error_types=["Bad"]))


def test_only_the_outermost_failure_counts() -> None:
    outer = failure.Failure()
    outer.activity_failure_info.SetInParent()
    outer.cause.CopyFrom(application("Bad", non_retryable=True))
    assert retry.is_retryable(outer, filled(non_retryable_error_types=["Bad"]))


def test_timeouts_are_retried_by_kind_unless_listed() -> None:
    assert retry.is_retryable(timed_out(retry.START_TO_CLOSE), filled())
    assert retry.is_retryable(timed_out(retry.HEARTBEAT), filled())
    assert not retry.is_retryable(timed_out(retry.SCHEDULE_TO_START), filled())
    assert not retry.is_retryable(timed_out(retry.SCHEDULE_TO_CLOSE), filled())
    listed = filled(non_retryable_error_types=["TemporalTimeout:StartToClose"])
    assert not retry.is_retryable(timed_out(retry.START_TO_CLOSE), listed)
    assert retry.is_retryable(timed_out(retry.HEARTBEAT), listed)


def test_no_failure_at_all_is_retryable() -> None:
    assert retry.is_retryable(None, filled())


# ---- the order of reasons -------------------------------------------------------------------------------


def test_reasons_not_to_retry_are_found_in_order() -> None:
    bad = application(non_retryable=True)
    once = filled(maximum_attempts=1)
    assert retry.next_retry(None, 1, NOW, 0, bad, cancel_requested=True) == (None, NOT_SET)
    assert retry.next_retry(once, 1, NOW, 0, bad, retry.SCHEDULE_TO_CLOSE, cancel_requested=True) == (
        None,
        CANCELED,
    )
    late = timed_out(retry.SCHEDULE_TO_START)
    assert retry.next_retry(once, 1, NOW, 0, late, retry.SCHEDULE_TO_START) == (None, TIMEOUT)
    assert retry.next_retry(once, 1, NOW, NOW, bad, paused=True) == (None, NON_RETRYABLE)
    assert retry.next_retry(once, 1, NOW, NOW, application(), paused=True) == (0, IN_PROGRESS)
    assert retry.next_retry(once, 1, NOW, NOW, application()) == (None, EXHAUSTED)
    assert retry.next_retry(filled(), 1, NOW, NOW, application()) == (None, TIMEOUT)
    assert retry.next_retry(filled(), 1, NOW, NOW + SECOND, application()) == (SECOND, IN_PROGRESS)


def test_no_maximum_means_attempts_without_end() -> None:
    assert retry.next_retry(filled(), 10_000, NOW, 0, application()) == (100 * SECOND, IN_PROGRESS)
