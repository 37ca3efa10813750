"""Shapes of functions, so that a type checker knows what a call on a workflow or an activity takes and gives."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ParamSpec, Protocol, TypedDict, TypeVar, TypeVarTuple

from tenuto.common import (
    ActivityIDConflictPolicy,
    ActivityIDReusePolicy,
    Duration,
    Priority,
    QueryRejectCondition,
    RetryPolicy,
    SearchAttributes,
    TypedSearchAttributes,
    VersioningOverride,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)

SelfType = TypeVar("SelfType")
ParamType = TypeVar("ParamType")
FirstType = TypeVar("FirstType")
ReturnType = TypeVar("ReturnType", covariant=True)
LocalReturnType = TypeVar("LocalReturnType", covariant=True)
MultiParamSpec = ParamSpec("MultiParamSpec")
Values = TypeVarTuple("Values")

_Self = TypeVar("_Self", contravariant=True)
_Param = TypeVar("_Param", contravariant=True)
_Return = TypeVar("_Return", covariant=True)


class MethodAsyncNoParam(Protocol[_Self, _Return]):
    """An async method without parameters."""

    def __call__(__self, self: _Self) -> Awaitable[_Return]: ...


class MethodAsyncSingleParam(Protocol[_Self, _Param, _Return]):
    """An async method that can be called with one argument."""

    def __call__(self, __self: _Self, __arg: _Param, /) -> Awaitable[_Return]: ...


class MethodSyncOrAsyncNoParam(Protocol[_Self, _Return]):
    """A method without parameters."""

    def __call__(self, __self: _Self) -> _Return | Awaitable[_Return]: ...


class MethodSyncOrAsyncSingleParam(Protocol[_Self, _Param, _Return]):
    """A method that can be called with one argument."""

    def __call__(self, __self: _Self, __param: _Param, /) -> _Return | Awaitable[_Return]: ...


class CallableAsyncNoParam(Protocol[_Return]):
    """An async function without parameters."""

    def __call__(self) -> Awaitable[_Return]: ...


class CallableAsyncSingleParam(Protocol[_Param, _Return]):
    """An async function that can be called with one argument."""

    def __call__(self, __arg: _Param, /) -> Awaitable[_Return]: ...


class CallableSyncNoParam(Protocol[_Return]):
    """A function without parameters."""

    def __call__(self) -> _Return: ...


class CallableSyncSingleParam(Protocol[_Param, _Return]):
    """A function that can be called with one argument."""

    def __call__(self, __arg: _Param, /) -> _Return: ...


class RPCOptions(TypedDict, total=False):
    """Options of every call: metadata to send along, and how long it may take (None: 30 seconds)."""

    rpc_metadata: Mapping[str, str | bytes]
    rpc_timeout: timedelta | None


class QueryOptions(RPCOptions, total=False):
    """Options of `WorkflowHandle.query`."""

    reject_condition: QueryRejectCondition | None


class UpdateOptions(RPCOptions, total=False):
    """Options of updates. ``id`` None: a new one is made; giving one makes the update happen once."""

    id: str | None


class StartTerms(TypedDict, total=False):
    """What a start says of the execution itself. Durations are timedeltas or seconds."""

    execution_timeout: Duration | None
    run_timeout: Duration | None
    task_timeout: Duration | None
    id_reuse_policy: WorkflowIDReusePolicy
    retry_policy: RetryPolicy | None
    cron_schedule: str
    memo: Mapping[str, Any] | None
    search_attributes: TypedSearchAttributes | SearchAttributes | None
    static_summary: str | None
    static_details: str | None
    start_delay: Duration | None
    priority: Priority
    versioning_override: VersioningOverride | None
    stack_level: int


class StartOptions(StartTerms, RPCOptions, total=False):
    """Options of `Client.start_workflow` and `Client.execute_workflow`.

    ``id`` (default: the type and a random UUID) and ``task_queue`` (default: the definition's, the client's, "default")
    may be left out. With ``start_signal`` a running workflow is signalled instead of started.
    """

    id: str | None
    task_queue: str | None
    id_conflict_policy: WorkflowIDConflictPolicy
    start_signal: str | None
    start_signal_args: Sequence[Any]
    request_eager_start: bool


class StartActivityOptions(RPCOptions, total=False):
    """Options of `Client.start_activity` and `Client.execute_activity`. Durations are timedeltas or seconds."""

    id: str | None
    task_queue: str | None
    result_type: type | None
    schedule_to_close_timeout: Duration | None
    schedule_to_start_timeout: Duration | None
    start_to_close_timeout: Duration | None
    heartbeat_timeout: Duration | None
    id_reuse_policy: ActivityIDReusePolicy
    id_conflict_policy: ActivityIDConflictPolicy
    retry_policy: RetryPolicy | None
    search_attributes: TypedSearchAttributes | None
    summary: str | None
    priority: Priority
    start_delay: Duration | None
