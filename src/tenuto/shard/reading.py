"""Reads of history: from the cached tail where it reaches, else from the store; and what a reset must load before.

Reads only: nothing here may change a chain.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from tenuto.engine import types
from tenuto.engine.events import CONTINUED
from tenuto.engine.types import Reason, Rejected
from tenuto.shard.cache import Cache, Entry
from tenuto.store.spi import ChainKey, HistoryRow, Store, StoreError
from tenuto.wire import history

Submit = Callable[[ChainKey, Any], Awaitable[Any]]
RESET_TRIES = 8


class Histories:
    """History of the runs of one shard."""

    def __init__(self, store: Store, shard_id: int, cache: Cache, submit: Submit) -> None:
        self._store = store
        self._shard_id = shard_id
        self._cache = cache
        self._submit = submit

    async def rows(self, key: ChainKey, run_id: str, first: int, last: int) -> Sequence[HistoryRow]:
        """Rows covering first..last."""
        entry = self._current(key, run_id)
        if entry is not None:
            tail = entry.tail(first, last)
            if tail is not None:
                return tail
        try:
            return await self._store.read_history(self._shard_id, key, run_id, first, last)
        except StoreError as error:
            raise Rejected(Reason.UNAVAILABLE, f"history cannot be read now: {error}") from error

    def _current(self, key: ChainKey, run_id: str) -> Entry | None:
        entry = self._cache.get(key)
        if entry is None or entry.chain is None or entry.chain.current.run.run_id != run_id:
            return None
        return entry

    async def scheduled(
        self, key: ChainKey, run_id: str, scheduled_id: int
    ) -> history.ActivityTaskScheduledEventAttributes:
        """The attributes of an ACTIVITY_TASK_SCHEDULED event."""
        rows = await self.rows(key, run_id, scheduled_id, scheduled_id)
        if not rows:
            raise Rejected(Reason.NOT_FOUND, "the activity's history is gone")
        row = rows[0]
        entry = self._current(key, run_id)
        offsets = entry.index.get(row.first_event_id) if entry is not None else None
        if offsets is None:
            offsets = event_offsets(row.events)
            if entry is not None and len(offsets) > 8:
                entry.index[row.first_event_id] = offsets
        at = offsets[scheduled_id - row.first_event_id]
        return event_at(row.events, at).activity_task_scheduled_event_attributes

    async def events(self, key: ChainKey, run_id: str, last: int) -> tuple[history.HistoryEvent, ...]:
        """All events 1..last of a run."""
        rows = await self.rows(key, run_id, 1, last)
        parsed = history.History.FromString(b"".join(row.events for row in rows))
        return tuple(parsed.events)

    async def reset(self, key: ChainKey, request: types.Reset) -> Any:
        """Load what the reset is decided on, then submit it; again when the chain has moved on meanwhile."""
        for _ in range(RESET_TRIES):
            asked: types.HistoryReply = await self._submit(key, types.AskHistory(request.run_id))
            base = await self.events(key, asked.run_id, asked.next_event_id - 1)
            followers = []
            run_id = _continued(base)
            while run_id:
                next_run: types.HistoryReply = await self._submit(key, types.AskHistory(run_id))
                events = await self.events(key, run_id, next_run.next_event_id - 1)
                followers.append((run_id, events))
                run_id = _continued(events)
            full = msgspec.structs.replace(request, events=base, followers=tuple(followers))
            try:
                return await self._submit(key, full)
            except Rejected as rejected:
                if rejected.reason is not Reason.STALE:
                    raise
        raise Rejected(Reason.BUSY, "the workflow changes too fast to be reset, please retry")


def _continued(events: Sequence[history.HistoryEvent]) -> str:
    if events and events[-1].event_type == CONTINUED:
        return events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return ""


def event_offsets(raw: bytes) -> list[int]:
    """Where each event of a serialized History begins (at its tag)."""
    offsets = []
    at, end = 0, len(raw)
    while at < end:
        offsets.append(at)
        size, body = _length(raw, at + 1)
        at = body + size
    return offsets


def event_at(raw: bytes, at: int) -> history.HistoryEvent:
    """The event whose tag stands at ``at``."""
    size, body = _length(raw, at + 1)
    return history.HistoryEvent.FromString(raw[body : body + size])


def _length(raw: bytes, at: int) -> tuple[int, int]:
    """A varint at ``at``: its value, and where what follows begins."""
    shift = value = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
