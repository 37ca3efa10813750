"""The worker process: ``python -m demo.official.worker ADDRESS LEDGER``. Activities append what they did to the ledger."""

import asyncio
import json
import os
import sys
import uuid
from datetime import timedelta
from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from demo.official.orders import QUEUE, Order, Ship


class Ledger:
    """An append-only file of what activities did; each line is flushed before the activity answers."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _write(self, name: str, argument: str, attempt: int) -> str:
        receipt = f"{name}-{argument}-{uuid.uuid4().hex[:6]}"
        line = json.dumps({"activity": name, "argument": argument, "attempt": attempt, "receipt": receipt})
        with self._path.open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        return receipt

    @activity.defn
    async def charge(self, order: str) -> str:
        """Fails the first time, as payment services do."""
        attempt = activity.info().attempt
        if attempt == 1:
            raise RuntimeError("the card service is asleep")
        return self._write("charge", order, attempt)

    @activity.defn
    async def reserve(self, item: str) -> str:
        """Takes a moment, so that a kill can find it at work."""
        receipt = self._write("reserve", item, activity.info().attempt)
        await asyncio.sleep(0.3)
        return receipt

    @activity.defn
    async def ship(self, order: str) -> str:
        """The last step."""
        return self._write("ship", order, activity.info().attempt)


async def connect(address: str) -> Client:
    """Connects as soon as the server is there."""
    while True:
        try:
            return await Client.connect(address)
        except (RPCError, RuntimeError):
            await asyncio.sleep(0.1)


async def main(address: str, path: str) -> None:
    """Works until killed."""
    ledger = Ledger(Path(path))
    worker = Worker(
        await connect(address),
        task_queue=QUEUE,
        workflows=[Order, Ship],
        activities=[ledger.charge, ledger.reserve, ledger.ship],
        workflow_runner=UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
