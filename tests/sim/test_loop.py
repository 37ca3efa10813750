"""The deterministic loop carries asyncio; the simulation's loop explores orders, stops time and forgets the dead."""

import asyncio
from functools import partial

import pytest

from tenuto._loop import Deadlock, DeterministicLoop, NestedStep, VirtualTimeLoop
from tenuto.sim.loop import Life, SimClock, SimulationLoop

SECOND = 1_000_000_000


def test_tasks_groups_gather_queues_and_locks_run_without_a_clock() -> None:
    loop = DeterministicLoop()

    async def scene() -> list[int]:
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        lock, event = asyncio.Lock(), asyncio.Event()
        seen: list[int] = []

        async def feed() -> None:
            for number in range(4):
                await queue.put(number)
            event.set()

        async def eat() -> None:
            for _ in range(4):
                async with lock:
                    seen.append(await queue.get())

        async with asyncio.TaskGroup() as group:
            group.create_task(feed())
            group.create_task(eat())
        await event.wait()
        return [*seen, *await asyncio.gather(asyncio.sleep(0, 7), asyncio.sleep(0, 8))]

    assert loop.run_until_complete(scene()) == [0, 1, 2, 3, 7, 8]


def test_time_without_a_child_that_knows_it_is_refused() -> None:
    with pytest.raises(NotImplementedError):
        DeterministicLoop().run_until_complete(asyncio.sleep(1))


def test_virtual_time_jumps_to_the_next_timer() -> None:
    loop = VirtualTimeLoop()

    async def scene() -> str:
        try:
            async with asyncio.timeout(3600):
                await asyncio.sleep(7200)
        except TimeoutError:
            return "timed out"
        return "slept"

    assert loop.run_until_complete(scene()) == "timed out"
    assert loop.now_ns == 3600 * SECOND


def test_waiting_for_nothing_is_a_deadlock() -> None:
    loop = VirtualTimeLoop()
    with pytest.raises(Deadlock):
        loop.run_until_complete(loop.create_future())


def test_a_loop_is_driven_from_callbacks_of_another_but_not_from_its_tasks() -> None:
    inner = DeterministicLoop()
    seen: list[object] = []

    async def outer() -> None:
        ran = asyncio.get_running_loop().create_future()

        def drive() -> None:
            inner.create_task(asyncio.sleep(0)).add_done_callback(lambda task: seen.append(task.result()))
            inner.run_ready()
            ran.set_result(asyncio.get_running_loop())

        asyncio.get_running_loop().call_soon(drive)
        assert await ran is asyncio.get_running_loop()
        with pytest.raises(NestedStep):
            inner.run_ready()

    asyncio.run(outer())
    assert seen == [None]


def _remember(seen: list[int], number: int, _: object) -> None:
    seen.append(number)


def _order(seed: int, shuffle: bool = True) -> tuple[list[str], int]:
    loop = SimulationLoop(seed, shuffle)
    seen: list[str] = []

    async def one(name: str) -> None:
        for step in range(3):
            seen.append(f"{name}{step}")
            await asyncio.sleep(0)

    async def scene() -> None:
        await asyncio.gather(*(one(name) for name in "abc"))

    loop.run_until_complete(scene())
    return seen, loop.fingerprint


def test_a_seed_decides_the_order_and_only_a_seed() -> None:
    assert _order(1) == _order(1)
    assert len({tuple(_order(seed)[0]) for seed in range(20)}) > 5
    assert _order(1, shuffle=False)[0] == _order(2, shuffle=False)[0]
    for seed in range(20):
        seen = _order(seed)[0]
        assert [one for one in seen if one[0] == "a"] == ["a0", "a1", "a2"]


@pytest.mark.parametrize("seed", range(10))
def test_callbacks_of_one_future_keep_their_order(seed: int) -> None:
    loop = SimulationLoop(seed)
    seen: list[int] = []
    future = loop.create_future()
    for number in range(8):
        future.add_done_callback(partial(_remember, seen, number))
    future.set_result(None)
    loop.run_ready()
    assert seen == list(range(8))


def test_the_dead_run_no_more_not_even_their_finally() -> None:
    loop = SimulationLoop(1)
    life = Life("node")
    seen: list[str] = []

    async def node() -> None:
        try:
            await asyncio.sleep(1)
            seen.append("awake")
        finally:
            seen.append("finally")

    async def scene() -> None:
        loop.spawn(node(), life)
        await asyncio.sleep(0.5)
        life.alive = False
        await asyncio.sleep(5)

    loop.run_until_complete(scene())
    assert seen == []
    loop.close()


def test_a_clock_never_goes_back_and_never_rings_early() -> None:
    loop = SimulationLoop(1)
    clock = SimClock(loop, skew_ns=5 * SECOND)
    begin = clock.now()
    rung: list[int] = []

    async def scene() -> None:
        clock.call_at(begin + 10 * SECOND, lambda: rung.append(clock.now()))
        clock.jump(-2 * SECOND)
        assert clock.now() == begin
        await asyncio.sleep(11)
        assert not rung
        await asyncio.sleep(2)
        assert rung == [begin + 10 * SECOND]
        clock.call_at(begin + 3600 * SECOND, lambda: rung.append(clock.now()))
        clock.jump(7200 * SECOND)
        await asyncio.sleep(0.001)
        assert len(rung) == 2

    loop.run_until_complete(scene())
