"""Every method of every service, for type checkers. Written by tests/transport/stub.py; do not edit."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from tenuto.transport.services import ServiceClient
from tenuto.wire import operatorservice, workflowservice

class _Facade:
    service_client: ServiceClient
    def __init__(self, client: ServiceClient) -> None: ...

class WorkflowService(_Facade):
    async def count_activity_executions(
        self,
        req: workflowservice.CountActivityExecutionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.CountActivityExecutionsResponse: ...
    async def count_nexus_operation_executions(
        self,
        req: workflowservice.CountNexusOperationExecutionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.CountNexusOperationExecutionsResponse: ...
    async def count_schedules(
        self,
        req: workflowservice.CountSchedulesRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.CountSchedulesResponse: ...
    async def count_workers(
        self,
        req: workflowservice.CountWorkersRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.CountWorkersResponse: ...
    async def count_workflow_executions(
        self,
        req: workflowservice.CountWorkflowExecutionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.CountWorkflowExecutionsResponse: ...
    async def create_schedule(
        self,
        req: workflowservice.CreateScheduleRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.CreateScheduleResponse: ...
    async def create_worker_deployment(
        self,
        req: workflowservice.CreateWorkerDeploymentRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.CreateWorkerDeploymentResponse: ...
    async def create_worker_deployment_version(
        self,
        req: workflowservice.CreateWorkerDeploymentVersionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.CreateWorkerDeploymentVersionResponse: ...
    async def create_workflow_rule(
        self,
        req: workflowservice.CreateWorkflowRuleRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.CreateWorkflowRuleResponse: ...
    async def delete_activity_execution(
        self,
        req: workflowservice.DeleteActivityExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DeleteActivityExecutionResponse: ...
    async def delete_nexus_operation_execution(
        self,
        req: workflowservice.DeleteNexusOperationExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DeleteNexusOperationExecutionResponse: ...
    async def delete_schedule(
        self,
        req: workflowservice.DeleteScheduleRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DeleteScheduleResponse: ...
    async def delete_worker_deployment(
        self,
        req: workflowservice.DeleteWorkerDeploymentRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DeleteWorkerDeploymentResponse: ...
    async def delete_worker_deployment_version(
        self,
        req: workflowservice.DeleteWorkerDeploymentVersionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DeleteWorkerDeploymentVersionResponse: ...
    async def delete_workflow_execution(
        self,
        req: workflowservice.DeleteWorkflowExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DeleteWorkflowExecutionResponse: ...
    async def delete_workflow_rule(
        self,
        req: workflowservice.DeleteWorkflowRuleRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DeleteWorkflowRuleResponse: ...
    async def deprecate_namespace(
        self,
        req: workflowservice.DeprecateNamespaceRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DeprecateNamespaceResponse: ...
    async def describe_activity_execution(
        self,
        req: workflowservice.DescribeActivityExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DescribeActivityExecutionResponse: ...
    async def describe_batch_operation(
        self,
        req: workflowservice.DescribeBatchOperationRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DescribeBatchOperationResponse: ...
    async def describe_deployment(
        self,
        req: workflowservice.DescribeDeploymentRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DescribeDeploymentResponse: ...
    async def describe_namespace(
        self,
        req: workflowservice.DescribeNamespaceRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DescribeNamespaceResponse: ...
    async def describe_nexus_operation_execution(
        self,
        req: workflowservice.DescribeNexusOperationExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DescribeNexusOperationExecutionResponse: ...
    async def describe_schedule(
        self,
        req: workflowservice.DescribeScheduleRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DescribeScheduleResponse: ...
    async def describe_task_queue(
        self,
        req: workflowservice.DescribeTaskQueueRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DescribeTaskQueueResponse: ...
    async def describe_worker(
        self,
        req: workflowservice.DescribeWorkerRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DescribeWorkerResponse: ...
    async def describe_worker_deployment(
        self,
        req: workflowservice.DescribeWorkerDeploymentRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DescribeWorkerDeploymentResponse: ...
    async def describe_worker_deployment_version(
        self,
        req: workflowservice.DescribeWorkerDeploymentVersionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DescribeWorkerDeploymentVersionResponse: ...
    async def describe_workflow_execution(
        self,
        req: workflowservice.DescribeWorkflowExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DescribeWorkflowExecutionResponse: ...
    async def describe_workflow_rule(
        self,
        req: workflowservice.DescribeWorkflowRuleRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.DescribeWorkflowRuleResponse: ...
    async def execute_multi_operation(
        self,
        req: workflowservice.ExecuteMultiOperationRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ExecuteMultiOperationResponse: ...
    async def fetch_worker_config(
        self,
        req: workflowservice.FetchWorkerConfigRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.FetchWorkerConfigResponse: ...
    async def get_cluster_info(
        self,
        req: workflowservice.GetClusterInfoRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.GetClusterInfoResponse: ...
    async def get_current_deployment(
        self,
        req: workflowservice.GetCurrentDeploymentRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.GetCurrentDeploymentResponse: ...
    async def get_deployment_reachability(
        self,
        req: workflowservice.GetDeploymentReachabilityRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.GetDeploymentReachabilityResponse: ...
    async def get_search_attributes(
        self,
        req: workflowservice.GetSearchAttributesRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.GetSearchAttributesResponse: ...
    async def get_system_info(
        self,
        req: workflowservice.GetSystemInfoRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.GetSystemInfoResponse: ...
    async def get_worker_build_id_compatibility(
        self,
        req: workflowservice.GetWorkerBuildIdCompatibilityRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.GetWorkerBuildIdCompatibilityResponse: ...
    async def get_worker_task_reachability(
        self,
        req: workflowservice.GetWorkerTaskReachabilityRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.GetWorkerTaskReachabilityResponse: ...
    async def get_worker_versioning_rules(
        self,
        req: workflowservice.GetWorkerVersioningRulesRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.GetWorkerVersioningRulesResponse: ...
    async def get_workflow_execution_history(
        self,
        req: workflowservice.GetWorkflowExecutionHistoryRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.GetWorkflowExecutionHistoryResponse: ...
    async def get_workflow_execution_history_reverse(
        self,
        req: workflowservice.GetWorkflowExecutionHistoryReverseRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.GetWorkflowExecutionHistoryReverseResponse: ...
    async def list_activity_executions(
        self,
        req: workflowservice.ListActivityExecutionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListActivityExecutionsResponse: ...
    async def list_archived_workflow_executions(
        self,
        req: workflowservice.ListArchivedWorkflowExecutionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListArchivedWorkflowExecutionsResponse: ...
    async def list_batch_operations(
        self,
        req: workflowservice.ListBatchOperationsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListBatchOperationsResponse: ...
    async def list_closed_workflow_executions(
        self,
        req: workflowservice.ListClosedWorkflowExecutionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListClosedWorkflowExecutionsResponse: ...
    async def list_deployments(
        self,
        req: workflowservice.ListDeploymentsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListDeploymentsResponse: ...
    async def list_namespaces(
        self,
        req: workflowservice.ListNamespacesRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListNamespacesResponse: ...
    async def list_nexus_operation_executions(
        self,
        req: workflowservice.ListNexusOperationExecutionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListNexusOperationExecutionsResponse: ...
    async def list_open_workflow_executions(
        self,
        req: workflowservice.ListOpenWorkflowExecutionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListOpenWorkflowExecutionsResponse: ...
    async def list_schedule_matching_times(
        self,
        req: workflowservice.ListScheduleMatchingTimesRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListScheduleMatchingTimesResponse: ...
    async def list_schedules(
        self,
        req: workflowservice.ListSchedulesRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListSchedulesResponse: ...
    async def list_task_queue_partitions(
        self,
        req: workflowservice.ListTaskQueuePartitionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListTaskQueuePartitionsResponse: ...
    async def list_worker_deployments(
        self,
        req: workflowservice.ListWorkerDeploymentsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListWorkerDeploymentsResponse: ...
    async def list_workers(
        self,
        req: workflowservice.ListWorkersRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListWorkersResponse: ...
    async def list_workflow_executions(
        self,
        req: workflowservice.ListWorkflowExecutionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListWorkflowExecutionsResponse: ...
    async def list_workflow_rules(
        self,
        req: workflowservice.ListWorkflowRulesRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ListWorkflowRulesResponse: ...
    async def patch_schedule(
        self,
        req: workflowservice.PatchScheduleRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.PatchScheduleResponse: ...
    async def pause_activity(
        self,
        req: workflowservice.PauseActivityRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.PauseActivityResponse: ...
    async def pause_activity_execution(
        self,
        req: workflowservice.PauseActivityExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.PauseActivityExecutionResponse: ...
    async def pause_workflow_execution(
        self,
        req: workflowservice.PauseWorkflowExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.PauseWorkflowExecutionResponse: ...
    async def poll_activity_execution(
        self,
        req: workflowservice.PollActivityExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.PollActivityExecutionResponse: ...
    async def poll_activity_task_queue(
        self,
        req: workflowservice.PollActivityTaskQueueRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.PollActivityTaskQueueResponse: ...
    async def poll_nexus_operation_execution(
        self,
        req: workflowservice.PollNexusOperationExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.PollNexusOperationExecutionResponse: ...
    async def poll_nexus_task_queue(
        self,
        req: workflowservice.PollNexusTaskQueueRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.PollNexusTaskQueueResponse: ...
    async def poll_workflow_execution_time_skipping(
        self,
        req: workflowservice.PollWorkflowExecutionTimeSkippingRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.PollWorkflowExecutionTimeSkippingResponse: ...
    async def poll_workflow_execution_update(
        self,
        req: workflowservice.PollWorkflowExecutionUpdateRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.PollWorkflowExecutionUpdateResponse: ...
    async def poll_workflow_task_queue(
        self,
        req: workflowservice.PollWorkflowTaskQueueRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.PollWorkflowTaskQueueResponse: ...
    async def query_workflow(
        self,
        req: workflowservice.QueryWorkflowRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.QueryWorkflowResponse: ...
    async def record_activity_task_heartbeat(
        self,
        req: workflowservice.RecordActivityTaskHeartbeatRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RecordActivityTaskHeartbeatResponse: ...
    async def record_activity_task_heartbeat_by_id(
        self,
        req: workflowservice.RecordActivityTaskHeartbeatByIdRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RecordActivityTaskHeartbeatByIdResponse: ...
    async def record_worker_heartbeat(
        self,
        req: workflowservice.RecordWorkerHeartbeatRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RecordWorkerHeartbeatResponse: ...
    async def register_namespace(
        self,
        req: workflowservice.RegisterNamespaceRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RegisterNamespaceResponse: ...
    async def request_cancel_activity_execution(
        self,
        req: workflowservice.RequestCancelActivityExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RequestCancelActivityExecutionResponse: ...
    async def request_cancel_nexus_operation_execution(
        self,
        req: workflowservice.RequestCancelNexusOperationExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RequestCancelNexusOperationExecutionResponse: ...
    async def request_cancel_workflow_execution(
        self,
        req: workflowservice.RequestCancelWorkflowExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RequestCancelWorkflowExecutionResponse: ...
    async def reset_activity(
        self,
        req: workflowservice.ResetActivityRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ResetActivityResponse: ...
    async def reset_activity_execution(
        self,
        req: workflowservice.ResetActivityExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ResetActivityExecutionResponse: ...
    async def reset_sticky_task_queue(
        self,
        req: workflowservice.ResetStickyTaskQueueRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ResetStickyTaskQueueResponse: ...
    async def reset_workflow_execution(
        self,
        req: workflowservice.ResetWorkflowExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ResetWorkflowExecutionResponse: ...
    async def respond_activity_task_canceled(
        self,
        req: workflowservice.RespondActivityTaskCanceledRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RespondActivityTaskCanceledResponse: ...
    async def respond_activity_task_canceled_by_id(
        self,
        req: workflowservice.RespondActivityTaskCanceledByIdRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RespondActivityTaskCanceledByIdResponse: ...
    async def respond_activity_task_completed(
        self,
        req: workflowservice.RespondActivityTaskCompletedRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RespondActivityTaskCompletedResponse: ...
    async def respond_activity_task_completed_by_id(
        self,
        req: workflowservice.RespondActivityTaskCompletedByIdRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RespondActivityTaskCompletedByIdResponse: ...
    async def respond_activity_task_failed(
        self,
        req: workflowservice.RespondActivityTaskFailedRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RespondActivityTaskFailedResponse: ...
    async def respond_activity_task_failed_by_id(
        self,
        req: workflowservice.RespondActivityTaskFailedByIdRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RespondActivityTaskFailedByIdResponse: ...
    async def respond_nexus_task_completed(
        self,
        req: workflowservice.RespondNexusTaskCompletedRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RespondNexusTaskCompletedResponse: ...
    async def respond_nexus_task_failed(
        self,
        req: workflowservice.RespondNexusTaskFailedRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RespondNexusTaskFailedResponse: ...
    async def respond_query_task_completed(
        self,
        req: workflowservice.RespondQueryTaskCompletedRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RespondQueryTaskCompletedResponse: ...
    async def respond_workflow_task_completed(
        self,
        req: workflowservice.RespondWorkflowTaskCompletedRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RespondWorkflowTaskCompletedResponse: ...
    async def respond_workflow_task_failed(
        self,
        req: workflowservice.RespondWorkflowTaskFailedRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.RespondWorkflowTaskFailedResponse: ...
    async def scan_workflow_executions(
        self,
        req: workflowservice.ScanWorkflowExecutionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ScanWorkflowExecutionsResponse: ...
    async def set_current_deployment(
        self,
        req: workflowservice.SetCurrentDeploymentRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.SetCurrentDeploymentResponse: ...
    async def set_worker_deployment_current_version(
        self,
        req: workflowservice.SetWorkerDeploymentCurrentVersionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.SetWorkerDeploymentCurrentVersionResponse: ...
    async def set_worker_deployment_manager(
        self,
        req: workflowservice.SetWorkerDeploymentManagerRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.SetWorkerDeploymentManagerResponse: ...
    async def set_worker_deployment_ramping_version(
        self,
        req: workflowservice.SetWorkerDeploymentRampingVersionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.SetWorkerDeploymentRampingVersionResponse: ...
    async def shutdown_worker(
        self,
        req: workflowservice.ShutdownWorkerRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ShutdownWorkerResponse: ...
    async def signal_with_start_workflow_execution(
        self,
        req: workflowservice.SignalWithStartWorkflowExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.SignalWithStartWorkflowExecutionResponse: ...
    async def signal_workflow_execution(
        self,
        req: workflowservice.SignalWorkflowExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.SignalWorkflowExecutionResponse: ...
    async def start_activity_execution(
        self,
        req: workflowservice.StartActivityExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.StartActivityExecutionResponse: ...
    async def start_batch_operation(
        self,
        req: workflowservice.StartBatchOperationRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.StartBatchOperationResponse: ...
    async def start_nexus_operation_execution(
        self,
        req: workflowservice.StartNexusOperationExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.StartNexusOperationExecutionResponse: ...
    async def start_workflow_execution(
        self,
        req: workflowservice.StartWorkflowExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.StartWorkflowExecutionResponse: ...
    async def stop_batch_operation(
        self,
        req: workflowservice.StopBatchOperationRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.StopBatchOperationResponse: ...
    async def terminate_activity_execution(
        self,
        req: workflowservice.TerminateActivityExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.TerminateActivityExecutionResponse: ...
    async def terminate_nexus_operation_execution(
        self,
        req: workflowservice.TerminateNexusOperationExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.TerminateNexusOperationExecutionResponse: ...
    async def terminate_workflow_execution(
        self,
        req: workflowservice.TerminateWorkflowExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.TerminateWorkflowExecutionResponse: ...
    async def trigger_workflow_rule(
        self,
        req: workflowservice.TriggerWorkflowRuleRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.TriggerWorkflowRuleResponse: ...
    async def unpause_activity(
        self,
        req: workflowservice.UnpauseActivityRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UnpauseActivityResponse: ...
    async def unpause_activity_execution(
        self,
        req: workflowservice.UnpauseActivityExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UnpauseActivityExecutionResponse: ...
    async def unpause_workflow_execution(
        self,
        req: workflowservice.UnpauseWorkflowExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UnpauseWorkflowExecutionResponse: ...
    async def update_activity_execution_options(
        self,
        req: workflowservice.UpdateActivityExecutionOptionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UpdateActivityExecutionOptionsResponse: ...
    async def update_activity_options(
        self,
        req: workflowservice.UpdateActivityOptionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UpdateActivityOptionsResponse: ...
    async def update_namespace(
        self,
        req: workflowservice.UpdateNamespaceRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UpdateNamespaceResponse: ...
    async def update_schedule(
        self,
        req: workflowservice.UpdateScheduleRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UpdateScheduleResponse: ...
    async def update_task_queue_config(
        self,
        req: workflowservice.UpdateTaskQueueConfigRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UpdateTaskQueueConfigResponse: ...
    async def update_worker_build_id_compatibility(
        self,
        req: workflowservice.UpdateWorkerBuildIdCompatibilityRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UpdateWorkerBuildIdCompatibilityResponse: ...
    async def update_worker_config(
        self,
        req: workflowservice.UpdateWorkerConfigRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UpdateWorkerConfigResponse: ...
    async def update_worker_deployment_version_compute_config(
        self,
        req: workflowservice.UpdateWorkerDeploymentVersionComputeConfigRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UpdateWorkerDeploymentVersionComputeConfigResponse: ...
    async def update_worker_deployment_version_metadata(
        self,
        req: workflowservice.UpdateWorkerDeploymentVersionMetadataRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UpdateWorkerDeploymentVersionMetadataResponse: ...
    async def update_worker_versioning_rules(
        self,
        req: workflowservice.UpdateWorkerVersioningRulesRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UpdateWorkerVersioningRulesResponse: ...
    async def update_workflow_execution(
        self,
        req: workflowservice.UpdateWorkflowExecutionRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UpdateWorkflowExecutionResponse: ...
    async def update_workflow_execution_options(
        self,
        req: workflowservice.UpdateWorkflowExecutionOptionsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.UpdateWorkflowExecutionOptionsResponse: ...
    async def validate_worker_deployment_version_compute_config(
        self,
        req: workflowservice.ValidateWorkerDeploymentVersionComputeConfigRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> workflowservice.ValidateWorkerDeploymentVersionComputeConfigResponse: ...

class OperatorService(_Facade):
    async def add_or_update_remote_cluster(
        self,
        req: operatorservice.AddOrUpdateRemoteClusterRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> operatorservice.AddOrUpdateRemoteClusterResponse: ...
    async def add_search_attributes(
        self,
        req: operatorservice.AddSearchAttributesRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> operatorservice.AddSearchAttributesResponse: ...
    async def create_nexus_endpoint(
        self,
        req: operatorservice.CreateNexusEndpointRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> operatorservice.CreateNexusEndpointResponse: ...
    async def delete_namespace(
        self,
        req: operatorservice.DeleteNamespaceRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> operatorservice.DeleteNamespaceResponse: ...
    async def delete_nexus_endpoint(
        self,
        req: operatorservice.DeleteNexusEndpointRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> operatorservice.DeleteNexusEndpointResponse: ...
    async def get_nexus_endpoint(
        self,
        req: operatorservice.GetNexusEndpointRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> operatorservice.GetNexusEndpointResponse: ...
    async def list_clusters(
        self,
        req: operatorservice.ListClustersRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> operatorservice.ListClustersResponse: ...
    async def list_nexus_endpoints(
        self,
        req: operatorservice.ListNexusEndpointsRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> operatorservice.ListNexusEndpointsResponse: ...
    async def list_search_attributes(
        self,
        req: operatorservice.ListSearchAttributesRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> operatorservice.ListSearchAttributesResponse: ...
    async def remove_remote_cluster(
        self,
        req: operatorservice.RemoveRemoteClusterRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> operatorservice.RemoveRemoteClusterResponse: ...
    async def remove_search_attributes(
        self,
        req: operatorservice.RemoveSearchAttributesRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> operatorservice.RemoveSearchAttributesResponse: ...
    async def update_nexus_endpoint(
        self,
        req: operatorservice.UpdateNexusEndpointRequest,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> operatorservice.UpdateNexusEndpointResponse: ...

class TestService(_Facade):
    __test__: ClassVar[bool]
    async def lock_time_skipping(
        self,
        req: Any,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> Any: ...
    async def unlock_time_skipping(
        self,
        req: Any,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> Any: ...
    async def sleep(
        self,
        req: Any,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> Any: ...
    async def sleep_until(
        self,
        req: Any,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> Any: ...
    async def unlock_time_skipping_with_sleep(
        self,
        req: Any,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> Any: ...
    async def get_current_time(
        self,
        req: Any,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> Any: ...

class HealthService(_Facade):
    async def check(
        self,
        req: Any,
        retry: bool = False,
        metadata: Mapping[str, str | bytes] = {},
        timeout: timedelta | None = None,
    ) -> Any: ...

class CloudService(_Facade):
    def __getattr__(self, name: str) -> Any: ...
