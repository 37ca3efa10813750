"""What a worker says when what it was given, or is asked for, does not fit; and what it must do at its very first moment."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from tenuto import activity, workflow
from tenuto.client import Client, Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from tenuto.common import HeaderCodecBehavior
from tenuto.converter import DataConverter, PayloadCodec
from tenuto.runtime import MetricBuffer, Runtime, TelemetryConfig
from tenuto.wire import common
from tenuto.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    StartActivityInput,
    Worker,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from tenuto.worker import Interceptor as WorkerInterceptor
from tests.worker.house import new_id, story


@activity.defn
async def known(name: str) -> str:
    return f"hello {name}"


@workflow.defn
class Local:
    @workflow.run
    async def run(self, activity_type: str) -> str:
        result: str = await workflow.execute_local_activity(
            activity_type, "you", result_type=str, start_to_close_timeout=10
        )
        return result


@workflow.defn
class Remote:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(known, name, start_to_close_timeout=10)


@activity.defn
class Machine:
    async def __call__(self, name: str) -> str:
        return name


async def _failed_tasks(handle: WorkflowHandle[Any, Any]) -> AsyncIterator[str]:
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.HasField("workflow_task_failed_event_attributes"):
            yield event.workflow_task_failed_event_attributes.failure.message


@pytest.mark.parametrize(
    ("activities", "told"),
    [([known], "available activities: known"), ([], "no available activities")],
)
def test_a_local_activity_nobody_has_fails_the_workflow_task(activities: Sequence[Any], told: str) -> None:
    @story
    async def scenario(client: Client) -> None:
        async with Worker(client, task_queue="q", workflows=[Local], activities=activities):
            handle = await client.start_workflow(Local.run, "stranger", id=new_id(), task_queue="q")
            message = await anext(_failed_tasks(handle))
            assert message == f"Activity function stranger is not registered on this worker, {told}"
            await handle.terminate()

    scenario()


@story
async def test_a_class_is_not_an_activity_but_its_instances_are(client: Client) -> None:
    with pytest.raises(TypeError, match="Machine is a class instead of an instance"):
        Worker(client, task_queue="q", activities=[Machine])
    Worker(client, task_queue="q", activities=[Machine()])


@story
async def test_a_worker_keeps_the_runtime_it_was_made_with(client: Client) -> None:
    worker = Worker(client, task_queue="q", workflows=[Remote])
    other = await Client.connect("localhost:1", lazy=True, runtime=Runtime(telemetry=TelemetryConfig()))
    with pytest.raises(ValueError, match="not on the same runtime"):
        worker.client = other


@story
async def test_a_worker_takes_eager_workflows_from_its_first_moment_on(client: Client) -> None:
    async with Worker(client, task_queue="q", workflows=[Remote], activities=[known]):
        handle = await client.start_workflow(
            Remote.run, "you", id=new_id(), task_queue="q", request_eager_start=True
        )
        assert vars(handle)["__temporal_eagerly_started"] is True
        assert await handle.result() == "hello you"


# ---- headers and codecs ----------------------------------------------------------------------------------------------


class Reverse(PayloadCodec):
    async def encode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        return [
            common.Payload(metadata={**each.metadata, "r": b"1"}, data=each.data[::-1]) for each in payloads
        ]

    async def decode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        return [common.Payload(metadata=_without_r(each), data=each.data[::-1]) for each in payloads]


def _without_r(payload: common.Payload) -> dict[str, bytes]:
    return {key: value for key, value in payload.metadata.items() if key != "r"}


class Sends(Interceptor):
    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        class Outbound(OutboundInterceptor):
            async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
                input.headers = {"h": common.Payload(data=b"abc")}
                return await super().start_workflow(input)

        return Outbound(next)


class Reads(WorkerInterceptor):
    def __init__(self) -> None:
        self.in_activity: list[bytes] = []

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        seen = self.in_activity

        class Inbound(ActivityInboundInterceptor):
            async def execute_activity(self, input: ExecuteActivityInput) -> Any:
                seen.append(input.headers["h"].data)
                return await super().execute_activity(input)

        return Inbound(next)

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        return _InWorkflow


class _InWorkflow(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_FromWorkflow(outbound))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        result = await super().execute_workflow(input)
        return f"{result} ({input.headers['h'].data.decode()})"


class _FromWorkflow(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> Any:
        input.headers = {"h": common.Payload(data=b"xyz")}
        return super().start_activity(input)


@pytest.mark.parametrize(
    ("behavior", "in_workflow", "in_activity", "in_history"),
    [
        (HeaderCodecBehavior.NO_CODEC, "abc", b"xyz", b"xyz"),
        (HeaderCodecBehavior.CODEC, "abc", b"xyz", b"zyx"),
        # Whoever starts workflows encodes by hand here, and whoever writes activities decodes by hand.
        (HeaderCodecBehavior.WORKFLOW_ONLY_CODEC, "cba", b"zyx", b"zyx"),
    ],
)
def test_a_codec_sees_the_headers_it_is_meant_to(
    behavior: HeaderCodecBehavior, in_workflow: str, in_activity: bytes, in_history: bytes
) -> None:
    @story
    async def scenario(client: Client) -> None:
        config = client.config()
        config["data_converter"] = DataConverter(payload_codec=Reverse())
        config["interceptors"] = [Sends()]
        config["header_codec_behavior"] = behavior
        coded = Client(**config)
        reads = Reads()
        async with Worker(
            coded, task_queue="q", workflows=[Remote], activities=[known], interceptors=[reads]
        ):
            handle = await coded.start_workflow(Remote.run, "you", id=new_id(), task_queue="q")
            assert await handle.result() == f"hello you ({in_workflow})"
        assert reads.in_activity == [in_activity]
        written = [
            event.activity_task_scheduled_event_attributes.header.fields["h"].data
            async for event in handle.fetch_history_events()
            if event.HasField("activity_task_scheduled_event_attributes")
        ]
        assert written == [in_history]

    scenario()


# ---- metrics ---------------------------------------------------------------------------------------------------------


@workflow.defn
class Counts:
    @workflow.run
    async def run(self) -> None:
        workflow.metric_meter().create_counter("seen").add(1, {"mine": 2})


@story
async def test_metrics_of_workflow_code_say_whose_they_are(client: Client) -> None:
    buffer = MetricBuffer(1000)
    runtime = Runtime(
        telemetry=TelemetryConfig(metrics=buffer, metric_prefix="own_", attach_service_name=False)
    )
    target = client.service_client.config.target_host
    measured = await Client.connect(target, runtime=runtime)
    async with Worker(measured, task_queue="q", workflows=[Counts]):
        await measured.execute_workflow(Counts.run, id=new_id(), task_queue="q")
    found = {update.metric.name: dict(update.attributes) for update in buffer.retrieve_updates()}
    whose = {"namespace": "default", "task_queue": "q", "workflow_type": "Counts"}
    assert found["seen"] == {**whose, "mine": 2}
    assert found["own_workflow_completed"] == whose
    await measured.close()
