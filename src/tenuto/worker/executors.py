"""Sync activities in threads: called with the caller's context variables, and interrupted when they are cancelled.

This file must never know what an activity is.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from tenuto.exceptions import CancelledError

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_async_exc.argtypes = (ctypes.c_ulong, ctypes.py_object)
_set_async_exc.restype = ctypes.c_int
_NULL: Any = ctypes.py_object()
"""Takes an exception back that was not raised yet."""


class ThreadCall:
    """One call in a thread. ``interrupt`` raises `CancelledError` in it, or when the innermost ``shield`` closes."""

    __slots__ = ("_args", "_fn", "_lock", "_pending", "_raised", "_shields", "_thread")

    def __init__(self, fn: Callable[..., Any], args: Sequence[Any]) -> None:
        self._fn = fn
        self._args = args
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._shields = 0
        self._pending = False
        self._raised = False

    def __call__(self) -> Any:
        """In the thread: make the call."""
        try:
            with self._lock:
                self._thread = threading.get_ident()
            try:
                self._raise_pending()
                return self._fn(*self._args)
            finally:
                self._leave()
        except BaseException:
            # The exception may have arrived inside _leave.
            self._leave()
            raise

    def _leave(self) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and self._raised:
            _set_async_exc(thread, _NULL)

    def interrupt(self) -> None:
        """From any other thread: end the call with `CancelledError`, soon. It cannot interrupt a call into C."""
        with self._lock:
            if self._raised or self._pending:
                return
            if self._shields or self._thread is None:
                self._pending = True
                return
            self._raised = True
            _set_async_exc(self._thread, CancelledError)

    def _raise_pending(self) -> None:
        with self._lock:
            due = self._pending and not self._shields and not self._raised
            if due:
                self._pending = False
                self._raised = True
        if due:
            raise CancelledError("Cancelled")

    @contextmanager
    def shield(self) -> Iterator[None]:
        """In the thread: hold an interruption back while it is open."""
        if threading.get_ident() != self._thread:
            yield
            return
        with self._lock:
            self._shields += 1
        try:
            yield
        finally:
            with self._lock:
                self._shields -= 1
        self._raise_pending()


async def in_thread(executor: Executor, call: ThreadCall) -> Any:
    """The result of ``call`` in a thread of ``executor``, with a copy of this task's context variables.

    Raises `concurrent.futures.BrokenExecutor`, and whatever the call raises.
    """
    context = contextvars.copy_context()
    # Through the loop: a loop with executors of its own kind (Trio's) knows how to wait for them.
    return await asyncio.get_running_loop().run_in_executor(executor, context.run, call)
