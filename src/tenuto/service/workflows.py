"""What clients do with workflow executions: start, signal, cancel, terminate, delete, reset, describe, change
(execution-semantics 1.1-1.4, 1.8-1.12, 1.19, 1.22, 1.23)."""

from typing import Any

from tenuto.engine import types
from tenuto.service import links, splice, validate
from tenuto.service.call import Call
from tenuto.service.core import Core
from tenuto.service.errors import invalid, unimplemented
from tenuto.service.starting import prepared, prepared_signal
from tenuto.service.tasks import Tasks
from tenuto.store.spi import ChainKey
from tenuto.wire import common, workflow
from tenuto.wire import workflowservice as ws

EAGER_FIELD = ws.StartWorkflowExecutionResponse.DESCRIPTOR.fields_by_name["eager_workflow_task"].number


class Workflows:
    """Client calls about one workflow execution."""

    def __init__(self, core: Core, tasks: Tasks) -> None:
        self._core = core
        self._tasks = tasks

    # ---- starting -----------------------------------------------------------------------------------------------

    async def start_workflow_execution(
        self, request: ws.StartWorkflowExecutionRequest, call: Call
    ) -> ws.StartWorkflowExecutionResponse | bytes:
        """Start a run, subject to id policies. Raises ALREADY_EXISTS."""
        core = self._core
        request = prepared(request, call.namespace, core.clock.now(), core.new_id)
        key = ChainKey(call.namespace.id, request.workflow_id)
        reply: types.StartReply = await core.shards.submit(key, types.Start(request))
        response = start_response(call.namespace.name, request.workflow_id, reply)
        if reply.handout is None:
            return response
        return response.SerializeToString() + splice.field(
            EAGER_FIELD, await self._tasks.answer(key, reply.handout)
        )

    async def signal_with_start_workflow_execution(
        self, request: ws.SignalWithStartWorkflowExecutionRequest, call: Call
    ) -> ws.SignalWithStartWorkflowExecutionResponse:
        """Signal the running workflow, or start one whose first news is the signal."""
        core = self._core
        request = prepared_signal(request, call.namespace, core.clock.now(), core.new_id)
        key = ChainKey(call.namespace.id, request.workflow_id)
        reply: types.SignalReply = await core.shards.submit(key, types.SignalWithStart(request))
        return ws.SignalWithStartWorkflowExecutionResponse(
            run_id=reply.run_id,
            started=reply.started,
            first_execution_run_id=reply.first_run_id,
            signal_link=links.by_request(
                call.namespace.name, key.workflow_id, reply.run_id, request.request_id, links.SIGNALED
            ),
        )

    # ---- acting on one ------------------------------------------------------------------------------------------

    async def signal_workflow_execution(
        self, request: ws.SignalWorkflowExecutionRequest, call: Call
    ) -> ws.SignalWorkflowExecutionResponse:
        execution = validate.execution(request, "workflow_execution")
        if not request.signal_name:
            invalid("SignalName is not set on request.")
        validate.length(request.signal_name, "SignalName")
        validate.length(request.request_id, "RequestId")
        validate.links(request.links)
        validate.blob(request.input.ByteSize())
        reply: types.SignalReply = await self._submit(
            call, execution, types.Signal(request, execution.run_id)
        )
        return ws.SignalWorkflowExecutionResponse(
            link=links.by_request(
                call.namespace.name, execution.workflow_id, reply.run_id, request.request_id, links.SIGNALED
            )
        )

    async def request_cancel_workflow_execution(
        self, request: ws.RequestCancelWorkflowExecutionRequest, call: Call
    ) -> ws.RequestCancelWorkflowExecutionResponse:
        """A request only: the workflow decides. A closed run is fine with it."""
        execution = validate.execution(request, "workflow_execution")
        validate.links(request.links)
        await self._submit(call, execution, types.RequestCancel(request, execution.run_id))
        return ws.RequestCancelWorkflowExecutionResponse()

    async def terminate_workflow_execution(
        self, request: ws.TerminateWorkflowExecutionRequest, call: Call
    ) -> ws.TerminateWorkflowExecutionResponse:
        execution = validate.execution(request, "workflow_execution")
        validate.links(request.links)
        await self._submit(call, execution, types.Terminate(request, execution.run_id))
        return ws.TerminateWorkflowExecutionResponse()

    async def delete_workflow_execution(
        self, request: ws.DeleteWorkflowExecutionRequest, call: Call
    ) -> ws.DeleteWorkflowExecutionResponse:
        """Delete a run with its history; an open one is terminated first."""
        execution = validate.execution(request, "workflow_execution")
        await self._submit(call, execution, types.Delete(execution.run_id))
        return ws.DeleteWorkflowExecutionResponse()

    async def reset_workflow_execution(
        self, request: ws.ResetWorkflowExecutionRequest, call: Call
    ) -> ws.ResetWorkflowExecutionResponse:
        if not request.request_id:
            invalid("RequestId is not set on request.")
        validate.length(request.request_id, "RequestId")
        execution = validate.execution(request, "workflow_execution")
        for operation in request.post_reset_operations:
            if operation.WhichOneof("variant") is None:
                invalid("unsupported post reset operation: <nil>")
        response: ws.ResetWorkflowExecutionResponse = await self._submit(
            call, execution, types.Reset(request, execution.run_id)
        )
        return response

    async def describe_workflow_execution(
        self, request: ws.DescribeWorkflowExecutionRequest, call: Call
    ) -> ws.DescribeWorkflowExecutionResponse:
        execution = validate.execution(request, "execution")
        response: ws.DescribeWorkflowExecutionResponse = await self._submit(
            call, execution, types.Describe(execution.run_id)
        )
        return response

    async def reset_sticky_task_queue(
        self, request: ws.ResetStickyTaskQueueRequest, call: Call
    ) -> ws.ResetStickyTaskQueueResponse:
        execution = validate.execution(request, "execution")
        await self._submit(call, execution, types.ResetSticky(execution.run_id))
        return ws.ResetStickyTaskQueueResponse()

    async def update_workflow_execution_options(
        self, request: ws.UpdateWorkflowExecutionOptionsRequest, call: Call
    ) -> ws.UpdateWorkflowExecutionOptionsResponse:
        execution = validate.execution(request, "workflow_execution")
        if not request.HasField("update_mask") or not request.update_mask.paths:
            invalid("UpdateMask is required")
        if not request.HasField("workflow_execution_options"):
            invalid("WorkflowExecutionOptions is required")
        for path in request.update_mask.paths:
            if not validate.names_field(workflow.WorkflowExecutionOptions.DESCRIPTOR, path):
                invalid(
                    f'error parsing UpdateMask: proto: invalid path "{path}" for message '
                    '"temporal.api.workflow.v1.WorkflowExecutionOptions"'
                )
        override = request.workflow_execution_options.versioning_override
        if request.workflow_execution_options.HasField("versioning_override") and not override.ByteSize():
            invalid("override behavior is required")
        response: ws.UpdateWorkflowExecutionOptionsResponse = await self._submit(
            call, execution, types.UpdateOptions(request, execution.run_id)
        )
        return response

    async def pause_workflow_execution(
        self, request: ws.PauseWorkflowExecutionRequest, call: Call
    ) -> ws.PauseWorkflowExecutionResponse:
        key = self._pausable(request.workflow_id, request.run_id, call)
        response: ws.PauseWorkflowExecutionResponse = await self._core.shards.submit(
            key, types.PauseRun(request, request.run_id)
        )
        return response

    async def unpause_workflow_execution(
        self, request: ws.UnpauseWorkflowExecutionRequest, call: Call
    ) -> ws.UnpauseWorkflowExecutionResponse:
        validate.run(request.workflow_id, request.run_id)
        key = ChainKey(call.namespace.id, request.workflow_id)
        response: ws.UnpauseWorkflowExecutionResponse = await self._core.shards.submit(
            key, types.UnpauseRun(request, request.run_id)
        )
        return response

    def _pausable(self, workflow_id: str, run_id: str, call: Call) -> ChainKey:
        if not call.namespace.facts.pause_enabled:
            unimplemented(f"workflow pause is not enabled for namespace: {call.namespace.name}")
        validate.run(workflow_id, run_id)
        return ChainKey(call.namespace.id, workflow_id)

    async def _submit(self, call: Call, execution: common.WorkflowExecution, request: object) -> Any:
        return await self._core.shards.submit(ChainKey(call.namespace.id, execution.workflow_id), request)


def start_response(
    namespace: str, workflow_id: str, reply: types.StartReply
) -> ws.StartWorkflowExecutionResponse:
    """A start's answer but for an eager task."""
    response = ws.StartWorkflowExecutionResponse(
        run_id=reply.run_id,
        first_execution_run_id=reply.first_run_id,
        started=reply.started,
        status=reply.status,  # type: ignore[arg-type]
    )
    if reply.event_type == links.STARTED:
        response.link.CopyFrom(links.first_event(namespace, workflow_id, reply.run_id))
    else:
        response.link.CopyFrom(
            links.by_request(namespace, workflow_id, reply.run_id, reply.request_id, reply.event_type)
        )
    return response
