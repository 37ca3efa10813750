"""One event as one line: its id, its type, and those of its attributes that tell something.

A run id is shown as the number of the run that bears it, in order of appearance in the story.
"""

from collections.abc import Iterator
from typing import Any

from tenuto.engine import events as ev
from tenuto.limits import SECOND
from tenuto.wire import Message, common, duration_pb2, failure, history
from tests.engine.support import short

DULL = frozenset(
    {
        "identity",
        "request_id",
        "history_size_bytes",
        "original_execution_run_id",
        "first_execution_run_id",
        "workflow_id",
        "namespace",
        "namespace_id",
        "parent_workflow_namespace",
        "parent_workflow_namespace_id",
        "eager_execution_accepted",
        "reason",
        "control",
        "accepted_request_message_id",
    }
)
"""Fields that say nothing new: they are shown only when `TELLING` values stand in them."""
TELLING = frozenset({"history-service", "history-resetter", "request-from-RespondWorkflowTaskCompleted"})
QUIET = frozenset({"attempt"})
"""Fields shown unless they are 1."""
DEEP = frozenset(
    {
        "parent_workflow_execution",
        "root_workflow_execution",
        "external_workflow_execution",
        "workflow_execution",
        "last_completion_result",
        "result",
        "details",
        "failure",
        "continued_failure",
        "last_failure",
        "outcome",
        "first_workflow_task_backoff",
        "task_queue",
    }
)


class Names:
    """Run ids as numbers."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def learn(self, run_id: str) -> str:
        return self._known.setdefault(run_id, f"run-{len(self._known) + 1}")

    def hide(self, text: str) -> str:
        for run_id, name in self._known.items():
            text = text.replace(run_id, name)
        return text

    def shown(self, value: Any) -> str:
        return self._known.get(value, str(value)) if isinstance(value, str) else str(value)


def line(event: history.HistoryEvent, names: Names) -> str:
    attributes = getattr(event, ev.ATTRIBUTES[event.event_type])
    told = ", ".join(_told(attributes, names, event.event_type == ev.WFT_STARTED))
    return f"{event.event_id} {short(event)}" + (f" ({told})" if told else "")


def _told(attributes: Message, names: Names, of_task: bool) -> Iterator[str]:
    for field, value in attributes.ListFields():
        name = field.name
        if isinstance(value, str | int | bool):
            if name in QUIET and value == 1:
                continue
            if (
                name in DULL
                and value not in TELLING
                and not (of_task and str(value).startswith(("client", "start-")))
            ):
                continue
            yield f"{name} {names.shown(value)}"
        elif name in DEEP and (text := _deep(value, names)):
            yield f"{name} {text}"


def _deep(value: Any, names: Names) -> str:
    if isinstance(value, duration_pb2.Duration):
        length = ev.nanoseconds(value) / SECOND
        return f"{length:g}s" if length else ""
    if isinstance(value, common.Payloads):
        return names.hide(" ".join(payload.data.decode() for payload in value.payloads))
    if isinstance(value, failure.Failure):
        kind = value.WhichOneof("failure_info") or ""
        return f"[{kind.removesuffix('_info')}: {value.message}]"
    if isinstance(value, common.WorkflowExecution):
        return f"{value.workflow_id}/{names.learn(value.run_id)}" if value.run_id else value.workflow_id
    if hasattr(value, "normal_name"):
        return f"{value.name} over {value.normal_name}" if value.normal_name else ""
    return str(value.WhichOneof("value") or "")
