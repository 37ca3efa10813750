"""The end of the chain for workflows: inputs become requests, answers and refusals become what callers see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tenuto import ambient
from tenuto.client import encoding
from tenuto.client.encoding import duration_proto
from tenuto.client.errors import WorkflowQueryFailedError, WorkflowQueryRejectedError
from tenuto.client.history import WorkflowHistoryEventAsyncIterator
from tenuto.client.inputs import (
    CancelWorkflowInput,
    CountWorkflowsInput,
    DescribeWorkflowInput,
    FetchWorkflowHistoryEventsInput,
    ListWorkflowsInput,
    QueryWorkflowInput,
    SignalWorkflowInput,
    StartWorkflowInput,
    TerminateWorkflowInput,
    UpdateWithStartStartWorkflowInput,
)
from tenuto.client.interceptor import OutboundInterceptor
from tenuto.client.listing import (
    WorkflowExecutionAsyncIterator,
    WorkflowExecutionCount,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    count_of,
    description_of,
)
from tenuto.client.workflow import WorkflowHandle
from tenuto.exceptions import WorkflowAlreadyStartedError
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import common, errordetails, query, taskqueue
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore

_Start = ws.StartWorkflowExecutionRequest | ws.SignalWithStartWorkflowExecutionRequest


async def start_fields(
    client: ClientCore, asked: StartWorkflowInput | UpdateWithStartStartWorkflowInput
) -> dict[str, Any]:
    """The fields that every way to start a workflow has."""
    converter = encoding.for_workflow(client, asked.id, asked.workflow)
    fields = {
        "namespace": client.namespace,
        "workflow_id": asked.id,
        "workflow_type": common.WorkflowType(name=asked.workflow),
        "task_queue": taskqueue.TaskQueue(name=asked.task_queue),
        "input": await encoding.payloads(converter, asked.args),
        "workflow_execution_timeout": duration_proto(asked.execution_timeout),
        "workflow_run_timeout": duration_proto(asked.run_timeout),
        "workflow_task_timeout": duration_proto(asked.task_timeout),
        "identity": client.identity,
        "request_id": ambient.new_id(),
        "workflow_id_reuse_policy": int(asked.id_reuse_policy),
        "workflow_id_conflict_policy": int(asked.id_conflict_policy),
        "retry_policy": encoding.retry_policy_proto(asked.retry_policy),
        "cron_schedule": asked.cron_schedule,
        "memo": await encoding.memo_proto(converter, asked.memo),
        "search_attributes": encoding.search_attributes_proto(asked.search_attributes),
        "header": await encoding.headers_proto(client, asked.headers),
        "workflow_start_delay": duration_proto(asked.start_delay),
        "user_metadata": await encoding.user_metadata(converter, asked.static_summary, asked.static_details),
        "versioning_override": encoding.versioning_override_proto(asked.versioning_override),
        "priority": encoding.priority_proto(asked.priority),
        "time_skipping_config": asked.time_skipping_config,
    }
    return {name: value for name, value in fields.items() if value is not None}


def already_started(
    error: RPCError, workflow_id: str, workflow_type: str
) -> WorkflowAlreadyStartedError | None:
    """The error to raise instead, when the service says that the id is taken."""
    if error.status != RPCStatusCode.ALREADY_EXISTS:
        return None
    detail = error.details(errordetails.WorkflowExecutionAlreadyStartedFailure)
    if detail is None:
        return None
    return WorkflowAlreadyStartedError(
        workflow_id,
        workflow_type,
        run_id=detail.run_id,
        first_run_id=detail.first_execution_run_id or None,
    )


def execution(workflow_id: str, run_id: str | None) -> common.WorkflowExecution:
    """A run, or with None the current one."""
    return common.WorkflowExecution(workflow_id=workflow_id, run_id=run_id or "")


class WorkflowCalls(OutboundInterceptor):
    """Calls about workflows, made."""

    def __init__(self, client: ClientCore) -> None:
        self._client = client

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        fields = await start_fields(self._client, input)
        try:
            if input.start_signal is None:
                return await self._start(input, fields)
            return await self._signal_with_start(input, fields)
        except RPCError as error:
            taken = already_started(error, input.id, input.workflow)
            if taken is not None:
                raise taken from error
            raise

    async def _start(self, input: StartWorkflowInput, fields: dict[str, Any]) -> WorkflowHandle[Any, Any]:
        slot = self._client._eager_workers.reserve(input.task_queue) if input.request_eager_start else None
        request = ws.StartWorkflowExecutionRequest(**fields, request_eager_execution=slot is not None)
        taken = False
        try:
            answer = await self._client._call(
                "StartWorkflowExecution", request, ws.StartWorkflowExecutionResponse, input
            )
            if slot is not None and answer.HasField("eager_workflow_task"):
                taken = True
                slot.accept(answer.eager_workflow_task)
        finally:
            if slot is not None and not taken:
                slot.release()
        handle = self._handle(input, answer, answer.first_execution_run_id or answer.run_id)
        setattr(handle, "__temporal_eagerly_started", taken)  # programs that show it read this very name
        return handle

    async def _signal_with_start(
        self, input: StartWorkflowInput, fields: dict[str, Any]
    ) -> WorkflowHandle[Any, Any]:
        converter = encoding.for_workflow(self._client, input.id, input.workflow)
        answer = await self._client._call(
            "SignalWithStartWorkflowExecution",
            ws.SignalWithStartWorkflowExecutionRequest(
                **fields,
                signal_name=input.start_signal or "",
                signal_input=await encoding.payloads(converter, input.start_signal_args),
            ),
            ws.SignalWithStartWorkflowExecutionResponse,
            input,
        )
        return self._handle(input, answer, answer.first_execution_run_id or None)

    def _handle(
        self,
        input: StartWorkflowInput,
        answer: ws.StartWorkflowExecutionResponse | ws.SignalWithStartWorkflowExecutionResponse,
        first: str | None,
    ) -> WorkflowHandle[Any, Any]:
        return WorkflowHandle(
            self._client,
            input.id,
            result_run_id=answer.run_id,
            first_execution_run_id=first,
            result_type=input.ret_type,
            start_workflow_response=answer,
        )

    async def cancel_workflow(self, input: CancelWorkflowInput) -> None:
        await self._client._call(
            "RequestCancelWorkflowExecution",
            ws.RequestCancelWorkflowExecutionRequest(
                namespace=self._client.namespace,
                workflow_execution=execution(input.id, input.run_id),
                identity=self._client.identity,
                request_id=ambient.new_id(),
                first_execution_run_id=input.first_execution_run_id or "",
                reason=input.reason,
            ),
            ws.RequestCancelWorkflowExecutionResponse,
            input,
        )

    async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:
        answer = await self._client._call(
            "DescribeWorkflowExecution",
            ws.DescribeWorkflowExecutionRequest(
                namespace=self._client.namespace, execution=execution(input.id, input.run_id)
            ),
            ws.DescribeWorkflowExecutionResponse,
            input,
        )
        return description_of(answer, self._client.namespace, self._client.data_converter)

    def fetch_workflow_history_events(
        self, input: FetchWorkflowHistoryEventsInput
    ) -> WorkflowHistoryEventAsyncIterator:
        return WorkflowHistoryEventAsyncIterator(self._client, input)

    def list_workflows(self, input: ListWorkflowsInput) -> WorkflowExecutionAsyncIterator:
        return WorkflowExecutionAsyncIterator(self._client, input)

    async def count_workflows(self, input: CountWorkflowsInput) -> WorkflowExecutionCount:
        answer = await self._client._call(
            "CountWorkflowExecutions",
            ws.CountWorkflowExecutionsRequest(namespace=self._client.namespace, query=input.query or ""),
            ws.CountWorkflowExecutionsResponse,
            input,
        )
        return count_of(answer)

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        converter = encoding.for_workflow(self._client, input.id)
        asked = query.WorkflowQuery(
            query_type=input.query,
            query_args=await encoding.payloads(converter, input.args),
            header=await encoding.headers_proto(self._client, input.headers),
        )
        request = ws.QueryWorkflowRequest(
            namespace=self._client.namespace,
            execution=execution(input.id, input.run_id),
            query=asked,
            query_reject_condition=cast("Any", int(input.reject_condition or 0)),
        )
        try:
            answer = await self._client._call("QueryWorkflow", request, ws.QueryWorkflowResponse, input)
        except RPCError as error:
            if error.status == RPCStatusCode.INVALID_ARGUMENT and error.details(
                errordetails.QueryFailedFailure
            ):
                raise WorkflowQueryFailedError(error.message) from error
            raise
        if answer.HasField("query_rejected"):
            status = answer.query_rejected.status
            raise WorkflowQueryRejectedError(WorkflowExecutionStatus(status) if status else None)
        return await encoding.first_value(converter, answer.query_result.payloads, input.ret_type)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        converter = encoding.for_workflow(self._client, input.id)
        await self._client._call(
            "SignalWorkflowExecution",
            ws.SignalWorkflowExecutionRequest(
                namespace=self._client.namespace,
                workflow_execution=execution(input.id, input.run_id),
                signal_name=input.signal,
                input=await encoding.payloads(converter, input.args),
                identity=self._client.identity,
                request_id=ambient.new_id(),
                header=await encoding.headers_proto(self._client, input.headers),
            ),
            ws.SignalWorkflowExecutionResponse,
            input,
        )

    async def terminate_workflow(self, input: TerminateWorkflowInput) -> None:
        converter = encoding.for_workflow(self._client, input.id)
        await self._client._call(
            "TerminateWorkflowExecution",
            ws.TerminateWorkflowExecutionRequest(
                namespace=self._client.namespace,
                workflow_execution=execution(input.id, input.run_id),
                reason=input.reason or "",
                details=await encoding.payloads(converter, input.args),
                identity=self._client.identity,
                first_execution_run_id=input.first_execution_run_id or "",
            ),
            ws.TerminateWorkflowExecutionResponse,
            input,
        )
