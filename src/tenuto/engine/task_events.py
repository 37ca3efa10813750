"""The scheduled and started events of a workflow task, as they stand, or would stand, in history."""

from tenuto.engine import events as ev
from tenuto.engine.chain import WorkflowTask
from tenuto.limits import SECOND
from tenuto.wire import enums_queue, history

NORMAL_KIND = enums_queue.TaskQueueKind.TASK_QUEUE_KIND_NORMAL
STICKY_KIND = enums_queue.TaskQueueKind.TASK_QUEUE_KIND_STICKY


def scheduled_attributes(
    task: WorkflowTask, normal_queue: str
) -> history.WorkflowTaskScheduledEventAttributes:
    attributes = history.WorkflowTaskScheduledEventAttributes(attempt=task.attempt)
    queue = attributes.task_queue
    queue.name = task.queue
    if task.sticky:
        queue.kind = STICKY_KIND
        queue.normal_name = normal_queue
    else:
        queue.kind = NORMAL_KIND
    timeout = attributes.start_to_close_timeout
    timeout.seconds, timeout.nanos = divmod(task.timeout_ns, SECOND)
    return attributes


def scheduled_event(task: WorkflowTask, normal_queue: str) -> history.HistoryEvent:
    """WORKFLOW_TASK_SCHEDULED as it stands, or would stand, in history."""
    event = history.HistoryEvent(event_id=task.scheduled_id, event_type=ev.WFT_SCHEDULED)
    event.event_time.CopyFrom(ev.timestamp(task.scheduled_at))
    event.workflow_task_scheduled_event_attributes.CopyFrom(scheduled_attributes(task, normal_queue))
    return event


def started_attributes(task: WorkflowTask) -> history.WorkflowTaskStartedEventAttributes:
    attributes = history.WorkflowTaskStartedEventAttributes(
        scheduled_event_id=task.scheduled_id,
        identity=task.identity,
        request_id=task.request_id,
        suggest_continue_as_new=task.suggest_continue,
        suggest_continue_as_new_reasons=task.suggest_reasons,  # type: ignore[arg-type]
        history_size_bytes=task.history_bytes,
    )
    if task.worker:
        attributes.worker_version.ParseFromString(task.worker)
    return attributes


def started_event(task: WorkflowTask) -> history.HistoryEvent:
    """WORKFLOW_TASK_STARTED as it stands, or would stand, in history."""
    event = history.HistoryEvent(event_id=task.started_id, event_type=ev.WFT_STARTED)
    event.event_time.CopyFrom(ev.timestamp(task.started_at))
    event.workflow_task_started_event_attributes.CopyFrom(started_attributes(task))
    return event
