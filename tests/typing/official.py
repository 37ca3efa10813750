"""Programs in the official style, as a type checker sees them. Never run."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, assert_type

from tenuto import activity, workflow
from tenuto.client import Client, WorkflowHandle
from tenuto.common import RawValue, RetryPolicy


@activity.defn
async def greet(name: str) -> str:
    return name


@activity.defn(name="add")
def add(a: int, b: int = 1) -> int:
    return a + b


@activity.defn
async def ping() -> None: ...


@activity.defn
class Stamper:
    async def __call__(self, text: str) -> bytes:
        return text.encode()


class Desk:
    @activity.defn
    async def sign(self, text: str) -> bool:
        return bool(text)

    @activity.defn
    def count(self) -> int:
        return 1


@workflow.defn
class Child:
    @workflow.run
    async def run(self, name: str) -> int:
        return len(name)

    @workflow.signal
    async def wake(self, when: float) -> None: ...


@workflow.defn(name="Greeter", failure_exception_types=[ValueError])
class Greeter:
    @workflow.init
    def __init__(self, name: str) -> None:
        self.name = name

    @workflow.run
    async def run(self, name: str) -> str:
        timeout = timedelta(seconds=5)
        assert_type(await workflow.execute_activity(greet, name, start_to_close_timeout=timeout), str)
        assert_type(await workflow.execute_activity(add, 1, start_to_close_timeout=timeout), int)
        assert_type(await workflow.execute_activity(add, 1, 2, start_to_close_timeout=1.5), int)
        assert_type(await workflow.execute_activity(add, args=[1, 2], start_to_close_timeout=timeout), int)
        assert_type(await workflow.execute_activity(ping, schedule_to_close_timeout=timeout), None)
        assert_type(await workflow.execute_activity("named", 1, start_to_close_timeout=timeout), Any)
        assert_type(
            await workflow.execute_activity("named", result_type=bytes, start_to_close_timeout=timeout), bytes
        )
        handle = workflow.start_activity(
            greet, name, start_to_close_timeout=timeout, retry_policy=RetryPolicy(maximum_attempts=2)
        )
        assert_type(handle, workflow.ActivityHandle[str])
        assert_type(await handle, str)
        handle.cancel()
        assert_type(
            await workflow.execute_activity_method(Desk.sign, "x", start_to_close_timeout=timeout), bool
        )
        assert_type(await workflow.execute_local_activity_method(Desk.count, start_to_close_timeout=1), int)
        assert_type(
            await workflow.execute_activity_class(Stamper, "x", start_to_close_timeout=timeout), bytes
        )
        assert_type(await workflow.execute_local_activity(add, 1, local_retry_threshold=timeout), int)
        config = workflow.ActivityConfig(start_to_close_timeout=timeout, summary="x")
        assert_type(await workflow.execute_activity(greet, name, **config), str)
        await self.children()
        assert_type(workflow.info(), workflow.Info)
        assert_type(workflow.info().workflow_id, str)
        await workflow.wait_condition(lambda: bool(self.name), timeout=timeout)
        await workflow.sleep(5)
        with workflow.unsafe.imports_passed_through():
            pass
        workflow.logger.info("done")
        workflow.continue_as_new(name)

    async def children(self) -> None:
        assert_type(await workflow.execute_child_workflow(Child.run, "a", id="c"), int)
        child = await workflow.start_child_workflow(
            Child.run, "a", parent_close_policy=workflow.ParentClosePolicy.ABANDON
        )
        assert_type(child, workflow.ChildWorkflowHandle[Child, int])
        await child.signal(Child.wake, 1.0)
        assert_type(await child, int)
        assert_type(
            workflow.get_external_workflow_handle_for(Child.run, "c"), workflow.ExternalWorkflowHandle[Child]
        )

    @workflow.signal
    def rename(self, name: str) -> None:
        self.name = name

    @workflow.signal(dynamic=True)
    async def any_signal(self, name: str, args: Sequence[RawValue]) -> None: ...

    @workflow.query
    def current(self) -> str:
        return self.name

    @workflow.update
    async def change(self, name: str) -> int:
        self.name = name
        return len(name)

    @change.validator
    def check_change(self, name: str) -> None: ...


async def main(client: Client) -> None:
    handle = await client.start_workflow(Greeter.run, "ann", id="g", task_queue="q")
    assert_type(handle, WorkflowHandle[Greeter, str])
    assert_type(await handle.result(), str)
    await handle.signal(Greeter.rename, "bob")
    assert_type(await handle.query(Greeter.current), str)
    assert_type(await handle.execute_update(Greeter.change, "eve"), int)
    assert_type(await client.execute_workflow(Greeter.run, "ann", id="g", task_queue="q"), str)
