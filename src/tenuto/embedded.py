"""Composition root of a service inside the caller's own process: ``sqlite:///app.db``, ``memory://`` and ``memory://name``.

All clients of one URL in one process share one node. The node lives on the event loop that first needs it; calls from
other loops are carried over to that one, and when it has ended, the next loop to call opens the store again. This file
decides nothing about workflows.
"""

import asyncio
import atexit
import contextlib
import gc
import itertools
import logging
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any
from urllib.parse import unquote, urlsplit

from tenuto.server import Node
from tenuto.store.memory import MemoryDisk, MemoryStore
from tenuto.store.spi import Store, StoreError, StoreInUse
from tenuto.store.sqlite import SqliteStore
from tenuto.store.url import open_store
from tenuto.transport.base import NO_HEADERS, Headers
from tenuto.transport.config import ConnectConfig
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.transport.local import LocalTransport
from tenuto.wire import Message

log = logging.getLogger("tenuto.embedded")
_POSTGRES = ("postgresql", "postgres")


def transport_for(config: ConnectConfig) -> "EmbeddedTransport":
    """A way to the store that ``config.target_host`` names; it is opened with the first call. Raises ValueError."""
    return EmbeddedTransport(_house_of(config.target_host))


class House:
    """The one node of a URL in this process, and who uses it. ``disk`` outlives the node when there is no file."""

    def __init__(self, key: str, url: str) -> None:
        self.key = key
        self.url = url
        self.users = 0
        self.lock = threading.RLock()
        self.node: Node | None = None
        self.local: LocalTransport | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Future[None] | None = None
        self._disk = MemoryDisk() if url.startswith("memory:") else None

    def _store(self) -> Store:
        return open_store(self.url) if self._disk is None else MemoryStore(self._disk)

    @property
    def serving(self) -> bool:
        """Whether the node answers."""
        return self.node is not None and self.node.serving

    # ---- coming ---------------------------------------------------------------------------------------------------------

    async def enter(self) -> LocalTransport | None:
        """The node's transport, opened if need be; None when the node lives on another loop that runs. Raises `RPCError`."""
        loop = asyncio.get_running_loop()
        while True:
            with self.lock:
                if self.loop is not None and self.loop is not loop:
                    if self.loop.is_running():
                        return None
                    self._abandon()
                if self.local is not None:
                    if self.serving:
                        return self.local
                    self._abandon()
                opening = self._opening
                if opening is None:
                    self.loop = loop
                    self._opening = loop.create_future()
                    break
            # Another task of this loop is at it; should it fail, it is this one's turn to try.
            await asyncio.wait([opening])
        try:
            await self._open()
        finally:
            opening, self._opening = self._opening, None
            if not opening.done():
                opening.set_result(None)
        return self.local

    async def _open(self) -> None:
        _calm_collector()
        while True:
            node = Node(self._store(), owner=f"embedded-{os.getpid()}", embedded=True)
            try:
                service = await node.open(())
                break
            except StoreInUse as error:
                if self.key not in _leaving:
                    self.loop = None
                    raise RPCError(_in_use(error, self.url), RPCStatusCode.FAILED_PRECONDITION, b"") from None
                # The last client but this one is just closing it.
                await asyncio.sleep(_MOMENT)
            except BaseException as error:
                node.abandon(None)
                self.loop = None
                if isinstance(error, StoreError):
                    raise RPCError(str(error), RPCStatusCode.FAILED_PRECONDITION, b"") from error
                raise
        self.node, self.local = node, LocalTransport(service, register=True)

    # ---- leaving --------------------------------------------------------------------------------------------------------

    def _abandon(self) -> None:
        """The node's loop has ended, or stands still: let go of the store without it."""
        node, loop = self.node, self.loop
        self.node = self.local = self.loop = self._opening = None
        if node is not None:
            told = None if loop is None or loop.is_closed() else loop
            node.abandon(told)

    async def leave(self) -> None:
        """One user fewer; with the last the node closes."""
        with self.lock:
            self.users -= 1
            if self.users > 0:
                return
            _forget(self)
            loop, node = self.loop, self.node
        if node is None:
            return
        running = asyncio.get_running_loop()
        if loop is running:
            await self._close()
        elif loop is not None and loop.is_running():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._close(), loop))
        else:
            self._abandon()

    async def _close(self) -> None:
        node = self.node
        self.node = self.local = self.loop = None
        if node is not None:
            _leaving.append(self.key)
            try:
                await node.close()
            finally:
                _leaving.remove(self.key)

    def dropped(self) -> None:
        """A user is gone without a word: from a destructor, so on any thread and at any time."""
        with self.lock:
            self.users -= 1
            if self.users > 0:
                return
            _forget(self)
            loop = self.loop
        if loop is None or loop.is_closed() or not loop.is_running():
            self._abandon()
        else:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(lambda: _spawn(loop, self._close()))


_houses: dict[str, House] = {}
_registry = threading.RLock()
_numbers = itertools.count(1)
_closing: set[Any] = set()
_leaving: list[str] = []
"""Keys of houses whose node is closing."""
_process = os.getpid()
_MOMENT = 0.01


def _calm_collector() -> None:
    """A service makes many objects in bursts, and hardly any circles of them: Python's own pace of looking for circles
    costs a tenth of its time. Who has set another pace knows why."""
    if gc.get_threshold() == (700, 10, 10):
        gc.set_threshold(10_000, 10, 10)


def _spawn(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
    task = loop.create_task(work)
    _closing.add(task)
    task.add_done_callback(_closing.discard)


def _house_of(url: str) -> House:
    """The house of a URL, with one user more."""
    global _process
    key = _key(url)
    with _registry:
        if _process != os.getpid():
            # What a forked process inherits is its parent's: it must neither be used nor closed here.
            _process = os.getpid()
            _inherited.append(dict(_houses))
            _houses.clear()
        house = _houses.get(key)
        if house is None:
            house = _houses[key] = House(key, url)
        house.users += 1
        return house


_inherited: list[Any] = []


@atexit.register
def _let_go_of_all() -> None:
    """Programs may end without closing their clients: files are let go of while threads can still be waited for."""
    if _process != os.getpid():
        return
    for house in tuple(_houses.values()):
        with house.lock:
            if house.loop is None or house.loop.is_closed() or not house.loop.is_running():
                house._abandon()


def _forget(house: House) -> None:
    with _registry:
        if _houses.get(house.key) is house:
            del _houses[house.key]


def _key(url: str) -> str:
    """What is the same for all URLs of one store. Raises ValueError for one that names none."""
    parts = urlsplit(url)
    if parts.scheme in _POSTGRES:
        raise ValueError(
            f"the target {url!r} names a database server, and this version cannot join one from within a program: "
            "use sqlite:///file.db here, or connect to a server by its address"
        )
    if parts.scheme == "memory":
        name = unquote(parts.netloc + parts.path).strip("/")
        if parts.query or parts.fragment:
            raise ValueError(f"the target {url!r} has options; memory://name takes none")
        return f"memory:{name}" if name else f"memory#{next(_numbers)}"
    store = open_store(url)
    assert isinstance(store, SqliteStore)
    return f"sqlite:{store.path}"


def _in_use(error: StoreInUse, url: str) -> str:
    plain = url.partition("?")[0]
    return (
        f"{error} To share it, let one process serve it with `tenuto server start --db {plain}`, and let all programs "
        "connect to its address (such as localhost:7233) instead of the file."
    )


class EmbeddedTransport:
    """One client's way to the node of its URL."""

    workers_inside = True

    def __init__(self, house: House) -> None:
        self._house = house
        self._closed = False

    async def open(self) -> None:
        """Open the store now. Raises `RPCError` when it cannot be had, saying who has it and what to do."""
        if self._closed:
            raise RPCError("the client is closed", RPCStatusCode.CANCELLED, b"")
        await self._house.enter()

    async def call(
        self, method: str, request: Message, *, timeout: float | None = None, headers: Headers = NO_HEADERS
    ) -> Message:
        """See `Transport.call`."""
        house = self._house
        local: LocalTransport | None = house.local
        if self._closed or local is None or house.loop is not asyncio.get_running_loop() or not house.serving:
            if self._closed:
                raise RPCError("the client is closed", RPCStatusCode.CANCELLED, b"")
            local = await house.enter()
            if local is None:
                return await self._carry_over(method, request, timeout, headers)
        return await local.call(method, request, timeout=timeout, headers=headers)

    async def _carry_over(
        self, method: str, request: Message, timeout: float | None, headers: Headers
    ) -> Message:
        """Call from a loop that is not the node's."""
        loop = self._house.loop
        if loop is None or loop is asyncio.get_running_loop():
            return await self.call(method, request, timeout=timeout, headers=headers)
        call = self.call(method, request, timeout=timeout, headers=headers)
        try:
            carried = asyncio.run_coroutine_threadsafe(call, loop)
        except RuntimeError:  # it has just been closed
            call.close()
            return await self.call(method, request, timeout=timeout, headers=headers)
        try:
            return await asyncio.wrap_future(carried)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            text = "the event loop that served this store has ended, please retry"
            raise RPCError(text, RPCStatusCode.UNAVAILABLE, b"") from None

    async def close(self) -> None:
        """Leave; the last client to leave closes the store. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._house.leave()

    def __del__(self) -> None:
        # Once the interpreter goes down its threads stand still: whoever waits for them then waits for ever.
        if not getattr(self, "_closed", True) and not sys.is_finalizing():
            self._closed = True
            self._house.dropped()
