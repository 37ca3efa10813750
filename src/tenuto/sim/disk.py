"""The database of the simulated cluster: one disk that survives everything, and each node's wire to it.

A request to the database travels; once sent it arrives even when its sender has died, as a real transaction may commit after
its client is gone. This room must never decide what fails: that comes from `Options`.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, Protocol

from tenuto.sim.loop import SimulationLoop
from tenuto.store.faults import Fault, FaultyStore, faults_of
from tenuto.store.memory import MemoryDisk, MemoryStore
from tenuto.store.spi import (
    Batch,
    ChainKey,
    FenceLost,
    HistoryRow,
    Record,
    StoredChain,
    StoreError,
    VisibilityCursor,
    VisibilityFilter,
    VisibilityRow,
)


class DiskWatcher(Protocol):
    """Sees what becomes durable."""

    def acquired(self, shard: int, fence: int, owner: str) -> None: ...

    def committed(self, shard: int, fence: int, batch: Batch) -> None:
        """After the write."""


class WatchedDisk(MemoryDisk):
    """A disk whose writes are told to ``watchers``."""

    def __init__(self) -> None:
        super().__init__()
        self.watchers: list[DiskWatcher] = []

    def write(self, number: int, fence: int, batch: Batch, history_only: bool = False) -> None:
        super().write(number, fence, batch, history_only)
        if not history_only:
            for watcher in self.watchers:
                watcher.committed(number, fence, batch)


class Faults:
    """Decides what happens to each call of the store. Switched off by ``rate = 0``."""

    def __init__(self, chance: Random, rate: float) -> None:
        self._chance = chance
        self.rate = rate
        self.count = 0

    def decide(self, verb: str) -> Fault:
        if self.rate == 0 or self._chance.random() >= self.rate:
            return Fault.NONE
        self.count += 1
        return self._chance.choice([fault for fault in faults_of(verb) if fault is not Fault.NONE])


class RemoteStore:
    """One node's connection to the disk. ``may_acquire`` says whether this node may own the shard now."""

    dialect = "memory"

    def __init__(
        self,
        loop: SimulationLoop,
        disk: WatchedDisk,
        faults: Faults,
        delay: Callable[[], int],
        may_acquire: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._disk = disk
        self._inner = FaultyStore(MemoryStore(disk), faults.decide)
        self._delay = delay
        self._may_acquire = may_acquire

    async def open(self) -> None:
        await self._inner.open()

    async def close(self) -> None:
        await self._inner.close()

    async def _call(self, verb: str, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        answered = self._loop.create_future()
        self._loop.later(self._delay(), self._arrive, verb, call, answered)
        return await answered

    def _arrive(
        self, verb: str, call: Callable[[], Coroutine[Any, Any, Any]], answered: "asyncio.Future[Any]"
    ) -> None:
        self._loop.note(f"disk {verb}")
        try:
            result, error = _finish(call()), None
        except StoreError as refused:
            self._loop.note(f"disk {verb}: {type(refused).__name__}")
            result, error = None, refused
        self._loop.later(self._delay(), _answer, answered, result, error)

    async def acquire(self, shard: int, owner: str) -> int:
        async def attempt() -> int:
            if not self._may_acquire():
                raise FenceLost(f"{owner} does not hold the lease of shard {shard}")
            before = self._disk.shard(shard).fence
            try:
                return await self._inner.acquire(shard, owner)
            finally:
                fence = self._disk.shard(shard).fence
                if fence != before:
                    for watcher in self._disk.watchers:
                        watcher.acquired(shard, fence, owner)

        fence: int = await self._call("acquire", attempt)
        return fence

    async def commit(self, shard: int, fence: int, batch: Batch) -> None:
        await self._call("commit", lambda: self._inner.commit(shard, fence, batch))

    async def load(self, shard: int, key: ChainKey) -> StoredChain | None:
        found: StoredChain | None = await self._call("load", lambda: self._inner.load(shard, key))
        return found

    async def load_run(self, shard: int, key: ChainKey, run_id: str) -> bytes | None:
        found: bytes | None = await self._call("load_run", lambda: self._inner.load_run(shard, key, run_id))
        return found

    async def read_history(
        self, shard: int, key: ChainKey, run_id: str, first: int, last: int
    ) -> list[HistoryRow]:
        rows: list[HistoryRow] = await self._call(
            "read_history", lambda: self._inner.read_history(shard, key, run_id, first, last)
        )
        return rows

    async def due(
        self, shard: int, after: tuple[int, ChainKey] | None, until: int, limit: int
    ) -> Sequence[tuple[int, ChainKey]]:
        found: Sequence[tuple[int, ChainKey]] = await self._call(
            "due", lambda: self._inner.due(shard, after, until, limit)
        )
        return found

    async def expired(self, shard: int, until: int, limit: int) -> Sequence[tuple[ChainKey, str]]:
        found: Sequence[tuple[ChainKey, str]] = await self._call(
            "expired", lambda: self._inner.expired(shard, until, limit)
        )
        return found

    async def get_record(self, kind: str, name: str) -> Record | None:
        found: Record | None = await self._call("get_record", lambda: self._inner.get_record(kind, name))
        return found

    async def list_records(self, kind: str) -> Sequence[Record]:
        found: Sequence[Record] = await self._call("list_records", lambda: self._inner.list_records(kind))
        return found

    async def put_record(self, kind: str, name: str, value: bytes | None, expect: int | None) -> int | None:
        version: int | None = await self._call(
            "put_record", lambda: self._inner.put_record(kind, name, value, expect)
        )
        return version

    async def list_runs(
        self, wanted: VisibilityFilter, after: VisibilityCursor | None, limit: int
    ) -> Sequence[VisibilityRow]:
        rows: Sequence[VisibilityRow] = await self._call(
            "list_runs", lambda: self._inner.list_runs(wanted, after, limit)
        )
        return rows

    async def count_runs(self, wanted: VisibilityFilter) -> int:
        found: int = await self._call("count_runs", lambda: self._inner.count_runs(wanted))
        return found


def _finish(coro: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits, in the world's context."""
    try:
        contextvars.Context().run(coro.send, None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the memory store waited")


def _answer(answered: "asyncio.Future[Any]", result: Any, error: StoreError | None) -> None:
    if answered.done():
        return
    if error is not None:
        answered.set_exception(error)
    else:
        answered.set_result(result)
