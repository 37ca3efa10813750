"""Decides when time jumps: when somebody waits for a result and nothing could happen before the next alarm.

Something could happen while a call is being answered, a worker has a task, or a task waits for a worker who is there. This
file must never change a workflow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tenuto.engine.agenda import dispatches
from tenuto.matching.types import QueueKind
from tenuto.server import Node
from tenuto.shard.cache import Entry
from tenuto.store.spi import ChainKey
from tenuto.testing.clock import SkippingClock

FOREVER = float("inf")
NOBODY_SECONDS = 0.1
"""How long a task waits on a queue that nobody polls until time goes on without it."""
BETWEEN_POLLS_SECONDS = 1.0
"""The same on a queue that was polled a moment ago."""
PATIENCE_SECONDS = 0.25
"""How long an explicit sleep waits for work in flight before it jumps over it."""
_TURNS = 4


def _real_seconds() -> float:
    """The real time of the running loop: jumps do not touch it."""
    return asyncio.get_running_loop().time()


QueueName = tuple[QueueKind, str]


class _Sleep:
    """Somebody who asked for time to pass. ``patience_until`` in real seconds."""

    __slots__ = ("done", "patience_until", "until_at")

    def __init__(self, until_at: int, patience: float) -> None:
        self.until_at = until_at
        self.patience_until = _real_seconds() + patience
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Polls:
    """Who polls which queue: how many now, and when it was last."""

    def __init__(self) -> None:
        self._now: dict[QueueName, int] = {}
        self._last: dict[QueueName, float] = {}

    @contextmanager
    def poll(self, name: QueueName) -> Iterator[None]:
        self._now[name] = self._now.get(name, 0) + 1
        try:
            yield
        finally:
            self._now[name] -= 1
            self._last[name] = _real_seconds()

    def may_wait_until(self, name: QueueName, since: float) -> float:
        """Until when (real seconds) a task that has waited ``since`` then may still be fetched."""
        if self._now.get(name):
            return since + BETWEEN_POLLS_SECONDS
        last = self._last.get(name)
        if last is None:
            return since + NOBODY_SECONDS
        return max(since, last) + BETWEEN_POLLS_SECONDS


class Skipper:
    """Watches a node and moves its clock. ``calls``: requests being answered now; ``waiters``: callers who wait for a
    result; ``held``: how often skipping is switched off."""

    def __init__(self, node: Node, clock: SkippingClock) -> None:
        self.calls = 0
        self.waiters = 0
        self.held = 0
        self.polls = Polls()
        self.nexus_in_hand: Callable[[ChainKey], bool] = lambda key: False
        """Whether a worker is at something that the chain owes a Nexus handler."""
        self._node = node
        self._clock = clock
        self._touched: set[ChainKey] = set()
        self._busy: dict[ChainKey, float] = {}
        """Chains with work that is not done, and since when (real seconds) they stand like this."""
        self._sleeps: list[_Sleep] = []
        self._stirred = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        node.shard.go_by(clock.alarms, self._changed)

    def start(self) -> None:
        """From now on time may jump. Needs the node's loop to run."""
        self._task = asyncio.get_running_loop().create_task(self._drive(), name="time skipping")

    def stop(self) -> None:
        """No more jumps."""
        if self._task is not None:
            self._task.cancel()

    def stir(self) -> None:
        """Something is not as it was: look again."""
        self._stirred.set()

    def _changed(self, key: ChainKey) -> None:
        self._touched.add(key)
        self._stirred.set()

    async def sleep(self, ns: int, patience: float = PATIENCE_SECONDS) -> None:
        """Let ``ns`` pass at once, alarm by alarm, and what they cause happen."""
        until_at = self._clock.now() + ns
        for _ in range(2):  # the second is over at once, but for what the last alarm has caused
            one = _Sleep(until_at, patience)
            self._sleeps.append(one)
            self.stir()
            try:
                await one.done
            finally:
                if one in self._sleeps:
                    self._sleeps.remove(one)

    # ---- driving ----------------------------------------------------------------------------------------------------

    async def _drive(self) -> None:
        while True:
            self._stirred.clear()
            wait = await self._look() if self._wanted else FOREVER
            if wait > 0 and not self._stirred.is_set():
                await self._pause(wait)

    @property
    def _wanted(self) -> bool:
        return bool(self._sleeps) or (self.waiters > 0 and self.held <= 0)

    async def _look(self) -> float:
        """Jump if it is time to. Returns after how many real seconds to look again, if nothing happens before."""
        for _ in range(_TURNS):  # whoever was told something just now may act on it
            await asyncio.sleep(0)
        if self._stirred.is_set() or not self._wanted:
            return 0
        wait = self._obstacle()
        if wait > 0 and self._sleeps and self._node.shard.resting:
            wait = min(wait, max(0.0, min(one.patience_until for one in self._sleeps) - _real_seconds()))
        if wait > 0:
            return wait
        return self._jump()

    def _jump(self) -> float:
        targets = [one.until_at for one in self._sleeps]
        alarm_at = self._clock.next_alarm_at()
        if alarm_at is not None:
            targets.append(alarm_at)
        if not targets:
            return FOREVER
        self._clock.jump(min(targets))
        now = self._clock.now()
        for one in [one for one in self._sleeps if one.until_at <= now]:
            self._sleeps.remove(one)
            if not one.done.done():
                one.done.set_result(None)
        return 0

    async def _pause(self, seconds: float) -> None:
        if seconds == FOREVER:
            await self._stirred.wait()
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            return

    # ---- obstacles --------------------------------------------------------------------------------------------------

    def _obstacle(self) -> float:
        """0: nothing could happen now. Else in how many real seconds to look again, should nothing stir before."""
        if not self._node.shard.resting:
            return 1e-4
        if self.calls > 0:
            return FOREVER
        now = _real_seconds()
        for key in self._touched:
            self._busy[key] = now
        self._touched.clear()
        longest = 0.0
        for key, since in list(self._busy.items()):
            entry = self._node.shard.peek(key)
            wait = None if entry is None else self._wait_of(entry, since, now)
            if wait is None:
                del self._busy[key]
            else:
                longest = max(longest, wait)
        return longest

    def _wait_of(self, entry: Entry, since: float, now: float) -> float | None:
        """None: this chain is owed nothing but alarms. 0: also what nobody fetches."""
        chain, agenda = entry.chain, entry.agenda
        if chain is None or agenda is None:
            return None
        if agenda.in_hand(chain) or (chain.out and self.nexus_in_hand(entry.key)):
            return FOREVER
        wait = None if not chain.out else max(0.0, since + BETWEEN_POLLS_SECONDS - now)
        for owed in dispatches(chain, agenda):
            kind = QueueKind(int(owed.kind))
            until = max(
                self.polls.may_wait_until((kind, name), since)
                for name in (owed.queue, owed.normal_queue)
                if name
            )
            wait = max(wait or 0.0, until - now, 0.0)
        return wait
