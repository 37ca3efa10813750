"""Signals to, and cancellations of, other workflows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tenuto.run.core import set_headers
from tenuto.run.ledger import Asked
from tenuto.wire import enums_command, enums_event, enums_failed, failure
from tenuto.workflow.event_groups import captured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenuto.run.core import Core, Groups
    from tenuto.wire import command, common, history

_SIGNAL_REASONS = {
    enums_failed.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND: (
        "it was not found"
    ),
    enums_failed.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_NAMESPACE_NOT_FOUND: "it was not found",
    enums_failed.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_SIGNAL_COUNT_LIMIT_EXCEEDED: (
        "The per-workflow signal limit was exceeded"
    ),
}


def _camel(enum: Any, number: int, prefix: str) -> str:
    name = enum.Name(number).removeprefix(prefix)
    return "".join(part.capitalize() for part in name.split("_"))


def _refused(message: str, kind: str) -> failure.Failure:
    made = failure.Failure(message=message)
    made.application_failure_info.type = kind
    return made


class SignalMachine:
    """One signal on its way to another workflow."""

    __slots__ = ("asked", "conversion", "core", "future", "initiated_id", "seq", "signal", "workflow_id")

    def __init__(self, core: Core, signal: str, workflow_id: str, namespace: str | None) -> None:
        self.core = core
        self.conversion = core.for_workflow(workflow_id, namespace)
        self.seq = core.next("signal")
        self.signal = signal
        self.workflow_id = workflow_id
        self.initiated_id = 0
        self.future: asyncio.Future[None] = core.loop.create_future()
        self.asked: Asked

    def describe(self) -> str:
        return f"signal {self.signal!r} to workflow {self.workflow_id!r}"

    def recorded(self, event: history.HistoryEvent) -> None:
        self.initiated_id = event.event_id
        self.core.by_event[event.event_id] = self

    def on_event(self, event: history.HistoryEvent) -> None:
        self.core.by_event.pop(self.initiated_id, None)
        if event.event_type == enums_event.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED:
            self.core.jobs.append(lambda: self._resolve(None))
            return
        cause = event.signal_external_workflow_execution_failed_event_attributes.cause
        made = _refused(
            f"Unable to signal external workflow because {_SIGNAL_REASONS.get(cause, 'unknown')}",
            _camel(
                enums_failed.SignalExternalWorkflowExecutionFailedCause,
                cause,
                "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_",
            ),
        )
        self.core.jobs.append(lambda: self._resolve(self.conversion.error_of(made)))

    def _resolve(self, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(error)

    def withdraw(self) -> None:
        """Take the signal back, if it is not on its way yet."""
        if self.initiated_id or self.asked.dropped:
            return
        self.core.ledger.drop(self.asked)
        made = failure.Failure(message="Signal was cancelled before being sent")
        made.canceled_failure_info.SetInParent()
        self.core.jobs.append(lambda: self._resolve(self.conversion.error_of(made)))


async def signal(
    core: Core,
    name: str,
    args: Sequence[Any],
    headers: Mapping[str, common.Payload],
    workflow_id: str,
    *,
    run_id: str | None = None,
    namespace: str | None = None,
    child: bool = False,
    groups: Groups | None = None,
) -> None:
    """Send a signal and wait until it is delivered. Raises `ApplicationError` when it cannot be."""
    core.check("signal a workflow")
    machine = SignalMachine(core, name, workflow_id, namespace)

    def fill(made: command.Command) -> None:
        attributes = made.signal_external_workflow_execution_command_attributes
        attributes.namespace = namespace or core.options.namespace
        attributes.execution.workflow_id = workflow_id
        if run_id:
            attributes.execution.run_id = run_id
        attributes.signal_name = name
        attributes.child_workflow_only = child
        if args:
            attributes.input.payloads.extend(machine.conversion.encode(args))
        if headers:
            set_headers(attributes.header, headers)

    machine.asked = core.ask(
        enums_event.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
        machine,
        enums_command.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION,
        fill,
        captured(groups),
    )
    await _delivered(core, machine.future, machine.withdraw)


async def _delivered(core: Core, future: asyncio.Future[None], withdraw: Any) -> None:
    while True:
        try:
            await asyncio.shield(future)
            return
        except asyncio.CancelledError:
            if core.evicted or future.done():
                raise
            withdraw()
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()


class CancelMachine:
    """One request to cancel another workflow; for a child ``future`` is None: its end tells."""

    __slots__ = ("asked", "core", "future", "initiated_id", "seq", "workflow_id")

    def __init__(self, core: Core, workflow_id: str, future: asyncio.Future[None] | None) -> None:
        self.core = core
        self.seq = core.next("cancel") if future is not None else 0
        self.workflow_id = workflow_id
        self.future = future
        self.initiated_id = 0
        self.asked: Asked

    def describe(self) -> str:
        return f"cancelling workflow {self.workflow_id!r}"

    def recorded(self, event: history.HistoryEvent) -> None:
        self.initiated_id = event.event_id
        self.core.by_event[event.event_id] = self

    def on_event(self, event: history.HistoryEvent) -> None:
        self.core.by_event.pop(self.initiated_id, None)
        failed = event.event_type != enums_event.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED
        if self.future is None:
            return
        error: BaseException | None = None
        if failed:
            cause = event.request_cancel_external_workflow_execution_failed_event_attributes.cause
            enum = enums_failed.CancelExternalWorkflowExecutionFailedCause
            kind = _camel(enum, cause, "CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_")
            reason = "not found" if cause else "unknown"
            error = self.core.for_workflow(self.workflow_id).error_of(
                _refused(f"Unable to cancel external workflow because {reason}", kind)
            )
        self.core.jobs.append(lambda: self._resolve(error))

    def _resolve(self, error: BaseException | None) -> None:
        assert self.future is not None
        if self.future.done():
            return
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(error)


def ask_cancel(
    core: Core,
    machine: CancelMachine,
    workflow_id: str,
    run_id: str | None,
    reason: str,
    child: bool,
    namespace: str = "",
    groups: Groups = (),
) -> None:
    """Put the request among the commands."""

    def fill(made: command.Command) -> None:
        attributes = made.request_cancel_external_workflow_execution_command_attributes
        attributes.namespace = namespace or core.options.namespace
        attributes.workflow_id = workflow_id
        if run_id:
            attributes.run_id = run_id
        attributes.child_workflow_only = child
        attributes.reason = reason

    machine.asked = core.ask(
        enums_event.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
        machine,
        enums_command.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION,
        fill,
        groups,
    )


async def cancel(core: Core, workflow_id: str, run_id: str | None, reason: str) -> None:
    """Ask for another workflow's cancellation and wait until that is delivered. Raises `ApplicationError`."""
    core.check("cancel a workflow")
    future: asyncio.Future[None] = core.loop.create_future()
    machine = CancelMachine(core, workflow_id, future)
    told = f"Cancel requested by workflow with run id {core.options.run_id} with reason: {reason}"
    ask_cancel(core, machine, workflow_id, run_id, told, child=False, groups=captured())
    await future
