"""The one error the service raises, and the one table from the engine's refusals to it.

Clients branch on the code and on the typed detail, never on the text, except where the protocol says so. This room must
never know how an error travels.
"""

import enum
from typing import Any, NoReturn

from tenuto.engine.types import MemberStatus, Reason, Rejected
from tenuto.wire import Message, any_pb2, enums_failed, errordetails, failure


class Code(enum.IntEnum):
    """Status codes; the numbers are gRPC's."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


class ServiceError(Exception):
    """A refusal as the caller sees it: ``code``, ``message`` and typed ``details``."""

    def __init__(self, code: Code, message: str, details: tuple[Message, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def __repr__(self) -> str:
        return f"ServiceError({self.code.name}, {self.message!r})"


_CODES: dict[Reason, Code] = {
    Reason.INVALID: Code.INVALID_ARGUMENT,
    Reason.NOT_FOUND: Code.NOT_FOUND,
    Reason.ALREADY_STARTED: Code.ALREADY_EXISTS,
    Reason.PRECONDITION: Code.FAILED_PRECONDITION,
    Reason.NOT_READY: Code.FAILED_PRECONDITION,
    Reason.BUSY: Code.RESOURCE_EXHAUSTED,
    Reason.CONCURRENT: Code.RESOURCE_EXHAUSTED,
    Reason.DENIED: Code.PERMISSION_DENIED,
    Reason.UNIMPLEMENTED: Code.UNIMPLEMENTED,
    Reason.UNAVAILABLE: Code.UNAVAILABLE,
    Reason.QUERY_FAILED: Code.INVALID_ARGUMENT,
    Reason.ABORTED: Code.ABORTED,
    Reason.MULTI_OPERATION: Code.ABORTED,
    Reason.STALE: Code.UNAVAILABLE,
}
assert set(_CODES) == set(Reason), "every reason has a code"

_NAMESPACE_SCOPE = enums_failed.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE


def _default_detail(reason: Reason, text: str) -> Message | None:
    """The typed detail clients expect with a reason when the engine gave none."""
    match reason:
        case Reason.NOT_FOUND:
            return errordetails.NotFoundFailure()
        case Reason.NOT_READY:
            return errordetails.WorkflowNotReadyFailure()
        case Reason.BUSY:
            cause = enums_failed.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW
            return errordetails.ResourceExhaustedFailure(cause=cause, scope=_NAMESPACE_SCOPE)
        case Reason.CONCURRENT:
            cause = enums_failed.RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT
            return errordetails.ResourceExhaustedFailure(cause=cause, scope=_NAMESPACE_SCOPE)
        case Reason.DENIED:
            return errordetails.PermissionDeniedFailure()
        case Reason.QUERY_FAILED:
            return errordetails.QueryFailedFailure()
    return None


def from_rejected(refusal: Rejected) -> ServiceError:
    """What the caller sees of an engine's refusal."""
    if refusal.reason is Reason.MULTI_OPERATION:
        return _multi_operation(refusal)
    detail: Any = refusal.detail
    if refusal.reason is Reason.QUERY_FAILED and isinstance(detail, failure.Failure):
        detail = errordetails.QueryFailedFailure(failure=detail)
    if not isinstance(detail, Message):
        detail = _default_detail(refusal.reason, refusal.message)
    return ServiceError(_CODES[refusal.reason], refusal.message, () if detail is None else (detail,))


MULTI_TEXT = "Update-with-Start could not be executed."
ABORTED_TEXT = "Operation was aborted."


def _multi_operation(refusal: Rejected) -> ServiceError:
    statuses: list[ServiceError | None] = []
    for member in refusal.detail or ():
        assert isinstance(member, MemberStatus)
        if member.aborted:
            statuses.append(aborted_member())
        else:
            statuses.append(None if member.refusal is None else from_rejected(member.refusal))
    return multi_operation(*statuses)


def aborted_member() -> ServiceError:
    """The status of the member of a multi-operation that fell with the other."""
    return ServiceError(Code.ABORTED, ABORTED_TEXT, (failure.MultiOperationExecutionAborted(),))


def multi_operation(*members: ServiceError | None) -> ServiceError:
    """The error of a multi-operation from those of its members, None for one that succeeded.

    Its code is that of the first culprit; ABORTED when there is none.
    """
    detail = errordetails.MultiOperationExecutionFailure()
    code = Code.ABORTED
    for member in members:
        status = detail.statuses.add()
        if member is None:
            continue
        status.code, status.message = member.code, member.message
        for one in member.details:
            status.details.append(packed(one))
        if code is Code.ABORTED and member.code is not Code.ABORTED:
            code = member.code
    return ServiceError(code, MULTI_TEXT, (detail,))


def packed(message: Message) -> any_pb2.Any:
    box = any_pb2.Any()
    box.Pack(message)
    return box


def invalid(message: str) -> NoReturn:
    """Raises INVALID_ARGUMENT."""
    raise ServiceError(Code.INVALID_ARGUMENT, message)


def not_found(message: str) -> NoReturn:
    """Raises NOT_FOUND with the detail clients expect."""
    raise ServiceError(Code.NOT_FOUND, message, (errordetails.NotFoundFailure(),))


def unimplemented(message: str) -> NoReturn:
    raise ServiceError(Code.UNIMPLEMENTED, message)


def denied(message: str) -> NoReturn:
    raise ServiceError(Code.PERMISSION_DENIED, message, (errordetails.PermissionDeniedFailure(),))


def namespace_not_found(name: str) -> ServiceError:
    detail = errordetails.NamespaceNotFoundFailure(namespace=name)
    return ServiceError(Code.NOT_FOUND, f"Namespace {name} is not found.", (detail,))


def namespace_state(name: str, state: int, allowed: tuple[int, ...]) -> ServiceError:
    """A call that the namespace's state does not permit."""
    detail = errordetails.NamespaceInvalidStateFailure(
        namespace=name,
        state=state,  # type: ignore[arg-type]
        allowed_states=allowed,  # type: ignore[arg-type]
    )
    names = {1: "Registered", 2: "Deprecated", 3: "Deleted"}
    wanted = " or ".join(names[one] for one in allowed)
    text = f"Namespace has invalid state: {names.get(state, 'Unspecified')}. Must be {wanted}."
    return ServiceError(Code.FAILED_PRECONDITION, text, (detail,))
