"""A worker and a client over gRPC, with one activity a workflow.

``python worker_program.py tenuto|temporalio ADDRESS SECONDS AT_ONCE``

The very same program for both frameworks, which is the point: only the name of the package differs.
"""

import asyncio
import importlib
import sys
from datetime import timedelta
from typing import Any

from load import drive  # type: ignore[import-not-found,unused-ignore]

SDK, ADDRESS, SECONDS, AT_ONCE = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
activity: Any = importlib.import_module(f"{SDK}.activity")
workflow: Any = importlib.import_module(f"{SDK}.workflow")
client: Any = importlib.import_module(f"{SDK}.client")
worker: Any = importlib.import_module(f"{SDK}.worker")


@activity.defn  # type: ignore[untyped-decorator,unused-ignore]
async def one(number: int) -> int:
    return number + 1


@workflow.defn(sandboxed=False)
class Work:
    @workflow.run  # type: ignore[untyped-decorator,unused-ignore]
    async def run(self, number: int) -> int:
        result: int = await workflow.execute_activity(
            one, number, start_to_close_timeout=timedelta(seconds=60)
        )
        return result


async def main() -> None:
    connected = await client.Client.connect(ADDRESS)
    queue = f"bench-{SDK}"
    async with worker.Worker(
        connected,
        task_queue=queue,
        workflows=[Work],
        activities=[one],
        workflow_runner=worker.UnsandboxedWorkflowRunner(),
    ):

        async def execute(number: int, steps: int) -> None:
            await connected.execute_workflow(
                Work.run, number, id=f"{SDK}-{AT_ONCE}-{number}", task_queue=queue
            )

        await drive(execute, 1, SECONDS, AT_ONCE)


if __name__ == "__main__":
    asyncio.run(main())
