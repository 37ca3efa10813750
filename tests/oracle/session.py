"""One scenario's conversation with one server: every call is recorded, every workflow touched is shown last.

A scenario never asserts. It drives; the transcript is compared with the transcript of the other server.
"""

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from google.protobuf.message import Message

from tests.oracle.build import message
from tests.oracle.harness import RpcFailure, Target
from tests.oracle.normalise import Normaliser

_HIDDEN = (
    "poller_scaling_decision",
    "backlog_count_hint",
    "poller_group_id",
    "poller_group_infos",
)
Outcome = Any
_CLOSE_TYPES = (2, 3, 4, 21, 27, 28)


class Session:
    """`name` names the scenario's workflow ids and task queues; `salt` keeps two runs on one server apart."""

    def __init__(self, target: Target, name: str, salt: str) -> None:
        self.target = target
        self.namespace = "default"
        self._name = name
        self._salt = salt
        self._lane = sum(name.encode())
        self._entries: list[tuple[str, Outcome]] = []
        self._touched: dict[tuple[str, str], str] = {}
        self._began = time.time()
        self._background = ThreadPoolExecutor(16)
        self._tokens: list[bytes] = []

    # ---- names

    def wid(self, suffix: str = "") -> str:
        """This scenario's workflow id."""
        return f"{self._name}{suffix}-{self._salt}"

    def tq(self, suffix: str = "") -> str:
        """This scenario's task queue."""
        return f"tq-{self._name}{suffix}-{self._salt}"

    def unique(self, text: str) -> str:
        """`text` made unique to this run, for request ids and namespaces."""
        return f"{text}-{self._salt}"

    # ---- calls. Scenarios spread dicts of fields into these; narrower types than Any would forbid that.

    def request(self, method: str, fields: dict[str, Any]) -> Message:
        """The request for `method`, with namespace and identity filled where the type has them."""
        kind = self.target.request_type(method)
        filled = dict(fields)
        if "namespace" in kind.fields_by_name:
            filled.setdefault("namespace", self.namespace)
        if "identity" in kind.fields_by_name:
            filled.setdefault("identity", "oracle")
        return message(kind, filled)

    def ask(self, method: str, timeout: Any = 30, **fields: Any) -> Outcome:
        """Calls without recording; returns the response or the RpcFailure."""
        request = self.request(method, fields)
        try:
            response = self.target.call(method, request, timeout, self._lane)
        except RpcFailure as failure:
            return failure
        self._touch_from(request, response)
        return response

    def call(self, method: str, timeout: Any = 30, label: Any = "", **fields: Any) -> Outcome:
        """Calls and records; returns the response or the RpcFailure."""
        outcome = self.ask(method, timeout, **fields)
        self.record(f"{method} {label}".strip(), outcome)
        return outcome

    def later(self, method: str, timeout: Any = 30, **fields: Any) -> Future[Outcome]:
        """Starts a call in the background; nothing is recorded until `join`."""
        future = self._background.submit(self.ask, method, timeout, **fields)
        time.sleep(0.15)
        return future

    def join(self, future: Future[Outcome], label: str) -> Outcome:
        """Waits for a background call and records its outcome under `label`."""
        outcome = future.result(60)
        self.record(label, outcome)
        return outcome

    def record(self, label: str, outcome: Outcome) -> None:
        """Adds a message, a failure or any JSON-like value to the transcript."""
        self._entries.append((label, outcome))

    # ---- workflows

    def start(self, suffix: Any = "", label: Any = "", **over: Any) -> Outcome:
        """StartWorkflowExecution of type `Oracle` under this scenario's id and queue."""
        return self.call("StartWorkflowExecution", label=label, **self.start_fields(suffix, **over))

    def start_fields(self, suffix: Any = "", **over: Any) -> dict[str, Any]:
        """The fields `start` sends."""
        fields: dict[str, Any] = {
            "workflow_id": self.wid(suffix),
            "workflow_type": "Oracle",
            "task_queue": self.tq(),
            "request_id": self.unique(f"start{suffix}"),
        }
        return {**fields, **over}

    def signal(self, signal_name: str = "s", suffix: str = "", label: Any = "", **over: Any) -> Outcome:
        """SignalWorkflowExecution."""
        fields = {"workflow_execution": self.wid(suffix), "signal_name": signal_name, **over}
        return self.call("SignalWorkflowExecution", label=label, **fields)

    def poll(
        self, queue: str = "", label: Any = "", timeout: Any = 30, quiet: bool = False, **over: Any
    ) -> Outcome:
        """PollWorkflowTaskQueue on this scenario's queue; a quiet poll is not recorded."""
        fields = {"task_queue": queue or self.tq(), **over}
        outcome = self.ask("PollWorkflowTaskQueue", timeout, **fields)
        if not quiet:
            self.record(f"PollWorkflowTaskQueue {label}".strip(), outcome)
        return outcome

    def poll_activity(self, queue: str = "", label: Any = "", timeout: Any = 20, **over: Any) -> Outcome:
        """PollActivityTaskQueue on this scenario's queue."""
        return self.call("PollActivityTaskQueue", timeout, label, task_queue=queue or self.tq(), **over)

    def complete(self, task: Outcome, *commands: dict[str, Any], label: Any = "", **over: Any) -> Outcome:
        """RespondWorkflowTaskCompleted with `commands`."""
        fields = {"task_token": task.task_token, "commands": list(commands), **over}
        return self.call("RespondWorkflowTaskCompleted", label=label, **fields)

    def fail(self, task: Outcome, label: Any = "", **over: Any) -> Outcome:
        """RespondWorkflowTaskFailed."""
        fields: dict[str, Any] = {
            "task_token": task.task_token,
            "cause": "WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE",
            "failure": {
                "message": "broken",
                "source": "Oracle",
                "application_failure_info": {"type": "Broken"},
            },
            **over,
        }
        return self.call("RespondWorkflowTaskFailed", label=label, **fields)

    def step(self, *commands: dict[str, Any], label: Any = "", **over: Any) -> Outcome:
        """Polls quietly and completes with `commands`; returns the task that was completed."""
        task = self.poll(quiet=True)
        if isinstance(task, RpcFailure) or not task.task_token:
            self.record("no workflow task came", task)
            return task
        self.complete(task, *commands, label=label, **over)
        return task

    # ---- looking

    def describe(self, suffix: str = "", run_id: str = "", label: str = "") -> Outcome:
        """DescribeWorkflowExecution."""
        return self.call("DescribeWorkflowExecution", label=label, execution=(self.wid(suffix), run_id))

    def describe_when(
        self, reached: Callable[[Any], bool], suffix: str = "", label: str = "", timeout: float = 15
    ) -> Outcome:
        """DescribeWorkflowExecution, recorded once it is as wanted, or when the time is up."""
        deadline = time.monotonic() + timeout
        while True:
            shown = self.ask("DescribeWorkflowExecution", execution=(self.wid(suffix), ""))
            if isinstance(shown, RpcFailure) or reached(shown) or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        self.record(f"DescribeWorkflowExecution {label}".strip(), shown)
        return shown

    def events(self, workflow_id: str, run_id: str = "") -> list[Any]:
        """Every event of a run, unrecorded; empty when the run is not there."""
        events: list[Any] = []
        token = b""
        while True:
            page = self.ask(
                "GetWorkflowExecutionHistory", execution=(workflow_id, run_id), next_page_token=token
            )
            if isinstance(page, RpcFailure):
                return []
            events += page.history.events
            token = page.next_page_token
            if not token:
                return events

    def wait_for(self, *types: int, suffix: str = "", run_id: str = "", timeout: float = 15) -> list[Any]:
        """Waits until the history holds every one of the event types; returns it, complete or not."""
        return self.wait_until(
            lambda events: set(types) <= {e.event_type for e in events}, suffix, run_id, timeout
        )

    def wait_until(
        self, reached: Callable[[list[Any]], bool], suffix: str = "", run_id: str = "", timeout: float = 15
    ) -> list[Any]:
        """Waits until `reached(events)`; returns the events."""
        deadline = time.monotonic() + timeout
        while True:
            events = self.events(self.wid(suffix), run_id)
            if reached(events) or time.monotonic() > deadline:
                return events
            time.sleep(0.1)

    def wait_closed(self, suffix: str = "", run_id: str = "", timeout: float = 15) -> list[Any]:
        """Waits until the run is closed."""
        return self.wait_until(
            lambda e: bool(e) and e[-1].event_type in _CLOSE_TYPES, suffix, run_id, timeout
        )

    def show_history(self, suffix: str = "", run_id: str = "", label: str = "") -> None:
        """Records the history as it stands now."""
        self.record(f"history {label}".strip(), self.events(self.wid(suffix), run_id))

    def touch(self, workflow_id: str, run_id: str) -> None:
        """Asks for this run to be shown at the end of the transcript."""
        if workflow_id and run_id:
            self._touched.setdefault((workflow_id, run_id), "")

    def _touch_from(self, request: Any, response: Any) -> None:
        fields = response.DESCRIPTOR.fields_by_name
        if "run_id" in fields and hasattr(request, "workflow_id"):
            self.touch(request.workflow_id, response.run_id)
        elif "run_id" in fields and hasattr(request, "workflow_execution"):
            self.touch(request.workflow_execution.workflow_id, response.run_id)
        elif "workflow_execution" in fields:
            execution = response.workflow_execution
            self.touch(execution.workflow_id, execution.run_id)

    # ---- the end

    def finish(self) -> str:
        """Shows every touched run, then renders the transcript."""
        self._background.shutdown(wait=False, cancel_futures=True)
        pending = list(self._touched)
        shown: set[tuple[str, str]] = set()
        while pending:
            workflow_id, run_id = key = pending.pop(0)
            if key in shown:
                continue
            shown.add(key)
            events = self.events(workflow_id, run_id)
            self.record(f"final history of {workflow_id} {run_id}", events)
            description = self.ask("DescribeWorkflowExecution", execution=key)
            self.record(f"final description of {workflow_id} {run_id}", description)
            pending += [followed for followed in _followed(workflow_id, events) if followed not in shown]
        return self._render()

    def _render(self) -> str:
        normaliser = Normaliser(self._began, self._salt)
        lines: list[str] = []
        for label, outcome in self._entries:
            lines.append(f">>> {normaliser.text(label)}")
            lines += _render_outcome(normaliser, outcome)
        return "\n".join(lines) + "\n"


def _followed(workflow_id: str, events: Iterable[Any]) -> list[tuple[str, str]]:
    found = []
    for event in events:
        attributes: Any = getattr(event, event.WhichOneof("attributes") or "", None)
        next_run = getattr(attributes, "new_execution_run_id", "")
        if next_run:
            found.append((workflow_id, next_run))
        if event.event_type == 31:
            child = attributes.workflow_execution
            found.append((child.workflow_id, child.run_id))
    return found


def _render_outcome(normaliser: Normaliser, outcome: Outcome) -> list[str]:
    if isinstance(outcome, RpcFailure):
        lines = [f"  !! {outcome.code}: {normaliser.text(outcome.message)}"]
        for detail in outcome.details:
            lines += [f"  detail {detail.DESCRIPTOR.full_name}", *normaliser.render(detail, 2)]
        return lines + [f"  undecoded detail {name}" for name in outcome.undecoded]
    if isinstance(outcome, list):
        lines = []
        for item in outcome:
            is_event = hasattr(item, "event_id")
            lines += _render_event(normaliser, item) if is_event else [f"  {normaliser.text(str(item))}"]
        return lines
    if isinstance(outcome, Message):
        shown = type(outcome)()
        shown.CopyFrom(outcome)
        for name in _HIDDEN:
            if name in shown.DESCRIPTOR.fields_by_name:
                shown.ClearField(name)
        events: list[str] = []
        if "history" in shown.DESCRIPTOR.fields_by_name:
            present = shown.HasField("history")
            for event in shown.history.events:  # type: ignore[attr-defined]
                events += ["  " + line for line in _render_event(normaliser, event)]
            shown.ClearField("history")
            events = ["  history:", *events] if present else ["  history absent"]
        return [*normaliser.render(shown), *events]
    return [f"  {line}" for line in normaliser.text(json.dumps(outcome, indent=1, default=str)).split("\n")]


def _render_event(normaliser: Normaliser, event: Any) -> list[str]:
    from temporalio.api.enums.v1 import EventType

    head = f"  {event.event_id} {EventType.Name(event.event_type).removeprefix('EVENT_TYPE_')}"
    shown = type(event)()
    shown.CopyFrom(event)
    shown.ClearField("event_id")
    shown.ClearField("event_type")
    return [head, *normaliser.render(shown, 2)]
