"""One service in this process for tests: a node over memory (or a file), its clock, and the way there.

It opens on the event loop that calls it first. This file must never know what a test is.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tenuto.limits import SECOND, YEAR
from tenuto.matching.types import QueueKind
from tenuto.server import Node
from tenuto.service.call import Call
from tenuto.service.core import Core
from tenuto.service.namespaces import NamespaceRecord
from tenuto.service.service import Service
from tenuto.store.url import open_store
from tenuto.testing.clock import SkippingClock
from tenuto.testing.skipping import PATIENCE_SECONDS, Skipper
from tenuto.transport import routes
from tenuto.transport.base import NO_HEADERS, Headers
from tenuto.transport.connect import SCHEMES
from tenuto.transport.local import LocalTransport
from tenuto.wire import Message, duration_pb2, enums_common, operatorservice, service_module, timestamp_pb2

if TYPE_CHECKING:
    from tenuto.common import SearchAttributeKey
    from tenuto.transport.config import ConnectConfig

SCHEME = "tenuto-test"
RETENTION_NS = 50 * YEAR
"""Closed runs stay, however far time jumps."""
_POLLS = {
    "PollWorkflowTaskQueue": QueueKind.WORKFLOW,
    "PollActivityTaskQueue": QueueKind.ACTIVITY,
    "PollNexusTaskQueue": QueueKind.NEXUS,
}
_WAITS = frozenset(
    {
        "PollWorkflowExecutionUpdate",
        "UpdateWorkflowExecution",
        "ExecuteMultiOperation",
        "PollActivityExecution",
        "PollNexusOperationExecution",
    }
)
"""Calls that wait for workflows to get on, and let time jump meanwhile."""
_worlds: dict[str, World] = {}
_numbers = itertools.count(1)


class World:
    """Made closed; `transport` opens it. ``skipping``: whether its time can jump."""

    def __init__(
        self,
        *,
        skipping: bool,
        namespace: str = "default",
        store_url: str = "memory://",
        search_attributes: Sequence[SearchAttributeKey[Any]] = (),
    ) -> None:
        self.url = f"{SCHEME}://{next(_numbers)}"
        self.clock: SkippingClock | None = SkippingClock() if skipping else None
        self.skipper: Skipper | None = None
        self.node: Node | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._namespace = namespace
        self._store_url = store_url
        self._search_attributes = search_attributes
        self._opening: asyncio.Future[LocalTransport] | None = None
        self._closed = False
        self._held = 0
        _worlds[self.url] = self

    async def transport(self) -> LocalTransport:
        """The way to the node. Raises RuntimeError when it is closed, and on a loop that is not the node's."""
        if self._closed:
            raise RuntimeError("the test environment is shut down")
        loop = asyncio.get_running_loop()
        if self.loop is not None and self.loop is not loop:
            raise RuntimeError(
                "a test environment lives on the event loop that used it first, and this is another"
            )
        if self._opening is None:
            self.loop = loop
            self._opening = asyncio.ensure_future(self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> LocalTransport:
        node = self.node = Node(open_store(self._store_url), owner=self.url, clock=self.clock)
        if self.clock is not None:
            self.skipper = Skipper(node, self.clock)
            self.skipper.held = self._held
        service = await node.open(())
        if not node.namespaces.knows(self._namespace):
            await node.namespaces.register(NamespaceRecord("", self._namespace, retention_ns=RETENTION_NS))
        if self.skipper is None:
            local = LocalTransport(service)
        else:
            service = node.service = SkippingService(service.core, self.skipper)
            local = SkippingTransport(self, service)
        await self._register_attributes(local)
        if self.skipper is not None:
            self.skipper.start()
        return local

    async def _register_attributes(self, local: LocalTransport) -> None:
        asked = operatorservice.AddSearchAttributesRequest(namespace=self._namespace)
        for key in self._search_attributes:
            asked.search_attributes[key.name] = enums_common.IndexedValueType.ValueType(
                key.indexed_value_type
            )
        if asked.search_attributes:
            known: Any = await local.call(
                "ListSearchAttributes", operatorservice.ListSearchAttributesRequest(namespace=self._namespace)
            )
            for name in known.custom_attributes:
                asked.search_attributes.pop(name, None)
        if asked.search_attributes:
            await local.call("AddSearchAttributes", asked)

    @contextmanager
    def held(self) -> Iterator[None]:
        """No jumps for the sake of those who wait, as long as this is open."""
        self.hold(1)
        try:
            yield
        finally:
            self.hold(-1)

    def hold(self, more: int) -> None:
        """Lock (1) or unlock (-1) automatic jumps; they happen at zero and below."""
        self._held += more
        if self.skipper is not None:
            self.skipper.held = self._held
            self.skipper.stir()

    async def now(self) -> int:
        """What time it is, in ns since the epoch."""
        await self.transport()
        assert self.node is not None
        return self.node.clock.now()

    async def sleep(self, ns: int, patience: float = PATIENCE_SECONDS) -> None:
        """Let time pass: by jumps if it can, else really."""
        await self.transport()
        if self.skipper is None:
            await asyncio.sleep(ns / SECOND)
        else:
            await self.skipper.sleep(ns, patience)

    async def close(self) -> None:
        """End the service; a second time does nothing."""
        opening, self._opening, self._closed = self._opening, None, True
        _worlds.pop(self.url, None)
        if opening is None:
            return
        await asyncio.wait([opening])
        if self.skipper is not None:
            self.skipper.stop()
        if self.node is not None:
            await self.node.close()

    def abandon(self) -> None:
        """End without an event loop that runs."""
        self._closed = True
        _worlds.pop(self.url, None)
        if self.node is not None:
            loop = self.loop
            self.node.abandon(None if loop is None or loop.is_closed() else loop)


class SkippingService(Service):
    """Tells the skipper who calls and who waits, whichever way they came."""

    def __init__(self, core: Core, skipper: Skipper) -> None:
        super().__init__(core)
        self._skipper = skipper
        skipper.nexus_in_hand = self.nexus.in_hand

    async def call(self, method: str, request: Message, call: Call) -> Message | bytes:
        """See `Service.call`."""
        skipper = self._skipper
        kind = _POLLS.get(method)
        if kind is not None:
            asked: Any = request
            with skipper.polls.poll((kind, asked.task_queue.name)):
                skipper.stir()
                return await super().call(method, request, call)
        if _waits(method, request):
            skipper.waiters += 1
            skipper.stir()
            try:
                return await super().call(method, request, call)
            finally:
                skipper.waiters -= 1
        skipper.calls += 1
        try:
            return await super().call(method, request, call)
        finally:
            skipper.calls -= 1
            skipper.stir()


class SkippingTransport(LocalTransport):
    """Answers also the calls of test servers with one clock, on which tools rely."""

    def __init__(self, world: World, service: Service) -> None:
        super().__init__(service)
        self._world = world

    async def call(
        self, method: str, request: Message, *, timeout: float | None = None, headers: Headers = NO_HEADERS
    ) -> Message:
        """See `Transport.call`."""
        if method.startswith(routes.TEST + "/"):
            return await self._test_service(method, request)
        return await super().call(method, request, timeout=timeout, headers=headers)

    async def _test_service(self, method: str, request: Any) -> Message:
        messages: Any = service_module(routes.TEST)
        name = method.rpartition("/")[2]
        if name == "GetCurrentTime":
            return messages.GetCurrentTimeResponse(time=_timestamp(await self._world.now()))  # type: ignore[no-any-return]
        if name in ("LockTimeSkipping", "UnlockTimeSkipping"):
            self._world.hold(1 if name.startswith("Lock") else -1)
        elif name in ("Sleep", "UnlockTimeSkippingWithSleep"):
            await self._world.sleep(_nanoseconds(request.duration))
        elif name == "SleepUntil":
            await self._world.sleep(max(0, _nanoseconds(request.timestamp) - await self._world.now()))
        return routes.route(method).parse(b"")


def _waits(method: str, request: Any) -> bool:
    return method in _WAITS or (method == "GetWorkflowExecutionHistory" and request.wait_new_event)


def _timestamp(ns: int) -> timestamp_pb2.Timestamp:
    return timestamp_pb2.Timestamp(seconds=ns // SECOND, nanos=ns % SECOND)


def _nanoseconds(value: duration_pb2.Duration | timestamp_pb2.Timestamp) -> int:
    return value.seconds * SECOND + value.nanos


class WorldTransport:
    """A way to a world that opens it with the first call."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def open(self) -> None:
        await self._world.transport()

    async def call(
        self, method: str, request: Message, *, timeout: float | None = None, headers: Headers = NO_HEADERS
    ) -> Message:
        local = await self._world.transport()
        return await local.call(method, request, timeout=timeout, headers=headers)

    async def close(self) -> None:
        """The world belongs to its environment."""


def world_at(url: str) -> World | None:
    """The world of a client's target, while it is up."""
    return _worlds.get(url)


def transport_for(config: ConnectConfig) -> WorldTransport:
    """A way to the world that ``config.target_host`` names. Raises ValueError when it is not there (any more)."""
    world = world_at(config.target_host)
    if world is None:
        raise ValueError(f"{config.target_host!r} is not a test environment of this process that is still up")
    return WorldTransport(world)


SCHEMES[SCHEME] = __name__
