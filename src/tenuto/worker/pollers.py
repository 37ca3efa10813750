"""The polls of one task queue: each a loop that takes a slot, asks for a task, and hands it on.

A `Poller` owns its loops and what they handed on until that is done. This file must never know what a task means.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar, cast

from tenuto.transport.config import RetryConfig
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.transport.retry import EXPIRED, Kind, Tries
from tenuto.wire import workflowservice as ws
from tenuto.worker.scaling import AutoScale, Pace, Scale
from tenuto.worker.slots import NORMAL, Permit, Slots
from tenuto.worker.tuner import SlotInfo

logger = logging.getLogger("tenuto.worker")

GRACE_SECONDS = 60.0
"""How long a worker goes on after an error that should not pass by itself: a namespace may be about to be made."""
TOO_SOON_SECONDS = 0.5
"""An empty answer sooner than this was no long poll: wait before the next."""
_FIRST_WAIT, _MOST_WAIT = 0.2, 10.0
_PATIENCE = RetryConfig()


class PollError(RuntimeError):
    """A worker cannot get work any more; the cause is the last `RPCError`."""


class Outage:
    """Whether somebody has read that the service is out of reach. Polls of one connection share it: one line is enough."""

    __slots__ = ("told",)

    def __init__(self) -> None:
        self.told = False


T = TypeVar(
    "T", ws.PollWorkflowTaskQueueResponse, ws.PollActivityTaskQueueResponse, ws.PollNexusTaskQueueResponse
)

Ask = Callable[[timedelta | None], Awaitable[T]]
"""One poll; the argument is how long it may wait, None for as long as is usual."""


class Poller(Generic[T]):
    """All polls of one queue. Every method is for the loop that started it.

    ``handle`` runs one task to its end and should not raise; ``on_fatal`` is called once when polling is hopeless, or when
    something raised that should not.
    """

    def __init__(
        self,
        name: str,
        *,
        ask: Ask[T],
        handle: Callable[[T], Awaitable[None]],
        slots: Slots,
        scale: Scale,
        on_fatal: Callable[[BaseException], None],
        lane: int = NORMAL,
        describe: Callable[[T], SlotInfo] | None = None,
        pace: Pace | None = None,
        on_answer: Callable[[bool], None] | None = None,
    ) -> None:
        self.name = name
        self.out = 0
        """Polls that wait for an answer now."""
        self.last_found_at: float | None = None
        """When a poll last came back with a task, on the loop's clock in seconds."""
        self._ask: Ask[T] = ask
        self._handle: Callable[[T], Awaitable[None]] = handle
        self._slots = slots
        self._scale = scale
        self._on_fatal = on_fatal
        self._lane = lane
        self._describe: Callable[[T], SlotInfo] | None = (
            describe if describe is not None and slots.informed else None
        )
        self._pace = pace
        self._on_answer = on_answer
        self._loops: set[asyncio.Task[None]] = set()
        self._working: set[asyncio.Task[None]] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._closing = False
        self.outage = Outage()
        self._complained = False
        """Whether somebody has read that polls fail; said once, however many polls there are."""

    @property
    def working(self) -> int:
        """Tasks handed on that are not done."""
        return len(self._working)

    @property
    def loops(self) -> int:
        """Loops there are."""
        return len(self._loops)

    def be_advised(self) -> None:
        """The service is known to advise on how many polls there should be."""
        if isinstance(self._scale, AutoScale):
            self._scale.advised = True

    def start(self) -> None:
        """Begin to poll."""
        self._adjust()

    def close(self) -> None:
        """Ask no more. Polls that are out may still come back, and what they bring is handed on."""
        self._closing = True
        for loop in self._loops:
            if loop not in self._asking:
                loop.cancel()

    async def stop(self, patience: float = 0.0) -> None:
        """Like ``close``; after ``patience`` seconds polls that are still out are withdrawn."""
        self.close()
        if patience > 0 and self._loops:
            await asyncio.wait(self._loops, timeout=patience)
        for loop in self._loops:
            loop.cancel()
        if self._loops:
            await asyncio.wait(self._loops)

    async def drain(self, patience: float | None = None) -> None:
        """Wait until everything that was handed on is done; what is not after ``patience`` seconds is cancelled."""
        if self._working and patience is not None:
            await asyncio.wait(self._working, timeout=patience)
            for work in self._working:
                work.cancel()
        while self._working:
            await asyncio.wait(self._working)

    def run(self, task: T, permit: Permit) -> None:
        """Hand on a task that came some other way than by a poll, in a slot that is taken already."""
        describe = self._describe
        self._slots.use(permit, describe(task) if describe is not None else None)
        work = asyncio.get_running_loop().create_task(self._work(task, permit))
        self._working.add(work)
        work.add_done_callback(self._working.discard)

    # ---- the loops ------------------------------------------------------------------------------------------------------

    def _adjust(self) -> None:
        if not self._closing:
            running = asyncio.get_running_loop()
            while len(self._loops) < self._scale.target:
                loop = running.create_task(self._poll())
                self._loops.add(loop)
                loop.add_done_callback(self._ended)

    def _ended(self, loop: asyncio.Task[None]) -> None:
        self._loops.discard(loop)
        if not loop.cancelled() and (error := loop.exception()) is not None:
            self._on_fatal(error)

    async def _poll(self) -> None:
        slots, lane, clock = self._slots, self._lane, asyncio.get_running_loop().time
        trouble: _Trouble | None = None
        while not self._closing:
            if len(self._loops) > self._scale.target:
                # At once, or others would retire in its stead as well.
                self._loops.discard(cast("asyncio.Task[None]", asyncio.current_task()))
                return
            if self._pace is not None:
                await self._pace.turn()
            permit = slots.take_now(lane) or await slots.take(lane)
            asked_at = clock()
            try:
                task = await self._asked()
            except RPCError as error:
                slots.give_back(permit)
                trouble = trouble or _Trouble(self._complain, asked_at)
                self._scale.failed(error.status)
                await asyncio.sleep(trouble.wait_after(error, clock(), asked_at))
                continue
            except BaseException:
                slots.give_back(permit)
                raise
            self._complained = self.outage.told = False
            found = bool(task.task_token)
            if found:
                trouble = None
                self.run(task, permit)
            else:
                slots.give_back(permit)
            self._note(task, found)
            if not found:
                if self._pace is not None:
                    self._pace.unused()
                if clock() - asked_at < TOO_SOON_SECONDS and not self._closing:
                    trouble = trouble or _Trouble(self._complain, asked_at)
                    await asyncio.sleep(trouble.wait())
                else:
                    trouble = None

    def _complain(self, error: RPCError) -> None:
        if error.status is RPCStatusCode.UNAVAILABLE:
            level = logging.DEBUG if self.outage.told else logging.WARNING
            self.outage.told = True
            logger.log(level, "The service is out of reach, workers go on asking: %s", error.message)
            return
        level = logging.DEBUG if self._complained else logging.WARNING
        self._complained = True
        logger.log(level, "Poll of %s failed: %s: %s", self.name, error.status.name, error.message)

    async def _asked(self) -> T:
        this = asyncio.current_task()
        assert this is not None
        self.out += 1
        self._asking.add(this)
        try:
            seconds = self._scale.patience(self.out)
            task: T = await self._ask(None if seconds is None else timedelta(seconds=seconds))
            return task
        finally:
            self.out -= 1
            self._asking.discard(this)

    def _note(self, task: T, found: bool) -> None:
        now = asyncio.get_running_loop().time()
        if found:
            self.last_found_at = now
        advice = None
        if task.HasField("poller_scaling_decision"):
            advice = task.poller_scaling_decision.poll_request_delta_suggestion
        self._scale.answered(now, found, advice)
        if self._on_answer is not None:
            self._on_answer(found)
        if self._scale.target > len(self._loops):
            self._adjust()

    async def _work(self, task: T, permit: Permit) -> None:
        try:
            await self._handle(task)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            logger.exception("Worker failed at a task of %s", self.name)
            self._on_fatal(error)
        finally:
            self._slots.give_back(permit)


class _Trouble:
    """A row of failures of one loop, from the first one on."""

    def __init__(self, complain: Callable[[RPCError], None], began_at: float) -> None:
        self._complain = complain
        self._began_at = began_at
        self._failed = 0
        self._tries = Tries(_PATIENCE, Kind.WORKER_POLL, began_at, None)

    def wait(self) -> float:
        """Seconds until the next poll, after an answer that came too soon."""
        self._failed += 1
        return float(min(_FIRST_WAIT * 2.0 ** min(self._failed - 1, 16), _MOST_WAIT))

    def wait_after(self, error: RPCError, now: float, asked_at: float) -> float:
        """Seconds until the next poll. Raises `PollError` when there is no hope any more."""
        if error.status in EXPIRED and now - asked_at >= TOO_SOON_SECONDS:
            return 0.0
        wait = self._tries.wait_after(error, now)
        own = self.wait()
        self._complain(error)
        if wait is None and now - self._began_at >= GRACE_SECONDS:
            raise PollError(f"Poll failure: {error.status.name}: {error.message}") from error
        return max(wait, own) if wait is not None else own
