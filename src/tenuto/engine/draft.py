"""A draft: what one decision wants to change, laid over a chain that stays untouched.

``decide`` writes only here. Every change of state is an event or a note going through ``apply``; a table's overlay is at
the same time the list of parts that the commit must write. Folding a draft into its chain cannot fail. This room must never
read a clock or make up an id: both come from the stamp.
"""

import copy
import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, cast

from msgspec.structs import replace

from tenuto.engine import events as ev
from tenuto.engine import failure_size
from tenuto.engine.chain import (
    NORMAL,
    SPECULATIVE,
    Activity,
    BufferedQuery,
    Chain,
    Child,
    ClosedRun,
    External,
    Outgoing,
    PendingUpdate,
    Run,
    RunState,
    Terms,
    Timer,
    UpdateRecord,
)
from tenuto.engine.nexus_state import NexusOperation
from tenuto.engine.tables import Table
from tenuto.engine.task_events import scheduled_event, started_event
from tenuto.engine.types import Notice, Stamp
from tenuto.limits import SECOND
from tenuto.wire import Message, history, sdk_metadata
from tenuto.wire import command as wire_command

COPIED_ROW_EVENTS = 64
COPIED_ROW_BYTES = 64 * 1024


class Note(Protocol):
    """A private fact applied to state that is not history (attempt started, heartbeat, sticky binding, ...)."""

    def apply(self, rd: "RunDraft") -> None: ...


TABLES = (
    "activities",
    "activity_ids",
    "timers",
    "children",
    "externals",
    "nexus",
    "updates",
    "signal_ids",
    "buffer",
    "schedule",
    "pending_updates",
    "queries",
)
"""Names of a run's tables, in `RunState` and in `RunDraft`."""


def _framed(event: bytes) -> bytes:
    """An event as the field ``events`` of a serialized History, without copying it into one."""
    size, head = len(event), b"\x0a"
    while size >= 0x80:
        head += bytes((size & 0x7F | 0x80,))
        size >>= 7
    return head + bytes((size,)) + event


class RunDraft:
    """One run as this draft sees it: state overlay, new events, notes.

    A table comes into being when it is first touched: most decisions touch two or three of them."""

    activities: Table[int, Activity]
    activity_ids: Table[str, int]
    timers: Table[str, Timer]
    children: Table[int, Child]
    externals: Table[int, External]
    nexus: Table[int, NexusOperation]
    updates: Table[str, UpdateRecord]
    signal_ids: Table[str, bool]
    buffer: Table[int, bytes]
    schedule: Table[str, Any]
    pending_updates: Table[str, PendingUpdate]
    queries: Table[str, BufferedQuery]

    def __init__(self, draft: "Draft", base: RunState, is_new: bool) -> None:
        self.draft = draft
        self.now = draft.now
        self.base = base
        self.is_new = is_new
        self.run: Run = replace(base.run)
        self.tables: dict[str, Table[Any, Any]] = {}
        """Those that were touched, by name."""
        self.terms: Terms = base.terms
        self.terms_changed = is_new
        self.close_attempted = base.close_attempted
        self.events: list[history.HistoryEvent] = []
        """New events with ids, in order."""
        self.batch_starts: list[int] = []
        """Indexes into ``events`` at which a new stored batch begins."""
        self.copied: tuple[history.HistoryEvent, ...] = ()
        """Events that a reset copies verbatim into this run, before ``events``."""
        self.rows: list[tuple[int, int, bytes]] = []
        """The new events as rows to store: first id, last id, serialized History. Made by ``seal``."""
        self._arrived: list[history.HistoryEvent] = []
        self._stored: list[tuple[int, history.HistoryEvent]] | None = None
        self.noted = False
        self.visible = is_new
        """The visibility row changes."""
        self.log: list[history.HistoryEvent | Note] = []

    # ---- state --------------------------------------------------------------------------------------------------------

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Table:
            if name not in TABLES:
                raise AttributeError(name)
            table = Table(getattr(self.base, name))
            setattr(self, name, table)
            self.tables[name] = table
            return table

    def touched(self, name: str) -> "Table[Any, Any] | None":
        """The named table if this draft has looked at it."""
        return self.tables.get(name)

    def waiting(self, name: str) -> int:
        """How many entries the named table has."""
        table = self.tables.get(name)
        return table.size if table is not None else len(getattr(self.base, name))

    def all(self, name: str) -> list[Any]:
        """The values of the named table."""
        table = self.tables.get(name)
        return list(table.values()) if table is not None else list(getattr(self.base, name).values())

    def edit_terms(self) -> Terms:
        if not self.terms_changed:
            self.terms = copy.copy(self.terms)
            self.terms_changed = True
        return self.terms

    @property
    def task_started(self) -> bool:
        """A workflow task is with a worker, therefore events are buffered."""
        task = self.run.task
        return task is not None and task.started_id != 0

    def edit_task(self) -> Any:
        """The workflow task, copied into this draft. It must exist."""
        task = copy.copy(self.run.task)
        self.run.task = task
        assert task is not None, "there is no workflow task to edit"
        return task

    # ---- change -------------------------------------------------------------------------------------------------------

    def note(self, note: Note) -> None:
        """Apply a private fact. Facts of a speculative task stay in memory and are not worth a commit."""
        volatile = self._speculative
        note.apply(self)
        if not (getattr(note, "virtual", False) and (volatile or self._speculative)):
            self.noted = True
        self.log.append(note)

    @property
    def _speculative(self) -> bool:
        task = self.run.task
        return task is not None and task.kind == SPECULATIVE

    def emit(
        self,
        kind: int,
        attributes: Message | None = None,
        *,
        at: int = 0,
        metadata: sdk_metadata.UserMetadata | None = None,
        command: wire_command.Command | None = None,
        ignorable: bool = False,
        links: Any = (),
        buffered: bool | None = None,
    ) -> history.HistoryEvent:
        """Write an event: it gets its id now, or, if its kind is bufferable, when the buffer is flushed; its effects on
        state are applied now in either case. ``at`` defaults to the stamp's instant; ``command`` is the one that
        asked for the event, whose metadata and group markers it keeps."""
        event = history.HistoryEvent(event_type=cast(Any, kind))
        at = at or self.now
        event.event_time.seconds, event.event_time.nanos = divmod(at, SECOND)
        if attributes is not None:
            getattr(event, ev.ATTRIBUTES[kind]).CopyFrom(attributes)
        else:
            getattr(event, ev.ATTRIBUTES[kind]).SetInParent()
        if metadata is not None and metadata.ByteSize():
            event.user_metadata.CopyFrom(metadata)
        if command is not None:
            if command.user_metadata.ByteSize():
                event.user_metadata.CopyFrom(command.user_metadata)
            event.event_group_markers.extend(command.event_group_markers)
        if ignorable:
            event.worker_may_ignore = True
        if links:
            event.links.extend(links)
        if kind in failure_size.HOLDERS:
            failure_size.clip(event)
        if kind in ev.BUFFERABLE if buffered is None else buffered:
            self._arrived.append(event)
            self.log.append(event)
            self.draft.apply(self, event)
        else:
            self._assign(event)
            self.log.append(event)
            self.draft.apply(self, event)
        return event

    def write(self, kind: int, event: history.HistoryEvent) -> None:
        """Like `emit`, for an event that is never buffered and whose attributes are in place."""
        event.event_type = cast(Any, kind)
        event.event_time.seconds, event.event_time.nanos = divmod(self.now, SECOND)
        self._assign(event)
        self.log.append(event)
        self.draft.apply(self, event)

    def _assign(self, event: history.HistoryEvent) -> None:
        event.event_id = self.run.next_event_id
        self.run.next_event_id += 1
        self.events.append(event)

    # ---- buffer -------------------------------------------------------------------------------------------------------

    def buffered(self) -> list[history.HistoryEvent]:
        """All events that wait for an id, in order of arrival."""
        return [event for _, event in self._load_stored()] + self._arrived

    @property
    def has_buffered(self) -> bool:
        buffer = self.tables.get("buffer") if self.tables else None
        waiting = buffer.size if buffer is not None else len(self.base.buffer)
        return waiting > 0 or bool(self._arrived)

    def buffer_exceeds(self, count: int, size: int) -> bool:
        """This draft has added to what waits beside a started task, and now it is more events, or bytes, than that."""
        if not self._arrived or not self.task_started:
            return False
        if len(self.buffer) + len(self._arrived) > count:
            return True
        stored = sum(len(raw) for raw in self.buffer.values())
        return stored + sum(event.ByteSize() for event in self._arrived) > size

    def _load_stored(self) -> list[tuple[int, history.HistoryEvent]]:
        if self._stored is None:
            base = self.buffer
            self._stored = [(n, history.HistoryEvent.FromString(base[n])) for n in sorted(base.keys())]
        return self._stored

    def discard_buffered(self, wanted: Callable[[history.HistoryEvent], bool]) -> bool:
        """Erase buffered events that match; True when there was one (execution-semantics 2.2, CANCEL_TIMER)."""
        found = False
        for number, event in list(self._load_stored()):
            if wanted(event):
                self._load_stored().remove((number, event))
                self.buffer.drop(number)
                found = True
        for event in list(self._arrived):
            if wanted(event):
                self._arrived.remove(event)
                found = True
        return found

    def drop_buffer(self) -> None:
        """Forget all buffered events: the run has closed."""
        if self.has_buffered:
            self.buffer.clear()
        self._stored = []
        self._arrived = []

    def flush(self) -> bool:
        """Give ids to all buffered events; True when there were any. Completions go last (execution-semantics 2.5)."""
        if not self.has_buffered:
            return False
        waiting = self.buffered()
        self.buffer.clear()
        self._stored = []
        self._arrived = []
        waiting.sort(key=lambda event: event.event_type in ev.COMPLETIONS)
        started: dict[tuple[str, int], int] = {}
        for event in waiting:
            self._assign(event)
            self._patch(event, started)
            self.draft.settle(self, event)
        return True

    def _patch(self, event: history.HistoryEvent, started: dict[tuple[str, int], int]) -> None:
        """Point completions at the event ids their started events have just got."""
        kind = event.event_type
        if kind == ev.ACTIVITY_STARTED:
            started["activity", event.activity_task_started_event_attributes.scheduled_event_id] = (
                event.event_id
            )
        elif kind == ev.CHILD_STARTED:
            attributes = event.child_workflow_execution_started_event_attributes
            started["child", attributes.initiated_event_id] = event.event_id
        elif kind in ev.COMPLETIONS:
            attributes = getattr(event, ev.ATTRIBUTES[kind])
            if hasattr(attributes, "scheduled_event_id"):
                key = ("activity", attributes.scheduled_event_id)
            else:
                key = ("child", attributes.initiated_event_id)
            if key in started:
                attributes.started_event_id = started[key]

    def _keep_buffer(self) -> None:
        """Store what arrived for a later flush."""
        for event in self._arrived:
            self.run.buffer_sequence += 1
            self.buffer.put(self.run.buffer_sequence, event.SerializeToString())
            if self._stored is not None:
                self._stored.append((self.run.buffer_sequence, event))
        self._arrived = []

    # ---- end of the decision ------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Flush or keep the buffer; make a speculative task real when events were added beside it."""
        task = self.run.task
        if task is not None and task.kind == SPECULATIVE and (self.events or self._arrived):
            self.write_task_events()
        if not self.run.open:
            self.drop_buffer()
        elif task is None or not self.task_started:
            self.flush()
        elif self._arrived:
            self._keep_buffer()
        if self.changed:
            self.run.transitions += 1

    def seal(self, task_id: int) -> int:
        """Give task ids to the new events and cut them into stored rows; the next free task id."""
        for event in self.events:
            event.task_id = task_id
            task_id += 1
        if self.copied:
            for part in self._copied_parts():
                self._add_row(part)
        for batch in self.batches():
            self.run.history_bytes += self._add_row(batch)
        return task_id

    def _copied_parts(self) -> Iterator[list[history.HistoryEvent]]:
        """Copied events in rows of a size that a page can hold. Their bytes were counted when they were replayed."""
        part: list[history.HistoryEvent] = []
        size = 0
        for event in self.copied:
            part.append(event)
            size += event.ByteSize()
            if len(part) >= COPIED_ROW_EVENTS or size >= COPIED_ROW_BYTES:
                yield part
                part, size = [], 0
        if part:
            yield part

    def _add_row(self, batch: Sequence[history.HistoryEvent]) -> int:
        """The row's size in bytes."""
        raw = b"".join([_framed(event.SerializeToString()) for event in batch])
        self.rows.append((batch[0].event_id, batch[-1].event_id, raw))
        return len(raw)

    def write_task_events(self, identity: str = "", worker: bytes = b"") -> None:
        """Write the scheduled and started events of a virtual workflow task into history, at the ids it was promised.

        The started event names whoever ends the task, and their build; nobody when its time is over or when other
        events force it into history: who polled it is not remembered."""
        task = self.edit_task()
        assert task.scheduled_id == self.run.next_event_id, (
            "a virtual workflow task must stand at the end of history"
        )
        task.kind = NORMAL
        task.written = True
        # As for any recorded task: nothing holds the first one back any more, or whatever comes next would wait for it.
        self.run.backoff_until = 0
        self.run.awaits_parent = False
        self._raw(scheduled_event(task, self.terms.task_queue))
        if task.started_id:
            named = copy.copy(task)
            named.identity, named.worker = identity, worker
            self._raw(started_event(named))

    def _raw(self, event: history.HistoryEvent) -> None:
        """Append an event whose effects are already in state."""
        self._assign(event)
        self.log.append(event)
        self.noted = True

    @property
    def changed(self) -> bool:
        """Something durable changes."""
        if self.events or self.noted or self.is_new:
            return True
        buffer = self.tables.get("buffer")
        return buffer is not None and bool(buffer.changes)

    def batches(self) -> list[list[history.HistoryEvent]]:
        """The new events, cut into the batches that are stored (and paged) as one row each."""
        if not self.batch_starts:
            return [self.events] if self.events else []
        cuts = sorted({0, *self.batch_starts, len(self.events)})
        return [self.events[a:b] for a, b in pairwise(cuts) if b > a]

    def fold(self) -> RunState:
        base = self.base
        base.run = self.run
        base.terms = self.terms
        base.close_attempted = self.close_attempted
        for table in self.tables.values():
            if table.changes:
                table.fold()
        return base


class Draft:
    """What one decision changes in one chain."""

    def __init__(
        self,
        key: tuple[str, str],
        chain: Chain | None,
        stamp: Stamp,
        apply: Callable[[RunDraft, history.HistoryEvent], None],
        settle: Callable[[RunDraft, history.HistoryEvent], None],
    ) -> None:
        self.key = key
        self.chain = chain
        self.stamp = stamp
        self.now = stamp.now
        self.namespace = stamp.namespace
        self.apply = apply
        self.settle = settle
        self.out: Table[int, Outgoing] = Table(chain.out if chain is not None else {})
        self.out_sequence = chain.out_sequence if chain is not None else 0
        self.runs: list[RunDraft] = []
        """Runs this draft touches, the newest last. All but the last are closed by it."""
        if chain is not None:
            self.runs.append(RunDraft(self, chain.current, is_new=False))
        self.reply: Any = None
        self.notices: list[Notice] = []
        self.closed: dict[str, ClosedRun] = {}
        """Records of closed runs that the request names, loaded by the host before."""
        self.deleted_runs: list[str] = []
        self.delete_chain = False
        self.dirty = False
        """The store must hear of this draft; known once it is finished."""
        self.amended_runs: list[ClosedRun] = []
        """Closed, no longer current runs whose record changes."""
        self.reserved_run_id = ""
        """Id that the next run of this draft must get, because an event already names it."""
        self.ripe: list[int] = []
        """Scheduled ids of activities whose retry wait is over: they must be dispatched."""
        self.next_task_id = stamp.task_id
        self._ids = 0

    @property
    def workflow_id(self) -> str:
        return self.key[1]

    @property
    def run(self) -> RunDraft:
        """The current run as this draft sees it. There must be one."""
        return self.runs[-1]

    def new_id(self) -> str:
        """A random-looking UUID (version 4), the same for the same stamp."""
        return str(uuid.UUID(bytes=self._entropy(), version=4))

    def new_run_id(self) -> str:
        """A UUID of version 7, the same for the same stamp: runs made later sort later, and clients check the version."""
        born = (self.stamp.now // 1_000_000 & (1 << 48) - 1).to_bytes(6, "big")
        raw = bytearray(born + self._entropy()[6:])
        raw[6] = raw[6] & 0x0F | 0x70
        raw[8] = raw[8] & 0x3F | 0x80
        return str(uuid.UUID(bytes=bytes(raw)))

    def _entropy(self) -> bytes:
        self._ids += 1
        return hashlib.blake2b(self.stamp.seed, digest_size=16, salt=self._ids.to_bytes(8, "little")).digest()

    def begin_run(self, run: Run, terms: Terms) -> RunDraft:
        """Make a new current run. The previous one, if any, must be closed already."""
        if self.runs:
            assert not self.run.run.open, "a chain has at most one open run"
        rd = RunDraft(self, RunState(run, terms), is_new=True)
        self.runs.append(rd)
        return rd

    def send(self, message: Outgoing) -> Outgoing:
        """Owe another chain a message; gives it its number."""
        self.out_sequence += 1
        message.out_id = self.out_sequence
        if not message.request_id:
            message.request_id = self.new_id()
        return self.out.put(message.out_id, message)

    def finish(self) -> None:
        """End of the decision: nothing may change after this."""
        for rd in self.runs:
            rd.finish()
        task_id = self.stamp.task_id
        for rd in self.runs:
            task_id = rd.seal(task_id)
        self.next_task_id = task_id
        self.dirty = self.delete_chain or bool(self.out.changes or self.deleted_runs or self.amended_runs)
        for rd in self.runs:
            self.dirty |= rd.changed or rd.visible

    def let_go(self) -> None:
        """Nobody will look at it any more: without its runs, which know it, it needs no collector to be freed."""
        self.runs.clear()

    def fold(self) -> Chain | None:
        """Make the draft true in memory; the chain it leaves, or None when it was deleted. Cannot fail."""
        if self.delete_chain or not self.runs:
            return None
        self.out.fold()
        chain = self.chain
        current = self.run.base
        for rd in self.runs:
            rd.fold()
        if chain is None:
            chain = Chain(self.key[0], self.key[1], current)
            chain.out = {key: value for key, value in self.out.changes.items() if value is not None}
        chain.current = current
        chain.out_sequence = self.out_sequence
        return chain
