"""Nexus: endpoints, operations of workflows, tasks of their handlers, and callbacks of what they start."""

import time
from typing import Any

from tests.oracle.build import cases
from tests.oracle.commands import command, done, timer
from tests.oracle.harness import RpcFailure
from tests.oracle.registry import scenario
from tests.oracle.session import Session

SCHEDULED, STARTED, COMPLETED, FAILED, CANCELED, TIMED_OUT, CANCEL_REQUESTED = range(48, 55)
REQUEST_COMPLETED, REQUEST_FAILED = 56, 57
TASK_SCHEDULED = 5


def endpoint(s: Session, quiet: bool = True, queue: str = "", **over: Any) -> Any:
    """An endpoint to this scenario's queue; servers tell their parts of it after a while."""
    target = {"worker": {"namespace": "default", "task_queue": queue or s.tq("-nexus")}}
    fields = {"spec": {"name": s.unique("ep"), "target": target, **over}}
    made = (s.ask if quiet else s.call)("CreateNexusEndpoint", **fields)
    time.sleep(1.2)
    return made


def operation(s: Session, **over: Any) -> dict[str, Any]:
    fields = {"endpoint": s.unique("ep"), "service": "Shop", "operation": "buy", "input": "tea", **over}
    return command("SCHEDULE_NEXUS_OPERATION", **fields)


def cancel(scheduled_event_id: int) -> dict[str, Any]:
    return command("REQUEST_CANCEL_NEXUS_OPERATION", scheduled_event_id=scheduled_event_id)


def take(s: Session, label: str = "", quiet: bool = False, timeout: float = 15) -> Any:
    """The next Nexus task."""
    task = s.ask("PollNexusTaskQueue", timeout, task_queue=s.tq("-nexus"))
    if not quiet and not isinstance(task, RpcFailure):
        shown = type(task)()
        shown.CopyFrom(task)
        shown.request.ClearField("scheduled_time")
        for name in _OF_TRANSPORT & set(shown.request.header):
            del shown.request.header[name]
        _hide(shown.request.header)
        _hide(shown.request.start_operation.callback_header)
        if not task.request.HasField("start_operation"):
            shown.request.ClearField("start_operation")
        s.record(f"PollNexusTaskQueue {label}".strip(), shown)
    return task


_OF_TRANSPORT = {"Request-Timeout", "nexus-link", "nexus-request-id", "user-agent", "content-length"}
"""Headers that say again what the request says, in words of HTTP, by which the real server carries it."""


def _hide(header: Any) -> None:
    """Times that are left, and what only the server can read."""
    for name in list(header):
        if name.endswith("timeout"):
            header[name] = "<time>"
        elif "token" in name:
            header[name] = "<opaque>"


def answer(s: Session, task: Any, label: str = "", **start: Any) -> Any:
    fields = {"task_token": task.task_token, "response": {"start_operation": start}}
    return s.call("RespondNexusTaskCompleted", label=label, **fields)


def acknowledge(s: Session, task: Any) -> Any:
    return s.call("RespondNexusTaskCompleted", task_token=task.task_token, response={"cancel_operation": {}})


def refuse(s: Session, task: Any, kind: str, label: str = "", **over: Any) -> Any:
    error = {"error_type": kind, "failure": {"message": f"it is {kind}"}, **over}
    return s.call("RespondNexusTaskFailed", label=label, task_token=task.task_token, error=error)


def begin(s: Session, *more: Any, **over: Any) -> None:
    endpoint(s)
    s.start()
    s.step(operation(s, **over), *more)


def rest(s: Session, *kinds: int) -> None:
    """See the events come, let the workflow end."""
    s.wait_for(*kinds)
    s.step(done())


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
    _one(s, "failed", operation_error={"operation_state": "failed", "failure": failure})
    _one(s, "canceled", operation_error={"operation_state": "canceled", "failure": failure})
    _one(s, "own", failure=own)


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
        _one(s, kind, refused=kind)


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
    time.sleep(0.3)
    s.describe(label="between")
    second = take(s, "second")
    refuse(s, second, "BAD_REQUEST", retry_behavior=1)
    time.sleep(0.3)
    s.describe(label="between again")
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
    time.sleep(0.3)
    s.describe(label="after")
    task = take(s, quiet=True)
    s.call("RespondNexusTaskCompleted", task_token=task.task_token, label="nothing")
    time.sleep(0.3)
    s.describe(label="after nothing")
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def nexus_answer_of_the_wrong_kind(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    s.call("RespondNexusTaskCompleted", task_token=task.task_token, response={"cancel_operation": {}})
    time.sleep(0.5)
    s.describe(label="after")
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def nexus_answer_with_no_outcome(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    answer(s, task)
    time.sleep(0.5)
    s.describe(label="after")
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
        _one(s, label, operation_error=error)


def _one(s: Session, label: str, **start: Any) -> None:
    """One operation, and what its answer came to, or comes to for now."""
    suffix = "-" + label.replace(" ", "")
    queue = s.tq(suffix)
    target = {"worker": {"namespace": "default", "task_queue": queue}}
    name = s.unique(f"ep{suffix}")
    s.ask("CreateNexusEndpoint", spec={"name": name, "target": target})
    time.sleep(1.2)
    s.start(suffix, task_queue=queue)
    s.complete(s.poll(queue, quiet=True), operation(s, endpoint=name))
    task = s.ask("PollNexusTaskQueue", 15, task_queue=queue)
    if "refused" in start:
        refuse(s, task, start["refused"], label)
    else:
        answer(s, task, label, **start)
    s.wait_until(lambda events: len(events) > 5, suffix, timeout=1.5)
    s.describe(suffix, label=label)
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid(suffix))


@scenario
def nexus_operation_state_that_is_none(s: Session) -> None:
    begin(s)
    error = {"operation_state": "odd", "failure": {"message": "plain"}}
    answer(s, take(s, quiet=True), operation_error=error)
    time.sleep(0.4)
    s.describe()
    answer(s, take(s, quiet=True), operation_error={})
    time.sleep(0.4)
    s.describe()
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def nexus_answers_that_are_too_large(s: Session) -> None:
    _one(s, "token", async_success={"operation_token": "t" * 5000})
    _one(s, "no token", async_success={})
    _one(s, "result", sync_success={"payload": "x" * 2_200_000})
    _one(s, "no result", sync_success={})


@scenario
def nexus_result_with_a_link(s: Session) -> None:
    path = f"/namespaces/default/workflows/{s.wid('x')}/00000000-0000-4000-8000-000000000001/history"
    number = f"{path}?eventID=1&eventType=WorkflowExecutionStarted&referenceType=EventReference"
    request = f"{path}?requestID=r&eventType=WorkflowExecutionSignaled&referenceType=RequestIdReference"
    kind = "temporal.api.common.v1.Link.WorkflowEvent"
    links = [{"url": f"temporal://{url}", "type": kind} for url in (number, request, "/nonsense")]
    _one(s, "linked", sync_success={"payload": "done", "links": links})


@scenario
def nexus_failures_without_a_kind(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    s.call("RespondNexusTaskFailed", task_token=task.task_token, failure={"message": "no kind"})
    time.sleep(0.5)
    s.describe(label="after")
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
            "no service": operation(s, service=""),
            "no operation": operation(s, operation=""),
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
    time.sleep(0.4)
    s.describe(label="between")
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
    time.sleep(0.5)
    s.describe(label="answered")
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


# ---- what backs it --------------------------------------------------------------------------------------------------------


def back(s: Session, task: Any, suffix: str = "-backing", **over: Any) -> Any:
    """Start the workflow that backs the operation, as a framework does."""
    asked = task.request.start_operation
    links = []
    for link in asked.links:
        where, _, query = link.url.removeprefix("temporal:///namespaces/").partition("?")
        parts = where.split("/")
        said = dict(pair.split("=") for pair in query.split("&"))
        event = {
            "namespace": parts[0],
            "workflow_id": parts[2],
            "run_id": parts[3],
            "event_ref": {"event_id": int(said["eventID"]), "event_type": SCHEDULED},
        }
        links.append({"workflow_event": event})
    fields = {
        "completion_callbacks": [
            {"nexus": {"url": asked.callback, "header": dict(asked.callback_header)}, "links": links}
        ],
        "task_queue": s.tq("-backing"),
        "workflow_type": "Backing",
        "request_id": asked.request_id,
        "links": links,
        "on_conflict_options": {
            "attach_request_id": True,
            "attach_completion_callbacks": True,
            "attach_links": True,
        },
        **over,
    }
    return s.ask("StartWorkflowExecution", workflow_id=s.wid(suffix), **fields)


def link_to(s: Session, started: Any, suffix: str = "-backing") -> dict[str, Any]:
    path = f"/namespaces/default/workflows/{s.wid(suffix)}/{started.run_id}/history"
    return {
        "url": f"temporal://{path}?eventID=1&eventType=WorkflowExecutionStarted&referenceType=EventReference",
        "type": "temporal.api.common.v1.Link.WorkflowEvent",
    }


def backed(s: Session, *ends: dict[str, Any], **over: Any) -> Any:
    begin(s)
    task = take(s)
    started = back(s, task, **over)
    answer(s, task, async_success={"operation_token": "token", "links": [link_to(s, started)]})
    s.wait_for(STARTED)
    held = s.poll(s.tq("-backing"), quiet=True)
    if ends:
        s.complete(held, *ends)
    return held


@scenario
def nexus_backing_completes(s: Session) -> None:
    backed(s, done("of the workflow"))
    rest(s, COMPLETED)
    s.wait_closed("-backing")
    s.describe("-backing", label="callback delivered")


@scenario
def nexus_backing_fails(s: Session) -> None:
    from tests.oracle.commands import broken

    backed(s, broken())
    rest(s, FAILED)


@scenario
def nexus_backing_is_cancelled(s: Session) -> None:
    backed(s, command("CANCEL_WORKFLOW_EXECUTION", details=["why"]))
    rest(s, CANCELED)


@scenario
def nexus_backing_is_terminated(s: Session) -> None:
    backed(s)
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid("-backing"), reason="enough")
    rest(s, FAILED)


@scenario
def nexus_backing_times_out(s: Session) -> None:
    backed(s, workflow_run_timeout=1)
    rest(s, FAILED)


@scenario
def nexus_backing_continues_as_new(s: Session) -> None:
    backed(
        s, command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type="Backing", task_queue=s.tq("-backing"))
    )
    held = s.poll(s.tq("-backing"), quiet=True)
    s.describe("-backing", label="standing by")
    s.complete(held, done("second run"))
    rest(s, COMPLETED)


@scenario
def nexus_backing_completes_before_the_answer(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    started = back(s, task)
    s.complete(s.poll(s.tq("-backing"), quiet=True), done("early"))
    s.wait_for(COMPLETED)
    s.show_history(label="completed early")
    answer(s, task, async_success={"operation_token": "token", "links": [link_to(s, started)]})
    time.sleep(0.5)
    s.step(done())


@scenario
def nexus_backing_that_is_known_by_its_token_completes_early(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    task.request.start_operation.callback_header["nexus-operation-token"] = "early"
    back(s, task)
    s.complete(s.poll(s.tq("-backing"), quiet=True), done("early"))
    s.wait_for(COMPLETED)
    s.step(done())


@scenario
def nexus_backing_completes_after_a_reset_of_its_caller(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    back(s, task)
    answer(s, task, async_success={"operation_token": "token"})
    s.wait_for(STARTED)
    s.step(timer())
    s.call(
        "ResetWorkflowExecution",
        workflow_execution=s.wid(),
        workflow_task_finish_event_id=9,
        request_id=s.unique("reset"),
        reason="again",
    )
    s.describe(label="reset")
    s.complete(s.poll(s.tq("-backing"), quiet=True), done("later"))
    s.wait_for(COMPLETED)
    s.step(done())


@scenario
def nexus_callback_attached_to_running(s: Session) -> None:
    begin(s)
    s.ask("StartWorkflowExecution", **s.start_fields("-backing", task_queue=s.tq("-backing")))
    task = take(s, quiet=True)
    back(s, task, workflow_id_conflict_policy=2)
    s.describe("-backing", label="attached")
    answer(s, task, async_success={"operation_token": "token"})
    s.wait_for(STARTED)
    s.complete(s.poll(s.tq("-backing"), quiet=True), done("shared"))
    rest(s, COMPLETED)
    s.show_history("-backing")


@scenario
def nexus_callback_to_a_workflow_that_is_gone(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    back(s, task)
    answer(s, task, async_success={"operation_token": "token"})
    s.wait_for(STARTED)
    s.step(done())
    s.complete(s.poll(s.tq("-backing"), quiet=True), done("for nobody"))
    time.sleep(1)
    s.describe("-backing", label="callback refused")


@scenario
def nexus_callbacks_that_are_wrong(s: Session) -> None:
    for label, callback in cases(
        {
            "nothing": {},
            "no url": {"nexus": {}},
            "http": {"nexus": {"url": "http://127.0.0.1/x"}},
            "https": {"nexus": {"url": "https://example.com/x"}},
            "ftp": {"nexus": {"url": "ftp://example.com/x"}},
            "nonsense": {"nexus": {"url": "nonsense"}},
            "no host": {"nexus": {"url": "http:///x"}},
            "bad system": {"nexus": {"url": "temporal://other"}},
            "system without token": {"nexus": {"url": "temporal://system"}},
            "system with nonsense": {
                "nexus": {"url": "temporal://system", "header": {"temporal-callback-token": "x"}}
            },
            "long url": {"nexus": {"url": "http://" + "h" * 2000}},
            "large header": {"nexus": {"url": "temporal://system", "header": {"h": "v" * 9000}}},
            "internal": {"internal": {"data": b"x"}},
        }
    ).items():
        suffix = "-" + label.replace(" ", "")
        s.start(suffix, label=label, completion_callbacks=[callback])
        s.ask("TerminateWorkflowExecution", workflow_execution=s.wid(suffix))
    many = [{"nexus": {"url": "temporal://system"}}] * 40
    s.start("-many", label="many", completion_callbacks=many)
    s.ask("TerminateWorkflowExecution", workflow_execution=s.wid("-many"))


# ---- reset ----------------------------------------------------------------------------------------------------------------


@scenario
def nexus_completion_survives_reset(s: Session) -> None:
    begin(s)
    s.signal()
    s.step(timer())
    answer(s, take(s, quiet=True), sync_success={"payload": "before"})
    s.wait_for(COMPLETED)
    s.step(timer("u"))
    s.call(
        "ResetWorkflowExecution",
        workflow_execution=s.wid(),
        workflow_task_finish_event_id=9,
        request_id=s.unique("reset"),
        reason="again",
    )
    time.sleep(0.3)
    s.show_history(label="reset")
    s.describe(label="reset")
    s.step(done())


@scenario
def nexus_operation_survives_reset(s: Session) -> None:
    begin(s)
    take(s, "of the first run")
    s.signal()
    s.step(timer())
    s.call(
        "ResetWorkflowExecution",
        workflow_execution=s.wid(),
        workflow_task_finish_event_id=9,
        request_id=s.unique("reset"),
        reason="again",
    )
    s.describe(label="reset")
    answer(s, take(s), sync_success={"payload": "after"})
    s.wait_for(COMPLETED)
    s.step(done())
