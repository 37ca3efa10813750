"""Replays of one history: ``python replay_program.py tenuto|temporalio HISTORY.json SECONDS``; without a history, makes it.

The very same program for both frameworks: only the name of the package differs. ``make HISTORY.json ACTIVITIES`` instead
runs the workflow in an embedded service and keeps what it left.
"""

import asyncio
import importlib
import json
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from load import cpu_seconds  # type: ignore[import-not-found,unused-ignore]

SDK, FILE = sys.argv[1], Path(sys.argv[2])
PACKAGE = "tenuto" if SDK == "make" else SDK
activity: Any = importlib.import_module(f"{PACKAGE}.activity")
workflow: Any = importlib.import_module(f"{PACKAGE}.workflow")
client: Any = importlib.import_module(f"{PACKAGE}.client")
worker: Any = importlib.import_module(f"{PACKAGE}.worker")


@activity.defn  # type: ignore[untyped-decorator,unused-ignore]
async def one(number: int) -> int:
    return number + 1


@workflow.defn(sandboxed=False)
class Work:
    @workflow.run  # type: ignore[untyped-decorator,unused-ignore]
    async def run(self, number: int, activities: int) -> int:
        for _ in range(activities):
            number = await workflow.execute_activity(
                one, number, start_to_close_timeout=timedelta(seconds=60)
            )
        return number


async def make(activities: int) -> str:
    connected = await client.Client.connect("memory://")
    async with worker.Worker(connected, task_queue="bench", workflows=[Work], activities=[one]):
        handle = await connected.start_workflow(
            Work.run, args=[1, activities], id="replayed", task_queue="bench"
        )
        await handle.result()
        history: str = (await handle.fetch_history()).to_json()
        return history


async def replay(told: str, seconds: float) -> None:
    history = client.WorkflowHistory.from_json("replayed", told)
    replayer = worker.Replayer(workflows=[Work], workflow_runner=worker.UnsandboxedWorkflowRunner())
    await replayer.replay_workflow(history)
    began, cpu, done = time.perf_counter(), cpu_seconds(), 0
    while (took := time.perf_counter() - began) < seconds:
        await replayer.replay_workflow(history)
        done += 1
    used = cpu_seconds() - cpu
    events = len(history.events)
    print(
        json.dumps({"events_per_s": done * events / took, "cpu_us_per_event": used / done / events * 1e6}),
        flush=True,
    )


if __name__ == "__main__":
    if SDK == "make":
        FILE.write_text(asyncio.run(make(int(sys.argv[3]))))
    else:
        asyncio.run(replay(FILE.read_text(), float(sys.argv[3])))
