"""Converters that ask for the context are told it; nothing is copied for those that do not."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from tenuto.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)
from tenuto.wire import common, failure

CONTEXT = WorkflowSerializationContext("ns", "wf")


class Signing(EncodingPayloadConverter, WithSerializationContext):
    context: SerializationContext | None = None

    @property
    def encoding(self) -> str:
        return "signed"

    def to_payload(self, value: Any) -> common.Payload | None:
        if not isinstance(value, str):
            return None
        return common.Payload(
            metadata={"encoding": b"signed", "by": repr(self.context).encode()}, data=value.encode()
        )

    def from_payload(self, payload: common.Payload, type_hint: type | None = None) -> Any:
        return payload.data.decode(), payload.metadata["by"].decode() == repr(self.context)

    def with_context(self, context: SerializationContext) -> Self:
        told = type(self)()
        told.context = context
        return told


class Signed(CompositePayloadConverter):
    def __init__(self) -> None:
        super().__init__(Signing(), *DefaultPayloadConverter.default_encoding_payload_converters)


class Noting(DefaultFailureConverter, WithSerializationContext):
    context: SerializationContext | None = None

    def to_failure(self, exception: BaseException, payload_converter: Any, failure: failure.Failure) -> None:
        super().to_failure(exception, payload_converter, failure)
        failure.source = repr(self.context)

    def with_context(self, context: SerializationContext) -> Self:
        told = type(self)()
        told.context = context
        return told


def test_the_default_is_the_same_in_every_context() -> None:
    assert DataConverter.default.with_context(CONTEXT) is DataConverter.default
    assert DefaultPayloadConverter().get_converters_with_context(CONTEXT) is None


def test_converters_of_a_chain_are_told() -> None:
    plain = DataConverter(payload_converter_class=Signed)
    told = plain.with_context(CONTEXT)
    assert told is not plain
    [payload] = asyncio.run(told.encode(["x"]))
    assert asyncio.run(told.decode([payload])) == [("x", True)]
    assert asyncio.run(plain.decode([payload])) == [("x", False)]
    assert asyncio.run(told.decode(asyncio.run(told.encode([5])))) == [5]


def test_failure_converters_are_told() -> None:
    made = failure.Failure()
    converter = DataConverter(failure_converter_class=Noting).with_context(CONTEXT)
    asyncio.run(converter.encode_failure(ValueError("x"), made))
    assert made.source == repr(CONTEXT)


def test_the_chain_is_in_the_order_given() -> None:
    assert list(Signed().converters) == [
        b"signed",
        b"binary/null",
        b"binary/plain",
        b"json/protobuf",
        b"binary/protobuf",
        b"json/plain",
    ]
