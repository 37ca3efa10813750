"""What workers say about activity attempts: started, alive, completed, failed, canceled (execution-semantics
1.18, 4, D3).

A worker that speaks for an attempt that is not the current one is told NOT_FOUND, so that it gives up.
"""

from tenuto.engine import activity_state as state
from tenuto.engine import events as ev
from tenuto.engine import failure_size, retry, workflow_task
from tenuto.engine.activity_end import end
from tenuto.engine.chain import Activity
from tenuto.engine.context import invalid, no_such_activity, not_found, open_run
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.types import (
    ActivityToken,
    CancelActivity,
    CompleteActivity,
    FailActivity,
    FailActivityReply,
    Heartbeat,
    HeartbeatReply,
    LeaveActivityOpen,
    Rejected,
    StartActivityTask,
)
from tenuto.limits import LIMITS
from tenuto.wire import common, failure, history

STALE_TEXT = "invalid activityID or activity already timed out or invoking workflow is completed"
NOT_REQUESTED_TEXT = "unable to mark activity as canceled without activity being request canceled first"


def start(draft: Draft, request: StartActivityTask) -> None:
    """Give the offered attempt to a worker. Replies `ActivityHandout`; the same request again gets the same
    reply. An offer that is out of date is refused with NOT_FOUND."""
    rd = open_run(draft, request.run_id)
    activity = rd.activities.get(request.scheduled_id)
    if activity is None or activity.attempt != request.attempt or activity.stamp != request.stamp:
        raise stale(draft)
    if activity.started:
        if activity.request_id != request.request_id:
            raise stale(draft)
    elif not state.ready(activity, rd.now) or rd.run.paused is not None:
        raise stale(draft)
    else:
        rd.note(state.AttemptStarted(activity.scheduled_id, rd.now, request.identity, request.request_id))
    draft.reply = state.handout(rd, request.scheduled_id)


def heartbeat(draft: Draft, request: Heartbeat) -> None:
    """The attempt is alive. Replies `HeartbeatReply`. Details too large to store fail the activity."""
    rd, activity = _started(draft, request.token)
    if _too_large(request.details):
        _fail(rd, activity, failure_size.refused("Heartbeat details exceed size limit."), request.identity)
        draft.reply = HeartbeatReply(cancel_requested=True)
        return
    rd.note(state.Heartbeaten(activity.scheduled_id, rd.now, _serialized(request.details)))
    draft.reply = HeartbeatReply(
        cancel_requested=activity.cancel_request_id != 0,
        paused=activity.paused is not None,
        reset=activity.reset_requested,
    )


def leave_open(draft: Draft, request: LeaveActivityOpen) -> None:
    """The attempt goes on without its worker. Replies `HeartbeatReply`."""
    rd, activity = _started(draft, request.token)
    if not activity.left_open:
        rd.note(state.LeftOpen(activity.scheduled_id))
    draft.reply = HeartbeatReply(cancel_requested=activity.cancel_request_id != 0)


def complete(draft: Draft, request: CompleteActivity) -> None:
    """The activity is done. By id, one that no worker has may be completed too. A result too large fails it
    instead."""
    rd, activity = _named(draft, request.token)
    if _too_large(request.result):
        _require_started(draft, activity)
        reason = failure_size.refused("Complete result exceeds size limit.")
        _fail(rd, activity, reason, request.identity, request.worker_version)
        return
    if not activity.started:
        if not request.token.by_id:
            raise stale(draft)
        rd.note(state.AttemptStarted(activity.scheduled_id, rd.now, request.identity, ""))
        activity = rd.activities[activity.scheduled_id]
    attributes = history.ActivityTaskCompletedEventAttributes(
        result=request.result, identity=request.identity
    )
    end(rd, activity, ev.ACTIVITY_COMPLETED, attributes, request.worker_version)
    workflow_task.wake(rd)


def fail(draft: Draft, request: FailActivity) -> None:
    """The attempt failed: another one follows, or the activity has. Replies `FailActivityReply` with what was
    too large to store."""
    reason = request.failure
    if reason is not None and not request.token.by_id and not reason.HasField("application_failure_info"):
        raise invalid("Failure must have ApplicationFailureInfo.")
    rd, activity = _started(draft, request.token)
    replaced: list[failure.Failure] = []
    if reason is not None and (shortened := failure_size.accepted(reason)) is not None:
        reason = shortened
        replaced.append(shortened)
    if _too_large(request.last_heartbeat):
        replaced.append(failure_size.refused("Heartbeat details exceed size limit."))
    elif request.last_heartbeat is not None:
        rd.note(state.Heartbeaten(activity.scheduled_id, rd.now, _serialized(request.last_heartbeat)))
        activity = rd.activities[activity.scheduled_id]
    _fail(rd, activity, reason, request.identity, request.worker_version)
    draft.reply = FailActivityReply(tuple(replaced))


def cancel(draft: Draft, request: CancelActivity) -> None:
    """The attempt ended because cancellation was requested; INVALID_ARGUMENT when nobody requested it."""
    rd, activity = _started(draft, request.token)
    if _too_large(request.details):
        reason = failure_size.refused("Cancel details exceed size limit.")
        _fail(rd, activity, reason, request.identity, request.worker_version)
        return
    if not activity.cancel_request_id:
        raise invalid(NOT_REQUESTED_TEXT)
    attributes = history.ActivityTaskCanceledEventAttributes(
        details=request.details,
        latest_cancel_requested_event_id=activity.cancel_request_id,
        identity=request.identity,
    )
    # Unlike with other ends, the build that acknowledges a cancellation is not on record.
    end(rd, activity, ev.ACTIVITY_CANCELED, attributes)
    workflow_task.wake(rd)


def _fail(
    rd: RunDraft,
    activity: Activity,
    reason: failure.Failure | None,
    identity: str,
    worker_version: common.WorkerVersionStamp | None = None,
) -> None:
    """The current attempt failed with ``reason``: retry it, or close the activity."""
    wait, why = retry.next_retry(
        activity.retry,
        activity.attempt,
        rd.now,
        state.expires_at(activity),
        reason,
        cancel_requested=activity.cancel_request_id != 0,
        paused=activity.paused is not None,
    )
    if wait is not None:
        kept = failure_size.retained(reason)
        rd.note(state.AttemptEnded(activity.scheduled_id, rd.now, wait, kept, reported=True))
        return
    attributes = history.ActivityTaskFailedEventAttributes(failure=reason, identity=identity)
    attributes.retry_state = why  # type: ignore[assignment]
    end(rd, activity, ev.ACTIVITY_FAILED, attributes, worker_version)
    workflow_task.wake(rd)


# ---- whom a token names ------------------------------------------------------------------------------------


def _named(draft: Draft, token: ActivityToken) -> tuple[RunDraft, Activity]:
    """The activity a token names, if the token speaks for its current attempt. Raises NOT_FOUND."""
    rd = open_run(draft, token.run_id)
    scheduled_id = token.scheduled_id
    if token.by_id and not scheduled_id:
        scheduled_id = rd.activity_ids.get(token.activity_id) or 0
        if not scheduled_id:
            raise no_such_activity(draft) or not_found(
                f"cannot find pending activity with ActivityID {token.activity_id},"
                " check workflow execution history for more details"
            )
    activity = rd.activities.get(scheduled_id)
    if activity is None or not (token.by_id or _current(activity, token)):
        raise stale(draft)
    return rd, activity


def _current(activity: Activity, token: ActivityToken) -> bool:
    """A reset gives a running attempt the number 1: its worker is still known by when it started."""
    if not activity.started or (token.started_at and token.started_at != activity.started_at):
        return False
    return token.attempt == activity.attempt or (activity.reset_requested and token.started_at != 0)


def _started(draft: Draft, token: ActivityToken) -> tuple[RunDraft, Activity]:
    rd, activity = _named(draft, token)
    _require_started(draft, activity)
    return rd, activity


def _require_started(draft: Draft, activity: Activity) -> None:
    if not activity.started:
        raise stale(draft)


def stale(draft: Draft) -> Rejected:
    """Nothing that can be reported on is so named (any more)."""
    return no_such_activity(draft) or not_found(STALE_TEXT)


def _too_large(payloads: common.Payloads | None) -> bool:
    return payloads is not None and payloads.ByteSize() > LIMITS.blob_bytes


def _serialized(payloads: common.Payloads | None) -> bytes:
    return payloads.SerializeToString() if payloads is not None else b""
