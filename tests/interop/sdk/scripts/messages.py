"""Signals, queries and updates."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import WithStartWorkflowOperation, WorkflowUpdateStage
from temporalio.common import QueryRejectCondition, RawValue, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError

from tests.interop.sdk.stage import Stage, outcome, program

SHORT = timedelta(seconds=5)


@activity.defn
async def noted(text: str) -> str:
    return f"noted {text}"


@workflow.defn(dynamic=True)
class Anything:
    """A workflow of any type, whose handlers take anything."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.over = False

    def _plain(self, args: Sequence[RawValue]) -> list[Any]:
        return [workflow.payload_converter().from_payload(arg.payload) for arg in args]

    @workflow.signal(dynamic=True)
    def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        self.log.append(["signal", name, self._plain(args)])
        self.over = self.over or name == "finish"

    @workflow.query(dynamic=True)
    def on_query(self, name: str, args: Sequence[RawValue]) -> Any:
        return ["query", name, self._plain(args), len(self.log)]

    @workflow.update(dynamic=True)
    async def on_update(self, name: str, args: Sequence[RawValue]) -> Any:
        self.log.append(["update", name, self._plain(args)])
        return await workflow.execute_activity(noted, name, start_to_close_timeout=SHORT)

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> list[Any]:
        self.log.append([workflow.info().workflow_type, self._plain(args)])
        await workflow.wait_condition(lambda: self.over)
        return self.log


@program()
async def dynamic_handlers(stage: Stage) -> Any:
    handle = await stage.start("WhateverItIs", 1, "two", {"three": 3})
    await stage.idle(handle)
    await handle.signal("poke", args=[1, [2]])
    await stage.idle(handle, 2)
    seen = [await handle.query("how", "much"), await handle.execute_update("change", args=[None, True])]
    await stage.idle(handle, 4)
    await handle.signal("finish")
    return [seen, await handle.result()]


@workflow.defn
class Late:
    """Learns of its handlers while it runs."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    @workflow.signal
    def known(self, text: str) -> None:
        self.log.append(["known", text])

    @workflow.run
    async def run(self) -> list[Any]:
        self.log.append("run")
        await workflow.sleep(0.4)
        workflow.set_signal_handler("one", lambda text: self.log.append(["one", text]))
        self.log.append("one is set")
        await workflow.sleep(0.01)

        def other(name: str, args: Sequence[RawValue]) -> None:
            self.log.append(["other", name, len(args)])

        workflow.set_dynamic_signal_handler(other)
        workflow.set_query_handler("late", lambda: len(self.log))
        workflow.set_update_handler("late", self.late, validator=self.check)
        await workflow.wait_condition(lambda: "late" in self.log)
        return self.log

    def late(self, text: str) -> int:
        self.log.append("late")
        return len(self.log)

    def check(self, text: str) -> None:
        if text == "bad":
            raise ValueError("not that")


@program()
async def signals_before_their_handlers(stage: Stage) -> Any:
    handle = await stage.start(Late.run, start_delay=timedelta(milliseconds=800))
    for name in ("two", "one", "known", "two", "three", "one"):
        await handle.signal(name, name.upper())
    await stage.until(handle, "TIMER_FIRED", 2)
    await stage.idle(handle, 3)
    told = [await handle.query("late"), await outcome(handle.query("early"))]
    told.append(await outcome(handle.execute_update("late", "bad")))
    told.append(await handle.execute_update("late", "good"))
    return [told, await handle.result()]


@workflow.defn
class Asked:
    """Answers queries, while it runs and after."""

    def __init__(self) -> None:
        self.stage = "made"

    @workflow.query
    def where(self) -> str:
        return self.stage

    @workflow.query(name="sum", description="Adds.")
    def add(self, left: int, right: int = 10) -> int:
        return left + right

    @workflow.query
    def wrong(self) -> None:
        raise ApplicationError("no answer", {"why": 1}, type="Wrong")

    @workflow.query
    def meddling(self) -> None:
        workflow.start_activity(noted, "no", start_to_close_timeout=SHORT)

    @workflow.signal
    def finish(self) -> None:
        self.stage = "finishing"

    @workflow.run
    async def run(self) -> str:
        self.stage = "waiting"
        await workflow.wait_condition(lambda: self.stage == "finishing")
        self.stage = await workflow.execute_activity(noted, "end", start_to_close_timeout=SHORT)
        return self.stage


@program()
async def queries(stage: Stage) -> Any:
    handle = await stage.start(Asked.run)
    await stage.idle(handle)

    async def look() -> list[Any]:
        return [
            await handle.query(Asked.where),
            await handle.query(Asked.add, args=[1, 2]),
            await handle.query("sum", 5),
            await outcome(handle.query("wrong")),
            await outcome(handle.query("unknown")),
            await outcome(handle.query(Asked.where, reject_condition=QueryRejectCondition.NOT_OPEN)),
            len(await handle.query("__stack_trace")) > 40,
        ]

    seen = [await look(), "Read" in str(await outcome(handle.query("meddling")))]
    await handle.signal(Asked.finish)
    seen.append(await handle.result())
    seen.append((await look())[:-1])
    return seen


@workflow.defn
class Account:
    """Takes updates of all kinds."""

    def __init__(self) -> None:
        self.total = 0
        self.open = True
        self.log: list[Any] = []

    @workflow.update
    async def deposit(self, amount: int) -> int:
        self.total += amount
        return self.total

    @deposit.validator
    def check(self, amount: int) -> None:
        if amount <= 0:
            raise ApplicationError("must be more than nothing", amount, type="TooLittle")

    @workflow.update(name="slowly", description="Takes its time.")
    async def deposit_slowly(self, amount: int) -> str:
        info = workflow.current_update_info()
        assert info is not None
        await workflow.sleep(0.05)
        text = await workflow.execute_activity(noted, f"{info.name} {info.id}", start_to_close_timeout=SHORT)
        self.total += amount
        return text

    @workflow.update
    def fail(self) -> None:
        raise ApplicationError("after all", non_retryable=True) from KeyError("why")

    @workflow.update
    async def until(self, total: int) -> int:
        await workflow.wait_condition(lambda: self.total >= total)
        return self.total

    @workflow.signal
    async def close(self) -> None:
        self.open = False

    @workflow.run
    async def run(self, total: int = 0) -> int:
        self.total += total
        # The official worker, when it has to replay, runs an update that comes right behind a workflow task without
        # commands before the main function.
        workflow.upsert_memo({"open": True})
        await workflow.wait_condition(lambda: not self.open and workflow.all_handlers_finished())
        return self.total


@program()
async def updates(stage: Stage) -> Any:
    handle = await stage.start(Account.run, 100)
    await stage.idle(handle)
    seen: list[Any] = [
        await handle.execute_update(Account.deposit, 5, id="u1"),
        await handle.execute_update(Account.deposit, 7, id="u1"),
        await outcome(handle.execute_update(Account.deposit, -1, id="u2")),
        await outcome(handle.execute_update("unknown", 1)),
        await outcome(handle.execute_update(Account.fail)),
        await handle.execute_update(Account.deposit_slowly, 3, id="u3"),
    ]
    waiting = await handle.start_update(
        Account.until, 200, id="u4", wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    seen.append(await handle.execute_update(Account.deposit, 92))
    seen.append(await waiting.result())
    seen.append(await outcome(handle.get_update_handle("u2").result(rpc_timeout=timedelta(seconds=1))))
    await handle.signal(Account.close)
    seen.append(await handle.result())
    seen.append(await handle.get_update_handle("u3").result())
    seen.append(await outcome(handle.execute_update(Account.deposit, 1)))
    return seen


@workflow.defn
class Refusing:
    """Refuses most updates; its timers and conditions must not notice."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @workflow.update
    async def offer(self, text: str) -> str:
        self.seen.append(text)
        await workflow.sleep(0.02)
        return text.upper()

    @offer.validator
    def check(self, text: str) -> None:
        self.scratch = text
        if text.startswith("no"):
            raise ValueError(text)

    @workflow.signal
    def note(self, text: str) -> None:
        self.seen.append(text)

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: "stop" in self.seen)
        await asyncio.sleep(0.05)
        return self.seen


@program()
async def refused_updates(stage: Stage) -> Any:
    handle = await stage.start(Refusing.run)
    await stage.idle(handle)
    seen = [await outcome(handle.execute_update(Refusing.offer, f"no {index}")) for index in range(3)]
    await handle.signal(Refusing.note, "between")
    await stage.idle(handle, 2)
    seen.append(await outcome(handle.execute_update(Refusing.offer, "no more")))
    seen.append(await handle.execute_update(Refusing.offer, "yes"))
    seen.append(await outcome(handle.execute_update(Refusing.offer, "no again")))
    await handle.signal(Refusing.note, "stop")
    return [seen, await handle.result()]


@program()
async def update_with_start(stage: Stage) -> Any:
    def begin(policy: WorkflowIDConflictPolicy) -> Any:
        return WithStartWorkflowOperation(
            Account.run,
            args=[1],
            id=stage.id(),
            task_queue=stage.queue,
            id_conflict_policy=policy,
            execution_timeout=timedelta(seconds=60),
        )

    first = begin(WorkflowIDConflictPolicy.USE_EXISTING)
    seen = [
        await stage.client.execute_update_with_start_workflow(
            Account.deposit, 10, id="u1", start_workflow_operation=first
        )
    ]
    handle = stage.keep(await first.workflow_handle())
    await stage.idle(handle)
    seen.append(
        await stage.client.execute_update_with_start_workflow(
            Account.deposit,
            20,
            id="u2",
            start_workflow_operation=begin(WorkflowIDConflictPolicy.USE_EXISTING),
        )
    )
    seen.append(
        await outcome(
            stage.client.execute_update_with_start_workflow(
                Account.deposit,
                30,
                id="u3",
                start_workflow_operation=begin(WorkflowIDConflictPolicy.FAIL),
            )
        )
    )
    seen.append(
        await outcome(
            stage.client.execute_update_with_start_workflow(
                Account.deposit,
                -5,
                id="u4",
                start_workflow_operation=begin(WorkflowIDConflictPolicy.USE_EXISTING),
            )
        )
    )
    await handle.signal(Account.close)
    return [*seen, await handle.result()]


@program()
async def signal_with_start(stage: Stage) -> Any:
    first = await stage.start(Refusing.run, suffix="one", start_signal="note", start_signal_args=["first"])
    await stage.idle(first)
    again = await stage.start(Refusing.run, suffix="one", start_signal="note", start_signal_args=["stop"])
    stage.handles.pop()
    same = first.first_execution_run_id == again.first_execution_run_id
    return [same, await first.result()]
