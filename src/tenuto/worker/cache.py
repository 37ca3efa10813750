"""Runs that are kept between their workflow tasks, the least recently used of them first to go.

This file must never drive a run, and must never talk to a server.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenuto.run.run import Run
    from tenuto.worker.contexts import Contexts
    from tenuto.worker.local import Locals


class Cached:
    """A run and where it stands. ``processed`` is the id of the last event it was shown."""

    __slots__ = (
        "began_at",
        "contexts",
        "dropped",
        "locals",
        "named",
        "processed",
        "run",
        "run_id",
        "task_timeout",
        "workflow_id",
        "workflow_type",
    )

    def __init__(self, run: Run, run_id: str, workflow_id: str, workflow_type: str) -> None:
        self.run = run
        self.run_id = run_id
        self.workflow_id = workflow_id
        self.workflow_type = workflow_type
        self.processed = 0
        self.began_at = 0
        """When the run began, in ns."""
        self.contexts: Contexts | None = None
        """For a codec that asks whose payloads it sees."""
        self.dropped = False
        self.named = False
        """Whether history already says which framework of which version works on it."""
        self.task_timeout = 10.0
        """Seconds."""
        self.locals: Locals | None = None
        """Local activities at work; they outlive a workflow task that is kept alive for them."""


class Cache:
    """At most ``limit`` runs; those at work count too but stay."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._runs: OrderedDict[str, Cached] = OrderedDict()

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, run_id: str) -> Cached | None:
        """The run, which becomes the most recently used."""
        cached = self._runs.get(run_id)
        if cached is not None:
            self._runs.move_to_end(run_id)
        return cached

    def put(self, cached: Cached) -> None:
        """Keep a run that was not kept before."""
        self._runs[cached.run_id] = cached

    def take(self, cached: Cached) -> bool:
        """Keep it no longer. False when it was not kept, or another run has its place."""
        if self._runs.get(cached.run_id) is not cached:
            return False
        del self._runs[cached.run_id]
        return True

    def surplus(self, busy: Callable[[str], bool]) -> Iterator[Cached]:
        """Runs beyond the limit, already taken out, but for those that ``busy`` says are at work, by run id."""
        while len(self._runs) > self.limit:
            cached = next((cached for cached in self._runs.values() if not busy(cached.run_id)), None)
            if cached is None:
                return
            del self._runs[cached.run_id]
            yield cached

    def clear(self) -> list[Cached]:
        """Take out everything."""
        taken = list(self._runs.values())
        self._runs.clear()
        return taken
