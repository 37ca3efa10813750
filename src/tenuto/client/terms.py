"""What a start says of the execution itself, read the same way wherever it is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenuto.common import (
    Duration,
    Priority,
    RetryPolicy,
    SearchAttributes,
    TypedSearchAttributes,
    VersioningOverride,
    WorkflowIDReusePolicy,
    as_timedelta,
)


def start_terms(
    *,
    execution_timeout: Duration | None = None,
    run_timeout: Duration | None = None,
    task_timeout: Duration | None = None,
    id_reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    retry_policy: RetryPolicy | None = None,
    cron_schedule: str = "",
    memo: Mapping[str, Any] | None = None,
    search_attributes: TypedSearchAttributes | SearchAttributes | None = None,
    static_summary: str | None = None,
    static_details: str | None = None,
    start_delay: Duration | None = None,
    priority: Priority = Priority.default,
    versioning_override: VersioningOverride | None = None,
    stack_level: int = 2,
) -> dict[str, Any]:
    """The fields of a start's input, with every duration as timedelta.

    ``stack_level`` is for programs that give it: warnings of other clients count frames with it. Raises TypeError.
    """
    return {
        "execution_timeout": as_timedelta(execution_timeout),
        "run_timeout": as_timedelta(run_timeout),
        "task_timeout": as_timedelta(task_timeout),
        "id_reuse_policy": id_reuse_policy,
        "retry_policy": retry_policy,
        "cron_schedule": cron_schedule,
        "memo": memo,
        "search_attributes": search_attributes,
        "static_summary": static_summary,
        "static_details": static_details,
        "start_delay": as_timedelta(start_delay),
        "priority": priority,
        "versioning_override": versioning_override,
    }
