"""Messages between chains: what one owes another, as a request for the receiver, and what its answer means to
the sender.

A message is sent again until it is answered, so a receiver must bear a repetition: starts and signals carry a
request id derived from the sender's run and event, everything else is harmless twice. This room must never
know how a message travels.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from tenuto.engine import child, external, nexus, nexus_callback, schedule
from tenuto.engine import events as ev
from tenuto.engine.chain import Out, Outgoing, ParentLink
from tenuto.engine.context import no_such_chain
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.nexus_types import CompleteNexus, is_for_handler
from tenuto.engine.parcel import (
    ABANDON,
    REQUEST_CANCEL,
    SYSTEM,
    TERMINATE,
    ChildClose,
    ChildStart,
    ExternalCall,
    ParentClose,
)
from tenuto.engine.schedule_state import ScheduledClose, ScheduledEnd, ScheduledStart
from tenuto.engine.types import (
    ChildClosed,
    Delivered,
    FirstTask,
    Namespace,
    Reason,
    Rejected,
    RequestCancel,
    ScheduledClosed,
    Signal,
    Start,
    Terminate,
)
from tenuto.wire import common, enums_workflow, history
from tenuto.wire import workflowservice as ws

Reuse = enums_workflow.WorkflowIdReusePolicy
Conflict = enums_workflow.WorkflowIdConflictPolicy
PARENT_CLOSED_TEXT = "by parent close policy"
TRANSIENT = frozenset({Reason.UNAVAILABLE, Reason.STALE, Reason.BUSY, Reason.CONCURRENT})
"""Refusals after which the same message may succeed later."""

# ---- at the receiver's door --------------------------------------------------------------------------------


def to_request(
    message: Outgoing, source_key: tuple[str, str], namespace: Namespace
) -> tuple[tuple[str, str], Any]:
    """The receiving chain's key and the request to decide there. ``source_key`` is the sender's key and ``namespace``
    its namespace."""
    link = ParentLink(namespace.name, namespace.id, source_key[1], message.run_id, message.reference)
    return (message.namespace_id, message.workflow_id), _BUILD[message.kind](message, link)


def _start(message: Outgoing, link: ParentLink) -> Start:
    payload = msgspec.msgpack.decode(message.payload, type=ChildStart)
    request = ws.StartWorkflowExecutionRequest.FromString(payload.request)
    if request.workflow_id_reuse_policy == Reuse.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING:
        request.workflow_id_reuse_policy = Reuse.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
        request.workflow_id_conflict_policy = Conflict.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
    return Start(request, parent=link, root=payload.root)


def _first_task(message: Outgoing, link: ParentLink) -> FirstTask:
    return FirstTask(message.target_run_id, parent=link)


def _signal(message: Outgoing, link: ParentLink) -> Signal:
    payload = msgspec.msgpack.decode(message.payload, type=ExternalCall)
    return Signal(
        ws.SignalWorkflowExecutionRequest.FromString(payload.request),
        run_id=message.target_run_id,
        source=_source(link),
        child_of=link if payload.child_only else None,
    )


def _cancel(message: Outgoing, link: ParentLink) -> RequestCancel:
    payload = msgspec.msgpack.decode(message.payload, type=ExternalCall)
    return RequestCancel(
        ws.RequestCancelWorkflowExecutionRequest.FromString(payload.request),
        run_id=message.target_run_id,
        source=_source(link),
        source_initiated_id=message.reference,
        child_of=link if payload.child_only else None,
    )


def _child_closed(message: Outgoing, link: ParentLink) -> ChildClosed:
    payload = msgspec.msgpack.decode(message.payload, type=ChildClose)
    return ChildClosed(
        run_id=message.target_run_id,
        initiated_id=message.reference,
        child=_source(link),
        child_type=payload.child_type,
        event=history.HistoryEvent.FromString(payload.event),
    )


def _parent_closed(message: Outgoing, link: ParentLink) -> Terminate | RequestCancel | FirstTask:
    """The parent's policy, aimed at the child's chain of runs; the receiver checks that it is this parent's child."""
    payload = msgspec.msgpack.decode(message.payload, type=ParentClose)
    execution = common.WorkflowExecution(workflow_id=message.workflow_id)
    if payload.policy == TERMINATE:
        termination = ws.TerminateWorkflowExecutionRequest(
            namespace=link.namespace,
            workflow_execution=execution,
            reason=PARENT_CLOSED_TEXT,
            identity=SYSTEM,
            first_execution_run_id=message.target_run_id,
        )
        return Terminate(termination, child_of=link)
    if payload.policy == REQUEST_CANCEL:
        cancellation = ws.RequestCancelWorkflowExecutionRequest(
            namespace=link.namespace,
            workflow_execution=execution,
            identity=SYSTEM,
            request_id=message.request_id,
            first_execution_run_id=message.target_run_id,
        )
        return RequestCancel(cancellation, source=_source(link), child_of=link)
    return FirstTask(message.target_run_id, parent=link)


def _callback(message: Outgoing, link: ParentLink) -> CompleteNexus:
    return nexus_callback.to_request(message, link.namespace, link.workflow_id)


def _scheduled_start(message: Outgoing, link: ParentLink) -> Start:
    payload = msgspec.msgpack.decode(message.payload, type=ScheduledStart)
    return Start(ws.StartWorkflowExecutionRequest.FromString(payload.request), scheduled_by=link)


def _scheduled_cancel(message: Outgoing, link: ParentLink) -> RequestCancel:
    payload = msgspec.msgpack.decode(message.payload, type=ScheduledEnd)
    cancellation = ws.RequestCancelWorkflowExecutionRequest(
        namespace=link.namespace,
        workflow_execution=common.WorkflowExecution(workflow_id=message.workflow_id),
        identity=payload.identity,
        request_id=message.request_id,
        reason=schedule.CANCELLED_TEXT,
        first_execution_run_id=message.target_run_id,
    )
    return RequestCancel(cancellation)


def _scheduled_terminate(message: Outgoing, link: ParentLink) -> Terminate:
    payload = msgspec.msgpack.decode(message.payload, type=ScheduledEnd)
    termination = ws.TerminateWorkflowExecutionRequest(
        namespace=link.namespace,
        workflow_execution=common.WorkflowExecution(workflow_id=message.workflow_id),
        reason=schedule.TERMINATED_TEXT,
        identity=payload.identity,
        first_execution_run_id=message.target_run_id,
    )
    return Terminate(termination)


def _scheduled_closed(message: Outgoing, link: ParentLink) -> ScheduledClosed:
    payload = msgspec.msgpack.decode(message.payload, type=ScheduledClose)
    return ScheduledClosed(
        run_id=message.target_run_id,
        number=message.reference,
        first_run_id=payload.first_run_id,
        event=history.HistoryEvent.FromString(payload.event),
    )


def _source(link: ParentLink) -> common.WorkflowExecution:
    return common.WorkflowExecution(workflow_id=link.workflow_id, run_id=link.run_id)


_BUILD: dict[int, Any] = {
    Out.START_CHILD: _start,
    Out.FIRST_TASK: _first_task,
    Out.SIGNAL: _signal,
    Out.CANCEL: _cancel,
    Out.CHILD_CLOSED: _child_closed,
    Out.PARENT_CLOSED: _parent_closed,
    Out.SCHEDULED_START: _scheduled_start,
    Out.SCHEDULED_CANCEL: _scheduled_cancel,
    Out.SCHEDULED_TERMINATE: _scheduled_terminate,
    Out.SCHEDULED_CLOSED: _scheduled_closed,
    Out.CALLBACK: _callback,
}


# ---- the receiver's answer ---------------------------------------------------------------------------------


def is_transient(refusal: Rejected) -> bool:
    """The receiver may answer otherwise later: send the message again."""
    return refusal.reason in TRANSIENT


def delivered(draft: Draft, request: Delivered) -> None:
    """The receiver has answered: the message is done with, and its sender may learn something from the
    answer. Replies True, or False when the message is still owed and must be sent again later. An answer to a
    message that is not owed any more changes nothing."""
    draft.reply = True
    if not draft.runs:
        raise no_such_chain(draft)
    message = draft.out.get(request.out_id)
    if message is None:
        return
    if request.refusal is not None and is_transient(request.refusal):
        draft.reply = False
        return
    draft.out.drop(request.out_id)
    current = draft.run
    rd = current if current.run.open and current.run.run_id == message.run_id else None
    if message.kind == Out.START_CHILD:
        child.start_answered(draft, rd, message, request)
    elif message.kind == Out.PARENT_CLOSED:
        child.policy_answered(draft, message, request)
    elif rd is not None and message.kind == Out.SCHEDULED_START:
        schedule.start_answered(rd, message, request)
    elif rd is not None and message.kind in (Out.SIGNAL, Out.CANCEL):
        external.answered(rd, message, request.refusal)
    elif rd is not None and is_for_handler(message):
        nexus.answered(rd, message, request.reply or nexus.undeliverable(request.refusal))
    elif message.kind == Out.CALLBACK:
        nexus_callback.delivered(draft, message, request)


# ---- reset -------------------------------------------------------------------------------------------------


def adopt(rd: RunDraft, base_run_id: str, events: Iterable[history.HistoryEvent]) -> None:
    """A reset made ``rd`` from ``base_run_id`` by copying ``events``: what those events ask of other chains
    is owed by the new run now, under the request ids the base run used, and what only the lost part of the
    base run asked for is withdrawn."""
    draft = rd.draft
    nexus.adopt(rd, base_run_id)
    taken: set[int] = set()
    for message in list(draft.out.values()):
        if message.run_id != base_run_id or message.kind not in (Out.START_CHILD, Out.SIGNAL, Out.CANCEL):
            continue
        if message.kind == Out.START_CHILD and child.awaits_start(rd, message.reference):
            moved = draft.out.edit(message.out_id)
            moved.run_id = rd.run.run_id
            rd.note(child.StartOwed(message.reference, message.out_id, message.request_id))
            taken.add(message.reference)
        elif message.kind != Out.START_CHILD and message.reference in rd.externals:
            moved = draft.out.edit(message.out_id)
            moved.run_id = rd.run.run_id
            rd.note(external.CallOwed(message.reference, message.out_id))
            taken.add(message.reference)
        elif message.kind == Out.START_CHILD:
            child.withdraw(draft, message, ABANDON)
        else:
            draft.out.drop(message.out_id)
    for event in events:
        if event.event_id in taken:
            continue
        if event.event_type == ev.CHILD_INITIATED and child.awaits_start(rd, event.event_id):
            child.owe_start(rd, event, base_run_id)
        elif (
            event.event_type in (ev.SIGNAL_INITIATED, ev.CANCEL_INITIATED) and event.event_id in rd.externals
        ):
            external.owe_call(rd, event, base_run_id)
