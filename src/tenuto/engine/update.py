"""Updates, requests that a worker validates, accepts and completes (execution-semantics 6): the face of the family.

Requests are decided here and messages are made for the worker; what updates are is in `update_state`, what a
worker says about them in `update_messages`. This room must never wait: those who do hear an `UpdateNotice`.
"""

from tenuto.engine.chain import NO_EVENT
from tenuto.engine.context import COMPLETED_TEXT, Found, find_run, not_found
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.types import (
    AskUpdate,
    MemberStatus,
    Reason,
    Rejected,
    Start,
    StartReply,
    Update,
    UpdateReply,
    UpdateWithStart,
)
from tenuto.engine.update_messages import (
    process_rest,
    protocol_message,
    reject_unanswered,
)
from tenuto.engine.update_state import (
    ADMITTED,
    APPLY,
    CLOSING_TEXT,
    SETTLE,
    abort_on_close,
    abort_on_task_failure,
    admit,
    check_limits,
    standing,
)
from tenuto.limits import LIMITS
from tenuto.wire import any_pb2, enums_workflow, errordetails, protocol
from tenuto.wire import workflowservice as ws

__all__ = [
    "APPLY",
    "DECIDE",
    "SETTLE",
    "abort_on_close",
    "abort_on_task_failure",
    "ask",
    "has_unsent",
    "messages_for",
    "needs_task",
    "process_rest",
    "protocol_message",
    "reject_unanswered",
    "update",
    "update_with_start",
]

USE_EXISTING = enums_workflow.WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
PAUSED_TEXT = "Workflow is paused. Cannot update the workflow."
FAILING_TEXT = "Unable to perform workflow execution update due to Workflow Task in failed state."
MULTI_TEXT = "Update-with-Start could not be executed."


def ask(draft: Draft, request: AskUpdate) -> None:
    """Where an update stands; an `UpdateReply`. Raises NOT_FOUND when the run does not know it."""
    found = _find(draft, request.run_id, request.first_run_id)
    reply = standing(found, request.update_id)
    if reply is None:
        raise not_found(f'update "{request.update_id}" not found')
    draft.reply = reply


def _find(draft: Draft, run_id: str, first_run_id: str) -> Found:
    found = find_run(draft, run_id)
    if first_run_id and found.terms.first_run_id != first_run_id:
        raise not_found("workflow execution not found")
    return found


def update(draft: Draft, request: Update) -> None:
    """UpdateWorkflowExecution: admits the update, or joins the one with the same id; an `UpdateReply`.

    Raises NOT_FOUND, PRECONDITION, NOT_READY, BUSY, CONCURRENT (execution-semantics 6.3)."""
    message = request.message
    found = _find(draft, request.run_id, message.first_execution_run_id)
    draft.reply = _join_or_admit(found, message)


def _join_or_admit(found: Found, message: ws.UpdateWorkflowExecutionRequest) -> UpdateReply:
    update_id = message.request.meta.update_id
    known = standing(found, update_id)
    if not found.run.open:
        if known is None:
            raise not_found(COMPLETED_TEXT)
        return known
    rd = found.rd
    assert rd is not None, "only the current run can be open"
    _check_ready(rd)
    if known is not None:
        return known
    check_limits(rd, message.request)
    admit(rd, message.request, update_id)
    from tenuto.engine import workflow_task

    workflow_task.wake(rd, speculative=True, break_backoff=True)
    return UpdateReply(rd.run.run_id, update_id, ADMITTED)


def _check_ready(rd: RunDraft) -> None:
    run = rd.run
    if run.paused is not None:
        raise Rejected(Reason.PRECONDITION, PAUSED_TEXT)
    attempt = run.task.attempt if run.task is not None else run.task_attempt
    if attempt >= LIMITS.task_attempts_fail_fast:
        raise Rejected(Reason.NOT_READY, FAILING_TEXT, errordetails.WorkflowNotReadyFailure())
    if rd.close_attempted and rd.task_started:
        raise Rejected(Reason.BUSY, CLOSING_TEXT)


def update_with_start(draft: Draft, request: UpdateWithStart) -> None:
    """ExecuteMultiOperation [Start, Update]; an `UpdateReply` with ``start`` set (execution-semantics 1.7).

    Raises MULTI_OPERATION with the members' `MemberStatus` as its detail."""
    if draft.chain is not None:
        found = find_run(draft, "")
        reply = _use_current(found, request)
        if reply is not None:
            run = found.run
            reply.start = StartReply(run.run_id, found.terms.first_run_id, False, run.status)
            draft.reply = reply
            return
    from tenuto.engine import start

    runs = len(draft.runs)
    try:
        start.start(draft, Start(request.start, run_id=request.run_id))
        if len(draft.runs) == runs:
            raise Rejected(Reason.UNAVAILABLE, "Workflow was not started: StartDeduped")
    except Rejected as refusal:
        raise _failed(MemberStatus(refusal), MemberStatus(aborted=True)) from refusal
    started = draft.reply
    try:
        rd = draft.run
        reply = _join_or_admit(Found(rd.run, rd.terms, rd, None), request.update)
    except Rejected as refusal:
        raise _failed(MemberStatus(aborted=True), MemberStatus(refusal)) from refusal
    reply.start = started
    draft.reply = reply


def _use_current(found: Found, request: UpdateWithStart) -> UpdateReply | None:
    """The update on the current run, if it is to be used; None when a run is to be started."""
    known = standing(found, request.update.request.meta.update_id)
    if known is not None and known.completed_id:
        return known
    if not found.run.open:
        return None
    repeated = request.start.request_id and request.start.request_id == found.terms.create_request_id
    if not repeated and known is None and request.start.workflow_id_conflict_policy != USE_EXISTING:
        return None
    try:
        return _join_or_admit(found, request.update)
    except Rejected as refusal:
        raise _failed(MemberStatus(aborted=True), MemberStatus(refusal)) from refusal


def _failed(start: MemberStatus, update: MemberStatus) -> Rejected:
    return Rejected(Reason.MULTI_OPERATION, MULTI_TEXT, (start, update))


# ---- to the worker -----------------------------------------------------------------------------------------


def messages_for(rd: RunDraft, started_id: int, heartbeat: bool) -> tuple[protocol.Message, ...]:
    """The messages for the workflow task started as ``started_id``, in order of admission; marks them sent.

    A task made by a heartbeat carries only what no worker has seen yet. An update that a reset carried over is
    not among them: the worker reads it from its UPDATE_ADMITTED event."""
    chosen = [
        pending
        for pending in rd.pending_updates.values()
        if not heartbeat or pending.sent_with in (NO_EVENT, started_id)
    ]
    chosen.sort(key=lambda pending: pending.admitted_at)
    messages = []
    for pending in chosen:
        rd.pending_updates.edit(pending.update_id).sent_with = started_id
        body = any_pb2.Any()
        body.Pack(pending.request)
        messages.append(
            protocol.Message(
                id=f"{pending.update_id}/request",
                protocol_instance_id=pending.update_id,
                event_id=started_id - 1,
                body=body,
            )
        )
    return tuple(messages)


def has_unsent(rd: RunDraft) -> bool:
    """Some update has not been shown to any worker."""
    return any(pending.sent_with == NO_EVENT for pending in rd.pending_updates.values())


def needs_task(rd: RunDraft, heartbeat: bool = False) -> bool:
    """Updates wait for a workflow task to carry them; one made by a heartbeat carries only unsent ones."""
    return has_unsent(rd) if heartbeat else len(rd.pending_updates) > 0


DECIDE = {Update: update, AskUpdate: ask, UpdateWithStart: update_with_start}
