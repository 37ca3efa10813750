"""A codec that hides every payload, failures that hide their words, and headers on every call: for clients of both makes."""

from collections.abc import Sequence
from typing import Any

import temporalio.converter
from temporalio.api.common.v1 import Payload

import tenuto.converter
from tests.interop.sdk.loading import MAKES, load

_KEY = 0x5A


def encoded(payloads: Sequence[Payload]) -> list[Payload]:
    return [
        Payload(
            metadata={"encoding": b"binary/secret"},
            data=bytes(byte ^ _KEY for byte in payload.SerializeToString()),
        )
        for payload in payloads
    ]


def uncoded(payloads: Sequence[Payload]) -> list[Payload]:
    return [
        Payload.FromString(bytes(byte ^ _KEY for byte in payload.data))
        if payload.metadata.get("encoding") == b"binary/secret"
        else payload
        for payload in payloads
    ]


class OfficialCodec(temporalio.converter.PayloadCodec):
    """Makes every payload unreadable."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return encoded(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return uncoded(payloads)


class OwnCodec(tenuto.converter.PayloadCodec):
    """The same."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return encoded(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return uncoded(payloads)


def coded() -> dict[str, dict[str, Any]]:
    """Connect options of both makes: payloads through a codec, messages of failures hidden, headers on everything."""
    official = temporalio.converter.DataConverter(
        payload_codec=OfficialCodec(),
        failure_converter_class=temporalio.converter.DefaultFailureConverterWithEncodedAttributes,
    )
    own = tenuto.converter.DataConverter(
        payload_codec=OwnCodec(),
        failure_converter_class=tenuto.converter.DefaultFailureConverterWithEncodedAttributes,
    )
    tracing = {make: load(make).modules["headers"].Tracing() for make in MAKES}
    return {
        "official": {"data_converter": official, "interceptors": [tracing["official"]]},
        "tenuto": {"data_converter": own, "interceptors": [tracing["tenuto"]]},
    }
