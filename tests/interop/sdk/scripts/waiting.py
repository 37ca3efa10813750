"""Timers, and what asyncio offers to wait with."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from tests.interop.sdk.stage import Stage, describe, outcome, program

SHORT = timedelta(seconds=5)
LATER = 1.5
"""Seconds after which a timer fires for certain in another workflow task than one of a tenth of a second."""


@activity.defn
async def step(value: str) -> str:
    if value.startswith("bad"):
        raise ApplicationError(value, non_retryable=True)
    return value


async def do(value: str) -> str:
    return await workflow.execute_activity(
        step, value, start_to_close_timeout=SHORT, retry_policy=RetryPolicy(maximum_attempts=1)
    )


@workflow.defn
class Timers:
    """Each way to a timer, and to the end of one."""

    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = []
        begun = workflow.time_ns()
        await workflow.sleep(0.05, summary="a nap")
        await asyncio.sleep(0.05)
        await asyncio.sleep(0)
        await workflow.sleep(timedelta(0))
        seen.append(workflow.time_ns() - begun >= 100_000_000)
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.05)
        except TimeoutError:
            seen.append("wait_for")
        try:
            async with asyncio.timeout(0.05):
                await asyncio.Event().wait()
        except TimeoutError:
            seen.append("timeout")
        seen.append(await asyncio.create_task(self.in_vain()))
        async with asyncio.timeout(60):
            seen.append(await do("in time"))
        seen.append(await asyncio.wait_for(do("also in time"), 61))
        long = asyncio.create_task(asyncio.sleep(62))
        await do("meanwhile")
        long.cancel()
        handle = asyncio.get_running_loop().call_later(63, seen.append, "never")
        await do("more")
        handle.cancel()
        called = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, called.set)
        await called.wait()
        return seen

    async def in_vain(self) -> str:
        # A task of its own: with the official worker the summary stays with whoever waited.
        try:
            await workflow.wait_condition(lambda: False, timeout=0.05, timeout_summary="in vain")
        except TimeoutError:
            return "wait_condition"
        return "it came"


@program()
async def timers(stage: Stage) -> Any:
    return await stage.execute(Timers.run)


@workflow.defn
class Groups:
    """Several things at once, one of which fails."""

    @workflow.run
    async def run(self) -> list[Any]:
        log: list[Any] = []

        async def waits(name: str, seconds: float) -> str:
            try:
                await workflow.sleep(seconds)
                log.append(f"{name} slept")
                return name
            except asyncio.CancelledError:
                log.append(f"{name} cancelled")
                log.append(await do(f"cleanup of {name}"))
                raise

        log.append(await asyncio.gather(waits("a", 0.1), waits("b", LATER)))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(waits("c", 30))
                group.create_task(do("bad"))
        except* ActivityError as errors:
            log.append([str(one) for one in errors.exceptions])
        log.append([str(one) for one in await asyncio.gather(do("bad 2"), return_exceptions=True)])
        try:
            await asyncio.gather(waits("e", 20), do("bad 3"))
        except ActivityError as error:
            log.append(describe(error))
        done, left = await workflow.wait(
            [asyncio.create_task(waits("f", 0.05)), asyncio.create_task(waits("g", 25))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        log.append([len(done), len(left)])
        for task in left:
            task.cancel()
        for next_one in workflow.as_completed([waits("h", LATER), waits("i", 0.1)]):
            log.append(await next_one)
        return log


@program()
async def groups(stage: Stage) -> Any:
    return await stage.execute(Groups.run)


@workflow.defn
class Tools:
    """Queue, lock, event, semaphore and condition, fed by signals."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str] = asyncio.Queue(maxsize=2)
        self.lock = asyncio.Lock()
        self.event = asyncio.Event()
        self.limit = asyncio.Semaphore(2)
        self.condition = asyncio.Condition()
        self.log: list[str] = []

    @workflow.signal
    async def put(self, item: str) -> None:
        async with self.lock:
            self.log.append(f"putting {item}")
            await self.queue.put(item)
            await do(f"put {item}")

    @workflow.signal
    def finish(self) -> None:
        self.event.set()

    @workflow.run
    async def run(self) -> list[str]:
        async def worker(name: str) -> None:
            while True:
                item = await self.queue.get()
                async with self.limit:
                    self.log.append(f"{name} got {item}")
                    self.log.append(await do(item))
                async with self.condition:
                    self.condition.notify_all()
                self.queue.task_done()

        workers = [asyncio.create_task(worker(f"worker {index}")) for index in range(3)]
        await self.event.wait()
        await self.queue.join()
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        async with self.lock:
            return sorted(self.log)


@program(loose="Activities of several signals race.")
async def asyncio_tools(stage: Stage) -> Any:
    handle = await stage.start(Tools.run)
    await stage.idle(handle)
    for item in "abcde":
        await handle.signal(Tools.put, item)
    await stage.until(handle, "ACTIVITY_TASK_COMPLETED", 10)
    await handle.signal(Tools.finish)
    return await handle.result()


@workflow.defn
class Cleaning:
    """Is cancelled, and cleans up in ways that last."""

    @workflow.run
    async def run(self, how: str) -> list[Any]:
        log: list[Any] = []
        try:
            if how == "early":
                log.append("began")
            await workflow.wait_condition(lambda: False)
        except asyncio.CancelledError:
            log.append("cancelled")
            if how == "swallow":
                log.append(await do("after"))
                log.append(workflow.cancellation_reason())
                return log
            if how == "another":
                raise ApplicationError("instead", log) from None
            if how == "later":
                try:
                    held = asyncio.create_task(do("held"))
                    held.cancel()
                    await held
                finally:
                    log.append("later")
            raise
        finally:
            if how == "shield":
                log.append(await asyncio.shield(do("cleanup")))
                await asyncio.create_task(workflow.sleep(0.05))
        return log


@program()
async def cancellation(stage: Stage) -> Any:
    async def one(how: str) -> Any:
        delay = timedelta(milliseconds=800) if how == "early" else None
        handle = await stage.start(Cleaning.run, how, suffix=how, start_delay=delay)
        if how != "early":
            await stage.idle(handle)
        await handle.cancel()
        return [await outcome(handle.result()), (await handle.describe()).status.name]

    return await stage.gather(
        *(one(how) for how in ("swallow", "another", "later", "shield", "early", "plain"))
    )


@workflow.defn
class Order:
    """Notes in which order its tasks, signals and updates run."""

    def __init__(self) -> None:
        self.log: list[str] = ["made"]
        self.gate = 0

    @workflow.signal
    async def poke(self, name: str) -> None:
        self.log.append(f"signal {name}")
        await asyncio.sleep(0)
        self.log.append(f"signal {name} again")
        self.gate += 1

    @workflow.update
    async def ask(self, name: str) -> int:
        self.log.append(f"update {name}")
        await workflow.wait_condition(lambda: self.gate > 1)
        self.log.append(f"update {name} through")
        return self.gate

    @workflow.run
    async def run(self) -> list[str]:
        self.log.append("run")

        async def waiter(name: str, gate: int) -> None:
            await workflow.wait_condition(lambda: self.gate >= gate)
            self.log.append(f"waiter {name}")

        tasks = [asyncio.create_task(waiter("two", 2)), asyncio.create_task(waiter("one", 1))]
        await asyncio.gather(*tasks, workflow.sleep(0.2))
        self.log.append("both")
        await workflow.wait_condition(lambda: self.gate > 2 and workflow.all_handlers_finished())
        return self.log


@program()
async def side_effect_order(stage: Stage) -> Any:
    handle = await stage.start(Order.run, start_delay=timedelta(milliseconds=800))
    for name in "ab":
        await handle.signal(Order.poke, name)
    await stage.until(handle, "TIMER_FIRED")
    await stage.idle(handle, 2)
    asked = await handle.execute_update(Order.ask, "u")
    await handle.signal(Order.poke, "c")
    return [asked, await handle.result()]
