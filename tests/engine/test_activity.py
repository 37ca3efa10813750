"""An activity attempt from its start to its end, as its worker tells it."""

import pytest

from tenuto.engine import types
from tenuto.engine.types import ActivityToken, Reason, Rejected
from tenuto.limits import LIMITS, SECOND
from tenuto.wire import common, failure, history
from tenuto.wire import workflowservice as ws
from tests.engine.activities import (
    S,
    ask_cancel,
    attributes,
    beat,
    begun,
    boom,
    by_id,
    cancel,
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
from tests.engine.support import World, activity_token, payloads

STALE = "invalid activityID or activity already timed out or invoking workflow is completed"
HUGE = payloads(b"x" * LIMITS.blob_bytes)


def start_request(world: World, request_id: str, **over: int) -> types.StartActivityTask:
    item = pending(world)
    return types.StartActivityTask(
        world.run_id,
        5,
        over.get("attempt", item.attempt),
        over.get("stamp", item.stamp),
        "starter",
        request_id,
    )


# ---- start ----------------------------------------------------------------------------------------------


def test_a_start_leaves_no_event_and_needs_no_workflow_task() -> None:
    world = begun()
    before = world.names()
    handout = world.poll_activity()
    assert world.names() == before
    assert (handout.activity.attempt, handout.activity.started_at) == (1, world.now)
    assert (handout.workflow_type, handout.run_id) == ("Flow", world.run_id)


def test_the_same_start_request_gets_the_same_reply() -> None:
    world = begun()
    first = world.ask(start_request(world, "r"))
    world.pass_time(SECOND)
    again = world.ask(start_request(world, "r"))
    assert again == first


def test_an_offer_out_of_date_is_refused() -> None:
    world = begun()
    for over in ({"attempt": 2}, {"stamp": 7}):
        with pytest.raises(Rejected) as caught:
            world.ask(start_request(world, "r", **over))
        assert caught.value.reason is Reason.NOT_FOUND
    world.ask(start_request(world, "r"))
    with pytest.raises(Rejected):
        world.ask(start_request(world, "other"))


def test_an_attempt_in_backoff_cannot_be_started() -> None:
    world = begun()
    fail(world, world.poll_activity(), boom())
    with pytest.raises(Rejected):
        world.ask(start_request(world, "r"))
    world.pass_time(SECOND)
    assert world.ask(start_request(world, "r")).activity.attempt == 2


# ---- completion -----------------------------------------------------------------------------------------


def test_completion_writes_the_start_with_its_true_time() -> None:
    world = begun()
    world.pass_time(SECOND)
    handout = world.poll_activity()
    started_at = world.now
    world.pass_time(3 * SECOND)
    complete(world, handout, payloads(b'"r"'))
    assert tail(world, 3) == ["ACT_STARTED", "ACT_COMPLETED", "WFT_SCHEDULED"]
    started = found(world, "ACT_STARTED")
    assert started.event_time.seconds * SECOND == started_at
    assert started.activity_task_started_event_attributes == history.ActivityTaskStartedEventAttributes(
        scheduled_event_id=5, identity="worker", request_id=handout.activity.request_id, attempt=1
    )
    assert attributes(world, "ACT_COMPLETED") == history.ActivityTaskCompletedEventAttributes(
        result=payloads(b'"r"'), scheduled_event_id=5, started_event_id=started.event_id, identity="reporter"
    )
    assert gone(world)


def test_the_start_tells_the_last_attempt_and_what_went_before() -> None:
    world = begun()
    fail(world, world.poll_activity(), boom())
    world.pass_time(SECOND)
    complete(world, world.poll_activity())
    started = attributes(world, "ACT_STARTED")
    assert (started.attempt, started.last_failure) == (2, boom())


def test_a_second_completion_is_not_found() -> None:
    world = begun()
    handout = world.poll_activity()
    complete(world, handout)
    with pytest.raises(Rejected) as caught:
        complete(world, handout)
    assert (caught.value.reason, caught.value.message) == (Reason.NOT_FOUND, STALE)


def test_completion_is_buffered_while_a_workflow_task_runs_and_goes_last() -> None:
    world = begun()
    handout = world.poll_activity()
    world.signal("first")
    task = world.poll()
    complete(world, handout)
    world.signal("second")
    world.respond(task)
    assert tail(world, 5) == ["WFT_COMPLETED", "ACT_STARTED", "WF_SIGNALED", "ACT_COMPLETED", "WFT_SCHEDULED"]
    assert attributes(world, "ACT_COMPLETED").started_event_id == found(world, "ACT_STARTED").event_id


def test_by_id_even_an_activity_nobody_has_may_be_completed() -> None:
    world = begun()
    complete(world, by_id(world), payloads())
    started = attributes(world, "ACT_STARTED")
    assert (started.identity, started.request_id, started.attempt) == ("reporter", "", 1)
    assert attributes(world, "ACT_COMPLETED").started_event_id == 6
    with pytest.raises(Rejected) as caught:
        complete(world, by_id(world))
    assert caught.value.message == (
        "cannot find pending activity with ActivityID a, check workflow execution history for more details"
    )


def test_by_id_nothing_else_may_be_said_of_an_activity_nobody_has() -> None:
    world = begun()
    for report in (beat, fail, cancel):
        with pytest.raises(Rejected) as caught:
            report(world, by_id(world))
        assert (caught.value.reason, caught.value.message) == (Reason.NOT_FOUND, STALE)


def test_by_token_an_attempt_that_has_not_started_is_not_known() -> None:
    world = begun()
    with pytest.raises(Rejected):
        complete(world, ActivityToken(world.run_id, 5, "a", 1))


def test_a_worker_version_stands_on_the_start() -> None:
    world = begun()
    handout = world.poll_activity()
    version = common.WorkerVersionStamp(build_id="b")
    world.ask(types.CompleteActivity(activity_token(handout), None, "reporter", version))
    assert attributes(world, "ACT_STARTED").worker_version == version


def test_closing_the_run_leaves_no_event_and_reports_are_not_found() -> None:
    world = begun()
    handout = world.poll_activity()
    world.ask(types.Terminate(_terminate(world)))
    assert tail(world, 1) == ["WF_TERMINATED"]
    assert "ACT_STARTED" not in world.names()
    for report in (beat, complete, fail, cancel):
        with pytest.raises(Rejected) as caught:
            report(world, handout)
        assert caught.value.reason is Reason.NOT_FOUND


def _terminate(world: World) -> ws.TerminateWorkflowExecutionRequest:
    execution = common.WorkflowExecution(workflow_id=world.key[1])
    return ws.TerminateWorkflowExecutionRequest(workflow_execution=execution, reason="enough")


# ---- failure and retry ----------------------------------------------------------------------------------


def test_a_retryable_failure_waits_and_leaves_no_event() -> None:
    world = begun()
    before = world.names()
    fail(world, world.poll_activity(), boom())
    item = pending(world)
    assert world.names() == before
    assert (item.attempt, item.scheduled_at, item.started) == (2, world.now + SECOND, False)
    assert (item.last_completed_at, item.retry_interval_ns) == (world.now, SECOND)
    with pytest.raises(AssertionError, match="no activity task is owed"):
        world.poll_activity()
    world.pass_time(SECOND)
    assert world.poll_activity().activity.attempt == 2


def test_the_wake_up_of_a_retry_names_it_to_the_host() -> None:
    world = begun()
    fail(world, world.poll_activity(), boom())
    world.pass_time(SECOND)
    assert world.last is not None
    assert world.last.ripe == [5]


def test_a_failure_that_is_final_says_why() -> None:
    for policy, reason, state in (
        (retries(maximum_attempts=1), boom(), S.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED),
        (retries(), boom(non_retryable=True), S.RETRY_STATE_NON_RETRYABLE_FAILURE),
        (retries(non_retryable_error_types=["Boom"]), boom(), S.RETRY_STATE_NON_RETRYABLE_FAILURE),
    ):
        world = begun(scheduled(retry_policy=policy))
        fail(world, world.poll_activity(), reason)
        assert tail(world, 3) == ["ACT_STARTED", "ACT_FAILED", "WFT_SCHEDULED"]
        assert attributes(world, "ACT_FAILED") == history.ActivityTaskFailedEventAttributes(
            failure=reason, scheduled_event_id=5, started_event_id=6, identity="reporter", retry_state=state
        )


def test_no_attempt_begins_after_schedule_to_close() -> None:
    world = begun(scheduled(schedule_to_close_timeout=seconds(50)))
    fail(world, world.poll_activity(), boom(next_retry_delay=seconds(51)))
    assert attributes(world, "ACT_FAILED").retry_state == S.RETRY_STATE_TIMEOUT


def test_a_failure_names_its_own_delay_beyond_the_policys_maximum() -> None:
    world = begun(scheduled(retry_policy=retries(maximum_interval=seconds(2))))
    fail(world, world.poll_activity(), boom(next_retry_delay=seconds(40)))
    assert pending(world).scheduled_at == world.now + 40 * SECOND
    world.pass_time(40 * SECOND)
    fail(world, world.poll_activity(), boom(next_retry_delay=seconds(0)))
    assert world.poll_activity().activity.attempt == 3


def test_a_failure_without_failure_is_retryable() -> None:
    world = begun(scheduled(retry_policy=retries(maximum_attempts=2)))
    fail(world, world.poll_activity())
    world.pass_time(SECOND)
    fail(world, world.poll_activity())
    assert not attributes(world, "ACT_FAILED").HasField("failure")


def test_by_token_a_failure_must_be_an_application_failure() -> None:
    world = begun()
    handout = world.poll_activity()
    with pytest.raises(Rejected) as caught:
        fail(world, handout, failure.Failure(message="x"))
    assert (caught.value.reason, caught.value.message) == (
        Reason.INVALID,
        "Failure must have ApplicationFailureInfo.",
    )
    fail(world, by_id(world), failure.Failure(message="x"))
    assert pending(world).attempt == 2


def test_a_report_of_an_attempt_long_over_is_not_found() -> None:
    world = begun()
    old = world.poll_activity()
    fail(world, old, boom())
    world.pass_time(SECOND)
    world.poll_activity()
    for report in (beat, complete, fail, cancel):
        with pytest.raises(Rejected) as caught:
            report(world, old)
        assert (caught.value.reason, caught.value.message) == (Reason.NOT_FOUND, STALE)


# ---- heartbeats -----------------------------------------------------------------------------------------


def test_details_survive_retries_until_overwritten() -> None:
    world = begun()
    handout = world.poll_activity()
    beat(world, handout, payloads(b'"d"'))
    fail(world, handout, boom())
    world.pass_time(SECOND)
    again = world.poll_activity()
    assert common.Payloads.FromString(again.heartbeat_details) == payloads(b'"d"')
    beat(world, again)
    assert pending(world).heartbeat_details == b""


def test_a_failure_may_bring_the_last_heartbeat() -> None:
    world = begun()
    handout = world.poll_activity()
    beat(world, handout, payloads(b'"d"'))
    world.pass_time(SECOND)
    fail(world, handout, boom(), payloads(b'"e"'))
    item = pending(world)
    assert common.Payloads.FromString(item.heartbeat_details) == payloads(b'"e"')
    assert item.heartbeat_at == world.now


def test_a_heartbeat_tells_of_a_requested_cancellation() -> None:
    world = begun()
    handout = world.poll_activity()
    assert beat(world, handout) == types.HeartbeatReply()
    ask_cancel(world)
    assert beat(world, handout) == types.HeartbeatReply(cancel_requested=True)
    assert beat(world, by_id(world)) == types.HeartbeatReply(cancel_requested=True)


# ---- cancellation ---------------------------------------------------------------------------------------


def test_only_a_requested_cancellation_may_be_reported() -> None:
    world = begun()
    handout = world.poll_activity()
    with pytest.raises(Rejected) as caught:
        cancel(world, handout)
    assert (caught.value.reason, caught.value.message) == (
        Reason.INVALID,
        "unable to mark activity as canceled without activity being request canceled first",
    )
    ask_cancel(world)
    cancel(world, handout, payloads(b'"cd"'))
    assert tail(world, 3) == ["ACT_STARTED", "ACT_CANCELED", "WFT_SCHEDULED"]
    assert attributes(world, "ACT_CANCELED") == history.ActivityTaskCanceledEventAttributes(
        details=payloads(b'"cd"'),
        latest_cancel_requested_event_id=found(world, "ACT_CANCEL_REQUESTED").event_id,
        scheduled_event_id=5,
        started_event_id=found(world, "ACT_STARTED").event_id,
        identity="reporter",
    )


def test_completing_beats_a_requested_cancellation() -> None:
    world = begun()
    handout = world.poll_activity()
    ask_cancel(world)
    complete(world, handout)
    assert tail(world, 2) == ["ACT_COMPLETED", "WFT_SCHEDULED"]


# ---- payloads too large ---------------------------------------------------------------------------------


def refused(text: str) -> failure.Failure:
    result = failure.Failure(message=text)
    result.server_failure_info.non_retryable = True
    return result


def test_a_result_too_large_fails_the_activity() -> None:
    world = begun()
    complete(world, world.poll_activity(), HUGE)
    event = attributes(world, "ACT_FAILED")
    assert event.failure == refused("Complete result exceeds size limit.")
    assert event.retry_state == S.RETRY_STATE_NON_RETRYABLE_FAILURE


def test_a_heartbeat_too_large_fails_the_activity_and_cancels_its_worker() -> None:
    world = begun()
    assert beat(world, world.poll_activity(), HUGE) == types.HeartbeatReply(cancel_requested=True)
    assert attributes(world, "ACT_FAILED").failure == refused("Heartbeat details exceed size limit.")


def test_cancellation_details_too_large_fail_the_activity_even_unasked() -> None:
    world = begun()
    cancel(world, world.poll_activity(), HUGE)
    assert attributes(world, "ACT_FAILED").failure == refused("Cancel details exceed size limit.")


def test_a_failure_too_large_is_replaced_and_the_worker_is_told() -> None:
    world = begun()
    reply = fail(world, world.poll_activity(), boom("m" * LIMITS.blob_bytes))
    (told,) = reply.failures
    assert told.message == "Failure exceeds size limit."
    event = attributes(world, "ACT_FAILED")
    assert (event.failure, event.retry_state) == (told, S.RETRY_STATE_NON_RETRYABLE_FAILURE)


def test_a_last_heartbeat_too_large_is_dropped_and_the_worker_is_told() -> None:
    world = begun()
    reply = fail(world, world.poll_activity(), boom(), HUGE)
    assert reply.failures == (refused("Heartbeat details exceed size limit."),)
    assert (pending(world).attempt, pending(world).heartbeat_at) == (2, 0)


def test_a_failure_kept_for_the_next_attempt_is_cut_to_size() -> None:
    world = begun()
    fail(world, world.poll_activity(), boom("m" * 5000))
    kept = failure.Failure.FromString(pending(world).last_failure)
    assert kept.message == "Failure exceeds size limit." and len(kept.cause.message) > 4000
