"""Large payloads: what is big travels beside the history, as a file that all workers reach, and is kept once."""

import argparse
import asyncio
import os
import tempfile

import tenuto
from tenuto import DataConverter, activity, workflow
from tenuto.converter import ExternalStorage, FileStorageDriver


@activity
async def scan(pages: int) -> bytes:
    return b"ink " * 100_000 * pages


@activity
async def weigh(scanned: bytes) -> int:
    return len(scanned)


@workflow
async def digitise(pages: int) -> int:
    return await weigh(await scan(pages))


async def main(target: str) -> None:
    with tempfile.TemporaryDirectory() as directory:  # a real one is shared by all workers, and stays
        converter = DataConverter(
            external_storage=ExternalStorage([FileStorageDriver(directory)], payload_size_threshold=64 * 1024)
        )
        async with tenuto.open(
            target,
            workflows=[digitise],
            activities=[scan, weigh],
            data_converter=converter,
            task_queue="large",
        ) as app:
            handle = await app.start(digitise, 10)
            print("bytes:", await handle.result())
            history = await handle.fetch_history()
            print("history is small:", len(history.to_json()) < 20_000)
            print("files:", sum(len(files) for _, _, files in os.walk(directory)))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
