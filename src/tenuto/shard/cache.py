"""Chains in memory, the recently used ones; each with its agenda and the tail of its current run's history.

A chain that holds facts which live only in memory is never evicted: they would be lost.
"""

from collections import OrderedDict

from tenuto.engine.agenda import Agenda
from tenuto.engine.chain import SPECULATIVE, Chain
from tenuto.matching.types import Ticket
from tenuto.store.spi import ChainKey, HistoryRow

TAIL_BYTES = 128 * 1024
"""History kept beside a cached chain; what is older is read from the store."""


class Entry:
    """One cached chain, or the knowledge that there is none."""

    __slots__ = (
        "activity_tickets",
        "agenda",
        "armed_at",
        "chain",
        "index",
        "key",
        "rows",
        "rows_bytes",
        "task_ticket",
    )

    def __init__(self, key: ChainKey, chain: Chain | None, now: int) -> None:
        self.key = key
        self.chain = chain
        self.agenda = Agenda(chain, now) if chain is not None else None
        self.rows: list[HistoryRow] = []
        """The newest rows of the current run, contiguous up to its last event; may lack the older ones."""
        self.rows_bytes = 0
        self.index: dict[int, list[int]] = {}
        """First event id of a row -> byte offsets of its events."""
        self.armed_at = 0
        """Instant for which the alarm clock holds an entry of this chain; 0: none."""
        self.task_ticket: Ticket | None = None
        self.activity_tickets: dict[int, Ticket] = {}

    def append_rows(self, rows: list[HistoryRow], fresh: bool) -> None:
        """New rows of the current run; ``fresh``: of a run that has just begun."""
        if fresh:
            self.rows, self.rows_bytes = [], 0
            self.index.clear()
        self.rows.extend(rows)
        for row in rows:
            self.rows_bytes += len(row.events)
        while self.rows_bytes > TAIL_BYTES and len(self.rows) > 1:
            dropped = self.rows.pop(0)
            self.rows_bytes -= len(dropped.events)
            self.index.pop(dropped.first_event_id, None)

    def forget_history(self) -> None:
        """Keep only the newest row: of a run that has closed, and is stored, few ask for more than how it ended."""
        del self.rows[:-1]
        self.index.clear()
        self.rows_bytes = sum(len(row.events) for row in self.rows)

    def tail(self, first: int, last: int) -> list[HistoryRow] | None:
        """Rows covering first..last, if they are all here."""
        rows = self.rows
        if not rows or rows[0].first_event_id > first or rows[-1].last_event_id < last:
            return None
        low = len(rows) - 1
        while rows[low].first_event_id > first:
            low -= 1
        high = low
        while rows[high].last_event_id < last:
            high += 1
        return rows[low : high + 1]

    @property
    def weight(self) -> int:
        """Rough bytes of memory."""
        chain = self.chain
        if chain is None:
            return 300
        state = chain.current
        items = len(state.activities) + len(state.timers) + len(state.children) + len(state.externals)
        return 4000 + self.rows_bytes + 700 * items + 120 * len(state.signal_ids)

    @property
    def volatile(self) -> bool:
        """Holds facts that eviction would lose."""
        if self.chain is None:
            return False
        state = self.chain.current
        task = state.run.task
        return bool(
            state.pending_updates
            or state.queries
            or state.close_attempted
            or (task is not None and task.kind == SPECULATIVE)
        )


class Cache:
    """Entries by key, the least recently used evicted first."""

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self._entries: OrderedDict[ChainKey, Entry] = OrderedDict()
        self._weights: dict[ChainKey, int] = {}
        self._total = 0

    def get(self, key: ChainKey) -> Entry | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, entry: Entry) -> None:
        self._entries[entry.key] = entry
        self.weigh(entry)

    def weigh(self, entry: Entry) -> None:
        weight = entry.weight
        self._total += weight - self._weights.get(entry.key, 0)
        self._weights[entry.key] = weight

    def drop(self, key: ChainKey) -> None:
        if self._entries.pop(key, None) is not None:
            self._total -= self._weights.pop(key, 0)

    def trim(self) -> None:
        """Evict what does not fit. Call between turns only."""
        kept = 0
        while self._total > self.capacity_bytes and kept < len(self._entries):
            key = next(iter(self._entries))
            if self._entries[key].volatile:
                self._entries.move_to_end(key)
                kept += 1
            else:
                self.drop(key)

    def clear(self) -> None:
        self._entries.clear()
        self._weights.clear()
        self._total = 0

    def __len__(self) -> int:
        return len(self._entries)
