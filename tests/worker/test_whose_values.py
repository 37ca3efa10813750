"""Converters that ask are told whose values they convert, the same on both sides; codecs see only what is read."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tenuto import activity, workflow
from tenuto.client import AsyncActivityHandle, Client
from tenuto.common import RetryPolicy
from tenuto.converter import (
    ActivitySerializationContext,
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    ExternalStorage,
    JSONPlainPayloadConverter,
    PayloadCodec,
    PayloadConverter,
    SerializationContext,
    StorageDriver,
    StorageDriverActivityInfo,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    WithSerializationContext,
)
from tenuto.exceptions import ActivityError, ApplicationError
from tenuto.testing import WorkflowEnvironment
from tenuto.wire import common, failure
from tenuto.worker import Replayer, Worker

SOON = timedelta(seconds=10)


def _name(context: SerializationContext | None) -> str:
    if isinstance(context, ActivitySerializationContext):
        kind = "local activity" if context.is_local else "activity"
        return f"{kind} {context.activity_id} on {context.activity_task_queue} of {context.workflow_id}"
    return f"workflow {getattr(context, 'workflow_id', None)}"


class Sealing(EncodingPayloadConverter, WithSerializationContext):
    """JSON, with the name of whose it is; nobody else can read it."""

    def __init__(self, owner: str = "nobody") -> None:
        self.owner = owner
        self.json = JSONPlainPayloadConverter()

    @property
    def encoding(self) -> str:
        return "sealed"

    def with_context(self, context: SerializationContext) -> "Sealing":
        return Sealing(_name(context))

    def to_payload(self, value: Any) -> common.Payload | None:
        if not isinstance(value, str):
            return None
        made = self.json.to_payload(value)
        assert made is not None
        made.metadata["encoding"] = b"sealed"
        made.metadata["owner"] = self.owner.encode()
        return made

    def from_payload(self, payload: common.Payload, type_hint: type | None = None) -> Any:
        owner = payload.metadata["owner"].decode()
        if owner != self.owner:
            raise RuntimeError(f"{self.owner} reads what is of {owner}")
        return self.json.from_payload(payload, type_hint)


class Sealed(CompositePayloadConverter):
    def __init__(self) -> None:
        super().__init__(Sealing(), *DefaultPayloadConverter.default_encoding_payload_converters)


class TellingFailures(DefaultFailureConverter, WithSerializationContext):
    """Adds to messages who reads them."""

    def __init__(self, owner: str = "nobody") -> None:
        super().__init__()
        self.owner = owner

    def with_context(self, context: SerializationContext) -> "TellingFailures":
        return TellingFailures(_name(context))

    def from_failure(self, failure: failure.Failure, payload_converter: PayloadConverter) -> BaseException:
        failure.message = f"{failure.message}, read as {self.owner}"
        return super().from_failure(failure, payload_converter)


@activity.defn
async def echo(text: str) -> str:
    return text


@activity.defn
async def refuse(text: str) -> str:
    raise ApplicationError("no", text, non_retryable=True)


@workflow.defn
class Listens:
    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self, text: str) -> str:
        await workflow.wait_condition(lambda: bool(self.heard))
        return text + self.heard[0]

    @workflow.signal
    def say(self, text: str) -> None:
        self.heard.append(text)


@workflow.defn
class Speaks:
    @workflow.run
    async def run(self, text: str) -> str:
        text += await workflow.execute_activity(echo, "a", start_to_close_timeout=SOON)
        text += await workflow.execute_local_activity(echo, "b", start_to_close_timeout=SOON)
        child = await workflow.start_child_workflow(Listens.run, "c", id="child")
        await child.signal(Listens.say, "d")
        text += await child
        other = workflow.get_external_workflow_handle_for(Listens.run, "other")
        await other.signal(Listens.say, "e")
        try:
            await workflow.execute_activity(
                refuse, "f", start_to_close_timeout=SOON, retry_policy=RetryPolicy(maximum_attempts=1)
            )
        except ActivityError as error:
            cause: Any = error.cause
            text += f"{cause.details[0]} {cause.message}"
        return text


def test_values_and_failures_are_converted_as_those_of_their_owner() -> None:
    converter = DataConverter(payload_converter_class=Sealed, failure_converter_class=TellingFailures)

    async def run() -> None:
        async with await WorkflowEnvironment.start_time_skipping(data_converter=converter) as env:
            client = env.client
            worker = Worker(
                client,
                task_queue="q",
                workflows=[Speaks, Listens],
                activities=[echo, refuse],
                max_cached_workflows=0,
            )
            async with worker, asyncio.timeout(60):
                other = await client.start_workflow(Listens.run, "x", id="other", task_queue="q")
                told = await client.execute_workflow(Speaks.run, "-", id="speaks", task_queue="q")
                assert told == "-abcdf no, read as activity 3 on q of speaks"
                assert await other.result() == "xe"

    asyncio.run(run())


class Counting(PayloadCodec):
    def __init__(self) -> None:
        self.opened: list[bytes] = []

    async def encode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        return [common.Payload(data=each.SerializeToString()) for each in payloads]

    async def decode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        opened = [common.Payload.FromString(each.data) for each in payloads]
        self.opened += [each.data for each in opened]
        return opened


def test_a_replay_opens_no_payloads_that_the_code_makes_again_itself() -> None:
    codec = Counting()

    async def run() -> None:
        converter = DataConverter(payload_codec=codec)
        async with await WorkflowEnvironment.start_time_skipping(data_converter=converter) as env:
            worker = Worker(
                env.client, task_queue="q", workflows=[Speaks, Listens], activities=[echo, refuse]
            )
            async with worker, asyncio.timeout(60):
                await env.client.start_workflow(Listens.run, "x", id="other", task_queue="q")
                handle = await env.client.start_workflow(Speaks.run, "-", id="speaks", task_queue="q")
                await handle.result()
                history = await handle.fetch_history()
        codec.opened.clear()
        await Replayer(workflows=[Speaks], data_converter=converter).replay_workflow(history)
        assert sorted(codec.opened[:5]) == [b'"-"', b'"a"', b'"b"', b'"cd"', b'"f"']

    asyncio.run(run())


class Shelf(StorageDriver):
    """Keeps everything, and remembers under what."""

    def __init__(self) -> None:
        self.kept: dict[str, common.Payload] = {}
        self.targets: list[tuple[str, bool, str | None]] = []

    def name(self) -> str:
        return "shelf"

    async def store(
        self, context: StorageDriverStoreContext, payloads: Sequence[common.Payload]
    ) -> list[StorageDriverClaim]:
        target = context.target
        assert target is not None
        kind = "activity" if isinstance(target, StorageDriverActivityInfo) else "workflow"
        self.targets.append((f"{kind} {target.id}", target.run_id is not None, target.type))
        claims = []
        for payload in payloads:
            self.kept[str(len(self.kept))] = payload
            claims.append(StorageDriverClaim({"key": str(len(self.kept) - 1)}))
        return claims

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[common.Payload]:
        return [self.kept[claim.claim_data["key"]] for claim in claims]


def test_drivers_are_told_what_they_keep_payloads_for() -> None:
    shelf = Shelf()

    async def run() -> None:
        storage = ExternalStorage(drivers=[shelf], payload_size_threshold=0)
        converter = DataConverter(external_storage=storage)
        async with await WorkflowEnvironment.start_time_skipping(data_converter=converter) as env:
            worker = Worker(
                env.client, task_queue="q", workflows=[Speaks, Listens], activities=[echo, refuse]
            )
            async with worker, asyncio.timeout(60):
                await env.client.start_workflow(Listens.run, "x", id="other", task_queue="q")
                await env.client.execute_workflow(Speaks.run, "-", id="speaks", task_queue="q")

    asyncio.run(run())
    own = ("workflow speaks", True, "Speaks")
    assert shelf.targets[:2] == [("workflow other", False, "Listens"), ("workflow speaks", False, "Speaks")]
    assert shelf.targets[2:4] == [own, own]  # an activity's argument and its result
    assert ("workflow child", False, "Listens") in shelf.targets  # its argument
    assert ("workflow child", False, None) in shelf.targets  # a signal
    assert ("workflow speaks", True, None) in shelf.targets  # the child's result, which the parent reads
    assert ("workflow other", True, "Listens") in shelf.targets


class MadeOtherwise(AsyncActivityHandle):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


def test_a_handle_of_an_activity_is_made_anew_only_when_values_depend_on_the_context() -> None:
    context = ActivitySerializationContext("n", "a", "t", "q", "w", "wt", False)

    async def run() -> None:
        plain = await Client.connect("localhost:1", lazy=True)
        handle = MadeOtherwise(plain, b"token")
        assert handle.with_context(context) is handle
        sealing = DataConverter(payload_converter_class=Sealed)
        told = await Client.connect("localhost:1", lazy=True, data_converter=sealing)
        assert type(AsyncActivityHandle(told, b"token").with_context(context)) is AsyncActivityHandle
        with pytest.raises(TypeError, match="override with_context"):
            MadeOtherwise(told, b"token").with_context(context)

    asyncio.run(run())
