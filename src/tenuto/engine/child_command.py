"""What START_CHILD_WORKFLOW_EXECUTION may ask, and what its event says for the command's defaults
(execution-semantics 2.2).

Nothing here changes state.
"""

from tenuto.engine import cron, retry
from tenuto.engine import events as ev
from tenuto.engine.context import CommandFailed, Completion
from tenuto.limits import LIMITS
from tenuto.wire import command as wire_command
from tenuto.wire import duration_pb2, enums_failed, enums_workflow, history

Cause = enums_failed.WorkflowTaskFailedCause
Reuse = enums_workflow.WorkflowIdReusePolicy
BAD = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES
_ON = "on StartChildWorkflowExecutionCommand"
_RESERVED = "/_sys/"
FOREIGN = "cross namespace commands are not allowed"

Wanted = wire_command.StartChildWorkflowExecutionCommandAttributes


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
    for name in ("input", "header", "memo", "search_attributes", "priority", "versioning_override"):
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
        shown = f'TaskQueue=name:"{queue}" kind:TASK_QUEUE_KIND_NORMAL'
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
