"""Activity timeouts: which strikes, what it leads to, and how history tells it."""

import time

import pytest

from tenuto.engine import activity
from tenuto.engine.activity_timeout import NO_TIME
from tenuto.engine.types import ActivityToken, Rejected, Tick
from tenuto.limits import SECOND
from tenuto.wire import failure, history
from tests.engine.activities import (
    S,
    ask_cancel,
    attributes,
    beat,
    begun,
    boom,
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

START_TO_CLOSE, SCHEDULE_TO_START, SCHEDULE_TO_CLOSE, HEARTBEAT = 1, 2, 3, 4


def timed_out(message: str, kind: int) -> failure.Failure:
    result = failure.Failure(message=message, source="Server")
    result.timeout_failure_info.timeout_type = kind  # type: ignore[assignment]
    return result


def due(world: World, scheduled_id: int = 5) -> int:
    """Nanoseconds until the activity's next timeout; negative: none."""
    assert world.chain is not None
    return activity.deadline(pending(world, scheduled_id), world.chain.current.terms) - world.now


def test_an_activity_nobody_polls_for_times_out_unstarted() -> None:
    world = begun(scheduled(schedule_to_start_timeout=seconds(1)))
    world.pass_time(SECOND)
    assert tail(world, 2) == ["ACT_TIMED_OUT", "WFT_SCHEDULED"]
    assert attributes(world, "ACT_TIMED_OUT") == history.ActivityTaskTimedOutEventAttributes(
        failure=timed_out("activity ScheduleToStart timeout", SCHEDULE_TO_START),
        scheduled_event_id=5,
        retry_state=S.RETRY_STATE_TIMEOUT,
    )
    assert gone(world)


def test_an_eager_activity_that_takes_all_the_time_there_is_reports_schedule_to_close() -> None:
    world = World()
    world.start()
    once = retries(maximum_attempts=1)
    given = {"schedule_to_close_timeout": seconds(1), "retry_policy": once}
    world.step(scheduled("a", start_to_close_timeout=None, request_eager_execution=True, **given))
    world.pass_time(SECOND)
    told = attributes(world, "ACT_TIMED_OUT")
    assert told.failure == timed_out(NO_TIME, SCHEDULE_TO_CLOSE)
    assert told.retry_state == S.RETRY_STATE_TIMEOUT


def test_with_only_schedule_to_close_an_unpolled_activity_reports_schedule_to_start() -> None:
    world = begun(scheduled(start_to_close_timeout=None, schedule_to_close_timeout=seconds(1)))
    world.pass_time(SECOND)
    failed = attributes(world, "ACT_TIMED_OUT").failure
    assert failed == timed_out("activity ScheduleToStart timeout", SCHEDULE_TO_START)


def test_waiting_for_a_worker_is_measured_anew_for_each_attempt() -> None:
    world = begun(scheduled(schedule_to_start_timeout=seconds(2)))
    world.pass_time(SECOND)
    fail(world, world.poll_activity(), boom())
    assert due(world) == 3 * SECOND
    world.pass_time(3 * SECOND)
    failed = attributes(world, "ACT_TIMED_OUT").failure
    assert (failed.message, failed.cause) == ("activity ScheduleToStart timeout", boom())


def test_an_attempt_too_long_is_retried_without_an_event() -> None:
    world = begun(scheduled(start_to_close_timeout=seconds(1)))
    world.poll_activity()
    before = world.names()
    world.pass_time(SECOND)
    item = pending(world)
    assert world.names() == before
    assert (item.attempt, item.scheduled_at, item.last_completed_at) == (2, world.now + SECOND, 0)
    kept = failure.Failure.FromString(item.last_failure)
    assert kept == timed_out("activity StartToClose timeout", START_TO_CLOSE)
    world.pass_time(SECOND)
    assert world.poll_activity().activity.attempt == 2


def test_the_last_attempt_too_long_closes_the_activity_with_all_it_knew() -> None:
    world = begun(scheduled(start_to_close_timeout=seconds(1), retry_policy=retries(maximum_attempts=2)))
    world.poll_activity()
    world.pass_time(2 * SECOND)
    handout = world.poll_activity()
    beat(world, handout, payloads(b'"d"'))
    world.pass_time(SECOND)
    assert tail(world, 3) == ["ACT_STARTED", "ACT_TIMED_OUT", "WFT_SCHEDULED"]
    wanted = timed_out("activity StartToClose timeout", START_TO_CLOSE)
    cause = failure.Failure.FromString(wanted.SerializeToString())
    wanted.timeout_failure_info.last_heartbeat_details.CopyFrom(payloads(b'"d"'))
    wanted.cause.CopyFrom(cause)
    event = attributes(world, "ACT_TIMED_OUT")
    assert event.failure == wanted
    assert event.retry_state == S.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
    assert event.started_event_id == found(world, "ACT_STARTED").event_id
    assert attributes(world, "ACT_STARTED").last_failure == cause


def test_a_listed_timeout_is_not_retried() -> None:
    policy = retries(non_retryable_error_types=["TemporalTimeout:StartToClose"])
    world = begun(scheduled(start_to_close_timeout=seconds(1), retry_policy=policy))
    world.poll_activity()
    world.pass_time(SECOND)
    assert attributes(world, "ACT_TIMED_OUT").retry_state == S.RETRY_STATE_NON_RETRYABLE_FAILURE


def test_a_timeout_with_no_time_for_another_attempt_is_told_as_schedule_to_close_early() -> None:
    world = begun(scheduled(start_to_close_timeout=seconds(1), schedule_to_close_timeout=seconds(1.5)))
    world.poll_activity()
    world.pass_time(SECOND)
    event = attributes(world, "ACT_TIMED_OUT")
    assert event.failure == timed_out(NO_TIME, SCHEDULE_TO_CLOSE)
    assert event.retry_state == S.RETRY_STATE_TIMEOUT
    assert event.started_event_id == 6


def test_schedule_to_close_spans_all_attempts() -> None:
    world = begun(
        scheduled(schedule_to_close_timeout=seconds(2), retry_policy=retries(initial_interval=seconds(0.5)))
    )
    world.pass_time(SECOND)
    handout = world.poll_activity()
    beat(world, handout, payloads(b'"d"'))
    fail(world, handout, boom())
    world.pass_time(SECOND)
    assert tail(world, 2) == ["ACT_TIMED_OUT", "WFT_SCHEDULED"]
    failed = attributes(world, "ACT_TIMED_OUT").failure
    assert (failed.message, failed.cause) == (NO_TIME, boom())
    assert failed.timeout_failure_info.timeout_type == SCHEDULE_TO_CLOSE
    assert failed.timeout_failure_info.last_heartbeat_details == payloads(b'"d"')
    assert attributes(world, "ACT_TIMED_OUT").started_event_id == 0


def test_silence_is_a_heartbeat_timeout_and_each_heartbeat_puts_it_off() -> None:
    world = begun(scheduled(heartbeat_timeout=seconds(2), retry_policy=retries(maximum_attempts=1)))
    handout = world.poll_activity()
    for _ in range(3):
        world.pass_time(SECOND)
        beat(world, handout, payloads(b'"d"'))
    assert due(world) == 2 * SECOND
    world.pass_time(2 * SECOND)
    failed = attributes(world, "ACT_TIMED_OUT").failure
    wanted = timed_out("activity Heartbeat timeout", HEARTBEAT)
    wanted.timeout_failure_info.last_heartbeat_details.CopyFrom(payloads(b'"d"'))
    assert failed == wanted


def test_a_heartbeat_of_an_earlier_attempt_does_not_count() -> None:
    world = begun(scheduled(heartbeat_timeout=seconds(5)))
    handout = world.poll_activity()
    beat(world, handout)
    fail(world, handout, boom())
    world.pass_time(3 * SECOND)
    world.poll_activity()
    assert due(world) == 5 * SECOND


def test_a_timeout_after_a_requested_cancellation_is_final() -> None:
    world = begun(scheduled(start_to_close_timeout=seconds(1)))
    world.poll_activity()
    ask_cancel(world)
    world.pass_time(SECOND)
    event = attributes(world, "ACT_TIMED_OUT")
    assert event.retry_state == S.RETRY_STATE_CANCEL_REQUESTED
    assert event.failure == timed_out("activity StartToClose timeout", START_TO_CLOSE)


def test_equal_deadlines_strike_in_the_order_of_scheduling() -> None:
    world = begun(*(scheduled(name, schedule_to_start_timeout=seconds(1)) for name in "cab"))
    world.pass_time(SECOND)
    ids = [
        event.activity_task_timed_out_event_attributes.scheduled_event_id
        for event in world.history
        if event.HasField("activity_task_timed_out_event_attributes")
    ]
    assert ids == [5, 6, 7]
    assert tail(world, 1) == ["WFT_SCHEDULED"]


def test_timeouts_are_buffered_while_a_workflow_task_runs() -> None:
    world = begun(scheduled(start_to_close_timeout=seconds(1), retry_policy=retries(maximum_attempts=1)))
    world.poll_activity()
    world.signal()
    task = world.poll()
    world.pass_time(SECOND)
    assert gone(world) and tail(world, 1) == ["WFT_STARTED"]
    world.respond(task)
    assert tail(world, 4) == ["WFT_COMPLETED", "ACT_STARTED", "ACT_TIMED_OUT", "WFT_SCHEDULED"]


def current(world: World, attempt: int = 0) -> ActivityToken:
    item = pending(world)
    return ActivityToken(world.run_id, 5, item.activity_id, attempt or item.attempt, item.started_at)


def test_deadlines_after_the_runs_own_are_not_armed() -> None:
    world = World()
    world.start(workflow_run_timeout=seconds(100))
    world.pass_time(10 * SECOND)
    world.step(scheduled(start_to_close_timeout=seconds(60)))
    assert due(world) < 0, "schedule-to-close ends 10 s after the run"
    world.poll_activity()
    assert due(world) == 60 * SECOND
    world.pass_time(90 * SECOND)
    assert tail(world, 1) == ["WF_TIMED_OUT"]


def test_a_tick_with_nothing_due_changes_nothing() -> None:
    world = begun(scheduled(schedule_to_start_timeout=seconds(5)))
    world.poll_activity()
    before = pending(world)
    world.ask(Tick((5, 77), ()))
    assert pending(world) == before
    with pytest.raises(Rejected):
        fail(world, current(world, attempt=9), boom())


def test_two_thousand_activities_time_out_without_delay() -> None:
    world = begun(*(scheduled(str(n), schedule_to_start_timeout=seconds(1)) for n in range(2000)))
    world.check_laws = lambda: None  # type: ignore[method-assign]
    began = time.process_time()
    world.pass_time(SECOND)
    assert world.names().count("ACT_TIMED_OUT") == 2000
    assert time.process_time() - began < 5
