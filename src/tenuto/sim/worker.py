"""Workers of the simulation: they poll, run the small programs, do activities, answer queries and updates.

A worker speaks the raw protocol and keeps a cache of histories when it is sticky. It may be slow, may fail a task, and may
die at any moment (its life ends); nothing durable depends on it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tenuto.service.errors import Code
from tenuto.sim.network import CallFailed
from tenuto.sim.options import Options
from tenuto.sim.program import QUEUE, Program, Seen, look
from tenuto.sim.wording import SECOND, duration, payloads, value_of
from tenuto.wire import common, enums_query, history, protocol
from tenuto.wire import query as wire_query
from tenuto.wire import update as wire_update
from tenuto.wire import workflowservice as ws

NAMESPACE = "default"
POLL_NS = 15 * SECOND
CALL_NS = 5 * SECOND
STICKY_KIND = 2

Ask = Callable[[str, str, Any, int], Any]
"""(caller, method, request, timeout) -> awaitable answer, from whichever node seems to own the shard."""


class Broken(Exception):
    """A worker found something that no server may send."""


@dataclass(slots=True)
class Cached:
    """A run in a sticky worker's memory."""

    events: list[history.HistoryEvent]


class Worker:
    """One worker process. ``name`` is also its identity."""

    def __init__(
        self, name: str, chance: Random, options: Options, ask: Ask, broken: Callable[[str, str], None]
    ) -> None:
        self.name = name
        self.calm = False
        self._chance = chance
        self._options = options
        self._ask = ask
        self._broken = broken
        self._sticky = chance.random() < options.sticky
        self._cache: dict[str, Cached] = {}

    async def run(self) -> None:
        """Poll for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poll_workflow_tasks(QUEUE, 1))
            group.create_task(self._poll_activities())
            if self._sticky:
                group.create_task(self._poll_workflow_tasks(self.name, STICKY_KIND))
            if self._chance.random() < 0.5:
                group.create_task(self._poll_activities())

    async def _call(self, method: str, request: Any, timeout: int = CALL_NS) -> Any:
        request.namespace = NAMESPACE
        return await self._ask(self.name, method, request, timeout)

    async def _insist(self, method: str, request: Any) -> Any:
        """Call until it is answered or refused for good; None when refused."""
        for _ in range(6):
            try:
                return await self._call(method, request)
            except CallFailed as failed:
                if not failed.worth_retrying:
                    return None
            await asyncio.sleep(self._chance.uniform(0.01, 1))
        return None

    async def _dawdle(self) -> None:
        """Work takes time, and sometimes far too much."""
        if not self.calm and self._chance.random() < self._options.slow:
            await asyncio.sleep(self._chance.uniform(5, 25))
        else:
            await asyncio.sleep(self._chance.uniform(0, 0.2))

    def _fails(self) -> bool:
        return not self.calm and self._chance.random() < self._options.worker_failures

    # ---- workflow tasks ---------------------------------------------------------------------------------------------

    async def _poll_workflow_tasks(self, queue: str, kind: int) -> None:
        while True:
            request = ws.PollWorkflowTaskQueueRequest(identity=self.name)
            request.task_queue.name = queue
            request.task_queue.kind = kind  # type: ignore[assignment]
            if kind == STICKY_KIND:
                request.task_queue.normal_name = QUEUE
            try:
                task = await self._call("PollWorkflowTaskQueue", request, POLL_NS)
            except CallFailed:
                await asyncio.sleep(self._chance.uniform(0.05, 0.5))
                continue
            while task is not None and task.task_token:
                task = await self._work(task)

    async def _work(self, task: Any) -> Any:
        """Do one task; the next one, if the answer brought it along."""
        await self._dawdle()
        if task.HasField("query"):
            await self._answer_query(task)
            return None
        if self._fails():
            return await self._spoil(task)
        events = await self._history(task)
        if events is None:
            return None
        request, closes = self._completion(task, events)
        try:
            response = await self._call("RespondWorkflowTaskCompleted", request)
        except CallFailed as failed:
            if failed.code is Code.INVALID_ARGUMENT and "UnhandledCommand" not in failed.message:
                self._broken("valid commands are accepted", f"{failed.message}: {request.commands}")
            self._cache.pop(task.workflow_execution.run_id, None)
            return None
        for one in response.activity_tasks:
            await self._act(one)
        if closes:
            self._cache.pop(task.workflow_execution.run_id, None)
        elif self._sticky and not response.reset_history_event_id:
            self._cache[task.workflow_execution.run_id] = Cached(events)
        return response.workflow_task if response.HasField("workflow_task") else None

    async def _spoil(self, task: Any) -> None:
        self._cache.pop(task.workflow_execution.run_id, None)
        if self._chance.random() < 0.5:
            request = ws.RespondWorkflowTaskFailedRequest(task_token=task.task_token, identity=self.name)
            request.failure.message = "the worker stumbled"
            request.failure.application_failure_info.SetInParent()
            await self._insist("RespondWorkflowTaskFailed", request)

    async def _history(self, task: Any) -> list[history.HistoryEvent] | None:
        """The run's whole history up to this task."""
        given = list(task.history.events)
        run_id = task.workflow_execution.run_id
        token = task.next_page_token
        if given and given[0].event_id != 1:
            cached = self._cache.get(run_id)
            if cached is not None and len(cached.events) >= given[0].event_id - 1:
                given = cached.events[: given[0].event_id - 1] + given
            else:
                given, token = [], b""
        while token or not given:
            request = ws.GetWorkflowExecutionHistoryRequest(execution=task.workflow_execution)
            request.next_page_token = token
            page = await self._insist("GetWorkflowExecutionHistory", request)
            if page is None or not page.history.events:
                return None
            given += page.history.events
            token = page.next_page_token
        given = [event for event in given if event.event_id <= task.started_event_id]
        if [event.event_id for event in given] != list(range(1, len(given) + 1)):
            self._broken("reads are prefixes", f"a task of {run_id} has events {[e.event_id for e in given]}")
        return given

    def _completion(self, task: Any, events: list[history.HistoryEvent]) -> tuple[Any, bool]:
        seen = Seen()
        for event in events:
            look(seen, event)
        program = Program(seen.input, task.workflow_execution.workflow_id)
        commands, closes = program.commands(seen)
        request = ws.RespondWorkflowTaskCompletedRequest(task_token=task.task_token, identity=self.name)
        request.return_new_workflow_task = self._chance.random() < 0.5
        answers = self._updates(task, seen, closes)
        if answers and (closes or self._chance.random() < 0.5):
            for answer in answers:
                placed = request.commands.add(command_type=14)
                placed.protocol_message_command_attributes.message_id = answer.id
        request.messages.extend(answers)
        request.commands.extend(commands)
        for query_id in task.queries:
            result = wire_query.WorkflowQueryResult(
                result_type=enums_query.QUERY_RESULT_TYPE_ANSWERED, answer=payloads(len(events))
            )
            request.query_results[query_id].CopyFrom(result)
        if self._sticky and not closes:
            request.sticky_attributes.worker_task_queue.name = self.name
            request.sticky_attributes.worker_task_queue.kind = STICKY_KIND  # type: ignore[assignment]
            request.sticky_attributes.worker_task_queue.normal_name = QUEUE
            request.sticky_attributes.schedule_to_start_timeout.CopyFrom(duration(3 * SECOND))
        return request, closes

    def _updates(self, task: Any, seen: Seen, closes: bool) -> list[protocol.Message]:
        """Answers to new updates, and outcomes of those accepted before."""
        answers: list[protocol.Message] = []
        for update_id in seen.accepted:
            answers.append(_message(f"{update_id}/done", update_id, _response(update_id)))
        for message in task.messages:
            asked = wire_update.Request.FromString(message.body.value)
            update_id = message.protocol_instance_id
            mode = value_of(asked.input.args)
            if mode == "reject":
                rejection = wire_update.Rejection(
                    rejected_request_message_id=message.id,
                    rejected_request_sequencing_event_id=message.event_id,
                    rejected_request=asked,
                )
                rejection.failure.message = "not wanted"
                rejection.failure.application_failure_info.SetInParent()
                answers.append(_message(f"{update_id}/no", update_id, rejection))
                continue
            acceptance = wire_update.Acceptance(
                accepted_request_message_id=message.id,
                accepted_request_sequencing_event_id=message.event_id,
                accepted_request=asked,
            )
            answers.append(_message(f"{update_id}/yes", update_id, acceptance))
            if mode == "now" or closes:
                answers.append(_message(f"{update_id}/done", update_id, _response(update_id)))
        return answers

    async def _answer_query(self, task: Any) -> None:
        request = ws.RespondQueryTaskCompletedRequest(task_token=task.task_token)
        request.completed_type = enums_query.QUERY_RESULT_TYPE_ANSWERED
        request.query_result.CopyFrom(payloads("direct"))
        await self._insist("RespondQueryTaskCompleted", request)

    # ---- activities -------------------------------------------------------------------------------------------------

    async def _poll_activities(self) -> None:
        while True:
            request = ws.PollActivityTaskQueueRequest(identity=self.name)
            request.task_queue.name = QUEUE
            try:
                task = await self._call("PollActivityTaskQueue", request, POLL_NS)
            except CallFailed:
                await asyncio.sleep(self._chance.uniform(0.05, 0.5))
                continue
            if task.task_token:
                await self._act(task)

    async def _act(self, task: Any) -> None:
        behaviour = value_of(task.input)["behaviour"]
        await self._dawdle()
        cancelled = False
        if behaviour == "hang" and task.attempt < 3:
            return
        if behaviour == "beat":
            for number in range(3):
                beat = ws.RecordActivityTaskHeartbeatRequest(task_token=task.task_token, identity=self.name)
                beat.details.CopyFrom(payloads(number))
                heard = await self._insist("RecordActivityTaskHeartbeat", beat)
                if heard is None:
                    return
                cancelled = cancelled or heard.cancel_requested
                await asyncio.sleep(self._chance.uniform(0.1, 1))
        if cancelled:
            gone = ws.RespondActivityTaskCanceledRequest(task_token=task.task_token, identity=self.name)
            await self._insist("RespondActivityTaskCanceled", gone)
        elif behaviour in {"fail", "final"} or (behaviour == "flaky" and task.attempt < 3):
            failed = ws.RespondActivityTaskFailedRequest(task_token=task.task_token, identity=self.name)
            failed.failure.message = "as planned"
            failed.failure.application_failure_info.type = "Final" if behaviour == "final" else "Again"
            await self._insist("RespondActivityTaskFailed", failed)
        else:
            done = ws.RespondActivityTaskCompletedRequest(task_token=task.task_token, identity=self.name)
            done.result.CopyFrom(
                payloads(f"{task.activity_id} {task.attempt} {self._chance.getrandbits(32)}")
            )
            await self._insist("RespondActivityTaskCompleted", done)


def _message(message_id: str, update_id: str, body: Any) -> protocol.Message:
    made = protocol.Message(id=message_id, protocol_instance_id=update_id)
    made.body.Pack(body)
    return made


def _response(update_id: str) -> wire_update.Response:
    made = wire_update.Response(meta=wire_update.Meta(update_id=update_id, identity="worker"))
    made.outcome.success.CopyFrom(payloads(f"outcome of {update_id}"))
    return made


def execution(workflow_id: str, run_id: str = "") -> common.WorkflowExecution:
    return common.WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
