"""The terms of an activity: which are acceptable, and what the unset ones become (execution-semantics 2.2,
2.3).

A schedule command and an operator's change go through the same rules. Problems are returned as the text the
caller reads; this room must never raise and never touch a draft.
"""

from dataclasses import dataclass

from tenuto.engine import events as ev
from tenuto.engine.retry import duration_problem
from tenuto.limits import LIMITS
from tenuto.wire import activity, command, common, taskqueue, workflowservice

SYSTEM_PREFIX = "/_sys/"
INTERNAL_QUEUE = "temporal-sys-per-ns-tq"
FAIRNESS_KEY_BYTES = 64

Source = (
    command.ScheduleActivityTaskCommandAttributes
    | activity.ActivityOptions
    | workflowservice.StartActivityExecutionRequest
)
"""What names the terms of an activity; all name them alike."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The four timeouts of an activity, in nanoseconds; 0: none."""

    schedule_to_close_ns: int
    schedule_to_start_ns: int
    start_to_close_ns: int
    heartbeat_ns: int


def wanted_timeouts(source: Source) -> Timeouts:
    """The timeouts asked for, as they stand."""
    return Timeouts(
        ev.nanoseconds(source.schedule_to_close_timeout),
        ev.nanoseconds(source.schedule_to_start_timeout),
        ev.nanoseconds(source.start_to_close_timeout),
        ev.nanoseconds(source.heartbeat_timeout),
    )


def normal_timeouts(wanted: Timeouts, run_timeout_ns: int) -> Timeouts:
    """Fill and bound the timeouts by one another, by the run's timeout (0: none), and by the longest duration
    there is."""
    close = wanted.schedule_to_close_ns
    if close:
        queue = min(wanted.schedule_to_start_ns or close, close)
        start = min(wanted.start_to_close_ns or close, close)
    else:
        close = run_timeout_ns
        queue = wanted.schedule_to_start_ns or run_timeout_ns
        start = wanted.start_to_close_ns
    limit = run_timeout_ns or LIMITS.duration_ns
    close, queue, start = min(close, limit), min(queue, limit), min(start, limit)
    return Timeouts(close, queue, start, min(wanted.heartbeat_ns, start))


def timeout_problem(source: Source, name: str, type_name: str) -> str | None:
    """What is wrong with the timeouts asked for."""
    for label, value in (
        ("ScheduleToCloseTimeout", source.schedule_to_close_timeout),
        ("ScheduleToStartTimeout", source.schedule_to_start_timeout),
        ("StartToCloseTimeout", source.start_to_close_timeout),
        ("HeartbeatTimeout", source.heartbeat_timeout),
    ):
        if problem := duration_problem(value):
            return f"invalid {label}: {problem}"
    if not ev.nanoseconds(source.start_to_close_timeout) and not ev.nanoseconds(
        source.schedule_to_close_timeout
    ):
        return (
            "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity."
            f" ActivityId={name} ActivityType={type_name}"
        )
    return None


def queue_problem(queue: taskqueue.TaskQueue | None, workflow_queue: str) -> str | None:
    """What is wrong with the task queue an activity is to wait on."""
    if queue is None:
        return "taskQueue is not set"
    if not queue.name:
        return "missing task queue name"
    if len(queue.name.encode()) > LIMITS.id_bytes:
        return "taskQueue length exceeds limit"
    if queue.name.startswith(SYSTEM_PREFIX):
        return f"task queue name cannot start with reserved prefix {SYSTEM_PREFIX}"
    if queue.name == INTERNAL_QUEUE != workflow_queue:
        return (
            f"cannot use internal per-namespace task queue:{queue.name}"
            f" (in parent component task queue: {workflow_queue})"
        )
    return None


def priority_problem(priority: common.Priority) -> str | None:
    """What is wrong with a priority."""
    if priority.priority_key < 0:
        return "priority key can't be negative"
    if len(priority.fairness_key.encode()) > FAIRNESS_KEY_BYTES:
        return "fairness key length exceeds limit"
    if priority.fairness_weight < 0:
        return "must be greater than zero"
    return None


def name_problem(label: str, value: str) -> str | None:
    """What is wrong with a required identifier."""
    if not value:
        return f"{label} is not set"
    size = len(value.encode())
    if size > LIMITS.id_bytes:
        return f"{label} exceeds length limit. Length={size} Limit={LIMITS.id_bytes}"
    return None
