"""The door: accepts connections, finds handlers by path, and closes in good order."""

import asyncio
import socket
from collections.abc import Callable, Collection
from ssl import SSLContext

from tenuto.frontend.http2.limits import DEFAULT, ListenerLimits
from tenuto.frontend.http2.link import Handler, Link, StreamHandler
from tenuto.frontend.http2.status import Code, Status
from tenuto.frontend.http2.stream import Route

_ROUTES_KEPT = 4096
_BACKLOG = 1024
_TICK = 1.0


class Listener:
    """Serves gRPC on any number of sockets.

    ``unary`` and ``streaming`` say who handles a path (``/package.Service/Method``), None when nobody; what they say is
    remembered. ``services`` are names of services that exist, for the words of the refusal. ``now``: the clock of
    deadlines, in ns.
    """

    def __init__(
        self,
        unary: Callable[[str], Handler | None],
        streaming: Callable[[str], StreamHandler | None],
        *,
        now: Callable[[], int],
        services: Collection[str] = (),
        limits: ListenerLimits = DEFAULT,
    ) -> None:
        self._unary = unary
        self._streaming = streaming
        self._now = now
        self._services = frozenset(services)
        self._limits = limits
        self._routes: dict[str, Route] = {}
        self._servers: list[asyncio.Server] = []
        self._links: set[Link] = set()
        self._cancelled: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._ticking: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        return len(self._links)

    async def start(
        self, host: str | None, port: int, ssl: SSLContext | None = None, sock: socket.socket | None = None
    ) -> int:
        """Listens on ``host`` and ``port`` (0: any free one), or on ``sock``; returns the port. Raises OSError.

        ``ssl`` is told to negotiate HTTP/2. May be called again for a further address.
        """
        loop = asyncio.get_running_loop()
        if ssl is not None:
            ssl.set_alpn_protocols(["h2"])
        if sock is not None:
            server = await loop.create_server(self._link, sock=sock, ssl=ssl, backlog=_BACKLOG)
        else:
            server = await loop.create_server(self._link, host, port, ssl=ssl, backlog=_BACKLOG)
        self._servers.append(server)
        if self._ticking is None:
            self._ticking = loop.call_later(_TICK, self._tick)
        name = server.sockets[0].getsockname()
        return int(name[1]) if isinstance(name, tuple) else 0

    async def drain(self, grace_s: float) -> None:
        """Takes no new connections, asks peers to leave, and waits up to ``grace_s`` seconds for calls to be answered."""
        self._stop_accepting()
        for link in list(self._links):
            link.drain()
        try:
            await asyncio.wait_for(self._empty.wait(), grace_s)
        except TimeoutError:
            for link in list(self._links):
                link.end()
            await self._handlers_ended()

    async def close(self) -> None:
        """Cuts all connections and waits until no handler runs any more."""
        self._stop_accepting()
        for link in self._links:
            for task in link.tasks():
                self._cancel(task)
        await self._handlers_ended()
        for link in list(self._links):
            link.abort()
        await self._empty.wait()
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    async def _handlers_ended(self) -> None:
        while self._cancelled:
            await asyncio.wait(self._cancelled)

    def _cancel(self, task: "asyncio.Task[None]") -> None:
        task.cancel()
        if not task.done():
            self._cancelled.add(task)
            task.add_done_callback(self._cancelled.discard)

    def _stop_accepting(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _link(self) -> Link:
        return Link(self._route, self._limits, self._now, self._met, self._left, self._cancel)

    def _met(self, link: Link) -> None:
        self._links.add(link)
        self._empty.clear()

    def _left(self, link: Link) -> None:
        self._links.discard(link)
        if not self._links:
            self._empty.set()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time()
        for link in list(self._links):
            link.tick(at)
        self._ticking = loop.call_later(_TICK, self._tick)

    def _route(self, path: str) -> Route | Status:
        route = self._routes.get(path)
        if route is not None:
            return route
        unary = self._unary(path)
        if unary is not None:
            route = Route(unary, streaming=False)
        else:
            streaming = self._streaming(path)
            if streaming is None:
                return self._unknown(path)
            route = Route(streaming, streaming=True)
        if len(self._routes) >= _ROUTES_KEPT:
            self._routes.clear()
        self._routes[path] = route
        return route

    def _unknown(self, path: str) -> Status:
        service, slash, method = path.removeprefix("/").rpartition("/")
        if not slash:
            return Status(Code.UNIMPLEMENTED, f'malformed method name: "{path}"')
        if service not in self._services:
            return Status(Code.UNIMPLEMENTED, f"unknown service {service}")
        return Status(Code.UNIMPLEMENTED, f"unknown method {method} for service {service}")
