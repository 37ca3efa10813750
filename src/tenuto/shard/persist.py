"""What one turn writes: the drafts of all its decisions, merged per chain, as one store batch."""

from tenuto.engine import codec, describe
from tenuto.engine.chain import Chain
from tenuto.engine.draft import Draft, RunDraft
from tenuto.shard.cache import Entry
from tenuto.store.spi import Batch, ChainKey, ChainWrite, HistoryRow, HistoryWrite, RunWrite, VisibilityRow


class _Pending:
    """What the turn has to say about one chain so far."""

    __slots__ = ("chain", "drop_parts", "entry", "parts")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.chain: Chain | None = None
        self.parts: dict[str, bytes | None] = {}
        self.drop_parts = False


class TurnWrites:
    """Collects drafts; later ones of a chain win. ``workers_inside``: see `Agenda.alarm`."""

    def __init__(self, workers_inside: bool = False) -> None:
        self._workers_inside = workers_inside
        self._chains: dict[ChainKey, _Pending] = {}
        self._visible: dict[str, tuple[ChainKey, RunDraft]] = {}
        """By run id, the last draft of the turn that lists must show."""
        self._batch = Batch()
        self.size = 0

    @property
    def empty(self) -> bool:
        batch = self._batch
        return not (self._chains or batch.history or batch.runs or self._visible)

    def add(self, entry: Entry, draft: Draft) -> list[HistoryRow]:
        """Take a finished (not yet folded) draft in; the new history rows of its last run."""
        rows: list[HistoryRow] = []
        for rd in draft.runs:
            rows = [HistoryRow(*row) for row in rd.rows]
            if rows:
                self._batch.history.append(HistoryWrite(entry.key, rd.run.run_id, tuple(rows)))
                for row in rows:
                    self.size += len(row.events)
            if not rd.run.open and rd.changed:
                self._close(entry.key, draft, rd)
            if rd.visible and not rd.run.delete_at_close:
                self._visible[rd.run.run_id] = (entry.key, rd)
        for record in draft.amended_runs:
            expires = record.run.close_at + draft.namespace.retention_ns
            self._batch.runs.append(
                RunWrite(entry.key, record.run.run_id, codec.encode_record(record), expires)
            )
        for run_id in draft.deleted_runs:
            self._batch.runs.append(RunWrite(entry.key, run_id, None))
        if draft.runs or draft.delete_chain:
            self._merge(entry, draft)
        return rows

    def _close(self, key: ChainKey, draft: Draft, rd: RunDraft) -> None:
        if rd.run.delete_at_close:
            return
        expires = rd.run.close_at + draft.namespace.retention_ns
        self._batch.runs.append(RunWrite(key, rd.run.run_id, codec.encode_closed(rd), expires))

    def _merge(self, entry: Entry, draft: Draft) -> None:
        pending = self._chains.get(entry.key)
        if pending is None:
            pending = self._chains[entry.key] = _Pending(entry)
        if draft.delete_chain:
            pending.parts.clear()
            pending.drop_parts = True
            return
        rd = draft.run
        if rd.is_new:
            pending.parts.clear()
            # Of a chain that is not stored there is nothing to drop: most starts save a statement.
            pending.drop_parts |= entry.chain is not None
            for out_id, message in (draft.chain.out if draft.chain is not None else {}).items():
                if out_id not in draft.out.changes:
                    pending.parts[f"o/{out_id}"] = codec.encode_out(message)
        pending.parts.update(codec.encode_parts(draft, rd))

    def batch(self, now: int) -> Batch:
        """Everything, with headers and alarms as they stand after all folds."""
        for shown in self._visible.values():
            self._batch.visibility.append(visibility_row(*shown))
        for key, pending in self._chains.items():
            chain, agenda = pending.entry.chain, pending.entry.agenda
            if chain is None or agenda is None:
                self._batch.chains.append(ChainWrite(key, None))
                continue
            alarm = agenda.alarm(chain, now, workers_inside=self._workers_inside)
            self._batch.chains.append(
                ChainWrite(key, codec.encode_header(chain), alarm, pending.parts, pending.drop_parts)
            )
        return self._batch


def visibility_row(key: ChainKey, rd: RunDraft) -> VisibilityRow:
    """The run as lists show it."""
    info = describe.execution_info(rd.run, rd.terms, key.workflow_id)
    # Only a description of the run itself tells these.
    info.ClearField("auto_reset_points")
    info.first_run_id = ""
    return VisibilityRow(
        namespace_id=key.namespace_id,
        workflow_id=key.workflow_id,
        run_id=rd.run.run_id,
        workflow_type=rd.terms.workflow_type,
        status=rd.run.status,
        task_queue=rd.terms.task_queue,
        start_at=rd.terms.start_at,
        execution_at=rd.terms.execution_at,
        close_at=rd.run.close_at or None,
        info=info.SerializeToString(),
    )
