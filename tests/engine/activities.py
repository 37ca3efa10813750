"""Words for tests about activities: commands, reports and what history says of them."""

from typing import Any

from tenuto.engine import types
from tenuto.engine.chain import Activity
from tenuto.engine.types import ActivityHandout, ActivityToken
from tenuto.limits import SECOND
from tenuto.wire import command as wire_command
from tenuto.wire import common, duration_pb2, enums_command, enums_workflow, failure, history
from tests.engine.support import World, activity_token

S = enums_workflow.RetryState
SCHEDULE = enums_command.CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK
REQUEST_CANCEL = enums_command.CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK


def seconds(value: float) -> duration_pb2.Duration:
    return duration_pb2.Duration(seconds=int(value), nanos=round((value - int(value)) * SECOND))


def scheduled(activity_id: str = "a", **fields: Any) -> wire_command.Command:
    """SCHEDULE_ACTIVITY_TASK with a start-to-close of 100 s, unless told otherwise; None leaves a field unset."""
    command = wire_command.Command(command_type=SCHEDULE)
    wanted: dict[str, Any] = {
        "activity_id": activity_id,
        "activity_type": common.ActivityType(name="Act"),
        "task_queue": {"name": "activities"},
        "start_to_close_timeout": seconds(100),
        **fields,
    }
    command.schedule_activity_task_command_attributes.CopyFrom(
        wire_command.ScheduleActivityTaskCommandAttributes(
            **{name: value for name, value in wanted.items() if value is not None}
        )
    )
    return command


def cancellation(scheduled_id: int) -> wire_command.Command:
    command = wire_command.Command(command_type=REQUEST_CANCEL)
    command.request_cancel_activity_task_command_attributes.scheduled_event_id = scheduled_id
    return command


def retries(**fields: Any) -> common.RetryPolicy:
    return common.RetryPolicy(**fields)


def boom(message: str = "boom", kind: str = "Boom", **fields: Any) -> failure.Failure:
    result = failure.Failure(message=message, source="worker")
    result.application_failure_info.CopyFrom(failure.ApplicationFailureInfo(type=kind, **fields))
    return result


def begun(*commands: wire_command.Command, **start: Any) -> World:
    """A run whose first workflow task has scheduled activities; the first is event 5."""
    world = World()
    world.start(**start)
    world.step(*commands or (scheduled(),))
    return world


def pending(world: World, scheduled_id: int = 5) -> Activity:
    assert world.chain is not None
    return world.chain.current.activities[scheduled_id]


def gone(world: World, scheduled_id: int = 5) -> bool:
    assert world.chain is not None
    return scheduled_id not in world.chain.current.activities


def by_id(world: World, activity_id: str = "a") -> ActivityToken:
    return ActivityToken(world.run_id, activity_id=activity_id)


def _token(source: ActivityHandout | ActivityToken) -> ActivityToken:
    return source if isinstance(source, ActivityToken) else activity_token(source)


def beat(
    world: World, source: ActivityHandout | ActivityToken, details: common.Payloads | None = None
) -> types.HeartbeatReply:
    reply: types.HeartbeatReply = world.ask(types.Heartbeat(_token(source), details, "reporter"))
    return reply


def complete(
    world: World, source: ActivityHandout | ActivityToken, result: common.Payloads | None = None
) -> None:
    world.ask(types.CompleteActivity(_token(source), result, "reporter"))


def fail(
    world: World,
    source: ActivityHandout | ActivityToken,
    reason: failure.Failure | None = None,
    last_heartbeat: common.Payloads | None = None,
) -> types.FailActivityReply:
    reply: types.FailActivityReply = world.ask(
        types.FailActivity(_token(source), reason, "reporter", last_heartbeat)
    )
    return reply


def cancel(
    world: World, source: ActivityHandout | ActivityToken, details: common.Payloads | None = None
) -> None:
    world.ask(types.CancelActivity(_token(source), details, "reporter"))


def tail(world: World, count: int) -> list[str]:
    return world.names()[-count:]


def found(world: World, name: str) -> history.HistoryEvent:
    """The last event of this (short) name."""
    return world.history[len(world.names()) - 1 - world.names()[::-1].index(name)]


def attributes(world: World, name: str) -> Any:
    event = found(world, name)
    which = event.WhichOneof("attributes")
    assert which is not None
    return getattr(event, which)


def ask_cancel(world: World, scheduled_id: int = 5) -> None:
    """A workflow task that asks for the cancellation of an activity."""
    world.signal()
    world.step(cancellation(scheduled_id))
