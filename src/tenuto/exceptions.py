"""The errors that workflows, activities and their callers see.

This room must never import protocol messages when it is loaded: workflow modules load it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from tenuto.common.durations import Duration, as_timedelta

if TYPE_CHECKING:
    from tenuto.wire import failure as wire_failure


class TemporalError(Exception):
    """Any error of the framework."""

    @property
    def cause(self) -> BaseException | None:
        """The error that this one was raised from, if any."""
        return self.__cause__


class FailureError(TemporalError):
    """An error that can be told to another process and back."""

    def __init__(
        self,
        message: str,
        *,
        failure: wire_failure.Failure | None = None,
        exc_args: tuple[Any, ...] | None = None,
    ) -> None:
        """``exc_args`` become the exception's arguments in place of ``message``."""
        if exc_args is None:
            exc_args = (message,)
        super().__init__(*exc_args)
        self._message = message
        self._failure = failure

    @property
    def message(self) -> str:
        """What happened, without the type."""
        return self._message

    @property
    def failure(self) -> wire_failure.Failure | None:
        """The message this error was read from, if it came from elsewhere; it holds the stack trace of there."""
        return self._failure

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles without calling ``__init__``, whose arguments are not those of the exception."""
        return _revived, (type(self), self.args, self.__cause__), self.__dict__


def _revived(kind: type[FailureError], args: tuple[Any, ...], cause: BaseException | None) -> FailureError:
    error = kind.__new__(kind, *args)
    error.args = args
    if cause is not None:
        error.__cause__ = cause
    return error


class WorkflowAlreadyStartedError(FailureError):
    """A workflow of that id is there already, and the policies do not allow another."""

    def __init__(
        self,
        workflow_id: str,
        workflow_type: str,
        *,
        run_id: str | None = None,
        first_run_id: str | None = None,
    ) -> None:
        super().__init__("Workflow execution already started")
        self.workflow_id = workflow_id
        self.workflow_type = workflow_type
        self.run_id = run_id
        self.first_run_id = first_run_id


class InvalidVersioningOverrideError(FailureError):
    """The version that a workflow was to be moved to is not one it can run on."""

    def __init__(self) -> None:
        super().__init__("Invalid versioning override")


class ActivityAlreadyStartedError(FailureError):
    """An activity of that id is there already, and the policies do not allow another."""

    def __init__(self, activity_id: str, activity_type: str, *, run_id: str | None = None) -> None:
        super().__init__("Activity execution already started")
        self.activity_id = activity_id
        self.activity_type = activity_type
        self.run_id = run_id


class NexusOperationAlreadyStartedError(FailureError):
    """A Nexus operation of that id is there already, and the policies do not allow another."""

    def __init__(self, operation_id: str, *, run_id: str | None = None) -> None:
        super().__init__("Nexus operation execution already started")
        self.operation_id = operation_id
        self.run_id = run_id


class ApplicationErrorCategory(IntEnum):
    """How serious an `ApplicationError` is."""

    UNSPECIFIED = 0
    BENIGN = 1
    """Expected: logged at debug level, and not counted as a failure."""


class ApplicationError(FailureError):
    """An error of the application's own: raise it to fail an activity or a workflow."""

    def __init__(
        self,
        message: str,
        *details: Any,
        type: str | None = None,
        non_retryable: bool = False,
        next_retry_delay: Duration | None = None,
        category: ApplicationErrorCategory = ApplicationErrorCategory.UNSPECIFIED,
    ) -> None:
        """``details`` are values for whoever catches it; ``type`` is what retry policies name. ``next_retry_delay``
        (timedelta or seconds) is the delay before the next attempt in place of the retry policy's."""
        super().__init__(message, exc_args=(message if not type else f"{type}: {message}",))
        self._details = details
        self._type = type
        self._non_retryable = non_retryable
        self._next_retry_delay = as_timedelta(next_retry_delay)
        self._category = category

    @property
    def details(self) -> Sequence[Any]:
        """Values told along."""
        return self._details

    @property
    def type(self) -> str | None:
        """What retry policies name; for an error of another kind that was told, its class name."""
        return self._type

    @property
    def non_retryable(self) -> bool:
        """Whether another attempt is useless, whatever the retry policy says."""
        return self._non_retryable

    @property
    def next_retry_delay(self) -> timedelta | None:
        """Delay before the next attempt, if it is not the retry policy's."""
        return self._next_retry_delay

    @property
    def category(self) -> ApplicationErrorCategory:
        """How serious it is."""
        return self._category


class CancelledError(FailureError):
    """An activity, a child or a workflow was cancelled. Raised from where it was awaited; not asyncio's error."""

    def __init__(self, message: str = "Cancelled", *details: Any) -> None:
        super().__init__(message)
        self._details = details

    @property
    def details(self) -> Sequence[Any]:
        """Values told along; of an activity that was cancelled while its worker was lost, its last heartbeat's."""
        return self._details


class TerminatedError(FailureError):
    """A workflow was terminated."""

    def __init__(self, message: str, *details: Any) -> None:
        super().__init__(message)
        self._details = details

    @property
    def details(self) -> Sequence[Any]:
        """Values told along."""
        return self._details


class TimeoutType(IntEnum):
    """Which time ran out."""

    START_TO_CLOSE = 1
    SCHEDULE_TO_START = 2
    SCHEDULE_TO_CLOSE = 3
    HEARTBEAT = 4


class TimeoutError(FailureError):
    """A time ran out. Not the built-in error of that name."""

    def __init__(
        self, message: str, *, type: TimeoutType | None, last_heartbeat_details: Sequence[Any]
    ) -> None:
        super().__init__(message)
        self._type = type
        self._last_heartbeat_details = last_heartbeat_details

    @property
    def type(self) -> TimeoutType | None:
        """Which."""
        return self._type

    @property
    def last_heartbeat_details(self) -> Sequence[Any]:
        """What the activity last told."""
        return self._last_heartbeat_details


class ServerError(FailureError):
    """An error of the service's own."""

    def __init__(self, message: str, *, non_retryable: bool = False) -> None:
        super().__init__(message)
        self._non_retryable = non_retryable

    @property
    def non_retryable(self) -> bool:
        """Whether another attempt is useless."""
        return self._non_retryable


class RetryState(IntEnum):
    """Why there is no further attempt."""

    IN_PROGRESS = 1
    NON_RETRYABLE_FAILURE = 2
    TIMEOUT = 3
    MAXIMUM_ATTEMPTS_REACHED = 4
    RETRY_POLICY_NOT_SET = 5
    INTERNAL_SERVER_ERROR = 6
    CANCEL_REQUESTED = 7


class ActivityError(FailureError):
    """An activity did not succeed: its ``cause`` says why."""

    def __init__(
        self,
        message: str,
        *,
        scheduled_event_id: int,
        started_event_id: int,
        identity: str,
        activity_type: str,
        activity_id: str,
        retry_state: RetryState | None,
    ) -> None:
        super().__init__(message)
        self._scheduled_event_id = scheduled_event_id
        self._started_event_id = started_event_id
        self._identity = identity
        self._activity_type = activity_type
        self._activity_id = activity_id
        self._retry_state = retry_state

    @property
    def scheduled_event_id(self) -> int:
        """Id of the event that scheduled it."""
        return self._scheduled_event_id

    @property
    def started_event_id(self) -> int:
        """Id of the event that started it."""
        return self._started_event_id

    @property
    def identity(self) -> str:
        """Of the worker that ran the last attempt."""
        return self._identity

    @property
    def activity_type(self) -> str:
        """Its type's name."""
        return self._activity_type

    @property
    def activity_id(self) -> str:
        """Its id."""
        return self._activity_id

    @property
    def retry_state(self) -> RetryState | None:
        """Why there was no further attempt."""
        return self._retry_state


class ChildWorkflowError(FailureError):
    """A child workflow did not succeed: its ``cause`` says why."""

    def __init__(
        self,
        message: str,
        *,
        namespace: str,
        workflow_id: str,
        run_id: str,
        workflow_type: str,
        initiated_event_id: int,
        started_event_id: int,
        retry_state: RetryState | None,
    ) -> None:
        super().__init__(message)
        self._namespace = namespace
        self._workflow_id = workflow_id
        self._run_id = run_id
        self._workflow_type = workflow_type
        self._initiated_event_id = initiated_event_id
        self._started_event_id = started_event_id
        self._retry_state = retry_state

    @property
    def namespace(self) -> str:
        """Of the child."""
        return self._namespace

    @property
    def workflow_id(self) -> str:
        """Of the child."""
        return self._workflow_id

    @property
    def run_id(self) -> str:
        """Of the child's last run."""
        return self._run_id

    @property
    def workflow_type(self) -> str:
        """Its type's name."""
        return self._workflow_type

    @property
    def initiated_event_id(self) -> int:
        """Id of the event that asked for it."""
        return self._initiated_event_id

    @property
    def started_event_id(self) -> int:
        """Id of the event that says it started."""
        return self._started_event_id

    @property
    def retry_state(self) -> RetryState | None:
        """Why there was no further attempt."""
        return self._retry_state


class NexusOperationError(FailureError):
    """A Nexus operation did not succeed: its ``cause`` says why."""

    def __init__(
        self,
        message: str,
        *,
        scheduled_event_id: int,
        endpoint: str,
        service: str,
        operation: str,
        operation_token: str,
    ) -> None:
        super().__init__(message)
        self._scheduled_event_id = scheduled_event_id
        self._endpoint = endpoint
        self._service = service
        self._operation = operation
        self._operation_token = operation_token

    @property
    def scheduled_event_id(self) -> int:
        """Id of the event that scheduled it."""
        return self._scheduled_event_id

    @property
    def endpoint(self) -> str:
        """Where it was asked of."""
        return self._endpoint

    @property
    def service(self) -> str:
        """Its service's name."""
        return self._service

    @property
    def operation(self) -> str:
        """Its name."""
        return self._operation

    @property
    def operation_token(self) -> str:
        """What it is known by once started; empty if it answered at once."""
        return self._operation_token


def is_cancelled_exception(exception: BaseException) -> bool:
    """Whether ``exception`` says that something was cancelled: asyncio's error, `CancelledError`, or the failure of an
    activity, a child or a Nexus operation whose cause is that."""
    if isinstance(exception, asyncio.CancelledError | CancelledError):
        return True
    return isinstance(exception, ActivityError | ChildWorkflowError | NexusOperationError) and isinstance(
        exception.cause, CancelledError
    )
