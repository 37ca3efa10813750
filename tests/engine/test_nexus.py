"""Nexus operations of a workflow: asked for, owed to handlers, tried again, timed out, cancelled, ended."""

from typing import Any

import pytest

from tenuto.engine import types
from tenuto.engine.chain import Out, Outgoing
from tenuto.engine.nexus_types import AskNexus, CompleteNexus, NexusAnswer, NexusHandout, Outcome
from tenuto.limits import HOUR, LIMITS, SECOND
from tenuto.wire import command as wire_command
from tenuto.wire import common, duration_pb2, enums_failed, failure
from tenuto.wire import workflowservice as ws
from tests.engine.resets import reset
from tests.engine.story_commands import timer
from tests.engine.support import World, payloads, token_of

ENDPOINTS = {"shop": "00000000-0000-4000-8000-00000000000e"}
RESULT = payloads(b'"tea"').payloads[0]
DONE = NexusAnswer(Outcome.SUCCEEDED, RESULT)
GOES_ON = NexusAnswer(Outcome.STARTED, token="token")


def schedule(operation: Any = "buy", **fields: Any) -> wire_command.Command:
    made = wire_command.Command(command_type=17)  # type: ignore[arg-type]
    given = {"endpoint": "shop", "service": "Shop", "operation": operation, "input": RESULT, **fields}
    for name in ("schedule_to_close_timeout", "schedule_to_start_timeout", "start_to_close_timeout"):
        if name in given:
            given[name] = duration_pb2.Duration(seconds=given[name])
    wanted = wire_command.ScheduleNexusOperationCommandAttributes(**given)
    made.schedule_nexus_operation_command_attributes.CopyFrom(wanted)
    return made


def cancel(scheduled_id: int = 5) -> wire_command.Command:
    made = wire_command.Command(command_type=18)  # type: ignore[arg-type]
    made.request_cancel_nexus_operation_command_attributes.scheduled_event_id = scheduled_id
    return made


def complete(result: common.Payloads | None = None) -> wire_command.Command:
    made = wire_command.Command(command_type=4)  # type: ignore[arg-type]
    made.complete_workflow_execution_command_attributes.SetInParent()
    if result is not None:
        made.complete_workflow_execution_command_attributes.result.CopyFrom(result)
    return made


def step(world: World, *commands: wire_command.Command) -> None:
    message = ws.RespondWorkflowTaskCompletedRequest(identity="worker", commands=commands)
    world.ask(types.CompleteWorkflowTask(token_of(world.poll()), message, endpoints=ENDPOINTS))


def asked(*commands: wire_command.Command, **start: Any) -> World:
    """A workflow that has asked for something."""
    world = World()
    world.start(**start)
    step(world, *commands)
    return world


def owed(world: World) -> list[Outgoing]:
    assert world.chain is not None
    return [world.chain.out[key] for key in sorted(world.chain.out)]


def answer(world: World, given: NexusAnswer, message: Outgoing | None = None) -> Any:
    message = message or owed(world)[-1]
    return world.ask(types.Delivered(message.out_id, given, None))


def error(kind: str = "INTERNAL", *, retryable: bool = True) -> NexusAnswer:
    reason = failure.Failure(message="no")
    reason.nexus_handler_failure_info.type = kind
    return NexusAnswer(Outcome.ERROR, reason=reason, retryable=retryable)


def pending(world: World) -> Any:
    reply: ws.DescribeWorkflowExecutionResponse = world.ask(types.Describe())
    return reply.pending_nexus_operations


def last(world: World) -> Any:
    """Attributes of the last event that is not a workflow task's."""
    event = [event for event in world.history if "WFT" not in world.names()[event.event_id - 1]][-1]
    return getattr(event, event.WhichOneof("attributes") or "")


# ---- starting ----------------------------------------------------------------------------------------------------------


def test_a_scheduled_operation_is_owed_to_its_handler() -> None:
    world = asked(schedule(nexus_header={"Key": "v"}))
    assert world.names()[-1] == "NEXUS_OPERATION_SCHEDULED"
    event = last(world)
    assert (event.endpoint_id, dict(event.nexus_header)) == (ENDPOINTS["shop"], {"key": "v"})
    [message] = owed(world)
    assert (message.kind, message.request_id) == (Out.NEXUS_START, event.request_id)
    handout: NexusHandout = world.ask(AskNexus(message.out_id))
    assert (handout.service, handout.operation, handout.request_id) == ("Shop", "buy", event.request_id)
    assert not handout.cancel


def test_a_result_at_once_completes_the_operation() -> None:
    world = asked(schedule())
    answer(world, DONE)
    assert world.names()[-2:] == ["NEXUS_OPERATION_COMPLETED", "WFT_SCHEDULED"]
    assert last(world).result == RESULT
    assert owed(world) == []
    assert not pending(world)


def test_an_operation_that_goes_on_is_started_and_waits() -> None:
    world = asked(schedule())
    answer(world, GOES_ON)
    assert world.names()[-2:] == ["NEXUS_OPERATION_STARTED", "WFT_SCHEDULED"]
    [shown] = pending(world)
    assert (shown.state, shown.operation_token, shown.attempt) == (3, "token", 1)
    assert owed(world) == []


@pytest.mark.parametrize(
    ("outcome", "event"),
    [(Outcome.FAILED, "NEXUS_OPERATION_FAILED"), (Outcome.CANCELED, "NEXUS_OPERATION_CANCELED")],
)
def test_an_operation_that_does_not_succeed_says_why(outcome: Outcome, event: str) -> None:
    world = asked(schedule())
    answer(world, NexusAnswer(outcome, reason=failure.Failure(message="because")))
    assert world.names()[-2] == event
    told = last(world).failure
    assert (told.message, told.cause.message) == ("nexus operation completed unsuccessfully", "because")
    assert told.nexus_operation_execution_failure_info.scheduled_event_id == 5


def test_an_error_of_the_handler_that_will_not_pass_fails_the_operation() -> None:
    world = asked(schedule())
    answer(world, error("BAD_REQUEST", retryable=False))
    assert last(world).failure.cause.nexus_handler_failure_info.type == "BAD_REQUEST"


def test_an_error_that_may_pass_is_followed_by_another_attempt_with_the_same_request_id() -> None:
    world = asked(schedule())
    first = owed(world)[0]
    answer(world, error())
    [shown] = pending(world)
    assert (shown.state, shown.attempt, shown.last_attempt_failure.message) == (2, 1, "no")
    assert owed(world) == []
    world.pass_time(SECOND - 1)
    assert owed(world) == []
    world.pass_time(1)
    [second] = owed(world)
    assert second.request_id == first.request_id
    assert second.out_id != first.out_id


def test_attempts_are_one_second_to_one_hour_apart() -> None:
    world = asked(schedule())
    waits = []
    for _ in range(15):
        answer(world, error())
        [shown] = pending(world)
        waits.append(shown.next_attempt_schedule_time.ToNanoseconds() - world.now)
        world.pass_time(waits[-1])
    assert waits[:3] == [SECOND, 2 * SECOND, 4 * SECOND]
    assert waits[-1] == HOUR


def test_an_answer_to_an_attempt_that_is_over_changes_nothing() -> None:
    world = asked(schedule())
    stale = owed(world)[0]
    answer(world, error())
    world.pass_time(SECOND)
    before = world.names()
    answer(world, DONE, stale)
    assert world.names() == before
    assert world.ask(AskNexus(stale.out_id)) is None


def test_a_result_that_is_too_large_fails_the_operation() -> None:
    world = asked(schedule())
    answer(world, NexusAnswer(Outcome.SUCCEEDED, common.Payload(data=b"x" * (LIMITS.blob_bytes + 1))))
    assert last(world).failure.cause.message == "http: response body too large"


# ---- what may not be asked ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (schedule(endpoint="nobody"), 'endpoint "nobody" not found'),
        (
            schedule("o" * 1001),
            "ScheduleNexusOperationCommandAttributes.Operation exceeds length limit of 1000",
        ),
        (
            schedule(nexus_header={"Request-Timeout": "1s"}),
            'ScheduleNexusOperationCommandAttributes.NexusHeader contains a disallowed header key: "Request-Timeout"',
        ),
        (
            schedule(schedule_to_close_timeout=-1),
            "ScheduleNexusOperationCommandAttributes.ScheduleToCloseTimeout is invalid: negative duration",
        ),
    ],
)
def test_a_wrong_command_fails_the_workflow_task(command: wire_command.Command, text: str) -> None:
    world = World()
    world.start()
    with pytest.raises(types.Rejected, match="BadScheduleNexusOperationAttributes") as refused:
        step(world, command)
    assert refused.value.message.endswith(text)
    assert world.names()[-1] == "WFT_FAILED"


def test_a_workflow_has_thirty_pending_operations_at_most() -> None:
    world = asked(*(schedule() for _ in range(30)))
    world.signal()
    with pytest.raises(types.Rejected, match="pending nexus operation limit of 30"):
        step(world, schedule())
    cause = enums_failed.WORKFLOW_TASK_FAILED_CAUSE_PENDING_NEXUS_OPERATIONS_LIMIT_EXCEEDED
    assert last(world) is not None
    assert world.history[-1].workflow_task_failed_event_attributes.cause == cause


def test_what_is_not_there_cannot_be_cancelled() -> None:
    world = World()
    world.start()
    with pytest.raises(types.Rejected, match="non-existing or already completed operation"):
        step(world, cancel(7))


# ---- time --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeouts", "started", "kind"),
    [
        ({"schedule_to_close_timeout": 5}, False, 3),
        ({"schedule_to_close_timeout": 5}, True, 3),
        ({"schedule_to_start_timeout": 5, "schedule_to_close_timeout": 50}, False, 2),
        ({"start_to_close_timeout": 5}, True, 1),
    ],
)
def test_an_operation_runs_out_of_time(timeouts: dict[str, int], started: bool, kind: int) -> None:
    world = asked(schedule("buy", **timeouts))
    if started:
        answer(world, GOES_ON)
    world.pass_time(5 * SECOND - 1)
    assert "NEXUS_OPERATION_TIMED_OUT" not in world.names()
    world.pass_time(1)
    assert "NEXUS_OPERATION_TIMED_OUT" in world.names()
    told = last(world).failure.cause
    assert (told.message, told.timeout_failure_info.timeout_type) == ("operation timed out", kind)
    assert owed(world) == []


def test_an_operation_that_began_is_not_bound_by_the_time_to_begin() -> None:
    world = asked(schedule(schedule_to_start_timeout=5))
    answer(world, GOES_ON)
    world.pass_time(HOUR)
    assert "NEXUS_OPERATION_TIMED_OUT" not in world.names()


def test_a_runs_own_time_bounds_that_of_its_operations() -> None:
    world = asked(
        schedule(schedule_to_start_timeout=90),
        workflow_run_timeout=duration_pb2.Duration(seconds=30),
    )
    event = last(world)
    assert (event.schedule_to_close_timeout.seconds, event.schedule_to_start_timeout.seconds) == (30, 30)


# ---- cancellation ------------------------------------------------------------------------------------------------------


def started() -> World:
    world = asked(schedule())
    answer(world, GOES_ON)
    return world


def test_a_cancellation_is_owed_to_the_handler_and_acknowledged() -> None:
    world = started()
    step(world, cancel())
    [message] = owed(world)
    assert message.kind == Out.NEXUS_CANCEL
    handout: NexusHandout = world.ask(AskNexus(message.out_id))
    assert (handout.cancel, handout.token) == (True, "token")
    answer(world, NexusAnswer(Outcome.SUCCEEDED))
    assert world.names()[-2:] == ["NEXUS_OPERATION_CANCEL_REQUEST_COMPLETED", "WFT_SCHEDULED"]
    assert pending(world)[0].cancellation_info.state == 3


def test_a_cancellation_is_tried_again_and_refused_in_the_end() -> None:
    world = started()
    step(world, cancel())
    answer(world, error())
    assert pending(world)[0].cancellation_info.state == 2
    world.pass_time(SECOND)
    answer(world, error("NOT_FOUND", retryable=False))
    assert world.names()[-2] == "NEXUS_OPERATION_CANCEL_REQUEST_FAILED"
    assert pending(world)[0].cancellation_info.state == 4


def test_a_cancellation_waits_for_the_operation_to_begin() -> None:
    world = asked(schedule(), cancel())
    assert [message.kind for message in owed(world)] == [Out.NEXUS_START]
    assert pending(world)[0].cancellation_info.state == 0
    answer(world, GOES_ON)
    assert [message.kind for message in owed(world)] == [Out.NEXUS_CANCEL]
    assert pending(world)[0].cancellation_info.state == 1


def test_a_cancellation_is_asked_for_once() -> None:
    world = started()
    with pytest.raises(types.Rejected, match="cancelation was already requested"):
        step(world, cancel(), cancel())


def test_an_operation_whose_end_waits_in_the_buffer_may_be_cancelled_in_vain() -> None:
    world = asked(schedule())
    world.signal()
    handout = world.poll()
    answer(world, DONE)
    message = ws.RespondWorkflowTaskCompletedRequest(commands=[cancel()])
    world.ask(types.CompleteWorkflowTask(token_of(handout), message))
    assert world.names()[-3:] == [
        "NEXUS_OPERATION_CANCEL_REQUESTED",
        "NEXUS_OPERATION_COMPLETED",
        "WFT_SCHEDULED",
    ]
    assert owed(world) == []


# ---- what backs it has ended -------------------------------------------------------------------------------------------


def ended(world: World, outcome: Outcome = Outcome.SUCCEEDED, **fields: Any) -> Any:
    request_id = next(
        event.nexus_operation_scheduled_event_attributes.request_id
        for event in world.history
        if event.HasField("nexus_operation_scheduled_event_attributes")
    )
    return world.ask(CompleteNexus(5, fields.pop("request_id", request_id), outcome, **fields))


def test_the_end_of_what_backs_an_operation_ends_it() -> None:
    world = started()
    ended(world, result=RESULT)
    assert "NEXUS_OPERATION_COMPLETED" in world.names()
    assert last(world).result == RESULT


def test_an_end_that_is_told_twice_is_heard_once() -> None:
    world = started()
    ended(world, result=RESULT)
    before = world.names()
    assert ended(world, result=RESULT) is True
    assert world.names() == before


def test_an_end_that_comes_before_the_answer_to_the_start_begins_the_operation_too() -> None:
    world = asked(schedule())
    message = owed(world)[0]
    link = common.Link()
    link.workflow_event.workflow_id = "backing"
    ended(world, result=RESULT, token="early", links=(link,))
    assert world.names()[-3:] == ["NEXUS_OPERATION_STARTED", "NEXUS_OPERATION_COMPLETED", "WFT_SCHEDULED"]
    assert world.history[-3].nexus_operation_started_event_attributes.operation_token == "early"
    assert list(world.history[-3].links) == [link]
    answer(world, GOES_ON, message)
    assert world.names()[-1] == "WFT_SCHEDULED"


def test_the_end_of_another_operation_is_not_this_ones() -> None:
    world = started()
    with pytest.raises(types.Rejected) as refused:
        ended(world, request_id="of another")
    assert refused.value.reason is types.Reason.NOT_FOUND


# ---- around it ---------------------------------------------------------------------------------------------------------


def test_news_wait_while_a_worker_has_the_workflow_task() -> None:
    world = asked(schedule())
    world.signal()
    handout = world.poll()
    answer(world, GOES_ON)
    ended(world, result=RESULT)
    world.signal("later")
    assert world.names()[-1] == "WFT_STARTED"
    world.respond(handout, timer("t", 10))
    assert world.names()[-5:] == [
        "TIMER_STARTED",
        "NEXUS_OPERATION_STARTED",
        "WF_SIGNALED",
        "NEXUS_OPERATION_COMPLETED",
        "WFT_SCHEDULED",
    ]


def test_a_workflow_that_closes_asks_no_handler_any_more() -> None:
    world = asked(schedule())
    message = owed(world)[0]
    world.signal()
    step(world, complete())
    assert owed(world) == []
    assert len(pending(world)) == 1
    answer(world, DONE, message)
    assert world.names()[-1] == "WF_COMPLETED"


def test_a_reset_keeps_the_operation_and_its_request_id() -> None:
    world = asked(schedule())
    first = owed(world)[0]
    world.signal()
    step(world, timer("t", 100))
    reset(world, 9)
    [message] = owed(world)
    assert (message.request_id, message.run_id) == (first.request_id, world.run_id)
    answer(world, DONE)
    assert "NEXUS_OPERATION_COMPLETED" in world.names()


def test_a_reset_carries_the_end_of_an_operation_over() -> None:
    world = asked(schedule())
    world.signal()
    step(world, timer("t", 100))
    answer(world, DONE)
    reset(world, 9)
    assert world.names()[-2:] == ["NEXUS_OPERATION_COMPLETED", "WFT_SCHEDULED"]
    assert owed(world) == []


def test_a_reset_withdraws_what_only_the_lost_part_asked_for() -> None:
    world = World()
    world.start()
    step(world, timer("t", 100))
    world.signal()
    step(world, schedule())
    reset(world, 4)
    assert owed(world) == []
    assert not pending(world)


def test_what_backs_an_operation_reaches_a_caller_that_was_reset() -> None:
    world = started()
    step(world, timer("t", 100))
    reset(world, 9)
    ended(world, result=RESULT)
    assert "NEXUS_OPERATION_COMPLETED" in world.names()
