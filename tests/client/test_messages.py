"""Signals, queries and updates, as a caller sees them."""

import asyncio
from typing import Any

import pytest

from tenuto.client import (
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from tenuto.common import QueryRejectCondition, WorkflowIDConflictPolicy
from tenuto.exceptions import ApplicationError, WorkflowAlreadyStartedError
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import failure, update
from tests.client.house import (
    QUEUE,
    Desk,
    accept,
    at_a_desk,
    complete,
    of_update,
    payloads,
    reject,
    respond,
    send,
)
from tests.client.programs import Receipt, Sale


def test_signals_take_their_arguments_one_by_one() -> None:
    async def scene(desk: Desk) -> None:
        handle = await desk.client.start_workflow(Sale.run, "visa")
        await handle.signal(Sale.hurry)
        await handle.signal(Sale.add_tip, 3)
        await handle.signal(Sale.split, 2, True)
        await handle.signal(Sale.split, args=[4, False])
        await handle.signal("anything", {"a": 1})
        task = await desk.task()
        seen = [
            (signal.signal_name, [payload.data for payload in signal.input.payloads])
            for event in task.history.events
            if event.HasField("workflow_execution_signaled_event_attributes")
            for signal in [event.workflow_execution_signaled_event_attributes]
        ]
        assert seen == [
            ("hurry", []),
            ("tip", [b"3"]),
            ("split", [b"2", b"true"]),
            ("split", [b"4", b"false"]),
            ("anything", [b'{"a":1}']),
        ]

    at_a_desk(scene)


def test_what_is_no_handler_is_refused() -> None:
    async def scene(desk: Desk) -> None:
        handle: Any = desk.client.get_workflow_handle("w")
        with pytest.raises(ValueError, match=r"not decorated with @workflow\.signal"):
            await handle.signal(Sale.total)
        with pytest.raises(TypeError, match="query must be a string"):
            await handle.query(5)

    at_a_desk(scene)


async def _running(desk: Desk) -> Any:
    handle = await desk.client.start_workflow(Sale.run, "visa", id="sale")
    await desk.answer(await desk.task())
    return handle


def test_a_query_answers_with_the_type_of_its_method() -> None:
    async def scene(desk: Desk) -> None:
        handle = await _running(desk)
        asked = asyncio.ensure_future(handle.query(Sale.share, "me"))
        task = await desk.task()
        assert task.query.query_type == "share"
        assert [payload.data for payload in task.query.query_args.payloads] == [b'"me"']
        await desk.answer_query(task, {"number": 3})
        assert await asked == Receipt(3)

    at_a_desk(scene)


def test_a_query_that_fails_says_why() -> None:
    async def scene(desk: Desk) -> None:
        handle = await _running(desk)
        asked = asyncio.ensure_future(handle.query("nothing"))
        await desk.answer_query(await desk.task(), error="no such query")
        with pytest.raises(WorkflowQueryFailedError, match="no such query"):
            await asked

    at_a_desk(scene)


def test_a_query_may_be_rejected_for_the_status_of_the_workflow() -> None:
    async def scene(desk: Desk) -> None:
        handle = await _running(desk)
        await handle.terminate()
        with pytest.raises(WorkflowQueryRejectedError) as caught:
            await handle.query(Sale.total)
        assert caught.value.status is WorkflowExecutionStatus.TERMINATED
        assert "TERMINATED" in str(caught.value)

    at_a_desk(scene, default_workflow_query_reject_condition=QueryRejectCondition.NOT_OPEN)


def test_an_update_answers_with_the_type_of_its_method() -> None:
    async def scene(desk: Desk) -> None:
        handle = await _running(desk)
        asked = asyncio.ensure_future(handle.execute_update(Sale.pay, 5, id="u1"))
        task = await desk.task()
        request = of_update(task)
        assert (request.meta.update_id, request.input.name) == ("u1", "pay")
        done = respond(request, update.Outcome(success=await payloads({"number": 9})))
        messages = [accept(task), done]
        await desk.answer(task, *send(*messages), messages=messages)
        assert await asked == Receipt(9)
        again = handle.get_update_handle_for(Sale.pay, "u1")
        assert await again.result() == Receipt(9)

    at_a_desk(scene)


def test_an_update_may_be_waited_for_later() -> None:
    async def scene(desk: Desk) -> None:
        handle = await _running(desk)
        asked = asyncio.ensure_future(
            handle.start_update(Sale.move, 4, True, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        )
        task = await desk.task()
        request = of_update(task)
        await desk.answer(task, *send(accept(task)), messages=[accept(task)])
        started = await asked
        assert started.workflow_id == "sale"
        assert started.workflow_run_id == task.workflow_execution.run_id
        waiting = asyncio.ensure_future(started.result())
        await handle.signal(Sale.hurry)
        task = await desk.task()
        done = respond(request, update.Outcome(success=await payloads("moved")))
        await desk.answer(task, *send(done), messages=[done])
        assert await waiting == "moved"
        assert await started.result() == "moved"

    at_a_desk(scene)


def test_a_rejected_update_fails_with_the_validators_error() -> None:
    async def scene(desk: Desk) -> None:
        handle = await _running(desk)
        asked = asyncio.ensure_future(handle.execute_update(Sale.close))
        task = await desk.task()
        why = failure.Failure(message="not yet")
        why.application_failure_info.type = "TooEarly"
        await desk.answer(task, messages=[reject(task, why)])
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await asked
        assert isinstance(caught.value.cause, ApplicationError)
        assert caught.value.cause.type == "TooEarly"
        assert str(caught.value) == "Workflow update failed: TooEarly: not yet"

    at_a_desk(scene)


def test_the_stage_admitted_cannot_be_waited_for() -> None:
    async def scene(desk: Desk) -> None:
        handle = desk.client.get_workflow_handle("w")
        with pytest.raises(ValueError, match="ADMITTED wait stage not supported"):
            await handle.start_update("u", wait_for_stage=WorkflowUpdateStage.ADMITTED)

    at_a_desk(scene)


def test_cancelling_who_waits_for_an_update_is_an_error_of_the_update_and_a_cancellation() -> None:
    async def scene(desk: Desk) -> None:
        handle = await _running(desk)
        waiting = asyncio.ensure_future(handle.execute_update(Sale.pay, 5))
        await desk.task()
        waiting.cancel()
        with pytest.raises(WorkflowUpdateRPCTimeoutOrCancelledError):
            await waiting
        assert waiting.cancelled()

    at_a_desk(scene)


def _starting(id: str = "sale", **options: Any) -> WithStartWorkflowOperation[Sale, Receipt]:
    return WithStartWorkflowOperation(
        Sale.run, "visa", id=id, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING, **options
    )


def test_an_update_may_start_its_workflow() -> None:
    async def scene(desk: Desk) -> None:
        starting = _starting()
        asked = asyncio.ensure_future(
            desk.client.execute_update_with_start_workflow(Sale.pay, 5, start_workflow_operation=starting)
        )
        task = await desk.task()
        request = of_update(task)
        messages = [accept(task), respond(request, update.Outcome(success=await payloads({"number": 1})))]
        await desk.answer(task, *send(*messages), messages=messages)
        assert await asked == Receipt(1)
        handle = await starting.workflow_handle()
        assert handle.first_execution_run_id == task.workflow_execution.run_id
        await handle.signal(Sale.hurry)
        await desk.answer(await desk.task(), await complete({"number": 2}))
        assert await handle.result() == Receipt(2)
        with pytest.raises(RuntimeError, match="cannot be reused"):
            await desk.client.execute_update_with_start_workflow(
                Sale.pay, 5, start_workflow_operation=starting
            )

    at_a_desk(scene)


def test_a_start_that_fails_with_its_update_tells_both_who_wait() -> None:
    async def scene(desk: Desk) -> None:
        await desk.client.start_workflow("Sale", id="sale")
        starting = WithStartWorkflowOperation(
            Sale.run, "visa", id="sale", id_conflict_policy=WorkflowIDConflictPolicy.FAIL, task_queue=QUEUE
        )
        with pytest.raises(WorkflowAlreadyStartedError):
            await desk.client.start_update_with_start_workflow(
                Sale.pay,
                5,
                start_workflow_operation=starting,
                wait_for_stage=WorkflowUpdateStage.ACCEPTED,
            )
        with pytest.raises(WorkflowAlreadyStartedError):
            await starting.workflow_handle()

    at_a_desk(scene)


def test_an_update_that_the_service_refuses_is_blamed_itself() -> None:
    async def scene(desk: Desk) -> None:
        starting = _starting()
        with pytest.raises(RPCError) as caught:
            await desk.client.execute_update_with_start_workflow("", start_workflow_operation=starting)
        assert caught.value.status is RPCStatusCode.INVALID_ARGUMENT
        with pytest.raises(RPCError):
            await starting.workflow_handle()

    at_a_desk(scene)
