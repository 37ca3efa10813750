"""What the code of an operation may ask: where it runs, whose client it has, whether the worker is about to stop.

The worker sets it up around each call of a handler. This file must never start anything.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nexusrpc.handler import CancelOperationContext, OperationContext, StartOperationContext

from tenuto.client.behalf import on_behalf
from tenuto.nexus._behind import Linking

if TYPE_CHECKING:
    from typing import Self

    from tenuto.client import Client
    from tenuto.common import MetricMeter

    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter


@dataclass(frozen=True)
class Info:
    """Where an operation runs."""

    endpoint: str
    """The endpoint that its caller named."""
    namespace: str
    task_queue: str


@dataclass(frozen=True)
class NexusCallback:
    """Whom to tell of an operation's end."""

    url: str
    headers: Mapping[str, str]


class Stopping:
    """Whether the worker has begun to stop; asked from any thread, set on the loop's."""

    def __init__(self) -> None:
        self.thread = threading.Event()
        self._waiting: set[asyncio.Future[None]] = set()

    def set(self) -> None:
        self.thread.set()
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        if self.thread.is_set():
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)


@dataclass(frozen=True)
class Scope:
    """One call of a handler, as the worker sets it up."""

    info: Info
    context: OperationContext
    client: Callable[[], Client]
    metric_meter: Callable[[], MetricMeter]
    stopping: Stopping


_scope: ContextVar[Scope] = ContextVar("tenuto_nexus_operation")


@contextmanager
def within(scope: Scope) -> Iterator[None]:
    """``scope`` is what code inside finds; calls of clients tell whence they come."""
    token = _scope.set(scope)
    behind = None
    if isinstance(scope.context, StartOperationContext):
        behind = on_behalf.set(Linking(scope.context))
    try:
        yield
    finally:
        if behind is not None:
            on_behalf.reset(behind)
        _scope.reset(token)


def scope() -> Scope:
    """The operation that runs here. Raises RuntimeError."""
    found = _scope.get(None)
    if found is None:
        raise RuntimeError("Not in Nexus operation context.")
    return found


def in_operation() -> bool:
    """Whether this is code of an operation."""
    return _scope.get(None) is not None


def info() -> Info:
    """Where this operation runs. Raises RuntimeError outside of one; so do the others."""
    return scope().info


def client() -> Client:
    """The client of the worker. Its signals and starts are linked with the operation's caller."""
    return scope().client()


def metric_meter() -> MetricMeter:
    """A meter whose measurements name the service, the operation and the task queue."""
    return scope().metric_meter()


def is_worker_shutdown() -> bool:
    """Whether the worker has begun to stop."""
    return scope().stopping.thread.is_set()


async def wait_for_worker_shutdown() -> None:
    """Wait until the worker begins to stop."""
    await scope().stopping.wait()


def wait_for_worker_shutdown_sync(timeout: timedelta | float | None = None) -> None:
    """As `wait_for_worker_shutdown`, for handlers that are not async; at most ``timeout``, a timedelta or seconds."""
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    scope().stopping.thread.wait(seconds)


def _fields(context: OperationContext) -> dict[str, Any]:
    return {field.name: getattr(context, field.name) for field in dataclasses.fields(context)}


class TemporalStartOperationContext(StartOperationContext):
    """What the start of an operation of `temporal_operation` is given."""

    @classmethod
    def _from_start_operation_context(cls, ctx: StartOperationContext) -> Self:
        return cls(**_fields(ctx))


class TemporalCancelOperationContext(CancelOperationContext):
    """What the cancellation of an operation of `temporal_operation` is given."""

    @classmethod
    def _from_cancel_operation_context(cls, ctx: CancelOperationContext) -> Self:
        return cls(**_fields(ctx))


class LoggerAdapter(_Adapter):
    """Adds the service, the operation and the task queue to each record's extra."""

    def __init__(self, logger: logging.Logger, extra: Mapping[str, Any] | None) -> None:
        super().__init__(logger, extra or {})

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        found = _scope.get(None)
        extra = dict(self.extra or {})
        if found is not None:
            extra["service"] = found.context.service
            extra["operation"] = found.context.operation
            extra["task_queue"] = found.info.task_queue
        kwargs["extra"] = {**extra, **(kwargs.get("extra") or {})}
        return msg, kwargs


logger = LoggerAdapter(logging.getLogger("tenuto.nexus"), None)
"""The logger for code of operations."""
