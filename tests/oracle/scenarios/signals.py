"""Signals, signal-with-start, cancel requests and terminations from clients."""

from tests.oracle.build import cases
from tests.oracle.commands import canceled, command, done, timer
from tests.oracle.registry import scenario
from tests.oracle.session import Session


@scenario
def signal_schedules_one_task(s: Session) -> None:
    s.start()
    s.step()
    s.signal("one", input=["x"], header={"h": 1}, request_id=s.unique("r1"))
    s.signal("two", request_id=s.unique("r2"))
    s.poll()


@scenario
def signal_with_repeated_request_id(s: Session) -> None:
    s.start()
    s.signal("one", request_id=s.unique("r1"))
    s.signal("other name", request_id=s.unique("r1"), label="same request id")
    s.step(done())
    s.signal("late", request_id=s.unique("r1"), label="same request id after close")
    s.signal("late", request_id=s.unique("r2"), label="new request id after close")
    s.signal("late", label="no request id after close")


@scenario
def signal_with_bad_arguments(s: Session) -> None:
    started = s.start()
    s.signal("", label="no name")
    s.signal("n" * 1001, label="long name")
    s.signal(request_id="r" * 1001, label="long request id")
    s.signal(workflow_execution=None, label="no execution")
    s.signal(workflow_execution="", label="no workflow id")
    s.signal(workflow_execution=(s.wid(), "not-a-uuid"), label="bad run id")
    s.signal(workflow_execution=(s.wid(), "00000000-0000-4000-8000-000000000000"), label="unknown run id")
    s.signal(workflow_execution="missing", label="unknown workflow")
    s.signal(workflow_execution="i" * 1001, label="long workflow id")
    s.signal(input=["x" * (2 << 20)], label="huge input")
    s.signal(namespace="nowhere", label="unknown namespace")
    s.signal(namespace="", label="no namespace")
    s.signal(workflow_execution=(s.wid(), started.run_id), label="right run id")
    s.signal(links=[{"workflow_event": {"workflow_id": str(n)}} for n in range(11)], label="many links")


@scenario
def signal_with_links(s: Session) -> None:
    s.start()
    link = {"workflow_event": {"namespace": "default", "workflow_id": "w", "run_id": "r"}}
    s.signal("linked", request_id=s.unique("r"), links=[link])
    s.describe()


@scenario
def signal_while_task_is_started(s: Session) -> None:
    s.start()
    task = s.poll()
    s.signal("buffered", request_id=s.unique("r"))
    s.describe(label="buffered")
    s.show_history(label="buffered")
    s.complete(task, timer())
    s.step(done())


@scenario
def signal_with_start_starts(s: Session) -> None:
    fields = s.start_fields(signal_name="sig", signal_input=["i"], header={"h": 1}, memo={"m": 1})
    s.call("SignalWithStartWorkflowExecution", **fields)
    s.call("SignalWithStartWorkflowExecution", label="same request id", **fields)
    s.call("SignalWithStartWorkflowExecution", label="other", **{**fields, "request_id": s.unique("other")})
    s.poll()
    s.describe()


@scenario
def signal_with_start_policies_while_open(s: Session) -> None:
    for number, conflict in enumerate(("UNSPECIFIED", "FAIL", "USE_EXISTING", "TERMINATE_EXISTING")):
        s.start(f"-{number}")
        fields = s.start_fields(f"-{number}", signal_name="sig", request_id=s.unique(f"two{number}"))
        policy = {"workflow_id_conflict_policy": f"WORKFLOW_ID_CONFLICT_POLICY_{conflict}"}
        s.call("SignalWithStartWorkflowExecution", label=conflict, **fields, **policy)


@scenario
def signal_with_start_policies_after_close(s: Session) -> None:
    for reuse in (
        "ALLOW_DUPLICATE",
        "ALLOW_DUPLICATE_FAILED_ONLY",
        "REJECT_DUPLICATE",
        "TERMINATE_IF_RUNNING",
    ):
        suffix = f"-{reuse}"
        s.start(suffix, task_queue=s.tq(suffix))
        s.complete(s.poll(s.tq(suffix), quiet=True), done())
        fields = s.start_fields(suffix, signal_name="sig", request_id=s.unique(f"two{suffix}"))
        policy = {"workflow_id_reuse_policy": f"WORKFLOW_ID_REUSE_POLICY_{reuse}"}
        s.call("SignalWithStartWorkflowExecution", label=reuse, **fields, **policy)


@scenario
def signal_with_start_bad_arguments(s: Session) -> None:
    good = s.start_fields(signal_name="sig")
    for label, change in cases(
        {
            "no signal": {"signal_name": ""},
            "no id": {"workflow_id": ""},
            "no type": {"workflow_type": None},
            "no queue": {"task_queue": None},
            "bad cron": {"cron_schedule": "x"},
            "cron and delay": {"cron_schedule": "@hourly", "workflow_start_delay": 1},
            "huge signal": {"signal_input": ["x" * (2 << 20)]},
            "namespace": {"namespace": "nowhere"},
        }
    ).items():
        s.call("SignalWithStartWorkflowExecution", label=label, **{**good, **change})


@scenario
def signal_with_start_delayed(s: Session) -> None:
    fields = s.start_fields(signal_name="sig", workflow_start_delay=600)
    s.call("SignalWithStartWorkflowExecution", **fields)


@scenario
def cancel_request_life(s: Session) -> None:
    started = s.start()
    s.step()
    s.call(
        "RequestCancelWorkflowExecution", workflow_execution=s.wid(), reason="why", request_id=s.unique("c")
    )
    s.call("RequestCancelWorkflowExecution", workflow_execution=s.wid(), label="again")
    s.describe(label="cancel requested")
    s.step(canceled("details"))
    s.call("RequestCancelWorkflowExecution", workflow_execution=s.wid(), label="closed")
    s.call(
        "RequestCancelWorkflowExecution", workflow_execution=(s.wid(), started.run_id), label="closed by run"
    )


@scenario
def cancel_request_bad_arguments(s: Session) -> None:
    started = s.start()
    unknown = "00000000-0000-4000-8000-000000000000"
    for label, fields in cases(
        {
            "missing": {"workflow_execution": "missing"},
            "none": {},
            "bad run": {"workflow_execution": (s.wid(), "bad")},
            "unknown run": {"workflow_execution": (s.wid(), unknown)},
            "other chain": {"workflow_execution": s.wid(), "first_execution_run_id": unknown},
            "bad chain": {"workflow_execution": s.wid(), "first_execution_run_id": "bad"},
            "chain beats run": {
                "workflow_execution": (s.wid(), unknown),
                "first_execution_run_id": started.run_id,
            },
        }
    ).items():
        s.call("RequestCancelWorkflowExecution", label=label, **fields)


@scenario
def cancel_without_request(s: Session) -> None:
    s.start()
    s.step(canceled())


@scenario
def terminate_with_task_in_flight_and_buffer(s: Session) -> None:
    s.start()
    task = s.poll()
    s.signal("one")
    s.signal("two")
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid(), reason="r", details=["d"])
    s.complete(task, done(), label="too late")
    s.fail(task, label="too late")
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid(), label="again")


@scenario
def terminate_with_defaults(s: Session) -> None:
    s.start()
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid(), identity="")
    s.poll(timeout=3.5, label="nothing left")


@scenario
def terminate_bad_arguments(s: Session) -> None:
    started = s.start()
    unknown = "00000000-0000-4000-8000-000000000000"
    for label, fields in cases(
        {
            "missing": {"workflow_execution": "missing"},
            "none": {},
            "bad run": {"workflow_execution": (s.wid(), "bad")},
            "unknown run": {"workflow_execution": (s.wid(), unknown)},
            "other chain": {"workflow_execution": s.wid(), "first_execution_run_id": unknown},
            "huge details": {"workflow_execution": s.wid(), "details": ["x" * (2 << 20)]},
            "chain": {
                "workflow_execution": s.wid(),
                "first_execution_run_id": started.run_id,
                "reason": "ok",
            },
        }
    ).items():
        s.call("TerminateWorkflowExecution", label=label, **fields)


@scenario
def unhandled_command(s: Session) -> None:
    s.start()
    task = s.poll()
    s.signal("late")
    s.complete(task, done(), label="refused")
    s.show_history()
    retry = s.poll(label="retry")
    s.signal("while closing", label="busy", timeout=3)
    s.complete(retry, done("now"))


@scenario
def unhandled_command_for_every_close(s: Session) -> None:
    closes = {
        "fail": command("FAIL_WORKFLOW_EXECUTION", failure={"message": "x"}),
        "cancel": canceled(),
        "continue": command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION"),
    }
    for label, close in closes.items():
        queue = s.tq(label)
        s.start(f"-{label}", task_queue=queue)
        task = s.poll(queue, quiet=True)
        s.signal(suffix=f"-{label}")
        s.complete(task, timer(), close, label=label)


@scenario
def delete_closed_workflow(s: Session) -> None:
    s.start()
    s.step(done())
    s.call("DeleteWorkflowExecution", workflow_execution=s.wid())
    s.wait_until(lambda events: not events, timeout=40)
    s.describe()
    s.signal(label="gone")
    s.call("GetWorkflowExecutionHistory", execution=s.wid())
    s.call("DeleteWorkflowExecution", workflow_execution=s.wid(), label="again")
    s.start(label="id is free", workflow_id_reuse_policy="WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE")


@scenario
def delete_open_workflow(s: Session) -> None:
    started = s.start()
    s.call("DeleteWorkflowExecution", workflow_execution=(s.wid(), started.run_id))
    s.wait_until(lambda events: not events)
    s.describe()
    s.call("DeleteWorkflowExecution", workflow_execution="missing", label="missing")
    s.call("DeleteWorkflowExecution", label="nothing")
