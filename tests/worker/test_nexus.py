"""Nexus tasks: what handlers get, and how what they return or raise is reported."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import nexusrpc
import nexusrpc.handler
import pytest

from tenuto.client import Client
from tenuto.exceptions import ApplicationError
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import Message, nexus
from tenuto.wire import workflowservice as ws
from tenuto.worker import Interceptor, NexusOperationInboundInterceptor, Worker
from tenuto.worker.nexus import NexusTasks
from tests.worker.house import Wire, story


@dataclass
class Order:
    """An argument."""

    name: str


@nexusrpc.service
class Shop:
    """A service."""

    greet: nexusrpc.Operation[Order, str]
    slowly: nexusrpc.Operation[Order, str]
    thread: nexusrpc.Operation[Order, str]
    refuse: nexusrpc.Operation[Order, str]
    later: nexusrpc.Operation[Order, str]


class Later(nexusrpc.handler.OperationHandler[Order, str]):
    """An operation that ends some other time."""

    cancelled: list[str] = []

    async def start(
        self, ctx: nexusrpc.handler.StartOperationContext, input: Order
    ) -> nexusrpc.handler.StartOperationResultAsync:
        ctx.outbound_links.append(nexusrpc.Link(url="http://x", type="t"))
        return nexusrpc.handler.StartOperationResultAsync(f"token-{input.name}")

    async def cancel(self, ctx: nexusrpc.handler.CancelOperationContext, token: str) -> None:
        self.cancelled.append(token)


RAISE: dict[str, Callable[[], Exception]] = {
    "operation": lambda: nexusrpc.OperationError("no", state=nexusrpc.OperationErrorState.FAILED),
    "cancelled": lambda: nexusrpc.OperationError("stopped", state=nexusrpc.OperationErrorState.CANCELED),
    "handler": lambda: nexusrpc.HandlerError("bad", type=nexusrpc.HandlerErrorType.BAD_REQUEST),
    "application": lambda: ApplicationError("never", non_retryable=True),
    "rpc": lambda: RPCError("gone", RPCStatusCode.NOT_FOUND, b""),
    "other": lambda: KeyError("oops"),
}


@nexusrpc.handler.service_handler(service=Shop)
class ShopHandler:
    """What serves it."""

    @nexusrpc.handler.sync_operation
    async def greet(self, ctx: nexusrpc.handler.StartOperationContext, input: Order) -> str:
        return f"Hello, {input.name}! {ctx.request_id}"

    @nexusrpc.handler.sync_operation
    async def slowly(self, ctx: nexusrpc.handler.StartOperationContext, input: Order) -> str:
        await asyncio.sleep(100)
        return "too late"

    @nexusrpc.handler.sync_operation
    def thread(self, ctx: nexusrpc.handler.StartOperationContext, input: Order) -> str:
        return threading.current_thread().name

    @nexusrpc.handler.sync_operation
    async def refuse(self, ctx: nexusrpc.handler.StartOperationContext, input: Order) -> str:
        raise RAISE[input.name]()

    @nexusrpc.handler.operation_handler
    def later(self) -> nexusrpc.handler.OperationHandler[Order, str]:
        return Later()


async def told(
    client: Client,
    operation: str,
    argument: Any = None,
    *,
    modern: bool = False,
    header: dict[str, str] | None = None,
    interceptors: list[Interceptor] | None = None,
    cancel: str = "",
) -> Any:
    """What is reported of one task; None for nothing."""
    reports: list[Any] = []

    async def call(method: str, request: Message, **terms: Any) -> None:
        reports.append(request)

    client.service_client.call = call  # type: ignore[method-assign]
    task = ws.PollNexusTaskQueueResponse(task_token=b"t")
    task.request.capabilities.temporal_failure_responses = modern
    task.request.header.update(header or {})
    if cancel:
        task.request.cancel_operation.MergeFrom(
            nexus.CancelOperationRequest(service="Shop", operation=operation, operation_token=cancel)
        )
    else:
        (payload,) = await client.data_converter.encode([argument])
        task.request.start_operation.MergeFrom(
            nexus.StartOperationRequest(service="Shop", operation=operation, request_id="r1", payload=payload)
        )
    with ThreadPoolExecutor(2, "mine") as executor:
        tasks = NexusTasks(
            client=client,
            handlers=[ShopHandler()],
            data_converter=client.data_converter,
            identity="me",
            executor=executor,
            interceptors=interceptors or [],
        )
        await tasks.run(task)
    assert len(reports) <= 1
    return reports[0] if reports else None


@story
async def test_an_operation_returns_a_value_at_once(client: Client) -> None:
    report = await told(client, "greet", Order("you"))
    assert isinstance(report, ws.RespondNexusTaskCompletedRequest)
    assert (report.task_token, report.identity, report.namespace) == (b"t", "me", "default")
    payload = report.response.start_operation.sync_success.payload
    assert await client.data_converter.decode([payload], [str]) == ["Hello, you! r1"]


@story
async def test_sync_handlers_run_on_threads(client: Client) -> None:
    report = await told(client, "thread", Order("you"))
    payload = report.response.start_operation.sync_success.payload
    assert payload.data.startswith(b'"mine')


@story
async def test_an_operation_that_ends_later_returns_a_token_and_can_be_cancelled(client: Client) -> None:
    report = await told(client, "later", Order("7"))
    success = report.response.start_operation.async_success
    assert success.operation_token == "token-7" and success.links[0].url == "http://x"
    report = await told(client, "later", cancel="token-7")
    assert report.response.HasField("cancel_operation") and Later.cancelled == ["token-7"]


@story
async def test_an_operation_that_fails_says_so_to_both_kinds_of_callers(client: Client) -> None:
    plain = (await told(client, "refuse", Order("operation"))).response.start_operation.operation_error
    assert (plain.operation_state, plain.failure.message) == ("failed", "no")
    modern = (await told(client, "refuse", Order("operation"), modern=True)).response.start_operation.failure
    assert modern.message == "no" and modern.application_failure_info.non_retryable
    ended = (await told(client, "refuse", Order("cancelled"), modern=True)).response.start_operation.failure
    assert ended.HasField("canceled_failure_info")


@pytest.mark.parametrize(
    ("raised", "kind", "retry"),
    [
        ("handler", "BAD_REQUEST", 0),
        ("application", "INTERNAL", 2),
        ("rpc", "NOT_FOUND", 0),
        ("other", "INTERNAL", 0),
    ],
)
def test_what_handlers_raise_is_told_by_kind(raised: str, kind: str, retry: int) -> None:
    @story
    async def run(client: Client) -> None:
        plain = (await told(client, "refuse", Order(raised))).error
        assert (plain.error_type, plain.retry_behavior) == (kind, retry)
        assert plain.failure.metadata["type"] == "temporal.api.failure.v1.Failure"
        assert json.loads(plain.failure.details)
        modern = (await told(client, "refuse", Order(raised), modern=True)).failure
        assert modern.nexus_handler_failure_info.type == kind

    run()


@story
async def test_an_argument_that_cannot_be_read_is_the_callers_fault(client: Client) -> None:
    report = await told(client, "greet", ["not", "an", "order"])
    assert (report.error.error_type, report.error.retry_behavior) == ("BAD_REQUEST", 2)


@story
async def test_what_nobody_serves_is_not_found(client: Client) -> None:
    assert (await told(client, "nothing", Order("you"))).error.error_type == "NOT_FOUND"


@story
async def test_an_operation_has_as_long_as_its_caller_waits(client: Client) -> None:
    assert await told(client, "slowly", Order("you"), header={"Request-Timeout": "20ms"}) is None


@story
async def test_interceptors_stand_around_operations(client: Client) -> None:
    log: list[str] = []

    class Trace(Interceptor):
        def __init__(self, name: str) -> None:
            self.name = name

        def intercept_nexus_operation(
            self, next: NexusOperationInboundInterceptor
        ) -> NexusOperationInboundInterceptor:
            name = self.name

            class Inbound(NexusOperationInboundInterceptor):
                async def execute_nexus_operation_start(self, input: Any) -> Any:
                    log.append(f"{name} {input.ctx.operation} {input.input.name}")
                    return await super().execute_nexus_operation_start(input)

            return Inbound(next)

    await told(client, "greet", Order("you"), interceptors=[Trace("a"), Interceptor(), Trace("b")])
    assert log == ["a greet you", "b greet you"]


@story
async def test_a_worker_with_service_handlers_polls_for_nexus_tasks(client: Client) -> None:
    wire = Wire(client)
    async with Worker(client, task_queue="q", nexus_service_handlers=[ShopHandler()]):
        await wire.until("PollNexusTaskQueue", 5)
    assert len(wire.requests("PollNexusTaskQueue")) == 5
    (goodbye,) = wire.requests("ShutdownWorker")
    assert list(goodbye.task_queue_types) == [3]
