"""The workflow task: scheduled, started, failed, timed out; sticky, transient and speculative ones.

A run has at most one. A task of attempt 2 and later, and one made only to carry an update, is *virtual*: its scheduled and
started events have ids but stand in history only once it completes (execution-semantics 3). This room must never run the
commands of a completion; that is `commands`.
"""

import copy
from dataclasses import dataclass
from typing import ClassVar

from tenuto.engine import events as ev
from tenuto.engine import query, sticky, update
from tenuto.engine.chain import NORMAL, SPECULATIVE, Terms, WorkflowTask
from tenuto.engine.context import find_run, not_found, open_run
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.kept import KeptLost
from tenuto.engine.task_events import (
    scheduled_attributes,
    scheduled_event,
    started_attributes,
    started_event,
)
from tenuto.engine.types import (
    FailWorkflowTask,
    StartWorkflowTask,
    TaskToken,
    WorkflowTaskHandout,
)
from tenuto.limits import LIMITS
from tenuto.wire import common, enums_failed, failure, history
from tenuto.wire import workflowservice as ws

Cause = enums_failed.WorkflowTaskFailedCause
NOT_FOUND_TEXT = "Workflow task not found."
SYSTEM = "history-service"
START_TO_CLOSE, SCHEDULE_TO_START = 1, 2
PROBLEMS = "TemporalReportedProblems"

# ---- scheduling -----------------------------------------------------------------------------------------------------------


def wake(rd: RunDraft, *, speculative: bool = False, break_backoff: bool = False) -> None:
    """See to it that a workflow task comes, unless one is pending, or the run is closed, paused, or waits for its first."""
    run = rd.run
    if not run.open or run.paused is not None or run.task is not None:
        return
    if run.backoff_until and not break_backoff:
        return
    schedule(rd, SPECULATIVE if speculative else NORMAL)


def release(rd: RunDraft) -> None:
    """Nothing holds the first workflow task back any more.

    An update may have brought a speculative one before its time. That lives in memory only, and the run would never begin
    once it is lost; so it becomes a recorded one."""
    task = rd.run.task
    if task is not None and task.kind == SPECULATIVE:
        rd.write_task_events()
    else:
        wake(rd)


def schedule(rd: RunDraft, kind: int = NORMAL, original_at: int = 0) -> None:
    """Make the next workflow task. Buffered events are flushed first, and then it is a fresh, recorded one."""
    run = rd.run
    assert run.task is None and run.open, "a workflow task is pending, or the run is closed"
    if rd.flush() and run.task_attempt != 1:
        rd.note(AttemptReset())
    if kind == NORMAL and run.task_attempt == 1:
        task = _next_task(rd, kind)
        rd.emit(ev.WFT_SCHEDULED, scheduled_attributes(task, rd.terms.task_queue))
        if original_at:
            rd.note(OriginCarried(original_at))
    else:
        rd.note(VirtualScheduled(kind, run.task_attempt, rd.now, original_at or rd.now))


def _next_task(rd: RunDraft, kind: int) -> WorkflowTask:
    run, terms = rd.run, rd.terms
    sticky = bool(run.sticky_queue)
    task = WorkflowTask(
        kind=kind,
        scheduled_id=run.next_event_id,
        attempt=run.task_attempt,
        scheduled_at=rd.now,
        original_scheduled_at=rd.now,
        timeout_ns=task_timeout(terms, run.task_attempt),
        queue=run.sticky_queue if sticky else terms.task_queue,
        sticky=sticky,
        written=kind == NORMAL and run.task_attempt == 1,
        schedule_to_start_ns=run.sticky_timeout_ns if sticky else 0,
        stamp=run.stamp,
    )
    if kind == SPECULATIVE and not sticky:
        task.schedule_to_start_ns = LIMITS.speculative_schedule_to_start_ns
    return task


def task_timeout(terms: Terms, attempt: int) -> int:
    """Start-to-close of the given attempt: it grows from the fourth on (execution-semantics 3.2)."""
    base = terms.task_timeout_ns or LIMITS.task_timeout_ns
    extra = attempt - LIMITS.task_attempts_before_growth - 1
    if extra < 0:
        return base
    return base + min(LIMITS.task_retry_first_ns << min(extra, 32), LIMITS.task_retry_maximum_ns)


@dataclass(frozen=True, slots=True)
class VirtualScheduled:
    """A task whose WFT_SCHEDULED is not (yet) in history."""

    virtual: ClassVar[bool] = True
    kind: int
    attempt: int
    at: int
    original_at: int

    def apply(self, rd: RunDraft) -> None:
        task = _next_task(rd, self.kind)
        task.attempt, task.scheduled_at, task.original_scheduled_at = self.attempt, self.at, self.original_at
        task.written = False
        rd.run.task = task


@dataclass(frozen=True, slots=True)
class OriginCarried:
    """A heartbeat's successor keeps the time its predecessor was first scheduled at."""

    at: int

    def apply(self, rd: RunDraft) -> None:
        rd.edit_task().original_scheduled_at = self.at


@dataclass(frozen=True, slots=True)
class AttemptReset:
    def apply(self, rd: RunDraft) -> None:
        rd.run.task_attempt = 1


def applied_scheduled(rd: RunDraft, event: history.HistoryEvent) -> None:
    attributes = event.workflow_task_scheduled_event_attributes
    run = rd.run
    at = ev.instant(event.event_time)
    sticky = attributes.task_queue.kind == 2
    run.task = WorkflowTask(
        kind=NORMAL,
        scheduled_id=event.event_id,
        attempt=attributes.attempt,
        scheduled_at=at,
        original_scheduled_at=at,
        timeout_ns=ev.nanoseconds(attributes.start_to_close_timeout),
        queue=attributes.task_queue.name,
        sticky=sticky,
        written=True,
        schedule_to_start_ns=run.sticky_timeout_ns if sticky else 0,
        stamp=run.stamp,
    )
    run.backoff_until = 0
    run.awaits_parent = False


# ---- starting -------------------------------------------------------------------------------------------------------------


def start(draft: Draft, request: StartWorkflowTask) -> None:
    """Hand the task to a poller. Refusals tell matching to drop its offer."""
    rd = open_run(draft, request.run_id)
    task = rd.run.task
    if task is None or task.scheduled_id != request.scheduled_id or task.stamp != request.stamp:
        raise not_found(NOT_FOUND_TEXT)
    if task.started:
        if task.request_id == request.request_id:
            draft.reply = handout(rd, request.sticky)
            return
        raise not_found("Workflow task already started.")
    if request.sticky and request.queue != task.queue:
        raise not_found("Workflow task now belongs to the normal queue.")
    if rd.run.sticky_queue and request.queue != rd.run.sticky_queue:
        rd.note(sticky.Unstuck())
    if not task.written and rd.run.next_event_id != task.scheduled_id:
        rd.note(TaskCleared())
        rd.note(AttemptReset())
        schedule(rd)
    assert rd.run.task is not None
    if rd.run.task.kind == SPECULATIVE and not rd.pending_updates.size:
        rd.note(TaskCleared())
        draft.reply = None
        raise not_found(NOT_FOUND_TEXT)
    begin(rd, request.identity, request.request_id, worker=_worker_of(request.poll))
    draft.reply = handout(rd, request.sticky)


def _worker_of(poll: ws.PollWorkflowTaskQueueRequest | None) -> bytes:
    """The build a poller says it is, as the stamp that its events carry."""
    if poll is None or not poll.HasField("worker_version_capabilities"):
        return b""
    said = poll.worker_version_capabilities
    if not said.build_id:
        return b""
    return common.WorkerVersionStamp(
        build_id=said.build_id, use_versioning=said.use_versioning
    ).SerializeToString()


def begin(
    rd: RunDraft, identity: str, request_id: str, *, own_batch: bool = True, worker: bytes = b""
) -> None:
    """The scheduled task is with a worker now."""
    task, run = rd.run.task, rd.run
    assert task is not None and not task.started
    reasons = continue_reasons(rd)
    note = Begun(rd.now, identity, request_id, run.history_bytes if own_batch else 0, tuple(reasons), worker)
    if task.written:
        started = _started(rd, note)
        if own_batch and rd.events:
            rd.batch_starts.append(len(rd.events))
        rd.emit(ev.WFT_STARTED, started_attributes(started))
    else:
        rd.note(note)


def continued(rd: RunDraft, held: WorkflowTask) -> None:
    """Write a task that is scheduled and started here, in the hands of the worker that held ``held``."""
    run = rd.run
    assert run.task is None and run.open
    rd.emit(ev.WFT_SCHEDULED, scheduled_attributes(_next_task(rd, NORMAL), rd.terms.task_queue))
    begin(rd, held.identity, held.request_id, own_batch=False, worker=held.worker)


def continue_reasons(rd: RunDraft) -> list[int]:
    """Why the workflow should continue as new (execution-semantics 3.3); values of SuggestContinueAsNewReason."""
    run = rd.run
    reasons: list[int] = []
    if run.history_bytes >= LIMITS.history_suggest_bytes:
        reasons.append(1)
    if run.next_event_id - 1 >= LIMITS.history_suggest_events:
        reasons.append(2)
    if run.update_count + rd.waiting("pending_updates") >= LIMITS.updates_suggest:
        reasons.append(3)
    return reasons


@dataclass(frozen=True, slots=True)
class Begun:
    """A virtual task was started."""

    virtual: ClassVar[bool] = True
    at: int
    identity: str
    request_id: str
    history_bytes: int
    reasons: tuple[int, ...]
    worker: bytes = b""

    def apply(self, rd: RunDraft) -> None:
        rd.run.task = _started(rd, self)


def _started(rd: RunDraft, note: Begun) -> WorkflowTask:
    task = copy.copy(rd.run.task)
    assert task is not None
    task.started_id = rd.run.next_event_id if task.written else task.scheduled_id + 1
    if not task.written and not rd.run.sticky_queue:
        task.queue, task.sticky = rd.terms.task_queue, False
    task.started_at = note.at
    task.identity = note.identity
    task.request_id = note.request_id
    task.history_bytes = note.history_bytes
    task.worker = note.worker
    task.suggest_continue = bool(note.reasons)
    task.suggest_reasons = note.reasons
    return task


def applied_started(rd: RunDraft, event: history.HistoryEvent) -> None:
    attributes = event.workflow_task_started_event_attributes
    task = rd.edit_task()
    task.started_id = event.event_id
    task.started_at = ev.instant(event.event_time)
    task.identity = attributes.identity
    task.request_id = attributes.request_id
    task.history_bytes = attributes.history_size_bytes
    task.worker = attributes.worker_version.SerializeToString()
    task.suggest_continue = attributes.suggest_continue_as_new
    task.suggest_reasons = tuple(attributes.suggest_continue_as_new_reasons)


def handout(rd: RunDraft, sticky: bool) -> WorkflowTaskHandout:
    """What the worker gets for the started task (execution-semantics 3.4)."""
    task, run = rd.run.task, rd.run
    assert task is not None and task.started
    virtual: tuple[history.HistoryEvent, ...] = ()
    last = task.started_id
    if not task.written:
        virtual = (scheduled_event(task, rd.terms.task_queue), started_event(task))
        last = task.scheduled_id - 1
    heartbeat = task.original_scheduled_at != task.scheduled_at
    return WorkflowTaskHandout(
        workflow_id=rd.draft.workflow_id,
        run_id=run.run_id,
        workflow_type=rd.terms.workflow_type,
        task_queue=rd.terms.task_queue,
        scheduled_id=task.scheduled_id,
        started_id=task.started_id,
        attempt=task.attempt,
        scheduled_at=task.scheduled_at,
        started_at=task.started_at,
        previous_started_id=run.previous_started_id,
        first_event_id=run.previous_started_id + 1 if sticky else 1,
        last_event_id=last,
        virtual=virtual,
        messages=update.messages_for(rd, task.started_id, heartbeat),
        queries=query.attach(rd),
        next_event_id=run.next_event_id,
    )


# ---- the worker's answer --------------------------------------------------------------------------------------------------


def claim(draft: Draft, token: TaskToken) -> RunDraft:
    """The run whose started task the token names. Raises NOT_FOUND (execution-semantics 3.5)."""
    found = find_run(draft, token.run_id)
    rd = found.rd
    if rd is None or not rd.run.open:
        raise not_found(NOT_FOUND_TEXT if rd is not None else "workflow execution already completed")
    task = rd.run.task
    if (
        task is None
        or task.scheduled_id != token.scheduled_id
        or task.started_id != token.started_id
        or task.started_at != token.started_at
        or task.attempt != token.attempt
        or task.recorded_id != token.recorded_id
    ):
        raise not_found(NOT_FOUND_TEXT)
    return rd


def fail(draft: Draft, request: FailWorkflowTask) -> None:
    """RespondWorkflowTaskFailed (execution-semantics 3.7)."""
    found = find_run(draft, request.token.run_id)
    if found.rd is None or not found.run.open:
        raise not_found("workflow execution already completed")
    rd = claim(draft, request.token)
    message = request.message
    reported = message.failure if message.HasField("failure") else None
    if reported is not None and reported.ByteSize() > LIMITS.blob_bytes:
        reported = failure.Failure(message=reported.message[: LIMITS.retained_failure_bytes], source="Server")
        reported.server_failure_info.SetInParent()
    attributes = history.WorkflowTaskFailedEventAttributes(
        cause=message.cause, identity=message.identity, binary_checksum=message.binary_checksum
    )
    if reported is not None:
        attributes.failure.CopyFrom(reported)
    if message.HasField("worker_version"):
        attributes.worker_version.CopyFrom(message.worker_version)
    if message.cause == Cause.WORKFLOW_TASK_FAILED_CAUSE_GRPC_MESSAGE_TOO_LARGE:
        from tenuto.engine import close

        close.terminate(rd, "GrpcMessageTooLarge", SYSTEM)
        draft.reply = True
        return
    failed(rd, attributes)
    reschedule(rd)
    draft.reply = True


def failed(rd: RunDraft, attributes: history.WorkflowTaskFailedEventAttributes) -> None:
    """The started task has failed: an event for a recorded or speculative one, a silent next attempt for a transient one."""
    task = rd.run.task
    assert task is not None and task.started
    if task.completed_id:
        rd.note(KeptLost())
        return
    if task.attempt == 1 or task.kind == SPECULATIVE:
        if not task.written:
            rd.write_task_events(attributes.identity, attributes.worker_version.SerializeToString())
        task = rd.edit_task()
        full = history.WorkflowTaskFailedEventAttributes()
        full.CopyFrom(attributes)
        full.scheduled_event_id, full.started_event_id = task.scheduled_id, task.started_id
        rd.emit(ev.WFT_FAILED, full)
    else:
        rd.note(TransientLost(timed_out=False, cause=attributes.cause))
    cause = attributes.cause
    _report_problem(rd, "WorkflowTaskFailed", Cause.Name(cause) if cause in Cause.values() else str(cause))


def force_close(rd: RunDraft) -> None:
    """The run must close while a worker holds its task (execution-semantics 1.9, 5.2)."""
    task = rd.run.task
    if task is None or not task.started:
        return
    if task.completed_id:
        rd.note(KeptLost())
        return
    if task.attempt > 1 and not task.written and task.kind == NORMAL:
        rd.note(TransientLost(timed_out=False, cause=Cause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND))
        return
    attributes = history.WorkflowTaskFailedEventAttributes(
        cause=Cause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND, identity=SYSTEM
    )
    failed(rd, attributes)


def reschedule(rd: RunDraft) -> None:
    """The next attempt, at once."""
    if rd.run.open and rd.run.task is None and rd.run.paused is None:
        schedule(rd)


def applied_failed(rd: RunDraft, event: history.HistoryEvent) -> None:
    cause = event.workflow_task_failed_event_attributes.cause
    _lose(rd)
    if cause in _NOT_THE_WORKERS:
        rd.run.task_attempt = 1


_NOT_THE_WORKERS = (
    Cause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
    Cause.WORKFLOW_TASK_FAILED_CAUSE_FAILOVER_CLOSE_COMMAND,
)
"""Causes after which the next task is a first attempt again."""


def _lose(rd: RunDraft) -> None:
    """Bookkeeping of a failure or timeout: the next attempt's number, and stickiness gone (execution-semantics 3.2)."""
    run = rd.run
    attempt = run.task.attempt if run.task is not None else run.task_attempt
    run.task = None
    rd.close_attempted = False
    run.problems += 1
    if run.sticky_queue:
        run.sticky_queue, run.sticky_timeout_ns = "", 0
        run.task_attempt = 1
    else:
        run.task_attempt = attempt + 1


@dataclass(frozen=True, slots=True)
class TransientLost:
    """A transient task failed or timed out: nothing is written, only the attempt grows."""

    timed_out: bool
    cause: int

    def apply(self, rd: RunDraft) -> None:
        _lose(rd)
        if not self.timed_out and self.cause in _NOT_THE_WORKERS:
            rd.run.task_attempt = 1


@dataclass(frozen=True, slots=True)
class TaskCleared:
    """The pending task is void without a trace."""

    virtual: ClassVar[bool] = True

    def apply(self, rd: RunDraft) -> None:
        rd.run.task = None


@dataclass(frozen=True, slots=True)
class ProblemsReported:
    """Sets or removes the search attribute that tells operators of a run whose tasks keep failing."""

    value: bytes

    def apply(self, rd: RunDraft) -> None:
        terms = rd.edit_terms()
        terms.search_attributes = dict(terms.search_attributes)
        if self.value:
            terms.search_attributes[PROBLEMS] = self.value
        else:
            terms.search_attributes.pop(PROBLEMS, None)
        rd.visible = True


def _report_problem(rd: RunDraft, category: str, cause: str) -> None:
    if rd.run.problems == LIMITS.task_problems_reported and rd.run.open:
        suffix = cause.rsplit("CAUSE_", 1)[-1].rsplit("TYPE_", 1)[-1]
        camel = "".join(word.capitalize() for word in suffix.split("_"))
        payload = common.Payload(data=f'["category={category}","cause={category}Cause{camel}"]'.encode())
        payload.metadata["encoding"], payload.metadata["type"] = b"json/plain", b"KeywordList"
        rd.note(ProblemsReported(payload.SerializeToString()))


def applied_completed(rd: RunDraft, event: history.HistoryEvent) -> None:
    run = rd.run
    attributes = event.workflow_task_completed_event_attributes
    run.previous_started_id = attributes.started_event_id
    if attributes.HasField("worker_version"):
        run.worker_stamp = attributes.worker_version.SerializeToString()
    run.task = None
    run.task_attempt = 1
    run.problems = 0
    rd.close_attempted = False


# ---- timeouts -------------------------------------------------------------------------------------------------------------


def deadline(task: WorkflowTask | None) -> int:
    """When the task times out; 0: never."""
    if task is None:
        return 0
    if task.started:
        return task.started_at + task.timeout_ns
    return task.scheduled_at + task.schedule_to_start_ns if task.schedule_to_start_ns else 0


def expire(rd: RunDraft) -> None:
    """Time the task out if its deadline has come (execution-semantics 3.8, 3.10)."""
    task = rd.run.task
    if task is None or not 0 < deadline(task) <= rd.now:
        return
    kind = START_TO_CLOSE if task.started else SCHEDULE_TO_START
    time_out(rd, kind)
    reschedule(rd)


def lose(rd: RunDraft, before_at: int) -> None:
    """Time the task out now if a worker had it before ``before_at``: that worker is gone."""
    task = rd.run.task
    if task is not None and task.started and task.started_at < before_at:
        time_out(rd, START_TO_CLOSE)
        reschedule(rd)


def take_back(rd: RunDraft, scheduled_id: int, request_id: str) -> None:
    """Time the task out now if it was started for this poll: the poller never got it."""
    task = rd.run.task
    if (
        task is not None
        and task.started
        and (task.scheduled_id, task.request_id) == (scheduled_id, request_id)
    ):
        time_out(rd, START_TO_CLOSE)
        reschedule(rd)


def time_out(rd: RunDraft, kind: int) -> None:
    task = rd.run.task
    assert task is not None
    if task.completed_id:
        rd.note(KeptLost())
        return
    if task.attempt == 1 or task.kind == SPECULATIVE:
        if not task.written:
            rd.write_task_events()
            task = rd.edit_task()
        rd.emit(
            ev.WFT_TIMED_OUT,
            history.WorkflowTaskTimedOutEventAttributes(
                scheduled_event_id=task.scheduled_id,
                started_event_id=task.started_id,
                timeout_type=kind,  # type: ignore[arg-type]
            ),
        )
    elif kind == SCHEDULE_TO_START:
        rd.note(sticky.Unstuck())
        rd.note(TaskCleared())
    else:
        rd.note(TransientLost(timed_out=True, cause=0))
    if kind == START_TO_CLOSE:
        _report_problem(rd, "WorkflowTaskTimedOut", "TIMEOUT_TYPE_START_TO_CLOSE")


def applied_timed_out(rd: RunDraft, event: history.HistoryEvent) -> None:
    run = rd.run
    if event.workflow_task_timed_out_event_attributes.timeout_type == SCHEDULE_TO_START:
        run.task = None
        run.sticky_queue, run.sticky_timeout_ns = "", 0
        run.task_attempt = 1
        rd.close_attempted = False
        return
    _lose(rd)


APPLY = {
    ev.WFT_SCHEDULED: applied_scheduled,
    ev.WFT_STARTED: applied_started,
    ev.WFT_COMPLETED: applied_completed,
    ev.WFT_FAILED: applied_failed,
    ev.WFT_TIMED_OUT: applied_timed_out,
}
