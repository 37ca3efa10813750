"""From any value to what JSON knows: one function per type, chosen once. This file must never read a clock or a file.

For every type that the official SDK encodes, the JSON is the same, byte by byte.
"""

from __future__ import annotations

import dataclasses
import enum
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from tenuto.converter.transfer import transfer_of

Simplify = Callable[[Any], Any]

_KNOWN_TYPES = 10_000
_ways: dict[type, Simplify] = {}
_TEXT_MODULES = frozenset({"ipaddress", "fractions", "zoneinfo"})


class IteratorInside(TypeError):
    """An iterator was met where it could not be read twice."""


def simplify(value: Any) -> Any:
    """One step from ``value`` towards JSON: a str, number, list or dict, whose items may need steps of their own.
    Raises TypeError for what has no such form."""
    kind = type(value)
    way = _ways.get(kind)
    if way is None:
        way = _find_way(kind)
        if len(_ways) >= _KNOWN_TYPES:
            _ways.clear()
        _ways[kind] = way
    return way(value)


def simplify_no_iterators(value: Any) -> Any:
    """Like `simplify`, but raises `IteratorInside` rather than use up an iterator."""
    if isinstance(value, Iterator):
        raise IteratorInside(f"Object of type {type(value).__name__} can be read only once")
    return simplify(value)


def plain(value: Any) -> Any:
    """``value`` in dicts with text keys, lists, text, numbers and None, all the way down. Slower than `simplify`, and
    needed for dicts whose keys JSON does not know: those are written as their values would be."""
    kind = type(value)
    if kind is str or kind is int or kind is float or kind is bool or value is None:
        return value
    if isinstance(value, dict):
        simple = {_key(key): plain(item) for key, item in value.items()}
        if len(simple) != len(value):
            raise TypeError("keys of one dict must differ as text too")
        return simple
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str | int | float):
        return value
    return plain(simplify(value))


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key.value if isinstance(key, enum.Enum) else key
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, int):
        return int.__repr__(key)
    if isinstance(key, float):
        return float.__repr__(key)
    if isinstance(key, list | tuple | dict):
        raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")
    return _key(simplify(key))


def _find_way(kind: type) -> Simplify:
    transfer = transfer_of(kind)
    if transfer is not None:
        return transfer.to_transfer_type
    for known, way in _BY_BASE:
        if issubclass(kind, known):
            return way
    if dataclasses.is_dataclass(kind):
        return _attributes([field.name for field in dataclasses.fields(kind)])
    if issubclass(kind, enum.Enum):
        return _member
    if kind.__module__ in _TEXT_MODULES:
        return str
    return _foreign(kind) or _container(kind) or _leaf


def _foreign(kind: type) -> Simplify | None:
    """Ways of classes made by libraries; none of those is imported here."""
    if hasattr(kind, "__struct_fields__") and hasattr(kind, "__struct_config__"):
        return _struct
    if hasattr(kind, "__attrs_attrs__"):
        return _attributes([attribute.name for attribute in kind.__attrs_attrs__])
    if kind.__module__ == "numpy":
        return _array
    if callable(getattr(kind, "model_dump", None)) and hasattr(kind, "__pydantic_validator__"):
        return _model
    if callable(getattr(kind, "dict", None)):
        return _asks_itself
    return None


def _container(kind: type) -> Simplify | None:
    if issubclass(kind, Mapping):
        return dict
    return list if issubclass(kind, Iterable) else None


def _attributes(names: list[str]) -> Simplify:
    def by_name(value: Any) -> dict[str, Any]:
        return {name: getattr(value, name) for name in names}

    return by_name


def _member(value: enum.Enum) -> Any:
    return value.value


def _model(value: Any) -> Any:
    return value.model_dump()


def _asks_itself(value: Any) -> Any:
    return value.dict()


def _array(value: Any) -> Any:
    return value.tolist()


def _struct(value: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(value, str_keys=True, enc_hook=simplify)


def _leaf(value: Any) -> Any:
    """Addresses, secrets and the like, when pydantic is in use; else a refusal."""
    core = sys.modules.get("pydantic_core")
    if core is None:
        return _refuse(value)
    try:
        return core.to_jsonable_python(value)
    except Exception:  # noqa: BLE001 - whatever pydantic says, the value has no form here
        return _refuse(value)


def _refuse(value: Any) -> Any:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def duration_text(value: timedelta) -> str:
    """``value`` in ISO 8601, as in ``P1DT2H3M4.5S``."""
    sign = "-" if value < timedelta() else ""
    value = abs(value)
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}H" if hours else ""
    clock += f"{minutes}M" if minutes else ""
    if value.microseconds:
        clock += f"{seconds}.{value.microseconds:06d}".rstrip("0") + "S"
    elif seconds or (not clock and not value.days):
        clock += f"{seconds}S"
    days = f"{value.days}D" if value.days else ""
    return f"{sign}P{days}{'T' if clock else ''}{clock}"


_BY_BASE: list[tuple[type, Simplify]] = [
    (datetime, datetime.isoformat),
    (date, date.isoformat),
    (time, time.isoformat),
    (timedelta, duration_text),
    (uuid.UUID, str),
    (Decimal, str),
    (PurePath, str),
]
