"""What workflow code imports: decorators, facts of the run, waiting, and starting things.

``@workflow.defn`` makes a class a workflow. ``@workflow`` (this module is callable) makes a workflow of an async
function. This room must never import protocol messages when it is loaded, and never knows the run behind it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tenuto.workflow._runtime import NotInWorkflowError
from tenuto.workflow.activities import (
    execute_activity,
    execute_activity_class,
    execute_activity_method,
    execute_local_activity,
    execute_local_activity_class,
    execute_local_activity_method,
    start_activity,
    start_activity_class,
    start_activity_method,
    start_local_activity,
    start_local_activity_class,
    start_local_activity_method,
)
from tenuto.workflow.children import (
    continue_as_new,
    execute_child_workflow,
    get_external_workflow_handle,
    get_external_workflow_handle_for,
    start_child_workflow,
)
from tenuto.workflow.context import (
    all_handlers_finished,
    cancellation_reason,
    current_update_info,
    deprecate_patch,
    extern_functions,
    get_current_details,
    get_last_completion_result,
    get_last_failure,
    has_last_completion_result,
    in_workflow,
    info,
    instance,
    is_failure_exception,
    memo,
    memo_value,
    metric_meter,
    new_random,
    now,
    patched,
    payload_converter,
    random,
    random_seed,
    register_random_seed_callback,
    set_current_details,
    time,
    time_ns,
    upsert_memo,
    upsert_search_attributes,
    uuid4,
    uuid7,
)
from tenuto.workflow.decorate import (
    CallableAsyncType,
    CallableSyncOrAsyncReturnNoneType,
    CallableType,
    ClassType,
    DynamicWorkflowConfig,
    MultiParamSpec,
    ProtocolReturnType,
    UpdateMethodMultiParam,
    defn,
    dynamic_config,
    init,
    query,
    run,
    signal,
    update,
)
from tenuto.workflow.definition import (
    Definition,
    QueryDefinition,
    SignalDefinition,
    UpdateDefinition,
)
from tenuto.workflow.enums import (
    ActivityCancellationType,
    ChildWorkflowCancellationType,
    ContinueAsNewVersioningBehavior,
    HandlerUnfinishedPolicy,
    NexusOperationCancellationType,
    ParentClosePolicy,
    SandboxImportNotificationPolicy,
    VersioningIntent,
)
from tenuto.workflow.errors import (
    ContinueAsNewError,
    NondeterminismError,
    ReadOnlyContextError,
    UnfinishedSignalHandlersWarning,
    UnfinishedUpdateHandlersWarning,
)
from tenuto.workflow.handlers import (
    get_dynamic_query_handler,
    get_dynamic_signal_handler,
    get_dynamic_update_handler,
    get_query_handler,
    get_signal_handler,
    get_update_handler,
    on_query,
    on_signal,
    on_update,
    set_dynamic_query_handler,
    set_dynamic_signal_handler,
    set_dynamic_update_handler,
    set_query_handler,
    set_signal_handler,
    set_update_handler,
)
from tenuto.workflow.waiting import as_completed, sleep, wait, wait_condition

if TYPE_CHECKING:
    from tenuto.workflow._unsafe import unsafe
    from tenuto.workflow.event_groups import EventGroup, create_event_group
    from tenuto.workflow.facts import Info, ParentInfo, PatchActivationInput, RootInfo, UpdateInfo
    from tenuto.workflow.function import BoundWorkflow, FunctionWorkflow
    from tenuto.workflow.handles import (
        ActivityHandle,
        ChildWorkflowHandle,
        ExternalWorkflowHandle,
        NexusOperationHandle,
    )
    from tenuto.workflow.log import LoggerAdapter, logger
    from tenuto.workflow.messages import Mailbox, mailbox, publish
    from tenuto.workflow.nexus import NexusClient, create_nexus_client
    from tenuto.workflow.options import (
        ActivityConfig,
        ChildWorkflowConfig,
        LocalActivityConfig,
        NexusOperationConfig,
    )
    from tenuto.workflow.shapes import (
        CallableAsyncNoParam,
        CallableAsyncSingleParam,
        CallableSyncNoParam,
        CallableSyncSingleParam,
        MethodAsyncNoParam,
        MethodAsyncSingleParam,
        MethodSyncNoParam,
        MethodSyncOrAsyncNoParam,
        MethodSyncOrAsyncSingleParam,
        MethodSyncSingleParam,
        ParamType,
        ReturnType,
        SelfType,
    )

_Definition = Definition
_LATER = {
    "event_groups": (
        "EventGroup",
        "create_event_group",
    ),
    "facts": (
        "Info",
        "ParentInfo",
        "PatchActivationInput",
        "RootInfo",
        "UpdateInfo",
    ),
    "function": (
        "BoundWorkflow",
        "FunctionWorkflow",
    ),
    "handles": (
        "ActivityHandle",
        "ChildWorkflowHandle",
        "ExternalWorkflowHandle",
        "NexusOperationHandle",
    ),
    "log": (
        "LoggerAdapter",
        "logger",
    ),
    "messages": (
        "Mailbox",
        "mailbox",
        "publish",
    ),
    "nexus": (
        "NexusClient",
        "create_nexus_client",
    ),
    "options": (
        "ActivityConfig",
        "ChildWorkflowConfig",
        "LocalActivityConfig",
        "NexusOperationConfig",
    ),
    "shapes": (
        "CallableAsyncNoParam",
        "CallableAsyncSingleParam",
        "CallableSyncNoParam",
        "CallableSyncSingleParam",
        "MethodAsyncNoParam",
        "MethodAsyncSingleParam",
        "MethodSyncNoParam",
        "MethodSyncOrAsyncNoParam",
        "MethodSyncOrAsyncSingleParam",
        "MethodSyncSingleParam",
        "ParamType",
        "ReturnType",
        "SelfType",
    ),
    "_unsafe": ("unsafe",),
}
"""Rooms that are loaded when one of their names is first used: most programs use few of them."""
_HOME = {name: home for home, names in _LATER.items() for name in names}

__all__ = [
    "ActivityCancellationType",
    "ActivityConfig",
    "ActivityHandle",
    "BoundWorkflow",
    "CallableAsyncNoParam",
    "CallableAsyncSingleParam",
    "CallableAsyncType",
    "CallableSyncNoParam",
    "CallableSyncOrAsyncReturnNoneType",
    "CallableSyncSingleParam",
    "CallableType",
    "ChildWorkflowCancellationType",
    "ChildWorkflowConfig",
    "ChildWorkflowHandle",
    "ClassType",
    "ContinueAsNewError",
    "ContinueAsNewVersioningBehavior",
    "Definition",
    "DynamicWorkflowConfig",
    "EventGroup",
    "ExternalWorkflowHandle",
    "FunctionWorkflow",
    "HandlerUnfinishedPolicy",
    "Info",
    "LocalActivityConfig",
    "LoggerAdapter",
    "Mailbox",
    "MethodAsyncNoParam",
    "MethodAsyncSingleParam",
    "MethodSyncNoParam",
    "MethodSyncOrAsyncNoParam",
    "MethodSyncOrAsyncSingleParam",
    "MethodSyncSingleParam",
    "MultiParamSpec",
    "NexusClient",
    "NexusOperationCancellationType",
    "NexusOperationConfig",
    "NexusOperationHandle",
    "NondeterminismError",
    "NotInWorkflowError",
    "ParamType",
    "ParentClosePolicy",
    "ParentInfo",
    "PatchActivationInput",
    "ProtocolReturnType",
    "QueryDefinition",
    "ReadOnlyContextError",
    "ReturnType",
    "RootInfo",
    "SandboxImportNotificationPolicy",
    "SelfType",
    "SignalDefinition",
    "UnfinishedSignalHandlersWarning",
    "UnfinishedUpdateHandlersWarning",
    "UpdateDefinition",
    "UpdateInfo",
    "UpdateMethodMultiParam",
    "VersioningIntent",
    "all_handlers_finished",
    "as_completed",
    "cancellation_reason",
    "continue_as_new",
    "create_event_group",
    "create_nexus_client",
    "current_update_info",
    "defn",
    "deprecate_patch",
    "dynamic_config",
    "execute_activity",
    "execute_activity_class",
    "execute_activity_method",
    "execute_child_workflow",
    "execute_local_activity",
    "execute_local_activity_class",
    "execute_local_activity_method",
    "extern_functions",
    "get_current_details",
    "get_dynamic_query_handler",
    "get_dynamic_signal_handler",
    "get_dynamic_update_handler",
    "get_external_workflow_handle",
    "get_external_workflow_handle_for",
    "get_last_completion_result",
    "get_last_failure",
    "get_query_handler",
    "get_signal_handler",
    "get_update_handler",
    "has_last_completion_result",
    "in_workflow",
    "info",
    "init",
    "instance",
    "is_failure_exception",
    "logger",
    "mailbox",
    "memo",
    "memo_value",
    "metric_meter",
    "new_random",
    "now",
    "on_query",
    "on_signal",
    "on_update",
    "patched",
    "payload_converter",
    "publish",
    "query",
    "random",
    "random_seed",
    "register_random_seed_callback",
    "run",
    "set_current_details",
    "set_dynamic_query_handler",
    "set_dynamic_signal_handler",
    "set_dynamic_update_handler",
    "set_query_handler",
    "set_signal_handler",
    "set_update_handler",
    "signal",
    "sleep",
    "start_activity",
    "start_activity_class",
    "start_activity_method",
    "start_child_workflow",
    "start_local_activity",
    "start_local_activity_class",
    "start_local_activity_method",
    "time",
    "time_ns",
    "unsafe",
    "update",
    "upsert_memo",
    "upsert_search_attributes",
    "uuid4",
    "uuid7",
    "wait",
    "wait_condition",
]


class _Door(ModuleType):
    """This module, called as a decorator."""

    def __call__(self, fn: Any = None, /, **given: Any) -> Any:
        from tenuto.workflow.function import decorate

        return decorate(fn, **given)

    def __getattr__(self, name: str) -> Any:
        home = _HOME.get(name)
        if home is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        # Some names are also those of their files, so all names of a file are set at once, over its own.
        room = import_module(f"{self.__name__}.{home}")
        vars(self).update((each, getattr(room, each)) for each in _LATER[home])
        return vars(self)[name]

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *__all__})


sys.modules[__name__].__class__ = _Door
