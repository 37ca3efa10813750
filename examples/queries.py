"""Queries: a workflow publishes what it is doing, and anybody may ask, also after it has ended."""

import argparse
import asyncio
from dataclasses import dataclass

import tenuto
from tenuto import activity, workflow


@dataclass
class Progress:
    done: int
    of: int


@activity
async def polish(part: str) -> str:
    return part.capitalize()


@workflow
async def refurbish(parts: list[str]) -> list[str]:
    progress = Progress(0, len(parts))
    workflow.publish("progress", progress)  # what changes inside it shows at once

    @workflow.on_query()
    def remaining() -> list[str]:
        return parts[progress.done :]

    polished = []
    for part in parts:
        polished.append(await polish(part))
        progress.done += 1
    return polished


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(target, workflows=[refurbish], activities=[polish], task_queue="queries") as app:
        handle = await app.start(refurbish, ["neck", "bridge", "pegs"])
        print("at first:", await handle.query("progress", result_type=Progress))
        print("result:", await handle.result())
        print("in the end:", await handle.query("progress", result_type=Progress))
        print("remaining:", await handle.query("remaining"))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
