"""Workflow tasks: workers poll for them, complete them, fail them (execution-semantics 1.15, 3)."""

import asyncio

from tenuto.engine import types
from tenuto.engine.types import Reason, Rejected
from tenuto.matching.types import Match, QueueKey, QueueKind
from tenuto.service import splice, tokens, validate
from tenuto.service.activities import Activities
from tenuto.service.attributes import TooLarge, checked
from tenuto.service.call import Call
from tenuto.service.core import Core, timestamp
from tenuto.service.errors import Code, ServiceError
from tenuto.service.histories import Histories
from tenuto.service.nexus import SCHEDULE_COMMAND, Nexus
from tenuto.service.polls import RETRY_PAUSE_NS, poll_until, poller_for, take_back
from tenuto.service.queries import Queries
from tenuto.store.spi import ChainKey
from tenuto.wire import KEEP_HEADER, command, common, enums_failed, enums_queue, errordetails
from tenuto.wire import workflowservice as ws

STICKY = enums_queue.TASK_QUEUE_KIND_STICKY
NORMAL = enums_queue.TASK_QUEUE_KIND_NORMAL
HISTORY_FIELD = ws.PollWorkflowTaskQueueResponse.DESCRIPTOR.fields_by_name["history"].number
TASK_FIELD = ws.RespondWorkflowTaskCompletedResponse.DESCRIPTOR.fields_by_name["workflow_task"].number
BAD_ATTRIBUTES = enums_failed.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES


class Tasks:
    """What workers do with workflow tasks."""

    def __init__(
        self, core: Core, histories: Histories, queries: Queries, activities: Activities, nexus: Nexus
    ) -> None:
        self._core = core
        self._histories = histories
        self._queries = queries
        self._activities = activities
        self._nexus = nexus

    async def poll_workflow_task_queue(self, request: ws.PollWorkflowTaskQueueRequest, call: Call) -> bytes:
        """A workflow task or a query, as soon as there is one; empty when the poll's time is over."""
        until = poll_until(self._core, call.deadline_at)
        poller = poller_for(request, call.namespace.id, QueueKind.WORKFLOW, self._core.new_id())
        while True:
            match = await self._core.matching.poll(poller, until)
            if match is None:
                return b""
            if not call.alive():
                self._core.matching.give_back(match)
                return b""
            request_id = self._core.new_id()
            try:
                answer = await self._hand_out(match, poller.queue, request, request_id)
            except asyncio.CancelledError:
                take_back(self._core, match, request_id)
                raise
            if answer is not None:
                return answer

    async def _hand_out(
        self, match: Match, queue: QueueKey, request: ws.PollWorkflowTaskQueueRequest, request_id: str
    ) -> bytes | None:
        """The answer to a poll that was matched; None when what was matched is void."""
        if match.query is not None:
            return await self._queries.hand_out(match, queue.sticky)
        assert match.offer is not None
        ticket = match.offer.ticket
        key = ChainKey(ticket.namespace_id, ticket.workflow_id)
        start = types.StartWorkflowTask(
            ticket.run_id,
            ticket.scheduled_event_id,
            ticket.attempt,
            ticket.stamp,
            queue.name,
            queue.sticky,
            request.identity,
            request_id,
            request,
        )
        try:
            handout: types.WorkflowTaskHandout | None = await self._core.shards.submit(key, start)
        except Rejected as refusal:
            if refusal.reason is Reason.UNAVAILABLE:
                self._core.matching.give_back(match)
                await self._core.sleep(self._core.clock.now() + RETRY_PAUSE_NS)
            return None
        if handout is None:
            return None
        return await self.answer(key, handout, match)

    async def answer(
        self, key: ChainKey, handout: types.WorkflowTaskHandout, match: Match | None = None
    ) -> bytes:
        """A started task as its worker gets it: a serialized ``PollWorkflowTaskQueueResponse``."""
        token = tokens.WorkflowToken(
            key.namespace_id,
            key.workflow_id,
            handout.run_id,
            handout.scheduled_id,
            handout.started_id,
            handout.started_at,
            handout.attempt,
        )
        response = ws.PollWorkflowTaskQueueResponse(
            task_token=tokens.encode(token),
            previous_started_event_id=handout.previous_started_id,
            started_event_id=handout.started_id,
            attempt=handout.attempt,
            messages=handout.messages,
            scheduled_time=timestamp(handout.scheduled_at),
            started_time=timestamp(handout.started_at),
        )
        name_run(response, key.workflow_id, handout.run_id, handout.workflow_type, handout.task_queue)
        for query_id, query in handout.queries.items():
            response.queries[query_id].CopyFrom(query)
        if match is not None:
            response.backlog_count_hint = match.backlog_count_hint
            if match.scaling_delta is not None:
                response.poller_scaling_decision.poll_request_delta_suggestion = match.scaling_delta
        page = await self._histories.first_page(
            key, handout.run_id, handout.first_event_id, handout.last_event_id, handout.virtual
        )
        response.next_page_token = page.token
        return response.SerializeToString() + splice.field(HISTORY_FIELD, page.events)

    async def respond_workflow_task_completed(
        self, request: ws.RespondWorkflowTaskCompletedRequest, call: Call
    ) -> ws.RespondWorkflowTaskCompletedResponse | bytes:
        """Commands, messages and query results of a workflow task; perhaps answered with the next one."""
        token = call.token
        assert token is not None
        if not isinstance(token, tokens.WorkflowToken):
            raise task_gone()
        validate.length(request.identity, "Identity")
        key = ChainKey(token.namespace_id, token.workflow_id)
        keep = _may_keep(request, call)
        if keep and has_only_steps(request):
            completion = types.CompleteWorkflowTask(_engine_token(token), request, keep=True, only_steps=True)
        else:
            names_endpoints = self._check_namespaces(request)
            endpoints = await self._nexus.named_in(request.commands) if names_endpoints else {}
            message, refused = self._with_types(request, call)
            completion = types.CompleteWorkflowTask(_engine_token(token), message, refused, keep, endpoints)
        reply: types.TaskCompleted = await self._core.shards.submit(key, completion)
        if reply.kept is not None:
            return _kept(key, reply.kept)
        response = ws.RespondWorkflowTaskCompletedResponse(
            reset_history_event_id=reply.reset_history_event_id
        )
        for handout in reply.activities:
            response.activity_tasks.append(await self._activities.answer(key, handout))
        if reply.next_task is None:
            return response
        return response.SerializeToString() + splice.field(
            TASK_FIELD, await self.answer(key, reply.next_task)
        )

    def _check_namespaces(self, request: ws.RespondWorkflowTaskCompletedRequest) -> bool:
        """A command for a namespace that does not exist refuses the call; the task stays with its worker. Returns whether
        a command names a Nexus endpoint."""
        names_endpoints = False
        for one in request.commands:
            target = _FOREIGN.get(one.command_type)
            if target is None:
                continue
            if not target:
                names_endpoints = True
            elif name := getattr(one, target).namespace:
                self._core.namespaces.named(name)
        return names_endpoints

    def _with_types(
        self, request: ws.RespondWorkflowTaskCompletedRequest, call: Call
    ) -> tuple[ws.RespondWorkflowTaskCompletedRequest, dict[int, tuple[int, str, bool]]]:
        """The completion with the types of the search attributes in its commands, and what is wrong with them."""
        refused: dict[int, tuple[int, str, bool]] = {}
        changed: ws.RespondWorkflowTaskCompletedRequest | None = None
        for number, one in enumerate(request.commands):
            attributes = _search_attributes(one)
            if attributes is None:
                continue
            try:
                typed = checked(attributes, call.namespace.attributes, call.namespace.name)
            except ServiceError as error:
                refused[number] = (BAD_ATTRIBUTES, error.message, isinstance(error, TooLarge))
                continue
            if typed is None:
                continue
            if changed is None:
                changed = ws.RespondWorkflowTaskCompletedRequest()
                changed.CopyFrom(request)
            target = _search_attributes(changed.commands[number])
            assert target is not None
            target.CopyFrom(typed)
        return request if changed is None else changed, refused

    async def respond_workflow_task_failed(
        self, request: ws.RespondWorkflowTaskFailedRequest, call: Call
    ) -> ws.RespondWorkflowTaskFailedResponse:
        token = call.token
        if not isinstance(token, tokens.WorkflowToken):
            raise task_gone()
        validate.length(request.identity, "Identity")
        key = ChainKey(token.namespace_id, token.workflow_id)
        await self._core.shards.submit(key, types.FailWorkflowTask(_engine_token(token), request))
        return ws.RespondWorkflowTaskFailedResponse()


def name_run(
    response: ws.PollWorkflowTaskQueueResponse, workflow_id: str, run_id: str, workflow_type: str, queue: str
) -> None:
    """Fill in which run a task is of."""
    execution = response.workflow_execution
    execution.workflow_id, execution.run_id = workflow_id, run_id
    response.workflow_type.name = workflow_type
    response.workflow_execution_task_queue.name = queue
    response.workflow_execution_task_queue.kind = NORMAL


def task_gone() -> ServiceError:
    """A token that does not name a started workflow task."""
    return ServiceError(Code.NOT_FOUND, "Workflow task not found.", (errordetails.NotFoundFailure(),))


def _engine_token(token: tokens.WorkflowToken) -> types.TaskToken:
    return types.TaskToken(
        token.run_id, token.scheduled_id, token.started_id, token.started_at, token.attempt, token.recorded_id
    )


def _may_keep(request: ws.RespondWorkflowTaskCompletedRequest, call: Call) -> bool:
    """Whether the worker can go on with a task whose steps are recorded."""
    return request.force_create_new_workflow_task and call.header(KEEP_HEADER) == "1"


def has_only_steps(request: ws.RespondWorkflowTaskCompletedRequest) -> bool:
    """Whether all that happened is that steps ended: nothing needs to be looked up for such commands."""
    if request.messages or request.query_results:
        return False
    if request.HasField("sdk_metadata") or request.HasField("metering_metadata"):
        return False
    kinds: list[int] = [one.command_type for one in request.commands]
    return bool(kinds) and kinds.count(_RECORD_MARKER) == len(kinds)


def _kept(key: ChainKey, token: types.TaskToken) -> ws.RespondWorkflowTaskCompletedResponse:
    """The next task is the same: it has another token, the same start, and no history."""
    named = tokens.WorkflowToken(
        key.namespace_id,
        key.workflow_id,
        token.run_id,
        token.scheduled_id,
        token.started_id,
        token.started_at,
        token.attempt,
        token.recorded_id,
    )
    response = ws.RespondWorkflowTaskCompletedResponse()
    response.workflow_task.task_token = tokens.encode(named)
    response.workflow_task.started_event_id = token.started_id
    return response


_RECORD_MARKER = 9
_CARRIERS = {
    13: "upsert_workflow_search_attributes_command_attributes",
    10: "continue_as_new_workflow_execution_command_attributes",
    11: "start_child_workflow_execution_command_attributes",
}
"""Command type -> the field whose message has search attributes."""
_FOREIGN = {
    8: "request_cancel_external_workflow_execution_command_attributes",
    12: "signal_external_workflow_execution_command_attributes",
    11: "start_child_workflow_execution_command_attributes",
    SCHEDULE_COMMAND: "",
}
"""Command type -> the field whose message may name another namespace; empty: it names a Nexus endpoint instead."""


def _search_attributes(one: command.Command) -> common.SearchAttributes | None:
    carrier = _CARRIERS.get(one.command_type)
    if carrier is None:
        return None
    attributes = getattr(one, carrier)
    if not attributes.HasField("search_attributes"):
        return None
    found: common.SearchAttributes = attributes.search_attributes
    return found
