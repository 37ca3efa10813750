"""Timers of workflow code (execution-semantics 5.1)."""

from tenuto.engine import events as ev
from tenuto.engine import workflow_task
from tenuto.engine.chain import Timer
from tenuto.engine.context import CommandFailed, Completion
from tenuto.engine.draft import RunDraft
from tenuto.wire import command as wire_command
from tenuto.wire import enums_failed, history

Cause = enums_failed.WorkflowTaskFailedCause


def start(task: Completion, command: wire_command.Command) -> None:
    """START_TIMER."""
    wanted = command.start_timer_command_attributes
    bad = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_TIMER_ATTRIBUTES
    if not wanted.timer_id:
        raise CommandFailed(bad, "TimerId is not set on StartTimerCommand.")
    if len(wanted.timer_id.encode()) > task.limits.id_bytes:
        raise CommandFailed(
            bad,
            f"TimerId on StartTimerCommand exceeds length limit. TimerId={wanted.timer_id} "
            f"Length={len(wanted.timer_id.encode())} Limit={task.limits.id_bytes}",
        )
    if ev.nanoseconds(wanted.start_to_fire_timeout) < 0:
        raise CommandFailed(
            bad,
            "An invalid StartToFireTimeout is set on StartTimerCommand: negative duration. TimerId="
            + wanted.timer_id,
        )
    if wanted.timer_id in task.rd.timers:
        raise CommandFailed(
            Cause.WORKFLOW_TASK_FAILED_CAUSE_START_TIMER_DUPLICATE_ID,
            f"invalid history builder state for action: add-timer-started-event, TimerID: {wanted.timer_id}",
        )
    attributes = history.TimerStartedEventAttributes(
        timer_id=wanted.timer_id, workflow_task_completed_event_id=task.completed_id
    )
    if wanted.HasField("start_to_fire_timeout"):
        attributes.start_to_fire_timeout.CopyFrom(wanted.start_to_fire_timeout)
    task.rd.emit(ev.TIMER_STARTED, attributes, command=command)


def cancel(task: Completion, command: wire_command.Command) -> None:
    """CANCEL_TIMER: also erases a TIMER_FIRED that still waits in the buffer."""
    timer_id = command.cancel_timer_command_attributes.timer_id
    bad = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES
    if not timer_id:
        raise CommandFailed(bad, "TimerId is not set on CancelTimerCommand.")
    rd = task.rd
    timer = rd.timers.get(timer_id)
    if timer is not None:
        started_id = timer.started_id
    else:
        fired = [
            event.timer_fired_event_attributes
            for event in rd.buffered()
            if event.event_type == ev.TIMER_FIRED and event.timer_fired_event_attributes.timer_id == timer_id
        ]
        if not fired:
            raise CommandFailed(
                bad,
                f"invalid history builder state for action: add-timer-canceled-event, TimerID: {timer_id}",
            )
        started_id = fired[0].started_event_id
        rd.discard_buffered(
            lambda event: (
                event.event_type == ev.TIMER_FIRED and event.timer_fired_event_attributes.timer_id == timer_id
            )
        )
    rd.emit(
        ev.TIMER_CANCELED,
        history.TimerCanceledEventAttributes(
            timer_id=timer_id,
            started_event_id=started_id,
            workflow_task_completed_event_id=task.completed_id,
            identity=task.message.identity,
        ),
        command=command,
    )


def fire(rd: RunDraft, due: list[str]) -> None:
    """Fire the named timers that are due, the earliest first, in one go."""
    timers = [
        timer
        for timer_id in due
        if (timer := rd.timers.get(timer_id)) is not None and timer.fire_at <= rd.now
    ]
    for timer in sorted(timers, key=lambda t: (t.fire_at, t.started_id)):
        rd.emit(
            ev.TIMER_FIRED,
            history.TimerFiredEventAttributes(timer_id=timer.timer_id, started_event_id=timer.started_id),
        )
    if timers:
        workflow_task.wake(rd)


def applied_started(rd: RunDraft, event: history.HistoryEvent) -> None:
    attributes = event.timer_started_event_attributes
    fire_at = ev.instant(event.event_time) + ev.nanoseconds(attributes.start_to_fire_timeout)
    rd.timers.put(attributes.timer_id, Timer(attributes.timer_id, event.event_id, fire_at))


def applied_fired(rd: RunDraft, event: history.HistoryEvent) -> None:
    a = event.timer_fired_event_attributes
    _drop(rd, a.timer_id, a.started_event_id)


def applied_canceled(rd: RunDraft, event: history.HistoryEvent) -> None:
    a = event.timer_canceled_event_attributes
    _drop(rd, a.timer_id, a.started_event_id)


def _drop(rd: RunDraft, timer_id: str, started_id: int) -> None:
    """Forget exactly that timer: in history its successor of the same name may stand before the news of its end."""
    timer = rd.timers.get(timer_id)
    if timer is not None and timer.started_id == started_id:
        rd.timers.drop(timer_id)


APPLY = {
    ev.TIMER_STARTED: applied_started,
    ev.TIMER_FIRED: applied_fired,
    ev.TIMER_CANCELED: applied_canceled,
}
