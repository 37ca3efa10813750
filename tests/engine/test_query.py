"""Queries: who is refused, who is answered directly, who waits for a workflow task, and how the waiting ends."""

import pytest

from tenuto.engine import types
from tenuto.engine.types import QueryNotice, QueryReply, Reason, Rejected
from tenuto.limits import DAY, LIMITS, SECOND
from tenuto.wire import command as wire_command
from tenuto.wire import duration_pb2
from tenuto.wire import query as wire_query
from tenuto.wire import workflowservice as ws

from .support import World, payloads, token_of

NOT_OPEN, NOT_COMPLETED_CLEANLY = 2, 3


def ask(
    world: World, query_id: str = "q1", condition: int = 1, run_id: str = "", deadline_at: int = 0
) -> QueryReply:
    message = ws.QueryWorkflowRequest(query=wire_query.WorkflowQuery(query_type="state"))
    message.query_reject_condition = condition  # type: ignore[assignment]
    reply: QueryReply = world.ask(types.Query(message, query_id, run_id, deadline_at))
    return reply


def refused(world: World, **asked: int) -> Rejected:
    with pytest.raises(Rejected) as caught:
        ask(world, **asked)  # type: ignore[arg-type]
    return caught.value


def answer(data: bytes = b"1") -> wire_query.WorkflowQueryResult:
    return wire_query.WorkflowQueryResult(result_type=1, answer=payloads(data))  # type: ignore[arg-type]


def complete_workflow() -> wire_command.Command:
    made = wire_command.Command(command_type=4)  # type: ignore[arg-type]
    made.complete_workflow_execution_command_attributes.SetInParent()
    return made


def terminate(world: World) -> None:
    world.ask(types.Terminate(ws.TerminateWorkflowExecutionRequest(reason="r")))


def fail(world: World) -> None:
    handout = world.poll()
    message = ws.RespondWorkflowTaskFailedRequest(cause=14)  # type: ignore[arg-type]
    world.ask(types.FailWorkflowTask(token_of(handout), message))


@pytest.fixture
def world() -> World:
    """A workflow at rest after its first task."""
    made = World()
    made.start()
    made.step()
    return made


# ---- directly -----------------------------------------------------------------------------------------------------------


def test_a_workflow_at_rest_is_asked_directly(world: World) -> None:
    reply = ask(world)
    assert reply.direct and not reply.buffered and reply.open
    assert (reply.task_queue, reply.sticky_queue, reply.workflow_type) == ("queue", "", "Flow")
    assert (reply.next_event_id, reply.previous_started_id) == (5, 3)


def test_the_answer_names_the_sticky_queue_first() -> None:
    world = World()
    world.start()
    sticky = {
        "worker_task_queue": {"name": "sticky"},
        "schedule_to_start_timeout": duration_pb2.Duration(seconds=10),
    }
    world.step(sticky_attributes=sticky)
    reply = ask(world)
    assert (reply.sticky_queue, reply.sticky_timeout_ns) == ("sticky", 10 * SECOND)


def test_a_closed_workflow_is_asked_directly(world: World) -> None:
    terminate(world)
    reply = ask(world)
    assert reply.direct and not reply.open


def test_an_older_run_is_asked_directly(world: World) -> None:
    first = world.run_id
    terminate(world)
    world.start(request_id="again")
    assert ask(world, run_id=first).direct


def test_a_query_changes_nothing(world: World) -> None:
    world.signal()
    before = list(world.history)
    ask(world)
    assert world.last is not None and not world.last.dirty
    assert world.history == before


# ---- refused ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [NOT_OPEN, NOT_COMPLETED_CLEANLY])
def test_the_callers_condition_refuses_a_terminated_workflow(world: World, condition: int) -> None:
    terminate(world)
    assert ask(world, condition=condition).rejected_status == 5


def test_a_completed_workflow_is_completed_cleanly(world: World) -> None:
    world.signal()
    world.step(complete_workflow())
    assert ask(world, condition=NOT_COMPLETED_CLEANLY).direct
    assert ask(world, condition=NOT_OPEN).rejected_status == 2


def test_conditions_do_not_concern_an_open_workflow(world: World) -> None:
    assert ask(world, condition=NOT_OPEN).direct


def test_a_workflow_that_closed_before_any_worker_knew_it_cannot_be_asked() -> None:
    world = World()
    world.start()
    terminate(world)
    refusal = refused(world)
    assert (refusal.reason, refusal.message) == (
        Reason.NOT_READY,
        "Workflow execution closed before WorkflowTaskStarted event",
    )


def test_a_workflow_whose_first_task_comes_too_late_cannot_be_asked() -> None:
    world = World()
    world.start(workflow_start_delay=duration_pb2.Duration(seconds=100))
    refusal = refused(world, deadline_at=world.now + 10 * SECOND)
    assert (refusal.reason, refusal.message) == (Reason.NOT_READY, "Workflow task is not scheduled yet.")
    assert refused(world).reason is Reason.NOT_READY
    assert ask(world, deadline_at=world.now + 200 * SECOND).buffered


def test_a_workflow_whose_tasks_keep_failing_cannot_be_asked() -> None:
    world = World()
    world.start()
    fail(world)
    assert ask(world).buffered
    fail(world)
    refusal = refused(world)
    assert (refusal.reason, refusal.message) == (
        Reason.NOT_READY,
        "Unable to query workflow due to Workflow Task in failed state.",
    )


def test_a_paused_workflow_says_so() -> None:
    world = World(namespace=types.Namespace("n", "default", DAY, pause_enabled=True))
    world.start()
    world.step()
    world.ask(types.PauseRun(ws.PauseWorkflowExecutionRequest(request_id="p")))
    assert ask(world).rejected_status == 8


def test_an_unknown_workflow_is_not_found() -> None:
    assert refused(World()).message == "workflow not found for ID: w"


# ---- with a workflow task -----------------------------------------------------------------------------------------------


def test_a_query_beside_a_pending_task_travels_with_it_and_is_answered_with_it(world: World) -> None:
    world.signal()
    assert ask(world).buffered
    handout = world.poll()
    assert {key: value.query_type for key, value in handout.queries.items()} == {"q1": "state"}
    world.respond(handout, query_results={"q1": answer()})
    assert world.notices == [QueryNotice("q1", answer())]


def test_the_second_waiting_query_finds_the_buffer_full(world: World) -> None:
    world.signal()
    ask(world)
    with pytest.raises(Rejected) as caught:
        ask(world, "q2")
    assert caught.value.reason is Reason.BUSY
    assert caught.value.message.startswith("consistent query buffer is full, ")


def test_a_query_that_comes_while_a_task_is_started_goes_with_the_next_one(world: World) -> None:
    world.signal()
    handout = world.poll()
    assert ask(world).buffered
    world.signal()
    world.respond(handout)
    assert not world.notices
    assert list(world.poll().queries) == ["q1"]


def asked_directly(world: World) -> list[str]:
    """Ids of the queries let go, each with what a worker on its own must be given: all history there is by now."""
    for notice in world.notices:
        assert isinstance(notice, QueryNotice) and notice.direct and notice.facts is not None
        assert notice.facts.next_event_id == len(world.history) + 1
    return [notice.query_id for notice in world.notices if isinstance(notice, QueryNotice)]


def test_a_query_left_unanswered_with_no_task_to_follow_is_asked_directly(world: World) -> None:
    world.signal()
    ask(world)
    world.step()
    assert asked_directly(world) == ["q1"]
    assert ask(world).direct


def test_answers_to_unknown_queries_are_ignored(world: World) -> None:
    world.signal()
    world.step(query_results={"nobody": answer()})
    assert not world.notices


def test_an_answer_that_is_too_large_fails_its_query_only(world: World) -> None:
    world.signal()
    ask(world)
    world.step(query_results={"q1": answer(b"x" * (LIMITS.blob_bytes + 1))})
    (notice,) = world.notices
    assert isinstance(notice, QueryNotice) and notice.error is not None
    assert notice.error.reason is Reason.INVALID
    assert world.names()[-1] == "WFT_COMPLETED"


def test_a_failed_task_leaves_the_query_for_the_next(world: World) -> None:
    world.signal()
    ask(world)
    fail(world)
    assert not world.notices
    assert list(world.poll().queries) == ["q1"]


def test_a_bad_command_clears_the_buffer(world: World) -> None:
    world.signal()
    ask(world)
    handout = world.poll()
    with pytest.raises(Rejected):
        world.respond(handout, wire_command.Command(command_type=3))  # type: ignore[arg-type]
    (notice,) = world.notices
    assert isinstance(notice, QueryNotice) and notice.error is not None
    assert (notice.error.reason, notice.error.message) == (
        Reason.UNAVAILABLE,
        "buffered query cleared, please retry",
    )


def test_an_answer_in_the_closing_task_counts(world: World) -> None:
    world.signal()
    ask(world)
    world.step(complete_workflow(), query_results={"q1": answer()})
    assert world.notices == [QueryNotice("q1", answer())]


def test_a_query_not_answered_by_the_closing_task_is_asked_directly(world: World) -> None:
    world.signal()
    ask(world)
    world.step(complete_workflow())
    assert asked_directly(world) == ["q1"]


def test_a_waiting_query_of_a_terminated_workflow_is_asked_directly_or_refused(world: World) -> None:
    world.signal()
    ask(world)
    terminate(world)
    assert asked_directly(world) == ["q1"]
    fresh = World()
    fresh.start()
    ask(fresh)
    terminate(fresh)
    (notice,) = fresh.notices
    assert isinstance(notice, QueryNotice) and notice.error is not None
    assert notice.error.reason is Reason.NOT_READY


def test_a_dropped_query_bothers_no_worker(world: World) -> None:
    world.signal()
    ask(world)
    world.ask(types.DropQuery("q1"))
    assert not world.poll().queries
