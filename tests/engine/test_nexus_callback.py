"""Completion callbacks: a chain that closes tells the callers of the operations that it backs, once and for all."""

from typing import Any

import pytest

from tenuto.engine import types
from tenuto.engine.chain import Out, Outgoing
from tenuto.engine.nexus_token import URL, Caller, decode_token, encode_token
from tenuto.engine.nexus_types import CompleteNexus, Outcome
from tenuto.engine.outgoing import to_request
from tenuto.engine.types import Reason, Rejected
from tenuto.limits import SECOND
from tenuto.wire import command as wire_command
from tenuto.wire import common, duration_pb2
from tenuto.wire import workflowservice as ws
from tests.engine.support import World, payloads, start_message
from tests.engine.worlds import canceled, complete, continue_as_new, fail

CALLER = Caller("ns", "caller", "run", 5, "request")
STANDBY, SENT, FAILED, SUCCEEDED = 1, 2, 4, 5


def callback(token: str = "", **header: str) -> common.Callback:
    made = common.Callback()
    made.nexus.url = URL
    made.nexus.header["Temporal-Callback-Token"] = token or encode_token(CALLER)
    made.nexus.header.update(header)
    return made


def backing(*callbacks: common.Callback, **start: Any) -> World:
    world = World()
    world.start(completion_callbacks=callbacks or (callback(),), **start)
    return world


def owed(world: World) -> list[Outgoing]:
    assert world.chain is not None
    return [world.chain.out[key] for key in sorted(world.chain.out)]


def shown(world: World, run_id: str = "") -> Any:
    reply: ws.DescribeWorkflowExecutionResponse = world.ask(types.Describe(run_id))
    return reply.callbacks


def told(world: World) -> CompleteNexus:
    """What the caller is to be told."""
    [message] = owed(world)
    assert message.kind == Out.CALLBACK
    key, request = to_request(message, world.key, world.namespace)
    assert key == ("ns", "caller")
    assert isinstance(request, CompleteNexus)
    assert (request.scheduled_id, request.request_id) == (5, "request")
    return request


def delivered(world: World, refusal: Rejected | None = None) -> None:
    [message] = owed(world)
    world.ask(types.Delivered(message.out_id, True, refusal, message.run_id))


def test_a_token_names_the_caller_and_nothing_else_is_one() -> None:
    assert decode_token(encode_token(CALLER)) == CALLER
    for text in ("", "x", "{}", '{"v":1,"d":"x"}', '{"v":1,"d":"kQE="}', "\ud800"):
        assert decode_token(text) is None


def test_a_callback_stands_by_while_its_workflow_runs() -> None:
    world = backing()
    assert [one.state for one in shown(world)] == [STANDBY]
    assert owed(world) == []


@pytest.mark.parametrize(
    ("command", "outcome", "text"),
    [
        (complete(), Outcome.SUCCEEDED, ""),
        (fail(), Outcome.FAILED, "boom"),
        (canceled(), Outcome.CANCELED, "operation canceled"),
    ],
)
def test_the_caller_is_told_how_it_ended(command: wire_command.Command, outcome: Outcome, text: str) -> None:
    world = backing()
    world.step(command)
    request = told(world)
    assert request.outcome is outcome
    assert (request.reason.message if request.reason is not None else "") == text
    assert [one.state for one in shown(world)] == [SENT]
    delivered(world)
    [one] = shown(world)
    assert (one.state, one.attempt) == (SUCCEEDED, 1)
    assert owed(world) == []


def test_the_caller_is_told_of_termination_and_of_time_that_is_over() -> None:
    world = backing()
    world.ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    reason = told(world).reason
    assert reason is not None
    assert reason.HasField("terminated_failure_info")
    world = backing(workflow_run_timeout=duration_pb2.Duration(seconds=1))
    world.pass_time(SECOND)
    reason = told(world).reason
    assert reason is not None
    assert reason.HasField("timeout_failure_info")


def test_the_result_is_the_first_payload() -> None:
    world = backing()
    made = complete()
    made.complete_workflow_execution_command_attributes.result.CopyFrom(payloads(b'"tea"'))
    world.step(made)
    result = told(world).result
    assert result is not None
    assert result.data == b'"tea"'


def test_a_callback_goes_with_the_chain_of_runs() -> None:
    world = backing()
    first = world.run_id
    world.step(continue_as_new())
    assert owed(world) == []
    assert [one.state for one in shown(world, first)] == [STANDBY]
    world.pass_time(2 * SECOND)
    world.step(complete())
    assert told(world).links[0].workflow_event.run_id == first


def test_a_caller_that_does_not_know_the_operation_ends_the_matter() -> None:
    world = backing()
    world.step(complete())
    delivered(world, Rejected(Reason.NOT_FOUND, "workflow execution already completed"))
    [one] = shown(world)
    assert one.state == FAILED
    assert (
        one.last_attempt_failure.message == "handler error (NOT_FOUND): workflow execution already completed"
    )
    assert owed(world) == []


def test_a_caller_that_cannot_be_reached_is_told_later() -> None:
    world = backing()
    world.step(complete())
    [message] = owed(world)
    busy = Rejected(Reason.UNAVAILABLE, "not now")
    assert world.ask(types.Delivered(message.out_id, None, busy, message.run_id)) is False
    assert owed(world) == [message]


def test_a_token_that_is_none_is_told_nobody() -> None:
    world = backing(callback("nonsense"), callback())
    world.step(complete())
    assert told(world).outcome is Outcome.SUCCEEDED
    first, second = shown(world)
    assert (first.state, second.state) == (FAILED, SENT)
    assert first.last_attempt_failure.message == "handler error (BAD_REQUEST): invalid callback token"


def test_a_callback_is_attached_to_a_workflow_that_runs() -> None:
    world = World()
    world.start()
    message = start_message("w", request_id="another", conflict=2, completion_callbacks=[callback()])
    message.on_conflict_options.attach_request_id = True
    message.on_conflict_options.attach_completion_callbacks = True
    for _ in range(2):  # the second time changes nothing
        world.ask(types.Start(message))
    assert [one.state for one in shown(world)] == [STANDBY]
    world.step(complete())
    assert told(world).outcome is Outcome.SUCCEEDED


def test_what_became_of_a_callback_is_shown_with_its_run_when_another_has_begun() -> None:
    world = backing()
    first = world.run_id
    world.step(complete())
    [message] = owed(world)
    world.start(request_id="another")
    assert owed(world) == [message]
    delivered(world)
    assert [one.state for one in shown(world, first)] == [SUCCEEDED]
    assert not shown(world)


def test_a_header_names_the_operation_to_a_caller_that_has_not_heard_of_it() -> None:
    world = backing(callback(**{"Nexus-Operation-Token": "early"}))
    world.step(complete())
    assert told(world).token == "early"
