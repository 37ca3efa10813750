"""Reads: what a run looks like from outside (execution-semantics 1.12), and where its history ends (1.13).

Nothing here may change a draft: a read that dirtied one would be committed.
"""

from collections.abc import Iterable

from tenuto.engine import events as ev
from tenuto.engine import nexus_view
from tenuto.engine.activity_view import pending_info
from tenuto.engine.chain import Activity, Child, Run, Terms, WorkflowTask
from tenuto.engine.context import find_run
from tenuto.engine.draft import Draft
from tenuto.engine.nexus_state import NexusOperation
from tenuto.engine.task_events import scheduled_event, started_event
from tenuto.engine.types import AskHistory, Describe, HistoryReply
from tenuto.limits import SECOND
from tenuto.wire import duration_pb2, enums_workflow, history, sdk_metadata, workflow
from tenuto.wire import workflowservice as ws

PINNED = enums_workflow.VersioningBehavior.VERSIONING_BEHAVIOR_PINNED
AUTO_UPGRADE = enums_workflow.VersioningBehavior.VERSIONING_BEHAVIOR_AUTO_UPGRADE
BEHAVIOR = "TemporalWorkflowVersioningBehavior"
BEHAVIOR_NAMES: dict[int, bytes] = {PINNED: b"Pinned", AUTO_UPGRADE: b"AutoUpgrade"}
PAUSED = enums_workflow.WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED
SCHEDULED, STARTED = 1, 2
"""Values of PendingWorkflowTaskState."""
_NO_DEADLINE_SECONDS = -62_135_596_800
"""How the wire says that a run has no deadline: the first second of year 1."""


def describe(draft: Draft, request: Describe) -> None:
    """DescribeWorkflowExecution of the named run, open or closed. Raises NOT_FOUND."""
    found = find_run(draft, request.run_id)
    run, terms = found.run, found.terms
    activities: Iterable[Activity]
    children: Iterable[Child]
    operations: Iterable[NexusOperation]
    if found.rd is not None:
        activities, children = found.rd.activities.values(), found.rd.children.values()
        operations = found.rd.nexus.values()
    else:
        assert found.record is not None
        activities, children = found.record.activities, found.record.children
        operations = found.record.nexus
    reply = ws.DescribeWorkflowExecutionResponse(
        execution_config=_config(terms),
        workflow_execution_info=execution_info(run, terms, draft.workflow_id),
        workflow_extended_info=_extended(run, terms),
    )
    for activity in sorted(activities, key=lambda activity: activity.scheduled_id):
        reply.pending_activities.append(pending_info(activity, terms, draft.now))
    for child in sorted(children, key=lambda child: child.initiated_id):
        reply.pending_children.add(
            workflow_id=child.workflow_id,
            run_id=child.run_id,
            workflow_type_name=child.workflow_type,
            initiated_id=child.initiated_id,
            parent_close_policy=child.parent_close_policy,
        )
    for operation in sorted(operations, key=lambda operation: operation.scheduled_id):
        reply.pending_nexus_operations.append(nexus_view.pending(operation))
    if run.task is not None:
        reply.pending_workflow_task.CopyFrom(_pending_task(run.task))
    reply.callbacks.extend(nexus_view.callbacks(terms))
    draft.reply = reply


def execution_info(run: Run, terms: Terms, workflow_id: str) -> workflow.WorkflowExecutionInfo:
    """What describes one run, also in visibility's lists. ``workflow_id`` is that of its chain."""
    result = workflow.WorkflowExecutionInfo(
        status=_status(run),  # type: ignore[arg-type]
        history_length=run.next_event_id - 1,
        task_queue=terms.task_queue,
        state_transition_count=run.transitions,
        history_size_bytes=run.history_bytes,
        first_run_id=terms.first_run_id,
        start_time=ev.timestamp(terms.start_at),
        execution_time=ev.timestamp(terms.execution_at),
    )
    result.execution.workflow_id, result.execution.run_id = workflow_id, run.run_id
    result.type.name = terms.workflow_type
    if not run.open:
        result.close_time.CopyFrom(ev.timestamp(run.close_at))
        result.execution_duration.CopyFrom(_signed(run.close_at - terms.execution_at))
    if terms.parent is not None:
        result.parent_namespace_id = terms.parent.namespace_id
        result.parent_execution.workflow_id = terms.parent.workflow_id
        result.parent_execution.run_id = terms.parent.run_id
    root = result.root_execution
    if terms.root is not None:
        root.workflow_id, root.run_id = terms.root.workflow_id, terms.root.run_id
    else:
        root.workflow_id, root.run_id = workflow_id, run.run_id
    _put_values(result, run, terms)
    return result


def _put_values(result: workflow.WorkflowExecutionInfo, run: Run, terms: Terms) -> None:
    """Memo, attributes and reset points stand there even when they are empty."""
    result.memo.SetInParent()
    for key, raw in terms.memo.items():
        result.memo.fields[key].ParseFromString(raw)
    result.search_attributes.SetInParent()
    for key, raw in terms.search_attributes.items():
        result.search_attributes.indexed_fields[key].ParseFromString(raw)
    result.auto_reset_points.SetInParent()
    for raw in run.reset_points:
        result.auto_reset_points.points.add().ParseFromString(raw)
    if terms.priority:
        result.priority.ParseFromString(terms.priority)
    if run.worker_stamp:
        result.most_recent_worker_version_stamp.ParseFromString(run.worker_stamp)
    if terms.versioning_override:
        _put_override(result, terms.versioning_override)
    elif terms.was_overridden:
        result.versioning_info.SetInParent()


def _put_override(result: workflow.WorkflowExecutionInfo, raw: bytes) -> None:
    """The override, also in its older field and as a search attribute, where older clients look for it."""
    override = result.versioning_info.versioning_override
    override.ParseFromString(raw)
    if override.auto_upgrade and not override.behavior:
        override.behavior = AUTO_UPGRADE
    behavior = override.behavior
    if override.HasField("pinned"):
        behavior = PINNED
    if behavior in BEHAVIOR_NAMES:
        payload = result.search_attributes.indexed_fields[BEHAVIOR]
        payload.metadata["encoding"], payload.metadata["type"] = b"json/plain", b"Keyword"
        payload.data = b'"%s"' % BEHAVIOR_NAMES[behavior]


def _status(run: Run) -> int:
    return PAUSED if run.open and run.paused is not None else run.status


def _signed(ns: int) -> duration_pb2.Duration:
    """A wire duration that may be negative: a cron run can close before it was to begin."""
    sign = -1 if ns < 0 else 1
    return duration_pb2.Duration(seconds=sign * (abs(ns) // SECOND), nanos=sign * (abs(ns) % SECOND))


def _config(terms: Terms) -> workflow.WorkflowExecutionConfig:
    result = workflow.WorkflowExecutionConfig(
        default_workflow_task_timeout=ev.duration(terms.task_timeout_ns)
    )
    result.task_queue.name, result.task_queue.kind = terms.task_queue, 1  # type: ignore[assignment]
    if terms.execution_timeout_named:
        result.workflow_execution_timeout.CopyFrom(ev.duration(terms.execution_timeout_ns))
    if terms.run_timeout_named:
        result.workflow_run_timeout.CopyFrom(ev.duration(terms.run_timeout_ns))
    if terms.user_metadata:
        result.user_metadata.CopyFrom(sdk_metadata.UserMetadata.FromString(terms.user_metadata))
    return result


def _extended(run: Run, terms: Terms) -> workflow.WorkflowExecutionExtendedInfo:
    result = workflow.WorkflowExecutionExtendedInfo(
        cancel_requested=run.cancel_requested,
        reset_run_id=run.reset_run_id,
        original_start_time=ev.timestamp(terms.original_start_at or terms.start_at),
    )
    if terms.execution_expires_at:
        whole = terms.execution_expires_at - terms.execution_expires_at % 1_000_000
        result.execution_expiration_time.CopyFrom(ev.timestamp(whole))
    if terms.run_expires_at:
        result.run_expiration_time.CopyFrom(ev.timestamp(terms.run_expires_at))
    else:
        result.run_expiration_time.seconds = _NO_DEADLINE_SECONDS
    if run.reset_at:
        result.last_reset_time.CopyFrom(ev.timestamp(run.reset_at))
    for request_id, (event_type, event_id) in run.request_ids.items():
        known = result.request_id_infos[request_id]
        known.event_type, known.event_id = event_type, event_id  # type: ignore[assignment]
        known.buffered = event_id == 0
    if run.paused is not None:
        result.pause_info.identity, result.pause_info.reason = run.paused.identity, run.paused.reason
        result.pause_info.paused_time.CopyFrom(ev.timestamp(run.paused.at))
    return result


def _pending_task(task: WorkflowTask) -> workflow.PendingWorkflowTaskInfo:
    result = workflow.PendingWorkflowTaskInfo(
        state=STARTED if task.started else SCHEDULED,  # type: ignore[arg-type]
        attempt=task.attempt,
        scheduled_time=ev.timestamp(task.scheduled_at),
        original_scheduled_time=ev.timestamp(task.original_scheduled_at),
    )
    if task.started:
        result.started_time.CopyFrom(ev.timestamp(task.started_at))
    return result


def ask_history(draft: Draft, request: AskHistory) -> None:
    """Where the named run's history ends, and the workflow task events that follow it virtually. Raises NOT_FOUND."""
    found = find_run(draft, request.run_id)
    draft.reply = history_reply(found.run, found.terms)


def history_reply(run: Run, terms: Terms) -> HistoryReply:
    """Where a run's history ends."""
    return HistoryReply(
        run_id=run.run_id,
        next_event_id=run.next_event_id,
        open=run.open,
        close_event_id=run.close_event_id,
        virtual=virtual_tail(run, terms),
    )


def virtual_tail(run: Run, terms: Terms) -> tuple[history.HistoryEvent, ...]:
    """Events of the pending workflow task that would be next in history but are not written (yet). Their ids
    are promises only as long as nothing else is written."""
    task = run.task
    if not run.open or task is None or task.written or task.scheduled_id != run.next_event_id:
        return ()
    scheduled = scheduled_event(task, terms.task_queue)
    if not task.started:
        return (scheduled,)
    started = started_event(task)
    started.workflow_task_started_event_attributes.identity = ""
    return scheduled, started
