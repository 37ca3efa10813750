"""START_CHILD_WORKFLOW_EXECUTION: what it may ask, what its event says for its defaults, and what the child's
chain is asked to do for it (execution-semantics 2.2, 5.3). What becomes of the child is `child`'s.
"""

from dataclasses import dataclass

from tenuto.engine import cron, parcel, retry
from tenuto.engine import events as ev
from tenuto.engine.chain import Out, RootLink
from tenuto.engine.context import CommandFailed, Completion
from tenuto.engine.draft import RunDraft
from tenuto.limits import LIMITS
from tenuto.wire import command as wire_command
from tenuto.wire import duration_pb2, enums_failed, enums_workflow, history
from tenuto.wire import workflowservice as ws

Cause = enums_failed.WorkflowTaskFailedCause
Reuse = enums_workflow.WorkflowIdReusePolicy
Conflict = enums_workflow.WorkflowIdConflictPolicy
BAD = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES
_ON = "on StartChildWorkflowExecutionCommand"
_RESERVED = "/_sys/"
FOREIGN = "cross namespace commands are not allowed"

Wanted = wire_command.StartChildWorkflowExecutionCommandAttributes


def start(task: Completion, command: wire_command.Command) -> None:
    """START_CHILD_WORKFLOW_EXECUTION."""
    wanted = command.start_child_workflow_execution_command_attributes
    attributes = normalised(task, wanted)
    event = task.rd.emit(ev.CHILD_INITIATED, attributes, command=command)
    task.initiated_children.add(attributes.workflow_id)
    owe_start(task.rd, event, task.rd.run.run_id)


def owe_start(rd: RunDraft, initiated: history.HistoryEvent, requester: str) -> None:
    """Owe the start that the INITIATED event asks for. ``requester`` is the run that asked first: the child's
    request id is derived from it, so that a run made by a reset finds the child that its base run has already
    started."""
    a = initiated.start_child_workflow_execution_initiated_event_attributes
    request_id = f"{requester}:{initiated.event_id}:0"
    request = ws.StartWorkflowExecutionRequest(
        namespace=a.namespace,
        workflow_id=a.workflow_id,
        workflow_type=a.workflow_type,
        task_queue=a.task_queue,
        request_id=request_id,
        workflow_id_reuse_policy=a.workflow_id_reuse_policy,
        workflow_id_conflict_policy=Conflict.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
        cron_schedule=a.cron_schedule,
    )
    for name in _CARRIED:
        if a.HasField(name):  # type: ignore[arg-type]
            getattr(request, name).CopyFrom(getattr(a, name))
    _merge_priority(rd, a, request)
    if initiated.HasField("user_metadata"):
        request.user_metadata.CopyFrom(initiated.user_metadata)
    root = rd.terms.root or RootLink(rd.draft.workflow_id, rd.run.run_id)
    payload = parcel.ChildStart(request.SerializeToString(), root, a.parent_close_policy, a.control)
    target = (a.namespace_id, a.workflow_id, "")
    message = parcel.owe(
        rd.draft, Out.START_CHILD, rd.run.run_id, initiated.event_id, target, payload, request_id
    )
    rd.note(StartOwed(initiated.event_id, message.out_id, request_id))


_CARRIED = (
    "input",
    "workflow_execution_timeout",
    "workflow_run_timeout",
    "workflow_task_timeout",
    "retry_policy",
    "header",
    "memo",
    "search_attributes",
    "versioning_override",
)


def _merge_priority(
    rd: RunDraft,
    a: history.StartChildWorkflowExecutionInitiatedEventAttributes,
    request: ws.StartWorkflowExecutionRequest,
) -> None:
    """The child's own priority, field by field over its parent's."""
    if rd.terms.priority:
        request.priority.ParseFromString(rd.terms.priority)
    if a.HasField("priority"):
        request.priority.MergeFrom(a.priority)


@dataclass(frozen=True, slots=True)
class StartOwed:
    """The start of a child is on its way."""

    initiated_id: int
    out_id: int
    request_id: str

    def apply(self, rd: RunDraft) -> None:
        child = rd.children.edit(self.initiated_id)
        child.out_id, child.request_id = self.out_id, self.request_id


# ---- what it may ask ---------------------------------------------------------------------------------------


def normalised(
    task: Completion, wanted: Wanted
) -> history.StartChildWorkflowExecutionInitiatedEventAttributes:
    """Attributes of the INITIATED event. Raises CommandFailed."""
    rd = task.rd
    namespace = wanted.namespace or rd.draft.namespace.name
    if namespace != rd.draft.namespace.name:
        raise CommandFailed(BAD, FOREIGN)
    _check_names(task, wanted, namespace)
    tail = f"WorkflowId={wanted.workflow_id} WorkflowType={wanted.workflow_type.name} Namespace={namespace}"
    execution = _timeout(wanted.workflow_execution_timeout, "WorkflowExecutionTimeout", tail)
    run = _bounded(_timeout(wanted.workflow_run_timeout, "WorkflowRunTimeout", tail), execution)
    task_ns = _timeout(wanted.workflow_task_timeout, "WorkflowTaskTimeout", tail) or LIMITS.task_timeout_ns
    _check_policies(wanted, tail, rd.now)
    queue = wanted.task_queue.name or rd.terms.task_queue
    _check_queue(task, queue, tail)
    _check_sizes(task, wanted)
    if len(rd.children) >= task.limits.pending_children:
        raise CommandFailed(
            Cause.WORKFLOW_TASK_FAILED_CAUSE_PENDING_CHILD_WORKFLOWS_LIMIT_EXCEEDED,
            f"the number of pending child workflow executions, {len(rd.children)}, has reached the per-workflow limit "
            f"of {task.limits.pending_children}",
        )
    attributes = history.StartChildWorkflowExecutionInitiatedEventAttributes(
        namespace=namespace,
        namespace_id=rd.draft.namespace.id,
        workflow_id=wanted.workflow_id,
        workflow_type=wanted.workflow_type,
        parent_close_policy=wanted.parent_close_policy or 1,  # type: ignore[arg-type]
        control=wanted.control,
        workflow_task_completed_event_id=task.completed_id,
        workflow_id_reuse_policy=wanted.workflow_id_reuse_policy
        or Reuse.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
        cron_schedule=wanted.cron_schedule,
        inherit_build_id=wanted.inherit_build_id,
    )
    attributes.task_queue.name, attributes.task_queue.kind = queue, 1  # type: ignore[assignment]
    if wanted.HasField("workflow_execution_timeout"):
        attributes.workflow_execution_timeout.CopyFrom(ev.duration(execution))
    attributes.workflow_run_timeout.CopyFrom(ev.duration(run))
    bounded = _bounded(min(task_ns, LIMITS.task_timeout_maximum_ns), run)
    attributes.workflow_task_timeout.CopyFrom(ev.duration(bounded))
    if wanted.memo.fields:
        attributes.memo.CopyFrom(wanted.memo)
    for name in ("input", "header", "search_attributes", "priority", "versioning_override"):
        if wanted.HasField(name):
            getattr(attributes, name).CopyFrom(getattr(wanted, name))
    if wanted.HasField("retry_policy"):
        filled = retry.policy(wanted.retry_policy, default=False)
        assert filled is not None
        attributes.retry_policy.CopyFrom(retry.to_wire(filled))
    return attributes


def _check_names(task: Completion, wanted: Wanted, namespace: str) -> None:
    workflow_id, kind, limit = wanted.workflow_id, wanted.workflow_type.name, task.limits.id_bytes
    if not workflow_id:
        raise CommandFailed(
            BAD, f"Required field WorkflowId is not set {_ON}. WorkflowType={kind} Namespace={namespace}"
        )
    if not kind:
        raise CommandFailed(
            BAD,
            f"Required field WorkflowType is not set {_ON}. WorkflowId={workflow_id} Namespace={namespace}",
        )
    length = len(workflow_id.encode())
    if length > limit:
        raise CommandFailed(
            BAD,
            f"WorkflowId {_ON} exceeds length limit. WorkflowId={workflow_id} Length={length} Limit={limit} "
            f"WorkflowType={kind} Namespace={namespace}",
        )
    length = len(kind.encode())
    if length > limit:
        raise CommandFailed(
            BAD,
            f"WorkflowType {_ON} exceeds length limit. WorkflowId={workflow_id} WorkflowType={kind} "
            f"Length={length} Limit={limit} Namespace={namespace}",
        )


def _timeout(value: duration_pb2.Duration, name: str, tail: str) -> int:
    ns = ev.nanoseconds(value)
    if ns < 0:
        raise CommandFailed(BAD, f"Invalid {name} {_ON}: negative duration. {tail}")
    return min(ns, LIMITS.duration_ns)


def _bounded(value: int, bound: int) -> int:
    """The smaller of two durations of which 0 means unlimited."""
    if not bound:
        return value
    return min(value, bound) if value else bound


def _check_policies(wanted: Wanted, tail: str, now: int) -> None:
    if wanted.HasField("retry_policy"):
        problem = retry.validate(wanted.retry_policy)
        if problem:
            raise CommandFailed(BAD, f"invalid WorkflowRetryPolicy {_ON}: {problem}. {tail}")
    if wanted.cron_schedule:
        try:
            schedule = cron.parse(wanted.cron_schedule)
        except ValueError:
            raise CommandFailed(BAD, f"invalid CronSchedule {_ON}: invalid CronSchedule.. {tail}") from None
        if schedule.next(now) is None:
            text = "invalid CronSchedule, no time can be found to satisfy the schedule"
            raise CommandFailed(BAD, f"invalid CronSchedule {_ON}: {text}. {tail}")
    if wanted.priority.priority_key < 0:
        raise CommandFailed(BAD, "priority key can't be negative")


def _check_queue(task: Completion, queue: str, tail: str) -> None:
    problem = ""
    if len(queue.encode()) > task.limits.id_bytes:
        problem = "taskQueue length exceeds limit"
    elif queue.startswith(_RESERVED):
        problem = f"task queue name cannot start with reserved prefix {_RESERVED}"
    if problem:
        shown = f'TaskQueue=name:"{queue}"  kind:TASK_QUEUE_KIND_NORMAL'
        raise CommandFailed(BAD, f"invalid TaskQueue {_ON}: {problem}. {tail} {shown}")


def _check_sizes(task: Completion, wanted: Wanted) -> None:
    """A payload beyond its limit can never fit: the run is closed."""
    of = "StartChildWorkflowExecutionCommandAttributes."
    if wanted.input.ByteSize() > task.limits.blob_bytes:
        raise CommandFailed(BAD, f"{of} Input exceeds size limit.", terminate=True)
    if wanted.memo.ByteSize() > task.limits.memo_bytes:
        raise CommandFailed(BAD, f"{of}Memo exceeds size limit.", terminate=True)
    values = wanted.search_attributes.indexed_fields.values()
    largest = max((len(value.data) for value in values), default=0)
    too_large = largest > task.limits.search_attribute_value_bytes
    if too_large or wanted.search_attributes.ByteSize() > task.limits.search_attribute_total_bytes:
        raise CommandFailed(BAD, f"{of} SearchAttributes exceeds size limit.", terminate=True)
