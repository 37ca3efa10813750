"""Folding: one batch, with at most one entry for each thing, so that an adapter may write it in any order it likes.

Pure. Must never look into a value.
"""

from tenuto.store.spi import Batch, ChainKey, ChainWrite, HistoryRow, RunWrite, VisibilityRow

RunKey = tuple[ChainKey, str]


class Folded:
    """A batch with its duplicates folded together; later entries won."""

    __slots__ = ("chains", "history", "runs", "visibility")

    def __init__(self, batch: Batch) -> None:
        self.chains: dict[ChainKey, ChainWrite] = {}
        for write in batch.chains:
            if "" in write.parts:
                raise ValueError(f"{write.key}: a part must have a name")
            before = self.chains.get(write.key)
            self.chains[write.key] = write if before is None else _follow(before, write)
        self.runs: dict[RunKey, RunWrite] = {(run.key, run.run_id): run for run in batch.runs}
        gone = {run for run, write in self.runs.items() if write.record is None}
        self.history: dict[RunKey, dict[int, HistoryRow]] = {}
        for entry in batch.history:
            run = (entry.key, entry.run_id)
            if run in gone:
                continue
            rows = self.history.setdefault(run, {})
            for row in entry.rows:
                # An append cuts off what stood there: see `append`.
                append(rows, row)
        self.visibility: dict[RunKey, VisibilityRow] = {}
        for shown in batch.visibility:
            run = (ChainKey(shown.namespace_id, shown.workflow_id), shown.run_id)
            if run not in gone:
                self.visibility[run] = shown


def append(rows: dict[int, HistoryRow], row: HistoryRow) -> None:
    """Put ``row`` at its place, cutting off everything at or after it.

    History only grows at its end, so whatever lies at or beyond a row being written was left by a commit that failed.
    Cutting it here means that no orphan is ever covered by good rows, and a reader may start in the middle of a run.
    """
    first = row.first_event_id
    if rows and next(reversed(rows)) >= first:
        for stale in [at for at in rows if at >= first]:
            del rows[stale]
    rows[first] = row


def follow_rows(rows: list[HistoryRow], first: int, last: int) -> list[HistoryRow]:
    """The contiguous rows covering first..last, out of rows in ascending order (promise 4)."""
    found: list[HistoryRow] = []
    wanted = first
    for row in rows:
        if wanted > last:
            break
        starts_here = row.first_event_id <= wanted if not found else row.first_event_id == wanted
        if starts_here and row.last_event_id >= wanted:
            found.append(row)
            wanted = row.last_event_id + 1
    return found


def _follow(before: ChainWrite, after: ChainWrite) -> ChainWrite:
    """The one write that does what ``before`` and then ``after`` would do."""
    if after.header is None or after.drop_parts:
        return after
    return ChainWrite(
        key=after.key,
        header=after.header,
        alarm_at=after.alarm_at,
        parts={**before.parts, **after.parts} if before.header is not None else after.parts,
        drop_parts=before.drop_parts or before.header is None,
    )
