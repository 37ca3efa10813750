"""A history, as a person would tell it."""

from collections.abc import Iterable
from datetime import UTC

from tenuto.api.enums.v1 import EventType
from tenuto.api.history.v1 import HistoryEvent

_QUIET = {"WorkflowTaskScheduled", "WorkflowTaskStarted", "WorkflowTaskCompleted"}


def _kind(event: HistoryEvent) -> str:
    words = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").split("_")
    return "".join(word.capitalize() for word in words)


def _detail(event: HistoryEvent, names: dict[int, str]) -> str:
    scheduled = event.activity_task_scheduled_event_attributes
    if event.HasField("activity_task_scheduled_event_attributes"):
        names[event.event_id] = scheduled.activity_type.name
        return f"{scheduled.activity_type.name}({_data(scheduled.input.payloads)})"
    if event.HasField("activity_task_started_event_attributes"):
        started = event.activity_task_started_event_attributes
        return f"{names[started.scheduled_event_id]}, attempt {started.attempt}" + (
            f", after: {started.last_failure.message}" if started.last_failure.message else ""
        )
    if event.HasField("activity_task_completed_event_attributes"):
        completed = event.activity_task_completed_event_attributes
        return f"{names[completed.scheduled_event_id]} -> {_data(completed.result.payloads)}"
    if event.HasField("workflow_execution_signaled_event_attributes"):
        signaled = event.workflow_execution_signaled_event_attributes
        return f"{signaled.signal_name}({_data(signaled.input.payloads)})"
    if event.HasField("timer_started_event_attributes"):
        return f"{event.timer_started_event_attributes.start_to_fire_timeout.ToMilliseconds() / 1000:g} s"
    if event.HasField("workflow_task_timed_out_event_attributes"):
        return "its worker had died"
    return ""


def _data(payloads: Iterable[object]) -> str:
    return ", ".join(getattr(payload, "data", b"").decode(errors="replace") for payload in payloads)


def tell(events: Iterable[HistoryEvent]) -> list[str]:
    """One line an event, workflow task bookkeeping left out; times are seconds since the first event."""
    lines: list[str] = []
    names: dict[int, str] = {}
    began = 0.0
    for event in events:
        at = event.event_time.ToDatetime(tzinfo=UTC).timestamp()
        began = began or at
        kind, detail = _kind(event), _detail(event, names)
        if kind not in _QUIET:
            lines.append(f"  {at - began:6.2f} s  {event.event_id:3}  {kind:38} {detail}".rstrip())
    return lines
