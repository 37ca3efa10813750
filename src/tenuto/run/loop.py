"""The event loop of one run: callbacks in order, conditions between them, and timers that are commands.

Time stands still while callbacks run; a timer is a request to the service and fires when history says so. This file
must never know what a workflow is.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from asyncio import events
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from tenuto._loop import Callback, DeterministicLoop
from tenuto.workflow.errors import ReadOnlyContextError

if TYPE_CHECKING:
    from tenuto.workflow._runtime import Runtime


logger = logging.getLogger("tenuto.workflow")


class RunTimer(asyncio.TimerHandle):
    """A handle that knows its timer."""

    __slots__ = ("timer",)
    timer: Any


class Timers(Protocol):
    """Who makes timers durable."""

    def start_timer(self, seconds: float, handle: asyncio.TimerHandle) -> None: ...
    def cancel_timer(self, handle: asyncio.TimerHandle) -> None: ...
    def seconds(self) -> float: ...
    def check_task(self) -> None: ...


class _Still:
    """Time of a loop that is closed."""

    __slots__ = ("_seconds",)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def start_timer(self, seconds: float, handle: asyncio.TimerHandle) -> None: ...
    def cancel_timer(self, handle: asyncio.TimerHandle) -> None: ...
    def check_task(self) -> None: ...
    def seconds(self) -> float:
        return self._seconds


class RunLoop(DeterministicLoop):
    """Drive it with ``drain``. ``tenuto_runtime`` is how workflow code finds its run."""

    tenuto_runtime: Runtime

    def __init__(self, timers: Timers) -> None:
        super().__init__()
        self._timers = timers
        self.conditions: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self._sweep_at = 32
        self.failed = False
        """Whether the activation has failed: nothing more may run then."""

    def drain(self, begin: Callable[[], None] | None, check_conditions: Callable[[], bool] | None) -> None:
        """Run ``begin`` and then everything that is ready, and what that makes ready; conditions whose time has come
        are looked at whenever nothing is ready any more."""
        outer = self._enter()
        events._set_running_loop(self)
        try:
            if begin is not None:
                begin()
            ready = self._ready
            while ready:
                while ready:
                    handle = ready.popleft()
                    if not handle._cancelled:
                        handle._run()
                        if self.failed:
                            return
                if self.conditions and check_conditions is not None and check_conditions():
                    self._check()
        finally:
            events._set_running_loop(outer)
            self._running = False

    def _check(self) -> None:
        waiting = []
        for predicate, future in self.conditions:
            if future.done():
                continue
            try:
                true = predicate()
            except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
                future.set_exception(error)
                continue
            if true:
                future.set_result(None)
            else:
                waiting.append((predicate, future))
        self.conditions = waiting

    def create_task(self, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        try:
            self._timers.check_task()
        except ReadOnlyContextError:
            coro.close()
            raise
        task = super().create_task(coro, **kwargs)
        self.keep(task)
        return task

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold on to a task: asyncio does not, and one that waits for itself alone would be collected."""
        self.tasks.append(task)
        if len(self.tasks) >= self._sweep_at:
            self.tasks = [task for task in self.tasks if not task.done()]
            self._sweep_at = 2 * len(self.tasks) + 32

    def pending(self) -> list[asyncio.Task[Any]]:
        """Tasks that are not done, oldest first."""
        return [task for task in self.tasks if not task.done()]

    def time(self) -> float:
        return self._timers.seconds()

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        if delay < 0:
            raise RuntimeError(f"a timer cannot fire {-delay} s ago")
        handle = RunTimer(self.time() + delay, callback, args, self, context)
        self._timers.start_timer(delay, handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        # Seconds since the epoch leave a double few digits: whole milliseconds undo what subtraction adds.
        return self.call_later(max(0.0, round(when - self.time(), 3)), callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._timers.cancel_timer(handle)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._closed:
            return
        if self._exception_handler is not None:
            self._exception_handler(self, context)
        else:
            logger.error("%s", context.get("message"), exc_info=context.get("exception"))

    def close(self) -> None:
        """Forget everything, and whom it belonged to."""
        super().close()
        self._timers = _Still(self._timers.seconds())
        self.failed = False
        self.tasks.clear()
        self.conditions.clear()

    def fire(self, handle: asyncio.TimerHandle) -> None:
        """Its time has come."""
        if not handle._cancelled:
            self._ready.append(handle)
