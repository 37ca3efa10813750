"""What clients measure of their calls: names and labels are those that dashboards know."""

import asyncio
from typing import Any

import pytest

from tenuto.runtime import MetricBuffer, Runtime, TelemetryConfig
from tenuto.transport.base import NO_HEADERS, Headers
from tenuto.transport.config import ConnectConfig
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.transport.measured import measured
from tenuto.transport.services import ServiceClient
from tenuto.wire import Message, common, taskqueue
from tenuto.wire import workflowservice as ws


class Answering:
    """Answers each call with what is next: a message, or an error."""

    def __init__(self, *answers: Message | RPCError) -> None:
        self.answers = list(answers)

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    async def call(
        self, method: str, request: Message, *, timeout: float | None = None, headers: Headers = NO_HEADERS
    ) -> Message:
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, RPCError):
            raise answer
        return answer


def seen(buffer: MetricBuffer) -> list[tuple[str, dict[str, Any]]]:
    return [(update.metric.name, dict(update.attributes)) for update in buffer.retrieve_updates()]


def made(*answers: Message | RPCError, **telemetry: Any) -> tuple[ServiceClient, MetricBuffer]:
    buffer = MetricBuffer(100)
    runtime = Runtime(telemetry=TelemetryConfig(metrics=buffer, attach_service_name=False, **telemetry))
    config = ConnectConfig("localhost:1", runtime=runtime)
    return ServiceClient(config, Answering(*answers)), buffer


def test_a_call_is_counted_and_timed_with_its_method_and_namespace() -> None:
    client, buffer = made(ws.DescribeNamespaceResponse())
    asyncio.run(client.call("DescribeNamespace", ws.DescribeNamespaceRequest(namespace="n")))
    labels = {"operation": "DescribeNamespace", "namespace": "n"}
    assert seen(buffer) == [("temporal_request", labels), ("temporal_request_latency", labels)]


def test_a_call_without_a_namespace_has_no_such_label_and_names_are_prefixed_as_wanted() -> None:
    client, buffer = made(ws.GetSystemInfoResponse(), metric_prefix="mine_")
    asyncio.run(client.call("GetSystemInfo", ws.GetSystemInfoRequest()))
    assert seen(buffer)[0] == ("mine_request", {"operation": "GetSystemInfo"})


def test_every_try_counts_and_a_failure_says_its_status() -> None:
    lost = RPCError("not now", RPCStatusCode.UNAVAILABLE, b"")
    client, buffer = made(lost, ws.CountWorkflowExecutionsResponse())
    request = ws.CountWorkflowExecutionsRequest(namespace="n")
    asyncio.run(client.call("CountWorkflowExecutions", request, retry=True))
    labels = {"operation": "CountWorkflowExecutions", "namespace": "n"}
    assert seen(buffer) == [
        ("temporal_request", labels),
        ("temporal_request_latency", labels),
        ("temporal_request_failure", {**labels, "status_code": "UNAVAILABLE"}),
        ("temporal_request", labels),
        ("temporal_request_latency", labels),
    ]


def test_polls_are_long_and_tell_the_queue_that_a_sticky_one_belongs_to() -> None:
    client, buffer = made(ws.PollWorkflowTaskQueueResponse())
    sticky = taskqueue.TaskQueue(name="host-1", normal_name="q")
    request = ws.PollWorkflowTaskQueueRequest(namespace="n", task_queue=sticky)
    asyncio.run(client.call("PollWorkflowTaskQueue", request))
    labels = {"operation": "PollWorkflowTaskQueue", "namespace": "n", "task_queue": "q"}
    assert seen(buffer) == [("temporal_long_request", labels), ("temporal_long_request_latency", labels)]


@pytest.mark.parametrize(
    ("method", "request_", "name", "queue"),
    [
        (
            "GetWorkflowExecutionHistory",
            ws.GetWorkflowExecutionHistoryRequest(wait_new_event=True),
            "temporal_long_request",
            None,
        ),
        (
            "GetWorkflowExecutionHistory",
            ws.GetWorkflowExecutionHistoryRequest(),
            "temporal_request",
            None,
        ),
        ("UpdateWorkflowExecution", ws.UpdateWorkflowExecutionRequest(), "temporal_long_request", None),
        ("PollWorkflowExecutionUpdate", ws.PollWorkflowExecutionUpdateRequest(), "temporal_request", None),
        (
            "StartWorkflowExecution",
            ws.StartWorkflowExecutionRequest(task_queue=taskqueue.TaskQueue(name="q")),
            "temporal_request",
            "q",
        ),
        (
            "ExecuteMultiOperation",
            ws.ExecuteMultiOperationRequest(
                operations=[
                    ws.ExecuteMultiOperationRequest.Operation(
                        start_workflow=ws.StartWorkflowExecutionRequest(
                            task_queue=taskqueue.TaskQueue(name="q")
                        )
                    )
                ]
            ),
            "temporal_long_request",
            "q",
        ),
        ("ExecuteMultiOperation", ws.ExecuteMultiOperationRequest(), "temporal_long_request", None),
        (
            "GetWorkerBuildIdCompatibility",
            ws.GetWorkerBuildIdCompatibilityRequest(task_queue="q"),
            "temporal_request",
            "q",
        ),
    ],
)
def test_calls_are_where_dashboards_look_for_them(
    method: str, request_: Message, name: str, queue: str | None
) -> None:
    client, buffer = made(common.Payload())
    asyncio.run(client.call(method, request_))
    found, labels = seen(buffer)[0]
    assert (found, labels.get("task_queue")) == (name, queue)


def test_a_call_that_is_given_up_is_counted_but_not_timed() -> None:
    async def play() -> None:
        calling = asyncio.create_task(client.call("GetSystemInfo", ws.GetSystemInfoRequest()))
        await asyncio.sleep(0)
        calling.cancel()
        await asyncio.wait([calling])

    client, buffer = made()
    asyncio.run(play())
    assert [name for name, _ in seen(buffer)] == ["temporal_request"]


def test_who_measures_nothing_pays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runtime, "_default", None)
    plain = Answering()
    assert measured(plain, ConnectConfig("localhost:1")) is plain
    assert measured(plain, ConnectConfig("localhost:1", runtime=Runtime.default())) is plain


def test_the_default_runtime_of_the_process_measures_clients_that_have_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = Runtime(telemetry=TelemetryConfig(metrics=MetricBuffer(10)))
    monkeypatch.setattr(Runtime, "_default", runtime)
    plain = Answering()
    assert measured(plain, ConnectConfig("localhost:1")) is not plain
