"""Local activities are tried again, timed out and cancelled as their options say, on virtual time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tenuto._loop import VirtualTimeLoop
from tenuto.run.types import LocalActivityResult, LocalActivityStart
from tenuto.wire import common, enums_workflow, failure
from tenuto.worker.local import LocalAttempt, LocalOutcome, Locals

SECOND = 1_000_000_000


def started(**given: Any) -> LocalActivityStart:
    policy = common.RetryPolicy()
    policy.maximum_attempts = given.pop("maximum_attempts", 0)
    policy.non_retryable_error_types.extend(given.pop("never", ()))
    fields: dict[str, Any] = {
        "seq": 1,
        "activity_id": "1",
        "activity_type": "act",
        "args": [],
        "headers": {},
        "attempt": 1,
        "original_schedule_at": None,
        "schedule_to_close_ns": 0,
        "schedule_to_start_ns": 0,
        "start_to_close_ns": 0,
        "retry_policy": policy,
        "local_retry_threshold_ns": 60 * SECOND,
    }
    return LocalActivityStart(**(fields | given))


class Runner:
    """Runs attempts by a function of the attempt."""

    def __init__(self, fn: Callable[[LocalAttempt], Coroutine[Any, Any, LocalOutcome]]) -> None:
        self.fn = fn
        self.at: list[float] = []
        self.attempts: list[int] = []

    local_names = None

    async def run_local(self, attempt: LocalAttempt) -> LocalOutcome:
        self.at.append(asyncio.get_running_loop().time())
        self.attempts.append(attempt.attempt)
        attempt.on_started()
        return await self.fn(attempt)


def boom(kind: str = "Boom", delay: float | None = None) -> LocalOutcome:
    failed = failure.Failure(message="boom")
    failed.application_failure_info.type = kind
    if delay is not None:
        failed.application_failure_info.next_retry_delay.FromNanoseconds(int(delay * SECOND))
    return LocalOutcome(failure=failed)


def live(
    runner: Runner,
    start: LocalActivityStart,
    script: Callable[[Locals], Coroutine[Any, Any, Any]] | None = None,
) -> LocalActivityResult:
    loop = VirtualTimeLoop()

    async def main() -> LocalActivityResult:
        local = Locals(
            runner,
            lambda: int(loop.time() * SECOND),
            namespace="default",
            task_queue="q",
            workflow_id="w",
            run_id="r",
            workflow_type="W",
        )
        local.start(start)
        if script is not None:
            await script(local)
        (result,) = await local.ended(10_000)
        assert not local.pending
        return result

    result: LocalActivityResult = loop.run_until_complete(main())
    return result


def always(outcome: Callable[[], LocalOutcome]) -> Runner:
    async def fn(_: LocalAttempt) -> LocalOutcome:
        return outcome()

    return Runner(fn)


def test_a_result_is_told_once() -> None:
    result = live(always(lambda: LocalOutcome(result=common.Payload(data=b"x"))), started())
    assert result.result is not None and result.result.data == b"x"
    assert (result.attempt, result.failure, result.backoff_ns) == (1, None, None)


def test_attempts_are_spaced_by_the_policy_and_counted() -> None:
    runner = always(boom)
    result = live(runner, started(maximum_attempts=4))
    assert [round(at, 3) for at in runner.at] == [0, 1, 3, 7]
    assert result.attempt == 4
    assert result.failure is not None and result.failure.message == "boom"


def test_a_delay_beyond_the_threshold_is_left_to_the_workflow() -> None:
    result = live(always(boom), started(local_retry_threshold_ns=3 * SECOND))
    assert (result.attempt, result.backoff_ns) == (3, 4 * SECOND)
    assert result.original_schedule_at == 0 or result.original_schedule_at < SECOND


def test_the_error_may_say_when_to_try_again() -> None:
    runner = always(lambda: boom(delay=9))
    live(runner, started(maximum_attempts=2))
    assert [round(at, 3) for at in runner.at] == [0, 9]


def test_errors_named_as_hopeless_are_not_tried_again_whatever_their_case() -> None:
    runner = always(boom)
    assert live(runner, started(never=["BOOM"])).attempt == 1


def test_there_is_no_attempt_that_could_not_end_in_time() -> None:
    runner = always(boom)
    result = live(runner, started(schedule_to_close_ns=6 * SECOND))
    assert [round(at, 3) for at in runner.at] == [0, 1, 3]
    assert result.failure is not None and result.failure.message == "boom"


async def _hangs(_: LocalAttempt) -> LocalOutcome:
    await asyncio.Event().wait()
    return LocalOutcome()


def timeout_of(result: LocalActivityResult) -> int:
    assert result.failure is not None
    return result.failure.timeout_failure_info.timeout_type


def test_an_attempt_that_takes_too_long_times_out_and_is_tried_again() -> None:
    runner = Runner(_hangs)
    result = live(runner, started(start_to_close_ns=2 * SECOND, maximum_attempts=2))
    assert [round(at, 3) for at in runner.at] == [0, 3]
    assert timeout_of(result) == enums_workflow.TIMEOUT_TYPE_START_TO_CLOSE


def test_the_time_for_all_attempts_ends_the_last_one() -> None:
    result = live(Runner(_hangs), started(schedule_to_close_ns=2 * SECOND, start_to_close_ns=5 * SECOND))
    assert timeout_of(result) == enums_workflow.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
    assert result.attempt == 1


def test_an_attempt_that_gets_no_slot_in_time_times_out() -> None:
    class NoSlot(Runner):
        async def run_local(self, attempt: LocalAttempt) -> LocalOutcome:
            return await _hangs(attempt)

    result = live(NoSlot(_hangs), started(schedule_to_start_ns=SECOND, start_to_close_ns=9 * SECOND))
    assert timeout_of(result) == enums_workflow.TIMEOUT_TYPE_SCHEDULE_TO_START


def test_a_wish_to_cancel_reaches_the_attempt() -> None:
    async def until_cancelled(attempt: LocalAttempt) -> LocalOutcome:
        await attempt.cancelled.wait()
        failed = failure.Failure()
        failed.canceled_failure_info.SetInParent()
        return LocalOutcome(failure=failed)

    async def script(local: Locals) -> None:
        await asyncio.sleep(1)
        local.cancel(1)

    assert live(Runner(until_cancelled), started(), script).cancelled


def test_a_wish_to_cancel_ends_the_wait_for_the_next_attempt() -> None:
    async def script(local: Locals) -> None:
        await asyncio.sleep(0.5)
        local.cancel(1)

    runner = always(boom)
    result = live(runner, started(), script)
    assert result.cancelled
    assert runner.attempts == [1]


def test_later_attempts_are_counted_for_the_bill() -> None:
    async def script(local: Locals) -> None:
        await asyncio.sleep(2)
        assert local.retries == 1

    live(always(boom), started(maximum_attempts=3), script)


def test_nothing_is_told_after_closing() -> None:
    loop = VirtualTimeLoop()

    async def main() -> None:
        local = Locals(
            Runner(_hangs),
            lambda: 0,
            namespace="n",
            task_queue="q",
            workflow_id="w",
            run_id="r",
            workflow_type="W",
        )
        local.start(started())
        await asyncio.sleep(0)
        local.close()
        assert not local.pending
        assert await local.ended(5) == []

    loop.run_until_complete(main())
