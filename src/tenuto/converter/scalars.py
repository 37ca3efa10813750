"""How the plain types are read from JSON. This file must never know of payloads."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from types import NoneType
from typing import Any

_DURATION = re.compile(
    r"(?P<sign>[+-])?P(?:(?P<weeks>\d+(?:\.\d+)?)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.IGNORECASE,
)


def _integer(value: Any) -> int:
    if isinstance(value, int | float):
        return int(value)
    raise TypeError(f"Expected value to be int|float, was {type(value)}")


def _floating(value: Any) -> float:
    if isinstance(value, int | float):
        return float(value)
    raise TypeError(f"Expected value to be int|float, was {type(value)}")


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError(f"Expected value to be bool, was {type(value)}")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError(f"Expected value to be str, was {type(value)}")


def _nothing(value: Any) -> None:
    if value is not None:
        raise TypeError(f"Expected value to be None, was {type(value)}")


def _bytes(value: Any) -> bytes:
    if not isinstance(value, list | bytes | bytearray):
        raise TypeError(f"Expected a list of integers for bytes, was {type(value)}")
    return bytes(value)


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise TypeError(f"Expected datetime or ISO8601 string, got {type(value)}")
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise TypeError(f"Failed parsing datetime string: {value}") from error


def _from_text(kind: Any, parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    def decode(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, str):
            raise TypeError(f"Expected value to be str, was {type(value)}")
        return parse(value)

    return decode


def parse_duration(value: Any) -> timedelta:
    """A duration from ISO 8601 text (weeks to seconds), or from a number of seconds. Raises TypeError, ValueError."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"Expected a duration in ISO 8601 or in seconds, was {type(value)}")
    if not isinstance(value, str):
        return timedelta(seconds=value)
    found = _DURATION.fullmatch(value)
    if found is None or len(value.lstrip("+-")) < 3:
        raise ValueError(f"Invalid duration: {value!r}")
    parts = {name: text for name, text in found.groupdict().items() if text is not None and name != "sign"}
    whole = timedelta(**{name: float(text) if "." in text else int(text) for name, text in parts.items()})
    return -whole if found["sign"] == "-" else whole


def _decimal(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"Expected value to be str or a number, was {type(value)}")
    return Decimal(str(value))


def _uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


SCALARS: dict[Any, Callable[[Any], Any]] = {
    int: _integer,
    float: _floating,
    bool: _truth,
    str: _text,
    NoneType: _nothing,
    bytes: _bytes,
    bytearray: lambda value: bytearray(_bytes(value)),
    datetime: _instant,
    date: _from_text(date, date.fromisoformat),
    time: _from_text(time, time.fromisoformat),
    timedelta: parse_duration,
    Decimal: _decimal,
    uuid.UUID: _uuid,
}
"""By type."""

KEYS: dict[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    bool: {"true": True, "false": False}.__getitem__,
    NoneType: {"null": None}.__getitem__,
}
"""How keys of dicts are read, which JSON knows as text alone."""

_TEXT_TYPES = frozenset({"ipaddress", "fractions", "zoneinfo"})


def text_type(cls: type) -> Callable[[Any], Any] | None:
    """How to read types that are made from their own text: paths, network addresses, fractions, time zones."""
    if issubclass(cls, PurePath) or cls.__module__.partition(".")[0] in _TEXT_TYPES:
        return _from_text(cls, cls)
    if issubclass(cls, datetime):
        return _from_text(cls, cls.fromisoformat)
    return _from_text(cls, cls) if issubclass(cls, uuid.UUID | Decimal) else None
