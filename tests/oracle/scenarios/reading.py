"""Describing and reading histories: shapes, pages, tokens, long polls, reverse order."""

from typing import Any

from tests.oracle.build import cases
from tests.oracle.commands import done, timer
from tests.oracle.registry import scenario
from tests.oracle.session import Session

CLOSE = "HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT"


def _history(s: Session, label: str = "", timeout: Any = 30, **fields: Any) -> Any:
    return s.call("GetWorkflowExecutionHistory", timeout, label, **{"execution": s.wid(), **fields})


@scenario
def history_pages(s: Session) -> None:
    s.start()
    s.step(timer("a"), timer("b"))
    s.signal()
    s.step(done())
    token = b""
    # Not a divisor of the number of batches: after a last page that is full, the reference service hands out a token
    # to an empty one, and a service that knows that nothing follows does not.
    for number in range(8):
        page = _history(s, f"page {number}", maximum_page_size=4, next_page_token=token)
        token = page.next_page_token
        if not token:
            break
    token = b""
    for number in range(12):
        fields = {"execution": s.wid(), "maximum_page_size": 3, "next_page_token": token}
        page = s.call("GetWorkflowExecutionHistoryReverse", label=f"page {number}", **fields)
        token = page.next_page_token
        if not token:
            break


@scenario
def history_bad_arguments(s: Session) -> None:
    started = s.start()
    s.step(timer("a"))
    page = _history(s, maximum_page_size=1)
    unknown = "00000000-0000-4000-8000-000000000000"
    _history(s, "token of another run", execution=(s.wid(), unknown), next_page_token=page.next_page_token)
    _history(s, "same run", execution=(s.wid(), started.run_id), next_page_token=page.next_page_token)
    _history(s, "garbage token", next_page_token=b"garbage")
    _history(s, "no execution", execution=None)
    _history(s, "no id", execution="")
    _history(s, "bad run", execution=(s.wid(), "bad"))
    _history(s, "unknown run", execution=(s.wid(), unknown))
    _history(s, "missing", execution="missing")
    _history(s, "negative page", maximum_page_size=-1)
    for label, execution in {"none": None, "missing": "missing", "unknown run": (s.wid(), unknown)}.items():
        s.call("GetWorkflowExecutionHistoryReverse", label=label, execution=execution)
    reverse = {"execution": s.wid(), "next_page_token": b"garbage"}
    s.call("GetWorkflowExecutionHistoryReverse", label="garbage token", **reverse)


@scenario
def history_long_poll_follows_a_run(s: Session) -> None:
    s.start()
    first = _history(s, wait_new_event=True)
    waiting = s.later(
        "GetWorkflowExecutionHistory",
        execution=s.wid(),
        wait_new_event=True,
        next_page_token=first.next_page_token,
    )
    s.signal()
    second = s.join(waiting, "woken by the signal")
    fields = {"execution": s.wid(), "wait_new_event": True, "next_page_token": second.next_page_token}
    s.call("GetWorkflowExecutionHistory", 3, "nothing new", **fields)
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid())
    s.call("GetWorkflowExecutionHistory", 10, "closed", **fields)


@scenario
def history_close_event_wait(s: Session) -> None:
    s.start()
    wait = {"wait_new_event": True, "history_event_filter_type": CLOSE}
    first = _history(s, "still running", 3, **wait)
    waiting = s.later(
        "GetWorkflowExecutionHistory", execution=s.wid(), **wait, next_page_token=first.next_page_token
    )
    s.step(done("r"))
    s.join(waiting, "closed")
    _history(s, "already closed", **wait)
    _history(s, "already closed, not waiting", history_event_filter_type=CLOSE)


@scenario
def history_close_event_without_wait(s: Session) -> None:
    s.start()
    _history(s, "running", 4, history_event_filter_type=CLOSE)


@scenario
def describe_bad_arguments(s: Session) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    s.start()
    for label, execution in cases(
        {
            "none": None,
            "empty": "",
            "missing": "missing",
            "unknown run": (s.wid(), unknown),
            "bad": (s.wid(), "bad"),
        }
    ).items():
        s.call("DescribeWorkflowExecution", label=label, execution=execution)
    s.call("DescribeWorkflowExecution", label="namespace", execution="w", namespace="nowhere")
    s.call("DescribeWorkflowExecution", label="long id", execution="w" * 1001)


@scenario
def options_update(s: Session) -> None:
    s.start()
    target = {"workflow_execution": s.wid()}
    change = {"priority": {"priority_key": 4}}
    pinned = {
        "version": {"build_id": "b", "deployment_name": "d"},
        "behavior": "PINNED_OVERRIDE_BEHAVIOR_PINNED",
    }
    for label, fields in cases(
        {
            "priority": {"workflow_execution_options": change, "update_mask": ["priority"]},
            "same priority": {"workflow_execution_options": change, "update_mask": ["priority"]},
            "bad path": {"workflow_execution_options": change, "update_mask": ["nope"]},
            "no mask": {"workflow_execution_options": change},
            "nothing": {},
            "auto upgrade": {
                "workflow_execution_options": {"versioning_override": {"auto_upgrade": True}},
                "update_mask": ["versioning_override"],
            },
            "unset": {"workflow_execution_options": {}, "update_mask": ["versioning_override"]},
            "pinned": {
                "workflow_execution_options": {"versioning_override": {"pinned": pinned}},
                "update_mask": ["versioning_override"],
            },
        }
    ).items():
        s.call("UpdateWorkflowExecutionOptions", label=label, **target, **fields)
    s.describe()
    missing = {"workflow_execution_options": change, "update_mask": ["priority"]}
    s.call("UpdateWorkflowExecutionOptions", label="missing", workflow_execution="missing", **missing)
    s.step(done())
    s.call("UpdateWorkflowExecutionOptions", label="closed", **target, **missing)
