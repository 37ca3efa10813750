"""What comes cannot be read: whether that ends the workflow or only the workflow task, and what replays make of it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from tenuto import activity, workflow
from tenuto.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from tenuto.converter import DataConverter, PayloadCodec
from tenuto.exceptions import ApplicationError
from tenuto.wire import common, enums_event, enums_failed, history
from tenuto.worker import Replayer, Worker

from .house import new_id, story

SOON = timedelta(seconds=10)


class Vault(PayloadCodec):
    """Changes nothing, and has lost what carries one of the words in ``lost``."""

    def __init__(self) -> None:
        self.lost: set[bytes] = set()
        self.for_good = True

    async def encode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        for payload in payloads:
            if any(word in payload.data for word in self.lost):
                raise ApplicationError("lost", type="Lost", non_retryable=self.for_good)
        return list(payloads)


@activity.defn
async def echo(text: str) -> str:
    return f"{text}-back"


@workflow.defn
class Keeps:
    def __init__(self) -> None:
        self.seen: list[str] = []

    @workflow.run
    async def run(self, text: str) -> str:
        said = await workflow.execute_activity(echo, text, start_to_close_timeout=SOON)
        await workflow.wait_condition(lambda: bool(self.seen))
        return said + self.seen[0]

    @workflow.signal
    def add(self, text: str) -> None:
        self.seen.append(text)


async def _start(client: Client, vault: Vault, **options: int) -> tuple[Worker, WorkflowHandle[Keeps, str]]:
    told = client.config()
    other = Client(
        told["service_client"], namespace=client.namespace, data_converter=DataConverter(payload_codec=vault)
    )
    queue = new_id()
    worker = Worker(other, task_queue=queue, workflows=[Keeps], activities=[echo], **options)  # type: ignore[arg-type]
    handle = await client.start_workflow(Keeps.run, "first", id=new_id(), task_queue=queue)
    return worker, handle


async def _until(handle: WorkflowHandle[Keeps, str], kind: int, times: int = 1) -> history.HistoryEvent:
    """The event of this kind, when it is there."""
    for _ in range(1000):
        found = [event for event in (await handle.fetch_history()).events if event.event_type == kind]
        if len(found) >= times:
            return found[-1]
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


async def _until_failed(handle: WorkflowHandle[Keeps, str]) -> int:
    event = await _until(handle, enums_event.EVENT_TYPE_WORKFLOW_TASK_FAILED)
    return event.workflow_task_failed_event_attributes.cause


def _replayer(vault: Vault) -> Replayer:
    return Replayer(workflows=[Keeps], data_converter=DataConverter(payload_codec=vault))


async def _replayed(vault: Vault, written: WorkflowHistory) -> Exception | None:
    return (await _replayer(vault).replay_workflow(written, raise_on_replay_failure=False)).replay_failure


@pytest.mark.parametrize("lost", [b"first", b"first-back", b"second"])
@pytest.mark.parametrize("cached", [0, 10])
def test_what_is_lost_for_good_fails_the_workflow(lost: bytes, cached: int) -> None:
    @story
    async def told(client: Client) -> None:
        vault = Vault()
        vault.lost = {b'"' + lost + b'"'}
        worker, handle = await _start(client, vault, max_cached_workflows=cached)
        async with worker:
            await handle.signal(Keeps.add, "second")
            with pytest.raises(WorkflowFailureError) as raised:
                await handle.result()
        cause = raised.value.cause
        assert isinstance(cause, ApplicationError)
        assert (cause.message, cause.type, cause.non_retryable) == ("lost", "Lost", True)
        written = await handle.fetch_history()
        assert await _replayed(vault, written) is None
        vault.lost.clear()
        assert isinstance(await _replayed(vault, written), workflow.NondeterminismError)

    told()


@story
async def test_what_may_be_found_again_fails_the_task_only(client: Client) -> None:
    vault = Vault()
    vault.lost, vault.for_good = {b"first"}, False
    worker, handle = await _start(client, vault)
    async with worker:
        cause = await _until_failed(handle)
    assert cause == enums_failed.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE


@story
async def test_what_was_read_once_and_is_lost_later_does_not_end_the_workflow(client: Client) -> None:
    vault = Vault()
    worker, handle = await _start(client, vault, max_cached_workflows=0)
    async with worker:
        await _until(handle, enums_event.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, 2)
        vault.lost = {b"first"}
        await handle.signal(Keeps.add, "!")
        cause = await _until_failed(handle)
    assert cause == enums_failed.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    failure = await _replayed(vault, await handle.fetch_history())
    assert isinstance(failure, workflow.NondeterminismError)
    assert "lost" in str(failure)
