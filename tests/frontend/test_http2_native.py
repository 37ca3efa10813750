"""The native frontend over the whole service: what SDKs, health checks and reflection clients see."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from tenuto.frontend.native import Frontend
from tenuto.server import Node
from tenuto.store.url import open_store

Body = Callable[[Frontend, str], Coroutine[Any, Any, None]]
WORKFLOWS = "temporal.api.workflowservice.v1.WorkflowService"


def with_server(body: Body) -> None:
    """Runs `body` with the frontend and its address."""

    async def main() -> None:
        node = Node(open_store("memory://"))
        frontend = Frontend(await node.open())
        port = await frontend.start("127.0.0.1", 0)
        try:
            await body(frontend, f"127.0.0.1:{port}")
        finally:
            node.matching.close()
            await frontend.drain(5)
            await node.close()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_the_sdk_starts_describes_and_meets_typed_errors() -> None:
    async def body(frontend: Frontend, address: str) -> None:
        client = await Client.connect(address)
        handle = await client.start_workflow("Any", id="w", task_queue="q")
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        with pytest.raises(WorkflowAlreadyStartedError) as started:
            await client.start_workflow("Any", id="w", task_queue="q")
        assert started.value.run_id == handle.first_execution_run_id, "from grpc-status-details-bin"
        with pytest.raises(RPCError) as missing:
            await client.get_workflow_handle("none").describe()
        assert missing.value.status is RPCStatusCode.NOT_FOUND

    with_server(body)


def test_health_is_checked_and_watched_until_the_end() -> None:
    async def body(frontend: Frontend, address: str) -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            for name in ("", WORKFLOWS):
                assert (await health.Check(health_pb2.HealthCheckRequest(service=name))).status == 1
            with pytest.raises(grpc.aio.AioRpcError) as unknown:
                await health.Check(health_pb2.HealthCheckRequest(service="none"))
            assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
            watch = health.Watch(health_pb2.HealthCheckRequest(service=WORKFLOWS))
            assert (await watch.read()).status == 1
            draining = asyncio.create_task(frontend.drain(20))
            assert (await watch.read()).status == 2
            await draining

    with_server(body)


@pytest.mark.parametrize("version", ["v1alpha", "v1"])
def test_reflection_describes_every_service(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(address: str) -> None:
        with grpc.insecure_channel(address) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
            from grpc_reflection.v1alpha import reflection_pb2 as messages

            database._stub.ServerReflectionInfo = channel.stream_stream(
                path,
                messages.ServerReflectionRequest.SerializeToString,
                messages.ServerReflectionResponse.FromString,
            )
            assert WORKFLOWS in database.get_services()
            pool = DescriptorPool(database)
            service = pool.FindServiceByName(WORKFLOWS)
            assert (
                service.FindMethodByName("StartWorkflowExecution").input_type.name
                == "StartWorkflowExecutionRequest"
            )
            with pytest.raises(KeyError):
                database.FindFileContainingSymbol("no.such.Symbol")
            method = database.FindFileContainingSymbol(f"{WORKFLOWS}.GetSystemInfo")
            assert method.name == "temporal/api/workflowservice/v1/service.proto"

    async def body(frontend: Frontend, address: str) -> None:
        await asyncio.to_thread(look, address)

    with_server(body)


def test_a_message_that_cannot_be_parsed_is_an_invalid_argument() -> None:
    async def body(frontend: Frontend, address: str) -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(f"/{WORKFLOWS}/GetSystemInfo")(b"\xff\xff\xff")
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    with_server(body)
