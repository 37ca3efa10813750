"""Lists: of workflows by plain filters, of workers, and of what waits in queues."""

from typing import Any

import pytest

from tenuto.service.errors import Code
from tenuto.service.filters import conjunction
from tests.service.house import House, S, on_virtual_time, said


async def three(house: House) -> None:
    """One open workflow and two closed ones."""
    for name in ("done", "stopped", "open"):
        await house.start(name, task_queue={"name": name}, workflow_type={"name": f"T and {name}"})
        await house.clock.flow(S)
    await house.finish(await house.poll("done"))
    await house.call("TerminateWorkflowExecution", workflow_execution={"workflow_id": "stopped"})


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"done", "stopped", "open"}),
        ("WorkflowId = 'done'", {"done"}),
        ("WorkflowType = 'T and open'", {"open"}),
        ("`WorkflowType` = \"T and open\" AND ExecutionStatus='Running'", {"open"}),
        ("ExecutionStatus IN ('Completed', 'Terminated')", {"done", "stopped"}),
        ("ExecutionStatus = 1", {"open"}),
        ("(WorkflowId = 'done') and (ExecutionStatus = 'Completed')", {"done"}),
        ("WorkflowId = 'done' AND ExecutionStatus = 'Running'", set()),
    ],
)
def test_plain_filters_find_workflows(query: str, names: set[str]) -> None:
    async def scene(house: House) -> None:
        await three(house)
        page = await house.call("ListWorkflowExecutions", query=query)
        assert {one.execution.workflow_id for one in page.executions} == names
        counted = await house.call("CountWorkflowExecutions", query=query)
        assert counted.count == len(names)

    on_virtual_time(scene)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("Foo = 1", "invalid search attribute: Foo"),
        ("WorkflowId = ", "malformed SQL query: syntax error at position 40"),
        ("x y z", "malformed SQL query: syntax error at position 31 near 'y'"),
        ("ORDER BY StartTime", "operation is not supported: 'ORDER BY' clause"),
        ("WorkflowId = 'a' LIMIT 1", "operation is not supported: 'LIMIT' clause"),
        (
            "WorkflowId = w1",
            "invalid expression: column name on the right side of comparison expression "
            '(did you forget to quote "w1"?)',
        ),
        ("ExecutionStatus = 'running'", "invalid expression: invalid ExecutionStatus value 'running'"),
    ],
)
def test_a_query_that_cannot_be_answered_says_so(query: str, text: str) -> None:
    async def scene(house: House) -> None:
        error = await house.refusal("ListWorkflowExecutions", query=query)
        if "position 40" in text:
            assert error.message.startswith("invalid query: malformed SQL query: syntax error")
        else:
            assert said(error) == (Code.INVALID_ARGUMENT, f"invalid query: {text}")

    on_virtual_time(scene)


def test_text_in_a_query_keeps_its_quotes_and_words() -> None:
    (term,) = conjunction("WorkflowId = 'it''s and or (x)'")
    assert term.values == ("it's and or (x)",) and term.quoted


def test_pages_of_a_list_follow_one_another() -> None:
    async def scene(house: House) -> None:
        for n in range(5):
            await house.start(f"w{n}")
            await house.clock.flow(S)
        seen: list[str] = []
        token = b""
        while True:
            page = await house.call("ListWorkflowExecutions", page_size=2, next_page_token=token)
            seen += [one.execution.workflow_id for one in page.executions]
            token = page.next_page_token
            if not token:
                break
        assert seen == ["w4", "w3", "w2", "w1", "w0"]

    on_virtual_time(scene)


def test_counts_can_be_grouped_by_status() -> None:
    async def scene(house: House) -> None:
        await three(house)
        counted = await house.call("CountWorkflowExecutions", query="GROUP BY ExecutionStatus")
        groups = {one.group_values[0].data: one.count for one in counted.groups}
        assert groups == {b'"Running"': 1, b'"Completed"': 1, b'"Terminated"': 1} and counted.count == 3

    on_virtual_time(scene)


def test_workers_are_known_by_their_heartbeats_for_five_minutes() -> None:
    async def scene(house: House) -> None:
        beat: dict[str, Any] = {"worker_instance_key": "k1", "worker_identity": "me", "task_queue": "q"}
        await house.call("RecordWorkerHeartbeat", worker_heartbeat=[beat])
        listed = await house.call("ListWorkers", query="TaskQueue = 'q' AND WorkerIdentity STARTS_WITH 'm'")
        assert [one.worker_instance_key for one in listed.workers] == ["k1"]
        assert not (await house.call("ListWorkers", query="TaskQueue != 'q'")).workers
        assert (await house.call("CountWorkers")).count == 1
        told = await house.call("DescribeWorker", worker_instance_key="k1")
        assert told.worker_info.worker_heartbeat.worker_identity == "me"
        await house.clock.flow(301 * S)
        error = await house.refusal("DescribeWorker", worker_instance_key="k1")
        assert said(error) == (Code.NOT_FOUND, "Worker k1 not found")

    on_virtual_time(scene)


def test_a_queue_tells_what_waits_and_who_polls() -> None:
    async def scene(house: House) -> None:
        await house.start()
        await house.start("w2")
        await house.poll()
        await house.clock.flow(S)
        told = await house.call("DescribeTaskQueue", task_queue={"name": "q"}, report_stats=True)
        assert [one.identity for one in told.pollers] == ["me"]
        assert told.stats.approximate_backlog_count == 1
        assert told.versioning_info.current_version == "__unversioned__"

    on_virtual_time(scene)


def test_limits_on_a_queue_are_set_and_taken_back() -> None:
    async def scene(house: House) -> None:
        def limit(**fields: Any) -> Any:
            return house.call("UpdateTaskQueueConfig", task_queue="q", task_queue_type=2, **fields)

        rate = {"rate_limit": {"requests_per_second": 5}, "reason": "slow"}
        told = await limit(update_queue_rate_limit=rate, set_fairness_weight_overrides={"a": 2})
        assert told.config.queue_rate_limit.rate_limit.requests_per_second == 5
        assert dict(told.config.fairness_weight_overrides) == {"a": 2}
        told = await limit(update_queue_rate_limit={}, unset_fairness_weight_overrides=["a"])
        assert not told.config.queue_rate_limit.HasField("rate_limit")
        assert not told.config.fairness_weight_overrides
        error = await house.refusal(
            "UpdateTaskQueueConfig",
            task_queue="q",
            task_queue_type=2,
            update_queue_rate_limit={"rate_limit": {"requests_per_second": -1}},
        )
        text = "RequestsPerSecond for UpdateQueueRateLimit rate limit must be non-negative."
        assert said(error) == (Code.INVALID_ARGUMENT, text)

    on_virtual_time(scene)
