"""Nexus operations of a workflow: what it waits for, what it owes their handlers, what it hears of them.

Starts and cancellations are messages that the chain owes (`outgoing`); a handler bears their repetition by the request id.
An attempt that fails is followed by another when its backoff is over. This room must never know where an endpoint leads,
or what answers there.
"""

import copy
from dataclasses import dataclass
from typing import Any

from tenuto.engine import events as ev
from tenuto.engine import failure_size, parcel, signal, workflow_task
from tenuto.engine.chain import Out, Outgoing
from tenuto.engine.context import COMPLETED_TEXT, no_such_chain, not_found
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.nexus_state import (
    ACKNOWLEDGED,
    ASK_AGAIN,
    ASKED,
    BACKING_OFF,
    REFUSED,
    SCHEDULED,
    STARTED,
    NexusCancel,
    NexusOperation,
)
from tenuto.engine.nexus_types import AskNexus, CompleteNexus, NexusAnswer, NexusHandout, Outcome
from tenuto.engine.types import Rejected
from tenuto.limits import HOUR, LIMITS, SECOND
from tenuto.wire import failure, history

FIRST_RETRY_NS, LAST_RETRY_NS = SECOND, HOUR
ENDED_TEXT = "nexus operation completed unsuccessfully"
TOO_LARGE = "http: response body too large"
SCHEDULE_TO_CLOSE, SCHEDULE_TO_START, START_TO_CLOSE = 3, 2, 1
"""Values of TimeoutType."""
NEWS = frozenset(
    {ev.NEXUS_STARTED, ev.NEXUS_COMPLETED, ev.NEXUS_FAILED, ev.NEXUS_CANCELED, ev.NEXUS_TIMED_OUT}
)
"""What a reset carries over of operations that were scheduled before its cut."""
ENDS = NEWS - {ev.NEXUS_STARTED}


def scheduled_id_of(event: history.HistoryEvent) -> int:
    found: int = getattr(event, ev.ATTRIBUTES[event.event_type]).scheduled_event_id
    return found


def end_is_buffered(rd: RunDraft, scheduled_id: int) -> bool:
    return rd.has_buffered and any(
        event.event_type in ENDS and scheduled_id_of(event) == scheduled_id for event in rd.buffered()
    )


# ---- owing -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Owed:
    """The handler is to be told to start, or to cancel, the operation."""

    scheduled_id: int
    out_id: int
    cancel: bool

    def apply(self, rd: RunDraft) -> None:
        item = rd.nexus.edit(self.scheduled_id)
        if self.cancel:
            asked = _edit_cancel(item)
            asked.out_id, asked.state, asked.next_at = self.out_id, ASKED, 0
        else:
            item.out_id, item.state, item.next_at = self.out_id, SCHEDULED, 0


def _edit_cancel(item: NexusOperation) -> NexusCancel:
    """The cancellation of an operation that is being edited, free to be changed too."""
    assert item.cancel is not None
    item.cancel = copy.copy(item.cancel)
    return item.cancel


def _owe(rd: RunDraft, scheduled_id: int, kind: int, request_id: str) -> None:
    target = (rd.draft.key[0], rd.draft.key[1], rd.run.run_id)
    message = parcel.owe(rd.draft, kind, rd.run.run_id, scheduled_id, target, None, request_id)
    rd.note(Owed(scheduled_id, message.out_id, kind == Out.NEXUS_CANCEL))


def owe_start(rd: RunDraft, scheduled_id: int) -> None:
    _owe(rd, scheduled_id, Out.NEXUS_START, rd.nexus[scheduled_id].request_id)


def owe_cancel(rd: RunDraft, scheduled_id: int) -> None:
    """Ask the handler to cancel, if that is wanted and not done: an operation that has not begun cannot be named."""
    item = rd.nexus.get(scheduled_id)
    if item is None or item.state != STARTED or item.cancel is None:
        return
    if item.cancel.state in (ASKED, ASK_AGAIN) and not item.cancel.out_id:
        _owe(rd, scheduled_id, Out.NEXUS_CANCEL, f"{item.request_id}:cancel")


def withdraw(rd: RunDraft) -> None:
    """The run closes: nobody waits for its operations any more. They go on without it."""
    for item in list(rd.nexus.values()):
        rd.draft.out.drop(item.out_id)
        if item.cancel is not None:
            rd.draft.out.drop(item.cancel.out_id)


def adopt(rd: RunDraft, base_run_id: str) -> None:
    """A reset made ``rd`` from ``base_run_id``: operations that it shares with its base are its own now, and what only
    the lost part of the base run asked for is withdrawn."""
    for message in list(rd.draft.out.values()):
        if message.run_id == base_run_id and message.kind in (Out.NEXUS_START, Out.NEXUS_CANCEL):
            rd.draft.out.drop(message.out_id)
    for item in list(rd.nexus.values()):
        if item.state != STARTED:
            owe_start(rd, item.scheduled_id)
        else:
            owe_cancel(rd, item.scheduled_id)


# ---- what is handed out ------------------------------------------------------------------------------------------------


def ask(draft: Draft, request: AskNexus) -> None:
    """What to tell the handler; None when it need not be told any more."""
    draft.reply = None
    message = draft.out.get(request.out_id)
    if message is None or not draft.runs or draft.run.run.run_id != message.run_id:
        return
    item = draft.run.nexus.get(message.reference)
    if item is None:
        return
    draft.reply = NexusHandout(
        run_id=message.run_id,
        scheduled_id=item.scheduled_id,
        endpoint=item.endpoint,
        endpoint_id=item.endpoint_id,
        service=item.service,
        operation=item.operation,
        request_id=item.request_id,
        token=item.token,
        cancel=message.kind == Out.NEXUS_CANCEL,
        expires_at=item.scheduled_at + item.schedule_to_close_ns if item.schedule_to_close_ns else 0,
        start_to_close_ns=item.start_to_close_ns,
    )


# ---- what is heard -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """An attempt to start, or to cancel, is over; with ``next_at`` another follows then."""

    scheduled_id: int
    cancel: bool
    at: int
    failure: bytes = b""
    next_at: int = 0

    def apply(self, rd: RunDraft) -> None:
        item = rd.nexus.edit(self.scheduled_id)
        of: Any = _edit_cancel(item) if self.cancel else item
        of.out_id = 0
        of.attempt += 1
        of.last_completed_at, of.last_failure, of.next_at = self.at, self.failure, self.next_at
        if self.next_at:
            of.state = ASK_AGAIN if self.cancel else BACKING_OFF


def answered(rd: RunDraft, message: Outgoing, answer: NexusAnswer) -> None:
    """An attempt has come to something; or to nothing, and the handler is asked again later."""
    item = rd.nexus.get(message.reference)
    if item is None:
        return
    if message.kind == Out.NEXUS_CANCEL:
        if item.cancel is not None and item.cancel.out_id == message.out_id:
            _cancel_answered(rd, item, item.cancel, answer)
        return
    if item.out_id != message.out_id:
        return
    answer = _sized(answer)
    reason = answer.reason
    if answer.outcome is Outcome.ERROR and answer.retryable:
        rd.note(AttemptEnded(item.scheduled_id, False, rd.now, *_again(rd, item.attempt, reason)))
        return
    if answer.outcome is Outcome.STARTED:
        _record_started(rd, item, answer.token, answer.links)
    else:
        _record_end(rd, item, answer.outcome, answer.result, reason, answer.links)
    workflow_task.wake(rd)


def undeliverable(refusal: Rejected | None) -> NexusAnswer:
    """The attempt did not come about, and none would."""
    return NexusAnswer(Outcome.ERROR, reason=plain_failure(refusal.message if refusal is not None else ""))


def _again(rd: RunDraft, attempts: int, reason: failure.Failure | None) -> tuple[bytes, int]:
    """What is kept of a failed attempt, and when the next one is; ``attempts`` had ended before it."""
    wait = min(FIRST_RETRY_NS << min(attempts, 20), LAST_RETRY_NS)
    return failure_size.retained(reason), rd.now + wait


def _sized(answer: NexusAnswer) -> NexusAnswer:
    """The answer, or what takes its place when it is too large to be written down."""
    if answer.result is not None and answer.result.ByteSize() > LIMITS.blob_bytes:
        return NexusAnswer(Outcome.ERROR, reason=plain_failure(TOO_LARGE, "CallError"))
    if answer.reason is not None and (smaller := failure_size.accepted(answer.reason)) is not None:
        return NexusAnswer(answer.outcome, reason=smaller, retryable=answer.retryable)
    return answer


def plain_failure(text: str, kind: str = "") -> failure.Failure:
    """Something that will not be otherwise next time."""
    made = failure.Failure(message=text)
    made.application_failure_info.type = kind
    made.application_failure_info.non_retryable = True
    return made


def _cancel_answered(rd: RunDraft, item: NexusOperation, asked: NexusCancel, answer: NexusAnswer) -> None:
    if answer.outcome is Outcome.ERROR and answer.retryable:
        rd.note(AttemptEnded(item.scheduled_id, True, rd.now, *_again(rd, asked.attempt, answer.reason)))
        return
    kept = failure_size.retained(answer.reason)
    rd.note(AttemptEnded(item.scheduled_id, True, rd.now, kept))
    if answer.outcome is Outcome.ERROR:
        refused = history.NexusOperationCancelRequestFailedEventAttributes(
            requested_event_id=asked.requested_id, scheduled_event_id=item.scheduled_id
        )
        if answer.reason is not None:
            refused.failure.CopyFrom(failure_size.accepted(answer.reason) or answer.reason)
        rd.emit(ev.NEXUS_CANCEL_FAILED, refused, ignorable=True)
    else:
        done = history.NexusOperationCancelRequestCompletedEventAttributes(
            requested_event_id=asked.requested_id, scheduled_event_id=item.scheduled_id
        )
        rd.emit(ev.NEXUS_CANCEL_COMPLETED, done, ignorable=True)
    workflow_task.wake(rd)


def _record_started(rd: RunDraft, item: NexusOperation, token: str, links: Any) -> None:
    attributes = history.NexusOperationStartedEventAttributes(
        scheduled_event_id=item.scheduled_id,
        operation_id=token,
        operation_token=token,
        request_id=item.request_id,
    )
    rd.emit(ev.NEXUS_STARTED, attributes, links=links)
    owe_cancel(rd, item.scheduled_id)


def _record_end(
    rd: RunDraft,
    item: NexusOperation,
    outcome: Outcome,
    result: Any,
    reason: failure.Failure | None,
    links: Any = (),
) -> None:
    shared: dict[str, Any] = {"scheduled_event_id": item.scheduled_id, "request_id": item.request_id}
    if outcome is Outcome.SUCCEEDED:
        completed = history.NexusOperationCompletedEventAttributes(**shared)
        if result is not None:
            completed.result.CopyFrom(result)
        rd.emit(ev.NEXUS_COMPLETED, completed, links=links)
        return
    ended = ending(item, reason)
    if outcome is Outcome.CANCELED:
        rd.emit(ev.NEXUS_CANCELED, history.NexusOperationCanceledEventAttributes(failure=ended, **shared))
    else:
        rd.emit(ev.NEXUS_FAILED, history.NexusOperationFailedEventAttributes(failure=ended, **shared))


def ending(item: NexusOperation, reason: failure.Failure | None) -> failure.Failure:
    """The failure that a workflow sees of an operation that did not succeed."""
    made = failure.Failure(message=ENDED_TEXT)
    about = made.nexus_operation_execution_failure_info
    about.scheduled_event_id = item.scheduled_id
    about.endpoint, about.service, about.operation = item.endpoint, item.service, item.operation
    about.operation_id = about.operation_token = item.token
    if reason is not None:
        made.cause.CopyFrom(reason)
    return made


def complete(draft: Draft, request: CompleteNexus) -> None:
    """What backs an operation has ended. Heard twice, it changes nothing; an operation that nobody waits for is not
    found."""
    if not draft.runs:
        raise no_such_chain(draft)
    rd = draft.run
    draft.reply = True
    known = f"nexus:{request.request_id}"
    if known in rd.signal_ids:
        return
    if not rd.run.open:
        raise not_found(COMPLETED_TEXT)
    item = rd.nexus.get(request.scheduled_id)
    if item is None or item.request_id != request.request_id:
        raise not_found("operation not found")
    if item.state != STARTED:
        _record_started(rd, item, request.token, request.links)
        item = rd.nexus[request.scheduled_id]
    _record_end(rd, item, request.outcome, request.result, request.reason)
    rd.note(signal.SignalKnown(known))
    workflow_task.wake(rd)


# ---- time --------------------------------------------------------------------------------------------------------------


def expire(rd: RunDraft, scheduled_ids: list[int]) -> None:
    """End what has run out of time among the named operations, and ask again what has waited long enough."""
    ended = False
    for scheduled_id in sorted(scheduled_ids):
        item = rd.nexus.get(scheduled_id)
        if item is None:
            continue
        kind = _overdue(item, rd.now)
        if kind:
            reason = failure.Failure(message="operation timed out")
            reason.timeout_failure_info.timeout_type = kind  # type: ignore[assignment]
            attributes = history.NexusOperationTimedOutEventAttributes(
                scheduled_event_id=scheduled_id, failure=ending(item, reason), request_id=item.request_id
            )
            rd.emit(ev.NEXUS_TIMED_OUT, attributes)
            ended = True
        elif item.state == BACKING_OFF and item.next_at <= rd.now:
            owe_start(rd, scheduled_id)
        elif item.cancel is not None and item.cancel.state == ASK_AGAIN and item.cancel.next_at <= rd.now:
            owe_cancel(rd, scheduled_id)
    if ended:
        workflow_task.wake(rd)


def _overdue(item: NexusOperation, now: int) -> int:
    """Which of its timeouts has passed first; 0: none has."""
    passed = []
    if item.schedule_to_close_ns:
        passed.append((item.scheduled_at + item.schedule_to_close_ns, SCHEDULE_TO_CLOSE))
    if item.state == STARTED and item.start_to_close_ns:
        passed.append((item.started_at + item.start_to_close_ns, START_TO_CLOSE))
    if item.state != STARTED and item.schedule_to_start_ns:
        passed.append((item.scheduled_at + item.schedule_to_start_ns, SCHEDULE_TO_START))
    at, kind = min(passed, default=(now + 1, 0))
    return kind if at <= now else 0


# ---- apply -------------------------------------------------------------------------------------------------------------


def applied_scheduled(rd: RunDraft, event: history.HistoryEvent) -> None:
    a = event.nexus_operation_scheduled_event_attributes
    rd.nexus.put(
        event.event_id,
        NexusOperation(
            scheduled_id=event.event_id,
            endpoint=a.endpoint,
            endpoint_id=a.endpoint_id,
            service=a.service,
            operation=a.operation,
            request_id=a.request_id,
            scheduled_at=ev.instant(event.event_time),
            schedule_to_close_ns=ev.nanoseconds(a.schedule_to_close_timeout),
            schedule_to_start_ns=ev.nanoseconds(a.schedule_to_start_timeout),
            start_to_close_ns=ev.nanoseconds(a.start_to_close_timeout),
        ),
    )


def applied_started(rd: RunDraft, event: history.HistoryEvent) -> None:
    a = event.nexus_operation_started_event_attributes
    if a.scheduled_event_id not in rd.nexus:
        return
    item = rd.nexus.edit(a.scheduled_event_id)
    rd.draft.out.drop(item.out_id)
    item.out_id = item.next_at = 0
    item.state, item.token = STARTED, a.operation_token or a.operation_id
    item.started_at = item.last_completed_at = ev.instant(event.event_time)
    item.attempt += 1
    item.last_failure = b""
    if item.cancel is not None:
        asked = _edit_cancel(item)
        asked.requested_at, asked.state = item.started_at, ASKED


def applied_ended(rd: RunDraft, event: history.HistoryEvent) -> None:
    item = rd.nexus.get(scheduled_id_of(event))
    if item is None:
        return
    rd.draft.out.drop(item.out_id)
    if item.cancel is not None:
        rd.draft.out.drop(item.cancel.out_id)
    rd.nexus.drop(item.scheduled_id)


def applied_cancel_requested(rd: RunDraft, event: history.HistoryEvent) -> None:
    scheduled_id = scheduled_id_of(event)
    if scheduled_id not in rd.nexus:
        return
    item = rd.nexus.edit(scheduled_id)
    item.cancel = NexusCancel(event.event_id)
    if item.state == STARTED:
        item.cancel.requested_at, item.cancel.state = ev.instant(event.event_time), ASKED


def applied_cancel_answered(rd: RunDraft, event: history.HistoryEvent) -> None:
    scheduled_id = scheduled_id_of(event)
    item = rd.nexus.get(scheduled_id)
    if item is None or item.cancel is None:
        return
    asked = _edit_cancel(rd.nexus.edit(scheduled_id))
    rd.draft.out.drop(asked.out_id)
    asked.out_id = 0
    asked.state = ACKNOWLEDGED if event.event_type == ev.NEXUS_CANCEL_COMPLETED else REFUSED


APPLY = {
    ev.NEXUS_SCHEDULED: applied_scheduled,
    ev.NEXUS_STARTED: applied_started,
    **dict.fromkeys(ENDS, applied_ended),
    ev.NEXUS_CANCEL_REQUESTED: applied_cancel_requested,
    ev.NEXUS_CANCEL_COMPLETED: applied_cancel_answered,
    ev.NEXUS_CANCEL_FAILED: applied_cancel_answered,
}
