"""From errors to failures and back. This file must never decide whether something is tried again."""

from __future__ import annotations

import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from google.protobuf import json_format

from tenuto.common import RawValue
from tenuto.converter.payload import PayloadConverter
from tenuto.exceptions import (
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
    ChildWorkflowError,
    FailureError,
    NexusOperationError,
    RetryState,
    ServerError,
    TerminatedError,
    TimeoutError,
    TimeoutType,
)
from tenuto.wire import common
from tenuto.wire import failure as wire

_ENCODED = "Encoded failure"
_FRAMES_TOLD = 60
_TEMPORAL_FAILURE = "temporal.api.failure.v1.Failure"


class FailureConverter(ABC):
    """Turns errors into failures and back."""

    default: ClassVar[FailureConverter]
    """Messages and stack traces in plain."""

    @abstractmethod
    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: wire.Failure
    ) -> None:
        """Write ``exception`` and its causes into the empty ``failure``. Raises whatever its details raise that cannot
        be encoded."""

    @abstractmethod
    def from_failure(self, failure: wire.Failure, payload_converter: PayloadConverter) -> BaseException:
        """The error that ``failure`` tells of, with its causes. May change ``failure``: what was encoded is plain then."""


class DefaultFailureConverter(FailureConverter):
    """Knows the errors of `tenuto.exceptions`; any other travels as an `ApplicationError` of its class's name."""

    def __init__(self, *, encode_common_attributes: bool = False) -> None:
        """``encode_common_attributes``: whether messages and stack traces become payloads, for a codec to encrypt."""
        super().__init__()
        self._encode_common_attributes = encode_common_attributes

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: wire.Failure
    ) -> None:
        if isinstance(exception, FailureError) and exception.failure is not None:
            failure.CopyFrom(exception.failure)
        else:
            self._write(exception, payload_converter, failure)
        if self._encode_common_attributes:
            _hide_attributes(failure, payload_converter)

    def _write(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: wire.Failure
    ) -> None:
        known = isinstance(exception, FailureError)
        failure.message = exception.message if isinstance(exception, FailureError) else str(exception)
        failure.stack_trace = _stack_of(exception)
        cause = exception.__cause__
        if cause is None and known and not exception.__suppress_context__:
            cause = exception.__context__
        if cause is not None:
            self.to_failure(cause, payload_converter, failure.cause)
        if known:
            for kind, write in _WRITERS:
                if isinstance(exception, kind):
                    write(exception, failure, payload_converter)
                    return
        elif not _write_nexus(exception, failure):
            failure.application_failure_info.type = type(exception).__name__

    def from_failure(self, failure: wire.Failure, payload_converter: PayloadConverter) -> BaseException:
        if failure.HasField("encoded_attributes"):
            _show_attributes(failure, payload_converter)
        kind = failure.WhichOneof("failure_info")
        read = _READERS.get(kind) if kind is not None else None
        if read is None:
            error: BaseException = FailureError(failure.message or "Failure error")
        else:
            error = read(failure, payload_converter)
        if isinstance(error, FailureError):
            error._failure = failure
        if failure.HasField("cause"):
            error.__cause__ = self.from_failure(failure.cause, payload_converter)
        return error


class DefaultFailureConverterWithEncodedAttributes(DefaultFailureConverter):
    """The default, with messages and stack traces as payloads."""

    def __init__(self) -> None:
        super().__init__(encode_common_attributes=True)


FailureConverter.default = DefaultFailureConverter()


def show_remote_tracebacks(error: BaseException) -> BaseException:
    """``error``, with a note of where it and its causes came from, for people who read its traceback. Only for programs
    outside of workflows: inside, tools that collect errors would take the note for a part of the message."""
    part: BaseException | None = error
    while part is not None:
        told = part.failure.stack_trace if isinstance(part, FailureError) and part.failure is not None else ""
        if told:
            part.add_note(f"Remote traceback (most recent call last):\n{told.rstrip()}")
        part = part.__cause__
    return error


def _stack_of(exception: BaseException) -> str:
    """The frames of ``exception``; of a very deep stack, its ends. Notes and the parts of a group follow."""
    frames = traceback.format_tb(exception.__traceback__) if exception.__traceback__ is not None else []
    if len(frames) > _FRAMES_TOLD:
        half = _FRAMES_TOLD // 2
        left_out = f"  ... {len(frames) - 2 * half} frames left out ...\n"
        frames = [*frames[:half], left_out, *frames[-half:]]
    parts = ["\n".join(frames)]
    parts.extend(str(note) for note in getattr(exception, "__notes__", ()))
    if isinstance(exception, BaseExceptionGroup):
        for part in exception.exceptions:
            parts.append("".join(traceback.format_exception(part)))
    return "\n".join(part for part in parts if part)


def _hide_attributes(failure: wire.Failure, payload_converter: PayloadConverter) -> None:
    if not failure.HasField("encoded_attributes"):
        told = {"message": failure.message, "stack_trace": failure.stack_trace}
        failure.encoded_attributes.CopyFrom(payload_converter.to_payload(told))
        failure.message = _ENCODED
        failure.stack_trace = ""
    if failure.HasField("cause"):
        _hide_attributes(failure.cause, payload_converter)


def _show_attributes(failure: wire.Failure, payload_converter: PayloadConverter) -> None:
    """The message and the stack trace as they were, if they can be read here; else they stay as they are."""
    try:
        told = payload_converter.from_payload(failure.encoded_attributes)
    except Exception:  # noqa: BLE001 - another program's key, say: the rest of the failure still counts
        return
    if not isinstance(told, dict):
        return
    message, stack = told.get("message"), told.get("stack_trace")
    if isinstance(message, str):
        failure.message = message
    if isinstance(stack, str):
        failure.stack_trace = stack
    failure.ClearField("encoded_attributes")  # sent on, it is encoded again or plain, but never both


def _details(payloads: common.Payloads, payload_converter: PayloadConverter) -> Sequence[Any]:
    """Values of ``payloads``; one that cannot be read here stays a payload, since the error itself is what counts."""
    try:
        return payload_converter.from_payloads_wrapper(payloads)
    except Exception:  # noqa: BLE001
        return [_detail(payload, payload_converter) for payload in payloads.payloads]


def _detail(payload: common.Payload, payload_converter: PayloadConverter) -> Any:
    try:
        return payload_converter.from_payload(payload)
    except Exception:  # noqa: BLE001
        return RawValue(payload)


def _write_application(error: Any, failure: wire.Failure, payload_converter: PayloadConverter) -> None:
    info = failure.application_failure_info
    info.SetInParent()
    if error.type:
        info.type = error.type
    info.non_retryable = error.non_retryable
    if error.details:
        info.details.CopyFrom(payload_converter.to_payloads_wrapper(error.details))
    if error.next_retry_delay is not None:
        info.next_retry_delay.FromTimedelta(error.next_retry_delay)
    info.category = int(error.category)  # type: ignore[assignment]


def _write_timeout(error: Any, failure: wire.Failure, payload_converter: PayloadConverter) -> None:
    info = failure.timeout_failure_info
    info.SetInParent()
    info.timeout_type = int(error.type or 0)  # type: ignore[assignment]
    if error.last_heartbeat_details:
        info.last_heartbeat_details.CopyFrom(
            payload_converter.to_payloads_wrapper(error.last_heartbeat_details)
        )


def _write_cancelled(error: Any, failure: wire.Failure, payload_converter: PayloadConverter) -> None:
    failure.canceled_failure_info.SetInParent()
    if error.details:
        failure.canceled_failure_info.details.CopyFrom(payload_converter.to_payloads_wrapper(error.details))


def _write_activity(error: Any, failure: wire.Failure, payload_converter: PayloadConverter) -> None:
    failure.activity_failure_info.CopyFrom(
        wire.ActivityFailureInfo(
            scheduled_event_id=error.scheduled_event_id,
            started_event_id=error.started_event_id,
            identity=error.identity,
            activity_type=common.ActivityType(name=error.activity_type),
            activity_id=error.activity_id,
            retry_state=int(error.retry_state or 0),  # type: ignore[arg-type]
        )
    )


def _write_child(error: Any, failure: wire.Failure, payload_converter: PayloadConverter) -> None:
    failure.child_workflow_execution_failure_info.CopyFrom(
        wire.ChildWorkflowExecutionFailureInfo(
            namespace=error.namespace,
            workflow_execution=common.WorkflowExecution(workflow_id=error.workflow_id, run_id=error.run_id),
            workflow_type=common.WorkflowType(name=error.workflow_type),
            initiated_event_id=error.initiated_event_id,
            started_event_id=error.started_event_id,
            retry_state=int(error.retry_state or 0),  # type: ignore[arg-type]
        )
    )


def _write_operation(error: Any, failure: wire.Failure, payload_converter: PayloadConverter) -> None:
    failure.nexus_operation_execution_failure_info.CopyFrom(
        wire.NexusOperationFailureInfo(
            scheduled_event_id=error.scheduled_event_id,
            endpoint=error.endpoint,
            service=error.service,
            operation=error.operation,
            operation_token=error.operation_token,
        )
    )


def _write_terminated(error: Any, failure: wire.Failure, payload_converter: PayloadConverter) -> None:
    failure.terminated_failure_info.SetInParent()


def _write_server(error: Any, failure: wire.Failure, payload_converter: PayloadConverter) -> None:
    failure.server_failure_info.SetInParent()
    failure.server_failure_info.non_retryable = error.non_retryable


_WRITERS: list[tuple[type, Callable[[Any, wire.Failure, PayloadConverter], None]]] = [
    (ApplicationError, _write_application),
    (TimeoutError, _write_timeout),
    (CancelledError, _write_cancelled),
    (ActivityError, _write_activity),
    (ChildWorkflowError, _write_child),
    (NexusOperationError, _write_operation),
    (TerminatedError, _write_terminated),
    (ServerError, _write_server),
]


def _read_application(failure: wire.Failure, payload_converter: PayloadConverter) -> BaseException:
    info = failure.application_failure_info
    delay: timedelta | None = (
        info.next_retry_delay.ToTimedelta() if info.HasField("next_retry_delay") else None
    )
    known = int(info.category) in list(ApplicationErrorCategory)
    return ApplicationError(
        failure.message or "Application error",
        *_details(info.details, payload_converter),
        type=info.type or None,
        non_retryable=info.non_retryable,
        next_retry_delay=delay,
        category=ApplicationErrorCategory(info.category if known else 0),
    )


def _read_timeout(failure: wire.Failure, payload_converter: PayloadConverter) -> BaseException:
    info = failure.timeout_failure_info
    return TimeoutError(
        failure.message or "Timeout",
        type=TimeoutType(info.timeout_type) if int(info.timeout_type) in list(TimeoutType) else None,
        last_heartbeat_details=_details(info.last_heartbeat_details, payload_converter),
    )


def _read_cancelled(failure: wire.Failure, payload_converter: PayloadConverter) -> BaseException:
    details = _details(failure.canceled_failure_info.details, payload_converter)
    return CancelledError(failure.message or "Cancelled", *details)


def _read_terminated(failure: wire.Failure, payload_converter: PayloadConverter) -> BaseException:
    return TerminatedError(failure.message or "Terminated")


def _read_server(failure: wire.Failure, payload_converter: PayloadConverter) -> BaseException:
    return ServerError(
        failure.message or "Server error", non_retryable=failure.server_failure_info.non_retryable
    )


def _read_activity(failure: wire.Failure, payload_converter: PayloadConverter) -> BaseException:
    info = failure.activity_failure_info
    return ActivityError(
        failure.message or "Activity error",
        scheduled_event_id=info.scheduled_event_id,
        started_event_id=info.started_event_id,
        identity=info.identity,
        activity_type=info.activity_type.name,
        activity_id=info.activity_id,
        retry_state=_retry_state(info.retry_state),
    )


def _read_child(failure: wire.Failure, payload_converter: PayloadConverter) -> BaseException:
    info = failure.child_workflow_execution_failure_info
    return ChildWorkflowError(
        failure.message or "Child workflow error",
        namespace=info.namespace,
        workflow_id=info.workflow_execution.workflow_id,
        run_id=info.workflow_execution.run_id,
        workflow_type=info.workflow_type.name,
        initiated_event_id=info.initiated_event_id,
        started_event_id=info.started_event_id,
        retry_state=_retry_state(info.retry_state),
    )


def _read_operation(failure: wire.Failure, payload_converter: PayloadConverter) -> BaseException:
    info = failure.nexus_operation_execution_failure_info
    return NexusOperationError(
        failure.message or "Nexus operation error",
        scheduled_event_id=info.scheduled_event_id,
        endpoint=info.endpoint,
        service=info.service,
        operation=info.operation,
        operation_token=info.operation_token,
    )


def _retry_state(number: int) -> RetryState | None:
    return RetryState(number) if number in list(RetryState) else None


def _write_nexus(exception: BaseException, failure: wire.Failure) -> bool:
    """Writes the error of a Nexus handler. False when ``exception`` is none."""
    nexus: Any = sys.modules.get("nexusrpc")
    if nexus is None or not isinstance(exception, nexus.HandlerError):
        return False
    error: Any = exception
    original = getattr(error, "original_failure", None)
    if original is not None and (original.metadata or {}).get("type") == _TEMPORAL_FAILURE:
        told = {name: value for name, value in (original.details or {}).items() if name != "cause"}
        json_format.ParseDict(told, failure, ignore_unknown_fields=True)
    info = failure.nexus_handler_failure_info
    if info.type:
        return True  # told by the original already, also what this program knows no name for
    info.type = str(getattr(error, "raw_error_type", None) or getattr(error.type, "value", error.type))
    if error.retryable_override is not None:
        info.retry_behavior = 1 if error.retryable_override else 2  # type: ignore[assignment]
    return True


def _read_nexus(failure: wire.Failure, payload_converter: PayloadConverter) -> BaseException:
    try:
        import nexusrpc
    except ImportError:
        return FailureError(failure.message or "Nexus handler error")
    info = failure.nexus_handler_failure_info
    told = json_format.MessageToDict(failure)
    for name in ("message", "stackTrace", "cause"):
        told.pop(name, None)
    original = nexusrpc.Failure(
        message=failure.message,
        stack_trace=failure.stack_trace,
        metadata={"type": _TEMPORAL_FAILURE},
        details=told,
    )
    return nexusrpc.HandlerError(
        failure.message or "Nexus handler error",
        type=nexusrpc.HandlerErrorType.__members__.get(info.type, nexusrpc.HandlerErrorType.INTERNAL),
        retryable_override={1: True, 2: False}.get(int(info.retry_behavior)),
        stack_trace=failure.stack_trace or None,
        original_failure=original,
    )


_READERS: dict[str, Callable[[wire.Failure, PayloadConverter], BaseException]] = {
    "application_failure_info": _read_application,
    "timeout_failure_info": _read_timeout,
    "canceled_failure_info": _read_cancelled,
    "terminated_failure_info": _read_terminated,
    "server_failure_info": _read_server,
    "activity_failure_info": _read_activity,
    "child_workflow_execution_failure_info": _read_child,
    "nexus_operation_execution_failure_info": _read_operation,
    "nexus_handler_failure_info": _read_nexus,
}
