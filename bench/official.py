"""One-activity workflows through the official SDK: ``worker`` works until its input closes, ``load`` runs and waits.

Two processes, so that the worker's processor time and the client's are told apart. The last line printed is JSON.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
import uuid
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bench.driver import quantile


@activity.defn
async def echo(text: str) -> str:
    """The one activity."""
    return text


@workflow.defn
class Short:
    """One activity, then the end."""

    @workflow.run
    async def run(self, text: str) -> str:
        return str(await workflow.execute_activity(echo, text, start_to_close_timeout=timedelta(seconds=60)))


def cpu() -> float:
    """Processor seconds this process used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def work(options: argparse.Namespace) -> dict[str, float]:
    """Says `ready`, works until a line (or the end) arrives on stdin, answers every line with its CPU seconds."""
    client = await Client.connect(options.address)
    async with Worker(
        client,
        task_queue=options.queue,
        workflows=[Short],
        activities=[echo],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_workflow_tasks=100,
        max_concurrent_activities=100,
    ):
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(cpu(), flush=True)
    return {"worker_cpu": cpu()}


async def load(options: argparse.Namespace) -> dict[str, float]:
    """Back-to-back workflows on `concurrency` lanes for `seconds`, after one warm-up second."""
    client = await Client.connect(options.address)
    salt = uuid.uuid4().hex[:8]

    async def measure(seconds: float, name: str) -> list[float]:
        taken: list[float] = []
        deadline = time.perf_counter() + seconds

        async def lane(number: int) -> None:
            turn = 0
            while time.perf_counter() < deadline:
                began = time.perf_counter()
                await client.execute_workflow(
                    Short.run, "hello", id=f"{name}-{salt}-{number}-{turn}", task_queue=options.queue
                )
                taken.append(time.perf_counter() - began)
                turn += 1

        await asyncio.gather(*(lane(number) for number in range(options.concurrency)))
        return taken

    await measure(min(1.0, options.seconds / 2), "warm")
    print("measure", flush=True)
    sys.stdin.readline()
    began, used = time.perf_counter(), cpu()
    taken = await measure(options.seconds, "run")
    elapsed, used = time.perf_counter() - began, cpu() - used
    print("measured", flush=True)
    sys.stdin.readline()
    return {
        "count": len(taken),
        "elapsed": elapsed,
        "p50": quantile(taken, 0.5),
        "p99": quantile(taken, 0.99),
        "client_cpu": used,
    }


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options of both processes."""
    parser = argparse.ArgumentParser(prog="bench.official", description=__doc__)
    parser.add_argument("role", choices=("worker", "load"))
    parser.add_argument("--address", required=True)
    parser.add_argument("--queue", required=True)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--concurrency", type=int, default=1)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    chosen = parse(sys.argv[1:])
    print(json.dumps(asyncio.run(work(chosen) if chosen.role == "worker" else load(chosen))))
