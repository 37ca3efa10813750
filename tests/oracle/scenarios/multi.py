"""Update-with-start: what starts, what only updates, and how errors are split."""

from concurrent.futures import Future
from typing import Any

from tests.oracle.build import cases
from tests.oracle.commands import done, timer
from tests.oracle.registry import scenario
from tests.oracle.scenarios.updates import accept, answer, fields, reject, respond, send
from tests.oracle.session import Outcome, Session


def _operations(s: Session, start: dict[str, Any], change: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"start_workflow": {"namespace": "default", **s.start_fields(**start)}},
        {"update_workflow": {"namespace": "default", **fields(s, **change)}},
    ]


def _both(
    s: Session, start: dict[str, Any] | None = None, timeout: float = 20, **change: Any
) -> Future[Outcome]:
    return s.later("ExecuteMultiOperation", timeout, operations=_operations(s, start or {}, change))


def _existing(conflict: str) -> dict[str, Any]:
    return {"request_id": "another", "workflow_id_conflict_policy": f"WORKFLOW_ID_CONFLICT_POLICY_{conflict}"}


@scenario
def update_with_start_starts(s: Session) -> None:
    sent = _both(s)
    answer(s, s.poll(), accept, respond)
    s.join(sent, "both")
    s.join(_both(s), "repeated")


@scenario
def update_with_start_rejected(s: Session) -> None:
    sent = _both(s)
    answer(s, s.poll(), reject, after=[timer()])
    s.join(sent, "both")


@scenario
def update_with_start_uses_existing(s: Session) -> None:
    s.start()
    s.step(timer())
    sent = _both(s, _existing("USE_EXISTING"))
    answer(s, s.poll(), accept, respond)
    s.join(sent, "both")


@scenario
def update_with_start_fails_on_existing(s: Session) -> None:
    s.start()
    s.step(timer())
    s.join(_both(s, _existing("FAIL")), "both")
    s.join(_both(s, _existing("UNSPECIFIED")), "both, unspecified")


@scenario
def update_with_start_terminates_existing(s: Session) -> None:
    s.start()
    s.step(timer())
    sent = _both(s, _existing("TERMINATE_EXISTING"))
    answer(s, s.poll(), accept, respond)
    s.join(sent, "both")


@scenario
def update_with_start_after_close(s: Session) -> None:
    s.start()
    sent = send(s)
    answer(s, s.poll(quiet=True), accept, respond, after=[done()])
    s.join(sent, "update")
    s.join(_both(s, _existing("USE_EXISTING")), "outcome is remembered")
    reject_duplicates = {
        **_existing("FAIL"),
        "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
    }
    s.join(_both(s, reject_duplicates, update_id="new"), "id may not be reused")
    sent = _both(s, _existing("FAIL"), update_id="new")
    answer(s, s.poll(quiet=True), accept, respond)
    s.join(sent, "new run")


@scenario
def update_with_start_closing(s: Session) -> None:
    sent = _both(s, timeout=5)
    s.complete(s.poll(quiet=True), done())
    s.join(sent, "both")


@scenario
def update_with_start_bad_shapes(s: Session) -> None:
    start, change = _operations(s, {}, {})
    for label, operations in cases(
        {
            "none": [],
            "only start": [start],
            "only update": [change],
            "swapped": [change, start],
            "three": [start, change, change],
            "empty": [{}, {}],
        }
    ).items():
        s.call("ExecuteMultiOperation", 5, label, operations=operations)


@scenario
def update_with_start_bad_members(s: Session) -> None:
    starts: dict[str, dict[str, Any]] = {
        "cron": {"cron_schedule": "@hourly"},
        "eager": {"request_eager_execution": True},
        "delay": {"workflow_start_delay": 5},
        "no type": {"workflow_type": None},
        "other id": {"workflow_id": "other"},
        "namespace": {"namespace": "other"},
    }
    for label, start in starts.items():
        s.call("ExecuteMultiOperation", 5, label, operations=_operations(s, start, {}))
    unknown = "00000000-0000-4000-8000-000000000000"
    changes: dict[str, dict[str, Any]] = {
        "run id": {"workflow_execution": (s.wid(), unknown)},
        "first run id": {"first_execution_run_id": unknown},
        "no request": {"request": None},
        "no name": {"request": {"meta": {"update_id": "u"}, "input": {}}},
        "admitted": {"stage": "ADMITTED"},
    }
    for label, change in changes.items():
        s.call("ExecuteMultiOperation", 5, label, operations=_operations(s, {}, change))


@scenario
def update_with_start_nobody_polls(s: Session) -> None:
    s.join(_both(s, timeout=3), "both")
