"""How runs begin: what their first events say, id policies, request ids, delays."""

import uuid
from typing import Any

import pytest

from tenuto.engine import types
from tenuto.engine.chain import ParentLink, RootLink
from tenuto.engine.types import Reason, SignalReply, StartReply
from tenuto.limits import SECOND
from tenuto.wire import common, duration_pb2
from tenuto.wire import workflowservice as ws
from tests.engine.activities import boom
from tests.engine.support import World, payloads, start_message
from tests.engine.words import (
    ask_cancel,
    begun,
    closing,
    current,
    done,
    last,
    length,
    refused,
    said,
    terminate,
    values,
)

FAIL, USE, REPLACE = 1, 2, 3
ALLOW, FAILED_ONLY, REJECT = 1, 2, 3


def request(**fields: Any) -> types.Start:
    return types.Start(start_message("w", **{"request_id": "other", **fields}))


def again(world: World, **fields: Any) -> StartReply:
    reply: StartReply = world.ask(request(**fields))
    return reply


def signal_with_start(
    world: World, request_id: str = "sws", conflict: int = USE, **fields: Any
) -> SignalReply:
    message = ws.SignalWithStartWorkflowExecutionRequest(
        workflow_id="w",
        signal_name="s",
        signal_input=payloads(),
        request_id=request_id,
        workflow_id_conflict_policy=conflict,  # type: ignore[arg-type]
        workflow_id_reuse_policy=fields.pop("reuse", ALLOW),
        **fields,
    )
    message.workflow_type.name, message.task_queue.name = "Flow", "queue"
    reply: SignalReply = world.ask(types.SignalWithStart(message))
    return reply


# ---- the first event ----------------------------------------------------------------------------------------------------


def test_a_start_writes_two_events_and_makes_the_run_the_first_of_its_chain() -> None:
    world = World()
    reply = world.start()
    first = said(world.history[0])
    assert world.names() == ["WF_STARTED", "WFT_SCHEDULED"]
    assert reply.started
    assert (
        first.original_execution_run_id == first.first_execution_run_id == reply.run_id == reply.first_run_id
    )
    assert (first.attempt, first.initiator, first.identity, first.workflow_id) == (1, 0, "client", "w")


def test_unset_timeouts_are_absent_but_the_backoff_is_an_explicit_zero() -> None:
    first = said(begun().history[0])
    assert not first.HasField("workflow_execution_timeout")
    assert not first.HasField("workflow_run_timeout")
    assert not first.HasField("workflow_execution_expiration_time")
    assert first.workflow_task_timeout.seconds == 10
    assert first.HasField("first_workflow_task_backoff")
    assert first.first_workflow_task_backoff == duration_pb2.Duration()


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ((0, 0, 0), (0, 0, 10)),
        ((50, 0, 0), (50, 50, 10)),
        ((50, 80, 0), (50, 50, 10)),
        ((50, 20, 30), (50, 20, 20)),
        ((0, 5, 0), (0, 5, 5)),
        ((0, 0, 500), (0, 0, 120)),
    ],
)
def test_timeouts_bound_each_other(asked: tuple[int, int, int], kept: tuple[int, int, int]) -> None:
    first = said(
        begun(
            workflow_execution_timeout=length(asked[0]),
            workflow_run_timeout=length(asked[1]),
            workflow_task_timeout=length(asked[2]),
        ).history[0]
    )
    found = (first.workflow_execution_timeout, first.workflow_run_timeout, first.workflow_task_timeout)
    assert tuple(each.seconds for each in found) == kept


def test_values_that_mean_deletion_are_not_started_with() -> None:
    first = said(
        begun(
            memo=common.Memo(fields=values(a=b"1", b=b"null")),
            search_attributes=common.SearchAttributes(indexed_fields=values(c=b"[]", d=b"2")),
        ).history[0]
    )
    assert (list(first.memo.fields), list(first.search_attributes.indexed_fields)) == (["a"], ["d"])


def test_a_retry_policy_is_kept_with_its_defaults() -> None:
    kept = said(begun(retry_policy=common.RetryPolicy(maximum_attempts=3)).history[0]).retry_policy
    assert (kept.initial_interval.seconds, kept.backoff_coefficient, kept.maximum_interval.seconds) == (
        1,
        2.0,
        100,
    )


def test_a_child_knows_its_parent_and_waits_for_it() -> None:
    world = World()
    parent = ParentLink("default", "n", "p", "r", 7)
    world.ask(types.Start(start_message("w"), parent, RootLink("root", "rr")))
    first = said(world.history[0])
    assert (first.parent_workflow_execution.workflow_id, first.parent_initiated_event_id) == ("p", 7)
    assert first.root_workflow_execution.workflow_id == "root"
    assert first.HasField("first_workflow_task_backoff")
    assert world.names() == ["WF_STARTED"]
    world.ask(types.FirstTask(world.run_id))
    assert world.names() == ["WF_STARTED", "WFT_SCHEDULED"]


# ---- eagerness and delay ------------------------------------------------------------------------------------------------


def test_an_eager_start_hands_the_first_task_out_in_the_same_batch() -> None:
    world = World()
    reply = world.start(request_eager_execution=True)
    assert reply.handout is not None
    assert (reply.handout.started_id, said(world.history[0]).eager_execution_accepted) == (3, True)
    assert (said(last(world)).identity, said(last(world)).request_id) == ("client", "start-request")
    repeated = world.start(request_eager_execution=True)
    assert repeated.handout == reply.handout
    world.respond(reply.handout)
    assert world.start(request_eager_execution=True).handout is None


def test_a_delayed_start_is_not_eager_and_schedules_its_task_later() -> None:
    world = World()
    reply = world.start(request_eager_execution=True, workflow_start_delay=length(10))
    assert (reply.handout, said(world.history[0]).eager_execution_accepted) == (None, False)
    world.signal()
    world.pass_time(9 * SECOND)
    assert world.names() == ["WF_STARTED", "WF_SIGNALED"]
    world.pass_time(SECOND)
    assert world.names()[2:] == ["WFT_SCHEDULED"]


def test_a_cancel_request_breaks_the_delay() -> None:
    world = begun(workflow_start_delay=length(10))
    ask_cancel(world)
    assert world.names() == ["WF_STARTED", "WF_CANCEL_REQUESTED", "WFT_SCHEDULED"]
    world.step()
    world.pass_time(20 * SECOND)
    assert world.names()[-1] == "WFT_COMPLETED"


def test_deadlines_count_from_the_end_of_the_delay() -> None:
    world = begun(workflow_start_delay=length(10), workflow_run_timeout=length(5))
    world.pass_time(14 * SECOND)
    assert world.names()[-1] == "WFT_SCHEDULED"
    world.pass_time(SECOND)
    assert world.names()[-1] == "WF_TIMED_OUT"


# ---- conflicts ----------------------------------------------------------------------------------------------------------


def test_a_repeated_request_gets_the_first_answer_whatever_the_policies_say() -> None:
    world = begun()
    run_id = world.run_id
    assert world.start(conflict=REPLACE).run_id == run_id
    world.step(done())
    reply = world.start(reuse=REJECT)
    assert (reply.run_id, reply.started, reply.status) == (run_id, True, 2)


def test_a_run_id_is_a_version_7_uuid_and_begins_with_the_time_of_its_making() -> None:
    world = begun()
    first = uuid.UUID(world.run_id)
    world.now += SECOND
    second = uuid.UUID(again(world, conflict=REPLACE).run_id)
    assert (first.version, second.version) == (7, 7)
    assert (second.int >> 80) - (first.int >> 80) == 1000


def test_a_running_workflow_keeps_its_id() -> None:
    world = begun()
    refusal = refused(world, request(conflict=FAIL))
    text = f"Workflow execution is already running. WorkflowId: w, RunId: {world.run_id}."
    assert (refusal.reason, refusal.message) == (Reason.ALREADY_STARTED, text)
    assert (refusal.detail.run_id, refusal.detail.start_request_id) == (world.run_id, "start-request")


def test_a_running_workflow_is_used_without_a_trace() -> None:
    world = begun()
    reply = again(world, conflict=USE)
    assert (reply.run_id, reply.started, reply.status, len(world.history)) == (world.run_id, False, 1, 2)


def test_a_request_can_be_attached_to_a_running_workflow_once() -> None:
    world = begun()
    for _ in range(2):
        reply = again(world, conflict=USE, on_conflict_options={"attach_request_id": True})
        assert (reply.started, reply.event_type, reply.request_id) == (False, 55, "other")
    assert world.names() == ["WF_STARTED", "WFT_SCHEDULED", "WF_OPTIONS_UPDATED"]
    assert current(world).request_ids["other"] == (55, 3)


def test_a_running_workflow_is_replaced() -> None:
    world = begun()
    old, _ = world.run_id, world.poll()
    reply = again(world, conflict=REPLACE)
    assert world.names(old)[3:] == ["WFT_FAILED", "WF_TERMINATED"]
    ended = said(last(world, old))
    assert (ended.reason, ended.identity) == ("TerminateIfRunning WorkflowIdReusePolicy", "history-service")
    assert ended.details.payloads[0].data.decode() == f'"terminated by new runID: {reply.run_id}"'
    assert said(world.history[0]).first_execution_run_id == reply.run_id == world.run_id != old


ENDS = {"completed": done(), "failed": closing(5, failure=boom()), "canceled": closing(7)}


@pytest.mark.parametrize("end", [*ENDS, "terminated"])
@pytest.mark.parametrize("reuse", [ALLOW, FAILED_ONLY, REJECT])
def test_the_reuse_policy_decides_over_a_closed_workflow(end: str, reuse: int) -> None:
    world = begun()
    old = world.run_id
    if end in ENDS:
        world.step(ENDS[end])
    else:
        terminate(world)
    if reuse == ALLOW or (reuse == FAILED_ONLY and end != "completed"):
        assert again(world, reuse=reuse).run_id == world.run_id != old
        return
    refusal = refused(world, request(reuse=reuse))
    how = {
        FAILED_ONLY: f"successfully. WorkflowId: w, RunId: {old}. Workflow Id reuse policy: "
        "allow duplicate workflow Id if last run failed.",
        REJECT: f". WorkflowId: w, RunId: {old}. Workflow Id reuse policy: reject duplicate workflow Id.",
    }[reuse]
    joint = " " if reuse == FAILED_ONLY else ""
    assert refusal.message == f"Workflow execution already finished{joint}{how}"


# ---- signal with start --------------------------------------------------------------------------------------------------


def test_the_signal_stands_before_the_first_task() -> None:
    world = World()
    reply = signal_with_start(world)
    assert (reply.started, world.names()) == (True, ["WF_STARTED", "WF_SIGNALED", "WFT_SCHEDULED"])
    repeated = signal_with_start(world)
    assert (repeated.run_id, repeated.started, len(world.history)) == (reply.run_id, False, 3)


def test_a_running_workflow_is_only_signalled() -> None:
    world = begun()
    assert not signal_with_start(world).started
    assert not signal_with_start(world).started
    assert world.names() == ["WF_STARTED", "WFT_SCHEDULED", "WF_SIGNALED"]


def test_a_running_workflow_is_replaced_and_its_successor_signalled() -> None:
    world = begun()
    old = world.run_id
    assert signal_with_start(world, conflict=REPLACE).started
    assert world.names(old)[-1] == "WF_TERMINATED"
    assert world.names() == ["WF_STARTED", "WF_SIGNALED", "WFT_SCHEDULED"]


def test_with_a_delay_the_signal_waits_for_the_first_task() -> None:
    world = World()
    signal_with_start(world, workflow_start_delay=length(5))
    assert world.names() == ["WF_STARTED", "WF_SIGNALED"]


def test_a_signal_with_start_does_not_leave_a_running_workflow_in_its_first_backoff() -> None:
    world = begun(workflow_start_delay=length(600))
    assert not signal_with_start(world).started
    assert world.names() == ["WF_STARTED", "WF_SIGNALED", "WFT_SCHEDULED"]


@pytest.mark.parametrize("delay", [0, 5])
def test_a_run_started_with_a_signal_knows_the_request_by_the_signal(delay: int) -> None:
    world = World()
    fields: dict[str, Any] = {"workflow_start_delay": length(delay)} if delay else {}
    signal_with_start(world, **fields)
    assert current(world).request_ids == {"sws": (1, 2)}
    assert world.names()[1] == "WF_SIGNALED"


def test_the_first_event_keeps_the_kind_of_the_task_queue_that_the_client_named() -> None:
    world = World()
    message = start_message("w")
    message.task_queue.kind = 2  # type: ignore[assignment]
    world.ask(types.Start(message))
    assert [said(event).task_queue.kind for event in world.history] == [2, 1]


@pytest.mark.parametrize("wait", [{"workflow_start_delay": length(50)}, {"cron_schedule": "@every 50s"}])
def test_the_chain_s_time_runs_while_the_first_task_waits(wait: dict[str, Any]) -> None:
    world = begun(workflow_execution_timeout=length(20), **wait)
    world.pass_time(20 * SECOND)
    assert world.names() == ["WF_STARTED", "WF_TIMED_OUT"]


def test_the_reuse_policy_holds_for_signals_too() -> None:
    world = begun()
    terminate(world)
    with pytest.raises(types.Rejected, match="reject duplicate"):
        signal_with_start(world, reuse=REJECT)
    assert signal_with_start(world).started
