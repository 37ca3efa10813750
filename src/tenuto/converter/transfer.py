"""Types that travel as another type. This file must never import protocol messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

ValueT = TypeVar("ValueT")
TransferTypeT = TypeVar("TransferTypeT")

_MARK = "__tenuto_transfer_type_converter"


class TransferTypeConverter(Generic[ValueT, TransferTypeT], ABC):
    """Turns values of one type into values that travel in their place, and back."""

    transfer_type: ClassVar[Any] = None
    """What values travel as, as a hint for reading them; None: no hint."""

    @abstractmethod
    def to_transfer_type(self, value: ValueT) -> TransferTypeT:
        """What travels in place of ``value``."""

    @abstractmethod
    def from_transfer_type(self, value: TransferTypeT, type_hint: type[ValueT]) -> ValueT:
        """The value that ``value`` travelled for. ``type_hint`` is the decorated class or a subclass."""


def transfer_type_convertible(
    converter_type: type[TransferTypeConverter[ValueT, TransferTypeT]],
) -> Callable[[type[ValueT]], type[ValueT]]:
    """A class decorator: values of the class travel as ``converter_type`` says. Subclasses inherit it.

    Raises TypeError when the class has such a converter of its own already.
    """

    def decorate(cls: type[ValueT]) -> type[ValueT]:
        if _MARK in vars(cls):
            raise TypeError("class already has a transfer type converter")
        setattr(cls, _MARK, converter_type())
        return cls

    return decorate


def transfer_of(cls: Any) -> TransferTypeConverter[Any, Any] | None:
    """How values of ``cls``, or of what it makes particular (``Box[int]``), travel, if not as themselves."""
    if not isinstance(cls, type):
        cls = getattr(cls, "__origin__", None)
        if not isinstance(cls, type):
            return None
    found: TransferTypeConverter[Any, Any] | None = getattr(cls, _MARK, None)
    return found
