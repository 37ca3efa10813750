"""The whole way of a value: converter, codec, external storage, and back. This file must never know an encoding."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from tenuto.converter.codec import PayloadCodec
from tenuto.converter.context import SerializationContext, WithSerializationContext, asks_context, in_context
from tenuto.converter.failure import DefaultFailureConverter, FailureConverter
from tenuto.converter.payload import CompositePayloadConverter, DefaultPayloadConverter, PayloadConverter
from tenuto.converter.storage import ExternalStorage, refuse_references
from tenuto.converter.transfer import transfer_of
from tenuto.converter.walk import code_message
from tenuto.wire import common
from tenuto.wire import failure as wire


@dataclass(frozen=True)
class DataConverter(WithSerializationContext):
    """How values become payloads and go on the wire. Classes, not objects, for what runs inside workflows."""

    payload_converter_class: type[PayloadConverter] = DefaultPayloadConverter
    """Made without arguments."""
    payload_codec: PayloadCodec | None = None
    """Changes payloads after conversion. None: nothing does."""
    failure_converter_class: type[FailureConverter] = DefaultFailureConverter
    """Made without arguments."""
    payload_converter: PayloadConverter = field(init=False)
    """Made of ``payload_converter_class``."""
    failure_converter: FailureConverter = field(init=False)
    """Made of ``failure_converter_class``."""
    external_storage: ExternalStorage | None = None
    """Where large payloads go. None: nowhere."""

    default: ClassVar[DataConverter]
    """All defaults, neither codec nor storage."""

    def __post_init__(self) -> None:
        converter = self.payload_converter_class()
        if not isinstance(converter, CompositePayloadConverter):
            converter = _Transferring(converter)
        object.__setattr__(self, "payload_converter", converter)
        object.__setattr__(self, "failure_converter", self.failure_converter_class())

    @property
    def rewrites(self) -> bool:
        """Whether anything happens to payloads after conversion."""
        return self.payload_codec is not None or self.external_storage is not None

    @property
    def wants_context(self) -> bool:
        """Whether what happens to payloads after conversion may depend on the context."""
        return isinstance(self.payload_codec, WithSerializationContext) or self.external_storage is not None

    @property
    def converts_by_context(self) -> bool:
        """Whether conversion itself may depend on the context."""
        return asks_context(self.payload_converter) or asks_context(self.failure_converter)

    async def encode(self, values: Sequence[Any]) -> list[common.Payload]:
        """One payload for each of ``values`` (with some codecs: another number), ready for the wire."""
        return await self.encode_payloads(self.payload_converter.to_payloads(values))

    async def decode(
        self, payloads: Sequence[common.Payload], type_hints: list[type] | None = None
    ) -> list[Any]:
        """The values of ``payloads`` from the wire, as ``type_hints`` ask."""
        return self.payload_converter.from_payloads(await self.decode_payloads(payloads), type_hints)

    async def encode_wrapper(self, values: Sequence[Any]) -> common.Payloads:
        """`encode`, in one message."""
        return common.Payloads(payloads=await self.encode(values))

    async def decode_wrapper(
        self, payloads: common.Payloads | None, type_hints: list[type] | None = None
    ) -> list[Any]:
        """`decode`, from one message. None holds nothing."""
        return (
            await self.decode(payloads.payloads, type_hints)
            if payloads is not None and payloads.payloads
            else []
        )

    async def encode_failure(self, exception: BaseException, failure: wire.Failure) -> None:
        """Write ``exception`` into the empty ``failure``, ready for the wire."""
        self.failure_converter.to_failure(exception, self.payload_converter, failure)
        if self.rewrites:
            await code_message(failure, self.encode_payloads)

    async def decode_failure(self, failure: wire.Failure) -> BaseException:
        """The error that ``failure`` from the wire tells of. Changes ``failure``: its payloads are plain then."""
        if self.rewrites:
            await code_message(failure, self.decode_payloads)
        return self.failure_converter.from_failure(failure, self.payload_converter)

    async def encode_payloads(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        """``payloads`` after conversion, made ready for the wire: codec, then storage."""
        kept = list(payloads)
        if not kept:
            return kept
        if self.payload_codec is not None:
            kept = await self.payload_codec.encode(kept)
        return kept if self.external_storage is None else await self.external_storage.store(kept)

    async def decode_payloads(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        """``payloads`` from the wire, made ready for conversion: storage, then codec. Raises RuntimeError when one is
        stored elsewhere and there is no storage."""
        kept = list(payloads)
        if not kept:
            return kept
        if self.external_storage is not None:
            kept = await self.external_storage.retrieve(kept)
        else:
            refuse_references(kept)
        return kept if self.payload_codec is None else await self.payload_codec.decode(kept)

    def with_context(self, context: SerializationContext) -> Self:
        """One that works for ``context``; itself when no part of it asks."""
        converter = in_context(self.payload_converter, context)
        codec = in_context(self.payload_codec, context)
        failures = in_context(self.failure_converter, context)
        storage = None if self.external_storage is None else self.external_storage.with_context(context)
        if (
            converter is self.payload_converter
            and codec is self.payload_codec
            and failures is self.failure_converter
            and storage is self.external_storage
        ):
            return self
        told = copy.copy(self)
        object.__setattr__(told, "payload_converter", converter)
        object.__setattr__(told, "payload_codec", codec)
        object.__setattr__(told, "failure_converter", failures)
        object.__setattr__(told, "external_storage", storage)
        return told


class _Transferring(PayloadConverter, WithSerializationContext):
    """A converter that knows nothing of types that travel as others, made to."""

    def __init__(self, inner: PayloadConverter) -> None:
        self._inner = inner

    def to_payloads(self, values: Sequence[Any]) -> list[common.Payload]:
        return self._inner.to_payloads([_transferred(value) for value in values])

    def from_payloads(
        self, payloads: Sequence[common.Payload], type_hints: list[type] | None = None
    ) -> list[Any]:
        if type_hints is None:
            return self._inner.from_payloads(payloads)
        ways = [transfer_of(hint) for hint in type_hints]
        hints = [
            hint if way is None else way.transfer_type for hint, way in zip(type_hints, ways, strict=True)
        ]
        values = self._inner.from_payloads(payloads, hints)
        for index, (way, hint) in enumerate(zip(ways, type_hints, strict=True)):
            if way is not None and index < len(values):
                values[index] = way.from_transfer_type(values[index], hint)
        return values

    @property
    def asks_context(self) -> bool:
        return asks_context(self._inner)

    def with_context(self, context: SerializationContext) -> Self:
        inner = in_context(self._inner, context)
        return self if inner is self._inner else type(self)(inner)


def _transferred(value: Any) -> Any:
    way = transfer_of(type(value))
    return value if way is None else way.to_transfer_type(value)


DataConverter.default = DataConverter()


def default() -> DataConverter:
    """`DataConverter.default`."""
    return DataConverter.default
