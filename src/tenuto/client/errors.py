"""What can go wrong for a caller, as exceptions whose text tells the whole story, cause by cause.

Errors of the transport itself (`RPCError`) pass through unchanged. This file must never raise anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.exceptions import TemporalError

if TYPE_CHECKING:
    from tenuto.activity import ActivityCancellationDetails
    from tenuto.client.listing import WorkflowExecutionStatus


def _chain(what: str, cause: BaseException | None) -> str:
    """``what``, and below it every cause, outermost first: "Workflow execution failed: Activity ...: ValueError: x"."""
    parts = [what]
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        text = _own_text(cause)
        if text:
            parts.append(text)
        cause = cause.__cause__
    return ": ".join(parts)


def _own_text(error: BaseException) -> str:
    from tenuto.exceptions import FailureError

    text = str(error)
    if isinstance(error, FailureError):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class _Caused(TemporalError):
    """An error that is only the frame of another: its text goes on with the cause's."""

    def __init__(self, message: str, cause: BaseException) -> None:
        super().__init__(message)
        self.__cause__ = cause

    @property
    def cause(self) -> BaseException:
        """Why. Never None."""
        assert self.__cause__ is not None
        return self.__cause__

    def __str__(self) -> str:
        return _chain(self.args[0], self.__cause__)


class WorkflowFailureError(_Caused):
    """The workflow closed without a result. ``cause`` says how: an `ApplicationError`, `ActivityError`,
    `CancelledError`, `TerminatedError`, `TimeoutError`..."""

    def __init__(self, *, cause: BaseException) -> None:
        super().__init__("Workflow execution failed", cause)


class WorkflowContinuedAsNewError(TemporalError):
    """The run went on in another run, and its caller asked not to follow."""

    def __init__(self, new_execution_run_id: str) -> None:
        super().__init__("Workflow continued as new")
        self._new_execution_run_id = new_execution_run_id

    @property
    def new_execution_run_id(self) -> str:
        """Run id of the run that goes on."""
        return self._new_execution_run_id


class WorkflowQueryRejectedError(TemporalError):
    """The query was not asked, because of the workflow's status and the reject condition given."""

    def __init__(self, status: WorkflowExecutionStatus | None) -> None:
        super().__init__(f"Query rejected, status: {status.name if status is not None else None}")
        self._status = status

    @property
    def status(self) -> WorkflowExecutionStatus | None:
        """Status of the workflow when it was asked."""
        return self._status


class WorkflowQueryFailedError(TemporalError):
    """The query's handler raised, or there is none."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self._message = message

    @property
    def message(self) -> str:
        """What the worker said."""
        return self._message


class WorkflowUpdateFailedError(_Caused):
    """The update was rejected by its validator, or its handler failed."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__("Workflow update failed", cause)


class RPCTimeoutOrCancelledError(TemporalError):
    """A call waited until its deadline, or was cancelled; what it asked for may yet happen."""


class WorkflowUpdateRPCTimeoutOrCancelledError(RPCTimeoutOrCancelledError):
    """Waiting for an update took until the call's deadline, or was cancelled; the update may yet go on."""

    def __init__(self) -> None:
        super().__init__("Timeout or cancellation waiting for update")


class ActivityFailureError(_Caused):
    """A standalone activity closed without a result."""

    def __init__(self, *, cause: BaseException) -> None:
        super().__init__("Activity execution failed", cause)


class NexusOperationFailureError(_Caused):
    """A Nexus operation of its own closed without a result."""

    def __init__(self, *, cause: BaseException) -> None:
        super().__init__("Nexus operation execution failed", cause)


class AsyncActivityCancelledError(TemporalError):
    """Told by a heartbeat: the activity should stop."""

    def __init__(self, details: ActivityCancellationDetails | None = None) -> None:
        super().__init__("Activity cancelled")
        self.details = details


class ScheduleAlreadyRunningError(TemporalError):
    """There is a schedule with this id."""

    def __init__(self) -> None:
        super().__init__("Schedule already running")
