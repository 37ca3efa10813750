"""Workflow tasks, from the poll's answer to the answer's answer: which run it is for, what the run says, what to send.

One workflow task at a time per run; runs stay in memory between tasks as long as there is room. This file must never poll,
and must never look into a run.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

from tenuto import __version__
from tenuto.clock import WallClock
from tenuto.exceptions import ApplicationError, FailureError
from tenuto.run.history import SDK_NAME, HistoryGap, answered, check_ids, cut
from tenuto.run.run import Run
from tenuto.run.types import Activation, Completion, LocalActivityStart, QueryAnswer, TaskFailure
from tenuto.transport.errors import RPCError
from tenuto.wire import command, enums_command, enums_failed
from tenuto.wire import workflowservice as ws
from tenuto.worker import fetching
from tenuto.worker.answers import Answer, Forms
from tenuto.worker.cache import Cache, Cached
from tenuto.worker.driving import Driver, StalledError
from tenuto.worker.interceptor import Interceptor
from tenuto.worker.local import LocalRunner, Locals
from tenuto.worker.pages import Paging
from tenuto.worker.payloads import Payloads
from tenuto.worker.registry import Registry
from tenuto.worker.replies import EagerSlots, Replies, TaskFailed, tell_refused
from tenuto.worker.turnstile import Turnstile
from tenuto.worker.workflow_metrics import WorkflowMetrics

if TYPE_CHECKING:
    from tenuto.client import Client
    from tenuto.common import MetricMeter
    from tenuto.converter import DataConverter
    from tenuto.transport.sizes import Limits
    from tenuto.wire import history
    from tenuto.worker.contexts import Contexts
    from tenuto.worker.deployment import Build
    from tenuto.workflow.definition import Definition

    Task = ws.PollWorkflowTaskQueueResponse
    Events = Sequence[history.HistoryEvent]

logger = logging.getLogger("tenuto.worker")

HEARTBEAT_AT = 0.8
"""Of a workflow task's timeout: then it is answered although local activities are at work, and another asked for."""
SLOW_SECONDS = 5.0
_NONDETERMINISM = enums_failed.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR


class _Unreadable(Exception):
    """What came is not to be read, now or later: the workflow fails with ``error``."""

    def __init__(self, error: ApplicationError) -> None:
        super().__init__(error.message)
        self.error = error


class Runs:
    """The workflow half of a worker.

    ``sticky_queue`` None or ``max_cached`` 0: runs are dropped after every workflow task. ``deadlock_timeout`` None, or
    ``debug_mode``: code may take as long as it likes. With an ``executor`` workflow code runs on its threads instead of the
    loop's own. ``client`` may be set to another one at any time. ``clock`` gives ns since the epoch.
    """

    def __init__(
        self,
        *,
        client: Client,
        task_queue: str,
        definitions: Sequence[Definition],
        data_converter: DataConverter,
        build: Build,
        identity: str,
        interceptors: Sequence[Interceptor] = (),
        activities: LocalRunner | None = None,
        sticky_queue: str | None = None,
        sticky_timeout: timedelta = timedelta(seconds=10),
        max_cached: int = 1000,
        eager: EagerSlots | None = None,
        max_eager: int = 3,
        failure_exception_types: Sequence[type[BaseException]] = (),
        deadlock_timeout: timedelta | None = timedelta(seconds=2),
        debug_mode: bool = False,
        metric_meter: MetricMeter | None = None,
        on_patch: Callable[[Any], bool] | None = None,
        header_codec: bool = False,
        executor: Executor | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._task_queue = task_queue
        self._registry = Registry(
            definitions,
            namespace=client.namespace,
            task_queue=task_queue,
            interceptors=interceptors,
            failure_exception_types=failure_exception_types,
            default_versioning_behavior=build.default_versioning_behavior,
            eager_activities=eager is not None,
            metric_meter=metric_meter,
            on_patch=on_patch,
            deployment_version=build.deployment_version,
            build_id=build.build_id,
        )
        self._payloads = Payloads(data_converter, client.namespace, headers=header_codec)
        self._activities = activities
        self._clock = clock or WallClock().now
        sticky_queue = sticky_queue if max_cached > 0 else None
        self._cache = Cache(max_cached if sticky_queue else 0)
        forms = Forms(
            namespace=client.namespace,
            identity=identity,
            task_queue=task_queue,
            sticky_queue=sticky_queue,
            sticky_timeout=sticky_timeout,
            build=build,
        )
        self._replies = Replies(client, forms, self._payloads, task_queue, eager, max_eager)
        self._metrics = WorkflowMetrics.of(metric_meter, client.namespace, task_queue)
        self._driver = Driver(deadlock_timeout if not debug_mode else None, executor)
        self._turnstile = Turnstile()
        self._stuck: dict[str, asyncio.Future[None]] = {}
        """Runs whose code holds a thread although its task was given up, until the future is done."""

    # ---- from outside -----------------------------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """Through which everything goes."""
        return self._replies.client

    @client.setter
    def client(self, client: Client) -> None:
        self._replies.client = client

    def refuse_beyond(self, limits: Limits) -> None:
        """Fail workflow tasks instead of answering them with what the service would refuse."""
        self._replies.limits = limits

    def send_pages(self, limit: int) -> None:
        """Send large answers in pages, up to ``limit`` bytes of commands; 0: any number."""
        self._replies.paging = Paging(limit)

    @property
    def cached(self) -> int:
        """Runs in memory."""
        return len(self._cache)

    async def handle(self, task: Task) -> None:
        """Do a workflow task, and those that come back with its answer, to the end. Raises nothing but CancelledError."""
        run_id = task.workflow_execution.run_id
        if not await self._turnstile.enter(run_id, task.HasField("query")):
            return
        current: Task | None = task
        try:
            while current is not None:
                current = await self._answer(current)
        except asyncio.CancelledError:
            self._evict_id(run_id)
            raise
        except Exception:
            logger.exception(
                "Workflow task of %s (run %s) went wrong", task.workflow_execution.workflow_id, run_id
            )
            self._evict_id(run_id)
        finally:
            back = self._stuck.pop(run_id, None)
            if back is None:
                self._turnstile.leave(run_id)
            else:
                self._turnstile.leave_until(run_id, back)
            for cached in self._cache.surplus(self._turnstile.busy):
                if self._metrics is not None:
                    self._metrics.evicted(cached.workflow_type)
                self._drop(cached)

    async def drain(self) -> None:
        """Wait until no workflow task is at work."""
        await self._turnstile.empty()

    def evict_all(self) -> None:
        """Drop every run. Only when none is at work: see ``drain``."""
        for cached in self._cache.clear():
            self._drop(cached)

    # ---- a workflow task --------------------------------------------------------------------------------------------

    async def _answer(self, task: Task) -> Task | None:
        """Do one task; the one that came back with the answer, if any."""
        began = asyncio.get_running_loop().time()
        cached: Cached | None = None
        is_query = task.HasField("query")
        try:
            cached, steps = await self._prepare(task, is_query)
            if is_query:
                await self._answer_query(task, cached, steps)
                return None
            return await self._answer_task(task, cached, steps, began)
        except _Unreadable as unreadable:
            await self._give_up(task, unreadable.error)
        except TaskFailed as error:
            self._evict(cached)
            await self._fail(task, error.failed)
        except StalledError as error:
            self._evict(cached, stalled=True)
            if error.back is not None:
                self._stuck[task.workflow_execution.run_id] = error.back
            failed = self._replies.failure(error)
            failed.failure.stack_trace = error.stack
            await self._fail(task, failed)
        except (RPCError, HistoryGap) as error:
            self._evict(cached)
            self._evict_id(task.workflow_execution.run_id)
            tell_refused(task, error)
        return None

    async def _prepare(self, task: Task, is_query: bool) -> tuple[Cached, list[Callable[[], Completion]]]:
        """The run the task is for, from memory or anew, and what is to be done with it first."""
        execution = task.workflow_execution
        events = list(task.history.events)
        # Asked for nothing but an answer, a run must not take anything for new.
        replay_until = task.previous_started_event_id if not is_query else sys.maxsize
        if task.next_page_token:
            events = await fetching.rest_of(self.client, execution, events, task.next_page_token)
        elif events:
            check_ids(events)
        cached = self._cache.get(execution.run_id)
        activations: list[Activation] | None = None
        if cached is not None and is_query:
            if cached.processed >= task.previous_started_event_id:
                activations = []
            else:
                self._evict(cached)
                cached = None
        elif cached is not None:
            activations = _continue(cached, events, replay_until)
            if not activations:
                activations = None
                self._evict(cached)
                cached = None
        if activations is None:
            if not events or events[0].event_id != 1:
                events = await fetching.whole(self.client, execution, events)
            if is_query and task.previous_started_event_id:
                # What came later belongs to a workflow task that others may be at work on: whoever saw it here would never
                # take it for new.
                events = list(answered(events, task.previous_started_event_id))
            activations = cut(events, replay_until, updates=bool(task.messages))
        contexts = await self._decode(task, cached, activations) if self._payloads.encoded else None
        if self._metrics is not None:
            self._metrics.received(task, cached is not None)
        if cached is None:
            cached = self._make(task, events)
        cached.contexts = contexts
        if task.messages and activations:
            activations[-1].messages = task.messages
        if activations:
            cached.processed = activations[-1].events[-1].event_id
        run = cached.run
        return cached, [partial(run.activate, activation) for activation in activations]

    async def _decode(
        self, task: Task, cached: Cached | None, activations: list[Activation]
    ) -> Contexts | None:
        workflow_id, workflow_type = task.workflow_execution.workflow_id, task.workflow_type.name
        contexts = cached.contexts if cached is not None else None
        if cached is None:
            contexts = self._payloads.contexts(
                workflow_id, workflow_type, self._task_queue, task.workflow_execution.run_id
            )
        seen = [event for activation in activations for event in activation.events]
        try:
            await self._payloads.decode_task(task, seen, contexts)
        except Exception as error:  # noqa: BLE001 - a codec may raise anything, and fails the workflow task
            if _is_final(error) and not task.HasField("query") and not task.queries:
                await self._must_be_new(task, activations, contexts)
                raise _Unreadable(error) from None
            raise TaskFailed(self._replies.failure(error)) from None
        return contexts

    async def _must_be_new(
        self, task: Task, activations: list[Activation], contexts: Contexts | None
    ) -> None:
        """Raises `TaskFailed` when it is something old that cannot be read: history says that it could be once."""
        old = [event for activation in activations[:-1] for event in activation.events]
        try:
            await self._payloads.decode_events(old, task.workflow_execution.workflow_id, contexts)
        except Exception as error:  # noqa: BLE001 - as above
            failed = self._replies.failure(error)
            raise TaskFailed(replace(failed, cause=_NONDETERMINISM)) from None

    def _make(self, task: Task, events: Events) -> Cached:
        execution = task.workflow_execution
        try:
            definition = self._registry.find(task.workflow_type.name)
        except FailureError as error:
            raise TaskFailed(self._replies.failure(error)) from None
        converter = self._payloads.converter_for(execution.workflow_id)
        free = self._payloads.context_free
        run = Run(
            self._registry.options(
                definition, execution.run_id, execution.workflow_id, converter, context_free=free
            )
        )
        cached = Cached(run, execution.run_id, execution.workflow_id, task.workflow_type.name)
        started = events[0].workflow_execution_started_event_attributes
        cached.task_timeout = started.workflow_task_timeout.ToNanoseconds() / 1e9 or cached.task_timeout
        cached.began_at = events[0].event_time.ToNanoseconds()
        cached.named = bool(task.previous_started_event_id) and _named(events)
        return cached

    async def _answer_task(
        self, task: Task, cached: Cached, steps: list[Callable[[], Completion]], began: float
    ) -> Task | None:
        loop = asyncio.get_running_loop()
        if not steps:
            raise HistoryGap("The workflow task came without the event of its start")
        answer = Answer()
        busy = -loop.time()
        completion = await self._do(cached, steps)
        busy += loop.time()
        if self._metrics is not None and len(steps) > 1:
            self._metrics.replayed(cached.workflow_type, busy)
        self._cache.put(cached)
        heartbeat_at = began + HEARTBEAT_AT * cached.task_timeout
        while True:
            self._take(cached, answer, completion)
            if completion.record_now:
                # Whoever waits beside a task that goes on and on must not wait for long.
                keep = loop.time() < heartbeat_at and not task.queries
                following = await self._complete(task, cached, answer, busy, go_on=True, keep=keep)
                if following is None or not _is_kept(task, following):
                    return following
                task.task_token = following.task_token
                answer, busy = Answer(), 0.0
                self._begin(cached, cached.run.recorded())
            elif not completion.waits_for_local_activities:
                return await self._complete(task, cached, answer, busy)
            assert cached.locals is not None
            ended = await cached.locals.ended(heartbeat_at)
            if not ended:
                return await self._complete(task, cached, answer, busy, go_on=True)
            busy -= loop.time()
            completion = await self._do(cached, [partial(cached.run.resolve, ended)])
            busy += loop.time()

    async def _do(self, cached: Cached, steps: Sequence[Callable[[], Completion | None]]) -> Completion:
        made = await self._driver.do(cached.workflow_id, steps)
        assert made is not None
        if made.failure is not None:
            raise TaskFailed(made.failure)
        return made

    def _take(self, cached: Cached, answer: Answer, completion: Completion) -> None:
        answer.take(completion)
        if completion.local_activities:
            self._begin(cached, completion.local_activities)
        local = cached.locals
        if local is not None:
            for seq in completion.cancelled_local_activities:
                local.cancel(seq)
            answer.retried_locally, local.retries = answer.retried_locally + local.retries, 0

    def _begin(self, cached: Cached, starts: Sequence[LocalActivityStart]) -> None:
        for start in starts:
            self._must_know(start.activity_type)
        if cached.locals is None:
            cached.locals = self._locals(cached)
        for start in starts:
            cached.locals.start(start)

    def _must_know(self, activity_type: str) -> None:
        """No other worker runs a local activity of this run: it is better that the workflow task fails, which others can
        take, than that the activity is tried in vain."""
        known = self._activities.local_names if self._activities is not None else frozenset()
        if known is None or activity_type in known:
            return
        others = f"available activities: {', '.join(sorted(known))}" if known else "no available activities"
        text = f"Activity function {activity_type} is not registered on this worker, {others}"
        raise TaskFailed(self._replies.failure(ApplicationError(text, type="NotFoundError")))

    def _locals(self, cached: Cached) -> Locals:
        assert self._activities is not None
        return Locals(
            self._activities,
            self._clock,
            namespace=self.client.namespace,
            task_queue=self._task_queue,
            workflow_id=cached.workflow_id,
            run_id=cached.run_id,
            workflow_type=cached.workflow_type,
        )

    # ---- answering --------------------------------------------------------------------------------------------------

    async def _complete(
        self,
        task: Task,
        cached: Cached,
        answer: Answer,
        busy: float,
        *,
        go_on: bool = False,
        keep: bool = False,
    ) -> Task | None:
        if busy > SLOW_SECONDS:
            logger.warning(
                "[TMPRL1104] Workflow task of %s (run %s) kept its worker busy for %.1f s: split the work, or look for code"
                " that blocks",
                cached.workflow_id,
                cached.run_id,
                busy,
            )
        queries = await self._ask(cached, task) if task.queries else {}
        response = await self._replies.complete(
            task, answer, queries, go_on=go_on, name=not cached.named, contexts=cached.contexts, keep=keep
        )
        cached.named = True
        if self._metrics is not None:
            age = self._clock() - cached.began_at
            self._metrics.completed(cached.workflow_type, busy, answer.commands, age)
        if response.reset_history_event_id:
            # The task never was: its scheduling and its start will be other events. What came before them stays seen.
            cached.processed = max(response.reset_history_event_id, cached.processed - 2)
        if answer.closed:
            self._evict(cached)
        returned = response.workflow_task
        return returned if returned.task_token else None

    async def _give_up(self, task: Task, error: ApplicationError) -> None:
        """Fail the workflow without asking it."""
        self._evict_id(task.workflow_execution.run_id)
        answer = Answer()
        made = command.Command(command_type=enums_command.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION)
        told = made.fail_workflow_execution_command_attributes.failure
        told.CopyFrom(self._payloads.failure_of(error))
        answer.commands.append(made)
        answer.closed = True
        try:
            await self._replies.complete(task, answer, {}, go_on=False, name=True)
        except TaskFailed as worse:
            await self._fail(task, worse.failed)
        except RPCError as refused:
            tell_refused(task, refused)

    async def _ask(self, cached: Cached, task: Task) -> dict[str, QueryAnswer]:
        answers: dict[str, QueryAnswer] = {}

        def ask() -> None:
            for query_id, query in task.queries.items():
                answers[query_id] = cached.run.query(query, query_id)

        await self._driver.do(cached.workflow_id, [ask])
        return answers

    async def _answer_query(self, task: Task, cached: Cached, steps: list[Callable[[], Completion]]) -> None:
        """A task that is a query: whatever the run says besides is not to be sent."""
        answers: list[QueryAnswer] = []

        def ask() -> None:
            answers.append(cached.run.query(task.query, "legacy_query"))

        if steps:
            await self._do(cached, steps)
        await self._driver.do(cached.workflow_id, [ask])
        if steps and not cached.run.closed:
            self._cache.put(cached)
        elif steps:
            self._drop(cached)
        await self._replies.answer_query(task, answers[0])

    async def _fail(self, task: Task, failed: TaskFailure) -> None:
        self._evict_id(task.workflow_execution.run_id)
        if self._metrics is not None:
            reason = "NonDeterminismError" if failed.cause == _NONDETERMINISM else "WorkflowError"
            self._metrics.failed(task.workflow_type.name, reason)
        try:
            await self._replies.fail(task, failed)
        except (RPCError, TaskFailed) as error:
            tell_refused(task, error)

    # ---- eviction ---------------------------------------------------------------------------------------------------

    def _evict(self, cached: Cached | None, stalled: bool = False) -> None:
        if cached is not None:
            self._cache.take(cached)
            self._drop(cached, stalled)

    def _evict_id(self, run_id: str) -> None:
        self._evict(self._cache.get(run_id))

    def _drop(self, cached: Cached, stalled: bool = False) -> None:
        if cached.dropped:
            return
        cached.dropped = True
        if cached.locals is not None:
            cached.locals.close()
        self._driver.drop(cached.run, stalled)


def _is_final(error: BaseException) -> TypeGuard[ApplicationError]:
    """Whether whoever raised it says that another attempt is of no use."""
    return isinstance(error, ApplicationError) and error.non_retryable


def _is_kept(task: Task, following: Task) -> bool:
    """Whether what came back is the very task that was answered: its steps are recorded, and it goes on."""
    return following.started_event_id == task.started_event_id and not following.history.events


def _continue(
    cached: Cached, events: list[history.HistoryEvent], replay_until: int
) -> list[Activation] | None:
    """What a run in memory is to be shown of ``events``; None: it has missed some, or would have to catch up."""
    if not events:
        return []
    known = cached.processed - events[0].event_id + 1
    if known < 0 or known > len(events):
        return None
    whole = known and events[0].event_id == 1
    activations = cut(events[known:] if known else events, replay_until, ours=True)
    return None if whole and len(activations) > 1 else activations


def _named(events: Events) -> bool:
    """Whether history says last that this framework, in this version, worked on the run."""
    for event in reversed(events):
        if event.event_type == 7:
            told = event.workflow_task_completed_event_attributes.sdk_metadata
            if told.sdk_name:
                return bool(told.sdk_name == SDK_NAME and told.sdk_version == __version__)
    return False
