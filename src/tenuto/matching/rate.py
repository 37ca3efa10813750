"""Arithmetic of rates: a token bucket and a sliding count, both over instants given by the caller.

This module must never ask for the time.
"""

from tenuto.matching.types import SYSTEM_RATE

_SECOND = 1_000_000_000
WINDOW_SECONDS = 30
_LEAST = 1e-9
"""Lower rates than one in thirty years are taken for this one; the highest is one in a nanosecond."""


class Bucket:
    """A token bucket holding one second's worth (at least one token), kept as a single instant.

    ``rate`` is tokens per second; 0 or less gives none ever. A new bucket is full.
    """

    __slots__ = ("_free_at", "_interval", "_slack", "rate")

    def __init__(self, rate: float) -> None:
        self._free_at = 0
        self._shape(rate)

    def _shape(self, rate: float) -> None:
        self.rate = rate
        if rate > 0:
            rate = min(max(rate, _LEAST), float(_SECOND))
            self._interval = max(1, -int(-_SECOND // rate))
            self._slack = int((max(1.0, rate) - 1.0) * self._interval)

    def reshape(self, rate: float, now: int) -> None:
        """Change the rate and keep the fill: an empty bucket stays empty, debts shrink to one token."""
        self._shape(rate)
        if rate > 0:
            self._free_at = min(self._free_at, now + self._slack + self._interval)

    def ready_at(self) -> int | None:
        """The instant from which a token is there (may be in the past); None: never."""
        return self._free_at - self._slack if self.rate > 0 else None

    def ready(self, now: int) -> bool:
        return self.rate > 0 and self._free_at - self._slack <= now

    def take(self, now: int) -> None:
        """Take a token; only after ``ready(now)``."""
        self._free_at = max(self._free_at, now) + self._interval

    def put_back(self) -> None:
        """Return a token that was taken but not used."""
        if self.rate > 0:
            self._free_at -= self._interval

    def full(self, now: int) -> bool:
        return self._free_at <= now


class Window:
    """Counts what happened in the last 30 seconds, in slots of one second. ``since`` (ns) is when counting
    began."""

    __slots__ = ("_first", "_second", "_slots", "total")

    def __init__(self, since: int) -> None:
        self._slots: list[int] = [0] * WINDOW_SECONDS
        self._second = 0
        self._first = since // _SECOND
        self.total = 0
        """Count as of the last `add` or `rate`."""

    def add(self, now: int) -> None:
        second = now // _SECOND
        if second != self._second:
            self._roll(second)
        self._slots[second % WINDOW_SECONDS] += 1
        self.total += 1

    @property
    def used(self) -> bool:
        """Whether anything was ever counted."""
        return self._second != 0

    def _roll(self, second: int) -> None:
        passed = second - self._second
        for step in range(1, min(passed, WINDOW_SECONDS) + 1):
            slot = (self._second + step) % WINDOW_SECONDS
            self.total -= self._slots[slot]
            self._slots[slot] = 0
        self._second = second

    def rate(self, now: int) -> float:
        """Per second, over the window or since counting began when that is shorter (but at least a
        second)."""
        if self._second == 0:
            return 0.0
        second = now // _SECOND
        if second > self._second:
            self._roll(second)
        return self.total / min(WINDOW_SECONDS, max(1, second - self._first + 1))


def effective_rate(api: float | None, worker: float | None) -> float:
    """The limit in force: the API's before the worker's, and never above the system's."""
    chosen = api if api is not None else worker
    return SYSTEM_RATE if chosen is None else min(chosen, SYSTEM_RATE)
