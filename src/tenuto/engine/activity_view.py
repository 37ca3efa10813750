"""A pending activity as an operator sees it: in a description of its run, and in the answer to a change of
its options.

Reading only: this room must never change anything.
"""

from tenuto.engine import activity_state as state
from tenuto.engine import events as ev
from tenuto.engine.chain import Activity, Terms
from tenuto.engine.retry import to_wire
from tenuto.wire import activity as wire_activity
from tenuto.wire import common, enums_workflow, workflow

State = enums_workflow.PendingActivityState


def options(activity: Activity) -> wire_activity.ActivityOptions:
    """The options in force; the task queue carries its name only."""
    result = wire_activity.ActivityOptions(
        schedule_to_close_timeout=ev.duration(activity.schedule_to_close_ns),
        schedule_to_start_timeout=ev.duration(activity.schedule_to_start_ns),
        start_to_close_timeout=ev.duration(activity.start_to_close_ns),
        heartbeat_timeout=ev.duration(activity.heartbeat_ns),
    )
    result.task_queue.name = activity.task_queue
    if activity.retry is not None:
        result.retry_policy.CopyFrom(to_wire(activity.retry))
    if activity.priority:
        result.priority.ParseFromString(activity.priority)
    return result


def hide_types(shown: wire_activity.ActivityOptions) -> None:
    """Operators are shown a retry policy without the error types it does not retry, as they cannot change them."""
    if shown.HasField("retry_policy"):
        del shown.retry_policy.non_retryable_error_types[:]


def pending_state(activity: Activity) -> int:
    """PendingActivityState; a request to cancel is shown before a request to pause."""
    if activity.cancel_request_id:
        return State.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
    if activity.started:
        paused, running = State.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED, State.PENDING_ACTIVITY_STATE_STARTED
    else:
        paused, running = State.PENDING_ACTIVITY_STATE_PAUSED, State.PENDING_ACTIVITY_STATE_SCHEDULED
    return running if activity.paused is None else paused


def pending_info(activity: Activity, terms: Terms, now: int) -> workflow.PendingActivityInfo:
    """The activity's entry in DescribeWorkflowExecution. ``now`` decides whether a retry is still to come."""
    result = workflow.PendingActivityInfo(
        activity_id=activity.activity_id,
        attempt=activity.attempt,
        scheduled_time=ev.timestamp(activity.scheduled_at),
        last_worker_identity=activity.identity,
        activity_options=options(activity),
    )
    result.activity_type.name = activity.activity_type
    result.activity_options.task_queue.normal_name = activity.task_queue
    hide_types(result.activity_options)
    result.state = pending_state(activity)  # type: ignore[assignment]
    if activity.retry is not None:
        result.maximum_attempts = activity.retry.maximum_attempts
    if activity.heartbeat_details:
        result.heartbeat_details.ParseFromString(activity.heartbeat_details)
    if activity.last_failure:
        result.last_failure.ParseFromString(activity.last_failure)
    if activity.priority:
        result.priority.ParseFromString(activity.priority)
    if activity.worker_stamp:
        result.last_worker_version_stamp.CopyFrom(common.WorkerVersionStamp.FromString(activity.worker_stamp))
    _add_times(result, activity, now)
    if activity.paused is not None:
        result.paused = True
        result.pause_info.pause_time.CopyFrom(ev.timestamp(activity.paused.at))
        result.pause_info.manual.identity = activity.paused.identity
        result.pause_info.manual.reason = activity.paused.reason
    return result


def _add_times(result: workflow.PendingActivityInfo, activity: Activity, now: int) -> None:
    for field, at in (
        (result.last_heartbeat_time, activity.heartbeat_at),
        (result.last_started_time, activity.started_at),
        (result.expiration_time, state.expires_at(activity)),
        (result.last_attempt_complete_time, activity.last_completed_at),
    ):
        if at:
            field.CopyFrom(ev.timestamp(at))
    next_at = state.retry_at(activity, now)
    if next_at:
        result.next_attempt_schedule_time.CopyFrom(ev.timestamp(next_at))
        if activity.retry_interval_ns:
            result.current_retry_interval.CopyFrom(ev.duration(activity.retry_interval_ns))
