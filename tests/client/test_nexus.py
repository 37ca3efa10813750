"""Nexus operations without a workflow that asks for them, on a server of the protocol, and in messages."""

import asyncio
from typing import Any

import nexusrpc
import nexusrpc.handler
import pytest

from tenuto import nexus, workflow
from tenuto.client import (
    Client,
    GetNexusOperationResultInput,
    Interceptor,
    NexusClient,
    NexusOperationFailureError,
    OutboundInterceptor,
    StartNexusOperationInput,
)
from tenuto.common import (
    NexusOperationCancellationState,
    NexusOperationExecutionStatus,
    NexusOperationIDConflictPolicy,
    NexusOperationIDReusePolicy,
    PendingNexusOperationExecutionState,
)
from tenuto.exceptions import (
    ApplicationError,
    CancelledError,
    NexusOperationAlreadyStartedError,
    TerminatedError,
)
from tenuto.wire import nexus as messages
from tenuto.wire import operatorservice
from tenuto.worker import Worker
from tests.oracle.harness import real_server


@nexusrpc.service(name="Kitchen")
class Kitchen:
    boil: nexusrpc.Operation[str, str]
    burn: nexusrpc.Operation[str, str]
    bake: nexusrpc.Operation[str, str]


@workflow.defn
class Oven:
    @workflow.run
    async def run(self, cake: str) -> str:
        await workflow.sleep(1000)
        return cake


@nexusrpc.handler.service_handler(service=Kitchen)
class Cook:
    @nexusrpc.handler.sync_operation
    async def boil(self, ctx: nexusrpc.handler.StartOperationContext, what: str) -> str:
        return f"{what}, boiled, {ctx.headers['salt']}"

    @nexusrpc.handler.sync_operation
    async def burn(self, ctx: nexusrpc.handler.StartOperationContext, what: str) -> str:
        raise nexusrpc.OperationError(f"{what} burnt", state=nexusrpc.OperationErrorState.FAILED)

    @nexus.workflow_run_operation
    async def bake(self, ctx: nexus.WorkflowRunOperationContext, what: str) -> nexus.WorkflowHandle[str]:
        return await ctx.start_workflow(Oven.run, what, id=f"oven-{what}")


class Seen(Interceptor, OutboundInterceptor):
    def __init__(self) -> None:
        self.inputs: list[Any] = []

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        self.next = next
        return self

    async def start_nexus_operation(self, input: StartNexusOperationInput) -> Any:
        self.inputs.append(input)
        return await super().start_nexus_operation(input)

    async def get_nexus_operation_result(self, input: GetNexusOperationResultInput) -> Any:
        self.inputs.append(input)
        return await super().get_nexus_operation_result(input)


async def _endpoint(client: Client) -> None:
    spec = messages.EndpointSpec(
        name="kitchen",
        target=messages.EndpointTarget(
            worker=messages.EndpointTarget.Worker(namespace="default", task_queue="q")
        ),
    )
    await client.operator_service.create_nexus_endpoint(operatorservice.CreateNexusEndpointRequest(spec=spec))


async def _ends_well(client: Client, kitchen: NexusClient[Kitchen]) -> None:
    told = await kitchen.execute_operation(
        Kitchen.boil,
        "egg",
        id="egg",
        schedule_to_close_timeout=60,
        headers={"salt": "salted"},
        summary="soft",
    )
    assert told == "egg, boiled, salted"
    again = client.get_nexus_operation_handle("egg", operation=Kitchen.boil)
    assert await again.result() == told
    described = await again.describe()
    assert (described.endpoint, described.service, described.operation) == ("kitchen", "Kitchen", "boil")
    assert described.status is NexusOperationExecutionStatus.COMPLETED
    assert described.schedule_to_close_timeout is not None
    assert described.schedule_to_close_timeout.total_seconds() == 60
    assert await described.static_summary() == "soft"
    assert await described.static_details() is None
    with pytest.raises(NexusOperationAlreadyStartedError) as taken:
        await kitchen.start_operation(
            "boil", "egg", id="egg", id_reuse_policy=NexusOperationIDReusePolicy.REJECT_DUPLICATE
        )
    assert taken.value.run_id == described.run_id


async def _ends_badly(kitchen: NexusClient[Kitchen]) -> None:
    burning = await kitchen.start_operation(Cook.burn, "toast", id="toast")
    for _ in range(2):
        with pytest.raises(NexusOperationFailureError) as failed:
            await burning.result()
        assert isinstance(failed.value.cause, ApplicationError)
        assert "toast burnt" in str(failed.value.cause)


async def _is_ended(client: Client, kitchen: NexusClient[Kitchen]) -> None:
    baking = await kitchen.start_operation(Kitchen.bake, "cake", id="cake")
    with pytest.raises(NexusOperationAlreadyStartedError):
        await kitchen.start_operation(Kitchen.bake, "cake", id="cake")
    same = await kitchen.start_operation(
        "bake", "cake", id="cake", id_conflict_policy=NexusOperationIDConflictPolicy.USE_EXISTING
    )
    assert same.run_id == baking.run_id
    described = await baking.describe()
    while described.operation_token is None:
        await asyncio.sleep(0.02)
        described = await baking.describe()
    assert described.state is PendingNexusOperationExecutionState.STARTED
    assert nexus.OperationToken.decode(described.operation_token).workflow_id == "oven-cake"
    await baking.cancel(reason="no guests")
    with pytest.raises(NexusOperationFailureError) as cancelled:
        await baking.result()
    assert isinstance(cancelled.value.cause, CancelledError)
    described = await baking.describe()
    assert described.status is NexusOperationExecutionStatus.CANCELED
    assert described.cancellation_info is not None
    assert described.cancellation_info.reason == "no guests"
    assert described.cancellation_info.state is NexusOperationCancellationState.SUCCEEDED
    pie = await kitchen.start_operation(Kitchen.bake, "pie", id="pie")
    await pie.terminate(reason="enough")
    with pytest.raises(NexusOperationFailureError) as terminated:
        await client.get_nexus_operation_handle("pie", result_type=str).result()
    assert isinstance(terminated.value.cause, TerminatedError)


async def _are_found(client: Client) -> None:
    for _ in range(400):
        if (await client.count_nexus_operations("ExecutionStatus != 'Running'")).count >= 4:
            break
        await asyncio.sleep(0.05)
    rows = {row.operation_id: row async for row in client.list_nexus_operations("Endpoint = 'kitchen'")}
    assert {row.status.name for row in rows.values()} == {"COMPLETED", "FAILED", "CANCELED", "TERMINATED"}
    assert rows["egg"].execution_duration is not None
    found = await client.count_nexus_operations("Endpoint = 'kitchen' GROUP BY ExecutionStatus")
    assert {(group.group_values[0], group.count) for group in found.groups} == {
        ("Completed", 1),
        ("Failed", 1),
        ("Canceled", 1),
        ("Terminated", 1),
    }


@pytest.mark.oracle
def test_operations_without_a_workflow_live_on_a_real_server() -> None:
    async def scene(address: str) -> None:
        seen = Seen()
        async with await Client.connect(address, interceptors=[seen]) as client, asyncio.timeout(60):
            await _endpoint(client)
            kitchen = client.create_nexus_client(Kitchen, "kitchen")
            async with Worker(client, task_queue="q", workflows=[Oven], nexus_service_handlers=[Cook()]):
                await _ends_well(client, kitchen)
                await _ends_badly(kitchen)
                await _is_ended(client, kitchen)
                await _are_found(client)
        assert seen.inputs[0].headers == {"salt": "salted"}
        assert seen.inputs[1].operation_id == "egg"

    settings = ["nexusoperation.enableStandalone=true", 'system.refreshNexusEndpointsMinWait="0s"']
    with real_server(*(word for said in settings for word in ("--dynamic-config-value", said))) as address:
        asyncio.run(scene(address))


def test_what_is_no_service_or_operation_is_refused() -> None:
    async def scene() -> None:
        client = await Client.connect("localhost:1", lazy=True)
        with pytest.raises(ValueError, match="not a Nexus service"):
            client.create_nexus_client(Oven, "kitchen")
        with pytest.raises(ValueError, match="not a Nexus operation"):
            await client.create_nexus_client("Kitchen", "kitchen").start_operation(print, 1, id="x")
        known = client.get_nexus_operation_handle("x", run_id="r")
        assert (known.operation_id, known.run_id, known.endpoint, known.service) == ("x", "r", "", "")
        assert "x" in repr(known)

    asyncio.run(scene())
