"""Queries: what a worker answers about a run without changing it (execution-semantics 1.5, 3.9).

A query goes directly to a worker when the run is at rest; otherwise it waits here, in memory only, for the next
workflow task to carry it. Whoever waits for it hears a `QueryNotice`. This room must never write an event or note.
"""

from tenuto.engine.chain import BufferedQuery, Run, Terms
from tenuto.engine.context import Completion, Found, find_run
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.types import (
    DropQuery,
    Query,
    QueryNotice,
    QueryReply,
    Reason,
    Rejected,
)
from tenuto.limits import LIMITS
from tenuto.wire import enums_query, enums_workflow, errordetails
from tenuto.wire import query as wire_query

Reject = enums_query.QueryRejectCondition
Status = enums_workflow.WorkflowExecutionStatus

NEVER_RAN_TEXT = "Workflow execution closed before WorkflowTaskStarted event"
NOT_SCHEDULED_TEXT = "Workflow task is not scheduled yet."
FAILING_TEXT = "Unable to query workflow due to Workflow Task in failed state."
FULL_TEXT = (
    "consistent query buffer is full, this may be caused by too many queries and workflow not able to process "
    "query fast enough"
)
CLEARED_TEXT = "buffered query cleared, please retry"
TOO_LARGE_TEXT = "Blob data size exceeds limit."


def query(draft: Draft, request: Query) -> None:
    """QueryWorkflow: how the query is to be answered; a `QueryReply`. Raises NOT_FOUND, NOT_READY, BUSY."""
    found = find_run(draft, request.run_id)
    run = found.run
    draft.reply = reply = _facts(run, found.terms)
    reply.rejected_status = _refused(run, request)
    if reply.rejected_status:
        return
    _check_ready(run, request)
    if _at_rest(found):
        reply.direct = True
        return
    rd = found.rd
    assert rd is not None, "a closed run is at rest"
    if len(rd.queries) >= LIMITS.buffered_queries:
        raise Rejected(Reason.BUSY, FULL_TEXT)
    rd.queries.put(request.query_id, BufferedQuery(request.query_id, request.message.query))
    reply.buffered = True


def _facts(run: Run, terms: Terms) -> QueryReply:
    return QueryReply(
        run.run_id,
        task_queue=terms.task_queue,
        sticky_queue=run.sticky_queue,
        sticky_timeout_ns=run.sticky_timeout_ns,
        workflow_type=terms.workflow_type,
        next_event_id=run.next_event_id,
        previous_started_id=run.previous_started_id,
        open=run.open,
    )


def _refused(run: Run, request: Query) -> int:
    """The status with which the caller's condition, or a pause, rejects the query; 0: it does not."""
    condition = request.message.query_reject_condition
    if not run.open:
        if condition == Reject.QUERY_REJECT_CONDITION_NOT_OPEN:
            return run.status
        unclean = run.status != Status.WORKFLOW_EXECUTION_STATUS_COMPLETED
        if condition == Reject.QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY and unclean:
            return run.status
    elif run.paused is not None:
        return Status.WORKFLOW_EXECUTION_STATUS_PAUSED
    return 0


def _check_ready(run: Run, request: Query) -> None:
    """No worker can answer yet, or none is able to."""
    ran = run.previous_started_id != 0
    if not run.open:
        if not ran:
            raise _not_ready(NEVER_RAN_TEXT)
        return
    if run.task is None and not ran and run.backoff_until and request.deadline_at < run.backoff_until:
        raise _not_ready(NOT_SCHEDULED_TEXT)
    attempt = run.task.attempt if run.task is not None else run.task_attempt
    if attempt >= LIMITS.task_attempts_fail_fast:
        raise _not_ready(FAILING_TEXT)


def _not_ready(message: str) -> Rejected:
    return Rejected(Reason.NOT_READY, message, errordetails.WorkflowNotReadyFailure())


def _at_rest(found: Found) -> bool:
    """The last completed workflow task has seen all there is."""
    run = found.run
    return run.previous_started_id != 0 and (not run.open or run.task is None)


def drop(draft: Draft, request: DropQuery) -> None:
    """The caller is gone: no worker shall be bothered."""
    found = find_run(draft, request.run_id)
    if found.rd is not None:
        found.rd.queries.drop(request.query_id)
    draft.reply = True


def attach(rd: RunDraft) -> dict[str, wire_query.WorkflowQuery]:
    """Every buffered query, by id, for a task that is handed out. They stay buffered until they are answered."""
    return {waiting.query_id: waiting.query for waiting in rd.queries.values()}


def answer(task: Completion) -> None:
    """The worker's ``query_results``. Ids that are not buffered (any more) are ignored."""
    rd = task.rd
    for query_id, result in task.message.query_results.items():
        known = query_id in rd.queries
        if not known and not _released(rd, query_id):
            continue
        rd.queries.drop(query_id)
        if result.ByteSize() > task.limits.blob_bytes:
            notice = QueryNotice(query_id, error=Rejected(Reason.INVALID, TOO_LARGE_TEXT))
        else:
            notice = QueryNotice(query_id, result=result)
        rd.draft.notices.append(notice)


def _released(rd: RunDraft, query_id: str) -> bool:
    """This very completion closed the run and thereby released the query: its answer still counts."""
    notices = rd.draft.notices
    for notice in notices:
        if isinstance(notice, QueryNotice) and notice.query_id == query_id and notice.direct:
            notices.remove(notice)
            return True
    return False


def unblock(rd: RunDraft) -> None:
    """The task is completed and none follows: what it left unanswered is asked directly."""
    facts = _facts(rd.run, rd.terms) if len(rd.queries) else None
    for waiting in list(rd.queries.values()):
        rd.draft.notices.append(QueryNotice(waiting.query_id, direct=True, facts=facts))
    rd.queries.clear()


def drop_all(rd: RunDraft, reason: str = CLEARED_TEXT) -> None:
    """The buffer is void. On a closed run the queries are asked directly, or refused if no worker ever knew it; on
    an open one (a completion with a bad command) their callers get UNAVAILABLE with ``reason`` and retry."""
    if not rd.run.open and rd.run.previous_started_id:
        unblock(rd)
        return
    refusal = _not_ready(NEVER_RAN_TEXT) if not rd.run.open else Rejected(Reason.UNAVAILABLE, reason)
    for waiting in list(rd.queries.values()):
        rd.draft.notices.append(QueryNotice(waiting.query_id, error=refusal))
    rd.queries.clear()


DECIDE = {Query: query, DropQuery: drop}
