"""Where the workers of a client offer free places, so that a workflow may begin in this process without a poll.

This file must never start anything itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tenuto.wire import workflowservice as ws


class EagerSlot(Protocol):
    """A free place for one workflow task, held until it is taken or given back."""

    def accept(self, task: ws.PollWorkflowTaskQueueResponse) -> None:
        """Run this task in the place."""
        ...

    def release(self) -> None:
        """Give the place back unused."""
        ...


Reserve = Callable[[], EagerSlot | None]
"""Asks a worker for a free place; None: it has none."""


class EagerWorkers:
    """The workers of one client, by task queue."""

    def __init__(self) -> None:
        self._workers: dict[str, list[Reserve]] = {}

    def register(self, task_queue: str, reserve: Reserve) -> Callable[[], None]:
        """From now on ask this worker too; returns what ends it."""
        offers = self._workers.setdefault(task_queue, [])
        offers.append(reserve)

        def withdraw() -> None:
            if reserve in offers:
                offers.remove(reserve)

        return withdraw

    def reserve(self, task_queue: str) -> EagerSlot | None:
        """A free place of some worker on this queue, if there is one."""
        for offer in self._workers.get(task_queue, ()):
            slot = offer()
            if slot is not None:
                return slot
        return None
