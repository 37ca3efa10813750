"""One attempt of an activity: what its code sees, how it runs, and how it is cancelled.

This file must never report an end; `tenuto.worker.activities` does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tenuto.activity import ActivityCancellationDetails, Context, Definition, Info
from tenuto.activity.context import Signal
from tenuto.activity.definition import is_async
from tenuto.activity.flag import Flag
from tenuto.common import Priority, RetryPolicy
from tenuto.worker.activity_interceptor import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
)
from tenuto.worker.executors import ThreadCall, in_thread
from tenuto.worker.heartbeats import TIMED_OUT, Heartbeats

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from tenuto.common import MetricMeter
    from tenuto.converter import DataConverter, PayloadConverter
    from tenuto.wire import common, duration_pb2, timestamp_pb2, workflowservice
    from tenuto.worker.activities import Activities
    from tenuto.worker.local import LocalAttempt

SHIELD = nullcontext()


class Attempt(Context):
    """The context of an activity's code, from before its start to after its end. For the loop's thread unless told."""

    __slots__ = (
        "_cancelled",
        "_info",
        "_meter",
        "_outbound",
        "broken",
        "call",
        "converter",
        "definition",
        "details",
        "loop",
        "owner",
        "stop",
        "task",
        "thread",
        "times_cancelled",
    )

    def __init__(self, owner: Activities, converter: DataConverter) -> None:
        self.owner = owner
        self.converter = converter
        self.definition: Definition | None = None
        self.details: ActivityCancellationDetails | None = None
        """Why it shall end."""
        self.broken: BaseException | None = None
        """Why its heartbeats cannot be sent."""
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self.task: asyncio.Task[Any] | None = None
        """Set while an async activity's code runs in it."""
        self.times_cancelled = 0
        self.call: ThreadCall | None = None
        self.stop: Callable[[ActivityCancellationDetails], None] | None = None
        """Tells an activity in another process."""
        self._cancelled: Flag | None = None
        self._info: Info | None = None
        self._meter: MetricMeter | None = None
        self._outbound: ActivityOutboundInterceptor | None = None

    # ---- what its code sees -----------------------------------------------------------------------------------------

    @property
    def cancelled(self) -> Signal:
        """From any thread."""
        if self._cancelled is None:
            made = Flag()
            self._cancelled = made
            # The reason may have come at this very moment: whoever comes second sees what the first has set.
            if self.details is not None or self.broken is not None:
                made.set()
        return self._cancelled

    @property
    def shutdown(self) -> Signal:
        """From any thread."""
        return self.owner.stopping

    def info(self) -> Info:
        """From any thread."""
        return self.own_info() if self._outbound is None else self._outbound.info()

    def own_info(self) -> Info:
        """Past the interceptors."""
        if self._info is None:
            self._info = self.make_info()
        return self._info

    def make_info(self) -> Info:
        raise NotImplementedError

    def heartbeat(self, *details: Any) -> None:
        """From any thread."""
        if self._outbound is None:
            self.own_heartbeat(details)
        else:
            self._outbound.heartbeat(*details)

    def own_heartbeat(self, details: Sequence[Any]) -> None:
        """Past the interceptors."""
        raise NotImplementedError

    def beat_from_elsewhere(self, *details: Any) -> None:
        """A heartbeat from the activity's process: no interceptor sees those. From any thread."""
        try:
            self.own_heartbeat(details)
        except Exception as error:  # noqa: BLE001 - the activity fails with it
            self.loop.call_soon_threadsafe(self.cancel_for, error)

    def cancellation_details(self) -> ActivityCancellationDetails | None:
        return self.details

    def payload_converter(self) -> PayloadConverter:
        return self.converter.payload_converter

    def metric_meter(self) -> MetricMeter:
        if self._meter is None:
            assert self.definition is not None
            info = self.own_info()
            self._meter = self.owner.meter.with_additional_attributes(
                {
                    "namespace": info.namespace,
                    "task_queue": info.task_queue,
                    "activity_type": info.activity_type,
                }
            )
        return self._meter

    def client(self) -> Any:
        return self.owner.client

    def shield(self) -> AbstractContextManager[None]:
        return SHIELD if self.call is None else self.call.shield()

    # ---- its end ----------------------------------------------------------------------------------------------------

    def cancel(self, details: ActivityCancellationDetails) -> None:
        """Ask for its end; the first reason counts."""
        if self.details is not None:
            return
        self.details = details
        if self._cancelled is not None:
            self._cancelled.set()
        self._interrupt()

    def cancel_for(self, error: BaseException) -> None:
        """End it, and let it fail with ``error``: its heartbeats cannot be sent."""
        if self.broken is None:
            self.broken = error
            if self._cancelled is not None:
                self._cancelled.set()
            self._interrupt()

    def _interrupt(self) -> None:
        if self.task is not None:
            # Not at once: this may be a call from the activity's own code, and the error belongs to its next await.
            self.loop.call_soon(self._cancel_task)
        elif self.call is not None:
            if self.definition is not None and not self.definition.no_thread_cancel_exception:
                self.call.interrupt()
        elif self.stop is not None:
            self.stop(self.details or ActivityCancellationDetails())

    def _cancel_task(self) -> None:
        if self.task is not None:
            self.times_cancelled += 1
            self.task.cancel("Activity cancelled")

    # ---- running ----------------------------------------------------------------------------------------------------

    async def run(self, args: Sequence[Any], headers: Mapping[str, common.Payload]) -> Any:
        """What its code returns, past the interceptors. Raises what it raises."""
        definition = self.definition
        assert definition is not None
        if self.details is not None or self.broken is not None:
            raise asyncio.CancelledError
        interceptors = self.owner.interceptors
        if not interceptors:
            if definition.is_async:
                return await self._run_async(definition.fn, args)
            return await self._run_sync(definition.fn, args, self.owner.executor())
        inbound: ActivityInboundInterceptor = _Innermost(self)
        for one in reversed(interceptors):
            inbound = one.intercept_activity(inbound)
        inbound.init(_Outermost(self))
        executor = None if definition.is_async else self.owner.executor()
        return await inbound.execute_activity(ExecuteActivityInput(definition.fn, args, executor, headers))

    async def _run_async(self, fn: Callable[..., Any], args: Sequence[Any]) -> Any:
        self.task = asyncio.current_task(self.loop)
        try:
            return await fn(*args)
        finally:
            task, self.task = self.task, None
            if self.times_cancelled and task is not None:
                for _ in range(self.times_cancelled):
                    task.uncancel()

    async def _run_sync(self, fn: Callable[..., Any], args: Sequence[Any], executor: Executor) -> Any:
        elsewhere = self.owner.elsewhere(executor)
        if elsewhere is not None:
            return await elsewhere.run(self, fn, args, executor)
        if self._cancelled is None:
            self._cancelled = Flag()
        call = self.call = ThreadCall(fn, args)
        return await in_thread(executor, call)

    async def execute(self, asked: ExecuteActivityInput) -> Any:
        """The end of the chain of interceptors."""
        definition = self.definition
        assert definition is not None
        own = asked.fn is definition.fn
        if definition.is_async if own else is_async(asked.fn):
            return await self._run_async(asked.fn, asked.args)
        return await self._run_sync(asked.fn, asked.args, asked.executor or self.owner.executor())

    def wrap_outbound(self, outbound: ActivityOutboundInterceptor) -> None:
        """Have the context's own calls pass ``outbound``."""
        self._outbound = outbound


class RemoteAttempt(Attempt):
    """An attempt that the service handed out."""

    __slots__ = ("_early", "beats", "told")

    def __init__(
        self, owner: Activities, told: workflowservice.PollActivityTaskQueueResponse, converter: DataConverter
    ) -> None:
        super().__init__(owner, converter)
        self.told = told
        self.beats: Heartbeats | None = None
        self._early: Sequence[common.Payload] | None = None
        """Details of a first heartbeat from another thread that the loop has not seen yet."""

    def make_info(self) -> Info:
        told = self.told
        execution = told.workflow_execution if told.workflow_execution.workflow_id else None
        details: Sequence[Any] = []
        if told.HasField("heartbeat_details"):
            details = self.converter.payload_converter.from_payloads(told.heartbeat_details.payloads)
        return Info(
            activity_id=told.activity_id,
            activity_type=told.activity_type.name,
            attempt=told.attempt,
            current_attempt_scheduled_time=_instant(told.current_attempt_scheduled_time),
            heartbeat_details=details,
            heartbeat_timeout=_duration(told.heartbeat_timeout),
            is_local=False,
            namespace=self.owner.namespace,
            schedule_to_close_timeout=_duration(told.schedule_to_close_timeout),
            scheduled_time=_instant(told.scheduled_time),
            start_to_close_timeout=_duration(told.start_to_close_timeout),
            started_time=_instant(told.started_time),
            task_queue=self.owner.task_queue,
            task_token=told.task_token,
            workflow_id=execution.workflow_id if execution else None,
            workflow_namespace=(told.workflow_namespace or self.owner.namespace) if execution else None,
            workflow_run_id=execution.run_id if execution else None,
            workflow_type=told.workflow_type.name if execution else None,
            priority=Priority.from_proto(told.priority),
            retry_policy=RetryPolicy.from_proto(told.retry_policy) if told.HasField("retry_policy") else None,
            activity_run_id=told.activity_run_id or None,
        )

    def own_heartbeat(self, details: Sequence[Any]) -> None:
        payloads = self.converter.payload_converter.to_payloads(details) if details else []
        here = threading.get_ident() == self.thread
        beats = self.beats
        if beats is not None:
            beats.offer(payloads, here)
        elif here:
            self.begin_beats().offer(payloads, True)
        else:
            self._early = payloads
            self.loop.call_soon_threadsafe(self._first_beat)

    def _first_beat(self) -> None:
        early, self._early = self._early, None
        if self.definition is not None and early is not None:
            self.begin_beats().offer(early, True)

    def begin_beats(self) -> Heartbeats:
        """The heartbeats of this attempt, made now if there were none."""
        if self.beats is None:
            self.beats = self.owner.heartbeats_of(self)
        return self.beats

    def close(self) -> Sequence[common.Payload] | None:
        """It is over. Returns heartbeat details that were not sent."""
        self.definition = None
        return self.beats.close() if self.beats is not None else self._early


class LocalActivity(Attempt):
    """An attempt that a workflow of this worker asked for."""

    __slots__ = ("told",)

    def __init__(self, owner: Activities, told: LocalAttempt, converter: DataConverter) -> None:
        super().__init__(owner, converter)
        self.told = told

    def make_info(self) -> Info:
        told, start = self.told, self.told.start
        scheduled = _of_ns(told.scheduled_at)
        return Info(
            activity_id=start.activity_id,
            activity_type=start.activity_type,
            attempt=told.attempt,
            current_attempt_scheduled_time=scheduled,
            heartbeat_details=[],
            heartbeat_timeout=None,
            is_local=True,
            namespace=told.namespace,
            schedule_to_close_timeout=_of_duration_ns(start.schedule_to_close_ns),
            scheduled_time=_of_ns(told.original_schedule_at),
            start_to_close_timeout=_of_duration_ns(told.start_to_close_ns),
            started_time=scheduled,
            task_queue=told.task_queue,
            task_token=b"",
            workflow_id=told.workflow_id,
            workflow_namespace=told.namespace,
            workflow_run_id=told.run_id,
            workflow_type=told.workflow_type,
            priority=Priority.default,
            retry_policy=RetryPolicy.from_proto(start.retry_policy),
        )

    def own_heartbeat(self, details: Sequence[Any]) -> None:
        """Nobody waits for heartbeats of a local activity."""

    @property
    def cancelled(self) -> Signal:
        self._see_time()
        return super().cancelled

    def cancellation_details(self) -> ActivityCancellationDetails | None:
        self._see_time()
        return self.details

    def abandon(self) -> None:
        """Its time is up, and nobody waits for it any more: end what runs in a thread or a process."""
        self._see_time()
        self.details = self.details or TIMED_OUT
        self._interrupt()

    def _see_time(self) -> None:
        """Its task is cancelled when its time is up, before anybody says so here."""
        if self.details is None and self.told.expired():
            self.details = TIMED_OUT
            if self._cancelled is not None:
                self._cancelled.set()


class _Innermost(ActivityInboundInterceptor):
    """The end of the chain."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        self._attempt.wrap_outbound(outbound)

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await self._attempt.execute(input)


class _Outermost(ActivityOutboundInterceptor):
    """The end of the chain of what the code asks."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def info(self) -> Info:
        return self._attempt.own_info()

    def heartbeat(self, *details: Any) -> None:
        self._attempt.own_heartbeat(details)


def _instant(stamp: timestamp_pb2.Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)


def _duration(value: duration_pb2.Duration) -> timedelta | None:
    """0 is none."""
    return value.ToTimedelta() if value.seconds or value.nanos else None


def _of_ns(instant: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant // 1000)


def _of_duration_ns(duration: int) -> Any:
    return timedelta(microseconds=duration / 1000) if duration else None
