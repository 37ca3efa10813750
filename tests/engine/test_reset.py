"""Reset: where a history may be cut, what the new run keeps, what is carried over, what becomes of the runs before."""

from typing import Any

import pytest

from tenuto.engine import types
from tenuto.engine.chain import Run
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.rebuild import replay
from tenuto.engine.start import blank_terms
from tenuto.engine.table import apply, settle
from tenuto.engine.types import QueryNotice, Reason, Rejected, UpdateNotice
from tenuto.limits import DAY, SECOND
from tenuto.wire import any_pb2, common, duration_pb2, history, protocol
from tenuto.wire import command as wire_command
from tenuto.wire import update as wire_update
from tenuto.wire import workflowservice as ws

from .support import NAMESPACE, World, payloads, token_of

PREFIX = ["WF_STARTED", "WFT_SCHEDULED", "WFT_STARTED"]


# ---- words ------------------------------------------------------------------------------------------------------------


def reset(world: World, finish_id: int, run_id: str = "", **fields: Any) -> str:
    """Reset as the host would: with all events of the base run and of those that continued it as new."""
    base = run_id or world.run_id
    message = ws.ResetWorkflowExecutionRequest(
        workflow_task_finish_event_id=finish_id,
        reason="because",
        request_id=fields.pop("request_id", f"reset-{world._seed}"),
        **fields,
    )
    followers = []
    events = world.histories.get(base, [])
    while events and events[-1].event_type == 28:
        following = events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        events = world.histories[following]
        followers.append((following, tuple(events)))
    asked = types.Reset(message, run_id, tuple(world.histories.get(base, [])), tuple(followers))
    reply: ws.ResetWorkflowExecutionResponse = world.ask(asked)
    return reply.run_id


def refused(world: World, finish_id: int, **fields: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        reset(world, finish_id, **fields)
    return caught.value


def timer(timer_id: str = "t", seconds: int = 1000) -> wire_command.Command:
    made = wire_command.Command(command_type=3)  # type: ignore[arg-type]
    made.start_timer_command_attributes.timer_id = timer_id
    made.start_timer_command_attributes.start_to_fire_timeout.seconds = seconds
    return made


def activity(activity_id: str = "a") -> wire_command.Command:
    made = wire_command.Command(command_type=1)  # type: ignore[arg-type]
    attributes = made.schedule_activity_task_command_attributes
    attributes.activity_id, attributes.activity_type.name = activity_id, "Act"
    attributes.task_queue.name = "queue"
    attributes.schedule_to_close_timeout.seconds = 100
    return made


def child(workflow_id: str = "c") -> wire_command.Command:
    made = wire_command.Command(command_type=11)  # type: ignore[arg-type]
    attributes = made.start_child_workflow_execution_command_attributes
    attributes.workflow_id, attributes.workflow_type.name = workflow_id, "Child"
    attributes.task_queue.name = "queue"
    return made


def complete_workflow() -> wire_command.Command:
    made = wire_command.Command(command_type=4)  # type: ignore[arg-type]
    made.complete_workflow_execution_command_attributes.SetInParent()
    return made


def continue_as_new() -> wire_command.Command:
    made = wire_command.Command(command_type=10)  # type: ignore[arg-type]
    made.continue_as_new_workflow_execution_command_attributes.SetInParent()
    return made


def send_update(world: World, update_id: str = "u1") -> types.UpdateReply:
    message = ws.UpdateWorkflowExecutionRequest()
    message.request.meta.update_id, message.request.input.name = update_id, "change"
    reply: types.UpdateReply = world.ask(types.Update(message))
    return reply


def accept(update_id: str = "u1") -> protocol.Message:
    body = any_pb2.Any()
    body.Pack(
        wire_update.Acceptance(
            accepted_request_message_id=f"{update_id}/request", accepted_request_sequencing_event_id=5
        )
    )
    return protocol.Message(id=f"{update_id}/accept", protocol_instance_id=update_id, body=body)


def respond(update_id: str = "u1") -> protocol.Message:
    outcome = wire_update.Outcome(success=payloads(b'"out"'))
    body = any_pb2.Any()
    body.Pack(wire_update.Response(meta=wire_update.Meta(update_id=update_id), outcome=outcome))
    return protocol.Message(id=f"{update_id}/response", protocol_instance_id=update_id, body=body)


def terminate(world: World) -> None:
    world.ask(types.Terminate(ws.TerminateWorkflowExecutionRequest(reason="r")))


@pytest.fixture
def world() -> World:
    """A workflow that has completed its first workflow task: history 1..4, nothing pending."""
    made = World()
    made.start()
    made.step()
    return made


# ---- where to cut -------------------------------------------------------------------------------------------------------


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


# ---- the new run --------------------------------------------------------------------------------------------------------


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


# ---- what was pending at the cut ----------------------------------------------------------------------------------------


def test_activities_and_timers_of_the_prefix_stay_pending() -> None:
    world = World()
    world.start()
    world.step(activity(), timer("t", 1000))  # 4 completed, 5 activity, 6 timer
    fires = world.now + 1000 * SECOND
    world.poll_activity()
    world.pass_time(50 * SECOND)
    world.signal()  # 7, 8
    world.step()  # 9, 10
    reset(world, 10)
    assert world.chain is not None
    state = world.chain.current
    pending = state.activities[5]
    assert (pending.started_at, pending.attempt) == (0, 1)
    assert pending.scheduled_at == pending.first_scheduled_at == world.now
    assert state.timers["t"].fire_at == fires
    assert world.poll_activity().activity.activity_id == "a"
    world.pass_time(1000 * SECOND)
    assert "TIMER_FIRED" in world.names()


def test_overdue_timers_fire_at_once(world: World) -> None:
    world.signal()
    world.step(timer("t", 10))  # 9
    world.signal()  # 10, 11
    world.step()  # 12, 13
    world.pass_time(20 * SECOND)
    reset(world, 13)
    world.pass_time(0)
    assert world.names()[-1] == "TIMER_FIRED"


def test_a_child_of_the_prefix_stays_and_its_later_news_are_carried_over() -> None:
    world = World()
    world.start()
    world.step(child())  # 5 initiated
    base = world.run_id
    assert world.chain is not None
    (owed,) = world.chain.out.values()
    world.ask(
        types.Delivered(owed.out_id, types.StartReply("child-run", "child-run", True, 1), None)
    )  # 6 started, 7
    world.step()  # 8, 9
    for message in list(world.chain.out.values()):
        world.ask(types.Delivered(message.out_id, True, None))
    event = history.HistoryEvent(event_type=2)  # type: ignore[arg-type]
    event.workflow_execution_completed_event_attributes.SetInParent()
    execution = common.WorkflowExecution(workflow_id="c", run_id="child-run")
    world.ask(types.ChildClosed(base, 5, execution, "Child", event))  # 10, 11
    reset(world, 9)
    assert world.names()[8:] == ["WFT_FAILED", "CHILD_WORKFLOW_EXECUTION_COMPLETED", "WFT_SCHEDULED"]
    closed = [e for e in world.history if e.event_type == 32]
    assert len(closed) == 1
    attributes = closed[0].child_workflow_execution_completed_event_attributes
    assert (attributes.initiated_event_id, attributes.started_event_id) == (5, 6)
    assert world.chain.current.children == {}
    assert not [m for m in world.chain.out.values() if m.kind == 6], "no parent-close policy is imposed"


def test_a_child_of_the_prefix_reports_its_close_to_the_new_run() -> None:
    world = World()
    world.start()
    world.step(child())
    base = world.run_id
    assert world.chain is not None
    (owed,) = world.chain.out.values()
    world.ask(types.Delivered(owed.out_id, types.StartReply("child-run", "child-run", True, 1), None))
    world.step()
    reset(world, 9)
    assert world.chain.current.children[5].run_id == "child-run"
    event = history.HistoryEvent(event_type=2)  # type: ignore[arg-type]
    event.workflow_execution_completed_event_attributes.SetInParent()
    execution = common.WorkflowExecution(workflow_id="c", run_id="child-run")
    world.ask(types.ChildClosed(base, 5, execution, "Child", event))
    assert world.names()[-1] == "CHILD_WORKFLOW_EXECUTION_COMPLETED"


def test_children_that_were_cut_off_are_forgotten_and_not_touched(world: World) -> None:
    world.signal()
    world.step(child("gone"))
    assert world.chain is not None
    (owed,) = world.chain.out.values()
    world.ask(types.Delivered(owed.out_id, types.StartReply("child-run", "child-run", True, 1), None))
    for message in list(world.chain.out.values()):
        world.ask(types.Delivered(message.out_id, True, None))
    reset(world, 4)
    assert not world.chain.current.children
    assert not world.chain.out


# ---- what is carried over -----------------------------------------------------------------------------------------------


def with_updates() -> World:
    """u1 completed, u2 accepted, both behind event 4."""
    world = World()
    world.start()
    world.step()
    send_update(world, "u1")
    world.step(messages=[accept("u1"), respond("u1")])
    send_update(world, "u2")
    world.step(messages=[accept("u2")])
    return world


def test_updates_behind_the_cut_are_admitted_again_as_events() -> None:
    world = with_updates()
    reset(world, 4)
    assert world.names()[3:] == ["WFT_FAILED", "WF_UPDATE_ADMITTED", "WF_UPDATE_ADMITTED", "WFT_SCHEDULED"]
    admitted = world.history[4].workflow_execution_update_admitted_event_attributes
    assert (admitted.request.meta.update_id, admitted.origin) == ("u1", 1)
    assert world.ask(types.AskUpdate("u1")).stage == 1


def test_the_worker_gets_carried_over_updates_as_events_and_not_as_messages() -> None:
    world = with_updates()
    reset(world, 4)
    handout = world.poll()
    assert not handout.messages
    world.respond(handout, messages=[accept("u1"), respond("u1")])
    accepted = world.history[-2].workflow_execution_update_accepted_event_attributes
    assert accepted.protocol_instance_id == "u1" and not accepted.HasField("accepted_request")
    assert world.ask(types.AskUpdate("u1")).stage == 3
    notices = [n for n in world.notices if isinstance(n, UpdateNotice) and n.run_id == world.run_id]
    assert [(n.update_id, n.stage) for n in notices] == [("u1", 3), ("u2", 3)]
    assert notices[1].outcome is not None
    assert notices[1].outcome.failure.application_failure_info.type == "UnprocessedUpdate"
    with pytest.raises(Rejected):
        world.ask(types.AskUpdate("u2"))


def test_a_caller_of_a_carried_over_update_joins_it() -> None:
    world = with_updates()
    reset(world, 4)
    assert send_update(world, "u2").stage == 1
    handout = world.poll()
    assert not handout.messages


def test_a_carried_over_update_is_carried_over_again() -> None:
    world = with_updates()
    reset(world, 4)
    reset(world, 4)
    assert world.names()[3:] == ["WFT_FAILED", "WF_UPDATE_ADMITTED", "WF_UPDATE_ADMITTED", "WFT_SCHEDULED"]


def test_updates_before_the_cut_keep_their_outcome() -> None:
    world = with_updates()
    base = world.history
    cut = next(e.event_id for e in base[9:] if e.event_type == 7)
    reset(world, cut)
    reply = world.ask(types.AskUpdate("u1"))
    assert reply.stage == 3 and reply.outcome.success == payloads(b'"out"')
    assert world.names()[-2:] == ["WF_UPDATE_ADMITTED", "WFT_SCHEDULED"]


def test_updates_in_flight_on_the_terminated_run_are_aborted(world: World) -> None:
    send_update(world)
    reset(world, 4)
    (notice,) = world.notices
    assert isinstance(notice, UpdateNotice) and notice.error is not None
    assert notice.error.message == "workflow update was aborted by closing workflow"
    assert not world.poll().messages


def test_queries_that_wait_at_the_terminated_run_are_let_go(world: World) -> None:
    world.signal()
    message = ws.QueryWorkflowRequest()
    world.ask(types.Query(message, "q"))
    reset(world, 4)
    assert [(n.query_id, n.direct) for n in world.notices if isinstance(n, QueryNotice)] == [("q", True)]


def test_cancel_requests_are_not_carried_over(world: World) -> None:
    world.ask(types.RequestCancel(ws.RequestCancelWorkflowExecutionRequest()))
    reset(world, 4)
    assert world.names() == [*PREFIX, "WFT_FAILED", "WFT_SCHEDULED"]
    assert world.chain is not None and not world.chain.current.run.cancel_requested


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({}, ["WF_UPDATE_ADMITTED", "WF_UPDATE_ADMITTED", "WF_SIGNALED"]),
        ({"reset_reapply_exclude_types": [1]}, ["WF_UPDATE_ADMITTED", "WF_UPDATE_ADMITTED"]),
        ({"reset_reapply_exclude_types": [2]}, ["WF_SIGNALED"]),
        ({"reset_reapply_exclude_types": [1, 2, 3]}, []),
        ({"reset_reapply_type": 1}, ["WF_SIGNALED"]),
        ({"reset_reapply_type": 2}, []),
        ({"reset_reapply_type": 3}, ["WF_UPDATE_ADMITTED", "WF_UPDATE_ADMITTED", "WF_SIGNALED"]),
    ],
)
def test_the_caller_chooses_what_is_carried_over(fields: dict[str, Any], kept: list[str]) -> None:
    world = with_updates()
    world.signal()
    reset(world, 4, **fields)
    assert world.names()[4:-1] == kept


def test_signals_of_runs_that_continued_the_base_as_new_are_carried_over(world: World) -> None:
    base = world.run_id
    world.signal("one")
    world.step(continue_as_new())
    world.pass_time(2 * SECOND)
    world.signal("two")
    last = world.run_id
    new = reset(world, 4, run_id=base)
    names = [
        e.workflow_execution_signaled_event_attributes.signal_name
        for e in world.history
        if e.event_type == 26
    ]
    assert names == ["one", "two"]
    assert world.names(last)[-1] == "WF_TERMINATED"
    assert world.closed[base].run.reset_run_id == new
    assert world.closed[base].run.status == 6
    assert not world.closed[last].run.reset_run_id


def test_a_follower_the_host_did_not_load_makes_the_request_stale(world: World) -> None:
    base = world.run_id
    world.signal()
    world.step(continue_as_new())
    message = ws.ResetWorkflowExecutionRequest(workflow_task_finish_event_id=4, request_id="r")
    with pytest.raises(Rejected) as caught:
        world.ask(types.Reset(message, base, tuple(world.histories[base])))
    assert caught.value.reason is Reason.STALE


# ---- options ------------------------------------------------------------------------------------------------------------


def test_options_for_the_new_run_stand_before_its_workflow_task(world: World) -> None:
    message = ws.ResetWorkflowExecutionRequest()
    operation = message.post_reset_operations.add().update_workflow_options
    operation.workflow_execution_options.priority.priority_key = 1
    operation.update_mask.paths.append("priority")
    world.signal()
    reset(world, 4, post_reset_operations=message.post_reset_operations)
    assert world.names()[3:] == ["WFT_FAILED", "WF_SIGNALED", "WF_OPTIONS_UPDATED", "WFT_SCHEDULED"]
    event = world.history[5]
    assert event.worker_may_ignore
    attributes = event.workflow_execution_options_updated_event_attributes
    assert attributes.priority.priority_key == 1 and attributes.unset_versioning_override
    reset(world, 4)
    assert world.names()[3:] == ["WFT_FAILED", "WF_SIGNALED", "WF_OPTIONS_UPDATED", "WFT_SCHEDULED"]


def test_signals_are_no_operation_of_a_reset(world: World) -> None:
    message = ws.ResetWorkflowExecutionRequest()
    message.post_reset_operations.add().signal_workflow.signal_name = "s"
    refusal = refused(world, 4, post_reset_operations=message.post_reset_operations)
    assert refusal.message == "unsupported post reset operation: *workflow.PostResetOperation_SignalWorkflow_"


def test_a_pause_behind_the_cut_is_not_carried_over() -> None:
    world = World(namespace=types.Namespace("n", "default", DAY, pause_enabled=True))
    world.start()
    world.step()
    world.ask(types.PauseRun(ws.PauseWorkflowExecutionRequest(request_id="p")))
    reset(world, 4)
    assert world.names() == [*PREFIX, "WFT_FAILED", "WFT_SCHEDULED"]


# ---- the law ------------------------------------------------------------------------------------------------------------


def rebuilt(events: list[history.HistoryEvent]) -> RunDraft:
    draft = Draft(("n", "w"), None, types.Stamp(1, bytes(16), 1, NAMESPACE), apply, settle)
    rd = draft.begin_run(Run("run"), blank_terms())
    replay(rd, events)
    return rd


def test_replaying_a_history_gives_the_state_it_tells_of() -> None:
    world = World()
    world.start()
    world.step(activity("a"), activity("b"), timer("t"), timer("u"), child())
    world.signal("one", request_id="r")
    send_update(world)
    world.step(messages=[accept()])
    world.signal("two")
    assert world.chain is not None
    live = world.chain.current
    rd = rebuilt(world.history)
    assert list(rd.activities.keys()) == list(live.activities)
    assert {t.timer_id: t.fire_at for t in rd.timers.values()} == {
        t.timer_id: t.fire_at for t in live.timers.values()
    }
    assert list(rd.children.keys()) == list(live.children)
    assert {u.update_id: u for u in rd.updates.values()} == live.updates
    assert rd.run.next_event_id == live.run.next_event_id
    assert rd.run.previous_started_id == live.run.previous_started_id
    assert rd.run.signal_count == live.run.signal_count == 2
    assert rd.run.task is not None and live.run.task is not None
    assert rd.run.task.scheduled_id == live.run.task.scheduled_id


def test_a_history_with_a_gap_is_refused() -> None:
    world = World()
    world.start()
    world.step()
    with pytest.raises(AssertionError, match="gap"):
        rebuilt([world.history[0], world.history[2]])
