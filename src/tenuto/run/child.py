"""Child workflows as the parent sees them: started, signalled, cancelled, resolved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tenuto.common import UNSET
from tenuto.exceptions import WorkflowAlreadyStartedError
from tenuto.run.activity import set_priority
from tenuto.run.core import CHECK_IDS, same_build, set_duration, set_headers
from tenuto.run.external import CancelMachine, ask_cancel
from tenuto.run.ledger import Asked, nondeterminism
from tenuto.wire import enums_command, enums_event, enums_failed, enums_workflow, failure
from tenuto.workflow.enums import ChildWorkflowCancellationType as Cancellation
from tenuto.workflow.event_groups import EventGroup, captured, grouped
from tenuto.workflow.handles import ChildWorkflowHandle
from tenuto.workflow.interception import SignalChildWorkflowInput

if TYPE_CHECKING:
    from tenuto.run.conversion import Conversion
    from tenuto.run.core import Core
    from tenuto.wire import command, history
    from tenuto.workflow.interception import StartChildWorkflowInput


class RunChildHandle(ChildWorkflowHandle[Any, Any]):
    """A task that waits for the child, and turns its own cancellation into the child's."""

    machine: ChildMachine

    @property
    def id(self) -> str:
        return self.machine.workflow_id

    @property
    def first_execution_run_id(self) -> str | None:
        return self.machine.run_id

    async def signal(
        self,
        signal: str | Callable[..., Any],
        arg: Any = UNSET,
        *,
        args: Sequence[Any] = (),
        event_groups: Sequence[EventGroup] | None = None,
    ) -> None:
        from tenuto.workflow.calls import signal_name_and_args

        name, given = signal_name_and_args(signal, arg, args)
        core = self.machine.core
        core.check("signal a child workflow")
        await core.outbound.signal_child_workflow(
            SignalChildWorkflowInput(
                signal=name,
                args=given,
                child_workflow_id=self.id,
                headers={},
                event_groups=grouped(event_groups),
            )
        )

    def cancel(self, msg: Any = None) -> bool:
        core = self.machine.core
        if not core.evicted:
            core.check("cancel a child workflow")
            if not self.machine.began and not self.done():
                self.machine.cancel(msg)
        return super().cancel(msg)


class ChildMachine:
    """One child, from the command to its end."""

    __slots__ = (
        "asked",
        "began",
        "cancel_sent",
        "cancellation_type",
        "conversion",
        "core",
        "future",
        "groups",
        "initiated_id",
        "namespace",
        "resolved",
        "ret_type",
        "run_id",
        "seq",
        "start",
        "started_id",
        "workflow_id",
        "workflow_type",
    )

    def __init__(self, core: Core, wanted: StartChildWorkflowInput) -> None:
        self.core = core
        self.seq = core.next("child")
        self.workflow_id = wanted.id
        self.workflow_type = wanted.workflow
        self.namespace = core.options.namespace
        self.conversion = core.for_workflow(wanted.id)
        self.cancellation_type = wanted.cancellation_type
        self.ret_type = wanted.ret_type
        self.start: asyncio.Future[None] = core.loop.create_future()
        self.future: asyncio.Future[Any] = core.loop.create_future()
        self.began = False
        self.cancel_sent = False
        self.resolved = False
        self.initiated_id = 0
        self.started_id = 0
        self.run_id: str | None = None
        self.groups = captured(wanted.event_groups)
        self.asked: Asked = core.ask(
            enums_event.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
            self,
            enums_command.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION,
            lambda made: _fill(core, self.conversion, made, wanted),
            self.groups,
        )

    def describe(self) -> str:
        return f"child workflow {self.workflow_type!r} (id {self.workflow_id!r})"

    def recorded(self, event: history.HistoryEvent) -> None:
        held = event.start_child_workflow_execution_initiated_event_attributes
        if self.core.seen(CHECK_IDS):
            if held.workflow_id != self.workflow_id:
                why = f"Child workflow id of scheduled event {held.workflow_id!r}"
                raise nondeterminism(event, self.asked, why)
            if held.workflow_type.name != self.workflow_type:
                why = f"Child workflow type of scheduled event {held.workflow_type.name!r}"
                raise nondeterminism(event, self.asked, why)
        self.initiated_id = event.event_id
        self.core.by_event[event.event_id] = self

    def on_event(self, event: history.HistoryEvent) -> None:
        core, kind = self.core, event.event_type
        if kind == enums_event.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
            self.started_id = event.event_id
            self.run_id = event.child_workflow_execution_started_event_attributes.workflow_execution.run_id
            core.jobs.append(self._started)
            return
        core.by_event.pop(self.initiated_id, None)
        if self.resolved:
            return
        self.resolved = True
        if kind == enums_event.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED:
            cause = event.start_child_workflow_execution_failed_event_attributes.cause
            core.jobs.append(lambda: self._start_failed(self._start_error(cause)))
        elif kind == enums_event.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED:
            payloads = event.child_workflow_execution_completed_event_attributes.result.payloads
            core.jobs.append(lambda: self._succeed(payloads))
        else:
            made = self._end_failure(event)
            core.jobs.append(lambda: self._fail(made))

    def _start_error(self, cause: int) -> BaseException:
        causes = enums_failed.StartChildWorkflowExecutionFailedCause
        if cause == causes.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS:
            return WorkflowAlreadyStartedError(self.workflow_id, self.workflow_type)
        if cause == causes.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_NAMESPACE_NOT_FOUND:
            return RuntimeError(
                f"child workflow {self.workflow_id!r} cannot start: its namespace does not exist"
            )
        return RuntimeError(f"child workflow {self.workflow_id!r} cannot start: cause {cause}")

    def _end_failure(self, event: history.HistoryEvent) -> failure.Failure:
        kind = event.event_type
        if kind == enums_event.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED:
            failed = event.child_workflow_execution_failed_event_attributes
            return self._failure("Child Workflow execution failed", failed.retry_state, failed.failure)
        if kind == enums_event.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT:
            late = event.child_workflow_execution_timed_out_event_attributes
            cause = failure.Failure(message="Timed out")
            cause.timeout_failure_info.timeout_type = enums_workflow.TIMEOUT_TYPE_START_TO_CLOSE
            return self._failure("Child Workflow execution timed out", late.retry_state, cause)
        if kind == enums_event.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED:
            cause = failure.Failure(message="Terminated")
            cause.terminated_failure_info.SetInParent()
            return self._failure(
                "Child Workflow execution terminated",
                enums_workflow.RETRY_STATE_NON_RETRYABLE_FAILURE,
                cause,
            )
        details = event.child_workflow_execution_canceled_event_attributes.details.payloads
        return self._cancelled("Child Workflow execution cancelled", details)

    def _failure(self, message: str, retry_state: int, cause: failure.Failure) -> failure.Failure:
        made = failure.Failure(message=message)
        told = made.child_workflow_execution_failure_info
        told.namespace = self.namespace
        told.workflow_execution.workflow_id = self.workflow_id
        told.workflow_execution.run_id = self.run_id or ""
        told.workflow_type.name = self.workflow_type
        told.initiated_event_id = self.initiated_id
        told.started_event_id = self.started_id
        told.retry_state = retry_state  # type: ignore[assignment]
        made.cause.CopyFrom(cause)
        return made

    def _cancelled(self, message: str, details: Any = ()) -> failure.Failure:
        cause = failure.Failure()
        cause.canceled_failure_info.SetInParent()
        if details:
            cause.canceled_failure_info.details.payloads.extend(details)
        return self._failure(message, enums_workflow.RETRY_STATE_NON_RETRYABLE_FAILURE, cause)

    def _started(self) -> None:
        if not self.start.done():
            self.start.set_result(None)

    def _start_failed(self, error: BaseException) -> None:
        if not self.start.done():
            self.start.set_exception(error)
        if not self.future.done():
            # Nobody got a handle to wait on; the task behind it must still end.
            self.future.set_result(None)

    def _succeed(self, payloads: Any) -> None:
        if self.future.done():
            return
        try:
            self.future.set_result(self.conversion.decode_result(payloads, self.ret_type))
        except Exception as error:  # noqa: BLE001 - whoever waits for the result learns that it cannot be read
            self.future.set_exception(error)

    def _fail(self, sent: failure.Failure) -> None:
        error = self.conversion.error_of(sent)
        if not self.start.done():
            self._start_failed(error)
        elif not self.future.done():
            self.future.set_exception(error)

    def cancel(self, reason: Any = None) -> None:
        """Cancel, as its cancellation type says."""
        core = self.core
        if self.cancel_sent or self.resolved or core.evicted:
            return
        core.check("cancel a child workflow")
        self.cancel_sent = True
        told = str(reason) if reason else ""
        if not self.initiated_id:
            core.ledger.drop(self.asked)
            self._resolve(self._cancelled(f"Child Workflow Execution cancelled before scheduled: {told}"))
            return
        if self.cancellation_type != Cancellation.ABANDON:
            # WAIT_CANCELLATION_REQUESTED waits for the child's end as well: workers of every make do, so histories say so.
            request = CancelMachine(core, self.workflow_id, None)
            ask_cancel(
                core,
                request,
                self.workflow_id,
                self.run_id,
                told,
                child=True,
                namespace=self.namespace,
                groups=self.groups,
            )
        if self.cancellation_type in (Cancellation.ABANDON, Cancellation.TRY_CANCEL):
            self._resolve(self._cancelled("Child Workflow execution cancelled"))

    def _resolve(self, sent: failure.Failure) -> None:
        if self.resolved:
            return
        self.resolved = True
        self.core.jobs.append(lambda: self._fail(sent))


def _fill(core: Core, conversion: Conversion, made: command.Command, wanted: StartChildWorkflowInput) -> None:
    from tenuto.run.attributes import fill_search_attributes

    attributes = made.start_child_workflow_execution_command_attributes
    attributes.namespace = core.options.namespace
    attributes.workflow_id = wanted.id
    attributes.workflow_type.name = wanted.workflow
    attributes.task_queue.name = wanted.task_queue or core.options.task_queue
    if wanted.args:
        attributes.input.payloads.extend(conversion.encode(wanted.args))
    set_duration(attributes.workflow_execution_timeout, wanted.execution_timeout)
    set_duration(attributes.workflow_run_timeout, wanted.run_timeout)
    set_duration(attributes.workflow_task_timeout, wanted.task_timeout)
    attributes.parent_close_policy = int(wanted.parent_close_policy)  # type: ignore[assignment]
    attributes.workflow_id_reuse_policy = int(wanted.id_reuse_policy)  # type: ignore[assignment]
    if wanted.retry_policy is not None:
        wanted.retry_policy.apply_to_proto(attributes.retry_policy)
    attributes.cron_schedule = wanted.cron_schedule
    if wanted.headers:
        set_headers(attributes.header, wanted.headers)
    for name, value in (wanted.memo or {}).items():
        attributes.memo.fields[name].CopyFrom(conversion.encode_one(value))
    if wanted.search_attributes:
        fill_search_attributes(attributes.search_attributes, wanted.search_attributes)
    attributes.inherit_build_id = same_build(core, wanted.versioning_intent, attributes.task_queue.name)
    if wanted.priority is not None:
        set_priority(attributes.priority, wanted.priority)
    conversion.summarize(made, wanted.static_summary, wanted.static_details)


async def _result(machine: ChildMachine) -> Any:
    machine.began = True
    while True:
        try:
            return await asyncio.shield(machine.future)
        except asyncio.CancelledError as error:
            if machine.core.evicted or (machine.core.single_batch and machine.future.done()):
                raise
            _go_on_cancelled(machine, error)


def _seen(handle: asyncio.Task[Any]) -> None:
    """Nobody got this handle, so that nobody can ask how it ended: asyncio must not complain of that."""
    if not handle.cancelled():
        handle.exception()


def _go_on_cancelled(machine: ChildMachine, error: asyncio.CancelledError) -> None:
    machine.cancel(error.args[0] if error.args else None)
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


async def start(core: Core, wanted: StartChildWorkflowInput) -> ChildWorkflowHandle[Any, Any]:
    """Ask for a child, and wait until it has started. Raises `WorkflowAlreadyStartedError`, `ChildWorkflowError`."""
    core.check("start a child workflow")
    machine = ChildMachine(core, wanted)
    handle = RunChildHandle(_result(machine), loop=core.loop, name=f"child: {wanted.workflow} ({wanted.id})")
    handle.machine = machine
    core.loop.keep(handle)
    while True:
        try:
            await asyncio.shield(machine.start)
            return handle
        except asyncio.CancelledError as error:
            if core.evicted:
                raise
            machine.cancel(error.args[0] if error.args else None)
            if core.cancel_requested or machine.start.done():
                handle.add_done_callback(_seen)
                raise
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
