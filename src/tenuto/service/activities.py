"""Activity tasks: workers poll for them, heartbeat, and report how they ended, by token or by id
(execution-semantics 1.17, 1.18)."""

import asyncio
import math

from tenuto.engine import types
from tenuto.engine.retry import duration_problem, to_wire
from tenuto.engine.standalone_state import PREFIX
from tenuto.engine.types import Reason, Rejected
from tenuto.matching.types import Match, QueueKind
from tenuto.service import tokens, validate
from tenuto.service.call import Call
from tenuto.service.core import Core, duration, timestamp
from tenuto.service.errors import Code, ServiceError, invalid
from tenuto.service.polls import RETRY_PAUSE_NS, poll_until, poller_for, take_back
from tenuto.store.spi import ChainKey
from tenuto.wire import errordetails, failure
from tenuto.wire import workflowservice as ws

LEFT_OPEN = "tenuto-activity-left-open"
"""With this header a heartbeat means: my worker is done, but the attempt has not ended. Else the end of a process that holds
service and workers would count as the end of the attempt."""
GONE_TEXT = "invalid activityID or activity already timed out or invoking workflow is completed"

ById = (
    ws.RespondActivityTaskCompletedByIdRequest
    | ws.RespondActivityTaskFailedByIdRequest
    | ws.RespondActivityTaskCanceledByIdRequest
    | ws.RecordActivityTaskHeartbeatByIdRequest
)


class Activities:
    """What workers, and others who know an activity's id, do with activity tasks."""

    def __init__(self, core: Core) -> None:
        self._core = core

    # -- polling

    async def poll_activity_task_queue(
        self, request: ws.PollActivityTaskQueueRequest, call: Call
    ) -> ws.PollActivityTaskQueueResponse | bytes:
        """An activity task, as soon as there is one; empty when the poll's time is over."""
        until = poll_until(self._core, call.deadline_at)
        rate = None
        if request.task_queue_metadata.HasField("max_tasks_per_second"):
            rate = request.task_queue_metadata.max_tasks_per_second.value
            if math.isnan(rate):
                rate = None
        poller = poller_for(request, call.namespace.id, QueueKind.ACTIVITY, self._core.new_id(), rate)
        while True:
            match = await self._core.matching.poll(poller, until)
            if match is None:
                return b""
            if not call.alive():
                self._core.matching.give_back(match)
                return b""
            request_id = self._core.new_id()
            try:
                answer = await self._hand_out(match, request, request_id)
            except asyncio.CancelledError:
                take_back(self._core, match, request_id)
                raise
            if answer is not None:
                return answer

    async def _hand_out(
        self, match: Match, request: ws.PollActivityTaskQueueRequest, request_id: str
    ) -> ws.PollActivityTaskQueueResponse | None:
        assert match.offer is not None
        ticket = match.offer.ticket
        key = ChainKey(ticket.namespace_id, ticket.workflow_id)
        start = types.StartActivityTask(
            ticket.run_id,
            ticket.scheduled_event_id,
            ticket.attempt,
            ticket.stamp,
            request.identity,
            request_id,
            request,
        )
        try:
            handout: types.ActivityHandout | None = await self._core.shards.submit(key, start)
        except Rejected as refusal:
            if refusal.reason is Reason.UNAVAILABLE:
                self._core.matching.give_back(match)
                await self._core.sleep(self._core.clock.now() + RETRY_PAUSE_NS)
            return None
        if handout is None:
            return None
        response = await self.answer(key, handout)
        if match.scaling_delta is not None:
            response.poller_scaling_decision.poll_request_delta_suggestion = match.scaling_delta
        return response

    async def answer(self, key: ChainKey, handout: types.ActivityHandout) -> ws.PollActivityTaskQueueResponse:
        """A started attempt as its worker gets it."""
        activity = handout.activity
        scheduled = handout.scheduled
        if scheduled is None:
            scheduled = await self._core.shards.scheduled_event(key, handout.run_id, activity.scheduled_id)
        token = tokens.ActivityToken(
            key.namespace_id,
            key.workflow_id,
            handout.run_id,
            activity.scheduled_id,
            activity.activity_id,
            activity.attempt,
            activity.started_at,
        )
        response = ws.PollActivityTaskQueueResponse(
            task_token=tokens.encode(token),
            workflow_namespace=self._core.namespaces.identified(key.namespace_id).name,
            activity_id=activity.activity_id,
            attempt=activity.attempt,
            scheduled_time=timestamp(activity.first_scheduled_at),
            current_attempt_scheduled_time=timestamp(activity.scheduled_at),
            started_time=timestamp(activity.started_at),
            schedule_to_close_timeout=duration(activity.schedule_to_close_ns),
            start_to_close_timeout=duration(activity.start_to_close_ns),
            heartbeat_timeout=duration(activity.heartbeat_ns),
        )
        if handout.standalone:
            response.activity_run_id = handout.run_id
            response.workflow_execution.SetInParent()
            response.scheduled_time.CopyFrom(timestamp(handout.start_at))
        else:
            response.workflow_type.name = handout.workflow_type
            response.workflow_execution.workflow_id = key.workflow_id
            response.workflow_execution.run_id = handout.run_id
        response.activity_type.name = activity.activity_type
        if scheduled.HasField("input"):
            response.input.CopyFrom(scheduled.input)
        if scheduled.HasField("header"):
            response.header.CopyFrom(scheduled.header)
        if handout.heartbeat_details:
            response.heartbeat_details.ParseFromString(handout.heartbeat_details)
        if activity.retry is not None:
            response.retry_policy.CopyFrom(to_wire(activity.retry))
        if activity.priority:
            response.priority.ParseFromString(activity.priority)
        return response

    # -- reports by token

    async def record_activity_task_heartbeat(
        self, request: ws.RecordActivityTaskHeartbeatRequest, call: Call
    ) -> ws.RecordActivityTaskHeartbeatResponse:
        key, token = _addressed(call)
        details = request.details if request.HasField("details") else None
        asked: types.Heartbeat | types.LeaveActivityOpen = types.Heartbeat(token, details, request.identity)
        if call.header(LEFT_OPEN):
            asked = types.LeaveActivityOpen(token)
        reply: types.HeartbeatReply = await self._core.shards.submit(key, asked)
        return ws.RecordActivityTaskHeartbeatResponse(
            cancel_requested=reply.cancel_requested, activity_paused=reply.paused, activity_reset=reply.reset
        )

    async def respond_activity_task_completed(
        self, request: ws.RespondActivityTaskCompletedRequest, call: Call
    ) -> ws.RespondActivityTaskCompletedResponse:
        key, token = _addressed(call)
        validate.length(request.identity, "Identity")
        result = request.result if request.HasField("result") else None
        stamp = request.worker_version if request.HasField("worker_version") else None
        await self._core.shards.submit(key, types.CompleteActivity(token, result, request.identity, stamp))
        return ws.RespondActivityTaskCompletedResponse()

    async def respond_activity_task_failed(
        self, request: ws.RespondActivityTaskFailedRequest, call: Call
    ) -> ws.RespondActivityTaskFailedResponse:
        key, token = _addressed(call)
        reported = request.failure if request.HasField("failure") else None
        if reported is not None and not reported.HasField("application_failure_info"):
            invalid("Failure must have ApplicationFailureInfo.")
        _check_retry_delay(reported)
        validate.length(request.identity, "Identity")
        last = request.last_heartbeat_details if request.HasField("last_heartbeat_details") else None
        stamp = request.worker_version if request.HasField("worker_version") else None
        reply: types.FailActivityReply = await self._core.shards.submit(
            key, types.FailActivity(token, reported, request.identity, last, stamp)
        )
        return ws.RespondActivityTaskFailedResponse(failures=reply.failures)

    async def respond_activity_task_canceled(
        self, request: ws.RespondActivityTaskCanceledRequest, call: Call
    ) -> ws.RespondActivityTaskCanceledResponse:
        key, token = _addressed(call)
        validate.length(request.identity, "Identity")
        details = request.details if request.HasField("details") else None
        stamp = request.worker_version if request.HasField("worker_version") else None
        await self._core.shards.submit(key, types.CancelActivity(token, details, request.identity, stamp))
        return ws.RespondActivityTaskCanceledResponse()

    # -- reports by id

    async def record_activity_task_heartbeat_by_id(
        self, request: ws.RecordActivityTaskHeartbeatByIdRequest, call: Call
    ) -> ws.RecordActivityTaskHeartbeatByIdResponse:
        key, token = _named(request, call)
        details = request.details if request.HasField("details") else None
        reply: types.HeartbeatReply = await self._core.shards.submit(
            key, types.Heartbeat(token, details, request.identity)
        )
        return ws.RecordActivityTaskHeartbeatByIdResponse(
            cancel_requested=reply.cancel_requested, activity_paused=reply.paused, activity_reset=reply.reset
        )

    async def respond_activity_task_completed_by_id(
        self, request: ws.RespondActivityTaskCompletedByIdRequest, call: Call
    ) -> ws.RespondActivityTaskCompletedByIdResponse:
        key, token = _named(request, call)
        validate.length(request.identity, "Identity")
        result = request.result if request.HasField("result") else None
        await self._core.shards.submit(key, types.CompleteActivity(token, result, request.identity))
        return ws.RespondActivityTaskCompletedByIdResponse()

    async def respond_activity_task_failed_by_id(
        self, request: ws.RespondActivityTaskFailedByIdRequest, call: Call
    ) -> ws.RespondActivityTaskFailedByIdResponse:
        key, token = _named(request, call)
        validate.length(request.identity, "Identity")
        reported = request.failure if request.HasField("failure") else None
        _check_retry_delay(reported)
        last = request.last_heartbeat_details if request.HasField("last_heartbeat_details") else None
        reply: types.FailActivityReply = await self._core.shards.submit(
            key, types.FailActivity(token, reported, request.identity, last)
        )
        return ws.RespondActivityTaskFailedByIdResponse(failures=reply.failures)

    async def respond_activity_task_canceled_by_id(
        self, request: ws.RespondActivityTaskCanceledByIdRequest, call: Call
    ) -> ws.RespondActivityTaskCanceledByIdResponse:
        key, token = _named(request, call)
        validate.length(request.identity, "Identity")
        details = request.details if request.HasField("details") else None
        await self._core.shards.submit(key, types.CancelActivity(token, details, request.identity))
        return ws.RespondActivityTaskCanceledByIdResponse()


def _addressed(call: Call) -> tuple[ChainKey, types.ActivityToken]:
    """The chain and the attempt that the call's token names."""
    token = call.token
    if not isinstance(token, tokens.ActivityToken):
        raise ServiceError(Code.NOT_FOUND, GONE_TEXT, (errordetails.NotFoundFailure(),))
    engine_token = types.ActivityToken(
        token.run_id, token.scheduled_id, token.activity_id, token.attempt, token.started_at
    )
    return ChainKey(token.namespace_id, token.workflow_id), engine_token


def _named(request: ById, call: Call) -> tuple[ChainKey, types.ActivityToken]:
    if not request.activity_id:
        invalid("ActivityId is not set on request.")
    if request.run_id and not validate.is_uuid(request.run_id):
        invalid("RunId is not valid UUID.")
    token = types.ActivityToken(request.run_id, activity_id=request.activity_id)
    # Without a workflow the id is that of an activity on its own.
    workflow_id = request.workflow_id or PREFIX + request.activity_id
    return ChainKey(call.namespace.id, workflow_id), token


def _check_retry_delay(reported: failure.Failure | None) -> None:
    if reported is None or not reported.application_failure_info.HasField("next_retry_delay"):
        return
    problem = duration_problem(reported.application_failure_info.next_retry_delay)
    if problem:
        invalid(f"An invalid NextRetryDelay is set on request. cause: {problem}")
