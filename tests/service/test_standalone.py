"""Activities on their own through the service's door: started, watched, listed, and what outlives a restart."""

from typing import Any

import pytest

from tenuto.service.errors import Code
from tenuto.store.memory import MemoryStore
from tests.service.house import House, S, on_virtual_time, said

RUNNING, COMPLETED, CANCELED, TERMINATED, PAUSED = 1, 2, 4, 5, 7
TERMS = {
    "activity_type": {"name": "Act"},
    "task_queue": {"name": "q"},
    "start_to_close_timeout": {"seconds": 10},
}
RESULT = {"payloads": [{"data": b"5"}]}


async def start(house: House, name: str = "a", **fields: Any) -> Any:
    return await house.call("StartActivityExecution", activity_id=name, **{**TERMS, **fields})


async def poll(house: House) -> Any:
    return await house.call("PollActivityTaskQueue", 60, task_queue={"name": "q"}, identity="me")


async def describe(house: House, name: str = "a", **fields: Any) -> Any:
    return await house.call("DescribeActivityExecution", activity_id=name, **fields)


async def outcome(house: House, name: str = "a", **fields: Any) -> Any:
    return (await house.call("PollActivityExecution", activity_id=name, **fields)).outcome


async def complete(house: House, task: Any) -> None:
    await house.call("RespondActivityTaskCompleted", task_token=task.task_token, result=RESULT)


def test_a_worker_gets_it_as_a_task_without_a_workflow() -> None:
    async def scene(house: House) -> None:
        given = {"payloads": [{"data": b"in"}]}
        started = await start(house, input=given, header={"fields": {"h": {"data": b"x"}}})
        assert started.started and started.link.activity.run_id == started.run_id
        task = await poll(house)
        assert task.activity_run_id == started.run_id and task.activity_id == "a"
        assert not task.workflow_execution.ByteSize() and not task.workflow_type.name
        assert task.input.payloads[0].data == b"in" and task.header.fields["h"].data == b"x"
        await complete(house, task)
        assert (await outcome(house)).result.payloads[0].data == b"5"
        shown = await describe(house, include_input=True, include_outcome=True)
        assert shown.info.status == COMPLETED and shown.info.header.fields["h"].data == b"x"
        assert shown.input.payloads[0].data == b"in" and shown.outcome.result.payloads[0].data == b"5"

    on_virtual_time(scene)


def test_who_waits_for_the_outcome_hears_of_it_at_once_or_is_told_to_ask_again() -> None:
    async def scene(house: House) -> None:
        run_id = (await start(house)).run_id
        waiting = house.begin("PollActivityExecution", 30, activity_id="a")
        await house.clock.flow(25 * S)
        assert not (await waiting).HasField("outcome")
        waiting = house.begin("PollActivityExecution", 30, activity_id="a")
        await house.clock.flow(S)
        assert not waiting.done()
        await complete(house, await poll(house))
        await house.clock.flow()
        answer = await waiting
        assert answer.run_id == run_id and answer.outcome.result.payloads[0].data == b"5"

    on_virtual_time(scene)


def test_a_description_can_be_waited_for_until_something_changes() -> None:
    async def scene(house: House) -> None:
        shown = await describe(house, run_id=(await start(house)).run_id)
        known = {"activity_id": "a", "run_id": shown.run_id, "long_poll_token": shown.long_poll_token}
        waiting = house.begin("DescribeActivityExecution", 30, **known)
        await house.clock.flow(25 * S)
        assert not (await waiting).run_id
        waiting = house.begin("DescribeActivityExecution", 30, **known)
        await house.clock.flow(S)
        assert not waiting.done()
        await poll(house)
        await house.clock.flow()
        assert (await waiting).info.run_state == 2
        bad = await house.refusal("DescribeActivityExecution", **{**known, "run_id": ""})
        assert said(bad) == (
            Code.INVALID_ARGUMENT,
            "run id is required when long poll token is provided",
        )
        bad = await house.refusal("DescribeActivityExecution", **{**known, "long_poll_token": b"junk"})
        assert said(bad) == (Code.INVALID_ARGUMENT, "invalid long poll token")

    on_virtual_time(scene)


def test_it_is_reported_on_by_its_id_when_no_workflow_is_named() -> None:
    async def scene(house: House) -> None:
        await start(house, "workflow-less")
        await start(house, "a")
        await poll(house), await poll(house)
        await house.call("RequestCancelActivityExecution", activity_id="a")
        assert (await house.call("RecordActivityTaskHeartbeatById", activity_id="a")).cancel_requested
        await house.call("RespondActivityTaskCanceledById", activity_id="a")
        assert (await describe(house)).info.status == CANCELED
        await house.call("RespondActivityTaskCompletedById", activity_id="workflow-less", result=RESULT)
        assert (await describe(house, "workflow-less")).info.status == COMPLETED
        for method in ("RecordActivityTaskHeartbeatById", "RespondActivityTaskFailedById"):
            refused = await house.refusal(method, activity_id="none")
            assert said(refused) == (Code.NOT_FOUND, "activity not found for ID: none")

    on_virtual_time(scene)


def test_ids_of_activities_and_of_workflows_do_not_meet() -> None:
    async def scene(house: House) -> None:
        await house.start("a")
        await start(house, "a")
        await house.call("TerminateActivityExecution", activity_id="a", reason="enough")
        shown = await house.call("DescribeWorkflowExecution", execution={"workflow_id": "a"})
        assert shown.workflow_execution_info.status == 1
        assert (await outcome(house)).failure.message == "enough"

    on_virtual_time(scene)


def test_operators_reach_it_without_naming_a_workflow() -> None:
    async def scene(house: House) -> None:
        await start(house)
        await house.call("PauseActivityExecution", activity_id="a")
        assert (await describe(house)).info.status == PAUSED
        (entry,) = (await house.call("ListActivityExecutions")).executions
        assert entry.status == PAUSED and not entry.search_attributes.indexed_fields
        await house.call("UnpauseActivityExecution", activity_id="a")
        await house.call("ResetActivityExecution", activity_id="a")
        changed = await house.call(
            "UpdateActivityExecutionOptions",
            activity_id="a",
            activity_options={"start_to_close_timeout": {"seconds": 33}},
            update_mask={"paths": ["start_to_close_timeout"]},
        )
        assert changed.activity_options.start_to_close_timeout.seconds == 33
        assert (await describe(house)).info.start_to_close_timeout.seconds == 33
        bad = await house.refusal("UnpauseActivityExecution", activity_id="a", jitter={"seconds": -1})
        assert said(bad) == (Code.INVALID_ARGUMENT, "invalid jitter: negative duration")

    on_virtual_time(scene)


def test_lists_and_counts_know_them_and_workflow_lists_do_not() -> None:
    async def scene(house: House) -> None:
        await house.start("w")
        for number in range(5):
            kind = "Odd" if number % 2 else "Even"
            await start(house, f"a{number}", activity_type={"name": kind})
            await house.clock.flow(S)
        await house.call("TerminateActivityExecution", activity_id="a3")

        async def ids(query: str) -> list[str]:
            page = await house.call("ListActivityExecutions", query=query, page_size=2)
            found = [one.activity_id for one in page.executions]
            while page.next_page_token:
                page = await house.call(
                    "ListActivityExecutions", query=query, page_size=2, next_page_token=page.next_page_token
                )
                found += [one.activity_id for one in page.executions]
            return found

        assert await ids("") == ["a4", "a2", "a1", "a0", "a3"]
        assert await ids("ActivityType = 'Odd'") == ["a1", "a3"]
        assert await ids("ActivityId = 'a2'") == ["a2"]
        assert await ids("ActivityId STARTS_WITH 'a' AND ExecutionStatus = 'Terminated'") == ["a3"]
        assert await ids("StartTime > '2020-01-01T00:00:00Z'") == await ids("")
        assert await ids("CloseTime > '2020-01-01T00:00:00Z'") == ["a3"]
        assert await ids("WorkflowId = 'a2'") == []
        either = "ActivityType = 'Even' AND (ActivityId = 'a0' OR ActivityId = 'a1' OR ActivityId = 'a4')"
        assert await ids(either) == ["a4", "a0"]
        assert (await house.call("CountActivityExecutions")).count == 5
        assert (await house.call("CountActivityExecutions", query="ActivityType = 'Even'")).count == 3
        grouped = await house.call("CountActivityExecutions", query="GROUP BY ExecutionStatus")
        assert [(g.group_values[0].data, g.count) for g in grouped.groups] == [
            (b'"Running"', 4),
            (b'"Terminated"', 1),
        ]
        workflows = await house.call("ListWorkflowExecutions")
        assert [one.execution.workflow_id for one in workflows.executions] == ["w"]
        assert (await house.call("CountWorkflowExecutions")).count == 1
        (entry,) = (await house.call("ListActivityExecutions", query="ActivityId = 'a3'")).executions
        assert entry.activity_type.name == "Odd" and entry.task_queue == "q" and entry.close_time.seconds

    on_virtual_time(scene)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("Nonsense = 'x'", "invalid query: invalid search attribute: Nonsense"),
        (
            "ExecutionStatus = 1",
            "invalid query: invalid expression: invalid value type for search attribute ExecutionStatus of type Keyword: 1",
        ),
        (
            "StartTime > 'soon'",
            "invalid query: invalid expression: invalid value for search attribute StartTime of type Datetime: 'soon'",
        ),
    ],
)
def test_queries_that_mean_nothing_are_refused(query: str, text: str) -> None:
    async def scene(house: House) -> None:
        for method in ("ListActivityExecutions", "CountActivityExecutions"):
            assert said(await house.refusal(method, query=query)) == (Code.INVALID_ARGUMENT, text)

    on_virtual_time(scene)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"activity_id": ""}, "activityId is not set"),
        ({"activity_type": {"name": ""}}, "activityType is not set"),
        ({"task_queue": {"name": ""}}, "missing task queue name"),
        (
            {"start_to_close_timeout": {}},
            "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity."
            " ActivityId=a ActivityType=Act",
        ),
        ({"start_to_close_timeout": {"seconds": -1}}, "invalid StartToCloseTimeout: negative duration"),
        (
            {"retry_policy": {"maximum_attempts": -1}},
            "MaximumAttempts cannot be negative on retry policy.",
        ),
        ({"start_delay": {"seconds": -1}}, "invalid StartDelay: negative duration"),
        ({"priority": {"priority_key": -1}}, "invalid priorities: priority key can't be negative"),
        ({"request_id": "x" * 1001}, "request ID exceeds length limit. Length=1001 Limit=1000"),
        ({"id_reuse_policy": 7}, "unsupported ID reuse policy: 7"),
        ({"id_conflict_policy": 7}, "unsupported ID conflict policy: 7"),
        (
            {"completion_callbacks": [{"nexus": {"url": "http://x"}}]},
            "completion callbacks are not enabled for this namespace",
        ),
    ],
)
def test_starts_that_make_no_sense_are_refused(fields: dict[str, Any], text: str) -> None:
    async def scene(house: House) -> None:
        given = {"activity_id": "a", **TERMS, **fields}
        refused = await house.refusal("StartActivityExecution", **given)
        assert said(refused) == (Code.INVALID_ARGUMENT, text)

    on_virtual_time(scene)


def test_what_is_running_goes_on_after_a_restart_and_what_is_over_stays_so() -> None:
    store = MemoryStore()
    kept: dict[str, Any] = {}

    async def before(house: House) -> None:
        await start(house, "done")
        await complete(house, await poll(house))
        kept["done"] = await describe(house, "done", include_outcome=True)
        await start(house, "held")
        kept["task"] = await poll(house)
        await start(house, "waits", start_delay={"seconds": 5})

    async def after(house: House) -> None:
        assert await describe(house, "done", include_outcome=True) == kept["done"]
        assert await outcome(house, "done") == kept["done"].outcome
        await complete(house, kept["task"])
        assert (await describe(house, "held")).info.status == COMPLETED
        await house.clock.flow(6 * S)
        assert (await poll(house)).activity_id == "waits"

    on_virtual_time(before, store)
    on_virtual_time(after, store)


def test_one_that_is_over_is_forgotten_when_its_namespace_keeps_it_no_longer() -> None:
    async def scene(house: House) -> None:
        await start(house)
        await complete(house, await poll(house))
        await house.clock.flow(5 * 24 * 3600 * S)
        refused = await house.refusal("DescribeActivityExecution", activity_id="a")
        assert said(refused) == (Code.NOT_FOUND, "activity not found for ID: a")
        assert (await house.call("CountActivityExecutions")).count == 0

    on_virtual_time(scene)


def test_an_older_run_is_still_told_of_by_its_run_id() -> None:
    async def scene(house: House) -> None:
        first = await start(house)
        await complete(house, await poll(house))
        second = await start(house)
        assert second.run_id != first.run_id
        older = await describe(house, run_id=first.run_id, include_outcome=True, include_input=True)
        assert older.info.status == COMPLETED and older.outcome.HasField("result")
        assert (await describe(house)).info.status == RUNNING
        assert (await outcome(house, run_id=first.run_id)).HasField("result")
        await house.call("DeleteActivityExecution", activity_id="a", run_id=first.run_id)
        refused = await house.refusal("DescribeActivityExecution", activity_id="a", run_id=first.run_id)
        assert refused.code is Code.NOT_FOUND
        assert (await describe(house)).run_id == second.run_id
        await house.call("DeleteActivityExecution", activity_id="a")
        assert (await house.refusal("DescribeActivityExecution", activity_id="a")).code is Code.NOT_FOUND

    on_virtual_time(scene)
