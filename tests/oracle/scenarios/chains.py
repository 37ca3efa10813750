"""What follows a run: continue-as-new, retries, cron, run and execution timeouts."""

import time

from tests.oracle.build import cases
from tests.oracle.commands import (
    activity,
    application,
    broken,
    canceled,
    command,
    continue_as_new,
    done,
    timer,
)
from tests.oracle.registry import scenario
from tests.oracle.session import Session

# A run that continues as new before it is a second old makes the next one wait, as long as load decides.
A_SECOND_OLD = 1.1
RETRY = {"initial_interval": 1, "maximum_attempts": 2}


@scenario
def timers_fire(s: Session) -> None:
    s.start()
    # One at a time: the reference service fires whatever is due within a second together, a second late.
    s.step(timer("zero", 0))
    s.wait_until(lambda events: sum(e.event_type == 18 for e in events) == 1)
    s.complete(s.poll(quiet=True), timer("milli", 0.001))
    s.wait_until(lambda events: sum(e.event_type == 18 for e in events) == 2)
    s.complete(s.poll(quiet=True), timer("one", 1), timer("zero", 3600))
    s.wait_until(lambda events: sum(e.event_type == 18 for e in events) == 3)
    s.step(done())


@scenario
def timers_due_together_fire_in_order(s: Session) -> None:
    s.start()
    task = s.poll(quiet=True)
    s.complete(task, timer("b", 1), timer("a", 1), timer("c", 1))
    s.wait_until(lambda events: sum(e.event_type == 18 for e in events) == 3)


@scenario
def continue_as_new_with_nothing(s: Session) -> None:
    s.start(
        input=["in"],
        memo={"m": 1},
        search_attributes={"OracleKeyword": "k"},
        header={"h": 1},
        retry_policy={"maximum_attempts": 3},
        workflow_run_timeout=1000,
        workflow_execution_timeout=3000,
        workflow_task_timeout=7,
        priority={"priority_key": 2},
        user_metadata={"summary": "s"},
    )
    s.signal("early", request_id=s.unique("sig"))
    time.sleep(A_SECOND_OLD)
    s.step(continue_as_new())
    s.describe(label="new run")
    s.poll(label="new run")


@scenario
def continue_as_new_with_everything(s: Session) -> None:
    s.start(memo={"old": 1}, workflow_run_timeout=100)
    time.sleep(A_SECOND_OLD)
    s.step(
        continue_as_new(
            workflow_type="Next",
            task_queue=s.tq("next"),
            input=["n"],
            memo={"new": 1},
            search_attributes={"OracleInt": 5},
            header={"h": 2},
            retry_policy={"maximum_attempts": 2},
            workflow_run_timeout=500,
            workflow_task_timeout=3,
            backoff_start_interval=1,
            last_completion_result=["last"],
            failure=application("carried"),
            initiator="CONTINUE_AS_NEW_INITIATOR_WORKFLOW",
        )
    )
    s.describe(label="waiting")
    s.poll(s.tq("next"), label="new run")


@scenario
def continue_as_new_at_once_waits(s: Session) -> None:
    started = s.start(request_eager_execution=True)
    s.complete(started.eager_workflow_task, continue_as_new())
    s.describe()
    s.poll()


@scenario
def continue_as_new_keeps_the_chain(s: Session) -> None:
    started = s.start()
    for number in range(2):
        task = s.poll(quiet=True)
        time.sleep(A_SECOND_OLD)
        s.complete(task, continue_as_new(input=[number]))
    s.signal(workflow_execution=(s.wid(), started.run_id), label="old run")
    chain = {"workflow_execution": s.wid(), "first_execution_run_id": started.run_id}
    s.call("TerminateWorkflowExecution", **chain)


@scenario
def continue_as_new_drops_pending_work(s: Session) -> None:
    s.start()
    s.step(activity("a", s.tq("x")), timer())
    s.signal()
    time.sleep(A_SECOND_OLD)
    s.step(continue_as_new())
    s.describe()


@scenario
def workflow_retries(s: Session) -> None:
    s.start(
        retry_policy=RETRY,
        input=["in"],
        memo={"m": 1},
        search_attributes={"OracleKeyword": "k"},
        header={"h": 1},
    )
    s.step(
        command("MODIFY_WORKFLOW_PROPERTIES", upserted_memo={"m": 2}),
        command("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", search_attributes={"OracleKeyword": "changed"}),
        broken("first"),
    )
    s.describe(label="second run waits")
    s.step(broken("second"))


@scenario
def workflow_does_not_retry(s: Session) -> None:
    policy = {**RETRY, "non_retryable_error_types": ["Never"]}
    for label, close in cases(
        {
            "flag": broken(non_retryable=True),
            "type": broken(kind="Never"),
            "cancel": canceled(),
        }
    ).items():
        s.start(f"-{label}", task_queue=s.tq(label), retry_policy=policy)
        s.complete(s.poll(s.tq(label), quiet=True), close)


@scenario
def workflow_retry_with_its_own_delay(s: Session) -> None:
    s.start(retry_policy=RETRY)
    failure = application(next_retry_delay=400)
    s.step(command("FAIL_WORKFLOW_EXECUTION", failure=failure))
    s.describe()


@scenario
def workflow_retry_past_execution_timeout(s: Session) -> None:
    s.start(retry_policy={"initial_interval": 400}, workflow_execution_timeout=100)
    s.step(broken())


@scenario
def run_timeout_without_tasks(s: Session) -> None:
    s.start(workflow_run_timeout=1)
    s.wait_closed()
    s.signal(label="closed")


@scenario
def run_timeout_with_started_task_and_buffer(s: Session) -> None:
    s.start(workflow_run_timeout=2)
    s.poll()
    s.signal()
    s.wait_closed()


@scenario
def run_timeout_with_transient_task(s: Session) -> None:
    s.start(workflow_run_timeout=2)
    s.fail(s.poll(quiet=True))
    s.poll(label="transient")
    s.wait_closed()


@scenario
def run_timeout_with_retry(s: Session) -> None:
    started = s.start(workflow_run_timeout=1, retry_policy=RETRY)
    s.wait_closed(run_id=started.run_id)
    s.describe(label="second run")
    s.wait_closed()


@scenario
def run_timeout_with_pending_work(s: Session) -> None:
    s.start(workflow_run_timeout=2)
    s.step(activity("a", s.tq()), timer("t"))
    work = s.poll_activity()
    s.wait_closed()
    s.call("RespondActivityTaskCompleted", task_token=work.task_token)


@scenario
def execution_timeout_ends_the_chain(s: Session) -> None:
    s.start(workflow_execution_timeout=3, retry_policy={"initial_interval": 1, "maximum_attempts": 5})
    s.step(broken("once"))
    s.wait_closed(timeout=8)


@scenario
def execution_timeout_after_continue_as_new(s: Session) -> None:
    s.start(workflow_execution_timeout=3)
    time.sleep(A_SECOND_OLD)
    s.step(continue_as_new())
    s.wait_closed(timeout=8)


@scenario
def cron_runs(s: Session) -> None:
    started = s.start(cron_schedule="@every 1s", input=["in"], memo={"m": 1})
    s.describe(label="first run waits")
    s.step(done("one"))
    s.wait_closed(run_id=started.run_id)
    s.step(broken("two"))
    s.step(canceled())


@scenario
def cron_with_retry(s: Session) -> None:
    s.start(cron_schedule="@every 1s", retry_policy=RETRY)
    s.step(broken("retried"))
    s.step(broken("exhausted"))
    s.describe(label="cron goes on")
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid())


@scenario
def cron_expressions(s: Session) -> None:
    expressions = [
        "* * * * *",
        "@every 5m",
        "@hourly",
        "CRON_TZ=Europe/Rome 0 0 1 1 *",
        "TZ=UTC 0 12 * * MON-FRI",
    ]
    expressions += [
        "@yearly",
        "*/5 1,2 * * *",
        "0 0 31 2 *",
        "@every 0s",
        "@every 500ms",
        "60 * * * *",
        "* * * * * *",
    ]
    for number, expression in enumerate(expressions):
        fields = s.start_fields(f"-{number}", cron_schedule=expression)
        answer = s.ask("StartWorkflowExecution", **fields)
        s.record(expression, getattr(answer, "message", "accepted"))
        s.ask("TerminateWorkflowExecution", workflow_execution=s.wid(f"-{number}"))
        s._touched.clear()


@scenario
def cron_signalled_with_start_while_waiting(s: Session) -> None:
    s.start(cron_schedule="@every 200s")
    fields = s.start_fields(request_id=s.unique("sws"))
    s.call("SignalWithStartWorkflowExecution", **fields, signal_name="x")
    s.describe()


@scenario
def continued_run_retries(s: Session) -> None:
    s.start()
    s.step(command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", retry_policy=RETRY))
    s.step(broken())
    s.describe()


@scenario
def cron_signalled_while_waiting(s: Session) -> None:
    s.start(cron_schedule="@every 200s")
    s.signal()
    s.call("QueryWorkflow", 3, execution=s.wid(), query={"query_type": "q"})
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid())
