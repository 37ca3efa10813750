"""Resets: where they may land, what they copy, drop and apply again."""

import time
from typing import Any

from tests.oracle.commands import activity, broken, child, continue_as_new, done, timer
from tests.oracle.registry import scenario
from tests.oracle.scenarios.updates import accept, answer, respond, send
from tests.oracle.session import Outcome, Session


def _reset(s: Session, event_id: int, label: str = "", **over: Any) -> Outcome:
    fields = {
        "workflow_execution": s.wid(),
        "reason": "again",
        "workflow_task_finish_event_id": event_id,
        "request_id": s.unique(f"reset{event_id}{label}"),
        **over,
    }
    return s.call("ResetWorkflowExecution", label=label, **fields)


def _closed(s: Session) -> None:
    s.start(input=["in"], memo={"m": 1})
    s.step(timer("t"), activity("a", s.tq()))
    s.signal("one", input=["x"], request_id=s.unique("one"))
    s.step()
    s.signal("two")
    s.step(done("r"))


@scenario
def reset_closed_run(s: Session) -> None:
    _closed(s)
    _reset(s, 4)
    s.describe()
    s.poll(label="reset run")


@scenario
def reset_to_a_later_task(s: Session) -> None:
    _closed(s)
    _reset(s, 10)
    s.describe()
    s.poll(label="reset run")
    s.poll_activity(label="dispatched again")


@scenario
def reset_open_run(s: Session) -> None:
    s.start()
    s.step(timer("t"))
    s.signal("kept")
    s.poll()
    s.signal("buffered")
    _reset(s, 4)
    s.complete(s.poll(label="reset run"), done())


@scenario
def reset_to_every_event(s: Session) -> None:
    s.start()
    s.step(timer("t"))
    s.signal()
    s.step(done())
    for event_id in range(12):
        _reset(s, event_id, f"to {event_id}")
        s.ask("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def reset_excluding(s: Session) -> None:
    s.start()
    s.step(timer("t"))
    sent = send(s)
    answer(s, s.poll(quiet=True), accept, respond)
    s.join(sent, "update")
    s.signal("one")
    started = s.step(done())
    base = (s.wid(), started.workflow_execution.run_id)
    _reset(s, 4, "everything", workflow_execution=base)
    signal, change = "RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL", "RESET_REAPPLY_EXCLUDE_TYPE_UPDATE"
    _reset(s, 4, "no signals", workflow_execution=base, reset_reapply_exclude_types=[signal])
    _reset(s, 4, "no updates", workflow_execution=base, reset_reapply_exclude_types=[change])
    _reset(s, 4, "old none", workflow_execution=base, reset_reapply_type="RESET_REAPPLY_TYPE_NONE")
    _reset(s, 4, "old signal", workflow_execution=base, reset_reapply_type="RESET_REAPPLY_TYPE_SIGNAL")


@scenario
def reset_delivers_reapplied_update(s: Session) -> None:
    s.start()
    s.step(timer("t"))
    sent = send(s)
    answer(s, s.poll(quiet=True), accept, respond)
    s.join(sent, "update")
    _reset(s, 4)
    s.poll(label="reset run")


@scenario
def reset_after_failure_with_attempts(s: Session) -> None:
    s.start()
    s.step(activity("a", s.tq()))
    work = s.poll_activity()
    s.call("RespondActivityTaskCompleted", task_token=work.task_token, result=["r"])
    s.step(broken())
    _reset(s, 10)
    s.complete(s.poll(), done())


@scenario
def reset_while_activity_is_started(s: Session) -> None:
    s.start()
    s.step(activity("a", s.tq()))
    work = s.poll_activity()
    s.signal()
    s.step(timer("t"))
    _reset(s, 8)
    s.describe()
    s.call("RespondActivityTaskCompleted", task_token=work.task_token, label="old run's token")
    s.poll_activity(label="dispatched again")


@scenario
def reset_across_continue_as_new(s: Session) -> None:
    started = s.start()
    s.step(timer("t"))
    s.signal("before")
    time.sleep(1.1)
    s.step(continue_as_new())
    s.signal("after")
    s.step(done())
    _reset(s, 4, workflow_execution=(s.wid(), started.run_id))
    s.poll(label="reset run")


@scenario
def reset_with_children(s: Session) -> None:
    s.start()
    s.step(child(s.wid("-kid"), s.tq("kid")))
    s.wait_for(31)
    s.step(timer("t"))
    _reset(s, 8)
    s.describe()
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid("-kid"))
    s.wait_for(36)


@scenario
def reset_keeps_execution_timeout(s: Session) -> None:
    s.start(workflow_execution_timeout=1000, workflow_run_timeout=500)
    s.step(timer("t", 0))
    s.step(done())
    _reset(s, 4)
    s.describe()


@scenario
def reset_bad_arguments(s: Session) -> None:
    s.start()
    s.step(done())
    unknown = "00000000-0000-4000-8000-000000000000"
    _reset(s, 4, "no request id", request_id="")
    _reset(s, 4, "long request id", request_id="r" * 1001)
    _reset(s, 4, "no execution", workflow_execution=None)
    _reset(s, 4, "missing", workflow_execution="missing")
    _reset(s, 4, "unknown run", workflow_execution=(s.wid(), unknown))
    _reset(s, 4, "bad run", workflow_execution=(s.wid(), "bad"))
    _reset(s, 0, "zero")
    _reset(s, 99, "too far")
    _reset(s, 4, "no reason", reason="")


@scenario
def reset_with_repeated_request_id(s: Session) -> None:
    s.start()
    s.step(done())
    _reset(s, 4, "same request id", request_id=s.unique("same"))
    _reset(s, 4, "same request id again", request_id=s.unique("same"))


@scenario
def reset_with_options(s: Session) -> None:
    s.start()
    s.step(done())
    options = {"versioning_override": {"auto_upgrade": True}}
    operation = {
        "update_workflow_options": {
            "workflow_execution_options": options,
            "update_mask": ["versioning_override"],
        }
    }
    _reset(s, 4, post_reset_operations=[operation])
    s.describe()
    _reset(s, 4, "empty operation", post_reset_operations=[{}])
