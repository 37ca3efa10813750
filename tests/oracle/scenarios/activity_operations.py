"""Operating on pending activities: pause, unpause, reset, options."""

from typing import Any

from tests.oracle.commands import activity, application, done
from tests.oracle.registry import scenario
from tests.oracle.scenarios.activities import answer, beat, begin, begin_one
from tests.oracle.session import Session


@scenario
def activity_pause_and_unpause_waiting(s: Session) -> None:
    begin(s, activity("a", s.tq()))
    target = {"execution": s.wid(), "id": "a"}
    s.call("PauseActivity", **target, reason="hold", request_id=s.unique("p"))
    s.call("PauseActivity", **target, reason="hold", request_id=s.unique("p"), label="same request")
    s.call("PauseActivity", **target, request_id=s.unique("q"), label="other request")
    s.describe(label="paused")
    s.poll_activity(timeout=3, label="nothing while paused")
    s.call("UnpauseActivity", **target)
    s.call("UnpauseActivity", **target, label="again")
    s.describe(label="unpaused")
    answer(s, "Completed", s.poll_activity())


@scenario
def activity_pause_while_running(s: Session) -> None:
    work = begin_one(s, retry_policy={"initial_interval": 1})
    s.call("PauseActivity", execution=s.wid(), type="Act", reason="by type")
    s.describe(label="pause requested")
    beat(s, work)
    answer(s, "Failed", work, failure=application())
    s.describe(label="paused after failing")
    s.call("UnpauseActivity", execution=s.wid(), id="a", reset_attempts=True)
    answer(s, "Completed", s.poll_activity())


@scenario
def activity_reset_in_backoff(s: Session) -> None:
    work = begin_one(s, retry_policy={"initial_interval": 300})
    beat(s, work, details=["d"])
    answer(s, "Failed", work, failure=application())
    s.call("ResetActivity", execution=s.wid(), id="a", reset_heartbeat=True)
    again = s.poll_activity()
    s.describe()
    answer(s, "Completed", again)


@scenario
def activity_reset_while_running(s: Session) -> None:
    work = begin_one(s, retry_policy={"initial_interval": 0.5})
    s.call("ResetActivity", execution=s.wid(), id="a")
    beat(s, work)
    s.describe()
    answer(s, "Failed", work, failure=application())
    answer(s, "Completed", s.poll_activity())


@scenario
def activity_options_change(s: Session) -> None:
    work = begin_one(s, retry_policy={"initial_interval": 300})
    answer(s, "Failed", work, failure=application())
    target = {"execution": s.wid(), "id": "a"}
    change = {"start_to_close_timeout": 50, "retry_policy": {"initial_interval": 1, "maximum_attempts": 9}}
    s.call("UpdateActivityOptions", **target, activity_options=change, update_mask=["start_to_close_timeout"])
    paths = ["retryPolicy.initialInterval", "retry_policy.maximum_attempts"]
    s.call("UpdateActivityOptions", **target, activity_options=change, update_mask=paths)
    s.describe(label="changed")
    s.call("UpdateActivityOptions", **target, activity_options=change, update_mask=["nope"], label="bad path")
    s.call("UpdateActivityOptions", **target, activity_options=change, label="no mask")
    s.call("UpdateActivityOptions", **target, label="nothing")
    both = {"restore_original": True, "activity_options": change}
    s.call("UpdateActivityOptions", **target, **both, update_mask=paths, label="both")
    s.call("UpdateActivityOptions", **target, restore_original=True, label="restore")
    s.describe(label="restored")


@scenario
def activity_operations_on_missing(s: Session) -> None:
    s.start()
    for method in ("PauseActivity", "UnpauseActivity", "ResetActivity", "UpdateActivityOptions"):
        options = {"activity_options": {"priority": {"priority_key": 1}}, "update_mask": ["priority"]}
        extra: dict[str, Any] = options if method == "UpdateActivityOptions" else {}
        s.call(method, execution=s.wid(), id="nope", label="unknown id", **extra)
        s.call(method, execution=s.wid(), type="Nope", label="unknown type", **extra)
        s.call(method, execution=s.wid(), label="neither", **extra)
        s.call(method, execution="missing", id="a", label="missing workflow", **extra)
        s.call(method, id="a", label="no execution", **extra)
    s.step(done())
    s.call("PauseActivity", execution=s.wid(), id="nope", label="closed workflow")
