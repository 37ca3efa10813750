"""SQLite: one file, one process, one shard owner.

One thread writes, with its own connection, so that no two transactions ever meet; another reads, so that reads do not
wait behind a flush to disk; a third carries the write-ahead log over to the file, so that commits do not pay for that.
What a turn of the shard needs first, a chain or a closed run by its key, is read in the caller's own thread: that takes
20 us, less than handing it to another.
Must never be opened twice: a lock file beside the store says who has it.
"""

import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from tenuto.store import sql
from tenuto.store.batch import Folded, follow_rows
from tenuto.store.lane import Lane
from tenuto.store.lock import FileLock
from tenuto.store.spi import (
    Batch,
    ChainKey,
    FenceLost,
    HistoryRow,
    NotWritten,
    OutcomeUnknown,
    Record,
    StoredChain,
    StoreError,
    VisibilityCursor,
    VisibilityFilter,
    VisibilityRow,
)

T = TypeVar("T")
Row = tuple[object, ...]
Statements = list[tuple[str, Sequence[object]]]

_UNFIT = (sqlite3.Error, ValueError, OverflowError, TypeError)
"""What the driver raises: its own errors, and those for values that no column can hold."""

_ROWS_PER_CHECKPOINT = 1_000
_LOG_PAGES = 8_000  # 32 MB; a longer log is finished off between two commits, so that it starts over


_SWITCH_INTERVAL_S = 0.0001
"""A busy event loop gives the interpreter lock up and takes it back before a waiting thread has woken, and the wait for
a forced switch starts over each time. At Python's 5 ms one commit beside such a loop took seconds; at 0.1 ms, 2 ms."""


class StoreUnusable(StoreError):
    """The file cannot serve as a store: not a database, not Tenuto's, or written by a newer version."""


class SqliteStore:
    """A store in the file ``path``, created if missing; its directory must exist.

    ``synchronous``: "full" flushes every commit to disk; "normal" survives the end of the process, but a failure of the
    machine may take the latest commits with it, which breaks promise 5.
    """

    dialect = "sqlite"

    def __init__(self, path: str, synchronous: Literal["full", "normal"] = "full") -> None:
        if not path or path == ":memory:":
            raise ValueError("a SQLite store needs the path of a file; for a store in memory use memory://")
        if synchronous not in ("full", "normal"):
            raise ValueError(f"synchronous must be 'full' or 'normal', not {synchronous!r}")
        self.path = os.path.realpath(path)
        self._synchronous = synchronous
        self._lanes: _Lanes | None = None

    async def open(self) -> None:
        """Raises `StoreInUse` when the file is open already, `StoreUnusable` when it cannot serve as a store.

        Lowers the switch interval of the process to 0.1 ms, if it is greater, and leaves it there.
        """
        if self._lanes is not None:
            return
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL_S))
        try:
            lock = FileLock(self.path)
        except OSError as error:
            raise StoreUnusable(f"{self.path} cannot be opened: {error.strerror}") from error
        lanes = _Lanes(self.path, self._synchronous, lock)
        try:
            await lanes.writing.submit(lanes.prepare)
        except BaseException:
            lanes.close()
            raise
        self._lanes = lanes

    async def close(self) -> None:
        """Finish what is queued, carry the log over to the file, and let others open it."""
        lanes, self._lanes = self._lanes, None
        if lanes is not None:
            await lanes.writing.submit(lambda: None)
            lanes.close()

    def abandon(self) -> None:
        """Like `close`, but from any thread and without an event loop: for a store whose loop is gone. Blocks meanwhile."""
        lanes, self._lanes = self._lanes, None
        if lanes is not None:
            lanes.close()

    def _opened(self, verb: str) -> "_Lanes":
        if self._lanes is None:
            raise NotWritten(f"{verb}: the store {self.path} is not open")
        return self._lanes

    async def acquire(self, shard: int, owner: str) -> int:
        lanes = self._opened("acquire")

        def take(writer: sqlite3.Connection) -> int:
            lanes.fences.pop(shard, None)
            return int(writer.execute(sql.ACQUIRE, (shard, owner)).fetchall()[0][0])

        return await lanes.writing.submit(lambda: lanes.write("acquire", take))

    async def commit(self, shard: int, fence: int, batch: Batch) -> None:
        lanes = self._opened("commit")
        # Put into statements here, not in the writer's thread: the caller may go on to change the batch.
        folded = Folded(batch)
        statements = _statements(shard, folded)

        def write(writer: sqlite3.Connection) -> None:
            if lanes.fence_of(shard, writer) != fence:
                present = lanes.fence_of(shard, writer)
                raise FenceLost(f"shard {shard}: fence {fence} is stale, the present one is {present}")
            for text, values in statements:
                writer.execute(text, values)
            lanes.rows_since_checkpoint += (
                len(folded.chains) + len(folded.history) + len(folded.runs) + len(folded.visibility)
            )

        await lanes.writing.submit(lambda: lanes.write("commit", write))

    async def _read(self, verb: str, text: str, values: Sequence[object]) -> list[Any]:
        lanes = self._opened(verb)
        return await lanes.reading.submit(lambda: lanes.read(verb, text, values))

    async def load(self, shard: int, key: ChainKey) -> StoredChain | None:
        rows = self._opened("load").glance("load", sql.LOAD, (shard, *key))
        parts = {part: value for part, value, _ in rows}
        header = parts.pop("", None)
        # The header's row is the first, as its part name is the smallest.
        return None if header is None else StoredChain(header, rows[0][2], parts)

    async def load_run(self, shard: int, key: ChainKey, run_id: str) -> bytes | None:
        rows = self._opened("load_run").glance("load_run", sql.LOAD_RUN, (shard, *key, run_id))
        return rows[0][0] if rows else None

    async def read_history(
        self, shard: int, key: ChainKey, run_id: str, first: int, last: int
    ) -> list[HistoryRow]:
        run = (shard, *key, run_id)
        rows = await self._read("read_history", sql.READ_HISTORY, (*run, *run, first, last))
        return follow_rows([HistoryRow(*row) for row in rows], first, last)

    async def due(
        self, shard: int, after: tuple[int, ChainKey] | None, until: int, limit: int
    ) -> Sequence[tuple[int, ChainKey]]:
        start = (-(2**63), "", "") if after is None else (after[0], *after[1])
        rows = await self._read("due", sql.DUE, (shard, until, *start, limit))
        return [
            (alarm_at, ChainKey(namespace_id, workflow_id)) for alarm_at, namespace_id, workflow_id in rows
        ]

    async def expired(self, shard: int, until: int, limit: int) -> Sequence[tuple[ChainKey, str]]:
        rows = await self._read("expired", sql.EXPIRED, (shard, until, limit))
        return [(ChainKey(namespace_id, workflow_id), run_id) for namespace_id, workflow_id, run_id in rows]

    async def get_record(self, kind: str, name: str) -> Record | None:
        rows = await self._read("get_record", sql.GET_RECORD, (kind, name))
        return Record(*rows[0]) if rows else None

    async def list_records(self, kind: str) -> Sequence[Record]:
        return [Record(*row) for row in await self._read("list_records", sql.LIST_RECORDS, (kind,))]

    async def put_record(self, kind: str, name: str, value: bytes | None, expect: int | None) -> int | None:
        lanes = self._opened("put_record")

        def put(writer: sqlite3.Connection) -> int | None:
            present = writer.execute(sql.GET_RECORD, (kind, name)).fetchone()
            if (present[3] if present else None) != expect:
                return None
            version = int(writer.execute(sql.NEXT_RECORD_VERSION).fetchall()[0][0])
            if value is None:
                writer.execute(sql.DROP_RECORD, (kind, name))
            else:
                writer.execute(sql.PUT_RECORD, (kind, name, value, version))
            return version

        return await lanes.writing.submit(lambda: lanes.write("put_record", put))

    async def list_runs(
        self, wanted: VisibilityFilter, after: VisibilityCursor | None, limit: int
    ) -> Sequence[VisibilityRow]:
        rows = await self._read("list_runs", *sql.list_runs(wanted, after, limit))
        return [_visible(*row) for row in rows]

    async def count_runs(self, wanted: VisibilityFilter) -> int:
        rows = await self._read("count_runs", *sql.count_runs(wanted))
        return int(rows[0][0])


def _visible(*row: Any) -> VisibilityRow:
    fields = list(row)
    if fields[8] == sql.OPEN:
        fields[8] = None
    return VisibilityRow(*fields)


class _Lanes:
    """The threads and connections of one open store. Every connection is used in its own lane only; the glancing one, in
    the caller's thread."""

    def __init__(self, path: str, synchronous: str, lock: FileLock) -> None:
        self.rows_since_checkpoint = 0
        self._path = path
        self._synchronous = synchronous
        self._lock = lock
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._glancer: sqlite3.Connection | None = None
        self.fences: dict[int, int] = {}
        """Those of the file, as the writer knows them: with the file locked nobody else can change one."""
        self._checkpointer: sqlite3.Connection | None = None
        self.writing = Lane("tenuto-sqlite-write")
        self.reading = Lane("tenuto-sqlite-read")
        self._checkpointing = Lane("tenuto-sqlite-checkpoint")

    def _connect(self, cache_kib: int) -> sqlite3.Connection:
        # Connections may be closed by the thread that closes the store, after their lanes have ended.
        connection = sqlite3.connect(
            self._path, timeout=5.0, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {2 * _LOG_PAGES * 4096}")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _writable(self) -> sqlite3.Connection:
        if self._writer is None:
            self._writer = self._connect(cache_kib=16_384)
        return self._writer

    def prepare(self) -> None:
        """Open the file, and create or check the schema. Raises `StoreUnusable`."""
        try:
            writer = self._writable()
            tables = {
                name for (name,) in writer.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            if not tables:
                writer.execute("BEGIN IMMEDIATE")
                for text in sql.SCHEMA:
                    writer.execute(text)
                writer.execute("COMMIT")
            elif "tenuto_schema" not in tables:
                raise StoreUnusable(
                    f"{self._path} is a SQLite database, but not a store of Tenuto; use another file"
                )
            (version,) = writer.execute("SELECT version FROM tenuto_schema").fetchone()
        except sqlite3.Error as error:
            raise StoreUnusable(f"{self._path} cannot be used as a store: {error}") from error
        if version != sql.SCHEMA_VERSION:
            raise StoreUnusable(
                f"{self._path} has schema version {version}, and this Tenuto knows {sql.SCHEMA_VERSION}: "
                "use the version of Tenuto that wrote it, or a newer one"
            )

    def read(self, verb: str, text: str, values: Sequence[object]) -> list[Any]:
        try:
            if self._reader is None:
                self._reader = self._connect(cache_kib=8_192)
            return self._reader.execute(text, values).fetchall()
        except _UNFIT as error:
            raise NotWritten(f"{verb}: {self._path}: {error}") from error

    def glance(self, verb: str, text: str, values: Sequence[object]) -> list[Any]:
        """A short read by key, here and now."""
        try:
            if self._glancer is None:
                self._glancer = self._connect(cache_kib=8_192)
            return self._glancer.execute(text, values).fetchall()
        except _UNFIT as error:
            raise NotWritten(f"{verb}: {self._path}: {error}") from error

    def fence_of(self, shard: int, writer: sqlite3.Connection) -> int | None:
        """The present fence of a shard; None: it was never acquired."""
        fence = self.fences.get(shard)
        if fence is None:
            row = writer.execute(sql.READ_FENCE, (shard,)).fetchone()
            if row is None:
                return None
            fence = self.fences[shard] = int(row[0])
        return fence

    def write(self, verb: str, body: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``body`` in a transaction of its own. Before COMMIT a failure means that nothing was written."""
        try:
            writer = self._writable()
            writer.execute("BEGIN IMMEDIATE")
            result = body(writer)
        except _UNFIT as error:
            self._abandon()
            raise NotWritten(f"{verb}: {self._path}: {error}") from error
        except BaseException:
            self._abandon()
            raise
        try:
            writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._abandon()
            raise OutcomeUnknown(f"{verb}: {self._path}: {error}") from error
        if self.rows_since_checkpoint >= _ROWS_PER_CHECKPOINT:
            self.rows_since_checkpoint = 0
            self._checkpointing.post(self._checkpoint)
        return result

    def _abandon(self) -> None:
        """Leave the transaction; a connection that cannot is replaced."""
        writer = self._writer
        if writer is None or not writer.in_transaction:
            return
        try:
            writer.execute("ROLLBACK")
        except sqlite3.Error:
            self._writer = None
            writer.close()

    def _checkpoint(self) -> None:
        """Carry over what the log holds while commits go on; they go to its end, so it cannot be emptied here."""
        try:
            if self._checkpointer is None:
                self._checkpointer = self._connect(cache_kib=512)
            _, pages, _ = self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages >= _LOG_PAGES:
                # Once more, for what came in meanwhile, so that as little as possible is left to hold commits up.
                self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error:
            return  # the next one will do its work
        if pages >= _LOG_PAGES:
            self.writing.post(self._finish_log)

    def _finish_log(self) -> None:
        """Carry over the little that was added during `_checkpoint`: with nothing left the next commit starts it over."""
        try:
            self._writable().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error:
            return

    def close(self) -> None:
        """End the threads; closing the last connection carries the log over."""
        self._checkpointing.close()
        self.writing.close()
        self.reading.close()
        for connection in (self._checkpointer, self._glancer, self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._lock.release()


def _statements(shard: int, batch: Folded) -> Statements:
    """What writes the batch, as texts with their parameters, to be run in order."""
    statements: Statements = []
    rows: list[Row] = []
    dropped_parts: list[Row] = []
    for key, chain in batch.chains.items():
        place = (shard, *key)
        if chain.header is None:
            statements.append((sql.DROP_CHAIN, place))
            continue
        if chain.drop_parts:
            statements.append((sql.DROP_PARTS, place))
        rows.append((*place, "", chain.alarm_at, chain.header))
        for part, value in chain.parts.items():
            if value is not None:
                rows.append((*place, part, None, value))
            elif not chain.drop_parts:
                dropped_parts.append((*place, part))
    statements += sql.DROP_PART.cut(dropped_parts)
    # In the order of the table: neighbours then share a page while it is at hand.
    rows.sort()
    statements += sql.PUT_CHAINS.cut(rows)

    rows = []
    cuts: list[Row] = []
    for (key, run_id), entries in batch.history.items():
        run = (shard, *key, run_id)
        cuts.append((*run, min(entries)))
        rows.extend((*run, row.first_event_id, row.last_event_id, row.events) for row in entries.values())
    rows.sort()
    statements += sql.CUT_HISTORY.cut(cuts)
    statements += sql.PUT_HISTORY.cut(rows)

    rows = [
        (shown.namespace_id, shown.workflow_id, shown.run_id, shown.workflow_type, shown.status, shown.task_queue,
         shown.start_at, shown.execution_at, sql.OPEN if shown.close_at is None else shown.close_at, shown.info)
        for shown in batch.visibility.values()
    ]  # fmt: skip
    rows.sort()
    statements += sql.PUT_VISIBILITY.cut(rows)

    rows = []
    for (key, run_id), write in batch.runs.items():
        if write.record is not None:
            rows.append((shard, *key, run_id, write.expires_at, write.record))
            continue
        statements.extend((text, (shard, *key, run_id)) for text in sql.DROP_RUN)
        statements.append((sql.DROP_VISIBILITY, (*key, run_id)))
    rows.sort()
    statements += sql.PUT_RUNS.cut(rows)
    return statements
