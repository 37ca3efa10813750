"""Activities without a workflow: what is refused, how they live and end, what operators may do, what lists show.

Nothing here depends on when the clock strikes.
"""

import time
from typing import Any

from tests.oracle.build import cases
from tests.oracle.commands import application
from tests.oracle.registry import scenario
from tests.oracle.scenarios.activities import answer, beat
from tests.oracle.session import Session

ENDS = ("RequestCancelActivityExecution", "TerminateActivityExecution", "DeleteActivityExecution")
OPERATIONS = ("PauseActivityExecution", "UnpauseActivityExecution", "ResetActivityExecution")


def _fields(s: Session, suffix: str = "", **over: Any) -> dict[str, Any]:
    fields = {
        "activity_id": s.wid(suffix),
        "activity_type": "Act",
        "task_queue": s.tq(),
        "start_to_close_timeout": 60,
        "request_id": s.unique(f"r{suffix}"),
        "identity": "client",
    }
    return {**fields, **over}


def _begin(s: Session, suffix: str = "", label: Any = "", **over: Any) -> Any:
    return s.call("StartActivityExecution", label=label or suffix, **_fields(s, suffix, **over))


def _look(s: Session, suffix: str = "", label: str = "", **over: Any) -> Any:
    """A description, without how much is stored and how often it changed."""
    wanted = {"include_input": True, "include_outcome": True, "include_last_failure": True}
    wanted["include_heartbeat_details"] = True
    shown = s.ask("DescribeActivityExecution", activity_id=s.wid(suffix), **{**wanted, **over})
    if hasattr(shown, "info"):
        shown.info.state_size_bytes = 0
        shown.info.state_transition_count = 0
        shown.long_poll_token = b""
    s.record(f"DescribeActivityExecution {suffix} {label}".strip(), shown)
    return shown


def _came_to(s: Session, suffix: str = "") -> Any:
    return s.call("PollActivityExecution", activity_id=s.wid(suffix), label=suffix)


def _act(s: Session, method: str, suffix: str = "", label: str = "", **over: Any) -> Any:
    return s.call(method, label=label or suffix, activity_id=s.wid(suffix), **over)


@scenario
def standalone_starts_refused(s: Session) -> None:
    table = cases(
        {
            "no id": {"activity_id": ""},
            "long id": {"activity_id": "x" * 1001},
            "no type": {"activity_type": {}},
            "long type": {"activity_type": "x" * 1001},
            "no queue": {"task_queue": {}},
            "no timeout": {"start_to_close_timeout": 0},
            "negative timeout": {"start_to_close_timeout": -1},
            "negative delay": {"start_delay": -1},
            "bad retry": {"retry_policy": {"maximum_attempts": -1}},
            "bad priority": {"priority": {"priority_key": -1}},
            "long request id": {"request_id": "x" * 1001},
            "long identity": {"identity": "x" * 1001},
            "unknown attribute": {"search_attributes": {"indexed_fields": {"NoSuch": "x"}}},
            "callback": {"completion_callbacks": [{"nexus": {"url": "http://localhost"}}]},
        }
    )
    for label, over in table.items():
        _begin(s, label=label, **{"activity_id": "refused", **over})


@scenario
def standalone_missing(s: Session) -> None:
    for method in ("DescribeActivityExecution", "PollActivityExecution", *ENDS, *OPERATIONS):
        s.call(method, activity_id="missing", label="missing")
        s.call(method, label="no id")
        s.call(method, activity_id="missing", run_id="bad", label="bad run")
    for verb in ("Completed", "Failed", "Canceled"):
        s.call(f"RespondActivityTask{verb}ById", activity_id="missing")
    s.call("RecordActivityTaskHeartbeatById", activity_id="missing")


@scenario
def standalone_completed(s: Session) -> None:
    _begin(s, input=["in"], heartbeat_timeout=30, user_metadata={"summary": "short"})
    _look(s, label="scheduled")
    work = s.poll_activity()
    beat(s, work, details=["half"])
    _look(s, label="running")
    answer(s, "Completed", work, result=["out"])
    _look(s, label="completed")
    _came_to(s)
    answer(s, "Completed", work, label="again")
    beat(s, work)
    for method in ENDS[:2] + OPERATIONS:
        _act(s, method, label="over")


@scenario
def standalone_failed(s: Session) -> None:
    _begin(s, retry_policy={"initial_interval": 0.2, "maximum_attempts": 2})
    answer(s, "Failed", s.poll_activity(), failure=application(), last_heartbeat_details=["said"])
    _look(s, label="backing off")
    answer(s, "Failed", s.poll_activity(), failure=application())
    _look(s, label="failed")
    _came_to(s)


@scenario
def standalone_timeouts(s: Session) -> None:
    once = {"maximum_attempts": 1}
    _begin(s, "-start", start_to_close_timeout=0.5, retry_policy=once)
    s.poll_activity()
    _came_to(s, "-start")
    _begin(s, "-beat", heartbeat_timeout=0.5, retry_policy=once)
    beat(s, s.poll_activity(), details=["last"])
    _came_to(s, "-beat")
    _begin(s, "-queue", schedule_to_start_timeout=0.3)
    _came_to(s, "-queue")
    _look(s, "-queue")


@scenario
def standalone_canceled(s: Session) -> None:
    _begin(s, "-waiting")
    _act(s, "RequestCancelActivityExecution", "-waiting", reason="why", identity="me", request_id="a")
    _look(s, "-waiting")
    _begin(s, "-running")
    work = s.poll_activity()
    answer(s, "Canceled", work, label="unasked")
    for request_id in ("a", "a", "b"):
        _act(s, "RequestCancelActivityExecution", "-running", reason="why", request_id=request_id)
    _look(s, "-running", label="asked")
    for method in OPERATIONS:
        _act(s, method, "-running")
    beat(s, work)
    answer(s, "Canceled", work, details=["bye"])
    _look(s, "-running", label="canceled")
    _begin(s, "-delayed", start_delay=600)
    _look(s, "-delayed")
    _act(s, "RequestCancelActivityExecution", "-delayed")
    _came_to(s, "-delayed")


@scenario
def standalone_terminated_and_deleted(s: Session) -> None:
    _begin(s)
    work = s.poll_activity()
    for request_id in ("a", "a", "b"):
        _act(s, "TerminateActivityExecution", reason="why", identity="me", request_id=request_id)
    beat(s, work)
    answer(s, "Completed", work)
    _look(s)
    _act(s, "DeleteActivityExecution")
    deadline = time.monotonic() + 10
    while hasattr(s.ask("DescribeActivityExecution", activity_id=s.wid()), "info"):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    _look(s, label="deleted")


@scenario
def standalone_ids(s: Session) -> None:
    _begin(s)
    _begin(s, label="same request")
    _begin(s, label="taken", request_id="other")
    _begin(s, label="used", request_id="other", id_conflict_policy="ACTIVITY_ID_CONFLICT_POLICY_USE_EXISTING")
    answer(s, "Completed", s.poll_activity())
    _begin(s, label="same request, over")
    for policy in ("REJECT_DUPLICATE", "ALLOW_DUPLICATE_FAILED_ONLY", "ALLOW_DUPLICATE"):
        name = f"ACTIVITY_ID_REUSE_POLICY_{policy}"
        _begin(s, label=policy, request_id=policy, id_reuse_policy=name)
    _act(s, "TerminateActivityExecution")
    _begin(
        s,
        label="after termination",
        request_id="again",
        id_reuse_policy="ACTIVITY_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY",
    )


@scenario
def standalone_by_id(s: Session) -> None:
    _begin(s, "-early")
    _act(s, "RespondActivityTaskCompletedById", "-early", result=["early"])
    _came_to(s, "-early")
    _begin(s)
    for verb in ("Failed", "Canceled"):
        _act(s, f"RespondActivityTask{verb}ById", label="not started")
    _act(s, "RecordActivityTaskHeartbeatById", label="not started")
    s.poll_activity()
    _act(s, "RecordActivityTaskHeartbeatById", details=["d"])
    _act(s, "RespondActivityTaskFailedById", failure=application(non_retryable=True))
    _look(s)


@scenario
def standalone_operations(s: Session) -> None:
    _begin(s, retry_policy={"initial_interval": 0.2})
    for request_id in ("p", "p", "q"):
        _act(s, "PauseActivityExecution", reason="hold", request_id=request_id)
    _look(s, label="paused")
    _act(s, "UnpauseActivityExecution")
    _act(s, "UnpauseActivityExecution", label="again")
    work = s.poll_activity()
    _act(s, "PauseActivityExecution", label="running")
    beat(s, work)
    answer(s, "Failed", work, failure=application())
    _look(s, label="paused after failing")
    _act(s, "UnpauseActivityExecution")
    work = s.poll_activity()
    _act(s, "ResetActivityExecution")
    beat(s, work)
    answer(s, "Failed", work, failure=application())
    again = s.poll_activity()
    _look(s, label="reset")
    answer(s, "Completed", again)


@scenario
def standalone_options(s: Session) -> None:
    _begin(s, start_delay=600)
    change = {"start_to_close_timeout": 33, "start_delay": 300}
    method = "UpdateActivityExecutionOptions"
    for paths in (["start_to_close_timeout"], ["start_delay"], ["nope"], []):
        _act(s, method, label=str(paths), activity_options=change, update_mask=paths)
    _act(s, method, label="no mask", activity_options=change)
    _act(s, method, label="nothing")
    _look(s, label="changed")
    _act(s, method, label="both", restore_original=True, update_mask=["priority"])
    _act(s, method, label="restored", restore_original=True)
    _look(s, label="restored")
    _act(s, method, activity_options={"start_delay": 0}, update_mask=["start_delay"], label="now")
    s.poll_activity()
    _act(s, method, activity_options=change, update_mask=["start_delay"], label="too late")
