"""Histories that a real service wrote, replayed against the code that made them and against code that was changed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from tenuto import workflow
from tenuto.client import WorkflowHistory
from tenuto.common import WorkerDeploymentVersion
from tenuto.converter import DataConverter
from tenuto.wire import history
from tenuto.worker.plugin import Plugin
from tenuto.worker.replayer import Replayer, ReplayerConfig, WorkflowReplayResult
from tests.worker.test_runs import BACKWARDS, Local, Steps, Waits
from tests.worker.town import Town

SOON = timedelta(seconds=5)


@workflow.defn
class Orders:
    @workflow.run
    async def run(self, count: int) -> int:
        total = 0
        for number in range(count):
            total += await workflow.execute_activity("echo", number, start_to_close_timeout=SOON)
        return total


@workflow.defn(name="Orders")
class OrdersOfAnotherKind:
    @workflow.run
    async def run(self, count: int) -> int:
        total = 0
        for number in range(count):
            total += await workflow.execute_activity("reverb", number, start_to_close_timeout=SOON)
        return total


@workflow.defn(name="Orders")
class OrdersWithPauses:
    @workflow.run
    async def run(self, count: int) -> int:
        await workflow.execute_activity("echo", 0, start_to_close_timeout=SOON)
        await asyncio.sleep(1)
        return count


@workflow.defn(name="Orders")
class OrdersThatEndEarly:
    @workflow.run
    async def run(self, count: int) -> int:
        await workflow.execute_activity("echo", 0, start_to_close_timeout=SOON)
        return count


SEEN: list[tuple[bool, Any]] = []


@workflow.defn(name="Orders")
class WatchfulOrders(Orders):
    @workflow.run
    async def run(self, count: int) -> int:
        for number in range(count):
            info = workflow.info()
            SEEN.append(
                (info.is_target_worker_deployment_version_changed(), info.get_current_deployment_version())
            )
            await workflow.execute_activity("echo", number, start_to_close_timeout=SOON)
        return 10


@workflow.defn(name="Orders")
class BrokenOrders:
    @workflow.run
    async def run(self, count: int) -> int:
        raise ValueError("broken")


def lived(*types: Any, converter: DataConverter | None = None) -> Any:
    """Let a town live through a script; the histories of the workflows it started."""

    def live(script: Any) -> list[WorkflowHistory]:
        async def main() -> list[WorkflowHistory]:
            async with Town(*types, converter=converter) as town, asyncio.timeout(60):
                started: list[str] = await script(town)
                return [WorkflowHistory(one, await town.history(one)) for one in started]

        return asyncio.run(main())

    return live


async def _orders(town: Town) -> list[str]:
    workflow_id = await town.start("Orders", 5)
    assert await town.result(workflow_id) == 10
    return [workflow_id]


@cache
def orders() -> WorkflowHistory:
    (only,) = lived(Orders)(_orders)
    assert isinstance(only, WorkflowHistory)
    return only


def replay(replayer: Replayer, told: WorkflowHistory) -> Exception | None:
    async def main() -> Exception | None:
        return (await replayer.replay_workflow(told, raise_on_replay_failure=False)).replay_failure

    return asyncio.run(main())


def test_the_code_that_made_it_replays_it() -> None:
    told = orders()
    assert replay(Replayer(workflows=[Orders]), told) is None
    assert replay(Replayer(workflows=[Orders]), WorkflowHistory.from_json("o", told.to_json())) is None


def test_everything_a_run_can_live_through_is_replayed() -> None:
    async def script(town: Town) -> list[str]:
        waits, steps = await town.start("Waits"), await town.start("Steps", 5)
        local = await town.start("Local", "slow", task_seconds=1)
        await town.update(waits, "push", "a")
        await town.signal(waits, "add", "b")
        await town.query(waits, "so_far")
        await town.signal(waits, "close")
        for one in (waits, steps, local):
            await town.result(one)
        return [waits, steps, local]

    replayer = Replayer(workflows=[Waits, Steps, Local])
    assert [replay(replayer, told) for told in lived(Waits, Steps, Local)(script)] == [None] * 3


@pytest.mark.parametrize("changed", [OrdersOfAnotherKind, OrdersWithPauses, OrdersThatEndEarly])
def test_changed_code_is_found_out(changed: type) -> None:
    failure = replay(Replayer(workflows=[changed]), orders())
    assert isinstance(failure, workflow.NondeterminismError)
    assert "[TMPRL1100] Nondeterminism error" in str(failure)


def test_code_that_fails_otherwise_is_told_apart() -> None:
    failure = replay(Replayer(workflows=[BrokenOrders]), orders())
    assert type(failure) is RuntimeError
    assert "broken" in str(failure)
    failure = replay(Replayer(workflows=[Waits]), orders())
    assert type(failure) is RuntimeError
    assert "Orders is not registered" in str(failure)


def test_what_the_service_says_of_versions_is_seen_in_the_task_it_says_it() -> None:
    told = WorkflowHistory.from_json("o", orders().to_json())
    starts = [event for event in told.events if event.HasField("workflow_task_started_event_attributes")]
    starts[1].workflow_task_started_event_attributes.target_worker_deployment_version_changed = True
    done = [event for event in told.events if event.HasField("workflow_task_completed_event_attributes")]
    named = done[2].workflow_task_completed_event_attributes.deployment_version
    named.deployment_name, named.build_id = "shop", "1.2"
    SEEN.clear()
    assert replay(Replayer(workflows=[WatchfulOrders]), told) is None
    assert SEEN[:3] == [(False, None), (True, None), (False, WorkerDeploymentVersion("shop", "1.2"))]


def test_a_history_with_a_gap_is_no_history() -> None:
    events = orders().events
    failure = replay(Replayer(workflows=[Orders]), WorkflowHistory("o", [*events[:3], *events[4:]]))
    assert type(failure) is RuntimeError
    assert "event 5 where 4 was expected" in str(failure)


@pytest.mark.parametrize("count", range(1, 36))
def test_every_beginning_of_a_history_is_replayed(count: int) -> None:
    assert replay(Replayer(workflows=[Orders]), WorkflowHistory("o", orders().events[:count])) is None


def test_what_is_behind_the_last_start_counts_too() -> None:
    beginning = WorkflowHistory("o", orders().events[:5])
    assert replay(Replayer(workflows=[Orders]), beginning) is None
    assert replay(Replayer(workflows=[OrdersOfAnotherKind]), beginning) is not None


def test_failures_are_raised_unless_they_are_wanted() -> None:
    async def main() -> None:
        replayer = Replayer(workflows=[OrdersWithPauses])
        with pytest.raises(workflow.NondeterminismError):
            await replayer.replay_workflow(orders())
        with pytest.raises(workflow.NondeterminismError):
            await replayer.replay_workflows(several(orders()))
        results = await replayer.replay_workflows(several(orders(), orders()), raise_on_replay_failure=False)
        assert list(results.replay_failures) == [orders().run_id]

    asyncio.run(main())


async def several(*told: WorkflowHistory) -> AsyncIterator[WorkflowHistory]:
    for one in told:
        yield one


def test_results_come_one_by_one() -> None:
    async def main() -> list[bool]:
        told = WorkflowHistory("o", orders().events[:-3])
        async with Replayer(workflows=[OrdersThatEndEarly]).workflow_replay_iterator(
            several(orders(), WorkflowHistory("o", told.events[:7]))
        ) as results:
            return [result.replay_failure is None async for result in results]

    assert asyncio.run(main()) == [False, True]


def test_encoded_histories_are_replayed_and_left_as_they_are() -> None:
    (told,) = lived(Orders, converter=BACKWARDS)(_orders)
    before = told.to_json()
    assert replay(Replayer(workflows=[Orders], data_converter=BACKWARDS), told) is None
    assert told.to_json() == before
    assert json.loads(before)["events"]


def test_on_threads_of_an_executor_too() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as executor:
        assert replay(Replayer(workflows=[Orders], workflow_task_executor=executor), orders()) is None
        changed = Replayer(workflows=[OrdersWithPauses], workflow_task_executor=executor)
        assert isinstance(replay(changed, orders()), workflow.NondeterminismError)


class Watches(Plugin):
    """Adds a workflow, and counts what is replayed."""

    def __init__(self, adds: Sequence[type]) -> None:
        self.adds = adds
        self.seen: list[str] = []

    def configure_worker(self, config: Any) -> Any:
        return config

    async def run_worker(self, worker: Any, next: Any) -> None:
        await next(worker)

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        config["workflows"] = [*config["workflows"], *self.adds]
        return config

    def run_replayer(
        self,
        replayer: Replayer,
        histories: AsyncIterator[WorkflowHistory],
        next: Callable[..., AbstractAsyncContextManager[AsyncIterator[WorkflowReplayResult]]],
    ) -> AbstractAsyncContextManager[AsyncIterator[WorkflowReplayResult]]:
        async def noted() -> AsyncIterator[WorkflowHistory]:
            async for told in histories:
                self.seen.append(told.workflow_id)
                yield told

        return next(replayer, noted())


def test_plugins_configure_a_replayer_and_stand_around_it() -> None:
    plugin = Watches([Orders])
    replayer = Replayer(workflows=[Waits], plugins=[plugin])
    assert replay(replayer, orders()) is None
    assert plugin.seen == [orders().workflow_id]
    assert replayer.config()["workflows"] == [Waits]
    assert replayer.config(active_config=True)["workflows"] == [Waits, Orders]


def test_a_replayer_wants_workflows() -> None:
    with pytest.raises(ValueError, match="At least one workflow"):
        Replayer(workflows=[])
    with pytest.raises(ValueError, match="More than one workflow named Orders"):
        Replayer(workflows=[Orders, BrokenOrders])


def test_a_run_that_nobody_worked_on_is_fine() -> None:
    first: list[history.HistoryEvent] = list(orders().events[:2])
    assert replay(Replayer(workflows=[Orders]), WorkflowHistory("o", first)) is None
