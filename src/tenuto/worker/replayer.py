"""Replays histories against today's code, without a service: whoever changed the code learns what it would break.

Histories go straight through `tenuto.run`. This file must never talk to a service, and never run an activity.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, cast

from tenuto.common import HeaderCodecBehavior
from tenuto.converter import DataConverter
from tenuto.exceptions import ApplicationError
from tenuto.run.history import check_ids, cut
from tenuto.run.run import Run
from tenuto.run.types import Completion, TaskFailure
from tenuto.wire import enums_failed
from tenuto.wire import history as wire
from tenuto.worker.config import WorkerConfig
from tenuto.worker.definitions import definitions
from tenuto.worker.driving import Driver
from tenuto.worker.interceptor import Interceptor
from tenuto.worker.payloads import Payloads
from tenuto.worker.registry import Registry
from tenuto.worker.runner import UnsandboxedWorkflowRunner, WorkflowRunner
from tenuto.worker.workflow_sandbox import SandboxedWorkflowRunner
from tenuto.workflow.errors import NondeterminismError

if TYPE_CHECKING:
    from tenuto.client import WorkflowHistory
    from tenuto.runtime import Runtime
    from tenuto.worker.contexts import Contexts
    from tenuto.worker.plugin import Plugin

DEADLOCK_TIMEOUT = timedelta(seconds=2)


class ReplayerConfig(TypedDict, total=False):
    """The parameters of `Replayer`, by name."""

    workflows: Sequence[Any]
    workflow_task_executor: ThreadPoolExecutor | None
    workflow_runner: WorkflowRunner
    unsandboxed_workflow_runner: WorkflowRunner
    namespace: str
    data_converter: DataConverter
    interceptors: Sequence[Interceptor]
    build_id: str | None
    identity: str | None
    workflow_failure_exception_types: Sequence[type[BaseException]]
    debug_mode: bool
    runtime: Runtime | None
    disable_safe_workflow_eviction: bool
    header_codec_behavior: HeaderCodecBehavior


@dataclass(frozen=True)
class WorkflowReplayResult:
    """What became of one history."""

    history: WorkflowHistory
    replay_failure: Exception | None
    """None when the code does what history says; a `NondeterminismError` when it does something else; a RuntimeError when
    the workflow task would fail for another reason."""


@dataclass(frozen=True)
class WorkflowReplayResults:
    """What became of many histories."""

    replay_failures: Mapping[str, Exception]
    """By run id; those that went well are not here."""


class Replayer:
    """Replays histories. Give it what the worker had: workflows, converter, interceptors, failure types.

    ``workflow_task_executor``: replay on its threads instead of the event loop's own. ``runtime``, ``identity`` and
    ``disable_safe_workflow_eviction`` change nothing; they are here because other clients of the protocol have them.
    Raises ValueError for no workflows, or for two of one name.
    """

    def __init__(
        self,
        *,
        workflows: Sequence[Any],
        workflow_task_executor: ThreadPoolExecutor | None = None,
        workflow_runner: WorkflowRunner | None = None,
        unsandboxed_workflow_runner: WorkflowRunner | None = None,
        namespace: str = "ReplayNamespace",
        data_converter: DataConverter | None = None,
        interceptors: Sequence[Interceptor] = (),
        plugins: Sequence[Plugin] = (),
        build_id: str | None = None,
        identity: str | None = None,
        workflow_failure_exception_types: Sequence[type[BaseException]] = (),
        debug_mode: bool = False,
        runtime: Runtime | None = None,
        disable_safe_workflow_eviction: bool = False,
        header_codec_behavior: HeaderCodecBehavior = HeaderCodecBehavior.NO_CODEC,
    ) -> None:
        config = ReplayerConfig(
            workflows=list(workflows),
            workflow_task_executor=workflow_task_executor,
            workflow_runner=workflow_runner or SandboxedWorkflowRunner(),
            unsandboxed_workflow_runner=unsandboxed_workflow_runner or UnsandboxedWorkflowRunner(),
            namespace=namespace,
            data_converter=data_converter if data_converter is not None else DataConverter.default,
            interceptors=interceptors,
            build_id=build_id,
            identity=identity,
            workflow_failure_exception_types=workflow_failure_exception_types,
            debug_mode=debug_mode,
            runtime=runtime,
            disable_safe_workflow_eviction=disable_safe_workflow_eviction,
            header_codec_behavior=header_codec_behavior,
        )
        self._initial_config = config.copy()
        self.plugins = plugins
        for plugin in reversed(plugins):
            config = plugin.configure_replayer(config)
        self._config = config
        if not config["workflows"]:
            raise ValueError("At least one workflow must be specified")
        self._registry, self._payloads = _parts(config)

    def config(self, *, active_config: bool = False) -> ReplayerConfig:
        """The parameters it was made with; ``active_config``: after the plugins changed them."""
        return (self._config if active_config else self._initial_config).copy()

    async def replay_workflow(
        self, history: WorkflowHistory, *, raise_on_replay_failure: bool = True
    ) -> WorkflowReplayResult:
        """Replay one history. Raises its ``replay_failure`` unless told not to."""

        async def only() -> AsyncIterator[WorkflowHistory]:
            yield history

        async with self.workflow_replay_iterator(only()) as results:
            async for result in results:
                if raise_on_replay_failure and result.replay_failure is not None:
                    raise result.replay_failure
                return result
        raise RuntimeError("No histories were replayed")

    async def replay_workflows(
        self, histories: AsyncIterator[WorkflowHistory], *, raise_on_replay_failure: bool = True
    ) -> WorkflowReplayResults:
        """Replay many, one after the other. Raises the first ``replay_failure`` unless told not to."""
        failures: dict[str, Exception] = {}
        async with self.workflow_replay_iterator(histories) as results:
            async for result in results:
                if result.replay_failure is not None:
                    if raise_on_replay_failure:
                        raise result.replay_failure
                    failures[result.history.run_id] = result.replay_failure
        return WorkflowReplayResults(replay_failures=failures)

    def workflow_replay_iterator(
        self, histories: AsyncIterator[WorkflowHistory]
    ) -> AbstractAsyncContextManager[AsyncIterator[WorkflowReplayResult]]:
        """Replay many, for ``async with``: its value iterates over the results as they come. Nothing is raised."""
        following: Callable[..., AbstractAsyncContextManager[AsyncIterator[WorkflowReplayResult]]] = _iterate
        for plugin in reversed(self.plugins):
            following = partial(_through, plugin, following)
        return following(self, histories)

    # ---- one history ------------------------------------------------------------------------------------------------

    def _driver(self) -> Driver:
        return Driver(
            None if self._config["debug_mode"] else DEADLOCK_TIMEOUT, self._config["workflow_task_executor"]
        )

    async def _replay(self, driver: Driver, history: WorkflowHistory) -> WorkflowReplayResult:
        try:
            failed = await self._failure_of(driver, history)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one history must not stop the others
            wrong = RuntimeError(f"Cannot replay workflow {history.workflow_id!r}: {error}")
            wrong.__cause__ = error
            return WorkflowReplayResult(history, wrong)
        return WorkflowReplayResult(history, _error(history, failed) if failed is not None else None)

    async def _failure_of(self, driver: Driver, history: WorkflowHistory) -> TaskFailure | None:
        events: Sequence[wire.HistoryEvent] = history.events
        check_ids(events, 1)
        run_id = history.run_id
        workflow_type = events[0].workflow_execution_started_event_attributes.workflow_type.name
        definition = self._registry.find(workflow_type)
        if self._payloads.encoded:
            events = _copied(events)
            started = events[0].workflow_execution_started_event_attributes
            contexts = self._payloads.contexts(
                history.workflow_id, workflow_type, started.task_queue.name, run_id
            )
            try:
                await self._payloads.decode_events(events, history.workflow_id, contexts)
            except ApplicationError as error:
                if not error.non_retryable:
                    raise
                return await self._unreadable(history, events, contexts, error)
        activations = cut(events, replay_until=sys.maxsize)
        if not activations:
            return None
        converter = self._payloads.converter_for(history.workflow_id)
        free = self._payloads.context_free
        run = Run(
            self._registry.options(definition, run_id, history.workflow_id, converter, context_free=free)
        )
        steps: list[Callable[[], Completion | None]] = [
            partial(run.activate, activation) for activation in activations
        ]
        try:
            last = await driver.do(history.workflow_id, steps)
        finally:
            driver.drop(run)
        return last.failure if last is not None else None

    async def _unreadable(
        self,
        history: WorkflowHistory,
        events: Sequence[wire.HistoryEvent],
        contexts: Contexts | None,
        error: ApplicationError,
    ) -> TaskFailure | None:
        """A worker fails the workflow when something new cannot be read for good: that is what history should say."""
        if events[-1].HasField("workflow_execution_failed_event_attributes"):
            before = cut(events[:-1], replay_until=sys.maxsize)[:-1]
            read = [event for activation in before for event in activation.events]
            with contextlib.suppress(ApplicationError):
                await self._payloads.decode_events(read, history.workflow_id, contexts)
                return None
        told = self._payloads.failure_of(error)
        told.message = f"The workflow would fail, but history goes on: {told.message}"
        return TaskFailure(
            cause=enums_failed.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR, failure=told, error=error
        )


def _parts(config: ReplayerConfig) -> tuple[Registry, Payloads]:
    registry = Registry(
        definitions(
            WorkerConfig(
                workflows=config["workflows"],
                workflow_runner=config["workflow_runner"],
                unsandboxed_workflow_runner=config["unsandboxed_workflow_runner"],
                workflow_failure_exception_types=config["workflow_failure_exception_types"],
            )
        ),
        namespace=config["namespace"],
        task_queue="replay",
        interceptors=config["interceptors"],
        failure_exception_types=config["workflow_failure_exception_types"],
        eager_activities=False,
        build_id=config["build_id"] or "",
    )
    headers = config["header_codec_behavior"] is not HeaderCodecBehavior.NO_CODEC
    return registry, Payloads(config["data_converter"], config["namespace"], headers=headers)


@asynccontextmanager
async def _iterate(
    replayer: Replayer, histories: AsyncIterator[WorkflowHistory]
) -> AsyncIterator[AsyncIterator[WorkflowReplayResult]]:
    driver = replayer._driver()

    async def results() -> AsyncIterator[WorkflowReplayResult]:
        async for history in histories:
            yield await replayer._replay(driver, history)

    made = results()
    try:
        yield made
    finally:
        await cast("Any", made).aclose()


def _through(
    plugin: Plugin,
    following: Callable[..., AbstractAsyncContextManager[AsyncIterator[WorkflowReplayResult]]],
    replayer: Replayer,
    histories: AsyncIterator[WorkflowHistory],
) -> AbstractAsyncContextManager[AsyncIterator[WorkflowReplayResult]]:
    return plugin.run_replayer(replayer, histories, following)


def _error(history: WorkflowHistory, failed: TaskFailure) -> Exception:
    text = f"Workflow {history.workflow_id!r} (run {history.run_id}) cannot be replayed: {failed.failure.message}"
    made: Exception
    if failed.cause == enums_failed.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR:
        made = NondeterminismError(text)
    else:
        made = RuntimeError(text)
    made.__cause__ = failed.error
    return made


def _copied(events: Sequence[wire.HistoryEvent]) -> Sequence[wire.HistoryEvent]:
    """The same events, free to be changed: those given belong to somebody else."""
    return list(wire.History(events=events).events)
