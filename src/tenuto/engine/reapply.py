"""What a reset carries over from behind the cut: signals, updates, options, news of children (execution-semantics 7.4).

The events are written anew into the reset run, at the present time and with new ids. This room must never carry over
what the worker did itself; it will do that again, or otherwise.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tenuto.engine import events as ev
from tenuto.engine import nexus, signal
from tenuto.engine.draft import RunDraft
from tenuto.engine.nexus_state import STARTED
from tenuto.wire import enums_reset, enums_update, history
from tenuto.wire import workflowservice as ws

Exclude = enums_reset.ResetReapplyExcludeType
Legacy = enums_reset.ResetReapplyType
REAPPLY = enums_update.UpdateAdmittedEventOrigin.UPDATE_ADMITTED_EVENT_ORIGIN_REAPPLY

CHILD_NEWS = frozenset(
    {
        ev.CHILD_START_FAILED,
        ev.CHILD_STARTED,
        ev.CHILD_COMPLETED,
        ev.CHILD_FAILED,
        ev.CHILD_CANCELED,
        ev.CHILD_TIMED_OUT,
        ev.CHILD_TERMINATED,
    }
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which kinds of events the caller wants carried over."""

    signals: bool
    updates: bool
    nexus: bool

    @property
    def nothing(self) -> bool:
        return not (self.signals or self.updates or self.nexus)


def choice(message: ws.ResetWorkflowExecutionRequest) -> Choice:
    """The choice that a request expresses with its list of exclusions and with its older, single field."""
    excluded = set(message.reset_reapply_exclude_types)
    if message.reset_reapply_type == Legacy.RESET_REAPPLY_TYPE_SIGNAL:
        excluded.add(Exclude.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE)
    elif message.reset_reapply_type == Legacy.RESET_REAPPLY_TYPE_NONE:
        excluded |= {
            Exclude.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
            Exclude.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
        }
    return Choice(
        signals=Exclude.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL not in excluded,
        updates=Exclude.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE not in excluded,
        nexus=Exclude.RESET_REAPPLY_EXCLUDE_TYPE_NEXUS not in excluded,
    )


def reapply(rd: RunDraft, events: Iterable[history.HistoryEvent], wanted: Choice, of_base: bool) -> None:
    """Write the chosen ones of ``events`` into the reset run. ``of_base``: they come from the run that is reset, so
    their event ids mean what they mean in the reset run, up to the cut."""
    for event in events:
        kind = event.event_type
        if kind == ev.SIGNALED:
            if wanted.signals:
                _signal(rd, event)
        elif kind in (ev.UPDATE_ADMITTED, ev.UPDATE_ACCEPTED):
            if wanted.updates:
                _update(rd, event)
        elif kind == ev.OPTIONS_UPDATED:
            _again(rd, event)
        elif kind in CHILD_NEWS and of_base:
            _child(rd, event)
        elif kind in nexus.NEWS and of_base and wanted.nexus:
            _operation(rd, event)


def _again(rd: RunDraft, event: history.HistoryEvent) -> None:
    rd.emit(
        event.event_type,
        getattr(event, ev.ATTRIBUTES[event.event_type]),
        links=event.links,
        ignorable=event.worker_may_ignore,
        metadata=event.user_metadata if event.HasField("user_metadata") else None,
    )


def _signal(rd: RunDraft, event: history.HistoryEvent) -> None:
    _again(rd, event)
    remember_signal(rd, event)


def remember_signal(rd: RunDraft, event: history.HistoryEvent) -> None:
    """A client that repeats its signal shall not be recorded twice."""
    request_id = event.workflow_execution_signaled_event_attributes.request_id
    if request_id and request_id not in rd.signal_ids:
        rd.note(signal.SignalKnown(request_id))


def _update(rd: RunDraft, event: history.HistoryEvent) -> None:
    """An update that was let in goes to the worker again, as an event: it may decide otherwise this time."""
    if event.event_type == ev.UPDATE_ADMITTED:
        request = event.workflow_execution_update_admitted_event_attributes.request
    else:
        accepted = event.workflow_execution_update_accepted_event_attributes
        if not accepted.HasField("accepted_request"):
            # Its UPDATE_ADMITTED holds the request and was, or will be, carried over itself.
            return
        request = accepted.accepted_request
    if request.meta.update_id in rd.updates:
        return
    attributes = history.WorkflowExecutionUpdateAdmittedEventAttributes(request=request, origin=REAPPLY)
    rd.emit(ev.UPDATE_ADMITTED, attributes)


def _child(rd: RunDraft, event: history.HistoryEvent) -> None:
    """News of a child that was initiated before the cut."""
    attributes = getattr(event, ev.ATTRIBUTES[event.event_type])
    child = rd.children.get(attributes.initiated_event_id)
    if child is None:
        return
    if event.event_type == ev.CHILD_STARTED and child.run_id:
        return
    _again(rd, event)


def _operation(rd: RunDraft, event: history.HistoryEvent) -> None:
    """News of a Nexus operation that was scheduled before the cut."""
    scheduled_id = nexus.scheduled_id_of(event)
    item = rd.nexus.get(scheduled_id)
    if item is None or (event.event_type == ev.NEXUS_STARTED and item.state == STARTED):
        return
    _again(rd, event)
    nexus.owe_cancel(rd, scheduled_id)
