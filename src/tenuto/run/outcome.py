"""How a run ends, and what an error means: fail the workflow, cancel it, go on as new, or fail the workflow task."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tenuto import exceptions
from tenuto.run.attributes import continue_as_new
from tenuto.run.core import TERMINAL_LAST, Evicted, Interrupted
from tenuto.run.ledger import HERE, NOWHERE
from tenuto.wire import command, enums_command, enums_event
from tenuto.workflow.enums import HandlerUnfinishedPolicy
from tenuto.workflow.errors import (
    ContinueAsNewError,
    NondeterminismError,
    UnfinishedSignalHandlersWarning,
    UnfinishedUpdateHandlersWarning,
)

if TYPE_CHECKING:
    from tenuto.run.core import Core
    from tenuto.run.handlers import Handlers
    from tenuto.wire import common, history


class Terminal:
    """The command that closes the run."""

    __slots__ = ("words",)

    def __init__(self, words: str) -> None:
        self.words = words

    def describe(self) -> str:
        return self.words

    def recorded(self, event: history.HistoryEvent) -> None:
        pass


class Outcome:
    """What became of the run so far. ``error`` set: the workflow task has failed."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self._error: BaseException | None = None
        self.closed = False
        self.terminal: tuple[int, int, str, command.Command | None] | None = None
        self.failure_types: tuple[type[BaseException], ...] = (
            *core.options.definition.failure_exception_types,
            *core.options.failure_exception_types,
        )
        self.state_changed = False
        self.handlers: Handlers

    @property
    def error(self) -> BaseException | None:
        """Why the workflow task has failed."""
        return self._error

    @error.setter
    def error(self, error: BaseException | None) -> None:
        self._error = error
        self.core.loop.failed = error is not None

    def failed(self) -> bool:
        return self._error is not None

    def fail_task(self, error: BaseException) -> None:
        """The workflow task cannot go on. The first error counts."""
        if self._error is None:
            self.error = error

    async def guard(self, work: Awaitable[Any]) -> None:
        """Run the main function or a handler, and draw the consequences of what it raises."""
        try:
            await work
        except Evicted:
            raise
        except Interrupted as error:
            self.fail_task(error)
        except (Exception, asyncio.CancelledError, ContinueAsNewError) as error:  # noqa: BLE001 - it decides the run
            if not self.core.evicted:
                error.__traceback__ = _theirs(error.__traceback__)
                self.conclude(error)

    def fails_workflow(self, error: BaseException) -> bool:
        """Whether this error is the workflow's own failure."""
        if isinstance(error, exceptions.FailureError | asyncio.TimeoutError | TimeoutError):
            return True
        return isinstance(error, self.failure_types)

    def arguments(self, payloads: Sequence[common.Payload], types: Sequence[Any] | None) -> list[Any]:
        """What the code was given. Raises RuntimeError, or what the converter raises when that is the workflow's own
        failure."""
        try:
            return self.core.decode(payloads, types)
        except Exception as error:
            if self.fails_workflow(error):
                raise
            raise RuntimeError("Failed decoding arguments") from error

    def conclude(self, error: BaseException) -> None:
        """Close the run as the error says, or fail the workflow task."""
        core = self.core
        try:
            if isinstance(error, ContinueAsNewError):
                self._continue(error)
            elif core.cancel_requested and exceptions.is_cancelled_exception(error):
                self._close(
                    enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
                    enums_command.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
                    "the end as cancelled",
                    lambda made: made.cancel_workflow_execution_command_attributes.SetInParent(),
                )
            elif isinstance(error, asyncio.CancelledError):
                cancelled = exceptions.CancelledError(str(error))
                cancelled.__cause__ = error.__cause__
                cancelled.__traceback__ = error.__traceback__
                self._fail(cancelled)
            elif self.fails_workflow(error):
                self._fail(error)
            else:
                self.fail_task(error)
        except Exception as inner:  # noqa: BLE001 - a failure that cannot be written fails the task
            self.fail_task(inner)

    def succeed(self, result: Any) -> None:
        """The main function has returned."""
        core = self.core

        def fill(made: command.Command) -> None:
            made.complete_workflow_execution_command_attributes.result.payloads.append(
                core.encode_one(result)
            )

        self._close(
            enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
            enums_command.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
            "the end with a result",
            fill,
        )

    def _fail(self, error: BaseException) -> None:
        core = self.core

        def fill(made: command.Command) -> None:
            made.fail_workflow_execution_command_attributes.failure.CopyFrom(core.failure_of(error))

        self._close(
            enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
            enums_command.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
            f"the end as failed ({type(error).__name__}: {error})",
            fill,
        )

    def _continue(self, error: ContinueAsNewError) -> None:
        from tenuto.run.context import RunContinueAsNewError

        assert isinstance(error, RunContinueAsNewError)
        self._close(
            enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
            enums_command.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
            "going on as a new run",
            continue_as_new(self.core, error.wanted),
        )

    def _close(
        self, event_type: int, command_type: int, words: str, fill: Callable[[command.Command], object]
    ) -> None:
        """The first way to close counts; the command goes behind all others of this workflow task."""
        core = self.core
        if self.closed:
            return
        made = None
        if not core.replaying:
            made = command.Command(command_type=command_type)  # type: ignore[arg-type]
            fill(made)
        self.closed = True
        if core.seen(TERMINAL_LAST):
            self.terminal = (event_type, command_type, words, made)
        else:
            # As it was before: what came after the first closing command was dropped.
            core.ledger.ask(event_type, Terminal(words), made)

    def settle(self) -> None:
        """The workflow task's code has run: put the closing command at the end."""
        if self.terminal is None:
            return
        event_type, _, words, made = self.terminal
        self.terminal = None
        self.core.ledger.ask(event_type, Terminal(words), made, NOWHERE)
        if self.handlers.unfinished:
            self._warn_unfinished()

    def _warn_unfinished(self) -> None:
        waiting = [
            each
            for each in self.handlers.unfinished.values()
            if each.policy is HandlerUnfinishedPolicy.WARN_AND_ABANDON
        ]
        signals: dict[str, int] = {}
        for each in waiting:
            if each.update_id is None:
                signals[each.name] = signals.get(each.name, 0) + 1
        updates = [(each.name, each.update_id) for each in waiting if each.update_id is not None]
        advice = (
            "This may have interrupted work that the handler was doing. Wait for it with "
            "`await workflow.wait_condition(workflow.all_handlers_finished)` before the workflow ends, "
            "or say unfinished_policy=HandlerUnfinishedPolicy.ABANDON."
        )
        if updates:
            listed = ", ".join(f"{name} (id {number})" for name, number in updates)
            warnings.warn(
                f"[TMPRL1102] Workflow finished while update handlers are still running: {listed}. {advice} "
                "The client that sent the update gets an error.",
                UnfinishedUpdateHandlersWarning,
                stacklevel=1,
            )
        if signals:
            listed = ", ".join(f"{name} ({count})" for name, count in signals.items())
            warnings.warn(
                f"[TMPRL1102] Workflow finished while signal handlers are still running: {listed}. {advice}",
                UnfinishedSignalHandlersWarning,
                stacklevel=1,
            )

    def wants_nondeterminism_to_fail(self) -> bool:
        """Whether nondeterminism is among the errors that fail the workflow."""
        return issubclass(NondeterminismError, self.failure_types)


def _theirs(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from where the workflow's own code begins: what leads there tells its author nothing."""
    at = trace
    while at is not None and at.tb_frame.f_code.co_filename.startswith(HERE):
        at = at.tb_next
    return at or trace
