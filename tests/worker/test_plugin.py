"""Plugins and interceptors: from the client and from the worker, outermost first, around everything a worker does."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from tenuto import client as client_room
from tenuto import worker as worker_room
from tenuto.client import Client, ClientConfig
from tenuto.converter import DataConverter
from tenuto.plugin import SimplePlugin
from tenuto.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    Replayer,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkerConfig,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)
from tests.worker.house import new_id, story
from tests.worker.programs import Calls, Greeting, greet, thread_name


class Trace(worker_room.Interceptor):
    """Writes down what passes."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        trace = self

        class Inbound(ActivityInboundInterceptor):
            async def execute_activity(self, input: ExecuteActivityInput) -> Any:
                trace.log.append(f"{trace.name}: activity")
                return await super().execute_activity(input)

        return Inbound(next)

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        trace = self

        class Inbound(WorkflowInboundInterceptor):
            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
                trace.log.append(f"{trace.name}: workflow")
                return await super().execute_workflow(input)

        return Inbound


class Both(client_room.Interceptor, Trace):
    """For clients and workers."""


@story
async def test_interceptors_of_the_client_that_are_for_workers_come_first(client: Client) -> None:
    log: list[str] = []
    config = client.config()
    config["interceptors"] = [Both("client", log)]
    traced = Client(**config)
    async with Worker(
        traced,
        task_queue="q",
        workflows=[Greeting],
        activities=[greet],
        interceptors=[Trace("outer", log), Trace("inner", log)],
        max_cached_workflows=10,
    ):
        await traced.execute_workflow(Greeting.run, "you", id=new_id(), task_queue="q")
    names = ["client", "outer", "inner"]
    assert log == [f"{name}: workflow" for name in names] + [f"{name}: activity" for name in names]


class Recorder(worker_room.Plugin):
    """A plugin of a worker's own."""

    def __init__(self, name: str, log: list[str]) -> None:
        self._name = name
        self.log = log

    def name(self) -> str:
        return self._name

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        self.log.append(f"{self._name} configures")
        config["task_queue"] = config["task_queue"] + self._name
        return config

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        self.log.append(f"{self._name} begins")
        try:
            await next(worker)
        finally:
            self.log.append(f"{self._name} ends")

    def configure_replayer(self, config: Any) -> Any:
        return config

    def run_replayer(self, replayer: Any, histories: Any, next: Any) -> Any:
        return next(replayer, histories)


@story
async def test_plugins_change_the_configuration_and_surround_the_run(client: Client) -> None:
    log: list[str] = []
    worker = Worker(
        client, task_queue="q", activities=[greet], plugins=[Recorder("a", log), Recorder("b", log)]
    )
    assert worker.task_queue == "qab"
    assert (worker.config()["task_queue"], worker.config(active_config=True)["task_queue"]) == ("q", "qab")
    async with worker:
        while len(log) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert log == ["a configures", "b configures", "a begins", "b begins"]
    assert log[4:] == ["b ends", "a ends"]


@story
async def test_a_plugin_that_dawdles_after_the_worker_is_cancelled_in_time(client: Client) -> None:
    class Slow(Recorder):
        async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
            await next(worker)
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                self.log.append("cancelled")
                raise

    log: list[str] = []
    async with Worker(
        client,
        task_queue="q",
        activities=[greet],
        plugins=[Slow("s", log)],
        plugin_shutdown_timeout=timedelta(milliseconds=50),
    ) as worker:
        await asyncio.sleep(0.02)
    assert log == ["s configures", "cancelled"] and worker.is_shutdown


@story
async def test_a_plugin_that_fails_ends_the_worker_with_its_error(client: Client) -> None:
    class Failing(Recorder):
        async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
            raise OSError("no")

    with pytest.raises(OSError, match="no"):
        async with Worker(client, task_queue="q", activities=[greet], plugins=[Failing("f", [])]):
            await asyncio.sleep(10)


@story
async def test_the_same_plugin_on_client_and_worker_is_warned_of(client: Client) -> None:
    config = client.config()
    config["plugins"] = [SimplePlugin("p")]
    with pytest.warns(UserWarning, match="present from both client and worker"):
        Worker(Client(**config), task_queue="q", activities=[greet], plugins=[SimplePlugin("p")])


class OtherConverter(DataConverter):
    """Another one, to be told apart."""


def test_a_simple_plugin_given_to_a_client_serves_its_workers_too() -> None:
    async def run() -> None:
        log: list[str] = []

        @asynccontextmanager
        async def around() -> AsyncIterator[None]:
            log.append("open")
            yield
            log.append("closed")

        plugin = SimplePlugin(
            "all",
            interceptors=[Both("plugin", log)],
            activities=[greet],
            workflows=lambda given: [*(given or ()), Greeting],
            workflow_failure_exception_types=[ValueError],
            run_context=around,
        )
        client = await Client.connect(f"memory://{uuid.uuid4().hex}", plugins=[plugin])
        worker = Worker(client, task_queue="q", workflows=[Calls], activities=[thread_name])
        active = worker.config(active_config=True)
        assert list(active["workflows"]) == [Calls, Greeting]
        assert list(active["activities"]) == [thread_name, greet]
        assert list(active["workflow_failure_exception_types"]) == [ValueError]
        assert list(active["interceptors"]) == []
        async with worker:
            result = await client.execute_workflow(Greeting.run, "you", id=new_id(), task_queue="q")
        assert result == "Hello, you!"
        assert log == ["open", "plugin: workflow", "plugin: activity", "closed"]
        await client.close()

    asyncio.run(run())


@story
async def test_a_simple_plugin_given_to_a_worker_alone_brings_its_interceptors(client: Client) -> None:
    log: list[str] = []
    plugin = SimplePlugin(
        "w", interceptors=[Trace("plugin", log)], workflow_runner=UnsandboxedWorkflowRunner()
    )
    worker = Worker(client, task_queue="q", workflows=[Greeting], activities=[greet], plugins=[plugin])
    assert isinstance(worker.config(active_config=True)["workflow_runner"], UnsandboxedWorkflowRunner)
    async with worker:
        await client.execute_workflow(Greeting.run, "you", id=new_id(), task_queue="q")
    assert log == ["plugin: workflow", "plugin: activity"]


@story
async def test_a_simple_plugin_replaces_or_changes_the_data_converter(client: Client) -> None:
    other = OtherConverter()
    config: ClientConfig = client.config()
    config["plugins"] = [SimplePlugin("c", data_converter=other)]
    assert Client(**config).data_converter is other
    seen: list[DataConverter | None] = []

    def changed(given: DataConverter | None) -> DataConverter:
        seen.append(given)
        return other

    config["plugins"] = [SimplePlugin("c", data_converter=changed)]
    assert Client(**config).data_converter is other
    assert seen == [client.data_converter]


@story
async def test_a_simple_plugin_serves_replayers(client: Client) -> None:
    log: list[str] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        log.append("open")
        yield
        log.append("closed")

    async with Worker(client, task_queue="q", workflows=[Greeting], activities=[greet]):
        handle = await client.start_workflow(Greeting.run, "you", id=new_id(), task_queue="q")
        await handle.result()
        history = await handle.fetch_history()
    plugin = SimplePlugin("r", workflows=[Greeting], interceptors=[Trace("plugin", log)], run_context=around)
    replayer = Replayer(workflows=[Calls], plugins=[plugin])
    result = await replayer.replay_workflow(history)
    assert result.replay_failure is None
    assert log == ["open", "plugin: workflow", "closed"]
