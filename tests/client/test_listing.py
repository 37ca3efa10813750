"""Lists, counts and histories, as a caller sees them."""

import json

import pytest

from tenuto.client import WorkflowExecutionStatus, WorkflowHistory, WorkflowHistoryEventFilterType
from tests.client.house import Desk, at_a_desk, complete


async def _three(desk: Desk) -> None:
    for name in "abc":
        await desk.client.start_workflow("T", id=name, memo={"name": name})
    await desk.client.get_workflow_handle("a").terminate()


def test_a_list_is_fetched_page_by_page() -> None:
    async def scene(desk: Desk) -> None:
        await _three(desk)
        rows = [row async for row in desk.client.list_workflows(page_size=2)]
        assert sorted(row.id for row in rows) == ["a", "b", "c"]
        assert {row.id: await row.memo_value("name") for row in rows} == {"a": "a", "b": "b", "c": "c"}
        pages = desk.client.list_workflows(page_size=2)
        before = pages.current_page
        assert before is None
        await pages.fetch_next_page()
        assert len(pages.current_page or ()) == 2
        assert pages.next_page_token
        rest = desk.client.list_workflows(next_page_token=pages.next_page_token)
        assert len([row async for row in rest]) == 1

    at_a_desk(scene)


def test_a_list_may_be_cut_and_narrowed() -> None:
    async def scene(desk: Desk) -> None:
        await _three(desk)
        assert len([row async for row in desk.client.list_workflows(limit=2)]) == 2
        assert [row async for row in desk.client.list_workflows(limit=0)] == []
        (ended,) = [row async for row in desk.client.list_workflows("ExecutionStatus = 'Terminated'")]
        assert ended.id == "a"
        assert ended.status is WorkflowExecutionStatus.TERMINATED
        assert ended.close_time is not None

    at_a_desk(scene)


def test_a_count_may_be_grouped() -> None:
    async def scene(desk: Desk) -> None:
        await _three(desk)
        assert (await desk.client.count_workflows()).count == 3
        grouped = await desk.client.count_workflows("GROUP BY ExecutionStatus")
        assert {tuple(group.group_values): group.count for group in grouped.groups} == {
            ("Running",): 2,
            ("Terminated",): 1,
        }

    at_a_desk(scene)


def test_a_history_survives_json_in_every_spelling() -> None:
    async def scene(desk: Desk) -> None:
        handle = await desk.client.start_workflow("T", "input", id="h")
        await desk.answer(await desk.task(), await complete("out"))
        whole = await handle.fetch_history()
        assert whole.run_id == handle.result_run_id
        assert WorkflowHistory.from_json("h", whole.to_json()) == whole
        assert WorkflowHistory.from_json("h", whole.to_json_dict()) == whole
        bare = whole.to_json_dict()["events"]
        assert list(WorkflowHistory.from_json("h", json.dumps(bare)).events) == list(whole.events)
        older = json.loads(whole.to_json())
        for event in older["events"]:
            words = event["eventType"].removeprefix("EVENT_TYPE_").split("_")
            event["eventType"] = "".join(word.capitalize() for word in words)
            event["aFieldOfTomorrow"] = 1
        assert WorkflowHistory.from_json("h", older) == whole
        snake = {"events": [{"event_id": "1", "event_type": "workflow_execution_started"}]}
        assert WorkflowHistory.from_json("h", snake).events[0].event_type == 1

    at_a_desk(scene)


@pytest.mark.parametrize("text", ["5", '{"events": 3}', '{"events": [{"eventId": "x"}]}'])
def test_what_is_no_history_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        WorkflowHistory.from_json("h", text)


def test_the_close_of_a_history_may_be_waited_for() -> None:
    async def scene(desk: Desk) -> None:
        handle = await desk.client.start_workflow("T", id="h")
        await desk.answer(await desk.task(), await complete("out"))
        events = handle.fetch_history_events(
            wait_new_event=True, event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT
        )
        (close,) = [event async for event in events]
        assert close.HasField("workflow_execution_completed_event_attributes")
        paged = [event.event_id async for event in handle.fetch_history_events(page_size=1)]
        assert paged == list(range(1, len(paged) + 1))

    at_a_desk(scene)


def test_a_list_becomes_histories() -> None:
    async def scene(desk: Desk) -> None:
        await _three(desk)
        histories = [each async for each in desk.client.list_workflows().map_histories()]
        assert sorted(each.workflow_id for each in histories) == ["a", "b", "c"]
        assert all(each.events for each in histories)

    at_a_desk(scene)
