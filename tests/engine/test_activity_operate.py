"""What operators do to pending activities, and what they see of them."""

from typing import Any

import pytest

from tenuto.engine import activity
from tenuto.engine.pauses import PAUSES
from tenuto.engine.types import OperateActivities, Reason, Rejected, StartActivityTask, Terminate
from tenuto.limits import SECOND
from tenuto.wire import activity as wire_activity
from tenuto.wire import common, enums_workflow, field_mask_pb2, workflow
from tenuto.wire import workflowservice as ws
from tests.engine.activities import (
    S,
    ask_cancel,
    attributes,
    beat,
    begun,
    boom,
    complete,
    fail,
    gone,
    pending,
    retries,
    scheduled,
    seconds,
    tail,
)
from tests.engine.support import World, payloads

UNKNOWN = "Can't find pending activity with such ID. Invalid activityID or activity already completed"
UNNAMED = "Either Activity.Id or Activity.Type should be set on request."
State = enums_workflow.PendingActivityState


def named(fields: dict[str, Any]) -> dict[str, Any]:
    return fields if {"id", "type", "unpause_all", "match_all"} & set(fields) else {"id": "a", **fields}


def pause(world: World, **fields: Any) -> Any:
    return world.ask(OperateActivities(ws.PauseActivityRequest(identity="op", **named(fields))))


def unpause(world: World, **fields: Any) -> Any:
    return world.ask(OperateActivities(ws.UnpauseActivityRequest(identity="op", **named(fields))))


def reset(world: World, **fields: Any) -> Any:
    return world.ask(OperateActivities(ws.ResetActivityRequest(identity="op", **named(fields))))


def change(world: World, *paths: str, where: dict[str, Any] | None = None, **options: Any) -> Any:
    message = ws.UpdateActivityOptionsRequest(
        activity_options=wire_activity.ActivityOptions(**options),
        update_mask=field_mask_pb2.FieldMask(paths=paths),
        **named(where or {}),
    )
    return world.ask(OperateActivities(message)).activity_options


def restore(world: World) -> Any:
    message = ws.UpdateActivityOptionsRequest(id="a", restore_original=True)
    return world.ask(OperateActivities(message)).activity_options


def shown(world: World, scheduled_id: int = 5) -> workflow.PendingActivityInfo:
    assert world.chain is not None
    return activity.pending_info(pending(world, scheduled_id), world.chain.current.terms, world.now)


def nothing_owed(world: World) -> bool:
    try:
        world.poll_activity()
    except AssertionError:
        return True
    return False


# ---- naming ---------------------------------------------------------------------------------------------


def test_a_request_must_name_activities_and_find_some() -> None:
    world = begun()
    requests: list[Any] = [
        ws.PauseActivityRequest,
        ws.UnpauseActivityRequest,
        ws.ResetActivityRequest,
        ws.UpdateActivityOptionsRequest,
    ]
    for request in requests:
        with pytest.raises(Rejected) as caught:
            world.ask(OperateActivities(request()))
        assert (caught.value.reason, caught.value.message) == (Reason.INVALID, UNNAMED)
        extra = {"restore_original": True} if request is ws.UpdateActivityOptionsRequest else {}
        for name in ({"id": "zz"}, {"type": "ZZ"}):
            with pytest.raises(Rejected) as caught:
                world.ask(OperateActivities(request(**name, **extra)))
            assert (caught.value.reason, caught.value.message) == (Reason.NOT_FOUND, UNKNOWN)


def test_operations_leave_no_event_and_need_an_open_run() -> None:
    world = begun()
    before = world.names()
    pause(world)
    reset(world)
    change(world, "start_to_close_timeout", start_to_close_timeout=seconds(7))
    assert world.names() == before
    world.ask(Terminate(ws.TerminateWorkflowExecutionRequest(workflow_execution={"workflow_id": "w"})))  # type: ignore[arg-type]
    with pytest.raises(Rejected) as caught:
        pause(world)
    assert (caught.value.reason, caught.value.message) == (
        Reason.NOT_FOUND,
        "workflow execution already completed",
    )


# ---- pause ----------------------------------------------------------------------------------------------


def test_pausing_takes_a_waiting_attempt_back_from_matching() -> None:
    world = begun()
    stamp = pending(world).stamp
    assert pause(world, reason="why") == ws.PauseActivityResponse()
    assert nothing_owed(world)
    with pytest.raises(Rejected):
        world.ask(StartActivityTask(world.run_id, 5, 1, stamp, "w", "r"))
    info = shown(world)
    assert (info.state, info.paused) == (State.PENDING_ACTIVITY_STATE_PAUSED, True)
    assert (info.pause_info.manual.identity, info.pause_info.manual.reason) == ("op", "why")


def test_pausing_again_is_the_same_request_or_refused() -> None:
    world = begun()
    pause(world, request_id="r")
    pause(world, request_id="r")
    with pytest.raises(Rejected) as caught:
        pause(world, request_id="other")
    assert (caught.value.reason, caught.value.message) == (
        Reason.PRECONDITION,
        "activity is already paused",
    )


def test_a_running_attempt_goes_on_and_learns_by_heartbeat() -> None:
    world = begun()
    handout = world.poll_activity()
    pause(world)
    assert beat(world, handout).paused
    assert shown(world).state == State.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED
    complete(world, handout)
    assert tail(world, 2) == ["ACT_COMPLETED", "WFT_SCHEDULED"]


def test_a_failure_while_paused_counts_the_attempt_and_waits_for_the_operator() -> None:
    world = begun(scheduled(retry_policy=retries(maximum_attempts=1)))
    handout = world.poll_activity()
    pause(world)
    fail(world, handout, boom())
    assert (pending(world).attempt, shown(world).state) == (2, State.PENDING_ACTIVITY_STATE_PAUSED)
    world.pass_time(100 * SECOND)
    assert nothing_owed(world)
    unpause(world)
    assert world.poll_activity().activity.attempt == 2


def test_a_failure_while_paused_that_cannot_be_retried_is_final() -> None:
    world = begun()
    handout = world.poll_activity()
    pause(world)
    fail(world, handout, boom(non_retryable=True))
    assert attributes(world, "ACT_FAILED").retry_state == S.RETRY_STATE_NON_RETRYABLE_FAILURE


def test_no_timeout_strikes_while_paused() -> None:
    world = begun(scheduled(start_to_close_timeout=seconds(5), schedule_to_close_timeout=seconds(8)))
    world.poll_activity()
    pause(world)
    world.pass_time(100 * SECOND)
    assert shown(world).state == State.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED
    unpause(world)
    world.pass_time(0)
    assert gone(world) and tail(world, 3) == ["ACT_STARTED", "ACT_TIMED_OUT", "WFT_SCHEDULED"]


def test_pausing_in_backoff_stops_the_wait_and_unpausing_ends_it() -> None:
    world = begun(scheduled(retry_policy=retries(initial_interval=seconds(60))))
    fail(world, world.poll_activity(), boom())
    pause(world)
    world.pass_time(10 * SECOND)
    unpause(world)
    item = pending(world)
    assert (item.scheduled_at, item.attempt, item.last_failure) == (world.now, 2, b"")
    assert world.poll_activity().activity.attempt == 2


def test_unpausing_what_is_not_paused_changes_nothing() -> None:
    world = begun()
    before = pending(world)
    assert unpause(world) == ws.UnpauseActivityResponse()
    assert pending(world) == before


def test_unpausing_may_forget_attempts_and_heartbeats() -> None:
    world = begun()
    handout = world.poll_activity()
    beat(world, handout, payloads())
    fail(world, handout, boom())
    pause(world)
    unpause(world, unpause_all=True, reset_attempts=True, reset_heartbeat=True)
    item = pending(world)
    assert (item.attempt, item.heartbeat_details, item.heartbeat_at) == (1, b"", 0)


def test_jitter_spreads_the_restarts() -> None:
    world = begun(*(scheduled(name) for name in "abcd"))
    pause(world, type="Act")
    unpause(world, type="Act", jitter=seconds(5))
    waits = [pending(world, n).scheduled_at - world.now for n in (5, 6, 7, 8)]
    assert all(0 <= wait < 5 * SECOND for wait in waits) and len(set(waits)) == 4
    world.pass_time(5 * SECOND)
    assert world.poll_activity().activity.attempt == 1


def test_a_paused_activity_nobody_has_may_be_canceled() -> None:
    world = begun()
    pause(world)
    ask_cancel(world)
    assert tail(world, 3) == ["ACT_CANCEL_REQUESTED", "ACT_CANCELED", "WFT_SCHEDULED"]


# ---- reset ----------------------------------------------------------------------------------------------


def test_resetting_a_waiting_activity_offers_its_first_attempt_now() -> None:
    world = begun(scheduled(retry_policy=retries(initial_interval=seconds(60))))
    handout = world.poll_activity()
    beat(world, handout, payloads())
    fail(world, handout, boom())
    reset(world)
    item = pending(world)
    assert (item.attempt, item.scheduled_at, item.last_failure) == (1, world.now, b"")
    assert item.heartbeat_details
    assert world.poll_activity().activity.attempt == 1


def test_resetting_may_forget_heartbeats() -> None:
    world = begun()
    handout = world.poll_activity()
    beat(world, handout, payloads())
    fail(world, handout, boom())
    reset(world, reset_heartbeat=True)
    assert (pending(world).heartbeat_details, pending(world).heartbeat_at) == (b"", 0)


def test_a_running_attempt_learns_of_the_reset_and_may_still_report() -> None:
    world = begun()
    fail(world, world.poll_activity(), boom())
    world.pass_time(SECOND)
    handout = world.poll_activity()
    reset(world, reset_heartbeat=True)
    assert pending(world).attempt == 1
    assert beat(world, handout, payloads()).reset
    fail(world, handout, boom())
    item = pending(world)
    assert (item.attempt, item.heartbeat_details, item.reset_requested) == (2, b"", False)
    world.pass_time(SECOND)
    assert not beat(world, world.poll_activity()).reset


def test_resetting_unpauses_unless_told_otherwise() -> None:
    world = begun()
    fail(world, world.poll_activity(), boom())
    pause(world)
    reset(world, keep_paused=True)
    assert (pending(world).attempt, shown(world).paused) == (1, True)
    assert nothing_owed(world)
    reset(world, match_all=True)
    assert not shown(world).paused
    assert world.poll_activity().activity.attempt == 1


# ---- options --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (ws.UpdateActivityOptionsRequest(id="a"), "ActivityOptions are not provided"),
        (
            ws.UpdateActivityOptionsRequest(id="a", activity_options=wire_activity.ActivityOptions()),
            "UpdateMask is not provided",
        ),
        (
            ws.UpdateActivityOptionsRequest(
                id="a",
                restore_original=True,
                activity_options=wire_activity.ActivityOptions(),
                update_mask=field_mask_pb2.FieldMask(paths=["priority"]),
            ),
            "Both UpdateMask and RestoreOriginal are provided",
        ),
    ],
)
def test_a_change_of_options_must_say_what(message: ws.UpdateActivityOptionsRequest, text: str) -> None:
    world = begun()
    with pytest.raises(Rejected) as caught:
        world.ask(OperateActivities(message))
    assert (caught.value.reason, caught.value.message) == (Reason.INVALID, text)


@pytest.mark.parametrize(
    ("path", "options", "text"),
    [
        ("task_queue.name", {"task_queue": {"name": ""}}, "missing task queue name"),
        ("retry_policy", {}, "RetryPolicy is not provided"),
        ("retry_policy.initial_interval", {}, "RetryPolicy is not provided"),
        (
            "retryPolicy.backoffCoefficient",
            {"retry_policy": {"backoff_coefficient": 0.5}},
            "BackoffCoefficient cannot be less than 1 on retry policy.",
        ),
        (
            "start_to_close_timeout",
            {"start_to_close_timeout": seconds(-1)},
            "invalid StartToCloseTimeout: negative duration",
        ),
        ("priority.priority_key", {"priority": {"priority_key": -2}}, "priority key can't be negative"),
        (
            "start_to_close_timeout",
            {},
            "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity."
            " ActivityId=a ActivityType=Act",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(path: str, options: dict[str, Any], text: str) -> None:
    world = begun()
    before = pending(world)
    with pytest.raises(Rejected) as caught:
        change(world, path, **options)
    assert (caught.value.reason, caught.value.message) == (Reason.INVALID, text)
    assert pending(world) == before


def test_only_masked_fields_change_and_the_whole_is_made_normal() -> None:
    world = begun()
    result = change(
        world,
        "scheduleToCloseTimeout",
        "task_queue.name",
        "bogus",
        schedule_to_close_timeout=seconds(50),
        heartbeat_timeout=seconds(3),
        task_queue={"name": "elsewhere"},
    )
    assert (result.task_queue.name, result.task_queue.kind) == ("elsewhere", 1)
    assert result.schedule_to_close_timeout == result.start_to_close_timeout == seconds(50)
    assert result.schedule_to_start_timeout == seconds(50)
    assert result.heartbeat_timeout == seconds(0)
    assert world.poll_activity().activity.task_queue == "elsewhere"


def test_an_old_offer_is_void_once_options_have_changed() -> None:
    world = begun()
    stamp = pending(world).stamp
    change(world, "priority", priority=common.Priority(priority_key=2))
    with pytest.raises(Rejected):
        world.ask(StartActivityTask(world.run_id, 5, 1, stamp, "w", "r"))
    assert shown(world).priority == common.Priority(priority_key=2)


def test_a_wait_for_a_retry_is_measured_anew() -> None:
    world = begun(scheduled(retry_policy=retries(initial_interval=seconds(30))))
    fail(world, world.poll_activity(), boom())
    failed_at = world.now
    world.pass_time(SECOND)
    change(world, "retry_policy.initial_interval", retry_policy={"initial_interval": seconds(2)})
    assert pending(world).scheduled_at == failed_at + 4 * SECOND
    world.pass_time(3 * SECOND)
    assert world.poll_activity().activity.attempt == 2


def test_a_change_of_options_forgets_the_last_failure_of_a_paused_activity_too() -> None:
    world = begun(scheduled(retry_policy=retries(initial_interval=seconds(30))))
    fail(world, world.poll_activity(), boom())
    failed_at = world.now
    pause(world)
    assert shown(world).last_failure == boom()
    change(world, "retry_policy.initial_interval", retry_policy={"initial_interval": seconds(2)})
    assert not shown(world).HasField("last_failure")
    assert pending(world).scheduled_at == failed_at + 4 * SECOND


def test_a_running_attempt_gets_new_timeouts_at_once() -> None:
    world = begun(scheduled(retry_policy=retries(maximum_attempts=1)))
    world.poll_activity()
    world.pass_time(5 * SECOND)
    change(world, "start_to_close_timeout", start_to_close_timeout=seconds(4))
    world.pass_time(0)
    assert attributes(world, "ACT_TIMED_OUT").retry_state == S.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED


def test_original_options_come_back() -> None:
    world = begun()
    first = shown(world).activity_options
    change(world, "start_to_close_timeout", start_to_close_timeout=seconds(4))
    change(world, "retry_policy.maximum_attempts", retry_policy={"maximum_attempts": 3})
    assert shown(world).maximum_attempts == 3
    result = restore(world)
    assert shown(world).activity_options == first
    assert result.task_queue.name == "activities" and result.start_to_close_timeout == seconds(100)
    assert restore(world) == result, "nothing to restore is no error"
    change(world, "start_to_close_timeout", start_to_close_timeout=seconds(4))
    reset(world, restore_original_options=True)
    assert shown(world).activity_options == first


def test_all_or_none_of_the_named_activities_change() -> None:
    world = begun(
        scheduled("a"), scheduled("b", start_to_close_timeout=None, schedule_to_close_timeout=seconds(9))
    )
    before = (pending(world, 5), pending(world, 6))
    with pytest.raises(Rejected):
        change(world, "schedule_to_close_timeout", "start_to_close_timeout", where={"type": "Act"})
    assert (pending(world, 5), pending(world, 6)) == before
    change(world, "heartbeat_timeout", where={"match_all": True}, heartbeat_timeout=seconds(3))
    assert [pending(world, n).heartbeat_ns for n in (5, 6)] == [3 * SECOND, 3 * SECOND]


# ---- description ----------------------------------------------------------------------------------------


def test_a_waiting_activity_is_described_with_every_option() -> None:
    world = begun(scheduled(schedule_to_close_timeout=seconds(50)))
    at = seconds(world.now // SECOND)
    wanted = workflow.PendingActivityInfo(
        activity_id="a",
        activity_type=common.ActivityType(name="Act"),
        state=State.PENDING_ACTIVITY_STATE_SCHEDULED,
        attempt=1,
        scheduled_time={"seconds": at.seconds},  # type: ignore[arg-type]
        expiration_time={"seconds": at.seconds + 50},  # type: ignore[arg-type]
        activity_options=wire_activity.ActivityOptions(
            task_queue={"name": "activities", "normal_name": "activities"},  # type: ignore[arg-type]
            schedule_to_close_timeout=seconds(50),
            schedule_to_start_timeout=seconds(50),
            start_to_close_timeout=seconds(50),
            heartbeat_timeout=seconds(0),
            retry_policy=retries(
                initial_interval=seconds(1), backoff_coefficient=2.0, maximum_interval=seconds(100)
            ),
        ),
    )
    assert shown(world) == wanted


def test_a_started_activity_is_described_with_its_worker() -> None:
    world = begun()
    handout = world.poll_activity(identity="me")
    world.pass_time(SECOND)
    beat(world, handout, payloads())
    info = shown(world)
    assert (info.state, info.last_worker_identity) == (State.PENDING_ACTIVITY_STATE_STARTED, "me")
    assert info.last_started_time.seconds == world.now // SECOND - 1
    assert info.last_heartbeat_time.seconds == world.now // SECOND
    assert info.heartbeat_details == payloads()
    ask_cancel(world)
    pause(world)
    assert shown(world).state == State.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED


def test_backoff_is_described_until_it_is_over() -> None:
    world = begun(scheduled(retry_policy=retries(maximum_attempts=7)))
    fail(world, world.poll_activity(), boom())
    info = shown(world)
    assert (info.attempt, info.maximum_attempts, info.last_failure) == (2, 7, boom())
    assert info.current_retry_interval == seconds(1)
    assert info.next_attempt_schedule_time.seconds == info.scheduled_time.seconds == world.now // SECOND + 1
    assert info.last_attempt_complete_time.seconds == world.now // SECOND
    assert not info.HasField("last_started_time")
    world.pass_time(SECOND)
    info = shown(world)
    assert not info.HasField("current_retry_interval")
    assert not info.HasField("next_attempt_schedule_time")
    assert info.HasField("last_attempt_complete_time")


# ---- what lists show ------------------------------------------------------------------------------------


def listed_pauses(world: World) -> str:
    assert world.chain is not None
    raw = world.chain.current.terms.search_attributes.get(PAUSES, b"")
    return common.Payload.FromString(raw).data.decode()


def test_lists_name_each_paused_type_once_while_one_of_it_is_paused() -> None:
    world = begun(scheduled("a"), scheduled("b"))
    pause(world)
    pause(world, id="b")
    assert listed_pauses(world) == '["property:activityType=Act"]'
    unpause(world)
    assert listed_pauses(world) == '["property:activityType=Act"]'
    unpause(world, id="b")
    assert listed_pauses(world) == ""


def test_an_activity_that_closes_while_paused_is_no_longer_named() -> None:
    world = begun()
    pause(world)
    ask_cancel(world)
    assert gone(world) and listed_pauses(world) == ""


def test_operators_are_not_shown_which_errors_are_not_retried_but_they_stay() -> None:
    world = begun(scheduled(retry_policy=common.RetryPolicy(non_retryable_error_types=["Never"])))
    changed = change(world, "start_to_close_timeout", start_to_close_timeout=seconds(7))
    assert not changed.retry_policy.non_retryable_error_types
    assert not shown(world).activity_options.retry_policy.non_retryable_error_types
    policy = pending(world).retry
    assert policy is not None and list(policy.non_retryable) == ["Never"]
