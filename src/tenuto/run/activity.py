"""Activities as the workflow sees them: asked for, cancelled, resolved."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tenuto.run.core import CHECK_IDS, RAISE_ON_CANCELLED_DONE_ACTIVITY, same_build, set_duration, set_headers
from tenuto.run.ledger import Asked, nondeterminism
from tenuto.wire import common, enums_command, enums_event, enums_workflow, failure
from tenuto.workflow.enums import ActivityCancellationType
from tenuto.workflow.event_groups import captured
from tenuto.workflow.handles import ActivityHandle

if TYPE_CHECKING:
    from tenuto.run.core import Core
    from tenuto.wire import command, history
    from tenuto.workflow.interception import StartActivityInput


class RunActivityHandle(ActivityHandle[Any]):
    """A task that waits for the activity, and turns its own cancellation into the activity's."""

    machine: Any

    def cancel(self, msg: Any = None) -> bool:
        machine = self.machine
        if not machine.core.evicted:
            machine.core.check("cancel an activity")
            if not machine.began and not self.done():
                # Its coroutine never runs, so nobody else would tell the activity.
                machine.cancel()
        return super().cancel(msg)


async def await_resolution(machine: Any) -> Any:
    """Wait for ``machine.future`` whatever happens; being cancelled cancels the machine, which resolves in its own way."""
    core: Core = machine.core
    machine.began = True
    while True:
        try:
            return await asyncio.shield(machine.future)
        except asyncio.CancelledError:
            if core.evicted:
                raise
            if machine.future.done():
                if core.single_batch:
                    raise
                # Cancelled in the very activation that brought the result. Old histories swallowed that.
                if not core.replaying and RAISE_ON_CANCELLED_DONE_ACTIVITY not in core.lang_flags:
                    core.lang_flags.add(RAISE_ON_CANCELLED_DONE_ACTIVITY)
                    core.new_lang_flags.append(RAISE_ON_CANCELLED_DONE_ACTIVITY)
                if RAISE_ON_CANCELLED_DONE_ACTIVITY in core.lang_flags:
                    raise
            machine.cancel()
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()


class ActivityMachine:
    """One activity, from the command to its end."""

    __slots__ = (
        "activity_id",
        "activity_type",
        "asked",
        "began",
        "cancel_sent",
        "cancellation_type",
        "conversion",
        "core",
        "future",
        "groups",
        "resolved",
        "ret_type",
        "scheduled_id",
        "seq",
        "started",
    )

    def __init__(self, core: Core, wanted: StartActivityInput) -> None:
        self.core = core
        self.seq = core.next("activity")
        self.activity_id = wanted.activity_id or str(self.seq)
        self.activity_type = wanted.activity
        queue = wanted.task_queue or core.options.task_queue
        self.conversion = core.for_activity(self.activity_id, self.activity_type, queue, local=False)
        self.cancellation_type = wanted.cancellation_type
        self.ret_type = wanted.ret_type
        self.future: asyncio.Future[Any] = core.loop.create_future()
        self.began = False
        self.scheduled_id = 0
        self.started: tuple[int, str] = (0, "")
        self.resolved = False
        self.cancel_sent = False
        self.groups = captured(wanted.event_groups)
        self.asked: Asked = core.ask(
            enums_event.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
            self,
            enums_command.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
            lambda made: self._fill(made, wanted),
            self.groups,
        )

    def _fill(self, made: command.Command, wanted: StartActivityInput) -> None:
        core = self.core
        attributes = made.schedule_activity_task_command_attributes
        attributes.activity_id = self.activity_id
        attributes.activity_type.name = self.activity_type
        attributes.task_queue.name = wanted.task_queue or core.options.task_queue
        if wanted.headers:
            set_headers(attributes.header, wanted.headers)
        if wanted.args:
            attributes.input.payloads.extend(self.conversion.encode(wanted.args))
        set_duration(attributes.schedule_to_close_timeout, wanted.schedule_to_close_timeout)
        set_duration(attributes.schedule_to_start_timeout, wanted.schedule_to_start_timeout)
        set_duration(attributes.start_to_close_timeout, wanted.start_to_close_timeout)
        set_duration(attributes.heartbeat_timeout, wanted.heartbeat_timeout)
        if wanted.retry_policy is not None:
            wanted.retry_policy.apply_to_proto(attributes.retry_policy)
        attributes.request_eager_execution = (
            core.options.eager_activities
            and not wanted.disable_eager_execution
            and attributes.task_queue.name == core.options.task_queue
        )
        attributes.use_workflow_build_id = same_build(
            core, wanted.versioning_intent, attributes.task_queue.name
        )
        if wanted.priority is not None:
            set_priority(attributes.priority, wanted.priority)
        core.summarize(made, wanted.summary)

    def describe(self) -> str:
        return f"activity {self.activity_type!r} (id {self.activity_id!r})"

    def recorded(self, event: history.HistoryEvent) -> None:
        attributes = event.activity_task_scheduled_event_attributes
        if self.core.seen(CHECK_IDS):
            if attributes.activity_id != self.activity_id:
                raise nondeterminism(
                    event, self.asked, f"Activity id of scheduled event {attributes.activity_id!r}"
                )
            if attributes.activity_type.name != self.activity_type:
                raise nondeterminism(
                    event, self.asked, f"Activity type of scheduled event {attributes.activity_type.name!r}"
                )
        self.scheduled_id = event.event_id
        self.core.by_event[event.event_id] = self

    def on_event(self, event: history.HistoryEvent) -> None:
        kind = event.event_type
        if kind == enums_event.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            self.started = (event.event_id, event.activity_task_started_event_attributes.identity)
            return
        self.core.by_event.pop(self.scheduled_id, None)
        if self.resolved:
            return
        self.resolved = True
        if kind == enums_event.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            payloads = event.activity_task_completed_event_attributes.result.payloads
            self.core.jobs.append(lambda: self._succeed(payloads))
            return
        if kind == enums_event.EVENT_TYPE_ACTIVITY_TASK_FAILED:
            failed = event.activity_task_failed_event_attributes
            made = self._failure("Activity task failed", failed.retry_state, failed.failure, failed.identity)
        elif kind == enums_event.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
            late = event.activity_task_timed_out_event_attributes
            made = self._failure("Activity task timed out", late.retry_state, late.failure, "")
        else:
            made = self._cancelled(list(event.activity_task_canceled_event_attributes.details.payloads))
        self.core.jobs.append(lambda: self._fail(made))

    def _failure(
        self, message: str, retry_state: int, cause: failure.Failure, identity: str
    ) -> failure.Failure:
        made = failure.Failure(message=message)
        made.activity_failure_info.scheduled_event_id = self.scheduled_id
        made.activity_failure_info.started_event_id = self.started[0]
        made.activity_failure_info.identity = identity or self.started[1]
        made.activity_failure_info.activity_type.name = self.activity_type
        made.activity_failure_info.activity_id = self.activity_id
        made.activity_failure_info.retry_state = retry_state  # type: ignore[assignment]
        made.cause.CopyFrom(cause)
        return made

    def _cancelled(self, details: list[common.Payload]) -> failure.Failure:
        cause = failure.Failure()
        cause.canceled_failure_info.SetInParent()
        if details:
            cause.canceled_failure_info.details.payloads.extend(details)
        state = enums_workflow.RETRY_STATE_CANCEL_REQUESTED
        return self._failure("Activity cancelled", state, cause, "")

    def _succeed(self, payloads: Any) -> None:
        if self.future.done():
            return
        try:
            self.future.set_result(self.conversion.decode_result(payloads, self.ret_type))
        except Exception as error:  # noqa: BLE001 - whoever waits for the result learns that it cannot be read
            self.future.set_exception(error)

    def _fail(self, sent: failure.Failure) -> None:
        if not self.future.done():
            self.future.set_exception(self.conversion.error_of(sent))

    def cancel(self) -> None:
        """Cancel, as its cancellation type says. A second time does nothing."""
        core = self.core
        if self.cancel_sent or self.resolved or core.evicted:
            return
        core.check("cancel an activity")
        self.cancel_sent = True
        if not self.scheduled_id:
            core.ledger.drop(self.asked)
            self._resolve_cancelled()
            return
        if self.cancellation_type != ActivityCancellationType.ABANDON:

            def fill(made: command.Command) -> None:
                made.request_cancel_activity_task_command_attributes.scheduled_event_id = self.scheduled_id

            core.ask(
                enums_event.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED,
                _Cancel(self),
                enums_command.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK,
                fill,
                self.groups,
            )
        if self.cancellation_type != ActivityCancellationType.WAIT_CANCELLATION_COMPLETED:
            self._resolve_cancelled()

    def _resolve_cancelled(self) -> None:
        self.resolved = True
        made = self._cancelled([])
        # Nobody waits for the events that would tell, so the failure names none.
        made.activity_failure_info.scheduled_event_id = 0
        made.activity_failure_info.started_event_id = 0
        made.activity_failure_info.identity = ""
        self.core.jobs.append(lambda: self._fail(made))


class _Cancel:
    """The command that asks for an activity's cancellation."""

    __slots__ = ("activity",)

    def __init__(self, activity: ActivityMachine) -> None:
        self.activity = activity

    def describe(self) -> str:
        return f"cancelling {self.activity.describe()}"

    def recorded(self, event: history.HistoryEvent) -> None:
        held = event.activity_task_cancel_requested_event_attributes.scheduled_event_id
        if held != self.activity.scheduled_id:
            raise nondeterminism(event, self.activity.asked, "another activity was cancelled")


def set_priority(field: common.Priority, priority: Any) -> None:
    """Write what of a priority is set."""
    if priority.priority_key:
        field.priority_key = priority.priority_key
    if priority.fairness_key:
        field.fairness_key = priority.fairness_key
    if priority.fairness_weight:
        field.fairness_weight = priority.fairness_weight


def start(core: Core, wanted: StartActivityInput) -> ActivityHandle[Any]:
    """Ask for an activity. Raises ValueError when it has no timeout."""
    core.check("start an activity")
    if wanted.start_to_close_timeout is None and wanted.schedule_to_close_timeout is None:
        raise ValueError("Activity must have start_to_close_timeout or schedule_to_close_timeout")
    machine = ActivityMachine(core, wanted)
    handle = RunActivityHandle(
        await_resolution(machine), loop=core.loop, name=f"activity: {wanted.activity} ({machine.activity_id})"
    )
    handle.machine = machine
    core.loop.keep(handle)
    return handle
