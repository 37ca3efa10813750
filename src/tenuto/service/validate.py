"""Is this request one the engine may see? The checks that many calls share, with the texts clients know.

Rules cite execution-semantics 0.3. A request is never changed here, and nothing here waits or remembers.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

from tenuto.engine.nexus_token import URL as SYSTEM_CALLBACK
from tenuto.engine.options import pin_problem
from tenuto.engine.retry import duration_problem
from tenuto.limits import LIMITS, SECOND
from tenuto.service.errors import Code, ServiceError, invalid, unimplemented
from tenuto.wire import Message, common, duration_pb2, taskqueue, workflow

RESERVED_PREFIX = "/_sys/"
SYSTEM_QUEUE = "temporal-sys-per-ns-tq"
FAIRNESS_KEY_BYTES = 64
ID_BYTES = LIMITS.id_bytes
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_QUARTER = ID_BYTES // 4
"""Text of at most this many characters cannot be too long, whatever they are."""


def too_long(text: str) -> bool:
    return len(text) > _QUARTER and len(text.encode()) > ID_BYTES


def length(text: str, field: str) -> None:
    """``field`` is what the error calls it."""
    if len(text) > _QUARTER and too_long(text):
        invalid(f"{field} length exceeds limit.")


def workflow_id(text: str) -> None:
    """For a request that makes a workflow."""
    if not text:
        invalid("WorkflowId is not set on request.")
    if too_long(text):
        invalid(f"WorkflowId exceeds maximum allowed length ({len(text.encode())}/{ID_BYTES})")


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def execution(holder: Message, field: str) -> common.WorkflowExecution:
    """The run that a request names in ``field``."""
    if not holder.HasField(field):
        invalid("Execution is not set on request.")
    named: common.WorkflowExecution = getattr(holder, field)
    run(named.workflow_id, named.run_id)
    return named


def run(workflow_id: str, run_id: str) -> None:
    if not workflow_id:
        invalid("WorkflowId is not set on request.")
    if run_id and not is_uuid(run_id):
        invalid("Invalid RunId.")


def capped(value: duration_pb2.Duration, field: str) -> bool:
    """Whether the duration must be cut to the longest there is. Raises INVALID_ARGUMENT when it is none."""
    if value.seconds < 0 or value.nanos < 0:
        problem = duration_problem(value)
        invalid(f"An invalid {field} is set on request. cause: {problem}")
    return value.seconds * SECOND >= LIMITS.duration_ns


def task_queue(holder: Message, field: str = "task_queue") -> taskqueue.TaskQueue:
    """The task queue that a request names."""
    if not holder.HasField(field):
        invalid("taskQueue is not set")
    queue: taskqueue.TaskQueue = getattr(holder, field)
    queue_name(queue.name)
    return queue


def queue_name(name: str) -> None:
    if not name:
        invalid("missing task queue name")
    if too_long(name):
        invalid("taskQueue length exceeds limit")
    if name.startswith(RESERVED_PREFIX):
        invalid(f"task queue name cannot start with reserved prefix {RESERVED_PREFIX}")


def user_queue(name: str) -> None:
    """A queue that users may give work to."""
    queue_name(name)
    if name == SYSTEM_QUEUE:
        invalid(f"cannot use internal per-namespace task queue:{name}")


def blob(size: int) -> None:
    """``size``: serialized bytes of a payloads message."""
    if size > LIMITS.blob_bytes:
        invalid("Blob data size exceeds limit.")


def memo(size: int) -> None:
    if size > LIMITS.memo_bytes:
        invalid("Memo size exceeds limit.")


def priority(value: common.Priority) -> None:
    if value.priority_key < 0:
        invalid("priority key can't be negative")
    if len(value.fairness_key.encode()) > FAIRNESS_KEY_BYTES:
        invalid("fairness key length exceeds limit")
    if not 0 <= value.fairness_weight < math.inf:
        invalid("must be greater than zero")


def links(given: Sequence[common.Link]) -> None:
    if not given:
        return
    if len(given) > LIMITS.links_per_request:
        invalid(f"cannot attach more than {LIMITS.links_per_request} links per request, got {len(given)}")
    for link in given:
        size = link.ByteSize()
        if size > LIMITS.link_bytes:
            invalid(f"link exceeds allowed size of {LIMITS.link_bytes}, got {size}")
        _link(link)


def _link(link: common.Link) -> None:
    match link.WhichOneof("variant"):
        case "workflow_event":
            event = link.workflow_event
            _named(
                "workflow event",
                namespace=event.namespace,
                workflow_ID=event.workflow_id,
                run_ID=event.run_id,
            )
        case "batch_job":
            _named("batch job", job_ID=link.batch_job.job_id)
        case "workflow":
            target = link.workflow
            _named("workflow", namespace=target.namespace, workflow_ID=target.workflow_id)
        case "activity":
            _named("activity", namespace=link.activity.namespace, activity_ID=link.activity.activity_id)
        case "nexus_operation":
            operation = link.nexus_operation
            _named("nexus operation", namespace=operation.namespace, operation_ID=operation.operation_id)
        case _:
            invalid("unsupported link variant")


def _named(kind: str, **fields: str) -> None:
    for name, value in fields.items():
        if not value:
            suffix = " field" if name == "namespace" else ""
            invalid(f"{kind} link must not have an empty {name.replace('_', ' ')}{suffix}")


def callbacks(given: Sequence[common.Callback], most: int, what: str) -> None:
    """Completion callbacks. They go to callers in this service only: no other address is configured."""
    if not given:
        return
    if len(given) > most:
        invalid(
            f"cannot attach more than {most} callbacks to {what} ({len(given)} callbacks already attached)"
        )
    for callback in given:
        variant = callback.WhichOneof("variant")
        if variant is None:
            unimplemented("unknown callback variant: <nil>")
        if variant != "nexus":
            name = "".join(word.capitalize() for word in variant.split("_"))
            invalid(f"unsupported callback variant: *common.Callback_{name}_")
        _callback_url(callback.nexus.url)
        size = sum(len(name.encode()) + len(value.encode()) for name, value in callback.nexus.header.items())
        if size > LIMITS.nexus_header_bytes:
            invalid(
                f"invalid header: header size longer than max allowed size of {LIMITS.nexus_header_bytes}"
            )


def _callback_url(url: str) -> None:
    if url == SYSTEM_CALLBACK:
        return
    if len(url) > LIMITS.callback_url_bytes:
        invalid(f"invalid url: url length longer than max length allowed of {LIMITS.callback_url_bytes}")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("http", "https"):
        invalid(f"invalid url: unknown scheme: {url}")
    if not rest.partition("/")[0]:
        invalid("invalid url: missing host")
    invalid(f"invalid url: url does not match any configured callback address: {url}")


def versioning_override(override: workflow.VersioningOverride, queue: str) -> None:
    """Which worker build a run is tied to; ``queue`` is the task queue's name."""
    if override.WhichOneof("override") is not None:
        _pinned(override, queue)
        return
    if not override.behavior:
        invalid("override behavior is required")
    if override.behavior == 1 and not override.pinned_version and not override.HasField("deployment"):
        invalid("must provide deployment (deprecated) or pinned version if behavior is 'PINNED'")
    if override.pinned_version and "." not in override.pinned_version:
        wrong = f'invalid version string "{override.pinned_version}"'
        invalid(f'{wrong}, expected format is "<deployment_name>.<build_id>"')
    _pinned(override, queue)


def _pinned(override: workflow.VersioningOverride, queue: str) -> None:
    if problem := pin_problem(override, queue):
        raise ServiceError(Code.FAILED_PRECONDITION, problem)


def names_field(kind: Any, path: str) -> bool:
    """Whether a mask's path, in the names of the protocol, names a field of the message type ``kind`` (a descriptor) or
    of one within it."""
    for name in path.split("."):
        field = kind.fields_by_name.get(name) if kind is not None else None
        if field is None:
            return False
        kind = field.message_type
    return True
