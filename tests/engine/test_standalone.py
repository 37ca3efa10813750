"""Activities on their own: the rules of all activities, and a run that ends with its activity."""

from typing import Any

import pytest

from tenuto.engine import agenda, types
from tenuto.engine import standalone_types as alone
from tenuto.engine.standalone_state import PREFIX, SCHEDULED_ID
from tenuto.engine.standalone_view import outcome
from tenuto.engine.types import ActivityToken, Reason, Rejected
from tenuto.limits import SECOND
from tenuto.wire import activity as wire_activity
from tenuto.wire import common, enums_activity, enums_workflow, errordetails, field_mask_pb2
from tenuto.wire import workflowservice as ws
from tests.engine.activities import beat, boom, cancel, complete, fail, seconds
from tests.engine.support import World, activity_token, payloads

Status = enums_activity.ActivityExecutionStatus
State = enums_workflow.PendingActivityState
Retry = enums_workflow.RetryState


class Alone(World):
    """The chain of one activity on its own."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(PREFIX + "a")
        if fields:
            self.begin(**fields)

    def begin(self, request_id: str = "start", **fields: Any) -> alone.StandaloneStarted:
        fields.pop("plain", None)
        fields.setdefault("start_to_close_timeout", seconds(100))
        message = ws.StartActivityExecutionRequest(
            activity_id="a", request_id=request_id, identity="client", **fields
        )
        message.activity_type.name, message.task_queue.name = "Act", "queue"
        reply: alone.StandaloneStarted = self.ask(alone.StartStandalone(message))
        return reply

    def look(self, run_id: str = "") -> alone.StandaloneSeen:
        seen: alone.StandaloneSeen = self.ask(alone.DescribeStandalone(run_id))
        return seen

    @property
    def info(self) -> wire_activity.ActivityExecutionInfo:
        return self.look().info

    def end(self, run_id: str = "") -> wire_activity.ActivityExecutionOutcome:
        seen = self.look(run_id)
        assert not seen.open
        known = outcome(self.histories[seen.info.run_id], seen.cancel_identity)
        assert known is not None
        return known

    def cancel(self, request_id: str = "c", **fields: Any) -> None:
        message = ws.RequestCancelActivityExecutionRequest(request_id=request_id, identity="me", **fields)
        self.ask(alone.CancelStandalone(message))

    def terminate(self, request_id: str = "t", **fields: Any) -> None:
        message = ws.TerminateActivityExecutionRequest(request_id=request_id, identity="me", **fields)
        self.ask(alone.TerminateStandalone(message))

    def operate(self, message: alone.Operation) -> Any:
        message.id = "a"
        return self.ask(alone.OperateStandalone(message))

    @property
    def offered(self) -> bool:
        assert self.chain is not None and self.agenda is not None
        return any(True for _ in agenda.dispatches(self.chain, self.agenda))


def refused(reason: Reason, text: str) -> Any:
    class Expected:
        def __enter__(self) -> None:
            self._raises = pytest.raises(Rejected)
            self._caught = self._raises.__enter__()

        def __exit__(self, *error: Any) -> bool:
            handled = self._raises.__exit__(*error)
            assert self._caught.value.reason is reason and self._caught.value.message == text
            return bool(handled)

    return Expected()


def test_it_is_offered_started_and_completed_without_any_workflow_task() -> None:
    world = Alone(input=payloads())
    assert world.info.run_state == State.PENDING_ACTIVITY_STATE_SCHEDULED
    handout = world.poll_activity()
    assert handout.standalone and handout.start_at == world.now
    assert world.info.run_state == State.PENDING_ACTIVITY_STATE_STARTED
    world.pass_time(SECOND)
    complete(world, handout, payloads(b"5"))
    assert world.info.status == Status.ACTIVITY_EXECUTION_STATUS_COMPLETED
    assert world.end().result == payloads(b"5")
    assert world.info.execution_duration == seconds(1)
    assert not any("WorkflowTask" in name or "WFT" in name for name in world.names())
    assert not world.offered


def test_a_failed_attempt_is_followed_by_another_until_there_are_enough() -> None:
    world = Alone(retry_policy=common.RetryPolicy(initial_interval=seconds(1), maximum_attempts=2))
    fail(world, world.poll_activity(), boom(), payloads(b"7"))
    shown = world.info
    assert (shown.attempt, shown.last_failure.message, shown.total_heartbeat_count) == (2, "boom", 1)
    assert shown.HasField("next_attempt_schedule_time") and shown.HasField("last_started_time")
    assert not world.offered
    world.pass_time(SECOND)
    fail(world, world.poll_activity(), boom())
    assert world.info.status == Status.ACTIVITY_EXECUTION_STATUS_FAILED
    assert world.end().failure == boom()
    assert world.end().retry_state == Retry.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED


@pytest.mark.parametrize(
    ("terms", "started", "kind"),
    [
        ({"start_to_close_timeout": seconds(5)}, True, 1),
        ({"schedule_to_start_timeout": seconds(5)}, False, 2),
        ({"schedule_to_close_timeout": seconds(5)}, True, 3),
        ({"heartbeat_timeout": seconds(5)}, True, 4),
    ],
)
def test_each_timeout_ends_it(terms: dict[str, Any], started: bool, kind: int) -> None:
    world = Alone(retry_policy=common.RetryPolicy(maximum_attempts=1), **terms)
    if started:
        world.poll_activity()
    world.pass_time(4 * SECOND)
    assert world.look().open
    world.pass_time(2 * SECOND)
    assert world.info.status == Status.ACTIVITY_EXECUTION_STATUS_TIMED_OUT
    assert world.end().failure.timeout_failure_info.timeout_type == kind


def test_cancellation_of_one_that_no_worker_has_ends_it_at_once() -> None:
    world = Alone(plain=True)
    world.cancel(reason="why")
    end = world.end()
    assert end.failure.message == "Activity canceled"
    assert end.failure.canceled_failure_info.identity == "me"
    assert end.failure.canceled_failure_info.details == payloads(b'"why"')
    assert world.info.canceled_reason == "why"
    assert not world.offered
    world.cancel()
    with refused(Reason.PRECONDITION, "activity is in terminal state Canceled"):
        world.cancel("other")


def test_a_worker_hears_of_cancellation_and_decides() -> None:
    world = Alone(plain=True)
    handout = world.poll_activity()
    assert not beat(world, handout).cancel_requested
    with refused(
        Reason.INVALID, "unable to mark activity as canceled without activity being request canceled first"
    ):
        cancel(world, handout)
    world.cancel()
    assert world.info.run_state == State.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
    with refused(Reason.PRECONDITION, "cancellation already requested with request ID c"):
        world.cancel("other")
    assert beat(world, handout).cancel_requested
    cancel(world, handout, payloads(b'"bye"'))
    assert world.end().failure.canceled_failure_info.details == payloads(b'"bye"')
    with refused(Reason.NOT_FOUND, "activity not found for ID: a"):
        complete(world, handout)


def test_termination_ends_it_whoever_works_on_it() -> None:
    world = Alone(plain=True)
    handout = world.poll_activity()
    world.terminate(reason="enough")
    end = world.end()
    assert end.failure.message == "enough" and end.failure.terminated_failure_info.identity == "me"
    for report in (beat, complete, fail):
        with refused(Reason.NOT_FOUND, "activity not found for ID: a"):
            report(world, handout)
    world.terminate()
    with refused(Reason.PRECONDITION, "already terminated with request ID t"):
        world.terminate("other")


def test_a_completed_one_cannot_be_ended_again() -> None:
    world = Alone(plain=True)
    complete(world, world.poll_activity())
    with refused(Reason.PRECONDITION, "invalid transition from Completed"):
        world.terminate()
    with refused(Reason.PRECONDITION, "activity is in terminal state Completed"):
        world.cancel()


def test_it_may_be_completed_by_its_id_before_a_worker_has_it() -> None:
    world = Alone(plain=True)
    complete(world, ActivityToken("", activity_id="a"), payloads(b"1"))
    assert world.end().result == payloads(b"1") and world.info.HasField("last_started_time")


def test_a_start_repeated_under_its_request_id_finds_it_even_when_it_is_over() -> None:
    world = Alone()
    first = world.begin()
    assert first.started and world.begin() == alone.StandaloneStarted(first.run_id, False)
    complete(world, world.poll_activity())
    assert world.begin() == alone.StandaloneStarted(first.run_id, False)


def test_another_start_meets_one_that_runs_as_the_conflict_policy_says() -> None:
    world = Alone()
    first = world.begin()
    with pytest.raises(Rejected) as caught:
        world.begin("other")
    assert caught.value.reason is Reason.ALREADY_STARTED
    assert caught.value.detail == errordetails.ActivityExecutionAlreadyStartedFailure(
        start_request_id="start", run_id=first.run_id
    )
    policy = enums_activity.ACTIVITY_ID_CONFLICT_POLICY_USE_EXISTING
    link = common.Link(batch_job=common.Link.BatchJob(job_id="j"))
    wanted = {"attach_request_id": True, "attach_links": True}
    again = world.begin("other", id_conflict_policy=policy, links=[link], on_conflict_options=wanted)
    assert again == alone.StandaloneStarted(first.run_id, False)
    assert list(world.info.links) == [link]
    complete(world, world.poll_activity())
    assert world.begin("other").run_id == first.run_id


@pytest.mark.parametrize("completed", [True, False])
@pytest.mark.parametrize("policy", [1, 2, 3])
def test_another_start_meets_one_that_is_over_as_the_reuse_policy_says(policy: int, completed: bool) -> None:
    world = Alone(retry_policy=common.RetryPolicy(maximum_attempts=1))
    handout = world.poll_activity()
    complete(world, handout) if completed else fail(world, handout, boom())
    allowed = policy == 1 or (policy == 2 and not completed)
    if not allowed:
        with refused(Reason.ALREADY_STARTED, "activity execution already started"):
            world.begin("other", id_reuse_policy=policy)
        return
    first = world.run_id
    again = world.begin("other", id_reuse_policy=policy)
    assert again.started and again.run_id != first
    before = world.look(first)
    assert not before.open and world.look().open
    assert before.info.status == (2 if completed else 3)
    assert outcome(world.histories[first], "") is not None
    with refused(Reason.NOT_FOUND, "activity not found for ID: a"):
        complete(world, handout)


def test_a_start_delay_holds_back_the_first_attempt_and_its_timeouts() -> None:
    world = Alone(start_delay=seconds(50), schedule_to_close_timeout=seconds(10))
    begun = world.now
    shown = world.info
    assert shown.start_delay == seconds(50) and shown.HasField("next_attempt_schedule_time")
    assert shown.expiration_time.ToNanoseconds() == begun + 60 * SECOND
    assert shown.execution_time.ToNanoseconds() == begun + 50 * SECOND
    for message in (ws.PauseActivityRequest(), ws.UnpauseActivityRequest(), ws.ResetActivityRequest()):
        world.operate(message)
    world.pass_time(49 * SECOND)
    assert not world.offered and world.look().open
    world.pass_time(SECOND)
    handout = world.poll_activity()
    assert handout.start_at == begun
    complete(world, handout)
    assert world.info.execution_duration == seconds(0)


def test_a_start_delay_can_be_changed_until_it_is_over() -> None:
    world = Alone(start_delay=seconds(50))
    mask = field_mask_pb2.FieldMask(paths=["start_delay"])
    sooner = wire_activity.ActivityOptions(start_delay=seconds(5))
    answer = world.operate(ws.UpdateActivityOptionsRequest(activity_options=sooner, update_mask=mask))
    assert answer.activity_options.start_delay == seconds(5)
    assert world.info.start_delay == seconds(5)
    answer = world.operate(ws.UpdateActivityOptionsRequest(restore_original=True))
    assert answer.activity_options.start_delay == seconds(50)
    world.operate(ws.UpdateActivityOptionsRequest(activity_options=sooner, update_mask=mask))
    world.pass_time(5 * SECOND)
    world.poll_activity()
    with refused(
        Reason.PRECONDITION,
        "cannot update start_delay: the first activity attempt has already been dispatched",
    ):
        world.operate(ws.UpdateActivityOptionsRequest(activity_options=sooner, update_mask=mask))


def test_a_paused_one_is_not_offered_and_says_what_cannot_be_done_to_it() -> None:
    world = Alone(plain=True)
    world.operate(ws.PauseActivityRequest(request_id="p"))
    assert world.info.status == Status.ACTIVITY_EXECUTION_STATUS_PAUSED and not world.offered
    world.operate(ws.PauseActivityRequest(request_id="p"))
    with refused(Reason.PRECONDITION, "activity is in non-pausable state Paused"):
        world.operate(ws.PauseActivityRequest(request_id="q"))
    world.operate(ws.UnpauseActivityRequest())
    with refused(Reason.PRECONDITION, "activity is in non-unpausable state Scheduled"):
        world.operate(ws.UnpauseActivityRequest())
    handout = world.poll_activity()
    world.operate(ws.PauseActivityRequest(request_id="r"))
    assert world.info.status == Status.ACTIVITY_EXECUTION_STATUS_RUNNING
    assert beat(world, handout).paused
    fail(world, handout, boom())
    assert world.info.status == Status.ACTIVITY_EXECUTION_STATUS_PAUSED
    world.cancel()
    for message, text in (
        (ws.PauseActivityRequest(), "activity is in non-pausable state Canceled"),
        (ws.UnpauseActivityRequest(), "activity is in terminal state Canceled"),
        (ws.ResetActivityRequest(), "activity execution is not running"),
        (
            ws.UpdateActivityOptionsRequest(restore_original=True),
            "Cannot update options for activity in state Canceled",
        ),
    ):
        with refused(Reason.PRECONDITION, text):
            world.operate(message)


def test_a_running_attempt_that_was_reset_begins_again_at_once() -> None:
    world = Alone(retry_policy=common.RetryPolicy(initial_interval=seconds(60)))
    handout = world.poll_activity()
    world.operate(ws.ResetActivityRequest())
    assert beat(world, handout).reset
    fail(world, handout, boom())
    assert world.info.attempt == 1 and world.offered


def test_what_a_lost_worker_had_is_tried_again() -> None:
    world = Alone(plain=True)
    world.poll_activity()
    world.pass_time(SECOND)
    world.ask(types.WorkersLost(world.now))
    assert world.info.attempt == 2 and world.offered


def test_a_deleted_one_is_gone_and_its_id_is_free() -> None:
    world = Alone(plain=True)
    handout = world.poll_activity()
    world.ask(types.Delete())
    assert world.chain is None
    with refused(Reason.NOT_FOUND, "activity not found for ID: a"):
        world.look()
    with refused(Reason.NOT_FOUND, "activity not found for ID: a"):
        complete(world, handout)
    assert world.begin("other").started


def test_one_that_is_over_expires() -> None:
    world = Alone(plain=True)
    complete(world, world.poll_activity())
    world.ask(types.ExpireRun(world.run_id))
    assert world.chain is None


def test_a_token_of_an_attempt_that_is_over_speaks_for_nobody() -> None:
    world = Alone(retry_policy=common.RetryPolicy(initial_interval=seconds(1)))
    handout = world.poll_activity()
    fail(world, handout, boom())
    world.pass_time(SECOND)
    world.poll_activity()
    with refused(Reason.NOT_FOUND, "activity not found for ID: a"):
        world.ask(types.CompleteActivity(activity_token(handout), None, ""))
    assert handout.activity.scheduled_id == SCHEDULED_ID
