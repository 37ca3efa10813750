"""An asyncio event loop without a clock, without I/O and without chance: the same callbacks always run in the same order.

It carries whatever asyncio builds on futures and callbacks: tasks, groups, ``gather``, ``timeout``, queues, locks, events.
A child decides what time is (``time`` and ``call_at``) and may decide which ready callback runs next (``_take``). This room
must never read a clock, open a socket, start a thread, or step a task from within another task's step: some interpreters
keep one current task per thread, not per loop.
"""

import asyncio
import contextvars
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")

Callback = Callable[..., object]
ExceptionHandler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


class LoopError(Exception):
    """The loop cannot go on."""


class Deadlock(LoopError):
    """Somebody waits, nothing is ready, and no timer is pending."""


class Stopped(LoopError):
    """``stop`` was called before what was waited for was done."""


class NestedStep(LoopError):
    """The loop was driven from inside a step of another loop's task."""


def _no_io(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError("a deterministic loop has no I/O, no threads, no processes and no signals")


class Ready(asyncio.Handle):
    """A callback that waits for its turn: a handle that does not ask for asyncio's debug mode, which there is none of."""

    __slots__ = ()

    def __init__(
        self,
        callback: Callback,
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context | None,
    ) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class DeterministicLoop(asyncio.AbstractEventLoop):
    """First in, first out. Without a child that knows time, everything that needs time raises NotImplementedError.

    Drive it with ``run_ready`` (everything that can run now) or ``run_until_complete``. It may be driven from a plain
    callback of another running loop; that loop is the running one again afterwards.
    """

    def __init__(self) -> None:
        self._ready: deque[asyncio.Handle] = deque()
        self._closed = False
        self._running = False
        self._stopping = False
        self._exception_handler: ExceptionHandler | None = None
        self._task_factory: Callable[..., Any] | None = None

    # ---- scheduling -------------------------------------------------------------------------------------------------

    def call_soon(  # type: ignore[override]
        self, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = Ready(callback, args, self, context)
        if not self._closed:
            self._ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Only for asyncio's own use on this thread: there is no other thread in a deterministic world."""
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        raise NotImplementedError("this loop has no time")

    def time(self) -> float:
        raise NotImplementedError("this loop has no time")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """asyncio calls this when a timer is cancelled; a child drops such timers when their turn comes."""

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **kwargs: Any,
    ) -> "asyncio.Task[T]":
        if self._task_factory is not None:
            made: asyncio.Task[T] = self._task_factory(self, coro, name=name, context=context, **kwargs)
            return made
        return asyncio.Task(coro, loop=self, name=name, context=context, **kwargs)

    def set_task_factory(self, factory: Callable[..., Any] | None) -> None:
        self._task_factory = factory

    def get_task_factory(self) -> Any:
        return self._task_factory

    # ---- running ----------------------------------------------------------------------------------------------------

    def _take(self) -> asyncio.Handle:
        """Remove and return the next ready callback. Children may choose another than the oldest."""
        return self._ready.popleft()

    def _step(self) -> None:
        """Run one ready callback."""
        handle = self._take()
        if not handle._cancelled:
            handle._run()

    def _rest(self) -> bool:
        """Nothing is ready: make time pass. False: there is nothing to wait for."""
        return False

    def run_ready(self) -> None:
        """Run callbacks until none is ready. Time does not pass."""
        outer = self._enter()
        events._set_running_loop(self)
        try:
            while self._ready:
                self._step()
        finally:
            events._set_running_loop(outer)
            self._running = False

    def run_until_complete(self, future: Any) -> Any:
        """Run until ``future`` is done, and return its result. Raises `Deadlock`."""
        awaited = asyncio.ensure_future(future, loop=self)
        outer = self._enter()
        self._stopping = False
        events._set_running_loop(self)
        try:
            while not awaited.done() and not self._stopping:
                if self._ready:
                    self._step()
                elif not self._rest():
                    raise Deadlock("nothing is ready and no timer is pending")
        finally:
            events._set_running_loop(outer)
            self._running = False
        if not awaited.done():
            raise Stopped("the loop was stopped")
        return awaited.result()

    def _enter(self) -> asyncio.AbstractEventLoop | None:
        """Begin to run; the loop that runs around this one."""
        if self._closed:
            raise LoopError("the loop is closed")
        if self._running:
            raise LoopError("the loop is running already")
        outer = events._get_running_loop()
        if outer is not None and asyncio.current_task(outer) is not None:
            raise NestedStep("drive this loop from a plain callback or a thread, not from inside a task")
        self._running = True
        return outer

    def stop(self) -> None:
        self._stopping = True

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Forget what is ready. Later callbacks, such as those of tasks that are collected, are ignored."""
        self._closed = True
        self._ready.clear()

    async def shutdown_asyncgens(self) -> None:
        """Nothing to do: generators are left to the collector."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """There is no executor."""

    # ---- errors -----------------------------------------------------------------------------------------------------

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        if enabled:
            raise NotImplementedError("asyncio's debug mode reads clocks")

    def set_exception_handler(self, handler: ExceptionHandler | None) -> None:
        self._exception_handler = handler

    def get_exception_handler(self) -> Any:
        return self._exception_handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        raise LoopError(context.get("message", "a callback failed")) from error

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._closed:
            return
        if self._exception_handler is not None:
            self._exception_handler(self, context)
        else:
            self.default_exception_handler(context)

    # ---- what a deterministic world does not have ---------------------------------------------------------------------

    add_reader: Any = _no_io
    remove_reader: Any = _no_io
    add_writer: Any = _no_io
    remove_writer: Any = _no_io
    add_signal_handler: Any = _no_io
    remove_signal_handler: Any = _no_io
    connect_accepted_socket: Any = _no_io
    connect_read_pipe: Any = _no_io
    connect_write_pipe: Any = _no_io
    create_connection: Any = _no_io
    create_datagram_endpoint: Any = _no_io
    create_server: Any = _no_io
    create_unix_connection: Any = _no_io
    create_unix_server: Any = _no_io
    getaddrinfo: Any = _no_io
    getnameinfo: Any = _no_io
    run_forever: Any = _no_io
    run_in_executor: Any = _no_io
    set_default_executor: Any = _no_io
    sendfile: Any = _no_io
    sock_accept: Any = _no_io
    sock_connect: Any = _no_io
    sock_recv: Any = _no_io
    sock_recv_into: Any = _no_io
    sock_recvfrom: Any = _no_io
    sock_recvfrom_into: Any = _no_io
    sock_sendall: Any = _no_io
    sock_sendfile: Any = _no_io
    sock_sendto: Any = _no_io
    start_tls: Any = _no_io
    subprocess_exec: Any = _no_io
    subprocess_shell: Any = _no_io


class VirtualTimeLoop(DeterministicLoop):
    """Time is a number, and passes only when nothing is ready: then it jumps to the next timer.

    ``now_ns`` counts from 0; ``time()`` is the same in seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 0
        self._order = count()
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []

    def time(self) -> float:
        return self.now_ns / 1e9

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at_ns(round(when * 1e9), callback, *args, context=context)

    def call_at_ns(
        self, when_ns: int, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Like ``call_at``, exactly."""
        when_ns = max(when_ns, self.now_ns)
        timer = asyncio.TimerHandle(when_ns / 1e9, callback, args, self, context)
        if not self._closed:
            heapq.heappush(self._timers, (when_ns, next(self._order), timer))
        return timer

    def _rest(self) -> bool:
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not timers:
            return False
        self.now_ns = timers[0][0]
        while timers and timers[0][0] <= self.now_ns:
            timer = heapq.heappop(timers)[2]
            if not timer._cancelled:
                self._ready.append(timer)
        return True

    def close(self) -> None:
        super().close()
        self._timers.clear()
