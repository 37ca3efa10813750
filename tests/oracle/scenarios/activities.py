"""Activities: retries, timeouts, heartbeats, cancellation, by id, pause, reset, options, eager."""

import time
from typing import Any

from tests.oracle.commands import activity, application, cancel_activity
from tests.oracle.registry import scenario
from tests.oracle.session import Outcome, Session


def begin(s: Session, *commands: dict[str, Any], **over: Any) -> None:
    """A workflow whose first task gave `commands`."""
    s.start(**over)
    s.step(*commands)


def begin_one(s: Session, **over: Any) -> Outcome:
    """A workflow with one activity, polled."""
    begin(s, activity("a", s.tq(), **over))
    return s.poll_activity()


def answer(s: Session, method: str, work: Outcome, label: str = "", **fields: Any) -> Outcome:
    """RespondActivityTask`method`."""
    return s.call(f"RespondActivityTask{method}", label=label, task_token=work.task_token, **fields)


def beat(s: Session, work: Outcome, label: str = "", **fields: Any) -> Outcome:
    """RecordActivityTaskHeartbeat."""
    return s.call("RecordActivityTaskHeartbeat", label=label, task_token=work.task_token, **fields)


@scenario
def activity_completes(s: Session) -> None:
    work = begin_one(s, input=["in"], header={"h": 1})
    s.describe(label="started")
    answer(s, "Completed", work, result=["out"])
    answer(s, "Completed", work, label="again", result=["out"])
    answer(s, "Failed", work, label="again", failure=application())
    answer(s, "Canceled", work, label="again")
    beat(s, work, label="after completion")
    s.poll()


@scenario
def activity_retries_then_completes(s: Session) -> None:
    work = begin_one(s, retry_policy={"initial_interval": 1, "maximum_attempts": 3})
    beat(s, work, details=["progress"])
    answer(
        s,
        "Failed",
        work,
        failure=application("first", cause={"message": "deep"}) if 0 else application("first"),
    )
    s.describe(label="backing off")
    s.show_history(label="backing off")
    again = s.poll_activity()
    answer(s, "Completed", work, label="stale attempt")
    beat(s, work, label="stale attempt")
    s.describe(label="attempt 2 started")
    answer(s, "Completed", again)
    s.poll()


@scenario
def activity_exhausts_attempts(s: Session) -> None:
    work = begin_one(
        s, retry_policy={"initial_interval": 0.2, "backoff_coefficient": 1, "maximum_attempts": 2}
    )
    answer(s, "Failed", work, failure=application("one"))
    answer(s, "Failed", s.poll_activity(), failure=application("two"), last_heartbeat_details=["late"])
    s.poll()


@scenario
def activity_failures_that_do_not_retry(s: Session) -> None:
    failures: dict[str, Any] = {
        "flag": application(non_retryable=True),
        "type": application(kind="Never"),
        "no info": {"message": "plain"},
        "canceled": {"message": "c", "canceled_failure_info": {}},
        "terminated": {"message": "t", "terminated_failure_info": {}},
        "server": {"message": "s", "server_failure_info": {"non_retryable": True}},
    }
    s.start()
    policy = {"maximum_attempts": 2, "non_retryable_error_types": ["Never"], "initial_interval": 300}
    s.step(*[activity(label, s.tq(f"-{label}"), retry_policy=policy) for label in failures])
    for label, failure in failures.items():
        work = s.ask("PollActivityTaskQueue", task_queue=s.tq(f"-{label}"))
        answer(s, "Failed", work, label=label, failure=failure)
    s.describe()


@scenario
def activity_fails_without_failure(s: Session) -> None:
    work = begin_one(s, retry_policy={"initial_interval": 300, "maximum_attempts": 2})
    answer(s, "Failed", work)
    s.describe()


@scenario
def activity_next_retry_delay(s: Session) -> None:
    work = begin_one(s, retry_policy={"initial_interval": 300, "maximum_interval": 300})
    answer(s, "Failed", work, failure=application(next_retry_delay=1))
    s.describe()
    again = s.poll_activity()
    answer(s, "Failed", again, failure=application(next_retry_delay=1000))
    s.describe(label="longer than the maximum interval")


@scenario
def activity_large_failure_is_truncated(s: Session) -> None:
    work = begin_one(s, retry_policy={"initial_interval": 300})
    answer(s, "Failed", work, failure=application("x" * 6000))
    s.describe()


@scenario
def activity_oversized_answers(s: Session) -> None:
    huge = "x" * (2 << 20)
    s.start()
    s.step(*[activity(name, s.tq(name)) for name in ("complete", "beat", "fail")])
    polled = {
        name: s.ask("PollActivityTaskQueue", task_queue=s.tq(name)) for name in ("complete", "beat", "fail")
    }
    answer(s, "Completed", polled["complete"], result=[huge])
    beat(s, polled["beat"], details=[huge])
    answer(s, "Failed", polled["fail"], failure=application(huge))
    s.poll()


@scenario
def activity_unpolled_times_out(s: Session) -> None:
    once = {"maximum_attempts": 1}
    begin(
        s,
        activity("1", s.tq("x"), schedule_to_close_timeout=1),
        activity("2", s.tq("x"), start_to_close_timeout=9, schedule_to_start_timeout=2, retry_policy=once),
    )
    s.wait_until(lambda events: sum(e.event_type == 14 for e in events) == 2)


@scenario
def activity_start_to_close_timeout(s: Session) -> None:
    work = begin_one(s, start_to_close_timeout=1, retry_policy={"maximum_attempts": 1})
    beat(s, work, details=["seen"])
    s.wait_for(14)
    answer(s, "Completed", work, label="too late")
    s.poll()


@scenario
def activity_start_to_close_timeout_retries(s: Session) -> None:
    begin_one(s, start_to_close_timeout=1, retry_policy={"maximum_attempts": 2, "initial_interval": 0.1})
    again = s.poll_activity()
    s.describe()
    answer(s, "Completed", again)


@scenario
def activity_no_time_left_to_retry(s: Session) -> None:
    over = {"start_to_close_timeout": 1, "schedule_to_close_timeout": 20}
    begin_one(s, retry_policy={"initial_interval": 60}, **over)
    s.wait_for(14)
    s.poll()


@scenario
def activity_schedule_to_close_timeout_while_started(s: Session) -> None:
    begin_one(s, schedule_to_close_timeout=1, schedule_to_start_timeout=1)
    s.wait_for(14)
    s.poll()


@scenario
def activity_heartbeat_timeout(s: Session) -> None:
    work = begin_one(s, heartbeat_timeout=1, retry_policy={"maximum_attempts": 1})
    beat(s, work, details=["alive"])
    s.describe(label="heartbeat recorded")
    s.wait_for(14)
    beat(s, work, label="too late")
    s.poll()


@scenario
def activity_heartbeat_details_survive_retries(s: Session) -> None:
    work = begin_one(s, retry_policy={"initial_interval": 0.1, "maximum_attempts": 3})
    beat(s, work, details=["one"])
    answer(s, "Failed", work, failure=application())
    second = s.poll_activity()
    answer(s, "Failed", second, failure=application(), last_heartbeat_details=["two"])
    third = s.poll_activity()
    beat(s, third, label="empty details")
    s.describe()
    answer(s, "Failed", third, failure=application())


@scenario
def activity_canceled_before_start(s: Session) -> None:
    begin(s, activity("a", s.tq("x")))
    s.signal()
    s.step(cancel_activity(5), activity("a", s.tq("y")))
    s.poll()


@scenario
def activity_canceled_during_backoff(s: Session) -> None:
    work = begin_one(s, retry_policy={"initial_interval": 300})
    answer(s, "Failed", work, failure=application())
    s.signal()
    s.step(cancel_activity(5))
    s.poll()


@scenario
def activity_canceled_after_start(s: Session) -> None:
    work = begin_one(s)
    answer(s, "Canceled", work, label="not requested")
    s.signal()
    s.step(cancel_activity(5))
    s.describe(label="cancel requested")
    beat(s, work)
    answer(s, "Canceled", work, details=["bye"])
    s.poll()


@scenario
def activity_ignores_cancellation(s: Session) -> None:
    s.start()
    s.step(activity("fails", s.tq("f")), activity("completes", s.tq("c")))
    fails, completes = s.poll_activity(s.tq("f")), s.poll_activity(s.tq("c"))
    s.signal()
    s.step(cancel_activity(5), cancel_activity(6))
    answer(s, "Failed", fails, failure=application())
    answer(s, "Completed", completes)
    s.poll()


@scenario
def activity_cancel_then_timeout(s: Session) -> None:
    begin_one(s, start_to_close_timeout=2)
    s.signal()
    s.step(cancel_activity(5))
    s.wait_for(14)


@scenario
def activity_answers_by_id(s: Session) -> None:
    s.start()
    s.step(*[activity(name, s.tq(name)) for name in ("done", "fail", "cancel", "waiting", "beat", "idle")])
    for name in ("done", "fail", "cancel", "beat"):
        s.ask("PollActivityTaskQueue", task_queue=s.tq(name))
    target = {"workflow_id": s.wid()}
    s.call("RecordActivityTaskHeartbeatById", **target, activity_id="beat", details=["b"])
    s.call("RecordActivityTaskHeartbeatById", **target, activity_id="idle", label="not started")
    s.call("RecordActivityTaskHeartbeatById", **target, activity_id="nope", label="unknown")
    s.call("RespondActivityTaskCanceledById", **target, activity_id="cancel", label="not requested")
    s.call(
        "RespondActivityTaskFailedById",
        **target,
        activity_id="idle",
        failure=application(),
        label="not started",
    )
    s.call("RespondActivityTaskCanceledById", **target, activity_id="idle", label="not started")
    s.call(
        "RespondActivityTaskCompletedById", **target, activity_id="waiting", result=["w"], label="not started"
    )
    s.call("RespondActivityTaskCompletedById", **target, activity_id="done", result=["d"])
    s.call("RespondActivityTaskCompletedById", **target, activity_id="done", label="again")
    s.call(
        "RespondActivityTaskCompletedById", workflow_id="missing", activity_id="a", label="missing workflow"
    )
    s.call("RespondActivityTaskCompletedById", **target, label="no activity id")
    s.call("RespondActivityTaskCompletedById", activity_id="a", label="no workflow id")
    s.call("RespondActivityTaskCompletedById", **target, run_id="bad", activity_id="a", label="bad run id")
    s.call(
        "RespondActivityTaskFailedById", **target, activity_id="fail", failure=application(non_retryable=True)
    )
    s.poll()


@scenario
def activity_bad_tokens(s: Session) -> None:
    for method in (
        "RespondActivityTaskCompleted",
        "RespondActivityTaskFailed",
        "RespondActivityTaskCanceled",
    ):
        s.call(method, label="empty")
        s.call(method, label="garbage", task_token=b"\xff\xfe")
    s.call("RecordActivityTaskHeartbeat", label="empty")
    s.call("RecordActivityTaskHeartbeat", label="garbage", task_token=b"\xff\xfe")


@scenario
def activity_started_eagerly(s: Session) -> None:
    s.start()
    task = s.poll(quiet=True)
    answer = s.complete(task, activity("a", s.tq(), request_eager_execution=True), activity("b", s.tq()))
    s.describe()
    answer(s, "Completed", answer.activity_tasks[0], result=["eager"])
    s.poll()


@scenario
def activity_completion_races_with_close(s: Session) -> None:
    work = begin_one(s)
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid())
    answer(s, "Completed", work)
    answer(s, "Failed", work, failure=application())
    answer(s, "Canceled", work)
    beat(s, work)
    s.call("RespondActivityTaskCompletedById", workflow_id=s.wid(), activity_id="a", label="by id")


@scenario
def activity_started_while_buffering(s: Session) -> None:
    begin(s, activity("a", s.tq()), activity("b", s.tq("b")))
    s.signal()
    task = s.poll()
    work = s.poll_activity()
    answer(s, "Failed", work, failure=application(non_retryable=True))
    s.describe(label="completion buffered")
    s.complete(task)
    s.poll()


@scenario
def activity_unlimited_poll_shape(s: Session) -> None:
    s.start(priority={"priority_key": 1, "fairness_key": "f"})
    s.step(activity("a", s.tq(), priority={"fairness_weight": 2.0}))
    s.poll_activity()
    time.sleep(0)
