"""Child workflows: each has its own history, its own id, and may be reached on its own."""

import argparse
import asyncio

import tenuto
from tenuto import activity, workflow


@activity
async def tune(string: str) -> str:
    return f"{string} tuned"


@workflow
async def instrument(name: str, strings: str) -> str:
    return f"{name}: " + ", ".join([await tune(string) for string in strings])


@workflow
async def orchestra() -> list[str]:
    # To await a workflow inside a workflow runs it as a child.
    first = await instrument("violin", "GDAE")
    # As tasks, children run at the same time; an id makes one easy to find.
    async with asyncio.TaskGroup() as together:
        viola = together.create_task(instrument("viola", "CGDA"))
        cello = together.create_task(
            instrument.options(id=f"{workflow.info().workflow_id}-cello")("cello", "CGDA")
        )
    return [first, viola.result(), cello.result()]


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(
        target, workflows=[orchestra, instrument], activities=[tune], task_queue="children"
    ) as app:
        handle = await app.start(orchestra)
        for line in await handle.result():
            print(line)
        cello = app.client.get_workflow_handle(f"{handle.id}-cello", result_type=str)
        print("the cello on its own:", await cello.result())


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
