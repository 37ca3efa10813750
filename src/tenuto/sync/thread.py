"""The thread with the event loop, and the way in: other threads hand it coroutines and wait.

This file must never know what it runs.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from datetime import timedelta
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from tenuto.client.paging import Pages
from tenuto.workflow._runtime import find

T = TypeVar("T")
P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

_AT_ONCE = 100
"""So many items of a listing come over at once, at most."""


class LoopThread:
    """A thread that runs an event loop until it is closed."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="tenuto-sync", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T], *, timeout: timedelta | float | None = None) -> T:
        """What the coroutine returns. It runs in the caller's context, and is cancelled when the caller is interrupted.

        ``timeout``: how long to wait, a timedelta or seconds; None: as long as it takes. Raises TimeoutError, and
        RuntimeError where waiting would be wrong: in a workflow, on this very thread, and in a process that was forked
        since this one was made.
        """
        try:
            self._check()
        except RuntimeError:
            coroutine.close()
            raise
        asked = _Asked(coroutine, self._loop)
        self._loop.call_soon_threadsafe(asked.begin, context=copy_context())
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        try:
            return asked.done.result(seconds)
        except BaseException:
            if not asked.done.done():
                self._loop.call_soon_threadsafe(asked.cancel)
            raise

    def _check(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError(
                "this was opened before the process was forked, and its thread is not here: open it in the process that "
                "uses it (gunicorn: post_fork, Celery: worker_process_init)"
            )
        if find() is not None:
            raise RuntimeError("a workflow must not block: await what the workflow module offers")
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "this is the thread that does the work, so waiting for it here would never end: use the async client, or "
                "make this activity a plain `def`"
            )
        if self._loop.is_closed() or not self._thread.is_alive():
            raise RuntimeError("this is closed")

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """What ``items`` yields."""

        async def some() -> list[T]:
            found = [await anext(items)]
            while isinstance(items, Pages) and len(found) < _AT_ONCE:
                page = items.current_page
                if page is None or items.current_page_index >= len(page):
                    break  # whoever wants but a few shall not wait for the next page
                try:
                    found.append(await anext(items))
                except StopAsyncIteration:
                    break
            return found

        while True:
            try:
                yield from self.run(some())
            except StopAsyncIteration:
                return

    def close(self) -> None:
        """End the thread. A second time, and in a forked process, does nothing."""
        if os.getpid() != self._process or not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class _Asked(Generic[T]):
    """A coroutine on its way to the loop, and its end on the way back."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self.done: Future[T] = Future()
        self._coroutine = coroutine
        self._loop = loop
        self._task: asyncio.Task[T] | None = None

    def begin(self) -> None:
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(self._end)

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.done.cancel()
            return
        error = task.exception()
        if error is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(task.result())


class Waiting:
    """Whatever waits on a `LoopThread`."""

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread

    def run(self, coroutine: Coroutine[Any, Any, T], *, timeout: timedelta | float | None = None) -> T:
        """Run something of your own that is async where the client lives, and return what it returns."""
        return self._thread.run(coroutine, timeout=timeout)


class _Method(Protocol[P, R_co]):
    """A method that blocks."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class blocking(Generic[P, T]):
    """The method of the async class behind, with its parameters and its documentation, that blocks."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> _Method[P, T]:
        if instance is None:
            return self  # type: ignore[return-value]  # for whoever reads the class, not for callers

        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            ran: T = instance._thread.run(self._method(instance._aio, *args, **kwargs))
            return ran

        call.__doc__ = self.__doc__
        return call


class Owner(Waiting):
    """Whatever has a thread of its own, and closes it."""

    def __init__(self) -> None:
        Waiting.__init__(self, LoopThread())
        atexit.register(self.close)

    def close(self) -> None:
        """Let everything go. A second time does nothing."""
        self._thread.close()
        atexit.unregister(self.close)
