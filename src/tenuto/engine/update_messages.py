"""What a worker says about updates: acceptance, rejection, response (execution-semantics 6.1, 6.2, 6.6).

A message stands where its PROTOCOL_MESSAGE command stands, or after all commands. A message that fits no update,
or not its state, fails the whole workflow task. This room must never decide a request of a client.
"""

from dataclasses import dataclass
from typing import NoReturn

from tenuto.engine import events as ev
from tenuto.engine.chain import NO_EVENT
from tenuto.engine.context import CommandFailed, Completion, invalid
from tenuto.engine.draft import RunDraft
from tenuto.engine.types import Rejected, UpdateNotice
from tenuto.engine.update_state import (
    ACCEPTED,
    COMPLETED,
    admit,
    check_total,
    tell,
    unprocessed,
)
from tenuto.wire import DecodeError, enums_failed, history, protocol
from tenuto.wire import command as wire_command
from tenuto.wire import update as wire_update

CAUSE = enums_failed.WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE
PACKAGE = "temporal.api.update.v1"

# Names that the wire's error texts use for where an update stands.
SENT, UNSENT = "Sent", "Admitted"
PROVISIONALLY_ACCEPTED, KNOWN_ACCEPTED = "ProvisionallyAccepted", "Accepted"
PROVISIONALLY_COMPLETED, KNOWN_COMPLETED = "ProvisionallyCompleted", "Completed"


def protocol_message(task: Completion, command: wire_command.Command) -> None:
    """PROTOCOL_MESSAGE: the message it names takes effect at this position."""
    message_id = command.protocol_message_command_attributes.message_id
    if not message_id:
        _fail("MessageID is not set on ProtocolMessageCommand.")
    message = task.messages.pop(message_id, None)
    if message is None:
        _fail(f"ProtocolMessageCommand referenced absent message ID {message_id}")
    _deliver(task, message)


def process_rest(task: Completion) -> None:
    """The messages that no command placed, in their order."""
    for message_id in list(task.messages):
        _deliver(task, task.messages.pop(message_id))


def _fail(detail: str) -> NoReturn:
    raise CommandFailed(CAUSE, detail)


def _deliver(task: Completion, message: protocol.Message) -> None:
    if not message.HasField("body"):
        raise invalid("nil message body")
    package, _, kind = message.body.type_url.rpartition("/")[2].rpartition(".")
    if package != PACKAGE:
        _fail(f"unsupported protocol type {package}")
    body = _unpack(kind, message)
    update_id = message.protocol_instance_id
    if not task.rd.run.open:
        if isinstance(body, wire_update.Rejection):
            _reject_late(task.rd, update_id, body)
        return
    state = _state(task, update_id)
    if not state:
        _resurrect(task.rd, update_id, body)
        state = UNSENT
    if isinstance(body, wire_update.Acceptance):
        _expect(state, (SENT, UNSENT), update_id, kind)
        _accept(task.rd, update_id, body)
    elif isinstance(body, wire_update.Rejection):
        _expect(state, (SENT, UNSENT), update_id, kind)
        _reject(task.rd, update_id, wire_update.Outcome(failure=body.failure))
    elif isinstance(body, wire_update.Response):
        _expect(state, (PROVISIONALLY_ACCEPTED, KNOWN_ACCEPTED), update_id, kind)
        _complete(task.rd, update_id, body)
    else:
        _fail(f"Message type *update.{kind} not supported")


def _unpack(
    kind: str, message: protocol.Message
) -> wire_update.Acceptance | wire_update.Rejection | wire_update.Response | None:
    try:
        if kind == "Acceptance":
            return wire_update.Acceptance.FromString(message.body.value)
        if kind == "Rejection":
            return wire_update.Rejection.FromString(message.body.value)
        if kind == "Response":
            return wire_update.Response.FromString(message.body.value)
    except DecodeError as error:
        _fail(f"unable to unmarshal request: {error}")
    return None


def _state(task: Completion, update_id: str) -> str:
    """Where the update stands at this point of the completion; empty when the run does not know it."""
    rd = task.rd
    pending = rd.pending_updates.get(update_id)
    if pending is not None:
        return SENT if pending.sent_with != NO_EVENT else UNSENT
    record = rd.updates.get(update_id)
    if record is None:
        finished = update_id in rd.pending_updates.changes or update_id in rd.updates.changes
        return PROVISIONALLY_COMPLETED if finished else ""
    if record.completed_id != NO_EVENT:
        return PROVISIONALLY_COMPLETED if record.completed_id > task.completed_id else KNOWN_COMPLETED
    if record.accepted_id != NO_EVENT:
        return PROVISIONALLY_ACCEPTED if record.accepted_id > task.completed_id else KNOWN_ACCEPTED
    return SENT if NO_EVENT < record.admitted_id < task.completed_id else UNSENT


def _expect(state: str, allowed: tuple[str, str], update_id: str, kind: str) -> None:
    if state not in allowed:
        _fail(
            f"invalid state transition attempted for Update {update_id}: "
            f"received *update.{kind} message while in state {state}"
        )


def _resurrect(
    rd: RunDraft,
    update_id: str,
    body: wire_update.Acceptance | wire_update.Rejection | wire_update.Response | None,
) -> None:
    """This service has lost the update, but the worker's message carries the request: take it in again."""
    request = None
    if isinstance(body, wire_update.Acceptance) and body.HasField("accepted_request"):
        request = body.accepted_request
    elif isinstance(body, wire_update.Rejection) and body.HasField("rejected_request"):
        request = body.rejected_request
    if request is None:
        _fail(
            f"update {update_id} wasn't found on the server. "
            "This is most likely a transient error which will be resolved automatically by retries"
        )
    try:
        check_total(rd)
    except Rejected as refusal:
        _fail(refusal.message)
    admit(rd, request, update_id)


def _accept(rd: RunDraft, update_id: str, body: wire_update.Acceptance) -> None:
    if not body.accepted_request_sequencing_event_id:
        _fail("invalid *update.Acceptance: accepted_request_sequencing_event_id is not set")
    if not body.accepted_request_message_id:
        _fail("invalid *update.Acceptance: accepted_request_message_id is not set")
    attributes = history.WorkflowExecutionUpdateAcceptedEventAttributes(
        protocol_instance_id=update_id,
        accepted_request_message_id=f"{update_id}/request",
        accepted_request_sequencing_event_id=body.accepted_request_sequencing_event_id,
    )
    pending = rd.pending_updates.get(update_id)
    if pending is not None:
        # Without one, UPDATE_ADMITTED holds the request already.
        attributes.accepted_request.CopyFrom(pending.request)
        rd.pending_updates.drop(update_id)
    event = rd.emit(ev.UPDATE_ACCEPTED, attributes)
    tell(rd, UpdateNotice(rd.run.run_id, update_id, ACCEPTED, accepted_id=event.event_id))


def _complete(rd: RunDraft, update_id: str, body: wire_update.Response) -> None:
    if not body.HasField("meta"):
        _fail("invalid *update.Response: meta is not set")
    if not body.meta.update_id:
        _fail("invalid *update.Response: meta.update_id is not set")
    if body.meta.update_id != update_id:
        _fail(f"invalid *update.Response: meta.update_id != {update_id}")
    if not body.HasField("outcome"):
        _fail("invalid *update.Response: outcome is not set")
    accepted_id = rd.updates[update_id].accepted_id
    attributes = history.WorkflowExecutionUpdateCompletedEventAttributes(
        meta=body.meta, outcome=body.outcome, accepted_event_id=accepted_id
    )
    rd.emit(ev.UPDATE_COMPLETED, attributes)
    tell(
        rd,
        UpdateNotice(rd.run.run_id, update_id, COMPLETED, body.outcome, accepted_id=accepted_id),
    )


def _reject(rd: RunDraft, update_id: str, outcome: wire_update.Outcome) -> None:
    """A rejected update leaves no trace: the same id may be tried again."""
    rd.pending_updates.drop(update_id)
    if update_id in rd.updates:
        rd.note(UpdateForgotten(update_id))
    tell(rd, UpdateNotice(rd.run.run_id, update_id, COMPLETED, outcome))


def _reject_late(rd: RunDraft, update_id: str, body: wire_update.Rejection) -> None:
    """A rejection behind the close command still is the better answer for those who wait."""
    dropped = update_id in rd.pending_updates.changes and update_id not in rd.updates
    if dropped:
        outcome = wire_update.Outcome(failure=body.failure)
        tell(rd, UpdateNotice(rd.run.run_id, update_id, COMPLETED, outcome))


@dataclass(frozen=True, slots=True)
class UpdateForgotten:
    """An update that a reset carried over was rejected by the worker."""

    update_id: str

    def apply(self, rd: RunDraft) -> None:
        rd.updates.drop(self.update_id)


def reject_unanswered(task: Completion) -> None:
    """Reject what the worker was shown and said nothing about. Not for heartbeats, nor on a closed run."""
    rd = task.rd
    if task.message.force_create_new_workflow_task or not rd.run.open:
        return
    ignored = [pending.update_id for pending in rd.pending_updates.values() if pending.sent_with != NO_EVENT]
    ignored += [
        record.update_id
        for record in rd.updates.values()
        if record.accepted_id == NO_EVENT and NO_EVENT < record.admitted_id < task.completed_id
    ]
    for update_id in ignored:
        _reject(rd, update_id, unprocessed())
