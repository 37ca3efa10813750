"""Workflows and activities that the worker's tests run."""

import asyncio
import threading
from datetime import timedelta

from tenuto import activity, workflow


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@activity.defn
def thread_name() -> str:
    return threading.current_thread().name


@activity.defn
async def wait_for_ever() -> str:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        details = activity.cancellation_details()
        return f"cancelled, worker_shutdown={details.worker_shutdown if details else None}"
    return "never"


@activity.defn
async def until_shutdown() -> str:
    await activity.wait_for_worker_shutdown()
    return "told"


@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(greet, name, start_to_close_timeout=timedelta(seconds=100))


@workflow.defn
class Many:
    @workflow.run
    async def run(self, times: int) -> list[str]:
        calls = [
            workflow.execute_activity(greet, str(number), start_to_close_timeout=timedelta(seconds=100))
            for number in range(times)
        ]
        return list(await asyncio.gather(*calls))


@workflow.defn
class Waiting:
    def __init__(self) -> None:
        self.open = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.open)
        return "opened"

    @workflow.signal
    def let(self) -> None:
        self.open = True

    @workflow.query
    def is_open(self) -> bool:
        return self.open


@workflow.defn
class Calls:
    """Runs one activity by name and returns what it returned."""

    @workflow.run
    async def run(self, name: str) -> str:
        result: str = await workflow.execute_activity(
            name, start_to_close_timeout=timedelta(seconds=100), result_type=str
        )
        return result


@activity
async def double(number: int) -> int:
    return number * 2


@workflow
async def quadruple(number: int) -> int:
    return await double(await double(number))
