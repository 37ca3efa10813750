"""Starting workflows and waiting for them, as a caller sees it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tenuto.client import (
    Client,
    WorkflowContinuedAsNewError,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)
from tenuto.common import (
    Priority,
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from tenuto.exceptions import (
    ApplicationError,
    CancelledError,
    TerminatedError,
    TimeoutError,
    WorkflowAlreadyStartedError,
)
from tenuto.transport.errors import RPCError, RPCStatusCode
from tests.client.house import (
    QUEUE,
    Desk,
    at_a_desk,
    cancelled,
    complete,
    continue_as_new,
    fail,
)
from tests.client.programs import Idle, Receipt, Sale, Two


def test_a_result_has_the_type_that_the_run_method_says() -> None:
    async def scene(desk: Desk) -> None:
        handle = await desk.client.start_workflow(Sale.run, "visa", id="s", task_queue=QUEUE)
        task = await desk.task()
        assert task.workflow_type.name == "Sale"
        started = task.history.events[0].workflow_execution_started_event_attributes
        assert started.identity == "caller"
        assert [p.data for p in started.input.payloads] == [b'"visa"']
        await desk.answer(task, await complete({"number": 7, "note": "x"}))
        assert await handle.result() == Receipt(7, "x")
        assert handle.run_id is None
        assert handle.result_run_id == handle.first_execution_run_id == task.workflow_execution.run_id

    at_a_desk(scene)


def test_id_and_task_queue_may_be_left_out() -> None:
    async def scene(desk: Desk) -> None:
        first = await desk.client.start_workflow(Idle.run)
        second = await desk.client.start_workflow(Idle.run)
        assert first.id.startswith("idle-")
        assert first.id != second.id
        assert (await first.describe()).task_queue == QUEUE
        other = Client(desk.service_client)
        assert (await (await other.start_workflow("T")).describe()).task_queue == "default"

    at_a_desk(scene)


@pytest.mark.parametrize("call", [{"args": [1, "b"]}, {}])
def test_several_arguments_go_one_by_one_or_as_a_list(call: dict[str, Any]) -> None:
    async def scene(desk: Desk) -> None:
        if call:
            await desk.client.start_workflow(Two.run, args=[1, "b"], id="t")
        else:
            await desk.client.start_workflow(Two.run, 1, "b", id="t")
        task = await desk.task()
        given = task.history.events[0].workflow_execution_started_event_attributes.input
        assert [p.data for p in given.payloads] == [b"1", b'"b"']

    at_a_desk(scene)


def test_arguments_both_ways_are_refused() -> None:
    async def scene(desk: Desk) -> None:
        with pytest.raises(ValueError, match="Cannot have arg and args"):
            await desk.client.start_workflow("T", 1, args=[2])

    at_a_desk(scene)


def test_everything_that_a_start_says_arrives() -> None:
    colour = SearchAttributeKey.for_keyword("CustomKeywordField")

    async def scene(desk: Desk) -> None:
        await desk.client.operator_service.add_search_attributes(_add_keyword("CustomKeywordField"))
        handle = await desk.client.start_workflow(
            "T",
            id="full",
            execution_timeout=timedelta(hours=1),
            run_timeout=1800,
            task_timeout=7.5,
            retry_policy=RetryPolicy(maximum_attempts=3),
            memo={"who": "me", "n": 2},
            search_attributes=TypedSearchAttributes([SearchAttributePair(colour, "red")]),
            static_summary="short",
            static_details="long",
            priority=Priority(priority_key=2),
        )
        task = await desk.task()
        started = task.history.events[0].workflow_execution_started_event_attributes
        assert started.workflow_execution_timeout.seconds == 3600
        assert started.workflow_run_timeout.seconds == 1800
        assert started.workflow_task_timeout.ToTimedelta() == timedelta(seconds=7.5)
        assert started.retry_policy.maximum_attempts == 3
        assert started.priority.priority_key == 2
        described = await handle.describe()
        assert await described.memo() == {"who": "me", "n": 2}
        assert await described.memo_value("n", type_hint=int) == 2
        assert await described.memo_value("x", 5) == 5
        with pytest.raises(KeyError):
            await described.memo_value("x")
        assert described.typed_search_attributes[colour] == "red"
        assert described.search_attributes["CustomKeywordField"] == ["red"]
        assert await described.static_summary() == "short"
        assert await described.static_details() == "long"
        assert described.status is WorkflowExecutionStatus.RUNNING
        assert described.start_time.tzinfo is not None

    at_a_desk(scene)


def _add_keyword(name: str) -> Any:
    from tenuto.wire import operatorservice

    request: Any = operatorservice.AddSearchAttributesRequest
    return request(namespace="default", search_attributes={name: 2})


def test_a_taken_id_is_an_error_that_names_the_run() -> None:
    async def scene(desk: Desk) -> None:
        handle = await desk.client.start_workflow("T", id="taken")
        with pytest.raises(WorkflowAlreadyStartedError) as caught:
            await desk.client.start_workflow("T", id="taken")
        assert caught.value.workflow_id == "taken"
        assert caught.value.workflow_type == "T"
        assert caught.value.run_id == handle.result_run_id
        again = await desk.client.start_workflow(
            "T", id="taken", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
        )
        assert again.result_run_id == handle.result_run_id
        await handle.terminate()
        with pytest.raises(WorkflowAlreadyStartedError):
            await desk.client.start_workflow(
                "T", id="taken", id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE
            )

    at_a_desk(scene)


def test_a_failure_tells_its_causes_in_one_line() -> None:
    async def scene(desk: Desk) -> None:
        handle = await desk.client.start_workflow("T")
        why = ApplicationError("no money", "detail", type="Broke", non_retryable=True)
        why.__cause__ = ValueError("empty")
        await desk.answer(await desk.task(), await fail(why))
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        cause = caught.value.cause
        assert isinstance(cause, ApplicationError)
        assert (cause.message, cause.type, cause.non_retryable, list(cause.details)) == (
            "no money",
            "Broke",
            True,
            ["detail"],
        )
        assert str(caught.value) == "Workflow execution failed: Broke: no money: ValueError: empty"

    at_a_desk(scene)


def test_an_end_without_result_is_a_failure_that_says_how() -> None:
    async def scene(desk: Desk) -> None:
        ended = await desk.client.start_workflow("T", id="ended")
        await ended.terminate("because", reason="enough")
        with pytest.raises(WorkflowFailureError) as caught:
            await ended.result()
        assert isinstance(caught.value.cause, TerminatedError)
        assert caught.value.cause.message == "enough"
        assert list(caught.value.cause.details) == ["because"]

        stopped = await desk.client.start_workflow("T", id="stopped", task_queue="other")
        await stopped.cancel(reason="please")
        task = await desk.task("other")
        await desk.answer(task, await cancelled("half"))
        with pytest.raises(WorkflowFailureError) as caught:
            await stopped.result()
        assert isinstance(caught.value.cause, CancelledError)
        assert list(caught.value.cause.details) == ["half"]
        assert (await stopped.describe()).status is WorkflowExecutionStatus.CANCELED

        late = await desk.client.start_workflow("T", id="late", run_timeout=0.2)
        with pytest.raises(WorkflowFailureError) as caught:
            await late.result()
        assert isinstance(caught.value.cause, TimeoutError)

    at_a_desk(scene)


def test_a_result_follows_the_runs_that_go_on() -> None:
    async def scene(desk: Desk) -> None:
        handle = await desk.client.start_workflow("T", id="long")
        await desk.answer(await desk.task(), await continue_as_new("T"))
        second = await desk.task()
        assert second.workflow_execution.run_id != handle.result_run_id
        with pytest.raises(WorkflowContinuedAsNewError) as caught:
            await handle.result(follow_runs=False)
        assert caught.value.new_execution_run_id == second.workflow_execution.run_id
        waiting = asyncio.ensure_future(handle.result())
        await desk.answer(second, await complete("done"))
        assert await waiting == "done"
        assert await desk.client.get_workflow_handle("long").result() == "done"
        pinned = desk.client.get_workflow_handle("long", run_id=handle.result_run_id)
        assert await pinned.result() == "done"
        assert (await pinned.describe()).status is WorkflowExecutionStatus.CONTINUED_AS_NEW

    at_a_desk(scene)


def test_each_run_of_a_repeated_workflow_tells_its_own_result() -> None:
    async def scene(desk: Desk) -> None:
        handle = await desk.client.start_workflow("T", id="daily", cron_schedule="@every 1s")
        await desk.answer(await desk.task(), await complete("first"))
        pinned = desk.client.get_workflow_handle("daily", run_id=handle.result_run_id)
        assert await pinned.result(follow_runs=False) == "first"
        await desk.answer(await desk.task(), await fail(ApplicationError("no", non_retryable=True)))
        with pytest.raises(WorkflowFailureError):
            await desk.client.get_workflow_handle("daily", run_id=await _second(desk)).result(
                follow_runs=False
            )

    async def _second(desk: Desk) -> str:
        runs = [each.run_id async for each in desk.client.list_workflows()]
        return runs[1]  # the last has not begun

    at_a_desk(scene)


def test_execute_is_start_and_result() -> None:
    async def scene(desk: Desk) -> None:
        running = asyncio.ensure_future(desk.client.execute_workflow(Sale.run, "visa", id="x"))
        await desk.answer(await desk.task(), await complete({"number": 1}))
        assert await running == Receipt(1)
        hinted = asyncio.ensure_future(desk.client.execute_workflow("Sale", id="y", result_type=Receipt))
        await desk.answer(await desk.task(), await complete({"number": 2}))
        assert await hinted == Receipt(2)

    at_a_desk(scene)


def test_a_start_with_a_signal_signals_what_runs_already() -> None:
    async def scene(desk: Desk) -> None:
        first = await desk.client.start_workflow(
            Idle.run, id="s", start_signal="go", start_signal_args=[1, 2]
        )
        second = await desk.client.start_workflow(Idle.run, id="s", start_signal="go")
        assert first.result_run_id == second.result_run_id
        task = await desk.task()
        signals = [
            event.workflow_execution_signaled_event_attributes
            for event in task.history.events
            if event.HasField("workflow_execution_signaled_event_attributes")
        ]
        assert [len(signal.input.payloads) for signal in signals] == [2, 0]

    at_a_desk(scene)


def test_what_does_not_exist_is_not_found() -> None:
    async def scene(desk: Desk) -> None:
        handle = desk.client.get_workflow_handle("nobody")
        for call in (handle.describe, handle.cancel, handle.terminate, handle.result, handle.fetch_history):
            with pytest.raises(RPCError) as caught:
                await call()
            assert caught.value.status is RPCStatusCode.NOT_FOUND

    at_a_desk(scene)


def test_names_that_are_no_workflows_are_refused_before_anything_is_sent() -> None:
    async def scene(desk: Desk) -> None:
        start: Any = desk.client.start_workflow
        with pytest.raises(TypeError, match="must be a string"):
            await start(5)
        with pytest.raises(ValueError, match="not a workflow"):
            await start(at_a_desk)
        with pytest.raises(TypeError, match="unexpected keyword"):
            await start("T", tax_queue="q")
        with pytest.raises(TypeError, match="duration"):
            await start("T", run_timeout="1h")

    at_a_desk(scene)
