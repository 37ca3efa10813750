"""The end of the chain for updates, alone or together with the start of their workflow."""

from __future__ import annotations

from typing import Any, cast

from tenuto import ambient
from tenuto.client import encoding
from tenuto.client.inputs import (
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    UpdateWithStartUpdateWorkflowInput,
)
from tenuto.client.update import WorkflowUpdateHandle, WorkflowUpdateStage, update_wait
from tenuto.client.workflow_calls import WorkflowCalls, already_started, execution, start_fields
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import errordetails, grpc_status, update
from tenuto.wire import workflowservice as ws


class UpdateCalls(WorkflowCalls):
    """Calls about updates, made."""

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:
        request = await self._update_request(input, input.id, input.run_id, input.first_execution_run_id)
        with update_wait():
            while True:
                answer = await self._client._call(
                    "UpdateWorkflowExecution", request, ws.UpdateWorkflowExecutionResponse, input
                )
                if _far_enough(answer, input.wait_for_stage):
                    break
        handle = self._update_handle(request, answer, input.id, input.ret_type)
        if input.wait_for_stage == WorkflowUpdateStage.COMPLETED:
            await handle._poll_until_outcome(rpc_metadata=input.rpc_metadata, rpc_timeout=input.rpc_timeout)
        return handle

    async def _update_request(
        self,
        asked: StartWorkflowUpdateInput | UpdateWithStartUpdateWorkflowInput,
        workflow_id: str,
        run_id: str | None,
        first_execution_run_id: str | None,
    ) -> ws.UpdateWorkflowExecutionRequest:
        converter = encoding.for_workflow(self._client, workflow_id)
        return ws.UpdateWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=execution(workflow_id, run_id),
            first_execution_run_id=first_execution_run_id or "",
            wait_policy=update.WaitPolicy(lifecycle_stage=cast("Any", int(asked.wait_for_stage))),
            request=update.Request(
                meta=update.Meta(
                    update_id=asked.update_id or ambient.new_id(), identity=self._client.identity
                ),
                input=update.Input(
                    header=await encoding.headers_proto(self._client, asked.headers),
                    name=asked.update,
                    args=await encoding.payloads(converter, asked.args),
                ),
            ),
        )

    def _update_handle(
        self,
        request: ws.UpdateWorkflowExecutionRequest,
        answer: ws.UpdateWorkflowExecutionResponse,
        workflow_id: str,
        ret_type: type | None,
    ) -> WorkflowUpdateHandle[Any]:
        return WorkflowUpdateHandle(
            self._client,
            request.request.meta.update_id,
            workflow_id,
            workflow_run_id=answer.update_ref.workflow_execution.run_id or None,
            result_type=ret_type,
            known_outcome=answer.outcome if answer.HasField("outcome") else None,
        )

    async def start_update_with_start_workflow(
        self, input: StartWorkflowUpdateWithStartInput
    ) -> WorkflowUpdateHandle[Any]:
        try:
            handle = await self._start_together(input)
        except BaseException as error:
            input._on_start_error(error)
            raise
        if input.update_workflow_input.wait_for_stage == WorkflowUpdateStage.COMPLETED:
            await handle._poll_until_outcome(rpc_metadata=input.rpc_metadata, rpc_timeout=input.rpc_timeout)
        return handle

    async def _start_together(self, input: StartWorkflowUpdateWithStartInput) -> WorkflowUpdateHandle[Any]:
        start, asked = input.start_workflow_input, input.update_workflow_input
        starting = ws.StartWorkflowExecutionRequest(**await start_fields(self._client, start))
        updating = await self._update_request(asked, start.id, None, None)
        operation = ws.ExecuteMultiOperationRequest.Operation
        request = ws.ExecuteMultiOperationRequest(
            namespace=self._client.namespace,
            operations=[operation(start_workflow=starting), operation(update_workflow=updating)],
        )
        with update_wait():
            while True:
                try:
                    answer = await self._client._call(
                        "ExecuteMultiOperation", request, ws.ExecuteMultiOperationResponse, input
                    )
                except RPCError as error:
                    blamed = _blamed(error)
                    taken = already_started(blamed, start.id, start.workflow)
                    raise (taken or blamed) from error
                input._on_start(answer.responses[0].start_workflow)
                updated = answer.responses[1].update_workflow
                if _far_enough(updated, asked.wait_for_stage):
                    return self._update_handle(updating, updated, start.id, asked.ret_type)


def _far_enough(answer: ws.UpdateWorkflowExecutionResponse, asked: WorkflowUpdateStage) -> bool:
    """The service may answer before the stage asked for is reached; a poll waits for more than acceptance."""
    return int(answer.stage) >= min(int(asked), int(WorkflowUpdateStage.ACCEPTED))


def _blamed(error: RPCError) -> RPCError:
    """The failure of the one operation that brought the other down, as an error of its own."""
    detail = error.details(errordetails.MultiOperationExecutionFailure)
    if detail is None:
        return error
    for status in detail.statuses:
        if status.code not in (RPCStatusCode.OK, RPCStatusCode.ABORTED):
            own = grpc_status.GrpcStatus(code=status.code, message=status.message, details=status.details)
            return RPCError(status.message, RPCStatusCode(status.code), own.SerializeToString())
    return error
