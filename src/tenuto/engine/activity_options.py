"""Changing the options of a pending activity, and going back to those it was scheduled with
(execution-semantics 1.21).

The named fields are laid over the options in force, and the whole is checked and made normal as a schedule
command is. This room must never emit: it says which fields of the activity change.
"""

from typing import Any

from tenuto.engine import events as ev
from tenuto.engine import retry
from tenuto.engine.activity_terms import (
    normal_timeouts,
    priority_problem,
    queue_problem,
    timeout_problem,
    wanted_timeouts,
)
from tenuto.engine.activity_view import options
from tenuto.engine.chain import Activity, Retry
from tenuto.engine.context import invalid
from tenuto.wire import activity as wire_activity
from tenuto.wire import workflowservice as ws

Options = wire_activity.ActivityOptions

PATHS = frozenset(
    {
        "task_queue.name",
        "schedule_to_close_timeout",
        "schedule_to_start_timeout",
        "start_to_close_timeout",
        "heartbeat_timeout",
        "retry_policy",
        "retry_policy.initial_interval",
        "retry_policy.backoff_coefficient",
        "retry_policy.maximum_interval",
        "retry_policy.maximum_attempts",
        "priority",
        "priority.priority_key",
        "priority.fairness_key",
        "priority.fairness_weight",
        "start_delay",
    }
)
"""What an update mask may name; other paths are ignored."""


def check(message: ws.UpdateActivityOptionsRequest) -> None:
    """Raise INVALID_ARGUMENT unless the request says what to change, or to restore, and not both."""
    if message.restore_original:
        if message.HasField("update_mask"):
            if not message.HasField("activity_options"):
                raise invalid("ActivityOptions are not provided")
            raise invalid("Both UpdateMask and RestoreOriginal are provided")
        return
    if not message.HasField("activity_options"):
        raise invalid("ActivityOptions are not provided")
    if not message.HasField("update_mask"):
        raise invalid("UpdateMask is not provided")


def changed(activity: Activity, message: ws.UpdateActivityOptionsRequest) -> tuple[dict[str, Any], Options]:
    """The fields of the activity that change, and the options then in force. Raises INVALID_ARGUMENT."""
    if message.restore_original:
        changes = original(activity)
        stored = activity.original_options
        shown = Options.FromString(stored) if stored else options(activity)
    else:
        shown = _merged(activity, message)
        changes = _fields(shown)
        changes["original_options"] = activity.original_options or options(activity).SerializeToString()
    if changes and not activity.started:
        changes["stamp"] = activity.stamp + 1
        if activity.attempt > 1:
            changes |= _rescheduled(activity, changes["retry"])
    return changes, shown


def original(activity: Activity) -> dict[str, Any]:
    """The fields that take the activity back to the options it was scheduled with; none when it still has
    them."""
    if not activity.original_options:
        return {}
    return _fields(Options.FromString(activity.original_options)) | {"original_options": b""}


def _fields(source: Options) -> dict[str, Any]:
    timeouts = wanted_timeouts(source)
    return {
        "task_queue": source.task_queue.name,
        "schedule_to_close_ns": timeouts.schedule_to_close_ns,
        "schedule_to_start_ns": timeouts.schedule_to_start_ns,
        "start_to_close_ns": timeouts.start_to_close_ns,
        "heartbeat_ns": timeouts.heartbeat_ns,
        "retry": retry.policy(source.retry_policy, default=True),
        "priority": source.priority.SerializeToString(),
    }


def _rescheduled(activity: Activity, policy: Retry) -> dict[str, Any]:
    """A wait for a retry is measured anew, by the policy now in force, from when the last attempt ended."""
    ended_at = activity.last_completed_at or activity.scheduled_at - activity.retry_interval_ns
    wait = retry.interval(policy, activity.attempt)
    return {"scheduled_at": ended_at + wait, "retry_interval_ns": wait, "last_failure": b""}


def _merged(activity: Activity, message: ws.UpdateActivityOptionsRequest) -> Options:
    """The options in force with the masked fields of the request over them, checked and normal."""
    result = options(activity)
    for path in sorted(snake(path) for path in message.update_mask.paths):
        if path in PATHS:
            _lay(result, message.activity_options, path)
    problem = (
        queue_problem(result.task_queue, "")
        or retry.validate(result.retry_policy)
        or priority_problem(result.priority)
        or timeout_problem(result, activity.activity_id, activity.activity_type)
    )
    if problem is not None:
        raise invalid(problem)
    timeouts = normal_timeouts(wanted_timeouts(result), 0)
    result.schedule_to_close_timeout.CopyFrom(ev.duration(timeouts.schedule_to_close_ns))
    result.schedule_to_start_timeout.CopyFrom(ev.duration(timeouts.schedule_to_start_ns))
    result.start_to_close_timeout.CopyFrom(ev.duration(timeouts.start_to_close_ns))
    result.heartbeat_timeout.CopyFrom(ev.duration(timeouts.heartbeat_ns))
    policy = retry.policy(result.retry_policy, default=True)
    assert policy is not None
    result.retry_policy.CopyFrom(retry.to_wire(policy))
    result.task_queue.kind = 1  # type: ignore[assignment]
    return result


def _lay(target: Options, source: Options, path: str) -> None:
    """Copy one field; a field absent in the source becomes unset."""
    outer, _, inner = path.partition(".")
    if outer == "retry_policy" and not source.HasField("retry_policy"):
        raise invalid("RetryPolicy is not provided")
    if not inner:
        if source.HasField(outer):  # type: ignore[arg-type]
            getattr(target, outer).CopyFrom(getattr(source, outer))
        else:
            target.ClearField(outer)  # type: ignore[arg-type]
        return
    into, out_of = getattr(target, outer), getattr(source, outer)
    if into.DESCRIPTOR.fields_by_name[inner].message_type is None:
        setattr(into, inner, getattr(out_of, inner))
    else:
        getattr(into, inner).CopyFrom(getattr(out_of, inner))


def snake(path: str) -> str:
    """A mask path in either spelling, as lower_snake_case."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in path)
