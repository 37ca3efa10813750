"""A test environment is a whole service in the test's own process, and its time jumps."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tenuto.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from tenuto.exceptions import ActivityError, ApplicationError, TimeoutError, TimeoutType
from tenuto.testing import TimeSkipper, TimeSkippingConfig, WorkflowEnvironment
from tenuto.testing.checking import DeterminismWarning
from tests.testing import flows

Scene = Callable[[WorkflowEnvironment], Coroutine[Any, Any, None]]

A_MOMENT = 25
"""Seconds that a slow machine, which stalls at times, may take over what would take days."""


def _play(scene: Scene, **options: Any) -> None:
    async def run() -> None:
        async with await WorkflowEnvironment.start_time_skipping(task_queue="q", **options) as env:
            async with asyncio.timeout(60):
                await scene(env)

    asyncio.run(run())


async def _ahead(env: WorkflowEnvironment) -> float:
    """Days that the environment is ahead of the real world."""
    return (await env.get_current_time() - datetime.now(UTC)) / timedelta(days=1)


def test_it_starts_in_less_than_a_tenth_of_a_second() -> None:
    async def run() -> float:
        started = time.perf_counter()
        async with await WorkflowEnvironment.start_time_skipping():
            return time.perf_counter() - started

    # Of the quickest: whoever shares the machine may hold up some.
    assert min(asyncio.run(run()) for _ in range(10)) < 0.1


def test_a_worker_and_a_start_that_name_no_queue_meet() -> None:
    async def scene() -> None:
        async with await WorkflowEnvironment.start_time_skipping() as env:
            async with env.worker(workflows=[flows.Slow]):
                assert await env.client.execute_workflow(flows.Slow.run, 5) == "all done"

    asyncio.run(scene())


def test_time_jumps_while_a_result_is_waited_for() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        assert abs(await _ahead(env)) < 0.01
        async with env.worker(workflows=[flows.Slow]):
            assert await env.client.execute_workflow(flows.Slow.run, 30, id="slow") == "all done"
        assert 29.99 <= await _ahead(env) < 30.01

    _play(scene)


def test_a_month_of_sleeps_and_activities_takes_a_moment() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[flows.Month], activities=[flows.one]):
            started = time.perf_counter()
            assert await env.client.execute_workflow(flows.Month.run, id="month") == 30
            assert time.perf_counter() - started < A_MOMENT

    _play(scene)


def test_retries_do_not_wait_really() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[flows.Persistent], activities=[flows.fifth_time]):
            assert await env.client.execute_workflow(flows.Persistent.run, id="persistent") == 5
        assert await _ahead(env) * 24 > 4

    _play(scene)


def test_nothing_jumps_while_nobody_waits() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[flows.Slow]):
            handle = await env.client.start_workflow(flows.Slow.run, 1, id="slow")
            await handle.query(flows.Slow.current_time)
            assert abs(await _ahead(env)) < 0.01
            assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING

    _play(scene)


def test_a_sleep_jumps_and_lets_everything_on_the_way_happen() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[flows.Month], activities=[flows.one]):
            handle = await env.client.start_workflow(flows.Month.run, id="month")
            await env.sleep(timedelta(days=29))
            assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
            await env.sleep(timedelta(days=2))
            assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED

    _play(scene)


def test_workflow_code_sees_the_jump() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[flows.Slow]):
            handle = await env.client.start_workflow(flows.Slow.run, 1, id="slow")

            async def seen() -> float:
                await handle.signal(flows.Slow.poke)
                return await handle.query(flows.Slow.current_time) - time.time()

            assert abs(await seen()) < 30
            await env.sleep(1000)
            assert 970 < await seen() < 1030

    _play(scene)


def test_time_can_be_kept_from_jumping() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[flows.Slow]):
            with env.auto_time_skipping_disabled():
                started = time.monotonic()
                await env.client.execute_workflow(flows.Slow.run, 0.3 / 86_400, id="slow")
                assert time.monotonic() - started >= 0.3

    _play(scene)


def test_an_activity_can_sleep_past_its_own_heartbeat_timeout() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[flows.WaitsForDozing], activities=[flows.Dozing(env).doze]):
            with pytest.raises(WorkflowFailureError) as failed:
                await env.client.execute_workflow(flows.WaitsForDozing.run, id="dozing")
        assert isinstance(failed.value.cause, ActivityError)
        assert isinstance(failed.value.cause.cause, TimeoutError)
        assert failed.value.cause.cause.type is TimeoutType.HEARTBEAT

    _play(scene)


def test_an_update_that_sleeps_is_waited_for_in_no_time() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[flows.Slow]):
            handle = await env.client.start_workflow(flows.Slow.run, 10, id="slow")
            assert await handle.execute_update(flows.Slow.nap, 2) == pytest.approx(2 * 86_400, abs=A_MOMENT)

    _play(scene)


def test_without_a_worker_a_workflow_times_out_at_once() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        started = time.monotonic()
        with pytest.raises(WorkflowFailureError) as failed:
            await env.client.execute_workflow("Nobody's", id="lonely", execution_timeout=timedelta(hours=9))
        assert isinstance(failed.value.cause, TimeoutError)
        assert time.monotonic() - started < A_MOMENT

    _play(scene)


def test_a_failed_assertion_fails_the_workflow() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[flows.Asserting]):
            with pytest.raises(WorkflowFailureError) as failed:
                await env.client.execute_workflow(flows.Asserting.run, False, id="asserting")
            assert isinstance(failed.value.cause, ApplicationError)
            assert failed.value.cause.message.startswith('assert len("foo") == 4')
            handle = await env.client.start_workflow(flows.Asserting.run, True, id="signalled")
            await handle.signal(flows.Asserting.poke)
            with pytest.raises(WorkflowFailureError):
                await handle.result()

    _play(scene)


def test_search_attributes_are_registered() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[flows.Coloured]):
            await env.client.execute_workflow(flows.Coloured.run, id="red")
        told = await env.client.get_workflow_handle("red").describe()
        assert told.typed_search_attributes[flows.COLOUR] == "red"

    _play(scene, search_attributes=[flows.COLOUR])


def test_another_client_of_the_same_service_can_be_made() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[flows.Slow]):
            handle = await env.client.start_workflow(flows.Slow.run, 1, id="slow")
            other = await env.connect_client()
            assert await other.get_workflow_handle(handle.id).result() == "all done"

    _play(scene)


def test_other_processes_can_reach_it_when_it_listens() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        assert env.address is not None
        async with await Client.connect(env.address) as remote, env.worker(workflows=[flows.Slow]):
            assert await remote.execute_workflow(flows.Slow.run, 5, id="slow", task_queue="q") == "all done"

    _play(scene, port=0)


def test_time_jumps_only_when_asked_where_skipping_is_off() -> None:
    async def run() -> None:
        off = TimeSkippingConfig(enabled=False)
        async with await WorkflowEnvironment.start_time_skipping_v2(ts_config=off, task_queue="q") as env:
            async with env.worker(workflows=[flows.Slow]):
                handle = await env.client.start_workflow(flows.Slow.run, 1, id="slow")
                with pytest.raises(asyncio.TimeoutError):
                    async with asyncio.timeout(0.2):
                        await handle.result()
                await env.fast_forward(handle, timedelta(days=1))
                assert await handle.result() == "all done"

    asyncio.run(run())


def test_a_skipper_moves_the_time_of_a_clients_environment() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        skipper = TimeSkipper(env.client, config=TimeSkippingConfig(enabled=False))
        async with env.worker(workflows=[flows.Slow]):
            handle = await env.client.start_workflow(flows.Slow.run, 1, id="slow")
            await skipper.fast_forward(handle, timedelta(hours=23))
            assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
            skipper.config = TimeSkippingConfig()
            assert await handle.result() == "all done"

    _play(scene)


def test_a_local_environment_keeps_real_time_and_can_keep_a_file(tmp_path: Any) -> None:
    async def run(first: bool) -> None:
        async with await WorkflowEnvironment.start_local(
            dev_server_database_filename=str(tmp_path / "kept.db"),
            search_attributes=[flows.COLOUR],
            dev_server_log_level="error",
            ui=True,
            task_queue="q",
        ) as env:
            assert not env.supports_time_skipping
            if first:
                async with env.worker(workflows=[flows.Coloured]):
                    await env.client.execute_workflow(flows.Coloured.run, id="red")
            found = [each.id async for each in env.client.list_workflows("WorkflowId = 'red'")]
            assert found == ["red"]

    asyncio.run(run(True))
    asyncio.run(run(False))


def test_the_guard_stands_in_workers() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        with pytest.warns(DeterminismWarning, match=r"Careless.run calls time.time\(\)"):
            worker = env.worker(workflows=[flows.Careless], workflow_failure_exception_types=[Exception])
        async with worker:
            with pytest.raises(WorkflowFailureError) as failed:
                await env.client.execute_workflow(flows.Careless.run, id="careless")
        assert isinstance(failed.value.cause, ApplicationError)
        assert failed.value.cause.type == "RestrictedWorkflowAccessError"
        assert "use workflow.time()" in failed.value.cause.message

    _play(scene)


def test_a_client_of_a_service_elsewhere_has_real_time() -> None:
    async def scene(env: WorkflowEnvironment) -> None:
        other = WorkflowEnvironment.from_client(env.client)
        assert not other.supports_time_skipping
        with other.auto_time_skipping_disabled():
            assert abs((await other.get_current_time() - datetime.now(UTC)).total_seconds()) < A_MOMENT

    _play(scene)


def test_an_environment_that_is_shut_down_says_so() -> None:
    async def run() -> None:
        env = await WorkflowEnvironment.start_time_skipping()
        await env.shutdown()
        await env.shutdown()
        with pytest.raises(RuntimeError, match="shut down"):
            await env.get_current_time()

    asyncio.run(run())


def test_another_client_is_let_in_as_the_first_was() -> None:
    async def run() -> None:
        first = await Client.connect(
            "localhost:1", namespace="n", api_key="key", tls=False, rpc_metadata={"team": "a"}, lazy=True
        )
        env = WorkflowEnvironment.from_client(first)
        other = await env.connect_client(lazy=True)
        config = other.service_client.config
        assert (other.namespace, config.target_host, config.api_key) == ("n", "localhost:1", "key")
        assert (config.tls, config.rpc_metadata) == (False, {"team": "a"})
        named = await env.connect_client(lazy=True, namespace="m", api_key="another")
        assert (named.namespace, named.service_client.config.api_key) == ("m", "another")

    asyncio.run(run())
