"""Updates: admit, wait for a stage, poll; and update-with-start (execution-semantics 1.7, 6)."""

from tenuto.engine import types
from tenuto.engine.types import Reason, Rejected, UpdateNotice
from tenuto.service import errors, links, validate
from tenuto.service.call import Call
from tenuto.service.core import Core
from tenuto.service.errors import Code, ServiceError, denied, invalid
from tenuto.service.starting import prepared
from tenuto.service.workflows import start_response
from tenuto.store.spi import ChainKey
from tenuto.wire import enums_update, history
from tenuto.wire import update as wire_update
from tenuto.wire import workflowservice as ws

Stage = enums_update.UpdateWorkflowExecutionLifecycleStage
ADMITTED = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ADMITTED
COMPLETED = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
SHAPE = "Operations have to be exactly [Start, Update]."


class Updates:
    """Client calls about updates."""

    def __init__(self, core: Core) -> None:
        self._core = core

    # ---- one update ---------------------------------------------------------------------------------------------

    async def update_workflow_execution(
        self, request: ws.UpdateWorkflowExecutionRequest, call: Call
    ) -> ws.UpdateWorkflowExecutionResponse:
        """Admit the update (or join it) and wait for the wanted stage, softly."""
        execution = validate.execution(request, "workflow_execution")
        request = self._prepared(request)
        key = ChainKey(call.namespace.id, execution.workflow_id)
        reply: types.UpdateReply = await self._core.shards.submit(
            key, types.Update(request, execution.run_id)
        )
        reply = await self._waited(key, reply, _wanted(request), call)
        await self._fill(key, reply)
        return self._response(call.namespace.name, key, reply, request.request.request_id)

    def _prepared(self, request: ws.UpdateWorkflowExecutionRequest) -> ws.UpdateWorkflowExecutionRequest:
        """The update as the engine wants it: an id and a wait policy. Raises INVALID_ARGUMENT, PERMISSION_DENIED."""
        asked = request.request
        if not request.HasField("request") or not asked.HasField("meta"):
            invalid("Update meta is not set on request.")
        validate.length(asked.meta.update_id, "UpdateId")
        if not asked.HasField("input"):
            invalid("Update input is not set on request.")
        if not asked.input.name:
            invalid("Update name is not set on request.")
        if request.wait_policy.lifecycle_stage == ADMITTED:
            denied(
                "UpdateWorkflowExecution issued asynchronously and waiting on update admitted is not supported."
            )
        validate.blob(asked.input.args.ByteSize())
        if asked.meta.update_id:
            return request
        made = ws.UpdateWorkflowExecutionRequest()
        made.CopyFrom(request)
        made.request.meta.update_id = self._core.new_id()
        return made

    async def _waited(
        self, key: ChainKey, reply: types.UpdateReply, wanted: int, call: Call
    ) -> types.UpdateReply:
        """Where the update stands once it has reached the stage, or the soft time limit is over.

        A caller that gives up before the soft limit gets no answer but its own deadline: DEADLINE_EXCEEDED."""
        core = self._core
        if _settled(reply, wanted):
            return reply
        until = core.clock.now() + core.limits.long_poll_ns
        hard = call.deadline_at is not None and call.deadline_at < until
        if hard and call.deadline_at is not None:
            until = call.deadline_at
        listener = core.shards.listen(f"update/{reply.run_id}/{reply.update_id}")
        try:
            # It may have moved between the first answer and the listening.
            again = await self._ask(key, reply)
            if again is not None:
                reply = again
            while not _settled(reply, wanted):
                try:
                    notice = await listener.next(until)
                except Rejected as lost:
                    raise _aborted() from lost
                if notice is None:
                    if hard:
                        raise ServiceError(Code.DEADLINE_EXCEEDED, "context deadline exceeded")
                    return reply
                assert isinstance(notice, UpdateNotice)
                reply.stage, reply.outcome, reply.error = notice.stage, notice.outcome, notice.error
                reply.accepted_id = notice.accepted_id or reply.accepted_id
            return reply
        finally:
            listener.close()

    async def _ask(self, key: ChainKey, reply: types.UpdateReply) -> types.UpdateReply | None:
        """Where the update stands now; None when no trace of it is left (it was rejected, or memory was lost)."""
        try:
            now: types.UpdateReply = await self._core.shards.submit(
                key, types.AskUpdate(reply.update_id, reply.run_id)
            )
        except Rejected as rejected:
            if rejected.reason is Reason.NOT_FOUND:
                raise _aborted() from rejected
            raise
        now.start = reply.start
        return now

    async def poll_workflow_execution_update(
        self, request: ws.PollWorkflowExecutionUpdateRequest, call: Call
    ) -> ws.PollWorkflowExecutionUpdateResponse:
        """Where an update stands; waits for the wanted stage when one is given."""
        if not request.HasField("update_ref"):
            invalid("UpdateRef is not set on request.")
        reference = request.update_ref
        execution = reference.workflow_execution
        if not execution.workflow_id:
            invalid("Can't load workflow execution.  WorkflowId not set.")
        validate.run(execution.workflow_id, execution.run_id)
        key = ChainKey(call.namespace.id, execution.workflow_id)
        reply: types.UpdateReply = await self._core.shards.submit(
            key, types.AskUpdate(reference.update_id, execution.run_id)
        )
        wanted = request.wait_policy.lifecycle_stage
        if wanted:
            reply = await self._waited(key, reply, wanted, call)
        if reply.error is not None:
            raise reply.error
        await self._fill(key, reply)
        response = ws.PollWorkflowExecutionUpdateResponse(
            stage=reply.stage,  # type: ignore[arg-type]
            update_ref=_reference(key, reply),
        )
        if reply.outcome is not None:
            response.outcome.CopyFrom(reply.outcome)
        return response

    async def _fill(self, key: ChainKey, reply: types.UpdateReply) -> None:
        """Read an outcome that was too large to keep in state from history."""
        if reply.outcome is not None or reply.stage != COMPLETED or not reply.completed_id:
            return
        rows = await self._core.shards.read_history(key, reply.run_id, reply.completed_id, reply.completed_id)
        for row in rows:
            for event in history.History.FromString(row.events).events:
                if event.event_id == reply.completed_id:
                    reply.outcome = event.workflow_execution_update_completed_event_attributes.outcome

    def _response(
        self, namespace: str, key: ChainKey, reply: types.UpdateReply, request_id: str
    ) -> ws.UpdateWorkflowExecutionResponse:
        if reply.error is not None:
            raise reply.error
        response = ws.UpdateWorkflowExecutionResponse(
            update_ref=_reference(key, reply),
            stage=reply.stage,  # type: ignore[arg-type]
        )
        if reply.outcome is not None:
            response.outcome.CopyFrom(reply.outcome)
        if reply.outcome is not None and reply.outcome.HasField("failure"):
            # Whatever fails is called rejected here, also an update that was accepted before.
            workflow = response.link.workflow
            workflow.namespace, workflow.workflow_id, workflow.run_id = (
                namespace,
                key.workflow_id,
                reply.run_id,
            )
            workflow.reason = "Update rejected"
        elif reply.stage != ADMITTED:
            response.link.CopyFrom(
                links.by_request(namespace, key.workflow_id, reply.run_id, request_id, links.ACCEPTED)
            )
        return response

    # ---- update-with-start --------------------------------------------------------------------------------------

    async def execute_multi_operation(
        self, request: ws.ExecuteMultiOperationRequest, call: Call
    ) -> ws.ExecuteMultiOperationResponse:
        """Exactly a start and an update, as one."""
        start, update = self._members(request, call)
        key = ChainKey(call.namespace.id, start.workflow_id)
        for last in (False, True):
            try:
                reply: types.UpdateReply = await self._core.shards.submit(
                    key, types.UpdateWithStart(start, update)
                )
                remembered = reply.stage == COMPLETED
                reply = await self._waited(key, reply, _wanted(update), call)
            except Rejected as rejected:
                if rejected.reason is Reason.BUSY and not last:
                    continue
                raise
            if reply.error is not None and reply.error.reason is Reason.BUSY and not last:
                started = reply.start is not None and reply.start.started
                if not started:
                    continue
            break
        await self._fill(key, reply)
        return self._both(call.namespace.name, key, reply, remembered, update.request.request_id)

    def _both(
        self, namespace: str, key: ChainKey, reply: types.UpdateReply, remembered: bool, request_id: str
    ) -> ws.ExecuteMultiOperationResponse:
        """``remembered``: the update had been completed before this call, whose answer is shorter then."""
        if reply.error is not None:
            raise errors.multi_operation(None, errors.from_rejected(reply.error))
        response = ws.ExecuteMultiOperationResponse()
        assert reply.start is not None, "update-with-start answers for its start as well"
        started = start_response(namespace, key.workflow_id, reply.start)
        updated = self._response(namespace, key, reply, request_id)
        if not reply.start.started:
            started.first_execution_run_id = ""
        if remembered:
            started.ClearField("link")
            updated.ClearField("link")
        response.responses.add().start_workflow.CopyFrom(started)
        response.responses.add().update_workflow.CopyFrom(updated)
        return response

    def _members(
        self, request: ws.ExecuteMultiOperationRequest, call: Call
    ) -> tuple[ws.StartWorkflowExecutionRequest, ws.UpdateWorkflowExecutionRequest]:
        operations = request.operations
        kinds = [operation.WhichOneof("operation") for operation in operations]
        if kinds != ["start_workflow", "update_workflow"]:
            invalid(SHAPE)
        start, update = operations[0].start_workflow, operations[1].update_workflow
        try:
            start = self._start_member(start, call)
        except ServiceError as error:
            raise errors.multi_operation(error, errors.aborted_member()) from error
        try:
            update = self._update_member(start, update, call)
        except ServiceError as error:
            raise errors.multi_operation(errors.aborted_member(), error) from error
        return start, update

    def _start_member(
        self, start: ws.StartWorkflowExecutionRequest, call: Call
    ) -> ws.StartWorkflowExecutionRequest:
        _same_namespace(start.namespace, call)
        if start.cron_schedule:
            invalid("CronSchedule is not allowed.")
        if start.request_eager_execution:
            invalid("RequestEagerExecution is not supported.")
        if start.HasField("workflow_start_delay"):
            invalid("WorkflowStartDelay is not supported.")
        return prepared(start, call.namespace, self._core.clock.now(), self._core.new_id)

    def _update_member(
        self, start: ws.StartWorkflowExecutionRequest, update: ws.UpdateWorkflowExecutionRequest, call: Call
    ) -> ws.UpdateWorkflowExecutionRequest:
        _same_namespace(update.namespace, call)
        execution = validate.execution(update, "workflow_execution")
        if execution.run_id:
            invalid("RunId is not allowed.")
        if update.first_execution_run_id:
            invalid("FirstExecutionRunId is not allowed.")
        if execution.workflow_id != start.workflow_id:
            invalid("WorkflowId is not consistent with previous operation(s).")
        return self._prepared(update)


def _aborted() -> Rejected:
    """The service's memory of an update is lost before it was accepted; clients send it again, under the same id."""
    return Rejected(Reason.UNAVAILABLE, "workflow update was aborted")


def _same_namespace(name: str, call: Call) -> None:
    if name and name != call.namespace.name:
        invalid("Operation namespace did not match request's namespace.")


def _wanted(request: ws.UpdateWorkflowExecutionRequest) -> int:
    return request.wait_policy.lifecycle_stage or COMPLETED


def _settled(reply: types.UpdateReply, wanted: int) -> bool:
    return reply.error is not None or reply.stage >= wanted


def _reference(key: ChainKey, reply: types.UpdateReply) -> wire_update.UpdateRef:
    reference = wire_update.UpdateRef(update_id=reply.update_id)
    reference.workflow_execution.workflow_id = key.workflow_id
    reference.workflow_execution.run_id = reply.run_id
    return reference
