"""Our own processes for sync activities: heartbeats, cancellation and shutdown travel by pipe, and a process that dies
is replaced. This file must never block the event loop on a process.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from tenuto.activity import ActivityCancellationDetails
from tenuto.activity.flag import Flag
from tenuto.exceptions import ApplicationError
from tenuto.worker.elsewhere import ProcessContext, Work
from tenuto.worker.executors import ThreadCall

if TYPE_CHECKING:
    from tenuto.worker.attempt import Attempt

RUN, CANCEL, STOP, EXIT, HEARTBEAT, RESULT, ERROR = range(7)
"""First words of messages."""


class ProcessRunner(Executor):
    """``count`` processes for activities, each started when first needed. Use it as a worker's ``activity_executor``, or
    say ``Worker(activity_processes=count)``. Functions must be importable by name."""

    runs_activities = True

    def __init__(self, count: int, start_method: str = "spawn") -> None:
        """Raises ValueError unless ``count`` is positive."""
        if count < 1:
            raise ValueError("there must be at least one process")
        self._context = multiprocessing.get_context(start_method)
        self._left = count
        self._idle: deque[_Process] = deque()
        self._all: set[_Process] = set()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._stopped = False
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Refuses: it runs activities only."""
        raise RuntimeError("a ProcessRunner runs activities only")

    async def run(
        self, attempt: Attempt, fn: Callable[..., Any], args: Sequence[Any], executor: Executor
    ) -> Any:
        """The result of a call in one of the processes, as soon as one is free. Raises what the call raises, or
        ApplicationError of type "ProcessDied"."""
        work = Work.of(attempt, fn, args)
        # What cannot be pickled is found here, not in a pipe half written.
        message = pickle.dumps((RUN, work))
        process = await self._take(attempt)
        future: Future[Any] = Future()
        attempt.stop = process.cancel
        try:
            process.begin(message, future, attempt.beat_from_elsewhere)
            return await asyncio.wrap_future(future)
        finally:
            attempt.stop = None
            self._give_back(process)

    async def _take(self, attempt: Attempt) -> _Process:
        while True:
            while self._idle:
                process = self._idle.popleft()
                if process.alive:
                    return process
                self._drop(process)
            if self._left > 0:
                self._left -= 1
                made = await asyncio.to_thread(_Process, self._context)
                self._all.add(made)
                attempt.owner.stopping.on_set(made.stop)
                return made
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def _give_back(self, process: _Process) -> None:
        if process.busy:
            # The call was abandoned: its process is of no use before it ends.
            process.kill()
            self._drop(process)
        elif not process.alive:
            self._drop(process)
        else:
            self._idle.append(process)
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break

    def _drop(self, process: _Process) -> None:
        self._all.discard(process)
        self._left += 1

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes."""
        for process in list(self._all):
            process.close(wait)
        self._all.clear()
        self._idle.clear()


class _Process:
    """One process, seen from here. A thread reads what it says."""

    def __init__(self, context: Any) -> None:
        self._connection: Connection
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there,), daemon=True, name="tenuto-activities")
        self._process.start()
        there.close()
        self._future: Future[Any] | None = None
        self._heartbeat: Callable[..., None] | None = None
        self._lock = threading.Lock()
        self.alive = True
        threading.Thread(target=self._read, daemon=True, name="tenuto-activity-pipe").start()

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return self._future is not None

    def begin(self, message: bytes, future: Future[Any], heartbeat: Callable[..., None]) -> None:
        """Make a call; its end is in ``future``."""
        self._future, self._heartbeat = future, heartbeat
        try:
            with self._lock:
                self._connection.send_bytes(message)
        except OSError:
            self._died()

    def cancel(self, details: ActivityCancellationDetails) -> None:
        """Tell the call that it shall end."""
        self._tell((CANCEL, details))

    def stop(self) -> None:
        """Tell the calls of this process that the worker begins to shut down."""
        self._tell((STOP, None))

    def _tell(self, message: Any) -> None:
        try:
            with self._lock:
                self._connection.send(message)
        except OSError:
            self.alive = False

    def _read(self) -> None:
        while True:
            try:
                word, told = self._connection.recv()
            except (EOFError, OSError):
                return self._died()
            except Exception as error:  # noqa: BLE001 - the call's end cannot be read: that is its end
                word, told = ERROR, (error, "")
            if word == HEARTBEAT:
                if self._heartbeat is not None:
                    self._heartbeat(*told)
                continue
            future, self._future, self._heartbeat = self._future, None, None
            if future is None or future.cancelled():
                continue
            if word == RESULT:
                future.set_result(told)
            else:
                raised, lines = told
                if lines and raised.__cause__ is None:
                    raised.__cause__ = RemoteTraceback(lines)
                future.set_exception(raised)

    def _died(self) -> None:
        self.alive = False
        self._process.join(1)
        future, self._future = self._future, None
        if future is not None and not future.done():
            code = self._process.exitcode
            text = f"The process that ran the activity ended with exit code {code}"
            future.set_exception(ApplicationError(text, type="ProcessDied"))

    def kill(self) -> None:
        """End it now, whatever it does."""
        self.alive = False
        self._process.kill()

    def close(self, wait: bool) -> None:
        """End it when its call is over; at once when none is."""
        self._tell((EXIT, None))
        self.alive = False
        if wait:
            self._process.join(5)


# ---- in the other process -------------------------------------------------------------------------------------------


def _serve(connection: Connection) -> None:
    """Make calls in the main thread, one after the other, while another thread reads what is told meanwhile."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    far = _FarSide(connection)
    threading.Thread(target=far.listen, daemon=True).start()
    while (work := far.calls.get()) is not None:
        far.make(work)


class _FarSide:
    def __init__(self, connection: Connection) -> None:
        self.calls: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._connection = connection
        self._sending = threading.Lock()
        self._stopping = Flag()
        self._cancelled = Flag()
        self._details: ActivityCancellationDetails | None = None
        self._call: ThreadCall | None = None

    def listen(self) -> None:
        while True:
            try:
                word, told = self._connection.recv()
            except (EOFError, OSError):
                self.calls.put(None)
                return
            except Exception as error:  # noqa: BLE001 - told to the other side
                # What was asked for cannot be read here: most likely a module that cannot be imported.
                self._say_error(error)
                continue
            if word == RUN:
                self._cancelled, self._details = Flag(), None
                self.calls.put(told)
            elif word == STOP:
                self._stopping.set()
            elif word == EXIT:
                self.calls.put(None)
                return
            elif word == CANCEL:
                self._details = told
                self._cancelled.set()
                if self._call is not None:
                    self._call.interrupt()

    def make(self, work: Work) -> None:
        context = ProcessContext(
            work,
            cancelled=self._cancelled,
            shutdown=self._stopping,
            heartbeat=lambda details: self._say(HEARTBEAT, details),
            details=lambda: self._details,
        )
        try:
            result = work.call(context, self._begun if work.interruptible else None)
        except BaseException as error:  # noqa: BLE001 - told to the other side
            self._call = None
            self._say_error(error)
        else:
            self._call = None
            try:
                self._say(RESULT, result)
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                self._say_error(error)

    def _begun(self, call: ThreadCall) -> None:
        self._call = call
        if self._details is not None:
            call.interrupt()

    def _say_error(self, error: BaseException) -> None:
        """Tell the error, and its traceback in words: neither that nor its cause can be pickled."""
        import traceback

        lines = "".join(traceback.format_exception(error))
        try:
            pickle.dumps(error)
        except Exception:  # noqa: BLE001 - whatever a class does to itself
            error = ApplicationError(str(error), type=type(error).__name__)
        self._say(ERROR, (error, lines))

    def _say(self, word: int, told: Any) -> None:
        message = pickle.dumps((word, told))
        with self._sending:
            self._connection.send_bytes(message)


class RemoteTraceback(Exception):
    """Where in the other process an error was raised."""

    def __init__(self, lines: str) -> None:
        super().__init__(lines)
