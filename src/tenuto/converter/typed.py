"""From what JSON knows to the types that annotations ask for. Each hint is compiled once into a function.

This file must never import protocol messages, nor a library that the program has not imported itself.
"""

from __future__ import annotations

import collections
import collections.abc
import enum
import inspect
import sys
import threading
import typing
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import UnionType
from typing import Any, ClassVar, Literal, NewType, TypeVar, Union, get_args, get_origin

from tenuto.converter.choices import enumeration, literal, union
from tenuto.converter.containers import collection, mapping, named_tuple, typed_dict
from tenuto.converter.reading import Decode, substituted
from tenuto.converter.records import pydantic_type, record
from tenuto.converter.scalars import SCALARS, text_type
from tenuto.converter.transfer import transfer_of

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

    __slots__ = ("_custom", "_fresh", "_known", "_lock", "_unfinished")

    def __init__(self, custom: Sequence[JSONTypeConverter] = ()) -> None:
        self._custom = tuple(custom)
        self._known: dict[Any, Decode | None] = {}
        self._fresh: dict[Any, Decode | None] = {}
        self._unfinished: dict[Any, _Forward] = {}
        self._lock = threading.RLock()

    def of(self, hint: Any) -> Decode | None:
        """How to read ``hint``; None: take the value as it is. Raises TypeError for a hint that cannot be read."""
        try:
            return self._known[hint]
        except KeyError:
            pass
        except TypeError:  # a hint that cannot be a key: annotated with a list, say
            return self._composed(hint)
        with self._lock:
            if hint in self._fresh:
                return self._fresh[hint]
            if hint in self._unfinished:
                return self._unfinished[hint]  # types may be recursive
            self._unfinished[hint] = forward = _Forward()
            try:
                self._fresh[hint] = forward.way = made = self._compile(hint)
            except BaseException:
                self._fresh.clear()  # some of it may lean on what failed
                raise
            finally:
                del self._unfinished[hint]
            if not self._unfinished:
                self._publish()
            return made

    def _publish(self) -> None:
        """Only what is whole is seen by other threads."""
        if len(self._known) >= _HINTS_KEPT:
            self._known.clear()
        self._known.update(self._fresh)
        self._fresh.clear()

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
        return SCALARS[hint] if hint in SCALARS else self._composed(hint)

    def _composed(self, hint: Any) -> Decode | None:
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
            return literal(args)
        if origin is Union or origin is UnionType:
            return union(self.of, hint, args, bool(self._custom))
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
        if issubclass(cls, collections.abc.Mapping):
            if hasattr(cls, "__total__"):  # also those of typing_extensions, which typing knows nothing of
                return typed_dict(self.of, cls)
            return mapping(self.of, hint, cls, args, bool(self._custom))
        made = record(self.of, hint, cls, args)
        if made is not None:
            return made
        if issubclass(cls, enum.Enum):
            return enumeration(cls)
        texts = text_type(cls)
        if texts is not None:
            return texts
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            return named_tuple(self.of, hint, cls)
        if issubclass(cls, collections.abc.Iterable) and not issubclass(cls, str | bytes):
            return collection(self.of, hint, cls, args)
        if cls.__module__.partition(".")[0] in ("pydantic", "pydantic_core"):
            return pydantic_type(hint)
        raise TypeError(f"Unserializable type during conversion: {hint}")

    def _transferred(self, cls: type) -> Decode:
        converter = transfer_of(cls)
        assert converter is not None
        inner = self.of(converter.transfer_type) if converter.transfer_type is not None else None

        def decode(value: Any) -> Any:
            return converter.from_transfer_type(value if inner is None else inner(value), cls)

        return decode


standard = Decoders()
"""Without custom converters."""


def value_to_type(hint: type, value: Any, custom_converters: Sequence[JSONTypeConverter] = ()) -> Any:
    """``value``, as JSON gives it, as ``hint`` asks. Raises TypeError, ValueError or what the type raises."""
    if hint is None:
        raise TypeError(f"Unserializable type during conversion: {hint}")
    way = (Decoders(custom_converters) if custom_converters else standard).of(hint)
    return value if way is None else way(value)
