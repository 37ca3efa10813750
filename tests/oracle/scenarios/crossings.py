"""Requests that name a run by a way round, and policies where two of them apply."""

import time
from typing import Any

from tests.oracle.commands import (
    application,
    broken,
    canceled,
    child,
    command,
    continue_as_new,
    done,
    signal_external,
    timer,
)
from tests.oracle.registry import scenario
from tests.oracle.session import Session

A_SECOND_OLD = 1.1
RETRY = {"initial_interval": 1, "maximum_attempts": 2}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def _continued(s: Session) -> str:
    """A workflow in its second run; the first run's id."""
    first: str = s.start().run_id
    time.sleep(A_SECOND_OLD)
    s.step(continue_as_new())
    return first


@scenario
def crossing_old_runs_are_addressed(s: Session) -> None:
    old = (s.wid(), _continued(s))
    s.signal(label="old run", workflow_execution=old)
    s.call("RequestCancelWorkflowExecution", label="old run", workflow_execution=old)
    s.call("TerminateWorkflowExecution", label="old run", workflow_execution=old)
    s.call("TerminateWorkflowExecution", label="unknown run", workflow_execution=(s.wid(), UNKNOWN))
    s.call("RequestCancelWorkflowExecution", label="unknown run", workflow_execution=(s.wid(), UNKNOWN))
    s.signal(label="unknown run", workflow_execution=(s.wid(), UNKNOWN))
    s.describe(run_id=UNKNOWN, label="unknown run")


@scenario
def crossing_chains_are_addressed(s: Session) -> None:
    first = _continued(s)
    for method in ("RequestCancelWorkflowExecution", "TerminateWorkflowExecution"):
        execution = {"workflow_execution": s.wid()}
        s.call(method, label="other chain", first_execution_run_id=UNKNOWN, **execution)
        s.call(
            method,
            label="chain and old run",
            first_execution_run_id=first,
            workflow_execution=(s.wid(), first),
        )
        s.call(method, label="again", first_execution_run_id=first, **execution)


@scenario
def crossing_request_id_of_closed_run(s: Session) -> None:
    s.start()
    s.step(done())
    s.start(label="same request id")
    s.start(label="reject", workflow_id_reuse_policy="WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE")


@scenario
def crossing_request_id_of_chain(s: Session) -> None:
    _continued(s)
    s.start(label="same request id")
    use = "WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING"
    s.start(label="use existing", workflow_id_conflict_policy=use)


@scenario
def crossing_reuse_after_every_close(s: Session) -> None:
    only = {"workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY"}
    for suffix, close in (("-c", canceled()), ("-f", broken()), ("-d", done())):
        s.start(suffix, task_queue=s.tq(suffix))
        s.complete(s.poll(s.tq(suffix), quiet=True), close)
        s.start(suffix, label="failed only", request_id=s.unique(f"two{suffix}"), **only)
    s.start("-t", workflow_run_timeout=1)
    s.wait_closed("-t")
    s.start("-t", label="failed only", request_id=s.unique("two-t"), **only)


@scenario
def crossing_reject_while_open(s: Session) -> None:
    s.start()
    reject = {"workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE"}
    for policy in ("FAIL", "USE_EXISTING", "TERMINATE_EXISTING"):
        over = {"workflow_id_conflict_policy": f"WORKFLOW_ID_CONFLICT_POLICY_{policy}", **reject}
        s.start(label=policy, request_id=s.unique(policy), **over)


@scenario
def crossing_retry_intervals_grow(s: Session) -> None:
    s.start(retry_policy={"initial_interval": 0.2, "backoff_coefficient": 3, "maximum_interval": 0.5})
    for number in range(4):
        s.step(broken(str(number)))
    s.describe()


@scenario
def crossing_failures_that_are_not_retried(s: Session) -> None:
    policy = {"initial_interval": 100, "non_retryable_error_types": ["Listed"]}
    failures: dict[str, dict[str, Any]] = {
        "listed": application(kind="Listed"),
        "flagged": application(non_retryable=True),
        "canceled": {"message": "m", "canceled_failure_info": {}},
        "terminated": {"message": "m", "terminated_failure_info": {}},
        "server": {"message": "m", "server_failure_info": {"non_retryable": True}},
        "timeout": {"message": "m", "timeout_failure_info": {"timeout_type": "TIMEOUT_TYPE_START_TO_CLOSE"}},
        "schedule": {
            "message": "m",
            "timeout_failure_info": {"timeout_type": "TIMEOUT_TYPE_SCHEDULE_TO_START"},
        },
        "bare": {"message": "m"},
    }
    for name, failure in failures.items():
        s.start(f"-{name}", retry_policy=policy, task_queue=s.tq(name))
        task = s.poll(s.tq(name), quiet=True)
        s.complete(task, command("FAIL_WORKFLOW_EXECUTION", failure=failure))


@scenario
def crossing_timeouts_that_are_not_retried(s: Session) -> None:
    policy = {"initial_interval": 1, "non_retryable_error_types": ["TemporalTimeout:StartToClose"]}
    s.start(workflow_run_timeout=1, retry_policy=policy)
    s.wait_closed()


@scenario
def crossing_cancel_is_not_retried(s: Session) -> None:
    s.start(retry_policy=RETRY)
    s.call("RequestCancelWorkflowExecution", workflow_execution=s.wid())
    s.step(canceled("c"))
    s.describe()


@scenario
def crossing_cron_with_execution_timeout(s: Session) -> None:
    s.start(cron_schedule="@every 2s", workflow_execution_timeout=3)
    s.step(done("one"))
    s.describe()
    s.wait_closed(timeout=8)


@scenario
def crossing_child_timeouts_are_bounded(s: Session) -> None:
    s.start()
    kid = child(
        s.wid("-kid"),
        s.tq("kid"),
        workflow_execution_timeout=50,
        workflow_run_timeout=100,
        workflow_task_timeout=70,
    )
    s.step(kid)
    s.wait_for(31)
    s.describe("-kid")


@scenario
def crossing_child_replaces_what_runs(s: Session) -> None:
    s.start("-kid", task_queue=s.tq("kid"))
    s.start()
    policy = "WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING"
    s.step(child(s.wid("-kid"), s.tq("kid"), workflow_id_reuse_policy=policy))
    s.wait_for(31)
    s.describe("-kid")
    s.describe()


@scenario
def crossing_child_of_another_takes_the_id(s: Session) -> None:
    s.start("-one")
    s.complete(s.poll(quiet=True), child(s.wid("-kid"), s.tq("kid")))
    s.wait_for(31, suffix="-one")
    s.start("-two", task_queue=s.tq("two"))
    s.complete(s.poll(s.tq("two"), quiet=True), child(s.wid("-kid"), s.tq("kid")))
    s.wait_for(30, suffix="-two")
    s.poll(s.tq("two"), label="learns")


@scenario
def crossing_own_child_twice(s: Session) -> None:
    s.start()
    s.step(child(s.wid("-kid"), s.tq("kid")))
    s.wait_for(31)
    s.complete(s.poll(s.tq("kid"), quiet=True), done())
    s.wait_for(32)
    s.complete(s.poll(quiet=True), child(s.wid("-kid"), s.tq("kid")))
    s.wait_until(lambda events: sum(e.event_type == 31 for e in events) == 2)
    s.describe()


@scenario
def crossing_parent_continues_and_child_reports(s: Session) -> None:
    s.start()
    s.step(child(s.wid("-kid"), s.tq("kid"), parent_close_policy="PARENT_CLOSE_POLICY_ABANDON"))
    s.wait_for(31)
    time.sleep(A_SECOND_OLD)
    s.complete(s.poll(quiet=True), continue_as_new())
    s.complete(s.poll(s.tq("kid"), quiet=True), done("to nobody"))
    time.sleep(0.5)
    s.describe()


@scenario
def crossing_workflow_signals_itself(s: Session) -> None:
    s.start()
    s.step(signal_external(s.wid()))
    s.wait_for(5, 26)
    s.describe()
    s.poll(label="both")


@scenario
def crossing_signal_to_run_that_was_continued(s: Session) -> None:
    first = _continued(s)
    s.start("-b", task_queue=s.tq("b"))
    s.complete(s.poll(s.tq("b"), quiet=True), signal_external((s.wid(), first)))
    s.wait_for(25, suffix="-b")
    s.describe("-b")


@scenario
def crossing_terminate_with_everything_open(s: Session) -> None:
    s.start()
    s.step(timer("t"))
    s.signal("one")
    s.poll(quiet=True)
    s.signal("buffered")
    s.call("RequestCancelWorkflowExecution", workflow_execution=s.wid())
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid(), reason="r", details=["d", 1])
    s.describe()


@scenario
def crossing_continue_as_new_beside_a_signal(s: Session) -> None:
    s.start()
    time.sleep(A_SECOND_OLD)
    task = s.poll(quiet=True)
    s.signal("late")
    s.complete(task, continue_as_new(), label="refused")
    s.complete(s.poll(label="sees the signal"), continue_as_new())
    s.describe()
