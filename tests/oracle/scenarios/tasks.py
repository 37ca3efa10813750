"""Workflow tasks: failing, transient attempts, sticky queues, timeouts, heartbeats, tokens, buffering."""

import time
from typing import Any

from tests.oracle.build import cases
from tests.oracle.commands import (
    activity,
    cancel_activity,
    cancel_timer,
    done,
    marker,
    timer,
)
from tests.oracle.registry import scenario
from tests.oracle.session import Outcome, Session


def sticky(s: Session, seconds: float = 10) -> dict[str, Any]:
    """Sticky attributes naming this scenario's sticky queue."""
    return {"worker_task_queue": sticky_queue(s), "schedule_to_start_timeout": seconds}


def sticky_queue(s: Session) -> dict[str, Any]:
    """This scenario's sticky queue."""
    return {"name": s.tq("-sticky"), "kind": "TASK_QUEUE_KIND_STICKY", "normal_name": s.tq()}


def wake_sticky(s: Session, label: str = "sticky") -> Outcome:
    """Signals while a poller already waits on the sticky queue: without one the task goes elsewhere."""
    waiting = s.later("PollWorkflowTaskQueue", task_queue=sticky_queue(s))
    time.sleep(0.5)
    s.signal()
    return s.join(waiting, label)


@scenario
def plain_completion(s: Session) -> None:
    s.start(input=["in"])
    task = s.poll()
    s.complete(
        task, done("out"), sdk_metadata={"core_used_flags": [3, 1], "lang_used_flags": [2], "sdk_name": "x"}
    )
    s.complete(task, label="again")
    s.fail(task, label="again")
    s.describe()


@scenario
def repeated_worker_failures(s: Session) -> None:
    s.start()
    s.fail(s.poll())
    s.describe(label="attempt 2 scheduled")
    s.show_history(label="attempt 2 scheduled")
    second = s.poll()
    s.describe(label="attempt 2 started")
    s.show_history(label="attempt 2 started")
    s.fail(second)
    s.fail(s.poll())
    s.complete(s.poll(), timer())


@scenario
def signal_during_transient_attempt(s: Session) -> None:
    s.start()
    s.fail(s.poll(quiet=True))
    task = s.poll()
    s.signal()
    s.fail(task)
    s.show_history()
    s.complete(s.poll(), timer())


@scenario
def signal_before_transient_attempt(s: Session) -> None:
    s.start()
    s.fail(s.poll(quiet=True))
    s.signal()
    s.show_history()
    s.complete(s.poll(), timer())


@scenario
def failure_with_buffered_events(s: Session) -> None:
    s.start()
    task = s.poll(quiet=True)
    s.signal()
    s.fail(task, cause="WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR", failure=None)
    s.poll()


@scenario
def bad_command_on_later_attempt(s: Session) -> None:
    s.start(workflow_task_timeout=2)
    s.complete(s.poll(quiet=True), timer(""), label="bad")
    second = s.poll()
    s.complete(second, timer(""), label="bad again persists nothing")
    s.describe()
    s.complete(second, timer("ok"), label="same task may still be completed")


@scenario
def workflow_task_times_out(s: Session) -> None:
    s.start(workflow_task_timeout=1)
    s.poll()
    task = s.poll(label="after the timeout")
    s.poll(label="transient after a second timeout")
    s.complete(task, label="too late")


@scenario
def timeout_of_a_later_task(s: Session) -> None:
    s.start(workflow_task_timeout=1)
    s.step(timer())
    s.signal()
    s.poll()
    s.signal("buffered")
    s.complete(s.poll(label="after the timeout"), done())


@scenario
def sticky_slice(s: Session) -> None:
    s.start()
    s.step(sticky_attributes=sticky(s))
    first = wake_sticky(s)
    s.complete(first, sticky_attributes=sticky(s))
    second = wake_sticky(s)
    s.complete(second, label="unsticks")
    s.signal()
    s.poll(label="normal queue again")


@scenario
def sticky_failure(s: Session) -> None:
    s.start()
    s.step(sticky_attributes=sticky(s))
    s.fail(wake_sticky(s))
    s.show_history()
    s.fail(s.poll(label="normal, attempt 1"))
    s.complete(s.poll(label="normal, attempt 2"), timer())


@scenario
def sticky_queue_times_out(s: Session) -> None:
    s.start()
    s.poll(task_queue=sticky_queue(s), timeout=2.5, label="makes the sticky queue known")
    s.step(sticky_attributes=sticky(s, 1))
    s.signal()
    s.complete(s.poll(label="normal queue"), timer())


@scenario
def sticky_queue_without_poller(s: Session) -> None:
    s.start()
    s.step(sticky_attributes=sticky(s, 30))
    s.signal()
    s.complete(s.poll(label="at once on the normal queue"), timer())


@scenario
def sticky_reset_by_call(s: Session) -> None:
    s.start()
    s.step(sticky_attributes=sticky(s))
    s.call("ResetStickyTaskQueue", execution=s.wid())
    s.signal()
    task = s.poll(label="normal queue")
    s.complete(task, done())
    s.call("ResetStickyTaskQueue", execution=s.wid(), label="closed")
    s.call("ResetStickyTaskQueue", execution="missing", label="missing")
    s.call("ResetStickyTaskQueue", label="nothing")


@scenario
def shutdown_worker_unloads_sticky_queue(s: Session) -> None:
    s.start()
    poll = s.later("PollWorkflowTaskQueue", 3, task_queue=sticky_queue(s))
    s.join(poll, "empty sticky poll")
    s.step(sticky_attributes=sticky(s, 30))
    s.call("ShutdownWorker", sticky_task_queue=s.tq("-sticky"), reason="bye", task_queue=s.tq())
    s.signal()
    s.complete(s.poll(label="normal queue"), done())


@scenario
def heartbeat_with_inline_task(s: Session) -> None:
    s.start()
    task = s.poll(quiet=True)
    flags: dict[str, Any] = {"return_new_workflow_task": True, "force_create_new_workflow_task": True}
    second = s.complete(task, sticky_attributes=sticky(s), **flags)
    s.describe()
    third = s.complete(second.workflow_task, sticky_attributes=sticky(s), **flags)
    s.complete(third.workflow_task, marker(), return_new_workflow_task=True, label="nothing more to do")


@scenario
def forced_task_through_matching(s: Session) -> None:
    s.start()
    s.step(force_create_new_workflow_task=True)
    s.poll()


@scenario
def inline_task_for_buffered_events(s: Session) -> None:
    s.start()
    task = s.poll(quiet=True)
    s.signal()
    answer = s.complete(task, timer(), return_new_workflow_task=True)
    s.complete(answer.workflow_task, done(), return_new_workflow_task=True)


@scenario
def workflow_task_tokens(s: Session) -> None:
    s.start()
    task = s.poll(quiet=True)
    for method in ("RespondWorkflowTaskCompleted", "RespondWorkflowTaskFailed", "RespondQueryTaskCompleted"):
        s.call(method, label="empty token")
        s.call(method, label="bad token", task_token=b"\xff\xff garbage")
    s.call(
        "RespondWorkflowTaskCompleted",
        label="other namespace",
        task_token=task.task_token,
        namespace="nowhere",
    )
    s.call("RespondWorkflowTaskCompleted", label="no namespace", task_token=task.task_token, namespace="")


@scenario
def unknown_command_type(s: Session) -> None:
    s.start()
    task = s.poll(quiet=True)
    s.complete(task, {"command_type": 0}, label="unspecified")
    s.complete(task, {"command_type": 99}, label="unknown")
    s.complete(task, {"command_type": "COMMAND_TYPE_START_TIMER"}, label="no attributes")
    s.describe()


@scenario
def poll_deadlines(s: Session) -> None:
    s.poll(timeout=1, label="too short")
    s.poll(timeout=3, label="empty")
    s.poll_activity(timeout=1, label="too short")
    s.poll_activity(timeout=3, label="empty")
    s.call("PollNexusTaskQueue", timeout=3, task_queue=s.tq(), label="empty nexus")


@scenario
def poll_bad_arguments(s: Session) -> None:
    for method in ("PollWorkflowTaskQueue", "PollActivityTaskQueue"):
        for label, fields in cases(
            {
                "no queue": {},
                "empty queue": {"task_queue": ""},
                "long queue": {"task_queue": "q" * 1001},
                "no namespace": {"task_queue": s.tq(), "namespace": ""},
                "namespace": {"task_queue": s.tq(), "namespace": "nowhere"},
                "long identity": {"task_queue": s.tq(), "identity": "i" * 1001},
                "partition": {"task_queue": "/_sys/x/1"},
                "sticky without normal": {
                    "task_queue": {"name": s.tq("s"), "kind": "TASK_QUEUE_KIND_STICKY"}
                },
            }
        ).items():
            s.call(method, 3, label, **fields)


@scenario
def buffered_events_flush_in_order(s: Session) -> None:
    s.start()
    s.step(activity("a", s.tq()), timer("t1", 3), timer("t2", 3))
    work = s.poll_activity()
    s.signal("wake")
    task = s.poll()
    s.call("RespondActivityTaskCompleted", task_token=work.task_token, result=["r"])
    s.signal("one")
    time.sleep(4)
    s.signal("two")
    s.call("RequestCancelWorkflowExecution", workflow_execution=s.wid(), reason="stop")
    s.describe(label="everything buffered")
    s.complete(task, cancel_timer("t1"))
    s.poll()


@scenario
def cancel_of_activity_with_buffered_completion(s: Session) -> None:
    s.start()
    s.step(activity("a", s.tq()))
    work = s.poll_activity()
    s.signal()
    task = s.poll()
    s.call("RespondActivityTaskCompleted", task_token=work.task_token)
    s.complete(task, cancel_activity(5))
    s.poll()


@scenario
def cancel_of_buffered_timer_allows_completion(s: Session) -> None:
    s.start()
    s.step(timer("t", 1))
    s.signal()
    task = s.poll()
    time.sleep(1.5)
    s.complete(task, cancel_timer("t"), done())


@scenario
def buffer_limit_forces_the_task_closed(s: Session) -> None:
    s.start(workflow_task_timeout=100)
    task = s.poll()
    for number in range(101):
        s.ask("SignalWorkflowExecution", workflow_execution=s.wid(), signal_name=f"n{number}")
    s.complete(task, label="too late")


@scenario
def failed_task_arguments(s: Session) -> None:
    s.start()
    s.fail(s.poll(quiet=True), cause="WORKFLOW_TASK_FAILED_CAUSE_UNSPECIFIED", label="no cause")
    s.fail(s.poll(quiet=True), cause="WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW", label="reset cause")
    s.start("-big", task_queue=s.tq("big"))
    task = s.poll(s.tq("big"), quiet=True)
    s.fail(task, cause="WORKFLOW_TASK_FAILED_CAUSE_GRPC_MESSAGE_TOO_LARGE", label="too large")


@scenario
def reported_problems_after_five_failures(s: Session) -> None:
    s.start()
    for _ in range(5):
        s.fail(s.poll(quiet=True))
    s.describe(label="problems")
    s.complete(s.poll(quiet=True), timer())
    s.describe(label="cured")
