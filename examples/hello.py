"""The smallest program: a workflow that calls one activity."""

import argparse
import asyncio

import tenuto
from tenuto import activity, workflow


@activity
async def greet(name: str, mark: str = "!") -> str:
    return f"Hello, {name}{mark}"


@workflow
async def hello(name: str) -> str:
    return await greet(name, mark="?")


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(target) as app:
        print(await app.execute(hello, "World"))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
