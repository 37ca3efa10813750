"""Requests that once did harm, each as small as it can be."""

from collections.abc import Iterator

import msgspec
import pytest

from tenuto.limits import MIB
from tenuto.service import tokens
from tenuto.service.errors import Code
from tenuto.wire import DecodeError, Message, common, duration_pb2, failure
from tenuto.wire import workflowservice as ws
from tests.fuzz.scene import Scene
from tests.fuzz.world import World

HUGE = duration_pb2.Duration(seconds=2**63 - 1, nanos=2**31 - 1)


@pytest.fixture
def scene() -> Iterator[Scene]:
    world = World(0)
    yield Scene(world)
    world.close()


@pytest.mark.parametrize("text", [b"\xe4\xe4\xe4", b"\xff"])
def test_a_task_token_with_text_that_is_none_is_malformed(scene: Scene, text: bytes) -> None:
    token = tokens.encode(tokens.WorkflowToken("n", "www", "r", 1, 2, 3, 1)).replace(
        b"www", text.ljust(3, b"\xff")
    )
    answer = scene.world.call(
        "RespondWorkflowTaskCompleted", ws.RespondWorkflowTaskCompletedRequest(task_token=token)
    )
    assert answer.code == Code.INVALID_ARGUMENT


def test_a_page_token_with_numbers_beyond_64_bits_is_malformed(scene: Scene) -> None:
    token = msgspec.msgpack.encode([5, 2**64 - 1, 2**63, "run"])
    answer = scene.world.call(
        "ListWorkflowExecutions", ws.ListWorkflowExecutionsRequest(namespace="default", next_page_token=token)
    )
    assert (answer.code, answer.text) == (Code.INVALID_ARGUMENT, "Invalid NextPageToken.")


def test_tokens_nested_without_end_are_malformed(scene: Scene) -> None:
    request = ws.RespondActivityTaskCompletedRequest(task_token=b"\x98\x02" + b"\x91" * 100_000)
    assert scene.world.call("RespondActivityTaskCompleted", request).code == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("status", ["²", "9" * 5000, "٣", "Nope"])
def test_a_status_that_is_no_number_is_refused(scene: Scene, status: str) -> None:
    request = ws.ListWorkflowExecutionsRequest(namespace="default", query=f"ExecutionStatus = '{status}'")
    assert scene.world.call("ListWorkflowExecutions", request).code == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("kind", [0, 99, -1])
def test_a_task_queue_of_unknown_type_is_refused(scene: Scene, kind: int) -> None:
    request = ws.DescribeTaskQueueRequest(namespace="default", api_mode=1)  # type: ignore[arg-type]
    request.task_queue.name = "q"
    request.task_queue_types.append(kind)  # type: ignore[arg-type]
    assert scene.world.call("DescribeTaskQueue", request).code == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("data", [b"[" * 2000, b"9" * 2000, b'"\\ud800"', b'["\\udfff"]', b"NaN", b"\xff"])
@pytest.mark.parametrize("name", ["Number", "Words", "Word"])
def test_a_search_attribute_is_answered_whatever_its_json_is(scene: Scene, name: str, data: bytes) -> None:
    request = scene.start_request("w")
    given = request.search_attributes.indexed_fields[name]
    given.data = data
    given.metadata["encoding"] = b"json/plain"
    scene.world.call("StartWorkflowExecution", request)


@pytest.mark.parametrize("schedule", ["@every 999999999h", "@every 2562047h", "@every 99999999999999999999h"])
def test_a_cron_far_beyond_the_calendar_does_not_stop_the_shard(scene: Scene, schedule: str) -> None:
    request = scene.start_request("w")
    request.cron_schedule = schedule
    scene.world.call("StartWorkflowExecution", request)
    assert not scene.world.call("StartWorkflowExecution", scene.start_request("other")).refused


def test_times_beyond_the_calendar_are_as_far_as_lists_go(scene: Scene) -> None:
    request = ws.ListOpenWorkflowExecutionsRequest(namespace="default")
    request.start_time_filter.earliest_time.seconds = -(2**63)
    request.start_time_filter.latest_time.seconds = 2**63 - 1
    assert not scene.world.call("ListOpenWorkflowExecutions", request).refused


def test_a_retention_beyond_the_calendar_is_cut(scene: Scene) -> None:
    request = ws.RegisterNamespaceRequest(namespace="long", workflow_execution_retention_period=HUGE)
    assert not scene.world.call("RegisterNamespace", request).refused
    start = scene.start_request("w")
    start.namespace = "long"
    start.ClearField("search_attributes")
    assert not scene.world.call("StartWorkflowExecution", start).refused
    end = ws.TerminateWorkflowExecutionRequest(
        namespace="long", workflow_execution=common.WorkflowExecution(workflow_id="w")
    )
    assert not scene.world.call("TerminateWorkflowExecution", end).refused


def test_timers_and_delays_of_any_length_leave_the_shard_serving(scene: Scene) -> None:
    token = scene.task("w")
    done = ws.RespondWorkflowTaskCompletedRequest(task_token=token)
    timer = done.commands.add(command_type=3).start_timer_command_attributes
    timer.timer_id = "t"
    timer.start_to_fire_timeout.CopyFrom(HUGE)
    activity = done.commands.add(command_type=1).schedule_activity_task_command_attributes
    activity.activity_id, activity.activity_type.name, activity.task_queue.name = "a", "A", "q"
    activity.start_to_close_timeout.CopyFrom(HUGE)
    done.sticky_attributes.worker_task_queue.name = "s"
    done.sticky_attributes.schedule_to_start_timeout.CopyFrom(HUGE)
    assert not scene.world.call("RespondWorkflowTaskCompleted", done).refused
    failed = ws.RespondActivityTaskFailedRequest(task_token=scene.activity())
    failed.failure.application_failure_info.next_retry_delay.CopyFrom(HUGE)
    assert not scene.world.call("RespondActivityTaskFailed", failed).refused
    assert not scene.world.call("StartWorkflowExecution", scene.start_request("other")).refused


def test_a_continuation_delayed_for_ever_leaves_the_shard_serving(scene: Scene) -> None:
    done = ws.RespondWorkflowTaskCompletedRequest(task_token=scene.task("w"))
    attributes = done.commands.add(command_type=10).continue_as_new_workflow_execution_command_attributes
    attributes.workflow_type.name, attributes.task_queue.name = "T", "q"
    for field in ("workflow_run_timeout", "workflow_task_timeout", "backoff_start_interval"):
        getattr(attributes, field).CopyFrom(HUGE)
    scene.world.call("RespondWorkflowTaskCompleted", done)
    assert not scene.world.call("StartWorkflowExecution", scene.start_request("other")).refused


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), 5e-324, 1e308, -1.0])
def test_a_rate_of_any_kind_leaves_polls_answered(scene: Scene, rate: float) -> None:
    poll = ws.PollActivityTaskQueueRequest(namespace="default")
    poll.task_queue.name = "q"
    poll.task_queue_metadata.max_tasks_per_second.value = rate
    assert not scene.world.call("PollActivityTaskQueue", poll).refused
    for kind in ("update_queue_rate_limit", "update_fairness_key_rate_limit_default"):
        request = ws.UpdateTaskQueueConfigRequest(namespace="default", task_queue="q", task_queue_type=2)  # type: ignore[arg-type]
        getattr(request, kind).rate_limit.requests_per_second = rate
        request.set_fairness_weight_overrides["k"] = rate
        scene.world.call("UpdateTaskQueueConfig", request)
    assert not scene.world.call("PollActivityTaskQueue", poll).refused


def test_heartbeats_of_workers_are_kept_within_bounds(scene: Scene) -> None:
    request = ws.RecordWorkerHeartbeatRequest(namespace="default")
    request.worker_heartbeat.add(host_info={"host_name": "x" * (3 * MIB)})
    for number in range(40):
        request.worker_heartbeat[0].worker_instance_key = f"w{number}"
        assert not scene.world.call("RecordWorkerHeartbeat", request).refused
    response = scene.world.call("CountWorkers", ws.CountWorkersRequest(namespace="default")).response
    assert isinstance(response, ws.CountWorkersResponse)
    assert 0 < response.count * 3 * MIB <= 64 * MIB


@pytest.mark.parametrize("kind", [99, -1, -(2**31)])
def test_a_command_of_unknown_type_behind_a_closing_one_is_refused(scene: Scene, kind: int) -> None:
    done = ws.RespondWorkflowTaskCompletedRequest(task_token=scene.task("w"))
    done.commands.add().command_type = 4  # type: ignore[assignment]
    done.commands.add().command_type = kind  # type: ignore[assignment]
    assert scene.world.call("RespondWorkflowTaskCompleted", done).code == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("cause", [99, -1])
def test_a_workflow_task_may_fail_for_a_cause_unknown_here(scene: Scene, cause: int) -> None:
    for token in (scene.task("w"), scene.polled):
        failed = ws.RespondWorkflowTaskFailedRequest(
            task_token=token if isinstance(token, bytes) else token()
        )
        failed.cause = cause  # type: ignore[assignment]
        assert not scene.world.call("RespondWorkflowTaskFailed", failed).refused


def test_a_run_whose_successor_was_deleted_cannot_be_reset(scene: Scene) -> None:
    runs = []
    for _ in range(2):
        scene.task("w")
        runs.append(scene.describe("w").workflow_execution_info.execution)
        end = ws.TerminateWorkflowExecutionRequest(namespace="default", workflow_execution=runs[-1])
        assert not scene.world.call("TerminateWorkflowExecution", end).refused
    gone = ws.DeleteWorkflowExecutionRequest(namespace="default", workflow_execution=runs[1])
    assert not scene.world.call("DeleteWorkflowExecution", gone).refused
    reset = ws.ResetWorkflowExecutionRequest(
        namespace="default", workflow_execution=runs[0], workflow_task_finish_event_id=4, request_id="r"
    )
    assert scene.world.call("ResetWorkflowExecution", reset).code == Code.NOT_FOUND


def _deep(kind: type[Message], fill: str) -> failure.Failure:
    """The deepest failure that a request of this kind can carry in field ``fill``."""
    made = failure.Failure()
    made.application_failure_info.SetInParent()
    at = made
    while True:
        request = kind()
        getattr(request, fill).CopyFrom(made)
        try:
            kind.FromString(request.SerializeToString())
        except DecodeError:
            at.ClearField("message")
            return made
        at = at.cause
        at.message = "cause"


def test_failures_as_deep_as_the_wire_allows_can_be_read_again(scene: Scene) -> None:
    done = ws.RespondWorkflowTaskCompletedRequest(task_token=scene.task("w"))
    activity = done.commands.add(command_type=1).schedule_activity_task_command_attributes
    activity.activity_id, activity.activity_type.name, activity.task_queue.name = "a", "A", "q"
    activity.start_to_close_timeout.seconds = 60
    scene.world.call("RespondWorkflowTaskCompleted", done)
    failed = ws.RespondActivityTaskFailedRequest(task_token=scene.activity())
    failed.failure.CopyFrom(_deep(ws.RespondActivityTaskFailedRequest, "failure"))
    assert not scene.world.call("RespondActivityTaskFailed", failed).refused
    scene.describe("w")
    scene.world.pass_time(10**10)
    failed.task_token = scene.activity()
    failed.failure.application_failure_info.non_retryable = True
    assert not scene.world.call("RespondActivityTaskFailed", failed).refused
    ending = ws.RespondWorkflowTaskCompletedRequest(task_token=scene.polled())
    command = ending.commands.add(command_type=5)
    command.fail_workflow_execution_command_attributes.failure.CopyFrom(failed.failure)
    assert not scene.world.call("RespondWorkflowTaskCompleted", ending).refused
    assert len(scene.history("w")) == 11
