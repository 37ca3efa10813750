"""Workers that end: told to, cancelled, or because they cannot go on."""

import asyncio
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tenuto.client import Client
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.worker import Worker
from tests.worker.house import LONGER_THAN_PATIENCE, Wire, new_id, refuse_namespace, story
from tests.worker.programs import Calls, Greeting, Waiting, greet, thread_name, until_shutdown, wait_for_ever

# ---- stopping --------------------------------------------------------------------------------------------------------


@story
async def test_shutdown_ends_run(client: Client) -> None:
    wire = Wire(client)
    worker = Worker(client, task_queue="q", activities=[greet])
    running = asyncio.create_task(worker.run())
    await wire.until("PollActivityTaskQueue")
    assert worker.is_running
    await worker.shutdown()
    assert worker.is_shutdown
    await running
    await worker.shutdown()
    with pytest.raises(RuntimeError, match="runs once"):
        await worker.run()


@story
async def test_a_worker_told_to_stop_before_it_runs_ends_at_once(client: Client) -> None:
    worker = Worker(client, task_queue="q", activities=[greet])
    await worker.shutdown()
    assert not worker.is_shutdown
    await worker.run()
    assert worker.is_shutdown


@story
async def test_cancelling_run_shuts_the_worker_down(client: Client) -> None:
    wire = Wire(client)
    worker = Worker(client, task_queue="q", activities=[greet])
    running = asyncio.create_task(worker.run())
    await wire.until("PollActivityTaskQueue")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert worker.is_shutdown


@story
async def test_the_service_is_told_that_a_worker_goes(client: Client) -> None:
    wire = Wire(client)
    async with Worker(client, task_queue="q", workflows=[Waiting], activities=[greet], identity="me"):
        await wire.until("PollWorkflowTaskQueue", 5)
        await wire.until("PollActivityTaskQueue", 5)
    (goodbye,) = wire.requests("ShutdownWorker")
    polls = wire.requests("PollWorkflowTaskQueue")
    sticky = {poll.task_queue.name for poll in polls if poll.task_queue.normal_name}
    assert {goodbye.sticky_task_queue} == sticky and goodbye.sticky_task_queue.startswith("me-")
    assert goodbye.worker_instance_key == polls[0].worker_instance_key != ""
    assert list(goodbye.task_queue_types) == [1, 2] and goodbye.identity == "me"
    assert wire.calls[-1][0] == "ShutdownWorker"


@story
async def test_the_service_ends_the_polls_of_a_worker_that_goes_so_that_none_is_cancelled(
    client: Client,
) -> None:
    wire = Wire(client)
    async with Worker(client, task_queue="q", workflows=[Waiting], activities=[greet]):
        await wire.until("PollWorkflowTaskQueue", 5)
        await wire.until("PollActivityTaskQueue", 5)
    assert wire.answered["PollWorkflowTaskQueue"] == 5 and wire.answered["PollActivityTaskQueue"] == 5


@story
async def test_another_worker_takes_over_at_once_after_a_shutdown(client: Client) -> None:
    handle = None
    late = LONGER_THAN_PATIENCE
    async with Worker(
        client, task_queue="q", workflows=[Waiting], sticky_queue_schedule_to_start_timeout=late
    ):
        handle = await client.start_workflow(Waiting.run, id=new_id(), task_queue="q")
        assert await handle.query(Waiting.is_open) is False
    async with Worker(client, task_queue="q", workflows=[Waiting]):
        await handle.signal(Waiting.let)
        assert await handle.result() == "opened"


@story
async def test_activities_are_told_of_a_shutdown_and_have_their_grace(client: Client) -> None:
    worker = Worker(
        client,
        task_queue="q",
        activities=[until_shutdown],
        graceful_shutdown_timeout=timedelta(seconds=20),
    )
    async with Worker(client, task_queue="q", workflows=[Calls]):
        async with worker:
            handle = await client.start_workflow(Calls.run, "until_shutdown", id=new_id(), task_queue="q")
            await _started(handle)
        assert await handle.result() == "told"


@story
async def test_activities_are_cancelled_when_their_grace_is_over(client: Client) -> None:
    worker = Worker(client, task_queue="q", activities=[wait_for_ever])
    async with Worker(client, task_queue="q", workflows=[Calls]):
        async with worker:
            handle = await client.start_workflow(Calls.run, "wait_for_ever", id=new_id(), task_queue="q")
            await _started(handle)
        assert await handle.result() == "cancelled, worker_shutdown=True"


async def _started(handle: Any) -> None:
    while True:
        described = await handle.describe()
        if any(one.state == 2 for one in described.raw_description.pending_activities):
            return
        await asyncio.sleep(0.01)


# ---- failing ---------------------------------------------------------------------------------------------------------


@story
async def test_a_namespace_that_is_not_there_fails_the_worker(client: Client) -> None:
    refuse_namespace(client)
    worker = Worker(client, task_queue="q", activities=[greet])
    with pytest.raises(
        RuntimeError, match="Worker validation failed: Namespace default was not found"
    ) as caught:
        await worker.run()
    assert isinstance(caught.value.__cause__, RPCError)
    assert worker.is_shutdown


@story
async def test_a_worker_that_fails_cancels_its_block_and_raises_there(client: Client) -> None:
    refuse_namespace(client)
    told: list[BaseException] = []

    async def on_fatal(error: BaseException) -> None:
        told.append(error)
        raise KeyError("is logged")

    with pytest.raises(RuntimeError, match="Worker validation failed"):
        async with Worker(client, task_queue="q", activities=[greet], on_fatal_error=on_fatal):
            await asyncio.sleep(30)
    assert len(told) == 1
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0


@story
async def test_an_error_of_the_block_comes_before_the_workers(client: Client) -> None:
    with pytest.raises(KeyError):
        async with Worker(client, task_queue="q", activities=[greet]) as worker:
            raise KeyError("block")
    assert worker.is_shutdown


@story
async def test_a_broken_executor_is_fatal(client: Client) -> None:
    executor = ThreadPoolExecutor(100)

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise BrokenExecutor("gone")

    executor.submit = broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="Activity worker failed") as caught:
        async with Worker(
            client, task_queue="q", workflows=[Calls], activities=[thread_name], activity_executor=executor
        ):
            await client.execute_workflow(Calls.run, "thread_name", id=new_id(), task_queue="q")
    assert isinstance(caught.value.__cause__, BrokenExecutor)


@story
async def test_polls_survive_a_service_that_is_away_for_a_while(client: Client) -> None:
    wire = Wire(client)
    async with Worker(client, task_queue="q", workflows=[Greeting], activities=[greet]):
        await wire.until("PollWorkflowTaskQueue", 5)
        await wire.until("PollActivityTaskQueue", 5)
        away = RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
        wire.refused = {"PollWorkflowTaskQueue": away, "PollActivityTaskQueue": away}
        first = await client.execute_workflow(Greeting.run, "1", id=new_id(), task_queue="q")
        running = asyncio.create_task(client.execute_workflow(Greeting.run, "2", id=new_id(), task_queue="q"))
        await asyncio.sleep(0.3)
        wire.refused = {}
        assert (first, await running) == ("Hello, 1!", "Hello, 2!")
