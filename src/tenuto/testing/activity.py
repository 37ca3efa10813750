"""Runs an activity's function by itself, with a context that a test holds in its hands. It must never need a service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from tenuto.activity import Activity, ActivityCancellationDetails, Context, Definition, Info
from tenuto.activity.context import Signal, current
from tenuto.activity.definition import is_async
from tenuto.activity.flag import Flag
from tenuto.common import MetricMeter, Priority
from tenuto.worker.executors import ThreadCall

if TYPE_CHECKING:
    from tenuto.client import Client
    from tenuto.converter import PayloadConverter

P = ParamSpec("P")
R = TypeVar("R")

_CANCEL_REQUESTED = ActivityCancellationDetails(cancel_requested=True)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _nothing(*details: Any) -> None:
    pass


class ActivityEnvironment:
    """The surroundings of an activity. Its fields may be set before ``run``:

    ``info``: what `tenuto.activity.info` gives. ``on_heartbeat``: called with the details of each heartbeat, at once.
    ``payload_converter`` and ``metric_meter``: what the functions of these names give.
    """

    info: Info
    on_heartbeat: Callable[..., Any]
    payload_converter: PayloadConverter
    metric_meter: MetricMeter

    def __init__(self, client: Client | None = None) -> None:
        """``client``: what `tenuto.activity.client` gives; None: that raises RuntimeError."""
        from tenuto.converter import DataConverter

        self.info = self.default_info()
        self.on_heartbeat = _nothing
        self.payload_converter = DataConverter.default.payload_converter
        self.metric_meter = MetricMeter.noop
        self._client = client
        self._cancelled = Flag()
        self._shutdown = Flag()
        self._details: ActivityCancellationDetails | None = None
        self._running: set[_Running] = set()

    @staticmethod
    def default_info() -> Info:
        """The info of a new environment."""
        return Info(
            activity_id="test",
            activity_type="unknown",
            attempt=1,
            current_attempt_scheduled_time=_EPOCH,
            heartbeat_details=[],
            heartbeat_timeout=None,
            is_local=False,
            namespace="default",
            schedule_to_close_timeout=timedelta(seconds=1),
            scheduled_time=_EPOCH,
            start_to_close_timeout=timedelta(seconds=1),
            started_time=_EPOCH,
            task_queue="test",
            task_token=b"test",
            workflow_id="test",
            workflow_namespace="default",
            workflow_run_id="test-run",
            workflow_type="test",
            priority=Priority.default,
            retry_policy=None,
        )

    def cancel(self, cancellation_details: ActivityCancellationDetails = _CANCEL_REQUESTED) -> None:
        """Cancel what runs and what will run here; only the first call counts. From any thread."""
        if self._details is not None:
            return
        self._details = cancellation_details
        self._cancelled.set()
        for running in list(self._running):
            running.cancel()

    def worker_shutdown(self) -> None:
        """Let activities see that their worker shuts down. From any thread."""
        self._shutdown.set()

    def run(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call ``fn`` as an activity: an async one gives a coroutine to await, a sync one runs at once, in this thread.

        ``fn`` is a function (decorated or not), a bound method, a callable object or an `Activity`.
        """
        target: Callable[..., Any] = fn.fn if isinstance(fn, Activity) else fn
        running = _Running(self, Definition.of(fn))
        if is_async(target):
            return cast(R, running.run_async(target, args, kwargs))
        return cast(R, running.run_sync(target, args, kwargs))


class _Running(Context):
    """One call in an environment."""

    def __init__(self, environment: ActivityEnvironment, definition: Definition | None) -> None:
        self._environment = environment
        self._raises = definition is None or not definition.no_thread_cancel_exception
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._call: ThreadCall | None = None

    @property
    def cancelled(self) -> Signal:
        return self._environment._cancelled

    @property
    def shutdown(self) -> Signal:
        return self._environment._shutdown

    def info(self) -> Info:
        return self._environment.info

    def heartbeat(self, *details: Any) -> None:
        self._environment.on_heartbeat(*details)

    def cancellation_details(self) -> ActivityCancellationDetails | None:
        return self._environment._details

    def payload_converter(self) -> PayloadConverter:
        return self._environment.payload_converter

    def metric_meter(self) -> MetricMeter:
        return self._environment.metric_meter

    def client(self) -> Any:
        return self._environment._client

    def shield(self) -> AbstractContextManager[None]:
        return self._call.shield() if self._call is not None else nullcontext()

    def cancel(self) -> None:
        """From any thread."""
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        elif self._call is not None and self._raises:
            self._call.interrupt()

    @contextmanager
    def _present(self) -> Generator[None, None, None]:
        self._environment._running.add(self)
        try:
            if self._environment._details is not None:
                self.cancel()
            yield
        finally:
            self._environment._running.discard(self)

    async def run_async(self, target: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        async def call() -> Any:
            current.set(self)
            return await target(*args, **kwargs)

        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(call())
        with self._present():
            return await self._task

    def run_sync(self, target: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        self._call = ThreadCall(lambda: target(*args, **kwargs), ())
        token = current.set(self)
        try:
            with self._present():
                return self._call()
        finally:
            current.reset(token)
