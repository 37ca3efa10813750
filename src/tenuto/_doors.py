"""What type checkers see of ``from tenuto import activity, workflow``: each is a package and a decorator at once.

At run time they are the packages; this file is never loaded by a program. It must hold every public name of both, and
nothing else: a test compares them.
"""

from __future__ import annotations

import asyncio as _asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, ClassVar, Literal, ParamSpec, TypeVar, overload

import tenuto.activity as _activity
import tenuto.workflow as _workflow
from tenuto.common import Duration, Priority, RetryPolicy, VersioningBehavior
from tenuto.workflow import call_shapes as _shapes
from tenuto.workflow.decorate import CallableSyncOrAsyncReturnNoneType, CallableType, ClassType
from tenuto.workflow.enums import ActivityCancellationType, HandlerUnfinishedPolicy
from tenuto.workflow.waiting import FutureT

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")


class activity:
    """Activities: see `tenuto.activity`."""

    @overload
    def __new__(cls, fn: Callable[P, Coroutine[Any, Any, R]], /) -> ActivityFunction[P, R]: ...
    @overload
    def __new__(cls, fn: Callable[P, R], /) -> ActivityFunction[P, R]: ...
    @overload
    def __new__(
        cls,
        *,
        name: str | None = None,
        dynamic: bool = False,
        no_thread_cancel_exception: bool = False,
        task_queue: str | None = None,
        start_to_close_timeout: Duration | None = ...,
        schedule_to_close_timeout: Duration | None = None,
        schedule_to_start_timeout: Duration | None = None,
        heartbeat_timeout: Duration | None = ...,
        retry_policy: RetryPolicy | None = None,
        auto_heartbeat: bool = True,
        local: bool = False,
        durable: bool = False,
        local_retry_threshold: Duration | None = None,
        cancellation_type: ActivityCancellationType | None = None,
        activity_id: str | None = None,
        summary: str | None = None,
        priority: Priority | None = None,
    ) -> ActivityDecorator: ...
    def __new__(cls, *args: Any, **kwargs: Any) -> Any: ...

    @overload
    @staticmethod
    def defn(fn: CallableType) -> CallableType: ...
    @overload
    @staticmethod
    def defn(
        *, name: str | None = None, no_thread_cancel_exception: bool = False
    ) -> Callable[[CallableType], CallableType]: ...
    @overload
    @staticmethod
    def defn(
        *, no_thread_cancel_exception: bool = False, dynamic: bool = False
    ) -> Callable[[CallableType], CallableType]: ...
    @staticmethod
    def defn(*args: Any, **kwargs: Any) -> Any: ...

    step: ClassVar[type[activity]]
    # Imports, for an alias of a generic class cannot be subscripted for every type checker.
    from tenuto.activity.call import Activity as Activity
    from tenuto.activity.context import ActivityCancellationDetails as ActivityCancellationDetails
    from tenuto.activity.context import CompleteAsyncError as CompleteAsyncError
    from tenuto.activity.context import Context as Context
    from tenuto.activity.context import Info as Info
    from tenuto.activity.definition import Definition as Definition
    from tenuto.activity.log import LoggerAdapter as LoggerAdapter
    from tenuto.activity.options import ActivityOptions as ActivityOptions

    logger = _activity.logger

    cancellation_details = staticmethod(_activity.cancellation_details)
    check_cancelled = staticmethod(_activity.check_cancelled)
    client = staticmethod(_activity.client)
    heartbeat = staticmethod(_activity.heartbeat)
    in_activity = staticmethod(_activity.in_activity)
    info = staticmethod(_activity.info)
    is_cancelled = staticmethod(_activity.is_cancelled)
    is_worker_shutdown = staticmethod(_activity.is_worker_shutdown)
    metric_meter = staticmethod(_activity.metric_meter)
    payload_converter = staticmethod(_activity.payload_converter)
    raise_complete_async = staticmethod(_activity.raise_complete_async)
    shield_thread_cancel_exception = staticmethod(_activity.shield_thread_cancel_exception)
    wait_for_cancelled = staticmethod(_activity.wait_for_cancelled)
    wait_for_cancelled_sync = staticmethod(_activity.wait_for_cancelled_sync)
    wait_for_worker_shutdown = staticmethod(_activity.wait_for_worker_shutdown)
    wait_for_worker_shutdown_sync = staticmethod(_activity.wait_for_worker_shutdown_sync)


class ActivityFunction(activity, _activity.Activity[P, R]):
    """See `tenuto.activity.Activity`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def start(self, *args: P.args, **kwargs: P.kwargs) -> _workflow.ActivityHandle[R]:
        raise NotImplementedError

    def options(  # type: ignore[override]
        self,
        *,
        task_queue: str | None = ...,
        start_to_close_timeout: Duration | None = ...,
        schedule_to_close_timeout: Duration | None = ...,
        schedule_to_start_timeout: Duration | None = ...,
        heartbeat_timeout: Duration | None = ...,
        retry_policy: RetryPolicy | None = ...,
        auto_heartbeat: bool = ...,
        local: bool = ...,
        durable: bool = ...,
        local_retry_threshold: Duration | None = ...,
        cancellation_type: ActivityCancellationType | None = ...,
        activity_id: str | None = ...,
        summary: str | None = ...,
        priority: Priority | None = ...,
    ) -> ActivityFunction[P, R]:
        raise NotImplementedError


class ActivityDecorator(activity):
    """What ``@activity(...)`` is before it meets its function."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> ActivityFunction[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> ActivityFunction[P, R]: ...
    def __call__(self, fn: Any, /) -> Any: ...


class workflow:
    """What workflow code imports: see `tenuto.workflow`."""

    @overload
    def __new__(cls, fn: Callable[P, Coroutine[Any, Any, R]], /) -> WorkflowFunction[P, R]: ...
    @overload
    def __new__(
        cls,
        *,
        name: str | None = None,
        task_queue: str | None = None,
        failure_exception_types: Sequence[type[BaseException]] = ...,
        sandboxed: bool = True,
        versioning_behavior: VersioningBehavior = ...,
    ) -> WorkflowDecorator: ...
    def __new__(cls, *args: Any, **kwargs: Any) -> Any: ...

    @overload
    @staticmethod
    def defn(cls: ClassType) -> ClassType: ...
    @overload
    @staticmethod
    def defn(
        *,
        name: str | None = None,
        sandboxed: bool = True,
        dynamic: bool = False,
        failure_exception_types: Sequence[type[BaseException]] = ...,
        versioning_behavior: VersioningBehavior = ...,
    ) -> Callable[[ClassType], ClassType]: ...
    @staticmethod
    def defn(*args: Any, **kwargs: Any) -> Any: ...

    @overload
    @staticmethod
    def signal(fn: CallableSyncOrAsyncReturnNoneType) -> CallableSyncOrAsyncReturnNoneType: ...
    @overload
    @staticmethod
    def signal(
        *,
        name: str | None = None,
        unfinished_policy: HandlerUnfinishedPolicy = ...,
        description: str | None = None,
    ) -> Callable[[CallableSyncOrAsyncReturnNoneType], CallableSyncOrAsyncReturnNoneType]: ...
    @overload
    @staticmethod
    def signal(
        *,
        dynamic: Literal[True],
        unfinished_policy: HandlerUnfinishedPolicy = ...,
        description: str | None = None,
    ) -> Callable[[CallableSyncOrAsyncReturnNoneType], CallableSyncOrAsyncReturnNoneType]: ...
    @staticmethod
    def signal(*args: Any, **kwargs: Any) -> Any: ...

    @overload
    @staticmethod
    def query(fn: CallableType) -> CallableType: ...
    @overload
    @staticmethod
    def query(
        *, name: str | None = None, description: str | None = None
    ) -> Callable[[CallableType], CallableType]: ...
    @overload
    @staticmethod
    def query(
        *, dynamic: Literal[True], description: str | None = None
    ) -> Callable[[CallableType], CallableType]: ...
    @staticmethod
    def query(*args: Any, **kwargs: Any) -> Any: ...

    @overload
    @staticmethod
    def update(
        fn: Callable[P, Awaitable[R]],
    ) -> _workflow.UpdateMethodMultiParam[P, R]: ...
    @overload
    @staticmethod
    def update(
        fn: Callable[P, R],
    ) -> _workflow.UpdateMethodMultiParam[P, R]: ...
    @overload
    @staticmethod
    def update(
        *,
        name: str | None = None,
        unfinished_policy: HandlerUnfinishedPolicy = ...,
        description: str | None = None,
    ) -> Callable[[Callable[P, R]], _workflow.UpdateMethodMultiParam[P, R]]: ...
    @overload
    @staticmethod
    def update(
        *,
        dynamic: Literal[True],
        unfinished_policy: HandlerUnfinishedPolicy = ...,
        description: str | None = None,
    ) -> Callable[[Callable[P, R]], _workflow.UpdateMethodMultiParam[P, R]]: ...
    @staticmethod
    def update(*args: Any, **kwargs: Any) -> Any: ...

    @overload
    @staticmethod
    async def wait(
        fs: Iterable[FutureT], *, timeout: Duration | None = None, return_when: str = ...
    ) -> tuple[list[FutureT], list[FutureT]]: ...
    @overload
    @staticmethod
    async def wait(
        fs: Iterable[_asyncio.Task[T]],
        *,
        timeout: Duration | None = None,
        return_when: str = ...,
    ) -> tuple[list[_asyncio.Task[T]], list[_asyncio.Task[T]]]: ...
    @staticmethod
    async def wait(*args: Any, **kwargs: Any) -> Any: ...

    @overload
    @staticmethod
    def mailbox(name: str) -> _workflow.Mailbox[Any]: ...
    @overload
    @staticmethod
    def mailbox(name: str, type: type[T]) -> _workflow.Mailbox[T]: ...
    @staticmethod
    def mailbox(*args: Any, **kwargs: Any) -> Any: ...

    # Imports, for an alias of a generic class cannot be subscripted for every type checker.
    from tenuto.workflow._runtime import NotInWorkflowError as NotInWorkflowError
    from tenuto.workflow._unsafe import unsafe as unsafe
    from tenuto.workflow.decorate import DynamicWorkflowConfig as DynamicWorkflowConfig
    from tenuto.workflow.decorate import UpdateMethodMultiParam as UpdateMethodMultiParam
    from tenuto.workflow.definition import Definition as Definition
    from tenuto.workflow.definition import QueryDefinition as QueryDefinition
    from tenuto.workflow.definition import SignalDefinition as SignalDefinition
    from tenuto.workflow.definition import UpdateDefinition as UpdateDefinition
    from tenuto.workflow.enums import ActivityCancellationType as ActivityCancellationType
    from tenuto.workflow.enums import ChildWorkflowCancellationType as ChildWorkflowCancellationType
    from tenuto.workflow.enums import ContinueAsNewVersioningBehavior as ContinueAsNewVersioningBehavior
    from tenuto.workflow.enums import HandlerUnfinishedPolicy as HandlerUnfinishedPolicy
    from tenuto.workflow.enums import NexusOperationCancellationType as NexusOperationCancellationType
    from tenuto.workflow.enums import ParentClosePolicy as ParentClosePolicy
    from tenuto.workflow.enums import SandboxImportNotificationPolicy as SandboxImportNotificationPolicy
    from tenuto.workflow.enums import VersioningIntent as VersioningIntent
    from tenuto.workflow.errors import ContinueAsNewError as ContinueAsNewError
    from tenuto.workflow.errors import NondeterminismError as NondeterminismError
    from tenuto.workflow.errors import ReadOnlyContextError as ReadOnlyContextError
    from tenuto.workflow.errors import UnfinishedSignalHandlersWarning as UnfinishedSignalHandlersWarning
    from tenuto.workflow.errors import UnfinishedUpdateHandlersWarning as UnfinishedUpdateHandlersWarning
    from tenuto.workflow.event_groups import EventGroup as EventGroup
    from tenuto.workflow.facts import Info as Info
    from tenuto.workflow.facts import ParentInfo as ParentInfo
    from tenuto.workflow.facts import PatchActivationInput as PatchActivationInput
    from tenuto.workflow.facts import RootInfo as RootInfo
    from tenuto.workflow.facts import UpdateInfo as UpdateInfo
    from tenuto.workflow.function import BoundWorkflow as BoundWorkflow
    from tenuto.workflow.function import FunctionWorkflow as FunctionWorkflow
    from tenuto.workflow.handles import ActivityHandle as ActivityHandle
    from tenuto.workflow.handles import ChildWorkflowHandle as ChildWorkflowHandle
    from tenuto.workflow.handles import ExternalWorkflowHandle as ExternalWorkflowHandle
    from tenuto.workflow.handles import NexusOperationHandle as NexusOperationHandle
    from tenuto.workflow.log import LoggerAdapter as LoggerAdapter
    from tenuto.workflow.messages import Mailbox as Mailbox
    from tenuto.workflow.nexus import NexusClient as NexusClient
    from tenuto.workflow.options import ActivityConfig as ActivityConfig
    from tenuto.workflow.options import ChildWorkflowConfig as ChildWorkflowConfig
    from tenuto.workflow.options import LocalActivityConfig as LocalActivityConfig
    from tenuto.workflow.options import NexusOperationConfig as NexusOperationConfig
    from tenuto.workflow.shapes import CallableAsyncNoParam as CallableAsyncNoParam
    from tenuto.workflow.shapes import CallableAsyncSingleParam as CallableAsyncSingleParam
    from tenuto.workflow.shapes import CallableSyncNoParam as CallableSyncNoParam
    from tenuto.workflow.shapes import CallableSyncSingleParam as CallableSyncSingleParam
    from tenuto.workflow.shapes import MethodAsyncNoParam as MethodAsyncNoParam
    from tenuto.workflow.shapes import MethodAsyncSingleParam as MethodAsyncSingleParam
    from tenuto.workflow.shapes import MethodSyncNoParam as MethodSyncNoParam
    from tenuto.workflow.shapes import MethodSyncOrAsyncNoParam as MethodSyncOrAsyncNoParam
    from tenuto.workflow.shapes import MethodSyncOrAsyncSingleParam as MethodSyncOrAsyncSingleParam
    from tenuto.workflow.shapes import MethodSyncSingleParam as MethodSyncSingleParam

    CallableAsyncType = _workflow.CallableAsyncType
    CallableSyncOrAsyncReturnNoneType = _workflow.CallableSyncOrAsyncReturnNoneType
    CallableType = _workflow.CallableType
    ClassType = _workflow.ClassType
    MultiParamSpec = _workflow.MultiParamSpec
    ParamType = _workflow.ParamType
    ProtocolReturnType = _workflow.ProtocolReturnType
    ReturnType = _workflow.ReturnType
    SelfType = _workflow.SelfType
    logger = _workflow.logger

    execute_activity: ClassVar[_shapes.ExecuteActivity]
    execute_activity_class: ClassVar[_shapes.ExecuteActivityClass]
    execute_activity_method: ClassVar[_shapes.ExecuteActivityMethod]
    execute_child_workflow: ClassVar[_shapes.ExecuteChildWorkflow]
    execute_local_activity: ClassVar[_shapes.ExecuteLocalActivity]
    execute_local_activity_class: ClassVar[_shapes.ExecuteLocalActivityClass]
    execute_local_activity_method: ClassVar[_shapes.ExecuteLocalActivityMethod]
    start_activity: ClassVar[_shapes.StartActivity]
    start_activity_class: ClassVar[_shapes.StartActivityClass]
    start_activity_method: ClassVar[_shapes.StartActivityMethod]
    start_child_workflow: ClassVar[_shapes.StartChildWorkflow]
    start_local_activity: ClassVar[_shapes.StartLocalActivity]
    start_local_activity_class: ClassVar[_shapes.StartLocalActivityClass]
    start_local_activity_method: ClassVar[_shapes.StartLocalActivityMethod]

    all_handlers_finished = staticmethod(_workflow.all_handlers_finished)
    as_completed = staticmethod(_workflow.as_completed)
    cancellation_reason = staticmethod(_workflow.cancellation_reason)
    continue_as_new = staticmethod(_workflow.continue_as_new)
    create_event_group = staticmethod(_workflow.create_event_group)
    create_nexus_client = staticmethod(_workflow.create_nexus_client)
    current_update_info = staticmethod(_workflow.current_update_info)
    deprecate_patch = staticmethod(_workflow.deprecate_patch)
    dynamic_config = staticmethod(_workflow.dynamic_config)
    extern_functions = staticmethod(_workflow.extern_functions)
    get_current_details = staticmethod(_workflow.get_current_details)
    get_dynamic_query_handler = staticmethod(_workflow.get_dynamic_query_handler)
    get_dynamic_signal_handler = staticmethod(_workflow.get_dynamic_signal_handler)
    get_dynamic_update_handler = staticmethod(_workflow.get_dynamic_update_handler)
    get_external_workflow_handle = staticmethod(_workflow.get_external_workflow_handle)
    get_external_workflow_handle_for = staticmethod(_workflow.get_external_workflow_handle_for)
    get_last_completion_result = staticmethod(_workflow.get_last_completion_result)
    get_last_failure = staticmethod(_workflow.get_last_failure)
    get_query_handler = staticmethod(_workflow.get_query_handler)
    get_signal_handler = staticmethod(_workflow.get_signal_handler)
    get_update_handler = staticmethod(_workflow.get_update_handler)
    has_last_completion_result = staticmethod(_workflow.has_last_completion_result)
    in_workflow = staticmethod(_workflow.in_workflow)
    info = staticmethod(_workflow.info)
    init = staticmethod(_workflow.init)
    instance = staticmethod(_workflow.instance)
    is_failure_exception = staticmethod(_workflow.is_failure_exception)
    memo = staticmethod(_workflow.memo)
    memo_value = staticmethod(_workflow.memo_value)
    metric_meter = staticmethod(_workflow.metric_meter)
    new_random = staticmethod(_workflow.new_random)
    now = staticmethod(_workflow.now)
    on_query = staticmethod(_workflow.on_query)
    on_signal = staticmethod(_workflow.on_signal)
    on_update = staticmethod(_workflow.on_update)
    patched = staticmethod(_workflow.patched)
    payload_converter = staticmethod(_workflow.payload_converter)
    publish = staticmethod(_workflow.publish)
    random = staticmethod(_workflow.random)
    random_seed = staticmethod(_workflow.random_seed)
    register_random_seed_callback = staticmethod(_workflow.register_random_seed_callback)
    run = staticmethod(_workflow.run)
    set_current_details = staticmethod(_workflow.set_current_details)
    set_dynamic_query_handler = staticmethod(_workflow.set_dynamic_query_handler)
    set_dynamic_signal_handler = staticmethod(_workflow.set_dynamic_signal_handler)
    set_dynamic_update_handler = staticmethod(_workflow.set_dynamic_update_handler)
    set_query_handler = staticmethod(_workflow.set_query_handler)
    set_signal_handler = staticmethod(_workflow.set_signal_handler)
    set_update_handler = staticmethod(_workflow.set_update_handler)
    sleep = staticmethod(_workflow.sleep)
    time = staticmethod(_workflow.time)
    time_ns = staticmethod(_workflow.time_ns)
    upsert_memo = staticmethod(_workflow.upsert_memo)
    upsert_search_attributes = staticmethod(_workflow.upsert_search_attributes)
    uuid4 = staticmethod(_workflow.uuid4)
    uuid7 = staticmethod(_workflow.uuid7)
    wait_condition = staticmethod(_workflow.wait_condition)


class WorkflowFunction(workflow, _workflow.FunctionWorkflow[P, R]):
    """See `tenuto.workflow.FunctionWorkflow`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...


class WorkflowDecorator(workflow):
    """What ``@workflow(...)`` is before it meets its function."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> WorkflowFunction[P, R]:
        raise NotImplementedError
