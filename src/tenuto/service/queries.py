"""Queries: carried by the next workflow task, or handed directly to a worker (execution-semantics 1.5, 3.9)."""

import asyncio
from dataclasses import dataclass
from typing import Any

from tenuto.engine import types
from tenuto.engine.types import QueryNotice, Reason, Rejected
from tenuto.matching.types import Query, QueryHandover, QueueKey, QueueKind
from tenuto.service import errors, splice, tokens, validate
from tenuto.service.core import Call, Core
from tenuto.service.errors import Code, ServiceError
from tenuto.store.spi import ChainKey
from tenuto.wire import common, errordetails
from tenuto.wire import query as wire_query
from tenuto.wire import taskqueue as wire_queue
from tenuto.wire import workflowservice as ws

TIMED_OUT = "query timed out before a worker could process it"
DEFAULT_WAIT_NS = 10 * 1_000_000_000


@dataclass(slots=True)
class Asked:
    """A direct query that some worker may be working on."""

    key: ChainKey
    reply: types.QueryReply
    query: wire_query.WorkflowQuery
    answer: "asyncio.Future[ws.RespondQueryTaskCompletedRequest]"


class Queries:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._asked: dict[str, Asked] = {}
        self._dropping: set[asyncio.Task[None]] = set()

    async def query_workflow(self, request: ws.QueryWorkflowRequest, call: Call) -> Any:
        core = self._core
        namespace = core.namespace(request.namespace)
        validate.execution(request.execution)
        if not request.HasField("query"):
            raise errors.invalid("WorkflowQuery is not set on request.")
        if not request.query.query_type:
            raise errors.invalid("QueryType is not set on request.")
        validate.blob(request.query.query_args)
        key = ChainKey(namespace.id, request.execution.workflow_id)
        deadline_at = min(call.deadline_at, core.clock.now() + 3600 * 10**9)
        query_id = core.new_id()
        listener = core.shards.listen(f"query/{query_id}")
        try:
            ask = types.Query(request, query_id, request.execution.run_id, call.deadline_at)
            reply: types.QueryReply = await core.shards.submit(key, ask)
            if reply.rejected_status:
                rejected = ws.QueryWorkflowResponse()
                rejected.query_rejected.status = reply.rejected_status  # type: ignore[assignment]
                return rejected
            if reply.buffered:
                answered = await self._await_buffered(listener, key, reply, query_id, deadline_at)
                if answered is not None:
                    return answered
                reply = await core.shards.submit(key, ask)
                if reply.buffered:
                    await core.shards.submit(key, types.DropQuery(query_id, reply.run_id))
                    raise Rejected(Reason.UNAVAILABLE, "buffered query cleared, please retry")
            return await self._ask_directly(key, reply, request.query, deadline_at)
        finally:
            listener.close()

    async def _await_buffered(
        self, listener: Any, key: ChainKey, reply: types.QueryReply, query_id: str, deadline_at: int
    ) -> ws.QueryWorkflowResponse | None:
        """The answer that came with a workflow task; None: it must be asked directly."""
        try:
            notice = await listener.next(deadline_at - 10_000_000)
        except asyncio.CancelledError:
            self._drop_later(key, query_id, reply.run_id)
            raise
        if notice is None:
            await self._core.shards.submit(key, types.DropQuery(query_id, reply.run_id))
            raise ServiceError(Code.DEADLINE_EXCEEDED, TIMED_OUT)
        assert isinstance(notice, QueryNotice)
        if notice.error is not None:
            raise notice.error
        if notice.direct or notice.result is None:
            return None
        result = notice.result
        if result.result_type == 2:
            raise _failed(result.error_message, result.failure if result.HasField("failure") else None)
        validate.blob(result.answer)
        return ws.QueryWorkflowResponse(query_result=result.answer)

    def _drop_later(self, key: ChainKey, query_id: str, run_id: str) -> None:
        """The caller is gone and cannot wait; the chain must not keep its query."""

        async def drop() -> None:
            try:
                await self._core.shards.submit(key, types.DropQuery(query_id, run_id))
            except Rejected:
                return

        task = asyncio.get_running_loop().create_task(drop())
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    # ---- direct ---------------------------------------------------------------------------------------------------------

    async def _ask_directly(
        self, key: ChainKey, reply: types.QueryReply, query: wire_query.WorkflowQuery, deadline_at: int
    ) -> ws.QueryWorkflowResponse:
        core = self._core
        if reply.sticky_queue:
            now = core.clock.now()
            until = min(deadline_at, now + (reply.sticky_timeout_ns or DEFAULT_WAIT_NS))
            sticky = QueueKey(key.namespace_id, reply.sticky_queue, QueueKind.WORKFLOW, reply.task_queue)
            answer = await self._dispatch(key, reply, query, sticky, until)
            if answer is not None:
                return _answered(answer)
            if reply.open:
                try:
                    await core.shards.submit(key, types.ResetSticky(reply.run_id))
                except Rejected:
                    pass  # it has closed meanwhile, and a closed run can be queried too
        normal = QueueKey(key.namespace_id, reply.task_queue, QueueKind.WORKFLOW)
        answer = await self._dispatch(key, reply, query, normal, deadline_at - 10_000_000)
        if answer is None:
            raise ServiceError(Code.DEADLINE_EXCEEDED, TIMED_OUT)
        return _answered(answer)

    async def _dispatch(
        self,
        key: ChainKey,
        reply: types.QueryReply,
        query: wire_query.WorkflowQuery,
        queue: QueueKey,
        until: int,
    ) -> ws.RespondQueryTaskCompletedRequest | None:
        """Give the query to a poller of the queue and wait for its answer; None when time ran out."""
        core = self._core
        query_id = core.new_id()
        future: asyncio.Future[ws.RespondQueryTaskCompletedRequest] = asyncio.get_running_loop().create_future()
        self._asked[query_id] = Asked(key, reply, query, future)
        timer = None
        try:
            offered = Query(queue, query_id, key.namespace_id, key.workflow_id, reply.run_id)
            handover = await core.matching.query(offered, until)
            if handover is not QueryHandover.HANDED_OVER:
                return None

            def expire() -> None:
                if not future.done():
                    future.cancel()

            timer = core.clock.call_at(until, expire)
            try:
                return await future
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                return None
        finally:
            if timer is not None:
                timer.cancel()
            self._asked.pop(query_id, None)

    async def hand_out(self, query: Query, sticky: bool) -> bytes | None:
        """The poll answer that carries a direct query; None when its caller is gone."""
        asked = self._asked.get(query.query_id)
        if asked is None:
            return None
        reply, key = asked.reply, asked.key
        response = ws.PollWorkflowTaskQueueResponse(
            task_token=tokens.encode(tokens.QueryToken(key.namespace_id, query.queue.name, query.query_id)),
            workflow_execution=common.WorkflowExecution(workflow_id=key.workflow_id, run_id=reply.run_id),
            workflow_type=common.WorkflowType(name=reply.workflow_type),
            previous_started_event_id=reply.previous_started_id,
            attempt=1,
            query=asked.query,
            workflow_execution_task_queue=wire_queue.TaskQueue(name=reply.task_queue, kind=1),  # type: ignore[arg-type]
        )
        if sticky:
            return splice.with_history(response, b"")
        from tenuto.service.tasks import take_page

        last = reply.next_event_id - 1
        rows = await self._core.shards.read_history(key, reply.run_id, 1, last)
        raw, reached = take_page(rows, 1, last)
        if reached < last:
            response.next_page_token = tokens.encode(tokens.HistoryToken(reply.run_id, reached + 1, last, False))
        return splice.with_history(response, raw)

    async def respond_query_task_completed(self, request: ws.RespondQueryTaskCompletedRequest, call: Call) -> Any:
        if not request.task_token:
            raise errors.invalid("Task token not set on request.")
        token = tokens.decode(request.task_token, tokens.QueryToken, "error deserializing task token")
        if not token.task_queue or not token.query_id:
            raise errors.invalid("Invalid TaskToken.")
        asked = self._asked.get(token.query_id)
        if asked is None or asked.answer.done():
            raise ServiceError(
                Code.NOT_FOUND, "query task not found, or already expired", errordetails.NotFoundFailure()
            )
        asked.answer.set_result(request)
        return ws.RespondQueryTaskCompletedResponse()


def _answered(answer: ws.RespondQueryTaskCompletedRequest) -> ws.QueryWorkflowResponse:
    if answer.completed_type == 2:
        raise _failed(answer.error_message, answer.failure if answer.HasField("failure") else None)
    validate.blob(answer.query_result)
    response = ws.QueryWorkflowResponse()
    if answer.HasField("query_result"):
        response.query_result.CopyFrom(answer.query_result)
    return response


def _failed(message: str, failure: Any) -> ServiceError:
    detail = errordetails.QueryFailedFailure()
    if failure is not None:
        detail.failure.CopyFrom(failure)
    return ServiceError(Code.INVALID_ARGUMENT, message, detail)
