"""Activities on their own, as clients start, watch and end them (platform-surface 8.6).

Their tasks go the way of all activity tasks (`activities`), operators' calls come by `operations`, lists are in
`standalone_lists`. What such an activity does is the engine's; this room checks what it is given.
"""

from typing import Any, NoReturn

from tenuto.engine import standalone_types as types
from tenuto.engine.activity_terms import name_problem, priority_problem, queue_problem, timeout_problem
from tenuto.engine.retry import duration_problem
from tenuto.engine.retry import validate as retry_problem
from tenuto.engine.standalone_state import PREFIX, SCHEDULED_ID
from tenuto.engine.standalone_view import outcome
from tenuto.engine.types import Delete
from tenuto.limits import LIMITS
from tenuto.service import tokens, validate
from tenuto.service.attributes import checked
from tenuto.service.call import Call
from tenuto.service.core import Core
from tenuto.service.errors import invalid
from tenuto.store.spi import ChainKey
from tenuto.wire import activity, common, enums_activity, history
from tenuto.wire import workflowservice as ws

Reuse = enums_activity.ActivityIdReusePolicy
Conflict = enums_activity.ActivityIdConflictPolicy
NO_CALLBACKS = "completion callbacks are not enabled for this namespace"
LAST_EVENTS = 2
"""The activity's end and the run's are the last events of its history."""

Addressed = (
    ws.DescribeActivityExecutionRequest
    | ws.PollActivityExecutionRequest
    | ws.RequestCancelActivityExecutionRequest
    | ws.TerminateActivityExecutionRequest
    | ws.DeleteActivityExecutionRequest
)


class Standalone:
    """Client calls about one activity on its own."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def start_activity_execution(
        self, request: ws.StartActivityExecutionRequest, call: Call
    ) -> ws.StartActivityExecutionResponse:
        """Start an activity. Raises ALREADY_EXISTS, INVALID_ARGUMENT."""
        made = self._prepared(request, call)
        key = chain_key(call, made.activity_id)
        reply: types.StandaloneStarted = await self._core.shards.submit(key, types.StartStandalone(made))
        response = ws.StartActivityExecutionResponse(run_id=reply.run_id, started=reply.started)
        link = common.Link.Activity(
            namespace=call.namespace.name, activity_id=made.activity_id, run_id=reply.run_id
        )
        response.link.activity.CopyFrom(link)
        return response

    def _prepared(
        self, request: ws.StartActivityExecutionRequest, call: Call
    ) -> ws.StartActivityExecutionRequest:
        """The start as the engine wants it."""
        _check_terms(request)
        made = ws.StartActivityExecutionRequest()
        made.CopyFrom(request)
        made.request_id = _request_id(request.request_id) or self._core.new_id()
        _short("identity", request.identity)
        _check_policies(made)
        if request.completion_callbacks:
            invalid(NO_CALLBACKS)
        if request.input.ByteSize() > LIMITS.blob_bytes:
            invalid("input exceeds length limit")
        validate.links(request.links)
        if request.HasField("search_attributes"):
            typed = checked(request.search_attributes, call.namespace.attributes, call.namespace.name)
            if typed is not None:
                made.search_attributes.CopyFrom(typed)
        return made

    # ---- looking ----------------------------------------------------------------------------------------------------

    async def describe_activity_execution(
        self, request: ws.DescribeActivityExecutionRequest, call: Call
    ) -> ws.DescribeActivityExecutionResponse:
        """How an activity stands. With the token of an earlier answer: once that has changed; empty when it does not."""
        key = _addressed(request, call)
        if request.long_poll_token:
            seen = await self._changed(key, request, call)
            if seen is None:
                return ws.DescribeActivityExecutionResponse()
        else:
            seen = await self._look(key, request.run_id)
        run_id = seen.info.run_id
        scheduled = await self._core.shards.scheduled_event(key, run_id, SCHEDULED_ID)
        response = ws.DescribeActivityExecutionResponse(run_id=run_id, info=seen.info)
        if scheduled.HasField("header"):
            response.info.header.CopyFrom(scheduled.header)
        if not request.include_heartbeat_details:
            response.info.ClearField("heartbeat_details")
        if not request.include_last_failure:
            response.info.ClearField("last_failure")
        if request.include_input and scheduled.HasField("input"):
            response.input.CopyFrom(scheduled.input)
        if request.include_outcome and not seen.open:
            response.outcome.CopyFrom(await self._outcome(key, seen))
        response.long_poll_token = tokens.encode(tokens.SeenToken(run_id, seen.version))
        return response

    async def _changed(
        self, key: ChainKey, request: ws.DescribeActivityExecutionRequest, call: Call
    ) -> types.StandaloneSeen | None:
        """Wait until it is not any more as the token says; None when time is over."""
        if not request.run_id:
            invalid("run id is required when long poll token is provided")
        try:
            known = tokens.decode_seen(request.long_poll_token)
        except tokens.Malformed:
            invalid("invalid long poll token")
        if known.run_id != request.run_id:
            invalid("long poll token does not match execution")
        until = self._core.long_poll_until(call.deadline_at, self._core.limits.long_poll_ns)
        watch = self._core.shards.watch(key)
        try:
            while True:
                seen = await self._look(key, request.run_id)
                if seen.version != known.version or not seen.open:
                    return seen
                if not await watch.wait(until):
                    return None
        finally:
            watch.close()

    async def poll_activity_execution(
        self, request: ws.PollActivityExecutionRequest, call: Call
    ) -> ws.PollActivityExecutionResponse:
        """What came of an activity, once it has ended; empty when time is over before."""
        key = _addressed(request, call)
        run_id = request.run_id
        until = self._core.long_poll_until(call.deadline_at, self._core.limits.long_poll_ns)
        watch = self._core.shards.watch(key, closings=True)
        try:
            while True:
                seen = await self._look(key, run_id)
                run_id = seen.info.run_id
                if not seen.open:
                    break
                if not await watch.wait(until):
                    return ws.PollActivityExecutionResponse()
        finally:
            watch.close()
        return ws.PollActivityExecutionResponse(run_id=run_id, outcome=await self._outcome(key, seen))

    async def _look(self, key: ChainKey, run_id: str) -> types.StandaloneSeen:
        seen: types.StandaloneSeen = await self._core.shards.submit(key, types.DescribeStandalone(run_id))
        return seen

    async def _outcome(self, key: ChainKey, seen: types.StandaloneSeen) -> activity.ActivityExecutionOutcome:
        last = seen.last_event_id
        rows = await self._core.shards.read_history(key, seen.info.run_id, last - LAST_EVENTS + 1, last)
        events = [one for row in rows for one in history.History.FromString(row.events).events]
        return outcome(events, seen.cancel_identity) or activity.ActivityExecutionOutcome()

    # ---- ending -----------------------------------------------------------------------------------------------------

    async def request_cancel_activity_execution(
        self, request: ws.RequestCancelActivityExecutionRequest, call: Call
    ) -> ws.RequestCancelActivityExecutionResponse:
        """Ask for cancellation: what no worker has ends at once, a worker hears of it with its next heartbeat."""
        key = _addressed(request, call)
        made = ws.RequestCancelActivityExecutionRequest()
        made.CopyFrom(request)
        made.request_id = _request_id(request.request_id) or self._core.new_id()
        _short("identity", request.identity)
        await self._core.shards.submit(key, types.CancelStandalone(made, request.run_id))
        return ws.RequestCancelActivityExecutionResponse()

    async def terminate_activity_execution(
        self, request: ws.TerminateActivityExecutionRequest, call: Call
    ) -> ws.TerminateActivityExecutionResponse:
        key = _addressed(request, call)
        made = ws.TerminateActivityExecutionRequest()
        made.CopyFrom(request)
        made.request_id = _request_id(request.request_id) or self._core.new_id()
        _short("identity", request.identity)
        await self._core.shards.submit(key, types.TerminateStandalone(made, request.run_id))
        return ws.TerminateActivityExecutionResponse()

    async def delete_activity_execution(
        self, request: ws.DeleteActivityExecutionRequest, call: Call
    ) -> ws.DeleteActivityExecutionResponse:
        """Delete an activity with all that is known of it; one that runs is terminated first."""
        key = _addressed(request, call)
        await self._look(key, request.run_id)
        await self._core.shards.submit(key, Delete(request.run_id))
        return ws.DeleteActivityExecutionResponse()


def chain_key(call: Call, activity_id: str) -> ChainKey:
    """Where an activity on its own is kept."""
    return ChainKey(call.namespace.id, PREFIX + activity_id)


def _addressed(request: Addressed, call: Call) -> ChainKey:
    _check_address(request)
    return chain_key(call, request.activity_id)


def _check_address(request: Any) -> None:
    """Whether a request names an activity on its own, and a run of it or none."""
    if not request.activity_id:
        invalid("activity ID is required")
    _short("activity ID", request.activity_id)
    if request.run_id and not validate.is_uuid(request.run_id):
        invalid("invalid run id: must be a valid UUID")


def check_operation(request: Any) -> None:
    """What operators ask of an activity on its own."""
    _check_address(request)
    _short("request ID", request.request_id)
    _short("identity", request.identity)
    if "jitter" in request.DESCRIPTOR.fields_by_name and (problem := duration_problem(request.jitter)):
        invalid(f"invalid jitter: {problem}")


def _request_id(text: str) -> str:
    _short("request ID", text)
    return text


def _short(label: str, text: str) -> None:
    if validate.too_long(text):
        _too_long(label, text)


def _too_long(label: str, text: str) -> NoReturn:
    invalid(f"{label} exceeds length limit. Length={len(text.encode())} Limit={LIMITS.id_bytes}")


def _check_terms(request: ws.StartActivityExecutionRequest) -> None:
    name, kind = request.activity_id, request.activity_type.name
    problem = (
        queue_problem(request.task_queue if request.HasField("task_queue") else None, "")
        or name_problem("activityId", name)
        or name_problem("activityType", kind)
        or retry_problem(request.retry_policy)
    )
    if problem:
        invalid(problem)
    if problem := priority_problem(request.priority):
        invalid(f"invalid priorities: {problem}")
    if problem := timeout_problem(request, name, kind):
        invalid(problem)
    if problem := duration_problem(request.start_delay):
        invalid(f"invalid StartDelay: {problem}")
    if validate.capped(request.start_delay, "StartDelay"):
        invalid("invalid StartDelay: too long")


def _check_policies(made: ws.StartActivityExecutionRequest) -> None:
    if made.id_reuse_policy not in Reuse.values():
        invalid(f"unsupported ID reuse policy: {made.id_reuse_policy}")
    if made.id_conflict_policy not in Conflict.values():
        invalid(f"unsupported ID conflict policy: {made.id_conflict_policy}")
    made.id_reuse_policy = made.id_reuse_policy or Reuse.ACTIVITY_ID_REUSE_POLICY_ALLOW_DUPLICATE
    made.id_conflict_policy = made.id_conflict_policy or Conflict.ACTIVITY_ID_CONFLICT_POLICY_FAIL
