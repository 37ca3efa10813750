"""A limit of starts per second. It must never let a burst through that is longer than one second's share."""

from __future__ import annotations

import asyncio


class RateLimit:
    """At most ``per_second`` admissions each second, in the order of asking."""

    def __init__(self, per_second: float) -> None:
        """Raises ValueError unless ``per_second`` is positive."""
        if per_second <= 0:
            raise ValueError("a rate must be positive")
        self._gap = 1.0 / per_second
        self._burst = max(1.0, per_second) * self._gap
        self._free_at = float("-inf")

    async def admit(self) -> None:
        """Wait until one more may start."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now - self._burst + self._gap)
        wait = self._free_at - now
        self._free_at += self._gap
        if wait > 0:
            try:
                await asyncio.sleep(wait)
            except asyncio.CancelledError:
                self._free_at -= self._gap
                raise
