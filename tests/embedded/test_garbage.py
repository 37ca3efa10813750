"""What a workflow leaves behind when it has ended: nothing that only the collector could free, and little in memory."""

import asyncio
import gc

import tenuto
from tenuto import step, workflow


@step
async def one(number: int) -> int:
    return number + 1


@workflow
async def counting(number: int) -> int:
    for _ in range(3):
        number = await one(number)
    return number


def test_a_workflow_that_has_ended_leaves_no_garbage_and_few_objects() -> None:
    async def main() -> tuple[int, int]:
        async with tenuto.open("memory://") as app:
            for number in range(20):
                await app.execute(counting, number, id=f"w{number}")
            gc.collect()
            gc.disable()
            try:
                before = len(gc.get_objects())
                for number in range(20, 70):
                    await app.execute(counting, number, id=f"w{number}")
                return gc.collect(), len(gc.get_objects()) - before
            finally:
                gc.enable()

    garbage, kept = asyncio.run(main())
    assert garbage < 1000, "each workflow leaves circles of objects"
    assert kept < 50 * 40
