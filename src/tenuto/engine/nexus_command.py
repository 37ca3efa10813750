"""SCHEDULE_NEXUS_OPERATION and REQUEST_CANCEL_NEXUS_OPERATION: what they may ask. What becomes of it is `nexus`'s."""

from tenuto.engine import events as ev
from tenuto.engine import nexus
from tenuto.engine.context import CommandFailed, Completion
from tenuto.limits import LIMITS
from tenuto.wire import command as wire_command
from tenuto.wire import duration_pb2, enums_failed, history

Cause = enums_failed.WorkflowTaskFailedCause
BAD = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_NEXUS_OPERATION_ATTRIBUTES
BAD_CANCEL = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_NEXUS_OPERATION_ATTRIBUTES
TOO_MANY = Cause.WORKFLOW_TASK_FAILED_CAUSE_PENDING_NEXUS_OPERATIONS_LIMIT_EXCEEDED
_OF = "ScheduleNexusOperationCommandAttributes"
RESERVED_HEADERS = frozenset(
    {
        "request-timeout",
        "xdc-redirection",
        "xdc-redirection-api",
        "caller-name",
        "caller-type",
        "call-initiation",
    }
)
"""What only the service may say to a handler."""

Wanted = wire_command.ScheduleNexusOperationCommandAttributes


def schedule(task: Completion, command: wire_command.Command) -> None:
    """SCHEDULE_NEXUS_OPERATION."""
    wanted = command.schedule_nexus_operation_command_attributes
    endpoint_id = task.endpoints.get(wanted.endpoint)
    if endpoint_id is None:
        raise CommandFailed(BAD, f'endpoint "{wanted.endpoint}" not found')
    whole, to_start, to_close = _check(task, wanted)
    rd = task.rd
    attributes = history.NexusOperationScheduledEventAttributes(
        endpoint=wanted.endpoint,
        endpoint_id=endpoint_id,
        service=wanted.service,
        operation=wanted.operation,
        nexus_header={name.lower(): value for name, value in wanted.nexus_header.items()},
        workflow_task_completed_event_id=task.completed_id,
        request_id=rd.draft.new_id(),
    )
    if wanted.HasField("input"):
        attributes.input.CopyFrom(wanted.input)
    run = rd.terms.run_timeout_ns
    whole = _bounded(whole, run) or run
    if whole:
        attributes.schedule_to_close_timeout.CopyFrom(ev.duration(whole))
    if to_start:
        attributes.schedule_to_start_timeout.CopyFrom(ev.duration(_bounded(to_start, whole)))
    if to_close:
        attributes.start_to_close_timeout.CopyFrom(ev.duration(_bounded(to_close, whole)))
    event = rd.emit(ev.NEXUS_SCHEDULED, attributes, command=command)
    nexus.owe_start(rd, event.event_id)


def _bounded(value: int, bound: int) -> int:
    return min(value, bound) if value and bound else value


def _check(task: Completion, wanted: Wanted) -> tuple[int, int, int]:
    """The three timeouts, 0 for none. Raises CommandFailed."""
    limit = LIMITS.nexus_name_bytes
    if len(wanted.service.encode()) > limit:
        raise CommandFailed(BAD, f"{_OF}.Service exceeds length limit of {limit}")
    if len(wanted.operation.encode()) > limit:
        raise CommandFailed(BAD, f"{_OF}.Operation exceeds length limit of {limit}")
    whole = _timeout(wanted.schedule_to_close_timeout, "ScheduleToCloseTimeout")
    to_start = _timeout(wanted.schedule_to_start_timeout, "ScheduleToStartTimeout")
    to_close = _timeout(wanted.start_to_close_timeout, "StartToCloseTimeout")
    if wanted.input.ByteSize() > task.limits.blob_bytes:
        raise CommandFailed(BAD, f"{_OF}.Input exceeds size limit", terminate=True)
    size = 0
    for name, value in wanted.nexus_header.items():
        if name.lower() in RESERVED_HEADERS:
            raise CommandFailed(BAD, f'{_OF}.NexusHeader contains a disallowed header key: "{name}"')
        size += len(name.encode()) + len(value.encode())
    if size > LIMITS.nexus_header_bytes:
        raise CommandFailed(BAD, f"{_OF}.NexusHeader exceeds size limit")
    if len(task.rd.nexus) >= task.limits.pending_nexus:
        raise CommandFailed(
            TOO_MANY,
            f"workflow has reached the pending nexus operation limit of {task.limits.pending_nexus} for this namespace",
        )
    return whole, to_start, to_close


def _timeout(value: duration_pb2.Duration, name: str) -> int:
    ns = ev.nanoseconds(value)
    if ns < 0:
        raise CommandFailed(BAD, f"{_OF}.{name} is invalid: negative duration")
    return ns


def cancel(task: Completion, command: wire_command.Command) -> None:
    """REQUEST_CANCEL_NEXUS_OPERATION. One whose end is only buffered may still be asked to end: nothing comes of it."""
    wanted = command.request_cancel_nexus_operation_command_attributes
    scheduled_id = wanted.scheduled_event_id
    rd = task.rd
    item = rd.nexus.get(scheduled_id)
    if item is None and not nexus.end_is_buffered(rd, scheduled_id):
        raise CommandFailed(
            BAD_CANCEL,
            f"requested cancelation for a non-existing or already completed operation with scheduled event ID of "
            f"{scheduled_id}",
        )
    if item is not None and item.cancel is not None:
        raise CommandFailed(
            BAD_CANCEL,
            f"cancelation was already requested for an operation with scheduled event ID {scheduled_id}",
        )
    attributes = history.NexusOperationCancelRequestedEventAttributes(
        scheduled_event_id=scheduled_id, workflow_task_completed_event_id=task.completed_id
    )
    rd.emit(ev.NEXUS_CANCEL_REQUESTED, attributes, command=command)
    nexus.owe_cancel(rd, scheduled_id)
