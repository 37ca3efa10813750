"""What a Nexus handler's answer means to its caller: results, tokens, and failures in either of two vocabularies."""

import json
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError

from tenuto.engine.nexus_types import NOTHING, NexusAnswer, Outcome
from tenuto.limits import LIMITS
from tenuto.service.nexus_links import from_nexus
from tenuto.wire import common, failure, nexus
from tenuto.wire import workflowservice as ws

LASTING = frozenset(
    {"BAD_REQUEST", "UNAUTHENTICATED", "UNAUTHORIZED", "NOT_FOUND", "CONFLICT", "NOT_IMPLEMENTED"}
)
"""Kinds of errors that another attempt would not mend."""
RETRYABLE, NON_RETRYABLE = 1, 2
"""Values of NexusHandlerErrorRetryBehavior."""
EMPTY = "empty outcome"
OWN_TYPE = failure.Failure.DESCRIPTOR.full_name


def handler_error(kind: str, message: str = "") -> NexusAnswer:
    """An error that the service itself tells of the way to a handler."""
    made = failure.Failure(message=message)
    made.nexus_handler_failure_info.type = kind
    return _error(made)


def _error(reason: failure.Failure) -> NexusAnswer:
    about = reason.nexus_handler_failure_info
    retryable = about.type not in LASTING
    if about.retry_behavior:
        retryable = about.retry_behavior == RETRYABLE
    return NexusAnswer(Outcome.ERROR, reason=reason, retryable=retryable)


def of_failed(request: ws.RespondNexusTaskFailedRequest) -> NexusAnswer:
    """The handler did not get as far as the operation. Raises ValueError when it does not say why."""
    if request.HasField("failure"):
        if not request.failure.HasField("nexus_handler_failure_info"):
            raise ValueError("request Failure must contain error or failure with NexusHandlerFailureInfo")
        return _error(request.failure)
    if not request.HasField("error"):
        raise ValueError("request must contain error or failure")
    made = failure.Failure()
    made.nexus_handler_failure_info.type = request.error.error_type
    made.nexus_handler_failure_info.retry_behavior = request.error.retry_behavior
    made.cause.CopyFrom(_own(request.error.failure))
    return _error(made)


def of_completed(response: nexus.Response, cancel: bool) -> NexusAnswer:
    """The handler has dealt with a start or, with ``cancel``, with a cancellation. Raises ValueError for a token that is
    none."""
    if cancel:
        return NexusAnswer(Outcome.SUCCEEDED)
    started = response.start_operation
    match started.WhichOneof("variant"):
        case "sync_success":
            result = started.sync_success.payload if started.sync_success.HasField("payload") else NOTHING
            return NexusAnswer(Outcome.SUCCEEDED, result, links=_links(started.sync_success.links))
        case "async_success":
            going = started.async_success
            token = going.operation_token or going.operation_id
            _check_token(token)
            return NexusAnswer(Outcome.STARTED, token=token, links=_links(going.links))
        case "failure":
            canceled = started.failure.HasField("canceled_failure_info")
            return NexusAnswer(Outcome.CANCELED if canceled else Outcome.FAILED, reason=started.failure)
        case "operation_error":
            return _unsuccessful(started.operation_error)
    return handler_error("INTERNAL", EMPTY)


def _check_token(token: str) -> None:
    """Raises ValueError, in words that clients know."""
    if not token:
        raise ValueError("missing opration token in response")
    length = len(token.encode())
    if length > LIMITS.nexus_token_bytes:
        raise ValueError(
            f"operation token length exceeds allowed limit ({length}/{LIMITS.nexus_token_bytes})"
        )


def _unsuccessful(error: nexus.UnsuccessfulOperationError) -> NexusAnswer:
    reason = _own(error.failure)
    if error.operation_state == "canceled":
        if not reason.HasField("canceled_failure_info"):
            reason = failure.Failure(message=reason.message)
            reason.canceled_failure_info.SetInParent()
        return NexusAnswer(Outcome.CANCELED, reason=reason)
    if error.operation_state != "failed":
        return handler_error("INTERNAL")
    return NexusAnswer(Outcome.FAILED, reason=reason)


def _links(given: Any) -> tuple[common.Link, ...]:
    return tuple(link for one in given if (link := from_nexus(one)) is not None)


def _own(told: nexus.Failure) -> failure.Failure:
    """A failure of the Nexus vocabulary in the service's own."""
    made = failure.Failure()
    if told.metadata.get("type") == OWN_TYPE:
        try:
            ParseDict(json.loads(told.details or b"{}"), made, ignore_unknown_fields=True)
        except (ValueError, ParseError):
            made.Clear()
    elif told.metadata or told.details:
        made.application_failure_info.type = "NexusFailure"
        made.application_failure_info.details.payloads.append(_details(told))
    made.message = told.message
    if told.stack_trace:
        made.stack_trace = told.stack_trace
    if told.HasField("cause"):
        made.cause.CopyFrom(_own(told.cause))
    return made


def _details(told: nexus.Failure) -> common.Payload:
    content: dict[str, Any] = {}
    if told.metadata:
        content["metadata"] = dict(sorted(told.metadata.items()))
    if told.details:
        try:
            content["details"] = json.loads(told.details)
        except ValueError:
            content["details"] = told.details.decode(errors="replace")
    data = json.dumps(content, separators=(",", ":")).encode()
    return common.Payload(metadata={"encoding": b"json/plain"}, data=data)
