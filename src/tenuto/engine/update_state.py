"""Where updates stand in a run: what is pending, what history knows, how they end with it (execution-semantics 6).

An update is *admitted* and *sent* in memory only (`PendingUpdate`); history knows it from its acceptance on
(`UpdateRecord`), or from UPDATE_ADMITTED when a reset carried it over. This room must never decide a request.
"""

from tenuto.engine import events as ev
from tenuto.engine.chain import NO_EVENT, PendingUpdate, Run, UpdateRecord
from tenuto.engine.context import Found, not_found
from tenuto.engine.draft import RunDraft
from tenuto.engine.types import Reason, Rejected, UpdateNotice, UpdateReply
from tenuto.limits import LIMITS
from tenuto.wire import errordetails, failure, history
from tenuto.wire import update as wire_update

ADMITTED, ACCEPTED, COMPLETED = 1, 2, 3
TASK_FAILED_TEXT = "Unable to perform workflow execution update due to unexpected workflow task failure."
CLOSING_TEXT = "workflow operation can not be applied because workflow is closing"
CLOSED_TEXT = "workflow update was aborted by closing workflow"
CUT_SHORT_TEXT = "Workflow Update failed because the Workflow completed before the Update completed."
KEPT_OUTCOME_BYTES = 64 * 1024
"""A larger outcome stays in history alone."""


# ---- where an update stands --------------------------------------------------------------------------------


def standing(found: Found, update_id: str) -> UpdateReply | None:
    """The stage that the update has reached in the run; None when the run does not know it."""
    run = found.run
    if found.rd is not None:
        if update_id in found.rd.pending_updates:
            return UpdateReply(run.run_id, update_id, ADMITTED)
        record = found.rd.updates.get(update_id)
    else:
        assert found.record is not None
        record = next((one for one in found.record.updates if one.update_id == update_id), None)
    return None if record is None else _recorded(run, record)


def _recorded(run: Run, record: UpdateRecord) -> UpdateReply:
    reply = UpdateReply(run.run_id, record.update_id, ADMITTED, accepted_id=record.accepted_id)
    if record.completed_id != NO_EVENT:
        reply.stage, reply.completed_id = COMPLETED, record.completed_id
        if record.outcome:
            reply.outcome = wire_update.Outcome.FromString(record.outcome)
    elif record.accepted_id != NO_EVENT:
        reply.stage = ACCEPTED
        if not run.open:
            reply.stage, reply.outcome = COMPLETED, cut_short()
    elif not run.open:
        reply.error = not_found(CLOSED_TEXT)
    return reply


def cut_short() -> wire_update.Outcome:
    """The outcome of an accepted update whose workflow closed before the update was completed."""
    return wire_update.Outcome(failure=_server_failure(CUT_SHORT_TEXT, "AcceptedUpdateCompletedWorkflow"))


def _server_failure(message: str, kind: str) -> failure.Failure:
    made = failure.Failure(message=message, source="Server")
    made.application_failure_info.type = kind
    made.application_failure_info.non_retryable = True
    return made


def unprocessed() -> wire_update.Outcome:
    """The outcome of an update that a worker was sent and said nothing about."""
    text = (
        "Workflow Update is rejected because it wasn't processed by worker. "
        "Probably, Workflow Update is not supported by the worker."
    )
    return wire_update.Outcome(failure=_server_failure(text, "UnprocessedUpdate"))


# ---- admission ---------------------------------------------------------------------------------------------


def check_limits(rd: RunDraft, request: wire_update.Request) -> None:
    in_flight = len(rd.pending_updates) + sum(1 for record in rd.updates.values() if not record.completed_id)
    if in_flight >= LIMITS.updates_in_flight:
        text = (
            f"limit on number of concurrent in-flight updates has been reached ({LIMITS.updates_in_flight})"
        )
        raise Rejected(Reason.CONCURRENT, text)
    check_total(rd)
    size = sum(pending.size for pending in rd.pending_updates.values())
    if size + request.ByteSize() >= LIMITS.updates_in_flight_bytes:
        bound = LIMITS.updates_in_flight_bytes
        raise Rejected(
            Reason.CONCURRENT,
            f"limit on total payload size of in-flight updates has been reached ({bound} bytes)",
        )


def check_total(rd: RunDraft) -> None:
    """Raises PRECONDITION when the run has had as many updates as it may have. Rejected ones do not count."""
    if len(rd.pending_updates) + len(rd.updates) >= LIMITS.updates_per_run:
        raise Rejected(
            Reason.PRECONDITION,
            "The limit on the total number of distinct updates in this workflow has been reached "
            f"({LIMITS.updates_per_run}). Make sure any duplicate updates share an Update ID so the server "
            "can deduplicate them, and consider rejecting updates that you aren't going to process. "
            "You can also Continue-as-New to avoid this; "
            "we recommend you check Continue-as-New Suggested in your Workflow.",
        )


def admit(rd: RunDraft, request: wire_update.Request, update_id: str) -> PendingUpdate:
    """Take the update in; instants of admission are made distinct because updates are sent in their order."""
    last = max((pending.admitted_at for pending in rd.pending_updates.values()), default=0)
    pending = PendingUpdate(
        update_id,
        request,
        max(rd.now, last + 1),
        size=len(update_id) + request.ByteSize(),
    )
    return rd.pending_updates.put(update_id, pending)


# ---- the end of updates ------------------------------------------------------------------------------------


def tell(rd: RunDraft, notice: UpdateNotice) -> None:
    """Publish after the commit. A decision's last word on an update is its only one: whoever waits for acceptance
    hears of a completion in the same workflow task at once."""
    notices = rd.draft.notices
    notices[:] = [
        earlier
        for earlier in notices
        if not (isinstance(earlier, UpdateNotice) and earlier.update_id == notice.update_id)
        or earlier.run_id != notice.run_id
    ]
    notices.append(notice)


def abort_on_close(rd: RunDraft, continued: bool) -> None:
    """The run has closed (execution-semantics 6.5). ``continued``: another follows, which the callers shall try."""
    if not rd.waiting("pending_updates") and not rd.waiting("updates"):
        return
    run_id = rd.run.run_id
    refusal = Rejected(Reason.BUSY, CLOSING_TEXT) if continued else not_found(CLOSED_TEXT)
    for pending in list(rd.pending_updates.values()):
        tell(rd, UpdateNotice(run_id, pending.update_id, ADMITTED, error=refusal))
    rd.pending_updates.clear()
    for record in rd.updates.values():
        if record.completed_id != NO_EVENT:
            continue
        if record.accepted_id == NO_EVENT:
            tell(rd, UpdateNotice(run_id, record.update_id, ADMITTED, error=refusal))
        else:
            notice = UpdateNotice(
                run_id,
                record.update_id,
                COMPLETED,
                cut_short(),
                accepted_id=record.accepted_id,
            )
            tell(rd, notice)


def abort_on_task_failure(rd: RunDraft) -> None:
    """The service failed the workflow task because of the worker's commands: what that worker was sent is refused,
    for it would break the next attempt as well. What it has not seen goes with the next task."""
    refusal = Rejected(Reason.NOT_READY, TASK_FAILED_TEXT, errordetails.WorkflowNotReadyFailure())
    for pending in list(rd.pending_updates.values()):
        if pending.sent_with != NO_EVENT:
            tell(
                rd,
                UpdateNotice(rd.run.run_id, pending.update_id, ADMITTED, error=refusal),
            )
            rd.pending_updates.drop(pending.update_id)


# ---- events ------------------------------------------------------------------------------------------------


def applied_admitted(rd: RunDraft, event: history.HistoryEvent) -> None:
    update_id = event.workflow_execution_update_admitted_event_attributes.request.meta.update_id
    if update_id not in rd.updates:
        rd.updates.put(update_id, UpdateRecord(update_id))


def settled_admitted(rd: RunDraft, event: history.HistoryEvent) -> None:
    update_id = event.workflow_execution_update_admitted_event_attributes.request.meta.update_id
    if update_id in rd.updates:
        rd.updates.edit(update_id).admitted_id = event.event_id


def applied_accepted(rd: RunDraft, event: history.HistoryEvent) -> None:
    attributes = event.workflow_execution_update_accepted_event_attributes
    update_id = attributes.protocol_instance_id
    if update_id not in rd.updates:
        rd.updates.put(update_id, UpdateRecord(update_id))
    record = rd.updates.edit(update_id)
    record.accepted_id = event.event_id
    record.identity = attributes.accepted_request.meta.identity
    rd.run.update_count += 1


def applied_completed(rd: RunDraft, event: history.HistoryEvent) -> None:
    attributes = event.workflow_execution_update_completed_event_attributes
    update_id = attributes.meta.update_id
    if update_id not in rd.updates:
        rd.updates.put(update_id, UpdateRecord(update_id, accepted_id=attributes.accepted_event_id))
    record = rd.updates.edit(update_id)
    record.completed_id = event.event_id
    outcome = attributes.outcome.SerializeToString()
    record.outcome = outcome if len(outcome) <= KEPT_OUTCOME_BYTES else b""


APPLY = {
    ev.UPDATE_ADMITTED: applied_admitted,
    ev.UPDATE_ACCEPTED: applied_accepted,
    ev.UPDATE_COMPLETED: applied_completed,
}
SETTLE = {ev.UPDATE_ADMITTED: settled_admitted}
