"""Shapes of the functions that start things, for type checkers: what a call takes and gives, by what it names.

The functions themselves are in `activities` and `children`. This file must never hold behaviour.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, TypeVarTuple, overload

if TYPE_CHECKING:
    from typing import Unpack

    from tenuto.workflow.function import FunctionWorkflow
    from tenuto.workflow.handles import ActivityHandle, ChildWorkflowHandle
    from tenuto.workflow.options import ActivityConfig, ChildWorkflowConfig, LocalActivityConfig

ParamType = TypeVar("ParamType")
ReturnType = TypeVar("ReturnType")
SelfType = TypeVar("SelfType")
More = TypeVarTuple("More")
_Param = TypeVar("_Param", contravariant=True)
_Self = TypeVar("_Self", contravariant=True)
_Return = TypeVar("_Return", covariant=True)


class CallableAsyncNoParam(Protocol[_Return]):
    """An async function without parameters."""

    def __call__(self) -> Awaitable[_Return]: ...


class CallableSyncNoParam(Protocol[_Return]):
    """A function without parameters."""

    def __call__(self) -> _Return: ...


class CallableAsyncSingleParam(Protocol[_Param, _Return]):
    """An async function that can be called with one argument."""

    def __call__(self, __arg: _Param, /) -> Awaitable[_Return]: ...


class CallableSyncSingleParam(Protocol[_Param, _Return]):
    """A function that can be called with one argument."""

    def __call__(self, __arg: _Param, /) -> _Return: ...


class MethodAsyncNoParam(Protocol[_Self, _Return]):
    """An async method without parameters."""

    def __call__(__self, self: _Self) -> Awaitable[_Return]: ...


class MethodSyncNoParam(Protocol[_Self, _Return]):
    """A method without parameters."""

    def __call__(__self, self: _Self) -> _Return: ...


class MethodAsyncSingleParam(Protocol[_Self, _Param, _Return]):
    """An async method that can be called with one argument."""

    def __call__(self, __self: _Self, __arg: _Param, /) -> Awaitable[_Return]: ...


class MethodSyncSingleParam(Protocol[_Self, _Param, _Return]):
    """A method that can be called with one argument."""

    def __call__(self, __self: _Self, __arg: _Param, /) -> _Return: ...


class MethodSyncOrAsyncNoParam(Protocol[_Self, _Return]):
    """A method without parameters."""

    def __call__(__self, self: _Self) -> _Return | Awaitable[_Return]: ...


class MethodSyncOrAsyncSingleParam(Protocol[_Self, _Param, _Return]):
    """A method that can be called with one argument."""

    def __call__(self, __self: _Self, __arg: _Param, /) -> _Return | Awaitable[_Return]: ...


class ExecuteActivity(Protocol):
    """`execute_activity`."""

    @overload
    async def __call__(
        self, activity: Callable[[], Awaitable[ReturnType]], **options: Unpack[ActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self, activity: Callable[[], ReturnType], **options: Unpack[ActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[ParamType], Awaitable[ReturnType]],
        arg: ParamType,
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self, activity: Callable[[ParamType], ReturnType], arg: ParamType, **options: Unpack[ActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[Unpack[More]], Awaitable[ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[Unpack[More]], ReturnType],
        /,
        *more: Unpack[More],
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self, activity: Callable[..., ReturnType], *, args: Sequence[Any], **options: Unpack[ActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: str,
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self, activity: str, *more: Any, args: Sequence[Any] = ..., **options: Unpack[ActivityConfig]
    ) -> Any: ...
    @overload
    async def __call__(
        self,
        activity: Callable[..., Any],
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...


class StartActivity(Protocol):
    """`start_activity`."""

    @overload
    def __call__(
        self, activity: Callable[[], Awaitable[ReturnType]], **options: Unpack[ActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self, activity: Callable[[], ReturnType], **options: Unpack[ActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[ParamType], Awaitable[ReturnType]],
        arg: ParamType,
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self, activity: Callable[[ParamType], ReturnType], arg: ParamType, **options: Unpack[ActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[Unpack[More]], Awaitable[ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[Unpack[More]], ReturnType],
        /,
        *more: Unpack[More],
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self, activity: Callable[..., ReturnType], *, args: Sequence[Any], **options: Unpack[ActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: str,
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self, activity: str, *more: Any, args: Sequence[Any] = ..., **options: Unpack[ActivityConfig]
    ) -> ActivityHandle[Any]: ...
    @overload
    def __call__(
        self,
        activity: Callable[..., Any],
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...


class ExecuteActivityMethod(Protocol):
    """`execute_activity_method`."""

    @overload
    async def __call__(
        self, activity: Callable[[Any], Awaitable[ReturnType]], **options: Unpack[ActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self, activity: Callable[[Any], ReturnType], **options: Unpack[ActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[Any, ParamType], Awaitable[ReturnType]],
        arg: ParamType,
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[Any, ParamType], ReturnType],
        arg: ParamType,
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[Any, Unpack[More]], Awaitable[ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[Any, Unpack[More]], ReturnType],
        /,
        *more: Unpack[More],
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self, activity: Callable[..., ReturnType], *, args: Sequence[Any], **options: Unpack[ActivityConfig]
    ) -> ReturnType: ...


class StartActivityMethod(Protocol):
    """`start_activity_method`."""

    @overload
    def __call__(
        self, activity: Callable[[Any], Awaitable[ReturnType]], **options: Unpack[ActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self, activity: Callable[[Any], ReturnType], **options: Unpack[ActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[Any, ParamType], Awaitable[ReturnType]],
        arg: ParamType,
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[Any, ParamType], ReturnType],
        arg: ParamType,
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[Any, Unpack[More]], Awaitable[ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[Any, Unpack[More]], ReturnType],
        /,
        *more: Unpack[More],
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self, activity: Callable[..., ReturnType], *, args: Sequence[Any], **options: Unpack[ActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...


class ExecuteActivityClass(Protocol):
    """`execute_activity_class`."""

    @overload
    async def __call__(
        self, activity: type[Callable[[], Awaitable[ReturnType]]], **options: Unpack[ActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self, activity: type[Callable[[], ReturnType]], **options: Unpack[ActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: type[Callable[[ParamType], Awaitable[ReturnType]]],
        arg: ParamType,
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: type[Callable[[ParamType], ReturnType]],
        arg: ParamType,
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: type[Callable[[Unpack[More]], Awaitable[ReturnType]]],
        /,
        *more: Unpack[More],
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: type[Callable[[Unpack[More]], ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: type[Callable[..., Awaitable[ReturnType]]],
        *,
        args: Sequence[Any],
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: type[Callable[..., ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[ActivityConfig],
    ) -> ReturnType: ...


class StartActivityClass(Protocol):
    """`start_activity_class`."""

    @overload
    def __call__(
        self, activity: type[Callable[[], Awaitable[ReturnType]]], **options: Unpack[ActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self, activity: type[Callable[[], ReturnType]], **options: Unpack[ActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: type[Callable[[ParamType], Awaitable[ReturnType]]],
        arg: ParamType,
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: type[Callable[[ParamType], ReturnType]],
        arg: ParamType,
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: type[Callable[[Unpack[More]], Awaitable[ReturnType]]],
        /,
        *more: Unpack[More],
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: type[Callable[[Unpack[More]], ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: type[Callable[..., Awaitable[ReturnType]]],
        *,
        args: Sequence[Any],
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: type[Callable[..., ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[ActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...


class ExecuteLocalActivity(Protocol):
    """`execute_local_activity`."""

    @overload
    async def __call__(
        self, activity: Callable[[], Awaitable[ReturnType]], **options: Unpack[LocalActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self, activity: Callable[[], ReturnType], **options: Unpack[LocalActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[ParamType], Awaitable[ReturnType]],
        arg: ParamType,
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[ParamType], ReturnType],
        arg: ParamType,
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[Unpack[More]], Awaitable[ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[Unpack[More]], ReturnType],
        /,
        *more: Unpack[More],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[..., ReturnType],
        *,
        args: Sequence[Any],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: str,
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self, activity: str, *more: Any, args: Sequence[Any] = ..., **options: Unpack[LocalActivityConfig]
    ) -> Any: ...
    @overload
    async def __call__(
        self,
        activity: Callable[..., Any],
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...


class StartLocalActivity(Protocol):
    """`start_local_activity`."""

    @overload
    def __call__(
        self, activity: Callable[[], Awaitable[ReturnType]], **options: Unpack[LocalActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self, activity: Callable[[], ReturnType], **options: Unpack[LocalActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[ParamType], Awaitable[ReturnType]],
        arg: ParamType,
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[ParamType], ReturnType],
        arg: ParamType,
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[Unpack[More]], Awaitable[ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[Unpack[More]], ReturnType],
        /,
        *more: Unpack[More],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[..., ReturnType],
        *,
        args: Sequence[Any],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: str,
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self, activity: str, *more: Any, args: Sequence[Any] = ..., **options: Unpack[LocalActivityConfig]
    ) -> ActivityHandle[Any]: ...
    @overload
    def __call__(
        self,
        activity: Callable[..., Any],
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...


class ExecuteLocalActivityMethod(Protocol):
    """`execute_local_activity_method`."""

    @overload
    async def __call__(
        self, activity: Callable[[Any], Awaitable[ReturnType]], **options: Unpack[LocalActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self, activity: Callable[[Any], ReturnType], **options: Unpack[LocalActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[Any, ParamType], Awaitable[ReturnType]],
        arg: ParamType,
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[Any, ParamType], ReturnType],
        arg: ParamType,
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[Any, Unpack[More]], Awaitable[ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[[Any, Unpack[More]], ReturnType],
        /,
        *more: Unpack[More],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: Callable[..., ReturnType],
        *,
        args: Sequence[Any],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...


class StartLocalActivityMethod(Protocol):
    """`start_local_activity_method`."""

    @overload
    def __call__(
        self, activity: Callable[[Any], Awaitable[ReturnType]], **options: Unpack[LocalActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self, activity: Callable[[Any], ReturnType], **options: Unpack[LocalActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[Any, ParamType], Awaitable[ReturnType]],
        arg: ParamType,
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[Any, ParamType], ReturnType],
        arg: ParamType,
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[Any, Unpack[More]], Awaitable[ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[[Any, Unpack[More]], ReturnType],
        /,
        *more: Unpack[More],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: Callable[..., ReturnType],
        *,
        args: Sequence[Any],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...


class ExecuteLocalActivityClass(Protocol):
    """`execute_local_activity_class`."""

    @overload
    async def __call__(
        self, activity: type[Callable[[], Awaitable[ReturnType]]], **options: Unpack[LocalActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self, activity: type[Callable[[], ReturnType]], **options: Unpack[LocalActivityConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: type[Callable[[ParamType], Awaitable[ReturnType]]],
        arg: ParamType,
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: type[Callable[[ParamType], ReturnType]],
        arg: ParamType,
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: type[Callable[[Unpack[More]], Awaitable[ReturnType]]],
        /,
        *more: Unpack[More],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: type[Callable[[Unpack[More]], ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: type[Callable[..., Awaitable[ReturnType]]],
        *,
        args: Sequence[Any],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        activity: type[Callable[..., ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[LocalActivityConfig],
    ) -> ReturnType: ...


class StartLocalActivityClass(Protocol):
    """`start_local_activity_class`."""

    @overload
    def __call__(
        self, activity: type[Callable[[], Awaitable[ReturnType]]], **options: Unpack[LocalActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self, activity: type[Callable[[], ReturnType]], **options: Unpack[LocalActivityConfig]
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: type[Callable[[ParamType], Awaitable[ReturnType]]],
        arg: ParamType,
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: type[Callable[[ParamType], ReturnType]],
        arg: ParamType,
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: type[Callable[[Unpack[More]], Awaitable[ReturnType]]],
        /,
        *more: Unpack[More],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: type[Callable[[Unpack[More]], ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: type[Callable[..., Awaitable[ReturnType]]],
        *,
        args: Sequence[Any],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    def __call__(
        self,
        activity: type[Callable[..., ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[LocalActivityConfig],
    ) -> ActivityHandle[ReturnType]: ...


class ExecuteChildWorkflow(Protocol):
    """`execute_child_workflow`."""

    @overload
    async def __call__(
        self,
        workflow: FunctionWorkflow[..., ReturnType],
        *given: Any,
        args: Sequence[Any] = ...,
        **options: Unpack[ChildWorkflowConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self, workflow: MethodAsyncNoParam[SelfType, ReturnType], **options: Unpack[ChildWorkflowConfig]
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        workflow: MethodAsyncSingleParam[SelfType, ParamType, ReturnType],
        arg: ParamType,
        **options: Unpack[ChildWorkflowConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        workflow: Callable[[SelfType, Unpack[More]], Awaitable[ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[ChildWorkflowConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        workflow: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[ChildWorkflowConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self,
        workflow: str,
        *given: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[ChildWorkflowConfig],
    ) -> ReturnType: ...
    @overload
    async def __call__(
        self, workflow: str, *given: Any, args: Sequence[Any] = ..., **options: Unpack[ChildWorkflowConfig]
    ) -> Any: ...
    @overload
    async def __call__(
        self,
        workflow: Callable[..., Any],
        *given: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[ChildWorkflowConfig],
    ) -> ReturnType: ...


class StartChildWorkflow(Protocol):
    """`start_child_workflow`."""

    @overload
    async def __call__(
        self,
        workflow: FunctionWorkflow[..., ReturnType],
        *given: Any,
        args: Sequence[Any] = ...,
        **options: Unpack[ChildWorkflowConfig],
    ) -> ChildWorkflowHandle[Any, ReturnType]: ...
    @overload
    async def __call__(
        self, workflow: MethodAsyncNoParam[SelfType, ReturnType], **options: Unpack[ChildWorkflowConfig]
    ) -> ChildWorkflowHandle[SelfType, ReturnType]: ...
    @overload
    async def __call__(
        self,
        workflow: MethodAsyncSingleParam[SelfType, ParamType, ReturnType],
        arg: ParamType,
        **options: Unpack[ChildWorkflowConfig],
    ) -> ChildWorkflowHandle[SelfType, ReturnType]: ...
    @overload
    async def __call__(
        self,
        workflow: Callable[[SelfType, Unpack[More]], Awaitable[ReturnType]],
        /,
        *more: Unpack[More],
        **options: Unpack[ChildWorkflowConfig],
    ) -> ChildWorkflowHandle[SelfType, ReturnType]: ...
    @overload
    async def __call__(
        self,
        workflow: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[ChildWorkflowConfig],
    ) -> ChildWorkflowHandle[Any, ReturnType]: ...
    @overload
    async def __call__(
        self,
        workflow: str,
        *given: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[ChildWorkflowConfig],
    ) -> ChildWorkflowHandle[Any, ReturnType]: ...
    @overload
    async def __call__(
        self, workflow: str, *given: Any, args: Sequence[Any] = ..., **options: Unpack[ChildWorkflowConfig]
    ) -> ChildWorkflowHandle[Any, Any]: ...
    @overload
    async def __call__(
        self,
        workflow: Callable[..., Any],
        *given: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[ChildWorkflowConfig],
    ) -> ChildWorkflowHandle[Any, ReturnType]: ...
