"""The life of one pending activity: its events and notes, and what can be read off its state.

An activity has no event for its start until it closes (execution-semantics 4.1, 4.5); all that happens in
between is notes. This room must never decide a request; it offers the words that the other activity rooms
decide with.
"""

import copy
from dataclasses import dataclass
from typing import Any

from tenuto.engine import events as ev
from tenuto.engine import pauses
from tenuto.engine.chain import NO_EVENT, Activity, Terms
from tenuto.engine.draft import RunDraft
from tenuto.engine.retry import (
    HEARTBEAT,
    SCHEDULE_TO_CLOSE,
    SCHEDULE_TO_START,
    START_TO_CLOSE,
    policy,
)
from tenuto.engine.types import ActivityHandout, Dispatch, DispatchKind
from tenuto.wire import Message, common, failure, history

_ORDER: dict[int, int] = {SCHEDULE_TO_START: 1, SCHEDULE_TO_CLOSE: 2, START_TO_CLOSE: 3, HEARTBEAT: 4}
"""Which of the timeouts of one instant is told."""

# ---- reading -----------------------------------------------------------------------------------------------


def deadlines(activity: Activity) -> list[tuple[int, int, int]]:
    """Every running timeout as (instant, scheduled id, timeout type): sorted, they fire in this order. None
    while paused."""
    if activity.paused is not None:
        return []
    bases = [(activity.schedule_to_close_ns, activity.first_scheduled_at, SCHEDULE_TO_CLOSE)]
    if activity.started:
        alive_at = max(activity.started_at, activity.heartbeat_at)
        bases.append((activity.start_to_close_ns, activity.started_at, START_TO_CLOSE))
        bases.append((activity.heartbeat_ns, alive_at, HEARTBEAT))
    else:
        bases.append((activity.schedule_to_start_ns, activity.scheduled_at, SCHEDULE_TO_START))
    return [(base + length, activity.scheduled_id, kind) for length, base, kind in bases if length > 0]


def first_deadline(activity: Activity, terms: Terms) -> tuple[int, int, int] | None:
    """The timeout that comes first, unless the run's own comes before it."""
    # An attempt that began in the instant of its scheduling, an eager one, has no less time than all attempts together:
    # then it is that of all that has run out.
    first = min(deadlines(activity), key=lambda each: (each[0], _ORDER[each[2]]), default=None)
    if first is None or (terms.run_expires_at and first[0] > terms.run_expires_at):
        return None
    return first


def deadline(activity: Activity, terms: Terms) -> int:
    """Earliest instant (ns) at which this activity times out; 0: never, as things stand."""
    first = first_deadline(activity, terms)
    return first[0] if first is not None else 0


def expires_at(activity: Activity) -> int:
    """No attempt may begin after this instant; 0: no limit."""
    return activity.first_scheduled_at + activity.schedule_to_close_ns if activity.schedule_to_close_ns else 0


def ready(activity: Activity, now: int) -> bool:
    """The current attempt waits for a worker, and for nothing else."""
    return not activity.started and activity.paused is None and activity.scheduled_at <= now


def retry_at(activity: Activity, now: int) -> int:
    """When the current attempt may go to a worker, if that is still to come; else 0."""
    waits = not activity.started and activity.paused is None and activity.scheduled_at > now
    return activity.scheduled_at if waits else 0


def dispatch(activity: Activity, run_id: str, workflow_priority: bytes = b"") -> Dispatch:
    """What matching is shown of the current attempt. ``workflow_priority``: serialized Priority of the
    run."""
    return Dispatch(
        kind=DispatchKind.ACTIVITY,
        run_id=run_id,
        scheduled_id=activity.scheduled_id,
        attempt=activity.attempt,
        stamp=activity.stamp,
        queue=activity.task_queue,
        normal_queue="",
        priority=merged_priority(workflow_priority, activity.priority),
        scheduled_at=activity.scheduled_at,
    )


def merged_priority(workflow: bytes, own: bytes) -> bytes:
    """The activity's priority, field by field falling back on the workflow's. All serialized Priority
    messages."""
    if not own or not workflow:
        return own or workflow
    result = common.Priority.FromString(workflow)
    result.MergeFrom(common.Priority.FromString(own))
    return result.SerializeToString()


def handout(
    rd: RunDraft, scheduled_id: int, scheduled: history.ActivityTaskScheduledEventAttributes | None = None
) -> ActivityHandout:
    """What the worker of the started attempt is told. Its activity is a copy, its priority merged with the
    workflow's."""
    activity = copy.copy(rd.activities[scheduled_id])
    activity.priority = merged_priority(rd.terms.priority, activity.priority)
    return ActivityHandout(
        workflow_id=rd.draft.workflow_id,
        run_id=rd.run.run_id,
        workflow_type=rd.terms.workflow_type,
        activity=activity,
        heartbeat_details=activity.heartbeat_details,
        scheduled=scheduled,
        standalone=rd.terms.standalone is not None,
        start_at=rd.terms.start_at,
    )


# ---- closing -----------------------------------------------------------------------------------------------


def close(
    rd: RunDraft,
    activity: Activity,
    kind: int,
    attributes: Any,
    worker_version: common.WorkerVersionStamp | None = None,
) -> None:
    """Write the closing event, and before it the started event of the last attempt, dated when that attempt
    began."""
    if activity.started and activity.started_event_id == NO_EVENT:
        started = history.ActivityTaskStartedEventAttributes(
            scheduled_event_id=activity.scheduled_id,
            identity=activity.identity,
            request_id=activity.request_id,
            attempt=activity.attempt,
        )
        if activity.last_failure:
            started.last_failure.ParseFromString(activity.last_failure)
        if worker_version is not None:
            started.worker_version.CopyFrom(worker_version)
        elif activity.worker_stamp:
            started.worker_version.ParseFromString(activity.worker_stamp)
        rd.emit(ev.ACTIVITY_STARTED, started, at=activity.started_at)
    attributes.scheduled_event_id = activity.scheduled_id
    attributes.started_event_id = activity.started_event_id
    rd.emit(kind, attributes)


def last_failure(activity: Activity) -> failure.Failure | None:
    return failure.Failure.FromString(activity.last_failure) if activity.last_failure else None


# ---- events ------------------------------------------------------------------------------------------------


def applied_scheduled(rd: RunDraft, event: history.HistoryEvent) -> None:
    a = event.activity_task_scheduled_event_attributes
    at = ev.instant(event.event_time)
    activity = Activity(
        scheduled_id=event.event_id,
        activity_id=a.activity_id,
        activity_type=a.activity_type.name,
        task_queue=a.task_queue.name,
        attempt=1,
        first_scheduled_at=at,
        scheduled_at=at,
        schedule_to_close_ns=ev.nanoseconds(a.schedule_to_close_timeout),
        schedule_to_start_ns=ev.nanoseconds(a.schedule_to_start_timeout),
        start_to_close_ns=ev.nanoseconds(a.start_to_close_timeout),
        heartbeat_ns=ev.nanoseconds(a.heartbeat_timeout),
        retry=policy(a.retry_policy if a.HasField("retry_policy") else None, default=True),
        priority=a.priority.SerializeToString(),
        workflow_task_completed_id=a.workflow_task_completed_event_id,
    )
    rd.activities.put(event.event_id, activity)
    rd.activity_ids.put(a.activity_id, event.event_id)


def applied_started(rd: RunDraft, event: history.HistoryEvent) -> None:
    """Live, the closing event follows at once; in a history cut by a reset, this is an attempt that was
    lost."""
    a = event.activity_task_started_event_attributes
    if a.scheduled_event_id not in rd.activities:
        return
    activity = rd.activities.edit(a.scheduled_event_id)
    activity.started_at = ev.instant(event.event_time)
    activity.started_event_id = event.event_id
    activity.identity, activity.request_id = a.identity, a.request_id
    activity.attempt = a.attempt
    activity.last_failure = a.last_failure.SerializeToString() if a.HasField("last_failure") else b""


def settled_started(rd: RunDraft, event: history.HistoryEvent) -> None:
    scheduled_id = event.activity_task_started_event_attributes.scheduled_event_id
    if scheduled_id in rd.activities:
        rd.activities.edit(scheduled_id).started_event_id = event.event_id


def applied_cancel_requested(rd: RunDraft, event: history.HistoryEvent) -> None:
    scheduled_id = event.activity_task_cancel_requested_event_attributes.scheduled_event_id
    if scheduled_id in rd.activities:
        rd.activities.edit(scheduled_id).cancel_request_id = event.event_id


def applied_closed(rd: RunDraft, event: history.HistoryEvent) -> None:
    attributes: Message = getattr(event, ev.ATTRIBUTES[event.event_type])
    scheduled_id: int = attributes.scheduled_event_id  # type: ignore[attr-defined]
    activity = rd.activities.get(scheduled_id)
    if activity is None:
        return
    rd.activities.drop(scheduled_id)
    if rd.activity_ids.get(activity.activity_id) == scheduled_id:
        rd.activity_ids.drop(activity.activity_id)
    if activity.paused is not None:
        pauses.show(rd)


APPLY = {
    ev.ACTIVITY_SCHEDULED: applied_scheduled,
    ev.ACTIVITY_STARTED: applied_started,
    ev.ACTIVITY_COMPLETED: applied_closed,
    ev.ACTIVITY_FAILED: applied_closed,
    ev.ACTIVITY_TIMED_OUT: applied_closed,
    ev.ACTIVITY_CANCELED: applied_closed,
    ev.ACTIVITY_CANCEL_REQUESTED: applied_cancel_requested,
}

SETTLE = {ev.ACTIVITY_STARTED: settled_started}


# ---- notes -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A worker has the current attempt."""

    scheduled_id: int
    at: int
    identity: str
    request_id: str

    def apply(self, rd: RunDraft) -> None:
        activity = rd.activities.edit(self.scheduled_id)
        activity.started_at = self.at
        activity.identity, activity.request_id = self.identity, self.request_id


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """The running attempt has no worker any more, and goes on."""

    scheduled_id: int

    def apply(self, rd: RunDraft) -> None:
        rd.activities.edit(self.scheduled_id).left_open = True


@dataclass(frozen=True, slots=True)
class AttemptReturned:
    """Nobody has the current attempt after all."""

    scheduled_id: int

    def apply(self, rd: RunDraft) -> None:
        activity = rd.activities.edit(self.scheduled_id)
        activity.started_at = 0
        activity.started_event_id = NO_EVENT
        activity.request_id = ""
        activity.left_open = False


@dataclass(frozen=True, slots=True)
class Heartbeaten:
    """The running attempt is alive; its details replace what was there."""

    scheduled_id: int
    at: int
    details: bytes

    def apply(self, rd: RunDraft) -> None:
        activity = rd.activities.edit(self.scheduled_id)
        activity.heartbeat_at, activity.heartbeat_details = self.at, self.details
        activity.heartbeats += 1


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """The running attempt failed and another follows, ``wait_ns`` from now, or, while paused, at an
    operator's word."""

    scheduled_id: int
    at: int
    wait_ns: int
    failure: bytes
    reported: bool
    """A worker said so; False: it timed out."""

    def apply(self, rd: RunDraft) -> None:
        activity = rd.activities.edit(self.scheduled_id)
        activity.attempt += 1
        activity.last_started_at, activity.started_at = activity.started_at, 0
        activity.started_event_id = NO_EVENT
        activity.request_id = ""
        activity.left_open = False
        activity.last_failure = self.failure
        activity.retry_interval_ns = self.wait_ns
        if activity.paused is None:
            activity.scheduled_at = self.at + self.wait_ns
        if self.reported:
            activity.last_completed_at = self.at
        if activity.reset_heartbeat:
            activity.heartbeat_at, activity.heartbeat_details = 0, b""
        if activity.reset_requested and rd.terms.standalone is not None:
            # Unlike a workflow's, it begins again at once, and counts from the beginning.
            activity.attempt, activity.retry_interval_ns = 1, 0
            if activity.paused is None:
                activity.scheduled_at = self.at
        activity.reset_requested = activity.reset_heartbeat = activity.keep_paused = False


@dataclass(frozen=True, slots=True)
class ActivityAmended:
    """An operator, or a reset of the run, changed these fields of an activity."""

    scheduled_id: int
    changes: tuple[tuple[str, Any], ...]

    def apply(self, rd: RunDraft) -> None:
        activity = rd.activities.edit(self.scheduled_id)
        for name, value in self.changes:
            setattr(activity, name, copy.copy(value))
        if any(name == "paused" for name, _ in self.changes):
            pauses.show(rd)
