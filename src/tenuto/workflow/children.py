"""Other workflows from workflow code: children, signals to others, and this one's next run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from tenuto.common import (
    UNSET,
    Duration,
    Priority,
    RetryPolicy,
    SearchAttributes,
    TypedSearchAttributes,
    VersioningOverride,
    WorkflowIDReusePolicy,
    arg_or_args,
    as_timedelta,
    merged_args,
)
from tenuto.workflow._runtime import Runtime, current
from tenuto.workflow.definition import signal_named, workflow_named
from tenuto.workflow.enums import (
    ChildWorkflowCancellationType,
    ContinueAsNewVersioningBehavior,
    ParentClosePolicy,
    VersioningIntent,
)
from tenuto.workflow.event_groups import EventGroup, grouped

if TYPE_CHECKING:
    from tenuto.workflow.call_shapes import ExecuteChildWorkflow, StartChildWorkflow
    from tenuto.workflow.handles import ChildWorkflowHandle, ExternalWorkflowHandle
    from tenuto.workflow.shapes import MethodAsyncNoParam, MethodAsyncSingleParam

SelfT = TypeVar("SelfT")


async def _start_child_workflow(
    workflow: Any,
    arg: Any = UNSET,
    *more: Any,
    args: Sequence[Any] = (),
    id: str | None = None,
    task_queue: str | None = None,
    result_type: type | None = None,
    cancellation_type: ChildWorkflowCancellationType = ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    parent_close_policy: ParentClosePolicy = ParentClosePolicy.TERMINATE,
    execution_timeout: Duration | None = None,
    run_timeout: Duration | None = None,
    task_timeout: Duration | None = None,
    id_reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    retry_policy: RetryPolicy | None = None,
    cron_schedule: str = "",
    memo: Mapping[str, Any] | None = None,
    search_attributes: SearchAttributes | TypedSearchAttributes | None = None,
    versioning_intent: VersioningIntent | None = None,
    static_summary: str | None = None,
    static_details: str | None = None,
    event_groups: Sequence[EventGroup] | None = None,
    priority: Priority = Priority.default,
    versioning_override: VersioningOverride | None = None,
) -> ChildWorkflowHandle[Any, Any]:
    """Start a child workflow, and wait until it is started.

    Args:
        workflow: The run method of a workflow class, a function workflow, or the name of a type.
        arg: Its argument; more may follow.
        args: All its arguments, instead.
        id: Its workflow id. Default: a UUID drawn from the run's own chance.
        task_queue: Where it runs. Default: this workflow's queue.
        result_type: Type of the result, where annotations do not tell.
        cancellation_type: What its cancellation means to the waiting code.
        parent_close_policy: What becomes of it when this workflow closes.
        execution_timeout: For all its runs; a timedelta or seconds, as all timeouts. Default: none.
        run_timeout: For each of its runs. Default: none.
        task_timeout: For each of its workflow tasks. Default: 10 s.
        id_reuse_policy: Whether it may have the id of a closed workflow.
        retry_policy: How to start it again when it fails. Default: not.
        cron_schedule: When to run it again and again.
        memo: Values to show beside it.
        search_attributes: Values to find it by.
        versioning_intent: Accepted for older worker versioning.
        static_summary: One line that tools show beside it.
        static_details: Text that tools show beside it.
        event_groups: Groups of its events.
        priority: Its place among the tasks of its queue. Default: this workflow's.
        versioning_override: Which version of a deployment it runs on.

    Returns:
        A task: await it for the result, cancel it, signal it.

    Raises:
        WorkflowAlreadyStartedError: The id is taken.
        ValueError: ``workflow`` is none or dynamic, or both ``arg`` and ``args``.
        NotInWorkflowError: Not called from workflow code.
    """
    from tenuto.workflow.interception import StartChildWorkflowInput

    runtime = current()
    name, arg_types, ret_type = workflow_named(workflow)
    values = merged_args(arg, more, args)
    return await runtime.start_child_workflow(
        StartChildWorkflowInput(
            workflow=name,
            args=values,
            id=id or str(runtime.uuid4()),
            task_queue=task_queue,
            cancellation_type=cancellation_type,
            parent_close_policy=parent_close_policy,
            execution_timeout=as_timedelta(execution_timeout),
            run_timeout=as_timedelta(run_timeout),
            task_timeout=as_timedelta(task_timeout),
            id_reuse_policy=id_reuse_policy,
            retry_policy=retry_policy,
            cron_schedule=cron_schedule,
            memo=memo,
            search_attributes=search_attributes,
            headers={},
            versioning_intent=versioning_intent,
            static_summary=static_summary,
            static_details=static_details,
            priority=priority,
            arg_types=arg_types,
            ret_type=result_type or ret_type,
            versioning_override=versioning_override,
            event_groups=grouped(event_groups),
        )
    )


async def _execute_child_workflow(workflow: Any, arg: Any = UNSET, *more: Any, **options: Any) -> Any:
    """Run a child workflow and wait for its result. Args as of `start_child_workflow`.

    Raises `ChildWorkflowError` when it failed, and what `start_child_workflow` raises.
    """
    return await (await _start_child_workflow(workflow, arg, *more, **options))


_execute_child_workflow.__wrapped__ = _start_child_workflow  # type: ignore[attr-defined]
_start_child_workflow.__name__ = _start_child_workflow.__qualname__ = "start_child_workflow"
_execute_child_workflow.__name__ = _execute_child_workflow.__qualname__ = "execute_child_workflow"
start_child_workflow = cast("StartChildWorkflow", _start_child_workflow)
execute_child_workflow = cast("ExecuteChildWorkflow", _execute_child_workflow)


async def call_workflow(
    runtime: Runtime, workflow: Any, options: Mapping[str, Any], args: Any, kwargs: Any
) -> Any:
    """A child workflow as a call, for function workflows. Raises TypeError when the arguments do not fit."""
    return await _execute_child_workflow(workflow, args=workflow.bind(args, kwargs), **options)


def get_external_workflow_handle(
    workflow_id: str, *, run_id: str | None = None
) -> ExternalWorkflowHandle[Any]:
    """Another workflow of this namespace, to signal or cancel it. ``run_id`` None: whichever run is current then."""
    from tenuto.workflow.handles import ExternalWorkflowHandle

    return ExternalWorkflowHandle(current(), workflow_id, run_id)


def get_external_workflow_handle_for(
    workflow: MethodAsyncNoParam[SelfT, Any] | MethodAsyncSingleParam[SelfT, Any, Any],
    workflow_id: str,
    *,
    run_id: str | None = None,
) -> ExternalWorkflowHandle[SelfT]:
    """Like `get_external_workflow_handle`; ``workflow``, a run method, only tells type checkers what it is."""
    from tenuto.workflow.handles import ExternalWorkflowHandle

    return ExternalWorkflowHandle(current(), workflow_id, run_id)


def signal_name_and_args(signal: Any, arg: Any, args: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """The name and arguments of a signal to send. Raises RuntimeError when ``signal`` is neither a name nor a handler,
    ValueError for both ``arg`` and ``args``."""
    return signal_named(signal)[0], arg_or_args(arg, args)


def continue_as_new(
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    workflow: Callable[..., Any] | str | None = None,
    task_queue: str | None = None,
    run_timeout: Duration | None = None,
    task_timeout: Duration | None = None,
    backoff_start_interval: Duration | None = None,
    retry_policy: RetryPolicy | None = None,
    memo: Mapping[str, Any] | None = None,
    search_attributes: SearchAttributes | TypedSearchAttributes | None = None,
    versioning_intent: VersioningIntent | None = None,
    initial_versioning_behavior: ContinueAsNewVersioningBehavior | None = None,
    event_groups: Sequence[EventGroup] | None = None,
) -> NoReturn:
    """End this run, and go on in a new one with an empty history. Never returns: raises `ContinueAsNewError`.

    Args:
        arg: Argument of the next run.
        args: All its arguments, instead.
        workflow: Its type: run method, function workflow or name. Default: the same.
        task_queue: Where it runs. Default: the same.
        run_timeout: For the next run; a timedelta or seconds, as all timeouts. Default: the same.
        task_timeout: For each of its workflow tasks. Default: the same.
        backoff_start_interval: How long to wait before its first workflow task.
        retry_policy: Of the next run. Default: the same.
        memo: Values to show beside it. Default: the same.
        search_attributes: Values to find it by. Default: the same.
        versioning_intent: Accepted for older worker versioning.
        initial_versioning_behavior: Which version of a deployment it starts on.
        event_groups: Groups of the event.
    """
    from tenuto.workflow.interception import ContinueAsNewInput

    name: str | None = None
    arg_types: list[type] | None = None
    if workflow is not None:
        name, arg_types, _ = workflow_named(workflow)
    current().continue_as_new(
        ContinueAsNewInput(
            workflow=name,
            args=arg_or_args(arg, args),
            task_queue=task_queue,
            run_timeout=as_timedelta(run_timeout),
            task_timeout=as_timedelta(task_timeout),
            backoff_start_interval=as_timedelta(backoff_start_interval),
            retry_policy=retry_policy,
            memo=memo,
            search_attributes=search_attributes,
            headers={},
            versioning_intent=versioning_intent,
            initial_versioning_behavior=initial_versioning_behavior,
            event_groups=grouped(event_groups),
            arg_types=arg_types,
        )
    )
