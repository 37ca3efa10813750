"""What passes through client interceptors about workflows, updates and activities completed elsewhere.

Mutable on purpose: an interceptor changes what it likes and passes the input on. Headers are raw payloads by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tenuto.common import (
    Priority,
    QueryRejectCondition,
    RetryPolicy,
    SearchAttributes,
    TypedSearchAttributes,
    VersioningOverride,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)

if TYPE_CHECKING:
    from tenuto.client.async_activity import AsyncActivityIDReference
    from tenuto.client.history import WorkflowHistoryEventFilterType
    from tenuto.client.update import WorkflowUpdateStage
    from tenuto.converter import DataConverter
    from tenuto.wire import common
    from tenuto.wire import workflowservice as ws

HeaderMap: TypeAlias = "Mapping[str, common.Payload]"
RPCMetadata: TypeAlias = Mapping[str, str | bytes]
"""Extra metadata of a call; names of binary values end in ``-bin``."""
NO_METADATA: RPCMetadata = MappingProxyType({})
AnySearchAttributes: TypeAlias = TypedSearchAttributes | SearchAttributes | None


class CallTerms(NamedTuple):
    """How a call is made: its extra metadata, and how long it may take (None: the usual)."""

    rpc_metadata: RPCMetadata = NO_METADATA
    rpc_timeout: timedelta | None = None


@dataclass
class StartWorkflowInput:
    """Input of `OutboundInterceptor.start_workflow`. With ``start_signal`` it is signal-with-start."""

    workflow: str
    args: Sequence[Any]
    id: str
    task_queue: str
    execution_timeout: timedelta | None
    run_timeout: timedelta | None
    task_timeout: timedelta | None
    id_reuse_policy: WorkflowIDReusePolicy
    id_conflict_policy: WorkflowIDConflictPolicy
    retry_policy: RetryPolicy | None
    cron_schedule: str
    memo: Mapping[str, Any] | None
    search_attributes: AnySearchAttributes
    start_delay: timedelta | None
    headers: HeaderMap
    start_signal: str | None
    start_signal_args: Sequence[Any]
    static_summary: str | None
    static_details: str | None
    ret_type: type | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None
    request_eager_start: bool
    priority: Priority
    versioning_override: VersioningOverride | None = None
    time_skipping_config: common.TimeSkippingConfig | None = None


@dataclass
class CancelWorkflowInput:
    """Input of `OutboundInterceptor.cancel_workflow`."""

    id: str
    run_id: str | None
    first_execution_run_id: str | None
    reason: str
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class DescribeWorkflowInput:
    """Input of `OutboundInterceptor.describe_workflow`."""

    id: str
    run_id: str | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class FetchWorkflowHistoryEventsInput:
    """Input of `OutboundInterceptor.fetch_workflow_history_events`."""

    id: str
    run_id: str | None
    page_size: int | None
    next_page_token: bytes | None
    wait_new_event: bool
    event_filter_type: WorkflowHistoryEventFilterType
    skip_archival: bool
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class ListWorkflowsInput:
    """Input of `OutboundInterceptor.list_workflows`. ``limit`` None: all."""

    query: str | None
    page_size: int
    next_page_token: bytes | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None
    limit: int | None


@dataclass
class CountWorkflowsInput:
    """Input of `OutboundInterceptor.count_workflows`."""

    query: str | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class QueryWorkflowInput:
    """Input of `OutboundInterceptor.query_workflow`."""

    id: str
    run_id: str | None
    query: str
    args: Sequence[Any]
    reject_condition: QueryRejectCondition | None
    headers: HeaderMap
    ret_type: type | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class SignalWorkflowInput:
    """Input of `OutboundInterceptor.signal_workflow`."""

    id: str
    run_id: str | None
    signal: str
    args: Sequence[Any]
    headers: HeaderMap
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class TerminateWorkflowInput:
    """Input of `OutboundInterceptor.terminate_workflow`."""

    id: str
    run_id: str | None
    first_execution_run_id: str | None
    args: Sequence[Any]
    reason: str | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class StartWorkflowUpdateInput:
    """Input of `OutboundInterceptor.start_workflow_update`. ``update_id`` None: a new one is made."""

    id: str
    run_id: str | None
    first_execution_run_id: str | None
    update_id: str | None
    update: str
    args: Sequence[Any]
    wait_for_stage: WorkflowUpdateStage
    headers: HeaderMap
    ret_type: type | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class UpdateWithStartUpdateWorkflowInput:
    """The update's half of `StartWorkflowUpdateWithStartInput`."""

    update_id: str | None
    update: str
    args: Sequence[Any]
    wait_for_stage: WorkflowUpdateStage
    headers: HeaderMap
    ret_type: type | None


@dataclass
class UpdateWithStartStartWorkflowInput:
    """The start's half of `StartWorkflowUpdateWithStartInput`."""

    workflow: str
    args: Sequence[Any]
    id: str
    task_queue: str
    execution_timeout: timedelta | None
    run_timeout: timedelta | None
    task_timeout: timedelta | None
    id_reuse_policy: WorkflowIDReusePolicy
    id_conflict_policy: WorkflowIDConflictPolicy
    retry_policy: RetryPolicy | None
    cron_schedule: str
    memo: Mapping[str, Any] | None
    search_attributes: AnySearchAttributes
    start_delay: timedelta | None
    headers: HeaderMap
    static_summary: str | None
    static_details: str | None
    ret_type: type | None
    priority: Priority
    versioning_override: VersioningOverride | None = None
    time_skipping_config: common.TimeSkippingConfig | None = None


def _unheard(_: object) -> None:
    return None


@dataclass
class StartWorkflowUpdateWithStartInput:
    """Input of `OutboundInterceptor.start_update_with_start_workflow`: both halves, sent as one operation."""

    start_workflow_input: UpdateWithStartStartWorkflowInput
    update_workflow_input: UpdateWithStartUpdateWorkflowInput
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None
    _on_start: Callable[[ws.StartWorkflowExecutionResponse], None] = field(default=_unheard, repr=False)
    _on_start_error: Callable[[BaseException], None] = field(default=_unheard, repr=False)


@dataclass
class HeartbeatAsyncActivityInput:
    """Input of `OutboundInterceptor.heartbeat_async_activity`."""

    id_or_token: AsyncActivityIDReference | bytes
    details: Sequence[Any]
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None
    data_converter_override: DataConverter | None = None


@dataclass
class CompleteAsyncActivityInput:
    """Input of `OutboundInterceptor.complete_async_activity`. ``result`` may be `tenuto.common.UNSET`: no payload."""

    id_or_token: AsyncActivityIDReference | bytes
    result: Any
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None
    data_converter_override: DataConverter | None = None


@dataclass
class FailAsyncActivityInput:
    """Input of `OutboundInterceptor.fail_async_activity`."""

    id_or_token: AsyncActivityIDReference | bytes
    error: Exception
    last_heartbeat_details: Sequence[Any]
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None
    data_converter_override: DataConverter | None = None


@dataclass
class ReportCancellationAsyncActivityInput:
    """Input of `OutboundInterceptor.report_cancellation_async_activity`."""

    id_or_token: AsyncActivityIDReference | bytes
    details: Sequence[Any]
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None
    data_converter_override: DataConverter | None = None
