"""Time jumps for workers of another SDK, too, which reach the environment over a socket."""

import asyncio
import time
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tenuto.frontend.native import Frontend
from tenuto.limits import DAY, SECOND
from tenuto.testing.world import World

A_MOMENT = 25
"""Seconds that a slow machine, which stalls at times, may take over what would take days."""


@activity.defn
async def third_time() -> int:
    if activity.info().attempt < 3:
        raise RuntimeError("not yet")
    return activity.info().attempt


@workflow.defn
class Month:
    @workflow.run
    async def run(self, days: int) -> int:
        for _ in range(days):
            await asyncio.sleep(86_400)
        return await workflow.execute_activity(third_time, start_to_close_timeout=timedelta(seconds=10))


def test_a_month_passes_in_a_moment_for_the_official_sdk() -> None:
    async def run() -> None:
        world = World(skipping=True)
        await world.transport()
        assert world.node is not None and world.node.service is not None
        frontend = Frontend(world.node.service)
        client = await Client.connect(f"127.0.0.1:{await frontend.start('127.0.0.1', 0)}")
        begun_at = await world.now()
        runner = UnsandboxedWorkflowRunner()
        try:
            async with Worker(
                client,
                task_queue="q",
                workflows=[Month],
                activities=[third_time],
                workflow_runner=runner,
                debug_mode=True,  # what it takes for deadlocks are stalls of the machine
            ):
                started = time.perf_counter()
                assert await client.execute_workflow(Month.run, 30, id="month", task_queue="q") == 3
                assert time.perf_counter() - started < A_MOMENT
                handle = await client.start_workflow(Month.run, 30, id="slept", task_queue="q")
                await world.sleep(31 * DAY)
                description = await handle.describe()
                assert description.status is not None and description.status.name == "COMPLETED"
            assert await world.now() - begun_at > 61 * DAY
        finally:
            await frontend.drain(0.1)
            await world.close()

    asyncio.run(run())


def test_an_hour_of_sleep_takes_no_time_in_an_empty_world() -> None:
    async def run() -> float:
        world = World(skipping=True)
        before = await world.now()
        started = time.perf_counter()
        await world.sleep(3600 * SECOND)
        assert await world.now() - before >= 3600 * SECOND
        await world.close()
        return time.perf_counter() - started

    assert asyncio.run(run()) < A_MOMENT
