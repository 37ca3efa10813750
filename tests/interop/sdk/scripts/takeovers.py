"""Runs that are half done when another worker gets them."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError

from tests.interop.sdk.stage import Stage, describe, program

SHORT = timedelta(seconds=5)


@activity.defn
async def work(text: str) -> str:
    attempt = activity.info().attempt
    if text == "hard" and attempt < 3:
        raise ApplicationError(f"attempt {attempt}", type="Hard")
    if text == "impossible":
        raise ApplicationError("never", {"attempt": attempt}, type="Impossible", non_retryable=True)
    if text == "slow":
        await asyncio.sleep(10)
    return f"{text} ({attempt})"


@workflow.defn
class Half:
    """A child that waits to be told twice."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @workflow.signal
    def tell(self, text: str) -> None:
        self.told.append(text)

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: len(self.told) == 2)
        await workflow.sleep(0.3)
        return self.told


@workflow.defn
class Long:
    """Does a little of everything, twice, and waits in between."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.ids: list[str] = []
        self.phase = 1
        self.asked = asyncio.Event()

    @workflow.signal
    async def go(self) -> None:
        self.phase += 1
        self.log.append(workflow.patched("in-signal"))
        self.log.append(await self.local("in signal"))

    @workflow.update
    async def ask(self, text: str) -> str:
        self.log.append(f"asked {text}")
        found: str = await self.local(text)
        await self.asked.wait()
        self.log.append(f"answered {text}")
        return found

    @ask.validator
    def check(self, text: str) -> None:
        if text == "nonsense":
            raise ValueError(text)

    @workflow.query
    def so_far(self) -> list[Any]:
        return self.log

    async def local(self, text: str, **options: Any) -> Any:
        try:
            return await workflow.execute_local_activity(
                work, text, **{"start_to_close_timeout": SHORT, **options}
            )
        except FailureError as error:
            return describe(error)

    async def all_of_it(self, child: Any) -> None:
        patient = RetryPolicy(initial_interval=timedelta(milliseconds=200))
        self.ids.append(str(workflow.uuid4()))
        self.log.append(workflow.patched(f"patch {self.phase}"))
        workflow.deprecate_patch("old")
        self.log.append(await asyncio.gather(self.local("one"), self.local("two"), self.local("three")))
        self.log.append(
            await self.local("hard", retry_policy=patient, local_retry_threshold=timedelta(milliseconds=100))
        )
        self.log.append(await self.local("impossible"))
        self.log.append(
            await self.local(
                "slow",
                start_to_close_timeout=timedelta(milliseconds=50),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        )
        held = workflow.start_local_activity(work, "slow", start_to_close_timeout=SHORT)
        self.log.append(await self.local("meanwhile"))
        held.cancel()
        try:
            await held
        except FailureError as error:
            self.log.append(describe(error))
        self.log.append(
            await workflow.execute_activity(
                work, "far", activity_id=f"far-{workflow.uuid4()}", start_to_close_timeout=SHORT
            )
        )
        workflow.upsert_memo({f"phase {self.phase}": self.phase})
        await child.signal(Half.tell, f"phase {self.phase}")

    @workflow.run
    async def run(self) -> list[Any]:
        child = await workflow.start_child_workflow(Half.run)
        await self.all_of_it(child)
        long = asyncio.create_task(workflow.sleep(50))
        short = asyncio.create_task(workflow.sleep(3))
        await workflow.wait_condition(lambda: self.phase == 2, timeout=100)
        await self.all_of_it(child)
        long.cancel()
        await short
        self.asked.set()
        await workflow.wait_condition(workflow.all_handlers_finished)
        self.log.append(await child)
        self.log.append(len(set(self.ids)))
        return self.log


@program(takeover=True, loose="Local activities side by side end together, or not.")
async def taken_over(stage: Stage) -> Any:
    handle = await stage.start(Long.run)
    await stage.until(handle, "TIMER_STARTED", 5)
    waiting = await handle.start_update(Long.ask, "before", id="u1", wait_for_stage=stage.accepted)
    await stage.idle(handle)
    await stage.swap()
    before = await handle.query(Long.so_far)
    try:
        await handle.execute_update(Long.ask, "nonsense")
    except Exception as error:  # noqa: BLE001 - told in the result
        before.append(describe(error))
    await handle.signal(Long.go)
    return [before, await waiting.result(), await handle.result()]


@workflow.defn
class Waiting:
    """Hears of everything only after the takeover."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.signal
    def hear(self, text: str) -> None:
        self.heard.append(text)

    @workflow.run
    async def run(self) -> list[str]:
        try:
            await workflow.wait_condition(lambda: False, timeout=3)
        except TimeoutError:
            self.heard.append("time is up")
        try:
            await workflow.wait_condition(lambda: False)
        except asyncio.CancelledError:
            self.heard.append(await asyncio.shield(self.clean()))
        return self.heard

    async def clean(self) -> str:
        return await workflow.execute_local_activity(work, "cleanup", start_to_close_timeout=SHORT)


@program(takeover=True)
async def taken_over_and_cancelled(stage: Stage) -> Any:
    handle = await stage.start(Waiting.run)
    await stage.idle(handle)
    await stage.swap()
    await stage.until(handle, "TIMER_FIRED")
    await stage.idle(handle, 2)
    await handle.signal(Waiting.hear, "signal")
    await stage.idle(handle, 3)
    await handle.cancel()
    return await handle.result()
