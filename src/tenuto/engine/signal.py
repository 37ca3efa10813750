"""Signals and cancel requests that reach a run, from clients and other workflows (execution-semantics 1.4, 1.8, 5.4)."""

from dataclasses import dataclass

from tenuto.engine import events as ev
from tenuto.engine import workflow_task
from tenuto.engine.context import find_run, invalid, is_child_of, not_found
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.types import CancelReply, Reason, Rejected, RequestCancel, Signal, SignalReply
from tenuto.limits import LIMITS
from tenuto.wire import history
from tenuto.wire import workflowservice as ws

CLOSING_TEXT = "workflow operation can not be applied because workflow is closing"


def signal(draft: Draft, request: Signal) -> None:
    """SignalWorkflowExecution. A repeated request id is answered as the first was, even after the run has closed."""
    message = request.message
    found = find_run(draft, request.run_id)
    rd = found.rd
    if request.child_of is not None and (rd is None or not is_child_of(rd, request.child_of)):
        raise not_found("workflow execution not found")
    reply = SignalReply(found.run.run_id, message.request_id)
    if rd is not None and message.request_id and message.request_id in rd.signal_ids:
        draft.reply = reply
        return
    if rd is None or not rd.run.open:
        raise not_found("workflow execution already completed")
    record(rd, message, request)
    draft.reply = reply


def record(
    rd: RunDraft,
    message: ws.SignalWorkflowExecutionRequest,
    request: Signal | None = None,
    *,
    wake: bool = True,
) -> None:
    """Write the signal into an open run, or refuse it."""
    if message.request_id and message.request_id in rd.signal_ids:
        return
    if rd.run.signal_count >= LIMITS.signals_per_run:
        raise invalid("exceeded workflow execution limit for signal events")
    if rd.close_attempted and rd.task_started:
        raise Rejected(Reason.BUSY, CLOSING_TEXT)
    attributes = history.WorkflowExecutionSignaledEventAttributes(
        signal_name=message.signal_name, identity=message.identity, request_id=message.request_id
    )
    if message.HasField("input"):
        attributes.input.CopyFrom(message.input)
    if message.HasField("header"):
        attributes.header.CopyFrom(message.header)
    if request is not None and request.source is not None:
        attributes.external_workflow_execution.CopyFrom(request.source)
    rd.emit(ev.SIGNALED, attributes, links=message.links)
    if message.request_id:
        rd.note(SignalKnown(message.request_id))
    if wake:
        workflow_task.wake(rd)


@dataclass(frozen=True, slots=True)
class SignalKnown:
    """The run remembers the request id, so that a repeated signal is not recorded twice."""

    request_id: str

    def apply(self, rd: RunDraft) -> None:
        rd.signal_ids.put(self.request_id, True)


def applied_signaled(rd: RunDraft, event: history.HistoryEvent) -> None:
    rd.run.signal_count += 1


def request_cancel(draft: Draft, request: RequestCancel) -> None:
    """RequestCancelWorkflowExecution: a no-op on a closed run and when it was asked before."""
    message = request.message
    found = find_run(draft, request.run_id, message.first_execution_run_id)
    rd = found.rd
    if request.child_of is not None and (rd is None or not is_child_of(rd, request.child_of)):
        raise not_found("workflow execution not found")
    draft.reply = CancelReply(found.run.run_id)
    if rd is None or not rd.run.open or rd.run.cancel_requested:
        return
    attributes = history.WorkflowExecutionCancelRequestedEventAttributes(
        cause=message.reason, identity=message.identity
    )
    if request.source is not None:
        attributes.external_workflow_execution.CopyFrom(request.source)
        attributes.external_initiated_event_id = request.source_initiated_id
    rd.emit(ev.CANCEL_REQUESTED, attributes, links=message.links)
    workflow_task.wake(rd, break_backoff=True)


def applied_cancel_requested(rd: RunDraft, event: history.HistoryEvent) -> None:
    rd.run.cancel_requested = True


APPLY = {ev.SIGNALED: applied_signaled, ev.CANCEL_REQUESTED: applied_cancel_requested}
