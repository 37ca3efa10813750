"""From values to payloads and back: the chain of converters, each for one encoding.

This file must never encrypt, compress or store: codecs and external storage come after it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from tenuto.common import RawValue
from tenuto.converter.context import SerializationContext, WithSerializationContext, asks_context, in_context
from tenuto.converter.encodings import (
    BinaryNullPayloadConverter,
    BinaryPlainPayloadConverter,
    BinaryProtoPayloadConverter,
    EncodingPayloadConverter,
    JSONPlainPayloadConverter,
    JSONProtoPayloadConverter,
    StoredElsewhereError,
    null_payload,
)
from tenuto.converter.transfer import transfer_of
from tenuto.wire import common

Payload = common.Payload


class PayloadConverter(ABC):
    """Turns values into payloads and back. Works inside workflows: it must be fast, and may not wait for anything."""

    default: ClassVar[PayloadConverter]
    """Knows None, bytes, protocol buffers, and whatever JSON can hold."""

    @abstractmethod
    def to_payloads(self, values: Sequence[Any]) -> list[common.Payload]:
        """One payload for each of ``values``. Raises whatever a value raises that cannot be encoded."""

    @abstractmethod
    def from_payloads(
        self, payloads: Sequence[common.Payload], type_hints: list[type] | None = None
    ) -> list[Any]:
        """One value for each of ``payloads``, of the type in the same place of ``type_hints``, if there is one."""

    def to_payloads_wrapper(self, values: Sequence[Any]) -> common.Payloads:
        """`to_payloads`, in one message."""
        return common.Payloads(payloads=self.to_payloads(values))

    def from_payloads_wrapper(self, payloads: common.Payloads | None) -> list[Any]:
        """`from_payloads`, from one message. None holds nothing."""
        return [] if payloads is None or not payloads.payloads else self.from_payloads(payloads.payloads)

    def to_payload(self, value: Any) -> common.Payload:
        """The payload for one value."""
        return self.to_payloads([value])[0]

    def from_payload(self, payload: common.Payload, type_hint: type | None = None) -> Any:
        """The value of one payload."""
        return self.from_payloads([payload], [type_hint] if type_hint is not None else None)[0]


class CompositePayloadConverter(PayloadConverter, WithSerializationContext):
    """A chain of converters. The first that takes a value encodes it; a payload's encoding says who decodes it."""

    converters: Mapping[bytes, EncodingPayloadConverter]
    """By encoding, in order."""

    def __init__(self, *converters: EncodingPayloadConverter) -> None:
        self._chain(converters)

    _untold = False
    """No converter of the chain asks for a context."""

    def _chain(self, converters: Sequence[EncodingPayloadConverter]) -> None:
        self.converters = {converter.encoding.encode(): converter for converter in converters}
        self._untold = not any(map(asks_context, converters))

    def to_payloads(self, values: Sequence[Any]) -> list[common.Payload]:
        """Raises RuntimeError when no converter takes a value."""
        return [self._encode(value, index) for index, value in enumerate(values)]

    def from_payloads(
        self, payloads: Sequence[common.Payload], type_hints: list[type] | None = None
    ) -> list[Any]:
        """Raises KeyError for an unknown encoding, RuntimeError for data that is not in its encoding, TypeError (mostly)
        for values that are not what the hint asks for."""
        if type_hints is None:
            return [self._decode(payload, None, index) for index, payload in enumerate(payloads)]
        hints: list[Any] = [*type_hints, *[None] * (len(payloads) - len(type_hints))]
        return [
            self._decode(payload, hint, index)
            for index, (payload, hint) in enumerate(zip(payloads, hints, strict=False))
        ]

    def _encode(self, value: Any, index: int) -> common.Payload:
        if type(value) is RawValue:
            return value.payload
        transfer = transfer_of(type(value))
        if transfer is not None:
            value = transfer.to_transfer_type(value)
        for converter in self.converters.values():
            payload = converter.to_payload(value)
            if payload is not None:
                return payload
        raise RuntimeError(f"Value at index {index} of type {type(value)} has no known converter")

    def _decode(self, payload: common.Payload, hint: Any, index: int) -> Any:
        if hint is RawValue:
            kept = Payload()
            kept.CopyFrom(payload)
            return RawValue(kept)
        encoding = payload.metadata.get("encoding", b"<unknown>")
        converter = self.converters.get(encoding)
        if converter is None:
            raise KeyError(f"Unknown payload encoding {encoding.decode(errors='replace')}")
        try:
            transfer = transfer_of(hint)
            if transfer is None:
                return converter.from_payload(payload, hint)
            return transfer.from_transfer_type(converter.from_payload(payload, transfer.transfer_type), hint)
        except StoredElsewhereError:
            raise
        except RuntimeError as error:
            raise RuntimeError(
                f"Payload at index {index} with encoding {encoding.decode()} could not be converted"
            ) from error
        except Exception as error:
            error.add_note(f"(while reading payload {index} as {hint})")
            raise

    def with_context(self, context: SerializationContext) -> Self:
        """One whose converters know ``context``; itself when none of them asks."""
        own = CompositePayloadConverter.get_converters_with_context
        if self._untold and type(self).get_converters_with_context is own:
            return self
        converters = self.get_converters_with_context(context)
        if converters is None:
            return self
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        made._chain(converters)
        return made

    @property
    def asks_context(self) -> bool:
        """Whether it may be another one in some context."""
        kind, own = type(self), CompositePayloadConverter
        return (
            kind.with_context is not own.with_context
            or kind.get_converters_with_context is not own.get_converters_with_context
            or any(map(asks_context, self.converters.values()))
        )

    def get_converters_with_context(
        self, context: SerializationContext
    ) -> list[EncodingPayloadConverter] | None:
        """The converters, told ``context``; None when none of them asks."""
        converters = [in_context(converter, context) for converter in self.converters.values()]
        changed = any(new is not old for new, old in zip(converters, self.converters.values(), strict=True))
        return converters if changed else None


class DefaultPayloadConverter(CompositePayloadConverter):
    """None, bytes, protocol buffers, then JSON."""

    default_encoding_payload_converters: tuple[EncodingPayloadConverter, ...] = (
        BinaryNullPayloadConverter(),
        BinaryPlainPayloadConverter(),
        JSONProtoPayloadConverter(),
        BinaryProtoPayloadConverter(),
        JSONPlainPayloadConverter(),
    )

    _stock: JSONPlainPayloadConverter | None = None

    def __init__(self) -> None:
        super().__init__(*self.default_encoding_payload_converters)

    def _chain(self, converters: Sequence[EncodingPayloadConverter]) -> None:
        super()._chain(converters)
        last = converters[-1] if converters else None
        stock = tuple(type(converter) for converter in converters) == _STOCK
        self._stock = last if stock and isinstance(last, JSONPlainPayloadConverter) else None

    def _encode(self, value: Any, index: int) -> common.Payload:
        if self._stock is not None:
            kind = type(value)
            if kind in _JSON_AT_ONCE:
                return self._stock.encode(value)
            if value is None:
                return null_payload()
        return super()._encode(value, index)

    def _decode(self, payload: common.Payload, hint: Any, index: int) -> Any:
        if self._stock is not None and hint is not RawValue:
            encoding = payload.metadata.get("encoding")
            if encoding == b"binary/null" and not payload.data and transfer_of(hint) is None:
                return None
            if encoding == b"json/plain":
                try:
                    return self._stock.from_payload(payload, hint)
                except Exception:  # noqa: BLE001 - the long way says what is wrong
                    pass
        return super()._decode(payload, hint, index)


_STOCK = tuple(type(one) for one in DefaultPayloadConverter.default_encoding_payload_converters)
_JSON_AT_ONCE = frozenset({str, int, float, bool, dict, list, tuple})

PayloadConverter.default = DefaultPayloadConverter()
