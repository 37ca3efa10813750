"""Words for scenarios about Nexus: endpoints, operations, and what handlers do with their tasks."""

import time
from typing import Any

from tests.oracle.commands import command, done
from tests.oracle.harness import RpcFailure
from tests.oracle.session import Session

SCHEDULED, STARTED, COMPLETED, FAILED, CANCELED, TIMED_OUT, CANCEL_REQUESTED = range(48, 55)
REQUEST_COMPLETED, REQUEST_FAILED = 56, 57
BACKING_OFF = 2
CALLBACK_FAILED = 4


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


def tried(s: Session, label: str = "") -> None:
    """The description when an attempt of the operation, or of its cancellation, is over: it backs off, or has ended."""
    s.describe_when(
        lambda shown: all(
            BACKING_OFF in (one.state, one.cancellation_info.state) for one in shown.pending_nexus_operations
        ),
        label=label,
    )


def delivered(s: Session, label: str = "") -> None:
    """The description of what backs the operation when its callbacks have come to something."""
    s.describe_when(
        lambda shown: all(one.state >= CALLBACK_FAILED for one in shown.callbacks), "-backing", label
    )


def begin(s: Session, *more: Any, **over: Any) -> None:
    """A workflow that has asked for an operation. Its tasks have time enough for a server that is busy."""
    endpoint(s)
    s.start(workflow_task_timeout=60)
    s.step(operation(s, **over), *more)


def rest(s: Session, *kinds: int) -> None:
    """See the events come, let the workflow end."""
    s.wait_for(*kinds)
    s.step(done())


def one(s: Session, label: str, **start: Any) -> None:
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
