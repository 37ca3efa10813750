"""Every bound of execution-semantics 9, just kept and just exceeded, with the error that clients know."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tenuto.limits import LIMITS, MIB
from tenuto.service.errors import Code
from tenuto.wire import Message, common, enums_event, enums_failed
from tenuto.wire import workflowservice as ws
from tests.fuzz.scene import Scene, named
from tests.fuzz.world import Answer, World

E = enums_event.EventType


@pytest.fixture
def scene() -> Iterator[Scene]:
    world = World(0)
    yield Scene(world)
    world.close()


def payloads(size: int) -> common.Payloads:
    """Payloads of about ``size`` serialized bytes, and not more."""
    return common.Payloads(payloads=[common.Payload(data=bytes(size - 20))])


LARGE = payloads(LIMITS.blob_bytes + 100)
FITS = payloads(LIMITS.blob_bytes)
FORCED = enums_failed.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND
LONG = "x" * (LIMITS.id_bytes + 1)


def signal(workflow_id: str, number: int = 0) -> ws.SignalWorkflowExecutionRequest:
    return ws.SignalWorkflowExecutionRequest(
        namespace="default", workflow_execution=named(workflow_id), signal_name="s", request_id=f"r{number}"
    )


def update(workflow_id: str, update_id: str) -> ws.UpdateWorkflowExecutionRequest:
    made = ws.UpdateWorkflowExecutionRequest(namespace="default", workflow_execution=named(workflow_id))
    made.request.meta.update_id, made.request.input.name = update_id, "set"
    return made


def query(workflow_id: str) -> ws.QueryWorkflowRequest:
    made = ws.QueryWorkflowRequest(namespace="default", execution=named(workflow_id))
    made.query.query_type = "state"
    return made


def expect(answer: Answer, code: Code, text: str) -> None:
    assert answer.code == code
    assert text in answer.text


def method_of(request: Message) -> str:
    return type(request).__name__.removesuffix("Request")


# ---- sizes ----------------------------------------------------------------------------------------------------------


def test_a_start_takes_two_mebibytes_of_input_and_no_more(scene: Scene) -> None:
    request = scene.start_request("w")
    request.input.CopyFrom(LARGE)
    expect(
        scene.world.call("StartWorkflowExecution", request),
        Code.INVALID_ARGUMENT,
        "Blob data size exceeds limit.",
    )
    request.input.CopyFrom(FITS)
    assert not scene.world.call("StartWorkflowExecution", request).refused


def test_a_start_takes_two_mebibytes_of_memo_and_no_more(scene: Scene) -> None:
    request = scene.start_request("w")
    request.memo.fields["m"].data = bytes(LIMITS.memo_bytes + 1)
    expect(
        scene.world.call("StartWorkflowExecution", request), Code.INVALID_ARGUMENT, "Memo size exceeds limit."
    )
    request.memo.fields["m"].data = bytes(LIMITS.memo_bytes - 100)
    assert not scene.world.call("StartWorkflowExecution", request).refused


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (signal, "input"),
        (lambda w: update(w, "u"), "request.input.args"),
        (query, "query.query_args"),
    ],
)
def test_signals_updates_and_queries_take_two_mebibytes_and_no_more(
    scene: Scene, build: Callable[[str], Any], field: str
) -> None:
    scene.task("w")
    request = build("w")
    at = request
    for name in field.split("."):
        at = getattr(at, name)
    at.CopyFrom(LARGE)
    expect(
        scene.world.call(method_of(request), request), Code.INVALID_ARGUMENT, "Blob data size exceeds limit."
    )


def test_an_activity_result_that_is_too_large_fails_the_activity(scene: Scene) -> None:
    scheduled(scene, "w", 1)
    done = ws.RespondActivityTaskCompletedRequest(task_token=scene.activity(), result=LARGE)
    assert not scene.world.call("RespondActivityTaskCompleted", done).refused
    (failed,) = [e for e in scene.history("w") if e.event_type == E.EVENT_TYPE_ACTIVITY_TASK_FAILED]
    assert (
        failed.activity_task_failed_event_attributes.failure.message == "Complete result exceeds size limit."
    )


def test_an_activity_input_that_is_too_large_ends_the_workflow(scene: Scene) -> None:
    done = ws.RespondWorkflowTaskCompletedRequest(task_token=scene.task("w"))
    wanted = done.commands.add(command_type=1).schedule_activity_task_command_attributes
    wanted.activity_id, wanted.activity_type.name, wanted.task_queue.name = "a", "A", "q"
    wanted.start_to_close_timeout.seconds = 60
    wanted.input.CopyFrom(LARGE)
    scene.world.call("RespondWorkflowTaskCompleted", done)
    assert scene.history("w")[-1].event_type == E.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED


@pytest.mark.parametrize(
    "size", [LIMITS.search_attribute_value_bytes, LIMITS.search_attribute_value_bytes + 1]
)
def test_a_search_attribute_takes_two_kibibytes_and_no_more(scene: Scene, size: int) -> None:
    request = scene.start_request("w")
    payload = request.search_attributes.indexed_fields["Word"]
    payload.data = b'"' + b"x" * (size - 2) + b'"'
    answer = scene.world.call("StartWorkflowExecution", request)
    if size > LIMITS.search_attribute_value_bytes:
        expect(answer, Code.INVALID_ARGUMENT, "search attribute Word value size 2049 exceeds size limit 2048")
    else:
        assert not answer.refused


def test_there_are_at_most_a_hundred_search_attributes(scene: Scene) -> None:
    request = scene.start_request("w")
    for number in range(LIMITS.search_attribute_keys):
        request.search_attributes.indexed_fields[f"n{number}"].data = b"1"
    text = "number of search attributes 101 exceeds limit 100"
    expect(scene.world.call("StartWorkflowExecution", request), Code.INVALID_ARGUMENT, text)


# ---- names ----------------------------------------------------------------------------------------------------------


def _start(**changes: Any) -> ws.StartWorkflowExecutionRequest:
    made = ws.StartWorkflowExecutionRequest(namespace="default", workflow_id=changes.get("workflow_id", "w"))
    made.workflow_type.name, made.task_queue.name = changes.get("kind", "T"), changes.get("queue", "q")
    made.request_id, made.identity = changes.get("request_id", ""), changes.get("identity", "")
    return made


def _signal(**changes: str) -> ws.SignalWorkflowExecutionRequest:
    made = signal("w")
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def _update(update_id: str) -> ws.UpdateWorkflowExecutionRequest:
    return update("w", update_id)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (_start(workflow_id=LONG), "WorkflowId exceeds maximum allowed length (1001/1000)"),
        (_start(kind=LONG), "WorkflowType length exceeds limit."),
        (_start(queue=LONG), "taskQueue length exceeds limit"),
        (_start(request_id=LONG), "RequestId length exceeds limit."),
        (_signal(signal_name=LONG), "SignalName length exceeds limit."),
        (_signal(request_id=LONG), "RequestId length exceeds limit."),
        (_update(LONG), "UpdateId length exceeds limit."),
        (_start(workflow_id="é" * 501), "WorkflowId exceeds maximum allowed length (1002/1000)"),
    ],
)
def test_a_name_of_a_thousand_and_one_bytes_is_refused(scene: Scene, request_: Message, text: str) -> None:
    expect(scene.world.call(method_of(request_), request_), Code.INVALID_ARGUMENT, text)


def test_names_of_a_thousand_bytes_are_taken(scene: Scene) -> None:
    name = "x" * LIMITS.id_bytes
    assert not scene.world.call(
        "StartWorkflowExecution", _start(workflow_id=name, kind=name, request_id=name)
    ).refused


def test_a_request_carries_ten_links_of_four_thousand_bytes(scene: Scene) -> None:
    scene.task("w")
    request = signal("w")
    link = common.Link()
    link.batch_job.job_id = "j"
    request.links.extend([link] * (LIMITS.links_per_request + 1))
    text = "cannot attach more than 10 links per request, got 11"
    expect(scene.world.call("SignalWorkflowExecution", request), Code.INVALID_ARGUMENT, text)
    del request.links[1:]
    request.links[0].batch_job.job_id = "x" * LIMITS.link_bytes
    text = "link exceeds allowed size of 4000, got 4006"
    expect(scene.world.call("SignalWorkflowExecution", request), Code.INVALID_ARGUMENT, text)


def test_a_workflow_has_at_most_two_thousand_callbacks(scene: Scene) -> None:
    request = scene.start_request("w")
    for _ in range(LIMITS.callbacks_per_workflow + 1):
        request.completion_callbacks.add().nexus.url = "http://here"
    text = "cannot attach more than 2000 callbacks to an execution"
    expect(scene.world.call("StartWorkflowExecution", request), Code.INVALID_ARGUMENT, text)


# ---- counts ---------------------------------------------------------------------------------------------------------


def scheduled(scene: Scene, workflow_id: str, count: int, token: bytes = b"") -> Answer:
    """A workflow whose first task schedules ``count`` activities."""
    done = ws.RespondWorkflowTaskCompletedRequest(task_token=token or scene.task(workflow_id))
    for number in range(count):
        wanted = done.commands.add(command_type=1).schedule_activity_task_command_attributes
        wanted.activity_id, wanted.activity_type.name, wanted.task_queue.name = f"a{number}", "A", "q"
        wanted.start_to_close_timeout.seconds = 60
    return scene.world.call("RespondWorkflowTaskCompleted", done)


def test_a_run_has_at_most_two_thousand_pending_activities(scene: Scene) -> None:
    answer = scheduled(scene, "w", LIMITS.pending_activities + 1)
    text = "the number of pending activities, 2000, has reached the per-workflow limit of 2000"
    expect(answer, Code.INVALID_ARGUMENT, text)
    assert not scheduled(scene, "w", LIMITS.pending_activities, scene.polled()).refused
    assert len(scene.describe("w").pending_activities) == LIMITS.pending_activities


def test_a_run_takes_ten_thousand_signals(scene: Scene) -> None:
    assert not scene.world.call("StartWorkflowExecution", scene.start_request("w")).refused
    for number in range(LIMITS.signals_per_run):
        assert not scene.world.call("SignalWorkflowExecution", signal("w", number)).refused
    text = "exceeded workflow execution limit for signal events"
    expect(scene.world.call("SignalWorkflowExecution", signal("w", -1)), Code.INVALID_ARGUMENT, text)


def test_a_hundred_and_one_events_beside_a_workflow_task_end_it(scene: Scene) -> None:
    token = scene.task("w")
    for number in range(LIMITS.buffered_events):
        assert not scene.world.call("SignalWorkflowExecution", signal("w", number)).refused
    assert not [e for e in scene.history("w") if e.event_type == E.EVENT_TYPE_WORKFLOW_TASK_FAILED]
    assert not scene.world.call("SignalWorkflowExecution", signal("w", -1)).refused
    (failed,) = [e for e in scene.history("w") if e.event_type == E.EVENT_TYPE_WORKFLOW_TASK_FAILED]
    assert failed.workflow_task_failed_event_attributes.cause == FORCED
    late = ws.RespondWorkflowTaskCompletedRequest(task_token=token)
    expect(scene.world.call("RespondWorkflowTaskCompleted", late), Code.NOT_FOUND, "Workflow task not found.")


def test_ten_updates_are_in_flight_at_most(scene: Scene) -> None:
    scene.task("w")
    for number in range(LIMITS.updates_in_flight):
        scene.world.call("UpdateWorkflowExecution", update("w", f"u{number}"), 0)
    text = "limit on number of concurrent in-flight updates has been reached (10)"
    expect(scene.world.call("UpdateWorkflowExecution", update("w", "more"), 0), Code.RESOURCE_EXHAUSTED, text)


def test_one_query_waits_for_a_workflow_task_at_most(scene: Scene) -> None:
    scene.task("w")
    first = scene.world.begin("QueryWorkflow", query("w"))
    answer = scene.world.call("QueryWorkflow", query("w"))
    expect(
        answer,
        Code.RESOURCE_EXHAUSTED,
        "consistent query buffer is full, this may be caused by too many queries",
    )
    assert scene.world.run(first).code == Code.DEADLINE_EXCEEDED


def test_a_history_of_more_than_51200_events_ends_its_run(scene: Scene) -> None:
    token = scene.task("w")
    markers = 6_000
    for _ in range(LIMITS.history_events // markers + 1):
        done = ws.RespondWorkflowTaskCompletedRequest(
            task_token=token, force_create_new_workflow_task=True, return_new_workflow_task=True
        )
        command = done.commands.add(command_type=9)
        command.record_marker_command_attributes.marker_name = "m"
        for _ in range(markers - 1):
            done.commands.append(command)
        response = scene.world.call("RespondWorkflowTaskCompleted", done).response
        assert isinstance(response, ws.RespondWorkflowTaskCompletedResponse)
        token = response.workflow_task.task_token
    last = scene.history("w")[-1]
    assert (
        last.workflow_execution_terminated_event_attributes.reason == "Workflow history count exceeds limit."
    )
    assert last.workflow_execution_terminated_event_attributes.identity == "history-service"
    assert LIMITS.history_events < last.event_id <= LIMITS.history_events + markers + 5


def test_a_history_of_more_than_fifty_mebibytes_ends_its_run(scene: Scene) -> None:
    assert not scene.world.call("StartWorkflowExecution", scene.start_request("w")).refused
    request = signal("w")
    request.input.CopyFrom(FITS)
    for number in range(LIMITS.history_bytes // (2 * MIB) + 1):
        request.request_id = f"r{number}"
        scene.world.call("SignalWorkflowExecution", request)
    last = scene.history("w")[-1]
    assert (
        last.workflow_execution_terminated_event_attributes.reason == "Workflow history size exceeds limit."
    )
