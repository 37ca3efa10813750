"""Options of a running workflow that an operator changes: versioning override, priority; and pausing it.

(execution-semantics 1.22, 1.23)"""

import msgspec

from tenuto.engine import events as ev
from tenuto.engine import pauses, workflow_task
from tenuto.engine.chain import Pause
from tenuto.engine.context import invalid, open_run
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.nexus_state import CallbackState
from tenuto.engine.types import PauseRun, Reason, Rejected, UnpauseRun, UpdateOptions
from tenuto.wire import common, enums_failed, enums_workflow, history, workflow
from tenuto.wire import workflowservice as ws

Status = enums_workflow.WorkflowExecutionStatus
AUTO_UPGRADE = enums_workflow.VersioningBehavior.VERSIONING_BEHAVIOR_AUTO_UPGRADE
PINNED = enums_workflow.VersioningBehavior.VERSIONING_BEHAVIOR_PINNED
Cause = enums_failed.WorkflowTaskFailedCause
PAUSE_REQUESTED = Cause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_PAUSE_REQUESTED_BEFORE_TASK_STARTED


def _build_ids(values: dict[str, bytes], *, unversioned: bool) -> dict[str, bytes]:
    """Search attributes whose BuildIds say, before all else, that the run is tied to no version; or no longer say so, as
    when it is tied to one, be it to whichever is current. Builds that have worked on it stay named."""
    rest = {name: raw for name, raw in values.items() if name != "BuildIds"}
    known = common.Payload.FromString(values.get("BuildIds", b"")).data or b"[]"
    names = [name for name in msgspec.json.decode(known, type=list[str]) if name != "unversioned"]
    if unversioned:
        names.insert(0, "unversioned")
    if not names:
        return rest
    payload = common.Payload(data=msgspec.json.encode(names))
    payload.metadata["encoding"], payload.metadata["type"] = b"json/plain", b"KeywordList"
    return {**rest, "BuildIds": payload.SerializeToString(deterministic=True)}


def current(rd: RunDraft) -> workflow.WorkflowExecutionOptions:
    """The run's options as the wire shows them."""
    options = workflow.WorkflowExecutionOptions()
    if rd.terms.versioning_override:
        options.versioning_override.ParseFromString(rd.terms.versioning_override)
    if rd.terms.priority:
        options.priority.ParseFromString(rd.terms.priority)
    return options


def update(draft: Draft, request: UpdateOptions) -> None:
    """UpdateWorkflowExecutionOptions: an event only when something changes; never a workflow task."""
    rd = open_run(draft, request.run_id)
    message = request.message
    old = current(rd)
    new = workflow.WorkflowExecutionOptions()
    new.CopyFrom(old)
    for path in message.update_mask.paths:
        merge(new, message.workflow_execution_options, path)
    check_pin(rd, old, new)
    draft.reply = ws.UpdateWorkflowExecutionOptionsResponse(workflow_execution_options=new)
    if new == old:
        return
    emit_changed(rd, old, new, message.identity)


def in_present_words(override: workflow.VersioningOverride) -> workflow.VersioningOverride:
    """An override that is said with fields since deprecated, as one says it now."""
    if override.WhichOneof("override") is not None:
        return override
    if override.behavior == AUTO_UPGRADE:
        return workflow.VersioningOverride(auto_upgrade=True)
    return override


def pin_problem(override: workflow.VersioningOverride, queue: str) -> str | None:
    """Why a run on task queue ``queue`` cannot be tied to the version that it names; None when it names none. A pin is
    good only while a worker of that version serves the queue, and no versions of workers are kept yet: a pin that is
    taken would only be ignored."""
    if override.HasField("pinned"):
        version = f"{override.pinned.version.deployment_name}:{override.pinned.version.build_id}"
    elif override.behavior == PINNED and not override.HasField("auto_upgrade"):
        named = override.deployment
        version = override.pinned_version.replace(".", ":", 1) or f"{named.series_name}:{named.build_id}"
    else:
        return None
    return f"Pinned version '{version}' is not present in task queue '{queue}' of type 'Workflow'"


def check_pin(
    rd: RunDraft, old: workflow.WorkflowExecutionOptions, new: workflow.WorkflowExecutionOptions
) -> None:
    """Refuse a new override that ties the run to a version that is not there. Raises PRECONDITION."""
    if new.versioning_override == old.versioning_override:
        return
    if problem := pin_problem(new.versioning_override, rd.terms.task_queue):
        raise Rejected(Reason.PRECONDITION, problem)


def emit_changed(
    rd: RunDraft,
    old: workflow.WorkflowExecutionOptions,
    new: workflow.WorkflowExecutionOptions,
    identity: str,
) -> None:
    attributes = history.WorkflowExecutionOptionsUpdatedEventAttributes(identity=identity)
    # The event says the whole of the new options, changed or not.
    if new.HasField("versioning_override"):
        attributes.versioning_override.CopyFrom(in_present_words(new.versioning_override))
    else:
        attributes.unset_versioning_override = True
    if new.HasField("priority"):
        attributes.priority.CopyFrom(new.priority)
    rd.emit(ev.OPTIONS_UPDATED, attributes, ignorable=True)


def merge(
    target: workflow.WorkflowExecutionOptions, source: workflow.WorkflowExecutionOptions, path: str
) -> None:
    snake = "".join("_" + letter.lower() if letter.isupper() else letter for letter in path)
    head, _, rest = snake.partition(".")
    if head == "versioning_override":
        target.ClearField("versioning_override")
        if source.HasField("versioning_override"):
            target.versioning_override.CopyFrom(source.versioning_override)
    elif head == "priority" and not rest:
        target.ClearField("priority")
        if source.HasField("priority"):
            target.priority.CopyFrom(source.priority)
    elif head == "priority" and rest in common.Priority.DESCRIPTOR.fields_by_name:
        setattr(target.priority, rest, getattr(source.priority, rest))
    else:
        raise invalid(f"error applying mask: unsupported field path: {path}")


def applied_updated(rd: RunDraft, event: history.HistoryEvent) -> None:
    a = event.workflow_execution_options_updated_event_attributes
    terms = rd.edit_terms()
    if a.HasField("versioning_override"):
        terms.versioning_override = a.versioning_override.SerializeToString()
        terms.search_attributes = _build_ids(terms.search_attributes, unversioned=False)
    elif a.unset_versioning_override:
        if terms.versioning_override:
            terms.was_overridden = True
            terms.search_attributes = _build_ids(terms.search_attributes, unversioned=True)
        terms.versioning_override = b""
    if a.HasField("priority"):
        terms.priority = a.priority.SerializeToString()
    if a.attached_completion_callbacks:
        terms.callbacks = (
            *terms.callbacks,
            *(c.SerializeToString() for c in a.attached_completion_callbacks),
        )
        at = ev.instant(event.event_time)
        more = (CallbackState(at) for _ in a.attached_completion_callbacks)
        terms.callback_states = (*terms.callback_states, *more)
    if a.attached_request_id:
        rd.run.request_ids = {**rd.run.request_ids, a.attached_request_id: (ev.OPTIONS_UPDATED, 0)}


def settled_updated(rd: RunDraft, event: history.HistoryEvent) -> None:
    attached = event.workflow_execution_options_updated_event_attributes.attached_request_id
    if attached:
        rd.run.request_ids = {**rd.run.request_ids, attached: (ev.OPTIONS_UPDATED, event.event_id)}


# ---- pause ----------------------------------------------------------------------------------------------------------------


def pause(draft: Draft, request: PauseRun) -> None:
    """PauseWorkflowExecution: no workflow task is scheduled until it is unpaused."""
    message = request.message
    if not draft.namespace.pause_enabled:
        raise Rejected(
            Reason.UNIMPLEMENTED, f"workflow pause is not enabled for namespace: {draft.namespace.name}"
        )
    rd = open_run(draft, request.run_id)
    draft.reply = ws.PauseWorkflowExecutionResponse()
    if rd.run.paused is not None:
        if rd.run.paused.request_id == message.request_id:
            return
        raise Rejected(Reason.PRECONDITION, "workflow is already paused.")
    _withdraw_task(rd)
    rd.emit(
        ev.PAUSED,
        history.WorkflowExecutionPausedEventAttributes(
            identity=message.identity, reason=message.reason, request_id=message.request_id
        ),
    )


def _withdraw_task(rd: RunDraft) -> None:
    """A workflow task that no worker has yet shall not be had by any while the workflow is paused."""
    task = rd.run.task
    if task is None or task.started:
        return
    if not task.written:
        rd.note(workflow_task.TaskCleared())
        return
    attributes = history.WorkflowTaskFailedEventAttributes(
        scheduled_event_id=task.scheduled_id, cause=PAUSE_REQUESTED, identity=workflow_task.SYSTEM
    )
    rd.emit(ev.WFT_FAILED, attributes)


def unpause(draft: Draft, request: UnpauseRun) -> None:
    message = request.message
    rd = open_run(draft, request.run_id)
    if rd.run.paused is None:
        raise Rejected(Reason.PRECONDITION, "workflow is not paused.")
    rd.emit(
        ev.UNPAUSED,
        history.WorkflowExecutionUnpausedEventAttributes(
            identity=message.identity, reason=message.reason, request_id=message.request_id
        ),
    )
    workflow_task.wake(rd)
    draft.reply = ws.UnpauseWorkflowExecutionResponse()


def applied_paused(rd: RunDraft, event: history.HistoryEvent) -> None:
    a = event.workflow_execution_paused_event_attributes
    rd.run.paused = Pause(ev.instant(event.event_time), a.identity, a.reason, a.request_id)
    rd.run.status = Status.WORKFLOW_EXECUTION_STATUS_PAUSED
    rd.visible = True
    pauses.show(rd)
    _restamp(rd)


def applied_unpaused(rd: RunDraft, event: history.HistoryEvent) -> None:
    rd.run.paused = None
    rd.run.status = Status.WORKFLOW_EXECUTION_STATUS_RUNNING
    rd.visible = True
    pauses.show(rd)
    _restamp(rd)


def _restamp(rd: RunDraft) -> None:
    """Offers of activities made before are void: a paused workflow starts none."""
    for scheduled_id in list(rd.activities.keys()):
        rd.activities.edit(scheduled_id).stamp += 1


APPLY = {ev.OPTIONS_UPDATED: applied_updated, ev.PAUSED: applied_paused, ev.UNPAUSED: applied_unpaused}
SETTLE = {ev.OPTIONS_UPDATED: settled_updated}
