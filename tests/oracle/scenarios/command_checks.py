"""Every command with the attributes it refuses: cause, text, and what is left in history."""

from typing import Any

from tests.oracle.build import duration
from tests.oracle.commands import (
    activity,
    application,
    broken,
    cancel_activity,
    cancel_external,
    cancel_timer,
    child,
    command,
    continue_as_new,
    done,
    marker,
    protocol_message,
    signal_external,
    timer,
)
from tests.oracle.harness import RpcFailure
from tests.oracle.registry import scenario
from tests.oracle.session import Session

HUGE = "x" * (2 << 20)
LONG = "n" * 1001


def _refuse(s: Session, cases: dict[str, list[dict[str, Any]]]) -> None:
    """Each case is its own workflow, so that every failure is a first attempt."""
    for number, (label, commands) in enumerate(cases.items()):
        queue = s.tq(f"-{number}")
        # The default 10 s would be too little for huge payloads on a busy machine.
        fields = s.start_fields(f"-{number}", task_queue=queue, workflow_task_timeout=100)
        s.ask("StartWorkflowExecution", **fields)
        task = s.poll(queue, quiet=True)
        answer = s.complete(task, *commands, label=label)
        if (
            label == "bad priority"
            and not isinstance(answer, RpcFailure)
            and commands[0]["command_type"].count("CHILD")
        ):
            s.wait_for(31, suffix=f"-{number}")
        if label == "timer no duration":
            # It fires at once, which may take a second.
            s.wait_for(18, suffix=f"-{number}")


@scenario
def bad_activity_commands(s: Session) -> None:
    queue = s.tq("act")
    _refuse(
        s,
        {
            "no id": [activity("", queue)],
            "long id": [activity(LONG, queue)],
            "no type": [activity("a", queue, activity_type=None)],
            "empty type": [activity("a", queue, activity_type="")],
            "long type": [activity("a", queue, activity_type=LONG)],
            "no queue": [activity("a")],
            "empty queue": [activity("a", "")],
            "no timeouts": [activity("a", queue, start_to_close_timeout=0)],
            "only heartbeat": [activity("a", queue, start_to_close_timeout=None, heartbeat_timeout=5)],
            "negative start": [activity("a", queue, start_to_close_timeout=duration(-1))],
            "negative schedule": [activity("a", queue, schedule_to_close_timeout=duration(-1))],
            "negative queue wait": [
                activity("a", queue, start_to_close_timeout=1, schedule_to_start_timeout=duration(-1))
            ],
            "negative heartbeat": [
                activity("a", queue, start_to_close_timeout=1, heartbeat_timeout=duration(-1))
            ],
            "bad retry": [activity("a", queue, retry_policy={"backoff_coefficient": 0.1})],
            "bad priority": [activity("a", queue, priority={"priority_key": 77})],
            "duplicate id": [activity("a", queue), activity("a", queue)],
        },
    )


@scenario
def activity_timeouts_are_normalised(s: Session) -> None:
    s.start(workflow_run_timeout=1000)
    queue = s.tq("act")
    s.step(
        activity("1", queue, schedule_to_close_timeout=50),
        activity("2", queue, start_to_close_timeout=2000, heartbeat_timeout=3000),
        activity(
            "3", queue, schedule_to_close_timeout=50, start_to_close_timeout=60, schedule_to_start_timeout=70
        ),
        activity("4", queue, start_to_close_timeout=5, retry_policy={"initial_interval": 3}),
        activity("5", queue, retry_policy={"maximum_attempts": 1}),
        activity("6", queue, schedule_to_start_timeout=7),
        activity("7", {"name": queue, "kind": "TASK_QUEUE_KIND_STICKY"}),  # type: ignore[arg-type]
        activity("8", queue, priority={"priority_key": 1, "fairness_key": "k"}, use_workflow_build_id=True),
    )
    s.describe()


@scenario
def bad_timer_and_cancel_commands(s: Session) -> None:
    _refuse(
        s,
        {
            "timer no id": [timer("")],
            "timer long id": [timer(LONG)],
            "timer negative": [timer("t", -1)],
            "timer no duration": [command("START_TIMER", timer_id="t")],
            "timer duplicate": [timer("t"), timer("t")],
            "cancel timer no id": [cancel_timer("")],
            "cancel timer unknown": [cancel_timer("zz")],
            "cancel activity zero": [cancel_activity(0)],
            "cancel activity unknown": [cancel_activity(77)],
            "cancel activity twice": [activity("a", s.tq("act")), cancel_activity(5), cancel_activity(5)],
        },
    )


@scenario
def bad_close_commands(s: Session) -> None:
    _refuse(
        s,
        {
            "fail without failure": [command("FAIL_WORKFLOW_EXECUTION")],
            "two closes": [done("first"), broken("second")],
            "command after close": [done("first"), timer()],
            "marker after close": [done(), marker()],
            "huge result": [timer("kept?"), done(HUGE)],
            "huge failure": [broken(HUGE)],
            "huge continue": [continue_as_new(input=[HUGE])],
            "continue negative run timeout": [continue_as_new(workflow_run_timeout=duration(-1))],
            "continue negative backoff": [continue_as_new(backoff_start_interval=duration(-1))],
            "continue long type": [continue_as_new(workflow_type=LONG)],
            "continue long queue": [continue_as_new(task_queue=LONG)],
            "continue bad retry": [continue_as_new(retry_policy={"maximum_attempts": -1})],
            "continue bad attribute": [continue_as_new(search_attributes={"Nope": 1})],
            "continue bad cron": [continue_as_new(cron_schedule="bad")],
        },
    )


@scenario
def bad_child_commands(s: Session) -> None:
    wid = s.wid("-child")
    _refuse(
        s,
        {
            "no id": [child("")],
            "long id": [child(LONG)],
            "no type": [child(wid, workflow_type=None)],
            "long type": [child(wid, workflow_type=LONG)],
            "negative execution timeout": [child(wid, workflow_execution_timeout=duration(-1))],
            "negative run timeout": [child(wid, workflow_run_timeout=duration(-1))],
            "negative task timeout": [child(wid, workflow_task_timeout=duration(-1))],
            "bad retry": [child(wid, retry_policy={"maximum_attempts": -1})],
            "bad cron": [child(wid, cron_schedule="bad")],
            "bad attribute": [child(wid, search_attributes={"Nope": 1})],
            "huge input": [child(wid, input=[HUGE])],
            "huge memo": [child(wid, memo={"m": HUGE})],
            "other namespace": [child(wid, namespace="temporal-system")],
            "unknown namespace": [child(wid, namespace="nowhere")],
            "long queue": [child(wid, LONG)],
            "bad priority": [child(wid, priority={"priority_key": 77})],
        },
    )


@scenario
def bad_external_commands(s: Session) -> None:
    _refuse(
        s,
        {
            "signal no execution": [signal_external(None)],
            "signal no id": [signal_external("")],
            "signal bad run": [signal_external(("w", "bad"))],
            "signal no name": [signal_external("w", "")],
            "signal long name": [signal_external("w", LONG)],
            "signal huge input": [signal_external("w", input=[HUGE])],
            "signal other namespace": [signal_external("w", namespace="temporal-system")],
            "signal unknown namespace": [signal_external("w", namespace="nowhere")],
            "cancel no id": [cancel_external("")],
            "cancel bad run": [cancel_external("w", run_id="bad")],
            "cancel long id": [cancel_external(LONG)],
            "cancel child just started": [child(s.wid("-kid")), cancel_external(s.wid("-kid"))],
        },
    )


@scenario
def bad_data_commands(s: Session) -> None:
    upsert = "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES"
    _refuse(
        s,
        {
            "marker no name": [marker("")],
            "marker long name": [marker(LONG)],
            "marker huge": [marker(details={"d": [HUGE]})],
            "upsert nothing": [command(upsert)],
            "upsert empty": [command(upsert, search_attributes={})],
            "upsert unknown": [command(upsert, search_attributes={"Nope": 1})],
            "upsert bad type": [command(upsert, search_attributes={"OracleInt": "x"})],
            "upsert system": [command(upsert, search_attributes={"StartTime": "x"})],
            "upsert huge value": [command(upsert, search_attributes={"OracleKeyword": "k" * 3000})],
            "modify nothing": [command("MODIFY_WORKFLOW_PROPERTIES")],
            "modify empty": [command("MODIFY_WORKFLOW_PROPERTIES", upserted_memo={})],
            "modify huge": [command("MODIFY_WORKFLOW_PROPERTIES", upserted_memo={"m": HUGE})],
            "message no id": [protocol_message("")],
            "message unknown": [protocol_message("zz")],
            "nexus without endpoint": [command("SCHEDULE_NEXUS_OPERATION", service="s", operation="o")],
            "nexus unknown endpoint": [
                command("SCHEDULE_NEXUS_OPERATION", endpoint="nope", service="s", operation="o")
            ],
            "nexus cancel unknown": [command("REQUEST_CANCEL_NEXUS_OPERATION", scheduled_event_id=7)],
        },
    )


@scenario
def memo_and_attribute_updates(s: Session) -> None:
    upsert = "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES"
    attributes = {"OracleKeyword": "k", "OracleInt": 1, "OracleText": "some text"}
    s.start(memo={"a": 1, "b": 2}, search_attributes=attributes)
    changes = {"OracleInt": 2, "OracleText": None, "OracleDouble": 1.5, "OracleKeywordList": ["a"]}
    s.step(
        command("MODIFY_WORKFLOW_PROPERTIES", upserted_memo={"b": None, "c": [3], "a": []}),
        command(upsert, search_attributes=changes),
        command(upsert, search_attributes={"OracleBool": True, "OracleDatetime": "2024-01-01T00:00:00Z"}),
        command(upsert, search_attributes={"OracleKeywordList": []}),
        marker("m", details={"k": ["v"]}, header={"h": 1}, failure=application()),
        timer("named", 3600) | {"user_metadata": {"summary": "a timer", "details": "long"}},
    )
    s.describe()


@scenario
def close_with_pending_work(s: Session) -> None:
    s.start()
    s.step(activity("a", s.tq()), timer(), marker(), label="open")
    work = s.poll_activity()
    s.signal()
    s.step(done("r"))
    s.call("RespondActivityTaskCompleted", task_token=work.task_token, label="after close")
    s.call("RecordActivityTaskHeartbeat", task_token=work.task_token, label="after close")


@scenario
def many_commands_of_every_kind(s: Session) -> None:
    s.start()
    s.step(
        timer("t1"),
        activity("a1", s.tq("x"), input=["i"], header={"h": 1}) | {"user_metadata": {"summary": "act"}},
        marker(),
        timer("t2"),
        cancel_timer("t1"),
        cancel_activity(6),
        activity("a1", s.tq("x")),
        timer("t1"),
    )
    s.poll(label="follow-up for the cancelled activity")
