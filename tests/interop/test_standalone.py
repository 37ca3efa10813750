"""Activities without a workflow: clients and workers of both makes on this service."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import temporalio.activity
import temporalio.client as official
import temporalio.worker
from temporalio.exceptions import ApplicationError, CancelledError

from tenuto import activity
from tenuto.client import Client
from tenuto.worker import Worker
from tests.oracle.harness import our_server

QUEUE = "standalone"
OFTEN: dict[str, Any] = {"max_heartbeat_throttle_interval": timedelta(milliseconds=100)}
TERMS: dict[str, Any] = {"task_queue": QUEUE, "start_to_close_timeout": timedelta(seconds=60)}


@temporalio.activity.defn(name="echo")
async def their_echo(text: str) -> str:
    told = temporalio.activity.info()
    assert not told.workflow_id and told.activity_run_id
    return f"{text} {told.attempt}"


@temporalio.activity.defn(name="flaky")
async def their_flaky() -> str:
    if temporalio.activity.info().attempt < 3:
        raise ApplicationError("again", next_retry_delay=timedelta(milliseconds=10))
    return "in the end"


@temporalio.activity.defn(name="patient")
async def their_patience() -> None:
    while True:
        temporalio.activity.heartbeat("still")
        await asyncio.sleep(0.05)


@activity.defn(name="echo")
async def our_echo(text: str) -> str:
    told = activity.info()
    assert not told.workflow_id and told.activity_run_id
    return f"{text} {told.attempt}"


@activity.defn(name="flaky")
async def our_flaky() -> str:
    if activity.info().attempt < 3:
        raise ApplicationError("again", next_retry_delay=timedelta(milliseconds=10))
    return "in the end"


@activity.defn(name="patient")
async def our_patience() -> None:
    while True:
        activity.heartbeat("still")
        await asyncio.sleep(0.05)


async def _scene(client: Any, name: str) -> None:
    assert await client.execute_activity("echo", "hi", id=f"echo {name}", **TERMS) == "hi 1"
    assert await client.execute_activity("flaky", id=f"flaky {name}", **TERMS) == "in the end"
    delayed = await client.start_activity(
        "echo", "late", id=f"late {name}", start_delay=timedelta(milliseconds=300), **TERMS
    )
    assert await delayed.result() == "late 1"
    waiting = await client.start_activity(
        "patient", id=f"patient {name}", heartbeat_timeout=timedelta(seconds=30), **TERMS
    )
    for _ in range(400):
        if (await waiting.describe()).last_heartbeat_time:
            break
        await asyncio.sleep(0.05)
    await waiting.cancel(reason="enough")
    with pytest.raises(Exception) as caught:
        await waiting.result()
    assert type(caught.value.__cause__).__name__ == CancelledError.__name__


@pytest.mark.parametrize("make", ["official", "ours"])
def test_workers_of_both_makes_do_what_clients_of_both_makes_start(make: str) -> None:
    async def play(address: str) -> None:
        theirs = await official.Client.connect(address)
        async with await Client.connect(address) as client, asyncio.timeout(120):
            worker: Any = (
                temporalio.worker.Worker(
                    theirs, task_queue=QUEUE, activities=[their_echo, their_flaky, their_patience], **OFTEN
                )
                if make == "official"
                else Worker(client, task_queue=QUEUE, activities=[our_echo, our_flaky, our_patience], **OFTEN)
            )
            async with worker:
                await _scene(theirs, "theirs")
                await _scene(client, "ours")
            seen = {row.activity_id: row.status.name async for row in client.list_activities("")}
            assert seen["late theirs"] == "COMPLETED" and seen["patient ours"] == "CANCELED"
            assert (await theirs.count_activities("")).count == len(seen) == 8

    with our_server() as address:
        asyncio.run(play(address))
