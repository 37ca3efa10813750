"""Reset: where a history may be cut, what the new run is, what becomes of the runs before."""

import pytest

from tenuto.engine import types
from tenuto.engine.types import Reason, Rejected
from tenuto.limits import SECOND
from tenuto.wire import duration_pb2
from tenuto.wire import workflowservice as ws

from .resets import PREFIX, refused, reset, terminate, timer
from .support import World, token_of
from .updates import complete_workflow


@pytest.fixture
def world() -> World:
    """A workflow that has completed its first workflow task: history 1..4, nothing pending."""
    made = World()
    made.start()
    made.step()
    return made


# ---- where to cut -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("finish_id", [-1, 0, 1, 5, 100])
def test_the_cut_must_lie_within_the_history(world: World, finish_id: int) -> None:
    refusal = refused(world, finish_id)
    assert refusal.reason is Reason.INVALID
    assert refusal.message == "Workflow task finish ID must be > 1 && <= workflow last event ID."


def test_the_cut_must_follow_a_scheduled_or_started_workflow_task(world: World) -> None:
    world.pass_time(1)
    world.signal()  # 5, 6 scheduled
    world.step(timer())  # 7 started, 8 completed, 9 timer
    for finish_id in (2, 5, 6, 9):
        refusal = refused(world, finish_id)
        assert refusal.reason is Reason.INVALID
        if finish_id == 5:
            assert refusal.message == (
                "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: 5"
            )
        else:
            assert refusal.message == (
                f"StateRebuilder unable to Rebuild mutable state to event ID: {finish_id - 1}, version: 0, "
                "this event must be at the boundary"
            )


def test_a_refused_reset_changes_nothing(world: World) -> None:
    before = list(world.history)
    refused(world, 2)
    assert world.history == before


def test_the_reference_case_copies_the_prefix_and_replays_later_signals(world: World) -> None:
    world.signal("one")
    world.signal("two")
    world.step(timer())
    base = world.run_id
    length = len(world.history)
    new = reset(world, 4)
    assert world.run_id == new != base
    assert world.names() == [*PREFIX, "WFT_FAILED", "WF_SIGNALED", "WF_SIGNALED", "WFT_SCHEDULED"]
    assert world.history[:3] == world.histories[base][:3]
    assert world.names(base)[length:] == ["WF_TERMINATED"]
    failed = world.history[3].workflow_task_failed_event_attributes
    assert failed.cause == 20
    assert (failed.scheduled_event_id, failed.started_event_id) == (2, 3)
    assert (failed.base_run_id, failed.new_run_id, failed.identity) == (base, new, "history-service")
    assert failed.failure.message == "because" and failed.failure.HasField("reset_workflow_failure_info")
    assert not failed.failure.source
    last = world.histories[base][-1].workflow_execution_terminated_event_attributes
    assert (last.reason, last.identity) == ("because", "history-resetter")


def test_a_cut_behind_a_merely_scheduled_task_invents_its_start(world: World) -> None:
    reset(world, 3)
    assert world.names() == [*PREFIX, "WFT_FAILED", "WFT_SCHEDULED"]
    started = world.history[2].workflow_task_started_event_attributes
    assert (started.scheduled_event_id, started.identity, started.request_id) == (
        2,
        "history-service",
        "emptyUuid",
    )


def test_a_cut_behind_a_failed_task_stands_for_its_next_attempt() -> None:
    world = World()
    world.start()
    handout = world.poll()
    message = ws.RespondWorkflowTaskFailedRequest(cause=14)  # type: ignore[arg-type]
    world.ask(types.FailWorkflowTask(token_of(handout), message))
    world.signal()  # 5
    reset(world, 5)
    assert world.names() == [
        *PREFIX,
        "WFT_FAILED",
        "WFT_SCHEDULED",
        "WFT_STARTED",
        "WFT_FAILED",
        "WF_SIGNALED",
        "WFT_SCHEDULED",
    ]
    assert world.history[4].workflow_task_scheduled_event_attributes.attempt == 1
    assert world.poll().attempt == 1


def test_the_new_runs_worker_gets_the_whole_history_under_the_new_run_id(world: World) -> None:
    new = reset(world, 4)
    handout = world.poll()
    assert (handout.run_id, handout.attempt, handout.previous_started_id) == (new, 1, 0)
    assert (handout.first_event_id, handout.last_event_id) == (1, 6)
    world.respond(handout, complete_workflow())
    assert world.names()[-2:] == ["WFT_COMPLETED", "WF_COMPLETED"]


# ---- the new run ------------------------------------------------------------------------------------------------------


def test_the_new_run_begins_now_but_belongs_to_the_old_chain_of_runs() -> None:
    world = World()
    start = world.start(
        workflow_execution_timeout=duration_pb2.Duration(seconds=3600),
        workflow_run_timeout=duration_pb2.Duration(seconds=600),
    )
    world.step()
    began = world.now
    world.pass_time(500 * SECOND)
    reset(world, 4)
    assert world.chain is not None
    state = world.chain.current
    assert (state.terms.first_run_id, state.terms.original_run_id) == (start.run_id, start.run_id)
    assert (state.terms.start_at, state.terms.execution_at) == (world.now, world.now)
    assert state.terms.original_start_at == began
    assert state.run.reset_at == world.now
    assert state.terms.execution_expires_at == world.now + 3600 * SECOND
    assert state.terms.run_expires_at == world.now + 600 * SECOND
    assert state.run.request_ids == {"start-request": (1, 1)}
    assert state.run.status == 1


def test_the_base_run_points_at_the_new_one(world: World) -> None:
    base = world.run_id
    new = reset(world, 4)
    assert world.closed[base].run.reset_run_id == new


def test_a_closed_base_run_gets_no_event_but_points_at_the_new_one(world: World) -> None:
    world.signal()
    world.step(complete_workflow())
    base, length = world.run_id, len(world.history)
    new = reset(world, 4)
    assert len(world.histories[base]) == length
    assert world.closed[base].run.reset_run_id == new
    assert world.closed[base].run.status == 2
    assert world.names() == [*PREFIX, "WFT_FAILED", "WF_SIGNALED", "WFT_SCHEDULED"]


def test_an_older_run_can_be_reset_while_another_is_open(world: World) -> None:
    base = world.run_id
    terminate(world)
    world.start(request_id="again")
    other = world.run_id
    new = reset(world, 4, run_id=base)
    assert world.run_id == new
    assert world.names(other)[-1] == "WF_TERMINATED"
    assert world.closed[base].run.reset_run_id == new
    assert not world.closed[other].run.reset_run_id
    assert world.history[3].workflow_task_failed_event_attributes.base_run_id == base


def test_a_reset_run_can_be_reset_again_and_keeps_the_first_identity(world: World) -> None:
    first = world.run_id
    world.signal("one")
    second = reset(world, 4)
    third = reset(world, 4)
    assert world.names() == [*PREFIX, "WFT_FAILED", "WF_SIGNALED", "WFT_SCHEDULED"]
    failed = world.history[3].workflow_task_failed_event_attributes
    assert (failed.base_run_id, failed.new_run_id) == (second, third)
    assert world.chain is not None
    assert world.chain.current.terms.original_run_id == first


def test_a_repeated_request_does_not_reset_twice(world: World) -> None:
    base = world.run_id
    new = reset(world, 4, request_id="once")
    assert reset(world, 4, run_id=base, request_id="once") == new
    assert world.run_id == new


def test_events_added_since_they_were_loaded_make_the_request_stale(world: World) -> None:
    events = tuple(world.history)
    world.signal()
    message = ws.ResetWorkflowExecutionRequest(workflow_task_finish_event_id=4, request_id="r")
    with pytest.raises(Rejected) as caught:
        world.ask(types.Reset(message, "", events))
    assert caught.value.reason is Reason.STALE


def test_a_started_task_of_the_terminated_run_fails_and_its_buffer_is_carried_over(world: World) -> None:
    world.signal("one")
    base = world.run_id
    world.poll()
    world.signal("buffered")
    reset(world, 4)
    assert world.names(base)[-3:] == ["WFT_FAILED", "WF_SIGNALED", "WF_TERMINATED"]
    names = [
        e.workflow_execution_signaled_event_attributes.signal_name
        for e in world.history
        if e.event_type == 26
    ]
    assert names == ["one", "buffered"]


def test_a_signal_that_was_carried_over_is_not_recorded_twice(world: World) -> None:
    world.signal("one", request_id="r1")
    reset(world, 4)
    world.signal("one", request_id="r1")
    assert world.names().count("WF_SIGNALED") == 1


def test_a_signal_of_the_prefix_is_not_recorded_twice(world: World) -> None:
    world.signal("one", request_id="r1")
    world.step()
    reset(world, 8)
    world.signal("one", request_id="r1")
    assert world.names().count("WF_SIGNALED") == 1


def test_reset_points_and_build_ids_of_the_prefix_are_the_new_runs(world: World) -> None:
    world.signal()
    world.step()
    new = reset(world, 8)
    assert world.chain is not None
    state = world.chain.current
    assert len(state.run.reset_points) == 1 and new.encode() in state.run.reset_points[0]
    assert "BuildIds" in state.terms.search_attributes


def test_a_long_prefix_is_stored_in_rows_that_fit_a_page(world: World) -> None:
    for number in range(100):
        world.signal(f"{number}")
    world.step()
    base = list(world.history)
    reset(world, len(base))
    assert world.last is not None
    rows = world.last.run.rows
    assert [first for first, _, _ in rows] == [1, 65, len(base)]
    assert world.history[: len(base) - 1] == base[:-1]
    assert world.chain is not None
    copied = sum(event.ByteSize() for event in base[:-1])
    assert copied < world.chain.current.run.history_bytes < copied + 2000
