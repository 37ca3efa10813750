"""Signals and requests to cancel, as the run that gets them sees them."""

import pytest

from tenuto.engine import types
from tenuto.engine.chain import ParentLink, RootLink
from tenuto.engine.types import Reason
from tenuto.limits import LIMITS
from tenuto.wire import common
from tenuto.wire import workflowservice as ws
from tests.engine.support import World, payloads, start_message
from tests.engine.words import ask_cancel, begun, current, done, last, refused, rested, said, terminate

PARENT = ParentLink("default", "n", "p", "r", 7)


def message(**fields: object) -> ws.SignalWorkflowExecutionRequest:
    return ws.SignalWorkflowExecutionRequest(signal_name="s", **fields)  # type: ignore[arg-type]


def child() -> World:
    world = World()
    world.ask(types.Start(start_message("w"), PARENT, RootLink("p", "r")))
    return world


def test_a_signal_is_recorded_with_all_that_came_with_it() -> None:
    world = begun()
    header = common.Header(fields={"h": payloads().payloads[0]})
    link = common.Link(workflow_event=common.Link.WorkflowEvent(workflow_id="other"))
    world.ask(
        types.Signal(message(input=payloads(), header=header, identity="me", request_id="r", links=[link]))
    )
    event = said(last(world))
    assert (event.signal_name, event.input, event.header, event.identity) == ("s", payloads(), header, "me")
    assert list(last(world).links) == [link]


def test_a_repeated_request_id_is_recorded_once_even_while_the_first_waits_in_the_buffer() -> None:
    world = begun()
    handout = world.poll()
    for _ in range(2):
        assert world.signal(request_id="r").run_id == world.run_id
    world.respond(handout)
    assert world.names().count("WF_SIGNALED") == 1


def test_a_repeated_signal_succeeds_after_the_close_and_a_new_one_does_not() -> None:
    world = begun()
    world.signal(request_id="r")
    terminate(world)
    world.signal(request_id="r")
    refusal = refused(world, types.Signal(message(request_id="new")))
    assert (refusal.reason, refusal.message) == (Reason.NOT_FOUND, "workflow execution already completed")


def test_a_signal_without_a_request_id_is_never_a_repetition() -> None:
    world = begun()
    world.signal()
    world.signal()
    assert world.names().count("WF_SIGNALED") == 2


def test_request_ids_are_forgotten_with_the_run() -> None:
    world = begun()
    world.signal(request_id="r")
    world.step(done())
    world.start(request_id="again")
    world.signal(request_id="r")
    assert world.names()[-1] == "WF_SIGNALED"


def test_a_run_takes_only_so_many_signals() -> None:
    world = begun()
    current(world).signal_count = LIMITS.signals_per_run
    assert (
        refused(world, types.Signal(message())).message
        == "exceeded workflow execution limit for signal events"
    )


def test_a_signal_from_a_workflow_names_it() -> None:
    world = begun()
    source = common.WorkflowExecution(workflow_id="p", run_id="r")
    world.ask(types.Signal(message(), source=source))
    assert said(last(world)).external_workflow_execution == source


def test_only_the_parent_reaches_its_child_when_it_says_so() -> None:
    world = child()
    stranger = ParentLink("default", "n", "p", "another run", 7)
    for request in (
        types.Signal(message(), child_of=stranger),
        types.RequestCancel(ws.RequestCancelWorkflowExecutionRequest(), child_of=stranger),
    ):
        assert refused(world, request).message == "workflow execution not found"
    world.ask(types.Signal(message(), child_of=PARENT))
    world.ask(types.RequestCancel(ws.RequestCancelWorkflowExecutionRequest(), child_of=PARENT))
    assert {"WF_SIGNALED", "WF_CANCEL_REQUESTED"} < set(world.names())


def test_an_unknown_run_and_an_unknown_workflow_are_told_apart() -> None:
    world = begun()
    other = "00000000-0000-4000-8000-000000000000"
    assert refused(world, types.Signal(message(), other)).message == (
        f'workflow execution not found for workflow ID "w" and run ID "{other}"'
    )
    assert refused(World(), types.Signal(message())).message == "workflow not found for ID: w"


# ---- cancel requests ----------------------------------------------------------------------------------------------------


def test_a_request_to_cancel_is_recorded_once_and_schedules_a_task() -> None:
    world = rested()
    ask_cancel(world, reason="why", identity="me")
    ask_cancel(world, reason="again")
    assert world.names()[4:] == ["WF_CANCEL_REQUESTED", "WFT_SCHEDULED"]
    assert (said(world.history[4]).cause, said(world.history[4]).identity) == ("why", "me")
    assert current(world).cancel_requested


def test_a_closed_workflow_need_not_be_cancelled() -> None:
    world = begun()
    terminate(world)
    assert ask_cancel(world).run_id == world.run_id
    assert world.names()[-1] == "WF_TERMINATED"


def test_the_first_run_names_the_chain_for_a_cancel_request() -> None:
    world = begun()
    with pytest.raises(types.Rejected, match="workflow execution not found"):
        ask_cancel(world, first_execution_run_id="00000000-0000-4000-8000-000000000000")
    ask_cancel(world, first_execution_run_id=world.run_id)
    assert current(world).cancel_requested


def test_news_for_a_child_do_not_wait_until_its_parent_knows_of_it() -> None:
    world = child()
    world.signal()
    assert world.names() == ["WF_STARTED", "WF_SIGNALED", "WFT_SCHEDULED"]
    world.ask(types.FirstTask(world.run_id))
    assert world.names()[-1] == "WFT_SCHEDULED"
