"""A workflow's code and the engine, face to face: no network, no worker, no clock but the engine's.

`Play` starts one workflow and keeps it going: workflow tasks, local activities, activities, timers. At every workflow
task it also lets a second run, which sees the whole history afresh, answer the same task: both must answer the same.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from tenuto.converter import DataConverter
from tenuto.engine import agenda, types
from tenuto.limits import SECOND
from tenuto.run.history import cut
from tenuto.run.run import Run
from tenuto.run.types import Completion, LocalActivityResult, LocalActivityStart, RunOptions
from tenuto.service.tasks import has_only_steps
from tenuto.wire import common, failure, history, protocol, query, update
from tenuto.wire import workflowservice as ws
from tenuto.workflow.definition import Definition
from tests.engine.support import World, activity_token, start_message, token_of

CONVERTER = DataConverter.default


class TaskFailed(AssertionError):
    """The workflow task failed where the test did not expect it."""


_made: list[Run] = []


def take_down() -> None:
    """End every run that was made, as a worker does with those it drops."""
    while _made:
        _made.pop().evict()


class Play:
    """One workflow, played until it ends or waits for the test."""

    def __init__(
        self,
        workflow: Any,
        *activities: Callable[..., Any],
        cold: bool = True,
        keep: bool = True,
        **options: Any,
    ) -> None:
        """``keep``: workflow tasks that only record steps stay with the worker. ``options``: of the runs."""
        self.world = World()
        self.keep = keep
        self.definition = Definition.must(workflow)
        self.activities = {
            getattr(fn, "__temporal_activity_name__", None) or getattr(fn, "__name__", "?"): fn
            for fn in activities
        }
        self.calls: list[str] = []
        self.options = options
        self.cold = cold
        self.run: Run | None = None
        self.last: Completion = Completion()
        self.failures: list[str] = []
        self.tasks = 0

    # ---- the client's side ----------------------------------------------------------------------------------------------

    def start(self, *args: Any, **fields: Any) -> "Play":
        message = start_message("w", **fields)
        message.workflow_type.name = self.definition.name or "Dynamic"
        if args:
            message.input.payloads.extend(CONVERTER.payload_converter.to_payloads(args))
        self.world.ask(types.Start(message))
        return self

    def signal(self, name: str, *args: Any) -> None:
        message = ws.SignalWorkflowExecutionRequest(signal_name=name, identity="client")
        message.input.payloads.extend(CONVERTER.payload_converter.to_payloads(args))
        self.world.ask(types.Signal(message))

    def update(self, name: str, *args: Any, id: str = "u") -> None:
        message = ws.UpdateWorkflowExecutionRequest()
        message.request.meta.update_id, message.request.input.name = id, name
        message.request.input.args.payloads.extend(CONVERTER.payload_converter.to_payloads(args))
        self.world.ask(types.Update(message))

    def outcome(self, id: str = "u") -> Any:
        """What the update's caller got: the result, or an error's text."""
        for notice in self.world.notices:
            if (
                isinstance(notice, types.UpdateNotice)
                and notice.update_id == id
                and notice.outcome is not None
            ):
                sent: update.Outcome = notice.outcome
                if sent.HasField("failure"):
                    return sent.failure.message
                return _value(list(sent.success.payloads))
        return None

    def cancel(self) -> None:
        self.world.ask(types.RequestCancel(ws.RequestCancelWorkflowExecutionRequest(reason="stop")))

    def query(self, name: str, *args: Any) -> Any:
        """The answer of the warm run, which a cold one must give as well."""
        assert self.run is not None
        asked = query.WorkflowQuery(query_type=name)
        asked.query_args.payloads.extend(CONVERTER.payload_converter.to_payloads(args))
        answer = self.run.query(asked)
        cold = self.replayed().query(asked)
        assert (answer.result, answer.message) == (cold.result, cold.message), "a replay answers otherwise"
        return _value([answer.result]) if answer.result is not None else f"failed: {answer.message}"

    # ---- the worker's side ----------------------------------------------------------------------------------------------

    def fresh(self) -> Run:
        run = Run(
            RunOptions(
                definition=self.definition,
                namespace="default",
                task_queue="queue",
                run_id=self.world.run_id,
                payload_converter=CONVERTER.payload_converter,
                failure_converter=CONVERTER.failure_converter,
                workflow_id="w",
                eager_activities=False,
                **self.options,
            )
        )
        _made.append(run)
        return run

    def replayed(self, until: int | None = None) -> Run:
        """A run that has lived through the whole history so far. Fails the test when it cannot."""
        run = self.fresh()
        for task in cut(self.world.history[:until], replay_until=1 << 62):
            made = run.activate(task)
            assert made.failure is None, f"replay fails: {made.failure.error!r}"
        return run

    @property
    def owes_task(self) -> bool:
        chain = self.world.chain
        return (
            chain is not None and chain.current.run.open and agenda.task_dispatch(chain.current) is not None
        )

    def task(self) -> Completion:
        """One workflow task, answered."""
        self.tasks += 1
        handout = self.world.poll()
        events = [*self.world.history[: handout.last_event_id], *handout.virtual]
        made = self._answer(handout, events)
        if made.failure is not None:
            return self._fail(handout, made)
        token: types.TaskToken | None = token_of(handout)
        while token is not None:
            keep = self.keep and made.record_now
            message = self._message(made)
            request = types.CompleteWorkflowTask(
                token, message, keep=keep, only_steps=keep and has_only_steps(message)
            )
            token = self.world.ask(request).kept
            if token is not None:
                assert self.run is not None
                begun = Completion(local_activities=self.run.recorded(), waits_for_local_activities=True)
                made = self.last = self._work(self.run, begun)
                if made.failure is not None:
                    raise TaskFailed(repr(made.failure.error))
        if made.closed:
            self.replayed()
        return made

    def _answer(self, handout: types.WorkflowTaskHandout, events: list[history.HistoryEvent]) -> Completion:
        messages = list(handout.messages)
        if self.run is None:
            self.run = self.fresh()
            made = self._live(self.run, events, handout.previous_started_id, messages)
        else:
            after = handout.previous_started_id
            made = self._live(self.run, events[after:], after, messages)
            if self.cold and made.failure is None and not made.record_now:
                other = self._live(self.fresh(), events, handout.previous_started_id, messages, again=made)
                assert _shown(other) == _shown(made), "a fresh run answers otherwise"
        self.last = made
        return made

    def _live(
        self,
        run: Run,
        events: list[history.HistoryEvent],
        replay_until: int,
        messages: list[protocol.Message],
        again: Completion | None = None,
    ) -> Completion:
        whole = Completion()
        tasks = cut(events, replay_until=replay_until, updates=bool(messages))
        for task in tasks:
            last = task is tasks[-1]
            task.last = last
            task.messages = messages if last else []
            made = run.activate(task)
            if made.failure is not None:
                return made
        _add(whole, made)
        if again is not None and any(command.command_type == 9 for command in again.commands):
            return again  # local activities may not be run twice
        return self._work(run, whole)

    def _work(self, run: Run, whole: Completion) -> Completion:
        """Run local activities until there are none, or what they did is to be recorded."""
        while whole.waits_for_local_activities and whole.local_activities and not whole.record_now:
            begun, whole.local_activities = whole.local_activities, []
            made = run.resolve([self._local(start) for start in begun])
            if made.failure is not None:
                return made
            _add(whole, made)
        return whole

    def _message(self, made: Completion) -> ws.RespondWorkflowTaskCompletedRequest:
        message = ws.RespondWorkflowTaskCompletedRequest(
            identity="worker", commands=made.commands, messages=made.messages
        )
        message.force_create_new_workflow_task = made.record_now
        if made.core_flags or made.lang_flags:  # as workers do: the mere field is news to the service
            message.sdk_metadata.core_used_flags.extend(made.core_flags)
            message.sdk_metadata.lang_used_flags.extend(made.lang_flags)
        message.capabilities.discard_speculative_workflow_task_with_events = True
        return message

    def _fail(self, handout: types.WorkflowTaskHandout, made: Completion) -> Completion:
        assert made.failure is not None
        self.failures.append(repr(made.failure.error))
        message = ws.RespondWorkflowTaskFailedRequest(
            identity="worker",
            cause=made.failure.cause,  # type: ignore[arg-type]
            failure=made.failure.failure,
        )
        self.world.ask(types.FailWorkflowTask(token_of(handout), message))
        self.run = None
        return made

    # ---- activities -----------------------------------------------------------------------------------------------------

    def _call(self, name: str, args: list[common.Payload]) -> Any:
        fn = self.activities[name]
        self.calls.append(name)
        made = fn(*[_value([payload]) for payload in args])
        return asyncio.run(made) if inspect.iscoroutine(made) else made

    def _local(self, start: LocalActivityStart) -> LocalActivityResult:
        result = LocalActivityResult(
            seq=start.seq,
            attempt=start.attempt,
            complete_at=self.world.now + SECOND // 1000,
            original_schedule_at=start.original_schedule_at or self.world.now,
        )
        try:
            value = self._call(start.activity_type, list(start.args))
            result.result = CONVERTER.payload_converter.to_payloads([value])[0]
        except Exception as error:  # noqa: BLE001 - it becomes the activity's failure
            result.failure = _failure(error)
        return result

    def activity(self) -> bool:
        """Run the oldest activity that is owed. False: none is."""
        chain = self.world.chain
        assert chain is not None and self.world.agenda is not None
        kinds = [owed.kind for owed in agenda.dispatches(chain, self.world.agenda)]
        if types.DispatchKind.ACTIVITY not in kinds:
            return False
        handout = self.world.poll_activity()
        scheduled = self._scheduled(handout)
        token = activity_token(handout)
        try:
            value = self._call(scheduled.activity_type.name, list(scheduled.input.payloads))
        except Exception as error:  # noqa: BLE001 - it becomes the activity's failure
            self.world.ask(types.FailActivity(token, _failure(error), "worker"))
            return True
        result = common.Payloads(payloads=CONVERTER.payload_converter.to_payloads([value]))
        self.world.ask(types.CompleteActivity(token, result, "worker"))
        return True

    def _scheduled(self, handout: types.ActivityHandout) -> history.ActivityTaskScheduledEventAttributes:
        event = self.world.history[handout.activity.scheduled_id - 1]
        return event.activity_task_scheduled_event_attributes

    # ---- playing --------------------------------------------------------------------------------------------------------

    def until_quiet(self, fail: bool = True) -> "Play":
        """Answer workflow tasks and activities until neither is owed. Time stands still."""
        while self.owes_task or self.activity():
            if self.owes_task and self.task().failure is not None and fail:
                raise TaskFailed(self.failures[-1])
        return self

    def to_end(self, *args: Any, hops: int = 50) -> Any:
        """Start if need be, let time pass as timers want it, and return the result. Raises what the workflow failed with."""
        if self.world.chain is None:
            self.start(*args)
        for _ in range(hops):
            self.until_quiet()
            chain = self.world.chain
            if chain is None or not chain.current.run.open or self.ended:
                return self.result()
            due = self.world.agenda.next_due(chain) if self.world.agenda is not None else 0
            assert due, "the workflow waits for something that will not come"
            self.world.pass_time(max(due - self.world.now, 0))
        raise AssertionError("the workflow does not end")

    @property
    def ended(self) -> bool:
        return self.world.history[-1].event_type in (2, 3, 4, 21, 27, 28)

    def result(self) -> Any:
        event = self.world.history[-1]
        if event.event_type == 2:
            return _value(list(event.workflow_execution_completed_event_attributes.result.payloads))
        if event.event_type == 3:
            sent = event.workflow_execution_failed_event_attributes.failure
            raise CONVERTER.failure_converter.from_failure(sent, CONVERTER.payload_converter)
        return self.world.names()[-1]


def _add(whole: Completion, made: Completion) -> None:
    gone = {id(each) for each in made.withdrawn}
    whole.commands = [each for each in whole.commands if id(each) not in gone] + made.commands
    whole.messages += made.messages
    whole.core_flags += made.core_flags
    whole.lang_flags += made.lang_flags
    whole.local_activities += made.local_activities
    whole.waits_for_local_activities = made.waits_for_local_activities
    whole.record_now = made.record_now
    whole.closed = made.closed


def _shown(made: Completion) -> list[str]:
    return [str(command) for command in made.commands] + [str(message) for message in made.messages]


def _failure(error: Exception) -> failure.Failure:
    made = failure.Failure()
    CONVERTER.failure_converter.to_failure(error, CONVERTER.payload_converter, made)
    return made


def _value(payloads: list[common.Payload]) -> Any:
    return CONVERTER.payload_converter.from_payloads(payloads)[0] if payloads else None
