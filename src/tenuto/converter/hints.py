"""What a function's annotations say of its arguments and its result. This file must never import protocol messages."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, cast, get_type_hints

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_FRAMES_LOOKED_AT = 12


def type_hints_from_func(
    func: Callable[..., Any], *, by_name: bool = False
) -> tuple[list[type] | None, type | None]:
    """The types of the arguments of ``func``, None where one has none, and of its result, None when it says nothing.

    The argument types are None altogether unless every parameter can be given by position, or with ``by_name`` by name,
    whatever stands for many. A first parameter named
    ``self`` without annotation is left out. A result of None is NoneType. Names that are local to a function which is
    running now (a class in a test, say) are found too. Raises NameError for names that are nowhere.
    """
    hints = resolved_hints(_annotated(func))
    result = hints.get("return")
    parameters = list(_parameters(func))
    if parameters and parameters[0].name == "self" and parameters[0].annotation is inspect.Parameter.empty:
        parameters = parameters[1:]
    fit = (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY) if by_name else _POSITIONAL
    if any(parameter.kind not in fit for parameter in parameters):
        return None, cast("type | None", result)
    return [cast("type", hints.get(parameter.name)) for parameter in parameters], cast("type | None", result)


def fitting_hints(arg_types: Sequence[type] | None, count: int) -> list[type] | None:
    """The hints for ``count`` values: the first of ``arg_types``, so that arguments left to their defaults do not cost
    the others their types. None when there are more values than types."""
    if arg_types is None or count > len(arg_types):
        return None
    return list(arg_types[:count])


def takes_varargs(func: Callable[..., Any]) -> bool:
    """Whether ``func`` has a parameter like ``*args``."""
    return any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in _parameters(func))


def resolved_hints(annotated: Any) -> dict[str, Any]:
    """`typing.get_type_hints` with extras kept, which also finds names that are local to callers."""
    try:
        return get_type_hints(annotated, include_extras=True)
    except NameError:
        local = _names_of_callers(getattr(annotated, "__module__", None))
        return get_type_hints(annotated, localns=local, include_extras=True)


def _annotated(func: Callable[..., Any]) -> Any:
    while isinstance(func, functools.partial):
        func = func.func
    if inspect.isroutine(func) or inspect.isclass(func):
        return func
    return getattr(type(func), "__call__", func)  # noqa: B004 - its annotations are asked for, not whether it can


def _parameters(func: Callable[..., Any]) -> Sequence[inspect.Parameter]:
    return list(inspect.signature(func).parameters.values())


def _names_of_callers(module: str | None) -> Mapping[str, Any]:
    """Local names of the callers' frames that run code of ``module``, inner ones first."""
    found: dict[str, Any] = {}
    frame = sys._getframe(2)
    for _ in range(_FRAMES_LOOKED_AT):
        if frame.f_globals.get("__name__") == module and frame.f_locals is not frame.f_globals:
            found = {**frame.f_locals, **found}
        if frame.f_back is None:
            break
        frame = frame.f_back
    return found


def none_type_or(hint: Any) -> Any:
    """``hint``, with None as NoneType."""
    return NoneType if hint is None else hint
