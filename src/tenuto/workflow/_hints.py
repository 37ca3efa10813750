"""What the annotations of a callable say about its arguments and its result. It must never guess."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args, get_origin, get_type_hints

from tenuto.common import RawValue
from tenuto.common.by_position import plain

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def parameters_of(fn: Callable[..., Any], is_method: bool) -> list[inspect.Parameter]:
    """The parameters a caller fills: without ``self`` when ``is_method``."""
    found = list(inspect.signature(fn).parameters.values())
    return found[1:] if is_method else found


def hints_of(
    fn: Callable[..., Any], is_method: bool, names: Mapping[str, Any] | None = None
) -> tuple[list[type] | None, type | None]:
    """Types of the arguments and of the result.

    The first is None unless every parameter is positional (or `by_position`) and annotated. ``names`` are seen besides the
    module's. Raises NameError when an annotation names what does not exist.
    """
    target: Any = plain(fn)
    fit = _POSITIONAL if target is fn else (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY)
    while isinstance(target, functools.partial):
        target = target.func
    if not inspect.isroutine(target) and not inspect.isclass(target):
        target = type(target).__call__
    hints = get_type_hints(target, localns=None if names is None else dict(names))
    types: list[type] = []
    for parameter in parameters_of(fn, is_method):
        if parameter.kind not in fit or parameter.name not in hints:
            return None, hints.get("return")
        types.append(hints[parameter.name])
    return types, hints.get("return")


def is_raw_sequence(hint: Any) -> bool:
    """Whether ``hint`` is ``Sequence[RawValue]``, of either spelling."""
    return get_origin(hint) is Sequence and get_args(hint) == (RawValue,)


def takes_vararg(fn: Callable[..., Any], arg_types: list[type] | None, is_method: bool) -> bool:
    """Whether a dynamic handler has the older form ``(name, *args)``.

    Raises RuntimeError when it has neither that nor ``(name: str, args: Sequence[RawValue])``.
    """
    parameters = parameters_of(fn, is_method)
    if (
        arg_types is not None
        and len(arg_types) == 2
        and arg_types[0] is str
        and is_raw_sequence(arg_types[1])
    ):
        return False
    if len(parameters) == 2 and parameters[1].kind is inspect.Parameter.VAR_POSITIONAL:
        return True
    if is_method:
        raise RuntimeError("Dynamic handler must have 3 arguments: self, str, and Sequence[RawValue]")
    raise RuntimeError("Dynamic handler must have 2 arguments: str and Sequence[RawValue]")
