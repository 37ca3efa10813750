"""Schedules: what is refused, what specs become, what policies do, what descriptions and lists show.

Nothing here depends on when the clock strikes: actions are triggered, or made up for in a past that never changes.
"""

import time
from collections.abc import Callable
from typing import Any

from google.protobuf import timestamp_pb2

from tests.oracle.build import cases
from tests.oracle.commands import broken, command, done
from tests.oracle.harness import RpcFailure
from tests.oracle.registry import scenario
from tests.oracle.session import Session

LONG_AGO = 1_600_000_000 - 1_600_000_000 % 3600
LATER = 1_900_000_000 - 1_900_000_000 % 3600
HOURLY: dict[str, Any] = {"interval": [{"interval": 3600}]}
NEVER = {"structured_calendar": [{"year": [{"start": 2099}]}]}
POLICIES = ("SKIP", "BUFFER_ONE", "BUFFER_ALL", "CANCEL_OTHER", "TERMINATE_OTHER", "ALLOW_ALL")


def at(seconds: int) -> timestamp_pb2.Timestamp:
    return timestamp_pb2.Timestamp(seconds=seconds)


def _schedule(s: Session, spec: Any = None, action: Any = None, **over: Any) -> dict[str, Any]:
    start = {"workflow_id": s.wid("-wf"), "workflow_type": "Oracle", "task_queue": s.tq()}
    return {"spec": spec or {}, "action": {"start_workflow": {**start, **(action or {})}}, **over}


def _create(s: Session, suffix: Any = "", label: Any = "", **over: Any) -> Any:
    fields = {"schedule_id": s.wid(suffix), "schedule": _schedule(s), "request_id": s.unique(f"r{suffix}")}
    return s.call("CreateSchedule", label=label or suffix, **{**fields, **over})


def _patch(s: Session, suffix: str = "", label: str = "", **patch: Any) -> Any:
    fields = {"schedule_id": s.wid(suffix), "patch": patch, "request_id": s.unique(f"patch{time.time()}")}
    return s.call("PatchSchedule", label=label, **fields)


def _policy(name: str) -> str:
    return f"SCHEDULE_OVERLAP_POLICY_{name}"


def _trigger(s: Session, suffix: str = "", policy: str = "UNSPECIFIED", when: int = 0) -> Any:
    wanted: dict[str, Any] = {"overlap_policy": _policy(policy)}
    if when:
        wanted["scheduled_time"] = at(when)
    return _patch(s, suffix, f"trigger {policy}", trigger_immediately=wanted)


def _seen(
    s: Session, suffix: str = "", label: str = "", until: Callable[[Any], bool] = lambda _: True
) -> Any:
    """Records the description once it is as wanted, without the times to come."""
    deadline = time.monotonic() + 15
    while True:
        shown = s.ask("DescribeSchedule", schedule_id=s.wid(suffix))
        if isinstance(shown, RpcFailure) or until(shown) or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    if not isinstance(shown, RpcFailure):
        shown.info.ClearField("future_action_times")
    s.record(f"DescribeSchedule {suffix} {label}".strip(), shown)
    return shown


def _taken(count: int) -> Callable[[Any], bool]:
    return lambda shown: bool(shown.info.action_count >= count)


def _running(shown: Any) -> Any:
    return shown.info.running_workflows[0]


@scenario
def schedule_requests_refused(s: Session) -> None:
    s.call("CreateSchedule", label="without an id", request_id="r")
    s.call("CreateSchedule", label="without a request id", schedule_id=s.wid())
    for length in (970, 1000):
        _create(s, label=f"id of {length}", schedule_id="x" * length + s.unique("")[:5])
    for method in ("DescribeSchedule", "DeleteSchedule", "ListScheduleMatchingTimes"):
        s.call(method, label="without an id")
        s.call(method, label="unknown", schedule_id=s.wid("-none"), **_span(method))
    s.call("PatchSchedule", label="without a patch", schedule_id=s.wid("-none"))
    _patch(s, "-none", "unknown", pause="x")
    s.call("UpdateSchedule", label="without an action", schedule_id=s.wid("-none"))
    s.call("UpdateSchedule", label="unknown", schedule_id=s.wid("-none"), schedule=_schedule(s))
    _create(s, "-notes")
    _patch(s, "-notes", "long notes", pause="x" * 1001)


def _span(method: str) -> dict[str, Any]:
    return {"start_time": at(5), "end_time": at(9)} if method == "ListScheduleMatchingTimes" else {}


@scenario
def schedule_actions_refused(s: Session) -> None:
    wrong = cases(
        {
            "no type": {"workflow_type": ""},
            "no queue": {"task_queue": None},
            "cron": {"cron_schedule": "* * * * *"},
            "reuse failed only": {"workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE"},
            "reuse duplicate": {"workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE"},
            "reserved queue": {"task_queue": "/_sys/x"},
            "service's queue": {"task_queue": "temporal-sys-per-ns-tq"},
            "timeout": {"workflow_run_timeout": -3},
            "attribute": {"search_attributes": {"Nope": 1}},
            "long id": {"workflow_id": "x" * 980},
            "id that just fits": {"workflow_id": "x" * 979},
            "no id": {"workflow_id": ""},
        }
    )
    for number, (label, action) in enumerate(wrong.items()):
        _create(s, f"-{number}", label, schedule=_schedule(s, NEVER, action))
    _create(s, "-own", "own attribute", search_attributes={"Nope": 1})


CRONS = (
    "* * * *",
    "x * * * *",
    "61 * * * *",
    "* * * * * * * *",
    "@every 0s",
    "@every 1s/2s",
    "@every x",
    "@foo",
    "@Daily",
    "CRON_TZ=Mars/X * * * * *",
    "*/0 * * * *",
    "5-3 * * * *",
    "1/2/3 * * * *",
    "*/ * * * *",
    "*/x * * * *",
    "",
    "0 0 1 FOO *",
    "0 0 * * FUNDAY",
    "1-2-3 * * * *",
)
CALENDARS = cases(
    {
        "second": {"second": "60"},
        "day": {"day_of_month": "0"},
        "J": {"month": "J"},
        "weekday": {"day_of_week": "8"},
        "m": {"day_of_week": "m"},
        "year": {"year": "1999"},
        "comma": {"hour": "1,,2"},
        "comment": {"comment": "c" * 201},
        "step": {"hour": "*/-1"},
        "space": {"hour": " 1 , 2"},
        "sunday": {"day_of_week": "fri-sun"},
    }
)
RANGES = cases(
    {
        "second": {"second": [{"start": 60}]},
        "hour": {"hour": [{"start": 3, "end": 2}]},
        "step": {"hour": [{"start": 3, "end": 5, "step": -1}]},
        "weekday": {"day_of_week": [{"start": 7}]},
        "month": {"month": [{}]},
        "end": {"second": [{"end": 70}]},
    }
)


@scenario
def schedule_specs_refused(s: Session) -> None:
    for number, text in enumerate(CRONS):
        _create(s, f"-c{number}", f"cron {text!r}", schedule=_schedule(s, {"cron_string": [text]}))
    for label, calendar in CALENDARS.items():
        _create(s, f"-t-{label}", f"calendar {label}", schedule=_schedule(s, {"calendar": [calendar]}))
    for label, calendar in RANGES.items():
        spec = {"structured_calendar": [calendar]}
        _create(s, f"-r-{label}", f"ranges {label}", schedule=_schedule(s, spec))
    others = cases(
        {
            "two zones": {"cron_string": ["TZ=UTC * * * * *", "* * * * *"]},
            "another zone": {"cron_string": ["TZ=UTC * * * * *"], "timezone_name": "America/New_York"},
            "no zone": {"timezone_name": "Mars/X"},
            "garbage": {"timezone_data": b"garbage"},
            "no interval": {"interval": [{}]},
            "small interval": {"interval": [{"interval": 0.5}]},
            "phase": {"interval": [{"interval": 10, "phase": 10}]},
            "negative phase": {"interval": [{"interval": 10, "phase": -1}]},
        }
    )
    for number, (label, spec) in enumerate(others.items()):
        _create(s, f"-o{number}", label, schedule=_schedule(s, spec))


SPECS = cases(
    {
        "calendar": {"calendar": [{"hour": "1,3-5,*/6", "comment": "c"}]},
        "weekdays": {"calendar": [{"day_of_week": "1-7/2"}, {"day_of_week": "7"}, {"day_of_week": "fri-7"}]},
        "steps": {
            "calendar": [{"day_of_week": "2/2", "hour": "3/4", "month": "jan-mar/2", "year": "2030/3"}]
        },
        "crons": {
            "cron_string": ["30 2 * * 5#hey", "@every 1h/5m", "@daily", "15 30 9 1,15 */2 1-5 2030-2032"]
        },
        "zone": {"cron_string": ["CRON_TZ=America/New_York 30 1 * * *"]},
        "thirteenth": {"cron_string": ["0 0 13 * FRI"]},
        "excluded": {"interval": [{"interval": 7200}], "exclude_calendar": [{"hour": "3-20", "minute": "*"}]},
        "every": {"cron_string": ["@every 1d2h/3m"]},
        "fraction": {"interval": [{"interval": 1.5}]},
        "bounds": {**HOURLY, "start_time": at(LATER + 7200), "end_time": at(LATER + 6 * 3600)},
    }
)


@scenario
def schedule_specs_in_canonical_form(s: Session) -> None:
    for label, spec in SPECS.items():
        _create(s, f"-{label}", schedule=_schedule(s, spec, state={"paused": True}))
        shown = _seen(s, f"-{label}")
        if isinstance(shown, RpcFailure):
            continue
        for begin, span in ((LATER, 86400), (1_919_000_000, 400 * 86400)):
            asked = {"start_time": at(begin), "end_time": at(begin + span)}
            found = s.ask("ListScheduleMatchingTimes", schedule_id=s.wid(f"-{label}"), **asked)
            times = [one.seconds for one in found.start_time]
            s.record(f"times of {label} from {begin}", [len(times), *times[:12]])


@scenario
def schedule_described(s: Session) -> None:
    policies = {"catchup_window": 3, "pause_on_failure": True}
    state = {"notes": "some", "limited_actions": True, "remaining_actions": 3}
    whole = _schedule(s, NEVER, {"input": [1], "memo": {"k": 1}}, policies=policies, state=state)
    own = {"memo": {"m": 1}, "search_attributes": {"OracleKeyword": "x"}}
    _create(s, schedule=whole, **own)
    _create(s, label="again", schedule=whole, **own)
    _create(s, label="under another request", request_id=s.unique("other"))
    _seen(s)
    s.call(
        "UpdateSchedule",
        label="stale",
        schedule_id=s.wid(),
        schedule=_schedule(s),
        conflict_token=b"12345678",
    )
    _seen(s, label="unchanged")
    s.call("UpdateSchedule", schedule_id=s.wid(), schedule=_schedule(s, NEVER))
    _seen(s, label="updated", until=lambda shown: bool(shown.info.HasField("update_time")))
    s.call("UpdateSchedule", label="memo", schedule_id=s.wid(), schedule=_schedule(s), memo={"m": 2})
    s.call("UpdateSchedule", label="bare", schedule_id=s.wid(), schedule=_schedule(s), search_attributes={})
    _seen(s, label="bare", until=lambda shown: not shown.search_attributes.indexed_fields)
    _patch(s, pause="tired")
    _seen(s, label="paused", until=lambda shown: bool(shown.schedule.state.paused))
    _patch(s, unpause="awake")
    _seen(s, label="unpaused", until=lambda shown: not shown.schedule.state.paused)
    s.call("DeleteSchedule", schedule_id=s.wid())
    _seen(s, label="deleted")
    s.call("DeleteSchedule", label="again", schedule_id=s.wid())
    _patch(s, label="deleted", pause="x")
    s.call("UpdateSchedule", label="deleted", schedule_id=s.wid(), schedule=_schedule(s))


@scenario
def schedule_backfills(s: Session) -> None:
    for policy in POLICIES:
        wanted = {
            "start_time": at(LONG_AGO),
            "end_time": at(LONG_AGO + 3 * 3600),
            "overlap_policy": _policy(policy),
        }
        whole = _schedule(s, HOURLY, {"workflow_id": s.wid(f"-wf-{policy}")}, state={"paused": True})
        _create(s, f"-{policy}", schedule=whole, initial_patch={"backfill_request": [wanted]})
        count = 4 if policy == "ALLOW_ALL" else 1
        shown = _seen(s, f"-{policy}", until=_taken(count))
        for one in shown.info.recent_actions if not isinstance(shown, RpcFailure) else ():
            s.touch(one.start_workflow_result.workflow_id, one.start_workflow_result.run_id)


@scenario
def schedule_triggers(s: Session) -> None:
    _create(s)
    _trigger(s, when=LONG_AGO)
    first = _running(_seen(s, until=_taken(1)))
    s.touch(first.workflow_id, first.run_id)
    _trigger(s, when=LONG_AGO + 1)
    _seen(s, label="skipped", until=lambda shown: bool(shown.info.overlap_skipped))
    _trigger(s, policy="BUFFER_ONE", when=LONG_AGO + 2)
    _seen(s, label="buffered", until=lambda shown: bool(shown.info.buffer_size))
    _trigger(s, policy="ALLOW_ALL", when=LONG_AGO + 3)
    _seen(s, label="all", until=_taken(2))
    s.call("TerminateWorkflowExecution", workflow_execution=first.workflow_id)
    _seen(s, label="next", until=_taken(3))
    _trigger(s, policy="CANCEL_OTHER", when=LONG_AGO + 4)
    shown = _seen(s, label="cancelled", until=lambda shown: bool(shown.info.buffer_size))
    second = _running(shown)
    _until_event(s, second, 20)
    _trigger(s, policy="TERMINATE_OTHER", when=LONG_AGO + 5)
    shown = _seen(s, label="terminated", until=_taken(4))
    for one in shown.info.recent_actions:
        s.touch(one.start_workflow_result.workflow_id, one.start_workflow_result.run_id)


def _until_event(s: Session, execution: Any, kind: int) -> None:
    for _ in range(150):
        if any(event.event_type == kind for event in s.events(execution.workflow_id, execution.run_id)):
            return
        time.sleep(0.1)


def _closed(status: str) -> Callable[[Any], bool]:
    from temporalio.api.enums.v1 import WorkflowExecutionStatus

    wanted = WorkflowExecutionStatus.Value(f"WORKFLOW_EXECUTION_STATUS_{status}")
    return lambda shown: bool(
        shown.info.recent_actions and shown.info.recent_actions[-1].start_workflow_status == wanted
    )


@scenario
def schedule_results_carried_over(s: Session) -> None:
    _create(s)
    again = command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type="Oracle", task_queue=s.tq())
    _trigger(s, when=LONG_AGO)
    held = s.poll(quiet=True)
    time.sleep(1.1)  # a run that goes on within a second is held up for the rest of it
    s.complete(held, again, label="continue")
    _seen(s, label="still running", until=_taken(1))
    s.step(done("first"), label="complete")
    _seen(s, label="completed", until=_closed("COMPLETED"))
    _trigger(s, when=LONG_AGO + 1)
    s.step(broken("second"), label="fail")
    _seen(s, label="failed", until=_closed("FAILED"))
    _trigger(s, when=LONG_AGO + 2)
    s.step(done("third"), label="complete")
    _seen(s, label="completed again", until=_closed("COMPLETED"))
    _trigger(s, policy="ALLOW_ALL", when=LONG_AGO + 3)
    s.step(done("fourth"), label="complete")
    _seen(s, label="not followed", until=_taken(4))


@scenario
def schedule_pauses_on_failure(s: Session) -> None:
    _create(s, schedule=_schedule(s, policies={"pause_on_failure": True}))
    _trigger(s, when=LONG_AGO)
    s.step(broken("no luck"), label="fail")
    _seen(s, until=lambda shown: bool(shown.schedule.state.paused))


@scenario
def schedule_acts_by_the_clock(s: Session) -> None:
    whole = _schedule(
        s,
        {"interval": [{"interval": 1}]},
        policies={"overlap_policy": _policy("ALLOW_ALL")},
        state={"limited_actions": True, "remaining_actions": 2},
    )
    _create(s, schedule=whole)
    shown = _seen(s, until=_taken(2))
    for one in shown.info.recent_actions:
        s.touch(one.start_workflow_result.workflow_id, one.start_workflow_result.run_id)


@scenario
def schedule_lists(s: Session) -> None:
    key = s.unique("key")
    for suffix in ("-a", "-b"):
        state = {"paused": suffix == "-b", "notes": f"this is {suffix}"}
        own = {"search_attributes": {"OracleKeyword": key}, "memo": {"m": suffix}}
        _create(s, suffix, schedule=_schedule(s, NEVER, state=state), **own)
    queries = (
        f"OracleKeyword = '{key}'",
        f"OracleKeyword = '{key}' AND TemporalSchedulePaused = true",
        f"ScheduleId = '{s.wid('-a')}'",
        f"ScheduleId STARTS_WITH '{s.wid('-b')}'",
        f"ScheduleId IN ('{s.wid('-a')}', '{s.wid('-none')}')",
    )
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        counts = [s.ask("CountSchedules", query=query).count for query in queries[:2]]
        if counts == [2, 1]:
            break
        time.sleep(0.1)
    for query in queries:
        s.call("CountSchedules", label=query, query=query)
        found = s.ask("ListSchedules", query=query)
        for entry in sorted(found.schedules, key=lambda entry: str(entry.schedule_id)):
            entry.info.ClearField("future_action_times")
            s.record(f"ListSchedules {query}", entry)
    for query in ("Nope = 1", "WorkflowId = 'a'", "ExecutionStatus = 'Running'"):
        s.call("CountSchedules", label=query, query=query)
    hidden = s.ask("ListWorkflowExecutions", query=f"WorkflowId = 'temporal-sys-scheduler:{s.wid('-a')}'")
    s.record("schedules among workflows", [len(hidden.executions)])
