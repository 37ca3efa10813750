"""Long polls: woken by commits, told of notices, failed when memory is lost."""

import asyncio

import pytest

from tenuto.clock import ManualClock
from tenuto.engine.types import Reason, Rejected, UpdateNotice
from tenuto.limits import SECOND
from tenuto.shard.waiters import ChainWatch, TopicListener, Waiters
from tenuto.store.spi import ChainKey

KEY = ChainKey("n", "w")


def test_a_watch_wakes_at_a_commit_and_remembers_one_that_came_first() -> None:
    async def run() -> None:
        clock = ManualClock()
        waiters = Waiters(clock)
        watch = ChainWatch(waiters, KEY)
        waiters.committed(KEY)
        assert await watch.wait(clock.now() + SECOND)
        waiting = asyncio.ensure_future(watch.wait(clock.now() + SECOND))
        await clock.flow()
        waiters.committed(KEY)
        assert await waiting
        watch.close()
        assert not waiters.watches

    asyncio.run(run())


def test_a_watch_gives_up_at_its_deadline() -> None:
    async def run() -> None:
        clock = ManualClock()
        watch = ChainWatch(Waiters(clock), KEY)
        waiting = asyncio.ensure_future(watch.wait(clock.now() + SECOND))
        await clock.flow(2 * SECOND)
        assert not await waiting

    asyncio.run(run())


def test_a_listener_hears_its_own_topic_in_order() -> None:
    async def run() -> None:
        clock = ManualClock()
        waiters = Waiters(clock)
        listener = TopicListener(waiters, "update/r/u")
        waiters.publish(UpdateNotice("r", "other", 2))
        waiters.publish(UpdateNotice("r", "u", 2))
        waiters.publish(UpdateNotice("r", "u", 3))
        stages = [(await listener.next(clock.now() + SECOND)) for _ in range(2)]
        assert [notice.stage for notice in stages if isinstance(notice, UpdateNotice)] == [2, 3]
        listener.close()
        assert not waiters.listeners

    asyncio.run(run())


def test_lost_memory_fails_listeners_and_wakes_watchers() -> None:
    async def run() -> None:
        clock = ManualClock()
        waiters = Waiters(clock)
        listener, watch = TopicListener(waiters, "query/q"), ChainWatch(waiters, KEY)
        waiters.memory_lost()
        with pytest.raises(Rejected) as refused:
            await listener.next(clock.now() + SECOND)
        assert refused.value.reason is Reason.UNAVAILABLE
        assert await watch.wait(clock.now() + SECOND)

    asyncio.run(run())
