"""How one of several is read from JSON: unions, literals, enums. This file must never know of payloads."""

from __future__ import annotations

import enum
from types import NoneType
from typing import Any

from tenuto.converter.reading import Decode, Of, failing
from tenuto.converter.simplify import plain


def union(of: Of, hint: Any, args: tuple[Any, ...], custom: bool) -> Decode:
    """The first alternative that takes the value; before that, one that is exactly the type of the value."""
    exact = frozenset(args) & {str, int, float, bool} if not custom else frozenset()
    none = NoneType in args and not custom
    rest = [arg for arg in args if not (none and arg is NoneType)]

    def alternative(arg: Any) -> Decode | None:
        try:
            return of(arg)
        except Exception as error:  # noqa: BLE001 - an alternative that cannot be read is passed over
            return failing(error)

    ways: list[Decode | None] = []

    def decode(value: Any) -> Any:
        if value is None and none:
            return None
        if type(value) in exact:
            return value
        if not ways:
            ways.extend([alternative(arg) for arg in rest])
        for way in ways:
            try:
                return value if way is None else way(value)
            except Exception:  # noqa: BLE001 - the next alternative is asked
                continue
        raise TypeError(f"Failed converting to {hint} from {value}")

    return decode


def literal(allowed: tuple[Any, ...]) -> Decode:
    def decode(value: Any) -> Any:
        if value in allowed:
            return value
        for member in allowed:
            if isinstance(member, enum.Enum) and plain(member) == value:
                return member
        raise TypeError(f"Value {value} not in literal values {allowed}")

    return decode


def enumeration(cls: type[enum.Enum]) -> Decode:
    """By value; members whose value is not JSON (a tuple, say) are known by what JSON makes of it."""
    by_text = {}
    for member in cls:
        if not isinstance(member.value, str | int | float):
            by_text[repr(plain(member.value))] = member
    integer, text = issubclass(cls, int), issubclass(cls, str)

    def decode(value: Any) -> Any:
        if integer and not isinstance(value, int):
            raise TypeError(f"Cannot convert to enum {cls}, value not an integer, value is {type(value)}")
        if text and not isinstance(value, str):
            raise TypeError(f"Cannot convert to enum {cls}, value not a string, value is {type(value)}")
        member = by_text.get(repr(value)) if by_text else None
        return cls(value) if member is None else member

    return decode
