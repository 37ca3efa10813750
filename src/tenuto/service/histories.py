"""Reading history: pages spliced from stored bytes, long polls, and backwards (execution-semantics 1.13, 1.14, 3.4)."""

from collections.abc import Sequence
from dataclasses import dataclass

from tenuto.engine import types
from tenuto.limits import MIB
from tenuto.service import splice, tokens, validate
from tenuto.service.call import Call
from tenuto.service.core import Core
from tenuto.service.errors import invalid
from tenuto.store.spi import ChainKey
from tenuto.wire import enums_event, enums_workflow, history
from tenuto.wire import workflowservice as ws

PAGE_BYTES = 3 * MIB
READ_AHEAD = 2048
"""Events asked of the store at a time."""
CLOSE_EVENT = enums_workflow.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT
_RETRIED = (
    "workflow_execution_completed_event_attributes",
    "workflow_execution_failed_event_attributes",
    "workflow_execution_timed_out_event_attributes",
)
HISTORY_FIELD = 1
"""Of both history responses."""
_PLAIN_CLIENTS = frozenset({"temporal-cli", "temporal-ui"})
"""Clients that show history to people; they do not want events that may never be."""


@dataclass(frozen=True, slots=True)
class Page:
    """``events``: a serialized ``History``; ``token`` is empty on the last page."""

    events: bytes
    token: bytes = b""


class Histories:
    """Reads the history of any run."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def rows(
        self, key: ChainKey, run_id: str, first: int, last: int, limit: int
    ) -> tuple[list[bytes], int]:
        """Stored events first..last, as many as fit a page of ``limit`` rows; and the first one left over."""
        pieces: list[bytes] = []
        size = 0
        while first <= last:
            until = min(last, first + READ_AHEAD - 1)
            rows = await self._core.shards.read_history(key, run_id, first, until)
            if not rows:
                break
            for row in rows:
                piece = splice.cut(row, first, last)
                if pieces and (len(pieces) >= limit or size + len(piece) > PAGE_BYTES):
                    return pieces, first
                pieces.append(piece)
                size += len(piece)
                first = min(row.last_event_id, last) + 1
        return pieces, first

    async def first_page(
        self,
        key: ChainKey,
        run_id: str,
        first: int,
        last: int,
        virtual: Sequence[history.HistoryEvent] = (),
    ) -> Page:
        """History for a worker's task: events first..last and then the virtual ones, on the last page."""
        pieces, reached = await self.rows(key, run_id, first, last, self._core.limits.history_page)
        if reached > last:
            pieces.append(splice.serialized(virtual))
            return Page(b"".join(pieces))
        token = tokens.HistoryToken(
            key.namespace_id, key.workflow_id, run_id, reached, last + 1, False, task=bool(virtual)
        )
        return Page(b"".join(pieces), tokens.encode(token))

    async def get_workflow_execution_history(
        self, request: ws.GetWorkflowExecutionHistoryRequest, call: Call
    ) -> bytes:
        """A page of events, perhaps after waiting for one, or the last event of a run once it has closed."""
        execution = validate.execution(request, "execution")
        key = ChainKey(call.namespace.id, execution.workflow_id)
        token = self._token(request.next_page_token, key, execution.run_id)
        run_id = token.run_id if token is not None else execution.run_id
        if request.history_event_filter_type == CLOSE_EVENT:
            page = await self._close_event(key, run_id, token, request.wait_new_event, call)
        else:
            page = await self._all_events(key, run_id, token, request, call)
        head = ws.GetWorkflowExecutionHistoryResponse(next_page_token=page.token).SerializeToString()
        return splice.field(HISTORY_FIELD, page.events) + head

    def _token(self, data: bytes, key: ChainKey, run_id: str) -> tokens.HistoryToken | None:
        if not data:
            return None
        try:
            token = tokens.decode_history(data)
        except tokens.Malformed:
            invalid("Invalid NextPageToken.")
        if token.namespace_id != key.namespace_id or token.workflow_id != key.workflow_id:
            invalid("Invalid NextPageToken.")
        if run_id and run_id != token.run_id:
            invalid("RunId in the request does not match the NextPageToken.")
        return token

    async def _ask(self, key: ChainKey, run_id: str) -> types.HistoryReply:
        reply: types.HistoryReply = await self._core.shards.submit(key, types.AskHistory(run_id))
        return reply

    async def _all_events(
        self,
        key: ChainKey,
        run_id: str,
        token: tokens.HistoryToken | None,
        request: ws.GetWorkflowExecutionHistoryRequest,
        call: Call,
    ) -> Page:
        wait = request.wait_new_event
        first = token.next_id if token is not None else 1
        if wait and token is not None and first >= token.end_id and token.open:
            known = await self._await_events(key, run_id, first, call)
        else:
            known = await self._ask(key, run_id)
        if token is not None and token.task:
            known = _of_task(known, token.end_id)
        wanted = request.maximum_page_size
        limit = wanted if 0 < wanted < self._core.limits.history_page else self._core.limits.history_page
        last = known.next_event_id - 1
        pieces, reached = await self.rows(key, known.run_id, first, last, limit)
        done = reached > last
        if done and known.virtual and known.virtual[0].event_id == reached:
            if (token is not None and token.task) or self._wants_virtual(call):
                pieces.append(splice.serialized(known.virtual))
        if done and not (wait and known.open):
            return Page(b"".join(pieces))
        following = tokens.HistoryToken(
            key.namespace_id,
            key.workflow_id,
            known.run_id,
            reached,
            known.next_event_id,
            known.open,
            task=token is not None and token.task,
        )
        return Page(b"".join(pieces), tokens.encode(following))

    def _wants_virtual(self, call: Call) -> bool:
        return call.client_name not in _PLAIN_CLIENTS

    async def _await_events(self, key: ChainKey, run_id: str, first: int, call: Call) -> types.HistoryReply:
        """Wait until the run has event ``first``, or is closed, or time is over."""
        until = self._core.long_poll_until(call.deadline_at, self._core.limits.long_poll_ns)
        watch = self._core.shards.watch(key)
        try:
            while True:
                known = await self._ask(key, run_id)
                if known.next_event_id > first or not known.open or not await watch.wait(until):
                    return known
                run_id = known.run_id
        finally:
            watch.close()

    async def _close_event(
        self, key: ChainKey, run_id: str, token: tokens.HistoryToken | None, wait: bool, call: Call
    ) -> Page:
        """Exactly the last event of a closed run. Waits even when not told to, but then promises nothing more."""
        until = self._core.long_poll_until(call.deadline_at, self._core.limits.long_poll_ns)
        watch = self._core.shards.watch(key, closings=True)
        try:
            while True:
                if watch.closing is not None and watch.closing[0] == run_id:
                    row = watch.closing[1]
                    closing = splice.cut(row, row.last_event_id, row.last_event_id)
                    return Page(closing if _follows_runs(call) else _as_continued(closing))
                known = await self._ask(key, run_id)
                run_id = known.run_id
                if not known.open:
                    break
                if not await watch.wait(until):
                    if not wait:
                        return Page(b"")
                    end = known.next_event_id
                    following = tokens.HistoryToken(key.namespace_id, key.workflow_id, run_id, end, end, True)
                    return Page(b"", tokens.encode(following))
        finally:
            watch.close()
        last = known.next_event_id - 1
        rows = await self._core.shards.read_history(key, run_id, last, last)
        if not rows:
            return Page(b"")
        closing = splice.cut(rows[-1], last, last)
        return Page(closing if _follows_runs(call) else _as_continued(closing))

    async def get_workflow_execution_history_reverse(
        self, request: ws.GetWorkflowExecutionHistoryReverseRequest, call: Call
    ) -> bytes:
        """A page of events, the newest first. The first page pins the run and where its history ended."""
        execution = validate.execution(request, "execution")
        key = ChainKey(call.namespace.id, execution.workflow_id)
        token = self._token(request.next_page_token, key, execution.run_id)
        if token is not None:
            run_id, last = token.run_id, token.next_id
        else:
            known = await self._ask(key, execution.run_id)
            run_id, last = known.run_id, known.next_event_id - 1
        wanted = request.maximum_page_size
        limit = wanted if 0 < wanted < self._core.limits.history_page else self._core.limits.history_page
        pieces: list[bytes] = []
        size = 0
        first = last + 1
        while first > 1 and len(pieces) < limit and size < PAGE_BYTES:
            low = max(1, first - READ_AHEAD)
            rows = await self._core.shards.read_history(key, run_id, low, first - 1)
            if not rows:
                break
            for row in reversed(rows):
                if len(pieces) >= limit or (pieces and size + len(row.events) > PAGE_BYTES):
                    break
                begin = row.first_event_id
                pieces.append(splice.cut(row, begin, first - 1))
                size += len(pieces[-1])
                first = begin
            else:
                continue
            break
        events = splice.reverse(pieces[::-1])
        following = b""
        if first > 1:
            following = tokens.encode(
                tokens.HistoryToken(
                    key.namespace_id, key.workflow_id, run_id, first - 1, last + 1, False, backwards=True
                )
            )
        head = ws.GetWorkflowExecutionHistoryReverseResponse(next_page_token=following).SerializeToString()
        return splice.field(HISTORY_FIELD, events) + head


def _follows_runs(call: Call) -> bool:
    """Whether the client says that it looks for a successor in every kind of closing event."""
    return "follows-next-run-id" in call.header("supported-features").split(",")


def _as_continued(closing: bytes) -> bytes:
    """The closing event of a run that has a successor, as a client that knows only continue-as-new expects it."""
    event = history.History.FromString(closing).events[0]
    kind = event.WhichOneof("attributes")
    if kind not in _RETRIED or not getattr(event, kind).new_execution_run_id:
        return closing
    continued = history.HistoryEvent(
        event_id=event.event_id,
        event_time=event.event_time,
        event_type=enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
        task_id=event.task_id,
        version=event.version,
    )
    successor = getattr(event, kind).new_execution_run_id
    continued.workflow_execution_continued_as_new_event_attributes.new_execution_run_id = successor
    return history.History(events=[continued]).SerializeToString()


def _of_task(known: types.HistoryReply, end_id: int) -> types.HistoryReply:
    """Only what belongs to the workflow task whose history is being read: nothing that came after it."""
    if known.next_event_id <= end_id:
        return known
    return types.HistoryReply(known.run_id, end_id, False, known.close_event_id, known.virtual)
