"""Activities that are finished from elsewhere."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tenuto.client import AsyncActivityCancelledError, AsyncActivityHandle, Client
from tenuto.exceptions import ApplicationError
from tenuto.transport.errors import RPCError, RPCStatusCode
from tests.client.house import Desk, at_a_desk, cancelled, schedule_activity

Way = Callable[[Client, Any], AsyncActivityHandle]
WAYS: list[Way] = [
    lambda client, task: client.get_async_activity_handle(task_token=task.task_token),
    lambda client, task: client.get_async_activity_handle(workflow_id="w", activity_id="a"),
]
both = pytest.mark.parametrize("way", WAYS, ids=["by token", "by id"])


async def _begun(desk: Desk) -> Any:
    await desk.client.start_workflow("T", id="w")
    await desk.answer(await desk.task(), await schedule_activity("charge"))
    return await desk.activity()


async def _last(desk: Desk, attributes: str) -> Any:
    task = await desk.task()
    (found,) = [getattr(event, attributes) for event in task.history.events if event.HasField(attributes)]  # type: ignore[arg-type]
    return found


@both
def test_it_heartbeats_and_completes(way: Way) -> None:
    async def scene(desk: Desk) -> None:
        handle = way(desk.client, await _begun(desk))
        await handle.heartbeat("half")
        await handle.complete({"ok": True})
        found = await _last(desk, "activity_task_completed_event_attributes")
        assert [payload.data for payload in found.result.payloads] == [b'{"ok":true}']
        with pytest.raises(RPCError) as caught:
            await handle.heartbeat()
        assert caught.value.status is RPCStatusCode.NOT_FOUND

    at_a_desk(scene)


@both
def test_it_fails(way: Way) -> None:
    async def scene(desk: Desk) -> None:
        handle = way(desk.client, await _begun(desk))
        await handle.fail(ApplicationError("no", type="No", non_retryable=True), last_heartbeat_details=[1])
        found = await _last(desk, "activity_task_failed_event_attributes")
        assert found.failure.message == "no"
        assert found.failure.application_failure_info.type == "No"

    at_a_desk(scene)


@both
def test_it_learns_of_its_cancellation_from_a_heartbeat(way: Way) -> None:
    async def scene(desk: Desk) -> None:
        handle = way(desk.client, await _begun(desk))
        await desk.client.get_workflow_handle("w").cancel()
        task = await desk.task()
        await desk.answer(task, await _cancel_activity(task))
        with pytest.raises(AsyncActivityCancelledError) as caught:
            await handle.heartbeat()
        assert caught.value.details is not None
        assert caught.value.details.cancel_requested
        await handle.report_cancellation("bye")
        task = await desk.task()
        assert any(event.HasField("activity_task_canceled_event_attributes") for event in task.history.events)
        await desk.answer(task, await cancelled())

    at_a_desk(scene)


async def _cancel_activity(task: Any) -> Any:
    from tenuto.wire import command, enums_command

    (scheduled,) = [
        event.event_id
        for event in task.history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    made: Any = command.Command
    return made(
        command_type=enums_command.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK,
        request_cancel_activity_task_command_attributes={"scheduled_event_id": scheduled},
    )


def test_a_handle_needs_a_token_or_ids_but_not_both() -> None:
    async def scene(desk: Desk) -> None:
        get = desk.client.get_async_activity_handle
        with pytest.raises(ValueError, match="must be present"):
            get(workflow_id="w")
        with pytest.raises(ValueError, match="cannot be present with other"):
            get(workflow_id="w", task_token=b"x")
        await asyncio.sleep(0)

    at_a_desk(scene)
