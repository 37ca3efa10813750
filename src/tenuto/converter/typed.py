"""From what JSON knows to the types that annotations ask for. Each hint is compiled once into a function.

This file must never import protocol messages, nor a library that the program has not imported itself.
"""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import enum
import inspect
import sys
import threading
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, NewType, TypeVar, Union, get_args, get_origin

from tenuto.converter.hints import resolved_hints
from tenuto.converter.scalars import KEYS, SCALARS, text_type
from tenuto.converter.simplify import plain, simplify
from tenuto.converter.transfer import transfer_of

Decode = Callable[[Any], Any]
"""Makes a typed value of a JSON value. Raises whatever the type raises for values it does not take."""

JSONTypeConverterUnhandled = NewType("JSONTypeConverterUnhandled", object)
"""What a `JSONTypeConverter` returns for a hint that is not its own."""


class JSONTypeConverter(ABC):
    """Reads values of types that the rest does not know."""

    Unhandled: ClassVar[JSONTypeConverterUnhandled] = JSONTypeConverterUnhandled(object())
    """Say that the hint is not for this converter."""

    @abstractmethod
    def to_typed_value(self, hint: type, value: Any) -> Any | JSONTypeConverterUnhandled | None:
        """``value`` (as JSON gives it) as ``hint`` asks, or `Unhandled`."""


_WRAPPERS = {typing.Annotated, typing.Final, typing.ClassVar, typing.Required, typing.NotRequired}
if sys.version_info >= (3, 13):
    _WRAPPERS.add(typing.ReadOnly)
_ALIAS: Any = getattr(typing, "TypeAliasType", ())
_AS_IS = {Any, object, inspect.Parameter.empty}
_HINTS_KEPT = 10_000


class _Forward:
    """Stands for a function that is still being compiled."""

    __slots__ = ("way",)

    def __init__(self) -> None:
        self.way: Decode | None = None

    def __call__(self, value: Any) -> Any:
        return value if self.way is None else self.way(value)


class Decoders:
    """The functions compiled so far, for one choice of custom converters."""

    __slots__ = ("_custom", "_known", "_lock", "_unfinished")

    def __init__(self, custom: Sequence[JSONTypeConverter] = ()) -> None:
        self._custom = tuple(custom)
        self._known: dict[Any, Decode | None] = {}
        self._unfinished: dict[Any, _Forward] = {}
        self._lock = threading.RLock()

    def of(self, hint: Any) -> Decode | None:
        """How to read ``hint``; None: take the value as it is. Raises TypeError for a hint that cannot be read."""
        try:
            return self._known[hint]
        except KeyError:
            pass
        except TypeError:  # a hint that cannot be a key
            return self._compile(hint)
        with self._lock:
            if hint in self._unfinished:
                return self._unfinished[hint]  # types may be recursive
            self._unfinished[hint] = forward = _Forward()
            try:
                forward.way = made = self._compile(hint)
            finally:
                del self._unfinished[hint]
            if len(self._known) >= _HINTS_KEPT:
                self._known.clear()
            self._known[hint] = made
            return made

    def _compile(self, hint: Any) -> Decode | None:
        if not self._custom:
            return self._standard(hint)
        return self._customised(hint)

    def _customised(self, hint: Any) -> Decode:
        """Asks the custom converters first, at every value."""
        custom = self._custom
        standard: list[Decode | None] = []

        def decode(value: Any) -> Any:
            for converter in custom:
                typed = converter.to_typed_value(hint, value)
                if typed is not JSONTypeConverter.Unhandled:
                    return typed
            if not standard:
                standard.append(self._standard(hint))
            return value if standard[0] is None else standard[0](value)

        return decode

    def _standard(self, hint: Any) -> Decode | None:
        if hint in _AS_IS:
            return None
        scalar = SCALARS.get(hint)
        if scalar is not None:
            return scalar
        if isinstance(hint, _ALIAS):
            return self.of(hint.__value__)
        if isinstance(hint, NewType):
            return self.of(hint.__supertype__)
        if isinstance(hint, TypeVar):
            return self.of(hint.__bound__) if hint.__bound__ is not None else None
        origin, args = get_origin(hint), get_args(hint)
        if origin in _WRAPPERS:
            return self.of(args[0])
        if origin is Literal:
            return self._literal(args)
        if origin is Union or origin is UnionType:
            return self._union(hint, args)
        if isinstance(origin, _ALIAS) and origin is not None:
            return self.of(
                substituted(origin.__value__, dict(zip(origin.__type_params__, args, strict=False)))
            )
        return self._class(hint, origin or hint, args)

    def _class(self, hint: Any, cls: Any, args: tuple[Any, ...]) -> Decode:
        if not isinstance(cls, type):
            raise TypeError(f"Unserializable type during conversion: {hint}")
        transfer = transfer_of(cls)
        if transfer is not None:
            return self._transferred(cls)
        if issubclass(cls, collections.abc.Mapping) or typing.is_typeddict(cls):
            return self._typed_dict(cls) if typing.is_typeddict(cls) else self._mapping(hint, cls, args)
        made = self._record(hint, cls, args)
        if made is not None:
            return made
        if issubclass(cls, enum.Enum):
            return _enum(cls)
        texts = text_type(cls)
        if texts is not None:
            return texts
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            return self._named_tuple(hint, cls)
        if issubclass(cls, collections.abc.Iterable) and not issubclass(cls, str | bytes):
            return self._collection(hint, cls, args)
        if cls.__module__.partition(".")[0] in ("pydantic", "pydantic_core"):
            return _pydantic_type(hint)
        raise TypeError(f"Unserializable type during conversion: {hint}")

    def _transferred(self, cls: type) -> Decode:
        converter = transfer_of(cls)
        assert converter is not None
        inner = self.of(converter.transfer_type) if converter.transfer_type is not None else None

        def decode(value: Any) -> Any:
            return converter.from_transfer_type(value if inner is None else inner(value), cls)

        return decode

    def _literal(self, allowed: tuple[Any, ...]) -> Decode:
        def decode(value: Any) -> Any:
            if value in allowed:
                return value
            for member in allowed:
                if isinstance(member, enum.Enum) and plain(member) == value:
                    return member
            raise TypeError(f"Value {value} not in literal values {allowed}")

        return decode

    def _union(self, hint: Any, args: tuple[Any, ...]) -> Decode:
        """The first alternative that takes the value; before that, one that is exactly the type of the value."""
        exact = frozenset(args) & {str, int, float, bool} if not self._custom else frozenset()
        none = NoneType in args and not self._custom
        rest = [arg for arg in args if not (none and arg is NoneType)]

        def alternative(arg: Any) -> Decode | None:
            try:
                return self.of(arg)
            except Exception as error:  # noqa: BLE001 - an alternative that cannot be read is passed over
                return _failing(error)

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

    def _mapping(self, hint: Any, cls: type, args: tuple[Any, ...]) -> Decode:
        if cls is collections.Counter:
            args = (*args[:1], int) if args else ()
        key_hint, value_hint = args if len(args) == 2 else (Any, Any)
        key, item = self._key(key_hint), self.of(_unbound(value_hint))
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
                        raise TypeError(
                            f"Failed converting value for key {name!r} in mapping {hint}"
                        ) from error
            return made if finish is None else finish(made)

        return decode

    def _key(self, hint: Any) -> Decode | None:
        """How to read a key: JSON made text of it."""
        if hint is None:
            hint = NoneType
        special = KEYS.get(hint) if not self._custom else None
        if special is not None:
            return special
        if isinstance(hint, type) and issubclass(hint, enum.IntEnum | enum.IntFlag):
            return lambda text: hint(int(text))
        inner = self.of(_unbound(hint))
        if inner is None or (isinstance(hint, type) and issubclass(hint, enum.Enum)):
            return inner

        def decode(text: Any) -> Any:
            try:
                return inner(text)
            except Exception:  # noqa: BLE001 - a union with a number, say: what JSON made of the key
                return inner(_number(text))

        return decode

    def _typed_dict(self, cls: Any) -> Decode:
        hints = resolved_hints(cls)
        ways = {name: self.of(hint) for name, hint in hints.items()}

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

    def _record(self, hint: Any, cls: Any, args: tuple[Any, ...]) -> Decode | None:
        if callable(getattr(cls, "model_validate", None)) and hasattr(cls, "__pydantic_validator__"):
            return _model(hint)
        if hasattr(cls, "__pydantic_validator__") and dataclasses.is_dataclass(cls):
            return _pydantic_type(hint)
        if dataclasses.is_dataclass(cls):
            return self._dataclass(hint, cls, args)
        if hasattr(cls, "__struct_fields__") and hasattr(cls, "__struct_config__"):
            return self._struct(hint)
        if hasattr(cls, "__attrs_attrs__"):
            return self._attrs(hint, cls, args)
        parse = getattr(cls, "parse_obj", None)
        return parse if callable(parse) else None

    def _dataclass(self, hint: Any, cls: Any, args: tuple[Any, ...]) -> Decode:
        hints = _field_hints(cls, args)
        given: list[tuple[str, str, Decode | None]] = []
        later: list[tuple[str, str, Decode | None]] = []
        for field in dataclasses.fields(cls):
            way = self.of(hints.get(field.name, Any))
            (given if field.init else later).append((field.name, field.name, way))
        return _fielded(f"dataclass {cls}", cls, given, later)

    def _attrs(self, hint: Any, cls: Any, args: tuple[Any, ...]) -> Decode:
        hints = _field_hints(cls, args)
        given: list[tuple[str, str, Decode | None]] = []
        later: list[tuple[str, str, Decode | None]] = []
        for attribute in cls.__attrs_attrs__:
            way = self.of(hints.get(attribute.name, Any))
            alias = getattr(attribute, "alias", None) or attribute.name.lstrip("_")
            (given if attribute.init else later).append((attribute.name, alias, way))
        return _fielded(f"class {cls}", cls, given, later)

    def _struct(self, hint: Any) -> Decode:
        import msgspec

        def other(inner: type, value: Any) -> Any:
            way = self.of(inner)
            return value if way is None else way(value)

        return lambda value: msgspec.convert(value, hint, dec_hook=other, str_keys=True)

    def _named_tuple(self, hint: Any, cls: Any) -> Decode:
        hints = resolved_hints(cls)
        ways = [self.of(hints.get(name, Any)) for name in cls._fields]

        def decode(value: Any) -> Any:
            if not isinstance(value, list | tuple):
                raise TypeError(f"Expected {hint}, value was {type(value)}")
            items = [
                item if way is None else _item(way, item, hint, index)
                for index, (item, way) in enumerate(zip(value, ways, strict=False))
            ]
            return cls(*items, *value[len(items) :])

        return decode

    def _collection(self, hint: Any, cls: type, args: tuple[Any, ...]) -> Decode:
        if issubclass(cls, tuple):
            if args and args[-1] is not ... and hint not in (tuple, typing.Tuple):  # noqa: UP006
                return self._fixed_tuple(hint, args)
            args = args[:1]
        make: Any = next((made for base, made in _COLLECTIONS if issubclass(cls, base)), None)
        way = self.of(_unbound(args[0])) if args else None

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

    def _fixed_tuple(self, hint: Any, args: tuple[Any, ...]) -> Decode:
        ways = [self.of(_unbound(arg)) for arg in args]

        def decode(value: Any) -> Any:
            if not isinstance(value, list | tuple):
                raise TypeError(f"Expected {hint}, value was {type(value)}")
            if len(value) > len(ways):
                raise TypeError(
                    f"Type {hint} only expecting {len(ways)} values, got at least {len(ways) + 1}"
                )
            return tuple(
                [
                    item if way is None else _item(way, item, hint, index)
                    for index, (item, way) in enumerate(zip(value, ways, strict=False))
                ]
            )

        return decode


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


def _item(way: Decode, value: Any, hint: Any, index: int) -> Any:
    try:
        return way(value)
    except Exception as error:
        raise TypeError(f"Failed converting {hint} index {index}") from error


def _number(text: Any) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "null": None}[text]


def _failing(error: Exception) -> Decode:
    def decode(value: Any) -> Any:
        raise error

    return decode


def _unbound(hint: Any) -> Any:
    """Items of a type variable's type are taken as they are, and None among arguments is NoneType."""
    if hint is None:
        return NoneType
    return Any if isinstance(hint, TypeVar) else hint


def _enum(cls: type[enum.Enum]) -> Decode:
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


def _model(hint: Any) -> Decode:
    try:
        hint.model_validate({}, by_name=True, by_alias=True)
    except TypeError:
        return hint.model_validate  # type: ignore[no-any-return]  # an older pydantic
    except Exception:  # noqa: BLE001 - an empty model need not be valid
        pass
    # What was written by name is read by name, aliases or not.
    return lambda value: hint.model_validate(value, by_name=True, by_alias=True)


def _pydantic_type(hint: Any) -> Decode:
    adapter = sys.modules["pydantic"].TypeAdapter(hint)
    return adapter.validate_python  # type: ignore[no-any-return]


def substituted(hint: Any, types: Mapping[Any, Any]) -> Any:
    """``hint`` with type variables replaced."""
    if isinstance(hint, TypeVar):
        return types.get(hint, hint)
    open_ones = getattr(hint, "__parameters__", ())
    if not open_ones or isinstance(hint, type):
        return hint
    return hint[tuple(types.get(one, one) for one in open_ones)]


def _field_hints(cls: Any, args: tuple[Any, ...]) -> dict[str, Any]:
    hints = resolved_hints(cls)
    types = dict(zip(getattr(cls, "__parameters__", ()), args, strict=False))
    return {name: _unbound(substituted(hint, types) if types else hint) for name, hint in hints.items()}


def _fielded(
    what: str,
    cls: Any,
    given: Sequence[tuple[str, str, Decode | None]],
    later: Sequence[tuple[str, str, Decode | None]],
) -> Decode:
    """Reads an object with fields: ``given`` (name, parameter, way) go to the constructor, ``later`` are set after it.
    Unknown fields are ignored."""

    def decode(value: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"Cannot convert to {what}, value is {type(value)} not dict")
        arguments = {}
        name = ""
        try:
            for name, parameter, way in given:
                if name in value:
                    inner = value[name]
                    arguments[parameter] = inner if way is None else way(inner)
        except Exception as error:
            raise TypeError(f"Failed converting field {name} on {what}") from error
        made = cls(**arguments)
        for name, _, way in later:
            if name in value:
                inner = value[name]
                object.__setattr__(made, name, inner if way is None else way(inner))
        return made

    return decode


standard = Decoders()
"""Without custom converters."""


def value_to_type(hint: type, value: Any, custom_converters: Sequence[JSONTypeConverter] = ()) -> Any:
    """``value``, as JSON gives it, as ``hint`` asks. Raises TypeError, ValueError or what the type raises."""
    if hint is None:
        raise TypeError(f"Unserializable type during conversion: {hint}")
    way = (Decoders(custom_converters) if custom_converters else standard).of(hint)
    return value if way is None else way(value)


__all__ = [
    "Decoders",
    "JSONTypeConverter",
    "JSONTypeConverterUnhandled",
    "simplify",
    "standard",
    "value_to_type",
]
