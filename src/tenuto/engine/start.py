"""How a run begins: started by a client, a parent, or as the successor of another run; id policies and request dedup.

The service has filled in defaults; this room decides conflicts (execution-semantics 1.1-1.3) and writes the first batch.
"""

from dataclasses import dataclass

from tenuto.engine import close, schedule_link, signal, workflow_task
from tenuto.engine import events as ev
from tenuto.engine.chain import ParentLink, RootLink, Run, Terms
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.nexus_state import CallbackState
from tenuto.engine.retry import policy, to_wire
from tenuto.engine.types import Reason, Rejected, SignalReply, SignalWithStart, Start, StartReply
from tenuto.limits import LIMITS, SECOND
from tenuto.wire import common, enums_workflow, errordetails, history, sdk_metadata, workflow
from tenuto.wire import workflowservice as ws

Reuse = enums_workflow.WorkflowIdReusePolicy
Conflict = enums_workflow.WorkflowIdConflictPolicy
Status = enums_workflow.WorkflowExecutionStatus
CRON, RETRY, WORKFLOW = 3, 2, 1
NORMAL_KIND = 1
MILLISECOND = SECOND // 1000


def start(draft: Draft, request: Start) -> None:
    """StartWorkflowExecution, and the start of a child."""
    message = request.message
    if draft.chain is not None:
        if request.scheduled_by is not None and draft.run.terms.scheduled_by == request.scheduled_by:
            # Sent again: whatever the workflow has done since, it was started.
            rd = draft.run
            draft.reply = StartReply(rd.run.run_id, rd.terms.first_run_id, True, rd.run.status)
            return
        if _repeated(draft, message):
            return
        if draft.run.run.open:
            if not _replaces_open(draft, message):
                return
        else:
            check_reuse(draft, message)
    attributes = first_attributes(draft, message, request.parent, request.root)
    begin(draft, attributes, draft.new_run_id(), message.request_id, message.user_metadata, message.links)
    rd = draft.run
    if request.scheduled_by is not None:
        rd.note(schedule_link.Linked(request.scheduled_by))
    eager = message.request_eager_execution and not rd.run.backoff_until and request.parent is None
    _first_task(rd)
    reply = StartReply(rd.run.run_id, rd.terms.first_run_id, True, rd.run.status)
    if eager:
        workflow_task.begin(rd, message.identity, message.request_id, own_batch=False)
        reply.handout = workflow_task.handout(rd, sticky=False)
    draft.reply = reply


def _first_task(rd: RunDraft) -> None:
    if not rd.run.backoff_until and not rd.run.awaits_parent:
        workflow_task.wake(rd)


# ---- conflicts ------------------------------------------------------------------------------------------------------------


def _repeated(draft: Draft, message: ws.StartWorkflowExecutionRequest) -> bool:
    """The current run already knows this request (execution-semantics 1.1, I)."""
    rd = draft.run
    known = rd.run.request_ids.get(message.request_id)
    if known is None:
        return False
    kind, _ = known
    started = kind == ev.STARTED
    reply = StartReply(rd.run.run_id, rd.terms.first_run_id, started, rd.run.status, event_type=kind)
    if not started:
        reply.request_id = message.request_id
    task = rd.run.task
    if (
        started
        and message.request_eager_execution
        and task is not None
        and task.started_id == 3
        and task.attempt == 1
        and rd.run.open
    ):
        reply.handout = workflow_task.handout(rd, sticky=False)
    draft.reply = reply
    return True


def _replaces_open(draft: Draft, message: ws.StartWorkflowExecutionRequest) -> bool:
    """Apply the conflict policy to an open run; True when a new run shall begin (the old one is closed now)."""
    rd = draft.run
    if message.workflow_id_conflict_policy == Conflict.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING:
        _attach(rd, message)
        return False
    if message.workflow_id_conflict_policy == Conflict.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING:
        terminate_existing(draft)
        return True
    raise already_started(
        draft,
        f"Workflow execution is already running. WorkflowId: {draft.workflow_id}, RunId: {rd.run.run_id}.",
    )


def terminate_existing(draft: Draft) -> None:
    """Close the open run in favour of a new one (execution-semantics 1.2)."""
    new_run_id = draft.new_run_id()
    details = common.Payloads()
    payload = details.payloads.add(data=f'"terminated by new runID: {new_run_id}"'.encode())
    payload.metadata["encoding"] = b"json/plain"
    close.terminate(
        draft.run,
        "TerminateIfRunning WorkflowIdReusePolicy",
        workflow_task.SYSTEM,
        details,
        successor=new_run_id,
    )
    draft.reserved_run_id = new_run_id


def _attach(rd: RunDraft, message: ws.StartWorkflowExecutionRequest) -> None:
    """USE_EXISTING: note the request on the running workflow if it asks for that; no workflow task."""
    draft = rd.draft
    reply = StartReply(rd.run.run_id, rd.terms.first_run_id, False, rd.run.status)
    options = message.on_conflict_options
    if message.HasField("on_conflict_options") and (
        options.attach_request_id or options.attach_completion_callbacks or options.attach_links
    ):
        attributes = history.WorkflowExecutionOptionsUpdatedEventAttributes()
        if options.attach_request_id:
            attributes.attached_request_id = message.request_id
            reply.event_type, reply.request_id = ev.OPTIONS_UPDATED, message.request_id
        if options.attach_completion_callbacks:
            _check_room(rd, len(message.completion_callbacks))
            attributes.attached_completion_callbacks.extend(message.completion_callbacks)
        links = message.links if options.attach_links else ()
        rd.emit(ev.OPTIONS_UPDATED, attributes, ignorable=True, links=links)
    draft.reply = reply


def _check_room(rd: RunDraft, more: int) -> None:
    known, most = len(rd.terms.callbacks), LIMITS.callbacks_per_workflow
    if known + more > most:
        text = f"cannot attach more than {most} callbacks to a workflow ({known} callbacks already attached)"
        raise Rejected(Reason.PRECONDITION, text)


def check_reuse(draft: Draft, message: ws.StartWorkflowExecutionRequest) -> None:
    """The reuse policy against a closed run (execution-semantics 1.2)."""
    rd = draft.run
    text = f"WorkflowId: {draft.workflow_id}, RunId: {rd.run.run_id}."
    policy_ = message.workflow_id_reuse_policy
    if policy_ == Reuse.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE:
        raise already_started(
            draft,
            f"Workflow execution already finished. {text} Workflow Id reuse policy: reject duplicate workflow Id.",
        )
    if policy_ == Reuse.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY and rd.run.status in (
        Status.WORKFLOW_EXECUTION_STATUS_COMPLETED,
        Status.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW,
    ):
        raise already_started(
            draft,
            f"Workflow execution already finished successfully. {text} "
            "Workflow Id reuse policy: allow duplicate workflow Id if last run failed.",
        )


def already_started(draft: Draft, message: str) -> Rejected:
    rd = draft.run
    detail = errordetails.WorkflowExecutionAlreadyStartedFailure(
        start_request_id=rd.terms.create_request_id,
        run_id=rd.run.run_id,
        first_execution_run_id=rd.terms.first_run_id,
    )
    return Rejected(Reason.ALREADY_STARTED, message, detail)


# ---- signal with start ----------------------------------------------------------------------------------------------------


def signal_with_start(draft: Draft, request: SignalWithStart) -> None:
    """SignalWithStartWorkflowExecution (execution-semantics 1.3)."""
    message = request.message
    as_start = start_part(message)
    if draft.chain is not None:
        rd = draft.run
        if (
            message.request_id in rd.run.request_ids
            and rd.run.request_ids[message.request_id][0] == ev.STARTED
        ):
            draft.reply = SignalReply(rd.run.run_id, message.request_id, False, rd.terms.first_run_id)
            return
        if rd.run.open:
            if message.workflow_id_conflict_policy != Conflict.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING:
                if not message.request_id or message.request_id not in rd.signal_ids:
                    signal.record(rd, _signal_part(message), wake=False)
                    # Unlike a plain signal, this asks for a running workflow: it does not leave it in its first backoff.
                    workflow_task.wake(rd, break_backoff=True)
                draft.reply = SignalReply(rd.run.run_id, message.request_id, False, rd.terms.first_run_id)
                return
            terminate_existing(draft)
        else:
            check_reuse(draft, as_start)
    attributes = first_attributes(draft, as_start, None, None)
    begin(draft, attributes, draft.new_run_id(), message.request_id, message.user_metadata, message.links)
    rd = draft.run
    signal.record(rd, _signal_part(message), wake=False)
    # Clients resolve the request id to the signal, which gets the next id, by the link they are given.
    rd.note(Requested(message.request_id, rd.run.next_event_id))
    _first_task(rd)
    draft.reply = SignalReply(rd.run.run_id, message.request_id, True, rd.terms.first_run_id)


def _signal_part(message: ws.SignalWithStartWorkflowExecutionRequest) -> ws.SignalWorkflowExecutionRequest:
    part = ws.SignalWorkflowExecutionRequest(
        signal_name=message.signal_name, identity=message.identity, request_id=message.request_id
    )
    if message.HasField("signal_input"):
        part.input.CopyFrom(message.signal_input)
    if message.HasField("header"):
        part.header.CopyFrom(message.header)
    part.links.extend(message.links)
    return part


def start_part(message: ws.SignalWithStartWorkflowExecutionRequest) -> ws.StartWorkflowExecutionRequest:
    """The start request inside a signal-with-start: fields of the same name."""
    part = ws.StartWorkflowExecutionRequest()
    for field, value in message.ListFields():
        if field.name in _START_FIELDS:
            if field.name == "links" or field.name == "completion_callbacks":
                getattr(part, field.name).extend(value)
            elif field.message_type is not None:
                getattr(part, field.name).CopyFrom(value)
            else:
                setattr(part, field.name, value)
    return part


_START_FIELDS = frozenset(ws.StartWorkflowExecutionRequest.DESCRIPTOR.fields_by_name)


# ---- the first batch ------------------------------------------------------------------------------------------------------


def first_attributes(
    draft: Draft, message: ws.StartWorkflowExecutionRequest, parent: ParentLink | None, root: RootLink | None
) -> history.WorkflowExecutionStartedEventAttributes:
    """WORKFLOW_EXECUTION_STARTED of a new chain of runs, but for its run ids."""
    attributes = history.WorkflowExecutionStartedEventAttributes(
        workflow_id=draft.workflow_id,
        attempt=1,
        identity=message.identity,
        cron_schedule=message.cron_schedule,
        eager_execution_accepted=message.request_eager_execution
        and not message.HasField("workflow_start_delay"),
    )
    attributes.workflow_type.CopyFrom(message.workflow_type)
    attributes.task_queue.name = message.task_queue.name
    attributes.task_queue.kind = message.task_queue.kind or NORMAL_KIND  # type: ignore[assignment]
    for name in ("input", "header", "priority", "versioning_override"):
        if message.HasField(name):
            getattr(attributes, name).CopyFrom(getattr(message, name))
    _put_timeouts(attributes, message)
    if message.HasField("retry_policy"):
        filled = policy(message.retry_policy, default=False)
        assert filled is not None
        attributes.retry_policy.CopyFrom(to_wire(filled))
    _put_values(attributes, message)
    if message.HasField("last_completion_result"):
        attributes.last_completion_result.CopyFrom(message.last_completion_result)
    if message.HasField("continued_failure"):
        attributes.continued_failure.CopyFrom(message.continued_failure)
    attributes.completion_callbacks.extend(message.completion_callbacks)
    backoff = _first_backoff(draft, message)
    attributes.first_workflow_task_backoff.CopyFrom(ev.duration(backoff))
    if message.cron_schedule:
        attributes.initiator = CRON  # type: ignore[assignment]
    _put_expiration(attributes, draft.now)
    if parent is not None:
        _put_parent(attributes, parent, root)
    if backoff or parent is not None:
        attributes.eager_execution_accepted = False
    return attributes


def _first_backoff(draft: Draft, message: ws.StartWorkflowExecutionRequest) -> int:
    if message.cron_schedule:
        from tenuto.engine import cron

        return cron.backoff(message.cron_schedule, draft.now, draft.now) or 0
    return ev.nanoseconds(message.workflow_start_delay)


def _put_timeouts(
    attributes: history.WorkflowExecutionStartedEventAttributes, message: ws.StartWorkflowExecutionRequest
) -> None:
    execution = ev.nanoseconds(message.workflow_execution_timeout)
    run = bounded(ev.nanoseconds(message.workflow_run_timeout), execution)
    task = ev.nanoseconds(message.workflow_task_timeout) or LIMITS.task_timeout_ns
    task = bounded(min(task, LIMITS.task_timeout_maximum_ns), run)
    if execution or message.HasField("workflow_execution_timeout"):
        attributes.workflow_execution_timeout.CopyFrom(ev.duration(execution))
    if run or message.HasField("workflow_run_timeout"):
        attributes.workflow_run_timeout.CopyFrom(ev.duration(run))
    attributes.workflow_task_timeout.CopyFrom(ev.duration(task))


def bounded(value: int, bound: int) -> int:
    """The smaller of two durations of which 0 means unlimited."""
    if not bound:
        return value
    return min(value, bound) if value else bound


def _put_values(
    attributes: history.WorkflowExecutionStartedEventAttributes, message: ws.StartWorkflowExecutionRequest
) -> None:
    """Memo and search attributes, without the values that mean deletion."""
    for key, payload in message.memo.fields.items():
        if not ev.is_deletion(payload):
            attributes.memo.fields[key].CopyFrom(payload)
    for key, payload in message.search_attributes.indexed_fields.items():
        if not ev.is_deletion(payload):
            attributes.search_attributes.indexed_fields[key].CopyFrom(payload)


def _put_expiration(attributes: history.WorkflowExecutionStartedEventAttributes, now: int) -> None:
    """The chain's time runs from the request on, also while the first workflow task waits. To the nearest millisecond."""
    execution = ev.nanoseconds(attributes.workflow_execution_timeout)
    if execution:
        expires = now + execution + MILLISECOND // 2
        attributes.workflow_execution_expiration_time.CopyFrom(ev.timestamp(expires - expires % MILLISECOND))


def _put_parent(
    attributes: history.WorkflowExecutionStartedEventAttributes, parent: ParentLink, root: RootLink | None
) -> None:
    attributes.parent_workflow_namespace = parent.namespace
    attributes.parent_workflow_namespace_id = parent.namespace_id
    attributes.parent_workflow_execution.workflow_id = parent.workflow_id
    attributes.parent_workflow_execution.run_id = parent.run_id
    attributes.parent_initiated_event_id = parent.initiated_id
    if root is not None:
        attributes.root_workflow_execution.workflow_id = root.workflow_id
        attributes.root_workflow_execution.run_id = root.run_id


def begin(
    draft: Draft,
    attributes: history.WorkflowExecutionStartedEventAttributes,
    run_id: str,
    request_id: str,
    metadata: object = None,
    links: object = (),
) -> RunDraft:
    """Make the new current run and write its first event. Empty run ids in the attributes become this run's."""
    if draft.reserved_run_id:
        run_id, draft.reserved_run_id = draft.reserved_run_id, ""
    attributes.original_execution_run_id = attributes.original_execution_run_id or run_id
    attributes.first_execution_run_id = attributes.first_execution_run_id or run_id
    rd = draft.begin_run(Run(run_id), blank_terms())
    rd.emit(ev.STARTED, attributes, metadata=metadata, links=links)  # type: ignore[arg-type]
    rd.note(Requested(request_id))
    return rd


class Requested:
    """The request id that made this run, and the event that it is known by."""

    __slots__ = ("event_id", "request_id")

    def __init__(self, request_id: str, event_id: int = 1) -> None:
        self.request_id = request_id
        self.event_id = event_id

    def apply(self, rd: RunDraft) -> None:
        rd.edit_terms().create_request_id = self.request_id
        if self.request_id:
            rd.run.request_ids = {**rd.run.request_ids, self.request_id: (ev.STARTED, self.event_id)}


GIVEN_PRIORITY = b"\x08\x00"
"""A priority that was given but says nothing, kept in bytes that are not empty: it shows when the run is described."""


def blank_terms() -> Terms:
    return Terms("", "", 0, 0, 0, 0, 0, 0, 0, "", "", "", "", 0, 1, None, "", None, None, {}, {})


def applied_started(rd: RunDraft, event: history.HistoryEvent) -> None:
    """All terms of a run come from its first event."""
    a = event.workflow_execution_started_event_attributes
    terms = rd.edit_terms()
    at = ev.instant(event.event_time)
    backoff = ev.nanoseconds(a.first_workflow_task_backoff)
    terms.workflow_type, terms.task_queue = a.workflow_type.name, a.task_queue.name
    terms.execution_timeout_ns = ev.nanoseconds(a.workflow_execution_timeout)
    terms.execution_timeout_named = a.HasField("workflow_execution_timeout")
    terms.run_timeout_ns = ev.nanoseconds(a.workflow_run_timeout)
    terms.run_timeout_named = a.HasField("workflow_run_timeout")
    terms.task_timeout_ns = ev.nanoseconds(a.workflow_task_timeout)
    terms.start_at, terms.execution_at = at, at + backoff
    if a.HasField("workflow_execution_expiration_time"):
        terms.execution_expires_at = ev.instant(a.workflow_execution_expiration_time)
    if terms.run_timeout_ns:
        terms.run_expires_at = bounded(at + backoff + terms.run_timeout_ns, terms.execution_expires_at)
    terms.first_run_id, terms.original_run_id = a.first_execution_run_id, a.original_execution_run_id
    terms.continued_run_id = a.continued_execution_run_id
    terms.initiator, terms.attempt = a.initiator, max(a.attempt, 1)
    terms.retry = policy(a.retry_policy, default=False) if a.HasField("retry_policy") else None
    terms.cron = a.cron_schedule
    terms.memo = {key: value.SerializeToString() for key, value in a.memo.fields.items()}
    terms.search_attributes = {
        k: v.SerializeToString() for k, v in a.search_attributes.indexed_fields.items()
    }
    if a.HasField("priority"):
        terms.priority = a.priority.SerializeToString() or GIVEN_PRIORITY
    terms.versioning_override = a.versioning_override.SerializeToString()
    terms.user_metadata = event.user_metadata.SerializeToString()
    terms.callbacks = tuple(callback.SerializeToString() for callback in a.completion_callbacks)
    terms.callback_states = tuple(CallbackState(at) for _ in terms.callbacks)
    terms.last_result = a.last_completion_result.SerializeToString()
    terms.start_attributes = a.SerializeToString() if terms.retry is not None or terms.cron else b""
    if a.parent_workflow_execution.workflow_id:
        terms.parent = ParentLink(
            a.parent_workflow_namespace,
            a.parent_workflow_namespace_id,
            a.parent_workflow_execution.workflow_id,
            a.parent_workflow_execution.run_id,
            a.parent_initiated_event_id,
        )
    if a.root_workflow_execution.workflow_id:
        terms.root = RootLink(a.root_workflow_execution.workflow_id, a.root_workflow_execution.run_id)
    rd.run.backoff_until = terms.execution_at if backoff else 0
    rd.run.awaits_parent = terms.parent is not None and not backoff and not terms.continued_run_id
    rd.run.reset_points = tuple(point.SerializeToString() for point in a.prev_auto_reset_points.points)
    rd.visible = True


# ---- successors -----------------------------------------------------------------------------------------------------------


def spaced(rd: RunDraft, backoff: int) -> int:
    """At least a second between the execution times of two runs of a chain (execution-semantics 5.5). A run that closes
    before its own has come has lived from its start."""
    began = rd.terms.execution_at if rd.terms.execution_at <= rd.now else rd.terms.start_at
    lifetime = rd.now - began
    if lifetime + backoff < LIMITS.chain_spacing_ns:
        return LIMITS.chain_spacing_ns - lifetime
    return backoff


def succeed(
    rd: RunDraft, attributes: history.WorkflowExecutionStartedEventAttributes, run_id: str, backoff: int
) -> RunDraft:
    """Begin the run that follows ``rd`` in its chain of runs, with what every successor inherits."""
    draft, old = rd.draft, rd.terms
    attributes.workflow_id = draft.workflow_id
    attributes.continued_execution_run_id = rd.run.run_id
    attributes.first_execution_run_id = old.first_run_id
    attributes.original_execution_run_id = run_id
    attributes.eager_execution_accepted = False
    if old.execution_timeout_named:
        attributes.workflow_execution_timeout.CopyFrom(ev.duration(old.execution_timeout_ns))
    if old.execution_expires_at:
        attributes.workflow_execution_expiration_time.CopyFrom(ev.timestamp(old.execution_expires_at))
    if backoff:
        attributes.first_workflow_task_backoff.CopyFrom(ev.duration(backoff))
    else:
        attributes.ClearField("first_workflow_task_backoff")
    if old.parent is not None:
        _put_parent(attributes, old.parent, old.root)
    if old.priority:
        attributes.priority.ParseFromString(old.priority)
    del attributes.completion_callbacks[:]
    attributes.completion_callbacks.extend(common.Callback.FromString(raw) for raw in old.callbacks)
    attributes.ClearField("prev_auto_reset_points")
    _carry_points(rd, attributes)
    metadata = None
    if old.user_metadata and attributes.initiator != WORKFLOW:
        metadata = sdk_metadata.UserMetadata.FromString(old.user_metadata)
    new = begin(draft, attributes, run_id, draft.new_id(), metadata)
    if old.scheduled_by is not None:
        new.note(schedule_link.Linked(old.scheduled_by))
    if not new.run.backoff_until:
        workflow_task.wake(new)
    return new


@dataclass(frozen=True, slots=True)
class PointsExpire:
    """A run that has a successor is kept no longer than its namespace keeps closed runs, nor are its reset points."""

    at: int

    def apply(self, rd: RunDraft) -> None:
        kept = []
        for raw in rd.run.reset_points:
            point = workflow.ResetPointInfo.FromString(raw)
            if not point.HasField("expire_time"):
                point.expire_time.CopyFrom(ev.timestamp(self.at))
            kept.append(point.SerializeToString())
        rd.run.reset_points = tuple(kept)


def _carry_points(rd: RunDraft, attributes: history.WorkflowExecutionStartedEventAttributes) -> None:
    if rd.run.reset_points:
        rd.note(PointsExpire(rd.now + rd.draft.namespace.retention_ns))
    attributes.prev_auto_reset_points.SetInParent()
    for raw in rd.run.reset_points:
        point = workflow.ResetPointInfo.FromString(raw)
        if ev.instant(point.expire_time) > rd.now:
            attributes.prev_auto_reset_points.points.append(point)


def whole_seconds(ns: int) -> int:
    return -(-ns // SECOND) * SECOND
