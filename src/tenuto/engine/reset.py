"""Reset: a new run that shares a prefix of another run's history and goes another way (execution-semantics 7).

One decision closes the current run if it is open, copies the prefix, fails the workflow task at the cut, carries over
what others have sent since, and schedules a workflow task. This room must never notify parent or children: to them the
workflow goes on.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from tenuto.engine import (
    close,
    commands,
    options,
    outgoing,
    reapply,
    rebuild,
    schedule_link,
    start,
    workflow_task,
)
from tenuto.engine import events as ev
from tenuto.engine.chain import NO_EVENT, Run
from tenuto.engine.context import Found, find_run, invalid, no_such_chain
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.types import Reason, Rejected, Reset
from tenuto.wire import enums_failed, enums_workflow, failure, history, workflow
from tenuto.wire import workflowservice as ws

RESETTER = "history-resetter"
NO_REQUEST = "emptyUuid"
"""What history shows as the poll request of a workflow task that no worker has polled."""
CAUSE = enums_failed.WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
NON_RETRYABLE = enums_workflow.RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE

Events = Sequence[history.HistoryEvent]


def reset(draft: Draft, request: Reset) -> None:
    """ResetWorkflowExecution; a `ResetWorkflowExecutionResponse`. Raises NOT_FOUND, INVALID, and STALE when events were
    added since the host loaded them."""
    message = request.message
    base = find_run(draft, request.run_id)
    if draft.chain is None:
        raise no_such_chain(draft)  # the run stands alone: its chain's last one was deleted
    current = draft.run
    if message.request_id and current.run.reset_request_id == message.request_id:
        draft.reply = ws.ResetWorkflowExecutionResponse(run_id=current.run.run_id)
        return
    finish_id = message.workflow_task_finish_event_id
    if not 1 < finish_id < base.run.next_event_id:
        raise invalid("Workflow task finish ID must be > 1 && <= workflow last event ID.")
    _check_operations(message)
    sources = _sources(draft, request, base)
    last_words = _close_current(draft, message.reason)
    rd = draft.begin_run(Run(draft.new_run_id()), start.blank_terms())
    prefix = request.events[: finish_id - 1]
    rebuild.replay(rd, prefix, _remember)
    rd.note(Restarted(draft.now, base.terms.create_request_id, message.request_id))
    if base.terms.scheduled_by is not None:
        rd.note(schedule_link.Linked(base.terms.scheduled_by))
    _fail_task(rd, base.run.run_id, request)
    outgoing.adopt(rd, base.run.run_id, prefix)
    _restart_activities(rd, message.reason)
    _reapply(rd, sources, last_words, current.run.run_id, message)
    _operate(rd, message)
    workflow_task.wake(rd, break_backoff=True)
    _point_at(draft, base, rd.run.run_id)
    draft.reply = ws.ResetWorkflowExecutionResponse(run_id=rd.run.run_id)


# ---- what there is --------------------------------------------------------------------------------------------------


def _sources(draft: Draft, request: Reset, base: Found) -> list[tuple[str, Events]]:
    """The events to carry over from: the base run's behind the cut, then all of each run that continued it as new."""
    cut = request.message.workflow_task_finish_event_id - 1
    followers = dict(request.followers)
    _check_fresh(draft, base.run.run_id, request.events)
    sources: list[tuple[str, Events]] = [(base.run.run_id, request.events[cut:])]
    following = _continued_as(request.events)
    while following:
        events = followers.get(following, ())
        _check_fresh(draft, following, events)
        sources.append((following, events))
        following = _continued_as(events)
    return sources


def _check_fresh(draft: Draft, run_id: str, events: Events) -> None:
    """The current run may have grown, and may not have been there at all, when the host loaded its events."""
    current = draft.run.run
    if current.run_id == run_id and len(events) != current.next_event_id - 1:
        raise Rejected(Reason.STALE, "the workflow has new events")


def _continued_as(events: Events) -> str:
    if not events or events[-1].event_type != ev.CONTINUED:
        return ""
    return events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id


def _check_operations(message: ws.ResetWorkflowExecutionRequest) -> None:
    for operation in message.post_reset_operations:
        if operation.WhichOneof("variant") == "signal_workflow":
            raise invalid("unsupported post reset operation: *workflow.PostResetOperation_SignalWorkflow_")


# ---- the runs before ------------------------------------------------------------------------------------------------


def _close_current(draft: Draft, reason: str) -> Events:
    """Terminate the current run if it is open; the events that this adds to it, flushed ones included."""
    rd = draft.run
    if not rd.run.open:
        return ()
    close.terminate(rd, reason, RESETTER, reset=True)
    return tuple(rd.events)


@dataclass(frozen=True, slots=True)
class ResetTo:
    """The run was the base of a reset."""

    run_id: str

    def apply(self, rd: RunDraft) -> None:
        rd.run.reset_run_id = self.run_id


def _point_at(draft: Draft, base: Found, run_id: str) -> None:
    if base.rd is not None:
        base.rd.note(ResetTo(run_id))
        return
    assert base.record is not None
    amended = copy.copy(base.record)
    amended.run = copy.copy(amended.run)
    amended.run.reset_run_id = run_id
    draft.amended_runs.append(amended)


# ---- the new run ----------------------------------------------------------------------------------------------------


def _remember(rd: RunDraft, event: history.HistoryEvent) -> None:
    """What a live run notes beside these events, and history alone does not say."""
    if event.event_type == ev.SIGNALED:
        reapply.remember_signal(rd, event)
    elif event.event_type == ev.WFT_COMPLETED:
        attributes = event.workflow_task_completed_event_attributes
        worker = ws.RespondWorkflowTaskCompletedRequest(binary_checksum=attributes.binary_checksum)
        if attributes.HasField("worker_version"):
            worker.worker_version_stamp.CopyFrom(attributes.worker_version)
        commands.stamp_worker(rd, worker, event.event_id)


@dataclass(frozen=True, slots=True)
class Restarted:
    """The run begins now, whatever its first event says; its deadlines are counted from here."""

    at: int
    create_request_id: str
    reset_request_id: str

    def apply(self, rd: RunDraft) -> None:
        terms = rd.edit_terms()
        terms.original_start_at = terms.start_at
        terms.start_at = terms.execution_at = self.at
        terms.execution_expires_at = terms.run_expires_at = 0
        if terms.execution_timeout_ns:
            expires = self.at + terms.execution_timeout_ns
            terms.execution_expires_at = expires - expires % 1_000_000
        if terms.run_timeout_ns:
            terms.run_expires_at = start.bounded(self.at + terms.run_timeout_ns, terms.execution_expires_at)
        start.Requested(self.create_request_id).apply(rd)
        rd.run.reset_at = self.at
        rd.run.reset_request_id = self.reset_request_id
        rd.run.backoff_until = 0
        rd.run.awaits_parent = False


def _check_boundary(events: Events, finish_id: int) -> None:
    """Tell a cut inside what was written at once from one that merely has no workflow task. Events of one transition
    have its instant, or, when they had been buffered, earlier ones."""
    before = max(ev.instant(event.event_time) for event in events[: finish_id - 1])
    if ev.instant(events[finish_id - 1].event_time) <= before:
        raise invalid(
            f"StateRebuilder unable to Rebuild mutable state to event ID: {finish_id - 1}, version: 0, "
            "this event must be at the boundary"
        )


def _fail_task(rd: RunDraft, base_run_id: str, request: Reset) -> None:
    """At the cut a workflow task must be pending; it fails, so that the worker learns of the reset."""
    run, message = rd.run, request.message
    lost = rd.copied[-1].event_type in (ev.WFT_FAILED, ev.WFT_TIMED_OUT)
    if run.task is None and lost and run.task_attempt > 1:
        # The next attempt was pending, only that history does not show it.
        rd.note(workflow_task.AttemptReset())
        workflow_task.schedule(rd)
    if run.task is None:
        _check_boundary(request.events, message.workflow_task_finish_event_id)
        raise invalid(
            "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: "
            f"{message.workflow_task_finish_event_id}"
        )
    if not run.task.started:
        workflow_task.begin(rd, workflow_task.SYSTEM, NO_REQUEST)
    task = run.task
    assert task is not None
    attributes = history.WorkflowTaskFailedEventAttributes(
        scheduled_event_id=task.scheduled_id,
        started_event_id=task.started_id,
        cause=CAUSE,
        failure=_failure(message.reason),
        identity=workflow_task.SYSTEM,
        base_run_id=base_run_id,
        new_run_id=run.run_id,
    )
    rd.emit(ev.WFT_FAILED, attributes)


def _failure(reason: str) -> failure.Failure:
    made = failure.Failure(message=reason)
    made.reset_workflow_failure_info.SetInParent()
    return made


@dataclass(frozen=True, slots=True)
class ActivitiesRestarted:
    """The time that passed before the reset does not count against pending activities."""

    at: int

    def apply(self, rd: RunDraft) -> None:
        for scheduled_id in list(rd.activities.keys()):
            activity = rd.activities.edit(scheduled_id)
            activity.scheduled_at = activity.first_scheduled_at = self.at


def _restart_activities(rd: RunDraft, reason: str) -> None:
    for activity in list(rd.activities.values()):
        if activity.started_event_id == NO_EVENT:
            continue
        attributes = history.ActivityTaskFailedEventAttributes(
            scheduled_event_id=activity.scheduled_id,
            started_event_id=activity.started_event_id,
            failure=_failure(reason),
            identity=activity.identity,
            retry_state=NON_RETRYABLE,
        )
        rd.emit(ev.ACTIVITY_FAILED, attributes)
    if len(rd.activities):
        rd.note(ActivitiesRestarted(rd.now))


def _reapply(
    rd: RunDraft,
    sources: list[tuple[str, Events]],
    last_words: Events,
    closed_run_id: str,
    message: ws.ResetWorkflowExecutionRequest,
) -> None:
    wanted = reapply.choice(message)
    if wanted.nothing:
        return
    for position, (run_id, events) in enumerate(sources):
        of_base = position == 0
        reapply.reapply(rd, events, wanted, of_base)
        if run_id == closed_run_id:
            reapply.reapply(rd, last_words, wanted, of_base)


def _operate(rd: RunDraft, message: ws.ResetWorkflowExecutionRequest) -> None:
    """The options that the caller wants the new run to have."""
    for operation in message.post_reset_operations:
        wanted = operation.update_workflow_options
        old = options.current(rd)
        new = workflow.WorkflowExecutionOptions()
        new.CopyFrom(old)
        for path in wanted.update_mask.paths:
            options.merge(new, wanted.workflow_execution_options, path)
        if new == old:
            continue
        options.check_pin(rd, old, new)
        attributes = history.WorkflowExecutionOptionsUpdatedEventAttributes()
        if new.HasField("versioning_override"):
            attributes.versioning_override.CopyFrom(options.in_present_words(new.versioning_override))
        else:
            attributes.unset_versioning_override = True
        if new.priority != old.priority:
            attributes.priority.CopyFrom(new.priority)
        rd.emit(ev.OPTIONS_UPDATED, attributes, ignorable=True)


DECIDE = {Reset: reset}
