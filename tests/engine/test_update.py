"""Updates: admission, the way to the worker and back, limits, and every way in which they end."""

from typing import Any

import pytest

from tenuto.engine import types
from tenuto.engine.types import Reason, Rejected, UpdateNotice, UpdateReply
from tenuto.limits import DAY, LIMITS, SECOND
from tenuto.wire import any_pb2, duration_pb2, failure, protocol
from tenuto.wire import command as wire_command
from tenuto.wire import update as wire_update
from tenuto.wire import workflowservice as ws

from .support import World, payloads, reload, start_message, token_of

ADMITTED, ACCEPTED, COMPLETED = 1, 2, 3


# ---- words ------------------------------------------------------------------------------------------------------------


def request(update_id: str = "u1", data: bytes = b'"in"') -> wire_update.Request:
    made = wire_update.Request()
    made.meta.update_id, made.meta.identity = update_id, "client"
    made.input.name = "change"
    made.input.args.CopyFrom(payloads(data))
    return made


def update_message(update_id: str = "u1", **fields: Any) -> ws.UpdateWorkflowExecutionRequest:
    made = ws.UpdateWorkflowExecutionRequest(request=request(update_id), **fields)
    made.workflow_execution.workflow_id = "w"
    return made


def send(world: World, update_id: str = "u1", **fields: Any) -> UpdateReply:
    reply: UpdateReply = world.ask(types.Update(update_message(update_id, **fields)))
    return reply


def look(world: World, update_id: str = "u1", run_id: str = "") -> UpdateReply:
    reply: UpdateReply = world.ask(types.AskUpdate(update_id, run_id))
    return reply


def packed(update_id: str, body: Any, suffix: str) -> protocol.Message:
    content = any_pb2.Any()
    content.Pack(body)
    return protocol.Message(id=f"{update_id}/{suffix}", protocol_instance_id=update_id, body=content)


def accept(update_id: str = "u1", sequence: int = 5, **fields: Any) -> protocol.Message:
    body = wire_update.Acceptance(
        accepted_request_message_id=f"{update_id}/request", accepted_request_sequencing_event_id=sequence
    )
    for name, value in fields.items():
        if isinstance(value, wire_update.Request):
            body.accepted_request.CopyFrom(value)
        else:
            setattr(body, name, value)
    return packed(update_id, body, "accept")


def reject(update_id: str = "u1", resurrect: wire_update.Request | None = None) -> protocol.Message:
    body = wire_update.Rejection(failure=failure.Failure(message="no"), rejected_request=resurrect)
    return packed(update_id, body, "reject")


def respond(update_id: str = "u1") -> protocol.Message:
    body = wire_update.Response(outcome=wire_update.Outcome(success=payloads(b'"out"')))
    body.meta.update_id = update_id
    return packed(update_id, body, "response")


def place(message_id: str) -> wire_command.Command:
    made = wire_command.Command(command_type=14)  # type: ignore[arg-type]
    made.protocol_message_command_attributes.message_id = message_id
    return made


def complete_workflow() -> wire_command.Command:
    made = wire_command.Command(command_type=4)  # type: ignore[arg-type]
    made.complete_workflow_execution_command_attributes.SetInParent()
    return made


def continue_as_new() -> wire_command.Command:
    made = wire_command.Command(command_type=10)  # type: ignore[arg-type]
    made.continue_as_new_workflow_execution_command_attributes.SetInParent()
    return made


def start_timer(timer_id: str = "t") -> wire_command.Command:
    made = wire_command.Command(command_type=3)  # type: ignore[arg-type]
    attributes = made.start_timer_command_attributes
    attributes.timer_id = timer_id
    attributes.start_to_fire_timeout.seconds = 1000
    return made


def notices_of(world: World, update_id: str = "u1") -> list[UpdateNotice]:
    return [n for n in world.notices if isinstance(n, UpdateNotice) and n.update_id == update_id]


def refused(world: World, asked: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        world.ask(asked)
    return caught.value


@pytest.fixture
def world() -> World:
    """A workflow that has completed its first workflow task: history 1..4, nothing pending."""
    made = World()
    made.start()
    made.step()
    return made


# ---- the way to the worker ----------------------------------------------------------------------------------------------


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


# ---- rejection ----------------------------------------------------------------------------------------------------------


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


# ---- one id, one update -------------------------------------------------------------------------------------------------


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


# ---- refusals -----------------------------------------------------------------------------------------------------------


def test_another_first_run_id_is_not_found(world: World) -> None:
    refusal = refused(world, types.Update(update_message(first_execution_run_id="other")))
    assert (refusal.reason, refusal.message) == (Reason.NOT_FOUND, "workflow execution not found")


def test_an_unknown_workflow_is_not_found() -> None:
    refusal = refused(World(), types.Update(update_message()))
    assert refusal.message == "workflow not found for ID: w"


def test_a_workflow_whose_tasks_keep_failing_takes_no_updates() -> None:
    world = World()
    world.start()
    for _ in range(2):
        handout = world.poll()
        world.ask(types.FailWorkflowTask(token_of(handout), ws.RespondWorkflowTaskFailedRequest(cause=14)))  # type: ignore[arg-type]
    refusal = refused(world, types.Update(update_message()))
    assert refusal.reason is Reason.NOT_READY
    assert (
        refusal.message == "Unable to perform workflow execution update due to Workflow Task in failed state."
    )


def test_a_workflow_that_has_tried_to_close_takes_no_updates_while_it_tries_again(world: World) -> None:
    world.signal()
    handout = world.poll()
    world.signal()
    with pytest.raises(Rejected, match="^UnhandledCommand$"):
        world.respond(handout, complete_workflow())
    world.poll()
    refusal = refused(world, types.Update(update_message()))
    assert refusal.reason is Reason.BUSY


def test_a_paused_workflow_takes_no_updates() -> None:
    world = World(namespace=types.Namespace("n", "default", DAY, pause_enabled=True))
    world.start()
    world.step()
    world.ask(types.PauseRun(ws.PauseWorkflowExecutionRequest(request_id="p")))
    refusal = refused(world, types.Update(update_message()))
    assert (refusal.reason, refusal.message) == (
        Reason.PRECONDITION,
        "Workflow is paused. Cannot update the workflow.",
    )


def test_the_eleventh_update_in_flight_is_refused_accepted_ones_included(world: World) -> None:
    send(world, "accepted")
    world.step(messages=[accept("accepted")])
    for number in range(LIMITS.updates_in_flight - 1):
        send(world, f"u{number}")
    refusal = refused(world, types.Update(update_message("one too many")))
    assert refusal.reason is Reason.CONCURRENT
    assert refusal.message == "limit on number of concurrent in-flight updates has been reached (10)"
    assert send(world, "u0").stage == ADMITTED


def test_updates_in_flight_have_a_total_size(world: World) -> None:
    for number in range(5):
        message = update_message(f"u{number}")
        message.request.input.args.payloads[0].data = b"x" * (4 << 20)
        if number < 4:
            world.ask(types.Update(message))
    refusal = refused(world, types.Update(message))
    assert refusal.reason is Reason.CONCURRENT
    assert (
        refusal.message
        == "limit on total payload size of in-flight updates has been reached (20971520 bytes)"
    )


def test_a_run_has_only_so_many_updates(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from tenuto.engine import update_state

    monkeypatch.setattr(update_state, "LIMITS", replace(LIMITS, updates_per_run=2))
    for name in ("a", "b"):
        send(world, name)
        world.step(messages=[accept(name), respond(name)])
    refusal = refused(world, types.Update(update_message("c")))
    assert refusal.reason is Reason.PRECONDITION
    assert "total number of distinct updates in this workflow has been reached (2)" in refusal.message


# ---- wrong messages -----------------------------------------------------------------------------------------------------


def bad(messages: list[protocol.Message], *commands: wire_command.Command) -> tuple[World, str]:
    world = World()
    world.start()
    world.step()
    send(world)
    handout = world.poll()
    with pytest.raises(Rejected) as caught:
        world.respond(handout, *commands, messages=messages)
    assert caught.value.reason is Reason.INVALID
    return world, caught.value.message


CASES: list[tuple[list[protocol.Message], list[wire_command.Command], str]] = [
    ([], [place("x")], "ProtocolMessageCommand referenced absent message ID x"),
    ([], [place("")], "MessageID is not set on ProtocolMessageCommand."),
    ([accept("zz")], [], "update zz wasn't found on the server. This is most likely a transient error"),
    ([respond("zz")], [], "update zz wasn't found on the server."),
    (
        [respond()],
        [],
        "invalid state transition attempted for Update u1: received *update.Response message while in state Sent",
    ),
    (
        [accept(), packed("u1", wire_update.Acceptance(), "again")],
        [],
        "received *update.Acceptance message while in state ProvisionallyAccepted",
    ),
    ([accept(), reject()], [], "received *update.Rejection message while in state ProvisionallyAccepted"),
    (
        [reject(), packed("u1", wire_update.Rejection(), "again")],
        [],
        "received *update.Rejection message while in state ProvisionallyCompleted",
    ),
    (
        [accept(), packed("u1", wire_update.Response(), "r")],
        [],
        "invalid *update.Response: meta is not set",
    ),
    (
        [accept(), packed("u1", wire_update.Response(meta=wire_update.Meta()), "r")],
        [],
        "invalid *update.Response: meta.update_id is not set",
    ),
    (
        [accept(), packed("u1", wire_update.Response(meta=wire_update.Meta(update_id="x")), "r")],
        [],
        "invalid *update.Response: meta.update_id != u1",
    ),
    (
        [accept(), packed("u1", wire_update.Response(meta=wire_update.Meta(update_id="u1")), "r")],
        [],
        "invalid *update.Response: outcome is not set",
    ),
    ([accept(sequence=0)], [], "invalid *update.Acceptance: accepted_request_sequencing_event_id is not set"),
    (
        [accept(accepted_request_message_id="")],
        [],
        "invalid *update.Acceptance: accepted_request_message_id is not set",
    ),
    ([packed("u1", request(), "r")], [], "Message type *update.Request not supported"),
    ([packed("u1", failure.Failure(), "f")], [], "unsupported protocol type temporal.api.failure.v1"),
]


@pytest.mark.parametrize(("messages", "commands", "text"), CASES, ids=[case[2][:60] for case in CASES])
def test_a_wrong_message_fails_the_whole_workflow_task(
    messages: list[protocol.Message], commands: list[wire_command.Command], text: str
) -> None:
    world, said = bad(messages, *commands)
    assert said.startswith("BadUpdateWorkflowExecutionMessage: ") and text in said
    assert world.names()[4:] == ["WFT_SCHEDULED", "WFT_STARTED", "WFT_FAILED"]
    (notice,) = notices_of(world)
    assert notice.error is not None and notice.error.reason is Reason.NOT_READY
    assert (
        notice.error.message
        == "Unable to perform workflow execution update due to unexpected workflow task failure."
    )


def test_a_message_can_be_placed_once_only() -> None:
    _, said = bad([accept(), respond()], place("u1/accept"), place("u1/accept"))
    assert said.endswith("referenced absent message ID u1/accept")


def test_a_message_without_a_body_is_refused_and_the_task_goes_on(world: World) -> None:
    send(world)
    handout = world.poll()
    with pytest.raises(Rejected, match="^nil message body$"):
        world.respond(handout, messages=[protocol.Message(id="m", protocol_instance_id="u1")])
    world.respond(handout, messages=[accept(), respond()])
    assert look(world).stage == COMPLETED


def test_a_bad_command_does_not_touch_updates_the_worker_has_not_seen(world: World) -> None:
    send(world)
    handout = world.poll()
    send(world, "unseen")
    with pytest.raises(Rejected):
        world.respond(handout, place("nothing"))
    assert notices_of(world) and not notices_of(world, "unseen")
    assert [message.protocol_instance_id for message in world.poll().messages] == ["unseen"]


def test_a_lost_update_comes_back_with_the_request_in_its_acceptance(world: World) -> None:
    world.signal()
    world.step(messages=[accept("lost", accepted_request=request("lost")), respond("lost")])
    assert look(world, "lost").stage == COMPLETED
    accepted = world.history[8].workflow_execution_update_accepted_event_attributes
    assert accepted.accepted_request == request("lost")


def test_a_lost_update_comes_back_to_be_rejected(world: World) -> None:
    world.signal()
    world.step(messages=[reject("lost", resurrect=request("lost"))])
    assert notices_of(world, "lost")[0].stage == COMPLETED
    assert refused(world, types.AskUpdate("lost")).reason is Reason.NOT_FOUND


# ---- the end of the run -------------------------------------------------------------------------------------------------


def test_updates_of_a_closing_workflow_are_aborted(world: World) -> None:
    send(world)
    world.step(complete_workflow())
    (notice,) = notices_of(world)
    assert notice.error is not None and notice.error.reason is Reason.NOT_FOUND
    assert notice.error.message == "workflow update was aborted by closing workflow"


def test_updates_of_a_workflow_that_continues_as_new_are_told_to_try_again(world: World) -> None:
    send(world)
    world.step(continue_as_new())
    (notice,) = notices_of(world)
    assert notice.error is not None and notice.error.reason is Reason.BUSY


def test_an_update_accepted_in_the_closing_task_is_complete_with_a_failure(world: World) -> None:
    send(world)
    run_id = world.run_id
    world.step(place("u1/accept"), complete_workflow(), messages=[accept()])
    assert world.names()[-2:] == ["WF_UPDATE_ACCEPTED", "WF_COMPLETED"]
    (notice,) = notices_of(world)
    assert notice.stage == COMPLETED and notice.outcome is not None
    assert notice.outcome.failure.application_failure_info.type == "AcceptedUpdateCompletedWorkflow"
    later = look(world, "u1", run_id)
    assert later.stage == COMPLETED and later.outcome == notice.outcome
    assert send(world).outcome == notice.outcome


def test_an_update_accepted_earlier_is_complete_with_a_failure_when_the_run_is_terminated(
    world: World,
) -> None:
    send(world)
    world.step(messages=[accept()])
    world.ask(types.Terminate(ws.TerminateWorkflowExecutionRequest(reason="r")))
    assert notices_of(world)[-1].stage == COMPLETED
    assert "WF_UPDATE_COMPLETED" not in world.names()


def test_messages_behind_the_close_command_write_nothing(world: World) -> None:
    send(world)
    world.step(complete_workflow(), messages=[accept(), respond()])
    assert world.names()[-1] == "WF_COMPLETED"
    (notice,) = notices_of(world)
    assert notice.error is not None


def test_a_rejection_behind_the_close_command_still_counts(world: World) -> None:
    send(world)
    world.step(complete_workflow(), messages=[reject()])
    (notice,) = notices_of(world)
    assert notice.error is None and notice.outcome is not None and notice.outcome.failure.message == "no"


def test_an_older_run_still_answers_for_its_updates(world: World) -> None:
    send(world)
    world.step(messages=[accept(), respond()])
    first = world.run_id
    world.signal()
    world.step(complete_workflow())
    world.start(request_id="again")
    assert look(world, "u1", first).stage == COMPLETED
    assert refused(world, types.AskUpdate("u1")).reason is Reason.NOT_FOUND


# ---- update with start --------------------------------------------------------------------------------------------------


def both(world: World, update_id: str = "u1", **fields: Any) -> UpdateReply:
    asked = types.UpdateWithStart(start_message("w", **fields), update_message(update_id))
    reply: UpdateReply = world.ask(asked)
    return reply


def test_update_with_start_starts_and_the_first_task_carries_the_update() -> None:
    world = World()
    reply = both(world)
    assert reply.stage == ADMITTED and reply.start is not None and reply.start.started
    assert world.names() == ["WF_STARTED", "WFT_SCHEDULED"]
    (message,) = world.poll().messages
    assert (message.id, message.event_id) == ("u1/request", 2)


def test_update_with_start_returns_a_completed_update_even_of_a_closed_workflow() -> None:
    world = World()
    both(world)
    world.step(messages=[accept(sequence=2), respond()])
    world.signal()
    world.step(complete_workflow())
    reply = both(world, request_id="other")
    assert reply.stage == COMPLETED and reply.start is not None
    assert not reply.start.started and reply.start.status == 2


def test_update_with_start_joins_the_run_of_the_same_start_request(world: World) -> None:
    reply = both(world)
    assert reply.start is not None and not reply.start.started and reply.run_id == world.run_id


def test_update_with_start_joins_an_update_in_flight(world: World) -> None:
    send(world)
    reply = both(world, request_id="other")
    assert reply.stage == ADMITTED and reply.start is not None and not reply.start.started


def test_update_with_start_uses_an_existing_run_when_it_may(world: World) -> None:
    reply = both(world, request_id="other", conflict=2)
    assert reply.start is not None and not reply.start.started
    assert len(world.poll().messages) == 1


def test_update_with_start_that_may_not_start_blames_the_start(world: World) -> None:
    asked = types.UpdateWithStart(start_message("w", request_id="other"), update_message())
    refusal = refused(world, asked)
    assert (refusal.reason, refusal.message) == (
        Reason.MULTI_OPERATION,
        "Update-with-Start could not be executed.",
    )
    start, update = refusal.detail
    assert start.refusal.reason is Reason.ALREADY_STARTED and update.aborted


def test_update_with_start_that_may_not_update_blames_the_update(world: World) -> None:
    for number in range(LIMITS.updates_in_flight):
        send(world, f"u{number}")
    asked = types.UpdateWithStart(start_message("w", request_id="other", conflict=2), update_message("more"))
    start, update = refused(world, asked).detail
    assert start.aborted and update.refusal.reason is Reason.CONCURRENT


def test_update_with_start_replaces_an_open_run_when_it_must(world: World) -> None:
    first = world.run_id
    reply = both(world, request_id="other", conflict=3)
    assert reply.start is not None and reply.start.started and reply.run_id != first
    assert world.names(first)[-1] == "WF_TERMINATED"
    assert len(world.poll().messages) == 1


def test_a_first_task_that_an_update_brought_early_is_recorded_when_the_first_wait_is_over() -> None:
    world = World()
    world.start(workflow_start_delay=duration_pb2.Duration(seconds=3))
    send(world)
    assert world.names() == ["WF_STARTED"]
    world.pass_time(3 * SECOND)
    assert world.names() == ["WF_STARTED", "WFT_SCHEDULED"]
    assert world.chain is not None and reload(world.chain).current.run.task is not None
