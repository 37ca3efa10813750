"""Tasks that come without a poll: activities with the answer to a workflow task, first workflow tasks with a start.

Both need a slot before they are asked for. This file must never wait for one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tenuto.worker.slots import STICKY, Permit, Slots

if TYPE_CHECKING:
    from tenuto.wire import workflowservice as ws
    from tenuto.worker.pollers import Poller
    from tenuto.worker.scaling import Pace


class EagerActivities:
    """Slots for activities of this worker's own queue, asked for by its workflows: an `EagerSlots`.

    ``maximum``: at most so many for one workflow task. ``open`` says whether the worker still takes work.
    """

    def __init__(
        self,
        queue: str,
        slots: Slots,
        poller: Poller[ws.PollActivityTaskQueueResponse],
        *,
        maximum: int,
        open: Callable[[], bool],
        pace: Pace | None = None,
    ) -> None:
        self._queue = queue
        self._slots = slots
        self._poller = poller
        self._maximum = maximum
        self._open = open
        self._pace = pace
        self._reserved: list[Permit] = []

    def reserve(self, queue: str, count: int) -> int:
        """Take up to ``count`` slots; returns how many there were."""
        if queue != self._queue or not self._open():
            return 0
        taken = 0
        while taken < min(count, self._maximum):
            if self._pace is not None and not self._pace.now():
                break
            permit = self._slots.take_now()
            if permit is None:
                if self._pace is not None:
                    self._pace.unused()
                break
            self._reserved.append(permit)
            taken += 1
        return taken

    def release(self, count: int) -> None:
        """Give back ``count`` slots that were reserved and not used."""
        for _ in range(min(count, len(self._reserved))):
            self._slots.give_back(self._reserved.pop())
            if self._pace is not None:
                self._pace.unused()

    def start(self, task: ws.PollActivityTaskQueueResponse) -> None:
        """Run ``task`` in one of the reserved slots."""
        self._poller.run(task, self._reserved.pop())


class EagerStart:
    """One slot for the first workflow task of a workflow that is being started in this process."""

    __slots__ = ("_permit", "_poller", "_slots")

    def __init__(
        self, slots: Slots, poller: Poller[ws.PollWorkflowTaskQueueResponse], permit: Permit
    ) -> None:
        self._slots = slots
        self._poller = poller
        self._permit: Permit | None = permit

    def accept(self, task: ws.PollWorkflowTaskQueueResponse) -> None:
        """Run ``task``."""
        permit, self._permit = self._permit, None
        if permit is not None:
            self._poller.run(task, permit)

    def release(self) -> None:
        """The start brought no task."""
        permit, self._permit = self._permit, None
        if permit is not None:
            self._slots.give_back(permit)


def workflow_slot(
    slots: Slots, poller: Poller[ws.PollWorkflowTaskQueueResponse], lane: int = STICKY
) -> EagerStart | None:
    """A slot for a workflow that is about to be started, if there is one."""
    permit = slots.take_now(lane)
    return EagerStart(slots, poller, permit) if permit is not None else None
