"""Continue-as-new: a workflow that goes on for ever starts a new run now and then, so that no history grows too long."""

import argparse
import asyncio

import tenuto
from tenuto import activity, workflow


@activity
async def count(page: int) -> int:
    return 10 if page < 25 else 0


@workflow
async def crawl(page: int = 0, found: int = 0) -> int:
    first = page
    while True:
        got = await count(page)
        if not got:
            return found
        found, page = found + got, page + 1
        # A real program asks the service: workflow.info().is_continue_as_new_suggested()
        if page - first == 10 or workflow.info().is_continue_as_new_suggested():
            workflow.continue_as_new(args=[page, found])


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(target, workflows=[crawl], activities=[count], task_queue="continue") as app:
        handle = await app.start(crawl)
        print("found:", await handle.result())
        described = await app.client.get_workflow_handle(handle.id).describe()
        print("the last of several runs:", described.run_id != handle.result_run_id)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
