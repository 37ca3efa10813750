"""Nexus: the endpoints, and the tasks by which handlers hear what chains owe them (platform-surface 8).

A task lives in memory, for one attempt: the chain owes it until the attempt has come to something, and owes it again after a
crash of anybody. This room must never write to a chain; what a handler answers goes back as the reply to the message.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from tenuto.engine.nexus_token import TOKEN_HEADER, URL, Caller, encode_token
from tenuto.engine.nexus_types import AskNexus, NexusAnswer, NexusHandout, Outgoing
from tenuto.engine.types import Reason, Rejected
from tenuto.limits import SECOND
from tenuto.matching.types import Match, Query, QueryHandover, QueueKey, QueueKind
from tenuto.service import nexus_endpoints, tokens, validate
from tenuto.service.call import Call
from tenuto.service.core import Core, timestamp
from tenuto.service.errors import Code, ServiceError, invalid, not_found
from tenuto.service.nexus_endpoints import Endpoints, to_wire
from tenuto.service.nexus_failures import EMPTY, handler_error, of_completed, of_failed
from tenuto.service.nexus_links import to_nexus
from tenuto.service.polls import RETRY_PAUSE_NS, poll_until, poller_for
from tenuto.service.workers import Workers
from tenuto.shard.reading import event_at, event_offsets
from tenuto.store.spi import ChainKey
from tenuto.wire import command, common, enums_event, history
from tenuto.wire import nexus as wire_nexus
from tenuto.wire import operatorservice as ops
from tenuto.wire import workflowservice as ws

SCHEDULED = enums_event.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED
SCHEDULE_COMMAND = 17
MILLISECOND = SECOND // 1000
LATEST_NS = 1_500 * MILLISECOND
"""A handler is given at least this much of an attempt's time; a task that is not taken by then is not handed out."""
TAILROOM_NS = SECOND // 5
PAGE, LARGEST_PAGE = 100, 1000
GONE = "Nexus task not found or already expired"


@dataclass(slots=True)
class _Asked:
    """A task that somebody waits for."""

    key: ChainKey
    out_id: int
    until: int
    answer: "asyncio.Future[NexusAnswer]"
    cancel: bool = False
    handed: bool = False
    """A worker has it."""


class Nexus:
    """Endpoints, and the two ways of a task: from a chain to a poll, from a worker's answer to the chain."""

    def __init__(self, core: Core, workers: Workers) -> None:
        self._core = core
        self._workers = workers
        self._endpoints = Endpoints(core.namespaces.store, core.new_id)
        self._asked: dict[str, _Asked] = {}
        core.shards.carry(self.deliver)

    # ---- endpoints ------------------------------------------------------------------------------------------------------

    async def create_nexus_endpoint(
        self, request: ops.CreateNexusEndpointRequest, call: Call
    ) -> ops.CreateNexusEndpointResponse:
        nexus_endpoints.check(request.spec, self._core)
        made = await self._endpoints.create(request.spec, self._core.clock.now())
        return ops.CreateNexusEndpointResponse(endpoint=to_wire(made))

    async def update_nexus_endpoint(
        self, request: ops.UpdateNexusEndpointRequest, call: Call
    ) -> ops.UpdateNexusEndpointResponse:
        nexus_endpoints.check(request.spec, self._core)
        now = self._core.clock.now()
        made = await self._endpoints.update(request.id, request.version, request.spec, now)
        return ops.UpdateNexusEndpointResponse(endpoint=to_wire(made))

    async def delete_nexus_endpoint(
        self, request: ops.DeleteNexusEndpointRequest, call: Call
    ) -> ops.DeleteNexusEndpointResponse:
        problems = [] if request.id else ["endpoint ID not set"]
        if request.id and (problem := _malformed(request.id)):
            problems.append(problem)
        if request.version <= 0:
            problems.append("endpoint version is non-positive")
        if problems:
            invalid(", ".join(problems))
        await self._endpoints.delete(request.id)
        return ops.DeleteNexusEndpointResponse()

    async def get_nexus_endpoint(
        self, request: ops.GetNexusEndpointRequest, call: Call
    ) -> ops.GetNexusEndpointResponse:
        if not request.id:
            invalid("endpoint ID not set")
        if problem := _malformed(request.id):
            invalid(problem)
        await self._endpoints.refresh()
        found = await self._endpoints.found(request.id)
        if found is None:
            not_found(f"Nexus endpoint with ID `{request.id}` not found")
        return ops.GetNexusEndpointResponse(endpoint=to_wire(found))

    async def list_nexus_endpoints(
        self, request: ops.ListNexusEndpointsRequest, call: Call
    ) -> ops.ListNexusEndpointsResponse:
        if request.page_size < 0:
            invalid("page_size is negative")
        if request.page_size > LARGEST_PAGE:
            invalid(f"page_size exceeds limit of {LARGEST_PAGE}")
        after = ""
        if request.next_page_token:
            try:
                after = tokens.decode_name(request.next_page_token)
            except tokens.Malformed as error:
                raise ServiceError(Code.INVALID_ARGUMENT, "Invalid NextPageToken.") from error
        found = [
            record
            for record in await self._endpoints.listed()
            if record.id > after and request.name in ("", record.name)
        ]
        size = request.page_size or PAGE
        response = ops.ListNexusEndpointsResponse(endpoints=[to_wire(record) for record in found[:size]])
        if len(found) > size:
            response.next_page_token = tokens.encode(tokens.NameToken(found[size - 1].id))
        return response

    async def named_in(self, commands: Any) -> dict[str, str]:
        """Of the endpoints that commands name those that exist: name -> id. Raises `Rejected` (UNAVAILABLE)."""
        known: dict[str, str] = {}
        one: command.Command
        for one in commands:
            if one.command_type != SCHEDULE_COMMAND:
                continue
            name = one.schedule_nexus_operation_command_attributes.endpoint
            if name not in known and (record := await self._find(name=name)) is not None:
                known[name] = record.id
        return known

    async def _find(self, endpoint_id: str = "", name: str = "") -> nexus_endpoints.EndpointRecord | None:
        try:
            if endpoint_id:
                return await self._endpoints.found(endpoint_id, name)
            return await self._endpoints.named(name)
        except ServiceError as error:
            raise Rejected(Reason.UNAVAILABLE, error.message) from error

    # ---- from a chain to a handler --------------------------------------------------------------------------------------

    async def deliver(self, source: ChainKey, message: Outgoing) -> NexusAnswer:
        """One attempt to tell a handler what ``source`` owes it. Raises `Rejected` when it was none."""
        core = self._core
        wanted: NexusHandout | None = await core.shards.submit(source, AskNexus(message.out_id))
        if wanted is None:
            return handler_error("NOT_FOUND", "nobody waits for the operation any more")
        endpoint = await self._find(wanted.endpoint_id, wanted.endpoint)
        if endpoint is None or not core.namespaces.knows(endpoint.namespace):
            return handler_error("NOT_FOUND", "endpoint not registered")
        if not wanted.operation:
            return handler_error("NOT_FOUND", "not found")
        until = core.clock.now() + core.limits.nexus_attempt_ns
        future: asyncio.Future[NexusAnswer] = asyncio.get_running_loop().create_future()
        asked = _Asked(source, message.out_id, until, future, wanted.cancel)
        task_id = core.new_id()
        self._asked[task_id] = asked
        queue = QueueKey(core.namespaces.named(endpoint.namespace).id, endpoint.task_queue, QueueKind.NEXUS)
        timer = core.clock.call_at(until, lambda: _give_up(future))
        try:
            handover = await core.matching.query(
                Query(queue, task_id, queue.namespace_id, source.workflow_id, message.run_id),
                until - LATEST_NS,
            )
            if handover is QueryHandover.NO_POLLER:
                raise Rejected(Reason.UNAVAILABLE, "this node is closing")
            if handover is QueryHandover.TIMED_OUT:
                return handler_error("UPSTREAM_TIMEOUT", "upstream timeout")
            return await future
        finally:
            timer.cancel()
            del self._asked[task_id]

    async def poll_nexus_task_queue(
        self, request: ws.PollNexusTaskQueueRequest, call: Call
    ) -> ws.PollNexusTaskQueueResponse:
        """A task as soon as there is one; empty when the poll's time is over. Heartbeats ride along."""
        core = self._core
        until = poll_until(core, call.deadline_at)
        poller = poller_for(request, call.namespace.id, QueueKind.NEXUS, core.new_id())
        self._workers.remember(call, request.worker_heartbeat)
        while True:
            match = await core.matching.poll(poller, until)
            if match is None:
                return ws.PollNexusTaskQueueResponse()
            if not call.alive():
                core.matching.give_back(match)
                return ws.PollNexusTaskQueueResponse()
            try:
                answer = await self._hand_out(match)
            except asyncio.CancelledError:
                core.matching.give_back(match)
                raise
            except Rejected:
                core.matching.give_back(match)
                await core.sleep(core.clock.now() + RETRY_PAUSE_NS)
                continue
            if answer is not None:
                return answer

    async def _hand_out(self, match: Match) -> ws.PollNexusTaskQueueResponse | None:
        """The answer to a poll that was matched; None when nobody waits for the task any more."""
        assert match.query is not None, "no chain offers Nexus tasks but by questions"
        asked = self._asked.get(match.query.query_id)
        if asked is None:
            return None
        wanted: NexusHandout | None = await self._core.shards.submit(asked.key, AskNexus(asked.out_id))
        if wanted is None:
            return None
        asked.handed = True
        scheduled = await self._scheduled(asked.key, wanted.run_id, wanted.scheduled_id)
        now = self._core.clock.now()
        token = tokens.NexusToken(
            match.query.queue.namespace_id, match.query.queue.name, match.query.query_id
        )
        response = ws.PollNexusTaskQueueResponse(task_token=tokens.encode(token))
        request = response.request
        request.scheduled_time.CopyFrom(timestamp(now))
        request.endpoint = wanted.endpoint
        request.header.update(scheduled.nexus_header)
        request.header["request-timeout"] = _seconds(asked.until - now - TAILROOM_NS)
        request.capabilities.SetInParent()
        if wanted.cancel:
            request.cancel_operation.service = wanted.service
            request.cancel_operation.operation = wanted.operation
            request.cancel_operation.operation_id = wanted.token
            request.cancel_operation.operation_token = wanted.token
        else:
            if left := _time_left(wanted, now):
                request.header["operation-timeout"] = _seconds(left)
            request.capabilities.temporal_failure_responses = True
            self._fill_start(request.start_operation, asked.key, wanted, scheduled)
        if match.scaling_delta is not None:
            response.poller_scaling_decision.poll_request_delta_suggestion = match.scaling_delta
        return response

    def _fill_start(
        self,
        start: wire_nexus.StartOperationRequest,
        key: ChainKey,
        wanted: NexusHandout,
        scheduled: history.NexusOperationScheduledEventAttributes,
    ) -> None:
        start.service, start.operation = wanted.service, wanted.operation
        start.request_id = wanted.request_id
        start.callback = URL
        caller = Caller(*key, wanted.run_id, wanted.scheduled_id, wanted.request_id)
        start.callback_header[TOKEN_HEADER] = encode_token(caller)
        if scheduled.HasField("input"):
            start.payload.CopyFrom(scheduled.input)
        event = common.Link.WorkflowEvent(workflow_id=key.workflow_id, run_id=wanted.run_id)
        event.namespace = self._core.namespaces.identified(key.namespace_id).name
        event.event_ref.event_id, event.event_ref.event_type = wanted.scheduled_id, SCHEDULED
        start.links.append(to_nexus(event))

    async def _scheduled(
        self, key: ChainKey, run_id: str, scheduled_id: int
    ) -> history.NexusOperationScheduledEventAttributes:
        rows = await self._core.shards.read_history(key, run_id, scheduled_id, scheduled_id)
        if not rows:
            raise Rejected(Reason.NOT_FOUND, "the operation's history is gone")
        offsets = event_offsets(rows[0].events)
        event = event_at(rows[0].events, offsets[scheduled_id - rows[0].first_event_id])
        return event.nexus_operation_scheduled_event_attributes

    def in_hand(self, key: ChainKey) -> bool:
        """Whether a worker is at a task of this chain."""
        return any(asked.key == key and asked.handed for asked in self._asked.values())

    # ---- from a handler to the chain ------------------------------------------------------------------------------------

    async def respond_nexus_task_completed(
        self, request: ws.RespondNexusTaskCompletedRequest, call: Call
    ) -> ws.RespondNexusTaskCompletedResponse:
        asked = self._waiting(request.identity, call)
        right = "cancel_operation" if asked.cancel else "start_operation"
        response = request.response
        try:
            fits = response.WhichOneof("variant") == right
            answer = of_completed(response, asked.cancel) if fits else handler_error("INTERNAL", EMPTY)
        except ValueError as problem:
            raise ServiceError(Code.INVALID_ARGUMENT, str(problem)) from problem
        asked.answer.set_result(answer)
        return ws.RespondNexusTaskCompletedResponse()

    async def respond_nexus_task_failed(
        self, request: ws.RespondNexusTaskFailedRequest, call: Call
    ) -> ws.RespondNexusTaskFailedResponse:
        try:
            answer = of_failed(request)
        except ValueError as problem:
            raise ServiceError(Code.INVALID_ARGUMENT, str(problem)) from problem
        self._waiting(request.identity, call).answer.set_result(answer)
        return ws.RespondNexusTaskFailedResponse()

    def _waiting(self, identity: str, call: Call) -> _Asked:
        validate.length(identity, "Identity")
        token = call.token
        asked = self._asked.get(token.task_id) if isinstance(token, tokens.NexusToken) else None
        if asked is None or asked.answer.done():
            not_found(GONE)
        return asked


def _give_up(future: "asyncio.Future[NexusAnswer]") -> None:
    if not future.done():
        future.set_result(handler_error("UPSTREAM_TIMEOUT", "upstream timeout"))


def _time_left(wanted: NexusHandout, now: int) -> int:
    """How long the operation may take from now on; 0: as long as it likes."""
    bounds = [wanted.start_to_close_ns] if wanted.start_to_close_ns else []
    if wanted.expires_at:
        bounds.append(max(wanted.expires_at - now, 1))
    return min(bounds, default=0)


def _seconds(ns: int) -> str:
    return f"{max(ns, MILLISECOND) // MILLISECOND}ms"


def _malformed(endpoint_id: str) -> str:
    if validate.is_uuid(endpoint_id):
        return ""
    length = len(endpoint_id)
    problem = "invalid UUID format" if length == 36 else f"invalid UUID length: {length}"
    return f'malformed endpoint ID: "{problem}"'
