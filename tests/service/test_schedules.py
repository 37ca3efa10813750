"""Schedules through the service's door: what is refused, what lists show, what outlives a restart."""

from typing import Any

import pytest

from tenuto.service.errors import Code
from tenuto.store.memory import MemoryStore
from tests.service.house import House, S, on_virtual_time

START = {"workflow_id": "wf", "workflow_type": {"name": "T"}, "task_queue": {"name": "q"}}


def plan(every: int = 3600, **fields: Any) -> dict[str, Any]:
    spec = {"interval": [{"interval": {"seconds": every}}]}
    return {"spec": spec, "action": {"start_workflow": START}, **fields}


async def create(house: House, name: str, **fields: Any) -> Any:
    return await house.call(
        "CreateSchedule", schedule_id=name, request_id=name, **{"schedule": plan(), **fields}
    )


async def workflows(house: House, query: str = "") -> list[str]:
    page = await house.call("ListWorkflowExecutions", query=query, page_size=2)
    found = [one.execution.workflow_id for one in page.executions]
    while page.next_page_token:
        page = await house.call(
            "ListWorkflowExecutions", query=query, page_size=2, next_page_token=page.next_page_token
        )
        found += [one.execution.workflow_id for one in page.executions]
    return found


def test_schedules_do_not_show_among_workflows_unless_asked_for() -> None:
    async def scene(house: House) -> None:
        for number in range(5):
            await house.start(f"w{number}")
            await create(house, f"s{number}")
            await house.clock.flow(S)
        assert sorted(await workflows(house)) == [f"w{number}" for number in range(5)]
        assert (await house.call("CountWorkflowExecutions")).count == 5
        hidden = "TemporalNamespaceDivision = 'TemporalScheduler'"
        assert len(await workflows(house, hidden)) == 5
        assert (await house.call("CountWorkflowExecutions", query=hidden)).count == 5
        grouped = await house.call("CountWorkflowExecutions", query="GROUP BY ExecutionStatus")
        assert grouped.count == 5

    on_virtual_time(scene)


def test_schedules_are_listed_in_pages_without_those_deleted() -> None:
    async def scene(house: House) -> None:
        for number in range(5):
            await create(house, f"s{number}", schedule=plan(state={"paused": number == 3}))
            await house.clock.flow(S)
        await house.call("DeleteSchedule", schedule_id="s1")
        page = await house.call("ListSchedules", maximum_page_size=3)
        found = [entry.schedule_id for entry in page.schedules]
        assert found == ["s4", "s3", "s2"] and page.schedules[1].info.paused
        page = await house.call("ListSchedules", maximum_page_size=3, next_page_token=page.next_page_token)
        assert [entry.schedule_id for entry in page.schedules] == ["s0"] and not page.next_page_token
        assert (await house.call("CountSchedules")).count == 4
        assert (await house.call("CountSchedules", query="TemporalSchedulePaused = true")).count == 1
        assert (await house.call("CountSchedules", query="ScheduleId != 's0'")).count == 3

    on_virtual_time(scene)


def test_a_schedule_that_rests_does_not_promise_what_is_over() -> None:
    async def scene(house: House) -> None:
        await create(house, "s", schedule=plan(10, state={"paused": True}))
        await house.clock.flow(25 * S)
        (entry,) = (await house.call("ListSchedules")).schedules
        assert len(entry.info.future_action_times) == 3

    on_virtual_time(scene)


def test_what_a_schedules_workflows_are_to_be_found_by_is_shown_with_its_type() -> None:
    async def scene(house: House) -> None:
        await house.call("AddSearchAttributes", search_attributes={"Colour": 2})
        red = {"metadata": {"encoding": b"json/plain"}, "data": b'"red"'}
        start = {**START, "search_attributes": {"indexed_fields": {"Colour": red}}}
        await create(house, "s", schedule=plan(action={"start_workflow": start}))
        shown = (await house.call("DescribeSchedule", schedule_id="s")).schedule.action.start_workflow
        assert shown.search_attributes.indexed_fields["Colour"].metadata["type"] == b"Keyword"

    on_virtual_time(scene)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("Nope = 1", "invalid query: invalid search attribute: Nope"),
        ("WorkflowId = 'a'", 'invalid query filter for schedules: cannot filter on "WorkflowId"'),
    ],
)
def test_schedules_are_found_by_their_own_attributes_only(query: str, text: str) -> None:
    async def scene(house: House) -> None:
        refused = await house.refusal("ListSchedules", query=query)
        assert (refused.code, refused.message) == (Code.INVALID_ARGUMENT, text)

    on_virtual_time(scene)


def test_a_page_of_schedules_continues_only_with_a_token_that_was_handed_out() -> None:
    async def scene(house: House) -> None:
        assert (await house.refusal("ListSchedules", next_page_token=b"x")).code is Code.INVALID_ARGUMENT

    on_virtual_time(scene)


def test_a_workflow_starts_when_its_time_has_come_and_the_next_when_it_is_over() -> None:
    async def scene(house: House) -> None:
        await create(house, "s", schedule=plan(10, policies={"overlap_policy": 2}))
        await house.clock.flow(11 * S)
        first = await house.poll()
        await house.clock.flow(20 * S)
        info = (await house.call("DescribeSchedule", schedule_id="s")).info
        assert (info.action_count, info.buffer_size, info.overlap_skipped) == (1, 1, 1)
        await house.call("TerminateWorkflowExecution", workflow_execution=first.workflow_execution)
        await house.clock.flow(S // 10)
        second = await house.poll()
        assert second.workflow_execution.workflow_id != first.workflow_execution.workflow_id

    on_virtual_time(scene)


def test_a_schedule_goes_on_where_another_node_left_it() -> None:
    store = MemoryStore()

    async def before(house: House) -> None:
        await create(house, "s", schedule=plan(10, policies={"overlap_policy": 6}))
        await house.clock.flow(25 * S)

    async def after(house: House) -> None:
        await house.clock.flow(1000 * S)
        shown = await house.call("DescribeSchedule", schedule_id="s")
        times = [one.schedule_time.seconds for one in shown.info.recent_actions]
        assert shown.info.action_count >= 100
        assert times == [times[0] + 10 * number for number in range(10)]
        assert len(set(await workflows(house))) == shown.info.action_count

    on_virtual_time(before, store)
    on_virtual_time(after, store)
