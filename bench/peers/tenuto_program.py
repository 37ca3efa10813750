"""The work with Tenuto, embedded: the service, the worker and the client in this process, on one SQLite file."""

import asyncio
from pathlib import Path

from load import arguments, drive  # type: ignore[import-not-found,unused-ignore]

import tenuto
from tenuto import step, workflow

PLACE, STEPS, SECONDS, AT_ONCE = arguments()


@step
async def one(number: int) -> int:
    return number + 1


@workflow
async def work(number: int, steps: int) -> int:
    for _ in range(steps):
        number = await one(number)
    return number


async def main() -> None:
    async with tenuto.open(f"sqlite:///{Path(PLACE) / 'tenuto.db'}") as app:

        async def execute(number: int, steps: int) -> None:
            await app.execute(work, number, steps, id=f"work-{STEPS}-{AT_ONCE}-{number}")

        await drive(execute, STEPS, SECONDS, AT_ONCE)


if __name__ == "__main__":
    asyncio.run(main())
