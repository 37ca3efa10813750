"""What the server acknowledged, written down before anything else happens; and the comparison with history."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from temporalio.api.history.v1 import message_pb2 as history

STARTED, COMPLETED, SIGNALED, TASK_COMPLETED, ACTIVITY_COMPLETED = 1, 2, 26, 7, 12


@dataclass(slots=True)
class Acknowledged:
    """The acknowledgements of one workflow."""

    run_ids: set[str] = field(default_factory=set)
    signals: Counter[str] = field(default_factory=Counter)
    tasks: Counter[int] = field(default_factory=Counter)
    """Started event ids of workflow tasks whose completion was acknowledged."""
    activities: Counter[str] = field(default_factory=Counter)
    """Results of activities whose completion was acknowledged."""
    closed: int = 0


class Journal:
    """Acknowledgements by workflow id; safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.workflows: dict[str, Acknowledged] = {}
        self.faults: list[str] = []
        """Answers that no crash excuses."""

    def _of(self, workflow_id: str) -> Acknowledged:
        return self.workflows.setdefault(workflow_id, Acknowledged())

    def started(self, workflow_id: str, run_id: str) -> None:
        with self._lock:
            self._of(workflow_id).run_ids.add(run_id)

    def signaled(self, workflow_id: str, name: str) -> None:
        with self._lock:
            self._of(workflow_id).signals[name] += 1

    def task_completed(self, workflow_id: str, started_event_id: int, closes: bool) -> None:
        with self._lock:
            found = self._of(workflow_id)
            found.tasks[started_event_id] += 1
            found.closed += closes

    def activity_completed(self, workflow_id: str, result: str) -> None:
        with self._lock:
            self._of(workflow_id).activities[result] += 1

    def fault(self, text: str) -> None:
        with self._lock:
            self.faults.append(text)

    def open(self) -> list[str]:
        """Workflows whose close was not acknowledged yet."""
        with self._lock:
            return [workflow_id for workflow_id, found in self.workflows.items() if not found.closed]

    def counts(self) -> dict[str, int]:
        """How much was acknowledged."""
        with self._lock:
            every = list(self.workflows.values())
        return {
            "starts": sum(bool(found.run_ids) for found in every),
            "signals": sum(found.signals.total() for found in every),
            "task completions": sum(found.tasks.total() for found in every),
            "activity completions": sum(found.activities.total() for found in every),
            "closes": sum(found.closed for found in every),
        }


def compare(
    workflow_id: str, found: Acknowledged, run_id: str, events: list[history.HistoryEvent]
) -> list[str]:
    """Everything acknowledged that history lacks or has twice; and everything history itself has wrong."""
    faults = []

    def say(text: str) -> None:
        faults.append(f"{workflow_id}: {text}")

    if [event.event_id for event in events] != list(range(1, len(events) + 1)):
        say(f"event ids are not contiguous: {[event.event_id for event in events]}")
    if found.run_ids - {run_id}:
        say(f"acknowledged runs {sorted(found.run_ids)}, found {run_id}")
    kinds = Counter(event.event_type for event in events)
    if kinds[STARTED] != 1:  # type: ignore[index]
        say(f"started {kinds[STARTED]} times")  # type: ignore[index]
    signals = Counter(
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in events
        if event.event_type == SIGNALED
    )
    tasks = Counter(
        event.workflow_task_completed_event_attributes.started_event_id
        for event in events
        if event.event_type == TASK_COMPLETED
    )
    results = Counter(
        event.activity_task_completed_event_attributes.result.payloads[0].data.decode()
        for event in events
        if event.event_type == ACTIVITY_COMPLETED
    )
    for what, acknowledged, recorded in (
        ("signal", set(found.signals), signals),
        ("activity result", set(found.activities), results),
    ):
        for name in sorted(acknowledged | set(recorded)):
            if recorded[name] != 1:
                say(f"{what} {name} acknowledged {name in acknowledged}, recorded {recorded[name]} times")
    for started_event_id, times in found.tasks.items():
        if times != 1 or tasks[started_event_id] != 1:
            say(
                f"workflow task {started_event_id} acknowledged {times}, recorded {tasks[started_event_id]} times"
            )
    if kinds[ACTIVITY_COMPLETED] > 1:  # type: ignore[index]
        say(f"one activity, {kinds[ACTIVITY_COMPLETED]} completions")  # type: ignore[index]
    if found.closed and (found.closed != 1 or not events or events[-1].event_type != COMPLETED):
        say(
            f"close acknowledged {found.closed} times, last event {events[-1].event_type if events else None}"
        )
    return faults
