"""Encryption: a codec encrypts whatever leaves this process; the service and its store never see a value.

Needs the package `cryptography`.
"""

import argparse
import asyncio
from collections.abc import Sequence

from cryptography.fernet import Fernet

import tenuto
from tenuto import DataConverter, activity, workflow
from tenuto.api.common.v1 import Payload
from tenuto.converter import DefaultFailureConverterWithEncodedAttributes, PayloadCodec


class Encrypted(PayloadCodec):
    """Fernet around every payload, whatever it holds."""

    def __init__(self, key: bytes) -> None:
        self._box = Fernet(key)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(
                metadata={"encoding": b"binary/encrypted"},
                data=self._box.encrypt(payload.SerializeToString()),
            )
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload.FromString(self._box.decrypt(payload.data))
            if payload.metadata.get("encoding") == b"binary/encrypted"
            else payload
            for payload in payloads
        ]


@activity
async def diagnose(patient: str) -> str:
    return f"{patient} needs rest"


@workflow
async def consult(patient: str) -> str:
    return await diagnose(patient)


async def main(target: str) -> None:
    key = Fernet.generate_key()  # a real program reads it from where its secrets are
    converter = DataConverter(
        payload_codec=Encrypted(key),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,  # messages of errors, too
    )
    async with tenuto.open(
        target,
        workflows=[consult],
        activities=[diagnose],
        data_converter=converter,
        task_queue="encryption",
    ) as app:
        handle = await app.start(consult, "Robert")
        print(await handle.result())
        history = (await handle.fetch_history()).to_json()
        print("the history says Robert:", "Robert" in history)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
