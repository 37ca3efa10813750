"""The tables and statements that SQL adapters share, written for SQLite and near to what others understand.

Text only: must never import a driver or open anything. Parameters are marked ``?``.

Tables are clustered on their keys, so that a chain lies together, with its shard first. A chain's header is its row with
the empty part name: one range of one table is the whole chain, and a transition that writes the header and a part
mostly dirties one page. Open runs have `OPEN` as their ``close_at``, so that the order of lists is an ordinary index.
"""

from tenuto.store.spi import VisibilityCursor, VisibilityFilter

OPEN = 2**63 - 1
"""The ``close_at`` of a run that is not closed."""

SCHEMA_VERSION = 1

SCHEMA = (
    "CREATE TABLE tenuto_schema (version INTEGER NOT NULL)",
    f"INSERT INTO tenuto_schema (version) VALUES ({SCHEMA_VERSION})",
    "CREATE TABLE shards (shard INTEGER NOT NULL PRIMARY KEY, fence INTEGER NOT NULL, owner TEXT NOT NULL)",
    """CREATE TABLE chains (
        shard INTEGER NOT NULL, namespace_id TEXT NOT NULL, workflow_id TEXT NOT NULL, part TEXT NOT NULL,
        alarm_at INTEGER, value BLOB NOT NULL,
        PRIMARY KEY (shard, namespace_id, workflow_id, part)
    ) WITHOUT ROWID""",
    """CREATE INDEX chains_alarm ON chains (shard, alarm_at, namespace_id, workflow_id)
        WHERE alarm_at IS NOT NULL""",
    """CREATE TABLE history (
        shard INTEGER NOT NULL, namespace_id TEXT NOT NULL, workflow_id TEXT NOT NULL, run_id TEXT NOT NULL,
        first_event_id INTEGER NOT NULL, last_event_id INTEGER NOT NULL, events BLOB NOT NULL,
        PRIMARY KEY (shard, namespace_id, workflow_id, run_id, first_event_id)
    ) WITHOUT ROWID""",
    """CREATE TABLE runs (
        shard INTEGER NOT NULL, namespace_id TEXT NOT NULL, workflow_id TEXT NOT NULL, run_id TEXT NOT NULL,
        expires_at INTEGER, record BLOB NOT NULL,
        PRIMARY KEY (shard, namespace_id, workflow_id, run_id)
    ) WITHOUT ROWID""",
    """CREATE INDEX runs_expiry ON runs (shard, expires_at, namespace_id, workflow_id, run_id)
        WHERE expires_at IS NOT NULL""",
    """CREATE TABLE visibility (
        namespace_id TEXT NOT NULL, workflow_id TEXT NOT NULL, run_id TEXT NOT NULL, workflow_type TEXT NOT NULL,
        status INTEGER NOT NULL, task_queue TEXT NOT NULL, start_at INTEGER NOT NULL, execution_at INTEGER NOT NULL,
        close_at INTEGER NOT NULL, info BLOB NOT NULL,
        PRIMARY KEY (namespace_id, workflow_id, run_id)
    ) WITHOUT ROWID""",
    # Status and type ride along so that filtering by them, and counting, stays within the index.
    """CREATE INDEX visibility_order ON visibility (namespace_id, close_at, start_at, run_id, status, workflow_type)""",
    """CREATE TABLE records (
        kind TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (kind, name)
    ) WITHOUT ROWID""",
    # Versions are never used twice, or one seen before a delete would fit the record made after it.
    "CREATE TABLE record_versions (latest INTEGER NOT NULL)",
    "INSERT INTO record_versions (latest) VALUES (0)",
)

ACQUIRE = """INSERT INTO shards (shard, fence, owner) VALUES (?, 1, ?)
    ON CONFLICT (shard) DO UPDATE SET fence = fence + 1, owner = excluded.owner RETURNING fence"""
READ_FENCE = "SELECT fence FROM shards WHERE shard = ?"

_CHAIN = "shard = ? AND namespace_id = ? AND workflow_id = ?"
DROP_PARTS = f"DELETE FROM chains WHERE {_CHAIN} AND part <> ''"
DROP_CHAIN = f"DELETE FROM chains WHERE {_CHAIN}"
DROP_RUN = (
    f"DELETE FROM history WHERE {_CHAIN} AND run_id = ?",
    f"DELETE FROM runs WHERE {_CHAIN} AND run_id = ?",
)
DROP_VISIBILITY = "DELETE FROM visibility WHERE namespace_id = ? AND workflow_id = ? AND run_id = ?"
LOAD = f"SELECT part, value, alarm_at FROM chains WHERE {_CHAIN}"
LOAD_RUN = f"SELECT record FROM runs WHERE {_CHAIN} AND run_id = ?"

READ_HISTORY = f"""SELECT first_event_id, last_event_id, events FROM history WHERE {_CHAIN} AND run_id = ?
    AND first_event_id >= coalesce(
        (SELECT max(first_event_id) FROM history WHERE {_CHAIN} AND run_id = ? AND first_event_id <= ?), 0)
    AND first_event_id <= ? ORDER BY first_event_id"""
"""Parameters: the run, the run again, first, last."""

DUE = """SELECT alarm_at, namespace_id, workflow_id FROM chains
    WHERE shard = ? AND alarm_at IS NOT NULL AND alarm_at <= ? AND (alarm_at, namespace_id, workflow_id) > (?, ?, ?)
    ORDER BY alarm_at, namespace_id, workflow_id LIMIT ?"""
EXPIRED = """SELECT namespace_id, workflow_id, run_id FROM runs
    WHERE shard = ? AND expires_at IS NOT NULL AND expires_at <= ?
    ORDER BY expires_at, namespace_id, workflow_id, run_id LIMIT ?"""

GET_RECORD = "SELECT kind, name, value, version FROM records WHERE kind = ? AND name = ?"
LIST_RECORDS = "SELECT kind, name, value, version FROM records WHERE kind = ? ORDER BY name"
NEXT_RECORD_VERSION = "UPDATE record_versions SET latest = latest + 1 RETURNING latest"
PUT_RECORD = """INSERT INTO records (kind, name, value, version) VALUES (?, ?, ?, ?)
    ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value, version = excluded.version"""
DROP_RECORD = "DELETE FROM records WHERE kind = ? AND name = ?"


class RowsStatement:
    """A statement that takes many rows at once: ``head row glue row tail``, cut into few sizes to stay prepared.

    One statement for many rows, and not one call for each row: drivers give up the interpreter lock around every step,
    and with a busy event loop each taking back waits a whole switch interval (487 ms against 34 ms for 40 transitions).
    """

    LARGEST = 64

    def __init__(self, head: str, row: str, glue: str, tail: str = "") -> None:
        self._texts = {
            size: f"{head} {glue.join([row] * size)}{tail}"
            for size in (1 << power for power in range(self.LARGEST.bit_length()))
        }

    def cut(self, rows: list[tuple[object, ...]]) -> list[tuple[str, list[object]]]:
        """(text, parameters) pairs that together take all rows, in order: sizes are the powers of two in the count."""
        pieces = []
        at, left, size = 0, len(rows), self.LARGEST
        while left:
            while size > left:
                size >>= 1
            piece = rows[at : at + size]
            pieces.append((self._texts[size], [value for row in piece for value in row]))
            at, left = at + size, left - size
        return pieces


def _upsert(table: str, keys: str, values: str) -> RowsStatement:
    columns = f"{keys}, {values}"
    changes = ", ".join(f"{name} = excluded.{name}" for name in values.split(", "))
    return RowsStatement(
        f"INSERT INTO {table} ({columns}) VALUES",
        f"({', '.join('?' * (columns.count(',') + 1))})",
        ", ",
        f" ON CONFLICT ({keys}) DO UPDATE SET {changes}",
    )


PUT_CHAINS = _upsert("chains", "shard, namespace_id, workflow_id, part", "alarm_at, value")
PUT_HISTORY = _upsert(
    "history", "shard, namespace_id, workflow_id, run_id, first_event_id", "last_event_id, events"
)
PUT_RUNS = _upsert("runs", "shard, namespace_id, workflow_id, run_id", "expires_at, record")
PUT_VISIBILITY = _upsert(
    "visibility",
    "namespace_id, workflow_id, run_id",
    "workflow_type, status, task_queue, start_at, execution_at, close_at, info",
)
# Of the ways to name many rows to delete, SQLite seeks each row only in this one; others walk the whole shard.
DROP_PART = RowsStatement("DELETE FROM chains WHERE", f"({_CHAIN} AND part = ?)", " OR ")
CUT_HISTORY = RowsStatement(
    "DELETE FROM history WHERE", f"({_CHAIN} AND run_id = ? AND first_event_id >= ?)", " OR "
)
"""Deletes what lies at or after the place of an append; see ``batch.append``."""


def where_visible(wanted: VisibilityFilter, after: VisibilityCursor | None) -> tuple[str, list[object]]:
    """The condition, with its parameters, for the rows a filter and a cursor let through."""
    terms, values = ["namespace_id = ?"], list[object]([wanted.namespace_id])

    def also(term: str, *parameters: object) -> None:
        terms.append(term)
        values.extend(parameters)

    for column, value in (
        ("workflow_id", wanted.workflow_id),
        ("run_id", wanted.run_id),
        ("workflow_type", wanted.workflow_type),
    ):
        if value is not None:
            also(f"{column} = ?", value)
    if wanted.statuses:
        also(f"status IN ({', '.join('?' * len(wanted.statuses))})", *wanted.statuses)
    if wanted.start_from is not None:
        also("start_at >= ?", wanted.start_from)
    if wanted.start_to is not None:
        also("start_at <= ?", wanted.start_to)
    if wanted.close_from is not None or wanted.close_to is not None:
        also("close_at >= ?", wanted.close_from or 0)
        also("close_at <= ?", OPEN - 1 if wanted.close_to is None else min(wanted.close_to, OPEN - 1))
    if after is not None:
        close_at = OPEN if after.close_at is None else after.close_at
        also(f"({_leading(wanted)}, start_at, run_id) < (?, ?, ?)", close_at, after.start_at, after.run_id)
    return " AND ".join(terms), values


VISIBILITY_COLUMNS = (
    "namespace_id, workflow_id, run_id, workflow_type, status, task_queue, "
    "start_at, execution_at, close_at, info"
)


def _leading(wanted: VisibilityFilter) -> str:
    # One workflow id has few runs: the plus keeps the planner from walking the whole list in order to find them.
    return "close_at" if wanted.workflow_id is None else "+close_at"


def list_runs(
    wanted: VisibilityFilter, after: VisibilityCursor | None, limit: int
) -> tuple[str, list[object]]:
    """The statement, with its parameters, for one page of a list."""
    condition, values = where_visible(wanted, after)
    order = f"{_leading(wanted)} DESC, start_at DESC, run_id DESC"
    text = f"SELECT {VISIBILITY_COLUMNS} FROM visibility WHERE {condition} ORDER BY {order} LIMIT ?"
    return text, [*values, limit]


def count_runs(wanted: VisibilityFilter) -> tuple[str, list[object]]:
    condition, values = where_visible(wanted, None)
    return f"SELECT count(*) FROM visibility WHERE {condition}", values
