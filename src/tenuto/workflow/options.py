"""Options of what workflows start, as dictionaries for ``**``. Durations are timedeltas or seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

# Not for type checkers alone: libraries that read the dictionaries' types resolve these names here.
from tenuto.common import (
    Duration,
    Priority,
    RetryPolicy,
    SearchAttributes,
    TypedSearchAttributes,
    VersioningOverride,
    WorkflowIDReusePolicy,
)
from tenuto.workflow.enums import (
    ActivityCancellationType,
    ChildWorkflowCancellationType,
    NexusOperationCancellationType,
    ParentClosePolicy,
    VersioningIntent,
)
from tenuto.workflow.event_groups import EventGroup


class ActivityConfig(TypedDict, total=False):
    """Options of `execute_activity` and its kin."""

    task_queue: str | None
    schedule_to_close_timeout: Duration | None
    schedule_to_start_timeout: Duration | None
    start_to_close_timeout: Duration | None
    heartbeat_timeout: Duration | None
    retry_policy: RetryPolicy | None
    cancellation_type: ActivityCancellationType
    activity_id: str | None
    versioning_intent: VersioningIntent | None
    summary: str | None
    event_groups: Sequence[EventGroup] | None
    priority: Priority


class LocalActivityConfig(TypedDict, total=False):
    """Options of `execute_local_activity` and its kin."""

    schedule_to_close_timeout: Duration | None
    schedule_to_start_timeout: Duration | None
    start_to_close_timeout: Duration | None
    retry_policy: RetryPolicy | None
    local_retry_threshold: Duration | None
    cancellation_type: ActivityCancellationType
    activity_id: str | None
    summary: str | None
    event_groups: Sequence[EventGroup] | None


class ChildWorkflowConfig(TypedDict, total=False):
    """Options of `execute_child_workflow` and `start_child_workflow`."""

    id: str | None
    task_queue: str | None
    cancellation_type: ChildWorkflowCancellationType
    parent_close_policy: ParentClosePolicy
    execution_timeout: Duration | None
    run_timeout: Duration | None
    task_timeout: Duration | None
    id_reuse_policy: WorkflowIDReusePolicy
    retry_policy: RetryPolicy | None
    cron_schedule: str
    memo: Mapping[str, Any] | None
    search_attributes: SearchAttributes | TypedSearchAttributes | None
    versioning_intent: VersioningIntent | None
    versioning_override: VersioningOverride | None
    static_summary: str | None
    static_details: str | None
    event_groups: Sequence[EventGroup] | None
    priority: Priority


class NexusOperationConfig(TypedDict, total=False):
    """Options of `NexusClient.start_operation` and `NexusClient.execute_operation`."""

    schedule_to_close_timeout: Duration | None
    schedule_to_start_timeout: Duration | None
    start_to_close_timeout: Duration | None
    cancellation_type: NexusOperationCancellationType
    headers: Mapping[str, str] | None
    summary: str | None
    event_groups: Sequence[EventGroup] | None
