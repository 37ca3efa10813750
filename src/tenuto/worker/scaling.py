"""How many polls to have out at once, and how fast activities may begin: pure counting, time is handed in.

This file must never poll.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from tenuto.transport.errors import RPCStatusCode
from tenuto.worker.config import PollerBehavior, PollerBehaviorAutoscaling

PERIOD_SECONDS = 0.1
"""Between two looks at how many tasks come in."""
GROWTH = 1.1
"""More polls are worth having only while so many times more tasks come in with them."""
SHORT_POLL_SECONDS = 11.0
"""How long polls beyond the minimum wait, so that they can be retired."""


class Scale(Protocol):
    """How many polls to have out."""

    target: int

    def answered(self, now: float, found: bool, advice: int | None) -> None:
        """A poll came back, with a task or empty, perhaps with the server's ``advice``: so many more, or fewer."""

    def failed(self, status: RPCStatusCode) -> None:
        """A poll failed."""

    def patience(self, out: int) -> float | None:
        """Seconds that a poll may wait when ``out`` polls are out, with it; None for the usual time."""


class FixedScale:
    """Always the same number."""

    def __init__(self, polls: int) -> None:
        self.target = polls

    def answered(self, now: float, found: bool, advice: int | None) -> None:
        return

    def failed(self, status: RPCStatusCode) -> None:
        return

    def patience(self, out: int) -> float | None:
        return None


class AutoScale:
    """Between a minimum and a maximum, as the server advises."""

    def __init__(self, behavior: PollerBehaviorAutoscaling) -> None:
        self._minimum = behavior.minimum
        self._maximum = behavior.maximum
        self.target = behavior.initial
        self.advised = False
        """Whether the server is known to advise; then polls that find nothing are retired."""
        self._period_from = 0.0
        self._before = 0
        self._now = 0
        self._growing = True

    def answered(self, now: float, found: bool, advice: int | None) -> None:
        self._count(now, found)
        if advice is not None:
            self.advised = True
            if advice > 0 and not self._growing:
                return
            self._move(advice)
        elif not found and self.advised:
            self._move(-1)

    def failed(self, status: RPCStatusCode) -> None:
        if status is RPCStatusCode.RESOURCE_EXHAUSTED:
            self._move(self.target // 2 - self.target)
        else:
            self._move(-1)

    def patience(self, out: int) -> float | None:
        return SHORT_POLL_SECONDS if out > self._minimum else None

    def _move(self, by: int) -> None:
        self.target = min(self._maximum, max(self._minimum, self.target + by))

    def _count(self, now: float, found: bool) -> None:
        elapsed = now - self._period_from
        if elapsed >= PERIOD_SECONDS:
            before = self._now if elapsed < 2 * PERIOD_SECONDS else 0
            self._growing = before >= self._before * GROWTH
            self._before, self._now, self._period_from = before, 0, now
        if found:
            self._now += 1


def scale_for(behavior: PollerBehavior, polls: int | None = None) -> Scale:
    """The counting for ``behavior``; ``polls`` overrules the number of a simple maximum."""
    if isinstance(behavior, PollerBehaviorAutoscaling):
        return AutoScale(behavior)
    return FixedScale(behavior.maximum if polls is None else polls)


def split(polls: int, ratio: float) -> tuple[int, int]:
    """How many of ``polls`` are for the normal queue, and how many for the sticky one: at least one each."""
    normal = max(1, int(polls * ratio))
    return normal, max(1, polls - normal)


class Pace:
    """At most ``per_second`` beginnings a second, evenly spread, with no burst saved up beyond one."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1.0 / per_second
        self._next_at = 0.0

    def now(self) -> bool:
        """Take a turn if there is one now."""
        now = asyncio.get_running_loop().time()
        if self._next_at > now:
            return False
        self._next_at = now + self._gap
        return True

    async def turn(self) -> None:
        """Wait for the next turn and take it."""
        now = asyncio.get_running_loop().time()
        at = max(self._next_at, now)
        self._next_at = at + self._gap
        if at > now:
            await asyncio.sleep(at - now)

    def unused(self) -> None:
        """A turn was taken in vain."""
        self._next_at -= self._gap
