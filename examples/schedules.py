"""Schedules: workflows started by the calendar, made up for, looked at and paused."""

import argparse
import asyncio
from datetime import UTC, datetime, timedelta

import tenuto
from tenuto import workflow
from tenuto.client import (
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleHandle,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from tenuto.common import SearchAttributeKey

DUE = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@workflow
async def report() -> str:
    due = workflow.info().typed_search_attributes[DUE]
    return f"report of {due:%A %d %B}"


async def actions(handle: ScheduleHandle, count: int) -> list[ScheduleActionExecutionStartWorkflow]:
    """The workflows that a schedule has started, once they are so many."""
    while True:
        info = (await handle.describe()).info
        taken = [result.action for result in info.recent_actions]
        if len(taken) >= count:
            return [one for one in taken if isinstance(one, ScheduleActionExecutionStartWorkflow)]
        await asyncio.sleep(0.05)


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(target, workflows=[report], task_queue="schedules") as app:
        reports = await app.client.create_schedule(
            "reports",
            Schedule(
                action=ScheduleActionStartWorkflow(report, id="report", task_queue="schedules"),
                spec=ScheduleSpec(cron_expressions=["0 9 * * MON-FRI"], time_zone_name="Europe/Berlin"),
                policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ALL),
            ),
        )
        # The schedule was forgotten for a week: act for each of its times, one after another.
        monday = datetime(2026, 1, 5, tzinfo=UTC)
        await reports.backfill(ScheduleBackfill(monday, monday + timedelta(days=7)))
        for started in await actions(reports, 5):
            print(await app.client.get_workflow_handle(started.workflow_id).result())

        await reports.pause(note="holidays")
        print("paused:", (await reports.describe()).schedule.state.note)
        await reports.delete()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
