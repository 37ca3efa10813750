"""The reference adapter: a store in memory, whose disk outlives it.

`MemoryDisk` is what is durable. A simulated node that crashes loses its `MemoryStore` and opens another over the same
disk; several nodes may share one disk. Deterministic: no threads, no clock, no I/O. Must never suspend unless the
``latency`` hook was given, and must never write in two steps.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

from tenuto.store.batch import Folded, RunKey, append, follow_rows
from tenuto.store.spi import (
    Batch,
    ChainKey,
    ChainWrite,
    FenceLost,
    HistoryRow,
    NotWritten,
    Record,
    RunWrite,
    StoredChain,
    VisibilityCursor,
    VisibilityFilter,
    VisibilityRow,
)

Latency = Callable[[str], Awaitable[None]]
"""Called with the verb's name before the verb does anything."""

_OPEN = 2**63 - 1  # sorts an open run after every closed one

Place = TypeVar("Place", bound=tuple[object, ...])


class _Order(Generic[Place]):
    """A sorted list of distinct tuples."""

    __slots__ = ("places",)

    def __init__(self) -> None:
        self.places: list[Place] = []

    def move(self, old: Place | None, new: Place | None) -> None:
        if old == new:
            return
        if old is not None:
            del self.places[bisect_left(self.places, old)]
        if new is not None:
            insort(self.places, new)


class _ShardDisk:
    """What is durable of one shard."""

    __slots__ = ("alarms", "chains", "expiries", "fence", "history", "owner", "runs")

    def __init__(self) -> None:
        self.fence = 0
        self.owner = ""
        self.chains: dict[ChainKey, StoredChain] = {}
        self.alarms: _Order[tuple[int, ChainKey]] = _Order()
        self.history: dict[RunKey, dict[int, HistoryRow]] = {}
        self.runs: dict[RunKey, RunWrite] = {}
        self.expiries: _Order[tuple[int, ChainKey, str]] = _Order()


class _Namespace:
    """The visibility rows of one namespace, and their order."""

    __slots__ = ("order", "rows")

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], VisibilityRow] = {}
        self.order: _Order[tuple[int, int, str, str]] = _Order()


class MemoryDisk:
    """All that survives a crash."""

    def __init__(self) -> None:
        self._shards: dict[int, _ShardDisk] = {}
        self._records: dict[tuple[str, str], Record] = {}
        self._record_version = 0
        self._namespaces: dict[str, _Namespace] = {}

    def shard(self, number: int) -> _ShardDisk:
        found = self._shards.get(number)
        if found is None:
            found = self._shards[number] = _ShardDisk()
        return found

    def write(self, number: int, fence: int, batch: Batch, history_only: bool = False) -> None:
        """One commit, whole; with ``history_only`` the half that promise 4 allows to survive a failed commit."""
        shard = self.shard(number)
        if shard.fence != fence or not fence:
            raise FenceLost(f"shard {number}: fence {fence} is stale, the present one is {shard.fence}")
        folded = Folded(batch)
        for run, rows in folded.history.items():
            kept = shard.history.setdefault(run, {})
            for row in rows.values():
                append(kept, row)
        if history_only:
            return
        for chain in folded.chains.values():
            _write_chain(shard, chain)
        for visible in folded.visibility.values():
            self._show(visible)
        for record in folded.runs.values():
            self._write_run(shard, record)

    def _write_run(self, shard: _ShardDisk, write: RunWrite) -> None:
        run = (write.key, write.run_id)
        shard.expiries.move(_expiry(shard.runs.get(run)), _expiry(write))
        if write.record is not None:
            shard.runs[run] = write
            return
        shard.runs.pop(run, None)
        shard.history.pop(run, None)
        namespace = self._namespaces.get(write.key.namespace_id)
        shown = namespace.rows.pop((write.key.workflow_id, write.run_id), None) if namespace else None
        if namespace and shown:
            namespace.order.move(_place(shown), None)

    def _show(self, row: VisibilityRow) -> None:
        namespace = self._namespaces.setdefault(row.namespace_id, _Namespace())
        before = namespace.rows.get((row.workflow_id, row.run_id))
        namespace.order.move(_place(before) if before else None, _place(row))
        namespace.rows[row.workflow_id, row.run_id] = row

    def visible(self, wanted: VisibilityFilter, after: VisibilityCursor | None) -> Iterable[VisibilityRow]:
        """The rows that pass, in list order."""
        namespace = self._namespaces.get(wanted.namespace_id)
        if namespace is None:
            return
        places = namespace.order.places
        end = len(places)
        if after is not None:
            close_at = _OPEN if after.close_at is None else after.close_at
            end = bisect_left(places, (close_at, after.start_at, after.run_id, ""))
        for at in range(end - 1, -1, -1):
            _, _, run_id, workflow_id = places[at]
            row = namespace.rows[workflow_id, run_id]
            if _passes(row, wanted):
                yield row

    def record(self, kind: str, name: str) -> Record | None:
        return self._records.get((kind, name))

    def records(self, kind: str) -> list[Record]:
        return [self._records[at] for at in sorted(self._records) if at[0] == kind]

    def put_record(self, kind: str, name: str, value: bytes | None, expect: int | None) -> int | None:
        present = self._records.get((kind, name))
        if (present.version if present else None) != expect:
            return None
        # Versions are never used twice, or one seen before a delete would fit the record made after it.
        self._record_version += 1
        if value is None:
            self._records.pop((kind, name), None)
        else:
            self._records[kind, name] = Record(kind, name, value, self._record_version)
        return self._record_version


class MemoryStore:
    """A store over a `MemoryDisk`, its own if none is given.

    ``latency`` is awaited once in every verb before the verb does anything; without it no verb suspends.
    """

    dialect = "memory"

    def __init__(self, disk: MemoryDisk | None = None, latency: Latency | None = None) -> None:
        self.disk = disk or MemoryDisk()
        self._latency = latency
        self._usable = False

    def abandon(self) -> None:
        """Like `close`, without an event loop."""
        self._usable = False

    async def open(self) -> None:
        if self._latency:
            await self._latency("open")
        self._usable = True

    async def close(self) -> None:
        if self._latency:
            await self._latency("close")
        self._usable = False

    def crash(self) -> None:
        """Cut the node off from its disk at once: verbs still waiting in ``latency`` will not write either."""
        self._usable = False

    async def _reach(self, verb: str) -> MemoryDisk:
        if self._latency:
            await self._latency(verb)
        if not self._usable:
            raise NotWritten(f"{verb}: this memory store is not open")
        return self.disk

    async def acquire(self, shard: int, owner: str) -> int:
        place = (await self._reach("acquire")).shard(shard)
        place.fence += 1
        place.owner = owner
        return place.fence

    async def commit(self, shard: int, fence: int, batch: Batch) -> None:
        (await self._reach("commit")).write(shard, fence, batch)

    async def commit_history_only(self, shard: int, fence: int, batch: Batch) -> None:
        """The half of a commit that may survive its failure; only the fault injector calls this."""
        (await self._reach("commit")).write(shard, fence, batch, history_only=True)

    async def load(self, shard: int, key: ChainKey) -> StoredChain | None:
        chain = (await self._reach("load")).shard(shard).chains.get(key)
        return StoredChain(chain.header, chain.alarm_at, dict(chain.parts)) if chain else None

    async def load_run(self, shard: int, key: ChainKey, run_id: str) -> bytes | None:
        run = (await self._reach("load_run")).shard(shard).runs.get((key, run_id))
        return run.record if run else None

    async def read_history(
        self, shard: int, key: ChainKey, run_id: str, first: int, last: int
    ) -> list[HistoryRow]:
        rows = (await self._reach("read_history")).shard(shard).history.get((key, run_id), {})
        return follow_rows(list(rows.values()), first, last)

    async def due(
        self, shard: int, after: tuple[int, ChainKey] | None, until: int, limit: int
    ) -> Sequence[tuple[int, ChainKey]]:
        places = (await self._reach("due")).shard(shard).alarms.places
        start = 0 if after is None else bisect_right(places, after)
        return [place for place in places[start : start + limit] if place[0] <= until]

    async def expired(self, shard: int, until: int, limit: int) -> Sequence[tuple[ChainKey, str]]:
        places = (await self._reach("expired")).shard(shard).expiries.places[:limit]
        return [(key, run_id) for expires_at, key, run_id in places if expires_at <= until]

    async def get_record(self, kind: str, name: str) -> Record | None:
        return (await self._reach("get_record")).record(kind, name)

    async def list_records(self, kind: str) -> Sequence[Record]:
        return (await self._reach("list_records")).records(kind)

    async def put_record(self, kind: str, name: str, value: bytes | None, expect: int | None) -> int | None:
        return (await self._reach("put_record")).put_record(kind, name, value, expect)

    async def list_runs(
        self, wanted: VisibilityFilter, after: VisibilityCursor | None, limit: int
    ) -> Sequence[VisibilityRow]:
        rows = (await self._reach("list_runs")).visible(wanted, after)
        return [row for row, _ in zip(rows, range(limit), strict=False)]

    async def count_runs(self, wanted: VisibilityFilter) -> int:
        return sum(1 for _ in (await self._reach("count_runs")).visible(wanted, None))


def _write_chain(shard: _ShardDisk, write: ChainWrite) -> None:
    key = write.key
    before = shard.chains.get(key)
    old = None if before is None or before.alarm_at is None else (before.alarm_at, key)
    if write.header is None:
        shard.alarms.move(old, None)
        shard.chains.pop(key, None)
        return
    shard.alarms.move(old, None if write.alarm_at is None else (write.alarm_at, key))
    # Readers get copies, so the dict of parts may be changed in place.
    parts = {} if before is None or write.drop_parts else before.parts
    for name, value in write.parts.items():
        if value is None:
            parts.pop(name, None)
        else:
            parts[name] = value
    shard.chains[key] = StoredChain(write.header, write.alarm_at, parts)


def _expiry(run: RunWrite | None) -> tuple[int, ChainKey, str] | None:
    if run is None or run.record is None or run.expires_at is None:
        return None
    return run.expires_at, run.key, run.run_id


def _place(row: VisibilityRow) -> tuple[int, int, str, str]:
    return _OPEN if row.close_at is None else row.close_at, row.start_at, row.run_id, row.workflow_id


def _passes(row: VisibilityRow, wanted: VisibilityFilter) -> bool:
    return (
        (wanted.workflow_id is None or row.workflow_id == wanted.workflow_id)
        and (wanted.run_id is None or row.run_id == wanted.run_id)
        and (wanted.workflow_type is None or row.workflow_type == wanted.workflow_type)
        and (not wanted.statuses or row.status in wanted.statuses)
        and _within(row.start_at, wanted.start_from, wanted.start_to)
        and _within(row.close_at, wanted.close_from, wanted.close_to)
    )


def _within(at: int | None, earliest: int | None, latest: int | None) -> bool:
    """Both ends belong to the range; an instant that has not come lies in no range but the unbounded one."""
    if earliest is None and latest is None:
        return True
    return at is not None and (earliest is None or at >= earliest) and (latest is None or at <= latest)
