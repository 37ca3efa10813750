"""Answers that are too large for one message: split, sent, and sent again when pages are lost."""

import asyncio
from typing import Any

import pytest

from tenuto import activity, workflow
from tenuto.client import Client
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import errordetails, grpc_status
from tenuto.wire import workflowservice as ws
from tenuto.worker import Worker
from tenuto.worker.pages import Completion, Paging, Response, TooLarge, send_pages
from tests.oracle.harness import real_server


def answer(*sizes: int) -> Completion:
    made = Completion(task_token=b"t", identity="me", namespace="n", force_create_new_workflow_task=True)
    for size in sizes:
        one = made.commands.add()
        one.record_marker_command_attributes.marker_name = "x" * size
    return made


def names(page: Completion) -> list[int]:
    return [len(one.record_marker_command_attributes.marker_name) for one in page.commands]


def test_commands_are_spread_over_pages_in_order_and_everything_else_is_in_the_last() -> None:
    pages = Paging(page_bytes=200).split(answer(80, 80, 80, 150, 10))
    assert pages is not None
    assert [names(page) for page in pages] == [[80, 80], [80], [150, 10], []]
    assert [page.page_number for page in pages] == [0, 1, 2, 3]
    assert [page.intermediate_page for page in pages] == [True, True, True, False]
    assert [page.force_create_new_workflow_task for page in pages] == [False, False, False, True]
    assert {(page.task_token, page.identity, page.namespace) for page in pages} == {(b"t", "me", "n")}


def test_what_fits_or_cannot_be_split_is_sent_as_it_is() -> None:
    paging = Paging(page_bytes=200)
    assert paging.split(answer(50, 50)) is None
    assert paging.split(answer(500)) is None
    assert paging.split(answer(10, 500)) is None
    assert paging.split(Completion(identity="x" * 500)) is None


def test_more_than_the_service_takes_is_not_sent() -> None:
    with pytest.raises(TooLarge, match="limit is 300") as refused:
        Paging(300, page_bytes=200).split(answer(150, 150))
    assert refused.value.told().application_failure_info.type == "RequestTooLarge"
    assert Paging(400, page_bytes=200).split(answer(150, 150)) is not None


def lost() -> RPCError:
    status = grpc_status.GrpcStatus(code=9)
    status.details.add().Pack(errordetails.WorkflowTaskCompletionBufferLostFailure())
    return RPCError("lost", RPCStatusCode.FAILED_PRECONDITION, status.SerializeToString())


class Service:
    """Takes pages; refuses those whose turn in ``refusals`` has come."""

    def __init__(self, **refusals: RPCError) -> None:
        self.refusals = {int(name[1:]): error for name, error in refusals.items()}
        self.seen: list[int] = []
        self.at_once = self.most = 0

    async def take(self, page: Completion) -> Response:
        self.seen.append(page.page_number)
        turn = len(self.seen)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        if turn in self.refusals:
            raise self.refusals[turn]
        return Response()


def sent(service: Service, count: int = 5) -> None:
    pages = Paging(page_bytes=200).split(answer(*[150] * (count - 1)))
    assert pages is not None
    assert len(pages) == count
    asyncio.run(send_pages(pages, service.take))


def test_the_last_page_is_sent_when_all_others_are_there() -> None:
    service = Service()
    sent(service)
    assert sorted(service.seen) == [0, 1, 2, 3, 4]
    assert service.seen[-1] == 4
    assert service.most == 3


def test_when_pages_are_lost_all_are_sent_again() -> None:
    service = Service(t5=lost())
    sent(service)
    assert sorted(service.seen[:5]) == sorted(service.seen[5:]) == [0, 1, 2, 3, 4]


def test_what_may_pass_is_tried_again_and_what_may_not_is_told() -> None:
    service = Service(t2=RPCError("away", RPCStatusCode.UNAVAILABLE, b""))
    sent(service)
    assert service.seen[-1] == 4
    gone = Service(t1=RPCError("no such task", RPCStatusCode.NOT_FOUND, b""))
    with pytest.raises(RPCError, match="no such task"):
        sent(gone)
    assert 4 not in gone.seen


@activity.defn
async def length(text: str) -> int:
    return len(text)


@workflow.defn
class Wide:
    @workflow.run
    async def run(self, count: int) -> int:
        text = "x" * 1_000_000
        return sum(
            await asyncio.gather(
                *(
                    workflow.execute_activity(
                        length, text, start_to_close_timeout=60, activity_id=str(number)
                    )
                    for number in range(count)
                )
            )
        )


@pytest.mark.oracle
def test_a_real_server_puts_the_pages_together() -> None:
    async def scene(address: str) -> Any:
        async with await Client.connect(address) as client, asyncio.timeout(60):
            answers: list[ws.RespondWorkflowTaskCompletedRequest] = []
            straight = client.service_client.call

            async def noting(method: str, request: Any, **options: Any) -> Any:
                if method == "RespondWorkflowTaskCompleted":
                    answers.append(request)
                return await straight(method, request, **options)

            client.service_client.call = noting  # type: ignore[method-assign]
            async with Worker(
                client,
                task_queue="q",
                workflows=[Wide],
                activities=[length],
                disable_eager_activity_execution=True,
            ):
                handle = await client.start_workflow(Wide.run, 9, id="w", task_queue="q")
                assert await handle.result() == 9_000_000
            events = (await handle.fetch_history()).events
            scheduled = [
                event.activity_task_scheduled_event_attributes.activity_id
                for event in events
                if event.HasField("activity_task_scheduled_event_attributes")
            ]
            assert scheduled == [str(number) for number in range(9)]
            assert sorted(page.page_number for page in answers if page.intermediate_page) == [0, 1, 2]

    settings = ["history.enableWorkflowTaskCompletionPagination=true", "system.transactionSizeLimit=20000000"]
    with real_server(*(word for said in settings for word in ("--dynamic-config-value", said))) as address:
        asyncio.run(scene(address))
