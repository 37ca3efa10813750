"""Where workflow code runs: on the worker's loop, or on an executor's threads; never as part of a task's step.

Some interpreters forbid stepping a task within another's step, and workflow code steps tasks of its own: a task that has
but one thing to do steps aside for it, the rest is done in plain callbacks. This file must never know what a step is for.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
from asyncio import events
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tenuto._loop import VirtualTimeLoop
from tenuto.worker.watchdog import Stalled, Watch

if TYPE_CHECKING:
    from tenuto.run.run import Run
    from tenuto.run.types import Completion

    Step = Callable[[], Completion | None]

logger = logging.getLogger("tenuto.worker")

_AIR = 0.05
"""Seconds of steps in one callback, after which others get their turn."""


class StalledError(RuntimeError):
    """Workflow code did not yield in time. ``stack`` is where it was, as text; ``back`` is done when its thread is free."""

    def __init__(self, message: str, stack: str, back: asyncio.Future[None] | None = None) -> None:
        super().__init__(message)
        self.stack = stack
        self.back = back


class _Turn:
    """Steps of one run, to be done in order."""

    __slots__ = ("done", "last", "name", "next", "steps")

    def __init__(self, name: str, steps: Sequence[Step], done: asyncio.Future[Completion | None]) -> None:
        self.name = name
        self.steps = steps
        self.next = 0
        self.done = done
        self.last: Completion | None = None

    def finish(self, error: BaseException | None = None) -> None:
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(self.last)


class Driver:
    """Does steps. ``deadlock_timeout`` None: nobody watches; on virtual time nobody does either."""

    def __init__(self, deadlock_timeout: timedelta | None, executor: Executor | None = None) -> None:
        self._timeout = deadlock_timeout.total_seconds() if deadlock_timeout else None
        self._executor = executor
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watch: Watch | None = None
        self._thread = 0

    async def do(self, name: str, steps: Sequence[Step]) -> Completion | None:
        """Do ``steps`` of the run called ``name``, and return what the last gave, or the first that tells of a failure.

        Raises `StalledError`; then the run must not be touched again.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._settle_in(loop)
        if self._executor is not None:
            return await self._on_thread(loop, name, steps)
        if len(steps) == 1:
            # At once. The task in whose midst this is steps aside meanwhile, as if it waited.
            task = asyncio.current_task(loop)
            if task is None:
                return self._step(steps[0], name)
            asyncio._leave_task(loop, task)
            try:
                return contextvars.copy_context().run(self._step, steps[0], name)
            finally:
                asyncio._enter_task(loop, task)
        turn = _Turn(name, steps, loop.create_future())
        loop.call_soon(self._go, turn)
        return await turn.done

    def _settle_in(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        if isinstance(loop, VirtualTimeLoop):
            self._timeout = None
        if self._timeout is not None and self._executor is None:
            self._watch = Watch(self._timeout)

    def drop(self, run: Run, stalled: bool = False) -> None:
        """Take a run down, soon. ``stalled``: its code may still be at it."""
        if self._executor is not None:
            if not stalled and self._loop is not None and not self._loop.is_closed():
                self._loop.run_in_executor(self._executor, run.evict)
        elif self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon(self._evict, run)

    # ---- on the loop ------------------------------------------------------------------------------------------------

    def _go(self, turn: _Turn) -> None:
        loop = self._loop
        assert loop is not None
        until = loop.time() + _AIR
        try:
            while True:
                last = turn.last = self._step(turn.steps[turn.next], turn.name)
                turn.next += 1
                if turn.next == len(turn.steps) or (last is not None and last.failure is not None):
                    break
                if loop.time() > until:
                    loop.call_soon(self._go, turn)
                    return
        except Exception as error:  # noqa: BLE001 - whoever waits for the turn is told
            turn.finish(error)
        else:
            turn.finish()

    def _evict(self, run: Run) -> None:
        with contextlib.suppress(StalledError):  # the watchdog has told
            self._step(run.evict, f"the end of {run.options.run_id}")

    def _step(self, step: Step, name: str) -> Completion | None:
        watch = self._watch
        if watch is None:
            return step()
        made = None
        try:
            watch.enter(name, self._thread)
            made = step()
            told = watch.leave()
        except Stalled:
            told = watch.leave()
        except BaseException:
            watch.leave()
            raise
        if told is not None:
            events._set_running_loop(self._loop)  # the code may have been torn out of its own loop
            raise StalledError(*told)
        return made

    # ---- on a thread ------------------------------------------------------------------------------------------------

    async def _on_thread(
        self, loop: asyncio.AbstractEventLoop, name: str, steps: Sequence[Step]
    ) -> Completion | None:
        turn = _Turn(name, steps, loop.create_future())
        back: asyncio.Future[None] = loop.create_future()

        def stalled(message: str, stack: str) -> None:
            _tell(loop, turn.finish, StalledError(message, stack, back))

        def work() -> None:
            try:
                live()
            finally:
                _tell(loop, _settle, back)

        def live() -> None:
            watch = Watch(self._timeout, stalled) if self._timeout is not None else None
            error: BaseException | None = None
            try:
                for step in steps:
                    if watch is not None:
                        watch.enter(name, threading.get_ident())
                    turn.last = step()
                    if watch is not None and watch.leave() is not None:
                        return
                    if turn.last is not None and turn.last.failure is not None:
                        break
            except Stalled:
                if watch is not None:
                    watch.leave()
                return
            except Exception as caught:  # noqa: BLE001 - whoever waits for the turn is told
                error = caught
            _tell(loop, turn.finish, error)

        assert self._executor is not None
        loop.run_in_executor(
            self._executor, work
        )  # a loop with executors of its own kind knows how to use them
        return await turn.done


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[[Any], None], what: Any) -> None:
    try:
        loop.call_soon_threadsafe(call, what)
    except RuntimeError:
        logger.warning("workflow code came back after its worker's loop had been closed")
