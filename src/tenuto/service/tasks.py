"""Workflow tasks: polling for them, and what workers answer (execution-semantics 1.15, 3)."""

from typing import Any

from tenuto.engine import types
from tenuto.engine.types import Reason, Rejected
from tenuto.limits import SECOND
from tenuto.matching.types import Match, Poller, QueueKey, QueueKind
from tenuto.service import errors, splice, tokens, validate
from tenuto.service.core import Call, Core
from tenuto.service.errors import Code, ServiceError
from tenuto.service.queries import Queries
from tenuto.store.spi import ChainKey
from tenuto.wire import common, duration_pb2, timestamp_pb2
from tenuto.wire import taskqueue as wire_queue
from tenuto.wire import workflowservice as ws

PAGE_BYTES = 3 * 1024 * 1024
BAD_TOKEN = "error deserializing task token"
BAD_FAIL_TOKEN = "Error deserializing task token."
RETRY_REASONS = frozenset({Reason.UNAVAILABLE, Reason.BUSY})


def poll_deadline(core: Core, call: Call) -> int:
    """Until when a poll may wait. Raises FAILED_PRECONDITION when the caller's deadline is too near."""
    now = core.clock.now()
    left = call.deadline_at - now
    if left < core.limits.task_poll_minimum_ns:
        raise ServiceError(Code.FAILED_PRECONDITION, "Context timeout is too short.")
    return now + min(core.limits.task_poll_ns, left - core.limits.poll_tailroom_ns)


def timestamp(at: int) -> timestamp_pb2.Timestamp:
    return timestamp_pb2.Timestamp(seconds=at // SECOND, nanos=at % SECOND)


def duration(ns: int) -> duration_pb2.Duration:
    return duration_pb2.Duration(seconds=ns // SECOND, nanos=ns % SECOND)


class WorkflowTasks:
    """RPCs of workers about workflow tasks."""

    def __init__(self, core: Core, queries: Queries) -> None:
        self._core = core
        self._queries = queries

    async def poll_workflow_task_queue(self, request: ws.PollWorkflowTaskQueueRequest, call: Call) -> Any:
        core = self._core
        namespace = core.namespace(request.namespace)
        validate.identity(request.identity)
        validate.task_queue(request.task_queue)
        deadline_at = poll_deadline(core, call)
        sticky = request.task_queue.kind == 2
        normal = request.task_queue.normal_name if sticky else ""
        queue = QueueKey(namespace.id, request.task_queue.name, QueueKind.WORKFLOW, normal)
        poller = Poller(
            queue,
            request.identity,
            core.new_id(),
            worker_instance_key=request.worker_instance_key,
            build_id=request.deployment_options.build_id or request.worker_version_capabilities.build_id,
            deployment=request.deployment_options.deployment_name,
            details=request,
        )
        while True:
            match = await core.matching.poll(poller, deadline_at)
            if match is None:
                return ws.PollWorkflowTaskQueueResponse()
            answer = await self._hand_out(match, poller, request, sticky)
            if answer is not None:
                return answer

    async def _hand_out(
        self, match: Match, poller: Poller, request: ws.PollWorkflowTaskQueueRequest, sticky: bool
    ) -> bytes | None:
        """The answer for a match; None when what was matched has become void."""
        if match.query is not None:
            return await self._queries.hand_out(match.query, sticky)
        assert match.offer is not None
        ticket = match.offer.ticket
        key = ChainKey(ticket.namespace_id, ticket.workflow_id)
        start = types.StartWorkflowTask(
            ticket.run_id,
            ticket.scheduled_event_id,
            ticket.attempt,
            ticket.stamp,
            poller.queue.name,
            sticky,
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
        response = self.response(key, handout)
        response.backlog_count_hint = match.backlog_count_hint
        if match.scaling_delta is not None:
            response.poller_scaling_decision.poll_request_delta_suggestion = match.scaling_delta
        return await self.spliced(key, handout, response)

    def response(self, key: ChainKey, handout: types.WorkflowTaskHandout) -> ws.PollWorkflowTaskQueueResponse:
        """A handed-out task but for its history."""
        token = tokens.WorkflowToken(
            key.namespace_id,
            key.workflow_id,
            handout.run_id,
            handout.scheduled_id,
            handout.started_id,
            handout.started_at,
            handout.attempt,
        )
        response = ws.PollWorkflowTaskQueueResponse(
            task_token=tokens.encode(token),
            workflow_execution=common.WorkflowExecution(workflow_id=key.workflow_id, run_id=handout.run_id),
            workflow_type=common.WorkflowType(name=handout.workflow_type),
            previous_started_event_id=handout.previous_started_id,
            started_event_id=handout.started_id,
            attempt=handout.attempt,
            workflow_execution_task_queue=wire_queue.TaskQueue(name=handout.task_queue, kind=1),  # type: ignore[arg-type]
            scheduled_time=timestamp(handout.scheduled_at),
            started_time=timestamp(handout.started_at),
            messages=handout.messages,
        )
        for query_id, query in handout.queries.items():
            response.queries[query_id].CopyFrom(query)
        return response

    async def spliced(
        self, key: ChainKey, handout: types.WorkflowTaskHandout, response: ws.PollWorkflowTaskQueueResponse
    ) -> bytes:
        """The response with its (first page of) history."""
        first, last = handout.first_event_id, handout.last_event_id
        raw = b""
        if last >= first:
            rows = await self._core.shards.read_history(key, handout.run_id, first, last)
            page, reached = take_page(rows, first, last)
            raw = page
            if reached < last:
                response.next_page_token = tokens.encode(
                    tokens.HistoryToken(handout.run_id, reached + 1, last, False, bool(handout.virtual))
                )
                return splice.with_history(response, raw)
        if handout.virtual:
            raw += splice.virtual(handout.virtual)
        return splice.with_history(response, raw)

    async def respond_workflow_task_completed(
        self, request: ws.RespondWorkflowTaskCompletedRequest, call: Call
    ) -> Any:
        token = self._token(request.namespace, request.task_token, BAD_TOKEN)
        validate.identity(request.identity)
        request = validate.completion(self._core, token.namespace_id, request)
        reply: types.TaskCompleted = await self._core.shards.submit(
            token.key, types.CompleteWorkflowTask(token.task, request)
        )
        response = ws.RespondWorkflowTaskCompletedResponse(reset_history_event_id=reply.reset_history_event_id)
        for activity in reply.activities:
            response.activity_tasks.append(await activity_response(self._core, token.key, activity))
        if reply.next_task is None:
            return response
        inline = await self.spliced(token.key, reply.next_task, self.response(token.key, reply.next_task))
        return splice.embed(response, "workflow_task", inline)

    async def respond_workflow_task_failed(self, request: ws.RespondWorkflowTaskFailedRequest, call: Call) -> Any:
        token = self._token(request.namespace, request.task_token, BAD_FAIL_TOKEN)
        validate.identity(request.identity)
        await self._core.shards.submit(token.key, types.FailWorkflowTask(token.task, request))
        return ws.RespondWorkflowTaskFailedResponse()

    def _token(self, namespace: str, raw: bytes, text: str) -> tokens.WorkflowToken:
        if not raw:
            raise errors.invalid("Task token not set on request.")
        token = tokens.decode(raw, tokens.WorkflowToken, text)
        check_namespace(self._core, namespace, token.namespace_id)
        return token


def check_namespace(core: Core, name: str, namespace_id: str) -> None:
    """A token counts only in its own namespace; the request may leave the name out."""
    if not name:
        return
    if core.namespace(name).id != namespace_id:
        raise errors.invalid("Operation requested with a token from a different namespace.")


def take_page(rows: Any, first: int, last: int) -> tuple[bytes, int]:
    """As many rows as fit a page: their events first..last, and the last event id reached."""
    parts, size, reached = [], 0, first - 1
    for row in rows:
        part = splice.cut(row, first, last)
        if parts and size + len(part) > PAGE_BYTES:
            break
        parts.append(part)
        size += len(part)
        reached = min(row.last_event_id, last)
    return (parts[0] if len(parts) == 1 else b"".join(parts)), reached


async def activity_response(
    core: Core, key: ChainKey, handout: types.ActivityHandout
) -> ws.PollActivityTaskQueueResponse:
    """A started activity attempt as its worker gets it (execution-semantics 1.17)."""
    from tenuto.engine.retry import to_wire

    item = handout.activity
    scheduled = handout.scheduled
    if scheduled is None:
        scheduled = await core.shards.scheduled_event(key, handout.run_id, item.scheduled_id)
    namespace = core.namespaces.by_id[key.namespace_id]
    token = tokens.ActivityTaskToken(
        key.namespace_id,
        key.workflow_id,
        handout.run_id,
        item.scheduled_id,
        item.activity_id,
        item.attempt,
        item.started_at,
    )
    response = ws.PollActivityTaskQueueResponse(
        task_token=tokens.encode(token),
        workflow_namespace=namespace.name,
        workflow_type=common.WorkflowType(name=handout.workflow_type),
        workflow_execution=common.WorkflowExecution(workflow_id=key.workflow_id, run_id=handout.run_id),
        activity_type=common.ActivityType(name=item.activity_type),
        activity_id=item.activity_id,
        scheduled_time=timestamp(item.first_scheduled_at),
        current_attempt_scheduled_time=timestamp(item.scheduled_at),
        started_time=timestamp(item.started_at),
        attempt=item.attempt,
        schedule_to_close_timeout=duration(item.schedule_to_close_ns),
        start_to_close_timeout=duration(item.start_to_close_ns),
        heartbeat_timeout=duration(item.heartbeat_ns),
    )
    if scheduled.HasField("input"):
        response.input.CopyFrom(scheduled.input)
    if scheduled.HasField("header"):
        response.header.CopyFrom(scheduled.header)
    if handout.heartbeat_details:
        response.heartbeat_details.ParseFromString(handout.heartbeat_details)
    if item.retry is not None:
        response.retry_policy.CopyFrom(to_wire(item.retry))
    if item.priority:
        response.priority.ParseFromString(item.priority)
    return response
