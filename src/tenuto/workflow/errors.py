"""What workflow code may meet besides the errors of `tenuto.exceptions`, and the warnings a run gives."""

from __future__ import annotations

from tenuto.exceptions import TemporalError


class NondeterminismError(TemporalError):
    """Workflow code asked for something else than history says it did before."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ReadOnlyContextError(TemporalError):
    """A query handler or an update validator tried to change something."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ContinueAsNewError(BaseException):
    """Raised by `continue_as_new`; let it pass. Only a run makes one."""

    def __init__(self, *args: object) -> None:
        if type(self) is ContinueAsNewError:
            raise RuntimeError("Cannot instantiate ContinueAsNewError directly")
        super().__init__(*args)


class UnfinishedUpdateHandlersWarning(RuntimeWarning):
    """A run ended while handlers of updates were still at work: their callers get an error."""


class UnfinishedSignalHandlersWarning(RuntimeWarning):
    """A run ended while handlers of signals were still at work."""
