"""Who waits for something to happen: history long polls watch a chain, update and query callers listen to a topic.

All of it is memory: when the shard loses its own, listeners are told UNAVAILABLE and their callers retry.
"""

import asyncio
from collections import deque

from tenuto.engine.types import Notice, QueryNotice, Reason, Rejected
from tenuto.matching.types import Clock
from tenuto.store.spi import ChainKey, HistoryRow


class _Sleeper:
    """One waiter that is woken, or reaches its deadline."""

    __slots__ = ("_clock", "_future")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._future: asyncio.Future[bool] | None = None

    def wake(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(True)

    async def sleep(self, deadline_at: int) -> bool:
        """True when woken, False at the deadline."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._future = future

        def expire() -> None:
            if not future.done():
                future.set_result(False)

        timer = self._clock.call_at(deadline_at, expire)
        try:
            return await future
        finally:
            timer.cancel()
            self._future = None


async def pause(clock: Clock, ns: int) -> None:
    """Do nothing for ``ns``."""
    await _Sleeper(clock).sleep(clock.now() + ns)


class ChainWatch:
    """See `tenuto.shard.api.Watch`."""

    __slots__ = ("_changed", "_key", "_sleeper", "_waiters", "closing", "closings")

    def __init__(self, waiters: "Waiters", key: ChainKey, closings: bool = False) -> None:
        self._waiters = waiters
        self._key = key
        self.closings = closings
        self.closing: tuple[str, HistoryRow] | None = None
        self._sleeper = _Sleeper(waiters.clock)
        self._changed = False
        waiters.watches.setdefault(key, {})[self] = None

    def notify(self) -> None:
        self._changed = True
        self._sleeper.wake()

    async def wait(self, deadline_at: int) -> bool:
        if not self._changed:
            await self._sleeper.sleep(deadline_at)
        changed, self._changed = self._changed, False
        return changed

    def close(self) -> None:
        watches = self._waiters.watches.get(self._key)
        if watches is not None:
            watches.pop(self, None)
            if not watches:
                del self._waiters.watches[self._key]


class TopicListener:
    """See `tenuto.shard.api.Listener`."""

    __slots__ = ("_heard", "_sleeper", "_topic", "_waiters")

    def __init__(self, waiters: "Waiters", topic: str) -> None:
        self._waiters = waiters
        self._topic = topic
        self._sleeper = _Sleeper(waiters.clock)
        self._heard: deque[Notice | Rejected] = deque()
        waiters.listeners.setdefault(topic, {})[self] = None

    def notify(self, notice: Notice | Rejected) -> None:
        self._heard.append(notice)
        self._sleeper.wake()

    async def next(self, deadline_at: int) -> Notice | None:
        if not self._heard and not await self._sleeper.sleep(deadline_at):
            return None
        notice = self._heard.popleft()
        if isinstance(notice, Rejected):
            raise notice
        return notice

    def close(self) -> None:
        listeners = self._waiters.listeners.get(self._topic)
        if listeners is not None:
            listeners.pop(self, None)
            if not listeners:
                del self._waiters.listeners[self._topic]


def topic_of(notice: Notice) -> str:
    if isinstance(notice, QueryNotice):
        return f"query/{notice.query_id}"
    return f"update/{notice.run_id}/{notice.update_id}"


class Waiters:
    """All waiters of one shard, told in the order in which they came: a set would have them as memory happens to lie."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.watches: dict[ChainKey, dict[ChainWatch, None]] = {}
        self.listeners: dict[str, dict[TopicListener, None]] = {}

    def watched(self, key: ChainKey) -> bool:
        return key in self.watches

    def committed(self, key: ChainKey, closing: tuple[str, HistoryRow] | None = None) -> None:
        watches = self.watches.get(key)
        if watches:
            for watch in tuple(watches):
                if closing is not None:
                    watch.closing = closing
                elif watch.closings:
                    continue
                watch.notify()

    def publish(self, notice: Notice) -> None:
        for listener in tuple(self.listeners.get(topic_of(notice), ())):
            listener.notify(notice)

    def memory_lost(self) -> None:
        """Tell everybody: listeners fail, watchers look again."""
        lost = Rejected(Reason.UNAVAILABLE, "the shard has lost its memory, please retry")
        for listeners in tuple(self.listeners.values()):
            for listener in tuple(listeners):
                listener.notify(lost)
        for watches in tuple(self.watches.values()):
            for watch in tuple(watches):
                watch.notify()
