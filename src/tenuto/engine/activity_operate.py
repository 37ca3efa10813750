"""What operators do to pending activities: pause, unpause, reset, change options (execution-semantics 1.21).

Nothing of it stands in history: every change is a note. A running attempt is never interrupted; its worker
learns with the next heartbeat. An attempt that still waits is taken back from matching by giving it a new
stamp.
"""

import hashlib
from typing import Any

from tenuto.engine import activity_options
from tenuto.engine import activity_state as state
from tenuto.engine import events as ev
from tenuto.engine.activity_view import hide_types
from tenuto.engine.chain import Activity, Pause
from tenuto.engine.context import invalid, not_found, open_run
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.types import OperateActivities, Reason, Rejected
from tenuto.wire import Message, duration_pb2
from tenuto.wire import workflowservice as ws

UNKNOWN_TEXT = "Can't find pending activity with such ID. Invalid activityID or activity already completed"
UNNAMED_TEXT = "Either Activity.Id or Activity.Type should be set on request."

Changes = dict[str, Any]


def operate(draft: Draft, request: OperateActivities) -> None:
    """Carry out the request on every activity it names, or on none. Replies the wire response message."""
    message = request.message
    if message.WhichOneof("activity") is None:
        raise invalid(UNNAMED_TEXT)
    if isinstance(message, ws.UpdateActivityOptionsRequest):
        activity_options.check(message)
    rd = open_run(draft, request.run_id)
    activities = [rd.activities[scheduled_id] for scheduled_id in _named(rd, message)]
    if not activities:
        raise not_found(UNKNOWN_TEXT)
    if isinstance(message, ws.PauseActivityRequest):
        changes = [_paused(rd, activity, message) for activity in activities]
        draft.reply = ws.PauseActivityResponse()
    elif isinstance(message, ws.UnpauseActivityRequest):
        changes = [_unpaused(rd, activity, message) for activity in activities]
        draft.reply = ws.UnpauseActivityResponse()
    elif isinstance(message, ws.ResetActivityRequest):
        changes = [_reset(rd, activity, message) for activity in activities]
        draft.reply = ws.ResetActivityResponse()
    else:
        results = [activity_options.changed(activity, message) for activity in activities]
        changes = [changed for changed, _ in results]
        answer = ws.UpdateActivityOptionsResponse(activity_options=results[-1][1])
        hide_types(answer.activity_options)
        draft.reply = answer
    for activity, changed in zip(activities, changes, strict=True):
        if changed:
            rd.note(state.ActivityAmended(activity.scheduled_id, tuple(changed.items())))


def _named(rd: RunDraft, message: Message) -> list[int]:
    """Scheduled ids of the activities a request names, in order."""
    kind = message.WhichOneof("activity")
    assert kind is not None
    wanted = getattr(message, kind)
    if kind == "id":
        scheduled_id = rd.activity_ids.get(wanted)
        return [scheduled_id] if scheduled_id else []
    if kind == "type":
        return sorted(a.scheduled_id for a in rd.activities.values() if a.activity_type == wanted)
    if not wanted:
        raise invalid(UNNAMED_TEXT)
    return sorted(rd.activities.keys())


def _paused(rd: RunDraft, activity: Activity, message: ws.PauseActivityRequest) -> Changes:
    if activity.paused is not None:
        if activity.paused.request_id == message.request_id:
            return {}
        raise Rejected(Reason.PRECONDITION, "activity is already paused")
    pause = Pause(rd.now, message.identity, message.reason, message.request_id)
    return {"paused": pause, "stamp": activity.stamp + (not activity.started)}


def _unpaused(rd: RunDraft, activity: Activity, message: ws.UnpauseActivityRequest) -> Changes:
    if activity.paused is None:
        return {}
    changes: Changes = {"paused": None}
    if message.reset_attempts:
        changes["attempt"] = 1
    if message.reset_heartbeat:
        changes |= {"heartbeat_at": 0, "heartbeat_details": b""}
    if not activity.started:
        changes |= _afresh(rd, activity, message.jitter)
    return changes


def _reset(rd: RunDraft, activity: Activity, message: ws.ResetActivityRequest) -> Changes:
    changes: Changes = {"attempt": 1}
    if message.restore_original_options:
        changes |= activity_options.original(activity)
    stays_paused = activity.paused is not None and message.keep_paused
    if not stays_paused:
        changes["paused"] = None
    if activity.started:
        changes |= {
            "reset_requested": True,
            "reset_heartbeat": message.reset_heartbeat,
            "keep_paused": message.keep_paused,
        }
        return changes
    if message.reset_heartbeat:
        changes |= {"heartbeat_at": 0, "heartbeat_details": b""}
    if stays_paused:
        changes["stamp"] = activity.stamp + 1
    else:
        changes |= _afresh(rd, activity, message.jitter)
    return changes


def _afresh(rd: RunDraft, activity: Activity, jitter: duration_pb2.Duration) -> Changes:
    """The waiting attempt is offered anew, at once or within the jitter, as though none had failed before."""
    wait = _spread(rd, activity.scheduled_id, ev.nanoseconds(jitter))
    return {
        "scheduled_at": rd.now + wait,
        "retry_interval_ns": 0,
        "last_failure": b"",
        "stamp": activity.stamp + 1,
    }


def _spread(rd: RunDraft, scheduled_id: int, jitter_ns: int) -> int:
    """A wait in [0, jitter), different for each activity, the same whenever this decision is made again."""
    if jitter_ns <= 0:
        return 0
    raw = hashlib.blake2b(
        rd.draft.stamp.seed, digest_size=8, salt=scheduled_id.to_bytes(8, "little")
    ).digest()
    return int.from_bytes(raw, "little") % jitter_ns
