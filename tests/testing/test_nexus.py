"""Nexus in a test environment: an endpoint is one call away; time jumps over what takes long, not over a handler at work."""
# mypy: disallow-untyped-decorators=False

import asyncio
from datetime import timedelta
from typing import Any

import nexusrpc
import nexusrpc.handler
import pytest

from tenuto import nexus, workflow
from tenuto.client import WorkflowFailureError
from tenuto.exceptions import CancelledError, NexusOperationError, TimeoutError
from tenuto.testing import WorkflowEnvironment

DAY = 24 * 3600


@workflow.defn
class Backing:
    @workflow.run
    async def run(self, item: str) -> str:
        await asyncio.sleep(DAY)
        return f"{item} sent"


@nexusrpc.handler.service_handler(name="Shop")
class Shop:
    @nexus.workflow_run_operation
    async def order(self, ctx: nexus.WorkflowRunOperationContext, item: str) -> nexus.WorkflowHandle[str]:
        return await ctx.start_workflow(Backing.run, item, id=f"order-{item}")

    @nexusrpc.handler.sync_operation
    async def ponder(self, ctx: nexusrpc.handler.StartOperationContext, item: str) -> str:
        await asyncio.sleep(1.3)  # really: longer than time would wait for work that nobody is at
        return f"{item} pondered"


@workflow.defn
class Caller:
    @workflow.run
    async def run(self, operation: str, item: str, seconds: int = 0) -> str:
        shop: Any = workflow.create_nexus_client(service="Shop", endpoint="shop")
        limit = timedelta(seconds=seconds) if seconds else None
        handle = await shop.start_operation(operation, item, output_type=str, schedule_to_close_timeout=limit)
        if item == "unwanted":
            handle.cancel()
        return str(await handle)


async def _called(*args: Any, handled: bool = True) -> str:
    async with await WorkflowEnvironment.start_time_skipping(task_queue="q") as env:
        made = await env.create_nexus_endpoint("shop", "q")
        offered: list[Any] = [Shop()] if handled else []
        async with env.worker(workflows=[Caller, Backing], nexus_service_handlers=offered):
            result: str = await env.client.execute_workflow(
                Caller.run, args=list(args), id="caller", task_queue="q"
            )
        await env.delete_nexus_endpoint(made)
        return result


def test_an_operation_that_takes_a_day_takes_no_time() -> None:
    assert asyncio.run(_called("order", "tea")) == "tea sent"


def test_time_does_not_jump_over_a_handler_at_work() -> None:
    assert asyncio.run(_called("ponder", "tea", 60)) == "tea pondered"


def test_an_operation_that_is_not_wanted_any_more_ends() -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        asyncio.run(_called("order", "unwanted"))
    assert isinstance(failed.value.cause, NexusOperationError)
    assert isinstance(failed.value.cause.cause, CancelledError)


def test_an_operation_that_nobody_handles_runs_out_of_time() -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        asyncio.run(_called("order", "tea", DAY, handled=False))
    assert isinstance(failed.value.cause, NexusOperationError)
    assert isinstance(failed.value.cause.cause, TimeoutError)
