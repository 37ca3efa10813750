"""Is this request one the engine may see? Checks and defaults, with the texts clients of a Temporal service know.

A request is never changed in place. Rules cite execution-semantics 0.3 and the V lines of its section 1.
"""

import re
from typing import Any, TypeVar

from tenuto.engine import cron
from tenuto.engine import retry as engine_retry
from tenuto.limits import LIMITS, SECOND
from tenuto.service.attributes import typed
from tenuto.service.errors import invalid
from tenuto.wire import Message, common, duration_pb2, enums_workflow
from tenuto.wire import taskqueue as wire_queue
from tenuto.wire import workflowservice as ws

M = TypeVar("M", bound=Message)
UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\Z")
RESERVED = "/_sys/"
Reuse = enums_workflow.WorkflowIdReusePolicy
Conflict = enums_workflow.WorkflowIdConflictPolicy

_MAX_SECONDS = LIMITS.duration_ns // SECOND


def _over(text: str) -> bool:
    return len(text) > LIMITS.id_bytes or len(text.encode()) > LIMITS.id_bytes


def text_length(text: str, field: str) -> None:
    if _over(text):
        raise invalid(f"{field} length exceeds limit.")


def identity(text: str) -> None:
    text_length(text, "Identity")


def workflow_id(text: str) -> None:
    if not text:
        raise invalid("WorkflowId is not set on request.")
    if _over(text):
        raise invalid(f"WorkflowId exceeds maximum allowed length ({len(text.encode())}/{LIMITS.id_bytes})")


def run_id(text: str) -> None:
    if text and not UUID.match(text):
        raise invalid("Invalid RunId.")


def execution(value: common.WorkflowExecution | None) -> None:
    """A reference to a workflow: its id is set, its run id is empty or a UUID."""
    if value is None:
        raise invalid("Execution is not set on request.")
    if not value.workflow_id:
        raise invalid("WorkflowId is not set on request.")
    run_id(value.run_id)


def named(request: Any, field: str) -> common.WorkflowExecution:
    """The execution a request names; it must be there."""
    if not request.HasField(field):
        raise invalid("Execution is not set on request.")
    value: common.WorkflowExecution = getattr(request, field)
    execution(value)
    return value


def task_queue(queue: wire_queue.TaskQueue | None) -> None:
    if queue is None:
        raise invalid("taskQueue is not set")
    if not queue.name:
        raise invalid("missing task queue name")
    if _over(queue.name):
        raise invalid("taskQueue length exceeds limit.")
    if queue.name.startswith(RESERVED):
        raise invalid(f"task queue name cannot start with reserved prefix {RESERVED}")


def duration(value: duration_pb2.Duration, problem: str) -> None:
    """Neither negative nor of mixed signs."""
    if value.seconds < 0 or value.nanos < 0:
        raise invalid(f"{problem}: negative duration")


def capped(request: Any, field: str, problem: str) -> None:
    """Check a duration of our own copy, and cap it at a hundred years."""
    if not request.HasField(field):
        return
    value = getattr(request, field)
    duration(value, problem)
    if value.seconds > _MAX_SECONDS:
        value.seconds, value.nanos = _MAX_SECONDS, 0


def blob(message: Message) -> None:
    if message.ByteSize() > LIMITS.blob_bytes:
        raise invalid("Blob data size exceeds limit.")


def links(values: Any) -> None:
    if not values:
        return
    if len(values) > LIMITS.links_per_request:
        raise invalid(f"cannot attach more than {LIMITS.links_per_request} links per request, got {len(values)}")
    for link in values:
        if link.ByteSize() > LIMITS.link_bytes:
            raise invalid(f"link exceeds allowed size of {LIMITS.link_bytes}, got {link.ByteSize()}")


def retry_policy(request: Any) -> None:
    if request.HasField("retry_policy"):
        problem = engine_retry.validate(request.retry_policy)
        if problem:
            raise invalid(problem)


def priority(value: common.Priority) -> None:
    if value.priority_key < 0:
        raise invalid("priority key can't be negative")
    if len(value.fairness_key.encode()) > 64:
        raise invalid("fairness key length exceeds limit of 64 bytes")
    if value.fairness_weight < 0:
        raise invalid("fairness weight can't be negative")


def cron_schedule(request: Any) -> None:
    if not request.cron_schedule:
        return
    if request.HasField("workflow_start_delay"):
        raise invalid("CronSchedule and WorkflowStartDelay may not be used together.")
    try:
        cron.parse(request.cron_schedule)
    except ValueError as error:
        raise invalid("invalid CronSchedule.") from error


def policies(request: Any, conflict_default: int) -> None:
    """Fill and check id policies (execution-semantics 1.1)."""
    reuse, conflict = request.workflow_id_reuse_policy, request.workflow_id_conflict_policy
    if reuse == Reuse.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING:
        if conflict:
            raise invalid(
                "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together "
                "with a WorkflowIDConflictPolicy."
            )
        request.workflow_id_reuse_policy = Reuse.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
        request.workflow_id_conflict_policy = Conflict.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
        return
    if (
        reuse == Reuse.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
        and conflict == Conflict.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
    ):
        raise invalid(
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with "
            "WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING."
        )
    if not reuse:
        request.workflow_id_reuse_policy = Reuse.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
    if not conflict:
        request.workflow_id_conflict_policy = conflict_default


def start(core: Any, record: Any, request: Any, *, conflict_default: int) -> Any:
    """A start (or signal-with-start) request with its defaults filled in, as a copy."""
    workflow_id(request.workflow_id)
    copy = type(request)()
    copy.CopyFrom(request)
    retry_policy(copy)
    cron_schedule(copy)
    capped(copy, "workflow_start_delay", "invalid WorkflowStartDelay")
    if not copy.HasField("workflow_type") or not copy.workflow_type.name:
        raise invalid("WorkflowType is not set on request.")
    text_length(copy.workflow_type.name, "WorkflowType")
    if not copy.HasField("task_queue"):
        raise invalid("taskQueue is not set")
    task_queue(copy.task_queue)
    copy.task_queue.kind = 1
    capped(copy, "workflow_execution_timeout", "invalid WorkflowExecutionTimeoutSeconds; cause")
    capped(copy, "workflow_run_timeout", "invalid WorkflowRunTimeoutSeconds; cause")
    capped(copy, "workflow_task_timeout", "invalid WorkflowTaskTimeoutSeconds; cause")
    identity(copy.identity)
    text_length(copy.request_id, "RequestId")
    if not copy.request_id:
        copy.request_id = core.new_id()
    policies(copy, conflict_default)
    links(copy.links)
    priority(copy.priority)
    if copy.HasField("search_attributes"):
        typed(record, copy.search_attributes)
    blob(copy.input)
    if copy.memo.ByteSize() > LIMITS.memo_bytes:
        raise invalid("Blob data size exceeds limit.")
    _callbacks(copy)
    user_metadata(copy)
    return copy


def _callbacks(request: Any) -> None:
    fields = request.DESCRIPTOR.fields_by_name
    if "completion_callbacks" in fields and len(request.completion_callbacks) > LIMITS.callbacks_per_workflow:
        raise invalid(
            f"cannot attach more than {LIMITS.callbacks_per_workflow} callbacks to a workflow "
            f"({len(request.completion_callbacks)} callbacks given)"
        )
    if "on_conflict_options" in fields and request.HasField("on_conflict_options"):
        options = request.on_conflict_options
        if options.attach_completion_callbacks and not options.attach_request_id:
            raise invalid("attaching request ID is required for attaching completion callbacks")


def user_metadata(request: Any) -> None:
    if not request.HasField("user_metadata"):
        return
    metadata = request.user_metadata
    if len(metadata.summary.data) > LIMITS.user_metadata_summary_bytes:
        raise invalid("UserMetadata.Summary exceeds size limit.")
    if len(metadata.details.data) > LIMITS.user_metadata_details_bytes:
        raise invalid("UserMetadata.Details exceeds size limit.")


def completion(
    core: Any, namespace_id: str, request: ws.RespondWorkflowTaskCompletedRequest
) -> ws.RespondWorkflowTaskCompletedRequest:
    """The completion with types added to the search attributes of its commands; the request itself when it has none."""
    if not any(_carries_attributes(command) for command in request.commands):
        return request
    record = core.namespaces.by_id.get(namespace_id)
    copy = ws.RespondWorkflowTaskCompletedRequest()
    copy.CopyFrom(request)
    for command in copy.commands:
        attributes = _carries_attributes(command)
        if attributes is not None:
            typed(record, attributes.search_attributes, lenient=True)
    return copy


def _carries_attributes(command: Any) -> Any:
    for field in (
        "upsert_workflow_search_attributes_command_attributes",
        "continue_as_new_workflow_execution_command_attributes",
        "start_child_workflow_execution_command_attributes",
    ):
        if command.HasField(field) and getattr(command, field).HasField("search_attributes"):
            return getattr(command, field)
    return None
