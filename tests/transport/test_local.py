"""Calls in process: the same answers and refusals as over a network, and nothing shared that somebody may change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from tenuto.clock import ManualClock
from tenuto.limits import SECOND
from tenuto.server import Node
from tenuto.store.memory import MemoryStore
from tenuto.transport.config import ConnectConfig
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.transport.local import LocalTransport
from tenuto.transport.services import ServiceClient
from tenuto.wire import Message, errordetails
from tenuto.wire import workflowservice as ws
from tests.transport import raw
from tests.transport.raw import run


@asynccontextmanager
async def node(register: bool = False) -> AsyncIterator[ServiceClient]:
    one = Node(MemoryStore())
    service = await one.open()
    try:
        yield ServiceClient(ConnectConfig("here:1"), LocalTransport(service, register=register))
    finally:
        await one.close()


def test_a_workflow_runs_from_start_to_end() -> None:
    async def story() -> None:
        async with node() as client:
            started = await client.workflow_service.start_workflow_execution(raw.start("w"))
            task = await raw.answer_task(client, raw.activity())
            assert [event.event_id for event in task.history.events] == [1, 2, 3]
            assert (await raw.answer_activity(client)).workflow_execution.run_id == started.run_id
            await raw.answer_task(client, raw.completion())
            described = await client.workflow_service.describe_workflow_execution(raw.describe("w"))
            assert described.workflow_execution_info.status == 2
            assert await client.check_health()

    run(story())


def test_a_request_stays_as_its_sender_made_it() -> None:
    async def story() -> None:
        async with node() as client:
            request = raw.start("w")
            before = request.SerializeToString(deterministic=True)
            await client.workflow_service.start_workflow_execution(request)
            assert request.SerializeToString(deterministic=True) == before
            request.input.payloads.add(data=b"too late")
            task = await raw.answer_task(client)
            assert not task.history.events[0].workflow_execution_started_event_attributes.input.payloads

    run(story())


def test_a_refusal_is_the_same_as_over_a_network() -> None:
    async def story() -> None:
        async with node() as client:
            with pytest.raises(RPCError) as refused:
                await client.workflow_service.start_workflow_execution(raw.start("w", "shop"))
            assert refused.value.status is RPCStatusCode.NOT_FOUND
            assert refused.value.message == "Namespace shop is not found."
            found = refused.value.details(errordetails.NamespaceNotFoundFailure)
            assert found is not None
            assert found.namespace == "shop"

    run(story())


def test_a_namespace_is_made_for_whoever_names_it_first() -> None:
    async def story() -> None:
        async with node(register=True) as client:
            starts = (raw.start(f"w{number}", "shop") for number in range(5))
            await asyncio.gather(*(client.workflow_service.start_workflow_execution(one) for one in starts))
            assert await client.workflow_service.describe_namespace(
                ws.DescribeNamespaceRequest(namespace="shop")
            )

    run(story())


def test_a_cancelled_poll_takes_no_work_with_it() -> None:
    async def story() -> None:
        async with node() as client:
            for number in range(20):
                polling = asyncio.ensure_future(client.workflow_service.poll_workflow_task_queue(raw.poll()))
                await asyncio.sleep(0)
                starting = asyncio.ensure_future(
                    client.workflow_service.start_workflow_execution(raw.start(f"w{number}"))
                )
                for _ in range(number):
                    await asyncio.sleep(0)
                polling.cancel()
                await starting
                (task,) = await asyncio.gather(polling, return_exceptions=True)
                if isinstance(task, asyncio.CancelledError):
                    polled = client.workflow_service.poll_workflow_task_queue(
                        raw.poll(), timeout=raw.PATIENCE
                    )
                    task = await polled
                assert isinstance(task, ws.PollWorkflowTaskQueueResponse)
                # A task that was on its way to the poller already is its second attempt.
                assert task.workflow_execution.workflow_id == f"w{number}"
                assert task.attempt <= 2

    run(story())


def test_an_activity_that_a_cancelled_poll_had_got_waits_again_and_no_attempt_is_spent() -> None:
    async def story() -> None:
        async with node() as client:
            for number in range(20):
                await client.workflow_service.start_workflow_execution(raw.start(f"w{number}"))
                polling = asyncio.ensure_future(
                    client.workflow_service.poll_activity_task_queue(raw.poll_activity())
                )
                answering = asyncio.ensure_future(raw.answer_task(client, raw.activity()))
                for _ in range(number):
                    await asyncio.sleep(0)
                polling.cancel()
                await answering
                (task,) = await asyncio.gather(polling, return_exceptions=True)
                if isinstance(task, asyncio.CancelledError):
                    polled = client.workflow_service.poll_activity_task_queue(
                        raw.poll_activity(), timeout=raw.PATIENCE
                    )
                    task = await polled
                assert isinstance(task, ws.PollActivityTaskQueueResponse)
                assert (task.workflow_execution.workflow_id, task.attempt) == (f"w{number}", 1)

    run(story())


def test_a_call_that_takes_too_long_says_so() -> None:
    async def story() -> None:
        async with node() as client:
            await client.workflow_service.start_workflow_execution(raw.start("w"))
            request = ws.QueryWorkflowRequest(namespace=raw.NAMESPACE)
            request.execution.workflow_id = "w"
            request.query.query_type = "nobody answers"
            with pytest.raises(RPCError) as late:
                await client.workflow_service.query_workflow(request, timeout=timedelta(seconds=0.05))
            assert late.value.status is RPCStatusCode.DEADLINE_EXCEEDED

    run(story())


def test_limits_of_size_hold_here_too() -> None:
    async def story() -> None:
        async with node() as client:
            request = raw.start("w")
            request.input.payloads.add(data=bytes(5 << 20))
            with pytest.raises(RPCError, match="larger than max") as refused:
                await client.workflow_service.start_workflow_execution(request)
            assert refused.value.status is RPCStatusCode.RESOURCE_EXHAUSTED

    run(story())


@pytest.mark.parametrize("method", ["MakeCoffee", "temporal.api.testservice.v1.TestService/GetCurrentTime"])
def test_a_method_that_is_not_offered_is_unimplemented(method: str) -> None:
    async def story() -> None:
        async with node() as client:
            request: Message = ws.GetSystemInfoRequest()
            with pytest.raises(RPCError) as refused:
                await client.call(method, request)
            assert refused.value.status is RPCStatusCode.UNIMPLEMENTED

    run(story())


def test_a_node_goes_by_the_clock_it_is_given() -> None:
    async def story() -> None:
        clock = ManualClock()
        one = Node(MemoryStore(), clock=clock)
        service = await one.open()
        client = ServiceClient(ConnectConfig("here:1"), LocalTransport(service))
        await client.workflow_service.start_workflow_execution(raw.start("w"))
        before = clock.now()
        described = await client.workflow_service.describe_workflow_execution(raw.describe("w"))
        assert abs(described.workflow_execution_info.start_time.ToNanoseconds() - before) < SECOND
        closing = asyncio.ensure_future(one.close())
        await clock.flow(SECOND)
        await closing

    run(story())
