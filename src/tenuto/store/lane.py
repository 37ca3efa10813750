"""A lane: one thread that runs jobs in order and gives their results back to the event loop.

For drivers that block. Must never know what its jobs do.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class Lane:
    """A daemon thread; `close` runs what is queued and ends it. ``name`` is the thread's name."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def post(self, job: Callable[[], None]) -> None:
        """Run ``job`` after everything posted before it. It must not raise."""
        self._jobs.put(job)

    def submit(self, job: Callable[[], T]) -> "asyncio.Future[T]":
        """Run ``job`` after everything posted before it; the future, of the running loop, gets what it returns or raises.

        Cancelling the future does not stop the job.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def run() -> None:
            try:
                outcome: tuple[T | None, BaseException | None] = (job(), None)
            except BaseException as error:  # noqa: BLE001 - handed on whole; the lane must live
                outcome = (None, error)
            with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                loop.call_soon_threadsafe(settle, *outcome)

        self._jobs.put(run)
        return future

    def close(self) -> None:
        """Wait for the jobs posted so far, then end the thread. An interpreter that ends has stopped it already."""
        self._jobs.put(None)
        if not sys.is_finalizing():  # some would wait for ever for a thread that they have stopped
            self._thread.join()
