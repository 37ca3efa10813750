"""Activities in the processes of somebody's executor: cancellation and heartbeats through objects that processes share.

This file must never assume which executor it is: only that it takes what can be pickled.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from multiprocessing.managers import SyncManager
from typing import TYPE_CHECKING, Any

from tenuto.activity import ActivityCancellationDetails
from tenuto.worker.elsewhere import EventSignal, ProcessContext, Work

if TYPE_CHECKING:
    from tenuto.activity.flag import Flag
    from tenuto.worker.attempt import Attempt

_POLL_SECONDS = 0.5
_QUEUE_SIZE = 1000


class SharedHeartbeatSender(ABC):
    """Takes heartbeats in another process. Must be picklable."""

    @abstractmethod
    def send_heartbeat(self, task_token: bytes, *details: Any) -> None:
        """Pass the heartbeat of the activity of that token on to the worker."""


class SharedState(ABC):
    """What a worker shares with the processes of an executor."""

    @staticmethod
    def create_from_multiprocessing(
        mgr: SyncManager, queue_poller_executor: Executor | None = None
    ) -> SharedState:
        """The usual one. ``mgr``: see ``multiprocessing.Manager``; ``queue_poller_executor``: where one thread waits for
        heartbeats, by default its own."""
        return _Multiprocessing(mgr, queue_poller_executor or ThreadPoolExecutor(1, "tenuto-heartbeats"))

    @abstractmethod
    def new_event(self) -> threading.Event:
        """An event that other processes see."""

    @abstractmethod
    async def register_heartbeater(
        self, task_token: bytes, heartbeat: Callable[..., None]
    ) -> SharedHeartbeatSender:
        """Call ``heartbeat`` with the details of each heartbeat of that token, from any thread."""

    @abstractmethod
    async def unregister_heartbeater(self, task_token: bytes) -> None:
        """Call no more, after those that were sent before."""


SharedStateManager = SharedState
"""The name other programs know it by."""


class _Sender(SharedHeartbeatSender):
    def __init__(self, shared: queue.Queue[tuple[bytes, Any]]) -> None:
        self._queue = shared

    def send_heartbeat(self, task_token: bytes, *details: Any) -> None:
        self._queue.put((task_token, details), True, 5)


class _Multiprocessing(SharedState):
    def __init__(self, mgr: SyncManager, executor: Executor) -> None:
        self._mgr = mgr
        self._executor = executor
        self._queue: queue.Queue[tuple[bytes, Any]] = mgr.Queue(_QUEUE_SIZE)
        self._lock = threading.Lock()
        self._heartbeaters: dict[bytes, Callable[..., None]] = {}
        self._flushes: dict[bytes, threading.Event] = {}
        self._polling = False

    def new_event(self) -> threading.Event:
        return self._mgr.Event()

    async def register_heartbeater(
        self, task_token: bytes, heartbeat: Callable[..., None]
    ) -> SharedHeartbeatSender:
        with self._lock:
            self._heartbeaters[task_token] = heartbeat
            if not self._polling:
                self._polling = True
                self._executor.submit(self._poll)
        return _Sender(self._queue)

    async def unregister_heartbeater(self, task_token: bytes) -> None:
        flushed = threading.Event()
        with self._lock:
            self._flushes[task_token] = flushed

        def flush() -> None:
            self._queue.put((task_token, None), True, 5)
            flushed.wait(5)

        try:
            await asyncio.to_thread(flush)
        finally:
            with self._lock:
                self._flushes.pop(task_token, None)
                self._heartbeaters.pop(task_token, None)

    def _poll(self) -> None:
        """In a thread: pass heartbeats on while anybody may send them."""
        while True:
            try:
                token, details = self._queue.get(True, _POLL_SECONDS)
            except queue.Empty:
                with self._lock:
                    if not self._heartbeaters:
                        self._polling = False
                        return
                continue
            except (EOFError, OSError):
                with self._lock:
                    self._polling = False
                return
            with self._lock:
                heartbeat, flushed = self._heartbeaters.get(token), self._flushes.get(token)
            if details is None:
                if flushed is not None:
                    flushed.set()
            elif heartbeat is not None:
                heartbeat(*details)


class SharedProcesses:
    """Runs activities in the processes of an executor. Without ``state`` it makes one when first needed."""

    def __init__(self, state: SharedState | None, stopping: Flag) -> None:
        self._state = state
        self._stopping = stopping
        self._shutdown: Any = None
        self._manager: SyncManager | None = None

    def _ready(self) -> SharedState:
        if self._state is None:
            self._manager = multiprocessing.Manager()
            self._state = SharedState.create_from_multiprocessing(self._manager)
        if self._shutdown is None:
            self._shutdown = self._state.new_event()
            if not self._stopping.on_set(self._shutdown.set):
                self._shutdown.set()
        return self._state

    async def run(
        self, attempt: Attempt, fn: Callable[..., Any], args: Sequence[Any], executor: Executor
    ) -> Any:
        """The result of a call in a process of ``executor``. Raises what the call raises."""
        state = self._ready()
        work = Work.of(attempt, fn, args)
        cancelled = state.new_event()
        attempt.stop = lambda _details: cancelled.set()
        token = work.info.task_token or f"{work.info.workflow_run_id}/{work.info.activity_id}".encode()
        sender = await state.register_heartbeater(token, attempt.beat_from_elsewhere)
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(executor, _call, work, cancelled, self._shutdown, sender, token)
        finally:
            await state.unregister_heartbeater(token)

    def close(self) -> None:
        """Let go of what was made here."""
        if self._manager is not None:
            self._manager.shutdown()
            self._manager = None
            self._state = None


def _call(work: Work, cancelled: Any, shutdown: Any, sender: SharedHeartbeatSender, token: bytes) -> Any:
    """In the other process."""
    context = ProcessContext(
        work,
        cancelled=EventSignal(cancelled),
        shutdown=EventSignal(shutdown),
        heartbeat=lambda details: sender.send_heartbeat(token, *details),
        details=lambda: ActivityCancellationDetails(cancel_requested=True) if cancelled.is_set() else None,
    )
    return work.call(context)
