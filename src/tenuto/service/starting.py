"""Requests that make a workflow: their checks in order, and the one copy in which defaults are filled
(execution-semantics 1.1, 1.3)."""

from collections.abc import Callable
from typing import TypeVar

from tenuto.engine.options import in_present_words
from tenuto.engine.retry import validate as retry_problem
from tenuto.limits import LIMITS
from tenuto.service import validate
from tenuto.service.attributes import checked
from tenuto.service.core import duration
from tenuto.service.errors import invalid, unimplemented
from tenuto.service.namespaces import KnownNamespace
from tenuto.wire import enums_workflow
from tenuto.wire import workflowservice as ws

Reuse = enums_workflow.WorkflowIdReusePolicy
Conflict = enums_workflow.WorkflowIdConflictPolicy
_LONGEST = duration(LIMITS.duration_ns)

Starting = TypeVar("Starting", ws.StartWorkflowExecutionRequest, ws.SignalWithStartWorkflowExecutionRequest)


def prepared(
    request: ws.StartWorkflowExecutionRequest, namespace: KnownNamespace, now: int, new_id: Callable[[], str]
) -> ws.StartWorkflowExecutionRequest:
    """A start as the engine wants it. Raises INVALID_ARGUMENT, UNIMPLEMENTED."""
    made = ws.StartWorkflowExecutionRequest()
    made.CopyFrom(request)
    if (
        not made.workflow_id_conflict_policy
        and made.workflow_id_reuse_policy != Reuse.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING
    ):
        made.workflow_id_conflict_policy = Conflict.WORKFLOW_ID_CONFLICT_POLICY_FAIL
    _common(made, namespace, now, new_id)
    options = made.on_conflict_options
    if options.attach_completion_callbacks and not options.attach_request_id:
        invalid("attaching request ID is required for attaching completion callbacks")
    if made.completion_callbacks:
        if len(made.completion_callbacks) > LIMITS.callbacks_per_workflow:
            invalid(f"cannot attach more than {LIMITS.callbacks_per_workflow} callbacks to an execution")
        validate.callbacks(made.completion_callbacks, LIMITS.callbacks_per_workflow, "a workflow")
        _drop_repeated_links(made)
    validate.blob(made.input.ByteSize())
    validate.memo(made.memo.ByteSize())
    return made


def prepared_signal(
    request: ws.SignalWithStartWorkflowExecutionRequest,
    namespace: KnownNamespace,
    now: int,
    new_id: Callable[[], str],
) -> ws.SignalWithStartWorkflowExecutionRequest:
    """A signal-with-start as the engine wants it. Raises INVALID_ARGUMENT, UNIMPLEMENTED."""
    validate.workflow_id(request.workflow_id)
    if not request.signal_name:
        invalid("signal not set")
    if validate.too_long(request.signal_name):
        size = len(request.signal_name.encode())
        invalid(f"signal name exceeds maximum allowed length ({size}/{LIMITS.id_bytes})")
    if request.workflow_id_conflict_policy == Conflict.WORKFLOW_ID_CONFLICT_POLICY_FAIL:
        name = "WORKFLOW_ID_CONFLICT_POLICY_FAIL"
        invalid(f"Invalid WorkflowIDConflictPolicy: {name} is not supported for this operation.")
    made = ws.SignalWithStartWorkflowExecutionRequest()
    made.CopyFrom(request)
    if (
        not made.workflow_id_conflict_policy
        and made.workflow_id_reuse_policy != Reuse.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING
    ):
        made.workflow_id_conflict_policy = Conflict.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
    _common(made, namespace, now, new_id)
    validate.blob(made.signal_input.ByteSize())
    validate.blob(made.input.ByteSize())
    validate.memo(made.memo.ByteSize())
    return made


def _common(made: Starting, namespace: KnownNamespace, now: int, new_id: Callable[[], str]) -> None:
    """What both kinds share, in the order in which clients see complaints."""
    validate.workflow_id(made.workflow_id)
    if made.HasField("retry_policy") and (problem := retry_problem(made.retry_policy)):
        invalid(problem)
    _cron(made, now)
    if made.HasField("workflow_start_delay"):
        _cap(made, "workflow_start_delay", "WorkflowStartDelaySeconds")
    if not made.workflow_type.name:
        signals = isinstance(made, ws.SignalWithStartWorkflowExecutionRequest)
        invalid("workflow type not set" if signals else "WorkflowType is not set on request.")
    validate.length(made.workflow_type.name, "WorkflowType")
    if not made.HasField("task_queue"):
        invalid("taskQueue is not set")
    validate.user_queue(made.task_queue.name)
    if made.HasField("workflow_execution_timeout"):
        _cap(made, "workflow_execution_timeout", "WorkflowExecutionTimeoutSeconds")
    if made.HasField("workflow_run_timeout"):
        _cap(made, "workflow_run_timeout", "WorkflowRunTimeoutSeconds")
    if made.HasField("workflow_task_timeout"):
        _cap(made, "workflow_task_timeout", "WorkflowTaskTimeoutSeconds")
    if not made.request_id:
        made.request_id = new_id()
    else:
        validate.length(made.request_id, "RequestId")
    _policies(made)
    if made.HasField("search_attributes"):
        typed = checked(made.search_attributes, namespace.attributes, namespace.name)
        if typed is not None:
            made.search_attributes.CopyFrom(typed)
    if made.HasField("priority"):
        validate.priority(made.priority)
    if made.HasField("versioning_override"):
        validate.versioning_override(made.versioning_override, made.task_queue.name)
        made.versioning_override.CopyFrom(in_present_words(made.versioning_override))
    validate.links(made.links)
    if made.HasField("time_skipping_config"):
        unimplemented("The Time-Skipping feature is not enabled for namespace.")


def _drop_repeated_links(made: ws.StartWorkflowExecutionRequest) -> None:
    """A link that a callback has need not be the start's, too."""
    known = [link for callback in made.completion_callbacks for link in callback.links]
    rest = [link for link in made.links if link not in known]
    if len(rest) < len(made.links):
        del made.links[:]
        made.links.extend(rest)


def _cron(made: Starting, now: int) -> None:
    if not made.cron_schedule:
        return
    if made.HasField("workflow_start_delay"):
        invalid("CronSchedule and WorkflowStartDelay may not be used together.")
    from tenuto.engine import cron

    try:
        first = cron.backoff(made.cron_schedule, now, now)
    except ValueError:
        invalid("invalid CronSchedule.")
    if first is None:
        invalid("invalid CronSchedule, no time can be found to satisfy the schedule")


def _cap(made: Starting, field: str, label: str) -> None:
    value = getattr(made, field)
    if validate.capped(value, label):
        value.CopyFrom(_LONGEST)


def _policies(made: Starting) -> None:
    reuse, conflict = made.workflow_id_reuse_policy, made.workflow_id_conflict_policy
    if reuse == Reuse.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING:
        if conflict:
            name = "WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING"
            invalid(
                f"Invalid WorkflowIDReusePolicy: {name} cannot be used together with a WorkflowIDConflictPolicy"
            )
        made.workflow_id_reuse_policy = Reuse.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
        made.workflow_id_conflict_policy = Conflict.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
    elif not reuse:
        made.workflow_id_reuse_policy = Reuse.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
    elif (
        reuse == Reuse.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
        and conflict == Conflict.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
    ):
        invalid(
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with "
            "WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"
        )
