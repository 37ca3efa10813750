"""Queries: asked by a client, answered by a worker, written nowhere (execution-semantics 1.5, 3.9).

A query goes to a worker on its own (*direct*) when its run is at rest, else with the next workflow task (*buffered*).
"""

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass

from tenuto.engine import types
from tenuto.engine.types import QueryNotice, Reason, Rejected
from tenuto.limits import LIMITS, SECOND
from tenuto.matching.types import Match, Query, QueryHandover, QueueKey, QueueKind
from tenuto.service import splice, tokens, validate
from tenuto.service.call import Call
from tenuto.service.core import Core
from tenuto.service.errors import Code, ServiceError, from_rejected, invalid, not_found
from tenuto.service.histories import Histories
from tenuto.service.polls import RETRY_PAUSE_NS
from tenuto.store.spi import ChainKey
from tenuto.wire import enums_query, enums_queue, errordetails, failure, query
from tenuto.wire import workflowservice as ws

PATIENCE_NS = 60 * SECOND
"""How long a query waits whose caller set no deadline."""
HISTORY_FIELD = ws.PollWorkflowTaskQueueResponse.DESCRIPTOR.fields_by_name["history"].number
FAILED = enums_query.QUERY_RESULT_TYPE_FAILED
TIMED_OUT_TEXT = "query timed out before a worker could process it"
TOO_LARGE_TEXT = "Blob data size exceeds limit."


class _Cleared(Exception):
    """A buffered query was dropped for no fault of its own."""

    def __init__(self, refusal: Rejected) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


@dataclass(slots=True)
class _Asked:
    """A direct query that somebody waits for."""

    key: ChainKey
    facts: types.QueryReply
    question: query.WorkflowQuery
    answer: "asyncio.Future[ws.RespondQueryTaskCompletedRequest]"


class Queries:
    """Asks workers, and hears their answers."""

    def __init__(self, core: Core, histories: Histories) -> None:
        self._core = core
        self._histories = histories
        self._asked: dict[str, _Asked] = {}

    async def query_workflow(self, request: ws.QueryWorkflowRequest, call: Call) -> ws.QueryWorkflowResponse:
        execution = validate.execution(request, "execution")
        if not request.HasField("query"):
            invalid("WorkflowQuery is not set on request.")
        if not request.query.query_type:
            invalid("QueryType is not set on request.")
        validate.blob(request.query.query_args.ByteSize())
        key = ChainKey(call.namespace.id, execution.workflow_id)
        until = self._until(call)
        while True:
            try:
                return await self._attempt(key, request, execution.run_id, until)
            except _Cleared as cleared:
                # The worker's completion was void. The query waits for the next task; not at once, lest a worker
                # that fails every time be asked in a tight circle.
                again_at = self._core.clock.now() + RETRY_PAUSE_NS
                if again_at >= until:
                    raise from_rejected(cleared.refusal) from cleared
                await self._core.sleep(again_at)

    async def _attempt(
        self, key: ChainKey, request: ws.QueryWorkflowRequest, run_id: str, until: int
    ) -> ws.QueryWorkflowResponse:
        query_id = self._core.new_id()
        listener = self._core.shards.listen(f"query/{query_id}")
        try:
            reply: types.QueryReply = await self._core.shards.submit(
                key, types.Query(request, query_id, run_id, deadline_at=until)
            )
            if reply.rejected_status:
                response = ws.QueryWorkflowResponse()
                response.query_rejected.status = reply.rejected_status  # type: ignore[assignment]
                return response
            if reply.buffered:
                notice = await self._await_notice(key, reply, query_id, listener.next(until))
                if notice.error is not None and notice.error.reason is Reason.UNAVAILABLE:
                    raise _Cleared(notice.error)
                if notice.error is not None:
                    raise from_rejected(notice.error)
                if notice.result is not None:
                    return _answered(notice.result)
                reply = notice.facts or reply
        finally:
            listener.close()
        return await self._direct(key, reply, request.query, query_id, until)

    def _until(self, call: Call) -> int:
        now = self._core.clock.now()
        if call.deadline_at is None:
            return now + PATIENCE_NS
        # A little before the caller gives up, so that it reads our words.
        return max(now, call.deadline_at - SECOND // 20)

    async def _await_notice(
        self, key: ChainKey, reply: types.QueryReply, query_id: str, heard: Awaitable[object]
    ) -> QueryNotice:
        """The end of a buffered query; when its caller's time is over, no worker shall be bothered with it."""
        notice = None
        try:
            notice = await heard
        finally:
            if notice is None:
                await self._drop(key, reply.run_id, query_id)
        if notice is None:
            raise ServiceError(Code.DEADLINE_EXCEEDED, TIMED_OUT_TEXT)
        assert isinstance(notice, QueryNotice)
        return notice

    async def _drop(self, key: ChainKey, run_id: str, query_id: str) -> None:
        # Refused: the run, or the shard's memory, is gone and the query with it.
        with contextlib.suppress(Rejected):
            await self._core.shards.submit(key, types.DropQuery(query_id, run_id))

    # -- direct

    async def _direct(
        self, key: ChainKey, reply: types.QueryReply, question: query.WorkflowQuery, query_id: str, until: int
    ) -> ws.QueryWorkflowResponse:
        normal = QueueKey(key.namespace_id, reply.task_queue, QueueKind.WORKFLOW)
        if reply.sticky_queue:
            sticky = QueueKey(key.namespace_id, reply.sticky_queue, QueueKind.WORKFLOW, reply.task_queue)
            patience = self._core.clock.now() + (reply.sticky_timeout_ns or PATIENCE_NS)
            answer = await self._ask(key, reply, question, query_id, sticky, min(until, patience))
            if answer is not None:
                return answer
            if self._core.clock.now() >= until:
                raise ServiceError(Code.DEADLINE_EXCEEDED, TIMED_OUT_TEXT)
            await self._forget_sticky(key, reply)
        answer = await self._ask(key, reply, question, query_id, normal, until)
        if answer is None:
            raise ServiceError(Code.DEADLINE_EXCEEDED, TIMED_OUT_TEXT)
        return answer

    async def _forget_sticky(self, key: ChainKey, reply: types.QueryReply) -> None:
        if not reply.open:
            return
        # Refused: it has closed meanwhile, or does not answer; the normal queue will do.
        with contextlib.suppress(Rejected):
            await self._core.shards.submit(key, types.ResetSticky(reply.run_id))

    async def _ask(
        self,
        key: ChainKey,
        reply: types.QueryReply,
        question: query.WorkflowQuery,
        query_id: str,
        queue: QueueKey,
        until: int,
    ) -> ws.QueryWorkflowResponse | None:
        """One attempt on one queue. None: nobody has answered in time."""
        future: asyncio.Future[ws.RespondQueryTaskCompletedRequest] = (
            asyncio.get_running_loop().create_future()
        )
        asked = self._asked[query_id] = _Asked(key, reply, question, future)
        timer = self._core.clock.call_at(until, lambda: _give_up(future))
        try:
            handover = await self._core.matching.query(
                Query(queue, query_id, key.namespace_id, key.workflow_id, reply.run_id), until
            )
            if handover is not QueryHandover.HANDED_OVER:
                return None
            await asyncio.wait([future])
            if future.cancelled():
                return None
            return _completed(future.result())
        finally:
            timer.cancel()
            if self._asked.get(query_id) is asked:
                del self._asked[query_id]

    async def hand_out(self, match: Match, sticky: bool) -> bytes | None:
        """A direct query as a poll's answer; None when nobody waits for it any more."""
        assert match.query is not None
        asked = self._asked.get(match.query.query_id)
        if asked is None:
            return None
        facts, key = asked.facts, asked.key
        token = tokens.QueryToken(key.namespace_id, match.query.queue.name, match.query.query_id)
        response = ws.PollWorkflowTaskQueueResponse(
            task_token=tokens.encode(token),
            previous_started_event_id=facts.previous_started_id,
            attempt=1,
            query=asked.question,
            backlog_count_hint=match.backlog_count_hint,
        )
        response.workflow_execution.workflow_id = key.workflow_id
        response.workflow_execution.run_id = facts.run_id
        response.workflow_type.name = facts.workflow_type
        response.workflow_execution_task_queue.name = facts.task_queue
        response.workflow_execution_task_queue.kind = enums_queue.TASK_QUEUE_KIND_NORMAL
        events = b""
        if not sticky:
            page = await self._histories.first_page(key, facts.run_id, 1, facts.next_event_id - 1)
            events, response.next_page_token = page.events, page.token
        return response.SerializeToString() + splice.field(HISTORY_FIELD, events)

    async def respond_query_task_completed(
        self, request: ws.RespondQueryTaskCompletedRequest, call: Call
    ) -> ws.RespondQueryTaskCompletedResponse:
        token = call.token
        asked = self._asked.get(token.query_id) if isinstance(token, tokens.QueryToken) else None
        if asked is None or asked.answer.done():
            not_found("query task not found, or already expired")
        asked.answer.set_result(request)
        return ws.RespondQueryTaskCompletedResponse()


def _failed(text: str, reported: failure.Failure | None) -> ServiceError:
    detail = errordetails.QueryFailedFailure()
    if reported is not None:
        detail.failure.CopyFrom(reported)
    return ServiceError(Code.INVALID_ARGUMENT, text, (detail,))


def _completed(answer: ws.RespondQueryTaskCompletedRequest) -> ws.QueryWorkflowResponse:
    """What the caller gets of a worker's answer to a direct query."""
    if answer.query_result.ByteSize() > LIMITS.blob_bytes:
        raise _failed(TOO_LARGE_TEXT, None)
    if answer.completed_type == FAILED:
        raise _failed(answer.error_message, answer.failure if answer.HasField("failure") else None)
    response = ws.QueryWorkflowResponse()
    if answer.HasField("query_result"):
        response.query_result.CopyFrom(answer.query_result)
    return response


def _answered(result: query.WorkflowQueryResult) -> ws.QueryWorkflowResponse:
    """What the caller gets of an answer that came with a workflow task."""
    if result.result_type == FAILED:
        raise _failed(result.error_message, result.failure if result.HasField("failure") else None)
    response = ws.QueryWorkflowResponse()
    if result.HasField("answer"):
        response.query_result.CopyFrom(result.answer)
    return response


def _give_up(future: "asyncio.Future[ws.RespondQueryTaskCompletedRequest]") -> None:
    if not future.done():
        future.cancel()
