"""Functions with parameters that are given by name only, called with values alone, as those travel.

On the wire such values stand behind the positional ones, in the order of their declaration. This file must never call a
function by itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class ByPosition:
    """``fn`` called with values only: those behind its positional parameters go to those that it takes by name."""

    __slots__ = ("_by_place", "_names", "fn")

    def __init__(self, fn: Callable[..., Any], by_place: int, names: tuple[str, ...]) -> None:
        self.fn = fn
        """The function itself."""
        self._by_place = by_place
        self._names = names

    def __call__(self, *args: Any) -> Any:
        named = args[self._by_place : self._by_place + len(self._names)]
        beyond = args[self._by_place + len(self._names) :]
        # What is too much goes where Python itself will say so.
        named_values = dict(zip(self._names, named, strict=False))
        return self.fn(*args[: self._by_place], *beyond, **named_values)

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        return self.fn

    @property
    def __name__(self) -> str:
        return str(getattr(self.fn, "__name__", type(self.fn).__name__))

    def __reduce__(self) -> Any:
        return by_position, (self.fn,)

    def __repr__(self) -> str:
        return f"<{self.fn!r} by position>"


def by_position(fn: Callable[..., Any]) -> Callable[..., Any]:
    """``fn`` to be called with values alone; itself when it has no parameter that is given by name only. Raises TypeError
    when such parameters follow ``*args``: nobody could tell their values apart."""
    parameters = inspect.signature(fn).parameters.values()
    names = tuple(each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY)
    if not names:
        return fn
    many = next((each.name for each in parameters if each.kind is inspect.Parameter.VAR_POSITIONAL), None)
    if many is not None:
        raise TypeError(f"values travel by position, so nothing can be given by name only behind *{many}")
    return ByPosition(fn, sum(each.kind in _POSITIONAL for each in parameters), names)


def plain(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function inside of what `by_position` made."""
    return fn.fn if isinstance(fn, ByPosition) else fn


def values_of(signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The values of a call, as they travel: in the order of the parameters. Those at the end that were not given stay
    absent; others take their defaults. Raises TypeError when they do not fit."""
    bound = signature.bind(*args, **kwargs)
    given = bound.arguments
    last = max((place for place, name in enumerate(signature.parameters) if name in given), default=-1)
    if last + 1 != len(given):
        bound.apply_defaults()
    found: list[Any] = []
    for name, parameter in list(signature.parameters.items())[: last + 1]:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            found.extend(bound.arguments[name])
        else:
            found.append(bound.arguments[name])
    return found
