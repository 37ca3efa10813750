"""A plugin for clients, workers and replayers at once, made from values instead of a class.

This file must never know what the values do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from tenuto import client as _client
from tenuto import worker as _worker

if TYPE_CHECKING:
    from tenuto.client import ClientConfig, WorkflowHistory
    from tenuto.converter import DataConverter
    from tenuto.transport.config import ConnectConfig
    from tenuto.transport.services import ServiceClient
    from tenuto.worker import (
        Replayer,
        ReplayerConfig,
        Worker,
        WorkerConfig,
        WorkflowReplayResult,
        WorkflowRunner,
    )

T = TypeVar("T")

PluginParameter: TypeAlias = T | Callable[[T | None], T] | None
"""A value to set or to add, or a function from what there was to what there shall be."""
AnyInterceptor: TypeAlias = "_client.Interceptor | _worker.Interceptor"


class SimplePlugin(_client.Plugin, _worker.Plugin):
    """Give one to a client: its workers have it too. Or to a worker or replayer alone.

    ``name`` identifies it. Of the rest, sequences are added to what is given elsewhere (``workflow_failure_exception_types``
    too), single values take their place; a function gets what there was (None: nothing) and returns what there shall be.
    ``interceptors`` may be client's, worker's, or both at once. ``run_context`` makes an async context manager that is open
    while a worker or a replayer runs.
    """

    def __init__(
        self,
        name: str,
        *,
        data_converter: PluginParameter[DataConverter] = None,
        interceptors: Sequence[AnyInterceptor] | None = None,
        activities: PluginParameter[Sequence[Callable[..., Any]]] = None,
        nexus_service_handlers: PluginParameter[Sequence[Any]] = None,
        workflows: PluginParameter[Sequence[Any]] = None,
        workflow_runner: PluginParameter[WorkflowRunner] = None,
        workflow_failure_exception_types: PluginParameter[Sequence[type[BaseException]]] = None,
        run_context: Callable[[], AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        self._name = name
        self.data_converter = data_converter
        self.interceptors = interceptors
        self.activities = activities
        self.nexus_service_handlers = nexus_service_handlers
        self.workflows = workflows
        self.workflow_runner = workflow_runner
        self.workflow_failure_exception_types = workflow_failure_exception_types
        self.run_context = run_context

    def name(self) -> str:
        return self._name

    # ---- clients --------------------------------------------------------------------------------------------------------

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        converter = _replaced(self.data_converter, config.get("data_converter"))
        if converter is not None:
            config["data_converter"] = converter
        own = [one for one in self.interceptors or () if isinstance(one, _client.Interceptor)]
        if own:
            config["interceptors"] = [*config.get("interceptors", ()), *own]
        return config

    async def connect_service_client(
        self, config: ConnectConfig, next: Callable[[ConnectConfig], Awaitable[ServiceClient]]
    ) -> ServiceClient:
        return await next(config)

    # ---- workers --------------------------------------------------------------------------------------------------------

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        activities = _added(self.activities, config.get("activities"))
        if activities is not None:
            config["activities"] = activities
        handlers = _added(self.nexus_service_handlers, config.get("nexus_service_handlers"))
        if handlers is not None:
            config["nexus_service_handlers"] = handlers
        self._configure_workflows(config)
        own = self._worker_interceptors()
        if own:
            # Those that are the client's as well come to the worker by way of its client.
            client = config.get("client")
            known: Sequence[object] = (
                client.config(active_config=True)["interceptors"] if client is not None else ()
            )
            new = [one for one in own if not any(one is other for other in known)]
            config["interceptors"] = [*config.get("interceptors", ()), *new]
        return config

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        if self.run_context is None:
            await next(worker)
            return
        async with self.run_context():
            await next(worker)

    # ---- replayers ------------------------------------------------------------------------------------------------------

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        converter = _replaced(self.data_converter, config.get("data_converter"))
        if converter is not None:
            config["data_converter"] = converter
        self._configure_workflows(config)
        own = self._worker_interceptors()
        if own:
            config["interceptors"] = [*config.get("interceptors", ()), *own]
        return config

    def run_replayer(
        self,
        replayer: Replayer,
        histories: AsyncIterator[WorkflowHistory],
        next: Callable[
            [Replayer, AsyncIterator[WorkflowHistory]],
            AbstractAsyncContextManager[AsyncIterator[WorkflowReplayResult]],
        ],
    ) -> AbstractAsyncContextManager[AsyncIterator[WorkflowReplayResult]]:
        context = self.run_context
        if context is None:
            return next(replayer, histories)
        made = context()

        @asynccontextmanager
        async def within() -> AsyncIterator[AsyncIterator[WorkflowReplayResult]]:
            async with made, next(replayer, histories) as results:
                yield results

        return within()

    # ---- both -----------------------------------------------------------------------------------------------------------

    def _configure_workflows(self, config: WorkerConfig | ReplayerConfig) -> None:
        workflows = _added(self.workflows, config.get("workflows"))
        if workflows is not None:
            config["workflows"] = workflows
        runner = _replaced(self.workflow_runner, config.get("workflow_runner"))
        if runner is not None:
            config["workflow_runner"] = runner
        types = _added(self.workflow_failure_exception_types, config.get("workflow_failure_exception_types"))
        if types is not None:
            config["workflow_failure_exception_types"] = types

    def _worker_interceptors(self) -> list[_worker.Interceptor]:
        return [one for one in self.interceptors or () if isinstance(one, _worker.Interceptor)]


def _replaced(parameter: PluginParameter[T], there: T | None) -> T | None:
    if parameter is None:
        return there
    if callable(parameter):
        return parameter(there)
    return parameter


def _added(parameter: PluginParameter[Sequence[T]], there: Sequence[T] | None) -> Sequence[T] | None:
    if parameter is None:
        return there
    if callable(parameter):
        return parameter(there)
    return [*(there or ()), *parameter]
