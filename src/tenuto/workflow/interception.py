"""What passes through workflow interceptors: the inputs, mutable on purpose, and the two chains.

Headers are raw payloads by name. This file must never decide anything: the last link of each chain is the run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from tenuto.common import Priority, RetryPolicy, VersioningOverride, WorkflowIDReusePolicy

if TYPE_CHECKING:
    from tenuto.wire import common
    from tenuto.workflow.enums import (
        ActivityCancellationType,
        ChildWorkflowCancellationType,
        ContinueAsNewVersioningBehavior,
        NexusOperationCancellationType,
        ParentClosePolicy,
        VersioningIntent,
    )
    from tenuto.workflow.facts import Info
    from tenuto.workflow.handles import ActivityHandle, ChildWorkflowHandle, NexusOperationHandle

    HeaderMap = Mapping[str, common.Payload]


@dataclass
class ContinueAsNewInput:
    """Input of `WorkflowOutboundInterceptor.continue_as_new`. ``workflow`` None: the same type."""

    workflow: str | None
    args: Sequence[Any]
    task_queue: str | None
    run_timeout: timedelta | None
    task_timeout: timedelta | None
    backoff_start_interval: timedelta | None
    retry_policy: RetryPolicy | None
    memo: Mapping[str, Any] | None
    search_attributes: Any
    headers: HeaderMap
    versioning_intent: VersioningIntent | None
    initial_versioning_behavior: ContinueAsNewVersioningBehavior | None
    event_groups: Sequence[Any] | None
    arg_types: list[type] | None


@dataclass
class ExecuteWorkflowInput:
    """Input of `WorkflowInboundInterceptor.execute_workflow`. ``run_fn`` takes the instance first."""

    type: type
    run_fn: Callable[..., Awaitable[Any]]
    args: Sequence[Any]
    headers: HeaderMap


@dataclass
class HandleSignalInput:
    """Input of `WorkflowInboundInterceptor.handle_signal`."""

    signal: str
    args: Sequence[Any]
    headers: HeaderMap


@dataclass
class HandleQueryInput:
    """Input of `WorkflowInboundInterceptor.handle_query`."""

    id: str
    query: str
    args: Sequence[Any]
    headers: HeaderMap


@dataclass
class HandleUpdateInput:
    """Input of `WorkflowInboundInterceptor.handle_update_validator` and ``handle_update_handler``."""

    id: str
    update: str
    args: Sequence[Any]
    headers: HeaderMap


@dataclass
class SignalChildWorkflowInput:
    """Input of `WorkflowOutboundInterceptor.signal_child_workflow`."""

    signal: str
    args: Sequence[Any]
    child_workflow_id: str
    headers: HeaderMap
    event_groups: Sequence[Any] | None = None


@dataclass
class SignalExternalWorkflowInput:
    """Input of `WorkflowOutboundInterceptor.signal_external_workflow`."""

    signal: str
    args: Sequence[Any]
    namespace: str
    workflow_id: str
    workflow_run_id: str | None
    headers: HeaderMap
    event_groups: Sequence[Any] | None = None


@dataclass
class StartActivityInput:
    """Input of `WorkflowOutboundInterceptor.start_activity`."""

    activity: str
    args: Sequence[Any]
    activity_id: str | None
    task_queue: str | None
    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    heartbeat_timeout: timedelta | None
    retry_policy: RetryPolicy | None
    cancellation_type: ActivityCancellationType
    headers: HeaderMap
    disable_eager_execution: bool
    versioning_intent: VersioningIntent | None
    summary: str | None
    priority: Priority
    arg_types: list[type] | None
    ret_type: type | None
    event_groups: Sequence[Any] | None = None


@dataclass
class StartLocalActivityInput:
    """Input of `WorkflowOutboundInterceptor.start_local_activity`."""

    activity: str
    args: Sequence[Any]
    activity_id: str | None
    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    retry_policy: RetryPolicy | None
    local_retry_threshold: timedelta | None
    cancellation_type: ActivityCancellationType
    headers: HeaderMap
    summary: str | None
    arg_types: list[type] | None
    ret_type: type | None
    event_groups: Sequence[Any] | None = None
    durable: bool = False
    """A step: in history for good before the next local activity of the run begins."""


@dataclass
class StartChildWorkflowInput:
    """Input of `WorkflowOutboundInterceptor.start_child_workflow`."""

    workflow: str
    args: Sequence[Any]
    id: str
    task_queue: str | None
    cancellation_type: ChildWorkflowCancellationType
    parent_close_policy: ParentClosePolicy
    execution_timeout: timedelta | None
    run_timeout: timedelta | None
    task_timeout: timedelta | None
    id_reuse_policy: WorkflowIDReusePolicy
    retry_policy: RetryPolicy | None
    cron_schedule: str
    memo: Mapping[str, Any] | None
    search_attributes: Any
    headers: HeaderMap
    versioning_intent: VersioningIntent | None
    static_summary: str | None
    static_details: str | None
    priority: Priority
    arg_types: list[type] | None
    ret_type: type | None
    versioning_override: VersioningOverride | None = None
    event_groups: Sequence[Any] | None = None


@dataclass
class StartNexusOperationInput:
    """Input of `WorkflowOutboundInterceptor.start_nexus_operation`."""

    endpoint: str
    service: str
    operation: str
    input: Any
    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    cancellation_type: NexusOperationCancellationType
    headers: Mapping[str, str] | None
    summary: str | None
    output_type: type | None = None
    event_groups: Sequence[Any] | None = None

    @property
    def operation_name(self) -> str:
        return self.operation


class WorkflowInboundInterceptor:
    """Everything that enters a run. Override what you need, and call ``super()`` to go on."""

    def __init__(self, next: WorkflowInboundInterceptor) -> None:
        self.next = next

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """Called once, before anything else: wrap ``outbound`` here and pass it on."""
        self.next.init(outbound)

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        return await self.next.execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        return await self.next.handle_signal(input)

    async def handle_query(self, input: HandleQueryInput) -> Any:
        return await self.next.handle_query(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        self.next.handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        return await self.next.handle_update_handler(input)


class WorkflowOutboundInterceptor:
    """Everything that a run asks for. Override what you need, and call ``super()`` to go on."""

    def __init__(self, next: WorkflowOutboundInterceptor) -> None:
        self.next = next

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        self.next.continue_as_new(input)

    def info(self) -> Info:
        return self.next.info()

    async def signal_child_workflow(self, input: SignalChildWorkflowInput) -> None:
        return await self.next.signal_child_workflow(input)

    async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:
        await self.next.signal_external_workflow(input)

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        return self.next.start_activity(input)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> ChildWorkflowHandle[Any, Any]:
        return await self.next.start_child_workflow(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> ActivityHandle[Any]:
        return self.next.start_local_activity(input)

    async def start_nexus_operation(self, input: StartNexusOperationInput) -> NexusOperationHandle[Any]:
        return await self.next.start_nexus_operation(input)


@dataclass
class WorkflowInterceptorClassInput:
    """What an interceptor is given when it is asked for its workflow class; ``unsafe_extern_functions`` may be added to."""

    unsafe_extern_functions: MutableMapping[str, Callable[..., Any]] = field(default_factory=dict)
