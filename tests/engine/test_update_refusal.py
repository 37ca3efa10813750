"""Updates that are refused: by the state of the run, by the limits, and for the worker's wrong messages."""

import pytest

from tenuto.engine import types
from tenuto.engine.types import Reason, Rejected
from tenuto.limits import DAY, LIMITS
from tenuto.wire import command as wire_command
from tenuto.wire import failure, protocol
from tenuto.wire import update as wire_update
from tenuto.wire import workflowservice as ws

from .support import World, token_of
from .updates import (
    ADMITTED,
    COMPLETED,
    accept,
    complete_workflow,
    look,
    notices_of,
    packed,
    place,
    refused,
    reject,
    request,
    respond,
    send,
    update_message,
)


@pytest.fixture
def world() -> World:
    """A workflow that has completed its first workflow task: history 1..4, nothing pending."""
    made = World()
    made.start()
    made.step()
    return made


# ---- refusals ---------------------------------------------------------------------------------------------------------


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


# ---- wrong messages ---------------------------------------------------------------------------------------------------


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
