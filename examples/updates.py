"""Updates: requests that change a running workflow and get an answer; a validator may refuse them."""

import argparse
import asyncio

import tenuto
from tenuto import activity, workflow
from tenuto.client import WorkflowUpdateFailedError


@activity
async def price_of(item: str) -> int:
    return {"violin": 900, "bow": 120, "rosin": 9}[item]


@workflow
async def basket(limit: int) -> dict[str, int]:
    items: dict[str, int] = {}
    done = workflow.mailbox("checkout")

    def known(item: str) -> None:
        if item in items:
            raise ValueError(f"{item} is in the basket already")

    @workflow.on_update(validator=known)
    async def add(item: str) -> int:
        price = await price_of(item)  # a handler may call activities, too
        if sum(items.values()) + price > limit:
            raise tenuto.ApplicationError(f"{item} would cost more than {limit} in all")
        items[item] = price
        return sum(items.values())

    await done.get()
    await workflow.wait_condition(workflow.all_handlers_finished)
    return items


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(target, workflows=[basket], activities=[price_of], task_queue="updates") as app:
        handle = await app.start(basket, 1_000)
        print("violin:", await handle.execute_update("add", "violin"))
        for item in ("violin", "bow"):
            try:
                await handle.execute_update("add", item)
            except WorkflowUpdateFailedError as error:
                print("refused:", error.cause)
        print("rosin:", await handle.execute_update("add", "rosin"))
        await handle.signal("checkout")
        print("basket:", await handle.result())


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
