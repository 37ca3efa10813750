"""The world's own requests to a chain: the alarm, deletion, the end of retention."""

from dataclasses import dataclass

from tenuto.engine import activity, close, nexus, schedule, timer, workflow_task
from tenuto.engine.context import find_run, open_run
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.types import Delete, ExpireRun, Tick, Unclaimed, WorkersLost


def tick(draft: Draft, request: Tick) -> None:
    """Do everything whose time has come, in an order that does not depend on who looked first."""
    draft.reply = True
    if draft.chain is None:
        return
    rd = draft.run
    if not rd.run.open or close.expire(rd):
        return
    if 0 < rd.run.backoff_until <= rd.now:
        _end_backoff(rd)
    workflow_task.expire(rd)
    if request.timers:
        if rd.base.schedule:
            schedule.tick(rd)
            return
        timer.fire(rd, list(request.timers))
    if request.activities:
        activity.expire(rd, list(request.activities))
    if request.nexus:
        nexus.expire(rd, list(request.nexus))


def workers_lost(draft: Draft, request: WorkersLost) -> None:
    """End now what would otherwise wait for its deadline: nobody works on it any more."""
    draft.reply = True
    if draft.chain is None:
        return
    rd = draft.run
    if not rd.run.open or close.expire(rd):
        return
    workflow_task.lose(rd, request.before_at)
    activity.lose(rd, request.before_at)


def unclaimed(draft: Draft, request: Unclaimed) -> None:
    """Take back a task that was handed out to nobody; nothing happens if it was not, or is in other hands by now."""
    rd = open_run(draft, request.run_id)
    draft.reply = True
    workflow_task.take_back(rd, request.scheduled_id, request.request_id)
    activity.take_back(rd, request.scheduled_id, request.request_id)


@dataclass(frozen=True, slots=True)
class BackoffOver:
    """The first workflow task need not wait any longer."""

    def apply(self, rd: RunDraft) -> None:
        rd.run.backoff_until = 0


def _end_backoff(rd: RunDraft) -> None:
    rd.note(BackoffOver())
    workflow_task.release(rd)


@dataclass(frozen=True, slots=True)
class MarkedDeleted:
    """Nobody may see the run any more; its chain goes once it owes nobody anything."""

    def apply(self, rd: RunDraft) -> None:
        rd.run.delete_at_close = True


def delete(draft: Draft, request: Delete) -> None:
    """DeleteWorkflowExecution (execution-semantics 1.10): an open run is terminated first."""
    found = find_run(draft, request.run_id)
    rd = found.rd
    draft.reply = found.run.run_id
    draft.deleted_runs.append(found.run.run_id)
    if rd is None:
        return
    if rd.run.open:
        close.terminate(rd, "Delete workflow execution", workflow_task.SYSTEM)
    rd.note(MarkedDeleted())


def expire_run(draft: Draft, request: ExpireRun) -> None:
    """Retention of a closed run is over; a current run that is open, or another one, is never touched."""
    draft.reply = True
    draft.deleted_runs.append(request.run_id)
    if draft.chain is not None and draft.run.run.run_id == request.run_id:
        rd = draft.run
        if rd.run.open:
            draft.deleted_runs.clear()
            return
        rd.note(MarkedDeleted())


def forget(draft: Draft) -> None:
    """After every decision: a deleted chain that owes nothing disappears."""
    if draft.runs and draft.run.run.delete_at_close and not len(draft.out):
        draft.delete_chain = True
