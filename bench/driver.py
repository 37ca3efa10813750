"""A canned worker and load generator in one process, without an SDK, so that the server is the bottleneck.

Workflow types are plans: ``short`` (one activity), ``sequential:N``, ``parallel:N``, ``sleep:SECONDS``. The last line
printed is JSON. The worker is sticky: it receives only the new events of a run, and counts in memory.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
import uuid
from typing import Any

from bench import h2, raw
from bench.raw import NAMESPACE, SERVICE, STICKY_KIND, queue, wire

_ACTIVITY_COMPLETED = 12


class Driver:
    """`pollers` polls of each kind (workflow, sticky, activity) are kept open on `task_queue`."""

    def __init__(self, address: str, task_queue: str, pollers: int) -> None:
        self._address = address
        self._connections: list[h2.Connection] = []
        self._queue = task_queue
        self._sticky = f"{task_queue}-sticky-{uuid.uuid4().hex[:8]}"
        self._pollers = pollers
        self._closing: dict[str, asyncio.Future[None]] = {}
        self._remaining: dict[str, int] = {}
        self._counted: dict[str, int] = {}
        self._workers: list[asyncio.Task[None]] = []
        self._turn = 0
        self.parked = 0
        """Runs whose answer was a timer."""
        self._first = self._completion([raw.schedule_activity(1, task_queue)])
        self._last = self._completion([raw.complete_workflow()])

    def _completion(self, commands: list[Any]) -> bytes:
        """A workflow task completion without its token, which is appended as bytes (protobuf fields may come last)."""
        request = wire.RespondWorkflowTaskCompletedRequest(
            namespace=NAMESPACE, identity="bench", commands=commands
        )
        request.sticky_attributes.worker_task_queue.name = self._sticky
        request.sticky_attributes.worker_task_queue.kind = STICKY_KIND  # type: ignore[assignment]
        request.sticky_attributes.worker_task_queue.normal_name = self._queue
        request.sticky_attributes.schedule_to_start_timeout.FromSeconds(30)
        return request.SerializeToString()

    async def _call(self, method: str, request: bytes) -> bytes:
        self._turn += 1
        connection = self._connections[self._turn % len(self._connections)]
        return await connection.call(SERVICE + method, request)

    async def _respond(self, method: str, request: bytes) -> None:
        """Answers a task; a busy server is asked again, because a lost answer stalls its workflow until a timeout."""
        for patience in (0.02, 0.1, 0.5):
            try:
                await self._call(method, request)
            except h2.CallFailed:
                await asyncio.sleep(patience)
            else:
                return
        await self._call(method, request)

    # ---- the canned worker

    async def begin(self) -> None:
        """Connects and opens the polls."""
        self._connections = [await h2.connect(self._address) for _ in range(4)]
        normal = wire.PollWorkflowTaskQueueRequest(
            namespace=NAMESPACE, identity="bench", task_queue=queue(self._queue)
        )
        sticky = wire.PollWorkflowTaskQueueRequest(
            namespace=NAMESPACE, identity="bench", task_queue=queue(self._sticky)
        )
        sticky.task_queue.kind = STICKY_KIND  # type: ignore[assignment]
        sticky.task_queue.normal_name = self._queue
        activity = wire.PollActivityTaskQueueRequest(
            namespace=NAMESPACE, identity="bench", task_queue=queue(self._queue)
        )
        for _ in range(self._pollers):
            for poll in (normal, sticky):
                self._workers.append(asyncio.create_task(self._workflow_slot(poll.SerializeToString())))
            self._workers.append(asyncio.create_task(self._activity_slot(activity.SerializeToString())))

    async def end(self) -> None:
        """Closes polls and connections."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for connection in self._connections:
            connection.close()

    async def _workflow_slot(self, poll: bytes) -> None:
        while True:
            try:
                task = wire.PollWorkflowTaskQueueResponse.FromString(
                    await self._call("PollWorkflowTaskQueue", poll)
                )
                if task.task_token:
                    await self._answer(task)
            except h2.CallFailed as error:
                await _settle(error)

    async def _answer(self, task: wire.PollWorkflowTaskQueueResponse) -> None:
        run = task.workflow_execution.run_id
        plan, _, size = task.workflow_type.name.partition(":")
        if plan in ("parallel", "sequential"):
            await self._read_on(task)
        body = self._next(task, run, plan, int(size or 1))
        token = wire.RespondWorkflowTaskCompletedRequest(task_token=task.task_token).SerializeToString()
        await self._respond("RespondWorkflowTaskCompleted", body + token)
        if body is self._last:
            self._remaining.pop(run, None)
            self._counted.pop(run, None)
            waiting = self._closing.pop(task.workflow_execution.workflow_id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        elif plan == "sleep":
            self.parked += 1

    async def _read_on(self, task: wire.PollWorkflowTaskQueueResponse) -> None:
        """Fetches the pages of history that did not fit the task."""
        while task.next_page_token:
            request = wire.GetWorkflowExecutionHistoryRequest(
                namespace=NAMESPACE, execution=task.workflow_execution, next_page_token=task.next_page_token
            )
            answer = await self._call("GetWorkflowExecutionHistory", request.SerializeToString())
            page = wire.GetWorkflowExecutionHistoryResponse.FromString(answer)
            task.history.events.extend(page.history.events)
            task.next_page_token = page.next_page_token

    def _next(self, task: wire.PollWorkflowTaskQueueResponse, run: str, plan: str, size: int) -> bytes:
        if plan == "sleep":
            return self._completion([raw.start_timer(1, size)])
        begins = task.previous_started_event_id == 0
        if plan == "short":
            return self._first if begins else self._last
        if begins:
            self._remaining[run] = size
            count = size if plan == "parallel" else 1
            return self._completion([raw.schedule_activity(number, self._queue) for number in range(count)])
        # By event id, not by task: a task the server failed meanwhile comes again with the same events.
        before = self._counted.get(run, 0)
        ids = [event.event_id for event in task.history.events if event.event_type == _ACTIVITY_COMPLETED]
        done = sum(number > before for number in ids)
        self._counted[run] = max([before, *ids])
        self._remaining[run] -= done
        if self._remaining[run] == 0:
            return self._last
        return self._first if plan == "sequential" and done else self._completion([])

    async def _activity_slot(self, poll: bytes) -> None:
        done = wire.RespondActivityTaskCompletedRequest(namespace=NAMESPACE, identity="bench")
        done.result.payloads.add(metadata={"encoding": b"json/plain"}, data=b'"hello"')
        body = done.SerializeToString()
        while True:
            try:
                task = wire.PollActivityTaskQueueResponse.FromString(
                    await self._call("PollActivityTaskQueue", poll)
                )
                if task.task_token:
                    token = wire.RespondActivityTaskCompletedRequest(
                        task_token=task.task_token
                    ).SerializeToString()
                    await self._respond("RespondActivityTaskCompleted", body + token)
            except h2.CallFailed as error:
                await _settle(error)

    # ---- load

    async def start(self, workflow_id: str, plan: str) -> None:
        """Starts one workflow; returns when the server acknowledged."""
        await self._call(
            "StartWorkflowExecution", raw.start_request(workflow_id, plan, self._queue).SerializeToString()
        )

    async def run(self, workflow_id: str, plan: str) -> float:
        """Starts one workflow and waits for its close; returns the seconds it took."""
        began = time.perf_counter()
        closed = self._closing[workflow_id] = asyncio.get_running_loop().create_future()
        await self.start(workflow_id, plan)
        await closed
        return time.perf_counter() - began


async def _settle(error: h2.CallFailed) -> None:
    print(error, file=sys.stderr)
    await asyncio.sleep(0.1)


def quantile(values: list[float], share: float) -> float:
    """The value below which `share` of `values` lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


async def short(driver: Driver, seconds: float, concurrency: int) -> list[float]:
    """Runs one-activity workflows back to back on `concurrency` lanes; returns each one's seconds."""
    taken: list[float] = []
    deadline = time.perf_counter() + seconds
    salt = uuid.uuid4().hex[:8]

    async def lane(number: int) -> None:
        turn = 0
        while time.perf_counter() < deadline:
            taken.append(await driver.run(f"short-{salt}-{number}-{turn}", "short"))
            turn += 1

    await asyncio.gather(*(lane(number) for number in range(concurrency)))
    return taken


async def park(driver: Driver, count: int, lanes: int = 50) -> list[float]:
    """Starts `count` workflows that sleep for an hour, and waits until each has its timer; returns nothing of interest."""
    numbers = iter(range(count))
    salt = uuid.uuid4().hex[:8]

    async def lane() -> None:
        for number in numbers:
            await driver.start(f"sleep-{salt}-{number}", "sleep:36000")

    await asyncio.gather(*(lane() for _ in range(lanes)))
    while driver.parked < count:  # noqa: ASYNC110 (a bench may look twice a second)
        await asyncio.sleep(0.05)
    return []


async def main(options: argparse.Namespace) -> dict[str, float]:
    """One measurement; times in seconds."""
    driver = Driver(options.address, f"bench-{uuid.uuid4().hex[:8]}", options.pollers)
    await driver.begin()
    plan, _, size = options.plan.partition(":")
    if plan == "short":
        await short(driver, min(1.0, options.seconds / 4), options.concurrency)
    used = resource.getrusage(resource.RUSAGE_SELF)
    if options.sync:
        print("measure", flush=True)
        sys.stdin.readline()
    began = time.perf_counter()
    if plan == "short":
        taken = await short(driver, options.seconds, options.concurrency)
    elif plan == "sleep":
        taken = await park(driver, int(size))
    else:
        taken = [await driver.run(f"{plan}-{uuid.uuid4().hex[:8]}", options.plan)]
    elapsed = time.perf_counter() - began
    now = resource.getrusage(resource.RUSAGE_SELF)
    if options.sync:
        print("measured", flush=True)
        sys.stdin.readline()
    await driver.end()
    return {
        "count": len(taken) if plan == "short" else int(size),
        "elapsed": elapsed,
        "p50": quantile(taken, 0.5),
        "p99": quantile(taken, 0.99),
        "driver_cpu": now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime,
    }


def parse(arguments: list[str]) -> argparse.Namespace:
    """The driver's own options."""
    parser = argparse.ArgumentParser(prog="bench.driver", description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--plan", default="short")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--pollers", type=int, default=16)
    parser.add_argument(
        "--sync", action="store_true", help="wait for a line on stdin before and after measuring"
    )
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> dict[str, float]:
    """`main` on the fastest loop there is."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main(options))
    return dict(uvloop.run(main(options)))


if __name__ == "__main__":
    print(json.dumps(run(parse(sys.argv[1:]))))
