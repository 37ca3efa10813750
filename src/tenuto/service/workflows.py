"""Workflow executions as clients see them: start, signal, cancel, terminate, delete, reset, describe, options
(execution-semantics 1.1-1.12, 1.22, 1.23)."""

from typing import Any

from tenuto.engine import events as ev
from tenuto.engine import types
from tenuto.service import errors, splice, validate
from tenuto.service.core import Call, Core
from tenuto.service.tasks import WorkflowTasks
from tenuto.store.spi import ChainKey
from tenuto.wire import common, enums_workflow
from tenuto.wire import workflowservice as ws

Conflict = enums_workflow.WorkflowIdConflictPolicy
SIGNALED, ACCEPTED = ev.SIGNALED, ev.UPDATE_ACCEPTED


def event_link(namespace: str, workflow_id: str, run_id: str) -> common.Link:
    """A link to a run's first event."""
    link = common.Link()
    event = link.workflow_event
    event.namespace, event.workflow_id, event.run_id = namespace, workflow_id, run_id
    event.event_ref.event_id, event.event_ref.event_type = 1, ev.STARTED
    return link


def request_link(namespace: str, workflow_id: str, run_id: str, request_id: str, kind: int) -> common.Link:
    """A link to the event that a request made, by the request's id."""
    link = common.Link()
    event = link.workflow_event
    event.namespace, event.workflow_id, event.run_id = namespace, workflow_id, run_id
    event.request_id_ref.request_id = request_id
    event.request_id_ref.event_type = kind  # type: ignore[assignment]
    return link


class Workflows:
    def __init__(self, core: Core, tasks: WorkflowTasks) -> None:
        self._core = core
        self._tasks = tasks

    def _key(self, request: Any, execution: common.WorkflowExecution) -> ChainKey:
        return ChainKey(self._core.namespace(request.namespace).id, execution.workflow_id)

    # ---- starting -------------------------------------------------------------------------------------------------------

    async def start_workflow_execution(self, request: ws.StartWorkflowExecutionRequest, call: Call) -> Any:
        record = self._core.namespace(request.namespace, starting=True)
        request = validate.start(
            self._core, record, request, conflict_default=Conflict.WORKFLOW_ID_CONFLICT_POLICY_FAIL
        )
        key = ChainKey(record.id, request.workflow_id)
        reply: types.StartReply = await self._core.shards.submit(key, types.Start(request))
        response = start_response(request, reply)
        if reply.handout is None:
            return response
        task = self._tasks.response(key, reply.handout)
        inline = await self._tasks.spliced(key, reply.handout, task)
        return splice.embed(response, "eager_workflow_task", inline)

    async def signal_with_start_workflow_execution(
        self, request: ws.SignalWithStartWorkflowExecutionRequest, call: Call
    ) -> Any:
        record = self._core.namespace(request.namespace, starting=True)
        validate.workflow_id(request.workflow_id)
        if not request.signal_name:
            raise errors.invalid("signal not set")
        validate.text_length(request.signal_name, "SignalName")
        if request.workflow_id_conflict_policy == Conflict.WORKFLOW_ID_CONFLICT_POLICY_FAIL:
            raise errors.invalid(
                "Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation."
            )
        request = validate.start(
            self._core, record, request, conflict_default=Conflict.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
        )
        validate.blob(request.signal_input)
        key = ChainKey(record.id, request.workflow_id)
        reply: types.SignalReply = await self._core.shards.submit(key, types.SignalWithStart(request))
        return ws.SignalWithStartWorkflowExecutionResponse(
            run_id=reply.run_id,
            started=reply.started,
            first_execution_run_id=reply.first_run_id,
            signal_link=request_link(
                request.namespace, request.workflow_id, reply.run_id, request.request_id, SIGNALED
            ),
        )

    # ---- acting on one --------------------------------------------------------------------------------------------------

    async def signal_workflow_execution(self, request: ws.SignalWorkflowExecutionRequest, call: Call) -> Any:
        self._core.namespace(request.namespace)
        execution = validate.named(request, "workflow_execution")
        if not request.signal_name:
            raise errors.invalid("SignalName is not set on request.")
        validate.text_length(request.signal_name, "SignalName")
        validate.text_length(request.request_id, "RequestId")
        validate.links(request.links)
        validate.blob(request.input)
        key = self._key(request, execution)
        reply: types.SignalReply = await self._core.shards.submit(key, types.Signal(request, execution.run_id))
        return ws.SignalWorkflowExecutionResponse(
            link=request_link(request.namespace, key.workflow_id, reply.run_id, request.request_id, SIGNALED)
        )

    async def request_cancel_workflow_execution(
        self, request: ws.RequestCancelWorkflowExecutionRequest, call: Call
    ) -> Any:
        self._core.namespace(request.namespace)
        execution = validate.named(request, "workflow_execution")
        validate.run_id(request.first_execution_run_id)
        validate.links(request.links)
        await self._core.shards.submit(
            self._key(request, execution), types.RequestCancel(request, execution.run_id)
        )
        return ws.RequestCancelWorkflowExecutionResponse()

    async def terminate_workflow_execution(self, request: ws.TerminateWorkflowExecutionRequest, call: Call) -> Any:
        self._core.namespace(request.namespace)
        execution = validate.named(request, "workflow_execution")
        validate.run_id(request.first_execution_run_id)
        validate.links(request.links)
        await self._core.shards.submit(self._key(request, execution), types.Terminate(request, execution.run_id))
        return ws.TerminateWorkflowExecutionResponse()

    async def delete_workflow_execution(self, request: ws.DeleteWorkflowExecutionRequest, call: Call) -> Any:
        self._core.namespace(request.namespace)
        execution = validate.named(request, "workflow_execution")
        await self._core.shards.submit(self._key(request, execution), types.Delete(execution.run_id))
        return ws.DeleteWorkflowExecutionResponse()

    async def reset_workflow_execution(self, request: ws.ResetWorkflowExecutionRequest, call: Call) -> Any:
        self._core.namespace(request.namespace)
        if not request.request_id:
            raise errors.invalid("RequestId is not set on request.")
        validate.text_length(request.request_id, "RequestId")
        execution = validate.named(request, "workflow_execution")
        return await self._core.shards.submit(
            self._key(request, execution), types.Reset(request, execution.run_id)
        )

    async def describe_workflow_execution(self, request: ws.DescribeWorkflowExecutionRequest, call: Call) -> Any:
        self._core.namespace(request.namespace)
        execution = validate.named(request, "execution")
        return await self._core.shards.submit(self._key(request, execution), types.Describe(execution.run_id))

    async def update_workflow_execution_options(
        self, request: ws.UpdateWorkflowExecutionOptionsRequest, call: Call
    ) -> Any:
        self._core.namespace(request.namespace)
        execution = validate.named(request, "workflow_execution")
        if not request.HasField("workflow_execution_options"):
            raise errors.invalid("WorkflowExecutionOptions is not set on request.")
        if not request.HasField("update_mask"):
            raise errors.invalid("UpdateMask is not set on request.")
        return await self._core.shards.submit(
            self._key(request, execution), types.UpdateOptions(request, execution.run_id)
        )

    async def pause_workflow_execution(self, request: ws.PauseWorkflowExecutionRequest, call: Call) -> Any:
        key = self._pausable(request)
        return await self._core.shards.submit(key, types.PauseRun(request, request.run_id))

    async def unpause_workflow_execution(self, request: ws.UnpauseWorkflowExecutionRequest, call: Call) -> Any:
        key = self._pausable(request)
        return await self._core.shards.submit(key, types.UnpauseRun(request, request.run_id))

    def _pausable(self, request: Any) -> ChainKey:
        record = self._core.namespace(request.namespace)
        facts = self._core.namespaces.facts(record.id)
        if facts is None or not facts.pause_enabled:
            raise errors.unimplemented(f"workflow pause is not enabled for namespace: {request.namespace}")
        validate.workflow_id(request.workflow_id)
        validate.run_id(request.run_id)
        return ChainKey(record.id, request.workflow_id)

    async def reset_sticky_task_queue(self, request: ws.ResetStickyTaskQueueRequest, call: Call) -> Any:
        self._core.namespace(request.namespace)
        execution = validate.named(request, "execution")
        await self._core.shards.submit(self._key(request, execution), types.ResetSticky(execution.run_id))
        return ws.ResetStickyTaskQueueResponse()


def start_response(
    request: ws.StartWorkflowExecutionRequest, reply: types.StartReply
) -> ws.StartWorkflowExecutionResponse:
    response = ws.StartWorkflowExecutionResponse(
        run_id=reply.run_id,
        first_execution_run_id=reply.first_run_id,
        started=reply.started,
        status=reply.status,  # type: ignore[arg-type]
    )
    if reply.event_type == ev.STARTED:
        response.link.CopyFrom(event_link(request.namespace, request.workflow_id, reply.run_id))
    else:
        response.link.CopyFrom(
            request_link(request.namespace, request.workflow_id, reply.run_id, reply.request_id, reply.event_type)
        )
    return response
