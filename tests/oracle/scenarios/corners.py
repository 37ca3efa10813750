"""Where the families of chains, starts, resets and signals meet: what one does to a run that another has made."""

import time
from typing import Any

from tests.oracle.commands import (
    activity,
    application,
    broken,
    cancel_external,
    canceled,
    child,
    command,
    continue_as_new,
    done,
    signal_external,
    timer,
)
from tests.oracle.registry import scenario
from tests.oracle.session import Outcome, Session

A_SECOND_OLD = 1.1
RETRY = {"initial_interval": 1, "maximum_attempts": 2}


def _reset(s: Session, event_id: int, label: str = "", suffix: str = "", **over: Any) -> Outcome:
    fields = {
        "workflow_execution": s.wid(suffix),
        "reason": "again",
        "workflow_task_finish_event_id": event_id,
        "request_id": s.unique(f"reset{event_id}{label}"),
        **over,
    }
    return s.call("ResetWorkflowExecution", label=label, **fields)


def _signal_with_start(s: Session, label: str = "", request: str = "sws", **over: Any) -> Outcome:
    fields = s.start_fields(request_id=s.unique(request), **over)
    return s.call("SignalWithStartWorkflowExecution", label=label, signal_name="x", **fields)


@scenario
def corner_reset_of_run_started_with_signal(s: Session) -> None:
    _signal_with_start(s)
    s.step(timer("t"))
    _reset(s, 5)
    s.describe()
    s.poll(label="reset run")


@scenario
def corner_signal_with_start_repeated_after_reset(s: Session) -> None:
    _signal_with_start(s)
    s.step(timer("t"))
    _reset(s, 5)
    _signal_with_start(s, "repeated")


@scenario
def corner_reset_of_retried_run(s: Session) -> None:
    s.start(retry_policy=RETRY, memo={"m": 1}, input=["in"])
    s.step(broken())
    s.step(broken())
    _reset(s, 4)
    s.describe()
    s.step(broken("third"))
    s.describe()


@scenario
def corner_reset_of_cron_run(s: Session) -> None:
    started = s.start(cron_schedule="@every 1s")
    s.step(done("one"))
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid())
    _reset(s, 4, workflow_execution=(s.wid(), started.run_id))
    s.describe()
    s.step(done("two"))
    s.describe()
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def corner_reset_of_continued_run(s: Session) -> None:
    s.start(memo={"m": 1})
    time.sleep(A_SECOND_OLD)
    s.step(continue_as_new())
    s.step(timer("t"))
    _reset(s, 4)
    s.describe()
    s.step(continue_as_new())


@scenario
def corner_reset_of_child(s: Session) -> None:
    s.start()
    s.step(child(s.wid("-kid"), s.tq("kid")))
    s.wait_for(31)
    s.complete(s.poll(s.tq("kid"), quiet=True), timer("t"))
    _reset(s, 4, suffix="-kid")
    s.describe("-kid")
    s.complete(s.poll(s.tq("kid"), label="reset child"), done("after all"))
    s.wait_for(32)


@scenario
def corner_reset_of_closed_child(s: Session) -> None:
    s.start()
    s.step(child(s.wid("-kid"), s.tq("kid")))
    s.wait_for(31)
    s.complete(s.poll(s.tq("kid"), quiet=True), done("once"))
    s.wait_for(32)
    _reset(s, 4, suffix="-kid")
    s.complete(s.poll(s.tq("kid"), label="reset child"), done("twice"))
    time.sleep(0.5)
    s.describe()


@scenario
def corner_reset_of_parent_of_running_child(s: Session) -> None:
    s.start()
    s.step(child(s.wid("-kid"), s.tq("kid")))
    s.wait_for(31)
    _reset(s, 4)
    s.complete(s.poll(label="starts it again"), child(s.wid("-kid"), s.tq("kid")))
    s.wait_for(30)
    s.describe()


@scenario
def corner_reset_of_older_run_while_newer_is_open(s: Session) -> None:
    first = s.start()
    s.step(timer("t"))
    s.signal("one")
    _reset(s, 4, "first")
    s.signal("two")
    _reset(s, 4, "second", workflow_execution=(s.wid(), first.run_id))
    s.describe()
    s.poll(label="reset run")


@scenario
def corner_reset_of_replaced_workflow(s: Session) -> None:
    first = s.start()
    s.step(timer("t"))
    s.start(workflow_id_conflict_policy="WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING", request_id="z")
    _reset(s, 4, workflow_execution=(s.wid(), first.run_id))
    s.describe()


@scenario
def corner_reset_of_cancel_requested(s: Session) -> None:
    s.start()
    s.step(timer("t"))
    s.call("RequestCancelWorkflowExecution", workflow_execution=s.wid(), request_id=s.unique("c"), reason="r")
    s.step(timer("u"))
    _reset(s, 4)
    s.describe()
    s.poll(label="reset run")


@scenario
def corner_reset_with_fired_and_pending_timers(s: Session) -> None:
    s.start()
    s.step(timer("fires", 1), timer("stays"))
    s.wait_for(17)
    s.step(timer("u"))
    _reset(s, 9)
    s.poll(label="reset run")
    s.describe()


@scenario
def corner_pinned_in_older_words(s: Session) -> None:
    pinned = {"behavior": "VERSIONING_BEHAVIOR_PINNED"}
    s.start("-1", label="version", versioning_override={**pinned, "pinned_version": "d.b"})
    s.start("-3", label="nothing", versioning_override=pinned)
    auto = {"behavior": "VERSIONING_BEHAVIOR_AUTO_UPGRADE"}
    s.start("-4", label="auto upgrade", versioning_override=auto)
    s.start("-5", label="bad version", versioning_override={**pinned, "pinned_version": "nodot"})


@scenario
def corner_override_is_inherited(s: Session) -> None:
    s.start(versioning_override={"auto_upgrade": True}, retry_policy=RETRY)
    time.sleep(A_SECOND_OLD)
    s.step(child(s.wid("-kid"), s.tq("kid")), continue_as_new())
    s.describe()


@scenario
def corner_continue_as_new_says_why(s: Session) -> None:
    for initiator in ("RETRY", "CRON_SCHEDULE"):
        queue = s.tq(f"-{initiator}")  # the run that goes on in the one must not be taken for the other
        s.start(f"-{initiator}", task_queue=queue)
        time.sleep(A_SECOND_OLD)
        fields = {
            "initiator": f"CONTINUE_AS_NEW_INITIATOR_{initiator}",
            "failure": application("why"),
            "cron_schedule": "@every 100s",
            "retry_policy": RETRY,
        }
        s.complete(s.poll(queue, quiet=True), continue_as_new(**fields))
        s.describe(f"-{initiator}")


@scenario
def corner_continue_as_new_at_once_twice(s: Session) -> None:
    s.start()
    s.step(continue_as_new())
    s.step(continue_as_new())
    s.describe()


@scenario
def corner_continue_as_new_after_a_delay(s: Session) -> None:
    s.start(workflow_start_delay=1.5)
    s.step(continue_as_new())
    s.describe()


@scenario
def corner_continue_as_new_before_its_time(s: Session) -> None:
    s.start(workflow_start_delay=600)
    _signal_with_start(s)
    s.step(continue_as_new())
    s.describe()


@scenario
def corner_priority_alone_changes(s: Session) -> None:
    s.start()
    change = {"workflow_execution_options": {"priority": {"priority_key": 4}}, "update_mask": ["priority"]}
    s.call("UpdateWorkflowExecutionOptions", workflow_execution=s.wid(), **change)
    s.describe()


@scenario
def corner_override_changes_after_a_task(s: Session) -> None:
    s.start()
    s.step()
    target = {"workflow_execution": s.wid(), "update_mask": ["versioning_override"]}
    for label, options in (
        ("set", {"versioning_override": {"auto_upgrade": True}}),
        ("set again", {"versioning_override": {"behavior": "VERSIONING_BEHAVIOR_AUTO_UPGRADE"}}),
        ("unset", {}),
    ):
        s.call("UpdateWorkflowExecutionOptions", label=label, workflow_execution_options=options, **target)
        s.describe(label=label)


@scenario
def corner_continue_as_new_on_another_queue(s: Session) -> None:
    s.start(workflow_run_timeout=1000)
    time.sleep(A_SECOND_OLD)
    s.step(continue_as_new(task_queue=s.tq("two"), workflow_run_timeout=2000, workflow_task_timeout=200))
    s.poll(s.tq("two"), label="moved")


@scenario
def corner_canceled_in_backoff(s: Session) -> None:
    s.start(cron_schedule="@every 200s")
    s.call("RequestCancelWorkflowExecution", workflow_execution=s.wid(), request_id=s.unique("c"))
    s.complete(s.poll(label="canceled"), canceled("c"))
    s.describe()


@scenario
def corner_cron_run_times_out(s: Session) -> None:
    started = s.start(cron_schedule="@every 1s", workflow_run_timeout=1)
    s.wait_closed(run_id=started.run_id)
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def corner_cron_run_fails(s: Session) -> None:
    started = s.start(cron_schedule="@every 1s")
    s.step(done("result"))
    s.wait_closed(run_id=started.run_id)
    s.step(broken("second"))
    s.describe()
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def corner_cron_run_continues_as_new(s: Session) -> None:
    s.start(cron_schedule="@every 1s")
    s.step(continue_as_new())
    s.describe()
    s.step(done())
    s.describe()


@scenario
def corner_replacing_a_cron_workflow(s: Session) -> None:
    s.start(cron_schedule="@every 200s")
    _signal_with_start(
        s, "replaces", workflow_id_conflict_policy="WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"
    )
    s.describe()


@scenario
def corner_child_between_attempts(s: Session) -> None:
    s.start()
    s.step(child(s.wid("-kid"), s.tq("kid"), retry_policy={"initial_interval": 100}))
    s.wait_for(31)
    s.complete(s.poll(s.tq("kid"), quiet=True), broken())
    s.describe("-kid", label="waits")
    s.complete(s.poll(quiet=True), done())
    time.sleep(0.5)
    s.describe("-kid", label="parent closed")


@scenario
def corner_child_signalled_between_runs(s: Session) -> None:
    s.start()
    s.step(child(s.wid("-kid"), s.tq("kid"), retry_policy={"initial_interval": 100}))
    s.wait_for(31)
    s.complete(s.poll(s.tq("kid"), quiet=True), broken())
    external = signal_external(s.wid("-kid"), child_workflow_only=True)
    s.complete(s.poll(quiet=True), external)
    s.wait_for(39)  # asked for in one task, either might arrive first
    s.complete(s.poll(quiet=True), cancel_external(s.wid("-kid"), child_workflow_only=True))
    s.wait_for(24)
    s.describe("-kid")


@scenario
def corner_child_of_a_continued_child(s: Session) -> None:
    s.start()
    s.step(child(s.wid("-kid"), s.tq("kid")))
    s.wait_for(31)
    time.sleep(A_SECOND_OLD)
    s.complete(s.poll(s.tq("kid"), quiet=True), continue_as_new())
    s.complete(s.poll(s.tq("kid"), quiet=True), child(s.wid("-grandkid"), s.tq("grandkid")))
    s.wait_for(31, suffix="-kid")
    s.describe("-grandkid")


@scenario
def corner_child_outlives_run_timeout_of_parent(s: Session) -> None:
    s.start(workflow_run_timeout=2)
    s.step(child(s.wid("-kid"), s.tq("kid"), parent_close_policy="PARENT_CLOSE_POLICY_REQUEST_CANCEL"))
    s.wait_for(31)
    s.wait_closed()
    s.wait_for(20, suffix="-kid")
    s.describe("-kid")


@scenario
def corner_starting_while_backing_off(s: Session) -> None:
    s.start(retry_policy={"initial_interval": 100})
    s.step(broken())
    s.start(label="again", request_id=s.unique("again"))
    use = "WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING"
    s.start(label="use existing", request_id=s.unique("use"), workflow_id_conflict_policy=use)
    s.signal()
    s.call("RequestCancelWorkflowExecution", workflow_execution=s.wid(), request_id=s.unique("c"))
    s.poll(label="canceled")


@scenario
def corner_signal_repeated_across_runs(s: Session) -> None:
    s.start()
    s.signal(request_id=s.unique("q"))
    time.sleep(A_SECOND_OLD)
    s.step(continue_as_new())
    s.signal(label="repeated", request_id=s.unique("q"))
    _signal_with_start(s, "same id", request="q")
    s.describe()


@scenario
def corner_signal_with_start_twice(s: Session) -> None:
    s.start()
    s.step()
    _signal_with_start(s)
    s.step()
    _signal_with_start(s, "repeated")
    s.describe()


@scenario
def corner_close_with_pending_everything(s: Session) -> None:
    s.start()
    kid = child(s.wid("-kid"), s.tq("kid"), parent_close_policy="PARENT_CLOSE_POLICY_ABANDON")
    s.step(activity("a", s.tq()), timer("t"), kid)
    s.wait_for(31)
    s.step(command("FAIL_WORKFLOW_EXECUTION", failure=application("f")))
    s.describe()
