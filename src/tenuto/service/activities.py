"""Activity tasks: polling for them, heartbeats and results, by token and by id; operating pending ones
(execution-semantics 1.17, 1.18, 1.21)."""

from typing import Any

from tenuto.engine import types
from tenuto.engine.types import Rejected
from tenuto.matching.types import Match, Poller, QueueKey, QueueKind
from tenuto.service import errors, tokens, validate
from tenuto.service.core import Call, Core
from tenuto.service.tasks import RETRY_REASONS, activity_response, check_namespace, poll_deadline
from tenuto.store.spi import ChainKey
from tenuto.wire import common
from tenuto.wire import workflowservice as ws

BAD_TOKEN = "Error deserializing task token."


class Activities:
    def __init__(self, core: Core) -> None:
        self._core = core

    async def poll_activity_task_queue(self, request: ws.PollActivityTaskQueueRequest, call: Call) -> Any:
        core = self._core
        namespace = core.namespace(request.namespace)
        validate.identity(request.identity)
        validate.task_queue(request.task_queue)
        deadline_at = poll_deadline(core, call)
        rate = None
        if request.HasField("task_queue_metadata") and request.task_queue_metadata.HasField("max_tasks_per_second"):
            rate = request.task_queue_metadata.max_tasks_per_second.value
        poller = Poller(
            QueueKey(namespace.id, request.task_queue.name, QueueKind.ACTIVITY),
            request.identity,
            core.new_id(),
            max_tasks_per_second=rate,
            worker_instance_key=request.worker_instance_key,
            build_id=request.deployment_options.build_id or request.worker_version_capabilities.build_id,
            deployment=request.deployment_options.deployment_name,
            details=request,
        )
        while True:
            match = await core.matching.poll(poller, deadline_at)
            if match is None:
                return ws.PollActivityTaskQueueResponse()
            answer = await self._hand_out(match, request)
            if answer is not None:
                return answer

    async def _hand_out(
        self, match: Match, request: ws.PollActivityTaskQueueRequest
    ) -> ws.PollActivityTaskQueueResponse | None:
        assert match.offer is not None, "an activity queue carries no queries"
        ticket = match.offer.ticket
        key = ChainKey(ticket.namespace_id, ticket.workflow_id)
        start = types.StartActivityTask(
            ticket.run_id,
            ticket.scheduled_event_id,
            ticket.attempt,
            ticket.stamp,
            request.identity,
            self._core.new_id(),
            request,
        )
        try:
            handout = await self._core.shards.submit(key, start)
        except Rejected as rejected:
            if rejected.reason in RETRY_REASONS:
                self._core.matching.give_back(match)
                raise
            return None
        response = await activity_response(self._core, key, handout)
        if match.scaling_delta is not None:
            response.poller_scaling_decision.poll_request_delta_suggestion = match.scaling_delta
        return response

    # ---- by token -------------------------------------------------------------------------------------------------------

    def _token(self, request: Any) -> tokens.ActivityTaskToken:
        validate.identity(request.identity)
        if not request.task_token:
            raise errors.invalid("Task token not set on request.")
        token = tokens.decode(request.task_token, tokens.ActivityTaskToken, BAD_TOKEN)
        check_namespace(self._core, request.namespace, token.namespace_id)
        return token

    async def record_activity_task_heartbeat(self, request: ws.RecordActivityTaskHeartbeatRequest, call: Call) -> Any:
        token = self._token(request)
        return await self._heartbeat(token.key, token.task, request, ws.RecordActivityTaskHeartbeatResponse)

    async def respond_activity_task_completed(self, request: ws.RespondActivityTaskCompletedRequest, call: Call) -> Any:
        token = self._token(request)
        await self._complete(token.key, token.task, request)
        return ws.RespondActivityTaskCompletedResponse()

    async def respond_activity_task_failed(self, request: ws.RespondActivityTaskFailedRequest, call: Call) -> Any:
        token = self._token(request)
        if request.HasField("failure") and not request.failure.HasField("application_failure_info"):
            raise errors.invalid("Failure must have ApplicationFailureInfo.")
        return await self._fail(token.key, token.task, request, ws.RespondActivityTaskFailedResponse)

    async def respond_activity_task_canceled(self, request: ws.RespondActivityTaskCanceledRequest, call: Call) -> Any:
        token = self._token(request)
        await self._cancel(token.key, token.task, request)
        return ws.RespondActivityTaskCanceledResponse()

    # ---- by id ----------------------------------------------------------------------------------------------------------

    def _by_id(self, request: Any) -> tuple[ChainKey, types.ActivityToken]:
        validate.identity(request.identity)
        namespace = self._core.namespace(request.namespace)
        if not request.workflow_id:
            raise errors.invalid("WorkflowId is not set on request.")
        if not request.activity_id:
            raise errors.invalid("ActivityId is not set on request.")
        validate.run_id(request.run_id)
        key = ChainKey(namespace.id, request.workflow_id)
        return key, types.ActivityToken(request.run_id, activity_id=request.activity_id)

    async def record_activity_task_heartbeat_by_id(
        self, request: ws.RecordActivityTaskHeartbeatByIdRequest, call: Call
    ) -> Any:
        return await self._heartbeat(*self._by_id(request), request, ws.RecordActivityTaskHeartbeatByIdResponse)

    async def respond_activity_task_completed_by_id(
        self, request: ws.RespondActivityTaskCompletedByIdRequest, call: Call
    ) -> Any:
        await self._complete(*self._by_id(request), request)
        return ws.RespondActivityTaskCompletedByIdResponse()

    async def respond_activity_task_failed_by_id(
        self, request: ws.RespondActivityTaskFailedByIdRequest, call: Call
    ) -> Any:
        return await self._fail(*self._by_id(request), request, ws.RespondActivityTaskFailedByIdResponse)

    async def respond_activity_task_canceled_by_id(
        self, request: ws.RespondActivityTaskCanceledByIdRequest, call: Call
    ) -> Any:
        await self._cancel(*self._by_id(request), request)
        return ws.RespondActivityTaskCanceledByIdResponse()

    # ---- both -----------------------------------------------------------------------------------------------------------

    async def _heartbeat(self, key: ChainKey, token: types.ActivityToken, request: Any, kind: Any) -> Any:
        details = request.details if request.HasField("details") else None
        reply: types.HeartbeatReply = await self._core.shards.submit(
            key, types.Heartbeat(token, details, request.identity)
        )
        return kind(
            cancel_requested=reply.cancel_requested, activity_paused=reply.paused, activity_reset=reply.reset
        )

    async def _complete(self, key: ChainKey, token: types.ActivityToken, request: Any) -> None:
        result = request.result if request.HasField("result") else None
        await self._core.shards.submit(
            key, types.CompleteActivity(token, result, request.identity, _version(request))
        )

    async def _fail(self, key: ChainKey, token: types.ActivityToken, request: Any, kind: Any) -> Any:
        failure = request.failure if request.HasField("failure") else None
        if failure is not None and failure.application_failure_info.HasField("next_retry_delay"):
            validate.duration(failure.application_failure_info.next_retry_delay, "NextRetryDelay is not a valid duration")
        heartbeat = request.last_heartbeat_details if request.HasField("last_heartbeat_details") else None
        reply: types.FailActivityReply = await self._core.shards.submit(
            key, types.FailActivity(token, failure, request.identity, heartbeat, _version(request))
        )
        return kind(failures=reply.failures)

    async def _cancel(self, key: ChainKey, token: types.ActivityToken, request: Any) -> None:
        details = request.details if request.HasField("details") else None
        await self._core.shards.submit(
            key, types.CancelActivity(token, details, request.identity, _version(request))
        )

    # ---- operators ------------------------------------------------------------------------------------------------------

    async def _operate(self, request: Any) -> Any:
        namespace = self._core.namespace(request.namespace)
        validate.execution(request.execution)
        key = ChainKey(namespace.id, request.execution.workflow_id)
        return await self._core.shards.submit(key, types.OperateActivities(request, request.execution.run_id))

    async def pause_activity(self, request: ws.PauseActivityRequest, call: Call) -> Any:
        return await self._operate(request)

    async def unpause_activity(self, request: ws.UnpauseActivityRequest, call: Call) -> Any:
        return await self._operate(request)

    async def reset_activity(self, request: ws.ResetActivityRequest, call: Call) -> Any:
        return await self._operate(request)

    async def update_activity_options(self, request: ws.UpdateActivityOptionsRequest, call: Call) -> Any:
        return await self._operate(request)


def _version(request: Any) -> common.WorkerVersionStamp | None:
    if "worker_version" in request.DESCRIPTOR.fields_by_name and request.HasField("worker_version"):
        return request.worker_version  # type: ignore[no-any-return]
    return None
