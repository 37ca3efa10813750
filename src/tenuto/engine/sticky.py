"""Sticky binding: a run's next workflow tasks go first to the worker that has its state cached (execution-semantics 3.3).

This room must never make or start a task.
"""

from dataclasses import dataclass

from tenuto.engine.context import open_run
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.types import ResetSticky, StickyRefused


@dataclass(frozen=True, slots=True)
class Stuck:
    """The run's next tasks go to a worker's own queue first."""

    queue: str
    timeout_ns: int

    def apply(self, rd: RunDraft) -> None:
        rd.run.sticky_queue, rd.run.sticky_timeout_ns = self.queue, self.timeout_ns


@dataclass(frozen=True, slots=True)
class Unstuck:
    def apply(self, rd: RunDraft) -> None:
        rd.run.sticky_queue, rd.run.sticky_timeout_ns = "", 0


@dataclass(frozen=True, slots=True)
class Redirected:
    """The scheduled task is offered on the normal queue. It stays what it was: its events name the sticky queue, its
    deadline remains, and the run is bound to the sticky queue until a poller of the normal one takes the task."""

    def apply(self, rd: RunDraft) -> None:
        task = rd.edit_task()
        task.redirected = True
        task.stamp += 1
        rd.run.stamp = task.stamp


def reset_sticky(draft: Draft, request: ResetSticky) -> None:
    """ResetStickyTaskQueue."""
    rd = open_run(draft, request.run_id)
    if rd.run.sticky_queue:
        rd.note(Unstuck())
    draft.reply = True


def sticky_refused(draft: Draft, request: StickyRefused) -> None:
    """No worker listens on the sticky queue: offer the task on the normal one."""
    rd = open_run(draft, request.run_id)
    task = rd.run.task
    draft.reply = True
    if task is None or task.started or not task.sticky or task.scheduled_id != request.scheduled_id:
        return
    if task.redirected or task.stamp != request.stamp:
        return
    rd.note(Redirected())
