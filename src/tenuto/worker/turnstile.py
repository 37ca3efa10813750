"""One workflow task at a time for each run; of those that wait only the latest counts, and every query.

This file must never know what a task asks.
"""

from __future__ import annotations

import asyncio


class Turnstile:
    """Who may work on which run, by run id."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[tuple[asyncio.Future[bool], bool]]] = {}
        """Runs at work, and who waits for them; True for those that only ask."""
        self._emptied: list[asyncio.Future[None]] = []
        self._shut: set[str] = set()
        """Runs whose code does not come back: whoever comes for them is turned away."""

    def busy(self, run_id: str) -> bool:
        """Whether somebody works on the run."""
        return run_id in self._waiting

    async def enter(self, run_id: str, is_query: bool) -> bool:
        """Wait for the run to be free. False: a later task has come, or the run is shut, and this one counts no more."""
        if run_id in self._shut:
            return False
        waiting = self._waiting.get(run_id)
        if waiting is None:
            self._waiting[run_id] = []
            return True
        if not is_query:
            for other, queries in waiting:
                if not queries and not other.done():
                    other.set_result(False)
            waiting[:] = [entry for entry in waiting if entry[1]]
        free: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting.append((free, is_query))
        try:
            return await free
        except asyncio.CancelledError:
            if free.done() and not free.cancelled() and free.result():
                self.leave(run_id)
            raise

    def leave_until(self, run_id: str, back: asyncio.Future[None]) -> None:
        """Leave, but let nobody else to the run before ``back`` is done."""
        self._shut.add(run_id)
        back.add_done_callback(lambda _: self._shut.discard(run_id))
        for free, _ in self._waiting[run_id]:
            if not free.done():
                free.set_result(False)
        self._waiting[run_id].clear()
        self.leave(run_id)

    def leave(self, run_id: str) -> None:
        """The run is free for the next."""
        waiting = self._waiting[run_id]
        while waiting:
            free, _ = waiting.pop(0)
            if not free.done():
                free.set_result(True)
                return
        del self._waiting[run_id]
        if not self._waiting:
            emptied, self._emptied = self._emptied, []
            for future in emptied:
                if not future.done():
                    future.set_result(None)

    async def empty(self) -> None:
        """Wait until nobody works on any run."""
        while self._waiting:
            emptied: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._emptied.append(emptied)
            await emptied
