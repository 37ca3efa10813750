"""Schedules of the official framework's client, and of ours, on this service: each sees what the other made."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import temporalio.client as official
from temporalio.service import RPCError, RPCStatusCode

from tenuto.client import (
    Client,
    ScheduleHandle,
    ScheduleInfo,
    ScheduleOverlapPolicy,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from tests.interop.programs import QUEUE, worker
from tests.oracle.harness import our_server


def _daily(overlap: official.ScheduleOverlapPolicy) -> official.Schedule:
    return official.Schedule(
        action=official.ScheduleActionStartWorkflow("Greeting", "you", id="daily", task_queue=QUEUE),
        spec=official.ScheduleSpec(intervals=[official.ScheduleIntervalSpec(every=timedelta(days=1))]),
        policy=official.SchedulePolicy(overlap=overlap),
        state=official.ScheduleState(note="as made"),
    )


async def _after(handle: ScheduleHandle, actions: int) -> ScheduleInfo:
    for _ in range(400):
        info = (await handle.describe()).info
        if info.num_actions >= actions:
            return info
        await asyncio.sleep(0.05)
    raise AssertionError("the schedule does not act")


async def _scene(address: str) -> None:
    theirs = await official.Client.connect(address)
    handle = await theirs.create_schedule("s", _daily(official.ScheduleOverlapPolicy.SKIP), memo={"m": 1})
    with pytest.raises(official.ScheduleAlreadyRunningError):
        await theirs.create_schedule("s", _daily(official.ScheduleOverlapPolicy.SKIP))
    async with await Client.connect(address) as client:
        ours = client.get_schedule_handle("s")
        assert (await ours.describe()).schedule.state.note == "as made"

        def everything(given: ScheduleUpdateInput) -> ScheduleUpdate:
            given.description.schedule.policy.overlap = ScheduleOverlapPolicy.ALLOW_ALL
            return ScheduleUpdate(given.description.schedule)

        await ours.update(everything)
        shown = await handle.describe()
        assert shown.schedule.policy.overlap is official.ScheduleOverlapPolicy.ALLOW_ALL
        assert len(shown.info.next_action_times) == 10
        begin = datetime(2024, 1, 1, tzinfo=UTC)
        await handle.backfill(official.ScheduleBackfill(begin, begin + timedelta(days=2)))
        await ours.trigger()
        info = await _after(ours, 4)
        for action in info.recent_actions:
            started = action.action.workflow_id  # type: ignore[attr-defined]
            assert await theirs.get_workflow_handle(started).result() == "hello you"
        await ours.pause(note="enough")
        async for row in await theirs.list_schedules():
            assert row.id == "s" and await row.memo() == {"m": 1}
            assert row.schedule is not None and row.schedule.state.paused
        await handle.delete()
    with pytest.raises(RPCError) as gone:
        await handle.describe()
    assert gone.value.status is RPCStatusCode.NOT_FOUND


def test_the_official_client_and_ours_share_a_schedule() -> None:
    async def run(address: str) -> None:
        async with asyncio.timeout(120):
            await _scene(address)

    with our_server() as address, worker(address):
        asyncio.run(run(address))
