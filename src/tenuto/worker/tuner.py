"""What a worker may do at once, as its owner says it: slot suppliers, tuners, and what custom suppliers are told.

This file must never hold a slot itself: `tenuto.worker.slots` makes the working counterpart of each supplier.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from tenuto.common import WorkerDeploymentVersion

DEFAULT_SLOTS = 100
"""Slots of each kind when nobody says otherwise."""
DEFAULT_RESOURCE_SLOTS_MAXIMUM = 500


@dataclass(frozen=True)
class FixedSizeSlotSupplier:
    """At most ``num_slots`` tasks of the kind at once. ``num_slots`` is at least 1."""

    num_slots: int


@dataclass(frozen=True)
class ResourceBasedTunerConfig:
    """What share of the machine (of its container, if limited) may be in use, each from 0 to 1."""

    target_memory_usage: float
    target_cpu_usage: float


@dataclass(frozen=True)
class ResourceBasedSlotConfig:
    """Bounds of one kind of slots, None for the default of the kind.

    ``minimum_slots`` are given whatever the machine's state (workflow 5, others 1); ``maximum_slots`` (500) bound them;
    after one slot above the minimum, ``ramp_throttle`` (workflow 0, others 50 ms) passes before the next.
    """

    minimum_slots: int | None = None
    maximum_slots: int | None = None
    ramp_throttle: timedelta | None = None


@dataclass(frozen=True)
class ResourceBasedSlotSupplier:
    """Slots as long as the machine's memory and processors are used less than they should be."""

    slot_config: ResourceBasedSlotConfig
    tuner_config: ResourceBasedTunerConfig


class SlotPermit:
    """What a custom supplier gives for a slot; subclass it, or set attributes, to remember something."""


SlotType: TypeAlias = Literal["workflow", "activity", "local-activity", "nexus"]


@runtime_checkable
class SlotReserveContext(Protocol):
    """For what a slot is asked."""

    @property
    def slot_type(self) -> SlotType: ...
    @property
    def task_queue(self) -> str: ...
    @property
    def worker_identity(self) -> str: ...
    @property
    def worker_build_id(self) -> str: ...
    @property
    def worker_deployment_version(self) -> WorkerDeploymentVersion | None: ...
    @property
    def is_sticky(self) -> bool:
        """True for a poll of the worker's own sticky queue; only workflow tasks have one."""
        ...


@runtime_checkable
class WorkflowSlotInfo(Protocol):
    """A workflow task that uses a slot."""

    @property
    def workflow_type(self) -> str: ...
    @property
    def is_sticky(self) -> bool: ...


@runtime_checkable
class ActivitySlotInfo(Protocol):
    """An activity that uses a slot."""

    @property
    def activity_type(self) -> str: ...


@runtime_checkable
class LocalActivitySlotInfo(Protocol):
    """A local activity that uses a slot."""

    @property
    def activity_type(self) -> str: ...


@runtime_checkable
class NexusSlotInfo(Protocol):
    """A Nexus operation that uses a slot."""

    @property
    def service(self) -> str: ...
    @property
    def operation(self) -> str: ...


SlotInfo: TypeAlias = WorkflowSlotInfo | ActivitySlotInfo | LocalActivitySlotInfo | NexusSlotInfo


@runtime_checkable
class SlotMarkUsedContext(Protocol):
    """Which slot starts to be used, and for what."""

    @property
    def slot_info(self) -> SlotInfo: ...
    @property
    def permit(self) -> SlotPermit: ...


@dataclass(frozen=True)
class SlotReleaseContext:
    """Which slot is free again; ``slot_info`` is None when it was never used."""

    slot_info: SlotInfo | None

    permit: SlotPermit


class CustomSlotSupplier(ABC):
    """Decide yourself when a worker may take work. One supplier may serve several workers of one event loop."""

    @abstractmethod
    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        """Wait until there is a slot for ``ctx`` and return a permit for it. Asked before every poll.

        It may be cancelled. Any other error is logged, and the slot asked for again after a second.
        """

    @abstractmethod
    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        """A permit if there is a slot now, None otherwise. Must not block. Asked for tasks that come without a poll."""

    @abstractmethod
    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        """A reserved slot begins to work. Must not block."""

    @abstractmethod
    def release_slot(self, ctx: SlotReleaseContext) -> None:
        """A permit is not needed any more, used or not. Must not block."""


SlotSupplier: TypeAlias = FixedSizeSlotSupplier | ResourceBasedSlotSupplier | CustomSlotSupplier


class WorkerTuner(ABC):
    """Which supplier serves each kind of slot. Make one with the ``create_*`` class methods."""

    @staticmethod
    def create_resource_based(
        *,
        target_memory_usage: float,
        target_cpu_usage: float,
        workflow_config: ResourceBasedSlotConfig | None = None,
        activity_config: ResourceBasedSlotConfig | None = None,
        local_activity_config: ResourceBasedSlotConfig | None = None,
        nexus_config: ResourceBasedSlotConfig | None = None,
    ) -> WorkerTuner:
        """Slots as long as the machine has room. Targets are shares from 0 to 1 (memory: 0.8 or less is wise)."""
        targets = ResourceBasedTunerConfig(target_memory_usage, target_cpu_usage)

        def supplier(config: ResourceBasedSlotConfig | None) -> ResourceBasedSlotSupplier:
            return ResourceBasedSlotSupplier(config or ResourceBasedSlotConfig(), targets)

        return _Tuner(
            supplier(workflow_config),
            supplier(activity_config),
            supplier(local_activity_config),
            supplier(nexus_config),
        )

    @staticmethod
    def create_fixed(
        *,
        workflow_slots: int | None = None,
        activity_slots: int | None = None,
        local_activity_slots: int | None = None,
        nexus_slots: int | None = None,
    ) -> WorkerTuner:
        """So many slots of each kind; None: 100."""

        def supplier(slots: int | None) -> FixedSizeSlotSupplier:
            return FixedSizeSlotSupplier(DEFAULT_SLOTS if slots is None else slots)

        return _Tuner(
            supplier(workflow_slots),
            supplier(activity_slots),
            supplier(local_activity_slots),
            supplier(nexus_slots),
        )

    @staticmethod
    def create_composite(
        *,
        workflow_supplier: SlotSupplier,
        activity_supplier: SlotSupplier,
        local_activity_supplier: SlotSupplier,
        nexus_supplier: SlotSupplier,
    ) -> WorkerTuner:
        """Another supplier for each kind. Resource-based ones must share their targets; a worker checks that."""
        return _Tuner(workflow_supplier, activity_supplier, local_activity_supplier, nexus_supplier)

    @abstractmethod
    def workflow_task_slot_supplier(self) -> SlotSupplier: ...

    @abstractmethod
    def activity_task_slot_supplier(self) -> SlotSupplier: ...

    @abstractmethod
    def local_activity_task_slot_supplier(self) -> SlotSupplier: ...

    @abstractmethod
    def nexus_task_slot_supplier(self) -> SlotSupplier: ...


@dataclass(frozen=True)
class _Tuner(WorkerTuner):
    workflow: SlotSupplier
    activity: SlotSupplier
    local_activity: SlotSupplier
    nexus: SlotSupplier

    def workflow_task_slot_supplier(self) -> SlotSupplier:
        return self.workflow

    def activity_task_slot_supplier(self) -> SlotSupplier:
        return self.activity

    def local_activity_task_slot_supplier(self) -> SlotSupplier:
        return self.local_activity

    def nexus_task_slot_supplier(self) -> SlotSupplier:
        return self.nexus
