"""Children: the parent's side (initiated, started, closed) and the child's (first task, report of the close).

A child's first workflow task waits until the parent has recorded its start; its close is reported once, by
the last run of its chain (execution-semantics 5.3). This room must never reach into another chain: it only
owes messages (`outgoing`).
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from tenuto.engine import events as ev
from tenuto.engine import parcel, workflow_task
from tenuto.engine.chain import Child, Out, Outgoing
from tenuto.engine.child_command import StartOwed as StartOwed
from tenuto.engine.child_command import owe_start as owe_start
from tenuto.engine.child_command import start as start
from tenuto.engine.context import is_child_of, no_such_chain
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.types import ChildClosed, Delivered, FirstTask, StartReply
from tenuto.wire import Message, history
from tenuto.wire import workflowservice as ws

ALREADY_EXISTS, NAMESPACE_NOT_FOUND = 1, 2
"""Values of StartChildWorkflowExecutionFailedCause."""

# ---- the parent hears --------------------------------------------------------------------------------------


def awaits_start(rd: RunDraft, initiated_id: int) -> bool:
    """The run has asked for this child and has not heard of its start."""
    child = rd.children.get(initiated_id)
    return child is not None and not child.run_id


def start_answered(draft: Draft, rd: RunDraft | None, message: Outgoing, request: Delivered) -> None:
    """The child has been started, or its start was refused. ``rd`` is None when the parent's run has closed."""
    payload = msgspec.msgpack.decode(message.payload, type=parcel.ChildStart)
    refusal = request.refusal
    waiting = rd is not None and awaits_start(rd, message.reference)
    if refusal is not None:
        if rd is not None and waiting:
            cause = NAMESPACE_NOT_FOUND if parcel.namespace_missing(refusal) else ALREADY_EXISTS
            _record_start_failed(rd, rd.children[message.reference], cause, payload.control)
            workflow_task.wake(rd)
        return
    run_id = request.reply.first_run_id or request.reply.run_id
    if rd is None:
        _impose(draft, message, payload.policy, run_id)
        return
    if waiting:
        header = ws.StartWorkflowExecutionRequest.FromString(payload.request)
        _record_started(rd, rd.children[message.reference], run_id, header)
        workflow_task.wake(rd)
    _owe_first_task(draft, message, run_id)


def _record_started(
    rd: RunDraft, child: Child, run_id: str, request: ws.StartWorkflowExecutionRequest | None = None
) -> None:
    attributes = history.ChildWorkflowExecutionStartedEventAttributes(
        namespace=child.namespace, namespace_id=child.namespace_id, initiated_event_id=child.initiated_id
    )
    attributes.workflow_execution.workflow_id, attributes.workflow_execution.run_id = (
        child.workflow_id,
        run_id,
    )
    attributes.workflow_type.name = child.workflow_type
    if request is not None and request.HasField("header"):
        attributes.header.CopyFrom(request.header)
    rd.emit(ev.CHILD_STARTED, attributes)


def _record_start_failed(rd: RunDraft, child: Child, cause: int, control: str) -> None:
    attributes = history.StartChildWorkflowExecutionFailedEventAttributes(
        namespace=child.namespace,
        namespace_id=child.namespace_id,
        workflow_id=child.workflow_id,
        cause=cause,  # type: ignore[arg-type]
        control=control,
        initiated_event_id=child.initiated_id,
    )
    attributes.workflow_type.name = child.workflow_type
    rd.emit(ev.CHILD_START_FAILED, attributes)


def _owe_first_task(draft: Draft, message: Outgoing, run_id: str) -> None:
    target = (message.namespace_id, message.workflow_id, run_id)
    parcel.owe(draft, Out.FIRST_TASK, message.run_id, message.reference, target)


def child_closed(draft: Draft, request: ChildClosed) -> None:
    """A child has closed for good. News for a parent that is gone, closed, or no longer waits are no news."""
    if not draft.runs:
        raise no_such_chain(draft)
    draft.reply = True
    rd = _waiting_parent(draft, request.run_id)
    child = rd.children.get(request.initiated_id) if rd is not None else None
    if rd is None or child is None or child.workflow_id != request.child.workflow_id:
        return
    if not child.run_id:
        # The report has overtaken the answer to the start: history must still show the start first.
        _record_started(rd, child, request.child.run_id)
        child = rd.children[request.initiated_id]
    kind, attributes = _closing_event(request.event)
    attributes.namespace, attributes.namespace_id = child.namespace, child.namespace_id
    attributes.workflow_execution.CopyFrom(request.child)
    attributes.workflow_type.name = child.workflow_type
    attributes.initiated_event_id, attributes.started_event_id = child.initiated_id, child.started_id
    rd.emit(kind, attributes)
    workflow_task.wake(rd)


def _waiting_parent(draft: Draft, run_id: str) -> RunDraft | None:
    """The open run that waits in the name of ``run_id``: itself, or the run that resets have made from it."""
    rd = draft.run
    if not rd.run.open:
        return None
    if not run_id or rd.run.run_id == run_id:
        return rd
    record = draft.closed.get(run_id)
    if record is None or not record.run.reset_run_id:
        return None
    return rd if rd.terms.original_run_id == record.terms.original_run_id else None


def _closing_event(event: history.HistoryEvent) -> tuple[int, Any]:
    """The parent's event for a child's close event: its kind, and its attributes with what the child leaves
    behind."""
    kind = event.event_type
    if kind == ev.COMPLETED:
        completed = event.workflow_execution_completed_event_attributes
        result = history.ChildWorkflowExecutionCompletedEventAttributes()
        _copy(result, completed, "result")
        return ev.CHILD_COMPLETED, result
    if kind == ev.FAILED:
        failed = event.workflow_execution_failed_event_attributes
        failure = history.ChildWorkflowExecutionFailedEventAttributes(retry_state=failed.retry_state)
        _copy(failure, failed, "failure")
        return ev.CHILD_FAILED, failure
    if kind == ev.CANCELED:
        canceled = history.ChildWorkflowExecutionCanceledEventAttributes()
        _copy(canceled, event.workflow_execution_canceled_event_attributes, "details")
        return ev.CHILD_CANCELED, canceled
    if kind == ev.TIMED_OUT:
        state = event.workflow_execution_timed_out_event_attributes.retry_state
        return ev.CHILD_TIMED_OUT, history.ChildWorkflowExecutionTimedOutEventAttributes(retry_state=state)
    return ev.CHILD_TERMINATED, history.ChildWorkflowExecutionTerminatedEventAttributes()


def _copy(into: Message, source: Message, name: str) -> None:
    if source.HasField(name):
        getattr(into, name).CopyFrom(getattr(source, name))


# ---- the parent closes -------------------------------------------------------------------------------------


def close_run(rd: RunDraft) -> None:
    """The run closes, in whatever way but by a reset: impose the parent-close policies, and withdraw what it
    has asked of others and was not answered yet (execution-semantics 5.3, 5.4)."""
    draft = rd.draft
    for child in sorted(rd.children.values(), key=lambda child: child.initiated_id):
        message = draft.out.get(child.out_id)
        if message is not None and not child.run_id:
            withdraw(draft, message, child.parent_close_policy)
        elif child.run_id and child.parent_close_policy != parcel.ABANDON:
            target = (child.namespace_id, child.workflow_id, child.run_id)
            payload = parcel.ParentClose(child.parent_close_policy)
            parcel.owe(draft, Out.PARENT_CLOSED, rd.run.run_id, child.initiated_id, target, payload)
    for item in rd.externals.values():
        draft.out.drop(item.out_id)


def withdraw(draft: Draft, message: Outgoing, policy: int) -> None:
    """Take an unanswered START_CHILD back. One owed since an earlier commit may already have started the
    child: its entry becomes an order to treat that child, if there is one, by the policy."""
    if draft.chain is None or message.out_id not in draft.chain.out:
        draft.out.drop(message.out_id)
        return
    entry = draft.out.edit(message.out_id)
    entry.kind = Out.PARENT_CLOSED
    entry.payload = msgspec.msgpack.encode(parcel.ParentClose(policy, started=False))


def policy_answered(draft: Draft, message: Outgoing, request: Delivered) -> None:
    """The child has heard the policy; or the answer belongs to the start that was under way when it was withdrawn."""
    payload = msgspec.msgpack.decode(message.payload, type=parcel.ParentClose)
    if request.refusal is not None:
        return
    if isinstance(request.reply, StartReply):
        _impose(draft, message, payload.policy, request.reply.first_run_id or request.reply.run_id)
    elif payload.policy == parcel.REQUEST_CANCEL and not payload.started:
        _owe_first_task(draft, message, "")


def _impose(draft: Draft, message: Outgoing, policy: int, run_id: str) -> None:
    """The parent is gone and the child has just been started: nothing may leave it without its first task for
    ever."""
    if policy != parcel.TERMINATE:
        _owe_first_task(draft, message, run_id)
    if policy != parcel.ABANDON:
        target = (message.namespace_id, message.workflow_id, run_id)
        payload = parcel.ParentClose(policy)
        parcel.owe(draft, Out.PARENT_CLOSED, message.run_id, message.reference, target, payload)


# ---- the child's side --------------------------------------------------------------------------------------


def first_task(draft: Draft, request: FirstTask) -> None:
    """The parent has recorded the start: let the child begin. A no-op for a run that has begun, or has been
    succeeded."""
    if not draft.runs:
        raise no_such_chain(draft)
    draft.reply = True
    rd = draft.run
    if request.run_id and rd.run.run_id != request.run_id:
        return
    if not request.run_id and (request.parent is None or not is_child_of(rd, request.parent)):
        return
    if rd.run.open and rd.run.awaits_parent:
        rd.note(ParentReady())
        workflow_task.release(rd)


@dataclass(frozen=True, slots=True)
class ParentReady:
    """The run need not wait for its parent any more."""

    def apply(self, rd: RunDraft) -> None:
        rd.run.awaits_parent = False


def report_close(rd: RunDraft, close_event: history.HistoryEvent) -> None:
    """The run, a child, has closed for good: tell its parent."""
    parent = rd.terms.parent
    if parent is None:
        return
    payload = parcel.ChildClose(rd.terms.workflow_type, close_event.SerializeToString())
    target = (parent.namespace_id, parent.workflow_id, parent.run_id)
    parcel.owe(rd.draft, Out.CHILD_CLOSED, rd.run.run_id, parent.initiated_id, target, payload)


# ---- apply -------------------------------------------------------------------------------------------------


def applied_initiated(rd: RunDraft, event: history.HistoryEvent) -> None:
    a = event.start_child_workflow_execution_initiated_event_attributes
    rd.children.put(
        event.event_id,
        Child(
            initiated_id=event.event_id,
            namespace=a.namespace,
            namespace_id=a.namespace_id,
            workflow_id=a.workflow_id,
            workflow_type=a.workflow_type.name,
            request_id="",
            parent_close_policy=a.parent_close_policy or parcel.TERMINATE,
        ),
    )


def applied_started(rd: RunDraft, event: history.HistoryEvent) -> None:
    a = event.child_workflow_execution_started_event_attributes
    if a.initiated_event_id not in rd.children:
        return
    _no_longer_owed(rd, a.initiated_event_id)
    child = rd.children.edit(a.initiated_event_id)
    child.run_id = a.workflow_execution.run_id
    child.out_id = 0
    child.started_id = event.event_id


def settled_started(rd: RunDraft, event: history.HistoryEvent) -> None:
    initiated_id = event.child_workflow_execution_started_event_attributes.initiated_event_id
    if initiated_id in rd.children:
        rd.children.edit(initiated_id).started_id = event.event_id


def applied_gone(rd: RunDraft, event: history.HistoryEvent) -> None:
    """The child has closed, or never began."""
    initiated_id = getattr(event, ev.ATTRIBUTES[event.event_type]).initiated_event_id
    _no_longer_owed(rd, initiated_id)
    rd.children.drop(initiated_id)


def _no_longer_owed(rd: RunDraft, initiated_id: int) -> None:
    """What became of the child is known, from whomever: its start must not be asked for again."""
    child = rd.children.get(initiated_id)
    if child is not None and child.out_id:
        rd.draft.out.drop(child.out_id)


APPLY = {
    ev.CHILD_INITIATED: applied_initiated,
    ev.CHILD_STARTED: applied_started,
    ev.CHILD_START_FAILED: applied_gone,
    ev.CHILD_COMPLETED: applied_gone,
    ev.CHILD_FAILED: applied_gone,
    ev.CHILD_CANCELED: applied_gone,
    ev.CHILD_TIMED_OUT: applied_gone,
    ev.CHILD_TERMINATED: applied_gone,
}
SETTLE = {ev.CHILD_STARTED: settled_started}
