"""Activities: the one door to them for the rest of the engine (execution-semantics 4).

A pending activity is scheduled by a command, started and reported on by workers, retried and timed out by the
tick, and operated on from outside. Closing its run leaves no event for it. The rules live in the rooms behind
this door, one for each of those who ask; this one must never hold a rule of its own but what a reset of the
run does.
"""

from tenuto.engine import events as ev
from tenuto.engine.activity_command import eager_start, request_cancel, schedule
from tenuto.engine.activity_operate import operate
from tenuto.engine.activity_report import cancel, complete, fail, heartbeat, start
from tenuto.engine.activity_state import (
    APPLY,
    SETTLE,
    ActivityAmended,
    applied_cancel_requested,
    applied_closed,
    applied_scheduled,
    applied_started,
    close,
    deadline,
    dispatch,
    merged_priority,
    ready,
    retry_at,
)
from tenuto.engine.activity_timeout import expire
from tenuto.engine.activity_view import pending_info
from tenuto.engine.draft import RunDraft
from tenuto.engine.retry import State
from tenuto.wire import common, failure, history

__all__ = [
    "APPLY",
    "SETTLE",
    "applied_cancel_requested",
    "applied_closed",
    "applied_scheduled",
    "applied_started",
    "cancel",
    "complete",
    "deadline",
    "dispatch",
    "eager_start",
    "expire",
    "fail",
    "heartbeat",
    "merged_priority",
    "operate",
    "pending_info",
    "ready",
    "request_cancel",
    "reset_for_reset_run",
    "retry_at",
    "schedule",
    "start",
]


def reset_for_reset_run(rd: RunDraft, reason: str = "") -> None:
    """The run was rebuilt from history up to a reset's cut: an attempt that history saw start is lost, and
    its activity fails; all others begin anew, now."""
    for scheduled_id in sorted(rd.activities.keys()):
        activity = rd.activities[scheduled_id]
        if not activity.started:
            changes = (("attempt", 1), ("first_scheduled_at", rd.now), ("scheduled_at", rd.now))
            rd.note(ActivityAmended(scheduled_id, changes))
            continue
        lost = failure.Failure(message=reason, source="Server")
        lost.reset_workflow_failure_info.SetInParent()
        if activity.heartbeat_details:
            details = common.Payloads.FromString(activity.heartbeat_details)
            lost.reset_workflow_failure_info.last_heartbeat_details.CopyFrom(details)
        attributes = history.ActivityTaskFailedEventAttributes(failure=lost, identity=activity.identity)
        attributes.retry_state = State.RETRY_STATE_NON_RETRYABLE_FAILURE
        close(rd, activity, ev.ACTIVITY_FAILED, attributes)
