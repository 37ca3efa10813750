"""Slots: taken before polls, shared fairly by sticky and normal polls, given back, regulated by the machine or by others."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tenuto._loop import VirtualTimeLoop
from tenuto.worker.resources import Host, Room, Usage
from tenuto.worker.slots import NORMAL, STICKY, BoundedSlots, Reserve, ResourceSlots, WorkflowSlot, slots_for
from tenuto.worker.tuner import (
    CustomSlotSupplier,
    FixedSizeSlotSupplier,
    ResourceBasedSlotConfig,
    ResourceBasedSlotSupplier,
    ResourceBasedTunerConfig,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
)

T = TypeVar("T")
ASKED = Reserve("workflow", "q", "me", "b1", None, False)


def on_virtual_time(story: Coroutine[Any, Any, T]) -> T:
    """Run ``story`` on a loop whose time moves only when nothing else can."""
    loop = VirtualTimeLoop()
    try:
        result: T = loop.run_until_complete(story)
        return result
    finally:
        loop.close()


async def turns() -> None:
    """Let everybody who can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_who_comes_when_all_slots_are_taken_waits_for_the_first_that_is_given_back() -> None:
    async def story() -> None:
        slots = BoundedSlots(2)
        first, second = slots.take_now(), slots.take_now()
        assert first is not None and second is not None and slots.take_now() is None
        waiting = asyncio.ensure_future(slots.take())
        await turns()
        assert not waiting.done() and slots.available == 0
        slots.use(first)
        slots.give_back(first)
        await turns()
        assert waiting.done() and slots.held == 2
        assert (slots.processed, slots.working) == (1, 0)

    on_virtual_time(story())


def test_a_waiter_that_is_cancelled_takes_no_slot_with_it() -> None:
    async def story() -> None:
        slots = BoundedSlots(1)
        held = await slots.take()
        waiting = asyncio.ensure_future(slots.take())
        late = asyncio.ensure_future(slots.take())
        await turns()
        waiting.cancel()
        await turns()
        slots.give_back(held)
        await turns()
        assert late.done()
        slots.give_back(late.result())
        assert slots.available == 1

    on_virtual_time(story())


def test_a_waiter_that_is_cancelled_just_after_it_got_its_slot_gives_it_back() -> None:
    async def story() -> None:
        slots = BoundedSlots(1)
        held = await slots.take()
        waiting = asyncio.ensure_future(slots.take())
        await turns()
        slots.give_back(held)
        waiting.cancel()
        await turns()
        assert slots.available == 1

    on_virtual_time(story())


def test_sticky_polls_leave_a_slot_to_the_normal_queue() -> None:
    async def story() -> None:
        slots = BoundedSlots(2, (NORMAL, STICKY))
        sticky = slots.take_now(STICKY)
        assert sticky is not None
        assert slots.take_now(STICKY) is None
        assert slots.take_now(NORMAL) is not None

    on_virtual_time(story())


def test_a_slot_that_is_given_back_goes_to_the_lane_without_a_poll_out() -> None:
    async def story() -> None:
        slots = BoundedSlots(2, (NORMAL, STICKY))
        normal, sticky = slots.take_now(NORMAL), slots.take_now(STICKY)
        assert normal is not None and sticky is not None
        slots.use(normal)
        more = [asyncio.ensure_future(slots.take(STICKY)) for _ in range(3)]
        other = asyncio.ensure_future(slots.take(NORMAL))
        await turns()
        slots.give_back(normal)
        await turns()
        assert other.done() and not any(one.done() for one in more)
        for one in more:
            one.cancel()

    on_virtual_time(story())


@dataclass
class Machine(Host):
    """A machine whose load is set by hand."""

    load: Usage = field(default_factory=Usage)

    def usage(self, now: float) -> Usage:
        return self.load


def test_resource_slots_beyond_the_minimum_come_one_by_one_and_only_while_the_machine_has_room() -> None:
    async def story() -> None:
        machine = Machine(load=Usage(0.1, 0.1))
        slots = ResourceSlots(2, 10, 0.05, Room(0.8, 0.8, machine))
        assert slots.take_now() and slots.take_now()
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(1)
        began = clock()
        third = await slots.take()
        fourth = await slots.take()
        assert 0.04 < clock() - began < 0.2
        machine.load = Usage(0.95, 0.1)
        waiting = asyncio.ensure_future(slots.take())
        await asyncio.sleep(10)
        assert not waiting.done()
        machine.load = Usage(0.2, 0.1)
        await asyncio.sleep(1)
        assert waiting.done()
        for permit in (third, fourth, waiting.result()):
            slots.give_back(permit)
        assert slots.held == 2

    on_virtual_time(story())


def test_resource_slots_never_exceed_their_maximum() -> None:
    async def story() -> None:
        supplier = ResourceBasedSlotSupplier(
            ResourceBasedSlotConfig(minimum_slots=1, maximum_slots=3), ResourceBasedTunerConfig(0.9, 0.9)
        )
        slots = slots_for(supplier, ASKED, room=Room(0.9, 0.9, Machine()))
        for _ in range(3):
            await slots.take()
        waiting = asyncio.ensure_future(slots.take())
        await asyncio.sleep(5)
        assert not waiting.done()
        waiting.cancel()

    on_virtual_time(story())


def test_a_machine_is_measured_by_its_control_group_when_that_allows_less(tmp_path: Path) -> None:
    proc, group = tmp_path / "proc", tmp_path / "sys/fs/cgroup"
    proc.mkdir()
    group.mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 900 kB\n")
    (proc / "stat").write_text("cpu 10 0 10 80 0 0 0 0 0 0\n")
    host = Host(tmp_path)
    assert host.usage(0.0).memory == pytest.approx(0.1)
    (group / "memory.max").write_text("409600\n")
    (group / "memory.current").write_text("307200\n")
    (group / "memory.stat").write_text("inactive_file 102400\n")
    (group / "cpu.max").write_text("50000 100000\n")
    (group / "cpu.stat").write_text("usage_usec 1000000\n")
    assert host.usage(1.0) == Usage(0.5, 0.0)
    (group / "cpu.stat").write_text("usage_usec 1250000\n")
    assert host.usage(2.0).cpu == pytest.approx(0.5)


def test_a_machine_that_tells_nothing_is_idle(tmp_path: Path) -> None:
    assert Host(tmp_path).usage(0.0).memory == 0.0


class Doorman(CustomSlotSupplier):
    """Gives numbered permits, fails when told to, and writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.broken = 0

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        if self.broken:
            self.broken -= 1
            raise KeyError("no")
        self.heard.append(f"reserve {ctx.slot_type} {ctx.task_queue} sticky={ctx.is_sticky}")
        return SlotPermit()

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        return None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        assert isinstance(ctx.slot_info, WorkflowSlot)
        self.heard.append(f"used {ctx.slot_info.workflow_type}")

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        self.heard.append(f"release {ctx.slot_info is not None}")


def test_a_custom_supplier_hears_of_every_slot() -> None:
    async def story() -> None:
        doorman = Doorman()
        slots = slots_for(doorman, ASKED)
        assert slots.take_now() is None
        permit = await slots.take(STICKY)
        slots.use(permit, WorkflowSlot("Order", True))
        slots.give_back(permit)
        slots.give_back(await slots.take())
        assert doorman.heard == [
            "reserve workflow q sticky=True",
            "used Order",
            "release True",
            "reserve workflow q sticky=False",
            "release False",
        ]

    on_virtual_time(story())


def test_a_custom_supplier_that_fails_is_asked_again() -> None:
    async def story() -> None:
        doorman = Doorman()
        doorman.broken = 2
        slots = slots_for(doorman, ASKED)
        await slots.take()
        assert asyncio.get_running_loop().time() >= 2.0

    on_virtual_time(story())


def test_a_bound_caps_a_supplier() -> None:
    assert slots_for(FixedSizeSlotSupplier(10), ASKED, bound=3).available == 3


def test_what_is_no_supplier_is_refused() -> None:
    with pytest.raises(TypeError, match="not a slot supplier"):
        slots_for(3, ASKED)  # type: ignore[arg-type]
