"""Activities at work: from a task that was handed out, or a local activity asked for, to its reported end.

Slots are taken and polls are made elsewhere. This file must never know how an activity's code sees the world
(`tenuto.worker.attempt`).
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from tenuto import activity
from tenuto.activity import ActivityCancellationDetails, CompleteAsyncError, Definition
from tenuto.activity.context import current
from tenuto.activity.flag import Flag
from tenuto.common import MetricMeter, RawValue
from tenuto.exceptions import (
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
    FailureError,
    is_cancelled_exception,
)
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import common, failure, workflowservice
from tenuto.worker.activity_metrics import ActivityMetrics
from tenuto.worker.attempt import Attempt, LocalActivity, RemoteAttempt
from tenuto.worker.heartbeats import GRACE_SECONDS, TIMED_OUT, Heartbeats, interval_of
from tenuto.worker.interceptor import Interceptor
from tenuto.worker.local import LocalAttempt, LocalOutcome
from tenuto.worker.rate import RateLimit
from tenuto.worker.shared_state import SharedHeartbeatSender, SharedProcesses, SharedStateManager
from tenuto.worker.slots import ActivitySlot, Slots

if TYPE_CHECKING:
    from tenuto.client import Client
    from tenuto.converter import DataConverter
    from tenuto.worker.deployment import Build
    from tenuto.worker.processes import ProcessRunner

logger = logging.getLogger("tenuto.worker")

WORKER_SHUTDOWN = ActivityCancellationDetails(worker_shutdown=True)
CANCEL_REQUESTED = ActivityCancellationDetails(cancel_requested=True)
_TOO_LARGE = (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.RESOURCE_EXHAUSTED)

__all__ = ["Activities", "SharedHeartbeatSender", "SharedStateManager"]

Report = tuple[str, Any]
"""A method of the service, and what to send it."""


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
        max_activities_per_second: float | None = None,
        default_threads: int = 100,
        processes: int = 0,
        local_slots: Slots | None = None,
        build: Build | None = None,
    ) -> None:
        """``executor``: where sync activities run; None: threads made when needed, at most ``default_threads``, or with
        ``processes`` > 0 so many processes. ``local_slots`` bound local activities. Raises TypeError for a function that
        is no activity, ValueError for two of one name."""
        self.client = client
        """May be replaced by another client at any time."""
        self.task_queue = task_queue
        self.namespace = client.namespace
        self.identity = identity
        self.meter = metric_meter
        self.interceptors = [
            one for one in interceptors if type(one).intercept_activity is not Interceptor.intercept_activity
        ]
        self.stopping = Flag()
        """Set when the worker begins to shut down."""
        self._types: dict[str | None, Definition] = {}
        for each in activities:
            self._register(Definition.must(each))
        if processes > 0 or executor is not None:
            _check_picklable(self._types.values(), executor)
        self.names = frozenset(name for name in self._types if name is not None)
        self.has_dynamic = None in self._types
        self._converter = data_converter
        self._walks = data_converter.payload_codec is not None or data_converter.external_storage is not None
        self._contextual = _has_context(data_converter)
        self._max_throttle = max_heartbeat_throttle.total_seconds()
        self._default_throttle = default_heartbeat_throttle.total_seconds()
        self._executor = executor
        self._own_executor: Executor | None = None
        self._default_threads = default_threads
        self._processes = processes
        self._shared: SharedProcesses | None = None
        self._shared_state = shared_state_manager
        self._limit = RateLimit(max_activities_per_second) if max_activities_per_second else None
        self._local_slots = local_slots
        self._stamp = build.stamp if build is not None else None
        self._deployment = build.options if build is not None else None
        self._metrics = ActivityMetrics.of(metric_meter, self.namespace, task_queue)
        self._running: set[Attempt] = set()
        self._idle: asyncio.Future[None] | None = None

    def _register(self, definition: Definition) -> None:
        if definition.name in self._types:
            raise ValueError(
                f"More than one activity named {definition.name}"
                if definition.name is not None
                else "More than one dynamic activity"
            )
        self._types[definition.name] = definition

    # ---- lifecycle --------------------------------------------------------------------------------------------------

    async def admit(self) -> None:
        """Wait until the rate limit lets one more activity start: to be called before each poll."""
        if self._limit is not None:
            await self._limit.admit()

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

    async def run(self, task: workflowservice.PollActivityTaskQueueResponse) -> None:
        """One attempt, to its reported end; to be called in an asyncio task of its own.

        Raises nothing but CancelledError and, when no sync activity can run any more, `BrokenExecutor`.
        """
        converter = self._converter if not self._contextual else self._remote_converter(task)
        attempt = RemoteAttempt(self, task, converter)
        self._running.add(attempt)
        token = current.set(attempt)
        alarm: asyncio.TimerHandle | None = None
        fatal: BrokenExecutor | None = None
        began = attempt.loop.time()
        try:
            if self._metrics is not None:
                self._metrics.started(task)
            if task.HasField("start_to_close_timeout"):
                alarm = self._watch(attempt, task)
            try:
                result = await self._execute(attempt, task)
                report = await self._completed(attempt, result)
            except CompleteAsyncError:
                activity.logger.debug("Completing asynchronously")
                await self._flush(attempt)
                report = None
            except (Exception, asyncio.CancelledError, SystemExit) as error:
                if isinstance(error, asyncio.CancelledError) and _cancelled_from_outside(attempt):
                    raise
                fatal = error if isinstance(error, BrokenExecutor) else None
                report = await self._failed(attempt, error, began)
            else:
                if self._metrics is not None:
                    self._metrics.succeeded(task, attempt.loop.time() - began)
            attempt.close()
            if report is not None:
                await self._report(attempt, *report)
            if fatal is not None:
                raise fatal
        finally:
            attempt.close()
            if alarm is not None:
                alarm.cancel()
            current.reset(token)
            self._over(attempt)

    def _watch(
        self, attempt: Attempt, task: workflowservice.PollActivityTaskQueueResponse
    ) -> asyncio.TimerHandle | None:
        """The service gives an attempt up after a time; so does this side, a little later."""
        timeout = task.start_to_close_timeout
        seconds = timeout.seconds + timeout.nanos * 1e-9
        return (
            attempt.loop.call_later(seconds + GRACE_SECONDS, attempt.cancel, TIMED_OUT) if seconds else None
        )

    async def _execute(
        self, attempt: RemoteAttempt, task: workflowservice.PollActivityTaskQueueResponse
    ) -> Any:
        name = task.activity_type.name
        definition = self._find(name, task.workflow_execution.workflow_id)
        attempt.definition = definition
        if self._walks:
            from tenuto.converter.walk import decode_message

            try:
                await decode_message(task, attempt.converter)
            except Exception as error:
                raise ApplicationError("Failed decoding arguments") from error
        args = _decoded(definition, attempt.converter, task.input.payloads)
        options = definition.options
        if options is not None and options.auto_heartbeat and task.HasField("heartbeat_timeout"):
            attempt.begin_beats().begin_automatic()
        return await attempt.run(args, task.header.fields)

    def _find(self, name: str, workflow_id: str) -> Definition:
        definition = self._types.get(name) or self._types.get(None)
        if definition is None:
            known = ", ".join(sorted(self.names))
            raise ApplicationError(
                f"Activity function {name} for workflow {workflow_id} is not registered on this worker, "
                f"available activities: {known}",
                type="NotFoundError",
            )
        return definition

    # ---- reports ----------------------------------------------------------------------------------------------------

    def _signed(self, request: Any) -> Any:
        """Say who reports."""
        request.identity = self.identity
        request.namespace = self.namespace
        if self._stamp is not None:
            request.worker_version.CopyFrom(self._stamp)
        if self._deployment is not None:
            request.deployment_options.CopyFrom(self._deployment)
        return request

    async def _completed(self, attempt: RemoteAttempt, result: Any) -> Report:
        request = workflowservice.RespondActivityTaskCompletedRequest(task_token=attempt.told.task_token)
        request.result.payloads.extend(attempt.converter.payload_converter.to_payloads((result,)))
        await self._encode(request, attempt.converter)
        return "RespondActivityTaskCompleted", self._signed(request)

    async def _encode(self, message: Any, converter: DataConverter) -> None:
        if self._walks:
            from tenuto.converter.walk import encode_message

            await encode_message(message, converter)

    async def _failed(self, attempt: RemoteAttempt, error: BaseException, began: float) -> Report | None:
        """What to report of an attempt that raised; None: the service knows it no more."""
        details = attempt.details
        if details is not None and (details.not_found or details.timed_out):
            activity.logger.debug("Not reporting an end that the service does not wait for: %r", error)
            return None
        if attempt.broken is not None and is_cancelled_exception(error):
            error = attempt.broken
        elif details is not None and is_cancelled_exception(error):
            told = _instead_of_cancelled(details)
            if told is None:
                return await self._cancelled(attempt, error)
            error = told
        expected = isinstance(error, ApplicationError) and error.category is ApplicationErrorCategory.BENIGN
        level = logging.DEBUG if expected else logging.WARNING
        activity.logger.log(level, "Completing activity as failed", exc_info=error)
        if self._metrics is not None and not expected:
            self._metrics.failed(attempt.told, attempt.loop.time() - began)
        request = workflowservice.RespondActivityTaskFailedRequest(task_token=attempt.told.task_token)
        self._describe(error, request.failure, attempt.converter)
        unsent = attempt.close()
        if unsent:
            request.last_heartbeat_details.payloads.extend(unsent)
        try:
            await self._encode(request, attempt.converter)
        except Exception as broken:
            activity.logger.exception("The failure could not be encoded")
            request.Clear()
            request.task_token = attempt.told.task_token
            request.failure.message = f"Failed encoding failure: {broken}"
            request.failure.application_failure_info.type = type(broken).__name__
        return "RespondActivityTaskFailed", self._signed(request)

    async def _cancelled(self, attempt: RemoteAttempt, error: BaseException) -> Report:
        activity.logger.debug("Completing as cancelled")
        request = workflowservice.RespondActivityTaskCanceledRequest(task_token=attempt.told.task_token)
        if isinstance(error, CancelledError) and error.details:
            payloads = attempt.converter.payload_converter.to_payloads(error.details)
            request.details.payloads.extend(payloads)
            await self._encode(request, attempt.converter)
        return "RespondActivityTaskCanceled", self._signed(request)

    def _describe(self, error: BaseException, told: failure.Failure, converter: DataConverter) -> None:
        if isinstance(error, asyncio.CancelledError):
            raised, error = error, ApplicationError(str(error) or "Cancelled", type="CancelledError")
            error.__traceback__ = raised.__traceback__
        try:
            converter.failure_converter.to_failure(error, told, converter.payload_converter)  # type: ignore[arg-type]
        except Exception as broken:
            activity.logger.exception("The failure could not be converted")
            told.Clear()
            told.message = f"Failed building exception result: {broken}"
            told.application_failure_info.SetInParent()

    async def _report(self, attempt: RemoteAttempt, method: str, request: Any) -> None:
        try:
            await self.client.service_client.call(method, request, retry=True)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                logger.warning(
                    "Activity %s was not found on completion: it timed out, or its workflow is closed: %s",
                    attempt.told.activity_id,
                    error,
                )
            elif error.status in _TOO_LARGE and method == "RespondActivityTaskCompleted":
                await self._refused(attempt, error)
            else:
                logger.warning("Activity %s could not be completed: %s", attempt.told.activity_id, error)

    async def _refused(self, attempt: RemoteAttempt, error: RPCError) -> None:
        """The service does not take the result: fail now, and not by a timeout later."""
        request = workflowservice.RespondActivityTaskFailedRequest(task_token=attempt.told.task_token)
        request.failure.message = f"The result was refused: {error.message}"
        request.failure.application_failure_info.type = "ResultRefused"
        await self._report(attempt, "RespondActivityTaskFailed", self._signed(request))

    # ---- heartbeats -------------------------------------------------------------------------------------------------

    def heartbeats_of(self, attempt: RemoteAttempt) -> Heartbeats:
        """New heartbeats of an attempt."""
        told = attempt.told
        timeout = told.heartbeat_timeout.seconds + told.heartbeat_timeout.nanos * 1e-9
        token, converter = told.task_token, attempt.converter

        async def send(
            details: Sequence[common.Payload],
        ) -> workflowservice.RecordActivityTaskHeartbeatResponse:
            return await self._beat(token, details, converter)

        return Heartbeats(
            send=send,
            cancel=attempt.cancel,
            broken=attempt.cancel_for,
            interval=interval_of(timeout, self._default_throttle, self._max_throttle),
            timeout=timeout,
            known=list(told.heartbeat_details.payloads),
        )

    async def _beat(
        self, token: bytes, details: Sequence[common.Payload], converter: DataConverter
    ) -> workflowservice.RecordActivityTaskHeartbeatResponse:
        request = workflowservice.RecordActivityTaskHeartbeatRequest(
            task_token=token, identity=self.identity, namespace=self.namespace
        )
        if details:
            request.details.payloads.extend(details)
            await self._encode(request, converter)
        answer: workflowservice.RecordActivityTaskHeartbeatResponse
        answer = await self.client.service_client.call("RecordActivityTaskHeartbeat", request, retry=True)
        return answer

    async def _flush(self, attempt: RemoteAttempt) -> None:
        """Send the details that wait: nobody will heartbeat from here any more."""
        unsent = attempt.close()
        if unsent is None:
            return
        try:
            await self._beat(attempt.told.task_token, unsent, attempt.converter)
        except Exception:
            logger.warning("The last heartbeat of activity %s could not be sent", attempt.told.activity_id)

    # ---- local activities -------------------------------------------------------------------------------------------

    async def run_local(self, asked: LocalAttempt) -> LocalOutcome:
        """One attempt of a local activity, to be called in an asyncio task of its own.

        Raises nothing but CancelledError, when it is cancelled from outside: then the activity is told that its time is up.
        """
        slots = self._local_slots
        permit = await slots.take() if slots is not None else None
        try:
            if slots is not None and permit is not None:
                slots.use(permit, ActivitySlot(asked.start.activity_type))
            asked.on_started()
            return await self._local(asked)
        finally:
            if slots is not None and permit is not None:
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
            definition = attempt.definition = self._find(asked.start.activity_type, asked.workflow_id)
            args = _decoded(definition, converter, asked.start.args)
            result = await attempt.run(args, asked.start.headers)
            payload = converter.payload_converter.to_payloads((result,))[0]
            if self._metrics is not None:
                self._metrics.local_succeeded(asked, attempt.loop.time() - began)
            return LocalOutcome(result=payload)
        except CompleteAsyncError:
            told = failure.Failure(message="A local activity cannot be completed asynchronously")
            told.application_failure_info.non_retryable = True
            return LocalOutcome(failure=told)
        except (Exception, asyncio.CancelledError, SystemExit) as error:
            if isinstance(error, asyncio.CancelledError) and _cancelled_from_outside(attempt):
                attempt.cancel(TIMED_OUT)
                raise
            return self._local_failed(attempt, error, began)
        finally:
            asked.cancelled.forget(cancel)
            current.reset(token)
            self._over(attempt)

    def _local_failed(self, attempt: LocalActivity, error: BaseException, began: float) -> LocalOutcome:
        if attempt.details is not None and is_cancelled_exception(error):
            if attempt.details.worker_shutdown:
                error = ApplicationError("Worker is shutting down", type="WorkerShutdown")
            else:
                if self._metrics is not None:
                    self._metrics.local_cancelled(attempt.told)
                return LocalOutcome(failure=_cancelled_failure())
        expected = isinstance(error, ApplicationError) and error.category is ApplicationErrorCategory.BENIGN
        level = logging.DEBUG if expected else logging.WARNING
        activity.logger.log(level, "Completing activity as failed", exc_info=error)
        if self._metrics is not None and not expected:
            self._metrics.local_failed(attempt.told, attempt.loop.time() - began)
        told = failure.Failure()
        self._describe(error, told, attempt.converter)
        return LocalOutcome(failure=told)

    # ---- converters that know whose payloads they convert -------------------------------------------------------------

    def _remote_converter(self, task: workflowservice.PollActivityTaskQueueResponse) -> DataConverter:
        from tenuto.converter import ActivitySerializationContext

        inside = task.HasField("workflow_execution")
        return self._converter.with_context(
            ActivitySerializationContext(
                namespace=(task.workflow_namespace or self.namespace) if inside else self.namespace,
                activity_id=task.activity_id,
                activity_type=task.activity_type.name,
                activity_task_queue=self.task_queue,
                workflow_id=task.workflow_execution.workflow_id if inside else None,
                workflow_type=task.workflow_type.name if inside else None,
                is_local=False,
            )
        )

    def _local_converter(self, asked: LocalAttempt) -> DataConverter:
        from tenuto.converter import ActivitySerializationContext

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


def _cancelled_from_outside(attempt: Attempt) -> bool:
    """Whether it is the worker's own task that is cancelled, and not the activity's code in it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _instead_of_cancelled(details: ActivityCancellationDetails) -> FailureError | None:
    """What a cancelled attempt fails with when nobody asked for its cancellation as such, so that it is tried again."""
    if details.cancel_requested:
        return None
    if details.paused:
        text = "Unhandled activity cancel error produced by activity pause"
        return ApplicationError(text, type="ActivityPause")
    if details.reset:
        text = "Unhandled activity cancel error produced by activity reset"
        return ApplicationError(text, type="ActivityReset")
    if details.worker_shutdown:
        return ApplicationError("Worker is shutting down", type="WorkerShutdown")
    return None


def _cancelled_failure() -> failure.Failure:
    made = failure.Failure(message="Cancelled")
    made.canceled_failure_info.SetInParent()
    return made


def _decoded(definition: Definition, converter: DataConverter, payloads: Any) -> Sequence[Any]:
    """The arguments of a call. Raises ApplicationError."""
    if definition.name is None:
        return [[RawValue(payload) for payload in payloads]]
    if not payloads:
        return ()
    hints = definition.arg_types
    if hints is not None and len(hints) != len(payloads):
        # Parameters with defaults may stay away; what is beyond them is for the call itself to refuse.
        hints = hints[: len(payloads)] if len(payloads) < len(hints) else None
    try:
        return converter.payload_converter.from_payloads(payloads, hints)
    except ApplicationError:
        raise
    except Exception as error:
        raise ApplicationError("Failed decoding arguments") from error


def _check_picklable(definitions: Iterable[Definition], executor: Executor | None) -> None:
    """Raises TypeError for a sync activity that no other process can find, when that is where it is to run."""
    if executor is not None and not (
        isinstance(executor, ProcessPoolExecutor) or getattr(executor, "runs_activities", False)
    ):
        return
    for each in definitions:
        if not each.is_async:
            try:
                pickle.dumps(each.target or each.fn)
            except Exception as error:
                raise TypeError(
                    f"{each.name} must be picklable when using a process executor: {error}"
                ) from error


def _has_context(converter: DataConverter) -> bool:
    from tenuto.converter import WithSerializationContext

    parts = (converter.payload_converter, converter.payload_codec, converter.failure_converter)
    return any(isinstance(part, WithSerializationContext) for part in parts)
