"""What a schedule looks like from outside: its description, its line in lists. Nothing here changes anything."""

from collections.abc import Iterable

from tenuto.engine import events as ev
from tenuto.engine.schedule_spec import Times
from tenuto.engine.schedule_state import Action, Plan, Progress
from tenuto.wire import common, schedule

RECENT, LISTED_RECENT = 10, 5
FUTURE, LISTED_FUTURE = 10, 5
LISTED_SPECS = 10


def keyword(text: str) -> common.Payload:
    payload = common.Payload(data=f'"{text}"'.encode())
    payload.metadata["encoding"], payload.metadata["type"] = b"json/plain", b"Keyword"
    return payload


def paused_value(paused: bool) -> bytes:
    """The search attribute that says whether the schedule rests."""
    payload = common.Payload(data=b"true" if paused else b"false")
    payload.metadata["encoding"], payload.metadata["type"] = b"json/plain", b"Bool"
    return payload.SerializeToString(deterministic=True)


def recent(actions: Iterable[Action], count: int) -> list[Action]:
    """The last actions that were taken, oldest first."""
    taken = sorted((one for one in actions if one.started_at), key=lambda one: (one.started_at, one.number))
    return taken[-count:]


def _result(action: Action) -> schedule.ScheduleActionResult:
    made = schedule.ScheduleActionResult(start_workflow_status=action.status)  # type: ignore[arg-type]
    made.schedule_time.CopyFrom(ev.timestamp(action.at))
    made.actual_time.CopyFrom(ev.timestamp(action.started_at))
    made.start_workflow_result.workflow_id = action.workflow_id
    made.start_workflow_result.run_id = action.run_id
    return made


def future(progress: Progress, times: Times, seed: str, count: int, now: int) -> list[int]:
    """The next times at which the schedule would act, were it not paused."""
    if progress.limited:
        count = min(count, progress.remaining)
    found: list[int] = []
    floor = max(progress.updated_at, now if progress.paused else 0)
    after_at = max(progress.last_at, floor - times.jitter_ns - 1)
    while len(found) < count:
        one = times.next(after_at, seed)
        if one is None:
            break
        if one.at >= floor:
            found.append(one.at)
        after_at = one.at
    return found


def state(progress: Progress) -> schedule.ScheduleState:
    return schedule.ScheduleState(
        notes=progress.notes,
        paused=progress.paused,
        limited_actions=progress.limited,
        remaining_actions=progress.remaining,
    )


def info(
    progress: Progress, actions: list[Action], waiting: int, times: Times, seed: str, now: int
) -> schedule.ScheduleInfo:
    """What a description tells of a schedule's life."""
    made = schedule.ScheduleInfo(
        action_count=progress.actions,
        missed_catchup_window=progress.missed,
        overlap_skipped=progress.skipped,
        buffer_dropped=progress.dropped,
        buffer_size=waiting,
        create_time=ev.timestamp(progress.created_at),
    )
    if progress.updated_at:
        made.update_time.CopyFrom(ev.timestamp(progress.updated_at))
    for action in actions:
        if action.running and action.started_at:
            made.running_workflows.add(workflow_id=action.workflow_id, run_id=action.run_id)
    made.recent_actions.extend(_result(one) for one in recent(actions, RECENT))
    for at in future(progress, times, seed, FUTURE, now):
        made.future_action_times.append(ev.timestamp(at))
    return made


def list_info(plan: Plan, progress: Progress, actions: list[Action], times: Times, seed: str) -> bytes:
    """A serialized payload with a serialized ScheduleListInfo."""
    whole = schedule.Schedule.FromString(plan.schedule)
    made = schedule.ScheduleListInfo(notes=progress.notes, paused=progress.paused)
    spec = made.spec
    spec.CopyFrom(whole.spec)
    spec.ClearField("timezone_data")
    del spec.structured_calendar[LISTED_SPECS:]
    del spec.interval[LISTED_SPECS:]
    del spec.exclude_structured_calendar[LISTED_SPECS:]
    if whole.action.start_workflow.HasField("workflow_type"):
        made.workflow_type.CopyFrom(whole.action.start_workflow.workflow_type)
    made.recent_actions.extend(_result(one) for one in recent(actions, LISTED_RECENT))
    for at in future(progress, times, seed, LISTED_FUTURE, 0):
        made.future_action_times.append(ev.timestamp(at))
    payload = common.Payload(data=made.SerializeToString(deterministic=True))
    payload.metadata["encoding"] = b"binary/plain"
    return payload.SerializeToString(deterministic=True)
