"""Reset: what was pending at the cut, what is carried over from behind it, and options for the new run."""

from typing import Any

import pytest

from tenuto.engine import types
from tenuto.engine.types import QueryNotice, Reason, Rejected, UpdateNotice
from tenuto.limits import DAY, SECOND
from tenuto.wire import common, history
from tenuto.wire import workflowservice as ws

from .resets import PREFIX, activity, child, refused, reset, send_update, timer
from .support import World, payloads
from .updates import accept, continue_as_new, respond


@pytest.fixture
def world() -> World:
    """A workflow that has completed its first workflow task: history 1..4, nothing pending."""
    made = World()
    made.start()
    made.step()
    return made


# ---- what was pending at the cut --------------------------------------------------------------------------------------


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


# ---- what is carried over ---------------------------------------------------------------------------------------------


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


# ---- options ----------------------------------------------------------------------------------------------------------


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
