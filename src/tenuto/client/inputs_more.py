"""What passes through client interceptors about standalone activities, schedules and worker builds. Mutable on purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tenuto.client.inputs import AnySearchAttributes, HeaderMap, RPCMetadata
from tenuto.common import (
    ActivityIDConflictPolicy,
    ActivityIDReusePolicy,
    Priority,
    RetryPolicy,
    TypedSearchAttributes,
)

if TYPE_CHECKING:
    from tenuto.client.activity_views import ActivityOptionsUpdate
    from tenuto.client.build_ids import BuildIdOp, TaskReachabilityType
    from tenuto.client.schedule import ScheduleUpdate, ScheduleUpdateInput
    from tenuto.client.schedule_terms import Schedule, ScheduleBackfill, ScheduleOverlapPolicy


@dataclass
class StartActivityInput:
    """Input of `OutboundInterceptor.start_activity`."""

    activity_type: str
    args: Sequence[Any]
    id: str
    task_queue: str
    result_type: type | None
    schedule_to_close_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    heartbeat_timeout: timedelta | None
    id_reuse_policy: ActivityIDReusePolicy
    id_conflict_policy: ActivityIDConflictPolicy
    retry_policy: RetryPolicy | None
    priority: Priority
    search_attributes: TypedSearchAttributes | None
    summary: str | None
    start_delay: timedelta | None
    headers: HeaderMap
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class CancelActivityInput:
    """Input of `OutboundInterceptor.cancel_activity`."""

    activity_id: str
    activity_run_id: str | None
    reason: str | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class TerminateActivityInput:
    """Input of `OutboundInterceptor.terminate_activity`."""

    activity_id: str
    activity_run_id: str | None
    reason: str | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class PauseActivityInput:
    """Input of `OutboundInterceptor.pause_activity`."""

    activity_id: str
    activity_run_id: str | None
    reason: str | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class UnpauseActivityInput:
    """Input of `OutboundInterceptor.unpause_activity`."""

    activity_id: str
    activity_run_id: str | None
    reason: str | None
    jitter: timedelta | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class UpdateActivityOptionsInput:
    """Input of `OutboundInterceptor.update_activity_options`."""

    activity_id: str
    activity_run_id: str | None
    updates: Sequence[ActivityOptionsUpdate[Any]]
    restore_original: bool
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class DescribeActivityInput:
    """Input of `OutboundInterceptor.describe_activity`."""

    activity_id: str
    activity_run_id: str | None
    include_input: bool
    include_outcome: bool
    include_heartbeat_details: bool
    include_last_failure: bool
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class ListActivitiesInput:
    """Input of `OutboundInterceptor.list_activities`. ``limit`` None: all."""

    query: str | None
    page_size: int
    next_page_token: bytes | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None
    limit: int | None


@dataclass
class CountActivitiesInput:
    """Input of `OutboundInterceptor.count_activities`."""

    query: str | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class CreateScheduleInput:
    """Input of `OutboundInterceptor.create_schedule`."""

    id: str
    schedule: Schedule
    trigger_immediately: bool
    backfill: Sequence[ScheduleBackfill]
    memo: Mapping[str, Any] | None
    search_attributes: AnySearchAttributes
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class ListSchedulesInput:
    """Input of `OutboundInterceptor.list_schedules`."""

    page_size: int
    next_page_token: bytes | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None
    query: str | None = None


@dataclass
class BackfillScheduleInput:
    """Input of `OutboundInterceptor.backfill_schedule`."""

    id: str
    backfills: Sequence[ScheduleBackfill]
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class DeleteScheduleInput:
    """Input of `OutboundInterceptor.delete_schedule`."""

    id: str
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class DescribeScheduleInput:
    """Input of `OutboundInterceptor.describe_schedule`."""

    id: str
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class PauseScheduleInput:
    """Input of `OutboundInterceptor.pause_schedule`."""

    id: str
    note: str | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class TriggerScheduleInput:
    """Input of `OutboundInterceptor.trigger_schedule`."""

    id: str
    overlap: ScheduleOverlapPolicy | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class UnpauseScheduleInput:
    """Input of `OutboundInterceptor.unpause_schedule`."""

    id: str
    note: str | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class UpdateScheduleInput:
    """Input of `OutboundInterceptor.update_schedule`."""

    id: str
    updater: Callable[[ScheduleUpdateInput], ScheduleUpdate | Awaitable[ScheduleUpdate | None] | None]
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class UpdateWorkerBuildIdCompatibilityInput:
    """Input of `OutboundInterceptor.update_worker_build_id_compatibility`."""

    task_queue: str
    operation: BuildIdOp
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class GetWorkerBuildIdCompatibilityInput:
    """Input of `OutboundInterceptor.get_worker_build_id_compatibility`."""

    task_queue: str
    max_sets: int | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class GetWorkerTaskReachabilityInput:
    """Input of `OutboundInterceptor.get_worker_task_reachability`."""

    build_ids: Sequence[str]
    task_queues: Sequence[str]
    reachability: TaskReachabilityType | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None
