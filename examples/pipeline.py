"""A data pipeline that reports its progress. A long activity heartbeats how far it is, and goes on from there when it is
tried again; the caller shows a bar, with the package `rich` if it is installed, else with dots."""

import argparse
import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import tenuto
from tenuto import activity, workflow

ROWS = 40


@dataclass
class Progress:
    stage: str
    done: int
    of: int


@activity(heartbeat_timeout=5)
async def load(rows: int) -> int:
    info = activity.info()
    first: int = info.heartbeat_details[0] if info.heartbeat_details else 0
    for row in range(first, rows):
        await asyncio.sleep(0.001)  # stands for the work on one row
        activity.heartbeat(row + 1)
        if row == rows // 2 and info.attempt == 1:
            # The failure comes on purpose: the second attempt begins where the first one was.
            raise tenuto.ApplicationError("connection lost", next_retry_delay=0.1)
    return rows - first


@activity
async def summarise(chunk: int) -> int:
    return chunk * ROWS


@workflow
async def pipeline(chunks: int) -> int:
    progress = Progress("load", 0, chunks)
    workflow.publish("progress", progress)
    by_last = await load(ROWS)  # rows that the last attempt did itself
    total = 0
    for chunk in range(chunks):
        total += await summarise(chunk)
        progress.stage, progress.done = "summarise", chunk + 1
    return total + by_last


def bar() -> tuple[Callable[[Progress], None], Callable[[], None]]:
    """Something that shows progress, and something that ends the showing."""
    try:
        from rich.progress import Progress as Bar  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return (lambda progress: print(".", end="", flush=True)), print
    shown = Bar()
    shown.start()
    task = shown.add_task("pipeline", total=None)
    return (lambda now: shown.update(task, completed=now.done, total=now.of)), shown.stop


async def watch(handle: tenuto.WorkflowHandle[object, int], seconds: float = 0.05) -> int:
    show, end = bar()
    result = asyncio.ensure_future(handle.result())
    while not result.done():
        show(await handle.query("progress", result_type=Progress))
        await asyncio.wait([result], timeout=seconds)
    end()
    return await result


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(
        target, workflows=[pipeline], activities=[load, summarise], task_queue="pipeline"
    ) as app:
        print("total:", await watch(await app.start(pipeline, 20)))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
