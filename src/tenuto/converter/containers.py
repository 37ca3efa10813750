"""How dicts, lists and their kin are read from JSON, item by item. This file must never know of payloads."""

from __future__ import annotations

import collections
import collections.abc
import enum
import typing
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

from tenuto.converter.hints import resolved_hints
from tenuto.converter.reading import Decode, Of, unbound
from tenuto.converter.scalars import KEYS

_MAPPINGS: dict[Any, Callable[[dict[Any, Any]], Any]] = {
    collections.OrderedDict: collections.OrderedDict,
    collections.Counter: collections.Counter,
    collections.defaultdict: lambda made: collections.defaultdict(None, made),
}
_COLLECTIONS: list[tuple[type, Callable[[Any], Any] | None]] = [
    (list, None),
    (tuple, tuple),
    (frozenset, frozenset),
    (collections.abc.Set, set),
    (collections.deque, collections.deque),
]


def mapping(of: Of, hint: Any, cls: type, args: tuple[Any, ...], custom: bool) -> Decode:
    if cls is collections.Counter:
        args = (*args[:1], int) if args else ()
    key_hint, value_hint = args if len(args) == 2 else (Any, Any)
    key, item = _key_reader(of, key_hint, custom), of(unbound(value_hint))
    finish = _MAPPINGS.get(cls)

    def decode(value: Any) -> Any:
        if type(value) is not dict and not isinstance(value, Mapping):
            raise TypeError(f"Expected {hint}, value was {type(value)}")
        made = {} if key is not None or item is not None else dict(value)
        if key is not None or item is not None:
            for name, inner in value.items():
                try:
                    new = name if key is None else key(name)
                except Exception as error:
                    raise TypeError(
                        f"Failed converting key {name!r} to type {key_hint} in mapping {hint}"
                    ) from error
                try:
                    made[new] = inner if item is None else item(inner)
                except Exception as error:
                    raise TypeError(f"Failed converting value for key {name!r} in mapping {hint}") from error
        return made if finish is None else finish(made)

    return decode


def _key_reader(of: Of, hint: Any, custom: bool) -> Decode | None:
    """How to read a key: JSON made text of it."""
    if hint is None:
        hint = NoneType
    special = KEYS.get(hint) if not custom else None
    if special is not None:
        return special
    if isinstance(hint, type) and issubclass(hint, enum.IntEnum | enum.IntFlag):
        return lambda text: hint(int(text))
    inner = of(unbound(hint))
    if inner is None or (isinstance(hint, type) and issubclass(hint, enum.Enum)):
        return inner

    def decode(text: Any) -> Any:
        try:
            return inner(text)
        except Exception:  # noqa: BLE001 - a union with a number, say: what JSON made of the key
            return inner(_number(text))

    return decode


def _number(text: Any) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "null": None}[text]


def typed_dict(of: Of, cls: Any) -> Decode:
    hints = resolved_hints(cls)
    ways = {name: of(hint) for name, hint in hints.items()}

    def decode(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError(f"Expected {cls}, value was {type(value)}")
        made = {}
        for name, inner in value.items():
            way = ways.get(name)
            try:
                made[name] = inner if way is None else way(inner)
            except Exception as error:
                raise TypeError(f"Failed converting value for key {name!r} in mapping {cls}") from error
        return cls(**made)

    return decode


def named_tuple(of: Of, hint: Any, cls: Any) -> Decode:
    hints = resolved_hints(cls)
    ways = [of(hints.get(name, Any)) for name in cls._fields]

    def decode(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise TypeError(f"Expected {hint}, value was {type(value)}")
        items = [
            item if way is None else _item(way, item, hint, index)
            for index, (item, way) in enumerate(zip(value, ways, strict=False))
        ]
        return cls(*items, *value[len(items) :])

    return decode


def collection(of: Of, hint: Any, cls: type, args: tuple[Any, ...]) -> Decode:
    if issubclass(cls, tuple):
        if args and args[-1] is not ... and hint not in (tuple, typing.Tuple):  # noqa: UP006
            return _fixed_tuple(of, hint, args)
        args = args[:1]
    make: Any = next((made for base, made in _COLLECTIONS if issubclass(cls, base)), None)
    way = of(unbound(args[0])) if args else None

    def decode(value: Any) -> Any:
        if type(value) is not list and (
            isinstance(value, str | Mapping) or not isinstance(value, collections.abc.Iterable)
        ):
            raise TypeError(f"Expected {hint}, value was {type(value)}")
        if way is None:
            return (make or list)(value)
        items = [_item(way, item, hint, index) for index, item in enumerate(value)]
        return items if make is None else make(items)

    return decode


def _fixed_tuple(of: Of, hint: Any, args: tuple[Any, ...]) -> Decode:
    ways = [of(unbound(arg)) for arg in args]

    def decode(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise TypeError(f"Expected {hint}, value was {type(value)}")
        if len(value) > len(ways):
            raise TypeError(f"Type {hint} only expecting {len(ways)} values, got at least {len(ways) + 1}")
        return tuple(
            [
                item if way is None else _item(way, item, hint, index)
                for index, (item, way) in enumerate(zip(value, ways, strict=False))
            ]
        )

    return decode


def _item(way: Decode, value: Any, hint: Any, index: int) -> Any:
    try:
        return way(value)
    except Exception as error:
        raise TypeError(f"Failed converting {hint} index {index}") from error
