"""Interceptors, plugins and configuration: what stands between a caller and the service."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tenuto.client import (
    Client,
    ClientConfig,
    Interceptor,
    OutboundInterceptor,
    Plugin,
    QueryWorkflowInput,
    SignalWorkflowInput,
    StartWorkflowInput,
    WorkflowHandle,
)
from tenuto.common import HeaderCodecBehavior
from tenuto.converter import DataConverter
from tenuto.transport.config import ConnectConfig
from tenuto.transport.services import ServiceClient
from tenuto.wire import common
from tests.client.house import Desk, at_a_desk, complete


class Noting(Interceptor):
    """Notes what passes, and adds a header."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.notes = notes

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Noting(next, self)


class _Noting(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, mine: Noting) -> None:
        super().__init__(next)
        self.mine = mine

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        self.mine.notes.append(f"{self.mine.name} start {input.workflow}")
        input.headers = {**input.headers, self.mine.name: common.Payload(data=b"h")}
        return await super().start_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        self.mine.notes.append(f"{self.mine.name} signal")
        input.signal = input.signal.upper()
        await super().signal_workflow(input)

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        return f"{self.mine.name} answers {input.query}"


def test_the_first_interceptor_is_the_outermost_and_may_change_everything() -> None:
    notes: list[str] = []

    async def scene(desk: Desk) -> None:
        handle = await desk.client.start_workflow("T", id="w")
        await handle.signal("go")
        assert await handle.query("q") == "one answers q"
        assert notes == ["one start T", "two start T", "one signal", "two signal"]
        task = await desk.task()
        started = task.history.events[0].workflow_execution_started_event_attributes
        assert sorted(started.header.fields) == ["one", "two"]
        names = [e.workflow_execution_signaled_event_attributes.signal_name for e in task.history.events[1:2]]
        assert names in (["GO"], [""])

    at_a_desk(scene, interceptors=[Noting("one", notes), Noting("two", notes)])


class Marking(Plugin):
    """Adds an interceptor, and changes how the client connects."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.mark = name
        self.notes = notes

    def name(self) -> str:
        return self.mark

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        self.notes.append(f"configure {self.mark}")
        config["interceptors"] = [*config["interceptors"], Noting(self.mark, self.notes)]
        return config

    async def connect_service_client(
        self, config: ConnectConfig, next: Callable[[ConnectConfig], Awaitable[ServiceClient]]
    ) -> ServiceClient:
        self.notes.append(f"connect {self.mark}")
        config.identity += self.mark
        return await next(config)


def test_plugins_connect_and_configure() -> None:
    notes: list[str] = []

    async def scene() -> None:
        plugins = [Marking("x", notes), Marking("y", notes)]
        client = await Client.connect("localhost:1", plugins=plugins, lazy=True, identity="me")
        async with client:
            assert client.identity == "mexy"
            assert notes == ["connect x", "connect y", "configure x", "configure y"]
            assert client.config()["interceptors"] == ()
            assert len(client.config(active_config=True)["interceptors"]) == 2
            assert [plugin.name() for plugin in client.config()["plugins"]] == ["x", "y"]
            config = client.config()
            config["namespace"] = "other"
            shared = Client(**config)
            assert (client.namespace, shared.namespace) == ("default", "other")
            assert shared.service_client is client.service_client

    asyncio.run(scene())


def test_metadata_and_key_may_be_changed_at_any_time() -> None:
    async def scene() -> None:
        client = await Client.connect(
            "localhost:1", lazy=True, rpc_metadata={"a": "1"}, api_key="k", tls=False
        )
        assert client.rpc_metadata == {"a": "1"}
        client.rpc_metadata = {"b": "2"}
        client.api_key = "l"
        assert client.rpc_metadata == {"b": "2"}
        assert client.api_key == "l"
        assert "localhost:1" in repr(client)
        await client.close()

    asyncio.run(scene())


class Place:
    """A free place that notes what becomes of it."""

    def __init__(self) -> None:
        self.fate = ""

    def accept(self, task: Any) -> None:
        self.fate = f"took {task.workflow_execution.workflow_id}"

    def release(self) -> None:
        self.fate = "given back"


def test_an_eager_start_asks_the_workers_of_the_client_for_a_place() -> None:
    async def scene(desk: Desk) -> None:
        place = Place()
        withdraw = desk.client._eager_workers.register("q", lambda: place)
        await desk.client.start_workflow("T", id="eager", request_eager_start=True)
        assert place.fate == "took eager"
        other = Place()
        desk.client._eager_workers.register("elsewhere", lambda: other)
        withdraw()
        await desk.client.start_workflow("T", id="plain", request_eager_start=True)
        assert other.fate == ""
        task = await desk.task()
        assert task.workflow_execution.workflow_id == "plain"
        await desk.answer(task, await complete())

    at_a_desk(scene)


def test_the_converter_knows_the_workflow_it_serves_and_the_codec_sees_what_it_should() -> None:
    from tenuto.converter import PayloadCodec

    class Reverse(PayloadCodec):
        """Turns data around."""

        async def encode(self, payloads: Any) -> list[common.Payload]:
            return [common.Payload(metadata=p.metadata, data=p.data[::-1]) for p in payloads]

        async def decode(self, payloads: Any) -> list[common.Payload]:
            return await self.encode(payloads)

    async def scene(desk: Desk) -> None:
        handle = await desk.client.start_workflow("T", "abc", id="w", memo={"m": "xyz"}, static_summary="sum")
        task = await desk.task()
        started = task.history.events[0].workflow_execution_started_event_attributes
        assert started.input.payloads[0].data == b'"cba"'
        assert started.memo.fields["m"].data == b'"zyx"'
        assert started.header.fields["h"].data == b"h"
        assert await (await handle.describe()).static_summary() == "sum"
        assert await (await handle.describe()).memo() == {"m": "xyz"}

    notes: list[str] = []
    at_a_desk(
        scene,
        data_converter=DataConverter(payload_codec=Reverse()),
        interceptors=[Noting("h", notes)],
        header_codec_behavior=HeaderCodecBehavior.NO_CODEC,
    )
