"""Slots at work: a permit is taken before a poll and given back when the task that came is done.

One `Slots` per kind of task. Polls of the sticky queue and of the normal one are two lanes that share workflow slots:
neither may take all of them while the other has no poll out. This room must never talk to a server.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.worker.resources import Room
from tenuto.worker.tuner import (
    DEFAULT_RESOURCE_SLOTS_MAXIMUM,
    CustomSlotSupplier,
    FixedSizeSlotSupplier,
    ResourceBasedSlotSupplier,
    SlotInfo,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    SlotSupplier,
    SlotType,
)

if TYPE_CHECKING:
    from tenuto.common import WorkerDeploymentVersion

logger = logging.getLogger("tenuto.worker")

RETRY_SECONDS = 1.0
"""How long after an error of a custom supplier it is asked again."""


@dataclass(frozen=True, slots=True)
class WorkflowSlot:
    """A workflow task that uses a slot."""

    workflow_type: str
    is_sticky: bool


@dataclass(frozen=True, slots=True)
class ActivitySlot:
    """An activity, local or not, that uses a slot."""

    activity_type: str


@dataclass(frozen=True, slots=True)
class NexusSlot:
    """A Nexus operation that uses a slot."""

    service: str
    operation: str


@dataclass(frozen=True, slots=True)
class Reserve:
    """What a custom supplier is told: a `SlotReserveContext`."""

    slot_type: SlotType
    task_queue: str
    worker_identity: str
    worker_build_id: str
    worker_deployment_version: WorkerDeploymentVersion | None
    is_sticky: bool


@dataclass(frozen=True, slots=True)
class _MarkUsed:
    slot_info: SlotInfo
    permit: SlotPermit


class Permit:
    """One slot, held. ``own`` is a custom supplier's."""

    __slots__ = ("info", "lane", "own", "used")

    def __init__(self, lane: int, own: SlotPermit | None = None) -> None:
        self.lane = lane
        self.own = own
        self.info: SlotInfo | None = None
        self.used = False


NORMAL, STICKY = 0, 1
"""Lanes."""


class Slots(ABC):
    """The slots of one kind. ``take`` waits; everything else is immediate."""

    kind = "fixed"
    """As worker heartbeats name it."""

    def __init__(self) -> None:
        self.held = 0
        """Permits out, polling or at work."""
        self.working = 0
        self.processed = 0
        self.failed = 0

    @property
    def available(self) -> int | None:
        """How many more may be taken now; None: nobody knows before asking."""
        return None

    @property
    def informed(self) -> bool:
        """Whether it matters what a slot is used for."""
        return False

    @abstractmethod
    def take_now(self, lane: int = NORMAL) -> Permit | None:
        """A slot if there is one and nobody has a better claim."""

    @abstractmethod
    async def take(self, lane: int = NORMAL) -> Permit:
        """A slot, as soon as there is one."""

    def use(self, permit: Permit, info: SlotInfo | None = None) -> None:
        """The poll brought a task: the slot works now."""
        permit.used = True
        permit.info = info
        self.working += 1

    def give_back(self, permit: Permit) -> None:
        """The slot is free again."""
        self.held -= 1
        if permit.used:
            self.working -= 1
            self.processed += 1


class BoundedSlots(Slots):
    """Slots up to a maximum. ``lanes`` share them: see the module's text."""

    def __init__(self, maximum: int, lanes: Sequence[int] = (NORMAL,)) -> None:
        super().__init__()
        self._maximum = maximum
        self._polling = dict.fromkeys(lanes, 0)
        self._waiting: dict[int, deque[asyncio.Future[Permit]]] = {lane: deque() for lane in lanes}
        self._waiters = 0

    @property
    def available(self) -> int | None:
        return max(0, self._maximum - self.held)

    def take_now(self, lane: int = NORMAL) -> Permit | None:
        if self._waiting[lane] or not self._may(lane):
            return None
        return self._granted(lane)

    async def take(self, lane: int = NORMAL) -> Permit:
        permit = self.take_now(lane)
        if permit is not None:
            return permit
        waiter: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(waiter)
        self._waiters += 1
        self._grant()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.give_back(waiter.result())
            elif waiter in self._waiting[lane]:
                self._waiting[lane].remove(waiter)
                self._waiters -= 1
            raise

    def use(self, permit: Permit, info: SlotInfo | None = None) -> None:
        super().use(permit, info)
        self._polling[permit.lane] -= 1

    def give_back(self, permit: Permit) -> None:
        if not permit.used:
            self._polling[permit.lane] -= 1
        super().give_back(permit)
        if self._waiters:
            self._grant()

    def _may(self, lane: int) -> bool:
        free = self._maximum - self.held
        if free <= 0 or not self._allowed():
            return False
        # The last slot is kept for a lane without any poll out.
        return free > 1 or not self._polling[lane] or all(self._polling.values())

    def _allowed(self) -> bool:
        return True

    def _granted(self, lane: int) -> Permit:
        self.held += 1
        self._polling[lane] += 1
        return Permit(lane)

    def _grant(self) -> None:
        while self._waiters:
            # Of those that wait, the lane with the fewest polls out goes first.
            lanes = sorted(
                (lane for lane in self._waiting if self._waiting[lane]), key=self._polling.__getitem__
            )
            lane = next((lane for lane in lanes if self._may(lane)), None)
            if lane is None:
                return
            waiter = self._waiting[lane].popleft()
            self._waiters -= 1
            if not waiter.done():
                waiter.set_result(self._granted(lane))


class ResourceSlots(BoundedSlots):
    """Slots while the machine has room: always up to ``minimum``, then one at a time, ``ramp`` seconds apart."""

    kind = "resource-based"

    def __init__(
        self, minimum: int, maximum: int, ramp: float, room: Room, lanes: Sequence[int] = (NORMAL,)
    ) -> None:
        super().__init__(maximum, lanes)
        self._minimum = minimum
        self._ramp = ramp
        self._room = room
        self._granted_at = float("-inf")
        self._again: asyncio.TimerHandle | None = None

    @property
    def available(self) -> int | None:
        return None

    def _allowed(self) -> bool:
        if self.held < self._minimum:
            return True
        now = asyncio.get_running_loop().time()
        return now - self._granted_at >= self._ramp and self._room.there_is(now)

    def _granted(self, lane: int) -> Permit:
        self._granted_at = asyncio.get_running_loop().time()
        return super()._granted(lane)

    def _grant(self) -> None:
        super()._grant()
        if self._waiters and self.held < self._maximum and self._again is None:
            self._again = asyncio.get_running_loop().call_later(max(self._ramp, 0.01), self._look_again)

    def _look_again(self) -> None:
        self._again = None
        self._grant()


class CustomSlots(Slots):
    """Slots that somebody else's supplier decides on."""

    def __init__(self, supplier: CustomSlotSupplier, normal: Reserve, sticky: Reserve) -> None:
        super().__init__()
        self._supplier = supplier
        self._asked: tuple[SlotReserveContext, SlotReserveContext] = (normal, sticky)
        self.kind = type(supplier).__name__

    @property
    def informed(self) -> bool:
        return True

    def take_now(self, lane: int = NORMAL) -> Permit | None:
        try:
            own = self._supplier.try_reserve_slot(self._asked[lane])
        except Exception:
            logger.exception("Slot supplier failed to try to reserve a slot")
            return None
        return self._granted(lane, own) if own is not None else None

    async def take(self, lane: int = NORMAL) -> Permit:
        while True:
            try:
                return self._granted(lane, await self._supplier.reserve_slot(self._asked[lane]))
            except Exception:
                logger.exception(
                    "Slot supplier failed to reserve a slot; asking again in %g s", RETRY_SECONDS
                )
            await asyncio.sleep(RETRY_SECONDS)

    def use(self, permit: Permit, info: SlotInfo | None = None) -> None:
        super().use(permit, info)
        if info is None or permit.own is None:
            return
        try:
            self._supplier.mark_slot_used(_MarkUsed(info, permit.own))
        except Exception:
            logger.exception("Slot supplier failed to mark a slot used")

    def give_back(self, permit: Permit) -> None:
        super().give_back(permit)
        if permit.own is None:
            return
        try:
            self._supplier.release_slot(SlotReleaseContext(permit.info, permit.own))
        except Exception:
            logger.exception("Slot supplier failed to release a slot")

    def _granted(self, lane: int, own: SlotPermit) -> Permit:
        self.held += 1
        return Permit(lane, own)


_DEFAULT_MINIMUM: dict[str, int] = {"workflow": 5}
_DEFAULT_RAMP: dict[str, float] = {"workflow": 0.0}


def slots_for(
    supplier: SlotSupplier,
    reserve: Reserve,
    *,
    room: Room | None = None,
    lanes: Sequence[int] = (NORMAL,),
    bound: int | None = None,
) -> Slots:
    """The working counterpart of ``supplier``; ``bound`` caps it. Raises TypeError for something that is no supplier.

    ``room`` is shared by all resource-based slots of a tuner; None: a new one.
    """
    if isinstance(supplier, FixedSizeSlotSupplier):
        slots = supplier.num_slots
        return BoundedSlots(slots if bound is None else min(slots, bound), lanes)
    if isinstance(supplier, ResourceBasedSlotSupplier):
        config, targets = supplier.slot_config, supplier.tuner_config
        kind = reserve.slot_type
        minimum = config.minimum_slots
        maximum = config.maximum_slots
        if maximum is None:
            maximum = DEFAULT_RESOURCE_SLOTS_MAXIMUM
        if bound is not None:
            maximum = min(maximum, bound)
        ramp = config.ramp_throttle
        return ResourceSlots(
            _DEFAULT_MINIMUM.get(kind, 1) if minimum is None else minimum,
            maximum,
            _DEFAULT_RAMP.get(kind, 0.05) if ramp is None else ramp.total_seconds(),
            room or Room(targets.target_memory_usage, targets.target_cpu_usage),
            lanes,
        )
    if isinstance(supplier, CustomSlotSupplier):
        sticky = Reserve(
            reserve.slot_type,
            reserve.task_queue,
            reserve.worker_identity,
            reserve.worker_build_id,
            reserve.worker_deployment_version,
            True,
        )
        return CustomSlots(supplier, reserve, sticky)
    raise TypeError(f"{supplier!r} is not a slot supplier")
