"""How much of something a peer may do: a burst, a rate, and credit for useful work. Pure."""

from collections.abc import Callable

from tenuto.limits import SECOND


class Allowance:
    """``burst`` at once, ``a_second`` from then on. Asks ``now`` (ns) only when the burst is spent."""

    __slots__ = ("_burst", "_filled_at", "_left", "_now", "_rate")

    def __init__(self, burst: int, a_second: int, now: Callable[[], int]) -> None:
        self._burst = burst
        self._rate = a_second
        self._now = now
        self._left = burst
        self._filled_at = now()

    def spend(self) -> bool:
        """Whether one more is allowed."""
        self._left -= 1
        if self._left >= 0:
            return True
        now = self._now()
        fresh = min((now - self._filled_at) * self._rate // SECOND, self._burst)
        if fresh < 1:
            self._left = 0
            return False
        self._filled_at = now
        self._left = fresh - 1
        return True

    def earn(self, more: int) -> None:
        """The peer did something of use."""
        if self._left < self._burst:
            self._left += more
