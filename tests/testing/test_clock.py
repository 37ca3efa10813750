"""A clock that jumps rings alarms, and leaves the real world's waits alone."""

import asyncio
import time

from tenuto.limits import DAY, SECOND
from tenuto.testing.clock import SkippingClock


async def _turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_time_starts_now_and_goes_on() -> None:
    clock = SkippingClock()
    first = clock.now()
    assert abs(first - time.time_ns()) < SECOND
    assert clock.now() >= first


def test_a_jump_rings_the_alarms_it_passes_and_no_others() -> None:
    async def run() -> None:
        clock, rung = SkippingClock(), list[str]()
        start = clock.now()
        clock.alarm_at(start + 2 * DAY, lambda: rung.append("later"))
        clock.alarm_at(start + DAY, lambda: rung.append("day"))
        cancelled = clock.alarm_at(start + SECOND, lambda: rung.append("cancelled"))
        cancelled.cancel()
        assert clock.next_alarm_at() == start + DAY
        clock.jump(start + DAY)
        assert not rung
        await _turn()
        assert rung == ["day"]
        assert clock.now() >= start + DAY
        assert clock.next_alarm_at() == start + 2 * DAY

    asyncio.run(run())


def test_a_jump_does_not_hasten_other_calls() -> None:
    async def run() -> None:
        clock, made = SkippingClock(), list[int]()
        clock.call_at(clock.now() + 60 * SECOND, lambda: made.append(1))
        clock.jump(clock.now() + DAY)
        await _turn()
        assert not made

    asyncio.run(run())


def test_real_time_brings_alarms_nearer_after_a_jump_too() -> None:
    async def run() -> None:
        clock = SkippingClock()
        rung = asyncio.Event()
        clock.alarm_at(clock.now() + DAY, rung.set)
        clock.jump(clock.now() + DAY - SECOND // 100)
        async with asyncio.timeout(60):
            await rung.wait()

    asyncio.run(run())


def test_time_does_not_go_back() -> None:
    async def run() -> None:
        clock = SkippingClock()
        clock.jump(clock.now() + DAY)
        ahead = clock.now()
        clock.jump(ahead - 2 * DAY)
        assert clock.now() >= ahead

    asyncio.run(run())
