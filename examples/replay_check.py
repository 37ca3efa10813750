"""Replay check: would today's code still do what yesterday's runs did? A test in your repository can tell before you deploy.

Histories are kept as JSON files; a replay needs no service.
"""

import argparse
import asyncio

import tenuto
from tenuto import Replayer, activity, workflow
from tenuto.client import WorkflowHistory


@activity
async def charge(amount: int) -> str:
    return f"charged {amount}"


@activity
async def ship(item: str) -> str:
    return f"shipped {item}"


@workflow
async def sale(item: str) -> list[str]:
    return [await charge(5), await ship(item)]


@workflow(name="sale")
async def sale_the_other_way_round(item: str) -> list[str]:
    return [await ship(item), await charge(5)]


@workflow(name="sale")
async def sale_with_a_patch(item: str) -> list[str]:
    if workflow.patched("ship-first"):  # new runs
        return [await ship(item), await charge(5)]
    return [await charge(5), await ship(item)]  # runs that began before


async def recorded(target: str | tenuto.Client) -> str:
    """A history as the JSON that `temporal workflow show --output json` prints, too."""
    async with tenuto.open(target, workflows=[sale], activities=[charge, ship], task_queue="replay") as app:
        handle = await app.start(sale, "violin")
        await handle.result()
        return (await handle.fetch_history()).to_json()


async def main(target: str | tenuto.Client) -> None:
    history = WorkflowHistory.from_json("sale-1", await recorded(target))
    for version in (sale, sale_the_other_way_round, sale_with_a_patch):
        result = await Replayer(workflows=[version]).replay_workflow(history, raise_on_replay_failure=False)
        print(f"{version.__name__}:", result.replay_failure or "fits")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
