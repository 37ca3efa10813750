"""Time: one clock for the whole service, and one that is moved by hand.

Both never go back and never fire a call early. This room must never know what the calls are for, and nobody else in the
service may ask the operating system for the time.
"""

import asyncio
import heapq
import time
from collections.abc import Callable
from itertools import count

SECOND = 1_000_000_000
MILLISECOND = 1_000_000

_RESYNC_NS = SECOND
"""How often the wall clock is consulted."""
_SLEW = 20
"""A wall clock that was set back is approached by at most 1/20 of the time that passes."""
_HOP_NS = 30 * SECOND
"""Longest single sleep: a suspended machine's monotonic clock stands still, so far instants are approached in hops."""


class WallTimer:
    """A pending call on a `WallClock`."""

    __slots__ = ("_clock", "_fn", "_handle", "_when")

    def __init__(self, clock: "WallClock", when_ns: int, fn: Callable[[], None]) -> None:
        self._clock = clock
        self._when = when_ns
        self._fn: Callable[[], None] | None = fn
        self._arm(when_ns - clock.now())

    def _arm(self, delay_ns: int) -> None:
        seconds = min(max(delay_ns, 0), _HOP_NS) / SECOND
        self._handle = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        left = self._when - self._clock.now()
        if left > 0:
            self._arm(left)
            return
        fn, self._fn = self._fn, None
        if fn is not None:
            fn()

    def cancel(self) -> None:
        """Drop the call; harmless when it was made already."""
        self._handle.cancel()
        self._fn = None


class WallClock:
    """The machine's time in ns since the epoch, made monotone.

    It runs on the monotonic clock and follows the wall clock: forward at once, backward by running a little slower.
    ``call_at`` needs a running event loop. ``wall`` and ``monotonic`` are the two sources, in ns.
    """

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, monotonic: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        tick = monotonic()
        self._offset = wall() - tick
        self._synced = tick
        self._last = 0

    def now(self) -> int:
        tick = self._monotonic()
        if tick - self._synced >= _RESYNC_NS:
            self._resync(tick)
        instant = tick + self._offset
        if instant < self._last:
            return self._last
        self._last = instant
        return instant

    def call_at(self, when_ns: int, fn: Callable[[], None]) -> WallTimer:
        return WallTimer(self, when_ns, fn)

    def _resync(self, tick: int) -> None:
        error = self._wall() - (tick + self._offset)
        self._offset += max(error, -((tick - self._synced) // _SLEW))
        self._synced = tick


class ManualTimer:
    """A pending call on a `ManualClock`."""

    __slots__ = ("fn",)

    def __init__(self, fn: Callable[[], None]) -> None:
        self.fn: Callable[[], None] | None = fn

    def cancel(self) -> None:
        self.fn = None


class ManualClock:
    """Time that passes only when told to. Starts at ``start`` ns (default: the first second of 2024, UTC)."""

    def __init__(self, start: int = 1_704_067_200 * SECOND) -> None:
        self._now = start
        self._order = count()
        self._timers: list[tuple[int, int, ManualTimer]] = []

    def now(self) -> int:
        return self._now

    def call_at(self, when_ns: int, fn: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer(fn)
        heapq.heappush(self._timers, (when_ns, next(self._order), timer))
        return timer

    def next_at(self) -> int | None:
        """The instant of the earliest pending call; None: nothing is pending."""
        while self._timers and self._timers[0][2].fn is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def advance(self, duration_ns: int) -> None:
        """Let time pass, making the calls that fall due in order, each at its own instant."""
        until = self._now + duration_ns
        while self._step(until):
            pass
        self._now = until

    async def flow(self, duration_ns: int = 0, turns: int = 10) -> None:
        """Like ``advance``, but the event loop's tasks get ``turns`` turns before, between and after the calls."""
        until = self._now + duration_ns
        await _turns(turns)
        while self._step(until):
            await _turns(turns)
        self._now = max(self._now, until)

    def _step(self, until: int) -> bool:
        when = self.next_at()
        if when is None or when > until:
            return False
        timer = heapq.heappop(self._timers)[2]
        self._now = max(self._now, when)
        fn, timer.fn = timer.fn, None
        if fn is not None:
            fn()
        return True


async def _turns(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
