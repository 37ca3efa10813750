"""What a database must promise so that a shard can stand on it.

The shard is the only arbiter of its chains, therefore a store knows exactly one conflict: the fence. Values are opaque
bytes; this room must never parse them, and must never know what a workflow is beyond the columns named here.

The promises, numbered; the conformance kit tests each under its number:

 1. ``acquire`` returns a fence greater than every fence given before for that shard, and makes all of those stale.
 2. ``commit`` with a stale fence writes nothing and raises `FenceLost`.
 3. ``commit`` is all or nothing for chain headers, parts, runs and visibility rows, also across chains.
 4. History rows may be written before the rest of their commit, and may survive a failed one. A reader sees a row only
    through ``read_history``, which follows contiguous rows from the first wanted event and stops at ``last``: a row that
    does not continue its predecessor is an orphan and is skipped. A row written again replaces the older one.
 5. A write is durable when ``commit`` returns; ``load``, ``load_run``, ``read_history``, ``due`` then show it.
 6. ``due`` yields chains by (alarm, key) in ascending order, each at most once a call, and none outside its bounds.
 7. Records change only by compare-and-set on their version.
 8. Errors are three words: `NotWritten` (surely nothing was written), `FenceLost`, `OutcomeUnknown` (the default).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec


class ChainKey(NamedTuple):
    """All runs under one workflow id."""

    namespace_id: str
    workflow_id: str


class StoreError(Exception):
    """Base of the three words a store may answer with."""


class NotWritten(StoreError):
    """Surely nothing was written; the same request may be tried again."""


class FenceLost(StoreError):
    """A newer owner has acquired the shard; nothing was written."""


class OutcomeUnknown(StoreError):
    """The write may or may not be durable. The owner must forget its memory and acquire again."""


class StoreInUse(StoreError):
    """Another process has this store open and it cannot be shared."""


class HistoryRow(msgspec.Struct, frozen=True):
    """Consecutive events of one run, as bytes: serialized ``temporal.api.history.v1.History`` (so rows concatenate)."""

    first_event_id: int
    last_event_id: int
    events: bytes


class ChainWrite(msgspec.Struct, frozen=True):
    """New state of one chain. ``header=None`` deletes the chain and all its parts."""

    key: ChainKey
    header: bytes | None
    alarm_at: int | None = None
    """Earliest instant (ns) at which the chain needs attention; None: never."""
    parts: dict[str, bytes | None] = {}
    """Part name -> new value; None deletes that part. Parts not named stay as they are."""
    drop_parts: bool = False
    """Delete every part of the chain first (a run ended), then write ``parts``."""


class HistoryWrite(msgspec.Struct, frozen=True):
    """New rows of one run."""

    key: ChainKey
    run_id: str
    rows: tuple[HistoryRow, ...]


class RunWrite(msgspec.Struct, frozen=True):
    """The record of one closed run. ``record=None`` deletes the record, the run's history and its visibility row."""

    key: ChainKey
    run_id: str
    record: bytes | None
    expires_at: int | None = None
    """Instant (ns) after which ``expired`` lists the run; None: never."""


class VisibilityRow(msgspec.Struct, frozen=True):
    """One run as lists show it. ``info`` is a serialized ``temporal.api.workflow.v1.WorkflowExecutionInfo``."""

    namespace_id: str
    workflow_id: str
    run_id: str
    workflow_type: str
    status: int
    task_queue: str
    start_at: int
    execution_at: int
    close_at: int | None
    info: bytes


@dataclass(slots=True)
class Batch:
    """Everything one commit writes. Later entries for the same thing win."""

    chains: list[ChainWrite] = field(default_factory=list)
    history: list[HistoryWrite] = field(default_factory=list)
    runs: list[RunWrite] = field(default_factory=list)
    visibility: list[VisibilityRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StoredChain:
    """A chain as it was last committed."""

    header: bytes
    alarm_at: int | None
    parts: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Record:
    """A small compare-and-set document (namespace, lease, cluster id)."""

    kind: str
    name: str
    value: bytes
    version: int


class VisibilityFilter(msgspec.Struct, frozen=True):
    """The plain filters every adapter must have; all given ones must hold."""

    namespace_id: str
    workflow_id: str | None = None
    run_id: str | None = None
    workflow_type: str | None = None
    statuses: tuple[int, ...] = ()
    start_from: int | None = None
    start_to: int | None = None
    close_from: int | None = None
    close_to: int | None = None


class VisibilityCursor(NamedTuple):
    """Continues after this row. Lists are ordered by (close_at or infinity, start_at, run_id), all descending."""

    close_at: int | None
    start_at: int
    run_id: str


class Store(Protocol):
    """The storage SPI. All verbs may raise the three words; reads raise only `NotWritten` or `OutcomeUnknown`."""

    dialect: str
    """Short name shown to clients: ``memory``, ``sqlite``, ``postgres12``, ..."""

    async def open(self) -> None:
        """Create what is missing and become usable. Raises `StoreInUse`."""

    async def close(self) -> None: ...

    async def acquire(self, shard: int, owner: str) -> int:
        """Take the shard over and return the new fence (promise 1)."""

    async def commit(self, shard: int, fence: int, batch: Batch) -> None: ...

    async def load(self, shard: int, key: ChainKey) -> StoredChain | None: ...

    async def load_run(self, shard: int, key: ChainKey, run_id: str) -> bytes | None: ...

    async def read_history(
        self, shard: int, key: ChainKey, run_id: str, first: int, last: int
    ) -> list[HistoryRow]:
        """Whole rows covering events first..last (promise 4). The first row may begin before ``first`` and the last may
        end after ``last``; a history that stops short yields what there is."""

    async def due(
        self, shard: int, after: tuple[int, ChainKey] | None, until: int, limit: int
    ) -> Sequence[tuple[int, ChainKey]]:
        """Chains whose alarm is <= until and > after in (alarm, key) order."""

    async def expired(self, shard: int, until: int, limit: int) -> Sequence[tuple[ChainKey, str]]:
        """Closed runs whose ``expires_at`` <= until, the earliest first."""

    async def get_record(self, kind: str, name: str) -> Record | None: ...

    async def list_records(self, kind: str) -> Sequence[Record]:
        """All records of a kind, by name."""

    async def put_record(self, kind: str, name: str, value: bytes | None, expect: int | None) -> int | None:
        """Compare-and-set: ``expect`` is the version last seen, None for "must not exist". ``value=None`` deletes.
        Returns the new version, or None when the expectation did not hold (promise 7)."""

    async def list_runs(
        self, wanted: VisibilityFilter, after: VisibilityCursor | None, limit: int
    ) -> Sequence[VisibilityRow]: ...

    async def count_runs(self, wanted: VisibilityFilter) -> int: ...
