"""Steps: a plain program whose every step is kept the moment it is done. Run it again, and it carries on from there.

python examples/steps.py --address sqlite:///steps.db    # then Ctrl-C or kill -9 in the middle, and start it again
"""

import argparse
import asyncio

import tenuto
from tenuto import step, workflow


@step
async def fetch(page: int) -> str:
    await asyncio.sleep(0.2)
    print(f"fetched page {page}", flush=True)
    return f"page {page}"


@step
def store(pages: list[str]) -> int:
    return sum(len(page) for page in pages)


@workflow
async def archive(pages: int) -> int:
    return await store([await fetch(page) for page in range(1, pages + 1)])


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(target, workflows=[archive], activities=[fetch, store], task_queue="steps") as app:
        # Once by this id: a second start of the program finds the workflow of the first, wherever it was.
        print("stored:", await app.execute(archive, 5, id="archive-2026", once=True))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
