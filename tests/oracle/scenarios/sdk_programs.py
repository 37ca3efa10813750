"""Workflows and activities for the SDK scenarios."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

SOON = timedelta(seconds=20)
FAST = RetryPolicy(initial_interval=timedelta(seconds=0.1), backoff_coefficient=1, maximum_attempts=3)


@activity.defn
async def greet(name: str) -> str:
    return f"hello {name}"


@activity.defn
async def flaky(succeeds_on: int) -> int:
    attempt = activity.info().attempt
    if attempt < succeeds_on:
        raise ApplicationError(f"attempt {attempt}", type="Flaky")
    return attempt


@activity.defn
async def beat() -> str:
    while True:
        activity.heartbeat("beating")
        await asyncio.sleep(0.1)


@activity.defn
async def slow() -> str:
    await asyncio.sleep(2.2)
    return "slow"


@activity.defn(name="asynchronous")
async def complete_elsewhere() -> str:
    activity.raise_complete_async()


ACTIVITIES: list[Callable[..., Any]] = [greet, flaky, beat, slow, complete_elsewhere]


@workflow.defn
class Hello:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(greet, name, start_to_close_timeout=SOON, summary="greeting")


@workflow.defn
class Flaky:
    @workflow.run
    async def run(self, succeeds_on: int) -> int:
        return await workflow.execute_activity(
            flaky, succeeds_on, start_to_close_timeout=SOON, retry_policy=FAST
        )


@workflow.defn
class Counter:
    def __init__(self) -> None:
        self._total = 0
        self._stopped = False

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self._stopped)
        return self._total

    @workflow.signal
    def add(self, amount: int) -> None:
        self._total += amount

    @workflow.signal
    def stop(self) -> None:
        self._stopped = True

    @workflow.query
    def value(self) -> int:
        return self._total

    @workflow.query
    def broken(self) -> int:
        raise ApplicationError("query is broken")

    @workflow.update
    async def change(self, amount: int) -> int:
        self._total += amount
        return self._total

    @change.validator
    def check(self, amount: int) -> None:
        if amount < 0:
            raise ApplicationError("negative", type="Negative")

    @workflow.update
    async def fail_update(self) -> None:
        raise ApplicationError("update is broken", type="Broken")


@workflow.defn
class FailOnce:
    @workflow.run
    async def run(self) -> int:
        attempt = workflow.info().attempt
        if attempt == 1:
            raise ApplicationError("first attempt", type="First")
        return attempt


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, child_id: str, fails: bool) -> Any:
        if fails:
            return await workflow.execute_child_workflow(FailOnce.run, id=child_id)
        return await workflow.execute_child_workflow(Hello.run, "child", id=child_id)


@workflow.defn
class Loop:
    @workflow.run
    async def run(self, left: int) -> str:
        if left:
            workflow.continue_as_new(left - 1)
        return "looped"


@workflow.defn
class Waiting:
    @workflow.run
    async def run(self) -> list[str]:
        steps = []
        await workflow.sleep(0.3)
        steps.append("slept")
        try:
            await workflow.wait_condition(lambda: False, timeout=timedelta(seconds=0.3))
        except TimeoutError:
            steps.append("timed out")
        early = asyncio.create_task(workflow.sleep(500))
        await workflow.sleep(0)
        early.cancel()
        await asyncio.wait([early])
        steps.append("cancelled a timer")
        return steps


@workflow.defn
class Cancellable:
    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.sleep(500)
        finally:
            await asyncio.shield(workflow.execute_activity(greet, "cleanup", start_to_close_timeout=SOON))
        return "unreachable"


@workflow.defn
class Beating:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            beat,
            start_to_close_timeout=SOON,
            heartbeat_timeout=timedelta(seconds=10),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@workflow.defn
class Local:
    @workflow.run
    async def run(self, succeeds_on: int) -> int:
        return await workflow.execute_local_activity(
            flaky, succeeds_on, start_to_close_timeout=SOON, retry_policy=FAST
        )


@workflow.defn
class LongLocal:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_local_activity(slow, start_to_close_timeout=SOON)


@workflow.defn
class Patched:
    @workflow.run
    async def run(self) -> str:
        first = "new" if workflow.patched("change-1") else "old"
        second = workflow.random().random() > 2
        return f"{first} {second}"


@workflow.defn
class Asynchronous:
    @workflow.run
    async def run(self) -> str:
        result: str = await workflow.execute_activity(
            "asynchronous", activity_id="async", start_to_close_timeout=SOON, result_type=str
        )
        return result


WORKFLOWS = [
    Hello,
    Flaky,
    Counter,
    FailOnce,
    Parent,
    Loop,
    Waiting,
    Cancellable,
    Beating,
    Local,
    LongLocal,
    Patched,
    Asynchronous,
]
