"""The clients people use, against a handful of handlers: the official Python SDK (hyper), the CLI (grpc-go), and curl."""

import asyncio
import shutil
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tenuto.frontend.http2 import Handler, Status, Stream
from tenuto.wire import workflowservice
from tests.frontend.http2_peer import serving

SERVICE = "/temporal.api.workflowservice.v1.WorkflowService/"


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


async def system(path: str, request: bytes, stream: Stream) -> bytes:
    answer = workflowservice.GetSystemInfoResponse(server_version="1.2.3")
    answer.capabilities.supports_schedules = True
    return answer.SerializeToString()


def handlers(**more: Handler) -> dict[str, Handler]:
    return {SERVICE + name: handler for name, handler in {"GetSystemInfo": system, **more}.items()}


def test_the_official_sdk_connects_calls_and_polls() -> None:
    async def main() -> None:
        came, left = asyncio.Event(), asyncio.Event()
        streams: list[Stream] = []

        async def poll(path: str, request: bytes, stream: Stream) -> bytes:
            streams.append(stream)
            came.set()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                left.set()
            return b""

        async def describe(path: str, request: bytes, stream: Stream) -> bytes:
            raise Status(5, f"{path} knows nothing")

        async with serving(handlers(PollWorkflowTaskQueue=poll, DescribeNamespace=describe)) as (_, port):
            client = await Client.connect(f"127.0.0.1:{port}")
            answer = await client.workflow_service.get_system_info(workflowservice.GetSystemInfoRequest())
            assert answer.server_version == "1.2.3"
            with pytest.raises(RPCError) as caught:
                await client.workflow_service.describe_namespace(
                    workflowservice.DescribeNamespaceRequest(namespace="x" * 1000)
                )
            assert caught.value.status is RPCStatusCode.NOT_FOUND
            request = workflowservice.PollWorkflowTaskQueueRequest(namespace="default")
            waiting = asyncio.create_task(client.workflow_service.poll_workflow_task_queue(request))
            await came.wait()
            assert streams[0].alive() and streams[0].headers["client-name"] == "temporal-python"
            waiting.cancel()
            await left.wait()
            assert not streams[0].alive()

    run(main())


async def output(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 50)
    assert process.returncode is not None
    return process.returncode, said.decode()


def test_the_command_line_client_is_served() -> None:
    temporal = Path(sys.executable).parent / "temporal"
    if not temporal.exists():
        pytest.skip("the temporal command is not installed")

    async def health(path: str, request: bytes, stream: Stream) -> bytes:
        return b"\x08\x01"

    async def main() -> None:
        known = handlers()
        known["/grpc.health.v1.Health/Check"] = health
        async with serving(known) as (_, port):
            address = f"127.0.0.1:{port}"
            code, said = await output(str(temporal), "operator", "cluster", "health", "--address", address)
            assert (code, said.strip()) == (0, "SERVING")
            code, said = await output(str(temporal), "operator", "cluster", "system", "--address", address)
            assert code == 0 and "1.2.3" in said

    run(main())


def test_curl_is_told_that_this_is_no_web_server() -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")

    async def main() -> None:
        async with serving(handlers()) as (_, port):
            url = f"http://127.0.0.1:{port}/"
            code, said = await output("curl", "-sS", "-i", "--http2-prior-knowledge", url)
            assert code == 0 and said.startswith("HTTP/2 415")
            code, said = await output("curl", "-sS", "-i", "--http1.1", url)
            assert code == 0 and "This port speaks gRPC" in said

    run(main())
