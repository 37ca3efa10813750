"""Nexus operations as the calling workflow sees them: started, cancelled, resolved."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from tenuto.run.core import set_duration
from tenuto.run.ledger import Asked, nondeterminism
from tenuto.wire import enums_command, enums_event, failure
from tenuto.workflow.enums import NexusOperationCancellationType as Cancellation
from tenuto.workflow.event_groups import captured
from tenuto.workflow.handles import NexusOperationHandle

if TYPE_CHECKING:
    from tenuto.run.core import Core
    from tenuto.wire import command, history
    from tenuto.workflow.interception import StartNexusOperationInput

_E = enums_event


class RunNexusHandle(NexusOperationHandle[Any]):
    """Waits for the operation through a task, whose cancellation becomes the operation's."""

    def __init__(self, machine: NexusMachine, task: asyncio.Task[Any]) -> None:
        self._machine = machine
        self._task = task

    @property
    def operation_token(self) -> str | None:
        return self._machine.token

    def cancel(self) -> bool:
        machine = self._machine
        if not machine.core.evicted:
            machine.core.check("cancel a Nexus operation")
            if not machine.began and not self._task.done():
                machine.cancel()
        return self._task.cancel()

    def __await__(self) -> Generator[Any, None, Any]:
        return self._task.__await__()


class NexusMachine:
    """One operation, from the command to its end."""

    __slots__ = (
        "asked",
        "began",
        "cancel_sent",
        "core",
        "future",
        "groups",
        "resolved",
        "scheduled_id",
        "seq",
        "start",
        "token",
        "wanted",
    )

    def __init__(self, core: Core, wanted: StartNexusOperationInput) -> None:
        self.core = core
        self.wanted = wanted
        self.seq = core.next("nexus")
        self.start: asyncio.Future[None] = core.loop.create_future()
        self.future: asyncio.Future[Any] = core.loop.create_future()
        self.began = False
        self.cancel_sent = False
        self.resolved = False
        self.scheduled_id = 0
        self.token: str | None = None
        self.groups = captured(wanted.event_groups)
        self.asked: Asked = core.ask(
            _E.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED,
            self,
            enums_command.COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION,
            self._fill,
            self.groups,
        )

    def _fill(self, made: command.Command) -> None:
        wanted, attributes = self.wanted, made.schedule_nexus_operation_command_attributes
        attributes.endpoint = wanted.endpoint
        attributes.service = wanted.service
        attributes.operation = wanted.operation_name
        attributes.input.CopyFrom(self.core.encode_one(wanted.input))
        set_duration(attributes.schedule_to_close_timeout, wanted.schedule_to_close_timeout)
        set_duration(attributes.schedule_to_start_timeout, wanted.schedule_to_start_timeout)
        set_duration(attributes.start_to_close_timeout, wanted.start_to_close_timeout)
        attributes.nexus_header.update(wanted.headers or {})
        self.core.summarize(made, wanted.summary)

    def describe(self) -> str:
        return f"Nexus operation {self.wanted.service}.{self.wanted.operation_name} ({self.seq})"

    def recorded(self, event: history.HistoryEvent) -> None:
        held = event.nexus_operation_scheduled_event_attributes
        if (held.service, held.operation) != (self.wanted.service, self.wanted.operation_name):
            raise nondeterminism(event, self.asked, f"the operation is {held.service}.{held.operation}")
        self.scheduled_id = event.event_id
        self.core.by_event[event.event_id] = self

    def on_event(self, event: history.HistoryEvent) -> None:
        core, kind = self.core, event.event_type
        if kind == _E.EVENT_TYPE_NEXUS_OPERATION_STARTED:
            told = event.nexus_operation_started_event_attributes
            self.token = told.operation_token or None
            core.jobs.append(self._started)
            return
        if kind in (
            _E.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_COMPLETED,
            _E.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_FAILED,
        ):
            if self.wanted.cancellation_type == Cancellation.WAIT_REQUESTED:
                told_why = event.nexus_operation_cancel_request_failed_event_attributes
                self._resolve_cancelled(why=told_why.failure if told_why.HasField("failure") else None)
            return
        core.by_event.pop(self.scheduled_id, None)
        if self.resolved:
            return
        self.resolved = True
        if kind == _E.EVENT_TYPE_NEXUS_OPERATION_COMPLETED:
            result = event.nexus_operation_completed_event_attributes.result
            core.jobs.append(lambda: self._succeed(result))
            return
        if kind == _E.EVENT_TYPE_NEXUS_OPERATION_FAILED:
            sent = event.nexus_operation_failed_event_attributes.failure
        elif kind == _E.EVENT_TYPE_NEXUS_OPERATION_CANCELED:
            sent = event.nexus_operation_canceled_event_attributes.failure
        else:
            sent = event.nexus_operation_timed_out_event_attributes.failure
        core.jobs.append(lambda: self._fail(sent))

    def _started(self) -> None:
        if not self.start.done():
            self.start.set_result(None)

    def _succeed(self, result: Any) -> None:
        self._started()
        if self.future.done():
            return
        try:
            self.future.set_result(self.core.decode_result([result], self.wanted.output_type))
        except Exception as error:  # noqa: BLE001 - whoever waits for the result learns that it cannot be read
            self.future.set_exception(error)

    def _fail(self, sent: failure.Failure) -> None:
        error = self.core.error_of(sent)
        if not self.start.done():
            self.start.set_exception(error)
            if not self.future.done():
                self.future.set_result(None)
        elif not self.future.done():
            self.future.set_exception(error)

    def cancel(self) -> None:
        """Cancel, as its cancellation type says."""
        core, how = self.core, self.wanted.cancellation_type
        if self.cancel_sent or self.resolved or core.evicted:
            return
        core.check("cancel a Nexus operation")
        self.cancel_sent = True
        if not self.scheduled_id:
            core.ledger.drop(self.asked)
            self._resolve_cancelled("Nexus Operation cancelled before scheduled")
            return
        if how != Cancellation.ABANDON:

            def fill(made: command.Command) -> None:
                made.request_cancel_nexus_operation_command_attributes.scheduled_event_id = self.scheduled_id

            core.ask(
                _E.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUESTED,
                _Cancel(self),
                enums_command.COMMAND_TYPE_REQUEST_CANCEL_NEXUS_OPERATION,
                fill,
                self.groups,
            )
        if how in (Cancellation.ABANDON, Cancellation.TRY_CANCEL):
            self._resolve_cancelled()

    def _resolve_cancelled(
        self, cause: str = "Nexus operation cancelled", why: failure.Failure | None = None
    ) -> None:
        """``why``: what the handler said that would not cancel."""
        if self.resolved:
            return
        self.resolved = True
        made = failure.Failure(message="nexus operation completed unsuccessfully")
        told = made.nexus_operation_execution_failure_info
        told.scheduled_event_id = self.scheduled_id
        told.endpoint = self.wanted.endpoint
        told.service = self.wanted.service
        told.operation = self.wanted.operation_name
        told.operation_token = self.token or ""
        if why is not None and why.HasField("nexus_operation_execution_failure_info"):
            made = why
        elif why is not None:
            made.cause.CopyFrom(why)
        else:
            made.cause.message = cause
            made.cause.canceled_failure_info.SetInParent()
        self.core.jobs.append(lambda: self._fail(made))


class _Cancel:
    """The command that asks for an operation's cancellation."""

    __slots__ = ("operation",)

    def __init__(self, operation: NexusMachine) -> None:
        self.operation = operation

    def describe(self) -> str:
        return f"cancelling {self.operation.describe()}"

    def recorded(self, event: history.HistoryEvent) -> None:
        pass


def _uncancel() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


async def _result(machine: NexusMachine) -> Any:
    machine.began = True
    while True:
        try:
            return await asyncio.shield(machine.future)
        except asyncio.CancelledError:
            if machine.core.evicted or (machine.core.single_batch and machine.future.done()):
                raise
            machine.cancel()
            _uncancel()


async def start(core: Core, wanted: StartNexusOperationInput) -> NexusOperationHandle[Any]:
    """Ask for an operation, and wait until it has started (or ended). Raises `NexusOperationError`."""
    core.check("start a Nexus operation")
    machine = NexusMachine(core, wanted)
    name = f"nexus: {wanted.service}.{wanted.operation_name} ({machine.seq})"
    task = core.loop.create_task(_result(machine), name=name)
    while True:
        try:
            await asyncio.shield(machine.start)
            return RunNexusHandle(machine, task)
        except asyncio.CancelledError:
            if core.evicted:
                raise
            machine.cancel()
            if core.cancel_requested or machine.start.done():
                raise
            _uncancel()
