"""Children: started by a parent, held back until it knows, reported once, and treated by its policy when it closes."""

from typing import Any

import pytest

from tenuto.engine import types
from tenuto.engine.chain import Out
from tenuto.limits import SECOND
from tenuto.wire import command as wire_command
from tenuto.wire import common, duration_pb2, history
from tenuto.wire import workflowservice as ws
from tests.engine.support import World
from tests.engine.worlds import (
    Worlds,
    cancel_external,
    canceled,
    complete,
    continue_as_new,
    fail,
    start_child,
)

TERMINATE, ABANDON, REQUEST_CANCEL = 1, 2, 3


def parent_with(*commands: wire_command.Command, **start: Any) -> Worlds:
    worlds = Worlds()
    worlds["p"].start(**start)
    worlds["p"].step(*commands)
    return worlds


def event(world: World, kind: str, run_id: str = "") -> Any:
    """Attributes of the only event whose attributes field begins with ``kind``."""
    found = [
        e
        for e in world.histories[run_id or world.run_id]
        if (e.WhichOneof("attributes") or "").startswith(kind)
    ]
    assert len(found) == 1, world.names(run_id)
    return getattr(found[0], found[0].WhichOneof("attributes") or "")


# ---- start ------------------------------------------------------------------------------------------------------------


def test_a_child_has_no_workflow_task_before_its_parent_has_recorded_its_start() -> None:
    worlds = parent_with(start_child("c"))
    assert worlds["p"].names()[-1] == "START_CHILD_WORKFLOW_EXECUTION_INITIATED"
    [message] = worlds.owed("p")
    worlds.deliver("p", message)
    assert worlds["c"].names() == ["WF_STARTED"]
    assert worlds["p"].names()[-2:] == ["CHILD_WORKFLOW_EXECUTION_STARTED", "WFT_SCHEDULED"]
    [message] = worlds.owed("p")
    assert message.kind == Out.FIRST_TASK
    worlds.deliver("p", message)
    assert worlds["c"].names() == ["WF_STARTED", "WFT_SCHEDULED"]
    assert worlds.owed("p") == []


def test_the_child_knows_its_parent_and_the_root_of_the_tree() -> None:
    worlds = parent_with(start_child("c"))
    worlds.settle()
    worlds["c"].step(start_child("g"))
    worlds.settle()
    started = event(worlds["g"], "workflow_execution_started")
    assert started.parent_workflow_namespace == "default"
    assert started.parent_workflow_namespace_id == worlds["p"].key[0]
    assert started.parent_workflow_execution.workflow_id == "c"
    assert started.parent_workflow_execution.run_id == worlds["c"].run_id
    assert started.parent_initiated_event_id == 5
    assert started.root_workflow_execution.workflow_id == "p"
    assert started.root_workflow_execution.run_id == worlds["p"].run_id
    assert started.identity == ""


def test_the_initiated_event_shows_what_the_defaults_have_become() -> None:
    command = start_child(
        "c",
        workflow_execution_timeout=duration_pb2.Duration(seconds=50),
        retry_policy=common.RetryPolicy(),
        control="ctl",
    )
    worlds = parent_with(command, start_child("d", workflow_run_timeout=duration_pb2.Duration(seconds=3)))
    first, second = (
        e.start_child_workflow_execution_initiated_event_attributes
        for e in worlds["p"].history
        if e.HasField("start_child_workflow_execution_initiated_event_attributes")
    )
    assert first.namespace == "default" and first.namespace_id == worlds["p"].key[0]
    assert first.task_queue.name == "queue" and first.task_queue.kind == 1, (
        "the parent's queue is the default"
    )
    assert first.workflow_run_timeout.seconds == 50 and first.workflow_execution_timeout.seconds == 50
    assert first.workflow_task_timeout.seconds == 10
    assert first.parent_close_policy == TERMINATE and first.workflow_id_reuse_policy == 1
    assert (
        first.retry_policy.initial_interval.seconds == 1
        and first.retry_policy.maximum_interval.seconds == 100
    )
    assert first.control == "ctl" and first.workflow_task_completed_event_id == 4
    assert second.workflow_task_timeout.seconds == 3 and not second.HasField("workflow_execution_timeout")
    assert not second.HasField("retry_policy")


def test_a_run_timeout_of_zero_is_explicit() -> None:
    worlds = parent_with(start_child("c"))
    worlds.settle()
    initiated = event(worlds["p"], "start_child_workflow_execution_initiated")
    assert initiated.HasField("workflow_run_timeout") and not initiated.HasField("workflow_execution_timeout")
    started = event(worlds["c"], "workflow_execution_started")
    assert started.HasField("workflow_run_timeout") and not started.HasField("workflow_execution_timeout")


def test_the_child_gets_the_commands_metadata_and_its_parents_priority_under_its_own() -> None:
    command = start_child("c", priority=common.Priority(fairness_key="own"))
    command.user_metadata.summary.data = b'"S"'
    command.start_child_workflow_execution_command_attributes.header.fields["h"].data = b"1"
    worlds = parent_with(command, priority=common.Priority(priority_key=2, fairness_key="parents"))
    worlds.settle()
    first = worlds["c"].history[0]
    assert first.user_metadata.summary.data == b'"S"'
    started = first.workflow_execution_started_event_attributes
    assert started.priority == common.Priority(priority_key=2, fairness_key="own")
    assert started.header.fields["h"].data == b"1"
    assert event(worlds["p"], "child_workflow_execution_started").header.fields["h"].data == b"1"
    assert event(worlds["p"], "start_child_workflow_execution_initiated").priority.priority_key == 0


def test_a_start_that_is_delivered_again_finds_the_same_child() -> None:
    worlds = parent_with(start_child("c"))
    worlds.settle(times=3)
    assert worlds["c"].names() == ["WF_STARTED", "WFT_SCHEDULED"]
    assert worlds["p"].names().count("CHILD_WORKFLOW_EXECUTION_STARTED") == 1
    assert f"{worlds['p'].run_id}:5:0" in worlds["c"].chain.current.run.request_ids  # type: ignore[union-attr]


def test_an_answer_that_arrives_twice_is_recorded_once() -> None:
    worlds = parent_with(start_child("c"))
    [message] = worlds.owed("p")
    reply, _ = worlds.ask_target("p", message)
    worlds["p"].ask(types.Delivered(message.out_id, reply, None))
    before = worlds["p"].names()
    worlds["p"].ask(types.Delivered(message.out_id, reply, None))
    assert worlds["p"].names() == before


def test_an_id_in_use_fails_the_start() -> None:
    worlds = Worlds("taken")
    worlds["p"].start()
    worlds["p"].step(start_child("taken", control="ctl"))
    worlds.settle()
    failed = event(worlds["p"], "start_child_workflow_execution_failed")
    assert failed.cause == 1 and failed.initiated_event_id == 5 and failed.control == "ctl"
    assert failed.workflow_task_completed_event_id == 0
    assert worlds["p"].names()[-1] == "WFT_SCHEDULED"
    assert len(worlds["p"].chain.current.children) == 0  # type: ignore[union-attr]


def test_a_finished_workflows_id_can_be_reused_unless_the_policy_forbids_it() -> None:
    worlds = Worlds("c")
    worlds["c"].step(complete())
    worlds["p"].start()
    worlds["p"].step(start_child("c", workflow_id_reuse_policy=3))
    worlds.settle()
    assert event(worlds["p"], "start_child_workflow_execution_failed").cause == 1
    worlds["p"].step(start_child("c"))
    worlds.settle()
    assert (
        event(worlds["p"], "child_workflow_execution_started").workflow_execution.run_id == worlds["c"].run_id
    )


def test_a_busy_receiver_is_asked_again() -> None:
    worlds = parent_with(start_child("c"))
    [message] = worlds.owed("p")
    busy = types.Rejected(types.Reason.UNAVAILABLE, "shard is moving")
    assert worlds["p"].ask(types.Delivered(message.out_id, None, busy)) is False
    assert worlds.owed("p") == [message]
    assert worlds.deliver("p", message) is True


def test_a_cron_child_waits_for_its_schedule_not_for_its_parent() -> None:
    worlds = parent_with(start_child("c", cron_schedule="@every 100s"))
    worlds.settle()
    assert worlds["c"].names() == ["WF_STARTED"]
    started = event(worlds["c"], "workflow_execution_started")
    assert started.initiator == 3 and started.first_workflow_task_backoff.seconds == 100
    worlds["c"].pass_time(100 * SECOND)
    assert worlds["c"].names() == ["WF_STARTED", "WFT_SCHEDULED"]


# ---- close of a child -------------------------------------------------------------------------------------------------


def one_child(*closing: wire_command.Command) -> Worlds:
    worlds = parent_with(start_child("c"))
    worlds.settle()
    if closing:
        worlds["c"].step(*closing)
        worlds.settle()
    return worlds


def test_a_completed_child_hands_its_result_to_the_parent() -> None:
    worlds = one_child(complete())
    closed = event(worlds["p"], "child_workflow_execution_completed")
    assert closed.result.payloads[0].data == b'"r"'
    assert (closed.initiated_event_id, closed.started_event_id) == (5, 6)
    assert closed.namespace == "default" and closed.namespace_id == worlds["p"].key[0]
    assert (
        closed.workflow_execution.workflow_id == "c"
        and closed.workflow_execution.run_id == worlds["c"].run_id
    )
    assert closed.workflow_type.name == "Child"
    assert worlds.owed("c") == []


def test_a_failed_child_hands_on_its_failure_even_one_that_says_canceled() -> None:
    command = fail()
    command.fail_workflow_execution_command_attributes.failure.canceled_failure_info.SetInParent()
    worlds = one_child(command)
    closed = event(worlds["p"], "child_workflow_execution_failed")
    assert closed.failure.message == "boom" and closed.failure.HasField("canceled_failure_info")
    assert closed.retry_state == 5


def test_only_the_cancel_command_makes_a_child_canceled() -> None:
    worlds = one_child(canceled())
    assert event(worlds["p"], "child_workflow_execution_canceled").details.payloads[0].data == b'"d"'


def test_a_terminated_child_and_one_out_of_time_are_reported() -> None:
    worlds = parent_with(
        start_child("t"), start_child("o", workflow_run_timeout=duration_pb2.Duration(seconds=3))
    )
    worlds.settle()
    worlds["t"].ask(types.Terminate(ws.TerminateWorkflowExecutionRequest(reason="enough")))
    worlds["o"].pass_time(4 * SECOND)
    worlds.settle()
    assert event(worlds["p"], "child_workflow_execution_terminated").workflow_execution.workflow_id == "t"
    assert event(worlds["p"], "child_workflow_execution_timed_out").retry_state == 5


def test_a_child_reports_only_the_last_close_of_its_chain() -> None:
    worlds = one_child(continue_as_new())
    assert "CHILD_WORKFLOW_EXECUTION_COMPLETED" not in worlds["p"].names() and worlds.owed("c") == []
    first_run = event(worlds["p"], "child_workflow_execution_started").workflow_execution.run_id
    worlds["c"].pass_time(2 * SECOND)
    worlds["c"].step(complete())
    worlds.settle()
    closed = event(worlds["p"], "child_workflow_execution_completed")
    assert closed.workflow_execution.run_id == worlds["c"].run_id != first_run
    assert closed.started_event_id == 6


def test_a_repeated_report_is_recorded_once() -> None:
    worlds = one_child()
    worlds["c"].step(complete())
    worlds.settle(times=3)
    assert worlds["p"].names().count("CHILD_WORKFLOW_EXECUTION_COMPLETED") == 1


def test_a_report_that_overtakes_the_answer_to_the_start_shows_the_start_first() -> None:
    worlds = parent_with(start_child("c"))
    [message] = worlds.owed("p")
    answer, _ = worlds.ask_target("p", message)
    worlds["c"].ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    [report] = worlds.owed("c")
    worlds.deliver("c", report)
    names = worlds["p"].names()
    assert [name for name in names[5:] if name != "WFT_SCHEDULED"] == [
        "CHILD_WORKFLOW_EXECUTION_STARTED",
        "CHILD_WORKFLOW_EXECUTION_TERMINATED",
    ]
    assert event(worlds["p"], "child_workflow_execution_terminated").started_event_id == 6
    assert worlds.owed("p") == [], "the start is not asked for again"
    worlds["p"].ask(types.Delivered(message.out_id, answer, None))
    assert worlds["p"].names() == names


def test_started_and_closed_while_a_task_runs_are_flushed_together_and_point_at_each_other() -> None:
    worlds = Worlds("p")
    worlds["p"].step(start_child("c"), start_child("d"))
    worlds.deliver("p", worlds.owed("p")[1])
    handout = worlds["p"].poll()
    worlds.settle()
    worlds["c"].step(complete())
    worlds.settle()
    before = len(worlds["p"].history)
    worlds["p"].respond(handout)
    after = worlds["p"].history[before:]
    closed = event(worlds["p"], "child_workflow_execution_completed")
    [started_id] = [
        e.event_id
        for e in after
        if e.child_workflow_execution_started_event_attributes.workflow_execution.workflow_id == "c"
    ]
    assert closed.started_event_id == started_id


def test_news_for_a_parent_that_is_gone_are_no_news() -> None:
    child = common.WorkflowExecution(workflow_id="c", run_id="r")
    closing = history.HistoryEvent(event_type=2)  # type: ignore[arg-type]
    gone = World("p")
    with pytest.raises(types.Rejected) as refused:
        gone.ask(types.ChildClosed("some-run", 5, child, "Child", closing))
    assert refused.value.reason is types.Reason.NOT_FOUND
    worlds = one_child()
    names = worlds["p"].names()
    worlds["p"].ask(types.ChildClosed("another-run", 5, child, "Child", closing))
    worlds["p"].ask(types.ChildClosed(worlds["p"].run_id, 99, child, "Child", closing))
    worlds["p"].ask(
        types.ChildClosed(
            worlds["p"].run_id, 5, common.WorkflowExecution(workflow_id="x", run_id="r"), "Child", closing
        )
    )
    assert worlds["p"].names() == names


# ---- close of the parent ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [TERMINATE, ABANDON, REQUEST_CANCEL])
def test_a_child_requested_together_with_the_parents_completion_is_never_started(policy: int) -> None:
    worlds = parent_with(start_child("c", parent_close_policy=policy), complete())
    assert worlds.owed("p") == []
    assert worlds["c"].chain is None


def family(closing: wire_command.Command) -> Worlds:
    worlds = parent_with(
        start_child("t"),
        start_child("a", parent_close_policy=ABANDON),
        start_child("r", parent_close_policy=REQUEST_CANCEL),
    )
    worlds.settle()
    worlds["p"].step(closing)
    return worlds


@pytest.mark.parametrize("closing", [complete(), fail(), canceled(), continue_as_new()])
def test_every_close_of_the_parent_imposes_its_policies(closing: wire_command.Command) -> None:
    worlds = family(closing)
    parent_run = next(iter(worlds["p"].histories))
    worlds.settle(times=2)
    terminated = event(worlds["t"], "workflow_execution_terminated")
    assert terminated.reason == "by parent close policy" and terminated.identity == "history-service"
    asked = event(worlds["r"], "workflow_execution_cancel_requested")
    assert asked.external_workflow_execution.workflow_id == "p"
    assert asked.external_workflow_execution.run_id == parent_run
    assert (
        asked.identity == "history-service" and asked.cause == "" and asked.external_initiated_event_id == 0
    )
    assert worlds["a"].names() == ["WF_STARTED", "WFT_SCHEDULED"]


def test_termination_and_timeout_of_the_parent_impose_its_policies_too() -> None:
    worlds = parent_with(start_child("c"))
    worlds.settle()
    worlds["p"].ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    worlds.settle()
    assert worlds["c"].names()[-1] == "WF_TERMINATED"
    worlds = parent_with(start_child("c"), workflow_run_timeout=duration_pb2.Duration(seconds=5))
    worlds.settle()
    worlds["p"].pass_time(6 * SECOND)
    worlds.settle()
    assert worlds["c"].names()[-1] == "WF_TERMINATED"


def test_the_policy_reaches_the_childs_current_run() -> None:
    worlds = one_child(continue_as_new())
    worlds["p"].ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    worlds.settle()
    assert worlds["c"].names()[-1] == "WF_TERMINATED"


def test_the_policy_spares_a_stranger_that_has_taken_the_childs_id() -> None:
    worlds = one_child()
    worlds["c"].ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    worlds["c"].start(request_id="stranger")
    worlds["p"].ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    worlds.settle()
    assert worlds["c"].names() == ["WF_STARTED", "WFT_SCHEDULED"]


@pytest.mark.parametrize(
    ("policy", "ending"),
    [
        (TERMINATE, ["WF_STARTED", "WF_TERMINATED"]),
        (ABANDON, ["WF_STARTED", "WFT_SCHEDULED"]),
        (REQUEST_CANCEL, ["WF_STARTED", "WF_CANCEL_REQUESTED", "WFT_SCHEDULED"]),
    ],
)
@pytest.mark.parametrize("answered", [True, False], ids=["answer-in-flight", "answer-lost"])
def test_a_child_started_while_its_parent_closed_is_not_left_hanging(
    policy: int, ending: list[str], answered: bool
) -> None:
    worlds = parent_with(start_child("c", parent_close_policy=policy))
    [message] = worlds.owed("p")
    reply, refusal = worlds.ask_target("p", message)
    assert worlds["c"].names() == ["WF_STARTED"]
    worlds["p"].ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    if answered:
        worlds["p"].ask(types.Delivered(message.out_id, reply, refusal))
    worlds.settle(times=2)
    assert sorted(worlds["c"].names()) == sorted(ending)
    assert "CHILD_WORKFLOW_EXECUTION_STARTED" not in worlds["p"].names()


@pytest.mark.parametrize("policy", [TERMINATE, ABANDON, REQUEST_CANCEL])
def test_a_start_owed_but_not_yet_sent_when_the_parent_closes_starts_nothing(policy: int) -> None:
    worlds = parent_with(start_child("c", parent_close_policy=policy))
    worlds["p"].ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    worlds.settle(times=2)
    assert worlds["c"].chain is None


def test_a_withdrawn_start_does_not_touch_a_stranger_under_the_childs_id() -> None:
    for policy in (TERMINATE, ABANDON, REQUEST_CANCEL):
        worlds = parent_with(start_child("c", parent_close_policy=policy))
        worlds["c"].start()
        worlds["p"].ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
        worlds.settle()
        assert worlds["c"].names() == ["WF_STARTED", "WFT_SCHEDULED"]


# ---- commands that cannot be ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"workflow_id": ""},
            "Required field WorkflowId is not set on StartChildWorkflowExecutionCommand. WorkflowType=Child "
            "Namespace=default",
        ),
        (
            {"workflow_run_timeout": duration_pb2.Duration(seconds=-1)},
            "Invalid WorkflowRunTimeout on StartChildWorkflowExecutionCommand: negative duration. WorkflowId=a "
            "WorkflowType=Child Namespace=default",
        ),
        (
            {"retry_policy": common.RetryPolicy(backoff_coefficient=0.5)},
            "invalid WorkflowRetryPolicy on StartChildWorkflowExecutionCommand: BackoffCoefficient cannot be less than "
            "1 on retry policy.. WorkflowId=a WorkflowType=Child Namespace=default",
        ),
        (
            {"cron_schedule": "x y"},
            "invalid CronSchedule on StartChildWorkflowExecutionCommand: invalid CronSchedule.. WorkflowId=a "
            "WorkflowType=Child Namespace=default",
        ),
        (
            {"cron_schedule": "0 0 31 2 *"},
            "invalid CronSchedule on StartChildWorkflowExecutionCommand: invalid CronSchedule, no time can be found to "
            "satisfy the schedule. WorkflowId=a WorkflowType=Child Namespace=default",
        ),
        ({"namespace": "elsewhere"}, "cross namespace commands are not allowed"),
        ({"priority": common.Priority(priority_key=-1)}, "priority key can't be negative"),
    ],
)
def test_a_wrong_command_fails_the_workflow_task(fields: dict[str, Any], text: str) -> None:
    worlds = Worlds("p")
    with pytest.raises(types.Rejected) as refused:
        worlds["p"].step(start_child(**{"workflow_id": "a", **fields}))
    assert refused.value.message == f"BadStartChildExecutionAttributes: {text}"
    assert worlds["p"].names()[3:] == ["WFT_FAILED"] and worlds.owed("p") == []


def test_a_child_without_type_is_refused() -> None:
    command = start_child("a")
    command.start_child_workflow_execution_command_attributes.workflow_type.name = ""
    with pytest.raises(types.Rejected, match="Required field WorkflowType is not set") as refused:
        Worlds("p")["p"].step(command)
    assert refused.value.reason is types.Reason.INVALID


def test_an_input_beyond_the_limit_closes_the_run() -> None:
    worlds = Worlds("p")
    command = start_child("a")
    command.start_child_workflow_execution_command_attributes.input.payloads.add(data=bytes(2_200_000))
    with pytest.raises(types.Rejected, match="Input exceeds size limit"):
        worlds["p"].step(command)
    assert worlds["p"].names()[3:] == ["WFT_FAILED", "WF_TERMINATED"]


def test_too_many_pending_children_are_refused() -> None:
    worlds = Worlds("p")
    with pytest.raises(types.Rejected) as refused:
        worlds["p"].step(*(start_child(f"c{n}") for n in range(2001)))
    assert refused.value.message == (
        "PendingChildWorkflowsLimitExceeded: the number of pending child workflow executions, 2000, has reached the "
        "per-workflow limit of 2000"
    )


def test_a_child_cannot_be_started_and_canceled_in_one_workflow_task() -> None:
    worlds = Worlds("p")
    with pytest.raises(types.Rejected) as refused:
        worlds["p"].step(start_child("c"), cancel_external("c"))
    assert refused.value.message == (
        "BadRequestCancelExternalWorkflowExecutionAttributes: Start and RequestCancel for child workflow is not allowed "
        "in same workflow task. WorkflowId=c RunId= Namespace="
    )
    assert worlds.owed("p") == [], "nothing of a void completion remains"


# ---- reset ------------------------------------------------------------------------------------------------------------


def reset(worlds: Worlds, finish_id: int) -> str:
    world = worlds["p"]
    base = world.run_id
    message = ws.ResetWorkflowExecutionRequest(
        reason="again", workflow_task_finish_event_id=finish_id, request_id="reset"
    )
    world.ask(types.Reset(message, base, tuple(world.histories[base])))
    return base


def test_a_reset_parent_hears_of_the_child_its_base_run_started() -> None:
    worlds = parent_with(start_child("c"))
    worlds.settle()
    worlds["p"].step()
    base = reset(worlds, 9)
    worlds.settle()
    assert worlds["p"].run_id != base and worlds["c"].names()[-1] != "WF_TERMINATED"
    worlds["c"].step(complete())
    worlds.settle()
    closed = event(worlds["p"], "child_workflow_execution_completed")
    assert closed.initiated_event_id == 5


def test_a_start_that_a_reset_overtakes_is_owed_by_the_new_run() -> None:
    worlds = parent_with(start_child("c"))
    worlds["p"].signal()
    worlds["p"].step()
    base = reset(worlds, 8)
    worlds.settle(times=2)
    assert (
        event(worlds["p"], "child_workflow_execution_started").workflow_execution.run_id == worlds["c"].run_id
    )
    assert worlds["c"].names() == ["WF_STARTED", "WFT_SCHEDULED"]
    assert f"{base}:5:0" in worlds["c"].chain.current.run.request_ids  # type: ignore[union-attr]


def test_a_start_asked_for_only_behind_the_cut_is_withdrawn() -> None:
    worlds = Worlds("p")
    worlds["p"].step()
    worlds["p"].signal()
    worlds["p"].step(start_child("c"))
    reset(worlds, 8)
    worlds.settle()
    assert worlds["c"].chain is None
