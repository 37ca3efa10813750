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
from tenuto.exceptions import ApplicationError, CancelledError, NexusOperationError, TimeoutError
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

    @nexusrpc.handler.sync_operation
    async def count(self, ctx: nexusrpc.handler.StartOperationContext, items: int) -> int:
        raise ApplicationError(f"{items} are too many", type="TooMany", non_retryable=True)

    @nexusrpc.handler._decorators.operation_handler
    def keep(self) -> nexusrpc.handler.OperationHandler[str, str]:
        return Stubborn()


class Stubborn(nexusrpc.handler.OperationHandler[str, str]):
    """An operation that goes on, whatever its caller wants."""

    async def start(
        self, ctx: nexusrpc.handler.StartOperationContext, input: str
    ) -> nexusrpc.handler.StartOperationResultAsync:
        return nexusrpc.handler.StartOperationResultAsync(token=input)

    async def cancel(self, ctx: nexusrpc.handler.CancelOperationContext, token: str) -> None:
        raise nexusrpc.HandlerError("never", type=nexusrpc.HandlerErrorType.BAD_REQUEST)


@workflow.defn
class Caller:
    @workflow.run
    async def run(self, operation: str, item: Any, seconds: int = 0) -> str:
        shop: Any = workflow.create_nexus_client(service="Shop", endpoint="shop")
        limit = timedelta(seconds=seconds) if seconds else None
        handle = await shop.start_operation(
            operation,
            item,
            output_type=str,
            schedule_to_close_timeout=limit,
            cancellation_type=workflow.NexusOperationCancellationType.WAIT_REQUESTED
            if operation == "keep"
            else workflow.NexusOperationCancellationType.WAIT_COMPLETED,
        )
        if item == "unwanted":
            handle.cancel()
        return str(await handle)


def _refused(*args: Any) -> nexusrpc.HandlerError:
    with pytest.raises(WorkflowFailureError) as failed:
        asyncio.run(_called(*args))
    assert isinstance(failed.value.cause, NexusOperationError)
    assert isinstance(failed.value.cause.cause, nexusrpc.HandlerError)
    return failed.value.cause.cause


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


def test_who_waits_for_a_cancellation_learns_that_the_handler_would_not() -> None:
    error = _refused("keep", "unwanted")
    assert "never" in (str(error), str(error.__cause__))


def test_an_argument_of_another_type_is_the_callers_fault() -> None:
    error = _refused("count", "seven")
    assert error.type == nexusrpc.HandlerErrorType.BAD_REQUEST
    assert error.message == "Payload converter failed to decode Nexus operation input"


def test_what_a_handler_gives_up_on_is_the_cause_of_its_failure() -> None:
    error = _refused("count", 7)
    assert (error.type, error.retryable) == (nexusrpc.HandlerErrorType.INTERNAL, False)
    assert error.message == "Handler failed with non-retryable application error"
    assert isinstance(error.__cause__, ApplicationError) and error.__cause__.type == "TooMany"
