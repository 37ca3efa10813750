"""The two clocks: never back, never early."""

import asyncio

from tenuto.clock import SECOND, ManualClock, WallClock


class Sources:
    """A wall clock and a monotonic clock, moved by hand."""

    def __init__(self) -> None:
        self.wall_ns = 1_000 * SECOND
        self.tick_ns = 5 * SECOND

    def clock(self) -> WallClock:
        return WallClock(lambda: self.wall_ns, lambda: self.tick_ns)

    def passes(self, ns: int) -> None:
        self.wall_ns += ns
        self.tick_ns += ns


def test_the_service_follows_a_wall_clock_set_forward_at_once() -> None:
    sources = Sources()
    clock = sources.clock()
    assert clock.now() == 1_000 * SECOND
    sources.wall_ns += 3600 * SECOND
    sources.passes(SECOND)
    assert clock.now() == sources.wall_ns


def test_the_service_never_goes_back_and_approaches_a_wall_clock_set_back() -> None:
    sources = Sources()
    clock = sources.clock()
    sources.wall_ns -= 2 * SECOND
    last = clock.now()
    for _ in range(1_000):
        sources.passes(SECOND // 10)
        now = clock.now()
        assert now >= last
        last = now
    assert abs(last - sources.wall_ns) < SECOND // 10


def test_a_call_is_never_early_and_a_cancelled_one_never_made() -> None:
    async def scene() -> None:
        clock = WallClock()
        made: list[int] = []
        done = asyncio.Event()
        when = clock.now() + SECOND // 100

        def ring() -> None:
            made.append(clock.now())
            done.set()

        clock.call_at(when - 1, lambda: made.append(0)).cancel()
        clock.call_at(when, ring)
        assert not made
        await asyncio.wait_for(done.wait(), 10)
        assert len(made) == 1 and made[0] >= when

    asyncio.run(scene())


def test_calls_on_a_manual_clock_are_made_in_order_each_at_its_own_instant() -> None:
    clock = ManualClock(0)
    made: list[tuple[str, int]] = []

    def first() -> None:
        made.append(("a", clock.now()))
        clock.call_at(15, lambda: made.append(("c", clock.now())))

    clock.call_at(20, lambda: made.append(("b", clock.now())))
    clock.call_at(10, first)
    clock.call_at(12, lambda: made.append(("x", 0))).cancel()
    clock.advance(30)
    assert made == [("a", 10), ("c", 15), ("b", 20)]
    assert clock.now() == 30 and clock.next_at() is None
