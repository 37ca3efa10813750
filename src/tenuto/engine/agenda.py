"""What a chain owes the world, and when: derived from its state, never stored.

`Agenda` is an index over one live chain: built from the state when the chain is loaded, kept up to date from each draft's
changes. The law ``Agenda(reloaded chain) == Agenda kept live`` is tested. It must never be the only place a fact lives.
"""

import heapq
from collections.abc import Iterator

from tenuto.engine import activity, workflow_task
from tenuto.engine.chain import Chain, Outgoing, RunState
from tenuto.engine.draft import Draft
from tenuto.engine.nexus_state import due as nexus_due
from tenuto.engine.types import Dispatch, DispatchKind

ACTIVITY, TIMER, NEXUS = 1, 2, 3


def task_dispatch(state: RunState) -> Dispatch | None:
    """The workflow task that waits for a worker, if one does."""
    task, run = state.run.task, state.run
    if task is None or task.started or not run.open or run.paused is not None:
        return None
    sticky = task.sticky and not task.redirected
    return Dispatch(
        kind=DispatchKind.WORKFLOW,
        run_id=run.run_id,
        scheduled_id=task.scheduled_id,
        attempt=task.attempt,
        stamp=task.stamp,
        queue=state.terms.task_queue if task.redirected else task.queue,
        normal_queue=state.terms.task_queue if sticky else "",
        priority=state.terms.priority,
        scheduled_at=task.scheduled_at,
    )


def run_due(state: RunState) -> int:
    """Earliest instant at which the run itself needs attention; 0: never."""
    run, terms = state.run, state.terms
    if not run.open:
        return 0
    due = terms.run_expires_at or terms.execution_expires_at
    if run.backoff_until and (not due or run.backoff_until < due):
        due = run.backoff_until
    task_due = workflow_task.deadline(run.task)
    if task_due and (not due or task_due < due):
        due = task_due
    return due


class Agenda:
    """Deadlines in a lazy heap (an entry counts only if its item still has that instant), and ready activities."""

    __slots__ = ("_heap", "ready", "started")

    def __init__(self, chain: Chain, now: int) -> None:
        self._heap: list[tuple[int, int, int | str]] = []
        self.ready: set[int] = set()
        self.started: set[int] = set()
        """Scheduled ids of activities that a worker has."""
        state = chain.current
        if state.run.open:
            for scheduled_id in state.activities:
                self._touch_activity(state, scheduled_id, now)
            for timer_id, timer in state.timers.items():
                heapq.heappush(self._heap, (timer.fire_at, TIMER, timer_id))
            for scheduled_id in state.nexus:
                self._touch_nexus(state, scheduled_id)

    def renew(self, draft: Draft, chain: Chain) -> None:
        """Take a folded draft's changes in."""
        rd = draft.run
        state = chain.current
        if rd.is_new or not state.run.open:
            self._heap.clear()
            self.ready.clear()
            self.started.clear()
            if not state.run.open:
                return
        if not rd.tables and not draft.ripe:
            return
        activities = rd.touched("activities")
        if activities is not None:
            for scheduled_id in activities.changes:
                self._touch_activity(state, scheduled_id, draft.now)
        for scheduled_id in draft.ripe:
            self._touch_activity(state, scheduled_id, draft.now)
        timers = rd.touched("timers")
        for timer_id, timer in timers.changes.items() if timers is not None else ():
            if timer is not None:
                heapq.heappush(self._heap, (timer.fire_at, TIMER, timer_id))
        operations = rd.touched("nexus")
        if operations is not None:
            for scheduled_id in operations.changes:
                self._touch_nexus(state, scheduled_id)

    def _touch_nexus(self, state: RunState, scheduled_id: int) -> None:
        item = state.nexus.get(scheduled_id)
        if item is not None and (at := nexus_due(item)):
            heapq.heappush(self._heap, (at, NEXUS, scheduled_id))

    def _touch_activity(self, state: RunState, scheduled_id: int, now: int) -> None:
        item = state.activities.get(scheduled_id)
        if item is None:
            self.ready.discard(scheduled_id)
            self.started.discard(scheduled_id)
            return
        if item.in_hand:
            self.started.add(scheduled_id)
        else:
            self.started.discard(scheduled_id)
        due = activity.deadline(item, state.terms)
        if due:
            heapq.heappush(self._heap, (due, ACTIVITY, scheduled_id))
        retry_at = activity.retry_at(item, now)
        if retry_at:
            heapq.heappush(self._heap, (retry_at, ACTIVITY, scheduled_id))
        if state.run.paused is None and activity.ready(item, now):
            self.ready.add(scheduled_id)
        else:
            self.ready.discard(scheduled_id)

    def next_due(self, chain: Chain) -> int:
        """Earliest deadline of the chain; 0: none. Dispatches and messages are not deadlines."""
        state = chain.current
        due = run_due(state)
        heap = self._heap
        while heap and not self._valid(state, heap[0]):
            heapq.heappop(heap)
        if heap and (not due or heap[0][0] < due):
            due = heap[0][0]
        return due

    def _valid(self, state: RunState, entry: tuple[int, int, int | str]) -> bool:
        at, kind, key = entry
        if kind == TIMER:
            timer = state.timers.get(key)  # type: ignore[arg-type]
            return timer is not None and timer.fire_at == at
        if kind == NEXUS:
            operation = state.nexus.get(key)  # type: ignore[arg-type]
            return operation is not None and nexus_due(operation) == at
        item = state.activities.get(key)  # type: ignore[arg-type]
        if item is None:
            return False
        if at == activity.deadline(item, state.terms):
            return True
        return at == item.scheduled_at and not item.started and item.paused is None and key not in self.ready

    def take_due(self, chain: Chain, now: int) -> tuple[tuple[int, ...], tuple[str, ...], tuple[int, ...]]:
        """Remove and return what is due: scheduled ids of activities, ids of timers, scheduled ids of Nexus operations."""
        activities: dict[int, None] = {}
        timers: dict[str, None] = {}
        operations: dict[int, None] = {}
        heap, state = self._heap, chain.current
        while heap and heap[0][0] <= now:
            entry = heapq.heappop(heap)
            if self._valid(state, entry):
                if entry[1] == TIMER:
                    timers[str(entry[2])] = None
                elif entry[1] == NEXUS:
                    operations[int(entry[2])] = None
                else:
                    activities[int(entry[2])] = None
        return tuple(activities), tuple(timers), tuple(operations)

    def alarm(self, chain: Chain, now: int, *, workers_inside: bool = False) -> int | None:
        """The instant to store with the chain: when, after a restart, somebody must look at it; None: never.

        ``workers_inside``: a restart takes the workers along, so what they have now must be looked at right after it."""
        state = chain.current
        due = self.next_due(chain)
        if state.run.open:
            waiting = task_dispatch(state)
            if waiting is not None and (not due or waiting.scheduled_at < due):
                due = waiting.scheduled_at
            if self.ready and (not due or now < due):
                due = now
            if workers_inside and self.in_hand(chain) and (not due or now < due):
                due = now
        if chain.out and (not due or now < due):
            due = now
        return due or None

    def in_hand(self, chain: Chain) -> bool:
        """Whether a worker has something of this chain now."""
        task = chain.current.run.task
        return bool(self.started) or (task is not None and task.started)


def dispatches(chain: Chain, agenda: Agenda) -> Iterator[Dispatch]:
    """Everything of this chain that waits for a worker now."""
    state = chain.current
    waiting = task_dispatch(state)
    if waiting is not None:
        yield waiting
    if state.run.open and state.run.paused is None:
        for scheduled_id in sorted(agenda.ready):
            yield activity.dispatch(state.activities[scheduled_id], state.run.run_id, state.terms.priority)


def messages(chain: Chain) -> Iterator[Outgoing]:
    """Everything this chain owes other chains, the oldest first."""
    for out_id in sorted(chain.out):
        yield chain.out[out_id]
