"""Activities without a workflow, on a server of the protocol."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tenuto.client import (
    ActivityExecutionStatus,
    ActivityFailureError,
    ActivityOptionsKeys,
    Client,
    PendingActivityState,
)
from tenuto.common import ActivityIDConflictPolicy, Priority
from tenuto.exceptions import ActivityAlreadyStartedError, ApplicationError
from tenuto.wire import workflowservice as ws
from tests.client.programs import Receipt, charge
from tests.oracle.harness import our_server, real_server


async def _task(client: Client) -> Any:
    request: Any = ws.PollActivityTaskQueueRequest
    answer = await client.workflow_service.poll_activity_task_queue(
        request(namespace="default", task_queue={"name": "q"}, identity="hand")
    )
    assert answer.task_token
    return answer


async def _life(client: Client) -> None:
    handle = await client.start_activity(
        charge, "visa", id="a", task_queue="q", start_to_close_timeout=60, summary="short"
    )
    with pytest.raises(ActivityAlreadyStartedError) as taken:
        await client.start_activity(charge, "visa", id="a", task_queue="q", start_to_close_timeout=60)
    assert taken.value.activity_id == "a"
    same = await client.start_activity(
        charge,
        "visa",
        id="a",
        task_queue="q",
        start_to_close_timeout=60,
        id_conflict_policy=ActivityIDConflictPolicy.USE_EXISTING,
    )
    assert same.run_id == handle.run_id
    described = await handle.describe(include_input=True)
    assert described.activity_type == "charge"
    assert described.status is ActivityExecutionStatus.RUNNING
    assert described.run_state is PendingActivityState.SCHEDULED
    assert await described.input() == ["visa"]
    assert not described.has_result()
    task = await _task(client)
    token = client.get_async_activity_handle(task_token=task.task_token)
    await token.heartbeat("half")
    described = await handle.describe(include_heartbeat_details=True)
    assert await described.heartbeat_details() == ["half"]
    await token.complete({"number": 4})
    assert await handle.result() == Receipt(4)
    described = await handle.describe(include_outcome=True)
    assert described.status is ActivityExecutionStatus.COMPLETED
    assert await described.result(Receipt) == Receipt(4)
    assert await client.get_activity_handle("a", result_type=Receipt).result() == Receipt(4)


async def _ends(client: Client) -> None:
    failing = asyncio.ensure_future(
        client.execute_activity("f", id="f", task_queue="q", start_to_close_timeout=60)
    )
    task = await _task(client)
    by_id = client.get_async_activity_handle(activity_id="f", run_id=task.activity_run_id)
    await by_id.fail(ApplicationError("no", type="No", non_retryable=True))
    with pytest.raises(ActivityFailureError) as caught:
        await failing
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "No"
    ended = await client.start_activity("t", id="t", task_queue="q", start_to_close_timeout=60)
    await ended.terminate(reason="enough")
    with pytest.raises(ActivityFailureError):
        await ended.result()
    assert (await ended.describe()).status is ActivityExecutionStatus.TERMINATED


async def _changes(client: Client) -> None:
    handle = await client.start_activity("c", id="c", task_queue="q", start_to_close_timeout=60)
    await handle.pause(reason="wait")
    changed = await handle.update_options(
        [
            ActivityOptionsKeys.task_queue.value_set("elsewhere"),
            ActivityOptionsKeys.priority.value_set(Priority(priority_key=1)),
        ]
    )
    assert changed.task_queue == "elsewhere"
    assert changed.priority == Priority(priority_key=1)
    restored = await handle.restore_original_options()
    assert restored.task_queue == "q"
    await handle.unpause()
    await handle.cancel(reason="bye")


async def _lists(client: Client) -> None:
    for _ in range(200):
        if (await client.count_activities()).count >= 2:
            break
        await asyncio.sleep(0.05)
    rows = {row.activity_id: row async for row in client.list_activities("")}
    assert rows["a"].activity_type == "charge"
    assert rows["a"].status is ActivityExecutionStatus.COMPLETED


async def _scene(address: str) -> None:
    async with await Client.connect(address) as client, asyncio.timeout(60):
        await _life(client)
        await _ends(client)
        await _lists(client)
        await _changes(client)


@pytest.mark.oracle
def test_standalone_activities_live_on_a_real_server() -> None:
    with real_server() as address:
        asyncio.run(_scene(address))


def test_standalone_activities_live_on_our_server() -> None:
    with our_server() as address:
        asyncio.run(_scene(address))


def test_standalone_activities_live_on_the_embedded_service() -> None:
    asyncio.run(_scene("memory://"))


def test_an_activity_cannot_start_in_the_past() -> None:
    async def scene() -> None:
        client = await Client.connect("localhost:1", lazy=True)
        with pytest.raises(ValueError, match="start_delay must be non-negative"):
            await client.start_activity(
                "a", id="a", task_queue="q", start_to_close_timeout=1, start_delay=timedelta(seconds=-1)
            )

    asyncio.run(scene())
