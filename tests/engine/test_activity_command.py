"""Scheduling activities, and asking for their cancellation."""

from typing import Any

import pytest

from tenuto.engine import activity
from tenuto.engine.types import ActivityHandout, Rejected
from tenuto.limits import LIMITS, SECOND
from tenuto.wire import command as wire_command
from tenuto.wire import common, duration_pb2, history, sdk_metadata
from tests.engine.activities import (
    REQUEST_CANCEL,
    SCHEDULE,
    S,
    ask_cancel,
    attributes,
    begun,
    boom,
    cancellation,
    complete,
    fail,
    found,
    gone,
    pending,
    retries,
    scheduled,
    seconds,
    tail,
)
from tests.engine.support import World, payloads

LONG = "n" * 1001
NO_TIMEOUT = (
    "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity."
    " ActivityId=a ActivityType=Act"
)


def refusal(*commands: wire_command.Command) -> tuple[World, str]:
    world = World()
    world.start()
    handout = world.poll()
    with pytest.raises(Rejected) as caught:
        world.respond(handout, *commands)
    return world, caught.value.message


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"activity_id": ""}, "activityId is not set"),
        ({"activity_id": LONG}, "activityId exceeds length limit. Length=1001 Limit=1000"),
        ({"activity_type": None}, "activityType is not set"),
        ({"activity_type": {"name": LONG}}, "activityType exceeds length limit. Length=1001 Limit=1000"),
        ({"task_queue": None}, "taskQueue is not set"),
        ({"task_queue": {"name": ""}}, "missing task queue name"),
        ({"task_queue": {"name": LONG}}, "taskQueue length exceeds limit"),
        (
            {"task_queue": {"name": "/_sys/x/1"}},
            "task queue name cannot start with reserved prefix /_sys/",
        ),
        ({"start_to_close_timeout": None}, NO_TIMEOUT),
        ({"start_to_close_timeout": None, "heartbeat_timeout": seconds(5)}, NO_TIMEOUT),
        ({"start_to_close_timeout": seconds(-1)}, "invalid StartToCloseTimeout: negative duration"),
        ({"schedule_to_close_timeout": seconds(-1)}, "invalid ScheduleToCloseTimeout: negative duration"),
        ({"schedule_to_start_timeout": seconds(-1)}, "invalid ScheduleToStartTimeout: negative duration"),
        ({"heartbeat_timeout": seconds(-1)}, "invalid HeartbeatTimeout: negative duration"),
        (
            {"start_to_close_timeout": duration_pb2.Duration(seconds=1, nanos=-5)},
            "invalid StartToCloseTimeout: duration has seconds and nanos with different signs",
        ),
        (
            {"retry_policy": retries(backoff_coefficient=0.5)},
            "BackoffCoefficient cannot be less than 1 on retry policy.",
        ),
        ({"priority": {"priority_key": -1}}, "invalid priorities: priority key can't be negative"),
        ({"priority": {"fairness_key": "k" * 65}}, "invalid priorities: fairness key length exceeds limit"),
        ({"priority": {"fairness_weight": -1}}, "invalid priorities: must be greater than zero"),
    ],
)
def test_a_bad_schedule_fails_the_workflow_task_and_says_why(fields: dict[str, Any], text: str) -> None:
    world, message = refusal(scheduled(**{"activity_id": "a", **fields}))
    assert message == f"BadScheduleActivityAttributes: {text}"
    assert attributes(world, "WFT_FAILED").cause == 2
    assert "ACT_SCHEDULED" not in world.names()


def test_a_command_without_attributes_is_refused() -> None:
    _, message = refusal(wire_command.Command(command_type=SCHEDULE))
    assert message == (
        "BadScheduleActivityAttributes:"
        " ScheduleActivityTaskCommandAttributes is not set on ScheduleActivityTaskCommand."
    )
    _, message = refusal(wire_command.Command(command_type=REQUEST_CANCEL))
    assert message == (
        "BadRequestCancelActivityAttributes: RequestCancelActivityTaskCommandAttributes"
        " is not set on RequestCancelActivityTaskCommand."
    )


def test_an_input_too_large_ends_the_run() -> None:
    world, message = refusal(scheduled(input=payloads(b"x" * LIMITS.blob_bytes)))
    text = "BadScheduleActivityAttributes: ScheduleActivityTaskCommandAttributes.Input exceeds size limit."
    assert message == text
    assert tail(world, 2) == ["WFT_FAILED", "WF_TERMINATED"]
    assert attributes(world, "WF_TERMINATED").reason == text


def test_an_activity_id_is_unique_among_pending_ones_only() -> None:
    world, message = refusal(scheduled(), scheduled())
    assert message == (
        "ScheduleActivityDuplicateId: invalid history builder state for action:"
        " add-activitytask-scheduled-event, ActivityID: a"
    )
    assert attributes(world, "WFT_FAILED").cause == 22
    world = begun()
    complete(world, world.poll_activity())
    world.step(scheduled())
    assert world.names().count("ACT_SCHEDULED") == 2


def test_there_is_a_bound_to_pending_activities() -> None:
    world = begun(*(scheduled(str(n)) for n in range(LIMITS.pending_activities)))
    world.signal()
    handout = world.poll()
    with pytest.raises(Rejected) as caught:
        world.respond(handout, scheduled("one more"))
    assert caught.value.message.startswith("PendingActivitiesLimitExceeded: ")
    assert attributes(world, "WFT_FAILED").cause == 27


def test_history_keeps_the_normal_form_of_the_command() -> None:
    world = begun(
        scheduled(
            "a",
            input=payloads(),
            retry_policy=retries(initial_interval=seconds(3)),
            heartbeat_timeout=seconds(300),
        )
    )
    wanted = history.ActivityTaskScheduledEventAttributes(
        activity_id="a",
        activity_type=common.ActivityType(name="Act"),
        task_queue={"name": "activities", "kind": 1},  # type: ignore[arg-type]
        input=payloads(),
        schedule_to_close_timeout=seconds(0),
        schedule_to_start_timeout=seconds(0),
        start_to_close_timeout=seconds(100),
        heartbeat_timeout=seconds(100),
        workflow_task_completed_event_id=4,
        retry_policy=retries(
            initial_interval=seconds(3), backoff_coefficient=2.0, maximum_interval=seconds(300)
        ),
    )
    assert attributes(world, "ACT_SCHEDULED") == wanted


TIMEOUTS = ("schedule_to_close", "schedule_to_start", "start_to_close", "heartbeat")


@pytest.mark.parametrize(
    ("wanted", "run_timeout", "expected"),
    [
        ((0, 0, 2000, 3000), 1000, (1000, 1000, 1000, 1000)),
        ((50, 70, 60, 0), 1000, (50, 50, 50, 0)),
        ((0, 7, 100, 0), 1000, (1000, 7, 100, 0)),
        ((9, 0, 0, 0), 1000, (9, 9, 9, 0)),
        ((3, 9, 5, 9), 1000, (3, 3, 3, 3)),
        ((0, 0, 5, 0), 0, (0, 0, 5, 0)),
        ((0, 7, 5, 9), 0, (0, 7, 5, 5)),
        ((0, 0, 10**10, 0), 0, (0, 0, 3_153_600_000, 0)),
    ],
)
def test_timeouts_bound_one_another(
    wanted: tuple[int, ...], run_timeout: int, expected: tuple[int, ...]
) -> None:
    fields: dict[str, Any] = {
        f"{name}_timeout": seconds(value) for name, value in zip(TIMEOUTS, wanted, strict=True) if value
    }
    start: dict[str, Any] = {"workflow_run_timeout": seconds(run_timeout)} if run_timeout else {}
    fields = {"start_to_close_timeout": None, **fields}
    world = begun(scheduled(**fields), **start)
    event = attributes(world, "ACT_SCHEDULED")
    assert tuple(getattr(event, f"{name}_timeout").seconds for name in TIMEOUTS) == expected


def test_user_metadata_of_a_command_stands_on_its_event() -> None:
    command = scheduled()
    command.user_metadata.CopyFrom(sdk_metadata.UserMetadata(summary=payloads().payloads[0]))
    world = begun(command)
    assert found(world, "ACT_SCHEDULED").user_metadata == command.user_metadata


def test_the_dispatch_carries_the_priority_merged_with_the_workflows() -> None:
    world = begun(
        scheduled(priority=common.Priority(fairness_key="k")), priority=common.Priority(priority_key=2)
    )
    handout = world.poll_activity()
    merged = common.Priority.FromString(handout.activity.priority)
    assert merged == common.Priority(priority_key=2, fairness_key="k")
    assert common.Priority.FromString(pending(world).priority) == common.Priority(fairness_key="k")


# ---- cancellation ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheduled_id", "text"),
    [
        (0, "ScheduledEventId is not set on RequestCancelActivityTaskCommand."),
        (-4, "ScheduledEventId is not set on RequestCancelActivityTaskCommand."),
        (
            99,
            "invalid history builder state for action: add-activitytask-cancel-requested-event,"
            " ScheduledEventID: 99",
        ),
    ],
)
def test_a_bad_cancellation_fails_the_workflow_task(scheduled_id: int, text: str) -> None:
    world, message = refusal(cancellation(scheduled_id))
    assert message == f"BadRequestCancelActivityAttributes: {text}"
    assert attributes(world, "WFT_FAILED").cause == 3


def test_an_activity_nobody_has_is_canceled_at_once_and_a_workflow_task_follows() -> None:
    world = begun()
    ask_cancel(world)
    assert tail(world, 4) == ["WFT_COMPLETED", "ACT_CANCEL_REQUESTED", "ACT_CANCELED", "WFT_SCHEDULED"]
    event = attributes(world, "ACT_CANCELED")
    assert event.details == payloads(b'"ACTIVITY_ID_NOT_STARTED"')
    assert event.latest_cancel_requested_event_id == found(world, "ACT_CANCEL_REQUESTED").event_id
    assert (event.scheduled_event_id, event.started_event_id, event.identity) == (5, 0, "worker")
    assert gone(world)


def test_an_activity_in_backoff_counts_as_one_nobody_has() -> None:
    world = begun()
    fail(world, world.poll_activity(), boom())
    ask_cancel(world)
    assert tail(world, 3) == ["ACT_CANCEL_REQUESTED", "ACT_CANCELED", "WFT_SCHEDULED"]
    assert "ACT_STARTED" not in world.names()


def test_a_canceled_id_may_be_used_again_in_the_same_completion() -> None:
    world = begun(scheduled(), cancellation(5), scheduled())
    assert tail(world, 5) == [
        "ACT_SCHEDULED",
        "ACT_CANCEL_REQUESTED",
        "ACT_SCHEDULED",
        "ACT_CANCELED",
        "WFT_SCHEDULED",
    ]
    assert gone(world, 5) and pending(world, 7).activity_id == "a"


def test_canceling_twice_in_one_completion_finds_the_closing_in_the_buffer() -> None:
    world = begun(scheduled(), cancellation(5), cancellation(5))
    assert tail(world, 4) == ["ACT_CANCEL_REQUESTED", "ACT_CANCEL_REQUESTED", "ACT_CANCELED", "WFT_SCHEDULED"]


def test_a_started_activity_is_asked_to_cancel_only_once() -> None:
    world = begun()
    world.poll_activity()
    ask_cancel(world)
    assert tail(world, 2) == ["WFT_COMPLETED", "ACT_CANCEL_REQUESTED"]
    with pytest.raises(Rejected) as caught:
        ask_cancel(world)
    assert caught.value.message.endswith("ScheduledEventID: 5")


def test_canceling_what_has_closed_in_the_buffer_is_legal() -> None:
    world = begun()
    handout = world.poll_activity()
    world.signal()
    task = world.poll()
    complete(world, handout, payloads())
    assert gone(world), "the buffer has changed state already"
    assert "ACT_COMPLETED" not in world.names()
    world.respond(task, cancellation(5))
    assert tail(world, 5) == [
        "WFT_COMPLETED",
        "ACT_CANCEL_REQUESTED",
        "ACT_STARTED",
        "ACT_COMPLETED",
        "WFT_SCHEDULED",
    ]
    assert attributes(world, "ACT_COMPLETED").started_event_id == found(world, "ACT_STARTED").event_id


def test_an_activity_asked_to_cancel_is_not_retried() -> None:
    world = begun()
    handout = world.poll_activity()
    ask_cancel(world)
    fail(world, handout, boom())
    assert tail(world, 3) == ["ACT_STARTED", "ACT_FAILED", "WFT_SCHEDULED"]
    assert attributes(world, "ACT_FAILED").retry_state == S.RETRY_STATE_CANCEL_REQUESTED


# ---- eager start ----------------------------------------------------------------------------------------


def test_an_eager_activity_starts_with_the_completing_worker() -> None:
    world = World()
    world.start()
    reply = world.step(scheduled(request_eager_execution=True, input=payloads()), scheduled("b"))
    (handout,) = reply.activities
    assert isinstance(handout, ActivityHandout)
    assert handout.activity.activity_id == "a" and handout.activity.identity == "worker"
    assert handout.scheduled is not None and handout.scheduled.input == payloads()
    assert pending(world).started_at == world.now
    assert world.poll_activity().activity.activity_id == "b"
    complete(world, handout)
    assert tail(world, 3) == ["ACT_STARTED", "ACT_COMPLETED", "WFT_SCHEDULED"]


def test_an_eager_activity_canceled_in_the_same_completion_starts_nowhere() -> None:
    world = World()
    world.start()
    reply = world.step(scheduled(request_eager_execution=True), cancellation(5))
    assert reply.activities == ()
    assert gone(world)


def test_matching_is_shown_what_waits() -> None:
    world = begun()
    assert world.chain is not None
    shown = activity.dispatch(pending(world), world.run_id, b"")
    assert (shown.queue, shown.scheduled_id, shown.attempt, shown.stamp) == ("activities", 5, 1, 0)
    assert (shown.normal_queue, shown.scheduled_at) == ("", world.now)
    assert world.now % SECOND == 0
