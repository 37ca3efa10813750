"""What a worker knows of an activity type: its name and its code, with what its annotations say. It must never run it."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, overload

from tenuto.common import RawValue
from tenuto.common.by_position import by_position, plain

if TYPE_CHECKING:
    from tenuto.activity.options import ActivityOptions

DEFINITION = "__tenuto_activity_definition"
"""The attribute of a function (or class with ``__call__``) that carries its `Definition`."""

AnyCallable = TypeVar("AnyCallable", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Definition:
    """An activity type. ``name`` None: dynamic, it runs every type nobody else has."""

    name: str | None
    fn: Callable[..., Any]
    """What the worker calls, with the arguments only."""
    is_async: bool
    no_thread_cancel_exception: bool = False
    """Never raise a cancellation in its thread."""
    options: ActivityOptions | None = None
    """What the definition itself says of its calls: only of new style."""
    target: Any = field(default=None, compare=False)
    """The public object, findable by name from another process; None: ``fn``."""
    _known: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def arg_types(self) -> list[type] | None:
        """One for each parameter; None unless every parameter can be given by position. Worked out when first asked
        for, as annotations may name what is defined further down; raises NameError when there is nothing of that name."""
        found: list[type] | None = self._hints()["arg_types"]
        return found

    @property
    def ret_type(self) -> type | None:
        """Of the result; None when the annotations do not say."""
        found: type | None = self._hints()["ret_type"]
        return found

    def _hints(self) -> dict[str, Any]:
        if not self._known:
            arg_types, ret_type = hints_of(self.fn)
            self._known.update(arg_types=arg_types, ret_type=ret_type)
        return self._known

    @staticmethod
    def of(activity: Any) -> Definition | None:
        """The definition that ``activity`` (function, bound method, callable object, `Activity`) carries, about itself:
        ``fn`` is what was given, where that is callable with the arguments alone."""
        found = getattr(activity, DEFINITION, None)
        if not isinstance(found, Definition):
            return None
        if found.fn is activity or found.target is activity or isinstance(activity, type):
            return found
        return Definition(
            name=found.name,
            fn=activity,
            is_async=found.is_async,
            no_thread_cancel_exception=found.no_thread_cancel_exception,
            options=found.options,
        )

    @staticmethod
    def must(activity: Any) -> Definition:
        """Like ``of``. Raises TypeError when there is none."""
        found = Definition.of(activity)
        if found is None:
            name = getattr(activity, "__name__", None) or "<unknown>"
            raise TypeError(
                f"Activity {name} missing attributes, was it decorated with @activity.defn (or @activity)?"
            )
        return found

    from_callable = of
    must_from_callable = must


def target_of(fn: Any) -> Any:
    """The function whose signature says what ``fn`` takes."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if inspect.isclass(fn):
        return fn.__call__
    if inspect.isroutine(fn) or isinstance(fn, types.MethodType):
        return fn
    return type(fn).__call__


def parameters_of(fn: Any) -> list[inspect.Parameter]:
    """The parameters a caller fills: without ``self``."""
    if inspect.isclass(fn):
        return list(inspect.signature(fn.__call__).parameters.values())[1:]
    found = list(inspect.signature(fn).parameters.values())
    return found[1:] if found and _is_unbound_method(fn) else found


def _is_unbound_method(fn: Any) -> bool:
    """Whether ``fn`` is a function written in a class, so that its first parameter is the instance."""
    if not inspect.isfunction(fn):
        return False
    home = fn.__qualname__.rpartition(".")[0]
    return bool(home) and not home.endswith("<locals>") and next(iter(_code_names(fn)), "") == "self"


def _code_names(fn: types.FunctionType) -> Sequence[str]:
    return fn.__code__.co_varnames[: fn.__code__.co_argcount]


def hints_of(fn: Any) -> tuple[list[type] | None, type | None]:
    """Types of the arguments and of the result. Raises NameError when an annotation names what does not exist."""
    from tenuto.converter.hints import type_hints_from_func

    if inspect.isclass(fn):
        fn = fn.__call__
    own = plain(fn)
    return type_hints_from_func(own, by_name=own is not fn)


def is_async(fn: Any) -> bool:
    """Whether calling ``fn`` makes a coroutine."""
    fn = plain(fn)
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(target_of(fn))


def _check_keywords(fn: Any) -> None:
    if any(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in parameters_of(fn)):
        raise TypeError("Activity cannot have keyword-only arguments")


def _check_dynamic(fn: Any) -> None:
    types_, _ = hints_of(fn)
    if (
        types_ is None
        or len(types_) != 1
        or get_origin(types_[0]) is not Sequence
        or get_args(types_[0]) != (RawValue,)
    ):
        raise TypeError("Dynamic activity must accept a single Sequence[tenuto.common.RawValue]")


def define(
    fn: Any,
    *,
    name: str | None,
    no_thread_cancel_exception: bool = False,
    dynamic: bool = False,
    options: ActivityOptions | None = None,
) -> Definition:
    """The definition of ``fn``. Raises TypeError when it cannot be an activity."""
    if not callable(fn):
        raise TypeError("Activity is not callable")
    if dynamic and name is not None:
        raise RuntimeError("Cannot provide name and dynamic boolean")
    if not name and not dynamic:
        name = getattr(fn, "__name__", None) or getattr(type(fn), "__name__", None)
    if dynamic:
        name = None
        _check_dynamic(fn)
    if options is None:
        _check_keywords(fn)
    return Definition(
        name=name,
        fn=fn if options is None else by_position(fn),
        is_async=is_async(fn),
        no_thread_cancel_exception=no_thread_cancel_exception,
        options=options,
    )


@overload
def defn(fn: AnyCallable) -> AnyCallable: ...
@overload
def defn(
    *, name: str | None = None, no_thread_cancel_exception: bool = False
) -> Callable[[AnyCallable], AnyCallable]: ...
@overload
def defn(
    *, no_thread_cancel_exception: bool = False, dynamic: bool = False
) -> Callable[[AnyCallable], AnyCallable]: ...
def defn(
    fn: Any = None,
    *,
    name: str | None = None,
    no_thread_cancel_exception: bool = False,
    dynamic: bool = False,
) -> Any:
    """Mark a function, method or class with ``__call__`` as an activity; it stays what it is.

    ``name``: of the activity type, by default the function's. ``no_thread_cancel_exception``: do not raise cancellations
    in the thread of a sync function. ``dynamic``: it runs every type that nobody else has, and takes one
    ``Sequence[RawValue]``. Raises TypeError when it cannot be an activity, ValueError when it is one already.
    """

    def mark(fn: Any) -> Any:
        if DEFINITION in getattr(fn, "__dict__", {}):
            raise ValueError("Function already contains activity definition")
        made = define(fn, name=name, no_thread_cancel_exception=no_thread_cancel_exception, dynamic=dynamic)
        setattr(fn, DEFINITION, made)
        return fn

    return mark if fn is None else mark(fn)
