"""What must always hold of the framework's rooms, whatever workflows they run: one object per property.

Like all checkers these see what becomes durable and what is answered; beyond that the `Ledger` of what activities did, and
what workers heard. They must never take part.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from tenuto.client import WorkflowHistory
from tenuto.run.local_activity import MARKER_NAME, read_marker
from tenuto.sim.checkers import Checker, Report
from tenuto.sim.chronicle import Chronicle, News, Story
from tenuto.sim.ledger import Deed, Ledger
from tenuto.sim.wording import event_name
from tenuto.wire import enums_failed, history
from tenuto.worker.replayer import Replayer

NOT_THE_WORKERS = frozenset(
    {
        enums_failed.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
        enums_failed.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
        enums_failed.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
        enums_failed.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE,
        enums_failed.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_UPDATE,
    }
)
"""Causes that are nobody's fault: something came while a task was answered."""


class TasksNeverFail(Checker):
    """No workflow task fails: neither for nondeterminism, nor for an answer that the service refuses, nor for an error."""

    name = "workflow tasks never fail"

    def committed(self, news: News, now: int) -> None:
        for story, first in news.grown:
            for event in story.events[first:]:
                if event_name(event) != "WORKFLOW_TASK_FAILED":
                    continue
                told = event.workflow_task_failed_event_attributes
                if told.cause not in NOT_THE_WORKERS:
                    cause = enums_failed.WorkflowTaskFailedCause.Name(told.cause)
                    cause = cause.removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
                    text = f"{cause}: {told.failure.message}"
                    trace = told.failure.stack_trace.strip()
                    self.fail(f"{_of(story)}, event {event.event_id}: {text}{_indented(trace)}")


class HistoriesReplay(Checker):
    """Every history, as it is after a workflow task, replays on a fresh run. ``share`` of the tasks are tried, the last of
    every run always."""

    name = "histories replay"

    def __init__(
        self, chronicle: Chronicle, report: Report, replayer: Replayer, share: float, chance: Random
    ) -> None:
        super().__init__(chronicle, report)
        self._replayer = replayer
        self._share = share
        self._chance = chance
        self._due: list[tuple[Story, int]] = []
        self._tried: dict[str, int] = {}
        self.replayed = 0

    def committed(self, news: News, now: int) -> None:
        for story, first in news.grown:
            answered = any(event_name(event) == "WORKFLOW_TASK_COMPLETED" for event in story.events[first:])
            if (answered and self._chance.random() < self._share) or not story.open:
                self._due.append((story, len(story.events)))

    def all_of_them(self) -> None:
        """At the end: what was not tried at its present length."""
        for story in self.chronicle.stories():
            if self._tried.get(story.run_id) != len(story.events):
                self._due.append((story, len(story.events)))

    async def work(self) -> None:
        """Replay what is due. Takes no time."""
        while self._due:
            story, count = self._due.pop(0)
            if story.deleted:
                continue
            self._tried[story.run_id] = count
            self.replayed += 1
            seen = WorkflowHistory(story.key.workflow_id, story.events[:count])
            result = await self._replayer.replay_workflow(seen, raise_on_replay_failure=False)
            if result.replay_failure is not None:
                self.fail(f"{_of(story)} as of event {count}: {result.replay_failure}")


class StepsOnce(Checker):
    """What a step did and history remembers is not done again by anybody who can know it."""

    name = "recorded steps never run again"

    def __init__(self, chronicle: Chronicle, report: Report, ledger: Ledger) -> None:
        super().__init__(chronicle, report)
        self._ledger = ledger
        self._recorded: dict[tuple[str, str], int] = {}
        """(run id, activity id) -> id of the marker's event."""
        self._heard: dict[tuple[str, str], int] = {}
        """(worker, run id) -> id of the latest start of a workflow task that the worker was given."""
        ledger.begun.append(self._begun)

    def committed(self, news: News, now: int) -> None:
        for story, first in news.grown:
            for event in story.events[first:]:
                found = marker_of(event)
                if found is not None and found.failure is None and found.backoff_ns is None:
                    self._recorded[story.run_id, found.activity_id] = event.event_id

    def heard(self, worker: str, method: str, request: Any, answer: Any) -> None:
        """A worker got an answer."""
        task = answer if method == "PollWorkflowTaskQueue" else None
        if method == "RespondWorkflowTaskCompleted":
            task = answer.workflow_task
        if task is not None and task.task_token and not task.HasField("query"):
            name = (worker, task.workflow_execution.run_id)
            kept = task.started_event_id == self._heard.get(name) and not task.history.events
            self._heard[name] = self._length(name[1]) if kept else task.started_event_id

    def _length(self, run_id: str) -> int:
        return next((len(s.events) + 1 for s in self.chronicle.stories() if s.run_id == run_id), 0)

    def _begun(self, deed: Deed) -> None:
        marker = self._recorded.get(deed.name)
        if marker is None or not deed.info.is_local:
            return
        if self._heard.get((deed.worker, deed.name[0]), 0) > marker:
            self.fail(f"{deed.shown} is recorded by event {marker} and run again by {deed.worker}")


class EffectsHappen(Checker):
    """What history says an activity did was done, and no attempt of one was made twice."""

    name = "activities do what history says"

    def __init__(self, chronicle: Chronicle, report: Report, ledger: Ledger) -> None:
        super().__init__(chronicle, report)
        self._ledger = ledger
        ledger.begun.append(self._begun)

    def _begun(self, deed: Deed) -> None:
        if deed.info.is_local:
            return
        for other in self._ledger.deeds.get(deed.name, ()):
            policy = deed.info.retry_policy
            if other.info.is_local:
                continue  # of a workflow task that was given up; then ids may come again for something else
            if other.attempt == deed.attempt:
                self.fail(
                    f"attempt {deed.attempt} of {deed.shown} is run by {other.worker} and {deed.worker}"
                )
            elif policy is not None and policy.maximum_attempts == 1:
                self.fail(f"{deed.shown} may be tried once, and is tried again")

    def committed(self, news: News, now: int) -> None:
        for story, first in news.grown:
            for event in story.events[first:]:
                self._check(story, event)

    def _check(self, story: Story, event: history.HistoryEvent) -> None:
        activity_id = ""
        if event_name(event) == "ACTIVITY_TASK_COMPLETED":
            at = event.activity_task_completed_event_attributes.scheduled_event_id
            activity_id = story.events[at - 1].activity_task_scheduled_event_attributes.activity_id
        else:
            found = marker_of(event)
            if found is not None and found.failure is None and found.backoff_ns is None:
                activity_id = found.activity_id
        # A run made by a reset remembers what the run before it did.
        if activity_id and not any(
            deed.ended for deed in self._ledger.deeds.get((story.run_id, activity_id), ())
        ):
            self.fail(f"{_of(story)}, event {event.event_id}: activity {activity_id} has a result of nobody")


def marker_of(event: history.HistoryEvent) -> Any:
    """The end of a local activity that an event remembers, or None."""
    if event_name(event) != "MARKER_RECORDED":
        return None
    told = event.marker_recorded_event_attributes
    return read_marker(told) if told.marker_name == MARKER_NAME else None


def _of(story: Story) -> str:
    return f"{story.key.workflow_id} (run {story.run_id[-8:]})"


def _indented(text: str) -> str:
    return "".join(f"\n    {line}" for line in text.splitlines()[-12:]) if text else ""


Make = Callable[[Chronicle, Report], Checker]
"""How a workload adds a checker of its own."""
