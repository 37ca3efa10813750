"""The engine's laws, checked decision by decision on one chain.

`Ledger` decides and folds like a host, keeps a second copy of every run that is made only of its history and notes, and
compares the two. It is stricter and much faster than `support.World`, for walks of many thousand steps.
"""

import copy
from typing import Any

import msgspec

from tenuto.engine import agenda, codec, rebuild, types
from tenuto.engine import events as ev
from tenuto.engine.chain import SPECULATIVE, Chain, ClosedRun, Run, RunState
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.start import blank_terms
from tenuto.engine.table import apply, decide, settle
from tenuto.engine.workflow_task import VirtualScheduled
from tenuto.wire import history
from tests.engine.support import START_AT, reload

NAMESPACE = types.Namespace("00000000-0000-4000-8000-000000000001", "default", 10**15, pause_enabled=True)
DURABLE = ("activities", "activity_ids", "timers", "children", "externals", "nexus", "updates", "signal_ids")
ENDS_TASK = {ev.WFT_COMPLETED, ev.WFT_FAILED, ev.WFT_TIMED_OUT}

_encode = msgspec.msgpack.Encoder(order="sorted").encode


class Ledger:
    """One chain, its histories and closed runs; ``ask`` decides, folds and checks."""

    def __init__(self, workflow_id: str = "w") -> None:
        self.key = (NAMESPACE.id, workflow_id)
        self.now = START_AT
        self.chain: Chain | None = None
        self.agenda: agenda.Agenda | None = None
        self.histories: dict[str, list[history.HistoryEvent]] = {}
        self.closed: dict[str, ClosedRun] = {}
        self.rebuilt: dict[str, RunState] = {}
        self.refusal: types.Rejected | None = None
        self._task_id = 1
        self._seed = 0

    def ask(self, request: Any) -> Any:
        """The reply, or None when the request was refused. Only `Rejected` may be raised, and then nothing changes."""
        self._seed += 1
        stamp = types.Stamp(self.now, self._seed.to_bytes(16, "little"), self._task_id, NAMESPACE)
        before = whole(self.chain)
        draft, self.refusal = self._decided(request, stamp)
        assert whole(self.chain) == before, "decide has changed its input"
        again, refusal = self._decided(request, stamp)
        assert repr(refusal) == repr(self.refusal), "decide is not deterministic"
        if draft is None or again is None:
            return None
        assert outcome(again) == outcome(draft), "decide is not deterministic"
        self._take(draft)
        return draft.reply

    def _decided(self, request: Any, stamp: types.Stamp) -> tuple[Draft | None, types.Rejected | None]:
        try:
            return decide(self.key, self.chain, request, stamp, dict(self.closed)), None
        except types.Rejected as refusal:
            return None, refusal

    def _take(self, draft: Draft) -> None:
        self._task_id = draft.next_task_id
        for rd in draft.runs:
            self._record(rd)
        for record in draft.amended_runs:
            self.closed[record.run.run_id] = record
        for run_id in draft.deleted_runs:
            self.closed.pop(run_id, None)
            self.histories.pop(run_id, None)
        closed_before = {rd.run.run_id for rd in draft.runs if not rd.is_new and not rd.base.run.open}
        for rd in draft.runs:
            if rd.run.run_id in closed_before:
                assert not rd.events, "a closed run has got events"
                assert (rd.run.status, rd.run.close_at) == (rd.base.run.status, rd.base.run.close_at)
        self.chain = draft.fold()
        if self.chain is None:
            self.agenda = None
            self.rebuilt.clear()
            self.closed.clear()
        elif self.agenda is None:
            self.agenda = agenda.Agenda(self.chain, self.now)
        else:
            self.agenda.renew(draft, self.chain)
        if self.chain is not None:
            self._check_rebuilt(self.chain.current)
            self._check_owed(self.chain)

    # ---- history + notes == state ---------------------------------------------------------------------------------------

    def _record(self, rd: RunDraft) -> None:
        run_id = rd.run.run_id
        events = self.histories.setdefault(run_id, [])
        for first, last, raw in rd.rows:
            batch = history.History.FromString(raw).events
            assert (batch[0].event_id, batch[-1].event_id) == (first, last)
            events.extend(batch)
        if rd.copied or rd.events:
            assert [event.event_id for event in events] == list(range(1, len(events) + 1)), (
                "event ids have a gap"
            )
        known = self.rebuilt.get(run_id)
        state = known if known is not None else RunState(Run(run_id), blank_terms())
        self.rebuilt[run_id] = replayed(state, rd, self.key)
        if not rd.run.open and rd.changed:
            self.closed[run_id] = codec.decode_closed(codec.encode_closed(rd))

    def _check_rebuilt(self, live: RunState) -> None:
        rebuilt = self.rebuilt.get(live.run.run_id)
        if rebuilt is None:
            return
        for name in ("history_bytes", "transitions", "buffer_sequence"):
            setattr(rebuilt.run, name, getattr(live.run, name))
        if _encode(rebuilt.run) != _encode(live.run):
            raise AssertionError(f"run differs: rebuilt {rebuilt.run} live {live.run}")
        if _encode(rebuilt.terms) != _encode(live.terms):
            raise AssertionError(f"terms differ: rebuilt {rebuilt.terms} live {live.terms}")
        for name in DURABLE:
            left, right = getattr(rebuilt, name), getattr(live, name)
            if left != right:
                raise AssertionError(f"{name} differ: rebuilt {left} live {right}")

    # ---- obligations ----------------------------------------------------------------------------------------------------

    def _check_owed(self, chain: Chain) -> None:
        assert self.agenda is not None
        state = chain.current
        restored = reload(chain)
        derived = agenda.Agenda(restored, self.now)
        speculative = state.run.task is not None and state.run.task.kind == SPECULATIVE
        assert list(agenda.messages(restored)) == list(agenda.messages(chain)), (
            "messages differ from those derived"
        )
        due = self.agenda.next_due(chain)
        overdue = 0 < due <= self.now
        if speculative:
            derived = agenda.Agenda(chain, self.now)
        elif not overdue:
            assert list(agenda.dispatches(restored, derived)) == list(agenda.dispatches(chain, self.agenda))
            restored_alarm, alarm = derived.alarm(restored, self.now), self.agenda.alarm(chain, self.now)
            assert restored_alarm == alarm, "the alarm differs from the one derived"
        if not overdue:
            # What is overdue is about to be seen to; a fresh look sees some of it at once.
            assert derived.ready == self.agenda.ready, "ready activities differ from those derived"
            assert derived.next_due(chain) == due, "the next deadline differs from the one derived"
        if state.run.open and state.buffer:
            assert state.run.task is not None
            assert state.run.task.started, "events are buffered without a started workflow task"
        if speculative:
            restored.current.run.task = state.run.task
        assert durable(restored) == durable(chain), "storing changes state"

    def check_ends(self) -> None:
        """At the end of a walk: what histories say by themselves."""
        for run_id, events in self.histories.items():
            check_tasks(events)
            blank = Draft(self.key, None, types.Stamp(self.now, bytes(16), 1, NAMESPACE), apply, settle)
            rd = blank.begin_run(Run(run_id), blank_terms())
            rebuild.replay(rd, events)
            if self.chain is not None and self.chain.current.run.run_id == run_id:
                check_said(rd, self.chain.current)


def replayed(state: RunState, rd: RunDraft, key: tuple[str, str]) -> RunState:
    """``state`` with one draft's log of events and notes applied to it: the engine's rules, but no decision.

    Bufferable events act when they arrive and are settled when they get their id."""
    draft = Draft(key, None, types.Stamp(0, bytes(16), 1, NAMESPACE), apply, settle)
    shadow = RunDraft(draft, state, is_new=rd.is_new)
    draft.runs.append(shadow)
    if rd.copied:
        rebuild.replay(shadow, rd.copied)
    flushed = [event for event in rd.events if event.event_type in ev.BUFFERABLE]
    to_come = {id(entry) for entry in rd.log}

    def flush(limit: int = 1 << 62) -> None:
        while flushed and flushed[0].event_id < limit and flushed[0].event_id == shadow.run.next_event_id:
            if id(flushed[0]) in to_come:
                break
            event = flushed.pop(0)
            shadow.run.next_event_id += 1
            settle(shadow, event)

    for entry in rd.log:
        to_come.discard(id(entry))
        if isinstance(entry, history.HistoryEvent):
            if entry.event_type in ev.BUFFERABLE:
                arrived = history.HistoryEvent()
                arrived.CopyFrom(entry)
                arrived.event_id = 0
                apply(shadow, arrived)
                continue
            flush(entry.event_id)
            _advance(shadow, entry)
        else:
            if isinstance(entry, VirtualScheduled):
                flush()
            entry.apply(shadow)
    flush()
    assert not flushed, "an event got its id out of order"
    return shadow.fold()


def _advance(shadow: RunDraft, event: history.HistoryEvent) -> None:
    """Apply an event that got its id at once; those of a virtual workflow task have acted before."""
    assert event.event_id == shadow.run.next_event_id, "the log is out of order"
    shadow.run.next_event_id += 1
    task = shadow.run.task
    if event.event_type == ev.WFT_SCHEDULED and task is not None and task.scheduled_id == event.event_id:
        task = shadow.edit_task()
        task.kind, task.written = 1, True
        shadow.run.backoff_until, shadow.run.awaits_parent = 0, False
    elif event.event_type == ev.WFT_STARTED and task is not None and task.started_id == event.event_id:
        assert task.written
    else:
        apply(shadow, event)


def check_tasks(events: list[history.HistoryEvent]) -> None:
    """At most one workflow task at any time, and nothing after the close."""
    pending = started = 0
    for event in events:
        kind = event.event_type
        if kind == ev.WFT_SCHEDULED:
            assert not started, "a second workflow task was scheduled"
            pending = event.event_id
        elif kind == ev.WFT_STARTED:
            attributes = event.workflow_task_started_event_attributes
            assert attributes.scheduled_event_id == pending
            assert not started
            started = event.event_id
        elif kind in ENDS_TASK:
            attributes = getattr(event, ev.ATTRIBUTES[kind])
            assert (attributes.scheduled_event_id, attributes.started_event_id) == (pending, started)
            pending = started = 0
        if kind in ev.CLOSING:
            assert event is events[-1], "an event follows the close"


def check_said(rd: RunDraft, live: RunState) -> None:
    """What history alone says of an open run's pending work is true, unless news of it are still buffered."""
    if not live.run.open or live.buffer:
        return
    assert set(rd.activities.keys()) == set(live.activities)
    assert set(rd.timers.keys()) == set(live.timers)
    assert set(rd.children.keys()) == set(live.children)
    assert set(rd.externals.keys()) == set(live.externals)
    for record in rd.updates.values():
        # That a worker has rejected an admitted update stands nowhere.
        known = live.updates.get(record.update_id)
        found = (known.accepted_id, known.completed_id) if known is not None else (0, 0)
        assert (record.accepted_id, record.completed_id) == found
    assert rd.terms.memo == live.terms.memo
    assert (rd.run.cancel_requested, rd.run.signal_count) == (
        live.run.cancel_requested,
        live.run.signal_count,
    )


def durable(chain: Chain) -> bytes:
    state = chain.current
    return bytes(
        _encode(
            [
                state.run,
                state.terms,
                *(sorted(getattr(state, name).items()) for name in (*DURABLE, "buffer")),
                sorted(chain.out.items()),
                chain.out_sequence,
            ]
        )
    )


def whole(chain: Chain | None) -> Any:
    if chain is None:
        return None
    state = chain.current
    updates = {key: copy.copy(value) for key, value in state.pending_updates.items()}
    return durable(chain), updates, set(state.queries), state.close_attempted


def outcome(draft: Draft) -> Any:
    """What two decisions of the same must have in common."""
    return (
        [rd.rows for rd in draft.runs],
        [[_encode(rd.run), _encode(rd.terms)] for rd in draft.runs],
        sorted(draft.out.changes),
        repr(draft.reply),
        repr(draft.notices),
        draft.deleted_runs,
    )
