"""What an activity on its own looks like from outside, and what came of it.

Reading only: this room must never change anything.
"""

from collections.abc import Iterable

from tenuto.engine import activity_state as state
from tenuto.engine import events as ev
from tenuto.engine.activity_view import pending_state
from tenuto.engine.chain import Activity, Run, Terms
from tenuto.engine.pauses import PAUSES as PAUSES
from tenuto.engine.retry import to_wire
from tenuto.engine.standalone_state import TYPE_NAME, Standalone
from tenuto.wire import activity as wire_activity
from tenuto.wire import enums_activity, enums_workflow, history

Status = enums_activity.ActivityExecutionStatus
State = enums_workflow.PendingActivityState
TIMED_OUT_RUN = enums_workflow.WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT
INTERNAL = frozenset({TYPE_NAME, PAUSES})
"""Search attributes of the run that are not the user's."""
STATUSES: dict[int, str] = {
    Status.ACTIVITY_EXECUTION_STATUS_RUNNING: "Running",
    Status.ACTIVITY_EXECUTION_STATUS_COMPLETED: "Completed",
    Status.ACTIVITY_EXECUTION_STATUS_FAILED: "Failed",
    Status.ACTIVITY_EXECUTION_STATUS_CANCELED: "Canceled",
    Status.ACTIVITY_EXECUTION_STATUS_TERMINATED: "Terminated",
    Status.ACTIVITY_EXECUTION_STATUS_TIMED_OUT: "TimedOut",
    Status.ACTIVITY_EXECUTION_STATUS_PAUSED: "Paused",
}
STATES: dict[int, str] = {
    State.PENDING_ACTIVITY_STATE_SCHEDULED: "Scheduled",
    State.PENDING_ACTIVITY_STATE_STARTED: "Started",
    State.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED: "CancelRequested",
    State.PENDING_ACTIVITY_STATE_PAUSED: "Paused",
    State.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED: "PauseRequested",
}


def closed_status(run_status: int) -> int:
    """ActivityExecutionStatus of a run with this WorkflowExecutionStatus."""
    return Status.ACTIVITY_EXECUTION_STATUS_TIMED_OUT if run_status == TIMED_OUT_RUN else run_status


def status(run: Run, activity: Activity) -> int:
    if run.open and activity.paused is not None and not activity.started:
        return Status.ACTIVITY_EXECUTION_STATUS_PAUSED
    return closed_status(run.status)


def status_name(run: Run, activity: Activity) -> str:
    """As complaints call it: the state of one that is pending, else how it ended."""
    return STATES[pending_state(activity)] if run.open else STATUSES[closed_status(run.status)]


def info(
    run: Run, terms: Terms, activity: Activity, alone: Standalone, now: int
) -> wire_activity.ActivityExecutionInfo:
    """All but the header, which history holds. ``now`` decides whether the next attempt is still to come."""
    result = wire_activity.ActivityExecutionInfo(
        activity_id=activity.activity_id,
        run_id=run.run_id,
        status=status(run, activity),  # type: ignore[arg-type]
        task_queue=activity.task_queue,
        schedule_to_close_timeout=ev.duration(activity.schedule_to_close_ns),
        schedule_to_start_timeout=ev.duration(activity.schedule_to_start_ns),
        start_to_close_timeout=ev.duration(activity.start_to_close_ns),
        heartbeat_timeout=ev.duration(activity.heartbeat_ns),
        attempt=activity.attempt,
        schedule_time=ev.timestamp(terms.start_at),
        execution_time=ev.timestamp(terms.execution_at),
        last_worker_identity=activity.identity,
        state_transition_count=run.transitions,
        state_size_bytes=run.history_bytes,
        canceled_reason=alone.cancel_reason,
        total_heartbeat_count=activity.heartbeats,
    )
    result.activity_type.name = activity.activity_type
    if run.open:
        result.run_state = pending_state(activity)  # type: ignore[assignment]
    _add_terms(result, terms, activity, alone)
    _add_times(result, run, terms, activity, now)
    return result


def _add_terms(
    result: wire_activity.ActivityExecutionInfo, terms: Terms, activity: Activity, alone: Standalone
) -> None:
    if activity.retry is not None:
        result.retry_policy.CopyFrom(to_wire(activity.retry))
    if activity.heartbeat_details:
        result.heartbeat_details.ParseFromString(activity.heartbeat_details)
    if activity.last_failure:
        result.last_failure.ParseFromString(activity.last_failure)
    if activity.priority:
        result.priority.ParseFromString(activity.priority)
    if terms.user_metadata:
        result.user_metadata.ParseFromString(terms.user_metadata)
    if alone.start_delay_ns:
        result.start_delay.CopyFrom(ev.duration(alone.start_delay_ns))
    for raw in alone.links:
        result.links.add().ParseFromString(raw)
    result.search_attributes.SetInParent()
    for key, raw in terms.search_attributes.items():
        if key not in INTERNAL:
            result.search_attributes.indexed_fields[key].ParseFromString(raw)


def _add_times(
    result: wire_activity.ActivityExecutionInfo, run: Run, terms: Terms, activity: Activity, now: int
) -> None:
    for field, at in (
        (result.last_heartbeat_time, activity.heartbeat_at),
        (result.last_started_time, activity.started_at or activity.last_started_at),
        (result.expiration_time, state.expires_at(activity)),
        (result.last_attempt_complete_time, activity.last_completed_at),
        (result.close_time, run.close_at),
    ):
        if at:
            field.CopyFrom(ev.timestamp(at))
    if not run.open:
        result.execution_duration.CopyFrom(ev.duration(max(run.close_at - terms.execution_at, 0)))
        return
    next_at = state.retry_at(activity, now)
    if next_at:
        result.next_attempt_schedule_time.CopyFrom(ev.timestamp(next_at))
        if activity.retry_interval_ns:
            result.current_retry_interval.CopyFrom(ev.duration(activity.retry_interval_ns))


def outcome(
    events: Iterable[history.HistoryEvent], cancel_identity: str
) -> wire_activity.ActivityExecutionOutcome | None:
    """What came of it, by the last events of its history; None when they do not tell. ``cancel_identity``: of whoever
    asked for cancellation."""
    result = wire_activity.ActivityExecutionOutcome()
    for event in events:
        kind = event.event_type
        if kind == ev.ACTIVITY_COMPLETED:
            result.result.CopyFrom(event.activity_task_completed_event_attributes.result)
        elif kind == ev.ACTIVITY_FAILED:
            failed = event.activity_task_failed_event_attributes
            result.failure.CopyFrom(failed.failure)
            result.retry_state = failed.retry_state
        elif kind == ev.ACTIVITY_TIMED_OUT:
            timed_out = event.activity_task_timed_out_event_attributes
            result.failure.CopyFrom(timed_out.failure)
            result.failure.source = ""  # unlike a workflow, callers are not told who says so
            result.retry_state = timed_out.retry_state
        elif kind == ev.ACTIVITY_CANCELED:
            result.failure.message = "Activity canceled"
            canceled = result.failure.canceled_failure_info
            canceled.identity = cancel_identity
            if event.activity_task_canceled_event_attributes.HasField("details"):
                canceled.details.CopyFrom(event.activity_task_canceled_event_attributes.details)
        elif kind == ev.TERMINATED:
            terminated = event.workflow_execution_terminated_event_attributes
            result.failure.message = terminated.reason
            result.failure.terminated_failure_info.identity = terminated.identity
            result.failure.terminated_failure_info.SetInParent()
        else:
            continue
        return result
    return None
