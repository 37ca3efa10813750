"""Activity timeouts and retry wake-ups (execution-semantics 4.4).

Only the tick comes here. This room must never start an attempt: what is due again is named to the host, which
offers it.
"""

from tenuto.engine import activity_state as state
from tenuto.engine import events as ev
from tenuto.engine import failure_size, retry, workflow_task
from tenuto.engine.activity_end import end
from tenuto.engine.chain import Activity
from tenuto.engine.draft import RunDraft
from tenuto.wire import common, failure, history

NO_TIME = "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying"


def expire(rd: RunDraft, due: list[int]) -> None:
    """Time out what is due among the activities ``due`` (scheduled ids), the earliest deadline first, and
    name those whose wait for a retry is over in ``draft.ripe``. Ids that are gone, or not due after all, are
    ignored."""
    if not rd.run.open:
        return
    activities = [
        activity for scheduled_id in due if (activity := rd.activities.get(scheduled_id)) is not None
    ]
    passed = [
        first
        for activity in activities
        if (first := state.first_deadline(activity, rd.terms)) is not None and first[0] <= rd.now
    ]
    closed = False
    for _, scheduled_id, kind in sorted(passed):
        closed |= time_out(rd, rd.activities[scheduled_id], kind)
    for activity in activities:
        now_activity = rd.activities.get(activity.scheduled_id)
        if now_activity is not None and state.ready(now_activity, rd.now):
            rd.draft.ripe.append(activity.scheduled_id)
    if closed:
        workflow_task.wake(rd)


def lose(rd: RunDraft, before_at: int) -> None:
    """End every attempt that began before ``before_at``, as its deadline would: the worker that had it is gone.

    The next attempt, where the policy grants one, need not wait: the loss says nothing against trying again."""
    began = [one for one in rd.activities.values() if one.in_hand and one.started_at < before_at]
    closed = False
    for activity in sorted(began, key=lambda one: one.scheduled_id):
        kind = retry.HEARTBEAT if activity.heartbeat_ns else retry.START_TO_CLOSE
        closed |= time_out(rd, activity, kind, at_once=True)
    if closed:
        workflow_task.wake(rd)


def take_back(rd: RunDraft, scheduled_id: int, request_id: str) -> None:
    """Let the attempt wait for a worker again if it was started for this poll: the poller never got it, so no attempt is
    spent."""
    activity = rd.activities.get(scheduled_id)
    if activity is not None and activity.started and activity.request_id == request_id:
        rd.note(state.AttemptReturned(scheduled_id))


def time_out(rd: RunDraft, activity: Activity, kind: int, *, at_once: bool = False) -> bool:
    """One timeout of one activity: another attempt (``at_once``, or when the policy says), or its end; True when it
    ended."""
    reason = ev.timeout_failure(f"activity {retry.TIMEOUT_NAMES[kind]} timeout", kind)
    wait, why = retry.next_retry(
        activity.retry,
        activity.attempt,
        rd.now,
        state.expires_at(activity),
        reason,
        kind,
        cancel_requested=activity.cancel_request_id != 0,
        paused=activity.paused is not None,
    )
    if wait is not None:
        wait = 0 if at_once else wait
        kept = failure_size.retained(reason)
        rd.note(state.AttemptEnded(activity.scheduled_id, rd.now, wait, kept, reported=False))
        return False
    if why == retry.State.RETRY_STATE_TIMEOUT and kind != retry.SCHEDULE_TO_START:
        # What ran out is the time for all attempts, whichever clock struck.
        reason = ev.timeout_failure(NO_TIME, retry.SCHEDULE_TO_CLOSE)
    attributes = history.ActivityTaskTimedOutEventAttributes(failure=_complete(reason, activity))
    attributes.retry_state = why  # type: ignore[assignment]
    end(rd, activity, ev.ACTIVITY_TIMED_OUT, attributes)
    return True


def _complete(reason: failure.Failure, activity: Activity) -> failure.Failure:
    """The final timeout tells what the activity was last heard to say, and what its previous attempt died
    of."""
    if activity.heartbeat_details:
        details = common.Payloads.FromString(activity.heartbeat_details)
        reason.timeout_failure_info.last_heartbeat_details.CopyFrom(details)
    if activity.last_failure:
        reason.cause.ParseFromString(activity.last_failure)
    return reason
