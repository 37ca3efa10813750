"""Which events exist for the engine, which of them wait in the buffer, and how time and payloads look on the wire.

Rules cite execution-semantics: an event is *bufferable* when it does not come from a worker's completion; such an event
gets its id only when no workflow task is started.
"""

from tenuto.limits import LIMITS, SECOND
from tenuto.wire import common, duration_pb2, enums_event, failure, history, timestamp_pb2

E = enums_event.EventType

STARTED = E.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
COMPLETED = E.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
FAILED = E.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED
TIMED_OUT = E.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT
CANCELED = E.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
TERMINATED = E.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED
CONTINUED = E.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
CANCEL_REQUESTED = E.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
SIGNALED = E.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
OPTIONS_UPDATED = E.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED
PAUSED = E.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED
UNPAUSED = E.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED
WFT_SCHEDULED = E.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
WFT_STARTED = E.EVENT_TYPE_WORKFLOW_TASK_STARTED
WFT_COMPLETED = E.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
WFT_TIMED_OUT = E.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT
WFT_FAILED = E.EVENT_TYPE_WORKFLOW_TASK_FAILED
ACTIVITY_SCHEDULED = E.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
ACTIVITY_STARTED = E.EVENT_TYPE_ACTIVITY_TASK_STARTED
ACTIVITY_COMPLETED = E.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
ACTIVITY_FAILED = E.EVENT_TYPE_ACTIVITY_TASK_FAILED
ACTIVITY_TIMED_OUT = E.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT
ACTIVITY_CANCEL_REQUESTED = E.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED
ACTIVITY_CANCELED = E.EVENT_TYPE_ACTIVITY_TASK_CANCELED
TIMER_STARTED = E.EVENT_TYPE_TIMER_STARTED
TIMER_FIRED = E.EVENT_TYPE_TIMER_FIRED
TIMER_CANCELED = E.EVENT_TYPE_TIMER_CANCELED
MARKER_RECORDED = E.EVENT_TYPE_MARKER_RECORDED
ATTRIBUTES_UPSERTED = E.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES
PROPERTIES_MODIFIED = E.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED
CHILD_INITIATED = E.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED
CHILD_START_FAILED = E.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED
CHILD_STARTED = E.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED
CHILD_COMPLETED = E.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED
CHILD_FAILED = E.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED
CHILD_CANCELED = E.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED
CHILD_TIMED_OUT = E.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT
CHILD_TERMINATED = E.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED
SIGNAL_INITIATED = E.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED
SIGNAL_FAILED = E.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED
EXTERNAL_SIGNALED = E.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED
CANCEL_INITIATED = E.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED
CANCEL_FAILED = E.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED
EXTERNAL_CANCEL_REQUESTED = E.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED
UPDATE_ADMITTED = E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED
UPDATE_ACCEPTED = E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
UPDATE_COMPLETED = E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED
NEXUS_SCHEDULED = E.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED
NEXUS_STARTED = E.EVENT_TYPE_NEXUS_OPERATION_STARTED
NEXUS_COMPLETED = E.EVENT_TYPE_NEXUS_OPERATION_COMPLETED
NEXUS_FAILED = E.EVENT_TYPE_NEXUS_OPERATION_FAILED
NEXUS_CANCELED = E.EVENT_TYPE_NEXUS_OPERATION_CANCELED
NEXUS_TIMED_OUT = E.EVENT_TYPE_NEXUS_OPERATION_TIMED_OUT
NEXUS_CANCEL_REQUESTED = E.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUESTED
NEXUS_CANCEL_COMPLETED = E.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_COMPLETED
NEXUS_CANCEL_FAILED = E.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_FAILED

CLOSING = frozenset({COMPLETED, FAILED, TIMED_OUT, CANCELED, TERMINATED, CONTINUED})

BUFFERABLE = frozenset(
    {
        CANCEL_REQUESTED,
        SIGNALED,
        OPTIONS_UPDATED,
        PAUSED,
        UNPAUSED,
        ACTIVITY_STARTED,
        ACTIVITY_COMPLETED,
        ACTIVITY_FAILED,
        ACTIVITY_TIMED_OUT,
        ACTIVITY_CANCELED,
        TIMER_FIRED,
        CHILD_START_FAILED,
        CHILD_STARTED,
        CHILD_COMPLETED,
        CHILD_FAILED,
        CHILD_CANCELED,
        CHILD_TIMED_OUT,
        CHILD_TERMINATED,
        SIGNAL_FAILED,
        EXTERNAL_SIGNALED,
        CANCEL_FAILED,
        EXTERNAL_CANCEL_REQUESTED,
        UPDATE_ADMITTED,
        NEXUS_STARTED,
        NEXUS_COMPLETED,
        NEXUS_FAILED,
        NEXUS_CANCELED,
        NEXUS_TIMED_OUT,
        NEXUS_CANCEL_COMPLETED,
        NEXUS_CANCEL_FAILED,
    }
)
"""Events that wait while a workflow task is started (execution-semantics 2.5)."""

COMPLETIONS = frozenset(
    {
        ACTIVITY_COMPLETED,
        ACTIVITY_FAILED,
        ACTIVITY_TIMED_OUT,
        ACTIVITY_CANCELED,
        CHILD_COMPLETED,
        CHILD_FAILED,
        CHILD_CANCELED,
        CHILD_TIMED_OUT,
        CHILD_TERMINATED,
        NEXUS_COMPLETED,
        NEXUS_FAILED,
        NEXUS_CANCELED,
        NEXUS_TIMED_OUT,
    }
)
"""Events that a flush moves behind all others of the buffer (execution-semantics 2.5)."""

ATTRIBUTES: dict[int, str] = {
    number: f"{name[len('EVENT_TYPE_') :].lower()}_event_attributes"
    for name, number in E.items()
    if f"{name[len('EVENT_TYPE_') :].lower()}_event_attributes"
    in history.HistoryEvent.DESCRIPTOR.fields_by_name
}
"""Event type -> name of its attributes field."""


def timestamp(at: int) -> timestamp_pb2.Timestamp:
    """Nanoseconds since the epoch as a wire timestamp."""
    return timestamp_pb2.Timestamp(seconds=at // SECOND, nanos=at % SECOND)


def instant(stamp: timestamp_pb2.Timestamp) -> int:
    return stamp.seconds * SECOND + stamp.nanos


def duration(ns: int) -> duration_pb2.Duration:
    """A wire duration; zero is an explicit, empty message."""
    return duration_pb2.Duration(seconds=ns // SECOND, nanos=ns % SECOND)


def nanoseconds(value: duration_pb2.Duration) -> int:
    """A wire duration, cut to the longest there is, so that adding one to an instant stays within 64 bits."""
    ns = value.seconds * SECOND + value.nanos
    return max(-LIMITS.duration_ns, min(ns, LIMITS.duration_ns))


def payload_fields(values: dict[str, bytes]) -> dict[str, common.Payload]:
    """Stored payload bytes as the ``fields`` of a Memo or ``indexed_fields`` of SearchAttributes."""
    return {key: common.Payload.FromString(value) for key, value in values.items()}


def is_deletion(payload: common.Payload) -> bool:
    """A value without data, ``null`` or ``[]`` removes its key (execution-semantics 10, 73)."""
    return payload.data in (b"", b"null", b"[]") and payload.metadata.get("encoding") in (
        None,
        b"json/plain",
        b"binary/null",
    )


def server_failure(message: str, non_retryable: bool = False) -> failure.Failure:
    result = failure.Failure(message=message, source="Server")
    result.server_failure_info.non_retryable = non_retryable
    return result


def timeout_failure(message: str, timeout_type: int, cause: failure.Failure | None = None) -> failure.Failure:
    result = failure.Failure(message=message, source="Server")
    result.timeout_failure_info.timeout_type = timeout_type  # type: ignore[assignment]
    if cause is not None:
        result.cause.CopyFrom(cause)
    return result
