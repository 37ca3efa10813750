"""Workers at work, against the service in this very process: what they run, how they start, stop and fail."""

import asyncio
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tenuto.client import Client
from tenuto.common import VersioningBehavior, WorkerDeploymentVersion
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import workflowservice as ws
from tenuto.worker import (
    CustomSlotSupplier,
    FixedSizeSlotSupplier,
    PollerBehaviorAutoscaling,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkerConfig,
    WorkerDeploymentConfig,
    WorkerTuner,
)
from tests.worker.house import LONGER_THAN_PATIENCE, Wire, new_id, story
from tests.worker.programs import (
    Calls,
    Greeting,
    Many,
    Waiting,
    double,
    greet,
    quadruple,
    thread_name,
)
from tests.worker.test_nexus import ShopHandler

# ---- running ---------------------------------------------------------------------------------------------------------


@story
async def test_a_worker_runs_workflows_and_their_activities(client: Client) -> None:
    async with Worker(client, task_queue="q", workflows=[Greeting], activities=[greet]) as worker:
        assert worker.is_running
        assert worker.task_queue == "q"
        result = await client.execute_workflow(Greeting.run, "you", id=new_id(), task_queue="q")
        assert result == "Hello, you!"
    assert (worker.is_shutdown, worker.is_running) == (True, False)


@story
async def test_functions_are_workflows_and_activities_too(client: Client) -> None:
    async with Worker(client, task_queue="q", workflows=[quadruple], activities=[double]):
        assert await client.execute_workflow(quadruple, 3, id=new_id(), task_queue="q") == 12


@story
async def test_many_workflows_at_once_get_through_few_slots(client: Client) -> None:
    async with Worker(
        client,
        task_queue="q",
        workflows=[Many],
        activities=[greet],
        max_concurrent_workflow_tasks=2,
        max_concurrent_activities=3,
        max_cached_workflows=2,
    ):
        runs = [client.execute_workflow(Many.run, 4, id=new_id(), task_queue="q") for _ in range(20)]
        results = await asyncio.gather(*runs)
    assert results == [[f"Hello, {number}!" for number in range(4)]] * 20


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("cached", [0, 1, 1000])
def test_a_worker_gets_along_with_hardly_any_slots_or_cache(slots: int, cached: int) -> None:
    @story
    async def run(client: Client) -> None:
        async with Worker(
            client,
            task_queue="q",
            workflows=[Greeting],
            activities=[greet],
            max_concurrent_workflow_tasks=slots,
            max_concurrent_activities=1,
            max_cached_workflows=cached,
            sticky_queue_schedule_to_start_timeout=LONGER_THAN_PATIENCE,
        ):
            runs = [
                client.execute_workflow(
                    Greeting.run, "x", id=new_id(), task_queue="q", task_timeout=LONGER_THAN_PATIENCE
                )
                for _ in range(5)
            ]
            assert await asyncio.gather(*runs) == ["Hello, x!"] * 5

    run()


@story
async def test_sync_activities_need_no_executor(client: Client) -> None:
    async with Worker(client, task_queue="q", workflows=[Calls], activities=[thread_name]):
        name = await client.execute_workflow(Calls.run, "thread_name", id=new_id(), task_queue="q")
        assert name.startswith("tenuto-activity")


@story
async def test_sync_activities_run_in_the_executor_given(client: Client) -> None:
    with ThreadPoolExecutor(100, "mine") as executor:
        async with Worker(
            client, task_queue="q", workflows=[Calls], activities=[thread_name], activity_executor=executor
        ):
            name = await client.execute_workflow(Calls.run, "thread_name", id=new_id(), task_queue="q")
            assert name.startswith("mine")


@story
async def test_too_few_threads_for_the_slots_are_warned_of(client: Client) -> None:
    with ThreadPoolExecutor(5) as executor:
        asked: dict[str, Any] = {"activities": [thread_name], "activity_executor": executor}
        with pytest.warns(UserWarning, match="max_workers is only 5"):
            Worker(client, task_queue="q", max_concurrent_activities=6, **asked)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Worker(client, task_queue="q", **asked)  # nobody asked for that many
        nexus: dict[str, Any] = {"nexus_service_handlers": [ShopHandler()], "nexus_task_executor": executor}
        with pytest.warns(UserWarning, match="max_concurrent_nexus_tasks is 6 but nexus_task_executor"):
            Worker(client, task_queue="q", max_concurrent_nexus_tasks=6, **nexus)


@story
async def test_workflow_code_can_run_on_threads(client: Client) -> None:
    with ThreadPoolExecutor(2) as executor:
        async with Worker(
            client, task_queue="q", workflows=[Greeting], activities=[greet], workflow_task_executor=executor
        ):
            result = await client.execute_workflow(Greeting.run, "you", id=new_id(), task_queue="q")
            assert result == "Hello, you!"


@story
async def test_several_workers_share_a_client(client: Client) -> None:
    async with (
        Worker(client, task_queue="q", workflows=[Calls]),
        Worker(client, task_queue="q", activities=[double, thread_name]),
        Worker(client, task_queue="other", workflows=[Waiting]),
    ):
        name = await client.execute_workflow(Calls.run, "thread_name", id=new_id(), task_queue="q")
        assert name.startswith("tenuto")


# ---- registration ----------------------------------------------------------------------------------------------------


@story
async def test_nothing_registered_is_told_with_what_to_do(client: Client) -> None:
    with pytest.raises(ValueError, match=r"At least one activity.*workflows=\[\.\.\.\]"):
        Worker(client, task_queue="q")


@story
async def test_what_is_no_workflow_or_activity_is_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="int.*@workflow.defn"):
        Worker(client, task_queue="q", workflows=[int])
    with pytest.raises(TypeError, match="@activity.defn"):
        Worker(client, task_queue="q", activities=[print])
    with pytest.raises(ValueError, match="More than one workflow named Greeting"):
        Worker(client, task_queue="q", workflows=[Greeting, Greeting])
    with pytest.raises(ValueError, match="More than one activity named greet"):
        Worker(client, task_queue="q", activities=[greet, greet])


@story
async def test_a_runner_may_refuse_a_workflow(client: Client) -> None:
    class Picky(UnsandboxedWorkflowRunner):
        def prepare_workflow(self, defn: Any) -> None:
            raise OSError("not this one")

    with pytest.raises(RuntimeError, match="Failed validating workflow Greeting"):
        Worker(client, task_queue="q", workflows=[Greeting], workflow_runner=Picky())


@story
async def test_versioned_workers_want_a_behavior_for_every_workflow(client: Client) -> None:
    deployment = WorkerDeploymentConfig(WorkerDeploymentVersion("shop", "1"), use_worker_versioning=True)
    with pytest.raises(ValueError, match="Greeting must specify a versioning behavior"):
        Worker(client, task_queue="q", workflows=[Greeting], deployment_config=deployment)
    Worker(
        client,
        task_queue="q",
        workflows=[Greeting],
        deployment_config=WorkerDeploymentConfig(
            WorkerDeploymentVersion("shop", "1"), True, VersioningBehavior.AUTO_UPGRADE
        ),
    )


@story
async def test_a_worker_tells_its_configuration(client: Client) -> None:
    worker = Worker(client, task_queue="q", activities=[greet], max_cached_workflows=3)
    config: WorkerConfig = worker.config()
    assert config["max_cached_workflows"] == 3 and config["task_queue"] == "q"
    config["max_cached_workflows"] = 4
    assert worker.config()["max_cached_workflows"] == 3
    again = Worker(**config)
    assert again.config()["max_cached_workflows"] == 4


# ---- clients ---------------------------------------------------------------------------------------------------------


@story
async def test_a_worker_can_be_given_another_client_while_it_runs(client: Client) -> None:
    other = Client(**client.config())
    wire = Wire(other)
    async with Worker(client, task_queue="q", workflows=[Greeting], activities=[greet]) as worker:
        await client.execute_workflow(Greeting.run, "1", id=new_id(), task_queue="q")
        worker.client = other
        assert worker.client is other
        result = await client.execute_workflow(Greeting.run, "2", id=new_id(), task_queue="q")
        assert result == "Hello, 2!"
        with pytest.raises(ValueError, match="namespace"):
            worker.client = Client(client.service_client, namespace="another")
    assert wire.requests("RespondWorkflowTaskCompleted")


# ---- polls -----------------------------------------------------------------------------------------------------------


@story
async def test_polls_are_split_between_both_queues_and_name_the_build(client: Client) -> None:
    wire = Wire(client)
    async with Worker(
        client,
        task_queue="q",
        workflows=[Waiting],
        activities=[greet],
        build_id="b7",
        max_task_queue_activities_per_second=9.5,
    ):
        await wire.until("PollWorkflowTaskQueue", 5)
        await wire.until("PollActivityTaskQueue", 5)
    polls = wire.requests("PollWorkflowTaskQueue")
    assert len([poll for poll in polls if poll.task_queue.name == "q"]) == 1
    assert len([poll for poll in polls if poll.task_queue.normal_name == "q"]) == 4
    assert {poll.worker_version_capabilities.build_id for poll in polls} == {"b7"}
    activities = wire.requests("PollActivityTaskQueue")
    assert len(activities) == 5
    assert {poll.task_queue_metadata.max_tasks_per_second.value for poll in activities} == {9.5}


@story
async def test_a_worker_without_remote_activities_polls_for_none(client: Client) -> None:
    wire = Wire(client)
    async with Worker(
        client, task_queue="q", workflows=[Waiting], activities=[greet], no_remote_activities=True
    ):
        await wire.until("PollWorkflowTaskQueue", 5)
    assert not wire.requests("PollActivityTaskQueue")


@story
async def test_autoscaling_workers_work(client: Client) -> None:
    async with Worker(
        client,
        task_queue="q",
        workflows=[Many],
        activities=[greet],
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
    ):
        runs = [client.execute_workflow(Many.run, 3, id=new_id(), task_queue="q") for _ in range(10)]
        assert len(await asyncio.gather(*runs)) == 10


@story
async def test_activities_of_the_same_queue_come_with_the_answer(client: Client) -> None:
    wire = Wire(client)
    async with Worker(client, task_queue="q", workflows=[Many], activities=[greet]):
        await client.execute_workflow(Many.run, 5, id=new_id(), task_queue="q")
    asked = [
        command.schedule_activity_task_command_attributes.request_eager_execution
        for request in wire.requests("RespondWorkflowTaskCompleted")
        for command in request.commands
        if command.HasField("schedule_activity_task_command_attributes")
    ]
    assert asked.count(True) == 3 and len(asked) == 5


@pytest.mark.parametrize(
    "options",
    [
        {"disable_eager_activity_execution": True},
        {"max_task_queue_activities_per_second": 1000.0},
        {"no_remote_activities": True},
    ],
)
def test_activities_are_not_asked_for_with_the_answer_when_that_is_wrong(options: dict[str, Any]) -> None:
    @story
    async def run(client: Client) -> None:
        wire = Wire(client)
        async with (
            Worker(client, task_queue="q", workflows=[Many], activities=[greet], **options),
            Worker(client, task_queue="q", activities=[greet]),
        ):
            await client.execute_workflow(Many.run, 5, id=new_id(), task_queue="q")
        assert not any(
            command.schedule_activity_task_command_attributes.request_eager_execution
            for request in wire.requests("RespondWorkflowTaskCompleted")
            for command in request.commands
        )

    run()


@story
async def test_a_workflow_started_eagerly_needs_no_poll(client: Client) -> None:
    async with Worker(client, task_queue="q", workflows=[Greeting], activities=[greet]):
        await client.execute_workflow(Greeting.run, "you", id=new_id(), task_queue="q")
        handle = await client.start_workflow(
            Greeting.run, "you", id=new_id(), task_queue="q", request_eager_start=True
        )
        assert vars(handle)["__temporal_eagerly_started"] is True
        assert await handle.result() == "Hello, you!"
        events = [event async for event in handle.fetch_history_events()]
        assert events[0].workflow_execution_started_event_attributes.eager_execution_accepted


# ---- slots -----------------------------------------------------------------------------------------------------------


class Doorman(CustomSlotSupplier):
    def __init__(self) -> None:
        self.out: set[SlotPermit] = set()
        self.types: set[str] = set()
        self.used: list[Any] = []
        self.released: list[Any] = []

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        self.types.add(f"{ctx.slot_type}{' sticky' if ctx.is_sticky else ''}")
        permit = SlotPermit()
        self.out.add(permit)
        return permit

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        return None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        self.used.append(ctx.slot_info)

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        self.out.remove(ctx.permit)
        self.released.append(ctx.slot_info)


@story
async def test_a_custom_supplier_gives_every_slot_and_gets_every_one_back(client: Client) -> None:
    doorman = Doorman()
    tuner = WorkerTuner.create_composite(
        workflow_supplier=doorman,
        activity_supplier=doorman,
        local_activity_supplier=FixedSizeSlotSupplier(2),
        nexus_supplier=FixedSizeSlotSupplier(2),
    )
    async with Worker(client, task_queue="q", workflows=[Greeting], activities=[greet], tuner=tuner):
        await client.execute_workflow(Greeting.run, "you", id=new_id(), task_queue="q")
    assert not doorman.out
    assert doorman.types == {"workflow", "workflow sticky", "activity"}
    names = {getattr(one, "workflow_type", getattr(one, "activity_type", "")) for one in doorman.used}
    assert names == {"Greeting", "greet"}


@story
async def test_a_resource_based_tuner_works(client: Client) -> None:
    tuner = WorkerTuner.create_resource_based(target_memory_usage=0.99, target_cpu_usage=0.99)
    async with Worker(client, task_queue="q", workflows=[Many], activities=[greet], tuner=tuner):
        runs = [client.execute_workflow(Many.run, 2, id=new_id(), task_queue="q") for _ in range(5)]
        assert len(await asyncio.gather(*runs)) == 5


@story
async def test_activities_are_not_begun_faster_than_their_pace(client: Client) -> None:
    clock = asyncio.get_running_loop().time
    async with Worker(
        client, task_queue="q", workflows=[Many], activities=[greet], max_activities_per_second=20.0
    ):
        began = clock()
        await client.execute_workflow(Many.run, 15, id=new_id(), task_queue="q")
        assert clock() - began > 0.3


# ---- presence --------------------------------------------------------------------------------------------------------


@story
async def test_the_service_knows_the_workers_there_are(client: Client) -> None:
    async with Worker(client, task_queue="q", workflows=[Greeting], activities=[greet], identity="me"):
        await client.execute_workflow(Greeting.run, "you", id=new_id(), task_queue="q")
        while True:
            answer = await client.service_client.call(
                "ListWorkers", ws.ListWorkersRequest(namespace="default")
            )
            if answer.workers_info:
                break
            await asyncio.sleep(0.01)
        said = answer.workers_info[0].worker_heartbeat
        assert (said.worker_identity, said.task_queue, said.sdk_name) == ("me", "q", "tenuto")
        assert said.workflow_task_slots_info.slot_supplier_kind == "fixed"


@story
async def test_a_worker_does_not_mind_a_service_without_newer_calls(client: Client) -> None:
    wire = Wire(client)
    missing = RPCError("no such call", RPCStatusCode.UNIMPLEMENTED, b"")
    wire.refused = dict.fromkeys(("ShutdownWorker", "RecordWorkerHeartbeat", "DescribeNamespace"), missing)
    async with Worker(client, task_queue="q", workflows=[Greeting], activities=[greet]):
        result = await client.execute_workflow(Greeting.run, "you", id=new_id(), task_queue="q")
    assert result == "Hello, you!"
