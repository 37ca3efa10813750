"""Starting workflows: id policies, request ids, eager start, delay, cron, arguments."""

from typing import Any

from tests.oracle.build import duration
from tests.oracle.commands import broken, canceled, done
from tests.oracle.registry import scenario
from tests.oracle.session import Session

REUSE = ("ALLOW_DUPLICATE", "ALLOW_DUPLICATE_FAILED_ONLY", "REJECT_DUPLICATE", "TERMINATE_IF_RUNNING")
CONFLICT = ("UNSPECIFIED", "FAIL", "USE_EXISTING", "TERMINATE_EXISTING")


def _policies(reuse: str, conflict: str) -> dict[str, str]:
    return {
        "workflow_id_reuse_policy": f"WORKFLOW_ID_REUSE_POLICY_{reuse}",
        "workflow_id_conflict_policy": f"WORKFLOW_ID_CONFLICT_POLICY_{conflict}",
    }


def _against_open(s: Session, conflict: str) -> None:
    for number, reuse in enumerate(REUSE):
        s.start(f"-{number}")
        over = _policies(reuse, conflict)
        s.start(f"-{number}", label=f"{reuse} {conflict}", request_id=s.unique(f"second{number}"), **over)
        s.show_history(f"-{number}")


@scenario
def start_while_open_unspecified(s: Session) -> None:
    _against_open(s, "UNSPECIFIED")


@scenario
def start_while_open_fail(s: Session) -> None:
    _against_open(s, "FAIL")


@scenario
def start_while_open_use_existing(s: Session) -> None:
    _against_open(s, "USE_EXISTING")


@scenario
def start_while_open_terminate_existing(s: Session) -> None:
    _against_open(s, "TERMINATE_EXISTING")


def _against_closed(s: Session, close: str) -> None:
    for reuse in REUSE[:3]:
        for conflict in CONFLICT:
            suffix = f"-{reuse}-{conflict}"
            queue = s.tq(suffix)
            s.start(suffix, task_queue=queue)
            if close == "terminated":
                s.call("TerminateWorkflowExecution", workflow_execution=s.wid(suffix))
            else:
                task = s.poll(queue, quiet=True)
                s.complete(task, {"completed": done(), "failed": broken(), "canceled": canceled()}[close])
            over = _policies(reuse, conflict)
            s.start(suffix, label=suffix, task_queue=queue, request_id=s.unique(f"again{suffix}"), **over)


@scenario
def start_after_completed(s: Session) -> None:
    _against_closed(s, "completed")


@scenario
def start_after_failed(s: Session) -> None:
    _against_closed(s, "failed")


@scenario
def start_after_canceled(s: Session) -> None:
    _against_closed(s, "canceled")


@scenario
def start_after_terminated(s: Session) -> None:
    _against_closed(s, "terminated")


@scenario
def start_twice_with_one_request_id(s: Session) -> None:
    s.start()
    s.start(label="again while open")
    s.start(label="again with other arguments", workflow_type="Other", input=["x"])
    s.step(done("r"))
    s.start(label="again after close")
    s.start(label="after close, rejecting", **_policies("REJECT_DUPLICATE", "FAIL"))
    s.start(label="new request id", request_id=s.unique("new"))
    s.start(label="old request id is forgotten")


@scenario
def start_attaches_to_existing(s: Session) -> None:
    s.start()
    over = _policies("ALLOW_DUPLICATE", "USE_EXISTING")
    options = {"attach_request_id": True, "attach_links": True}
    s.start(label="attach", request_id=s.unique("other"), on_conflict_options=options, **over)
    s.start(label="attach again", request_id=s.unique("other"), on_conflict_options=options, **over)
    s.start(label="plain use existing", request_id=s.unique("third"), **over)
    s.describe()
    bad = {"attach_completion_callbacks": True}
    s.start(label="callbacks without request id", request_id=s.unique("4"), on_conflict_options=bad, **over)
    task = s.poll()
    s.start(label="attach while task started", request_id=s.unique("5"), on_conflict_options=options, **over)
    s.describe(label="while buffered")
    s.complete(task)


@scenario
def start_terminates_existing_with_task_in_flight(s: Session) -> None:
    s.start()
    s.poll()
    s.signal()
    s.start(request_id=s.unique("two"), **_policies("ALLOW_DUPLICATE", "TERMINATE_EXISTING"))


@scenario
def start_eagerly(s: Session) -> None:
    started = s.start(request_eager_execution=True)
    s.show_history()
    s.start(label="again", request_eager_execution=True)
    s.complete(started.eager_workflow_task, done("eager"))
    s.start(label="again after close", request_eager_execution=True)


@scenario
def start_eagerly_with_delay(s: Session) -> None:
    s.start(request_eager_execution=True, workflow_start_delay=300)
    s.describe()


@scenario
def start_with_delay(s: Session) -> None:
    s.start(workflow_start_delay=1, workflow_run_timeout=200, workflow_execution_timeout=300)
    s.signal()
    s.describe(label="waiting")
    s.show_history()
    s.poll(label="after the delay")


@scenario
def start_with_delay_then_cancel(s: Session) -> None:
    s.start(workflow_start_delay=600)
    s.call("RequestCancelWorkflowExecution", workflow_execution=s.wid())
    s.poll()


@scenario
def start_with_delay_then_signal_with_start(s: Session) -> None:
    s.start(workflow_start_delay=600)
    fields = s.start_fields(request_id=s.unique("sws"))
    s.call("SignalWithStartWorkflowExecution", **fields, signal_name="x")
    s.describe()


@scenario
def start_with_zero_timeouts(s: Session) -> None:
    s.start(workflow_execution_timeout=0, workflow_run_timeout=0, workflow_task_timeout=0)
    s.describe()


@scenario
def start_with_everything(s: Session) -> None:
    s.start(
        input=["a", 1, None],
        memo={"m": {"deep": [1]}, "gone": None},
        search_attributes={
            "OracleKeyword": "k",
            "OracleInt": 7,
            "OracleKeywordList": ["x", "y"],
            "OracleBool": True,
        },
        header={"h": "head"},
        workflow_execution_timeout=3600,
        workflow_run_timeout=1800,
        workflow_task_timeout=20,
        retry_policy={"initial_interval": 2, "maximum_attempts": 3, "non_retryable_error_types": ["No"]},
        user_metadata={"summary": "sum", "details": "det"},
        priority={"priority_key": 2, "fairness_key": "f", "fairness_weight": 1.5},
        links=[{"workflow_event": {"namespace": "default", "workflow_id": "w", "run_id": "r"}}],
    )
    s.describe()
    s.poll()
    s.describe(label="task started")


@scenario
def start_normalises_timeouts(s: Session) -> None:
    s.start("-1", workflow_execution_timeout=300)
    s.start("-2", workflow_execution_timeout=300, workflow_run_timeout=600)
    s.start("-3", workflow_task_timeout=900)
    s.start("-4", workflow_run_timeout=5)
    s.start("-5", workflow_run_timeout=300, workflow_task_timeout=400)
    s.start("-6", workflow_execution_timeout=200 * 365 * 86400)
    s.start("-7", retry_policy={})
    s.start("-8", retry_policy={"maximum_attempts": 1, "backoff_coefficient": 0.5})
    s.start("-9", retry_policy={"initial_interval": 7, "backoff_coefficient": 1.5})
    s.start("-10", retry_policy={"initial_interval": 5, "maximum_interval": 6})


@scenario
def start_with_bad_arguments(s: Session) -> None:
    s.start(label="no id", workflow_id="")
    s.start(label="long id", workflow_id="i" * 1001)
    s.start(label="no type", workflow_type=None)
    s.start(label="empty type", workflow_type="")
    s.start(label="long type", workflow_type="t" * 1001)
    s.start(label="no queue", task_queue=None)
    s.start(label="empty queue", task_queue="")
    s.start(label="long queue", task_queue="q" * 1001)
    s.start(label="system queue", task_queue="/_sys/x")
    s.start(label="internal queue", task_queue="temporal-sys-per-ns-tq")
    s.start(label="sticky queue", task_queue={"name": "q", "kind": "TASK_QUEUE_KIND_STICKY"})
    s.start(label="long request id", request_id="r" * 1001)
    s.start(label="long identity", identity="r" * 1001)
    s.start(label="no namespace", namespace="")
    s.start(label="unknown namespace", namespace="nowhere")
    s.start(label="long namespace", namespace="n" * 1001)
    for name in (
        "workflow_execution_timeout",
        "workflow_run_timeout",
        "workflow_task_timeout",
        "workflow_start_delay",
    ):
        s.start(label=f"negative {name}", **{name: duration(-5)})
    s.start(label="cron and delay", cron_schedule="* * * * *", workflow_start_delay=1)
    s.start(label="cron and zero delay", cron_schedule="* * * * *", workflow_start_delay=0)
    s.start(label="bad cron", cron_schedule="not cron")
    s.start(label="impossible cron", cron_schedule="0 0 30 2 *")
    s.start(label="reject + terminate", **_policies("REJECT_DUPLICATE", "TERMINATE_EXISTING"))
    s.start(label="unknown attribute", search_attributes={"Nope": 1})
    s.start(label="badly typed attribute", search_attributes={"OracleInt": "text"})
    s.start(label="system attribute", search_attributes={"StartTime": "x"})
    s.start(label="huge attribute", search_attributes={"OracleKeyword": "x" * 3000})
    s.start(label="huge memo", memo={"m": "x" * (2 << 20)})
    s.start(label="huge input", input=["x" * (2 << 20)])
    s.start(label="priority too low", priority={"priority_key": -1})
    s.start(label="priority too high", priority={"priority_key": 9})
    s.start(label="long fairness key", priority={"fairness_key": "f" * 100})
    s.start(label="many links", links=[_link(n) for n in range(11)])
    s.start(label="callback", completion_callbacks=[{"nexus": {"url": "http://nowhere"}}])
    s.start(label="empty callback", completion_callbacks=[{}])


def _link(number: int) -> dict[str, object]:
    return {"workflow_event": {"namespace": "default", "workflow_id": f"w{number}", "run_id": "r"}}


@scenario
def start_with_bad_retry_policies(s: Session) -> None:
    policies: list[dict[str, Any]] = [
        {"initial_interval": duration(-1)},
        {"backoff_coefficient": 0.5},
        {"maximum_interval": duration(-1)},
        {"initial_interval": 10, "maximum_interval": 5},
        {"maximum_attempts": -1},
        {"non_retryable_error_types": ["TemporalTimeout:Nope"]},
        {"non_retryable_error_types": ["TemporalTimeout:StartToClose"]},
    ]
    for number, policy in enumerate(policies):
        s.start(f"-{number}", label=str(sorted(policy)), retry_policy=policy)


@scenario
def start_requires_versioning_fields_to_make_sense(s: Session) -> None:
    s.start("-1", label="empty override", versioning_override={})
    s.start("-2", label="auto upgrade", versioning_override={"auto_upgrade": True})
    pinned = {
        "version": {"build_id": "b", "deployment_name": "d"},
        "behavior": "PINNED_OVERRIDE_BEHAVIOR_PINNED",
    }
    s.start("-3", label="pinned to nothing", versioning_override={"pinned": pinned})


@scenario
def start_with_time_skipping(s: Session) -> None:
    if "time_skipping_config" in s.target.request_type("StartWorkflowExecution").fields_by_name:
        s.start(label="refused", time_skipping_config={})


@scenario
def start_with_odd_payloads(s: Session) -> None:
    s.start(input=[b"\x00raw", "é😀", {"z": None}], memo={"empty": []}, header={"": "empty key"})
    s.describe()
