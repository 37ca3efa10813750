"""Local activities, one attempt at a time, and how a workflow's worker retries them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tenuto import activity
from tenuto.activity.flag import Flag
from tenuto.exceptions import ApplicationError
from tenuto.run.types import LocalActivityResult, LocalActivityStart
from tenuto.wire import common, enums_workflow
from tenuto.worker.local import LocalAttempt, Locals
from tenuto.worker.slots import BoundedSlots

from .house import LoopClock, open_house, payloads, virtually

S = 1_000_000_000
SEEN: list[Any] = []


@activity.defn
async def shout(word: str) -> str:
    info = activity.info()
    assert info.is_local
    assert info.workflow_id == "w"
    activity.heartbeat("nobody hears")
    return f"{word} {info.attempt}"


@activity.defn
async def flaky(times: int) -> int:
    attempt = activity.info().attempt
    SEEN.append((asyncio.get_running_loop().time(), attempt))
    if attempt < times:
        raise ValueError(f"attempt {attempt}")
    return attempt


@activity.defn
async def final() -> None:
    raise ApplicationError("over", type="Final", non_retryable=True)


@activity.defn
async def later() -> None:
    raise ApplicationError("later", next_retry_delay=500)


@activity.defn
async def slow() -> str:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        SEEN.append(activity.cancellation_details())
        raise
    return "slept"


@activity.defn
async def open_end() -> None:
    activity.raise_complete_async()


def start(kind: str, *args: Any, **changes: Any) -> LocalActivityStart:
    policy = common.RetryPolicy(maximum_attempts=changes.pop("attempts", 0))
    policy.non_retryable_error_types.extend(changes.pop("never", []))
    return LocalActivityStart(
        **{
            "seq": 1,
            "activity_id": "1",
            "activity_type": kind,
            "args": payloads(args),
            "headers": {},
            "attempt": 1,
            "original_schedule_at": None,
            "schedule_to_close_ns": 0,
            "schedule_to_start_ns": 0,
            "start_to_close_ns": 60 * S,
            "retry_policy": policy,
            "local_retry_threshold_ns": 60 * S,
            **changes,
        }
    )


def local(
    asked: LocalActivityStart, *, meanwhile: Callable[[Locals], None] | None = None, **options: Any
) -> tuple[LocalActivityResult, float]:
    """What became of it, and when."""

    async def story() -> tuple[LocalActivityResult, float]:
        loop = asyncio.get_running_loop()
        async with open_house() as house:
            activities = house.activities(shout, flaky, final, later, slow, open_end, **options)
            locals_ = Locals(
                activities,
                LoopClock(loop).now,
                namespace="default",
                task_queue="things",
                workflow_id="w",
                run_id="r",
                workflow_type="story",
            )
            locals_.start(asked)
            if meanwhile is not None:
                await asyncio.sleep(5)
                meanwhile(locals_)
            (result,) = await locals_.ended(1000)
            ended = loop.time()
            await asyncio.sleep(1)
            assert activities.running == 0
            return result, ended

    SEEN.clear()
    return virtually(story)


def test_a_result() -> None:
    result, at = local(start("shout", "hey"))
    assert result.result is not None
    assert (result.result.data, result.attempt, at) == (b'"hey 1"', 1, 0)


def test_a_failure_is_tried_again_with_growing_delays() -> None:
    result, _ = local(start("flaky", 4))
    assert result.result is not None
    assert (result.result.data, result.attempt) == (b"4", 4)
    assert SEEN == [(0, 1), (1, 2), (3, 3), (7, 4)]


def test_attempts_are_bounded() -> None:
    result, _ = local(start("flaky", 9, attempts=2))
    assert result.failure is not None
    assert (result.failure.message, result.attempt, result.backoff_ns) == ("attempt 2", 2, None)


def test_some_errors_are_final() -> None:
    assert local(start("final"))[0].attempt == 1
    result, _ = local(start("flaky", 9, never=["valueerror"]))
    assert result.attempt == 1


def test_a_long_delay_becomes_the_workflows_timer() -> None:
    result, _ = local(start("later"))
    assert (result.backoff_ns, result.attempt) == (500 * S, 1)
    assert result.failure is not None


def test_an_attempt_that_takes_too_long_is_stopped_and_tried_again() -> None:
    result, _ = local(start("slow", start_to_close_ns=10 * S, attempts=2))
    assert result.failure is not None
    told = result.failure.timeout_failure_info
    assert told.timeout_type == enums_workflow.TIMEOUT_TYPE_START_TO_CLOSE
    assert len(SEEN) == 2
    assert all(one.timed_out for one in SEEN)


def test_all_attempts_together_are_bounded() -> None:
    result, at = local(start("slow", schedule_to_close_ns=10 * S))
    assert result.failure is not None
    told = result.failure.timeout_failure_info
    assert (told.timeout_type, at) == (enums_workflow.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, 10)


def test_a_cancelled_one_learns_it_at_once() -> None:
    result, at = local(start("slow"), meanwhile=lambda running: running.cancel(1))
    assert (result.cancelled, at) == (True, 5)
    assert SEEN[0].cancel_requested


def test_a_type_nobody_has_fails() -> None:
    result, _ = local(start("absent", attempts=1))
    assert result.failure is not None
    assert result.failure.application_failure_info.type == "NotFoundError"


def test_it_cannot_be_completed_from_elsewhere() -> None:
    result, _ = local(start("open_end"))
    assert result.failure is not None
    assert "cannot be completed asynchronously" in result.failure.message


def test_slots_bound_how_many_run_at_once() -> None:
    async def story() -> float:
        async with open_house() as house:
            slots = BoundedSlots(1)
            activities = house.activities(slow, local_slots=slots)
            one, other = (activities.run_local(attempt("slow")) for _ in range(2))
            outcomes = await asyncio.gather(one, other)
            assert [bool(outcome.result) for outcome in outcomes] == [True, True]
            assert slots.available == 1
            return asyncio.get_running_loop().time()

    assert virtually(story) == 60


def test_a_worker_that_waits_for_slots_can_be_cancelled() -> None:
    async def story() -> int | None:
        async with open_house() as house:
            slots = BoundedSlots(1)
            activities = house.activities(slow, local_slots=slots)
            first = asyncio.ensure_future(activities.run_local(attempt("slow")))
            second = asyncio.ensure_future(activities.run_local(attempt("slow")))
            await asyncio.sleep(1)
            for task in (second, first):
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            return slots.available

    assert virtually(story) == 1


def attempt(kind: str, *args: Any) -> LocalAttempt:
    return LocalAttempt(
        start=start(kind, *args),
        attempt=1,
        namespace="default",
        task_queue="things",
        workflow_id="w",
        run_id="r",
        workflow_type="story",
        original_schedule_at=0,
        scheduled_at=0,
        start_to_close_ns=0,
        cancelled=Flag(),
        on_started=lambda: None,
        expired=lambda: False,
    )
