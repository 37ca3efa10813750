"""Whom a chain tells that it has closed: the callers of the Nexus operations that it backs.

A callback's token names the caller's chain and its operation; only this service writes and reads it. The callback is owed
from the close of the chain's last run until the caller has answered. Other addresses than the service's own are refused
before they come here.
"""

import copy
from dataclasses import dataclass

import msgspec

from tenuto.engine import events as ev
from tenuto.engine import parcel
from tenuto.engine.chain import Out, Outgoing, Terms
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.nexus import plain_failure
from tenuto.engine.nexus_state import FAILED, SENT, STANDBY, SUCCEEDED, CallbackState
from tenuto.engine.nexus_token import TOKEN_HEADER, decode_token
from tenuto.engine.nexus_types import NOTHING, CompleteNexus, NexusParcel, Outcome
from tenuto.engine.types import Delivered, Reason, Rejected
from tenuto.wire import common, failure, history

OPERATION_HEADER = "nexus-operation-token"
"""Where a handler's framework says by which token the caller shall know the operation, should it end before it began."""
_KINDS = {
    Reason.NOT_FOUND: "NOT_FOUND",
    Reason.INVALID: "BAD_REQUEST",
    Reason.DENIED: "UNAUTHORIZED",
    Reason.UNIMPLEMENTED: "NOT_IMPLEMENTED",
}

# ---- the chain that closes ---------------------------------------------------------------------------------------------


def states(terms: Terms) -> tuple[CallbackState, ...]:
    """One for each of the run's callbacks."""
    known = terms.callback_states
    return known + (CallbackState(terms.start_at),) * (len(terms.callbacks) - len(known))


@dataclass(frozen=True, slots=True)
class CallbackMoved:
    """The delivery of a callback has come this far."""

    number: int
    state: CallbackState

    def apply(self, rd: RunDraft) -> None:
        terms = rd.edit_terms()
        terms.callback_states = _moved(terms, self.number, self.state)


def _moved(terms: Terms, number: int, state: CallbackState) -> tuple[CallbackState, ...]:
    all_of = states(terms)
    return (*all_of[:number], state, *all_of[number + 1 :])


def owe(rd: RunDraft, event: history.HistoryEvent) -> None:
    """The chain has closed with ``event``: its callbacks are due."""
    raw_event = event.SerializeToString()
    for number, (raw, state) in enumerate(zip(rd.terms.callbacks, states(rd.terms), strict=True)):
        if state.state != STANDBY:
            continue
        header = {name.lower(): value for name, value in common.Callback.FromString(raw).nexus.header.items()}
        caller = decode_token(header.get(TOKEN_HEADER, ""))
        if caller is None:
            refused = Rejected(Reason.INVALID, "invalid callback token")
            rd.note(CallbackMoved(number, _answered(state, rd.now, refused)))
            continue
        payload = NexusParcel(
            caller.scheduled_id,
            caller.request_id,
            raw_event,
            header.get(OPERATION_HEADER, ""),
            rd.terms.first_run_id,
        )
        target = (caller.namespace_id, caller.workflow_id, caller.run_id)
        parcel.owe(rd.draft, Out.CALLBACK, rd.run.run_id, number, target, payload)
        rd.note(CallbackMoved(number, msgspec.structs.replace(state, state=SENT)))


def _answered(state: CallbackState, at: int, refusal: Rejected | None) -> CallbackState:
    kept = b""
    if refusal is not None:
        kind = _KINDS.get(refusal.reason, "INTERNAL")
        kept = plain_failure(f"handler error ({kind}): {refusal.message}").SerializeToString()
    return CallbackState(
        state.registered_at, SUCCEEDED if refusal is None else FAILED, state.attempt + 1, at, kept
    )


def delivered(draft: Draft, message: Outgoing, request: Delivered) -> None:
    """The caller has heard of the end, or will not. Whoever looks at the run sees it."""
    number = message.reference
    rd = draft.run
    if rd.run.run_id == message.run_id:
        if number < len(rd.terms.callbacks):
            moved = _answered(states(rd.terms)[number], draft.now, request.refusal)
            rd.note(CallbackMoved(number, moved))
        return
    record = draft.closed.get(message.run_id)
    if record is None or number >= len(record.terms.callbacks):
        return
    amended = copy.copy(record)
    amended.terms = copy.copy(record.terms)
    moved = _answered(states(record.terms)[number], draft.now, request.refusal)
    amended.terms.callback_states = _moved(record.terms, number, moved)
    draft.amended_runs.append(amended)


# ---- the caller --------------------------------------------------------------------------------------------------------


def to_request(message: Outgoing, namespace: str, workflow_id: str) -> CompleteNexus:
    """What the caller's chain is asked; ``namespace`` and ``workflow_id`` are of the chain that has closed."""
    payload = msgspec.msgpack.decode(message.payload, type=NexusParcel)
    outcome, result, reason = _came_to(history.HistoryEvent.FromString(payload.event))
    link = common.Link()
    link.workflow_event.namespace, link.workflow_event.workflow_id = namespace, workflow_id
    link.workflow_event.run_id = payload.first_run_id
    link.workflow_event.event_ref.event_id = 1
    link.workflow_event.event_ref.event_type = ev.STARTED
    return CompleteNexus(
        payload.scheduled_id, payload.request_id, outcome, result, reason, payload.token, (link,)
    )


def _came_to(
    event: history.HistoryEvent,
) -> tuple[Outcome, common.Payload | None, failure.Failure | None]:
    """What an operation comes to when the workflow that backs it ends like this."""
    if event.event_type == ev.COMPLETED:
        payloads = event.workflow_execution_completed_event_attributes.result.payloads
        return Outcome.SUCCEEDED, payloads[0] if payloads else NOTHING, None
    if event.event_type == ev.FAILED:
        return Outcome.FAILED, None, event.workflow_execution_failed_event_attributes.failure
    reason = failure.Failure()
    if event.event_type == ev.CANCELED:
        reason.message = "operation canceled"
        canceled = event.workflow_execution_canceled_event_attributes
        reason.canceled_failure_info.SetInParent()
        if canceled.HasField("details"):
            reason.canceled_failure_info.details.CopyFrom(canceled.details)
        return Outcome.CANCELED, None, reason
    if event.event_type == ev.TIMED_OUT:
        reason.message = "operation exceeded internal timeout"
        reason.timeout_failure_info.SetInParent()
    else:
        reason.message = "operation terminated"
        reason.terminated_failure_info.SetInParent()
    return Outcome.FAILED, None, reason
