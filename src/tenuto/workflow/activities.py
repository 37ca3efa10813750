"""Starting activities from workflow code: twelve names, two functions.

The ``_class`` and ``_method`` names differ from the others only for type checkers. Nothing here waits by itself: the
run's handles do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from tenuto.activity import Activity
from tenuto.activity import Definition as ActivityDefinition
from tenuto.common import UNSET, Duration, Priority, RetryPolicy, as_timedelta, merged_args
from tenuto.workflow._runtime import Runtime, current
from tenuto.workflow.enums import ActivityCancellationType, VersioningIntent
from tenuto.workflow.event_groups import EventGroup, grouped

if TYPE_CHECKING:
    from tenuto.activity import ActivityOptions
    from tenuto.workflow.call_shapes import (
        ExecuteActivity,
        ExecuteActivityClass,
        ExecuteActivityMethod,
        ExecuteLocalActivity,
        ExecuteLocalActivityClass,
        ExecuteLocalActivityMethod,
        StartActivity,
        StartActivityClass,
        StartActivityMethod,
        StartLocalActivity,
        StartLocalActivityClass,
        StartLocalActivityMethod,
    )
    from tenuto.workflow.handles import ActivityHandle

_TRY_CANCEL = ActivityCancellationType.TRY_CANCEL


def _named(activity: Any, result_type: type | None) -> tuple[str, list[type] | None, type | None]:
    """Name, types of arguments, type of result. Raises TypeError for what is no activity, ValueError for a dynamic one."""
    if isinstance(activity, str):
        return activity, None, result_type
    if not callable(activity):
        raise TypeError("Activity must be a string or callable")
    definition = ActivityDefinition.must(activity)
    if definition.name is None:
        raise ValueError("Cannot invoke dynamic activity explicitly")
    return definition.name, definition.arg_types, result_type or definition.ret_type


def _declared(activity: Any) -> ActivityOptions | None:
    """What the definition itself says of its calls; only those of new style say anything."""
    return activity.defaults if isinstance(activity, Activity) else None


def _start_activity(
    activity: Any,
    arg: Any = UNSET,
    *more: Any,
    args: Sequence[Any] = (),
    task_queue: str | None = None,
    result_type: type | None = None,
    schedule_to_close_timeout: Duration | None = None,
    schedule_to_start_timeout: Duration | None = None,
    start_to_close_timeout: Duration | None = None,
    heartbeat_timeout: Duration | None = None,
    retry_policy: RetryPolicy | None = None,
    cancellation_type: ActivityCancellationType = _TRY_CANCEL,
    activity_id: str | None = None,
    versioning_intent: VersioningIntent | None = None,
    summary: str | None = None,
    event_groups: Sequence[EventGroup] | None = None,
    priority: Priority = Priority.default,
) -> ActivityHandle[Any]:
    """Start an activity.

    Args:
        activity: An activity function or method, or the name of its type.
        arg: Its argument; more may follow.
        args: All its arguments, instead.
        task_queue: Where to run it. Default: the workflow's own queue.
        result_type: Type of the result, where annotations do not tell.
        schedule_to_close_timeout: For all attempts and the waits between them; a timedelta or seconds, as all timeouts.
            It or ``start_to_close_timeout`` is required, unless the definition says it.
        schedule_to_start_timeout: For the wait until a worker takes it; not tried again after it.
        start_to_close_timeout: For one attempt.
        heartbeat_timeout: For the silence between two heartbeats.
        retry_policy: How to try again. Default: without end, with growing intervals.
        cancellation_type: What its cancellation means to the waiting code.
        activity_id: Its id. Default: a number, counted in the run.
        versioning_intent: Accepted for older worker versioning.
        summary: One line that tools show beside it.
        event_groups: Groups of its events.
        priority: Its place among the tasks of the queue. Default: the workflow's.

    Returns:
        A task: await it for the result, or cancel it. The result is raised as `ActivityError` when it failed.

    Raises:
        ValueError: No timeout, both ``arg`` and ``args``, or a dynamic activity.
        TypeError: ``activity`` is none.
        NotInWorkflowError: Not called from workflow code.
    """
    from tenuto.workflow.interception import StartActivityInput

    runtime = current()
    name, arg_types, ret_type = _named(activity, result_type)
    said = _declared(activity)
    if said is not None:
        task_queue = task_queue or said.task_queue
        if start_to_close_timeout is None and schedule_to_close_timeout is None:
            start_to_close_timeout = said.start_to_close_timeout
            schedule_to_close_timeout = said.schedule_to_close_timeout
        schedule_to_start_timeout = _first(schedule_to_start_timeout, said.schedule_to_start_timeout)
        heartbeat_timeout = _first(heartbeat_timeout, said.heartbeat_timeout)
        retry_policy = retry_policy or said.retry_policy
        summary = summary or said.summary
        activity_id = activity_id or said.activity_id
        cancellation_type = _cancellation(cancellation_type, said.cancellation_type)
        if said.priority is not None and priority is Priority.default:
            priority = said.priority
    return runtime.start_activity(
        StartActivityInput(
            activity=name,
            args=merged_args(arg, more, args),
            activity_id=activity_id,
            task_queue=task_queue,
            schedule_to_close_timeout=as_timedelta(schedule_to_close_timeout),
            schedule_to_start_timeout=as_timedelta(schedule_to_start_timeout),
            start_to_close_timeout=as_timedelta(start_to_close_timeout),
            heartbeat_timeout=as_timedelta(heartbeat_timeout),
            retry_policy=retry_policy,
            cancellation_type=cancellation_type,
            headers={},
            disable_eager_execution=False,
            versioning_intent=versioning_intent,
            summary=summary,
            priority=priority,
            arg_types=arg_types,
            ret_type=ret_type,
            event_groups=grouped(event_groups),
        )
    )


def _start_local_activity(
    activity: Any,
    arg: Any = UNSET,
    *more: Any,
    args: Sequence[Any] = (),
    result_type: type | None = None,
    schedule_to_close_timeout: Duration | None = None,
    schedule_to_start_timeout: Duration | None = None,
    start_to_close_timeout: Duration | None = None,
    retry_policy: RetryPolicy | None = None,
    local_retry_threshold: Duration | None = None,
    cancellation_type: ActivityCancellationType = _TRY_CANCEL,
    activity_id: str | None = None,
    summary: str | None = None,
    event_groups: Sequence[EventGroup] | None = None,
) -> ActivityHandle[Any]:
    """Start a local activity: it runs in this worker, without a task of its own; for short work.

    Args, result and errors as of `start_activity`, and:

    Args:
        local_retry_threshold: Waits longer than this between two attempts become timers of the workflow. Default: 60 s.
    """
    from tenuto.workflow.interception import StartLocalActivityInput

    runtime = current()
    name, arg_types, ret_type = _named(activity, result_type)
    said = _declared(activity)
    durable = False
    if said is not None:
        if start_to_close_timeout is None and schedule_to_close_timeout is None:
            start_to_close_timeout = said.start_to_close_timeout
            schedule_to_close_timeout = said.schedule_to_close_timeout
        schedule_to_start_timeout = _first(schedule_to_start_timeout, said.schedule_to_start_timeout)
        local_retry_threshold = _first(local_retry_threshold, said.local_retry_threshold)
        retry_policy = retry_policy or said.retry_policy
        summary = summary or said.summary
        activity_id = activity_id or said.activity_id
        cancellation_type = _cancellation(cancellation_type, said.cancellation_type)
        durable = said.durable
    return runtime.start_local_activity(
        StartLocalActivityInput(
            activity=name,
            args=merged_args(arg, more, args),
            activity_id=activity_id,
            schedule_to_close_timeout=as_timedelta(schedule_to_close_timeout),
            schedule_to_start_timeout=as_timedelta(schedule_to_start_timeout),
            start_to_close_timeout=as_timedelta(start_to_close_timeout),
            retry_policy=retry_policy,
            local_retry_threshold=as_timedelta(local_retry_threshold),
            cancellation_type=cancellation_type,
            headers={},
            summary=summary,
            arg_types=arg_types,
            ret_type=ret_type,
            event_groups=grouped(event_groups),
            durable=durable,
        )
    )


def call_activity(
    runtime: Runtime, activity: Activity[..., Any], options: Mapping[str, Any], args: Any, kwargs: Any
) -> ActivityHandle[Any]:
    """A durable call of an `Activity`: started at once, as its definition and ``options`` say. Raises TypeError when the
    arguments do not fit."""
    target = activity if options == activity.chosen else activity.options(**options)
    values = target.bind(args, kwargs)
    defaults = target.defaults
    if not defaults.local:
        return _start_activity(target, args=values)
    form = target.__dict__.get("_local_form")
    if form is None:
        # All that every call has in common, worked out once: steps are called most of all.
        form = target.__dict__["_local_form"] = _local_form(target, defaults)
    from tenuto.workflow.interception import StartLocalActivityInput

    made = StartLocalActivityInput(args=values, headers={}, event_groups=grouped(None), **form)
    return runtime.start_local_activity(made)


def _local_form(target: Activity[..., Any], said: ActivityOptions) -> dict[str, Any]:
    name, arg_types, ret_type = _named(target, None)
    return {
        "activity": name,
        "activity_id": said.activity_id,
        "schedule_to_close_timeout": said.schedule_to_close_timeout,
        "schedule_to_start_timeout": said.schedule_to_start_timeout,
        "start_to_close_timeout": said.start_to_close_timeout,
        "retry_policy": said.retry_policy,
        "local_retry_threshold": said.local_retry_threshold,
        "cancellation_type": _cancellation(_TRY_CANCEL, said.cancellation_type),
        "summary": said.summary,
        "arg_types": arg_types,
        "ret_type": ret_type,
        "durable": said.durable,
    }


def _cancellation(given: ActivityCancellationType, said: int | None) -> ActivityCancellationType:
    return ActivityCancellationType(said) if said is not None and given is _TRY_CANCEL else given


def _first(given: Duration | None, said: Duration | None) -> Duration | None:
    return said if given is None else given


def _executing(start: Callable[..., Awaitable[Any]], doc: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The function that starts and waits."""

    async def execute(activity: Any, arg: Any = UNSET, *more: Any, **options: Any) -> Any:
        return await start(activity, arg, *more, **options)

    execute.__doc__ = doc
    execute.__wrapped__ = start  # type: ignore[attr-defined] # whose signature it shares
    return execute


_execute_activity = _executing(
    _start_activity,
    "Run an activity and wait for its result. Args and errors as of `start_activity`; raises `ActivityError` when it "
    "failed.",
)
_execute_local_activity = _executing(
    _start_local_activity,
    "Run a local activity and wait for its result. Args and errors as of `start_local_activity`; raises `ActivityError` "
    "when it failed.",
)
for _function in (_start_activity, _start_local_activity, _execute_activity, _execute_local_activity):
    _function.__name__ = _function.__qualname__ = _function.__name__.lstrip("_")
_execute_activity.__name__ = _execute_activity.__qualname__ = "execute_activity"
_execute_local_activity.__name__ = _execute_local_activity.__qualname__ = "execute_local_activity"

start_activity = cast("StartActivity", _start_activity)
start_activity_class = cast("StartActivityClass", _start_activity)
start_activity_method = cast("StartActivityMethod", _start_activity)
execute_activity = cast("ExecuteActivity", _execute_activity)
execute_activity_class = cast("ExecuteActivityClass", _execute_activity)
execute_activity_method = cast("ExecuteActivityMethod", _execute_activity)
start_local_activity = cast("StartLocalActivity", _start_local_activity)
start_local_activity_class = cast("StartLocalActivityClass", _start_local_activity)
start_local_activity_method = cast("StartLocalActivityMethod", _start_local_activity)
execute_local_activity = cast("ExecuteLocalActivity", _execute_local_activity)
execute_local_activity_class = cast("ExecuteLocalActivityClass", _execute_local_activity)
execute_local_activity_method = cast("ExecuteLocalActivityMethod", _execute_local_activity)
