"""Time jumps from one action of a schedule to the next."""

import asyncio
from datetime import timedelta

from tenuto import workflow
from tenuto.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from tenuto.common import SearchAttributeKey
from tenuto.testing import WorkflowEnvironment

STARTED = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@workflow.defn
class Sum:
    """Adds one to what the last run of its schedule came to."""

    @workflow.run
    async def run(self, hours: int) -> int:
        last = workflow.get_last_completion_result(int) if workflow.has_last_completion_result() else 0
        await workflow.sleep(timedelta(hours=hours))
        return (last or 0) + 1


async def _made(client: Client, hours: int, overlap: ScheduleOverlapPolicy) -> ScheduleHandle:
    return await client.create_schedule(
        "hourly",
        Schedule(
            action=ScheduleActionStartWorkflow(Sum.run, hours, id="sum", task_queue="q"),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))]),
            policy=SchedulePolicy(overlap=overlap),
        ),
    )


async def _results(client: Client, handle: ScheduleHandle) -> list[int]:
    shown = await handle.describe()
    ids = [action.action.workflow_id for action in shown.info.recent_actions]  # type: ignore[attr-defined]
    return [await client.get_workflow_handle(one, result_type=int).result() for one in ids]


def test_a_day_of_hours_passes_in_a_moment() -> None:
    async def scene() -> None:
        async with (
            await WorkflowEnvironment.start_time_skipping(task_queue="q") as env,
            env.worker(workflows=[Sum]),
            asyncio.timeout(30),
        ):
            handle = await _made(env.client, 0, ScheduleOverlapPolicy.SKIP)
            await env.sleep(timedelta(days=1))
            info = (await handle.describe()).info
            assert info.num_actions in (24, 25)
            assert info.num_actions_skipped_overlap == 0
            times = [action.scheduled_at for action in info.recent_actions]
            assert times == [times[-1] - timedelta(hours=hours) for hours in reversed(range(10))]
            count = info.num_actions
            assert await _results(env.client, handle) == list(range(count - 9, count + 1))
            await handle.delete()

    asyncio.run(scene())


def test_what_runs_for_three_hours_is_not_started_over() -> None:
    async def scene() -> None:
        async with (
            await WorkflowEnvironment.start_time_skipping(task_queue="q") as env,
            env.worker(workflows=[Sum]),
            asyncio.timeout(30),
        ):
            handle = await _made(env.client, 3, ScheduleOverlapPolicy.SKIP)
            await env.sleep(timedelta(hours=20))
            info = (await handle.describe()).info
            assert info.num_actions + info.num_actions_skipped_overlap in (20, 21)
            assert info.num_actions in (5, 6, 7)
            started = info.recent_actions[0].action.workflow_id  # type: ignore[attr-defined]
            shown = await env.client.get_workflow_handle(started).describe()
            assert shown.typed_search_attributes[STARTED] == info.recent_actions[0].scheduled_at

    asyncio.run(scene())
