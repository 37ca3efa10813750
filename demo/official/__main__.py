"""``python -m demo.official``: an order, its worker killed at work, its server killed as it waits, and a finished order."""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from bench.servers import KINDS, ROOT, Server
from demo.official.orders import QUEUE, Done, Order
from demo.official.worker import connect
from demo.timeline import tell

_BEGAN = time.monotonic()


def say(text: str) -> None:
    """One line of the story, with its second."""
    print(f"{time.monotonic() - _BEGAN:6.2f} s | {text}", flush=True)


class WorkerProcess:
    """The worker as a process of its own, so that it can be killed."""

    def __init__(self, address: str, ledger: Path) -> None:
        self._command = [sys.executable, "-m", "demo.official.worker", address, str(ledger)]
        self._log = ledger.with_suffix(".log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process."""
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, env=environment, stdout=self._log, stderr=self._log
        )

    def kill(self) -> None:
        """`kill -9`, if it is alive."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def written(ledger: Path) -> list[dict[str, object]]:
    """What activities wrote so far."""
    return [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []


async def until(what: str, holds: Callable[[], Awaitable[bool]], patience: float = 20) -> None:
    """Asks until it holds. Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            if await holds():
                return
        except RPCError:
            pass
        await asyncio.sleep(0.05)
    raise TimeoutError(f"waited {patience:g} s for: {what}")


async def live(server: Server, ledger: Path) -> None:
    """The whole story on one server."""
    took = server.start()
    say(f"{server.kind} serves on {server.address}, state in {server.database.name} ({took:.2f} s)")
    worker = WorkerProcess(server.address, ledger)
    worker.start()
    try:
        client = await connect(server.address)
        order = await client.start_workflow(Order.run, "no-42", id="order-42", task_queue=QUEUE)
        say("order-42 started; the first charge will fail")

        async def reserving() -> bool:
            return sum(line["activity"] == "reserve" for line in written(ledger)) >= 2

        await until("two reservations begun", reserving)
        worker.kill()
        say("kill -9 of the WORKER, in the middle of the second reservation")
        worker.start()
        say("a new worker starts, with an empty memory")
        await until("the order to await approval", lambda: _stands(order, "awaiting approval"))
        say(f"query says: {await order.query(Order.progress)!r}")
        server.kill()
        say("kill -9 of the SERVER")
        say(f"server is back after {server.start():.2f} s, on the same file")
        await until("the order to answer a query", lambda: _stands(order, "awaiting approval"))
        say(f"query says: {await order.query(Order.progress)!r}: local variables are intact")
        await order.signal(Order.approve, "Clara")
        say("signal: approved by Clara")
        result = await asyncio.wait_for(order.result(), 20)
        say("order-42 is complete")
        await verify(client, order, result, ledger)
    finally:
        worker.kill()


async def _stands(order: WorkflowHandle[Order, Done], stage: str) -> bool:
    return await order.query(Order.progress) == stage


async def verify(client: Client, order: WorkflowHandle[Order, Done], result: Done, ledger: Path) -> None:
    """Prints the timeline and fails unless every recorded result is recorded exactly once and really happened."""
    recorded: list[str] = []
    for workflow_id in (order.id, f"{order.id}-shipping"):
        history = await client.get_workflow_handle(workflow_id).fetch_history()
        print(f"\nhistory of {workflow_id}:")
        print("\n".join(tell(history.events)))
        recorded += [
            json.loads(event.activity_task_completed_event_attributes.result.payloads[0].data)
            for event in history.events
            if event.HasField("activity_task_completed_event_attributes")
        ]
    receipts = [str(line["receipt"]) for line in written(ledger)]
    assert len(recorded) == len(set(recorded)) == 5, f"each result once: {recorded}"
    assert set(recorded) <= set(receipts), "every recorded result really happened"
    kept = [result.charged, *result.reserved, result.shipped]
    assert kept == recorded, f"local variables {kept} are not the recorded results {recorded}"
    assert result.notes == ["order no-42", result.charged, "approved by Clara"]
    print(f"\nresult: {json.dumps(asdict(result))}")
    print(f"ledger: {len(receipts)} things done, of which {len(recorded)} recorded, each exactly once")
    print("        (what a killed worker had begun is done again by the next one; its result counts once)")


def main() -> None:
    """The demo's own options."""
    parser = argparse.ArgumentParser(prog="demo.official", description=__doc__)
    parser.add_argument("--server", choices=KINDS, default="tenuto", help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tenuto-demo-") as directory:
        server = Server(options.server, Path(directory) / "orders.db")
        try:
            asyncio.run(live(server, Path(directory) / "ledger.jsonl"))
        finally:
            server.stop()
    say("demo: everything held")


if __name__ == "__main__":
    main()
