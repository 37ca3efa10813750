"""Activities at work: from a task that was handed out, or a local activity asked for, to its reported end.

Slots are taken and polls are made elsewhere. This file must never know how an activity's code sees the world
(`tenuto.worker.attempt`), nor how ends are told (`tenuto.worker.reports`).
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from tenuto.activity import ActivityCancellationDetails, CompleteAsyncError, Definition
from tenuto.activity import logger as activity_logger
from tenuto.activity.context import current
from tenuto.activity.flag import Flag
from tenuto.common import MetricMeter, RawValue
from tenuto.converter import (
    ActivitySerializationContext,
    StorageDriverActivityInfo,
    StorageDriverWorkflowInfo,
    decode_message,
)
from tenuto.converter.hints import fitting_hints
from tenuto.exceptions import ApplicationError, is_cancelled_exception
from tenuto.wire import failure
from tenuto.worker.activity_metrics import ActivityMetrics
from tenuto.worker.attempt import Attempt, LocalActivity, RemoteAttempt
from tenuto.worker.heartbeats import GRACE_SECONDS, TIMED_OUT, Heartbeats, interval_of
from tenuto.worker.interceptor import Interceptor
from tenuto.worker.local import LocalAttempt, LocalOutcome
from tenuto.worker.reports import (
    Report,
    Reports,
    describe,
    expected,
    instead_of_cancelled,
    log_failure,
    without_us,
)
from tenuto.worker.shared_state import SharedHeartbeatSender, SharedProcesses, SharedStateManager
from tenuto.worker.slots import ActivitySlot, Slots

if TYPE_CHECKING:
    from tenuto.client import Client
    from tenuto.converter import DataConverter
    from tenuto.transport.sizes import Limits
    from tenuto.wire import common, workflowservice
    from tenuto.worker.deployment import Build
    from tenuto.worker.processes import ProcessRunner

    Task = workflowservice.PollActivityTaskQueueResponse

WORKER_SHUTDOWN = ActivityCancellationDetails(worker_shutdown=True)
CANCEL_REQUESTED = ActivityCancellationDetails(cancel_requested=True)
_PROBE = ActivitySerializationContext("", "", "", "", None, None, False)
"""Tells which converters care."""

__all__ = ["Activities", "SharedHeartbeatSender", "SharedStateManager"]


class Activities:
    """The activities of one worker. Everything is for the thread of its event loop."""

    def __init__(
        self,
        *,
        client: Client,
        task_queue: str,
        activities: Sequence[Callable[..., Any]],
        data_converter: DataConverter,
        identity: str,
        executor: Executor | None = None,
        interceptors: Sequence[Interceptor] = (),
        max_heartbeat_throttle: timedelta = timedelta(seconds=60),
        default_heartbeat_throttle: timedelta = timedelta(seconds=30),
        metric_meter: MetricMeter = MetricMeter.noop,
        shared_state_manager: SharedStateManager | None = None,
        default_threads: int = 100,
        processes: int = 0,
        local_slots: Slots | None = None,
        build: Build | None = None,
        header_codec: bool = False,
    ) -> None:
        """``executor``: where sync activities run; None: threads made when needed, at most ``default_threads``, or with
        ``processes`` > 0 so many processes. ``local_slots`` bound local activities. ``header_codec``: it sees headers.
        Raises TypeError for a function that is no activity or cannot run in a process, and for two dynamic ones; ValueError
        for two of one name."""
        self.task_queue = task_queue
        self.namespace = client.namespace
        self.meter = metric_meter
        self.interceptors = [
            one for one in interceptors if type(one).intercept_activity is not Interceptor.intercept_activity
        ]
        self.stopping = Flag()
        """Set when the worker begins to shut down."""
        self._types: dict[str | None, Definition] = {}
        for each in activities:
            if isinstance(each, type):
                raise TypeError(f"Activity {each.__name__} is a class instead of an instance")
            self._register(Definition.must(each))
        if processes > 0 if executor is None else _is_of_processes(executor):
            _check_picklable(self._types.values())
        self.names = frozenset(name for name in self._types if name is not None)
        self.has_dynamic = None in self._types
        self._converter = data_converter
        self._header_codec = header_codec
        self._contextual = data_converter.with_context(_PROBE) is not data_converter
        self._reports = Reports(client, identity, data_converter, build)
        self._max_throttle = max_heartbeat_throttle.total_seconds()
        self._default_throttle = default_heartbeat_throttle.total_seconds()
        self._executor = executor
        self._own_executor: Executor | None = None
        self._default_threads = default_threads
        self._processes = processes
        self._shared: SharedProcesses | None = None
        self._shared_state = shared_state_manager
        self._local_slots = local_slots
        self._metrics = ActivityMetrics.of(metric_meter, self.namespace, task_queue)
        self._running: set[Attempt] = set()
        self._idle: asyncio.Future[None] | None = None

    def _register(self, definition: Definition) -> None:
        if definition.name in self._types:
            if definition.name is None:
                raise TypeError("More than one dynamic activity")
            raise ValueError(f"More than one activity named {definition.name}")
        self._types[definition.name] = definition
        # Now, so that a name nobody knows is heard of when the worker is made.
        _ = definition.arg_types

    @property
    def client(self) -> Client:
        """May be replaced by another client at any time."""
        return self._reports.client

    @client.setter
    def client(self, client: Client) -> None:
        self._reports.client = client

    # ---- lifecycle --------------------------------------------------------------------------------------------------

    @property
    def running(self) -> int:
        """Attempts at work, local ones too."""
        return len(self._running)

    def stop(self) -> None:
        """The worker begins to shut down: tell activities, and let them go on."""
        self.stopping.set()

    async def drain(self, grace: timedelta = timedelta()) -> None:
        """Wait for what runs; after ``grace`` cancel it, and wait until it ends. Then let threads and processes go."""
        self.stop()
        if self._running:
            await self._ended(grace.total_seconds())
            for attempt in list(self._running):
                attempt.cancel(WORKER_SHUTDOWN)
            await self._ended(None)
        if self._own_executor is not None:
            self._own_executor.shutdown(wait=False, cancel_futures=True)
            self._own_executor = None
        if self._shared is not None:
            self._shared.close()

    async def _ended(self, timeout: float | None) -> None:
        """Nothing runs any more, or ``timeout`` seconds are over."""
        if not self._running:
            return
        loop = asyncio.get_running_loop()
        idle = self._idle = loop.create_future()
        alarm = None if timeout is None else loop.call_later(timeout, _settle, idle)
        try:
            await idle
        finally:
            self._idle = None
            if alarm is not None:
                alarm.cancel()

    def _over(self, attempt: Attempt) -> None:
        self._running.discard(attempt)
        if self._idle is not None and not self._running:
            _settle(self._idle)

    def executor(self) -> Executor:
        """Where sync functions run."""
        if self._executor is not None:
            return self._executor
        if self._own_executor is None:
            if self._processes > 0:
                from tenuto.worker.processes import ProcessRunner

                self._own_executor = ProcessRunner(self._processes)
            else:
                self._own_executor = ThreadPoolExecutor(self._default_threads, "tenuto-activity")
        return self._own_executor

    def elsewhere(self, executor: Executor) -> ProcessRunner | SharedProcesses | None:
        """What runs a call in another process, when that is where ``executor`` has its workers."""
        if isinstance(executor, ThreadPoolExecutor):
            return None
        if getattr(executor, "runs_activities", False):
            return cast("ProcessRunner", executor)
        if self._shared_state is None and not isinstance(executor, ProcessPoolExecutor):
            return None
        if self._shared is None:
            self._shared = SharedProcesses(self._shared_state, self.stopping)
        return self._shared

    # ---- tasks of the service ---------------------------------------------------------------------------------------

    async def run(self, task: Task) -> None:
        """One attempt, to its reported end; to be called in an asyncio task of its own.

        Raises nothing but CancelledError and, when no sync activity can run any more, RuntimeError.
        """
        converter = self._converter if not self._contextual else self._remote_converter(task)
        attempt = RemoteAttempt(self, task, converter)
        self._running.add(attempt)
        token = current.set(attempt)
        alarm = None
        if task.HasField("start_to_close_timeout"):
            # The service gives an attempt up after a time; so does this side, a little later.
            limit = task.start_to_close_timeout
            seconds = limit.seconds + limit.nanos * 1e-9
            if seconds > 0:
                alarm = attempt.loop.call_later(seconds + GRACE_SECONDS, attempt.cancel, TIMED_OUT)
        fatal: BrokenExecutor | None = None
        try:
            try:
                report = await self._attempt(attempt, task)
            except BaseException as error:
                if _is_not_the_activitys(error):
                    raise
                report = await self._not_completed(attempt, error)
                fatal = error if isinstance(error, BrokenExecutor) else None
            attempt.close()
            if report is not None:
                await self._reports.send(attempt, report)
            if fatal is not None:
                raise RuntimeError("Activity worker failed") from fatal
        finally:
            attempt.close()
            if alarm is not None:
                alarm.cancel()
            current.reset(token)
            self._over(attempt)

    async def _attempt(self, attempt: RemoteAttempt, task: Task) -> Report | None:
        """What to report of an attempt that did not raise."""
        metrics = self._metrics
        if metrics is None:
            began = 0.0
        else:
            began = attempt.loop.time()
            metrics.started(task)
        try:
            result = await self._execute(attempt, task)
            report = await self._reports.completed(attempt, result)
        except CompleteAsyncError:
            activity_logger.debug("Completing asynchronously")
            await self._reports.flush(attempt)
            await self._reports.left_open(attempt)
            return None
        except Exception as error:
            if metrics is not None and not expected(error):
                metrics.failed(task, attempt.loop.time() - began)
            raise
        if metrics is not None:
            metrics.succeeded(task, attempt.loop.time() - began)
        return report

    async def _execute(self, attempt: RemoteAttempt, task: Task) -> Any:
        definition = self._types.get(task.activity_type.name)
        if definition is None:
            definition = self._unknown(task.activity_type.name, task.workflow_execution.workflow_id)
        attempt.definition = definition
        if self._reports.walks:
            await _decode(task, attempt.converter, self._header_codec)
        args = _arguments(definition, attempt.converter, task.input.payloads)
        options = definition.options
        if options is not None and options.auto_heartbeat:
            limit = task.heartbeat_timeout
            if limit.seconds or limit.nanos:
                attempt.begin_beats().begin_automatic()
        return await attempt.run(args, task.header.fields)

    def refuse_beyond(self, limits: Limits) -> None:
        """Fail attempts instead of reporting what the service would refuse."""
        self._reports.limits = limits

    @property
    def local_names(self) -> frozenset[str] | None:
        """The types that can run locally; None: any."""
        return None if self.has_dynamic else self.names

    def _unknown(self, name: str, workflow_id: str) -> Definition:
        """The definition for types that nobody has. Raises ApplicationError when there is none."""
        definition = self._types.get(None)
        if definition is None:
            known = ", ".join(sorted(self.names))
            raise ApplicationError(
                f"Activity function {name} for workflow {workflow_id} is not registered on this worker, "
                f"available activities: {known}",
                type="NotFoundError",
            )
        return definition

    async def _not_completed(self, attempt: RemoteAttempt, error: BaseException) -> Report | None:
        """What to report of an attempt that raised; None: the service knows it no more."""
        details = attempt.details
        if details is not None and (details.not_found or details.timed_out):
            activity_logger.debug("Not reporting an end that the service does not wait for: %r", error)
            return None
        if attempt.broken is not None and is_cancelled_exception(error):
            error = attempt.broken
        elif details is not None and is_cancelled_exception(error):
            told = instead_of_cancelled(details, error)
            if told is None:
                activity_logger.debug("Completing as cancelled")
                try:
                    return await self._reports.cancelled(attempt, error)
                except Exception as broken:  # noqa: BLE001 - the attempt ends all the same
                    told = ApplicationError(f"Failed encoding cancellation: {broken}")
            error = told
        log_failure(without_us(error))
        return await self._reports.failed(attempt, error)

    def heartbeats_of(self, attempt: RemoteAttempt) -> Heartbeats:
        """New heartbeats of an attempt."""
        told, reports = attempt.told, self._reports
        timeout = told.heartbeat_timeout.seconds + told.heartbeat_timeout.nanos * 1e-9
        token, converter = told.task_token, attempt.converter

        async def send(
            details: Sequence[common.Payload],
        ) -> workflowservice.RecordActivityTaskHeartbeatResponse:
            return await reports.beat(token, details, converter)

        return Heartbeats(
            send=send,
            cancel=attempt.cancel,
            broken=attempt.cancel_for,
            interval=interval_of(timeout, self._default_throttle, self._max_throttle),
            timeout=timeout,
            known=list(told.heartbeat_details.payloads),
        )

    # ---- local activities -------------------------------------------------------------------------------------------

    async def run_local(self, asked: LocalAttempt) -> LocalOutcome:
        """One attempt of a local activity, to be called in an asyncio task of its own.

        Raises nothing but CancelledError, when it is cancelled from outside: then the activity is told that its time is up.
        """
        slots = self._local_slots
        if slots is None:
            asked.on_started()
            return await self._local(asked)
        permit = slots.take_now() or await slots.take()
        try:
            slots.use(permit, ActivitySlot(asked.start.activity_type) if slots.informed else None)
            asked.on_started()
            return await self._local(asked)
        finally:
            slots.give_back(permit)

    async def _local(self, asked: LocalAttempt) -> LocalOutcome:
        converter = self._converter if not self._contextual else self._local_converter(asked)
        attempt = LocalActivity(self, asked, converter)
        cancel = _Cancel(attempt)
        self._running.add(attempt)
        token = current.set(attempt)
        began = attempt.loop.time()
        try:
            if not asked.cancelled.on_set(cancel):
                return LocalOutcome(failure=_cancelled_failure())
            name = asked.start.activity_type
            definition = self._types.get(name) or self._unknown(name, asked.workflow_id)
            attempt.definition = definition
            args = _arguments(definition, converter, asked.start.args)
            result = await attempt.run(args, asked.start.headers)
            payload = converter.payload_converter.to_payloads((result,))[0]
            if self._metrics is not None:
                self._metrics.local_succeeded(asked, attempt.loop.time() - began)
            return LocalOutcome(result=payload)
        except CompleteAsyncError:
            told = failure.Failure(message="A local activity cannot be completed asynchronously")
            told.application_failure_info.non_retryable = True
            return LocalOutcome(failure=told)
        except BaseException as error:
            if _is_not_the_activitys(error):
                attempt.abandon()
                raise
            return self._local_failed(attempt, error, began)
        finally:
            asked.cancelled.forget(cancel)
            current.reset(token)
            self._over(attempt)

    def _local_failed(self, attempt: LocalActivity, error: BaseException, began: float) -> LocalOutcome:
        if attempt.details is not None and is_cancelled_exception(error):
            told = instead_of_cancelled(attempt.details, error)
            if told is None:
                if self._metrics is not None:
                    self._metrics.local_cancelled(attempt.told)
                return LocalOutcome(failure=_cancelled_failure())
            error = told
        log_failure(without_us(error))
        if self._metrics is not None and not expected(error):
            self._metrics.local_failed(attempt.told, attempt.loop.time() - began)
        made = failure.Failure()
        describe(error, made, attempt.converter)
        return LocalOutcome(failure=made)

    # ---- converters that know whose payloads they convert -------------------------------------------------------------

    def _remote_converter(self, task: Task) -> DataConverter:
        inside = bool(task.workflow_execution.workflow_id)
        context = ActivitySerializationContext(
            namespace=(task.workflow_namespace or self.namespace) if inside else self.namespace,
            activity_id=task.activity_id,
            activity_type=task.activity_type.name,
            activity_task_queue=self.task_queue,
            workflow_id=task.workflow_execution.workflow_id if inside else None,
            workflow_type=task.workflow_type.name if inside else None,
            is_local=False,
        )
        if self._converter.external_storage is not None:
            context = context.stored_under(_storage_target(context, task))
        return self._converter.with_context(context)

    def _local_converter(self, asked: LocalAttempt) -> DataConverter:
        return self._converter.with_context(
            ActivitySerializationContext(
                namespace=asked.namespace,
                activity_id=asked.start.activity_id,
                activity_type=asked.start.activity_type,
                activity_task_queue=self.task_queue,
                workflow_id=asked.workflow_id,
                workflow_type=asked.workflow_type,
                is_local=True,
            )
        )


def _storage_target(
    context: ActivitySerializationContext, task: Task
) -> StorageDriverWorkflowInfo | StorageDriverActivityInfo:
    if context.workflow_id is None:
        return StorageDriverActivityInfo(
            namespace=context.namespace,
            id=context.activity_id,
            run_id=task.activity_run_id or None,
            type=context.activity_type,
        )
    return StorageDriverWorkflowInfo(
        namespace=context.namespace,
        id=context.workflow_id,
        run_id=task.workflow_execution.run_id,
        type=context.workflow_type,
    )


class _Cancel:
    """Passes the wish of a workflow on to its local activity."""

    __slots__ = ("_attempt",)

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def __call__(self) -> None:
        self._attempt.cancel(CANCEL_REQUESTED)


def _settle(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _is_not_the_activitys(error: BaseException) -> bool:
    """Whether it is the worker's own task that ends, and not the activity's code in it. Whatever else that code raises
    is a failure of it: a test's outcome, an exit."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | GeneratorExit)


def _cancelled_failure() -> failure.Failure:
    made = failure.Failure(message="Cancelled")
    made.canceled_failure_info.SetInParent()
    return made


async def _decode(task: Task, converter: DataConverter, headers: bool) -> None:
    try:
        await decode_message(task, converter, headers=headers)
    except ApplicationError:
        raise
    except Exception as error:
        raise ApplicationError("Failed decoding arguments") from error


def _arguments(definition: Definition, converter: DataConverter, payloads: Any) -> Sequence[Any]:
    """What the function is called with. Raises ApplicationError."""
    if definition.name is None:
        return [[RawValue(payload) for payload in payloads]]
    if not payloads:
        return ()
    hints = definition.arg_types
    if hints is not None and len(hints) != len(payloads):
        hints = fitting_hints(hints, len(payloads))
    try:
        found: Sequence[Any] = converter.payload_converter.from_payloads(payloads, hints)
    except ApplicationError:
        raise
    except Exception as error:
        raise ApplicationError("Failed decoding arguments") from error
    return found


def _is_of_processes(executor: Executor) -> bool:
    return isinstance(executor, ProcessPoolExecutor) or getattr(executor, "runs_activities", False)


def _check_picklable(definitions: Iterable[Definition]) -> None:
    """Raises TypeError for a sync activity that no other process could find."""
    for each in definitions:
        if not each.is_async:
            try:
                pickle.dumps(each.target or each.fn)
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                raise TypeError(
                    f"{each.name} must be picklable when using a process executor: {error}"
                ) from error
