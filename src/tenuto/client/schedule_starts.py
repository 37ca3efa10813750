"""The part of a client that makes schedules and finds them, and asks about worker builds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from tenuto.client.build_ids import (
    BuildIdOp,
    TaskReachabilityType,
    WorkerBuildIdVersionSets,
    WorkerTaskReachability,
)
from tenuto.client.core import ClientCore
from tenuto.client.inputs import NO_METADATA, AnySearchAttributes, RPCMetadata
from tenuto.client.inputs_more import (
    CreateScheduleInput,
    GetWorkerBuildIdCompatibilityInput,
    GetWorkerTaskReachabilityInput,
    ListSchedulesInput,
    UpdateWorkerBuildIdCompatibilityInput,
)
from tenuto.client.schedule import ScheduleAsyncIterator, ScheduleHandle
from tenuto.client.schedule_terms import Schedule, ScheduleBackfill


class ScheduleStarts(ClientCore):
    """Makes schedules, and handles to them."""

    async def create_schedule(
        self,
        id: str,
        schedule: Schedule,
        *,
        trigger_immediately: bool = False,
        backfill: Sequence[ScheduleBackfill] = (),
        memo: Mapping[str, Any] | None = None,
        search_attributes: AnySearchAttributes = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> ScheduleHandle:
        """Make a schedule, and return a handle once it is durable.

        ``trigger_immediately``: act once now. ``backfill``: past time to make up for. ``memo`` and ``search_attributes``
        are the schedule's own; those of its workflows are in its action. Raises `ScheduleAlreadyRunningError`, `RPCError`.
        """
        return await self._impl.create_schedule(
            CreateScheduleInput(
                id=id,
                schedule=schedule,
                trigger_immediately=trigger_immediately,
                backfill=backfill,
                memo=memo,
                search_attributes=search_attributes,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
            )
        )

    def get_schedule_handle(self, id: str) -> ScheduleHandle:
        """A handle to a schedule by its id. Asks the service nothing."""
        return ScheduleHandle(self, id)

    async def list_schedules(
        self,
        query: str | None = None,
        *,
        page_size: int = 1000,
        next_page_token: bytes | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> ScheduleAsyncIterator:
        """The schedules that match ``query`` (None: all), fetched while iterated with ``async for``.

        The list may lag a little behind what was changed.
        """
        return self._impl.list_schedules(
            ListSchedulesInput(
                page_size=page_size,
                next_page_token=next_page_token,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
                query=query,
            )
        )

    async def update_worker_build_id_compatibility(
        self,
        task_queue: str,
        operation: BuildIdOp,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Change the sets of worker builds of a task queue. Deprecated: use worker deployments."""
        await self._impl.update_worker_build_id_compatibility(
            UpdateWorkerBuildIdCompatibilityInput(task_queue, operation, rpc_metadata, rpc_timeout)
        )

    async def get_worker_build_id_compatibility(
        self,
        task_queue: str,
        max_sets: int | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> WorkerBuildIdVersionSets:
        """The sets of worker builds of a task queue. Deprecated: use worker deployments."""
        return await self._impl.get_worker_build_id_compatibility(
            GetWorkerBuildIdCompatibilityInput(task_queue, max_sets, rpc_metadata, rpc_timeout)
        )

    async def get_worker_task_reachability(
        self,
        build_ids: Sequence[str],
        task_queues: Sequence[str] = (),
        reachability_type: TaskReachabilityType | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> WorkerTaskReachability:
        """From which workflows worker builds can be reached. Deprecated: use worker deployments."""
        return await self._impl.get_worker_task_reachability(
            GetWorkerTaskReachabilityInput(
                build_ids, task_queues, reachability_type, rpc_metadata, rpc_timeout
            )
        )
