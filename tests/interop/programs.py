"""What the worker runs while a client of another make looks on."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = "programs"


@activity.defn
async def greet(name: str) -> str:
    return f"hello {name}"


@activity.defn
async def elsewhere() -> str:
    activity.raise_complete_async()


@activity.defn
async def hopeless() -> str:
    raise RuntimeError("never")


@workflow.defn
class Greeting:
    """One activity, then the end."""

    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(greet, name, start_to_close_timeout=timedelta(seconds=10))


@workflow.defn
class Family:
    """A parent and its child."""

    @workflow.run
    async def run(self) -> str:
        child = f"{workflow.info().workflow_id}-child"
        return await workflow.execute_child_workflow(Greeting.run, "child", id=child)


@workflow.defn
class Failing:
    """Fails for good."""

    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("as planned", type="Planned", non_retryable=True)


@workflow.defn
class Held:
    """Waits for the activity ``held``, whose kind it is told."""

    @workflow.run
    async def run(self, kind: str) -> str:
        result: str = await workflow.execute_activity(
            kind,
            activity_id="held",
            start_to_close_timeout=timedelta(minutes=10),
            retry_policy=RetryPolicy(initial_interval=timedelta(minutes=1)),
            result_type=str,
        )
        return result


@workflow.defn
class Listening:
    """Takes notes until it is told to finish."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.finished = False

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: self.finished)
        return self.notes

    @workflow.signal
    def note(self, text: str) -> None:
        self.notes.append(text)

    @workflow.signal
    def finish(self) -> None:
        self.finished = True

    @workflow.query
    def said(self) -> list[str]:
        return self.notes

    @workflow.update
    async def add(self, text: str) -> int:
        self.notes.append(text)
        return len(self.notes)

    @add.validator
    def _check(self, text: str) -> None:
        if not text:
            raise ValueError("nothing to add")


@contextlib.contextmanager
def worker(address: str) -> Iterator[None]:
    """Run all programs in a thread of this process until the block ends."""
    loop = asyncio.new_event_loop()
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        client = await Client.connect(address, identity="worker")
        async with Worker(
            client,
            task_queue=QUEUE,
            workflows=[Greeting, Family, Failing, Held, Listening],
            activities=[greet, elsewhere, hopeless],
            workflow_runner=UnsandboxedWorkflowRunner(),
            debug_mode=True,  # what it takes for deadlocks are stalls of the machine
        ):
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(60), "the worker does not start"
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(60)
        loop.close()
