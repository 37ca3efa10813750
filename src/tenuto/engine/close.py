"""How a run ends: by its worker's command, by termination, by running out of time; and what may follow it.

A close and its successor are one decision (execution-semantics 5.2, 5.5, 5.6, D4). This room must never touch a run after
its close event.
"""

from tenuto.engine import child, nexus, nexus_callback, query, schedule_link, start, update, workflow_task
from tenuto.engine import events as ev
from tenuto.engine.chain import SPECULATIVE
from tenuto.engine.context import CommandFailed, Completion, is_child_of, not_found, open_run
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.retry import next_retry, policy, to_wire, validate
from tenuto.engine.types import Terminate
from tenuto.limits import LIMITS
from tenuto.wire import Message, common, enums_failed, enums_workflow, failure, history
from tenuto.wire import command as wire_command

Cause = enums_failed.WorkflowTaskFailedCause
Status = enums_workflow.WorkflowExecutionStatus
RetryState = enums_workflow.RetryState

STATUS = {
    ev.COMPLETED: Status.WORKFLOW_EXECUTION_STATUS_COMPLETED,
    ev.FAILED: Status.WORKFLOW_EXECUTION_STATUS_FAILED,
    ev.CANCELED: Status.WORKFLOW_EXECUTION_STATUS_CANCELED,
    ev.TERMINATED: Status.WORKFLOW_EXECUTION_STATUS_TERMINATED,
    ev.CONTINUED: Status.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW,
    ev.TIMED_OUT: Status.WORKFLOW_EXECUTION_STATUS_TIMED_OUT,
}


def applied_closed(rd: RunDraft, event: history.HistoryEvent) -> None:
    run = rd.run
    run.status = STATUS[event.event_type]
    run.close_at = ev.instant(event.event_time)
    run.close_event_id = event.event_id
    if run.task is not None and (run.task.started or run.task.kind == SPECULATIVE):
        run.task = None  # one that was only scheduled stays, as descriptions of a closed run show it
    run.backoff_until = 0
    attributes = getattr(event, ev.ATTRIBUTES[event.event_type])
    run.new_run_id = getattr(attributes, "new_execution_run_id", "")
    rd.visible = True


def _finish(
    rd: RunDraft, event: history.HistoryEvent, *, continued: bool = False, reset: bool = False
) -> None:
    """Everything a close event entails, whatever its kind."""
    update.abort_on_close(rd, continued)
    if rd.run.previous_started_id:
        query.unblock(rd)
    else:
        query.drop_all(rd, "workflow closed before a worker could answer the query, please retry")
    rd.drop_buffer()
    if not reset:
        child.close_run(rd)
        if rd.terms.parent is not None and not rd.run.new_run_id:
            child.report_close(rd, event)
        if rd.terms.scheduled_by is not None and not rd.run.new_run_id:
            schedule_link.report_close(rd, event)
        if rd.waiting("nexus"):
            nexus.withdraw(rd)
        if rd.terms.callbacks and not rd.run.new_run_id:
            nexus_callback.owe(rd, event)


# ---- commands -------------------------------------------------------------------------------------------------------------


def _may_close(task: Completion) -> None:
    if task.buffered_before and task.rd.has_buffered:
        task.rd.close_attempted = True
        raise CommandFailed(Cause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND)


def _fits(task: Completion, size: int, cause: int, what: str) -> None:
    if size > task.limits.blob_bytes:
        raise CommandFailed(cause, f"{what} exceeds size limit.", terminate=True)


def complete(task: Completion, command: wire_command.Command) -> None:
    _may_close(task)
    wanted = command.complete_workflow_execution_command_attributes
    # The cause really is the activity's: clients of a Temporal service know it so.
    cause = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES
    _fits(task, wanted.result.ByteSize(), cause, "CompleteWorkflowExecutionCommandAttributes.Result")
    rd = task.rd
    attributes = history.WorkflowExecutionCompletedEventAttributes(
        workflow_task_completed_event_id=task.completed_id
    )
    if wanted.HasField("result"):
        attributes.result.CopyFrom(wanted.result)
    follows = _cron_follows(rd)
    if follows:
        attributes.new_execution_run_id = follows[0]
    event = rd.emit(ev.COMPLETED, attributes, command=command)
    _finish(rd, event, continued=bool(follows))
    if follows:
        _repeat(rd, follows, wanted.result if wanted.HasField("result") else None, None)


def fail(task: Completion, command: wire_command.Command) -> None:
    _may_close(task)
    wanted = command.fail_workflow_execution_command_attributes
    if not wanted.HasField("failure"):
        raise CommandFailed(
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES,
            "Failure is not set on FailWorkflowExecutionCommand.",
        )
    _fits(
        task,
        wanted.failure.ByteSize(),
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES,
        "FailWorkflowExecutionCommandAttributes.Failure",
    )
    rd = task.rd
    attributes = history.WorkflowExecutionFailedEventAttributes(
        failure=wanted.failure, workflow_task_completed_event_id=task.completed_id
    )
    interval, state = next_retry(
        rd.terms.retry, rd.terms.attempt, rd.now, rd.terms.execution_expires_at, wanted.failure, capped=True
    )
    attributes.retry_state = state  # type: ignore[assignment]
    _close_with_retry(rd, ev.FAILED, attributes, interval, wanted.failure, command)


def _close_with_retry(
    rd: RunDraft,
    kind: int,
    attributes: history.WorkflowExecutionFailedEventAttributes
    | history.WorkflowExecutionTimedOutEventAttributes,
    interval: int | None,
    reason: failure.Failure,
    command: wire_command.Command | None = None,
) -> None:
    """Close as failed or timed out; a retry comes before the next cron run."""
    retry_id = rd.draft.new_run_id() if interval is not None else ""
    follows = None if retry_id else _cron_follows(rd)
    attributes.new_execution_run_id = retry_id or (follows[0] if follows else "")
    event = rd.emit(kind, attributes, command=command)
    _finish(rd, event, continued=bool(attributes.new_execution_run_id))
    if retry_id:
        assert interval is not None
        _retry(rd, retry_id, interval, reason)
    elif follows:
        _repeat(rd, follows, None, reason)


def cancel(task: Completion, command: wire_command.Command) -> None:
    _may_close(task)
    wanted = command.cancel_workflow_execution_command_attributes
    rd = task.rd
    attributes = history.WorkflowExecutionCanceledEventAttributes(
        workflow_task_completed_event_id=task.completed_id
    )
    if wanted.HasField("details"):
        attributes.details.CopyFrom(wanted.details)
    _finish(rd, rd.emit(ev.CANCELED, attributes, command=command))


def continue_as_new(task: Completion, command: wire_command.Command) -> None:
    """CONTINUE_AS_NEW (execution-semantics 5.5)."""
    _may_close(task)
    wanted = command.continue_as_new_workflow_execution_command_attributes
    _check_continue(task, wanted)
    rd, old = task.rd, task.rd.terms
    run_id = rd.draft.new_run_id()
    event_attributes = history.WorkflowExecutionContinuedAsNewEventAttributes(
        new_execution_run_id=run_id,
        workflow_task_completed_event_id=task.completed_id,
        initiator=wanted.initiator,
        inherit_build_id=wanted.inherit_build_id,
        initial_versioning_behavior=wanted.initial_versioning_behavior,
    )
    event_attributes.workflow_type.name = wanted.workflow_type.name or old.workflow_type
    event_attributes.task_queue.name = wanted.task_queue.name or old.task_queue
    event_attributes.task_queue.kind = 1  # type: ignore[assignment]
    run_timeout = ev.nanoseconds(wanted.workflow_run_timeout) or old.run_timeout_ns
    run_timeout = start.bounded(run_timeout, old.execution_timeout_ns)
    task_timeout = ev.nanoseconds(wanted.workflow_task_timeout) or old.task_timeout_ns
    task_timeout = start.bounded(min(task_timeout, LIMITS.task_timeout_maximum_ns), run_timeout)
    event_attributes.workflow_run_timeout.CopyFrom(ev.duration(run_timeout))
    event_attributes.workflow_task_timeout.CopyFrom(ev.duration(task_timeout))
    # The event repeats the command; how long the new run really waits, and why it began, its first event says.
    if wanted.HasField("backoff_start_interval"):
        event_attributes.backoff_start_interval.CopyFrom(wanted.backoff_start_interval)
    for name in ("input", "header", "memo", "search_attributes", "failure", "last_completion_result"):
        if wanted.HasField(name):
            getattr(event_attributes, name).CopyFrom(getattr(wanted, name))
    backoff = start.spaced(rd, ev.nanoseconds(wanted.backoff_start_interval))
    event = rd.emit(ev.CONTINUED, event_attributes, command=command)
    _finish(rd, event, continued=True)
    start.succeed(rd, _continued_attributes(rd, wanted, event_attributes), run_id, backoff)


def _continued_attributes(
    rd: RunDraft,
    wanted: wire_command.ContinueAsNewWorkflowExecutionCommandAttributes,
    closed: history.WorkflowExecutionContinuedAsNewEventAttributes,
) -> history.WorkflowExecutionStartedEventAttributes:
    """STARTED of the continued run: memo, attributes, retry policy and cron come from the command alone."""
    attributes = history.WorkflowExecutionStartedEventAttributes(
        attempt=1,
        initiator=closed.initiator or start.WORKFLOW,  # type: ignore[arg-type]
    )
    if closed.initiator == start.RETRY:
        attributes.attempt = rd.terms.attempt + 1
    attributes.workflow_type.CopyFrom(closed.workflow_type)
    attributes.task_queue.CopyFrom(closed.task_queue)
    for name in ("input", "header", "last_completion_result", "workflow_task_timeout"):
        if closed.HasField(name):
            getattr(attributes, name).CopyFrom(getattr(closed, name))
    attributes.workflow_run_timeout.CopyFrom(closed.workflow_run_timeout)
    if closed.HasField("failure"):
        attributes.continued_failure.CopyFrom(closed.failure)
    for key, payload in wanted.memo.fields.items():
        if not ev.is_deletion(payload):
            attributes.memo.fields[key].CopyFrom(payload)
    for key, payload in wanted.search_attributes.indexed_fields.items():
        if not ev.is_deletion(payload):
            attributes.search_attributes.indexed_fields[key].CopyFrom(payload)
    if wanted.HasField("retry_policy"):
        filled = policy(wanted.retry_policy, default=False)
        assert filled is not None
        attributes.retry_policy.CopyFrom(to_wire(filled))
    attributes.cron_schedule = wanted.cron_schedule
    return attributes


def _check_continue(
    task: Completion, wanted: wire_command.ContinueAsNewWorkflowExecutionCommandAttributes
) -> None:
    bad = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CONTINUE_AS_NEW_ATTRIBUTES
    limit = task.limits.id_bytes
    # Both default to the run's own before anything is checked.
    name = wanted.workflow_type.name or task.rd.terms.workflow_type
    queue = wanted.task_queue.name or task.rd.terms.task_queue
    kind = "  kind:TASK_QUEUE_KIND_NORMAL" if wanted.task_queue.kind in (0, 1) else ""
    context = f' WorkflowType={name} TaskQueue=name:"{queue}"{kind}'
    command = "ContinueAsNewWorkflowExecutionCommand"
    if len(name.encode()) > limit:
        raise CommandFailed(
            bad,
            f"WorkflowType on {command} exceeds length limit. WorkflowType={name} "
            f"Length={len(name.encode())} Limit={limit}",
        )
    if len(queue.encode()) > limit:
        raise CommandFailed(
            bad, f"error validating {command} TaskQueue: taskQueue length exceeds limit.{context}"
        )
    for value, field in (
        (wanted.workflow_run_timeout, "WorkflowRunTimeout"),
        (wanted.workflow_task_timeout, "WorkflowTaskTimeout"),
        (wanted.backoff_start_interval, "BackoffStartInterval"),
    ):
        if ev.nanoseconds(value) < 0:
            raise CommandFailed(bad, f"Invalid {field} on {command}: negative duration.{context}")
    if wanted.HasField("retry_policy"):
        problem = validate(wanted.retry_policy)
        if problem:
            raise CommandFailed(bad, f"invalid WorkflowRetryPolicy on {command}: {problem}.{context}")
    _fits(task, wanted.input.ByteSize(), bad, "ContinueAsNewWorkflowExecutionCommandAttributes. Input")
    _fits(task, wanted.memo.ByteSize(), bad, "ContinueAsNewWorkflowExecutionCommandAttributes. Memo")


# ---- successors -----------------------------------------------------------------------------------------------------------


def _cron_follows(rd: RunDraft) -> tuple[str, int] | None:
    """Run id and backoff of the next cron run, if there is one."""
    if not rd.terms.cron:
        return None
    from tenuto.engine import cron

    backoff = cron.backoff(rd.terms.cron, rd.terms.execution_at, rd.now)
    if backoff is None:
        return None
    # The chain's time does not matter here: a run that it leaves no room for begins, and times out.
    return rd.draft.new_run_id(), backoff


def _repeat(
    rd: RunDraft, follows: tuple[str, int], result: common.Payloads | None, reason: failure.Failure | None
) -> None:
    attributes = history.WorkflowExecutionStartedEventAttributes.FromString(rd.terms.start_attributes)
    attributes.attempt, attributes.initiator, attributes.identity = 1, start.CRON, ""  # type: ignore[assignment]
    attributes.ClearField("continued_failure")
    attributes.ClearField("last_completion_result")
    if reason is not None:
        attributes.continued_failure.CopyFrom(reason)
    if result is not None:
        attributes.last_completion_result.CopyFrom(result)
    elif rd.terms.last_result:
        attributes.last_completion_result.ParseFromString(rd.terms.last_result)
    start.succeed(rd, attributes, follows[0], start.spaced(rd, follows[1]))


def _retry(rd: RunDraft, run_id: str, interval: int, reason: failure.Failure) -> None:
    attributes = history.WorkflowExecutionStartedEventAttributes.FromString(rd.terms.start_attributes)
    attributes.attempt = rd.terms.attempt + 1
    attributes.initiator, attributes.identity = start.RETRY, ""  # type: ignore[assignment]
    attributes.continued_failure.CopyFrom(reason)
    start.succeed(rd, attributes, run_id, start.spaced(rd, interval))


# ---- from outside ---------------------------------------------------------------------------------------------------------


def terminate(
    rd: RunDraft,
    reason: str,
    identity: str,
    details: common.Payloads | None = None,
    *,
    reset: bool = False,
    successor: str = "",
) -> None:
    """Close the run by force (execution-semantics 1.9). ``reset``: parent and children shall not notice."""
    workflow_task.force_close(rd)
    rd.flush()
    attributes = history.WorkflowExecutionTerminatedEventAttributes(reason=reason, identity=identity)
    if details is not None and details.ByteSize():
        attributes.details.CopyFrom(details)
    event = rd.emit(ev.TERMINATED, attributes)
    _finish(rd, event, reset=reset)


def retire(rd: RunDraft, kind: int = ev.COMPLETED, attributes: Message | None = None) -> None:
    """Close a run of the service's own that has nothing more to do."""
    _finish(rd, rd.emit(kind, attributes))


def terminate_request(draft: Draft, request: Terminate) -> None:
    """TerminateWorkflowExecution; also the parent-close policy, which must hit only the parent's own child."""
    message = request.message
    rd = open_run(draft, request.run_id, message.first_execution_run_id)
    if request.child_of is not None and not is_child_of(rd, request.child_of):
        raise not_found("workflow execution already completed")
    terminate(
        rd,
        message.reason or "terminated by user via frontend",
        message.identity or "frontend-service",
        message.details if message.HasField("details") else None,
    )
    draft.reply = True


def expire(rd: RunDraft) -> bool:
    """Close the run if its own or its chain's time is over (execution-semantics 5.2); True when it closed."""
    terms = rd.terms
    chain_over = 0 < terms.execution_expires_at <= rd.now
    if not chain_over and not 0 < terms.run_expires_at <= rd.now:
        return False
    workflow_task.force_close(rd)
    rd.flush()
    attributes = history.WorkflowExecutionTimedOutEventAttributes()
    if chain_over:
        attributes.retry_state = RetryState.RETRY_STATE_TIMEOUT
        _finish(rd, rd.emit(ev.TIMED_OUT, attributes))
        return True
    reason = ev.timeout_failure("workflow timeout", 1)
    interval, state = next_retry(terms.retry, terms.attempt, rd.now, terms.execution_expires_at, reason)
    attributes.retry_state = state  # type: ignore[assignment]
    _close_with_retry(rd, ev.TIMED_OUT, attributes, interval, reason)
    return True


APPLY = dict.fromkeys(STATUS, applied_closed)
