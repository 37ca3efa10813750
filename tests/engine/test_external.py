"""Signals and cancel requests from one workflow to another: whatever becomes of them is an event of the sender."""

import uuid
from typing import Any

import pytest

from tenuto.engine import types
from tenuto.engine.chain import Out
from tenuto.wire import command as wire_command
from tenuto.wire import common, errordetails
from tenuto.wire import workflowservice as ws
from tests.engine.support import World, payloads
from tests.engine.worlds import Worlds, cancel_external, complete, signal_external, start_child

SIGNALED = "EXTERNAL_WORKFLOW_EXECUTION_SIGNALED"
SIGNAL_FAILED = "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED"
CANCEL_ASKED = "EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED"
CANCEL_FAILED = "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED"


def last(world: World, kind: str) -> Any:
    """Attributes of the last event of that name."""
    for event in reversed(world.history):
        if (event.WhichOneof("attributes") or "").upper() == f"{kind}_EVENT_ATTRIBUTES":
            return getattr(event, event.WhichOneof("attributes") or "")
    raise AssertionError(f"no {kind} in {world.names()}")


def sent(*commands: wire_command.Command, also: tuple[str, ...] = ("target",)) -> Worlds:
    worlds = Worlds("source", *also)
    worlds["source"].step(*commands)
    return worlds


def test_a_signal_arrives_with_its_input_and_the_name_of_its_sender() -> None:
    command = signal_external("target", control="ctl", input=payloads(b'"i"'))
    command.signal_external_workflow_execution_command_attributes.header.fields["h"].data = b"1"
    worlds = sent(command)
    worlds.settle()
    arrived = last(worlds["target"], "WORKFLOW_EXECUTION_SIGNALED")
    assert arrived.signal_name == "s" and arrived.input.payloads[0].data == b'"i"'
    assert arrived.header.fields["h"].data == b"1" and arrived.identity == "history-service"
    assert arrived.external_workflow_execution.workflow_id == "source"
    assert arrived.external_workflow_execution.run_id == worlds["source"].run_id
    assert str(uuid.UUID(arrived.request_id)) == arrived.request_id
    done = last(worlds["source"], SIGNALED)
    assert (done.initiated_event_id, done.control, done.namespace) == (5, "ctl", "default")
    assert done.namespace_id == worlds["source"].key[0]
    assert done.workflow_execution == common.WorkflowExecution(workflow_id="target")
    assert worlds["source"].names()[-2:] == [SIGNALED, "WFT_SCHEDULED"]
    assert worlds.owed("source") == []


def test_a_cancel_request_arrives_with_its_reason_and_the_event_that_asked() -> None:
    worlds = sent(cancel_external("target", reason="why", control="ctl"))
    worlds.settle()
    arrived = last(worlds["target"], "WORKFLOW_EXECUTION_CANCEL_REQUESTED")
    assert (arrived.cause, arrived.identity, arrived.external_initiated_event_id) == (
        "why",
        "history-service",
        5,
    )
    assert arrived.external_workflow_execution.run_id == worlds["source"].run_id
    assert last(worlds["source"], CANCEL_ASKED).initiated_event_id == 5


def test_the_initiated_events_echo_the_command() -> None:
    run_id = str(uuid.uuid4())
    worlds = sent(
        signal_external("target", run_id, namespace="default", control="a", child_workflow_only=True),
        cancel_external("target", control="b", reason="r"),
    )
    signal = last(worlds["source"], "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED")
    assert (signal.namespace, signal.namespace_id) == ("default", worlds["source"].key[0])
    assert signal.workflow_execution.run_id == run_id and signal.child_workflow_only and signal.control == "a"
    assert signal.workflow_task_completed_event_id == 4
    cancel = last(worlds["source"], "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED")
    assert (cancel.namespace, cancel.control, cancel.reason) == ("", "b", "r")


def test_repeated_deliveries_are_recorded_once() -> None:
    worlds = sent(signal_external("target"), cancel_external("target"))
    worlds.settle(times=3)
    assert worlds["target"].names() == ["WF_STARTED", "WFT_SCHEDULED", "WF_SIGNALED", "WF_CANCEL_REQUESTED"]
    assert worlds["source"].names().count(SIGNALED) == worlds["source"].names().count(CANCEL_ASKED) == 1


def test_an_answer_that_arrives_twice_is_recorded_once() -> None:
    worlds = sent(signal_external("target"))
    [message] = worlds.owed("source")
    worlds.deliver("source", message)
    names = worlds["source"].names()
    worlds["source"].ask(types.Delivered(message.out_id, True, None))
    assert worlds["source"].names() == names


def test_a_missing_target_is_an_event_not_an_error() -> None:
    worlds = sent(signal_external("nobody", control="ctl"), cancel_external("nobody", control="ctl"))
    worlds.settle()
    signal, cancel = last(worlds["source"], SIGNAL_FAILED), last(worlds["source"], CANCEL_FAILED)
    assert (signal.cause, signal.initiated_event_id, signal.control) == (1, 5, "ctl")
    assert (cancel.cause, cancel.initiated_event_id, cancel.control) == (1, 6, "")
    assert signal.workflow_execution.workflow_id == "nobody" and signal.workflow_task_completed_event_id == 0
    assert worlds["source"].names().count("WFT_SCHEDULED") == 2, (
        "only the first answer schedules a workflow task"
    )


def test_a_closed_target_refuses_a_signal_but_not_a_cancel_request() -> None:
    worlds = Worlds("source", "target")
    worlds["target"].step(complete())
    worlds["source"].step(signal_external("target"), cancel_external("target"))
    worlds.settle()
    assert last(worlds["source"], SIGNAL_FAILED).cause == 1
    assert last(worlds["source"], CANCEL_ASKED).initiated_event_id == 6
    assert worlds["target"].names()[-1] == "WF_COMPLETED"


def test_a_wrong_run_is_not_found() -> None:
    worlds = sent(
        signal_external("target", str(uuid.uuid4())), cancel_external("target", run_id=str(uuid.uuid4()))
    )
    worlds.settle()
    assert (
        last(worlds["source"], SIGNAL_FAILED).cause == 1 and last(worlds["source"], CANCEL_FAILED).cause == 1
    )


def test_a_workflow_cannot_signal_or_cancel_itself() -> None:
    worlds = Worlds("source")
    run_id = worlds["source"].run_id
    worlds["source"].step(signal_external("source", run_id), cancel_external("source"))
    assert worlds.owed("source") == []
    assert worlds["source"].names()[4:] == [
        "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
        "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
        SIGNAL_FAILED,
        CANCEL_FAILED,
        "WFT_SCHEDULED",
    ]
    assert (
        last(worlds["source"], SIGNAL_FAILED).cause == 1 and last(worlds["source"], CANCEL_FAILED).cause == 1
    )
    assert len(worlds["source"].chain.current.externals) == 0  # type: ignore[union-attr]


def test_a_workflow_that_signals_itself_may_still_complete() -> None:
    worlds = Worlds("source")
    worlds["source"].step(signal_external("source"), complete())
    assert worlds["source"].names()[-1] == "WF_COMPLETED"


def test_a_full_target_gives_its_own_cause() -> None:
    worlds = sent(signal_external("target"))
    [message] = worlds.owed("source")
    refusal = types.Rejected(types.Reason.INVALID, "exceeded workflow execution limit for signal events")
    worlds["source"].ask(types.Delivered(message.out_id, None, refusal))
    assert last(worlds["source"], SIGNAL_FAILED).cause == 3


def test_a_missing_namespace_gives_its_own_cause() -> None:
    worlds = sent(signal_external("target"), cancel_external("target"))
    missing = types.Rejected(
        types.Reason.NOT_FOUND,
        "Namespace x is not found.",
        errordetails.NamespaceNotFoundFailure(namespace="x"),
    )
    for message in worlds.owed("source"):
        worlds["source"].ask(types.Delivered(message.out_id, None, missing))
    assert (
        last(worlds["source"], SIGNAL_FAILED).cause == 2 and last(worlds["source"], CANCEL_FAILED).cause == 2
    )


def test_a_target_that_is_closing_is_asked_again() -> None:
    worlds = sent(signal_external("target"))
    [message] = worlds.owed("source")
    busy = types.Rejected(
        types.Reason.BUSY, "workflow operation can not be applied because workflow is closing"
    )
    assert worlds["source"].ask(types.Delivered(message.out_id, None, busy)) is False
    assert worlds.owed("source") == [message]


def test_a_child_can_be_signalled_and_canceled_as_a_child_and_a_stranger_cannot() -> None:
    worlds = Worlds("source", "stranger")
    worlds["source"].step(start_child("kid"))
    worlds.settle()
    worlds["source"].step(
        signal_external("kid", child_workflow_only=True),
        cancel_external("kid", child_workflow_only=True),
        signal_external("stranger", child_workflow_only=True),
        cancel_external("stranger", child_workflow_only=True),
    )
    worlds.settle()
    assert worlds["kid"].names()[2:] == ["WF_SIGNALED", "WF_CANCEL_REQUESTED"]
    assert worlds["stranger"].names() == ["WF_STARTED", "WFT_SCHEDULED"]
    assert last(worlds["source"], SIGNALED).workflow_execution.workflow_id == "kid"
    assert last(worlds["source"], SIGNAL_FAILED).workflow_execution.workflow_id == "stranger"
    assert last(worlds["source"], CANCEL_FAILED).workflow_execution.workflow_id == "stranger"


def test_what_the_source_had_not_sent_when_it_closed_is_dropped() -> None:
    worlds = sent(signal_external("target"), cancel_external("target"))
    worlds["source"].ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    assert worlds.owed("source") == []
    worlds = sent(signal_external("target"), complete())
    assert worlds.owed("source") == []
    assert worlds["target"].names() == ["WF_STARTED", "WFT_SCHEDULED"]


def test_an_answer_after_the_source_has_closed_changes_nothing() -> None:
    worlds = sent(signal_external("target"))
    [message] = worlds.owed("source")
    reply, refusal = worlds.ask_target("source", message)
    worlds["source"].ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    names = worlds["source"].names()
    worlds["source"].ask(types.Delivered(message.out_id, reply, refusal))
    assert worlds["source"].names() == names


def test_an_answer_while_a_task_runs_waits_for_it() -> None:
    worlds = sent(signal_external("target"), signal_external("target"))
    first, second = worlds.owed("source")
    worlds.deliver("source", first)
    handout = worlds["source"].poll()
    worlds.deliver("source", second)
    assert worlds["source"].names()[-1] == "WFT_STARTED"
    worlds["source"].respond(handout)
    assert worlds["source"].names()[-3:] == ["WFT_COMPLETED", SIGNALED, "WFT_SCHEDULED"]


def test_the_reference_mixture_of_children_and_externals_in_one_completion() -> None:
    worlds = Worlds("source", "taken")
    worlds["source"].step(
        start_child("kid"),
        start_child("taken"),
        signal_external("nobody"),
        cancel_external("nobody"),
        signal_external("source"),
        cancel_external("source"),
    )
    worlds.settle()
    names = worlds["source"].names()
    assert names[4:10] == [
        "START_CHILD_WORKFLOW_EXECUTION_INITIATED",
        "START_CHILD_WORKFLOW_EXECUTION_INITIATED",
        "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
        "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
        "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
        "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
    ]
    assert sorted(names[10:]) == sorted(
        [
            "WFT_SCHEDULED",
            "START_CHILD_WORKFLOW_EXECUTION_FAILED",
            "CHILD_WORKFLOW_EXECUTION_STARTED",
            *[SIGNAL_FAILED] * 2,
            *[CANCEL_FAILED] * 2,
        ]
    )


def test_the_target_sees_what_the_reference_target_sees() -> None:
    worlds = Worlds("source")
    worlds["source"].step(start_child("kid"))
    worlds.settle()
    worlds["source"].step(signal_external("kid"), cancel_external("kid"))
    worlds.settle()
    assert worlds["kid"].names() == ["WF_STARTED", "WFT_SCHEDULED", "WF_SIGNALED", "WF_CANCEL_REQUESTED"]


def test_a_signal_that_a_reset_overtakes_is_still_sent_once() -> None:
    worlds = sent(signal_external("target"))
    source = worlds["source"]
    [message] = worlds.owed("source")
    worlds.ask_target("source", message)
    source.signal()
    source.step()
    reset = ws.ResetWorkflowExecutionRequest(
        reason="again", workflow_task_finish_event_id=8, request_id="reset"
    )
    source.ask(types.Reset(reset, source.run_id, tuple(source.history)))
    worlds.settle(times=2)
    assert worlds["target"].names().count("WF_SIGNALED") == 1
    assert source.names().count(SIGNALED) == 1


# ---- commands that cannot be ------------------------------------------------------------------------------------------


def unset_target() -> wire_command.Command:
    command = signal_external("a")
    command.signal_external_workflow_execution_command_attributes.ClearField("execution")
    return command


SIGNAL = "BadSignalWorkflowExecutionAttributes: "
CANCEL = "BadRequestCancelExternalWorkflowExecutionAttributes: "
ON_SIGNAL, ON_CANCEL = (
    "on SignalExternalWorkflowExecutionCommand.",
    "on RequestCancelExternalWorkflowExecutionCommand.",
)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (unset_target(), f"{SIGNAL}Execution is not set {ON_SIGNAL}"),
        (signal_external(""), f"{SIGNAL}WorkflowId is not set {ON_SIGNAL} Namespace= RunId= SignalName=s"),
        (
            signal_external("a", "zz"),
            f"{SIGNAL}Invalid RunId set {ON_SIGNAL} WorkflowId=a Namespace= RunId=zz SignalName=s",
        ),
        (
            signal_external("a", signal_name=""),
            f"{SIGNAL}SignalName is not set {ON_SIGNAL} WorkflowId=a Namespace= RunId=",
        ),
        (signal_external("a", namespace="elsewhere"), f"{SIGNAL}cross namespace commands are not allowed"),
        (cancel_external(""), f"{CANCEL}WorkflowId is not set {ON_CANCEL} Namespace= RunId="),
        (
            cancel_external("a", run_id="zz"),
            f"{CANCEL}Invalid RunId set {ON_CANCEL} WorkflowId=a RunId=zz Namespace=",
        ),
        (cancel_external("a", namespace="elsewhere"), f"{CANCEL}cross namespace commands are not allowed"),
    ],
)
def test_a_wrong_command_fails_the_workflow_task(command: wire_command.Command, text: str) -> None:
    worlds = Worlds("source")
    with pytest.raises(types.Rejected) as refused:
        worlds["source"].step(signal_external("target"), command)
    assert refused.value.message == text
    assert worlds["source"].names()[3:] == ["WFT_FAILED"] and worlds.owed("source") == []


def test_an_input_beyond_the_limit_closes_the_run() -> None:
    worlds = Worlds("source")
    with pytest.raises(types.Rejected, match=r"Attributes\.Input exceeds size limit"):
        worlds["source"].step(signal_external("a", input=payloads(bytes(2_200_000))))
    assert worlds["source"].names()[3:] == ["WFT_FAILED", "WF_TERMINATED"]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            signal_external,
            "PendingSignalsLimitExceeded: the number of pending signals to external workflows, 2000, has reached the "
            "per-workflow limit of 2000",
        ),
        (
            cancel_external,
            "PendingRequestCancelLimitExceeded: the number of pending requests to cancel external workflows, 2000, has "
            "reached the per-workflow limit of 2000",
        ),
    ],
)
def test_too_many_pending_calls_are_refused(make: Any, text: str) -> None:
    worlds = Worlds("source")
    with pytest.raises(types.Rejected) as refused:
        worlds["source"].step(*(make("a") for _ in range(2001)))
    assert refused.value.message == text


def test_messages_carry_a_request_id_that_never_changes() -> None:
    one, other = (sent(signal_external("target")).owed("source")[0] for _ in range(2))
    assert one.request_id == other.request_id and one.kind == Out.SIGNAL
