"""Signals and cancel requests that a workflow sends to another (execution-semantics 5.4): the sender's side.

Whatever becomes of one is an event, never an error of the call (execution-semantics 10, 55). The receiver's
side is `signal`. This room must never reach into another chain: it only owes messages (`outgoing`).
"""

import uuid
from dataclasses import dataclass
from typing import Any

from tenuto.engine import events as ev
from tenuto.engine import parcel, workflow_task
from tenuto.engine.chain import External, Out, Outgoing
from tenuto.engine.context import CommandFailed, Completion
from tenuto.engine.draft import RunDraft
from tenuto.engine.types import Reason, Rejected
from tenuto.wire import command as wire_command
from tenuto.wire import enums_failed, history
from tenuto.wire import workflowservice as ws

Cause = enums_failed.WorkflowTaskFailedCause
BAD_SIGNAL = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES
BAD_CANCEL = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES
NOT_FOUND, NAMESPACE_NOT_FOUND, SIGNAL_LIMIT = 1, 2, 3
"""Values of SignalExternalWorkflowExecutionFailedCause; the first two also of its sibling for cancel requests."""
FOREIGN = "cross namespace commands are not allowed"

# ---- commands ----------------------------------------------------------------------------------------------


def signal(task: Completion, command: wire_command.Command) -> None:
    """SIGNAL_EXTERNAL_WORKFLOW_EXECUTION."""
    wanted = command.signal_external_workflow_execution_command_attributes
    rd = task.rd
    _check_signal(task, wanted)
    _check_pending(
        task,
        ev.SIGNAL_INITIATED,
        task.limits.pending_signals,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_PENDING_SIGNALS_LIMIT_EXCEEDED,
        "pending signals to external workflows",
    )
    attributes = history.SignalExternalWorkflowExecutionInitiatedEventAttributes(
        workflow_task_completed_event_id=task.completed_id,
        namespace=wanted.namespace,
        namespace_id=rd.draft.namespace.id,
        workflow_execution=wanted.execution,
        signal_name=wanted.signal_name,
        control=wanted.control,
        child_workflow_only=wanted.child_workflow_only,
    )
    for name in ("input", "header"):
        if wanted.HasField(name):
            getattr(attributes, name).CopyFrom(getattr(wanted, name))
    event = rd.emit(ev.SIGNAL_INITIATED, attributes, command=command)
    _send(rd, event)


def cancel(task: Completion, command: wire_command.Command) -> None:
    """REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION."""
    wanted = command.request_cancel_external_workflow_execution_command_attributes
    rd = task.rd
    _check_cancel(task, wanted)
    _check_pending(
        task,
        ev.CANCEL_INITIATED,
        task.limits.pending_cancels,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_PENDING_REQUEST_CANCEL_LIMIT_EXCEEDED,
        "pending requests to cancel external workflows",
    )
    attributes = history.RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(
        workflow_task_completed_event_id=task.completed_id,
        namespace=wanted.namespace,
        namespace_id=rd.draft.namespace.id,
        control=wanted.control,
        child_workflow_only=wanted.child_workflow_only,
        reason=wanted.reason,
    )
    target = attributes.workflow_execution
    target.workflow_id, target.run_id = wanted.workflow_id, wanted.run_id
    event = rd.emit(ev.CANCEL_INITIATED, attributes, command=command)
    _send(rd, event)


def _send(rd: RunDraft, event: history.HistoryEvent) -> None:
    item = rd.externals[event.event_id]
    if item.workflow_id == rd.draft.workflow_id:
        # A workflow cannot reach itself this way; it learns that like any other failure.
        _record_failed(rd, item, NOT_FOUND)
    else:
        owe_call(rd, event, rd.run.run_id)


# ---- validation --------------------------------------------------------------------------------------------


def _check_signal(
    task: Completion, wanted: wire_command.SignalExternalWorkflowExecutionCommandAttributes
) -> None:
    on = "on SignalExternalWorkflowExecutionCommand"
    target = wanted.execution
    if wanted.namespace not in ("", task.draft.namespace.name):
        raise CommandFailed(BAD_SIGNAL, FOREIGN)
    if not wanted.HasField("execution"):
        raise CommandFailed(BAD_SIGNAL, f"Execution is not set {on}.")
    if not target.workflow_id:
        raise CommandFailed(
            BAD_SIGNAL,
            f"WorkflowId is not set {on}. Namespace={wanted.namespace} RunId={target.run_id} "
            f"SignalName={wanted.signal_name}",
        )
    length, limit = len(target.workflow_id.encode()), task.limits.id_bytes
    if length > limit:
        raise CommandFailed(
            BAD_SIGNAL,
            f"WorkflowId {on} exceeds length limit. WorkflowId={target.workflow_id} Length={length} Limit={limit} "
            f"Namespace={wanted.namespace} RunId={target.run_id} SignalName={wanted.signal_name}",
        )
    if not _is_run_id(target.run_id):
        raise CommandFailed(
            BAD_SIGNAL,
            f"Invalid RunId set {on}. WorkflowId={target.workflow_id} Namespace={wanted.namespace} "
            f"RunId={target.run_id} SignalName={wanted.signal_name}",
        )
    if not wanted.signal_name:
        raise CommandFailed(
            BAD_SIGNAL,
            f"SignalName is not set {on}. WorkflowId={target.workflow_id} Namespace={wanted.namespace} "
            f"RunId={target.run_id}",
        )
    if wanted.input.ByteSize() > task.limits.blob_bytes:
        text = "SignalExternalWorkflowExecutionCommandAttributes.Input exceeds size limit."
        raise CommandFailed(BAD_SIGNAL, text, terminate=True)


def _check_cancel(
    task: Completion, wanted: wire_command.RequestCancelExternalWorkflowExecutionCommandAttributes
) -> None:
    on = "on RequestCancelExternalWorkflowExecutionCommand"
    if wanted.namespace not in ("", task.draft.namespace.name):
        raise CommandFailed(BAD_CANCEL, FOREIGN)
    if not wanted.workflow_id:
        raise CommandFailed(
            BAD_CANCEL, f"WorkflowId is not set {on}. Namespace={wanted.namespace} RunId={wanted.run_id}"
        )
    length, limit = len(wanted.workflow_id.encode()), task.limits.id_bytes
    if length > limit:
        raise CommandFailed(
            BAD_CANCEL,
            f"WorkflowId {on} exceeds length limit. WorkflowId={wanted.workflow_id} Length={length} Limit={limit} "
            f"RunId={wanted.run_id} Namespace={wanted.namespace}",
        )
    tail = f"WorkflowId={wanted.workflow_id} RunId={wanted.run_id} Namespace={wanted.namespace}"
    if not _is_run_id(wanted.run_id):
        raise CommandFailed(BAD_CANCEL, f"Invalid RunId set {on}. {tail}")
    if wanted.workflow_id in task.initiated_children:
        text = "Start and RequestCancel for child workflow is not allowed in same workflow task."
        raise CommandFailed(BAD_CANCEL, f"{text} {tail}")


def _check_pending(task: Completion, kind: int, limit: int, cause: int, what: str) -> None:
    if len(task.rd.externals) < limit:
        return
    pending = sum(item.kind == kind for item in task.rd.externals.values())
    if pending >= limit:
        raise CommandFailed(
            cause, f"the number of {what}, {pending}, has reached the per-workflow limit of {limit}"
        )


def _is_run_id(text: str) -> bool:
    if not text:
        return True
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


# ---- messages ----------------------------------------------------------------------------------------------


def owe_call(rd: RunDraft, initiated: history.HistoryEvent, requester: str) -> None:
    """Owe the call that the INITIATED event asks for, under a request id derived from the run that asked first."""
    request_id = parcel.event_uuid(requester, initiated.event_id)
    request: ws.SignalWorkflowExecutionRequest | ws.RequestCancelWorkflowExecutionRequest
    if initiated.event_type == ev.SIGNAL_INITIATED:
        a = initiated.signal_external_workflow_execution_initiated_event_attributes
        target, child_only, kind = a.workflow_execution, a.child_workflow_only, Out.SIGNAL
        request = ws.SignalWorkflowExecutionRequest(signal_name=a.signal_name, control=a.control)
        for name in ("input", "header"):
            if a.HasField(name):
                getattr(request, name).CopyFrom(getattr(a, name))
    else:
        b = initiated.request_cancel_external_workflow_execution_initiated_event_attributes
        target, child_only, kind = b.workflow_execution, b.child_workflow_only, Out.CANCEL
        request = ws.RequestCancelWorkflowExecutionRequest(reason=b.reason)
    item = rd.externals[initiated.event_id]
    request.namespace, request.identity, request.request_id = item.namespace, parcel.SYSTEM, request_id
    request.workflow_execution.CopyFrom(target)
    message = parcel.owe(
        rd.draft,
        kind,
        rd.run.run_id,
        initiated.event_id,
        (item.namespace_id, target.workflow_id, target.run_id),
        parcel.ExternalCall(request.SerializeToString(), child_only),
        request_id,
    )
    rd.note(CallOwed(initiated.event_id, message.out_id))


@dataclass(frozen=True, slots=True)
class CallOwed:
    """The signal or cancel request is on its way."""

    initiated_id: int
    out_id: int

    def apply(self, rd: RunDraft) -> None:
        rd.externals.edit(self.initiated_id).out_id = self.out_id


def answered(rd: RunDraft, message: Outgoing, refusal: Rejected | None) -> None:
    """The other workflow has got the signal or cancel request, or refused it."""
    item = rd.externals.get(message.reference)
    if item is None:
        return
    if refusal is None:
        _record_done(rd, item)
    else:
        _record_failed(rd, item, _cause(item, refusal))
    workflow_task.wake(rd)


def _cause(item: External, refusal: Rejected) -> int:
    if parcel.namespace_missing(refusal):
        return NAMESPACE_NOT_FOUND
    if (
        item.kind == ev.SIGNAL_INITIATED
        and refusal.reason is Reason.INVALID
        and "signal events" in refusal.message
    ):
        return SIGNAL_LIMIT
    return NOT_FOUND


def _record_done(rd: RunDraft, item: External) -> None:
    attributes: Any
    if item.kind == ev.SIGNAL_INITIATED:
        kind = ev.EXTERNAL_SIGNALED
        attributes = history.ExternalWorkflowExecutionSignaledEventAttributes(control=item.control)
    else:
        kind = ev.EXTERNAL_CANCEL_REQUESTED
        attributes = history.ExternalWorkflowExecutionCancelRequestedEventAttributes()
    rd.emit(kind, _about(attributes, item))


def _record_failed(rd: RunDraft, item: External, cause: int) -> None:
    attributes: Any
    if item.kind == ev.SIGNAL_INITIATED:
        kind = ev.SIGNAL_FAILED
        attributes = history.SignalExternalWorkflowExecutionFailedEventAttributes(control=item.control)
    else:
        kind = ev.CANCEL_FAILED
        attributes = history.RequestCancelExternalWorkflowExecutionFailedEventAttributes()
    attributes.cause = cause
    rd.emit(kind, _about(attributes, item))


def _about(attributes: Any, item: External) -> Any:
    attributes.initiated_event_id = item.initiated_id
    attributes.namespace, attributes.namespace_id = item.namespace, item.namespace_id
    attributes.workflow_execution.workflow_id = item.workflow_id
    attributes.workflow_execution.run_id = item.run_id
    return attributes


# ---- apply -------------------------------------------------------------------------------------------------


def applied_initiated(rd: RunDraft, event: history.HistoryEvent) -> None:
    a = getattr(event, ev.ATTRIBUTES[event.event_type])
    rd.externals.put(
        event.event_id,
        External(
            initiated_id=event.event_id,
            kind=event.event_type,
            namespace=a.namespace or rd.draft.namespace.name,
            namespace_id=a.namespace_id,
            workflow_id=a.workflow_execution.workflow_id,
            run_id=a.workflow_execution.run_id,
            out_id=0,
            signal_name=getattr(a, "signal_name", ""),
            control=a.control,
        ),
    )


def applied_resolved(rd: RunDraft, event: history.HistoryEvent) -> None:
    rd.externals.drop(getattr(event, ev.ATTRIBUTES[event.event_type]).initiated_event_id)


APPLY = {
    ev.SIGNAL_INITIATED: applied_initiated,
    ev.CANCEL_INITIATED: applied_initiated,
    ev.SIGNAL_FAILED: applied_resolved,
    ev.EXTERNAL_SIGNALED: applied_resolved,
    ev.CANCEL_FAILED: applied_resolved,
    ev.EXTERNAL_CANCEL_REQUESTED: applied_resolved,
}
SETTLE: dict[int, Any] = {}
