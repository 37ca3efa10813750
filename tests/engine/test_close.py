"""How runs end, and what follows them."""

from typing import Any

import pytest

from tenuto.engine import events as ev
from tenuto.engine import types
from tenuto.engine.types import Reason, UpdateNotice
from tenuto.limits import SECOND
from tenuto.wire import common, duration_pb2, workflow
from tenuto.wire import workflowservice as ws
from tests.engine.activities import boom, scheduled
from tests.engine.story_commands import timer
from tests.engine.support import NAMESPACE, World, payloads
from tests.engine.words import (
    ask_cancel,
    begun,
    closing,
    command,
    completion,
    current,
    done,
    failing,
    last,
    length,
    misstep,
    refused,
    rested,
    said,
    terminate,
    upsert,
    values,
)

IN_PROGRESS, NON_RETRYABLE, TIMEOUT, EXHAUSTED, NOT_SET = 1, 2, 3, 4, 5
POLICY = common.RetryPolicy(maximum_attempts=2)


def runs(world: World) -> list[str]:
    return list(world.histories)


@pytest.mark.parametrize(
    ("kind", "name", "status"), [(4, "WF_COMPLETED", 2), (5, "WF_FAILED", 3), (7, "WF_CANCELED", 4)]
)
def test_a_worker_ends_its_workflow(kind: int, name: str, status: int) -> None:
    world = begun()
    fields = {"failure": boom()} if kind == 5 else {}
    world.step(closing(kind, **fields))
    assert (world.names()[-1], current(world).status, current(world).close_event_id) == (name, status, 5)
    assert world.closed[world.run_id].run.status == status


def test_what_is_pending_at_the_close_stays_on_record_but_is_owed_no_more() -> None:
    world = begun()
    world.step(scheduled(), timer("t", 5))
    terminate(world)
    assert len(world.closed[world.run_id].activities) == 1
    assert world.agenda is not None
    assert world.chain is not None
    assert world.agenda.alarm(world.chain, world.now) is None
    world.pass_time(100 * SECOND)
    assert world.names()[-1] == "WF_TERMINATED"


def test_a_failure_is_needed_to_fail() -> None:
    made = command(5)
    made.fail_workflow_execution_command_attributes.SetInParent()
    assert misstep(begun(), made).message.startswith("BadFailWorkflowExecutionAttributes: Failure is not set")


# ---- termination --------------------------------------------------------------------------------------------------------


def test_termination_has_default_words() -> None:
    world = begun()
    terminate(world)
    assert (said(last(world)).reason, said(last(world)).identity) == (
        "terminated by user via frontend",
        "frontend-service",
    )
    assert world.names() == ["WF_STARTED", "WFT_SCHEDULED", "WF_TERMINATED"]


def test_termination_keeps_the_caller_s_words() -> None:
    world = begun()
    terminate(world, reason="r", identity="i", details=payloads())
    ended = said(last(world))
    assert (ended.reason, ended.identity, ended.details) == ("r", "i", payloads())


def test_a_closed_workflow_cannot_be_terminated() -> None:
    world = begun()
    terminate(world)
    refusal = refused(world, types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    assert (refusal.reason, refusal.message) == (Reason.NOT_FOUND, "workflow execution already completed")


def test_a_chain_of_runs_is_addressed_by_its_first_run() -> None:
    world = begun()
    first = world.run_id
    world.step(closing(10))
    wrong = ws.TerminateWorkflowExecutionRequest(
        first_execution_run_id="00000000-0000-4000-8000-000000000000"
    )
    assert refused(world, types.Terminate(wrong)).message == "workflow execution not found"
    terminate(world, first_execution_run_id=first)
    assert world.names()[-1] == "WF_TERMINATED"


def test_updates_in_flight_hear_of_the_close() -> None:
    world = begun()
    message = ws.UpdateWorkflowExecutionRequest()
    message.request.meta.update_id, message.request.input.name = "u", "change"
    world.ask(types.Update(message))
    terminate(world)
    notice = world.notices[-1]
    assert isinstance(notice, UpdateNotice)
    assert notice.error is not None


# ---- time ---------------------------------------------------------------------------------------------------------------


def test_the_run_s_time_ends_it() -> None:
    world = begun(workflow_run_timeout=length(5))
    world.pass_time(5 * SECOND)
    assert (world.names()[-1], said(last(world)).retry_state, current(world).status) == (
        "WF_TIMED_OUT",
        NOT_SET,
        7,
    )


def test_a_later_attempt_leaves_no_trace_when_time_runs_out() -> None:
    world = begun(workflow_run_timeout=length(5))
    world.ask(types.FailWorkflowTask(_token(world), ws.RespondWorkflowTaskFailedRequest()))
    world.poll()
    world.pass_time(5 * SECOND)
    assert world.names()[3:] == ["WFT_FAILED", "WF_TIMED_OUT"]


def _token(world: World) -> types.TaskToken:
    return completion(world.poll()).token


def test_a_retry_may_follow_the_run_but_not_the_chain() -> None:
    world = begun(workflow_run_timeout=length(5), workflow_execution_timeout=length(8), retry_policy=POLICY)
    first = world.run_id
    world.pass_time(5 * SECOND)
    assert (said(last(world, first)).retry_state, said(last(world, first)).new_execution_run_id) == (
        IN_PROGRESS,
        world.run_id,
    )
    started = said(world.history[0])
    assert started.continued_failure.timeout_failure_info.timeout_type == 1
    assert (started.continued_failure.message, started.continued_failure.source) == (
        "workflow timeout",
        "Server",
    )
    world.pass_time(3 * SECOND)
    assert (world.names()[-1], said(last(world)).retry_state) == ("WF_TIMED_OUT", TIMEOUT)
    assert said(last(world)).new_execution_run_id == ""


def test_cron_goes_on_until_the_chain_s_time_is_over() -> None:
    world = begun(cron_schedule="@every 10s", workflow_execution_timeout=length(15))
    first = world.run_id
    world.pass_time(10 * SECOND)
    world.step(done())
    assert (world.run_id != first, world.names()) == (True, ["WF_STARTED"])
    world.pass_time(5 * SECOND)
    assert world.names() == ["WF_STARTED", "WF_TIMED_OUT"]


# ---- continue as new ----------------------------------------------------------------------------------------------------


def old_enough(**start: Any) -> World:
    """A workflow that has lived for more than the second between two runs of a chain."""
    world = begun(**start)
    world.pass_time(2 * SECOND)
    return world


def test_a_continued_run_inherits_only_what_belongs_to_the_chain() -> None:
    world = old_enough(
        workflow_run_timeout=length(50),
        workflow_execution_timeout=length(90),
        workflow_task_timeout=length(7),
        retry_policy=POLICY,
        memo=common.Memo(fields=values(m=b"1")),
        input=payloads(),
    )
    first, expires = world.run_id, said(world.history[0]).workflow_execution_expiration_time
    world.step(closing(10))
    assert (world.names(first)[-1], world.names()) == ("WF_CONTINUED_AS_NEW", ["WF_STARTED", "WFT_SCHEDULED"])
    new = said(world.history[0])
    assert (new.workflow_type.name, new.task_queue.name) == ("Flow", "queue")
    assert (new.workflow_run_timeout.seconds, new.workflow_task_timeout.seconds) == (50, 7)
    assert (new.workflow_execution_timeout.seconds, new.workflow_execution_expiration_time) == (90, expires)
    assert (new.first_execution_run_id, new.continued_execution_run_id) == (first, first)
    assert (new.original_execution_run_id, new.initiator, new.attempt) == (world.run_id, 1, 1)
    for name in ("retry_policy", "memo", "input", "first_workflow_task_backoff"):
        assert not new.HasField(name)


def test_the_command_s_wishes_go_to_the_continued_run() -> None:
    world = old_enough()
    world.step(
        closing(
            10,
            workflow_type={"name": "Other"},
            input=payloads(b"2"),
            memo=common.Memo(fields=values(n=b"3", gone=b"null")),
            retry_policy=POLICY,
            workflow_run_timeout=length(30),
            last_completion_result=payloads(b"4"),
        )
    )
    new = said(world.history[0])
    assert (new.workflow_type.name, new.input, new.last_completion_result) == (
        "Other",
        payloads(b"2"),
        payloads(b"4"),
    )
    assert (list(new.memo.fields), new.retry_policy.maximum_attempts) == (["n"], 2)
    assert new.workflow_run_timeout.seconds == 30


def test_the_last_event_repeats_what_the_command_said_of_builds() -> None:
    world = old_enough()
    first = world.run_id
    world.step(closing(10, inherit_build_id=True))
    assert said(world.histories[first][-1]).inherit_build_id


def test_a_run_that_follows_an_eager_one_is_not_eager() -> None:
    world = World()
    reply = world.start(request_eager_execution=True, retry_policy=common.RetryPolicy(maximum_attempts=2))
    first = world.run_id
    assert reply.handout is not None
    world.respond(reply.handout, failing())
    assert said(world.histories[first][0]).eager_execution_accepted
    assert not said(world.history[0]).eager_execution_accepted


def test_two_runs_of_a_chain_begin_a_second_apart() -> None:
    world = begun()
    world.pass_time(SECOND // 4)
    world.step(closing(10))
    assert world.names() == ["WF_STARTED"]
    assert said(world.history[0]).first_workflow_task_backoff == length(0.75)
    world.pass_time(SECOND)
    assert world.names() == ["WF_STARTED", "WFT_SCHEDULED"]


def test_the_second_is_counted_from_the_time_at_which_the_run_was_to_begin() -> None:
    world = begun(workflow_start_delay=length(5))
    world.pass_time(5 * SECOND + SECOND // 4)
    world.step(closing(10))
    assert said(world.history[0]).first_workflow_task_backoff == length(0.75)


def test_a_run_that_is_wakened_before_its_time_has_lived_from_its_start() -> None:
    world = begun(workflow_start_delay=length(600))
    world.pass_time(SECOND // 4)
    ask_cancel(world)
    world.step(closing(10))
    assert said(world.history[0]).first_workflow_task_backoff == length(0.75)


def test_a_wished_backoff_is_kept() -> None:
    world = old_enough()
    first = world.run_id
    world.step(closing(10, backoff_start_interval=length(20)))
    assert said(world.history[0]).first_workflow_task_backoff.seconds == 20
    assert said(last(world, first)).backoff_start_interval.seconds == 20


def test_the_close_event_repeats_the_command_and_not_what_the_service_makes_of_it() -> None:
    world = begun()
    first = world.run_id
    world.step(closing(10))
    closed, new = said(last(world, first)), said(world.history[0])
    assert (closed.HasField("backoff_start_interval"), closed.initiator) == (False, 0)
    assert (new.HasField("first_workflow_task_backoff"), new.initiator) == (True, 1)


def test_reset_points_of_a_continued_run_expire_with_its_history() -> None:
    world = old_enough()
    first = world.run_id
    world.step(closing(10))
    [kept] = world.closed[first].run.reset_points
    [carried] = said(world.history[0]).prev_auto_reset_points.points
    assert workflow.ResetPointInfo.FromString(kept) == carried
    assert ev.instant(carried.expire_time) == world.now + NAMESPACE.retention_ns
    world.pass_time(NAMESPACE.retention_ns)
    world.step(closing(10))
    assert not said(world.history[0]).prev_auto_reset_points.points


def test_a_run_without_reset_points_hands_on_an_empty_list() -> None:
    world = begun(workflow_run_timeout=length(5), retry_policy=POLICY)
    world.pass_time(5 * SECOND)
    points = said(world.history[0])
    assert points.HasField("prev_auto_reset_points") and not points.prev_auto_reset_points.points


def test_a_failure_s_own_delay_is_bounded_for_workflows() -> None:
    world = begun(retry_policy=common.RetryPolicy(maximum_attempts=2, maximum_interval=length(100)))
    world.step(failing(next_retry_delay=length(400)))
    assert said(world.history[0]).first_workflow_task_backoff.seconds == 100


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"workflow_type": {"name": "x" * 1001}},
            "WorkflowType on ContinueAsNewWorkflowExecutionCommand exceeds length",
        ),
        ({"task_queue": {"name": "x" * 1001}}, "taskQueue length exceeds limit"),
        ({"workflow_run_timeout": duration_pb2.Duration(seconds=-1)}, "Invalid WorkflowRunTimeout"),
        ({"workflow_task_timeout": duration_pb2.Duration(seconds=-1)}, "Invalid WorkflowTaskTimeout"),
        ({"backoff_start_interval": duration_pb2.Duration(seconds=-1)}, "Invalid BackoffStartInterval"),
        ({"retry_policy": common.RetryPolicy(backoff_coefficient=0.5)}, "invalid WorkflowRetryPolicy"),
    ],
)
def test_a_wrong_continuation_fails_the_task(fields: dict[str, Any], text: str) -> None:
    refusal = misstep(begun(), closing(10, **fields))
    assert text in refusal.message
    assert refusal.message.startswith("BadContinueAsNewAttributes: ")


def test_updates_are_sent_on_to_the_continued_run() -> None:
    world = old_enough()
    message = ws.UpdateWorkflowExecutionRequest()
    message.request.meta.update_id, message.request.input.name = "u", "change"
    handout = world.poll()
    world.ask(types.Update(message))
    world.respond(handout, closing(10))
    notices = [notice for notice in world.notices if isinstance(notice, UpdateNotice)]
    assert [notice.error.reason for notice in notices if notice.error is not None] == [Reason.BUSY]


# ---- retry --------------------------------------------------------------------------------------------------------------


def test_a_failed_run_is_tried_again_from_its_first_event() -> None:
    world = old_enough(retry_policy=POLICY, input=payloads(), memo=common.Memo(fields=values(m=b"1")))
    first = world.run_id
    world.step(upsert(k=b"1"), failing())
    assert (said(last(world, first)).retry_state, said(last(world, first)).new_execution_run_id) == (
        IN_PROGRESS,
        world.run_id,
    )
    new = said(world.history[0])
    assert (new.attempt, new.initiator, new.identity, new.continued_failure.message) == (2, 2, "", "boom")
    assert (new.input, list(new.memo.fields), new.first_workflow_task_backoff.seconds) == (
        payloads(),
        ["m"],
        1,
    )
    assert not new.search_attributes.indexed_fields
    world.pass_time(2 * SECOND)
    world.step(failing())
    assert (said(last(world)).retry_state, len(runs(world))) == (EXHAUSTED, 2)


@pytest.mark.parametrize(
    ("start", "reason", "state"),
    [
        ({}, {}, NOT_SET),
        ({"retry_policy": POLICY}, {"non_retryable": True}, NON_RETRYABLE),
        ({"retry_policy": common.RetryPolicy(non_retryable_error_types=["Boom"])}, {}, NON_RETRYABLE),
        ({"retry_policy": common.RetryPolicy(maximum_attempts=1)}, {}, EXHAUSTED),
        (
            {
                "retry_policy": common.RetryPolicy(initial_interval=length(60)),
                "workflow_execution_timeout": length(30),
            },
            {},
            TIMEOUT,
        ),
    ],
)
def test_a_failed_run_stays_the_last_one(start: dict[str, Any], reason: dict[str, Any], state: int) -> None:
    world = begun(**start)
    world.step(failing(**reason))
    assert (said(last(world)).retry_state, len(runs(world))) == (state, 1)


@pytest.mark.parametrize("end", [done(), closing(7), None])
def test_only_failures_and_timeouts_are_tried_again(end: Any) -> None:
    world = begun(retry_policy=POLICY)
    if end is not None:
        world.step(end)
    else:
        terminate(world)
    assert len(runs(world)) == 1


# ---- cron ---------------------------------------------------------------------------------------------------------------


def cron(**fields: Any) -> World:
    world = begun(cron_schedule="@every 5s", **fields)
    world.pass_time(5 * SECOND)
    return world


def test_retries_come_before_the_next_cron_run() -> None:
    world = cron(retry_policy=POLICY)
    world.step(failing())
    assert (said(world.history[0]).initiator, said(world.history[0]).attempt) == (2, 2)
    world.pass_time(SECOND)
    world.step(failing())
    assert (said(world.history[0]).initiator, said(world.history[0]).attempt) == (3, 1)
    assert said(last(world, runs(world)[1])).retry_state == EXHAUSTED


def test_the_last_result_is_handed_on_and_a_failure_only_once() -> None:
    world = cron()
    for command_, result, reason in (
        (done(b"1"), b"1", ""),
        (failing(), b"1", "boom"),
        (done(b"2"), b"2", ""),
    ):
        world.step(command_)
        new = said(world.history[0])
        assert new.last_completion_result == payloads(result)
        assert new.continued_failure.message == reason
        world.pass_time(5 * SECOND)


@pytest.mark.parametrize("end", [closing(7), None])
def test_cancellation_and_termination_stop_a_cron_workflow(end: Any) -> None:
    world = cron()
    if end is not None:
        world.step(end)
    else:
        terminate(world)
    assert len(runs(world)) == 1


def test_a_workflow_at_rest_owes_nothing() -> None:
    world = rested()
    assert world.agenda is not None
    assert world.chain is not None
    assert world.agenda.alarm(world.chain, world.now) is None
