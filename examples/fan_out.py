"""Fan-out: a hundred activities, at most ten of them at once, and their results in the order of the inputs."""

import argparse
import asyncio

import tenuto
from tenuto import activity, workflow


@activity
async def square(number: int) -> int:
    return number * number


@workflow
async def squares(count: int, at_once: int) -> int:
    places = asyncio.Semaphore(at_once)  # asyncio is deterministic here: locks, queues, groups, gather

    async def one(number: int) -> int:
        async with places:
            return await square(number)

    found = await asyncio.gather(*(one(number) for number in range(count)))
    return sum(found)


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(target, workflows=[squares], activities=[square], task_queue="fan-out") as app:
        print("sum:", await app.execute(squares, 100, 10))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
