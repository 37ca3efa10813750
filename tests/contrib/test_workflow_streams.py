"""Streams of workflows: what is published is read, once, in order, whatever happens to publishers, readers and runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

import tenuto
from tenuto import activity, workflow
from tenuto.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    RPCError,
    SignalWorkflowInput,
    WorkflowContinuedAsNewError,
    WorkflowFailureError,
    WorkflowHandle,
)
from tenuto.common import RawValue
from tenuto.contrib.workflow_streams import (
    PollInput,
    PollResult,
    PublishEntry,
    PublishInput,
    WorkflowStream,
    WorkflowStreamClient,
    WorkflowStreamItem,
    WorkflowStreamState,
)
from tenuto.exceptions import ApplicationError
from tenuto.service import RPCStatusCode
from tenuto.wire import common

SOON = timedelta(seconds=30)
AT_ONCE = timedelta(0)


@dataclass
class Event:
    kind: str
    number: int = 0


@dataclass
class Terms:
    say: int = 0
    """How many events the workflow publishes itself."""
    through_activity: int = 0
    state: WorkflowStreamState | None = None


@workflow.defn
class Host:
    @workflow.init
    def __init__(self, terms: Terms) -> None:
        self.stream = WorkflowStream(prior_state=terms.state)
        self.events = self.stream.topic("events", type=Event)
        self.ending = ""

    @workflow.run
    async def run(self, terms: Terms) -> str:
        for number in range(terms.say):
            self.events.publish(Event("said", number))
        if terms.through_activity:
            await workflow.execute_activity(publish, terms.through_activity, start_to_close_timeout=SOON)
        await workflow.wait_condition(lambda: bool(self.ending))
        if self.ending == "go on":
            await self.stream.continue_as_new(lambda state: [Terms(state=state)])
        if self.ending == "fail":
            raise ApplicationError("as told")
        return self.ending

    @workflow.signal
    async def end(self, how: str) -> None:
        await asyncio.sleep(0)
        self.ending = how

    @workflow.update
    async def say(self, number: int) -> None:
        self.events.publish(Event("said", number))

    @workflow.update
    async def forget(self, before: int) -> None:
        self.stream.truncate(before)

    @workflow.query
    def kept(self) -> list[str]:
        return list(self.stream.get_state(publisher_ttl=3600).publishers)


@activity.defn
async def publish(count: int) -> None:
    stream = WorkflowStreamClient.from_within_activity(batch_interval=timedelta(milliseconds=10))
    async with stream:
        topic = stream.topic("activity", type=Event)
        for number in range(count):
            topic.publish(Event("done", number))


@workflow
async def chatting(words: list[str]) -> int:
    stream = WorkflowStream()
    topic = stream.topic("words", type=str)
    for word in words:
        topic.publish(word)
    await workflow.mailbox("end", str).get()
    return len(words)


@asynccontextmanager
async def place() -> AsyncIterator[tenuto.App]:
    async with tenuto.open("memory://", workflows=[Host, chatting], activities=[publish]) as app:
        yield app


def scene(play: Callable[[tenuto.App], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(30), place() as app:
            await play(app)

    asyncio.run(whole())


async def host(app: tenuto.App, **terms: Any) -> WorkflowHandle[Any, Any]:
    return await app.client.start_workflow(Host.run, Terms(**terms), id="w", task_queue="default")


def client_of(app: tenuto.App, **options: Any) -> WorkflowStreamClient:
    return WorkflowStreamClient.create(app.client, "w", batch_interval=timedelta(milliseconds=10), **options)


async def take(items: AsyncIterator[WorkflowStreamItem[Any]], count: int) -> list[WorkflowStreamItem[Any]]:
    taken = []
    async for item in items:
        taken.append(item)
        if len(taken) == count:
            break
    return taken


def test_what_workflow_activity_and_program_publish_is_read_in_order_of_arrival() -> None:
    async def play(app: tenuto.App) -> None:
        await host(app, say=2, through_activity=3)
        stream = client_of(app)
        first = await take(stream.subscribe(result_type=Event), 5)
        assert [(item.topic, item.data.number, item.offset) for item in first] == [
            ("events", 0, 0),
            ("events", 1, 1),
            ("activity", 0, 2),
            ("activity", 1, 3),
            ("activity", 2, 4),
        ]
        async with stream:
            topic = stream.topic("outside", type=Event)
            topic.publish(Event("seen", 7), force_flush=True)
            await stream.flush()
            assert await stream.get_offset() == 6
            assert (await take(topic.subscribe(), 1))[0].data == Event("seen", 7)
        assert topic.name == "outside"
        assert topic.type is Event

    scene(play)


def test_a_subscriber_reads_some_topics_from_some_offset_on_as_what_it_likes() -> None:
    async def play(app: tenuto.App) -> None:
        await host(app, say=3)
        stream = client_of(app)
        payload = app.client.data_converter.payload_converter.to_payload(Event("raw"))
        async with stream:
            stream.topic("other").publish(payload)
            stream.topic("other").publish("text")
        assert [item.data for item in await take(stream.subscribe("other"), 2)] == [
            {"kind": "raw", "number": 0},
            "text",
        ]
        late = await take(stream.subscribe(["events", "other"], 2, result_type=RawValue), 2)
        assert [(item.offset, isinstance(item.data, RawValue)) for item in late] == [(2, True), (3, True)]
        assert late[1].data.payload.data == payload.data

    scene(play)


@pytest.mark.parametrize("ending", ["done", "fail"])
def test_when_the_workflow_has_closed_what_is_left_is_read_and_the_subscription_ends(ending: str) -> None:
    async def play(app: tenuto.App) -> None:
        handle = await host(app)
        items = client_of(app).subscribe("events", result_type=Event, poll_cooldown=AT_ONCE)
        waiting = asyncio.ensure_future(take(items, 99))
        await handle.execute_update(Host.say, 1)
        await handle.signal(Host.end, ending)
        assert [item.data.number for item in await waiting] == [1]
        assert [
            item.data.number async for item in client_of(app).topic("events", type=Event).subscribe()
        ] == [1]
        if ending == "fail":
            with pytest.raises(WorkflowFailureError):
                await handle.result()

    scene(play)


def test_a_subscription_goes_along_when_the_workflow_goes_on_as_a_new_run() -> None:
    async def play(app: tenuto.App) -> None:
        handle = await host(app, say=2)
        stream = client_of(app)
        reading = asyncio.ensure_future(
            take(stream.subscribe(result_type=Event, poll_cooldown=timedelta(milliseconds=1)), 3)
        )
        async with stream:
            stream.topic("events", type=Event).publish(Event("out", 8))
            await stream.flush()
            await reading
            more = asyncio.ensure_future(
                take(stream.subscribe(from_offset=3, result_type=Event, poll_cooldown=AT_ONCE), 1)
            )
            with pytest.raises(WorkflowContinuedAsNewError):
                await asyncio.gather(handle.result(follow_runs=False), handle.signal(Host.end, "go on"))
            stream.topic("events", type=Event).publish(Event("out", 9))
        assert [(item.offset, item.data.number) for item in await more] == [(3, 9)]
        assert await app.client.get_workflow_handle("w").query(Host.kept) == [stream._outbox._publisher]
        assert [item.offset for item in await take(stream.subscribe(), 4)] == [0, 1, 2, 3]

    scene(play)


def test_who_is_behind_a_truncation_goes_on_with_what_is_left() -> None:
    async def play(app: tenuto.App) -> None:
        handle = await host(app, say=5)
        await handle.execute_update(Host.forget, 3)
        stream = client_of(app)
        assert [item.offset for item in await take(stream.subscribe(from_offset=1), 2)] == [3, 4]
        assert [item.offset for item in await take(stream.subscribe(), 2)] == [3, 4]
        with pytest.raises(tenuto.WorkflowUpdateFailedError) as refused:
            await handle.execute_update(Host.forget, 6)
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == "TruncateOutOfRange"
        assert str(refused.value.cause).endswith("valid range is [3, 5)")
        await handle.execute_update(Host.forget, 1)
        assert await stream.get_offset() == 5

    scene(play)


def test_more_than_one_answer_holds_is_read_in_several() -> None:
    async def play(app: tenuto.App) -> None:
        handle = await host(app)
        stream = client_of(app)
        async with stream:
            for _ in range(5):
                stream.topic("big").publish("x" * 300_000)
                await stream.flush()
        got = await handle.query(
            "__temporal_workflow_stream_poll", PollInput(from_offset=0), result_type=PollResult
        )
        assert (len(got.items), got.next_offset, got.more_ready) == (2, 2, True)
        assert [item.offset for item in await take(stream.subscribe(), 5)] == [0, 1, 2, 3, 4]

    scene(play)


class Losing(Interceptor, OutboundInterceptor):
    """Signals arrive, but whoever sent them does not always hear of it."""

    def __init__(self) -> None:
        self.lose: list[RPCStatusCode] = []
        self.batches: list[PublishInput] = []
        self.found = asyncio.Event()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        self.next = next
        return self

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        await self.next.signal_workflow(input)
        self.batches.append(input.args[0])
        if self.lose:
            raise RPCError("lost", self.lose.pop(0), b"")
        self.found.set()


async def lossy(app: tenuto.App) -> tuple[Client, Losing]:
    losing = Losing()
    config = app.client.config()
    config["interceptors"] = [losing]
    return Client(**config), losing


def test_a_batch_that_may_have_arrived_is_sent_again_and_taken_once() -> None:
    async def play(app: tenuto.App) -> None:
        await host(app)
        client, losing = await lossy(app)
        stream = WorkflowStreamClient.create(client, "w", batch_interval=0.01)
        topic = stream.topic("events", type=Event)
        async with stream:
            losing.lose = [RPCStatusCode.UNAVAILABLE] * 2
            topic.publish(Event("one"))
            await losing.found.wait()
            topic.publish(Event("two"))
        assert [batch.sequence for batch in losing.batches] == [1, 1, 1, 2]
        assert [item.data.kind for item in await take(topic.subscribe(), 2)] == ["one", "two"]
        assert await stream.get_offset() == 2

    scene(play)


def test_a_publisher_learns_that_it_cannot_publish() -> None:
    async def play(app: tenuto.App) -> None:
        stream = client_of(app)

        async def publishing() -> None:
            async with stream:
                stream.topic("events").publish(1)
                await asyncio.sleep(0.2)

        with pytest.raises(RPCError, match="not found"):
            await publishing()

        await host(app)
        client, losing = await lossy(app)
        impatient = WorkflowStreamClient.create(client, "w", max_retry_duration=AT_ONCE)
        topic = impatient.topic("events")
        topic.publish("lost")
        losing.lose = [RPCStatusCode.UNAVAILABLE]
        with pytest.raises(RPCError):
            await impatient.flush()
        with pytest.raises(TimeoutError, match="dropped"):
            await impatient.flush()
        topic.publish("kept")
        await impatient.flush()
        assert [batch.sequence for batch in losing.batches] == [1, 2]
        assert [item.data for item in await take(topic.subscribe(), 2)] == ["lost", "kept"]

    scene(play)


def test_batches_without_a_publisher_are_always_taken() -> None:
    async def play(app: tenuto.App) -> None:
        handle = await host(app)
        entry = PublishEntry("events", "ChYKCGVuY29kaW5nEgpqc29uL3BsYWluEgExIg==")
        for _ in range(2):
            await handle.signal("__temporal_workflow_stream_publish", PublishInput([entry]))
        assert await client_of(app).get_offset() == 2

    scene(play)


def test_a_topic_has_one_type_and_it_is_no_payload() -> None:
    async def play(app: tenuto.App) -> None:
        stream = client_of(app)
        assert stream.topic("a", type=int).type is stream.topic("a", type=int).type
        with pytest.raises(RuntimeError, match="already bound to type"):
            stream.topic("a", type=str)
        with pytest.raises(RuntimeError, match="already bound to type"):
            stream.topic("a")
        with pytest.raises(RuntimeError, match="Payload"):
            stream.topic("b", type=common.Payload)
        with pytest.raises(RuntimeError, match="Payload"):
            await take(stream.subscribe(result_type=common.Payload), 1)

    scene(play)


def test_a_function_workflow_may_have_a_stream() -> None:
    async def play(app: tenuto.App) -> None:
        handle = await app.client.start_workflow(chatting, ["a", "b"], id="w", task_queue="default")
        assert [item.data for item in await take(client_of(app).topic("words", type=str).subscribe(), 2)] == [
            "a",
            "b",
        ]
        await handle.signal("end", "now")
        assert await handle.result() == 2

    scene(play)


def test_outside_of_an_activity_of_a_workflow_there_is_no_stream_to_infer() -> None:
    with pytest.raises(RuntimeError, match="activity"):
        WorkflowStreamClient.from_within_activity()
