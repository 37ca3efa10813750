"""The work with DBOS on SQLite."""

import asyncio
from pathlib import Path

from dbos import DBOS  # type: ignore[import-not-found,unused-ignore]
from load import arguments, drive  # type: ignore[import-not-found,unused-ignore]

PLACE, STEPS, SECONDS, AT_ONCE = arguments()
DBOS(
    config={
        "name": "bench",
        "system_database_url": f"sqlite:///{Path(PLACE) / 'dbos.sqlite'}",
        "log_level": "ERROR",
    }
)


@DBOS.step()  # type: ignore[misc,untyped-decorator,unused-ignore]
async def step(number: int) -> int:
    return number + 1


@DBOS.workflow()  # type: ignore[misc,untyped-decorator,unused-ignore]
async def work(number: int, steps: int) -> int:
    for _ in range(steps):
        number = await step(number)
    return number


async def execute(number: int, steps: int) -> None:
    handle = await DBOS.start_workflow_async(work, number, steps)
    await handle.get_result()


async def main() -> None:
    DBOS.launch()
    await drive(execute, STEPS, SECONDS, AT_ONCE)
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main())
