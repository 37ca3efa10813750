"""Schedules in one line: what most of them need, put into the many objects that a schedule is.

It must never offer what `create_schedule` cannot do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tenuto.client.schedule import ScheduleUpdate
from tenuto.client.schedule_action import ScheduleActionStartWorkflow
from tenuto.client.schedule_terms import (
    Schedule,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from tenuto.common import as_timedelta

if TYPE_CHECKING:
    from tenuto.client.client import Client
    from tenuto.client.schedule import ScheduleHandle, ScheduleUpdateInput
    from tenuto.common import Duration


def schedule(
    workflow: Any,
    args: Sequence[Any],
    cron: Sequence[str],
    every: Duration | None,
    time_zone: str | None,
    overlap: ScheduleOverlapPolicy | None,
    options: Mapping[str, Any],
) -> Schedule:
    """A schedule that starts ``workflow`` with ``args`` and ``options`` (see `ScheduleActionStartWorkflow`)."""
    start: Any = ScheduleActionStartWorkflow
    return Schedule(
        action=start(workflow, args=args, **options),
        spec=ScheduleSpec(
            cron_expressions=cron,
            intervals=[ScheduleIntervalSpec(every=as_timedelta(every))] if every is not None else [],
            time_zone_name=time_zone,
        ),
        policy=SchedulePolicy(overlap=overlap or ScheduleOverlapPolicy.SKIP),
    )


async def put(client: Client, id: str, wanted: Schedule) -> ScheduleHandle:
    """Make the schedule, or have the one there is act as ``wanted``; whether that is paused, and why, stays."""
    from tenuto.client.errors import ScheduleAlreadyRunningError

    try:
        return await client.create_schedule(id, wanted)
    except ScheduleAlreadyRunningError:
        handle = client.get_schedule_handle(id)

    def change(told: ScheduleUpdateInput) -> ScheduleUpdate:
        wanted.state = told.description.schedule.state
        return ScheduleUpdate(wanted)

    await handle.update(change)
    return handle
