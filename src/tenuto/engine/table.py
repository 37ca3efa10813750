"""Which rule decides which request, which applies which event; and ``decide`` itself.

The three literals are the map of the engine; their coverage is asserted when this module is imported. The host's duties:
load the chain (and the closed runs a request names) before, stamp the request, commit the draft, fold it, and only then
publish ``reply``, notices, dispatches and messages.
"""

from typing import Any

from tenuto.engine import (
    activity,
    attributes,
    child,
    close,
    commands,
    describe,
    external,
    lifecycle,
    nexus,
    nexus_types,
    options,
    outgoing,
    query,
    reset,
    schedule,
    signal,
    standalone,
    standalone_types,
    start,
    sticky,
    timer,
    types,
    update,
    workflow_task,
)
from tenuto.engine import events as ev
from tenuto.engine.chain import Chain, ClosedRun
from tenuto.engine.context import ApplyRule, CommandFailed, DecideRule
from tenuto.engine.draft import Draft, RunDraft
from tenuto.limits import LIMITS
from tenuto.wire import history

DECIDE: dict[type, DecideRule] = {
    types.Start: start.start,
    types.SignalWithStart: start.signal_with_start,
    types.UpdateWithStart: update.update_with_start,
    types.Signal: signal.signal,
    types.RequestCancel: signal.request_cancel,
    types.Terminate: close.terminate_request,
    types.Delete: lifecycle.delete,
    types.Reset: reset.reset,
    types.Update: update.update,
    types.AskUpdate: update.ask,
    types.Query: query.query,
    types.DropQuery: query.drop,
    types.Describe: describe.describe,
    types.AskHistory: describe.ask_history,
    types.UpdateOptions: options.update,
    types.PauseRun: options.pause,
    types.UnpauseRun: options.unpause,
    types.OperateActivities: activity.operate,
    types.ResetSticky: sticky.reset_sticky,
    types.StartWorkflowTask: workflow_task.start,
    types.CompleteWorkflowTask: commands.complete,
    types.FailWorkflowTask: workflow_task.fail,
    types.StartActivityTask: activity.start,
    types.Heartbeat: activity.heartbeat,
    types.LeaveActivityOpen: activity.leave_open,
    types.CompleteActivity: activity.complete,
    types.FailActivity: activity.fail,
    types.CancelActivity: activity.cancel,
    types.Tick: lifecycle.tick,
    types.WorkersLost: lifecycle.workers_lost,
    types.Unclaimed: lifecycle.unclaimed,
    types.StickyRefused: sticky.sticky_refused,
    types.Delivered: outgoing.delivered,
    types.FirstTask: child.first_task,
    types.ChildClosed: child.child_closed,
    types.ExpireRun: lifecycle.expire_run,
    types.CreateSchedule: schedule.create,
    types.UpdateSchedule: schedule.update,
    types.PatchSchedule: schedule.patch,
    types.DeleteSchedule: schedule.delete,
    types.DescribeSchedule: schedule.describe,
    types.MatchingTimes: schedule.matching_times,
    types.ScheduledClosed: schedule.closed,
    standalone_types.StartStandalone: standalone.begin,
    standalone_types.DescribeStandalone: standalone.describe,
    standalone_types.CancelStandalone: standalone.cancel,
    standalone_types.TerminateStandalone: standalone.terminate,
    standalone_types.OperateStandalone: standalone.operate,
    nexus_types.AskNexus: nexus.ask,
    nexus_types.CompleteNexus: nexus.complete,
}

APPLY: dict[Any, ApplyRule] = {
    ev.STARTED: start.applied_started,
    **workflow_task.APPLY,
    **close.APPLY,
    **signal.APPLY,
    **timer.APPLY,
    **attributes.APPLY,
    **options.APPLY,
    **activity.APPLY,
    **child.APPLY,
    **external.APPLY,
    **nexus.APPLY,
    **update.APPLY,
}

SETTLE: dict[Any, ApplyRule] = {
    **options.SETTLE,
    **activity.SETTLE,
    **child.SETTLE,
    **external.SETTLE,
    **update.SETTLE,
}
"""What can be applied only once a buffered event has got its id."""

WRITTEN = {value for name, value in vars(ev).items() if name.isupper() and value in ev.E.values()}
assert set(APPLY) >= WRITTEN, f"no apply rule for event types {sorted(WRITTEN - set(APPLY))}"
assert set(SETTLE) <= ev.BUFFERABLE, "only bufferable events are settled"


def apply(rd: RunDraft, event: history.HistoryEvent) -> None:
    """The only way history changes state. Cannot fail on an event that the engine has emitted."""
    APPLY[event.event_type](rd, event)


def settle(rd: RunDraft, event: history.HistoryEvent) -> None:
    rule = SETTLE.get(event.event_type)
    if rule is not None:
        rule(rd, event)


def decide(
    key: tuple[str, str],
    chain: Chain | None,
    request: Any,
    stamp: types.Stamp,
    closed: dict[str, ClosedRun] | None = None,
) -> Draft:
    """Decide one request over an untouched chain. Raises `Rejected`; then nothing has happened."""
    draft = Draft(key, chain, stamp, apply, settle)
    if closed:
        draft.closed = closed
    try:
        DECIDE[type(request)](draft, request)
    except CommandFailed as failed:
        draft = Draft(key, chain, stamp, apply, settle)
        draft.closed = closed or {}
        commands.void(draft, request, failed)
    if draft.runs and draft.run.run.open:
        _bound(draft.run)
    lifecycle.forget(draft)
    draft.finish()
    return draft


def _bound(rd: RunDraft) -> None:
    """Close a run whose history has outgrown its limits (execution-semantics 9), and end a workflow task beside which
    too much has been buffered (2.5)."""
    if rd.buffer_exceeds(LIMITS.buffered_events, LIMITS.buffered_bytes):
        workflow_task.force_close(rd)
        rd.flush()
        workflow_task.reschedule(rd)
    if not rd.changed:
        return
    if rd.run.next_event_id - 1 > LIMITS.history_events:
        close.terminate(rd, "Workflow history count exceeds limit.", workflow_task.SYSTEM)
    elif rd.run.history_bytes > LIMITS.history_bytes:
        close.terminate(rd, "Workflow history size exceeds limit.", workflow_task.SYSTEM)
