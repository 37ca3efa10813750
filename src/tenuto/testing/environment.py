"""What tests run against: a whole service in the test's own process, with a clock that can jump.

Nothing is downloaded and nothing listens, unless asked for. This file must never decide when time jumps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tenuto.client import Client, Interceptor, Plugin, WorkflowHandle
from tenuto.clock import WallClock
from tenuto.common import QueryRejectCondition, SearchAttributeKey
from tenuto.converter import DataConverter
from tenuto.limits import SECOND
from tenuto.testing.asserting import AssertionInterceptor
from tenuto.testing.skipping import PATIENCE_SECONDS
from tenuto.testing.world import World, world_at
from tenuto.transport.config import RetryConfig, TLSConfig

if TYPE_CHECKING:
    from types import TracebackType

    from tenuto.runtime import Runtime
    from tenuto.worker.worker import Worker

T = TypeVar("T")


@dataclass(frozen=True)
class FastForwardConfig:
    """How far to jump ahead at once."""

    id: str = ""
    duration: timedelta = timedelta()


@dataclass(frozen=True)
class TimeSkippingConfig:
    """How time skips. Here there is one clock for all workflows of an environment, so that the last two change nothing."""

    enabled: bool = True
    fast_forward_config: FastForwardConfig | None = None
    disable_propagation: bool = False
    max_session_skip_count: int = 0


class TimeSkipper:
    """Moves the time of the environment that a client belongs to. Raises ValueError for a client of anything else."""

    def __init__(self, client: Client, *, config: TimeSkippingConfig | None = None) -> None:
        world = world_at(client.service_client.config.target_host)
        if world is None or world.clock is None:
            raise ValueError(
                "time can only be moved in an environment made by start_time_skipping, in this process"
            )
        self.client = client
        self._world = world
        self._off = False
        self.config = config or TimeSkippingConfig()

    @property
    def config(self) -> TimeSkippingConfig:
        """How time skips; set it to change that from now on."""
        return self._config

    @config.setter
    def config(self, value: TimeSkippingConfig) -> None:
        self._config = value
        if value.enabled == self._off:
            self._off = not value.enabled
            self._world.hold(1 if self._off else -1)

    async def fast_forward(self, handle: WorkflowHandle[Any, Any], duration: timedelta) -> None:
        """Let time jump by ``duration``, for ``handle`` and everybody else."""
        await self._world.sleep(round(duration.total_seconds() * SECOND))

    async def get_current_time(self, handle: WorkflowHandle[Any, Any] | None = None) -> datetime:
        """What time it is, in UTC."""
        return datetime.fromtimestamp(await self._world.now() / SECOND, UTC)

    @contextmanager
    def with_time_skipping_disabled(self) -> Iterator[None]:
        """While this is open, time does not jump for those who wait for results."""
        with self._world.held():
            yield


class WorkflowEnvironment:
    """A service to test against, and a client of it.

    Make one with `start_time_skipping`, `start_local` or `from_client`. ``async with`` shuts it down at the end.
    """

    @staticmethod
    def from_client(client: Client) -> WorkflowEnvironment:
        """The service that ``client`` reaches, with real time. The environment's client fails workflows whose assertions
        fail; ``client`` itself stays as it is."""
        return WorkflowEnvironment(_asserting(client))

    @staticmethod
    async def start_time_skipping(
        *,
        data_converter: DataConverter = DataConverter.default,
        interceptors: Sequence[Interceptor] = (),
        plugins: Sequence[Plugin] = (),
        default_workflow_query_reject_condition: QueryRejectCondition | None = None,
        retry_config: RetryConfig | None = None,
        rpc_metadata: Mapping[str, str | bytes] = {},
        identity: str | None = None,
        port: int | None = None,
        download_dest_dir: str | None = None,
        runtime: Runtime | None = None,
        test_server_existing_path: str | None = None,
        test_server_download_version: str = "default",
        test_server_extra_args: Sequence[str] = (),
        test_server_download_ttl: timedelta | None = None,
        test_server_startup_timeout: timedelta | None = None,
        namespace: str = "default",
        search_attributes: Sequence[SearchAttributeKey[Any]] = (),
        task_queue: str | None = None,
    ) -> WorkflowEnvironment:
        """A service in this process whose time jumps to the next timer, retry or timeout whenever a result is waited for
        and nothing else can happen. It has all features of the service. Takes milliseconds.

        ``port``: also listen there on 127.0.0.1 (0: any free port). ``search_attributes`` are registered. ``task_queue``:
        the client's default. What concerns downloads and the process of a server is accepted and has no effect.
        """
        world = World(skipping=True, namespace=namespace, search_attributes=search_attributes)
        return await _started(
            world,
            "127.0.0.1",
            port,
            namespace=namespace,
            data_converter=data_converter,
            interceptors=interceptors,
            plugins=plugins,
            default_workflow_query_reject_condition=default_workflow_query_reject_condition,
            retry_config=retry_config,
            rpc_metadata=rpc_metadata,
            identity=identity,
            runtime=runtime,
            default_task_queue=task_queue,
        )

    @staticmethod
    async def start_time_skipping_v2(
        *,
        ts_config: TimeSkippingConfig = TimeSkippingConfig(),
        **kwargs: Any,
    ) -> WorkflowEnvironment:
        """Like `start_time_skipping`. ``ts_config.enabled=False`` leaves only `fast_forward` and `sleep` to jump; its
        ``fast_forward_config`` is a jump to begin with. Options for a development server's process have no effect."""
        accepted = {name: value for name, value in kwargs.items() if name in _COMMON}
        env = await WorkflowEnvironment.start_time_skipping(**accepted)
        if not ts_config.enabled and env._world is not None:
            env._world.hold(1)
        if ts_config.fast_forward_config is not None:
            await env.sleep(ts_config.fast_forward_config.duration)
        return env

    @staticmethod
    async def start_local(
        *,
        namespace: str = "default",
        data_converter: DataConverter = DataConverter.default,
        interceptors: Sequence[Interceptor] = (),
        plugins: Sequence[Plugin] = (),
        default_workflow_query_reject_condition: QueryRejectCondition | None = None,
        retry_config: RetryConfig | None = None,
        rpc_metadata: Mapping[str, str | bytes] = {},
        identity: str | None = None,
        tls: bool | TLSConfig = False,
        ip: str = "127.0.0.1",
        port: int | None = None,
        download_dest_dir: str | None = None,
        ui: bool = False,
        runtime: Runtime | None = None,
        search_attributes: Sequence[SearchAttributeKey[Any]] = (),
        dev_server_existing_path: str | None = None,
        dev_server_database_filename: str | None = None,
        dev_server_log_format: str = "pretty",
        dev_server_log_level: str | None = "warn",
        dev_server_download_version: str = "default",
        dev_server_extra_args: Sequence[str] = (),
        dev_server_download_ttl: timedelta | None = None,
        dev_server_startup_timeout: timedelta | None = None,
        ui_port: int | None = None,
        task_queue: str | None = None,
    ) -> WorkflowEnvironment:
        """A service in this process, with real time.

        ``dev_server_database_filename``: an SQLite file to keep everything in, instead of memory. ``port``: also listen
        there on ``ip`` (0: any free port), for other processes; see `address`. ``search_attributes`` are registered. What
        concerns downloads, the user interface and the process of a server is accepted and has no effect.
        """
        file = dev_server_database_filename
        world = World(
            skipping=False,
            namespace=namespace,
            store_url=f"sqlite:///{file}" if file else "memory://",
            search_attributes=search_attributes,
        )
        return await _started(
            world,
            ip,
            port,
            namespace=namespace,
            data_converter=data_converter,
            interceptors=interceptors,
            plugins=plugins,
            default_workflow_query_reject_condition=default_workflow_query_reject_condition,
            retry_config=retry_config,
            rpc_metadata=rpc_metadata,
            identity=identity,
            runtime=runtime,
            default_task_queue=task_queue,
        )

    def __init__(self, client: Client, *, world: World | None = None) -> None:
        """Rather use `from_client` or the ``start_*`` methods."""
        self._client = client
        self._world = world
        self._runner: asyncio.Runner | None = None
        self._listener: Any = None
        self.address: str | None = None
        """``host:port`` where other processes reach the service, if it listens."""

    @property
    def client(self) -> Client:
        """A client of the environment."""
        return self._client

    async def connect_client(self, **kwargs: Any) -> Client:
        """Another client of the same service. ``kwargs`` are those of `Client.connect`, without the target; the namespace
        and what it takes to be let in (key, TLS, metadata), and the runtime, are those of `client` unless given."""
        known = self._client.service_client.config
        kwargs.setdefault("namespace", self._client.namespace)
        for name in ("api_key", "tls", "rpc_metadata", "runtime"):
            kwargs.setdefault(name, getattr(known, name))
        return _asserting(await Client.connect(known.target_host, **kwargs))

    # ---- time -------------------------------------------------------------------------------------------------------

    @property
    def supports_time_skipping(self) -> bool:
        """Whether time can jump."""
        return self._world is not None and self._world.clock is not None

    @property
    def supports_time_skipping_v1(self) -> bool:
        """Whether one clock for all workflows can jump."""
        return self.supports_time_skipping

    @property
    def supports_time_skipping_v2(self) -> bool:
        """Whether `fast_forward` works."""
        return self.supports_time_skipping

    async def sleep(self, duration: timedelta | float, *, patience: timedelta | float | None = None) -> None:
        """Let ``duration`` (seconds or a timedelta) pass: at once if time can jump, else really.

        Everything that falls due on the way happens, in order, and has been worked off when this returns. Work that is
        in flight is waited for up to ``patience`` of real time (default 0.25 s, none inside an activity), then jumped over.
        """
        if self._world is None:
            await asyncio.sleep(_seconds(duration))
            return
        if patience is None:
            from tenuto import activity

            patience = 0.0 if activity.in_activity() else PATIENCE_SECONDS
        await self._world.sleep(round(_seconds(duration) * SECOND), _seconds(patience))

    async def get_current_time(self, handle: WorkflowHandle[Any, Any] | None = None) -> datetime:
        """What time it is for the service, in UTC. ``handle`` makes no difference: all workflows share one clock."""
        if self._world is None:
            return datetime.fromtimestamp(WallClock().now() / SECOND, UTC)
        return datetime.fromtimestamp(await self._world.now() / SECOND, UTC)

    async def fast_forward(self, handle: WorkflowHandle[Any, Any], duration: timedelta) -> None:
        """Let time jump by ``duration``: for ``handle``, and everybody else."""
        if not self.supports_time_skipping:
            raise RuntimeError("this environment's time cannot jump")
        await self.sleep(duration)

    @contextmanager
    def auto_time_skipping_disabled(self) -> Iterator[None]:
        """While this is open, time does not jump for those who wait for results; `sleep` still jumps."""
        if self._world is None:
            yield
            return
        with self._world.held():
            yield

    @contextmanager
    def with_time_skipping_disabled(self) -> Iterator[None]:
        """Another name of `auto_time_skipping_disabled`."""
        with self.auto_time_skipping_disabled():
            yield

    # ---- nexus ------------------------------------------------------------------------------------------------------

    async def create_nexus_endpoint(self, name: str, task_queue: str | None = None) -> Any:
        """Make a Nexus endpoint that reaches workers of ``task_queue``, by default those of `worker` (and of the fixture
        ``tenuto_worker``). Raises `RPCError` where the service has none."""
        from tenuto.wire import operatorservice

        request = operatorservice.CreateNexusEndpointRequest()
        request.spec.name = name
        request.spec.target.worker.namespace = self._client.namespace
        request.spec.target.worker.task_queue = task_queue or self._own_queue()
        return (await self._client.operator_service.create_nexus_endpoint(request)).endpoint

    async def delete_nexus_endpoint(self, endpoint: Any) -> None:
        """Delete what `create_nexus_endpoint` made."""
        from tenuto.wire import operatorservice

        await self._client.operator_service.delete_nexus_endpoint(
            operatorservice.DeleteNexusEndpointRequest(id=endpoint.id, version=endpoint.version)
        )

    # ---- help for tests ---------------------------------------------------------------------------------------------

    def worker(self, *, task_queue: str | None = None, **options: Any) -> Worker:
        """A worker of the environment's client: ``async with env.worker(workflows=[...], activities=[...]):``.

        ``task_queue`` None: the one that workflows started without a queue from `client` go to. ``options`` are those of
        `Worker`. Warns of calls in the workflows' code that the determinism guard would refuse.
        """
        from tenuto.testing.checking import warn_of
        from tenuto.worker.worker import Worker

        warn_of(options.get("workflows", ()))
        return Worker(self._client, task_queue=task_queue or self._own_queue(), **options)

    def _own_queue(self) -> str:
        return self._client.config().get("default_task_queue") or "default"

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end from code that is not async: a test without a plugin for async tests, a script.

        All calls share one event loop, on which an environment that was made without one lives.
        """
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(main)

    # ---- the end ----------------------------------------------------------------------------------------------------

    async def shutdown(self) -> None:
        """End the service; a second time does nothing. What `from_client` was given stays open."""
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.drain(0)
        if self._world is not None:
            await self._world.close()

    def close(self) -> None:
        """End everything from code that is not async, whatever became of the event loop."""
        runner, self._runner = self._runner, None
        world = self._world
        if runner is not None:
            with runner:
                if world is None or world.loop is None or world.loop is runner.get_loop():
                    runner.run(self.shutdown())
        if world is not None:
            world.abandon()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    async def listen(self, ip: str = "127.0.0.1", port: int = 0) -> str:
        """Let other processes reach the service over gRPC; ``port`` 0: any free one. Returns ``host:port``."""
        if self._world is None:
            raise RuntimeError("this environment's service is not in this process")
        from tenuto.frontend.native import Frontend

        await self._world.transport()
        assert self._world.node is not None and self._world.node.service is not None
        self._listener = Frontend(self._world.node.service)
        self.address = f"{ip}:{await self._listener.start(ip, port)}"
        return self.address


_COMMON = frozenset(
    {
        "data_converter",
        "interceptors",
        "plugins",
        "default_workflow_query_reject_condition",
        "retry_config",
        "rpc_metadata",
        "identity",
        "port",
        "runtime",
        "namespace",
        "search_attributes",
        "task_queue",
    }
)


def _seconds(duration: timedelta | float) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def _asserting(client: Client) -> Client:
    """The same client, whose workers fail workflows for failed assertions."""
    config = client.config()
    config["interceptors"] = [AssertionInterceptor(), *config["interceptors"]]
    return Client(**config)


async def _started(world: World, ip: str, port: int | None, **options: Any) -> WorkflowEnvironment:
    try:
        client = await Client.connect(world.url, **options)
        env = WorkflowEnvironment(_asserting(client), world=world)
        if port is not None:
            await env.listen(ip, port)
    except BaseException:
        await world.close()
        raise
    return env


def unopened(*, skipping: bool = True, **options: Any) -> WorkflowEnvironment:
    """An environment that opens on the event loop that uses it first. ``options`` are those of `Client`."""
    from tenuto.transport.config import ConnectConfig
    from tenuto.transport.services import ServiceClient

    world = World(skipping=skipping, namespace=options.get("namespace", "default"))
    service = ServiceClient(ConnectConfig(target_host=world.url, lazy=True))
    return WorkflowEnvironment(_asserting(Client(service, **options)), world=world)
