"""Starts that are refused before the engine sees them, in the words clients know."""

from typing import Any

import pytest

from tenuto.service.errors import Code
from tests.service.house import House, on_virtual_time, said

LONG = "x" * 1001
NEGATIVE = {"seconds": -1}
BIG = {"payloads": [{"data": b"x" * (2 * 1024 * 1024 + 5)}]}
LINK = {"workflow_event": {"namespace": "default", "workflow_id": "a", "run_id": "b"}}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"namespace": ""}, "Namespace is empty."),
        ({"namespace": LONG}, "Namespace length exceeds limit."),
        ({"workflow_id": ""}, "WorkflowId is not set on request."),
        ({"workflow_id": LONG}, "WorkflowId exceeds maximum allowed length (1001/1000)"),
        ({"workflow_type": None}, "WorkflowType is not set on request."),
        ({"workflow_type": {"name": LONG}}, "WorkflowType length exceeds limit."),
        ({"task_queue": None}, "taskQueue is not set"),
        ({"task_queue": {"name": ""}}, "missing task queue name"),
        ({"task_queue": {"name": LONG}}, "taskQueue length exceeds limit"),
        ({"task_queue": {"name": "/_sys/q"}}, "task queue name cannot start with reserved prefix /_sys/"),
        ({"request_id": LONG}, "RequestId length exceeds limit."),
        (
            {"workflow_run_timeout": NEGATIVE},
            "An invalid WorkflowRunTimeoutSeconds is set on request. cause: negative duration",
        ),
        (
            {"workflow_run_timeout": {"seconds": 1, "nanos": -5}},
            "An invalid WorkflowRunTimeoutSeconds is set on request. cause: duration has seconds and nanos with "
            "different signs",
        ),
        (
            {"workflow_start_delay": NEGATIVE},
            "An invalid WorkflowStartDelaySeconds is set on request. cause: negative duration",
        ),
        ({"cron_schedule": "nonsense"}, "invalid CronSchedule."),
        (
            {"cron_schedule": "0 0 31 2 *"},
            "invalid CronSchedule, no time can be found to satisfy the schedule",
        ),
        (
            {"cron_schedule": "* * * * *", "workflow_start_delay": {}},
            "CronSchedule and WorkflowStartDelay may not be used together.",
        ),
        (
            {"retry_policy": {"backoff_coefficient": 0.5}},
            "BackoffCoefficient cannot be less than 1 on retry policy.",
        ),
        (
            {"on_conflict_options": {"attach_completion_callbacks": True}},
            "attaching request ID is required for attaching completion callbacks",
        ),
        ({"priority": {"priority_key": -1}}, "priority key can't be negative"),
        ({"links": [LINK] * 11}, "cannot attach more than 10 links per request, got 11"),
        ({"links": [{}]}, "unsupported link variant"),
        ({"input": BIG}, "Blob data size exceeds limit."),
        ({"memo": {"fields": {"m": {"data": b"x" * (2 * 1024 * 1024 + 5)}}}}, "Memo size exceeds limit."),
    ],
)
def test_a_bad_start_is_an_invalid_argument(fields: dict[str, Any], text: str) -> None:
    async def scene(house: House) -> None:
        wanted = {"workflow_type": {"name": "T"}, "task_queue": {"name": "q"}, "workflow_id": "w", **fields}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        error = await house.refusal("StartWorkflowExecution", **wanted)
        assert said(error) == (Code.INVALID_ARGUMENT, text)

    on_virtual_time(scene)


def attributes(**values: bytes) -> dict[str, Any]:
    payload = {
        name: {"metadata": {"encoding": b"json/plain"}, "data": value} for name, value in values.items()
    }
    return {"indexed_fields": payload}


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("Kw", b"1", "1"),
        ("Kw", b'{"a":1}', "map[a:1]"),
        ("In", b"1.5", "1.5"),
        ("In", b'"1"', "1"),
        ("In", b"true", "true"),
        ("Do", b'"1"', "1"),
        ("Bo", b"1", "1"),
        ("Da", b'"2024-01-01"', "2024-01-01"),
        ("Li", b'"a"', "a"),
        ("Li", b"[1]", "[1]"),
        ("Te", b"5", "5"),
    ],
)
def test_a_search_attribute_must_fit_its_type(kind: str, value: bytes, shown: str) -> None:
    types = {"Te": "Text", "Kw": "Keyword", "In": "Int", "Do": "Double", "Bo": "Bool"} | {
        "Da": "Datetime",
        "Li": "KeywordList",
    }
    numbers = {name: n for n, name in enumerate(types, 1)}

    async def scene(house: House) -> None:
        await house.call("AddSearchAttributes", search_attributes=numbers)
        error = await house.refusal(
            "StartWorkflowExecution",
            workflow_id="w",
            workflow_type={"name": "T"},
            task_queue={"name": "q"},
            search_attributes=attributes(**{kind: value}),
        )
        text = f"invalid value for search attribute {kind} of type {types[kind]}: {shown}"
        assert said(error) == (Code.INVALID_ARGUMENT, text)

    on_virtual_time(scene)


def test_a_search_attribute_gets_its_type_in_history() -> None:
    async def scene(house: House) -> None:
        await house.call("AddSearchAttributes", search_attributes={"Kw": 2})
        await house.start(search_attributes=attributes(Kw=b'"v"'))
        page = await house.call("GetWorkflowExecutionHistory", execution={"workflow_id": "w"})
        payload = page.history.events[0].workflow_execution_started_event_attributes.search_attributes
        assert payload.indexed_fields["Kw"].metadata["type"] == b"Keyword"

    on_virtual_time(scene)


def test_a_request_is_never_changed_in_place() -> None:
    from tenuto.service.call import Call
    from tenuto.wire import workflowservice as ws

    async def scene(house: House) -> None:
        request = ws.StartWorkflowExecutionRequest(namespace="default", workflow_id="w")
        request.workflow_type.name, request.task_queue.name = "T", "q"
        before = request.SerializeToString()
        await house.service.call("StartWorkflowExecution", request, Call())
        assert request.SerializeToString() == before

    on_virtual_time(scene)


def test_a_repeated_start_is_one_start() -> None:
    async def scene(house: House) -> None:
        first = await house.start(request_id="r")
        again = await house.start(request_id="r")
        assert first.started and again.started and first.run_id == again.run_id
        error = await house.refusal(
            "StartWorkflowExecution",
            workflow_id="w",
            workflow_type={"name": "T"},
            task_queue={"name": "q"},
            request_id="other",
        )
        assert error.code is Code.ALREADY_EXISTS
        assert error.details[0].run_id == first.run_id  # type: ignore[attr-defined]

    on_virtual_time(scene)
