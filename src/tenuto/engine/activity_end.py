"""What the end of an activity entails: its workflow hears of it by a workflow task, and the run of an activity on its own
ends with it.

This room must never decide how an activity ends.
"""

import copy
from dataclasses import dataclass
from typing import Any

from tenuto.engine import activity_state as state
from tenuto.engine import close, workflow_task
from tenuto.engine import events as ev
from tenuto.engine.chain import Activity
from tenuto.engine.draft import RunDraft
from tenuto.wire import common, history

_CLOSING: dict[int, tuple[int, Any]] = {
    ev.ACTIVITY_COMPLETED: (ev.COMPLETED, history.WorkflowExecutionCompletedEventAttributes),
    ev.ACTIVITY_FAILED: (ev.FAILED, history.WorkflowExecutionFailedEventAttributes),
    ev.ACTIVITY_TIMED_OUT: (ev.TIMED_OUT, history.WorkflowExecutionTimedOutEventAttributes),
    ev.ACTIVITY_CANCELED: (ev.CANCELED, history.WorkflowExecutionCanceledEventAttributes),
}


def end(
    rd: RunDraft,
    activity: Activity,
    kind: int,
    attributes: Any,
    worker_version: common.WorkerVersionStamp | None = None,
) -> None:
    """Write the closing event. Whoever ends several activities at once wakes their workflow after the last."""
    state.close(rd, activity, kind, attributes, worker_version)
    if rd.terms.standalone is not None:
        _close_run(rd, activity, kind, attributes)


@dataclass(frozen=True, slots=True)
class Kept:
    """An activity on its own is remembered as it was in the end."""

    activity: Activity

    def apply(self, rd: RunDraft) -> None:
        rd.activities.put(self.activity.scheduled_id, copy.copy(self.activity))
        rd.activity_ids.put(self.activity.activity_id, self.activity.scheduled_id)


def _close_run(rd: RunDraft, activity: Activity, kind: int, attributes: Any) -> None:
    last = copy.copy(activity)
    last.paused = None
    if last.started and kind != ev.ACTIVITY_CANCELED:
        last.last_completed_at = rd.now
    if kind == ev.ACTIVITY_FAILED:
        last.last_failure = attributes.failure.SerializeToString()
    rd.note(Kept(last))
    workflow_task.force_close(rd)
    rd.flush()
    closing, shape = _CLOSING[kind]
    close.retire(rd, closing, shape())
