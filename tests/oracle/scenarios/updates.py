"""Workflow updates: every stage, rejection, duplicates, closing, limits, polling, update-with-start."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from temporalio.api.common.v1 import message_pb2 as common
from temporalio.api.failure.v1 import message_pb2 as failures
from temporalio.api.update.v1 import message_pb2 as update

from tests.oracle.build import cases, message, payload
from tests.oracle.commands import application, continue_as_new, done, protocol_message, timer
from tests.oracle.registry import scenario
from tests.oracle.scenarios.tasks import sticky
from tests.oracle.session import Outcome, Session

_STAGE = "UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_"


def fields(s: Session, update_id: str = "u", stage: str = "COMPLETED", **over: Any) -> dict[str, Any]:
    """UpdateWorkflowExecution's fields."""
    request = {
        "meta": {"update_id": update_id, "identity": "updater"},
        "input": {"name": "change", "args": ["arg"], "header": {"h": 1}},
    }
    made: dict[str, Any] = {"workflow_execution": s.wid(), "request": request}
    return {**made, "wait_policy": {"lifecycle_stage": _STAGE + stage}, **over}


def send(
    s: Session, update_id: str = "u", stage: str = "COMPLETED", timeout: float = 20, **over: Any
) -> Future[Outcome]:
    """Sends an update in the background."""
    return s.later("UpdateWorkflowExecution", timeout, **fields(s, update_id, stage, **over))


def accept(received: Any) -> dict[str, Any]:
    """The acceptance of an update request message."""
    body = update.Acceptance(
        accepted_request_message_id=received.id,
        accepted_request_sequencing_event_id=received.event_id,
        accepted_request=update.Request.FromString(received.body.value),
    )
    return _reply(received, "accept", body)


def reject(received: Any) -> dict[str, Any]:
    """The rejection of an update request message."""
    failure = message(failures.Failure.DESCRIPTOR, application("no", "No"))
    body = update.Rejection(
        rejected_request_message_id=received.id,
        rejected_request_sequencing_event_id=received.event_id,
        rejected_request=update.Request.FromString(received.body.value),
        failure=failure,  # type: ignore[arg-type]
    )
    return _reply(received, "reject", body)


def respond(received: Any, result: Any = "ok", failed: bool = False) -> dict[str, Any]:
    """The outcome of an accepted update."""
    if failed:
        outcome = message(update.Outcome.DESCRIPTOR, {"failure": application("update failed", "Failed")})
    else:
        outcome = update.Outcome(success=common.Payloads(payloads=[payload(result)]))
    meta = update.Meta(update_id=received.protocol_instance_id, identity="updater")
    return _reply(received, "respond", update.Response(meta=meta, outcome=outcome))  # type: ignore[arg-type]


def _reply(received: Any, kind: str, body: Any) -> dict[str, Any]:
    instance = received.protocol_instance_id
    return {"id": f"{instance}/{kind}", "protocol_instance_id": instance, "body": body}


def answer(
    s: Session, task: Outcome, *replies: Callable[[Any], dict[str, Any]], after: Any = (), **over: Any
) -> Outcome:
    """Completes `task`, giving each of its messages every reply in turn, then the commands in `after`."""
    messages = [reply(received) for received in task.messages for reply in replies]
    commands = [protocol_message(made["id"]) for made in messages if not made["id"].endswith("/reject")]
    return s.complete(task, *commands, *after, messages=messages, **over)


def _ready(s: Session, **over: Any) -> None:
    s.start(**over)
    s.step(timer())


@scenario
def update_completes(s: Session) -> None:
    _ready(s)
    sent = send(s)
    answer(s, s.poll(), accept, respond)
    s.join(sent, "update")
    s.call("UpdateWorkflowExecution", label="same id again", **fields(s))
    s.call("UpdateWorkflowExecution", label="same id, accepted only", **fields(s, stage="ACCEPTED"))
    s.describe()


@scenario
def update_fails(s: Session) -> None:
    _ready(s)
    sent = send(s)
    answer(s, s.poll(quiet=True), accept, lambda received: respond(received, failed=True))
    s.join(sent, "update")


@scenario
def update_is_rejected(s: Session) -> None:
    _ready(s)
    sent = send(s)
    answer(s, s.poll(), reject)
    s.join(sent, "update")
    s.show_history(label="no trace")
    s.call("PollWorkflowExecutionUpdate", update_ref={"workflow_execution": s.wid(), "update_id": "u"})
    sent = send(s)
    answer(s, s.poll(label="the same id may be tried again"), accept, respond)
    s.join(sent, "second try")


@scenario
def update_is_rejected_with_other_commands(s: Session) -> None:
    _ready(s)
    sent = send(s)
    answer(s, s.poll(quiet=True), reject, after=[timer("other")])
    s.join(sent, "update")


@scenario
def update_rejected_on_sticky_queue(s: Session) -> None:
    s.start()
    s.step(timer(), sticky_attributes=sticky(s))
    sent = send(s)
    capable = {"capabilities": {"discard_speculative_workflow_task_with_events": True}}
    answer(
        s, s.poll(label="normal, for want of a sticky poller"), reject, sticky_attributes=sticky(s), **capable
    )
    s.join(sent, "update")
    s.signal()
    s.poll(label="next task")


@scenario
def update_accepted_then_completed_later(s: Session) -> None:
    _ready(s)
    sent = send(s, stage="ACCEPTED")
    first = s.poll(quiet=True)
    answer(s, first, accept)
    s.join(sent, "accepted")
    ref = {"workflow_execution": s.wid(), "update_id": "u"}
    s.call("PollWorkflowExecutionUpdate", label="now", update_ref=ref)
    s.call("UpdateWorkflowExecution", label="joins", **fields(s, stage="ACCEPTED"))
    wait = {"update_ref": ref, "wait_policy": {"lifecycle_stage": _STAGE + "COMPLETED"}}
    s.call("PollWorkflowExecutionUpdate", 3, "not yet", **wait)
    waiting = s.later("PollWorkflowExecutionUpdate", **wait)
    s.signal()
    made = respond(first.messages[0], "late")
    s.step(protocol_message(made["id"]), messages=[made])
    s.join(waiting, "completed")
    s.call("PollWorkflowExecutionUpdate", label="afterwards", **wait)


@scenario
def update_on_the_first_task(s: Session) -> None:
    s.start()
    sent = send(s)
    answer(s, s.poll(), accept, respond)
    s.join(sent, "update")


@scenario
def update_while_task_is_started(s: Session) -> None:
    s.start()
    task = s.poll(quiet=True)
    sent = send(s)
    s.complete(task, timer(), label="knows nothing of the update")
    answer(s, s.poll(), accept, respond)
    s.join(sent, "update")


@scenario
def update_unanswered_is_rejected(s: Session) -> None:
    _ready(s)
    sent = send(s)
    s.complete(s.poll(quiet=True))
    s.join(sent, "update")


@scenario
def update_survives_a_failed_task(s: Session) -> None:
    _ready(s)
    sent = send(s)
    s.fail(s.poll(quiet=True))
    answer(s, s.poll(label="again"), accept, respond)
    s.join(sent, "update")


@scenario
def update_meets_a_refused_completion(s: Session) -> None:
    _ready(s)
    sent = send(s, timeout=4)
    answer(s, s.poll(quiet=True), accept, after=[timer("")])
    s.join(sent, "update")


@scenario
def update_in_a_broken_workflow(s: Session) -> None:
    s.start()
    s.fail(s.poll(quiet=True))
    s.fail(s.poll(quiet=True))
    s.call("UpdateWorkflowExecution", 3, **fields(s))


@scenario
def updates_two_at_once(s: Session) -> None:
    _ready(s)
    first = send(s, "one")
    second = send(s, "two")
    joined = send(s, "one")
    answer(s, s.poll(label="two messages"), accept, respond)
    s.join(first, "one")
    s.join(second, "two")
    s.join(joined, "one, joined")


@scenario
def update_accepted_as_workflow_completes(s: Session) -> None:
    _ready(s)
    sent = send(s)
    answer(s, s.poll(quiet=True), accept, after=[done()])
    s.join(sent, "update")
    s.call("UpdateWorkflowExecution", 3, "same id", **fields(s))
    s.call("UpdateWorkflowExecution", 3, "other id", **fields(s, "other"))
    s.call("PollWorkflowExecutionUpdate", update_ref={"workflow_execution": s.wid(), "update_id": "u"})


@scenario
def update_waiting_for_acceptance_as_workflow_completes(s: Session) -> None:
    _ready(s)
    sent = send(s, stage="ACCEPTED")
    answer(s, s.poll(quiet=True), accept, after=[done()])
    s.join(sent, "update")


@scenario
def update_unanswered_as_workflow_completes(s: Session) -> None:
    _ready(s)
    sent = send(s)
    s.complete(s.poll(quiet=True), done())
    s.join(sent, "update")


@scenario
def update_pending_as_workflow_is_terminated(s: Session) -> None:
    _ready(s)
    accepted = send(s, "accepted")
    answer(s, s.poll(quiet=True), accept)
    admitted = send(s, "admitted")
    s.poll(quiet=True)
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid())
    s.join(accepted, "accepted")
    s.join(admitted, "admitted")


@scenario
def update_pending_as_workflow_continues(s: Session) -> None:
    _ready(s)
    time.sleep(1.1)
    sent = send(s, timeout=5)
    s.complete(s.poll(quiet=True), continue_as_new())
    s.join(sent, "update")


@scenario
def update_stages_refused_and_slow(s: Session) -> None:
    _ready(s)
    s.call("UpdateWorkflowExecution", 3, "admitted stage", **fields(s, stage="ADMITTED"))
    s.call("UpdateWorkflowExecution", 3, "nobody polls", **fields(s, "slow", stage="ACCEPTED"))


@scenario
def update_bad_arguments(s: Session) -> None:
    _ready(s)
    unknown = "00000000-0000-4000-8000-000000000000"
    body = {"name": "n"}
    for label, over in cases(
        {
            "no execution": {"workflow_execution": None},
            "missing": {"workflow_execution": "missing"},
            "bad run": {"workflow_execution": (s.wid(), "bad")},
            "unknown run": {"workflow_execution": (s.wid(), unknown)},
            "other chain": {"first_execution_run_id": unknown},
            "no request": {"request": None},
            "no meta": {"request": {"input": body}},
            "long id": {"request": {"meta": {"update_id": "u" * 1001}, "input": body}},
            "no input": {"request": {"meta": {"update_id": "u"}}},
            "no name": {"request": {"meta": {"update_id": "u"}, "input": {}}},
            "namespace": {"namespace": "nowhere"},
        }
    ).items():
        s.call("UpdateWorkflowExecution", 3, label, **fields(s, **over))
    for label, poll in cases(
        {
            "no ref": {},
            "no execution": {"update_ref": {"update_id": "u"}},
            "no id": {"update_ref": {"workflow_execution": s.wid()}},
            "unknown": {"update_ref": {"workflow_execution": s.wid(), "update_id": "zz"}},
            "missing": {"update_ref": {"workflow_execution": "missing", "update_id": "zz"}},
        }
    ).items():
        s.call("PollWorkflowExecutionUpdate", 3, label, **poll)


@scenario
def update_in_flight_limit(s: Session) -> None:
    _ready(s)
    waiting = [send(s, f"u{number}", timeout=6) for number in range(10)]
    s.call("UpdateWorkflowExecution", 2, "eleventh", **fields(s, "u10"))
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid())
    # Whether the server had already retried the aborted update decides the text: compare only the code.
    s.record("first", waiting[0].result(30).code)


@scenario
def update_bad_messages(s: Session) -> None:
    def mangled(**change: Any) -> Callable[[Any], dict[str, Any]]:
        return lambda received: {**accept(received), **change}

    cases: dict[str, list[Callable[[Any], dict[str, Any]]]] = {
        "response before acceptance": [respond],
        "accepted twice": [accept, accept],
        "unknown update": [mangled(protocol_instance_id="other")],
        "no body": [mangled(body=None)],
        "wrong body": [mangled(body=update.Input(name="x"))],
        "empty acceptance": [mangled(body=update.Acceptance())],
        "no instance": [mangled(protocol_instance_id="")],
    }
    for number, (label, replies) in enumerate(cases.items()):
        suffix, queue = f"-{number}", s.tq(f"{number}")
        s.ask("StartWorkflowExecution", **s.start_fields(suffix, task_queue=queue))
        sent = send(s, timeout=3, workflow_execution=s.wid(suffix))
        answer(s, s.poll(queue, quiet=True), *replies, label=label)
        s.show_history(suffix, label=label)
        sent.cancel()


@scenario
def update_during_start_delay(s: Session) -> None:
    s.start(workflow_start_delay=600)
    sent = send(s)
    answer(s, s.poll(), reject)
    s.join(sent, "rejected")
    s.show_history()
    sent = send(s, "second")
    answer(s, s.poll(), accept, respond)
    s.join(sent, "accepted")


@scenario
def update_with_a_signal_in_between(s: Session) -> None:
    _ready(s)
    sent = send(s)
    s.signal()
    answer(s, s.poll(label="normal task carrying the update"), accept, respond)
    s.join(sent, "update")


@scenario
def update_and_completion_without_command(s: Session) -> None:
    _ready(s)
    sent = send(s)
    task = s.poll(quiet=True)
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    s.complete(task, timer("first"), messages=messages, label="messages without commands")
    s.join(sent, "update")
    time.sleep(0)


@scenario
def update_speculative_task_times_out(s: Session) -> None:
    _ready(s, workflow_task_timeout=1)
    sent = send(s, timeout=6)
    s.poll(label="never answered")
    answer(s, s.poll(label="again"), accept, respond)
    s.join(sent, "update")


@scenario
def update_and_a_signal_while_its_task_is_started(s: Session) -> None:
    _ready(s)
    sent = send(s)
    task = s.poll(quiet=True)
    s.signal()
    s.show_history(label="speculative task made real")
    answer(s, task, accept, respond)
    s.join(sent, "update")
    s.poll(label="the signal's task")


@scenario
def update_rejected_beside_a_signal(s: Session) -> None:
    _ready(s)
    sent = send(s)
    task = s.poll(quiet=True)
    s.signal()
    answer(s, task, reject)
    s.join(sent, "update")
    s.poll(label="the signal's task")


@scenario
def update_task_failed_by_its_worker(s: Session) -> None:
    _ready(s)
    sent = send(s)
    s.fail(s.poll(quiet=True), label="failed")
    s.show_history(label="after the failure")
    answer(s, s.poll(label="again"), reject)
    s.join(sent, "update")


@scenario
def update_waits_for_a_poller(s: Session) -> None:
    _ready(s)
    sent = send(s)
    time.sleep(6)
    s.show_history(label="after its schedule-to-start timeout")
    answer(s, s.poll(label="late"), accept, respond)
    s.join(sent, "update")


@scenario
def update_waits_for_a_poller_of_a_dead_sticky_queue(s: Session) -> None:
    s.start()
    s.step(timer(), sticky_attributes=sticky(s))
    sent = send(s)
    time.sleep(6)
    s.show_history(label="later")
    answer(s, s.poll(label="late"), accept, respond)
    s.join(sent, "update")


@scenario
def update_task_heartbeats(s: Session) -> None:
    _ready(s)
    sent = send(s, timeout=15)
    task = s.poll(quiet=True)
    beat = s.complete(task, force_create_new_workflow_task=True, return_new_workflow_task=True, label="beat")
    s.record("inline", beat)
    late = send(s, "late", timeout=15)
    s.show_history(label="beating")
    messages = [make(task.messages[0]) for make in (accept, respond)]
    s.complete(beat.workflow_task, messages=messages, label="answered")
    s.join(sent, "first")
    answer(s, s.poll(label="late one"), accept, respond)
    s.join(late, "late")


@scenario
def update_and_reset_of_sticky(s: Session) -> None:
    _ready(s)
    sent = send(s)
    s.call("ResetStickyTaskQueue", execution=s.wid())
    s.call("GetWorkflowExecutionHistory", label="virtual tail", execution=s.wid())
    answer(s, s.poll(quiet=True), accept, respond)
    s.join(sent, "update")


@scenario
def update_is_cancelled_with_the_workflow(s: Session) -> None:
    _ready(s)
    sent = send(s)
    s.call("RequestCancelWorkflowExecution", workflow_execution=s.wid())
    answer(s, s.poll(label="both"), accept, respond)
    s.join(sent, "update")


@scenario
def update_times_out_with_the_run(s: Session) -> None:
    s.start(workflow_run_timeout=3)
    s.step(timer())
    accepted = send(s, "accepted", stage="ACCEPTED")
    answer(s, s.poll(quiet=True), accept)
    s.join(accepted, "accepted")
    time.sleep(4)
    ref = {"workflow_execution": s.wid(), "update_id": "accepted"}
    s.call("PollWorkflowExecutionUpdate", label="accepted, closed", update_ref=ref)
    s.call("UpdateWorkflowExecution", 3, label="accepted again", **fields(s, "accepted"))


@scenario
def update_accepted_before_a_reset(s: Session) -> None:
    _ready(s)
    sent = send(s, stage="ACCEPTED")
    answer(s, s.poll(quiet=True), accept)
    s.join(sent, "accepted")
    s.call(
        "ResetWorkflowExecution",
        workflow_execution=s.wid(),
        workflow_task_finish_event_id=4,
        request_id="00000000-0000-4000-8000-00000000000a",
        reason="oracle",
    )
    task = s.poll(label="after the reset")
    ref = {"workflow_execution": s.wid(), "update_id": "u"}
    s.call("PollWorkflowExecutionUpdate", label="carried over", update_ref=ref)
    s.complete(task, timer("again"))


@scenario
def close_event_names_the_successor(s: Session) -> None:
    s.start(cron_schedule="@every 1s")
    task = s.poll(timeout=20, quiet=True)
    s.complete(task, done())
    first = (s.wid(), task.workflow_execution.run_id)
    for kind in ("CLOSE_EVENT", "ALL_EVENT"):
        wanted = f"HISTORY_EVENT_FILTER_TYPE_{kind}"
        s.call("GetWorkflowExecutionHistory", label=kind, execution=first, history_event_filter_type=wanted)
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def sticky_queue_without_any_poller(s: Session) -> None:
    s.start()
    s.step(sticky_attributes=sticky(s, 2))
    s.signal()
    time.sleep(1)
    s.show_history(label="offered elsewhere")
    time.sleep(3)
    s.show_history(label="later")
    s.complete(s.poll(label="normal"), timer())
    s.signal()
    s.poll(label="and again")


@scenario
def update_task_expires_on_a_dead_sticky_queue(s: Session) -> None:
    s.start()
    s.step(timer(), sticky_attributes=sticky(s, 1))
    sent = send(s)
    time.sleep(3)
    s.show_history(label="later")
    answer(s, s.poll(label="late"), accept, respond)
    s.join(sent, "update")
