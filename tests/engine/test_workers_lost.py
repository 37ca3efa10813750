"""Workers that are gone for good: what they had is given back at once, as their deadlines would have done later."""

import pytest

from tenuto.engine import types
from tenuto.engine.types import ActivityHandout, Rejected
from tenuto.limits import SECOND
from tenuto.wire import common
from tenuto.wire import workflowservice as ws
from tests.engine.activities import (
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
from tests.engine.support import World, activity_token, payloads, token_of
from tests.engine.words import begun as begun_run
from tests.engine.words import current, done, sticky


def lose(world: World) -> None:
    """Everything begun until now is lost."""
    world.now += 1
    world.ask(types.WorkersLost(world.now))


def test_a_started_workflow_task_times_out_at_once_and_is_offered_again() -> None:
    world = begun_run()
    handout = world.poll()
    lose(world)
    assert world.names() == ["WF_STARTED", "WFT_SCHEDULED", "WFT_STARTED", "WFT_TIMED_OUT"]
    assert attributes(world, "WFT_TIMED_OUT").timeout_type == 1
    assert world.poll().attempt == 2
    with pytest.raises(Rejected):
        world.ask(types.CompleteWorkflowTask(token_of(handout), _completion()))


def test_a_run_is_no_longer_bound_to_a_lost_workers_own_queue() -> None:
    world = begun_run()
    world.step(**sticky())
    world.signal()
    world.poll(sticky="own")
    lose(world)
    assert current(world).sticky_queue == ""
    world.poll()


def test_a_workflow_task_nobody_has_taken_is_left_alone() -> None:
    world = begun_run()
    before = world.names()
    lose(world)
    assert world.names() == before
    assert world.poll().attempt == 1


def test_a_lost_attempt_is_followed_by_the_next_without_a_wait() -> None:
    world = begun(scheduled(retry_policy=retries(initial_interval=seconds(60))))
    first = world.poll_activity()
    lose(world)
    second = world.poll_activity()
    assert (first.activity.attempt, second.activity.attempt) == (1, 2)
    assert pending(world).retry_interval_ns == 0
    with pytest.raises(Rejected):
        complete(world, first)
    complete(world, second)
    assert gone(world)


def test_the_next_attempt_knows_the_last_heartbeat_and_what_became_of_the_lost_one() -> None:
    world = begun(scheduled(heartbeat_timeout=seconds(30)))
    beat(world, world.poll_activity(), payloads(b"7"))
    lose(world)
    handout: ActivityHandout = world.poll_activity()
    assert common.Payloads.FromString(handout.heartbeat_details) == payloads(b"7")
    assert b"activity Heartbeat timeout" in handout.activity.last_failure


def test_an_activity_of_one_attempt_ends_with_a_timeout() -> None:
    world = begun(scheduled(retry_policy=retries(maximum_attempts=1)))
    world.poll_activity()
    lose(world)
    assert tail(world, 3) == ["ACT_STARTED", "ACT_TIMED_OUT", "WFT_SCHEDULED"]
    assert attributes(world, "ACT_TIMED_OUT").failure.timeout_failure_info.timeout_type == 1
    world.step(done())


def test_what_began_after_the_loss_goes_on() -> None:
    world = begun(scheduled("a"), scheduled("b", heartbeat_timeout=seconds(10)))
    world.poll_activity()
    world.now += SECOND
    lost_at = world.now
    kept = world.poll_activity()
    world.signal()
    task = world.poll()
    world.ask(types.WorkersLost(lost_at))
    world.respond(task)
    complete(world, kept)
    assert world.poll_activity().activity.attempt == 2


def test_an_attempt_that_its_worker_has_left_open_is_not_lost_with_the_worker() -> None:
    world = begun(scheduled(start_to_close_timeout=seconds(600)))
    handout = world.poll_activity()
    world.ask(types.LeaveActivityOpen(activity_token(handout)))
    assert world.chain is not None
    assert world.agenda is not None
    assert world.agenda.alarm(world.chain, world.now, workers_inside=True) == world.now + 600 * SECOND
    lose(world)
    complete(world, handout)
    assert gone(world)


def test_the_attempt_after_one_that_was_left_open_is_a_workers_again() -> None:
    world = begun()
    handout = world.poll_activity()
    world.ask(types.LeaveActivityOpen(activity_token(handout)))
    fail(world, handout, boom())
    world.pass_time(SECOND)
    world.poll_activity()
    lose(world)
    assert world.poll_activity().activity.attempt == 3


def test_activities_that_wait_are_not_touched() -> None:
    world = begun(scheduled("a"), scheduled("b"))
    lose(world)
    assert {world.poll_activity().activity.attempt, world.poll_activity().activity.attempt} == {1}


def test_a_loss_of_both_kinds_ends_the_workflow_task_first() -> None:
    world = begun(scheduled(retry_policy=retries(maximum_attempts=1)))
    world.poll_activity()
    world.signal()
    world.poll()
    lose(world)
    assert tail(world, 4) == ["WFT_STARTED", "WFT_TIMED_OUT", "ACT_STARTED", "ACT_TIMED_OUT"]
    world.step(done())


def test_an_activity_whose_poller_never_got_it_waits_again_and_no_attempt_is_spent() -> None:
    world = begun()
    first = world.poll_activity()
    world.ask(types.Unclaimed(world.run_id, 5, first.activity.request_id))
    again = world.poll_activity()
    assert again.activity.attempt == 1
    world.ask(types.Unclaimed(world.run_id, 5, first.activity.request_id))
    complete(world, again)
    assert gone(world)


def test_a_workflow_task_whose_poller_never_got_it_is_offered_again_at_once() -> None:
    world = begun_run()
    world.poll()
    task = current(world).task
    assert task is not None
    world.ask(types.Unclaimed(world.run_id, task.scheduled_id, "another poll"))
    assert current(world).task is not None
    assert tail(world, 1) == ["WFT_STARTED"]
    world.ask(types.Unclaimed(world.run_id, task.scheduled_id, task.request_id))
    assert tail(world, 1) == ["WFT_TIMED_OUT"]
    assert world.poll().attempt == 2


def test_a_closed_run_and_no_chain_at_all_have_lost_nothing() -> None:
    world = World()
    world.ask(types.WorkersLost(world.now))
    world.start()
    world.step(done())
    before = world.names()
    lose(world)
    assert world.names() == before


def test_what_is_in_hand_is_remembered_for_right_after_a_restart_only_where_workers_live_inside() -> None:
    world = begun(scheduled(start_to_close_timeout=seconds(600)))
    world.poll_activity()
    assert world.chain is not None
    assert world.agenda is not None
    assert world.agenda.alarm(world.chain, world.now) == world.now + 600 * SECOND
    assert world.agenda.alarm(world.chain, world.now, workers_inside=True) == world.now


def _completion() -> ws.RespondWorkflowTaskCompletedRequest:
    return ws.RespondWorkflowTaskCompletedRequest()
