"""The alarm clock of a shard: which chains need attention, and when.

Alarms further away than the horizon stay in the store; a window of them is read ahead before its time comes. An entry may be
stale: whoever is woken looks at the chain's agenda, which decides.
"""

import heapq
from collections.abc import Callable

from tenuto.limits import SECOND
from tenuto.matching.types import Clock
from tenuto.store.spi import ChainKey

HORIZON_NS = 60 * SECOND


class AlarmClock:
    """A heap of (instant, chain) for the near future, and one timer for its top."""

    def __init__(self, clock: Clock, ring: Callable[[ChainKey], None], keep_all: bool = False) -> None:
        """``keep_all``: there is no horizon."""
        self._clock = clock
        self._keep_all = keep_all
        self._ring = ring
        self._heap: list[tuple[int, ChainKey]] = []
        self._timer: object | None = None
        self._timer_at = 0
        self.horizon_at = 0
        """Alarms up to this instant are in the heap; later ones are in the store only."""

    def arm(self, at: int, key: ChainKey, far: bool = False) -> bool:
        """Wake the chain at ``at``; False when that is beyond the horizon, and the store will remember it.

        ``far``: it will not, so it is kept here."""
        if at > self.horizon_at and not far and not self._keep_all:
            return False
        heapq.heappush(self._heap, (at, key))
        self._set()
        return True

    def _set(self) -> None:
        if not self._heap:
            return
        at = self._heap[0][0]
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()  # type: ignore[attr-defined]
        self._timer_at = at
        self._timer = self._clock.call_at(at, self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self._clock.now()
        heap = self._heap
        while heap and heap[0][0] <= now:
            self._ring(heapq.heappop(heap)[1])
        self._set()

    def clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()  # type: ignore[attr-defined]
            self._timer = None
        self._heap.clear()
        self.horizon_at = 0
