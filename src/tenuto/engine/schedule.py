"""Schedules: workflows started by the calendar, with rules for what to do when one still runs.

A schedule is a chain without workflow tasks. Each decision brings it up to the present: times that have come become waiting
starts, and waiting starts become messages to the chains of their workflows, each with a request id of its own, so that
however often one is sent it starts one workflow. The workflow's close comes back as a message too. This room must never
look into a workflow: it knows what the messages tell.
"""

import msgspec

from tenuto.engine import close, parcel, schedule_view, start
from tenuto.engine import events as ev
from tenuto.engine.chain import Out, Outgoing
from tenuto.engine.context import no_such_chain, not_found, open_run
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.schedule_desk import Desk
from tenuto.engine.schedule_overlap import choose
from tenuto.engine.schedule_spec import bounded
from tenuto.engine.schedule_state import (
    DIVISION,
    DIVISION_NAME,
    INTERNAL,
    LIST_INFO,
    TASK_QUEUE,
    TERMINATE_OTHER,
    WORKFLOW_TYPE,
    Action,
    Backfill,
    Carry,
    Plan,
    Progress,
    ScheduledEnd,
    ScheduledStart,
    Waiting,
    identity,
    template,
)
from tenuto.engine.types import (
    CreateSchedule,
    DeleteSchedule,
    Delivered,
    DescribeSchedule,
    MatchingTimes,
    PatchSchedule,
    Reason,
    Rejected,
    ScheduledClosed,
    UpdateSchedule,
)
from tenuto.limits import DAY, LIMITS, MIB, SECOND
from tenuto.wire import common as wire_common
from tenuto.wire import enums_workflow, errordetails, failure, history, schedule
from tenuto.wire import workflowservice as ws

BUFFER = 1000
BATCH = 500
"""Times looked at in one decision; what is left follows in the next."""
BACKFILL_BATCH = 100
STARTS, STARTS_BYTES = 100, 4 * MIB
"""Starts of one decision that depend on nothing: each is a message with all that its workflow is given."""
IDLE_NS = 7 * DAY
"""A schedule that will never act again is kept so long after it last did."""
MATCHES = 1000
TRUST_TOKEN_BYTES = 8
Reuse = enums_workflow.WorkflowIdReusePolicy
Conflict = enums_workflow.WorkflowIdConflictPolicy
Status = enums_workflow.WorkflowExecutionStatus
CANCELLED_TEXT = "cancelled by schedule overlap policy"
TERMINATED_TEXT = "terminated by schedule overlap policy"
DELETED_TEXT = "terminated by DeleteSchedule"

# ---- requests ---------------------------------------------------------------------------------------------------------


def create(draft: Draft, request: CreateSchedule) -> None:
    """CreateSchedule. Raises ALREADY_STARTED."""
    message = request.message
    draft.reply = token_bytes(1)
    if draft.chain is not None:
        current = draft.run
        if message.request_id in current.run.request_ids:
            return
        if current.run.open:
            text = f'schedule "{message.schedule_id}" is already registered'
            detail = errordetails.WorkflowExecutionAlreadyStartedFailure()
            raise Rejected(Reason.ALREADY_STARTED, text, detail)
    attributes = history.WorkflowExecutionStartedEventAttributes(
        workflow_id=draft.workflow_id, attempt=1, identity=message.identity
    )
    attributes.workflow_type.name = WORKFLOW_TYPE
    attributes.task_queue.name = TASK_QUEUE
    attributes.workflow_task_timeout.CopyFrom(ev.duration(LIMITS.task_timeout_ns))
    attributes.first_workflow_task_backoff.SetInParent()
    attributes.memo.SetInParent()
    for key, value in message.memo.fields.items():
        attributes.memo.fields[key].CopyFrom(value)
    indexed = attributes.search_attributes.indexed_fields
    for key, value in message.search_attributes.indexed_fields.items():
        if not ev.is_deletion(value):
            indexed[key].CopyFrom(value)
    indexed[DIVISION_NAME].CopyFrom(schedule_view.keyword(DIVISION))
    rd = start.begin(draft, attributes, draft.new_run_id(), message.request_id)
    state = message.schedule.state
    progress = Progress(
        draft.now,
        draft.now,
        notes=state.notes,
        paused=state.paused,
        limited=state.limited_actions,
        remaining=state.remaining_actions,
    )
    desk = Desk(rd, (_plan(message.schedule, request.template), progress))
    _patch(desk, message.initial_patch)
    _advance(desk)


def update(draft: Draft, request: UpdateSchedule) -> None:
    """UpdateSchedule: replaces all of it. With a conflict token that is not (any more) the schedule's nothing happens,
    and nobody is told."""
    draft.reply = True
    desk = _open_desk(draft)
    message = request.message
    if message.request_id and message.request_id in desk.rd.run.request_ids:
        return
    _catch_up(desk)
    desk.rd.note(Heard(message.request_id))
    progress = desk.progress
    given = message.conflict_token
    if len(given) < TRUST_TOKEN_BYTES or given[:TRUST_TOKEN_BYTES] == token_bytes(progress.token):
        state = message.schedule.state
        progress.notes, progress.paused = state.notes, state.paused
        progress.limited, progress.remaining = state.limited_actions, state.remaining_actions
        progress.updated_at = desk.now
        progress.token += 1
        desk.replan(_plan(message.schedule, request.template))
        if message.HasField("search_attributes"):
            desk.rd.note(Indexed(_indexed(message.search_attributes)))
    _advance(desk)


def patch(draft: Draft, request: PatchSchedule) -> None:
    """PatchSchedule: act now, make up for the past, pause, unpause."""
    draft.reply = True
    desk = _open_desk(draft)
    if request.message.request_id and request.message.request_id in desk.rd.run.request_ids:
        return
    _catch_up(desk)
    _patch(desk, request.message.patch)
    desk.rd.note(Heard(request.message.request_id))
    _advance(desk)


def delete(draft: Draft, request: DeleteSchedule) -> None:
    """DeleteSchedule; its workflows go on."""
    rd = open_run(draft, "")
    close.terminate(rd, DELETED_TEXT, request.message.identity)
    draft.reply = True


def tick(rd: RunDraft) -> None:
    """The schedule's alarm rang."""
    _advance(Desk(rd))


def describe(draft: Draft, request: DescribeSchedule) -> None:
    """DescribeSchedule; a `DescribeScheduleResponse`."""
    rd, desk = _reading(draft)
    progress = desk.progress
    reply = ws.DescribeScheduleResponse(
        schedule=schedule.Schedule.FromString(desk.plan.schedule),
        info=schedule_view.info(
            progress, desk.actions(), desk.waiting_count, desk.times, desk.seed, draft.now
        ),
        conflict_token=token_bytes(progress.token),
    )
    reply.schedule.state.CopyFrom(schedule_view.state(progress))
    for key, raw in rd.terms.memo.items():
        if key != LIST_INFO:
            reply.memo.fields[key].ParseFromString(raw)
    for key, raw in rd.terms.search_attributes.items():
        if key not in INTERNAL:
            reply.search_attributes.indexed_fields[key].ParseFromString(raw)
    draft.reply = reply


def matching_times(draft: Draft, request: MatchingTimes) -> None:
    """ListScheduleMatchingTimes: instants after ``from_at`` up to ``until_at``."""
    _, desk = _reading(draft)
    found: list[int] = []
    for one in desk.times.within(request.from_at, request.until_at, desk.seed):
        found.append(one.at)
        if len(found) >= MATCHES:
            break
    draft.reply = found


def token_bytes(token: int) -> bytes:
    return token.to_bytes(8, "big")


def _open_desk(draft: Draft) -> Desk:
    rd = open_run(draft, "")
    if not len(rd.schedule):
        raise no_such_chain(draft)
    return Desk(rd)


def _reading(draft: Draft) -> tuple[RunDraft, Desk]:
    if draft.chain is None or draft.run.run.delete_at_close:
        raise no_such_chain(draft)
    rd = draft.run
    if not rd.run.open or not len(rd.schedule):
        raise not_found("schedule not found")
    return rd, Desk(rd)


def _plan(given: schedule.Schedule, request: ws.StartWorkflowExecutionRequest | None) -> Plan:
    shown = schedule.Schedule()
    shown.CopyFrom(given)
    shown.ClearField("state")
    return Plan(
        schedule=shown.SerializeToString(deterministic=True),
        spec=shown.spec.SerializeToString(deterministic=True),
        start=request.SerializeToString(deterministic=True) if request is not None else b"",
        overlap=shown.policies.overlap_policy,
        catchup_ns=ev.nanoseconds(shown.policies.catchup_window),
        pause_on_failure=shown.policies.pause_on_failure,
    )


class Indexed:
    """The schedule's own search attributes are now these, and those that the service adds."""

    __slots__ = ("values",)

    def __init__(self, values: dict[str, bytes]) -> None:
        self.values = values

    def apply(self, rd: RunDraft) -> None:
        terms = rd.edit_terms()
        kept = {k: raw for k, raw in terms.search_attributes.items() if k in INTERNAL}
        terms.search_attributes = {**self.values, **kept}
        rd.visible = True


def _indexed(given: wire_common.SearchAttributes) -> dict[str, bytes]:
    return {
        key: value.SerializeToString()
        for key, value in given.indexed_fields.items()
        if not ev.is_deletion(value)
    }


class Heard:
    """The last requests that changed the schedule are known: one that is sent again changes nothing."""

    __slots__ = ("request_id",)
    REMEMBERED = 50

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id

    def apply(self, rd: RunDraft) -> None:
        if not self.request_id:
            return
        known = {**rd.run.request_ids, self.request_id: (ev.SIGNALED, 0)}
        # The first is that of the schedule's making.
        for stale in list(known)[1 : max(1, len(known) - self.REMEMBERED)]:
            del known[stale]
        rd.run.request_ids = known


def _patch(desk: Desk, wanted: schedule.SchedulePatch) -> None:
    progress = desk.progress
    if wanted.HasField("trigger_immediately"):
        given = wanted.trigger_immediately
        at = desk.now
        if given.HasField("scheduled_time"):
            at = bounded(ev.instant(given.scheduled_time))
        _wait(desk, Waiting(at, at, given.overlap_policy, True))
    for one in wanted.backfill_request:
        # The first instant counts too.
        first, last = bounded(ev.instant(one.start_time)), bounded(ev.instant(one.end_time))
        desk.add("f", Backfill(first - 1, last, one.overlap_policy))
    for notes, paused in ((wanted.pause, True), (wanted.unpause, False)):
        if notes:
            progress.paused, progress.notes = paused, notes
            progress.token += 1


# ---- up to the present ------------------------------------------------------------------------------------------------


def _advance(desk: Desk) -> None:
    """Do whatever is due, and set the alarm for what comes next."""
    more = _catch_up(desk)
    _prune(desk)
    wake_at = desk.now if more else _next_at(desk)
    desk.close(max(wake_at, 0))
    if wake_at < 0:
        close.retire(desk.rd)


def _catch_up(desk: Desk) -> bool:
    """True when there is more to do at once than one decision may."""
    more = _take_times(desk)
    more |= _take_backfills(desk)
    more |= _start_waiting(desk)
    return more


def _take_times(desk: Desk) -> bool:
    progress, plan = desk.progress, desk.plan
    if not _may_act(progress):
        progress.last_at = max(progress.last_at, desk.now)
        return False
    times, seed = desk.times, desk.seed
    after_at = max(progress.last_at, progress.updated_at - times.jitter_ns - 1)
    for _ in range(BATCH):
        found = times.next(after_at, seed)
        if found is None or found.at > desk.now:
            return False
        progress.last_at = after_at = found.at
        if found.at < progress.updated_at:
            continue
        if desk.now - found.at > plan.catchup_ns:
            progress.missed += 1
        else:
            _wait(desk, Waiting(found.nominal_at, found.at, 0, False))
    return True


def _take_backfills(desk: Desk) -> bool:
    """A part of the oldest backfill; they must leave room for what comes by the clock."""
    room = min(BACKFILL_BATCH, BUFFER // 2 - desk.waiting_count)
    backfills = desk.backfills()
    for name, one in backfills:
        after_at = one.after_at
        for found in desk.times.within(one.after_at, one.until_at, desk.seed):
            if room <= 0:
                break
            _wait(desk, Waiting(found.nominal_at, found.at, one.overlap, True))
            after_at = found.at
            room -= 1
        else:
            desk.replace(name, None)
            continue
        desk.replace(name, Backfill(after_at, one.until_at, one.overlap))
        # With a full buffer the end of a workflow will go on with it.
        return desk.waiting_count < BUFFER // 2 or not _running(desk)
    return False


def _wait(desk: Desk, one: Waiting) -> None:
    if desk.waiting_count >= BUFFER:
        desk.progress.dropped += 1
    else:
        desk.add("b", one)


def _may_act(progress: Progress) -> bool:
    return not progress.paused and (not progress.limited or progress.remaining > 0)


def _running(desk: Desk) -> list[Action]:
    return [one for one in desk.actions() if one.running]


def _start_waiting(desk: Desk) -> bool:
    """True when there are more to start at once than one decision may."""
    running = _running(desk)
    most = max(1, min(STARTS, STARTS_BYTES // (len(desk.plan.start) + 1)))
    chosen = choose(desk.waiting(), bool(running), desk.plan.overlap, most)
    desk.progress.skipped += chosen.skipped
    for name in chosen.gone:
        desk.replace(name, None)
    for waiting, tracked in chosen.starts:
        if not waiting.manual:
            if not _may_act(desk.progress):
                continue
            if desk.progress.limited:
                desk.progress.remaining -= 1
                desk.progress.token += 1
        _start(desk, waiting, tracked)
    if chosen.end:
        for action in running:
            _end(desk, action, chosen.end)
    if chosen.starts and not chosen.left and not _running(desk) and desk.waiting_count:
        return _start_waiting(desk)  # the one that was to run may not act any more
    return chosen.left


def _next_at(desk: Desk) -> int:
    """When to look again; 0: when somebody asks; -1: the schedule is over."""
    progress = desk.progress
    if progress.paused:
        return 0
    if _may_act(progress):
        after_at = max(progress.last_at, progress.updated_at - desk.times.jitter_ns - 1)
        found = desk.times.next(after_at, desk.seed)
        if found is not None:
            return max(found.at, desk.now)
    if _running(desk) or desk.waiting() or desk.backfills():
        return 0
    last = max((one.started_at for one in desk.actions()), default=0)
    over_at = max(last, progress.created_at, progress.updated_at) + IDLE_NS
    return over_at if over_at > desk.now else -1


def _prune(desk: Desk) -> None:
    """Forget actions that are over and not among the last."""
    actions = desk.actions()
    kept = {one.number for one in schedule_view.recent(actions, schedule_view.RECENT)}
    for one in actions:
        if one.started_at and not one.running and one.number not in kept:
            desk.forget(one)


# ---- its workflows ----------------------------------------------------------------------------------------------------


def _start(desk: Desk, waiting: Waiting, tracked: bool) -> None:
    request = template(desk.plan)
    if request is None:
        return
    draft = desk.draft
    number = desk.number()
    nominal = ev.timestamp(waiting.nominal_at // SECOND * SECOND).ToJsonString()
    request.workflow_id = f"{request.workflow_id}-{nominal}"
    request.identity = identity(draft.namespace.name, draft.workflow_id)
    request.request_id = parcel.event_uuid(desk.rd.run.run_id, number)
    request.workflow_id_conflict_policy = Conflict.WORKFLOW_ID_CONFLICT_POLICY_FAIL
    request.workflow_id_reuse_policy = (
        Reuse.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
        if waiting.manual
        else Reuse.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
    )
    indexed = request.search_attributes.indexed_fields
    at = indexed["TemporalScheduledStartTime"]
    at.CopyFrom(schedule_view.keyword(nominal))
    at.metadata["type"] = b"Datetime"
    indexed["TemporalScheduledById"].CopyFrom(schedule_view.keyword(desk.schedule_id))
    if tracked:
        carry = desk.carry
        if carry.result:
            request.last_completion_result.ParseFromString(carry.result)
        if carry.failure:
            request.continued_failure.ParseFromString(carry.failure)
    desk.keep(Action(number, waiting.at, request.workflow_id, tracked))
    parcel.owe(
        draft,
        Out.SCHEDULED_START,
        desk.rd.run.run_id,
        number if tracked else -number,
        (draft.key[0], request.workflow_id, ""),
        ScheduledStart(request.SerializeToString(deterministic=True)),
        request.request_id,
    )


def _end(desk: Desk, action: Action, how: int) -> None:
    """Ask a workflow to end, once in each way. One whose start is not answered is asked then."""
    if not action.started_at or action.ending >= how:
        return
    action = msgspec.structs.replace(action, ending=how)
    desk.keep(action)
    draft = desk.draft
    parcel.owe(
        draft,
        Out.SCHEDULED_TERMINATE if how == TERMINATE_OTHER else Out.SCHEDULED_CANCEL,
        desk.rd.run.run_id,
        action.number,
        (draft.key[0], action.workflow_id, action.run_id),
        ScheduledEnd(identity(draft.namespace.name, draft.workflow_id)),
        parcel.event_uuid(desk.rd.run.run_id, action.number) + f":{how}",
    )


def start_answered(rd: RunDraft, message: Outgoing, request: Delivered) -> None:
    """A workflow was started, or its start was refused: then it is as if it had not been due."""
    desk = Desk(rd)
    action = desk.action(abs(message.reference))
    if action is None or action.started_at:
        return
    if request.refusal is not None:
        desk.forget(action)
    else:
        _started(desk, action, request.reply.first_run_id or request.reply.run_id)
    _advance(desk)


def _started(desk: Desk, action: Action, run_id: str) -> Action:
    desk.progress.actions += 1
    action = msgspec.structs.replace(action, started_at=desk.now, run_id=run_id)
    desk.keep(action)
    return action


def closed(draft: Draft, request: ScheduledClosed) -> None:
    """A workflow has closed for good. News of one that nobody waits for is no news."""
    if not draft.runs:
        raise no_such_chain(draft)
    draft.reply = True
    rd = draft.run
    if not rd.run.open or rd.run.run_id != request.run_id or not len(rd.schedule):
        return
    desk = Desk(rd)
    action = desk.action(request.number)
    if action is None or not action.running:
        return
    if not action.started_at:
        action = _started(
            desk, action, request.first_run_id
        )  # the news has overtaken the answer to the start
    _catch_up(desk)  # what was due while it ran, was due while it ran
    event = request.event
    action = msgspec.structs.replace(
        desk.action(request.number) or action, status=int(close.STATUS[event.event_type])
    )
    desk.keep(action)
    _learn(desk, action, event)
    _advance(desk)


def _learn(desk: Desk, action: Action, event: history.HistoryEvent) -> None:
    """What a workflow's end means for the schedule and for those that come."""
    problem: failure.Failure | None = None
    if event.event_type == ev.COMPLETED:
        completed = event.workflow_execution_completed_event_attributes
        if completed.HasField("result"):
            desk.carry = Carry(completed.result.SerializeToString())
    elif event.event_type == ev.FAILED:
        problem = event.workflow_execution_failed_event_attributes.failure
        desk.carry = Carry(desk.carry.result, problem.SerializeToString())
    if not desk.plan.pause_on_failure or desk.progress.paused:
        return
    if problem is not None:
        _pause(desk, f"paused due to workflow failure: {action.workflow_id}: {problem.message}")
    elif event.event_type == ev.TIMED_OUT:
        _pause(desk, f"paused due to workflow timeout: {action.workflow_id}")


def _pause(desk: Desk, notes: str) -> None:
    desk.progress.paused, desk.progress.notes = True, notes
    desk.progress.token += 1
