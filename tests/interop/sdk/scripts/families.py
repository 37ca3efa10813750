"""Children and other workflows: started, signalled, cancelled, left behind."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError, ChildWorkflowError
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

from tests.interop.sdk.stage import Stage, describe, outcome, program

KEYWORD = SearchAttributeKey.for_keyword("OracleKeyword")


@workflow.defn
class Child:
    """Does what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @workflow.signal
    def tell(self, text: str) -> None:
        self.told.append(text)

    @workflow.run
    async def run(self, how: str) -> Any:
        info = workflow.info()
        match how:
            case "fail":
                raise ApplicationError("child", {"a": 1}, type="Planned", non_retryable=True)
            case "facts":
                assert info.parent is not None and info.root is not None
                return [
                    info.parent.workflow_id,
                    info.root.workflow_id,
                    info.workflow_type,
                    await workflow_memo(),
                    info.typed_search_attributes.get(KEYWORD),
                ]
            case "hear":
                await workflow.wait_condition(lambda: len(self.told) >= 2)
                # Its end must not race with the news that the signal arrived.
                await workflow.sleep(0.5)
                return self.told
            case "again" if info.attempt < 3:
                raise ApplicationError(f"attempt {info.attempt}")
            case "hold" | "stay":
                try:
                    await workflow.wait_condition(lambda: False)
                except asyncio.CancelledError:
                    if how == "stay":
                        await workflow.sleep(0.1)
                        return "stayed"
                    raise
        return how


async def workflow_memo() -> Any:
    return workflow.memo_value("key", type_hint=dict)


@workflow.defn
class Parent:
    """Has one child after the other."""

    @workflow.run
    async def run(self) -> list[Any]:
        own = workflow.info().workflow_id
        seen: list[Any] = []
        seen.append(await workflow.execute_child_workflow(Child.run, "plain"))
        seen.append(
            await workflow.execute_child_workflow(
                Child.run,
                "facts",
                id=f"{own}-facts",
                memo={"key": {"deep": [1]}},
                search_attributes=TypedSearchAttributes([SearchAttributePair(KEYWORD, "word")]),
                static_summary="a child",
                static_details="with details",
                execution_timeout=timedelta(seconds=30),
                run_timeout=timedelta(seconds=20),
                task_timeout=timedelta(seconds=7),
            )
        )
        for how in ("fail", "again"):
            try:
                seen.append(
                    await workflow.execute_child_workflow(
                        Child.run,
                        how,
                        id=f"{own}-{how}",
                        retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)),
                    )
                )
            except ChildWorkflowError as error:
                seen.append(describe(error))
        handle = await workflow.start_child_workflow("Child", "hear", id=f"{own}-hear")
        await workflow.sleep(0.5)
        await handle.signal(Child.tell, "one")
        try:
            await workflow.execute_child_workflow(Child.run, "plain", id=f"{own}-hear")
        except Exception as error:  # noqa: BLE001 - told in the result
            seen.append(describe(error))
        await handle.signal("tell", "two")
        seen.append([handle.id, await handle])
        try:
            await workflow.execute_child_workflow(
                Child.run, "hold", id=f"{own}-late", run_timeout=timedelta(milliseconds=200)
            )
        except ChildWorkflowError as error:
            seen.append(describe(error))
        return seen


@program()
async def children(stage: Stage) -> Any:
    return await stage.execute(Parent.run)


@workflow.defn
class Cancelling:
    """Cancels its child in the way it is told: by the handle, or by being cancelled itself."""

    def __init__(self) -> None:
        self.go = False

    @workflow.signal
    def cancel(self) -> None:
        self.go = True

    @workflow.run
    async def run(self, how: str, kind: int) -> Any:
        handle = await workflow.start_child_workflow(
            Child.run,
            how,
            id=workflow.info().workflow_id + "-child",
            cancellation_type=ChildWorkflowCancellationType(kind),
            parent_close_policy=ParentClosePolicy.REQUEST_CANCEL,
        )
        said: Any
        try:
            await workflow.wait_condition(lambda: self.go)
            handle.cancel("because")
            said = await handle
        except ChildWorkflowError as error:
            said = describe(error)
        except asyncio.CancelledError:
            said = ["cancelled itself"]
            handle.cancel()
            try:
                said.append(await handle)
            except (ChildWorkflowError, asyncio.CancelledError) as error:
                said.append(describe(error))
        # Longer than any child stays.
        await workflow.sleep(1.5)
        return said


@program(loose="The child's end and the news that it was asked to end race.")
async def child_cancellation(stage: Stage) -> Any:
    async def one(how: str, kind: ChildWorkflowCancellationType, own: bool) -> Any:
        handle = await stage.start(Cancelling.run, how, int(kind), suffix=f"{how}-{kind.name}-{own}")
        await stage.until(handle, "CHILD_WORKFLOW_EXECUTION_STARTED")
        await stage.idle(handle, 2)
        child = stage.client.get_workflow_handle(handle.id + "-child")
        await stage.idle(child)
        await (handle.cancel() if own else handle.signal(Cancelling.cancel))
        return await outcome(handle.result())

    return await stage.gather(
        *(
            one(how, kind, own)
            for how in ("hold", "stay")
            for kind in ChildWorkflowCancellationType
            for own in (False, True)
        )
    )


@workflow.defn
class TooSoon:
    """Cancels a child that nobody heard of, and one that is just being started."""

    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = []
        own = workflow.info().workflow_id
        first = asyncio.create_task(workflow.execute_child_workflow(Child.run, "plain", id=f"{own}-never"))
        await asyncio.sleep(0)
        first.cancel()
        try:
            seen.append(await first)
        except (ChildWorkflowError, asyncio.CancelledError) as error:
            seen.append(describe(error))
        second = asyncio.create_task(
            workflow.execute_child_workflow(Child.run, "plain", id=f"{own}-nor-this")
        )
        second.cancel()
        try:
            seen.append(await second)
        except (ChildWorkflowError, asyncio.CancelledError) as error:
            seen.append(describe(error))
        await workflow.sleep(0.01)
        return seen


@program()
async def children_cancelled_before_sent(stage: Stage) -> Any:
    return await stage.execute(TooSoon.run)


@workflow.defn
class Leaving:
    """Ends while its children are at work."""

    def __init__(self) -> None:
        self.go = False

    @workflow.signal
    def leave(self) -> None:
        self.go = True

    @workflow.run
    async def run(self) -> list[str]:
        own = workflow.info().workflow_id
        for policy in (
            ParentClosePolicy.TERMINATE,
            ParentClosePolicy.ABANDON,
            ParentClosePolicy.REQUEST_CANCEL,
        ):
            await workflow.start_child_workflow(
                Child.run, "hold", id=f"{own}-{policy.name}", parent_close_policy=policy
            )
        await workflow.wait_condition(lambda: self.go)
        return ["gone"]


@program()
async def parent_close_policies(stage: Stage) -> Any:
    handle = await stage.start(Leaving.run)
    await stage.until(handle, "CHILD_WORKFLOW_EXECUTION_STARTED", 3)
    await stage.idle(handle, 4)
    for word in ("TERMINATE", "ABANDON", "REQUEST_CANCEL"):
        await stage.idle(stage.client.get_workflow_handle(f"{handle.id}-{word}"))
    await handle.signal(Leaving.leave)
    result = await handle.result()
    left = stage.client.get_workflow_handle(f"{handle.id}-ABANDON")
    seen = [
        await outcome(stage.client.get_workflow_handle(f"{handle.id}-{word}").result())
        for word in ("TERMINATE", "REQUEST_CANCEL")
    ]
    status = (await left.describe()).status.name
    await left.terminate("enough", reason="enough")
    return [result, seen, status]


@workflow.defn
class Meddler:
    """Signals and cancels workflows that are not its children."""

    @workflow.run
    async def run(self, friend: str) -> list[Any]:
        seen: list[Any] = []
        handle = workflow.get_external_workflow_handle(friend)
        await handle.signal("tell", "one")
        typed: Any = workflow.get_external_workflow_handle_for(Child.run, friend)
        await typed.signal(Child.tell, "two")
        stranger = workflow.get_external_workflow_handle(friend + "-unknown", run_id=None)
        ask: tuple[Callable[[], Any], ...] = (
            lambda: stranger.signal("tell", "x"),
            lambda: stranger.cancel(),
            lambda: stranger.cancel(reason="so"),
        )
        for asked in ask:
            try:
                await asked()
            except Exception as error:  # noqa: BLE001 - told in the result
                seen.append(describe(error))
        held = workflow.get_external_workflow_handle(friend + "-held")
        await held.cancel(reason="told so")
        too_late = asyncio.create_task(handle.signal("tell", "never"))
        await asyncio.sleep(0)
        too_late.cancel()
        try:
            await too_late
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - told in the result
            seen.append(describe(error))
        return seen


@program()
async def other_workflows(stage: Stage) -> Any:
    friend = await stage.start(Child.run, "hear", suffix="friend")
    held = await stage.start(Child.run, "hold", suffix="friend-held")
    await stage.idle(friend)
    await stage.idle(held)
    result = await stage.execute(Meddler.run, friend.id)
    return [result, await friend.result(), await outcome(held.result())]
