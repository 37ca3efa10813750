"""A fact that comes true once, and that both coroutines and threads may wait for. It must never go back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

_LOCK = threading.Lock()
"""Guards the waiters of every flag: they are few, and held for moments."""


class Flag:
    """Not set when made; ``set`` may be called from any thread, and again."""

    __slots__ = ("_set", "_waiters")

    def __init__(self) -> None:
        self._set = False
        self._waiters: list[Callable[[], None]] | None = None

    def is_set(self) -> bool:
        """Whether it came true."""
        return self._set

    def set(self) -> None:
        """Make it true, and wake whoever waits."""
        with _LOCK:
            self._set = True
            waiters, self._waiters = self._waiters, None
        for wake in waiters or ():
            wake()

    def on_set(self, wake: Callable[[], None]) -> bool:
        """Have ``wake`` called when it comes true, by whoever sets it; False: it is true already, and no call is made."""
        with _LOCK:
            if self._set:
                return False
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(wake)
        return True

    def forget(self, wake: Callable[[], None]) -> None:
        """Drop a call asked for by `on_set`; harmless when it was made."""
        with _LOCK:
            if self._waiters is not None and wake in self._waiters:
                self._waiters.remove(wake)

    async def wait(self) -> None:
        """Return when it is true."""
        import asyncio

        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def settle() -> None:
            if not woken.done():
                woken.set_result(None)

        def wake() -> Any:
            loop.call_soon_threadsafe(settle)

        if not self.on_set(wake):
            return
        try:
            await woken
        finally:
            self.forget(wake)

    def wait_sync(self, timeout: float | None = None) -> bool:
        """Block this thread until it is true, at most ``timeout`` seconds (None: for ever). Tells whether it is."""
        woken = threading.Event()
        if self.on_set(woken.set):
            try:
                woken.wait(timeout)
            finally:
                self.forget(woken.set)
        return self._set
