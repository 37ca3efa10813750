"""Nexus: endpoints, operations of workflows, and tasks of their handlers."""

import time

from tests.oracle.build import cases
from tests.oracle.commands import done, timer
from tests.oracle.nexus_words import (
    CANCELED,
    COMPLETED,
    FAILED,
    REQUEST_COMPLETED,
    REQUEST_FAILED,
    STARTED,
    TIMED_OUT,
    acknowledge,
    answer,
    begin,
    cancel,
    endpoint,
    one,
    operation,
    refuse,
    rest,
    take,
    tried,
)
from tests.oracle.registry import scenario
from tests.oracle.session import Session

# ---- endpoints ------------------------------------------------------------------------------------------------------------


@scenario
def nexus_endpoint_life(s: Session) -> None:
    made = endpoint(s, quiet=False, description="words")
    s.call("GetNexusEndpoint", id=made.endpoint.id)
    s.call("ListNexusEndpoints", name=s.unique("ep"))
    s.call("ListNexusEndpoints", name="nobody")
    spec = {
        "name": s.unique("renamed"),
        "target": {"worker": {"namespace": "default", "task_queue": "other"}},
    }
    s.call("UpdateNexusEndpoint", id=made.endpoint.id, version=made.endpoint.version, spec=spec)
    s.call("UpdateNexusEndpoint", id=made.endpoint.id, version=made.endpoint.version, spec=spec, label="old")
    s.call("GetNexusEndpoint", id=made.endpoint.id)
    s.call("DeleteNexusEndpoint", id=made.endpoint.id, version=made.endpoint.version, label="old")
    s.call("DeleteNexusEndpoint", id=made.endpoint.id, version=made.endpoint.version + 1)
    s.call("GetNexusEndpoint", id=made.endpoint.id)
    s.call("DeleteNexusEndpoint", id=made.endpoint.id, version=made.endpoint.version + 1, label="again")


@scenario
def nexus_endpoint_mistakes(s: Session) -> None:
    made = endpoint(s)
    worker = {"namespace": "default", "task_queue": "q"}
    good = {"name": s.unique("other"), "target": {"worker": worker}}
    for label, spec in cases(
        {
            "nothing": {},
            "same name": {**good, "name": s.unique("ep")},
            "no name": {**good, "name": ""},
            "bad name": {**good, "name": "1st_one"},
            "short name": {**good, "name": "a"},
            "long name": {**good, "name": "n" * 201},
            "no target": {"name": good["name"]},
            "no variant": {**good, "target": {}},
            "no namespace": {**good, "target": {"worker": {"task_queue": "q"}}},
            "no queue": {**good, "target": {"worker": {"namespace": "default"}}},
            "empty worker": {**good, "target": {"worker": {}}},
            "long queue": {**good, "target": {"worker": {**worker, "task_queue": "q" * 1001}}},
            "reserved queue": {**good, "target": {"worker": {**worker, "task_queue": "/_sys/x"}}},
            "unknown namespace": {**good, "target": {"worker": {**worker, "namespace": "nowhere"}}},
            "no url": {**good, "target": {"external": {}}},
            "bad url": {**good, "target": {"external": {"url": "nonsense"}}},
            "ftp": {**good, "target": {"external": {"url": "ftp://here"}}},
            "long url": {**good, "target": {"external": {"url": "http://here/" + "u" * 4096}}},
            "long description": {**good, "description": "d" * 30_000},
        }
    ).items():
        s.call("CreateNexusEndpoint", spec=spec, label=label)
    other = "00000000-0000-4000-8000-000000000000"
    s.call("UpdateNexusEndpoint", label="nothing")
    s.call("UpdateNexusEndpoint", id=other, version=1, spec=good, label="unknown")
    s.call("UpdateNexusEndpoint", id="nonsense", version=1, spec=good, label="bad id")
    s.call("UpdateNexusEndpoint", id=made.endpoint.id, spec=good, label="no version")
    s.call("UpdateNexusEndpoint", id=made.endpoint.id, version=-1, spec=good, label="negative version")
    s.call("UpdateNexusEndpoint", id=made.endpoint.id, version=1, spec={**good, "name": "-"}, label="name")
    s.call("UpdateNexusEndpoint", id=made.endpoint.id, version=1, label="no spec")
    s.call("GetNexusEndpoint", id="nonsense", label="bad id")
    s.call("DeleteNexusEndpoint", label="nothing")
    s.call("DeleteNexusEndpoint", id="nonsense", version=1, label="bad id")
    s.call("DeleteNexusEndpoint", id=made.endpoint.id, label="no version")
    s.call("DeleteNexusEndpoint", id=made.endpoint.id, version=7, label="wrong version")
    s.call("ListNexusEndpoints", page_size=-1, label="page size")
    s.call("ListNexusEndpoints", page_size=10_000, label="large page")
    s.call("ListNexusEndpoints", next_page_token=b"nonsense", label="token")


# ---- outcomes -------------------------------------------------------------------------------------------------------------


@scenario
def nexus_operation_at_once(s: Session) -> None:
    begin(s, nexus_header={"Key": "value"})
    task = take(s)
    link = {"url": "temporal:///namespaces/default/workflows/w/r/history", "type": "x.Y"}
    answer(s, task, sync_success={"payload": "done", "links": [link]})
    answer(s, task, "again", sync_success={"payload": "done"})
    rest(s, COMPLETED)


@scenario
def nexus_operation_goes_on(s: Session) -> None:
    begin(s)
    s.describe(label="scheduled")
    task = take(s)
    path = f"/namespaces/default/workflows/{s.wid('x')}/00000000-0000-4000-8000-000000000001/history"
    link = {
        "url": f"temporal://{path}?eventID=1&eventType=WorkflowExecutionStarted&referenceType=EventReference",
        "type": "temporal.api.common.v1.Link.WorkflowEvent",
    }
    answer(s, task, async_success={"operation_token": "token", "links": [link]})
    s.wait_for(STARTED)
    s.describe(label="started")
    s.step(done("left it"))


@scenario
def nexus_operation_fails(s: Session) -> None:
    failure = {"message": "broken", "metadata": {"a": "b"}, "details": b'{"x": 1}'}
    own = {"message": "own", "application_failure_info": {"type": "OperationError", "non_retryable": True}}
    one(s, "failed", operation_error={"operation_state": "failed", "failure": failure})
    one(s, "canceled", operation_error={"operation_state": "canceled", "failure": failure})
    one(s, "own", failure=own)


@scenario
def nexus_operation_fails_in_our_words(s: Session) -> None:
    endpoint(s)
    s.start()
    s.step(operation(s))
    task = take(s)
    answer(s, task, failure={"message": "gone", "canceled_failure_info": {"details": ["x"]}})
    rest(s, CANCELED)


@scenario
def nexus_handler_refuses(s: Session) -> None:
    for kind in ("UNAUTHENTICATED", "UNAUTHORIZED", "NOT_FOUND", "NOT_IMPLEMENTED", "CONFLICT"):
        one(s, kind, refused=kind)


@scenario
def nexus_handler_refuses_once(s: Session) -> None:
    begin(s)
    task = take(s)
    refuse(s, task, "BAD_REQUEST")
    rest(s, FAILED)


@scenario
def nexus_handler_fails_for_good_in_our_words(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    s.call(
        "RespondNexusTaskFailed",
        task_token=task.task_token,
        failure={
            "message": "own words",
            "nexus_handler_failure_info": {"type": "INTERNAL", "retry_behavior": 2},
            "cause": {"message": "why", "application_failure_info": {"type": "T"}},
        },
    )
    rest(s, FAILED)


@scenario
def nexus_handler_fails_and_is_tried_again(s: Session) -> None:
    begin(s)
    first = take(s, "first")
    refuse(s, first, "INTERNAL")
    tried(s, "between")
    second = take(s, "second")
    refuse(s, second, "BAD_REQUEST", retry_behavior=1)
    tried(s, "between again")
    third = take(s, "third")
    s.record(
        "one request", {"same": len({t.request.start_operation.request_id for t in (first, second, third)})}
    )
    answer(s, third, sync_success={"payload": "at last"})
    rest(s, COMPLETED)


@scenario
def nexus_answers_that_make_no_sense(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    s.call("RespondNexusTaskCompleted", label="no token")
    s.call("RespondNexusTaskCompleted", task_token=b"nonsense", label="bad token")
    s.call("RespondNexusTaskFailed", label="no token")
    s.call("RespondNexusTaskFailed", task_token=task.task_token, label="nothing")
    s.call("RespondNexusTaskFailed", task_token=task.task_token, error={"error_type": "odd"}, label="odd")
    tried(s, "after")
    task = take(s, quiet=True)
    s.call("RespondNexusTaskCompleted", task_token=task.task_token, label="nothing")
    tried(s, "after nothing")
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def nexus_answer_of_the_wrong_kind(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    s.call("RespondNexusTaskCompleted", task_token=task.task_token, response={"cancel_operation": {}})
    tried(s, "after")
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def nexus_answer_with_no_outcome(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    answer(s, task)
    tried(s, "after")
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def nexus_operation_fails_in_plain_words(s: Session) -> None:
    own = {
        "message": "whole",
        "metadata": {"type": "temporal.api.failure.v1.Failure"},
        "details": b'{"source": "Elsewhere", "applicationFailureInfo": {"type": "T"}}',
    }
    for label, error in cases(
        {
            "plain": {"operation_state": "failed", "failure": {"message": "plain"}},
            "own": {"operation_state": "failed", "failure": own},
            "own canceled": {"operation_state": "canceled", "failure": own},
            "traced": {
                "operation_state": "failed",
                "failure": {"message": "m", "stack_trace": "trace", "cause": {"message": "inner"}},
            },
        }
    ).items():
        one(s, label, operation_error=error)


@scenario
def nexus_operation_state_that_is_none(s: Session) -> None:
    begin(s)
    error = {"operation_state": "odd", "failure": {"message": "plain"}}
    answer(s, take(s, quiet=True), operation_error=error)
    tried(s)
    answer(s, take(s, quiet=True), operation_error={})
    tried(s)
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def nexus_answers_that_are_too_large(s: Session) -> None:
    one(s, "token", async_success={"operation_token": "t" * 5000})
    one(s, "no token", async_success={})
    one(s, "result", sync_success={"payload": "x" * 2_200_000})
    one(s, "no result", sync_success={})


@scenario
def nexus_result_with_a_link(s: Session) -> None:
    path = f"/namespaces/default/workflows/{s.wid('x')}/00000000-0000-4000-8000-000000000001/history"
    number = f"{path}?eventID=1&eventType=WorkflowExecutionStarted&referenceType=EventReference"
    request = f"{path}?requestID=r&eventType=WorkflowExecutionSignaled&referenceType=RequestIdReference"
    kind = "temporal.api.common.v1.Link.WorkflowEvent"
    links = [{"url": f"temporal://{url}", "type": kind} for url in (number, request, "/nonsense")]
    one(s, "linked", sync_success={"payload": "done", "links": links})


@scenario
def nexus_failures_without_a_kind(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    s.call("RespondNexusTaskFailed", task_token=task.task_token, failure={"message": "no kind"})
    tried(s, "after")
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())


# ---- time -----------------------------------------------------------------------------------------------------------------


@scenario
def nexus_operation_times_out_whole(s: Session) -> None:
    begin(s, schedule_to_close_timeout=1)
    rest(s, TIMED_OUT)


@scenario
def nexus_operation_times_out_before_start(s: Session) -> None:
    begin(s, schedule_to_start_timeout=1, schedule_to_close_timeout=20)
    rest(s, TIMED_OUT)


@scenario
def nexus_operation_times_out_after_start(s: Session) -> None:
    begin(s, start_to_close_timeout=1)
    task = take(s)
    answer(s, task, async_success={"operation_token": "token"})
    rest(s, STARTED, TIMED_OUT)


@scenario
def nexus_operation_times_out_whole_after_start(s: Session) -> None:
    begin(s, schedule_to_close_timeout=5)
    answer(s, take(s), async_success={"operation_token": "token"})
    rest(s, STARTED, TIMED_OUT)


@scenario
def nexus_operation_outlives_nothing(s: Session) -> None:
    """A run's own time bounds that of its operations."""
    endpoint(s)
    s.start(workflow_run_timeout=30)
    s.step(
        operation(s, schedule_to_close_timeout=100, schedule_to_start_timeout=90, start_to_close_timeout=95)
    )
    take(s)
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def nexus_operation_without_times(s: Session) -> None:
    endpoint(s)
    s.start(workflow_run_timeout=30)
    s.step(
        operation(s),
        operation(s, schedule_to_close_timeout=5, start_to_close_timeout=9, schedule_to_start_timeout=7),
    )
    s.describe()
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())


# ---- commands -------------------------------------------------------------------------------------------------------------


@scenario
def nexus_commands_that_are_wrong(s: Session) -> None:
    endpoint(s)
    for label, wrong in cases(
        {
            "endpoint": operation(s, endpoint="nobody"),
            "no endpoint": operation(s, endpoint=""),
            "long service": operation(s, service="s" * 1001),
            "long operation": operation(s, operation="o" * 1001),
            "negative": operation(s, schedule_to_close_timeout=-1),
            "negative start": operation(s, schedule_to_start_timeout=-1),
            "negative close": operation(s, start_to_close_timeout=-1),
            "header": operation(s, nexus_header={"k": "v" * 9000}),
            "reserved header": operation(s, nexus_header={"Request-Timeout": "3s"}),
            "timeout header": operation(s, nexus_header={"operation-timeout": "3s"}),
            "callback header": operation(s, nexus_header={"nexus-callback-x": "3s"}),
            "content header": operation(s, nexus_header={"content-type": "3s"}),
            "redirection header": operation(s, nexus_header={"xdc-redirection": "3s"}),
            "redirection api header": operation(s, nexus_header={"xdc-redirection-api": "3s"}),
            "caller header": operation(s, nexus_header={"caller-name": "3s"}),
            "caller type header": operation(s, nexus_header={"Caller-Type": "3s"}),
            "origin header": operation(s, nexus_header={"call-initiation": "3s"}),
            "nothing to cancel": cancel(77),
            "bare": {"command_type": "COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION"},
            "bare cancel": {"command_type": "COMMAND_TYPE_REQUEST_CANCEL_NEXUS_OPERATION"},
        }
    ).items():
        suffix = "-" + label.replace(" ", "")
        s.start(suffix, label=label, task_queue=s.tq(suffix))
        task = s.poll(s.tq(suffix), quiet=True)
        s.complete(task, wrong, label=label)
        s.ask("TerminateWorkflowExecution", workflow_execution=s.wid(suffix))


@scenario
def nexus_operation_without_a_name(s: Session) -> None:
    begin(s, operation="")
    rest(s, FAILED)


@scenario
def nexus_input_too_large(s: Session) -> None:
    endpoint(s)
    s.start()
    s.step(operation(s, input="x" * 2_200_000))


@scenario
def nexus_too_many_operations(s: Session) -> None:
    endpoint(s)
    s.start()
    s.step(*(operation(s) for _ in range(31)))
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())


# ---- cancellation ---------------------------------------------------------------------------------------------------------


@scenario
def nexus_cancelled_before_start(s: Session) -> None:
    begin(s)
    s.signal()
    s.step(cancel(5))
    s.describe(label="cancelled early")
    s.wait_for(CANCELED)
    s.step(done())


@scenario
def nexus_scheduled_and_cancelled_at_once(s: Session) -> None:
    endpoint(s)
    s.start()
    s.step(operation(s), cancel(5))
    s.wait_for(CANCELED)
    s.step(done())


@scenario
def nexus_cancelled_twice(s: Session) -> None:
    begin(s)
    answer(s, take(s, quiet=True), async_success={"operation_token": "token"})
    s.wait_for(STARTED)
    s.step(cancel(5), cancel(5), label="twice")
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def nexus_cancel_is_acknowledged(s: Session) -> None:
    begin(s, nexus_header={"Key": "value"})
    answer(s, take(s, quiet=True), async_success={"operation_token": "token"})
    s.wait_for(STARTED)
    s.step(cancel(5))
    s.describe(label="cancel requested")
    acknowledge(s, take(s))
    s.wait_for(REQUEST_COMPLETED)
    s.describe(label="cancel acknowledged")
    s.step(done())


@scenario
def nexus_cancel_is_refused(s: Session) -> None:
    begin(s)
    answer(s, take(s, quiet=True), async_success={"operation_token": "token"})
    s.wait_for(STARTED)
    s.step(cancel(5))
    refuse(s, take(s, "first"), "INTERNAL")
    tried(s, "between")
    refuse(s, take(s, "second"), "NOT_FOUND")
    s.wait_for(REQUEST_FAILED)
    s.describe(label="refused")
    s.step(done())


@scenario
def nexus_cancel_before_start_is_answered(s: Session) -> None:
    """The start is with its handler when the cancellation is asked for."""
    begin(s)
    task = take(s, quiet=True)
    s.signal()
    s.step(cancel(5))
    s.describe(label="asked")
    answer(s, task, async_success={"operation_token": "token"})
    s.wait_for(STARTED)
    s.describe_when(lambda shown: shown.pending_nexus_operations[0].cancellation_info.state, label="answered")
    s.step(done())


# ---- around it ------------------------------------------------------------------------------------------------------------


@scenario
def nexus_workflow_closes_with_operations(s: Session) -> None:
    begin(s, timer())
    s.signal()
    s.step(done())
    s.describe(label="closed")


@scenario
def nexus_events_wait_for_the_workflow_task(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    s.signal()
    held = s.poll(quiet=True)
    answer(s, task, sync_success={"payload": "meanwhile"})
    time.sleep(0.5)
    s.show_history(label="held")
    s.signal("later")
    s.complete(held, timer())
    s.step(done())


@scenario
def nexus_started_and_completed_while_a_task_is_held(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    s.signal()
    held = s.poll(quiet=True)
    answer(s, task, async_success={"operation_token": "token"})
    time.sleep(0.5)
    s.show_history(label="held")
    s.complete(held, timer())
    s.wait_for(STARTED)
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())
