"""Children, parent close policies, and signals and cancels between workflows."""

import time
from typing import Any

from tests.oracle.commands import (
    broken,
    cancel_external,
    canceled,
    child,
    continue_as_new,
    done,
    signal_external,
    timer,
)
from tests.oracle.registry import scenario
from tests.oracle.session import Outcome, Session

POLICIES = ("UNSPECIFIED", "TERMINATE", "ABANDON", "REQUEST_CANCEL")
STARTED, COMPLETED, FAILED, CANCELED, TIMED_OUT, TERMINATED = 31, 32, 33, 34, 35, 36


def _parent(s: Session, *commands: dict[str, Any], **over: Any) -> None:
    s.start(**over)
    s.step(*commands)


def _one_child(s: Session, **over: Any) -> Outcome:
    """A parent and its started child; returns the child's first task."""
    _parent(s, child(s.wid("-kid"), s.tq("kid"), **over))
    s.wait_for(STARTED)
    return s.poll(s.tq("kid"), label="child")


@scenario
def child_completes(s: Session) -> None:
    over = {
        "input": ["in"],
        "memo": {"m": 1},
        "header": {"h": 1},
        "search_attributes": {"OracleKeyword": "k"},
    }
    task = _one_child(s, **over, control="ctl", workflow_run_timeout=500)
    s.describe(label="parent with a child")
    s.complete(task, done("out"))
    s.wait_for(COMPLETED)
    s.poll(label="parent")


@scenario
def child_fails(s: Session) -> None:
    s.complete(_one_child(s), broken("child broke"))
    s.wait_for(FAILED)


@scenario
def child_is_canceled(s: Session) -> None:
    task = _one_child(s)
    s.step(cancel_external(s.wid("-kid"), child_workflow_only=True, reason="enough"))
    s.wait_for(24)
    s.complete(task, label="learns")
    s.complete(s.poll(s.tq("kid"), label="child"), canceled("c"))
    s.wait_for(CANCELED)


@scenario
def child_is_terminated(s: Session) -> None:
    _one_child(s)
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid("-kid"))
    s.wait_for(TERMINATED)


@scenario
def child_times_out(s: Session) -> None:
    _parent(s, child(s.wid("-kid"), s.tq("kid"), workflow_run_timeout=1))
    s.wait_for(TIMED_OUT)


@scenario
def child_retries_then_completes(s: Session) -> None:
    task = _one_child(s, retry_policy={"initial_interval": 1, "maximum_attempts": 2})
    s.complete(task, broken("first"))
    s.complete(s.poll(s.tq("kid"), label="second run"), done("out"))
    s.wait_for(COMPLETED)


@scenario
def child_continues_as_new(s: Session) -> None:
    task = _one_child(s)
    time.sleep(1.1)
    s.complete(task, continue_as_new())
    s.complete(s.poll(s.tq("kid"), label="second run"), done("out"))
    s.wait_for(COMPLETED)


@scenario
def child_id_is_taken(s: Session) -> None:
    s.start("-kid", task_queue=s.tq("kid"))
    _parent(s, child(s.wid("-kid"), s.tq("kid")))
    s.wait_for(30)
    s.poll(label="parent")


@scenario
def child_id_reuse_policies(s: Session) -> None:
    s.start("-kid", task_queue=s.tq("kid"))
    s.complete(s.poll(s.tq("kid"), quiet=True), done())
    for number, reuse in enumerate(("REJECT_DUPLICATE", "ALLOW_DUPLICATE_FAILED_ONLY", "ALLOW_DUPLICATE")):
        s.start(f"-{number}", task_queue=s.tq(f"{number}"))
        policy = f"WORKFLOW_ID_REUSE_POLICY_{reuse}"
        task = s.poll(s.tq(f"{number}"), quiet=True)
        s.complete(task, child(s.wid("-kid"), s.tq("kid"), workflow_id_reuse_policy=policy), label=reuse)
        s.wait_until(lambda events: any(e.event_type in (30, 31) for e in events), suffix=f"-{number}")


@scenario
def child_defaults_come_from_the_parent(s: Session) -> None:
    over = {"priority": {"priority_key": 2}, "workflow_run_timeout": 1000, "workflow_task_timeout": 8}
    _parent(s, child(s.wid("-kid"), workflow_id_reuse_policy=0), **over)
    s.wait_for(STARTED)


@scenario
def child_on_cron_waits(s: Session) -> None:
    _parent(s, child(s.wid("-kid"), s.tq("kid"), cron_schedule="0 0 1 1 *"))
    s.wait_for(STARTED)


@scenario
def child_with_metadata(s: Session) -> None:
    command = child(s.wid("-kid"), s.tq("kid"), priority={"priority_key": 5})
    _parent(s, command | {"user_metadata": {"summary": "kid", "details": "long"}})
    s.wait_for(STARTED)


def _closing_parent(s: Session, close: str) -> None:
    children = [
        child(s.wid(f"-{p}"), s.tq("kid"), parent_close_policy=f"PARENT_CLOSE_POLICY_{p}") for p in POLICIES
    ]
    for number, made in enumerate(children):
        s.start(f"-parent{number}", task_queue=s.tq(f"p{number}"), request_id=s.unique(f"p{number}"))
        task = s.poll(s.tq(f"p{number}"), quiet=True)
        s.complete(task, made, label=POLICIES[number])
        s.wait_for(STARTED, suffix=f"-parent{number}")
        if close == "terminate":
            s.call("TerminateWorkflowExecution", workflow_execution=s.wid(f"-parent{number}"), reason="r")
        else:
            task = s.poll(s.tq(f"p{number}"), quiet=True)
            time.sleep(1.1 if close == "continue" else 0)
            s.complete(task, done() if close == "complete" else continue_as_new())
        wanted = {"UNSPECIFIED": 27, "TERMINATE": 27, "ABANDON": 5, "REQUEST_CANCEL": 20}[POLICIES[number]]
        s.wait_for(wanted, suffix=f"-{POLICIES[number]}")


@scenario
def parent_close_policies_on_completion(s: Session) -> None:
    _closing_parent(s, "complete")


@scenario
def parent_close_policies_on_termination(s: Session) -> None:
    _closing_parent(s, "terminate")


@scenario
def parent_close_policies_on_continue_as_new(s: Session) -> None:
    _closing_parent(s, "continue")


@scenario
def child_and_close_in_one_completion(s: Session) -> None:
    _parent(s, child(s.wid("-kid"), s.tq("kid"), parent_close_policy="PARENT_CLOSE_POLICY_ABANDON"), done())
    time.sleep(1)
    s.describe("-kid", label="never started")


@scenario
def external_signal_and_cancel(s: Session) -> None:
    s.start("-target", task_queue=s.tq("target"))
    target = s.wid("-target")
    _parent(s, signal_external(target, "hello", input=["x"], header={"h": 1}, control="c"))
    s.wait_for(39)
    s.step(cancel_external(target, reason="because", control="c"))
    s.wait_for(24)
    s.poll(s.tq("target"), label="target")


@scenario
def external_targets_that_cannot_be_reached(s: Session) -> None:
    s.start("-closed", task_queue=s.tq("closed"))
    s.complete(s.poll(s.tq("closed"), quiet=True), done())
    unknown = "00000000-0000-4000-8000-000000000000"
    cases = {
        "missing": (signal_external("missing"), 38),
        "closed": (signal_external(s.wid("-closed")), 38),
        "wrong run": (signal_external((s.wid("-closed"), unknown)), 38),
        "cancel missing": (cancel_external("missing"), 23),
        "cancel closed": (cancel_external(s.wid("-closed")), 24),
        "not my child": (signal_external(s.wid("-closed"), child_workflow_only=True), 38),
    }
    for number, (label, (command, resolution)) in enumerate(cases.items()):
        queue = s.tq(f"{number}")
        s.start(f"-{number}", task_queue=queue)
        s.complete(s.poll(queue, quiet=True), command, label=label)
        s.wait_for(resolution, suffix=f"-{number}")


@scenario
def external_self(s: Session) -> None:
    for label, command, resolution in (
        ("signal", signal_external(s.wid("-signal")), 38),
        ("cancel", cancel_external(s.wid("-cancel")), 23),
    ):
        s.start(f"-{label}", task_queue=s.tq(label))
        s.complete(s.poll(s.tq(label), quiet=True), command, label=label)
        s.wait_for(resolution, suffix=f"-{label}")


@scenario
def external_not_a_child(s: Session) -> None:
    s.start("-target", task_queue=s.tq("target"))
    _parent(s, signal_external(s.wid("-target"), child_workflow_only=True))
    s.wait_for(38)
    s.step(cancel_external(s.wid("-target"), child_workflow_only=True))
    s.wait_for(23)


@scenario
def child_signalled_by_parent(s: Session) -> None:
    _one_child(s)
    s.step(signal_external(s.wid("-kid"), "hi", child_workflow_only=True))
    s.wait_for(39)


@scenario
def resolutions_while_task_is_started(s: Session) -> None:
    s.start()
    task = s.poll(quiet=True)
    flags = {"force_create_new_workflow_task": True, "return_new_workflow_task": True}
    answer = s.complete(task, child(s.wid("-kid"), s.tq("kid")), **flags)
    kid = s.poll(s.tq("kid"), label="child")
    s.complete(kid, done("early"))
    time.sleep(0.7)
    s.describe(label="started and completed, both buffered")
    s.complete(answer.workflow_task, timer())
