"""What was acknowledged must be found in history, exactly once: starts, signals, completions, updates, terminations."""

from typing import Any

from tenuto.service import tokens
from tenuto.sim.checkers import Checker, Report
from tenuto.sim.chronicle import Chronicle, News, Story
from tenuto.sim.wording import event_name, value_of
from tenuto.wire import enums_command, enums_workflow

PROTOCOL_MESSAGE = enums_command.COMMAND_TYPE_PROTOCOL_MESSAGE
REJECT = enums_workflow.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE


class PromisesKept(Checker):
    """Every acknowledged start, signal, completion, update outcome and termination is in history exactly once."""

    name = "promises are kept"

    def __init__(self, chronicle: Chronicle, report: Report) -> None:
        super().__init__(chronicle, report)
        self._signals: dict[str, str] = {}
        """Input -> workflow id."""
        self._terminations: dict[str, str] = {}
        self._starts: dict[str, tuple[str, str]] = {}
        """Token -> (workflow id, run id)."""
        self._strict: set[str] = set()
        self._completions: dict[tuple[str, int], str] = {}
        """(run id, scheduled id) -> workflow id, of workflow tasks completed with commands."""
        self._activities: dict[tuple[str, int], tuple[str, Any]] = {}
        self._updates: dict[tuple[str, str], Any] = {}
        """(workflow id, update id) -> successful outcome."""
        self._accepted: set[tuple[str, str]] = set()

    # ---- promises -----------------------------------------------------------------------------------------------------

    def served(self, method: str, request: Any, response: Any) -> None:
        take = getattr(self, f"_on_{method}", None)
        if take is not None:
            take(request, response)

    def _on_StartWorkflowExecution(self, request: Any, response: Any) -> None:
        token = value_of(request.input)["token"]
        before = self._starts.setdefault(token, (request.workflow_id, response.run_id))
        if request.workflow_id_reuse_policy == REJECT:
            self._strict.add(token)
            if response.started and before[1] not in (response.run_id, self._original(request, response)):
                self.fail(f"start {token} was answered with runs {before[1]} and {response.run_id}")
        if self._story(request.workflow_id, response.run_id) is None and not self._gone(request.workflow_id):
            self.fail(f"start {token} was acknowledged and run {response.run_id} is not durable")

    def _on_SignalWithStartWorkflowExecution(self, request: Any, response: Any) -> None:
        self._signals[value_of(request.signal_input)] = request.workflow_id
        if self._story(request.workflow_id, response.run_id) is None and not self._gone(request.workflow_id):
            self.fail(f"signal-with-start was acknowledged and run {response.run_id} is not durable")

    def _on_SignalWorkflowExecution(self, request: Any, response: Any) -> None:
        self._signals[value_of(request.input)] = request.workflow_execution.workflow_id

    def _on_TerminateWorkflowExecution(self, request: Any, response: Any) -> None:
        self._terminations[request.reason] = request.workflow_execution.workflow_id

    def _on_RespondWorkflowTaskCompleted(self, request: Any, response: Any) -> None:
        token = tokens.decode_task(request.task_token)
        assert isinstance(token, tokens.WorkflowToken)
        if all(command.command_type == PROTOCOL_MESSAGE for command in request.commands):
            return  # a speculative task that changed nothing leaves no trace
        name = (token.run_id, token.scheduled_id)
        if name in self._completions:
            self.fail(f"workflow task {token.scheduled_id} of {token.run_id} was completed twice")
        self._completions[name] = token.workflow_id

    def _on_RespondActivityTaskCompleted(self, request: Any, response: Any) -> None:
        token = tokens.decode_task(request.task_token)
        assert isinstance(token, tokens.ActivityToken)
        name = (token.run_id, token.scheduled_id)
        if name in self._activities:
            self.fail(f"activity {token.activity_id} of {token.run_id} was completed twice")
        self._activities[name] = (token.workflow_id, value_of(request.result))

    def _on_UpdateWorkflowExecution(self, request: Any, response: Any) -> None:
        self._update(request.workflow_execution.workflow_id, request.request.meta.update_id, response)

    def _on_ExecuteMultiOperation(self, request: Any, response: Any) -> None:
        start, update = request.operations
        self._on_StartWorkflowExecution(start.start_workflow, response.responses[0].start_workflow)
        self._on_UpdateWorkflowExecution(update.update_workflow, response.responses[1].update_workflow)

    def _on_PollWorkflowExecutionUpdate(self, request: Any, response: Any) -> None:
        reference = request.update_ref
        self._update(reference.workflow_execution.workflow_id, reference.update_id, response)

    def _update(self, workflow_id: str, update_id: str, response: Any) -> None:
        name = (workflow_id, update_id)
        if response.HasField("outcome"):
            if response.outcome.HasField("success"):
                before = self._updates.setdefault(name, response.outcome)
                if before != response.outcome:
                    self.fail(f"update {update_id} of {workflow_id} was answered in two ways")
        elif response.stage >= 2:
            self._accepted.add(name)

    # ---- keeping them -------------------------------------------------------------------------------------------------

    def _story(self, workflow_id: str, run_id: str) -> Story | None:
        for key, runs in self.chronicle.runs.items():
            if key.workflow_id == workflow_id and run_id in runs:
                return runs[run_id]
        return None

    def committed(self, news: News, now: int) -> None:
        for story, first in news.grown:
            for event in story.events[first:]:
                if event_name(event) == "WORKFLOW_EXECUTION_STARTED":
                    self._check_start(story, event)

    def _original(self, request: Any, response: Any) -> str:
        """The run that the answered one was reset from, its own id if it was not: a reset run inherits its start."""
        story = self._story(request.workflow_id, response.run_id)
        if story is None:
            return ""
        started = story.events[0].workflow_execution_started_event_attributes
        return str(started.original_execution_run_id)

    def _gone(self, workflow_id: str) -> bool:
        return workflow_id in self.chronicle.pruned

    def _check_start(self, story: Story, event: Any) -> None:
        """One start makes one run: its twin may not be the run just before, nor exist at all when ids are never reused."""
        token = _start_token(story, event)
        if token is None:
            return
        for other in self.chronicle.runs[story.key].values():
            if other is story or other.deleted or _start_token(other, other.events[0]) != token:
                continue
            if token in self._strict or other.order == story.order - 1:
                self.fail(f"start {token} made runs {other.run_id} and {story.run_id}")

    def ended(self) -> None:
        signals: dict[tuple[str, Any], list[str]] = {}
        for story in self.chronicle.stories():
            for event in story.events:
                self._count(story, event, signals)
        for (token, workflow_id), runs in signals.items():
            if len(runs) != len(set(runs)):
                self.fail(f"signal {token} is twice in a run of {workflow_id}")
        for token, workflow_id in self._signals.items():
            if (token, workflow_id) not in signals and not self._gone(workflow_id):
                self.fail(f"signal {token} to {workflow_id} was acknowledged and is in no history")
        self._check_completions()
        self._check_terminations()
        self._check_updates()

    def _count(self, story: Story, event: Any, signals: dict[tuple[str, Any], list[str]]) -> None:
        if event_name(event) != "WORKFLOW_EXECUTION_SIGNALED":
            return
        signal = event.workflow_execution_signaled_event_attributes
        if signal.signal_name != "external":
            token = value_of(signal.input)
            signals.setdefault((token, story.key.workflow_id), []).append(story.run_id)

    def _check_completions(self) -> None:
        for (run_id, scheduled_id), workflow_id in self._completions.items():
            if self._gone(workflow_id):
                continue
            found = _having(self._story(workflow_id, run_id), "WORKFLOW_TASK_COMPLETED", scheduled_id)
            if len(found) != 1:
                self.fail(
                    f"completed workflow task {scheduled_id} of {run_id} is {len(found)} times in history"
                )
        for (run_id, scheduled_id), (workflow_id, result) in self._activities.items():
            if self._gone(workflow_id):
                continue
            found = _having(self._story(workflow_id, run_id), "ACTIVITY_TASK_COMPLETED", scheduled_id)
            if len(found) != 1:
                self.fail(f"completed activity {scheduled_id} of {run_id} is {len(found)} times in history")
            elif value_of(found[0].activity_task_completed_event_attributes.result) != result:
                self.fail(
                    f"activity {scheduled_id} of {run_id} has another result than its worker was thanked for"
                )

    def _check_terminations(self) -> None:
        for reason, workflow_id in self._terminations.items():
            found = [
                story.run_id
                for story in self.chronicle.stories()
                if story.key.workflow_id == workflow_id
                and event_name(story.events[-1]) == "WORKFLOW_EXECUTION_TERMINATED"
                and story.events[-1].workflow_execution_terminated_event_attributes.reason == reason
            ]
            # It has no request id: a doubled request may rightly end two runs.
            if not found and not self._gone(workflow_id):
                self.fail(f"termination {reason} of {workflow_id} was acknowledged and is in no history")

    def _check_updates(self) -> None:
        accepted: set[tuple[str, str]] = set()
        completed: dict[tuple[str, str], list[Any]] = {}
        for story in self.chronicle.stories():
            here: set[str] = set()
            for event in story.events:
                if event_name(event) == "WORKFLOW_EXECUTION_UPDATE_ACCEPTED":
                    update_id = event.workflow_execution_update_accepted_event_attributes.protocol_instance_id
                    accepted.add((story.key.workflow_id, update_id))
                    if update_id in here:
                        self.fail(f"update {update_id} was accepted twice in {story.run_id}")
                    here.add(update_id)
                elif event_name(event) == "WORKFLOW_EXECUTION_UPDATE_COMPLETED":
                    done = event.workflow_execution_update_completed_event_attributes
                    completed.setdefault((story.key.workflow_id, done.meta.update_id), []).append(
                        done.outcome
                    )
        for name in sorted(self._accepted - accepted):
            if self._gone(name[0]):
                continue
            self.fail(f"update {name} was acknowledged as accepted and is in no history")
        for name, outcome in self._updates.items():
            if outcome not in completed.get(name, []) and not self._gone(name[0]):
                self.fail(f"update {name} was answered with an outcome that is in no history")


def _start_token(story: Story, event: Any) -> str | None:
    """What a client's start is known by; None for runs that were continued, retried, reset, or started by a parent or a
    schedule, and for schedules."""
    facts = event.workflow_execution_started_event_attributes
    if facts.continued_execution_run_id or facts.original_execution_run_id != story.run_id:
        return None
    if facts.HasField("parent_workflow_execution") or not facts.HasField("input"):
        return None
    if "TemporalScheduledById" in facts.search_attributes.indexed_fields:
        return None
    token: str = value_of(facts.input)["token"]
    return token


def _having(story: Story | None, name: str, scheduled_id: int) -> list[Any]:
    if story is None:
        return []
    return [
        event
        for event in story.events
        if event_name(event) == name
        and getattr(event, str(event.WhichOneof("attributes"))).scheduled_event_id == scheduled_id
    ]
