"""A clock that jumps: real time runs on it, and whoever is in charge may add to it.

Two kinds of calls wait on it. Alarms are what workflows are owed (timers, timeouts, retries): a jump reaches them. All else
(how long a poll may wait, sweeps) is about the real world, and passes in real time. This file must never decide
when to jump.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

from tenuto.clock import WallClock, WallTimer


class SkippingClock:
    """Nanoseconds since the epoch, from now on; never goes back. ``call_at`` needs a running event loop."""

    def __init__(self) -> None:
        self._base = WallClock()
        self._ahead = 0
        self._heap: list[tuple[int, int, Alarm]] = []
        self._order = count()
        self.alarms = Alarms(self)

    def now(self) -> int:
        return self._base.now() + self._ahead

    def call_at(self, when_ns: int, fn: Callable[[], None]) -> WallTimer:
        """Call ``fn`` after as much real time as is missing now; a jump does not hasten it."""
        return self._base.call_at(self._base.now() + max(0, when_ns - self.now()), fn)

    def alarm_at(self, when_ns: int, fn: Callable[[], None]) -> Alarm:
        """Call ``fn`` when it is ``when_ns``, by real time or by a jump."""
        alarm = Alarm(self, when_ns, fn)
        heapq.heappush(self._heap, (when_ns, next(self._order), alarm))
        return alarm

    def next_alarm_at(self) -> int | None:
        """The instant of the earliest alarm; None: there is none."""
        heap = self._heap
        while heap and not heap[0][2].pending:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def jump(self, to_ns: int) -> None:
        """Make it ``to_ns``, unless it is later already, and ring the alarms that are due: each from a call of its own."""
        self._ahead += max(0, to_ns - self.now())
        now = self.now()
        for _, _, alarm in self._heap:
            alarm.renew()
        while self._heap and self._heap[0][0] <= now:
            alarm = heapq.heappop(self._heap)[2]
            if alarm.pending:
                asyncio.get_running_loop().call_soon(alarm.ring)


class Alarm:
    """A pending call that a jump may reach."""

    __slots__ = ("_clock", "_fn", "_timer", "_when")

    def __init__(self, clock: SkippingClock, when_ns: int, fn: Callable[[], None]) -> None:
        self._clock = clock
        self._when = when_ns
        self._fn: Callable[[], None] | None = fn
        self._timer = clock.call_at(when_ns, self.ring)

    @property
    def pending(self) -> bool:
        """Whether the call is still to be made."""
        return self._fn is not None

    def renew(self) -> None:
        """Time has jumped: less of it is missing."""
        if self._fn is not None:
            self._timer.cancel()
            self._timer = self._clock.call_at(self._when, self.ring)

    def ring(self) -> None:
        """Make the call, once."""
        fn, self._fn = self._fn, None
        self._timer.cancel()
        if fn is not None:
            fn()

    def cancel(self) -> None:
        self._fn = None
        self._timer.cancel()


class Alarms:
    """The clock as those see it whose calls are alarms."""

    def __init__(self, clock: SkippingClock) -> None:
        self.now = clock.now
        self.call_at = clock.alarm_at
