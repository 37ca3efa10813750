"""Schedules as clients make and change them: checks, defaults, the canonical spec (platform-surface 4).

What a schedule does is the engine's; this room prepares what it is given.
"""

from typing import Any

from tenuto.engine import types
from tenuto.engine.schedule_spec import compiled
from tenuto.engine.schedule_state import PREFIX, SKIP
from tenuto.engine.schedule_text import BadSpec, canonical
from tenuto.limits import DAY, SECOND
from tenuto.service import validate
from tenuto.service.attributes import checked
from tenuto.service.call import Call
from tenuto.service.core import Core, duration, nanoseconds, timestamp
from tenuto.service.errors import Code, ServiceError, invalid
from tenuto.service.starting import prepared
from tenuto.store.spi import ChainKey
from tenuto.wire import enums_workflow, schedule, workflow
from tenuto.wire import workflowservice as ws

NOTES_CHARS = 1000
CATCHUP_NS, LEAST_CATCHUP_NS = 365 * DAY, 10 * SECOND
STAMP_CHARS = 21
"""A started workflow's id is the action's and an instant of so many characters."""
NO_ID = "Can't load workflow execution.  WorkflowId not set."
Reuse = enums_workflow.WorkflowIdReusePolicy
_START_FIELDS = frozenset(workflow.NewWorkflowExecutionInfo.DESCRIPTOR.fields_by_name) & frozenset(
    ws.StartWorkflowExecutionRequest.DESCRIPTOR.fields_by_name
)


class Schedules:
    """Client calls about one schedule."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def create_schedule(
        self, request: ws.CreateScheduleRequest, call: Call
    ) -> ws.CreateScheduleResponse:
        """Make a schedule. Raises ALREADY_EXISTS, INVALID_ARGUMENT."""
        _id(request.schedule_id)
        if not request.request_id:
            invalid("RequestId is not set on request.")
        validate.workflow_id(PREFIX + request.schedule_id)
        validate.length(request.request_id, "RequestId")
        made = ws.CreateScheduleRequest()
        made.CopyFrom(request)
        _canonical(made.schedule)
        template = self._template(made.schedule, call)
        _patch(made.initial_patch)
        validate.memo(made.memo.ByteSize())
        if typed := checked(made.search_attributes, call.namespace.attributes, call.namespace.name):
            made.search_attributes.CopyFrom(typed)
        token = await self._ask(call, request.schedule_id, types.CreateSchedule(made, template))
        return ws.CreateScheduleResponse(conflict_token=token)

    async def describe_schedule(
        self, request: ws.DescribeScheduleRequest, call: Call
    ) -> ws.DescribeScheduleResponse:
        _id(request.schedule_id)
        found: ws.DescribeScheduleResponse = await self._ask(
            call, request.schedule_id, types.DescribeSchedule()
        )
        return found

    async def update_schedule(
        self, request: ws.UpdateScheduleRequest, call: Call
    ) -> ws.UpdateScheduleResponse:
        """Replace all of a schedule. With a stale conflict token nothing happens, silently."""
        if request.schedule.action.WhichOneof("action") is None:
            invalid("Only StartWorkflow action is supported for schedules")
        _id(request.schedule_id)
        if request.HasField("memo"):
            text = "memo updates are not supported on workflow-backed schedules"
            raise ServiceError(Code.FAILED_PRECONDITION, text)
        made = ws.UpdateScheduleRequest()
        made.CopyFrom(request)
        made.request_id = made.request_id or self._core.new_id()
        _canonical(made.schedule)
        template = self._template(made.schedule, call)
        if made.HasField("search_attributes") and (
            typed := checked(made.search_attributes, call.namespace.attributes, call.namespace.name)
        ):
            made.search_attributes.CopyFrom(typed)
        await self._ask(call, request.schedule_id, types.UpdateSchedule(made, template))
        return ws.UpdateScheduleResponse()

    async def patch_schedule(self, request: ws.PatchScheduleRequest, call: Call) -> ws.PatchScheduleResponse:
        """Act now, make up for the past, pause, unpause."""
        if not request.HasField("patch"):
            invalid("Patch is not set on request.")
        _id(request.schedule_id)
        _patch(request.patch)
        await self._ask(call, request.schedule_id, types.PatchSchedule(request))
        return ws.PatchScheduleResponse()

    async def delete_schedule(
        self, request: ws.DeleteScheduleRequest, call: Call
    ) -> ws.DeleteScheduleResponse:
        """Delete a schedule; its workflows go on."""
        _id(request.schedule_id)
        await self._ask(call, request.schedule_id, types.DeleteSchedule(request))
        return ws.DeleteScheduleResponse()

    async def list_schedule_matching_times(
        self, request: ws.ListScheduleMatchingTimesRequest, call: Call
    ) -> ws.ListScheduleMatchingTimesResponse:
        """When would the schedule act between two instants? At most 1000 answers."""
        _id(request.schedule_id)
        asked = types.MatchingTimes(nanoseconds(request.start_time), nanoseconds(request.end_time))
        found: list[int] = await self._ask(call, request.schedule_id, asked)
        return ws.ListScheduleMatchingTimesResponse(start_time=[timestamp(at) for at in found])

    async def _ask(self, call: Call, schedule_id: str, request: object) -> Any:
        return await self._core.shards.submit(ChainKey(call.namespace.id, PREFIX + schedule_id), request)

    def _template(self, given: schedule.Schedule, call: Call) -> ws.StartWorkflowExecutionRequest | None:
        """What each start of the schedule has in common, checked; None when nothing is to be started."""
        if given.action.WhichOneof("action") is None:
            return None
        action = given.action.start_workflow
        if action.cron_schedule:
            invalid("Scheduled workflow must not contain CronSchedule")
        if action.workflow_id_reuse_policy not in (0, Reuse.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE):
            invalid("Scheduled workflow must not contain WorkflowIDReusePolicy")
        asked = ws.StartWorkflowExecutionRequest(namespace=call.namespace.name)
        for field, value in action.ListFields():
            if field.name not in _START_FIELDS:
                continue
            if field.message_type is not None:
                getattr(asked, field.name).CopyFrom(value)
            else:
                setattr(asked, field.name, value)
        asked.workflow_id += "-" * STAMP_CHARS
        made = prepared(asked, call.namespace, self._core.clock.now(), self._core.new_id)
        made.workflow_id = action.workflow_id
        made.request_id = ""
        if made.HasField("search_attributes"):  # typed by now; who looks at the schedule is to see them so
            action.search_attributes.CopyFrom(made.search_attributes)
        if not action.task_queue.kind:
            action.task_queue.kind = made.task_queue.kind = 1  # type: ignore[assignment]
        return made


def _id(schedule_id: str) -> None:
    if not schedule_id:
        invalid(NO_ID)


def _canonical(given: schedule.Schedule) -> None:
    """Fill in defaults, and rewrite the spec into its canonical form."""
    for part in ("spec", "action", "policies", "state"):
        getattr(given, part).SetInParent()
    try:
        spec = canonical(given.spec)
        compiled(spec.SerializeToString(deterministic=True))
    except BadSpec as problem:
        invalid(f"Invalid schedule spec: {problem}")
    given.spec.CopyFrom(spec)
    policies = given.policies
    if not policies.overlap_policy:
        policies.overlap_policy = SKIP  # type: ignore[assignment]
    window = CATCHUP_NS
    if policies.HasField("catchup_window"):
        window = max(nanoseconds(policies.catchup_window), LEAST_CATCHUP_NS)
    policies.catchup_window.CopyFrom(duration(window))


def _patch(patch: schedule.SchedulePatch) -> None:
    _notes(patch.pause)
    _notes(patch.unpause)


def _notes(text: str) -> None:
    if len(text.encode()) > NOTES_CHARS:
        invalid("Schedule notes exceeds limit.")
