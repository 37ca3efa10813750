"""Nexus behind the service's door: endpoints, tasks on their way to handlers, and what handlers answer."""

import asyncio
from typing import Any

import pytest

from tenuto.clock import ManualClock
from tenuto.service.errors import Code, ServiceError
from tenuto.service.nexus_failures import of_completed, of_failed
from tenuto.service.nexus_links import from_nexus, to_nexus
from tenuto.store.memory import MemoryDisk, MemoryStore
from tenuto.wire import common, enums_event, nexus
from tenuto.wire import workflowservice as ws
from tests.service.house import House, S, on_virtual_time, said

TARGET = {"worker": {"namespace": "default", "task_queue": "nq"}}
SCHEDULE = {
    "command_type": 17,
    "schedule_nexus_operation_command_attributes": {
        "endpoint": "shop",
        "service": "Shop",
        "operation": "buy",
        "input": {"data": b"tea"},
        "nexus_header": {"Key": "value"},
    },
}


async def endpoint(house: House, name: str = "shop") -> nexus.Endpoint:
    answer = await house.call("CreateNexusEndpoint", spec={"name": name, "target": TARGET})
    made: nexus.Endpoint = answer.endpoint
    return made


async def ask_for_an_operation(house: House, **over: Any) -> None:
    await endpoint(house)
    await house.start()
    attributes = {**SCHEDULE["schedule_nexus_operation_command_attributes"], **over}  # type: ignore[dict-item]
    await house.complete(
        await house.poll(), {**SCHEDULE, "schedule_nexus_operation_command_attributes": attributes}
    )


async def take(house: House, seconds: float = 60) -> Any:
    return await house.call("PollNexusTaskQueue", seconds, task_queue={"name": "nq"}, identity="handler")


async def answer(house: House, task: Any, **start: Any) -> Any:
    response = {"start_operation": start}
    return await house.call("RespondNexusTaskCompleted", task_token=task.task_token, response=response)


async def pending(house: House) -> Any:
    shown = await house.call("DescribeWorkflowExecution", execution={"workflow_id": "w"})
    return shown.pending_nexus_operations


# ---- endpoints ------------------------------------------------------------------------------------------------------------


def test_an_endpoint_is_made_changed_and_deleted() -> None:
    async def scene(house: House) -> None:
        made = await endpoint(house)
        assert made.url_prefix == f"/nexus/endpoints/{made.id}/services"
        spec = {"name": "other", "target": TARGET}
        changed = await house.call("UpdateNexusEndpoint", id=made.id, version=made.version, spec=spec)
        assert (changed.endpoint.version, changed.endpoint.spec.name) == (2, "other")
        stale = await house.refusal("UpdateNexusEndpoint", id=made.id, version=1, spec=spec)
        assert said(stale) == (
            Code.FAILED_PRECONDITION,
            "nexus endpoint version mismatch. received: 1 expected 2",
        )
        await house.call("DeleteNexusEndpoint", id=made.id, version=2)
        assert not (await house.call("ListNexusEndpoints")).endpoints

    on_virtual_time(scene)


def test_endpoints_are_listed_in_pages_and_by_name() -> None:
    async def scene(house: House) -> None:
        for number in range(5):
            await endpoint(house, f"shop-{number}")
        names, token = [], b""
        while True:
            page = await house.call("ListNexusEndpoints", page_size=2, next_page_token=token)
            names += [one.spec.name for one in page.endpoints]
            token = page.next_page_token
            if not token:
                break
        assert sorted(names) == [f"shop-{number}" for number in range(5)]
        [one] = (await house.call("ListNexusEndpoints", name="shop-3")).endpoints
        assert one.spec.name == "shop-3"

    on_virtual_time(scene)


def test_two_nodes_cannot_give_one_name_away() -> None:
    async def scene(house: House) -> None:
        other = House(house.store, house.clock)
        await other.namespaces.load()
        await endpoint(house)
        with pytest.raises(ServiceError, match="already registered"):
            await endpoint(other)
        assert [one.spec.name for one in (await other.call("ListNexusEndpoints")).endpoints] == ["shop"]

    on_virtual_time(scene)


def test_a_target_outside_is_refused_in_plain_words() -> None:
    async def scene(house: House) -> None:
        spec = {"name": "far", "target": {"external": {"url": "https://example.com/x"}}}
        refused = await house.refusal("CreateNexusEndpoint", spec=spec)
        assert refused.code is Code.UNIMPLEMENTED
        assert "external target" in refused.message

    on_virtual_time(scene)


# ---- tasks ----------------------------------------------------------------------------------------------------------------


def test_a_task_says_all_that_a_handler_needs() -> None:
    async def scene(house: House) -> None:
        await ask_for_an_operation(house, start_to_close_timeout={"seconds": 7})
        request = (await take(house)).request
        start = request.start_operation
        assert (request.endpoint, start.service, start.operation) == ("shop", "Shop", "buy")
        assert start.payload.data == b"tea"
        assert request.header["key"] == "value"
        assert request.header["operation-timeout"] == "7000ms"
        assert 0 < int(request.header["request-timeout"].removesuffix("ms")) < 10_000
        assert start.callback == "temporal://system"
        assert "eventID=5&eventType=NexusOperationScheduled" in start.links[0].url

    on_virtual_time(scene)


def test_an_answer_completes_the_operation_once() -> None:
    async def scene(house: House) -> None:
        await ask_for_an_operation(house)
        task = await take(house)
        await answer(house, task, sync_success={"payload": {"data": b"done"}})
        again = await house.refusal("RespondNexusTaskCompleted", task_token=task.task_token)
        assert said(again) == (Code.NOT_FOUND, "Nexus task not found or already expired")
        events = (await house.poll()).history.events
        assert any(event.HasField("nexus_operation_completed_event_attributes") for event in events)

    on_virtual_time(scene)


def test_a_task_that_nobody_takes_is_offered_again_after_a_while() -> None:
    async def scene(house: House) -> None:
        await ask_for_an_operation(house)
        await house.clock.flow(9 * S)
        [shown] = await pending(house)
        assert (shown.state, shown.attempt) == (2, 1)
        assert shown.last_attempt_failure.nexus_handler_failure_info.type == "UPSTREAM_TIMEOUT"
        await house.clock.flow(2 * S)
        assert (await take(house)).task_token

    on_virtual_time(scene)


def test_a_handler_that_dies_loses_its_task_and_another_gets_the_same_request() -> None:
    async def scene(house: House) -> None:
        await ask_for_an_operation(house)
        first = await take(house)
        await house.clock.flow(12 * S)
        gone = await house.refusal("RespondNexusTaskCompleted", task_token=first.task_token)
        assert gone.code is Code.NOT_FOUND
        second = await take(house)
        assert second.request.start_operation.request_id == first.request.start_operation.request_id

    on_virtual_time(scene)


def test_a_poll_that_is_given_up_loses_no_task() -> None:
    async def scene(house: House) -> None:
        poll = house.begin("PollNexusTaskQueue", 60, task_queue={"name": "nq"})
        await house.clock.flow()
        poll.cancel()
        await ask_for_an_operation(house)
        assert (await take(house)).task_token

    on_virtual_time(scene)


def test_what_was_owed_before_a_crash_is_owed_after_it() -> None:
    async def play() -> None:
        disk, clock = MemoryDisk(), ManualClock()
        house = House(MemoryStore(disk), clock)
        await house.open()
        await ask_for_an_operation(house)
        first = await take(house)
        house.shard.crash()
        again = House(MemoryStore(disk), clock)
        await again.open()
        await clock.flow(S)
        second = await take(again)
        assert second.request.start_operation.request_id == first.request.start_operation.request_id
        await answer(again, second, async_success={"operation_token": "token"})
        [shown] = await pending(again)
        assert (shown.state, shown.operation_token) == (3, "token")
        await again.close()

    asyncio.run(play())


def test_the_end_of_a_workflow_reaches_the_operation_that_it_backs() -> None:
    async def scene(house: House) -> None:
        await ask_for_an_operation(house)
        task = await take(house)
        asked = task.request.start_operation
        told = {"nexus": {"url": asked.callback, "header": dict(asked.callback_header)}}
        await house.start("backing", task_queue={"name": "bq"}, completion_callbacks=[told])
        await answer(house, task, async_success={"operation_token": "token"})
        await house.finish(await house.poll("bq"))
        await house.clock.flow()
        events = (await house.poll()).history.events
        assert any(event.HasField("nexus_operation_completed_event_attributes") for event in events)
        shown = await house.call("DescribeWorkflowExecution", execution={"workflow_id": "backing"})
        assert [one.state for one in shown.callbacks] == [5]

    on_virtual_time(scene)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://here/x", "invalid url: url does not match any configured callback address: http://here/x"),
        ("temporal://elsewhere", "invalid url: unknown scheme: temporal://elsewhere"),
        ("https:///x", "invalid url: missing host"),
    ],
)
def test_callbacks_go_to_callers_in_this_service_only(url: str, text: str) -> None:
    async def scene(house: House) -> None:
        refused = await house.refusal(
            "StartWorkflowExecution",
            workflow_id="w",
            workflow_type={"name": "T"},
            task_queue={"name": "q"},
            completion_callbacks=[{"nexus": {"url": url}}],
        )
        assert said(refused) == (Code.INVALID_ARGUMENT, text)

    on_virtual_time(scene)


# ---- words ----------------------------------------------------------------------------------------------------------------


def test_links_are_read_as_they_are_written() -> None:
    by_number = common.Link.WorkflowEvent(namespace="n", workflow_id="w/1", run_id="r")
    by_number.event_ref.event_id = 5
    by_number.event_ref.event_type = enums_event.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED
    by_request = common.Link.WorkflowEvent(namespace="n", workflow_id="w", run_id="r")
    by_request.request_id_ref.request_id = "q"
    by_request.request_id_ref.event_type = enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    for event in (by_number, by_request):
        link = from_nexus(to_nexus(event))
        assert link is not None
        assert link.workflow_event == event
    for url in ("https://x/namespaces/n/workflows/w/r/history", "temporal:///nowhere", "", "temporal://["):
        assert from_nexus(nexus.Link(url=url, type="temporal.api.common.v1.Link.WorkflowEvent")) is None


def test_errors_of_handlers_are_tried_again_by_their_kind_unless_they_say_otherwise() -> None:
    def retryable(kind: str, behavior: int = 0) -> bool:
        error = nexus.HandlerError(error_type=kind, retry_behavior=behavior)  # type: ignore[arg-type]
        return of_failed(ws.RespondNexusTaskFailedRequest(error=error)).retryable

    assert retryable("INTERNAL") and retryable("UNAVAILABLE") and retryable("of no kind")
    assert not retryable("BAD_REQUEST") and not retryable("NOT_FOUND")
    assert retryable("BAD_REQUEST", 1) and not retryable("INTERNAL", 2)


def test_a_token_must_be_there_and_be_short() -> None:
    for token in ("", "t" * 5000):
        response = nexus.Response()
        response.start_operation.async_success.operation_token = token
        with pytest.raises(ValueError, match="token"):
            of_completed(response, cancel=False)
