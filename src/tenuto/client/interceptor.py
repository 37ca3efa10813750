"""The chain that every call of a client passes: interceptors, the first given outermost, and the service at the end.

This file must never decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenuto.client import inputs, inputs_more, inputs_nexus
    from tenuto.client.activity import ActivityHandle
    from tenuto.client.activity_views import (
        ActivityExecutionAsyncIterator,
        ActivityExecutionCount,
        ActivityExecutionDescription,
        ActivityExecutionOptions,
    )
    from tenuto.client.build_ids import WorkerBuildIdVersionSets, WorkerTaskReachability
    from tenuto.client.history import WorkflowHistoryEventAsyncIterator
    from tenuto.client.listing import (
        WorkflowExecutionAsyncIterator,
        WorkflowExecutionCount,
        WorkflowExecutionDescription,
    )
    from tenuto.client.nexus import NexusOperationHandle
    from tenuto.client.nexus_views import (
        NexusOperationExecutionAsyncIterator,
        NexusOperationExecutionCount,
        NexusOperationExecutionDescription,
    )
    from tenuto.client.schedule import ScheduleAsyncIterator, ScheduleDescription, ScheduleHandle
    from tenuto.client.update import WorkflowUpdateHandle
    from tenuto.client.workflow import WorkflowHandle


class Interceptor:
    """Give one to `Client.connect`; a class that is also a worker's interceptor serves workers made from the client too."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """Return what is called instead of ``next``: usually a subclass of `OutboundInterceptor` made with it."""
        return next


class OutboundInterceptor:
    """Every call that a client makes. Override what you need, and call ``super()`` to go on."""

    def __init__(self, next: OutboundInterceptor) -> None:
        self.next = next

    async def start_workflow(self, input: inputs.StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        return await self.next.start_workflow(input)

    async def cancel_workflow(self, input: inputs.CancelWorkflowInput) -> None:
        await self.next.cancel_workflow(input)

    async def describe_workflow(self, input: inputs.DescribeWorkflowInput) -> WorkflowExecutionDescription:
        return await self.next.describe_workflow(input)

    def fetch_workflow_history_events(
        self, input: inputs.FetchWorkflowHistoryEventsInput
    ) -> WorkflowHistoryEventAsyncIterator:
        return self.next.fetch_workflow_history_events(input)

    def list_workflows(self, input: inputs.ListWorkflowsInput) -> WorkflowExecutionAsyncIterator:
        return self.next.list_workflows(input)

    async def count_workflows(self, input: inputs.CountWorkflowsInput) -> WorkflowExecutionCount:
        return await self.next.count_workflows(input)

    async def query_workflow(self, input: inputs.QueryWorkflowInput) -> Any:
        return await self.next.query_workflow(input)

    async def signal_workflow(self, input: inputs.SignalWorkflowInput) -> None:
        await self.next.signal_workflow(input)

    async def terminate_workflow(self, input: inputs.TerminateWorkflowInput) -> None:
        await self.next.terminate_workflow(input)

    async def start_workflow_update(
        self, input: inputs.StartWorkflowUpdateInput
    ) -> WorkflowUpdateHandle[Any]:
        return await self.next.start_workflow_update(input)

    async def start_update_with_start_workflow(
        self, input: inputs.StartWorkflowUpdateWithStartInput
    ) -> WorkflowUpdateHandle[Any]:
        return await self.next.start_update_with_start_workflow(input)

    async def start_activity(self, input: inputs_more.StartActivityInput) -> ActivityHandle[Any]:
        return await self.next.start_activity(input)

    async def cancel_activity(self, input: inputs_more.CancelActivityInput) -> None:
        await self.next.cancel_activity(input)

    async def terminate_activity(self, input: inputs_more.TerminateActivityInput) -> None:
        await self.next.terminate_activity(input)

    async def pause_activity(self, input: inputs_more.PauseActivityInput) -> None:
        await self.next.pause_activity(input)

    async def unpause_activity(self, input: inputs_more.UnpauseActivityInput) -> None:
        await self.next.unpause_activity(input)

    async def update_activity_options(
        self, input: inputs_more.UpdateActivityOptionsInput
    ) -> ActivityExecutionOptions:
        return await self.next.update_activity_options(input)

    async def describe_activity(
        self, input: inputs_more.DescribeActivityInput
    ) -> ActivityExecutionDescription:
        return await self.next.describe_activity(input)

    def list_activities(self, input: inputs_more.ListActivitiesInput) -> ActivityExecutionAsyncIterator:
        return self.next.list_activities(input)

    async def count_activities(self, input: inputs_more.CountActivitiesInput) -> ActivityExecutionCount:
        return await self.next.count_activities(input)

    async def start_nexus_operation(
        self, input: inputs_nexus.StartNexusOperationInput
    ) -> NexusOperationHandle[Any]:
        return await self.next.start_nexus_operation(input)

    async def describe_nexus_operation(
        self, input: inputs_nexus.DescribeNexusOperationInput
    ) -> NexusOperationExecutionDescription:
        return await self.next.describe_nexus_operation(input)

    async def get_nexus_operation_result(self, input: inputs_nexus.GetNexusOperationResultInput) -> Any:
        return await self.next.get_nexus_operation_result(input)

    async def cancel_nexus_operation(self, input: inputs_nexus.CancelNexusOperationInput) -> None:
        await self.next.cancel_nexus_operation(input)

    async def terminate_nexus_operation(self, input: inputs_nexus.TerminateNexusOperationInput) -> None:
        await self.next.terminate_nexus_operation(input)

    def list_nexus_operations(
        self, input: inputs_nexus.ListNexusOperationsInput
    ) -> NexusOperationExecutionAsyncIterator:
        return self.next.list_nexus_operations(input)

    async def count_nexus_operations(
        self, input: inputs_nexus.CountNexusOperationsInput
    ) -> NexusOperationExecutionCount:
        return await self.next.count_nexus_operations(input)

    async def heartbeat_async_activity(self, input: inputs.HeartbeatAsyncActivityInput) -> None:
        await self.next.heartbeat_async_activity(input)

    async def complete_async_activity(self, input: inputs.CompleteAsyncActivityInput) -> None:
        await self.next.complete_async_activity(input)

    async def fail_async_activity(self, input: inputs.FailAsyncActivityInput) -> None:
        await self.next.fail_async_activity(input)

    async def report_cancellation_async_activity(
        self, input: inputs.ReportCancellationAsyncActivityInput
    ) -> None:
        await self.next.report_cancellation_async_activity(input)

    async def create_schedule(self, input: inputs_more.CreateScheduleInput) -> ScheduleHandle:
        return await self.next.create_schedule(input)

    def list_schedules(self, input: inputs_more.ListSchedulesInput) -> ScheduleAsyncIterator:
        return self.next.list_schedules(input)

    async def backfill_schedule(self, input: inputs_more.BackfillScheduleInput) -> None:
        await self.next.backfill_schedule(input)

    async def delete_schedule(self, input: inputs_more.DeleteScheduleInput) -> None:
        await self.next.delete_schedule(input)

    async def describe_schedule(self, input: inputs_more.DescribeScheduleInput) -> ScheduleDescription:
        return await self.next.describe_schedule(input)

    async def pause_schedule(self, input: inputs_more.PauseScheduleInput) -> None:
        await self.next.pause_schedule(input)

    async def trigger_schedule(self, input: inputs_more.TriggerScheduleInput) -> None:
        await self.next.trigger_schedule(input)

    async def unpause_schedule(self, input: inputs_more.UnpauseScheduleInput) -> None:
        await self.next.unpause_schedule(input)

    async def update_schedule(self, input: inputs_more.UpdateScheduleInput) -> None:
        await self.next.update_schedule(input)

    async def update_worker_build_id_compatibility(
        self, input: inputs_more.UpdateWorkerBuildIdCompatibilityInput
    ) -> None:
        await self.next.update_worker_build_id_compatibility(input)

    async def get_worker_build_id_compatibility(
        self, input: inputs_more.GetWorkerBuildIdCompatibilityInput
    ) -> WorkerBuildIdVersionSets:
        return await self.next.get_worker_build_id_compatibility(input)

    async def get_worker_task_reachability(
        self, input: inputs_more.GetWorkerTaskReachabilityInput
    ) -> WorkerTaskReachability:
        return await self.next.get_worker_task_reachability(input)
