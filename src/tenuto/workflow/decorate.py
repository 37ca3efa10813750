"""The decorators that make a class a workflow, and the one place that finds fault with such a class.

All defects of a class are told in one ValueError. This file must never run workflow code.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, cast, overload

from tenuto.common import VersioningBehavior
from tenuto.workflow._gather import DYNAMIC_CONFIG, INIT, RUN, gather
from tenuto.workflow._hints import hints_of, takes_vararg
from tenuto.workflow.definition import (
    QUERY,
    SIGNAL,
    UPDATE,
    QueryDefinition,
    SignalDefinition,
    UpdateDefinition,
)
from tenuto.workflow.enums import HandlerUnfinishedPolicy

ClassType = TypeVar("ClassType", bound=type)
CallableType = TypeVar("CallableType", bound=Callable[..., Any])
CallableAsyncType = TypeVar("CallableAsyncType", bound=Callable[..., Awaitable[Any]])
CallableSyncOrAsyncReturnNoneType = TypeVar(
    "CallableSyncOrAsyncReturnNoneType", bound=Callable[..., Awaitable[None] | None]
)
MultiParamSpec = ParamSpec("MultiParamSpec")
ReturnType = TypeVar("ReturnType")
ProtocolReturnType = TypeVar("ProtocolReturnType", covariant=True)


@dataclass(frozen=True)
class DynamicWorkflowConfig:
    """What `dynamic_config` returns: settings of one run of a dynamic workflow."""

    failure_exception_types: Sequence[type[BaseException]] | None = None
    """None: those of ``defn``."""
    versioning_behavior: VersioningBehavior = VersioningBehavior.UNSPECIFIED
    """Unspecified: that of ``defn``."""


class UpdateMethodMultiParam(Protocol[MultiParamSpec, ProtocolReturnType]):
    """What `update` makes of a method: the method, and a decorator for its validator."""

    def __call__(
        self, *args: MultiParamSpec.args, **kwargs: MultiParamSpec.kwargs
    ) -> ProtocolReturnType | Awaitable[ProtocolReturnType]: ...

    def validator(self, vfunc: Callable[MultiParamSpec, None]) -> Callable[MultiParamSpec, None]: ...


@overload
def defn(cls: ClassType) -> ClassType: ...
@overload
def defn(
    *,
    name: str | None = None,
    sandboxed: bool = True,
    dynamic: bool = False,
    failure_exception_types: Sequence[type[BaseException]] = (),
    versioning_behavior: VersioningBehavior = VersioningBehavior.UNSPECIFIED,
) -> Callable[[ClassType], ClassType]: ...
def defn(
    cls: type | None = None,
    *,
    name: str | None = None,
    sandboxed: bool = True,
    dynamic: bool = False,
    failure_exception_types: Sequence[type[BaseException]] = (),
    versioning_behavior: VersioningBehavior = VersioningBehavior.UNSPECIFIED,
) -> Any:
    """Make a class a workflow type.

    Args:
        cls: The class, when used without parentheses.
        name: Type name; default: the class's name.
        sandboxed: Whether the determinism guard watches this type's code.
        dynamic: Whether it runs every type that nobody else has. Excludes ``name``.
        failure_exception_types: Errors that fail the workflow; others fail the workflow task, which is tried again.
            ``[Exception]`` fails it on any.
        versioning_behavior: What becomes of its runs when the worker deployment has a new version.

    Raises:
        ValueError: All defects of the class at once.
    """

    def decorate(target: type) -> type:
        gather(
            target,
            name=None if dynamic else name or target.__name__,
            sandboxed=sandboxed,
            failure_exception_types=failure_exception_types,
            versioning_behavior=versioning_behavior,
        )
        return target

    return decorate if cls is None else decorate(cls)


def init(init_fn: CallableType) -> CallableType:
    """Have ``__init__`` receive the arguments of the workflow; its parameters must be those of the run method.

    Raises ValueError on any other method.
    """
    if init_fn.__name__ != "__init__":
        raise ValueError("@workflow.init may only be used on the __init__ method")
    setattr(init_fn, INIT, True)
    return init_fn


def run(fn: CallableAsyncType) -> CallableAsyncType:
    """Mark the method that is the workflow. Raises ValueError when it is not async, or its class is local."""
    target: Any = fn
    if not inspect.iscoroutinefunction(target):
        raise ValueError("Workflow run method must be an async function")
    if "<locals>" in target.__qualname__:
        raise ValueError("Local classes unsupported, @workflow.run cannot be on a local class")
    setattr(fn, RUN, True)
    return fn


def dynamic_config(fn: CallableType) -> CallableType:
    """Mark the method of a dynamic workflow that gives a run's `DynamicWorkflowConfig`. It takes only ``self``."""
    if inspect.iscoroutinefunction(fn):
        raise ValueError("Dynamic config method must not be an async function")
    setattr(fn, DYNAMIC_CONFIG, True)
    return fn


@overload
def signal(fn: CallableSyncOrAsyncReturnNoneType) -> CallableSyncOrAsyncReturnNoneType: ...
@overload
def signal(
    *,
    name: str | None = None,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> Callable[[CallableSyncOrAsyncReturnNoneType], CallableSyncOrAsyncReturnNoneType]: ...
@overload
def signal(
    *,
    dynamic: Literal[True],
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> Callable[[CallableSyncOrAsyncReturnNoneType], CallableSyncOrAsyncReturnNoneType]: ...
def signal(
    fn: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    dynamic: bool | None = False,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> Any:
    """Make a method, sync or async, the handler of a signal.

    Args:
        fn: The method, when used without parentheses.
        name: Name of the signal; default: the method's.
        dynamic: Whether it handles every signal that has no handler; it then takes ``(name: str, args:
            Sequence[RawValue])``. Excludes ``name``.
        unfinished_policy: What happens when the run ends while it still runs.
        description: Shown by tools.

    Raises:
        RuntimeError: Both ``name`` and ``dynamic``, or wrong parameters of a dynamic handler.
    """

    def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
        vararg = bool(dynamic) and _dynamic(fn, "signals")
        definition = SignalDefinition(
            name=None if dynamic else name or fn.__name__,
            fn=fn,
            is_method=True,
            unfinished_policy=unfinished_policy,
            description=description,
            arg_types=_hints_now(fn)[0],
            dynamic_vararg=vararg,
        )
        setattr(fn, SIGNAL, definition)
        return fn

    return _decorate(decorate, fn, name, dynamic)


@overload
def query(fn: CallableType) -> CallableType: ...
@overload
def query(
    *, name: str | None = None, description: str | None = None
) -> Callable[[CallableType], CallableType]: ...
@overload
def query(
    *, dynamic: Literal[True], description: str | None = None
) -> Callable[[CallableType], CallableType]: ...
def query(
    fn: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    dynamic: bool | None = False,
    description: str | None = None,
) -> Any:
    """Make a method the handler of a query. It may look at everything and change nothing.

    Args and errors as of `signal`. An async method is accepted with a DeprecationWarning.
    """

    def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
        vararg = bool(dynamic) and _dynamic(fn, "queries")
        if inspect.iscoroutinefunction(fn):
            warnings.warn("Queries as async def functions are deprecated", DeprecationWarning, stacklevel=3)
        arg_types, ret_type = _hints_now(fn)
        definition = QueryDefinition(
            name=None if dynamic else name or fn.__name__,
            fn=fn,
            is_method=True,
            description=description,
            arg_types=arg_types,
            ret_type=ret_type,
            dynamic_vararg=vararg,
        )
        setattr(fn, QUERY, definition)
        return fn

    return _decorate(decorate, fn, name, dynamic)


@overload
def update(
    fn: Callable[MultiParamSpec, Awaitable[ReturnType]],
) -> UpdateMethodMultiParam[MultiParamSpec, ReturnType]: ...
@overload
def update(
    fn: Callable[MultiParamSpec, ReturnType],
) -> UpdateMethodMultiParam[MultiParamSpec, ReturnType]: ...
@overload
def update(
    *,
    name: str | None = None,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> Callable[[Callable[MultiParamSpec, ReturnType]], UpdateMethodMultiParam[MultiParamSpec, ReturnType]]: ...
@overload
def update(
    *,
    dynamic: Literal[True],
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> Callable[[Callable[MultiParamSpec, ReturnType]], UpdateMethodMultiParam[MultiParamSpec, ReturnType]]: ...
def update(
    fn: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    dynamic: bool | None = False,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> Any:
    """Make a method, sync or async, the handler of an update: its result or failure is the caller's answer.

    Args and errors as of `signal`. The method gains ``validator``, a decorator for a sync method with the same
    parameters, whose error rejects the update before anything is recorded.
    """

    def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
        vararg = bool(dynamic) and _dynamic(fn, "updates")
        arg_types, ret_type = _hints_now(fn)
        definition = UpdateDefinition(
            name=None if dynamic else name or fn.__name__,
            fn=fn,
            is_method=True,
            unfinished_policy=unfinished_policy,
            description=description,
            arg_types=arg_types,
            ret_type=ret_type,
            dynamic_vararg=vararg,
        )
        setattr(fn, UPDATE, definition)
        cast(Any, fn).validator = partial(_validate_with, fn)
        return fn

    return _decorate(decorate, fn, name, dynamic)


def _validate_with(handler: Callable[..., Any], vfunc: CallableType) -> CallableType:
    definition: UpdateDefinition = getattr(handler, UPDATE)
    if definition.validator is not None:
        raise RuntimeError(f"Validator already set for update {definition.name or '<dynamic>'}")
    if inspect.iscoroutinefunction(vfunc):
        raise ValueError("Update validator must not be an async function")
    setattr(handler, UPDATE, replace(definition, validator=vfunc))
    return vfunc


def _decorate(
    decorate: Callable[[Callable[..., Any]], Callable[..., Any]],
    fn: Callable[..., Any] | None,
    name: str | None,
    dynamic: bool | None,
) -> Any:
    if name is not None and dynamic:
        raise RuntimeError("Cannot provide name and dynamic boolean")
    return decorate if fn is None else decorate(fn)


def _hints_now(fn: Callable[..., Any]) -> tuple[list[type] | None, type | None]:
    """Hints as far as they can be read while the class is still being made; `gather` reads them again."""
    try:
        return hints_of(fn, True)
    except NameError:
        return None, None


def _dynamic(fn: Callable[..., Any], plural: str) -> bool:
    vararg = takes_vararg(fn, _hints_now(fn)[0], True)
    if vararg:
        warnings.warn(
            f"Dynamic {plural} with vararg third param is deprecated, use Sequence[RawValue]",
            DeprecationWarning,
            stacklevel=4,
        )
    return vararg
