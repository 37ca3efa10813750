"""What the readers of JSON share. This file must never read anything itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, TypeVar

Decode = Callable[[Any], Any]
"""Makes a typed value of a JSON value. Raises whatever the type raises for values it does not take."""
Of = Callable[[Any], Decode | None]
"""How to read a hint; None: the value is taken as it is."""


def failing(error: Exception) -> Decode:
    def decode(value: Any) -> Any:
        raise error

    return decode


def unbound(hint: Any) -> Any:
    """Items of a type variable's type are taken as they are, and None among arguments is NoneType."""
    if hint is None:
        return NoneType
    return Any if isinstance(hint, TypeVar) else hint


def substituted(hint: Any, types: Mapping[Any, Any]) -> Any:
    """``hint`` with type variables replaced."""
    if isinstance(hint, TypeVar):
        return types.get(hint, hint)
    open_ones = getattr(hint, "__parameters__", ())
    if not open_ones or isinstance(hint, type):
        return hint
    return hint[tuple(types.get(one, one) for one in open_ones)]
