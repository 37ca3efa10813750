"""The two commands about activities: schedule one, and ask for one's cancellation (execution-semantics 2.2,
4.6, 4.8).

Rules here run inside a worker's completion: they emit, or raise `CommandFailed`, which voids the whole
completion.
"""

from tenuto.engine import activity_state as state
from tenuto.engine import events as ev
from tenuto.engine import retry
from tenuto.engine.activity_terms import (
    name_problem,
    normal_timeouts,
    priority_problem,
    queue_problem,
    timeout_problem,
    wanted_timeouts,
)
from tenuto.engine.context import CommandFailed, Completion
from tenuto.engine.draft import RunDraft
from tenuto.engine.types import ActivityHandout
from tenuto.wire import command as wire_command
from tenuto.wire import common, enums_failed, history

Cause = enums_failed.WorkflowTaskFailedCause
BAD_SCHEDULE = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES
BAD_CANCEL = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES
DUPLICATE = Cause.WORKFLOW_TASK_FAILED_CAUSE_SCHEDULE_ACTIVITY_DUPLICATE_ID
TOO_MANY = Cause.WORKFLOW_TASK_FAILED_CAUSE_PENDING_ACTIVITIES_LIMIT_EXCEEDED

NOT_STARTED = b'"ACTIVITY_ID_NOT_STARTED"'
"""JSON; the details of the cancellation of an activity that no worker had."""

Wanted = wire_command.ScheduleActivityTaskCommandAttributes


def schedule(task: Completion, command: wire_command.Command) -> None:
    """SCHEDULE_ACTIVITY_TASK. One that is to start eagerly is added to ``task.eager``."""
    wanted = command.schedule_activity_task_command_attributes
    rd = task.rd
    if not command.HasField("schedule_activity_task_command_attributes"):
        raise CommandFailed(
            BAD_SCHEDULE, "ScheduleActivityTaskCommandAttributes is not set on ScheduleActivityTaskCommand."
        )
    problem = _problem(wanted, rd)
    if problem is not None:
        raise CommandFailed(BAD_SCHEDULE, problem)
    if wanted.input.ByteSize() > task.limits.blob_bytes:
        raise CommandFailed(
            BAD_SCHEDULE, "ScheduleActivityTaskCommandAttributes.Input exceeds size limit.", terminate=True
        )
    count, limit = len(rd.activities), task.limits.pending_activities
    if count >= limit:
        raise CommandFailed(
            TOO_MANY,
            f"the number of pending activities, {count}, has reached the per-workflow limit of {limit}",
        )
    if wanted.activity_id in rd.activity_ids:
        raise CommandFailed(
            DUPLICATE,
            "invalid history builder state for action: add-activitytask-scheduled-event,"
            f" ActivityID: {wanted.activity_id}",
        )
    event = rd.emit(ev.ACTIVITY_SCHEDULED, _attributes(wanted, task), command=command)
    if wanted.request_eager_execution:
        task.eager.append(event.event_id)


def _problem(wanted: Wanted, rd: RunDraft) -> str | None:
    queue = wanted.task_queue if wanted.HasField("task_queue") else None
    problem = (
        queue_problem(queue, rd.terms.task_queue)
        or name_problem("activityId", wanted.activity_id)
        or name_problem("activityType", wanted.activity_type.name)
        or retry.validate(wanted.retry_policy)
    )
    if problem is not None:
        return problem
    problem = priority_problem(wanted.priority)
    if problem is not None:
        return f"invalid priorities: {problem}"
    # A workflow's build can only be told to the workers of the workflow's own task queue.
    if wanted.use_workflow_build_id and wanted.task_queue.name != rd.terms.task_queue:
        return "Activity with UseCompatibleVersion cannot run on different task queue."
    return timeout_problem(wanted, wanted.activity_id, wanted.activity_type.name)


def _attributes(wanted: Wanted, task: Completion) -> history.ActivityTaskScheduledEventAttributes:
    """The command with its terms made normal: that, not the wish, is what history keeps."""
    timeouts = normal_timeouts(wanted_timeouts(wanted), task.rd.terms.run_timeout_ns)
    policy = retry.policy(wanted.retry_policy, default=True)
    assert policy is not None
    result = history.ActivityTaskScheduledEventAttributes(
        activity_id=wanted.activity_id,
        activity_type=wanted.activity_type,
        task_queue=wanted.task_queue,
        schedule_to_close_timeout=ev.duration(timeouts.schedule_to_close_ns),
        schedule_to_start_timeout=ev.duration(timeouts.schedule_to_start_ns),
        start_to_close_timeout=ev.duration(timeouts.start_to_close_ns),
        heartbeat_timeout=ev.duration(timeouts.heartbeat_ns),
        workflow_task_completed_event_id=task.completed_id,
        retry_policy=retry.to_wire(policy),
        use_workflow_build_id=wanted.use_workflow_build_id,
    )
    if not result.task_queue.kind:
        result.task_queue.kind = 1  # type: ignore[assignment]
    for name in ("header", "input", "priority"):
        if wanted.HasField(name):
            getattr(result, name).CopyFrom(getattr(wanted, name))
    return result


def request_cancel(task: Completion, command: wire_command.Command) -> None:
    """REQUEST_CANCEL_ACTIVITY_TASK. One that no worker has is canceled at once, and a workflow task tells
    so."""
    if not command.HasField("request_cancel_activity_task_command_attributes"):
        raise CommandFailed(
            BAD_CANCEL,
            "RequestCancelActivityTaskCommandAttributes is not set on RequestCancelActivityTaskCommand.",
        )
    rd = task.rd
    scheduled_id = command.request_cancel_activity_task_command_attributes.scheduled_event_id
    if scheduled_id <= 0:
        raise CommandFailed(BAD_CANCEL, "ScheduledEventId is not set on RequestCancelActivityTaskCommand.")
    activity = rd.activities.get(scheduled_id)
    known = not activity.cancel_request_id if activity is not None else _closes_in_buffer(rd, scheduled_id)
    if not known:
        raise CommandFailed(
            BAD_CANCEL,
            "invalid history builder state for action: add-activitytask-cancel-requested-event,"
            f" ScheduledEventID: {scheduled_id}",
        )
    requested = rd.emit(
        ev.ACTIVITY_CANCEL_REQUESTED,
        history.ActivityTaskCancelRequestedEventAttributes(
            scheduled_event_id=scheduled_id, workflow_task_completed_event_id=task.completed_id
        ),
        command=command,
    )
    if activity is None or activity.started:
        return
    payload = common.Payload(metadata={"encoding": b"json/plain"}, data=NOT_STARTED)
    state.close(
        rd,
        activity,
        ev.ACTIVITY_CANCELED,
        history.ActivityTaskCanceledEventAttributes(
            details=common.Payloads(payloads=[payload]),
            latest_cancel_requested_event_id=requested.event_id,
            identity=task.message.identity,
        ),
    )
    task.needs_task = True
    if scheduled_id in task.eager:
        task.eager.remove(scheduled_id)


def _closes_in_buffer(rd: RunDraft, scheduled_id: int) -> bool:
    """The activity has closed, but the worker that wants it canceled cannot know yet."""
    return any(
        event.event_type in ev.COMPLETIONS
        and getattr(getattr(event, ev.ATTRIBUTES[event.event_type]), "scheduled_event_id", 0) == scheduled_id
        for event in rd.buffered()
    )


def eager_start(task: Completion, scheduled_id: int, request_id: str) -> ActivityHandout:
    """Start an activity that this completion scheduled, for the worker that completes it."""
    rd = task.rd
    rd.note(state.AttemptStarted(scheduled_id, rd.now, task.message.identity, request_id))
    scheduled = next(event for event in reversed(rd.events) if event.event_id == scheduled_id)
    return state.handout(rd, scheduled_id, scheduled.activity_task_scheduled_event_attributes)
