"""One workflow run as a machine without I/O: an activation in, a completion out. It never raises.

The worker shows it one workflow task's events at a time. Events are first matched with what the code asked for, then
turned into jobs, and the jobs run in the order that every worker of this protocol keeps: patches, then signals and
updates, then the rest, and last what local activities gave. This room must never read a clock, do I/O, or know what a
worker is.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tenuto.common import WorkerDeploymentVersion
from tenuto.run import local_activity, patch
from tenuto.run.attributes import info_of
from tenuto.run.builtin import answer_builtin
from tenuto.run.context import Context, Inbound, Outbound
from tenuto.run.core import CORE_FLAGS, SINGLE_BATCH, Core
from tenuto.run.handlers import Handlers, UpdateJob
from tenuto.run.outcome import Outcome
from tenuto.run.seed import seed_of
from tenuto.run.types import Completion, QueryAnswer, TaskFailure
from tenuto.wire import enums_event, enums_failed, failure, update
from tenuto.workflow.errors import NondeterminismError
from tenuto.workflow.facts import TaskFacts
from tenuto.workflow.interception import ExecuteWorkflowInput

if TYPE_CHECKING:
    import asyncio

    from tenuto.run.types import Activation, LocalActivityResult, LocalActivityStart, RunOptions
    from tenuto.wire import history, protocol, query
    from tenuto.workflow.facts import Info

logger = logging.getLogger("tenuto.workflow")

_E = enums_event
_COMMANDS = frozenset(
    {
        _E.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        _E.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED,
        _E.EVENT_TYPE_TIMER_STARTED,
        _E.EVENT_TYPE_TIMER_CANCELED,
        _E.EVENT_TYPE_MARKER_RECORDED,
        _E.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
        _E.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
        _E.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
        _E.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        _E.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
        _E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        _E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
        _E.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED,
        _E.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUESTED,
        _E.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        _E.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        _E.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        _E.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    }
)
_BELONGS: dict[int, tuple[str, str]] = {
    _E.EVENT_TYPE_ACTIVITY_TASK_STARTED: ("activity_task_started_event_attributes", "scheduled_event_id"),
    _E.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: ("activity_task_completed_event_attributes", "scheduled_event_id"),
    _E.EVENT_TYPE_ACTIVITY_TASK_FAILED: ("activity_task_failed_event_attributes", "scheduled_event_id"),
    _E.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: ("activity_task_timed_out_event_attributes", "scheduled_event_id"),
    _E.EVENT_TYPE_ACTIVITY_TASK_CANCELED: ("activity_task_canceled_event_attributes", "scheduled_event_id"),
    _E.EVENT_TYPE_TIMER_FIRED: ("timer_fired_event_attributes", "started_event_id"),
    _E.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED: (
        "start_child_workflow_execution_failed_event_attributes",
        "initiated_event_id",
    ),
    _E.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED: (
        "external_workflow_execution_signaled_event_attributes",
        "initiated_event_id",
    ),
    _E.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED: (
        "signal_external_workflow_execution_failed_event_attributes",
        "initiated_event_id",
    ),
    _E.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED: (
        "external_workflow_execution_cancel_requested_event_attributes",
        "initiated_event_id",
    ),
    _E.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED: (
        "request_cancel_external_workflow_execution_failed_event_attributes",
        "initiated_event_id",
    ),
    **{
        getattr(_E, f"EVENT_TYPE_NEXUS_OPERATION_{word}"): (
            f"nexus_operation_{word.lower()}_event_attributes",
            "scheduled_event_id",
        )
        for word in (
            "STARTED",
            "COMPLETED",
            "FAILED",
            "CANCELED",
            "TIMED_OUT",
            "CANCEL_REQUEST_COMPLETED",
            "CANCEL_REQUEST_FAILED",
        )
    },
    **{
        getattr(_E, f"EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_{word}"): (
            f"child_workflow_execution_{word.lower()}_event_attributes",
            "initiated_event_id",
        )
        for word in ("STARTED", "COMPLETED", "FAILED", "CANCELED", "TIMED_OUT", "TERMINATED")
    },
}
"""Later events of a machine, and the field that holds the id of the event its command made."""

Job = Callable[[], object]


class Run:
    """One run of a workflow, in memory. Drop it after a failed completion, or when it is ``closed``."""

    def __init__(self, options: RunOptions) -> None:
        self.options = options
        self.core = Core(options)
        self.outcome = Outcome(self.core)
        self.handlers = Handlers(self.core, self.outcome)
        self.outcome.handlers = self.handlers
        self.context = Context(self.core, self.handlers, self.outcome)
        self.core.loop.tenuto_runtime = self.context
        self._begun = False
        self._main: Any = None
        self._arguments: list[Any] = []
        self._signals: list[tuple[float, Job]] = []
        self._signalled = False
        self._admitted: dict[str, update.Request] = {}

    @property
    def closed(self) -> bool:
        """Whether the workflow has ended."""
        return self.outcome.closed

    @property
    def info(self) -> Info:
        """Facts of the run. Only after its first activation."""
        return self.core.info

    # ---- in and out -------------------------------------------------------------------------------------------------

    def activate(self, activation: Activation) -> Completion:
        """Live through one workflow task."""
        try:
            self.core.unsent_steps = False
            self._activate(activation)
        except Exception as error:  # noqa: BLE001 - whatever it is, the workflow task has failed
            self.outcome.fail_task(error)
        return self._completion()

    def resolve(self, results: Sequence[LocalActivityResult]) -> Completion:
        """Local activities have ended: go on within the same workflow task."""
        core = self.core
        try:
            for result in results:
                machine = core.locals.get(result.seq)
                if machine is not None and machine.ended(result) and machine.wanted.durable:
                    core.unsent_steps = True
            self._rounds()
        except Exception as error:  # noqa: BLE001 - whatever it is, the workflow task has failed
            self.outcome.fail_task(error)
        return self._completion()

    def recorded(self) -> list[LocalActivityStart]:
        """What was to be recorded now is in history, and the workflow task goes on: nothing of the code's runs here. Returns
        the local activities to begin now, at least one."""
        core = self.core
        core.unsent_steps = False
        begun, core.local_starts = core.local_starts, []
        return begun

    def query(self, asked: query.WorkflowQuery, query_id: str = "") -> QueryAnswer:
        """Answer a question about the present state, changing nothing."""
        core = self.core
        try:
            built_in = answer_builtin(self, asked)
            if built_in is not None:
                return built_in
            answers: list[QueryAnswer] = []
            core.in_query = True
            try:
                self.handlers.query(asked, query_id, answers)
                core.read_only = "a query"
                core.loop.drain(None, None)
            finally:
                core.read_only = ""
                core.in_query = False
            if answers:
                return answers[0]
            message = f"Query handler for {asked.query_type!r} did not finish: a query must not wait"
            return QueryAnswer(failure=failure.Failure(message=message), message=message)
        except Exception as error:  # noqa: BLE001 - a failed query fails nothing else
            return QueryAnswer(failure=failure.Failure(message=str(error)), message=str(error))

    def evict(self) -> None:
        """Take the run down: its coroutines are unwound, and nothing they ask for counts."""
        core = self.core
        core.evicted = True
        core.replaying = True
        self.outcome.error = None
        for _ in range(8):
            pending = core.loop.pending()
            if not pending:
                break
            for task in pending:
                with contextlib.suppress(Exception):
                    task.cancel()
            with contextlib.suppress(Exception):
                core.loop.drain(None, None)
        left = core.loop.pending()
        if left:
            logger.warning(
                "run %s of workflow %s was dropped while %d of its tasks refuse to end",
                self.options.run_id,
                self.options.workflow_id,
                len(left),
            )
            for task in left:
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                _keep_for_good(task)
        core.loop.close()
        core.by_event.clear()
        if not left:
            core.let_go()
            vars(self.outcome).pop("handlers", None)

    # ---- one workflow task ------------------------------------------------------------------------------------------

    def _activate(self, activation: Activation) -> None:
        core = self.core
        started = self._last_start(activation)
        core.replaying = not (
            activation.last and started is not None and started.event_id > activation.replay_until
        )
        self._read_flags(activation)
        core.single_batch = core.use_flag(SINGLE_BATCH)
        self._signals = []
        self._signalled = False
        skip_upsert = False
        first_task_at = started.event_time.ToNanoseconds() if started is not None else 0
        for event in activation.events:
            if skip_upsert and patch.is_change_version(event):
                skip_upsert = False
                continue
            skip_upsert = self._apply(event, first_task_at)
        for message in activation.messages:
            self._message(message)
        if started is None:
            return
        core.now_ns = max(core.now_ns, first_task_at)
        self._task_facts(started, activation)
        self._look_ahead(activation.following)
        self._signals.sort(key=lambda each: each[0])
        core.activation_index = 0
        self._run_jobs()

    def _last_start(self, activation: Activation) -> history.HistoryEvent | None:
        for event in reversed(activation.events):
            if event.event_type == _E.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                return event
        return None

    def _read_flags(self, activation: Activation) -> None:
        for event in (*activation.events, *activation.following):
            if event.event_type == _E.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                told = event.workflow_task_completed_event_attributes.sdk_metadata
                self.core.core_flags.update(told.core_used_flags)
                self.core.lang_flags.update(told.lang_used_flags)

    def _task_facts(self, started: history.HistoryEvent, activation: Activation) -> None:
        told = started.workflow_task_started_event_attributes
        build_id, version = self.options.build_id, self.options.deployment_version
        for event in activation.following:
            if event.event_type == _E.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                done = event.workflow_task_completed_event_attributes
                build_id = done.worker_version.build_id or done.deployment_version.build_id or build_id
                if done.HasField("deployment_version"):
                    named = done.deployment_version
                    version = WorkerDeploymentVersion(named.deployment_name, named.build_id)
                break
        self.core.task = TaskFacts(
            build_id=build_id,
            deployment_version=version,
            history_length=started.event_id,
            history_size=told.history_size_bytes or activation.history_size,
            continue_as_new_suggested=told.suggest_continue_as_new,
            target_version_changed=told.target_worker_deployment_version_changed,
        )

    # ---- events -----------------------------------------------------------------------------------------------------

    def _apply(self, event: history.HistoryEvent, first_task_at: int) -> bool:
        """Take note of one event. True: the change-version attribute that follows belongs to a marker passed over."""
        kind = event.event_type
        core = self.core
        if kind in _COMMANDS:
            return self._match(event)
        belongs = _BELONGS.get(kind)
        if belongs is not None:
            machine = core.by_event.get(getattr(getattr(event, belongs[0]), belongs[1]))
            if machine is not None:
                machine.on_event(event)
        elif kind == _E.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            self._signalled = True
            self._signals.append((event.event_id, lambda: self.handlers.signal(event)))
        elif kind == _E.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            self._begin(event, first_task_at)
        elif kind == _E.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
            reason = event.workflow_execution_cancel_requested_event_attributes.cause
            core.jobs.append(lambda: self._cancel(reason))
        elif kind == _E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED:
            self._admit(event)
        elif kind == _E.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            told = event.workflow_task_failed_event_attributes
            if told.cause == enums_failed.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW and told.new_run_id:
                seed = seed_of(told.new_run_id)
                core.jobs.appendleft(lambda: self.context.reseed(seed))
        return False

    def _match(self, event: history.HistoryEvent) -> bool:
        core = self.core
        patch_id = None
        if patch.is_patch(event):
            if patch.skips(event, core.ledger.oldest()):
                return True
            patch_id, _ = patch.read_marker(event.marker_recorded_event_attributes)
        core.ledger.match(event, patch_id)
        return False

    def _begin(self, event: history.HistoryEvent, first_task_at: int) -> None:
        core = self.core
        core.started = event.workflow_execution_started_event_attributes
        core.make_info = lambda: info_of(core, event, first_task_at)
        core.seed_text = core.started.original_execution_run_id or self.options.run_id
        core.jobs.append(self._start_main)

    def _admit(self, event: history.HistoryEvent) -> None:
        request = event.workflow_execution_update_admitted_event_attributes.request
        if self.core.replaying:
            self._admitted[request.meta.update_id] = request
            return
        job = self._update_job(request, f"{request.meta.update_id}/request", event.event_id, validate=True)
        self._signals.append((event.event_id, lambda: self.handlers.update(job)))

    def _message(self, message: protocol.Message) -> None:
        request = update.Request()
        if not message.body.Unpack(request):
            raise RuntimeError(f"cannot read a message of type {message.body.type_url!r}")
        job = self._update_job(request, message.id, message.event_id, validate=True)
        self._signals.append((message.event_id + 0.5, lambda: self.handlers.update(job)))

    def _update_job(
        self, request: update.Request, message_id: str, sequencing_id: int, validate: bool
    ) -> UpdateJob:
        return UpdateJob(
            id=request.meta.update_id,
            name=request.input.name,
            args=request.input.args.payloads,
            headers=dict(request.input.header.fields),
            request=request,
            message_id=message_id,
            sequencing_id=sequencing_id,
            validate=validate,
        )

    def _look_ahead(self, following: Sequence[history.HistoryEvent]) -> None:
        """What the code did in this workflow task and history remembers behind it."""
        core = self.core
        for event in following:
            kind = event.event_type
            if kind == _E.EVENT_TYPE_MARKER_RECORDED:
                attributes = event.marker_recorded_event_attributes
                if attributes.marker_name == patch.MARKER_NAME:
                    core.notified_patches.add(patch.read_marker(attributes)[0])
                elif attributes.marker_name == local_activity.MARKER_NAME:
                    marker = local_activity.read_marker(attributes)
                    core.markers[marker.seq] = marker
            elif kind == _E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                told = event.workflow_execution_update_accepted_event_attributes
                request = self._admitted.pop(told.protocol_instance_id, told.accepted_request)
                if told.HasField("accepted_request"):
                    request = told.accepted_request
                sequencing = told.accepted_request_sequencing_event_id
                job = self._update_job(request, told.accepted_request_message_id, sequencing, validate=False)
                self._signals.append((float("inf"), lambda job=job: self.handlers.update(job)))  # type: ignore[misc]

    # ---- jobs -------------------------------------------------------------------------------------------------------

    def _run_jobs(self) -> None:
        core, outcome = self.core, self.outcome
        self._remember(bool(self._signals))
        begun = bool(self._signals or core.jobs or core.local_jobs)
        if begun:
            core.activation_index = 1
        if self._signals:
            outcome.state_changed = self._signalled
            for _, job in self._signals:
                job()
            if not core.single_batch:
                self._drain(lambda: outcome.state_changed)
                begun = bool(core.jobs or core.local_jobs)
        self._rounds(begun)

    def _drain(self, check: Callable[[], bool]) -> None:
        begin = None if self._begun or self.outcome.failed() else self._make
        self._begun = True
        self.core.loop.drain(begin, check)

    def _rounds(self, begun: bool = False) -> None:
        """Run jobs until there are none: what the code asked for may resolve at once, and lead to more.

        ``begun``: the first round belongs to an activation that was counted already."""
        core = self.core
        batched = begun and core.single_batch and bool(self._signals)
        while not self.outcome.failed():
            if not begun:
                self._remember()
                if not core.jobs and not core.local_jobs:
                    break
                core.activation_index += 1
            begun = False
            jobs = [*core.jobs, *core.local_jobs]
            core.jobs.clear()
            core.local_jobs.clear()
            for job in jobs:
                job()
            self._drain((lambda: self.outcome.state_changed) if batched and not jobs else _always)
            batched = False
        self.outcome.settle()
        if not core.replaying and not self.outcome.failed() and not self.outcome.closed:
            for machine in core.locals.values():
                if not machine.given:
                    core.local_starts.append(machine.start())

    def _remember(self, signalled: bool = False) -> None:
        """Resolve local activities whose end history knows: in the activation in which they ended, by the order of their
        markers. What belongs to a later activation comes when there is nothing else to do, as when ``signalled``."""
        core = self.core
        for early in (True, False):
            while core.markers:
                marker = next(iter(core.markers.values()))
                held = marker.activation_index is not None and marker.activation_index > core.activation_index
                if marker.seq not in core.locals or (early and held):
                    break
                del core.markers[marker.seq]
                core.locals[marker.seq].remembered(marker)
            if signalled or core.jobs or core.local_jobs:
                return

    def _make(self) -> None:
        """Make the interceptors and the workflow's object, before anything else of its code runs."""
        core, definition = self.core, self.options.definition
        core.inbound = Inbound(core, self.handlers)
        core.outbound = Outbound(core)
        for made in reversed(self.options.interceptors):
            core.inbound = made(core.inbound)
        core.inbound.init(core.outbound)
        try:
            if definition.name is None:
                self._arguments = self._dynamic_arguments()
            else:
                self._arguments = self.outcome.arguments(core.started.input.payloads, definition.arg_types)
            core.instance = (
                definition.make(*self._arguments) if definition.init_takes_args else definition.make()
            )
            if definition.dynamic_config is not None:
                self._configure(definition.dynamic_config(core.instance))
        except Exception as error:  # noqa: BLE001 - as if the main function had raised it
            self.outcome.conclude(error)

    def _dynamic_arguments(self) -> list[Any]:
        from tenuto.common import RawValue

        payloads = self.core.started.input.payloads
        if self.options.definition.dynamic_vararg:
            return self.outcome.arguments(payloads, None)
        return [[RawValue(payload) for payload in payloads]]

    def _configure(self, config: Any) -> None:
        if config.failure_exception_types is not None:
            self.outcome.failure_types = (
                *config.failure_exception_types,
                *self.options.failure_exception_types,
            )
        self._behavior = config.versioning_behavior

    _behavior: Any = None

    def _start_main(self) -> None:
        if self.outcome.failed():
            return
        self._main = self.core.loop.create_task(
            self.outcome.guard(self._run_main()), name=f"run: {self.core.started.workflow_type.name}"
        )

    async def _run_main(self) -> None:
        core, definition = self.core, self.options.definition
        if self.outcome.closed:
            return
        wanted = ExecuteWorkflowInput(
            type=definition.cls,
            run_fn=definition.run_fn,
            args=self._arguments,
            headers=dict(core.started.header.fields),
        )
        result = await core.inbound.execute_workflow(wanted)
        self.outcome.succeed(result)

    def _cancel(self, reason: str) -> None:
        core = self.core
        core.cancel_requested = True
        core.cancel_reason = reason
        if self._main is not None:
            # Not at once: a body that has not begun must begin before it can be cancelled.
            core.loop.call_soon(self._main.cancel)

    # ---- the answer -------------------------------------------------------------------------------------------------

    def _completion(self) -> Completion:
        error = self.outcome.error
        if error is not None and self._fails_instead(error):
            error = None
        if error is not None:
            return Completion(failure=self._task_failure(error))
        core = self.core
        # What a durable step has done must be in history before the next one does anything.
        record_now = core.unsent_steps and bool(core.local_starts)
        taken = core.ledger.take()
        made = Completion(
            commands=[asked.command for asked in taken if asked.command is not None],
            withdrawn=core.ledger.withdrawn,
            messages=self.handlers.messages,
            local_activities=[] if record_now else core.local_starts,
            cancelled_local_activities=core.local_cancels,
            waits_for_local_activities=bool(core.locals) and not core.replaying and not self.outcome.closed,
            record_now=record_now,
            closed=self.outcome.closed,
            versioning_behavior=int(self._versioning_behavior()),
        )
        self.handlers.messages = []
        core.ledger.withdrawn = []
        if not record_now:
            core.local_starts = []
        core.local_cancels = []
        if not core.replaying:
            if not core.recorded_core_flags:
                core.recorded_core_flags = True
                made.core_flags = [flag for flag in CORE_FLAGS if flag not in core.core_flags]
                core.core_flags.update(CORE_FLAGS)
            made.lang_flags, core.new_lang_flags = core.new_lang_flags, []
        return made

    def _versioning_behavior(self) -> Any:
        if self._behavior:
            return self._behavior
        return self.options.definition.versioning_behavior or self.options.default_versioning_behavior

    def _fails_instead(self, error: BaseException) -> bool:
        """Whether nondeterminism is to fail the workflow; then the one command says so."""
        if not isinstance(error, NondeterminismError) or not self.outcome.wants_nondeterminism_to_fail():
            return False
        self.outcome.error = None
        self.core.replaying = False
        self.core.ledger.take()
        self.core.locals.clear()
        self.outcome.closed = False
        self.outcome.conclude(error)
        self.outcome.settle()
        return self.outcome.error is None

    def _task_failure(self, error: BaseException) -> TaskFailure:
        try:
            sent = self.core.failure_of(error)
        except Exception as inner:  # noqa: BLE001 - an error that cannot be written is told in words
            sent = failure.Failure(message=f"Failed converting activation exception: {inner}")
            sent.application_failure_info.type = type(error).__name__
        cause = enums_failed.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
        if isinstance(error, NondeterminismError):
            cause = enums_failed.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
        return TaskFailure(cause=cause, failure=sent, error=error)


def _always() -> bool:
    return True


def _keep_for_good(task: asyncio.Task[Any]) -> None:
    """Code that swallows what ends it must never be collected, not even at exit: that would raise in it once more, outside
    of any loop, where it spins. One reference too many sees to it."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(task))
