"""The only injector of storage faults: a store around a store, which fails where it is told to.

Must never decide by itself: what fails, and how, comes from ``decide``.
"""

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Protocol, TypeVar, runtime_checkable

from tenuto.store.spi import (
    Batch,
    ChainKey,
    FenceLost,
    HistoryRow,
    NotWritten,
    OutcomeUnknown,
    Record,
    Store,
    StoredChain,
    VisibilityCursor,
    VisibilityFilter,
    VisibilityRow,
)

T = TypeVar("T")


class Fault(Enum):
    """What happens to one call."""

    NONE = "none"
    NOT_WRITTEN = "not written"
    """Nothing is done; `NotWritten`."""
    UNKNOWN_BEFORE = "unknown, in truth not done"
    """Nothing is done; `OutcomeUnknown`."""
    UNKNOWN_AFTER = "unknown, in truth done"
    """The call is made, and its result replaced by `OutcomeUnknown`."""
    FENCE_LOST = "fence lost"
    """Nothing is done; `FenceLost`. Only ``commit``."""
    HALF = "half"
    """History rows are written and the rest is not; `OutcomeUnknown`. Only ``commit``."""


_ANY = (Fault.NONE, Fault.NOT_WRITTEN, Fault.UNKNOWN_BEFORE, Fault.UNKNOWN_AFTER)


def faults_of(verb: str) -> tuple[Fault, ...]:
    """The faults that ``decide`` may choose for a verb; any other is a ValueError."""
    return (*_ANY, Fault.FENCE_LOST, Fault.HALF) if verb == "commit" else _ANY


@runtime_checkable
class HalfWriter(Protocol):
    """A store that can write the half of a commit which promise 4 allows to survive."""

    async def commit_history_only(self, shard: int, fence: int, batch: Batch) -> None: ...


class FaultyStore:
    """``inner``, whose every verb except open and close first asks ``decide(verb)`` for its fault.

    `Fault.HALF` needs an ``inner`` with ``commit_history_only``; without it HALF leaves nothing behind, which the
    promise allows as well.
    """

    def __init__(self, inner: Store, decide: Callable[[str], Fault]) -> None:
        self.inner = inner
        self.dialect = inner.dialect
        self._decide = decide

    async def open(self) -> None:
        await self.inner.open()

    async def close(self) -> None:
        await self.inner.close()

    async def _call(self, verb: str, call: Callable[[], Awaitable[T]]) -> T:
        fault = self._decide(verb)
        if fault is Fault.NONE:
            return await call()
        if fault not in faults_of(verb):
            raise ValueError(f"the fault {fault.name} cannot happen to {verb}")
        if fault is Fault.NOT_WRITTEN:
            raise NotWritten(f"{verb}: injected")
        if fault is Fault.FENCE_LOST:
            raise FenceLost(f"{verb}: injected")
        if fault is Fault.UNKNOWN_AFTER:
            await call()
        raise OutcomeUnknown(f"{verb}: injected")

    async def acquire(self, shard: int, owner: str) -> int:
        return await self._call("acquire", lambda: self.inner.acquire(shard, owner))

    async def commit(self, shard: int, fence: int, batch: Batch) -> None:
        fault = self._decide("commit")
        if fault is Fault.HALF:
            if isinstance(self.inner, HalfWriter):
                await self.inner.commit_history_only(shard, fence, batch)
            raise OutcomeUnknown("commit: injected, half written")
        if fault is Fault.NONE:
            return await self.inner.commit(shard, fence, batch)
        if fault is Fault.NOT_WRITTEN:
            raise NotWritten("commit: injected")
        if fault is Fault.FENCE_LOST:
            raise FenceLost("commit: injected")
        if fault is Fault.UNKNOWN_AFTER:
            await self.inner.commit(shard, fence, batch)
        raise OutcomeUnknown("commit: injected")

    async def load(self, shard: int, key: ChainKey) -> StoredChain | None:
        return await self._call("load", lambda: self.inner.load(shard, key))

    async def load_run(self, shard: int, key: ChainKey, run_id: str) -> bytes | None:
        return await self._call("load_run", lambda: self.inner.load_run(shard, key, run_id))

    async def read_history(
        self, shard: int, key: ChainKey, run_id: str, first: int, last: int
    ) -> list[HistoryRow]:
        return await self._call(
            "read_history", lambda: self.inner.read_history(shard, key, run_id, first, last)
        )

    async def due(
        self, shard: int, after: tuple[int, ChainKey] | None, until: int, limit: int
    ) -> Sequence[tuple[int, ChainKey]]:
        return await self._call("due", lambda: self.inner.due(shard, after, until, limit))

    async def expired(self, shard: int, until: int, limit: int) -> Sequence[tuple[ChainKey, str]]:
        return await self._call("expired", lambda: self.inner.expired(shard, until, limit))

    async def get_record(self, kind: str, name: str) -> Record | None:
        return await self._call("get_record", lambda: self.inner.get_record(kind, name))

    async def list_records(self, kind: str) -> Sequence[Record]:
        return await self._call("list_records", lambda: self.inner.list_records(kind))

    async def put_record(self, kind: str, name: str, value: bytes | None, expect: int | None) -> int | None:
        return await self._call("put_record", lambda: self.inner.put_record(kind, name, value, expect))

    async def list_runs(
        self, wanted: VisibilityFilter, after: VisibilityCursor | None, limit: int
    ) -> Sequence[VisibilityRow]:
        return await self._call("list_runs", lambda: self.inner.list_runs(wanted, after, limit))

    async def count_runs(self, wanted: VisibilityFilter) -> int:
        return await self._call("count_runs", lambda: self.inner.count_runs(wanted))
