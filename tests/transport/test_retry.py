"""Which failures are tried again, after which wait, and when enough is enough."""

import pytest

from tenuto.transport.config import RetryConfig
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.transport.retry import Kind, Tries, kind_of
from tenuto.wire import workflowservice as ws

EXACT = RetryConfig(randomization_factor=0.0)


def error(status: RPCStatusCode, text: str = "no") -> RPCError:
    return RPCError(text, status, b"")


def waits(
    kind: Kind, *failures: RPCStatusCode, config: RetryConfig = EXACT, limit: float | None = None
) -> list[float | None]:
    """The wait after each failure, when a try itself takes no time."""
    tries = Tries(config, kind, 0.0, limit)
    now, found = 0.0, []
    for status in failures:
        wait = tries.wait_after(error(status), now)
        found.append(None if wait is None else round(wait, 3))
        now += wait or 0.0
    return found


GONE, BUSY, LATE = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.DEADLINE_EXCEEDED,
)


def test_waits_grow_by_the_multiplier() -> None:
    assert waits(Kind.CALL, GONE, GONE, GONE, GONE) == [0.1, 0.15, 0.225, 0.338]


def test_waits_stop_growing_at_the_maximum() -> None:
    config = RetryConfig(randomization_factor=0.0, multiplier=10, max_interval_millis=2000)
    assert waits(Kind.CALL, GONE, GONE, GONE, GONE, config=config) == [0.1, 1.0, 2.0, 2.0]


def test_waits_vary_by_the_factor() -> None:
    seen = {waits(Kind.CALL, GONE, config=RetryConfig())[0] for _ in range(50)}
    assert len(seen) > 10
    assert all(wait is not None and 0.08 <= wait <= 0.12 for wait in seen)


def test_ten_retries_are_the_most() -> None:
    config = RetryConfig(randomization_factor=0.0, multiplier=1.0)
    assert waits(Kind.CALL, *[GONE] * 11, config=config) == [0.1] * 10 + [None]


def test_ten_seconds_are_the_longest() -> None:
    assert waits(Kind.CALL, *[GONE] * 10)[-1] is None
    unlimited = RetryConfig(randomization_factor=0.0, max_elapsed_time_millis=None)
    assert waits(Kind.CALL, *[GONE] * 10, config=unlimited)[-1] is not None


@pytest.mark.parametrize(
    "status",
    [
        RPCStatusCode.NOT_FOUND,
        RPCStatusCode.ALREADY_EXISTS,
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.UNIMPLEMENTED,
        RPCStatusCode.PERMISSION_DENIED,
        RPCStatusCode.UNAUTHENTICATED,
        RPCStatusCode.FAILED_PRECONDITION,
    ],
)
def test_what_will_not_change_is_final_for_every_kind_of_call(status: RPCStatusCode) -> None:
    assert [waits(kind, status) for kind in Kind] == [[None]] * 3


def test_a_crowded_service_is_given_more_time() -> None:
    assert waits(Kind.CALL, BUSY, BUSY, GONE) == [1.0, 2.0, 0.225]


def test_a_message_that_is_too_large_will_be_too_large_again() -> None:
    tries = Tries(EXACT, Kind.CALL, 0.0, None)
    assert tries.wait_after(error(BUSY, "grpc: received message larger than max (5 vs. 4)"), 0.0) is None


def test_an_ordinary_call_that_timed_out_is_not_sent_again() -> None:
    assert waits(Kind.CALL, LATE) == [None]


def test_polls_are_tried_for_ever() -> None:
    for kind in (Kind.WORKER_POLL, Kind.CALLER_POLL):
        found = waits(kind, *[GONE] * 100)
        assert None not in found
        assert found[-1] == 10.0


def test_a_poll_that_found_nothing_asks_again_at_once() -> None:
    assert waits(Kind.WORKER_POLL, LATE, RPCStatusCode.CANCELLED, LATE) == [0.0, 0.0, 0.0]


def test_a_callers_time_limit_bounds_all_tries_together() -> None:
    assert waits(Kind.CALLER_POLL, GONE, GONE, GONE, limit=1.0) == [0.2, 0.4, None]
    tries = Tries(EXACT, Kind.CALLER_POLL, 0.0, 5.0)
    assert tries.wait_after(error(LATE), 5.0) is None


def test_kinds_of_calls() -> None:
    assert kind_of("StartWorkflowExecution", ws.StartWorkflowExecutionRequest()) is Kind.CALL
    assert kind_of("PollActivityTaskQueue", ws.PollActivityTaskQueueRequest()) is Kind.WORKER_POLL
    assert kind_of("PollWorkflowExecutionUpdate", ws.PollWorkflowExecutionUpdateRequest()) is Kind.CALLER_POLL
    method = "GetWorkflowExecutionHistory"
    assert kind_of(method, ws.GetWorkflowExecutionHistoryRequest()) is Kind.CALL
    waiting = ws.GetWorkflowExecutionHistoryRequest(wait_new_event=True)
    assert kind_of(method, waiting) is Kind.CALLER_POLL
