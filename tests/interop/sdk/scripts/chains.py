"""How runs end and go on: continue-as-new, cron, retries, failures of the workflow and of its tasks."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError

from tests.interop.sdk.stage import Stage, describe, outcome, program

SHORT = timedelta(seconds=5)
KEYWORD = SearchAttributeKey.for_keyword("OracleKeyword")
INT = SearchAttributeKey.for_int("OracleInt")


@workflow.defn
class Onward:
    """Continues as new in several ways."""

    @workflow.run
    async def run(self, count: int, log: list[Any]) -> list[Any]:
        info = workflow.info()
        timeout = info.task_timeout.total_seconds()
        log.append([count, timeout, dict(workflow.memo()), info.typed_search_attributes.get(INT)])
        if count == 0:
            workflow.upsert_memo({"more": [1]})
            workflow.upsert_search_attributes([INT.value_set(7)])
            workflow.continue_as_new(args=[1, log])
        if count == 1:
            await workflow.sleep(0.01)
            workflow.continue_as_new(
                args=[2, log],
                task_timeout=timedelta(seconds=8),
                run_timeout=timedelta(seconds=30),
                memo={"other": "memo"},
                search_attributes=TypedSearchAttributes([SearchAttributePair(INT, 8)]),
                retry_policy=RetryPolicy(maximum_attempts=4),
            )
        if count == 2:
            workflow.continue_as_new(args=[3, log], workflow="Onward")
        return log


@program()
async def continue_as_new(stage: Stage) -> Any:
    return await stage.execute(
        Onward.run,
        0,
        [],
        memo={"first": "memo"},
        search_attributes=TypedSearchAttributes([SearchAttributePair(KEYWORD, "kept")]),
        retry_policy=RetryPolicy(initial_interval=timedelta(seconds=3)),
        static_summary="onward",
        static_details="in steps",
    )


@workflow.defn
class OnwardBySignal:
    """Continues as new from a signal, with commands around it."""

    @workflow.signal
    async def onward(self) -> None:
        workflow.start_activity("quick", start_to_close_timeout=SHORT)
        workflow.continue_as_new(True)

    @workflow.run
    async def run(self, over: bool = False) -> str:
        if not over:
            await workflow.wait_condition(lambda: False)
        return "over"


@program()
async def continue_as_new_in_a_signal(stage: Stage) -> Any:
    handle = await stage.start(OnwardBySignal.run)
    await stage.idle(handle)
    await handle.signal(OnwardBySignal.onward)
    return await handle.result()


@activity.defn
async def quick() -> None: ...


class Custom(Exception):
    """Fails workflows that list it."""


_TRIES: dict[str, int] = {}


@workflow.defn(failure_exception_types=[Custom])
class Ends:
    """Ends in the way it is told."""

    @workflow.run
    async def run(self, how: str) -> Any:
        match how:
            case "timeout":
                await asyncio.wait_for(asyncio.sleep(60), 0.01)
            case "cancelled":
                raise asyncio.CancelledError
            case "custom":
                raise Custom("own") from ValueError("below")
            case "details":
                raise ApplicationError("with", "details", {"n": 1}, type="Kind", non_retryable=True)
            case "activity":
                await workflow.execute_activity(
                    "not registered anywhere",
                    start_to_close_timeout=SHORT,
                    retry_policy=RetryPolicy(maximum_attempts=1),
                )
            case "bug" if not workflow.unsafe.is_replaying():
                tries = _TRIES[how] = _TRIES.get(how, 0) + 1
                if tries == 1:
                    raise RuntimeError("a bug, fixed at the second attempt")
            case "commands":
                workflow.start_activity(quick, start_to_close_timeout=SHORT)
                self.left = asyncio.create_task(workflow.sleep(5))
                await asyncio.sleep(0)
        return how


@program()
async def ends(stage: Stage) -> Any:
    _TRIES.clear()

    async def one(how: str) -> Any:
        handle = await stage.start(Ends.run, how, suffix=how, task_timeout=timedelta(seconds=2))
        return [await outcome(handle.result()), (await handle.describe()).status.name]

    ways = ("timeout", "cancelled", "custom", "details", "activity", "commands")
    return await stage.gather(*(one(how) for how in ways))


@program(alone="Whether the first attempt fails is remembered by the worker's process.")
async def task_failure(stage: Stage) -> Any:
    _TRIES.clear()
    handle = await stage.start(Ends.run, "bug", suffix="bug")
    return await handle.result()


@workflow.defn
class Retried:
    """Fails until its third attempt."""

    @workflow.run
    async def run(self) -> Any:
        info = workflow.info()
        last = workflow.get_last_failure()
        if info.attempt < 3:
            raise ApplicationError(f"attempt {info.attempt}", [1, 2], type="Again")
        return [info.attempt, describe(last), workflow.has_last_completion_result()]


@program()
async def workflow_retries(stage: Stage) -> Any:
    policy = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=5)
    return await stage.execute(Retried.run, retry_policy=policy)


@workflow.defn
class Tick:
    """Runs by a cron line, and remembers how often."""

    @workflow.run
    async def run(self) -> int:
        count = workflow.get_last_completion_result(int) if workflow.has_last_completion_result() else 0
        if count == 1 and workflow.get_last_failure() is None:
            raise ApplicationError("every second one fails")
        assert count is not None
        return count + 1


@program()
async def cron(stage: Stage) -> Any:
    handle = await stage.start(Tick.run, cron_schedule="@every 1s")
    first = stage.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    await stage.until(first, "WORKFLOW_EXECUTION_COMPLETED")
    seen = []
    for _ in range(3):
        events = [event async for event in first.fetch_history_events()]
        last = events[-1]
        done = last.workflow_execution_completed_event_attributes
        failed = last.workflow_execution_failed_event_attributes
        seen.append([last.event_type, failed.failure.message])
        first = stage.client.get_workflow_handle(
            handle.id, run_id=done.new_execution_run_id or failed.new_execution_run_id
        )
        async for _event in first.fetch_history_events(wait_new_event=True):
            pass
    await stage.client.get_workflow_handle(handle.id).terminate(reason="enough")
    return seen


@program()
async def eager_start(stage: Stage) -> Any:
    # A worker that has got one workflow task offers its free places.
    await stage.execute(OnwardBySignal.run, True, suffix="before")
    policy = RetryPolicy(initial_interval=timedelta(milliseconds=10))
    return await stage.execute(Retried.run, request_eager_start=True, retry_policy=policy)
