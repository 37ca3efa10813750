"""The worker: made of a client and the code it may run, it takes work from one task queue until it is told to stop.

Its parts are put together in `tenuto.worker.assembly`; this file starts them and ends them. It must never know what a
task means.
"""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

from tenuto.worker.assembly import Assembly
from tenuto.worker.config import (
    PollerBehavior,
    PollerBehaviorSimpleMaximum,
    WorkerConfig,
    WorkerDeploymentConfig,
    check,
)
from tenuto.worker.interceptor import Interceptor
from tenuto.worker.plugin import Plugin
from tenuto.worker.runner import PatchActivationInput, UnsandboxedWorkflowRunner, WorkflowRunner
from tenuto.worker.tuner import WorkerTuner
from tenuto.worker.workflow_sandbox import SandboxedWorkflowRunner

if TYPE_CHECKING:
    from types import TracebackType

    from tenuto.client import Client
    from tenuto.worker.shared_state import SharedStateManager

logger = logging.getLogger("tenuto.worker")

_WATCHED: WorkflowRunner = SandboxedWorkflowRunner()
_UNWATCHED: WorkflowRunner = UnsandboxedWorkflowRunner()
_FIVE_POLLS: PollerBehavior = PollerBehaviorSimpleMaximum()


class Worker:
    """Runs workflows and activities of one task queue.

    ``async with Worker(...):`` runs it as long as the block; `run` runs it until `shutdown` is called or the task is
    cancelled. A worker runs once. Several workers, and the server itself, may share one process and one event loop.
    """

    def __init__(
        self,
        client: Client,
        *,
        task_queue: str,
        activities: Sequence[Callable[..., Any]] = (),
        nexus_service_handlers: Sequence[Any] = (),
        workflows: Sequence[Any] = (),
        activity_executor: Executor | None = None,
        activity_processes: int = 0,
        workflow_task_executor: ThreadPoolExecutor | None = None,
        nexus_task_executor: ThreadPoolExecutor | None = None,
        workflow_runner: WorkflowRunner = _WATCHED,
        unsandboxed_workflow_runner: WorkflowRunner = _UNWATCHED,
        plugins: Sequence[Plugin] = (),
        interceptors: Sequence[Interceptor] = (),
        build_id: str | None = None,
        identity: str | None = None,
        max_cached_workflows: int = 1000,
        max_concurrent_workflow_tasks: int | None = None,
        max_concurrent_activities: int | None = None,
        max_concurrent_local_activities: int | None = None,
        max_concurrent_nexus_tasks: int | None = None,
        tuner: WorkerTuner | None = None,
        max_concurrent_workflow_task_polls: int | None = None,
        nonsticky_to_sticky_poll_ratio: float = 0.2,
        max_concurrent_activity_task_polls: int | None = None,
        no_remote_activities: bool = False,
        sticky_queue_schedule_to_start_timeout: timedelta = timedelta(seconds=10),
        max_heartbeat_throttle_interval: timedelta = timedelta(seconds=60),
        default_heartbeat_throttle_interval: timedelta = timedelta(seconds=30),
        max_activities_per_second: float | None = None,
        max_task_queue_activities_per_second: float | None = None,
        max_eager_activity_reservations_per_workflow_task: int = 3,
        graceful_shutdown_timeout: timedelta = timedelta(),
        plugin_shutdown_timeout: timedelta | None = timedelta(seconds=60),
        workflow_failure_exception_types: Sequence[type[BaseException]] = (),
        shared_state_manager: SharedStateManager | None = None,
        debug_mode: bool = False,
        deadlock_timeout: timedelta | None = timedelta(seconds=2),
        disable_eager_activity_execution: bool = False,
        on_fatal_error: Callable[[BaseException], Awaitable[None]] | None = None,
        use_worker_versioning: bool = False,
        disable_safe_workflow_eviction: bool = False,
        deployment_config: WorkerDeploymentConfig | None = None,
        patch_activation_callback: Callable[[PatchActivationInput], bool] | None = None,
        workflow_task_poller_behavior: PollerBehavior = _FIVE_POLLS,
        activity_task_poller_behavior: PollerBehavior = _FIVE_POLLS,
        nexus_task_poller_behavior: PollerBehavior = _FIVE_POLLS,
        disable_payload_error_limit: bool = False,
        max_workflow_task_external_storage_concurrency: int = 3,
    ) -> None:
        """Make a worker; nothing is polled before it runs.

        ``workflows``: classes with ``@workflow.defn``, functions with ``@workflow``. ``activities``: functions, methods or
        callable objects with ``@activity.defn``, or made with ``@activity``. Sync activities run in ``activity_executor``,
        without one in a thread pool of the worker's own, or in ``activity_processes`` processes.

        ``workflow_task_executor`` moves workflow code from the loop to threads. ``max_cached_workflows`` runs stay in memory
        between workflow tasks (0: none, every task replays). ``max_concurrent_*`` are 100 each without a ``tuner``, which
        excludes them. ``max_activities_per_second`` bounds this worker, ``max_task_queue_activities_per_second`` the queue.
        ``graceful_shutdown_timeout``: how long activities may go on after `shutdown` before they are cancelled.
        ``workflow_failure_exception_types``: errors that fail a workflow instead of its task. ``deadlock_timeout``: how long
        workflow code may run without yielding, None for ever; ``debug_mode`` (or TEMPORAL_DEBUG) is that too.
        ``disable_payload_error_limit``: send even what the service said that it refuses as too large.
        ``on_fatal_error`` is awaited before a worker that cannot go on stops.

        Raises ValueError when nothing is registered or options exclude each other, TypeError for an activity that is none.
        """
        config = WorkerConfig(
            client=client,
            task_queue=task_queue,
            activities=activities,
            nexus_service_handlers=nexus_service_handlers,
            workflows=workflows,
            activity_executor=activity_executor,
            activity_processes=activity_processes,
            workflow_task_executor=workflow_task_executor,
            nexus_task_executor=nexus_task_executor,
            workflow_runner=workflow_runner,
            unsandboxed_workflow_runner=unsandboxed_workflow_runner,
            plugins=plugins,
            interceptors=interceptors,
            build_id=build_id,
            identity=identity,
            max_cached_workflows=max_cached_workflows,
            max_concurrent_workflow_tasks=max_concurrent_workflow_tasks,
            max_concurrent_activities=max_concurrent_activities,
            max_concurrent_local_activities=max_concurrent_local_activities,
            max_concurrent_nexus_tasks=max_concurrent_nexus_tasks,
            tuner=tuner,
            max_concurrent_workflow_task_polls=max_concurrent_workflow_task_polls,
            nonsticky_to_sticky_poll_ratio=nonsticky_to_sticky_poll_ratio,
            max_concurrent_activity_task_polls=max_concurrent_activity_task_polls,
            no_remote_activities=no_remote_activities,
            sticky_queue_schedule_to_start_timeout=sticky_queue_schedule_to_start_timeout,
            max_heartbeat_throttle_interval=max_heartbeat_throttle_interval,
            default_heartbeat_throttle_interval=default_heartbeat_throttle_interval,
            max_activities_per_second=max_activities_per_second,
            max_task_queue_activities_per_second=max_task_queue_activities_per_second,
            max_eager_activity_reservations_per_workflow_task=max_eager_activity_reservations_per_workflow_task,
            graceful_shutdown_timeout=graceful_shutdown_timeout,
            plugin_shutdown_timeout=plugin_shutdown_timeout,
            workflow_failure_exception_types=workflow_failure_exception_types,
            shared_state_manager=shared_state_manager,
            debug_mode=debug_mode,
            deadlock_timeout=deadlock_timeout,
            disable_eager_activity_execution=disable_eager_activity_execution,
            on_fatal_error=on_fatal_error,
            use_worker_versioning=use_worker_versioning,
            disable_safe_workflow_eviction=disable_safe_workflow_eviction,
            deployment_config=deployment_config,
            patch_activation_callback=patch_activation_callback,
            workflow_task_poller_behavior=workflow_task_poller_behavior,
            activity_task_poller_behavior=activity_task_poller_behavior,
            nexus_task_poller_behavior=nexus_task_poller_behavior,
            disable_payload_error_limit=disable_payload_error_limit,
            max_workflow_task_external_storage_concurrency=max_workflow_task_external_storage_concurrency,
        )
        self._given = config.copy()
        self._plugins = _all_plugins(client, plugins)
        for plugin in self._plugins:
            config = plugin.configure_worker(config)
        check(config)
        if os.environ.get("TEMPORAL_DEBUG"):
            config["debug_mode"] = True
        self._config = config
        self._started = False
        self._complete = asyncio.Event()
        self._stop = asyncio.Event()
        self._error: BaseException | None = None
        self._block: _Block | None = None
        self._parts = Assembly(config, self._plugins, self._fail)

    # ---- facts ----------------------------------------------------------------------------------------------------------

    def config(self, *, active_config: bool = False) -> WorkerConfig:
        """What the worker was made with; ``active_config``: as plugins left it."""
        return (self._config if active_config else self._given).copy()

    @property
    def task_queue(self) -> str:
        """Where it takes work from."""
        return self._config["task_queue"]

    @property
    def client(self) -> Client:
        """What it calls the service with. Set another one of the same namespace: calls from then on go through it.

        Polls that are out come back the old way first. Raises ValueError for another namespace.
        """
        return self._parts.client

    @client.setter
    def client(self, value: Client) -> None:
        self._parts.use_client(value)
        self._given["client"] = value
        self._config["client"] = value

    @property
    def is_running(self) -> bool:
        """Started, and not yet shut down."""
        return self._started and not self.is_shutdown

    @property
    def is_shutdown(self) -> bool:
        """It ran, and has ended."""
        return self._complete.is_set()

    # ---- running --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until `shutdown` or a fatal error, then end in order and, after a fatal error, raise it.

        Cancelling it shuts the worker down too. Raises RuntimeError when it has run before.
        """
        self._begin()
        await self._run()

    def _begin(self) -> None:
        if self._started:
            raise RuntimeError("A worker runs once: make another one")
        self._started = True
        self._parts.offer()

    async def _run(self) -> None:
        run: Callable[[Worker], Awaitable[None]] = Worker._work
        for plugin in reversed(self._plugins):
            run = partial(_through, plugin, run)
        try:
            await run(self)
        finally:
            self._parts.withdraw()
            self._complete.set()

    async def shutdown(self) -> None:
        """Take no more work, let what is at work end, and return when all is done.

        Activities are told at once and cancelled after ``graceful_shutdown_timeout``. May be called at any time and again;
        for a worker that was never started it only makes a later `run` end at once.
        """
        self._stop.set()
        if self._started:
            await self._complete.wait()

    async def __aenter__(self) -> Self:
        """Start; if the worker fails, the block is cancelled and the failure raised at its end."""
        self._begin()
        task = asyncio.current_task()
        assert task is not None
        self._block = _Block(self._run(), task)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shut down. Raises the worker's own failure if it cancelled the block."""
        block = self._block
        assert block is not None
        self._stop.set()
        await block.leave(kind, self._complete, self._config.get("plugin_shutdown_timeout"))

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
            self._stop.set()

    async def _work(self) -> None:
        try:
            try:
                await self._parts.start()
                await self._stop.wait()
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the worker ends in order and then raises it
                self._fail(error)
            if self._error is not None:
                await self._tell_fatal(self._error)
        finally:
            self._stop.set()
            await self._parts.stop()
            self._complete.set()
        if self._error is not None:
            raise self._error

    async def _tell_fatal(self, error: BaseException) -> None:
        logger.error("Worker of task queue %s cannot go on: %s", self.task_queue, error, exc_info=error)
        tell = self._config.get("on_fatal_error")
        if tell is None:
            return
        try:
            await tell(error)
        except Exception:
            logger.exception("on_fatal_error failed")


def _through(plugin: Plugin, run: Callable[[Worker], Awaitable[None]], worker: Worker) -> Awaitable[None]:
    return plugin.run_worker(worker, run)


def _all_plugins(client: Client, own: Sequence[Plugin]) -> list[Plugin]:
    """The client's that are for workers too, then the worker's own."""
    inherited = [cast(Plugin, one) for one in client.config()["plugins"] if isinstance(one, Plugin)]
    kinds = {type(one) for one in own}
    for plugin in inherited:
        if type(plugin) in kinds:
            warnings.warn(
                f"The same plugin type {type(plugin)} is present from both client and worker. "
                "It may run twice and may not be the intended behavior.",
                stacklevel=4,
            )
    return [*inherited, *own]


class _Block:
    """A worker that runs as long as an ``async with`` block of a task."""

    def __init__(self, running: Any, host: asyncio.Task[Any]) -> None:
        self._host = host
        self._left = False
        self._cancelled = False
        self._task: asyncio.Task[None] = asyncio.get_running_loop().create_task(running)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not self._left and not task.cancelled() and task.exception() is not None:
            self._cancelled = True
            self._host.cancel()

    async def leave(
        self, kind: type[BaseException] | None, complete: asyncio.Event, patience: timedelta | None
    ) -> None:
        """Wait for the end, at most ``patience`` after the worker itself has ended, and raise what it failed with."""
        self._left = True
        if self._cancelled:
            if kind is not None and issubclass(kind, asyncio.CancelledError):
                self._host.uncancel()
                await self._task
            return
        ended = asyncio.ensure_future(complete.wait())
        try:
            await asyncio.wait({self._task, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not self._task.done():
                seconds = None if patience is None else patience.total_seconds()
                await asyncio.wait({self._task}, timeout=seconds)
            if not self._task.done():
                logger.warning("Plugins were still busy %g s after the worker had ended", seconds)
                self._task.cancel()
                await asyncio.wait({self._task})
                return
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        finally:
            ended.cancel()
        error = None if self._task.cancelled() else self._task.exception()
        if error is not None and kind is None:
            raise error
