"""Updates: admission, the way to the worker and back, rejection, and one update for one id."""

import pytest

from tenuto.engine import types
from tenuto.engine.types import Reason
from tenuto.limits import SECOND
from tenuto.wire import update as wire_update
from tenuto.wire import workflowservice as ws

from .support import World, payloads, token_of
from .updates import (
    ACCEPTED,
    ADMITTED,
    COMPLETED,
    accept,
    complete_workflow,
    look,
    notices_of,
    packed,
    place,
    refused,
    reject,
    request,
    respond,
    send,
    start_timer,
    update_message,
)


@pytest.fixture
def world() -> World:
    """A workflow that has completed its first workflow task: history 1..4, nothing pending."""
    made = World()
    made.start()
    made.step()
    return made


# ---- the way to the worker --------------------------------------------------------------------------------------------


def test_an_update_of_a_resting_workflow_makes_a_speculative_task_that_history_does_not_show(
    world: World,
) -> None:
    reply = send(world)
    assert (reply.stage, reply.run_id, reply.update_id) == (ADMITTED, world.run_id, "u1")
    assert len(world.history) == 4
    handout = world.poll()
    assert [event.event_id for event in handout.virtual] == [5, 6]
    assert len(world.history) == 4


def test_the_message_names_the_update_and_the_event_before_the_start_and_packs_the_request(
    world: World,
) -> None:
    send(world)
    (message,) = world.poll().messages
    assert (message.id, message.protocol_instance_id, message.event_id) == ("u1/request", "u1", 5)
    assert message.body.type_url == "type.googleapis.com/temporal.api.update.v1.Request"
    assert wire_update.Request.FromString(message.body.value) == request()


def test_messages_come_in_the_order_of_admission(world: World) -> None:
    for name in ("c", "a", "b"):
        send(world, name)
    assert [message.protocol_instance_id for message in world.poll().messages] == ["c", "a", "b"]


def test_an_update_before_the_first_task_rides_on_it() -> None:
    world = World()
    world.start()
    send(world)
    handout = world.poll()
    assert [message.event_id for message in handout.messages] == [2]
    assert not handout.virtual


def test_an_update_that_comes_while_a_task_is_started_waits_for_the_next_one(world: World) -> None:
    world.signal()
    handout = world.poll()
    send(world)
    assert not handout.messages
    world.respond(handout)
    assert [message.id for message in world.poll().messages] == ["u1/request"]


def test_accepted_and_completed_in_one_task_stands_in_history_as_two_events(world: World) -> None:
    send(world)
    world.step(place("u1/accept"), place("u1/response"), messages=[accept(), respond()])
    assert world.names()[4:] == [
        "WFT_SCHEDULED",
        "WFT_STARTED",
        "WFT_COMPLETED",
        "WF_UPDATE_ACCEPTED",
        "WF_UPDATE_COMPLETED",
    ]
    accepted = world.history[7].workflow_execution_update_accepted_event_attributes
    assert accepted.protocol_instance_id == "u1"
    assert accepted.accepted_request_message_id == "u1/request"
    assert accepted.accepted_request_sequencing_event_id == 5
    assert accepted.accepted_request == request()
    assert world.history[8].workflow_execution_update_completed_event_attributes.accepted_event_id == 8


def test_whoever_waits_for_acceptance_hears_of_a_completion_in_the_same_task_at_once(world: World) -> None:
    send(world)
    world.step(messages=[accept(), respond()])
    (notice,) = notices_of(world)
    assert notice.stage == COMPLETED
    assert notice.outcome is not None and notice.outcome.success == payloads(b'"out"')
    assert notice.accepted_id == 8


def test_acceptance_alone_is_told_and_completion_later(world: World) -> None:
    send(world)
    world.step(messages=[accept()])
    assert look(world).stage == ACCEPTED
    world.signal()
    world.step(messages=[respond()])
    assert [notice.stage for notice in notices_of(world)] == [ACCEPTED, COMPLETED]
    assert look(world).stage == COMPLETED


def test_update_events_stand_where_their_commands_stand(world: World) -> None:
    send(world)
    world.step(start_timer("a"), place("u1/accept"), start_timer("b"), messages=[accept(), respond()])
    assert world.names()[7:] == [
        "TIMER_STARTED",
        "WF_UPDATE_ACCEPTED",
        "TIMER_STARTED",
        "WF_UPDATE_COMPLETED",
    ]


# ---- rejection --------------------------------------------------------------------------------------------------------


def test_a_rejection_leaves_no_trace_and_tells_the_worker_where_history_stands(world: World) -> None:
    send(world)
    reply = world.step(place("u1/reject"), messages=[reject()])
    assert len(world.history) == 4
    assert reply.reset_history_event_id == 3
    (notice,) = notices_of(world)
    assert notice.stage == COMPLETED and notice.outcome is not None and notice.outcome.failure.message == "no"
    assert refused(world, types.AskUpdate("u1")).message == 'update "u1" not found'
    assert send(world).stage == ADMITTED


def test_a_task_that_leaves_no_trace_still_binds_the_run_to_its_worker(world: World) -> None:
    send(world)
    handout = world.poll()
    sticky = ws.RespondWorkflowTaskCompletedRequest().sticky_attributes
    sticky.worker_task_queue.name = "worker-1"
    world.respond(handout, place("u1/reject"), messages=[reject()], sticky_attributes=sticky)
    world.signal()
    assert world.history[-1].workflow_task_scheduled_event_attributes.task_queue.name == "worker-1"


def started_identity(world: World) -> str:
    """Who the last recorded start of a workflow task names."""
    started = [event for event in world.history if event.HasField("workflow_task_started_event_attributes")]
    return started[-1].workflow_task_started_event_attributes.identity


def test_a_speculative_task_is_recorded_as_started_by_whoever_completes_it(world: World) -> None:
    send(world)
    world.respond(world.poll(identity="poller"), messages=[accept(), respond()])
    assert started_identity(world) == "worker"


def test_a_speculative_task_that_ends_without_its_worker_does_not_say_who_started_it(world: World) -> None:
    send(world)
    world.poll()
    world.pass_time(11 * SECOND)
    assert world.names()[-2:] == ["WFT_STARTED", "WFT_TIMED_OUT"]
    assert started_identity(world) == ""


def test_an_event_beside_a_started_speculative_task_records_it_without_its_worker(world: World) -> None:
    send(world)
    handout = world.poll()
    world.signal()
    assert started_identity(world) == ""
    world.respond(handout, messages=[accept(), respond()])


def test_an_update_that_the_worker_says_nothing_about_is_rejected(world: World) -> None:
    send(world)
    world.step()
    (notice,) = notices_of(world)
    assert notice.outcome is not None
    assert notice.outcome.failure.source == "Server"
    assert notice.outcome.failure.application_failure_info.type == "UnprocessedUpdate"
    assert notice.outcome.failure.application_failure_info.non_retryable
    assert len(world.history) == 4


def test_an_update_that_came_after_the_task_was_started_is_not_rejected_with_it(world: World) -> None:
    send(world)
    handout = world.poll()
    send(world, "late")
    world.respond(handout)
    assert not notices_of(world, "late")
    assert [message.protocol_instance_id for message in world.poll().messages] == ["late"]


def test_a_heartbeat_keeps_the_sent_update_and_its_next_task_carries_only_new_ones(world: World) -> None:
    send(world)
    handout = world.poll()
    world.pass_time(2 * SECOND)
    send(world, "new")
    reply = world.respond(handout, force_create_new_workflow_task=True, return_new_workflow_task=True)
    assert not notices_of(world)
    assert reply.next_task is not None
    assert [message.protocol_instance_id for message in reply.next_task.messages] == ["new"]
    world.respond(reply.next_task, messages=[accept(), respond(), accept("new"), respond("new")])
    assert notices_of(world)[-1].stage == COMPLETED


def test_a_failed_task_sends_the_update_again(world: World) -> None:
    send(world)
    handout = world.poll()
    world.ask(types.FailWorkflowTask(token_of(handout), ws.RespondWorkflowTaskFailedRequest(cause=14)))  # type: ignore[arg-type]
    assert [message.protocol_instance_id for message in world.poll().messages] == ["u1"]


def test_the_same_poll_asked_twice_gets_the_same_messages(world: World) -> None:
    send(world)
    first = world.poll()
    owed = types.StartWorkflowTask(
        first.run_id,
        first.scheduled_id,
        first.attempt,
        0,
        "queue",
        False,
        "worker",
        f"poll-{world._seed - 1}",
    )
    again = world.ask(owed)
    assert again.messages == first.messages


# ---- one id, one update -----------------------------------------------------------------------------------------------


def test_two_callers_with_one_id_make_one_message(world: World) -> None:
    send(world)
    send(world)
    assert len(world.poll().messages) == 1


def test_a_repeated_request_after_completion_gets_the_stored_outcome(world: World) -> None:
    send(world)
    world.step(messages=[accept(), respond()])
    reply = send(world)
    assert reply.stage == COMPLETED and reply.outcome is not None
    assert reply.outcome.success == payloads(b'"out"')
    assert world.chain is not None and world.chain.current.run.task is None


def test_a_completed_update_answers_after_the_workflow_has_closed_too(world: World) -> None:
    send(world)
    world.step(complete_workflow(), messages=[])
    refusal = refused(world, types.Update(update_message()))
    assert (refusal.reason, refusal.message) == (Reason.NOT_FOUND, "workflow execution already completed")


def test_an_outcome_too_large_to_keep_is_left_to_history(world: World) -> None:
    send(world)
    big = wire_update.Response(outcome=wire_update.Outcome(success=payloads(b'"' + b"x" * 70_000 + b'"')))
    big.meta.update_id = "u1"
    world.step(messages=[accept(), packed("u1", big, "response")])
    reply = look(world)
    assert (reply.stage, reply.outcome, reply.completed_id) == (COMPLETED, None, 9)
