"""What a running activity may ask and tell: facts about itself, heartbeats, whether it shall end.

The worker (or a test environment) puts a `Context` in place; the functions here find it. This file must never import
protocol messages when it is loaded: workflow modules load it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from tenuto.common.durations import Duration, as_seconds
from tenuto.exceptions import CancelledError

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from tenuto.common import MetricMeter, Priority, RetryPolicy
    from tenuto.converter import PayloadConverter


@dataclass(frozen=True)
class Info:
    """Facts about the running activity. Instants are aware UTC datetimes; a timeout of None: none."""

    activity_id: str
    activity_type: str
    attempt: int
    """1 for the first."""
    current_attempt_scheduled_time: datetime
    heartbeat_details: Sequence[Any]
    """What the attempt before told with its last heartbeat."""
    heartbeat_timeout: timedelta | None
    is_local: bool
    namespace: str
    schedule_to_close_timeout: timedelta | None
    scheduled_time: datetime
    """When the first attempt was scheduled."""
    start_to_close_timeout: timedelta | None
    started_time: datetime
    task_queue: str
    task_token: bytes
    """Lets somebody else complete it: see `tenuto.client.Client.get_async_activity_handle`."""
    workflow_id: str | None
    """This and the other facts of the workflow are None for an activity that stands alone."""
    workflow_namespace: str | None
    workflow_run_id: str | None
    workflow_type: str | None
    priority: Priority
    retry_policy: RetryPolicy | None
    activity_run_id: str | None = None
    """Of an activity that stands alone."""

    @property
    def in_workflow(self) -> bool:
        """Whether a workflow asked for it."""
        return self.workflow_id is not None

    def _logger_details(self) -> dict[str, Any]:
        return {
            "activity_id": self.activity_id,
            "activity_type": self.activity_type,
            "attempt": self.attempt,
            "namespace": self.namespace,
            "task_queue": self.task_queue,
            "workflow_id": self.workflow_id,
            "workflow_run_id": self.workflow_run_id,
            "workflow_type": self.workflow_type,
        }


@dataclass(frozen=True)
class ActivityCancellationDetails:
    """Why an activity was cancelled."""

    not_found: bool = False
    """The service knows it no more."""
    cancel_requested: bool = False
    paused: bool = False
    reset: bool = False
    timed_out: bool = False
    worker_shutdown: bool = False


class CompleteAsyncError(BaseException):
    """Leaves an activity that somebody else will complete. Raised by `raise_complete_async`; let it pass."""


class Signal(Protocol):
    """Something that comes true once: a `Flag`, or its shadow in another process."""

    def is_set(self) -> bool: ...
    async def wait(self) -> None: ...
    def wait_sync(self, timeout: float | None = None) -> bool: ...


class Context(ABC):
    """What stands behind the functions of `tenuto.activity` while an activity runs."""

    __slots__ = ()

    @property
    @abstractmethod
    def cancelled(self) -> Signal: ...
    @property
    @abstractmethod
    def shutdown(self) -> Signal: ...
    @abstractmethod
    def info(self) -> Info: ...
    @abstractmethod
    def heartbeat(self, *details: Any) -> None: ...
    @abstractmethod
    def cancellation_details(self) -> ActivityCancellationDetails | None: ...
    @abstractmethod
    def payload_converter(self) -> PayloadConverter: ...
    @abstractmethod
    def metric_meter(self) -> MetricMeter: ...
    @abstractmethod
    def client(self) -> Any: ...
    @staticmethod
    def current() -> Context:
        """That of the running activity. Raises RuntimeError outside of one."""
        return _here()

    def shield(self) -> AbstractContextManager[None]:
        """No cancellation is raised in this thread while it is open."""
        return _open()


@contextmanager
def _open() -> Iterator[None]:
    yield


current: ContextVar[Context] = ContextVar("tenuto_activity")
"""The context of the activity whose code is running."""


def _here() -> Context:
    found = current.get(None)
    if found is None:
        raise RuntimeError("Not in activity context")
    return found


def in_activity() -> bool:
    """Whether this code runs in an activity."""
    return current.get(None) is not None


def info() -> Info:
    """Facts about the running activity. Raises RuntimeError outside of one, as all functions here do."""
    return _here().info()


def client() -> Any:
    """The worker's `tenuto.client.Client`, for use in async activities and (its coroutines on the worker's loop) in threads.

    Raises RuntimeError in an activity that runs in another process.
    """
    found = _here().client()
    if found is None:
        raise RuntimeError(
            "No client available: an activity in another process has none, and a test gives one to ActivityEnvironment"
        )
    return found


def heartbeat(*details: Any) -> None:
    """Tell the service that the activity is alive, and how far it got: the next attempt finds ``details`` in
    `Info.heartbeat_details`. Any thread of the activity may call it. Sent at once or, if the last one was sent a
    moment ago, later with the newest details. Only activities that heartbeat learn that they are cancelled."""
    _here().heartbeat(*details)


def is_cancelled() -> bool:
    """Whether the activity's end is asked for."""
    return _here().cancelled.is_set()


def cancellation_details() -> ActivityCancellationDetails | None:
    """Why its end is asked for; None: it is not."""
    return _here().cancellation_details()


def check_cancelled() -> None:
    """Raise `tenuto.exceptions.CancelledError` if the activity's end is asked for. For long loops."""
    if _here().cancelled.is_set():
        raise CancelledError("Cancelled")


async def wait_for_cancelled() -> None:
    """Return when the activity's end is asked for. An async activity is cancelled as well: shield what shall go on."""
    await _here().cancelled.wait()


def wait_for_cancelled_sync(timeout: Duration | None = None) -> None:
    """Block until the activity's end is asked for, or ``timeout`` (a timedelta or seconds) is over."""
    _here().cancelled.wait_sync(as_seconds(timeout))


def is_worker_shutdown() -> bool:
    """Whether the worker began to shut down."""
    return _here().shutdown.is_set()


async def wait_for_worker_shutdown() -> None:
    """Return when the worker begins to shut down."""
    await _here().shutdown.wait()


def wait_for_worker_shutdown_sync(timeout: Duration | None = None) -> None:
    """Block until the worker begins to shut down, or ``timeout`` (a timedelta or seconds) is over."""
    _here().shutdown.wait_sync(as_seconds(timeout))


def shield_thread_cancel_exception() -> AbstractContextManager[None]:
    """While it is open, no cancellation is raised in this thread; one that came meanwhile is raised when it closes."""
    return _here().shield()


def raise_complete_async() -> NoReturn:
    """Leave the activity open: whoever has its task token or ids completes it.

    Raises what must not be caught; see `tenuto.client.Client.get_async_activity_handle`.
    """
    raise CompleteAsyncError


def payload_converter() -> PayloadConverter:
    """The converter of the worker."""
    return _here().payload_converter()


def metric_meter() -> MetricMeter:
    """A meter whose numbers carry this activity's type, namespace and task queue."""
    return _here().metric_meter()
