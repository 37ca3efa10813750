"""Activities on their own: started, cancelled, terminated and operated on by clients, without a workflow.

Such an activity is the one activity of a run that has no workflow tasks. How it is offered, started, retried, timed out and
reported on is decided where it is for all activities; this room must never have a second rule for any of that.
"""

import json
from typing import Any

import msgspec

from tenuto.engine import activity_operate, activity_options, close, retry, start
from tenuto.engine import activity_state as state
from tenuto.engine import events as ev
from tenuto.engine.activity_end import end
from tenuto.engine.activity_terms import normal_timeouts, wanted_timeouts
from tenuto.engine.chain import Activity
from tenuto.engine.context import Found, find_run, invalid, not_found
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.standalone_state import RUN_TYPE, SCHEDULED_ID, TYPE_NAME, Standalone, shown_id
from tenuto.engine.standalone_types import (
    CancelStandalone,
    DescribeStandalone,
    OperateStandalone,
    StandaloneSeen,
    StandaloneStarted,
    StartStandalone,
    TerminateStandalone,
)
from tenuto.engine.standalone_view import info, status_name
from tenuto.engine.types import OperateActivities, Reason, Rejected
from tenuto.wire import activity as wire_activity
from tenuto.wire import common, enums_activity, errordetails, history
from tenuto.wire import workflowservice as ws

Reuse = enums_activity.ActivityIdReusePolicy
Conflict = enums_activity.ActivityIdConflictPolicy
START_DELAY = "start_delay"


class Altered:
    """These fields of what only an activity on its own has are now as given."""

    __slots__ = ("changes",)

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def apply(self, rd: RunDraft) -> None:
        terms = rd.edit_terms()
        terms.standalone = msgspec.structs.replace(terms.standalone or Standalone(), **self.changes)


class Postponed:
    """The first attempt may not start before this instant."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        self.at = at

    def apply(self, rd: RunDraft) -> None:
        activity = rd.activities.edit(SCHEDULED_ID)
        activity.first_scheduled_at = activity.scheduled_at = self.at
        rd.edit_terms().execution_at = self.at
        rd.visible = True


class Heard:
    """A start that found the activity there is known by its request id."""

    __slots__ = ("request_id",)

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id

    def apply(self, rd: RunDraft) -> None:
        rd.run.request_ids = {**rd.run.request_ids, self.request_id: (ev.OPTIONS_UPDATED, 0)}


# ---- starting ---------------------------------------------------------------------------------------------------------


def begin(draft: Draft, request: StartStandalone) -> None:
    """StartActivityExecution. Raises ALREADY_STARTED."""
    message = request.message
    if draft.chain is not None:
        rd = draft.run
        if message.request_id in rd.run.request_ids:
            draft.reply = StandaloneStarted(rd.run.run_id, False)
            return
        if rd.run.open:
            if message.id_conflict_policy != Conflict.ACTIVITY_ID_CONFLICT_POLICY_USE_EXISTING:
                raise _already_started(rd)
            _attach(rd, message)
            return
        _check_reuse(rd, message)
    rd = start.begin(
        draft, _run_attributes(draft, message), draft.new_run_id(), message.request_id, message.user_metadata
    )
    delay = ev.nanoseconds(message.start_delay)
    links = tuple(link.SerializeToString() for link in message.links)
    rd.note(Altered(start_delay_ns=delay, first_delay_ns=delay, links=links))
    rd.emit(ev.ACTIVITY_SCHEDULED, _scheduled_attributes(message))
    if delay:
        rd.note(Postponed(rd.now + delay))
    draft.reply = StandaloneStarted(rd.run.run_id, True)


def _already_started(rd: RunDraft) -> Rejected:
    detail = errordetails.ActivityExecutionAlreadyStartedFailure(
        start_request_id=rd.terms.create_request_id, run_id=rd.run.run_id
    )
    return Rejected(Reason.ALREADY_STARTED, "activity execution already started", detail)


def _check_reuse(rd: RunDraft, message: ws.StartActivityExecutionRequest) -> None:
    policy = message.id_reuse_policy
    if policy == Reuse.ACTIVITY_ID_REUSE_POLICY_REJECT_DUPLICATE:
        raise _already_started(rd)
    completed = rd.run.status == close.STATUS[ev.COMPLETED]
    if policy == Reuse.ACTIVITY_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY and completed:
        raise _already_started(rd)


def _attach(rd: RunDraft, message: ws.StartActivityExecutionRequest) -> None:
    """USE_EXISTING: note the request on the one that runs, if it asks for that."""
    alone = rd.terms.standalone
    if alone is None:
        raise _already_started(rd)
    options = message.on_conflict_options
    if options.attach_request_id:
        rd.note(Heard(message.request_id))
    if options.attach_links and message.links:
        given = dict.fromkeys((*alone.links, *(link.SerializeToString() for link in message.links)))
        rd.note(Altered(links=tuple(given)))
    rd.draft.reply = StandaloneStarted(rd.run.run_id, False)


def _run_attributes(
    draft: Draft, message: ws.StartActivityExecutionRequest
) -> history.WorkflowExecutionStartedEventAttributes:
    attributes = history.WorkflowExecutionStartedEventAttributes(
        workflow_id=draft.workflow_id, attempt=1, identity=message.identity
    )
    attributes.workflow_type.name = RUN_TYPE
    attributes.task_queue.name = message.task_queue.name
    attributes.task_queue.kind = 1  # type: ignore[assignment]
    attributes.first_workflow_task_backoff.SetInParent()
    if message.HasField("priority"):
        attributes.priority.CopyFrom(message.priority)
    indexed = attributes.search_attributes.indexed_fields
    for key, value in message.search_attributes.indexed_fields.items():
        if not ev.is_deletion(value):
            indexed[key].CopyFrom(value)
    indexed[TYPE_NAME].CopyFrom(_json(message.activity_type.name))
    indexed[TYPE_NAME].metadata["type"] = b"Keyword"
    return attributes


def _scheduled_attributes(
    message: ws.StartActivityExecutionRequest,
) -> history.ActivityTaskScheduledEventAttributes:
    timeouts = normal_timeouts(wanted_timeouts(message), 0)
    policy = retry.policy(message.retry_policy, default=True)
    assert policy is not None
    result = history.ActivityTaskScheduledEventAttributes(
        activity_id=message.activity_id,
        activity_type=message.activity_type,
        schedule_to_close_timeout=ev.duration(timeouts.schedule_to_close_ns),
        schedule_to_start_timeout=ev.duration(timeouts.schedule_to_start_ns),
        start_to_close_timeout=ev.duration(timeouts.start_to_close_ns),
        heartbeat_timeout=ev.duration(timeouts.heartbeat_ns),
        retry_policy=retry.to_wire(policy),
    )
    result.task_queue.name = message.task_queue.name
    result.task_queue.kind = 1  # type: ignore[assignment]
    for name in ("header", "input", "priority"):
        if message.HasField(name):
            getattr(result, name).CopyFrom(getattr(message, name))
    return result


def _json(text: str) -> common.Payload:
    return common.Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(text).encode())


# ---- looking ----------------------------------------------------------------------------------------------------------


def describe(draft: Draft, request: DescribeStandalone) -> None:
    """DescribeActivityExecution, PollActivityExecution. Raises NOT_FOUND."""
    found = find_run(draft, request.run_id)
    activity, alone = _parts(draft, found)
    run = found.run
    draft.reply = StandaloneSeen(
        info(run, found.terms, activity, alone, draft.now),
        run.open,
        run.close_event_id or run.next_event_id - 1,
        run.transitions,
        alone.cancel_identity,
    )


def _parts(draft: Draft, found: Found) -> tuple[Activity, Standalone]:
    if found.rd is not None:
        activity = found.rd.activities.get(SCHEDULED_ID)
    else:
        assert found.record is not None
        activity = next(iter(found.record.activities), None)
    if activity is None or found.terms.standalone is None:
        raise not_found(f"activity not found for ID: {shown_id(draft.workflow_id)}")
    return activity, found.terms.standalone


# ---- ending -----------------------------------------------------------------------------------------------------------


def cancel(draft: Draft, request: CancelStandalone) -> None:
    """RequestCancelActivityExecution: one that no worker has is canceled at once, else its worker hears of it."""
    message = request.message
    found = find_run(draft, request.run_id)
    activity, alone = _parts(draft, found)
    draft.reply = True
    if alone.cancel_request_id:
        if alone.cancel_request_id == message.request_id:
            return
        if found.run.open:
            text = f"cancellation already requested with request ID {alone.cancel_request_id}"
            raise Rejected(Reason.PRECONDITION, text)
    if not found.run.open:
        raise Rejected(
            Reason.PRECONDITION, f"activity is in terminal state {status_name(found.run, activity)}"
        )
    rd = draft.run
    rd.note(
        Altered(
            cancel_request_id=message.request_id,
            cancel_reason=message.reason,
            cancel_identity=message.identity,
        )
    )
    asked = rd.emit(
        ev.ACTIVITY_CANCEL_REQUESTED,
        history.ActivityTaskCancelRequestedEventAttributes(scheduled_event_id=SCHEDULED_ID),
    )
    activity = rd.activities[SCHEDULED_ID]
    if not activity.started:
        attributes = history.ActivityTaskCanceledEventAttributes(
            details=common.Payloads(payloads=[_json(message.reason)]),
            latest_cancel_requested_event_id=asked.event_id,
            identity=message.identity,
        )
        end(rd, activity, ev.ACTIVITY_CANCELED, attributes)


def terminate(draft: Draft, request: TerminateStandalone) -> None:
    """TerminateActivityExecution: over at once; its worker hears of it when it next speaks."""
    message = request.message
    found = find_run(draft, request.run_id)
    activity, alone = _parts(draft, found)
    draft.reply = True
    if alone.terminate_request_id:
        if alone.terminate_request_id == message.request_id:
            return
        text = f"already terminated with request ID {alone.terminate_request_id}"
        raise Rejected(Reason.PRECONDITION, text)
    if not found.run.open:
        raise Rejected(Reason.PRECONDITION, f"invalid transition from {status_name(found.run, activity)}")
    rd = draft.run
    rd.note(Altered(terminate_request_id=message.request_id))
    close.terminate(rd, message.reason, message.identity)


# ---- operating --------------------------------------------------------------------------------------------------------


def operate(draft: Draft, request: OperateStandalone) -> None:
    """Pause, unpause, reset, change options, as for any activity; but what makes no sense is refused."""
    message = request.message
    found = find_run(draft, request.run_id)
    activity, alone = _parts(draft, found)
    name = status_name(found.run, activity)
    problem = _problem(message, activity, name, found.run.open)
    if problem:
        raise Rejected(Reason.PRECONDITION, problem)
    delayed = isinstance(message, ws.UpdateActivityOptionsRequest) and _delays(message)
    if delayed and (activity.started or activity.attempt > 1):
        text = "cannot update start_delay: the first activity attempt has already been dispatched"
        raise Rejected(Reason.PRECONDITION, text)
    activity_operate.operate(draft, OperateActivities(message, request.run_id))
    rd = draft.run
    if isinstance(message, ws.UpdateActivityOptionsRequest):
        _set_delay(rd, message, alone, delayed, draft.reply.activity_options)
    after = rd.activities[SCHEDULED_ID]
    if after.attempt == 1 and not after.started and after.scheduled_at < after.first_scheduled_at:
        rd.note(state.ActivityAmended(SCHEDULED_ID, (("scheduled_at", after.first_scheduled_at),)))


def _problem(message: Any, activity: Activity, name: str, running: bool) -> str:
    if isinstance(message, ws.PauseActivityRequest):
        again = activity.paused is not None and activity.paused.request_id == message.request_id
        bad = not running or activity.cancel_request_id or (activity.paused is not None and not again)
        return f"activity is in non-pausable state {name}" if bad else ""
    if isinstance(message, ws.UnpauseActivityRequest):
        if not running:
            return f"activity is in terminal state {name}"
        bad = activity.paused is None or activity.cancel_request_id
        return f"activity is in non-unpausable state {name}" if bad else ""
    if isinstance(message, ws.ResetActivityRequest):
        if not running:
            return "activity execution is not running"
        return "cannot reset an activity with a pending cancellation" if activity.cancel_request_id else ""
    return "" if running else f"Cannot update options for activity in state {name}"


def _delays(message: ws.UpdateActivityOptionsRequest) -> bool:
    """Whether the start delay is among what changes."""
    paths = [activity_options.snake(path) for path in message.update_mask.paths]
    unknown = next((path for path in paths if path not in activity_options.PATHS), None)
    if unknown is not None:
        raise invalid(f'unsupported update_mask path: "{unknown}"')
    return START_DELAY in paths


def _set_delay(
    rd: RunDraft,
    message: ws.UpdateActivityOptionsRequest,
    alone: Standalone,
    delayed: bool,
    shown: wire_activity.ActivityOptions,
) -> None:
    delay = alone.first_delay_ns if message.restore_original else alone.start_delay_ns
    if delayed:
        delay = ev.nanoseconds(message.activity_options.start_delay)
    after = rd.activities[SCHEDULED_ID]
    if delay != alone.start_delay_ns and after.attempt == 1 and not after.started:
        rd.note(Altered(start_delay_ns=delay))
        rd.note(Postponed(rd.terms.start_at + delay))
    shown.task_queue.kind = 1  # type: ignore[assignment]
    if delayed or delay:
        shown.start_delay.CopyFrom(ev.duration(delay))
