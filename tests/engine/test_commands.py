"""Completions of workflow tasks: all commands or none, in order, and what follows them."""

import pytest

from tenuto.engine import types
from tenuto.engine.commands import COMMANDS
from tenuto.engine.types import Reason, Rejected
from tenuto.limits import LIMITS, MIB, MINUTE, SECOND
from tenuto.wire import command as wire_command
from tests.engine.activities import scheduled
from tests.engine.story_commands import cancel_timer, timer
from tests.engine.support import World, payloads
from tests.engine.words import (
    begun,
    closing,
    command,
    completion,
    current,
    done,
    fail_task,
    failing,
    last,
    marker,
    misstep,
    refused,
    rested,
    said,
    sticky,
)


def test_command_events_follow_in_order_and_name_their_completion() -> None:
    world = begun()
    world.step(timer("t", 9), marker(), scheduled())
    assert world.names()[4:] == ["TIMER_STARTED", "MARKER_RECORDED", "ACT_SCHEDULED"]
    assert {said(event).workflow_task_completed_event_id for event in world.history[4:]} == {4}


def test_metadata_of_a_command_goes_to_its_event() -> None:
    world = begun()
    made = timer("t", 9)
    made.user_metadata.summary.data = b"why"
    world.step(made)
    assert last(world).user_metadata.summary.data == b"why"


def test_every_known_command_needs_its_attributes() -> None:
    for kind in COMMANDS:
        world = begun()
        refusal = misstep(world, command(kind))
        assert refusal.reason is Reason.INVALID
        assert world.names()[-1] == "WFT_FAILED", kind


@pytest.mark.parametrize(("kind", "name"), [(0, "Unspecified"), (99, "99")])
def test_an_unknown_command_is_refused_and_the_task_stays(kind: int, name: str) -> None:
    world = begun()
    handout = world.poll()
    assert refused(world, completion(handout, command(kind))).message == f"unknown command type: {name}"
    world.respond(handout)


@pytest.mark.parametrize("second", [timer("t", 1), closing(4)])
def test_nothing_may_follow_a_command_that_closes(second: wire_command.Command) -> None:
    world = begun()
    handout = world.poll()
    refusal = refused(world, completion(handout, closing(4), second))
    assert refusal.message.endswith("command CompleteWorkflowExecution must be the last command.")
    world.respond(handout, closing(4))


def test_a_wrong_command_undoes_those_before_it() -> None:
    world = begun()
    refusal = misstep(world, timer("t", 9), command(3))
    text = "BadStartTimerAttributes: StartTimerCommandAttributes is not set on StartTimerCommand."
    assert (refusal.reason, refusal.message) == (Reason.INVALID, text)
    assert world.names()[3:] == ["WFT_FAILED"]
    assert (said(last(world)).cause, said(last(world)).failure.message) == (4, text)
    assert not world.chain.current.timers  # type: ignore[union-attr]


def test_a_wrong_command_on_a_later_attempt_changes_nothing() -> None:
    world = begun()
    fail_task(world)
    handout = world.poll()
    assert refused(world, completion(handout, command(3))).reason is Reason.INVALID
    assert (len(world.history), current(world).task.attempt) == (4, 2)  # type: ignore[union-attr]
    world.respond(handout)
    assert world.names()[4:] == ["WFT_SCHEDULED", "WFT_STARTED", "WFT_COMPLETED"]


@pytest.mark.parametrize(
    ("too_large", "end"), [(False, ["WFT_FAILED"]), (True, ["WFT_FAILED", "WF_TERMINATED"])]
)
def test_what_the_service_finds_wrong_fails_that_command(too_large: bool, end: list[str]) -> None:
    world = begun()
    ask = completion(world.poll(), timer("t", 9), marker())
    ask.refused[1] = (23, "no such attribute", too_large)
    refusal = refused(world, ask)
    assert (refusal.reason, refusal.message) == (Reason.INVALID, "BadSearchAttributes: no such attribute")
    assert world.names()[3:] == end
    assert not world.chain.current.timers  # type: ignore[union-attr]


def test_what_is_wrong_with_a_command_before_it_is_told_first() -> None:
    world = begun()
    ask = completion(world.poll(), command(3), marker())
    ask.refused[1] = (23, "no such attribute", False)
    assert refused(world, ask).message.startswith("BadStartTimerAttributes: ")


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_payload_that_can_never_fit_ends_the_workflow(attempt: int) -> None:
    world = begun()
    if attempt == 2:
        fail_task(world)
    handout = world.poll()
    world.signal("late")
    refusal = refused(world, completion(handout, marker(size=2 * MIB)))
    text = "BadRecordMarkerAttributes: RecordMarkerCommandAttributes.Details exceeds size limit."
    assert (refusal.message, said(last(world)).reason, said(last(world)).identity) == (
        text,
        text,
        "history-service",
    )
    assert world.names()[3:] == ["WFT_FAILED", "WF_SIGNALED", "WF_TERMINATED"]


@pytest.mark.parametrize("closer", [done(), failing(), closing(7), closing(10)])
def test_a_workflow_cannot_close_over_news_it_has_not_seen(closer: wire_command.Command) -> None:
    world = begun()
    handout = world.poll()
    world.signal()
    assert refused(world, completion(handout, closer)).message == "UnhandledCommand"
    assert world.names()[3:] == ["WFT_FAILED", "WF_SIGNALED", "WFT_SCHEDULED"]
    assert said(last(world)).attempt == 1


def test_signals_bounce_while_a_closing_workflow_tries_again_and_only_then() -> None:
    world = begun()
    handout = world.poll()
    world.signal()
    refused(world, completion(handout, done()))
    world.signal("before the task is started")
    handout = world.poll()
    with pytest.raises(Rejected, match="workflow is closing"):
        world.signal()
    world.respond(handout)
    world.signal("welcome again")


def test_a_cancelled_timer_that_was_the_only_news_lets_the_workflow_close() -> None:
    world = begun()
    world.step(timer("t", 1))
    world.signal()
    handout = world.poll()
    world.pass_time(SECOND)
    world.respond(handout, cancel_timer("t"), done())
    assert world.names()[-2:] == ["TIMER_CANCELED", "WF_COMPLETED"]


def test_a_completion_without_news_is_followed_by_no_task() -> None:
    world = begun()
    assert world.step(return_new_workflow_task=True).next_task is None
    assert world.names()[-1] == "WFT_COMPLETED"


def test_a_worker_gets_the_following_task_at_once_if_it_asks_for_it() -> None:
    world = begun()
    handout = world.poll()
    world.signal()
    following = world.respond(handout, return_new_workflow_task=True, **sticky()).next_task
    assert following is not None
    assert (following.first_event_id, following.last_event_id, following.previous_started_id) == (4, 7, 3)
    assert said(last(world)).request_id == "request-from-RespondWorkflowTaskCompleted"


def test_a_heartbeat_keeps_when_the_task_was_first_scheduled() -> None:
    world = begun()
    first = world.now
    handout = world.poll()
    world.pass_time(8 * SECOND)
    following = world.respond(
        handout, force_create_new_workflow_task=True, return_new_workflow_task=True
    ).next_task
    assert following is not None
    assert current(world).task.original_scheduled_at == first  # type: ignore[union-attr]
    world.pass_time(8 * SECOND)
    world.respond(following, timer("t", 1000), force_create_new_workflow_task=True)
    assert current(world).task.original_scheduled_at == world.now  # type: ignore[union-attr]


def test_a_task_cannot_be_kept_alive_for_ever() -> None:
    world = begun(workflow_task_timeout={"seconds": 120})
    handout = world.poll()
    for _ in range(LIMITS.task_heartbeat_ns // MINUTE):
        world.pass_time(MINUTE)
        following = world.respond(
            handout, force_create_new_workflow_task=True, return_new_workflow_task=True
        ).next_task
        assert following is not None
        handout = following
    world.pass_time(MINUTE)
    refusal = refused(world, completion(handout, force_create_new_workflow_task=True))
    assert (refusal.reason, refusal.message) == (Reason.NOT_FOUND, "workflow task heartbeat timeout")
    assert "WFT_TIMED_OUT" in world.names()[-2:]


def test_nexus_operations_have_no_endpoint() -> None:
    made = command(17)
    made.schedule_nexus_operation_command_attributes.endpoint = "e"
    assert misstep(begun(), made).message == 'BadScheduleNexusOperationAttributes: endpoint "e" not found'


def test_a_build_leaves_a_reset_point_and_search_attributes_once() -> None:
    world = begun()
    world.step(binary_checksum="b1")
    world.signal()
    world.step(binary_checksum="b1")
    assert len(current(world).reset_points) == 1
    world.signal()
    world.step(binary_checksum="b2")
    assert len(current(world).reset_points) == 2
    attributes = world.chain.current.terms.search_attributes  # type: ignore[union-attr]
    assert b'["b1","b2"]' in attributes["BinaryChecksums"]
    assert b'["unversioned"]' in attributes["BuildIds"]


def test_an_eager_activity_comes_with_the_answer() -> None:
    world = begun()
    reply = world.step(scheduled("a", request_eager_execution=True, task_queue={"name": "queue"}))
    assert [handout.activity.activity_id for handout in reply.activities] == ["a"]


def test_a_paused_workflow_cannot_force_a_task() -> None:
    world = paused_with_task()
    handout = world[1]
    refusal = refused(world[0], completion(handout, force_create_new_workflow_task=True))
    assert refusal.reason is Reason.PRECONDITION
    assert world[0].respond(handout).next_task is None


def paused_with_task() -> tuple[World, types.WorkflowTaskHandout]:
    from tests.engine.test_options import pausable, pause

    world = pausable()
    handout = world.poll()
    pause(world)
    return world, handout


def test_results_are_kept_as_given() -> None:
    world = rested()
    world.signal()
    world.step(done(b"1"))
    assert said(last(world)).result == payloads(b"1")


def test_the_event_of_a_command_keeps_its_metadata_and_its_groups() -> None:
    world = World()
    world.start()
    made = wire_command.Command(command_type=3)  # type: ignore[arg-type]
    made.start_timer_command_attributes.timer_id = "t"
    made.start_timer_command_attributes.start_to_fire_timeout.seconds = 60
    made.user_metadata.summary.data = b'"a rest"'
    made.event_group_markers.add().label.id = "g"
    world.step(made)
    (event,) = [event for event in world.history if event.HasField("timer_started_event_attributes")]
    assert event.user_metadata == made.user_metadata
    assert list(event.event_group_markers) == list(made.event_group_markers)
