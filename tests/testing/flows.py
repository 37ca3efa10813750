"""Workflows and activities that wait, for tests of time."""

import asyncio
from datetime import timedelta

from tenuto import activity, workflow
from tenuto.common import RetryPolicy, SearchAttributeKey
from tenuto.testing import WorkflowEnvironment

COLOUR = SearchAttributeKey.for_keyword("Colour")


@workflow.defn
class Slow:
    @workflow.run
    async def run(self, days: float) -> str:
        await asyncio.sleep(days * 86_400)
        return "all done"

    @workflow.query
    def current_time(self) -> float:
        return workflow.now().timestamp()

    @workflow.signal
    async def poke(self) -> None:
        pass

    @workflow.update
    async def nap(self, days: float) -> float:
        before = workflow.time()
        await asyncio.sleep(days * 86_400)
        return workflow.time() - before


@workflow.defn
class Month:
    """Thirty sleeps of a day, each followed by an activity."""

    @workflow.run
    async def run(self) -> int:
        done = 0
        for _ in range(30):
            await asyncio.sleep(86_400)
            done += await workflow.execute_activity(one, start_to_close_timeout=timedelta(seconds=10))
        return done


@activity.defn
async def one() -> int:
    return 1


@activity.defn
def fifth_time() -> int:
    attempt = activity.info().attempt
    if attempt < 5:
        raise RuntimeError("not yet")
    return attempt


@workflow.defn
class Persistent:
    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity(
            fifth_time,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(initial_interval=timedelta(hours=1)),
        )


class Dozing:
    def __init__(self, env: WorkflowEnvironment) -> None:
        self.env = env

    @activity.defn
    async def doze(self) -> str:
        limit = activity.info().heartbeat_timeout
        assert limit
        await self.env.sleep(limit.total_seconds() * 2)
        return "awake"


@workflow.defn
class WaitsForDozing:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity_method(
            Dozing.doze,
            schedule_to_close_timeout=timedelta(seconds=1000),
            heartbeat_timeout=timedelta(seconds=20),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )


@workflow.defn
class Asserting:
    @workflow.run
    async def run(self, only_signal: bool) -> None:
        if only_signal:
            await asyncio.Future()
        else:
            assert len("foo") == 4

    @workflow.signal
    def poke(self) -> None:
        assert len("foo") == 4


@workflow.defn
class Coloured:
    @workflow.run
    async def run(self) -> None:
        workflow.upsert_search_attributes([COLOUR.value_set("red")])


@workflow.defn
class Careless:
    @workflow.run
    async def run(self) -> float:
        import time

        return time.time()
