"""JSON as it is written: compact, keys sorted, ASCII. This file must never know of payloads."""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder as _json
from typing import Any

from tenuto.converter.simplify import plain, simplify, simplify_no_iterators

_quoted: Callable[[str], str] = _json.encode_basestring_ascii
_make: Any = getattr(_json, "c_make_encoder", None)


class AdvancedJSONEncoder(json.JSONEncoder):
    """Knows more than JSON: dates, times and durations, UUIDs, decimals, paths, enums, dataclasses, models of pydantic,
    attrs and msgspec, and every iterable."""

    def default(self, o: Any) -> Any:
        """One step from ``o`` towards JSON. Raises TypeError for what has no such form."""
        return simplify(o)


def _floatstr(number: float) -> str:
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    return float.__repr__(number)


def _c_encode(value: Any) -> str:
    markers: dict[int, Any] = {}
    encode = _make(markers, simplify_no_iterators, _quoted, None, ":", ",", True, False, True)
    return "".join(encode(value, 0))


_slow = json.JSONEncoder(separators=(",", ":"), sort_keys=True, default=simplify_no_iterators)


def _usable_c_encoder() -> bool:
    """Whether the interpreter's fast encoder is there and takes the arguments that it is given here."""
    try:
        return _c_encode({"b": [1.5, None], "a": "é"}) == '{"a":"\\u00e9","b":[1.5,null]}'
    except Exception:  # noqa: BLE001 - then the documented door is used
        return False


_encode: Callable[[Any], str] = _c_encode if _make is not None and _usable_c_encoder() else _slow.encode


def dumps(value: Any) -> bytes:
    """``value`` as JSON. Raises TypeError for what has no such form, ValueError for cycles."""
    kind = type(value)
    if kind is str:
        return _quoted(value).encode()
    if kind is int:
        return b"%d" % value
    if kind is bool:
        return b"true" if value else b"false"
    try:
        return _encode(value).encode()
    except TypeError as error:
        return _dumps_slowly(value, error)


def _dumps_slowly(value: Any, error: TypeError) -> bytes:
    """A second try, for dicts whose keys JSON does not know and for iterators. Nothing was used up by the first."""
    try:
        simple = plain(value)
    except RecursionError:
        raise ValueError("Circular reference detected") from None
    except TypeError:
        raise error from None
    return _slow.encode(simple).encode()
