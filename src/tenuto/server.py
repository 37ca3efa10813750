"""Composition root of a server process: a config becomes a store, a shard, matching, the service and a listener.

This file knows all rooms and decides nothing.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from tenuto import __version__, log
from tenuto.clock import WallClock
from tenuto.config import BadConfig, Config
from tenuto.matching.host import Matching
from tenuto.matching.types import Clock
from tenuto.service.core import Core
from tenuto.service.namespaces import Namespaces
from tenuto.service.service import Service
from tenuto.shard.runner import Shard
from tenuto.store.spi import Store
from tenuto.store.url import open_store

logger = logging.getLogger("tenuto.server")
SHARD = 0
CLUSTER = "cluster"
_POOL_BYTES = 4096


class Entropy:
    """``entropy(n)`` gives n random bytes. Each call of the system also gives the interpreter lock away, and a node wants
    some twenty for every workflow. Not for use after a fork: both processes would get the same bytes."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def __call__(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._pool):
            self._pool = os.urandom(max(count, _POOL_BYTES))
            self._at, end = 0, count
        taken = self._pool[self._at : end]
        self._at = end
        return taken

    def uuid(self) -> str:
        """A UUID of version 4."""
        digits = self(16).hex()
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


@runtime_checkable
class Abandonable(Protocol):
    """A store that can be closed without an event loop."""

    def abandon(self) -> None: ...


class Node:
    """Everything of one node but its listener: the same object serves in a server process and inside a caller's."""

    def __init__(
        self,
        store: Store,
        owner: str = "node",
        address: str = "",
        *,
        clock: Clock | None = None,
        embedded: bool = False,
    ) -> None:
        """``clock``: the time it goes by, the machine's if None. ``embedded``: all its workers are in this process."""
        self.store = store
        self.clock: Clock = clock or WallClock()
        self._entropy = Entropy()
        self.namespaces = Namespaces(store, self._entropy.uuid)
        self.matching = Matching(self.clock)
        self.shard = Shard(
            store,
            SHARD,
            owner,
            self.clock,
            self.namespaces.facts,
            self.matching,
            self._entropy,
            workers_inside=embedded,
        )
        self.matching.refused = self.shard.refused
        self.matching.credit = self.shard.credit
        self._address = address
        self.service: Service | None = None

    async def open(self, namespaces: tuple[str, ...] = ("default",)) -> Service:
        """Open the store, take the shard over, and serve. Raises `StoreError`."""
        await self.store.open()
        await self.namespaces.load(namespaces)
        await self.shard.open()
        cluster_id = await self._cluster_id()
        core = Core(
            self.shard,
            self.matching,
            self.namespaces,
            self.clock,
            self._entropy.uuid,
            cluster_id=cluster_id,
            store_name=self.store.dialect,
            address=self._address,
        )
        self.service = Service(core)
        self.service.resume()
        return self.service

    async def _cluster_id(self) -> str:
        record = await self.store.get_record(CLUSTER, "id")
        if record is None:
            await self.store.put_record(CLUSTER, "id", self._entropy.uuid().encode(), None)
            record = await self.store.get_record(CLUSTER, "id")
            assert record is not None
        return record.value.decode()

    async def close(self) -> None:
        """Answer all polls empty, finish the turn in flight, close the store."""
        self.matching.close()
        await self.shard.close()
        await self.store.close()

    @property
    def serving(self) -> bool:
        """Whether requests are decided: not before `open`, nor when the event loop's owner has cancelled everything."""
        return self.shard.working

    def abandon(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Let go at once of a node whose event loop is closed or stands still; others may open its store then.

        ``loop``: the node's own while it can still be told something, else None."""
        self.shard.abandon(loop)
        if loop is not None:
            self.matching.close()
        if isinstance(self.store, Abandonable):
            self.store.abandon()


async def serve(config: Config, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT. Raises `StoreError`, OSError (address taken), `BadConfig`."""
    node = Node(open_store(config.db), address=f"{config.host}:{config.port}")
    service = await node.open(config.namespaces)
    await _register_attributes(node, service, config)
    frontend = _frontend(config, service)
    try:
        port = await _listen(frontend, config)
    except OSError:
        await node.close()
        raise
    _calm_collector()
    announce(f"tenuto {__version__}: ready on {config.host}:{port}, storing in {config.db}")
    await _stop_signal()
    announce("tenuto: stopping")
    node.matching.close()
    await frontend.drain(config.drain_seconds)
    await node.close()


def _calm_collector() -> None:
    """What is loaded now stays; and a server makes few cycles, so that looking for them often is wasted."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _frontend(config: Config, service: Service) -> Any:
    if config.listener == "grpcio":
        from tenuto.frontend.grpc import Frontend

        return Frontend(service)
    from tenuto.frontend.native import Frontend as Native

    return Native(service)


def _tls_files(config: Config) -> tuple[bytes, bytes, bytes | None]:
    """Key, certificate, and the authority that clients must be certified by, if any. `BadConfig` when one is missing."""
    try:
        key, certificate = Path(config.tls_key).read_bytes(), Path(config.tls_cert).read_bytes()
        return key, certificate, Path(config.tls_client_ca).read_bytes() if config.tls_client_ca else None
    except OSError as error:
        raise BadConfig(f"cannot read TLS files: {error}") from error


async def _listen(frontend: Any, config: Config) -> int:
    if not config.tls_cert:
        return int(await frontend.start(config.host, config.port))
    key, certificate, client_ca = _tls_files(config)
    if config.listener == "grpcio":
        from tenuto.frontend.grpc import credentials

        return int(await frontend.start(config.host, config.port, credentials(key, certificate, client_ca)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config.tls_cert, config.tls_key)
    context.set_alpn_protocols(["h2"])
    if config.tls_client_ca:
        context.load_verify_locations(config.tls_client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return int(await frontend.start(config.host, config.port, context))


async def _register_attributes(node: Node, service: Service, config: Config) -> None:
    """Custom search attributes asked for on the command line."""
    if not config.search_attributes:
        return
    from tenuto.service.call import Call
    from tenuto.wire import enums_common, operatorservice

    for namespace in config.namespaces:
        request = operatorservice.AddSearchAttributesRequest(namespace=namespace)
        for pair in config.search_attributes:
            name, _, kind = pair.partition("=")
            word = "".join("_" + c if c.isupper() and i else c for i, c in enumerate(kind)).upper()
            try:
                number = enums_common.IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{word}")
            except ValueError as error:
                raise BadConfig(
                    f"search attribute {pair!r}: write Name=Type, with a type such as Keyword"
                ) from error
            request.search_attributes[name] = number
        await service.call("AddSearchAttributes", request, Call())


async def _stop_signal() -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    await stop.wait()


def main(config: Config) -> int:
    """Serve in this process; the exit code."""
    log.set_up(config.log_level, config.log_format)

    def announce(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    from tenuto.store.spi import StoreError

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(config, announce))
    except (StoreError, BadConfig, OSError, ValueError) as error:
        sys.stderr.write(f"tenuto: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
