"""Cron: a workflow that is run again and again by the service; each run sees the result of the one before."""

import argparse
import asyncio

import tenuto
from tenuto import workflow


@workflow
async def tally(by: int) -> int:
    before: int = workflow.get_last_completion_result(int) or 0
    return before + by


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(target, workflows=[tally], task_queue="cron") as app:
        # Cron lines such as "0 9 * * MON-FRI" work as well; the time zone is UTC unless CRON_TZ=... stands before them.
        first = await app.start(tally, 5, cron_schedule="@every 1s")
        for number in range(1, 4):
            # Without a run id, a handle means the run of the moment.
            print(f"run {number}:", await app.client.get_workflow_handle(first.id).result(follow_runs=False))
        await app.client.get_workflow_handle(first.id).terminate("seen enough")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
