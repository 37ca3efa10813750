"""The class style of the official SDK: the same program runs there with `temporalio` in the place of `tenuto`."""

import argparse
import asyncio
from datetime import timedelta

from tenuto import activity, workflow
from tenuto.client import Client
from tenuto.common import RetryPolicy
from tenuto.worker import Worker


@activity.defn
async def compose(name: str) -> str:
    return f"Sonata for {name}"


@workflow.defn
class Commission:
    @workflow.init  # a message may come before `run` has begun, so what it needs is made here
    def __init__(self, first: str) -> None:
        self.names = [first]
        self.closed = False

    @workflow.run
    async def run(self, first: str) -> list[str]:
        await workflow.wait_condition(lambda: self.closed)
        return [
            await workflow.execute_activity(
                compose,
                name,
                start_to_close_timeout=timedelta(seconds=10),
                retry_policy=RetryPolicy(maximum_attempts=3),
            )
            for name in self.names
        ]

    @workflow.signal
    def close(self) -> None:
        self.closed = True

    @workflow.query
    def count(self) -> int:
        return len(self.names)

    @workflow.update
    def add(self, name: str) -> int:
        self.names.append(name)
        return len(self.names)

    @add.validator
    def check(self, name: str) -> None:
        if not name:
            raise ValueError("whom for?")


async def main(target: str | Client) -> None:
    client = await Client.connect(target) if isinstance(target, str) else target
    async with Worker(client, task_queue="commissions", workflows=[Commission], activities=[compose]):
        handle = await client.start_workflow(
            Commission.run, "violin", id="commission-1", task_queue="commissions"
        )
        print("now:", await handle.execute_update(Commission.add, "viola"))
        print("count:", await handle.query(Commission.count))
        await handle.signal(Commission.close)
        print(await handle.result())


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
