"""Nexus: callbacks of what backs an operation, and resets of callers."""

import time

from tests.oracle.build import cases
from tests.oracle.commands import broken, command, done, timer
from tests.oracle.nexus_words import (
    CANCELED,
    COMPLETED,
    FAILED,
    STARTED,
    answer,
    back,
    backed,
    begin,
    delivered,
    link_to,
    rest,
    take,
)
from tests.oracle.registry import scenario
from tests.oracle.session import Session

# ---- what backs it --------------------------------------------------------------------------------------------------------


@scenario
def nexus_backing_completes(s: Session) -> None:
    backed(s, done("of the workflow"))
    rest(s, COMPLETED)
    s.wait_closed("-backing")
    delivered(s, "callback delivered")


@scenario
def nexus_backing_completes_with_nothing(s: Session) -> None:
    backed(s, done())
    rest(s, COMPLETED)


@scenario
def nexus_backing_completes_with_two_payloads(s: Session) -> None:
    backed(s, done("one", "two"))
    rest(s, COMPLETED)


@scenario
def nexus_backing_fails(s: Session) -> None:
    backed(s, broken())
    rest(s, FAILED)


@scenario
def nexus_backing_is_cancelled(s: Session) -> None:
    backed(s, command("CANCEL_WORKFLOW_EXECUTION", details=["why"]))
    rest(s, CANCELED)


@scenario
def nexus_backing_is_terminated(s: Session) -> None:
    backed(s)
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid("-backing"), reason="enough")
    rest(s, FAILED)


@scenario
def nexus_backing_times_out(s: Session) -> None:
    backed(s, workflow_run_timeout=1)
    rest(s, FAILED)


@scenario
def nexus_backing_continues_as_new(s: Session) -> None:
    held = backed(s)
    time.sleep(1.1)  # a run that goes on within a second is held up for the rest of it
    again = command(
        "CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type="Backing", task_queue=s.tq("-backing")
    )
    s.complete(held, again)
    held = s.poll(s.tq("-backing"), quiet=True)
    s.describe("-backing", label="standing by")
    s.complete(held, done("second run"))
    rest(s, COMPLETED)


@scenario
def nexus_backing_completes_before_the_answer(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    started = back(s, task)
    s.complete(s.poll(s.tq("-backing"), quiet=True), done("early"))
    s.wait_for(COMPLETED)
    s.show_history(label="completed early")
    answer(s, task, async_success={"operation_token": "token", "links": [link_to(s, started)]})
    time.sleep(0.5)
    s.step(done())


@scenario
def nexus_backing_that_is_known_by_its_token_completes_early(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    task.request.start_operation.callback_header["nexus-operation-token"] = "early"
    back(s, task)
    s.complete(s.poll(s.tq("-backing"), quiet=True), done("early"))
    s.wait_for(COMPLETED)
    s.step(done())


@scenario
def nexus_backing_completes_after_a_reset_of_its_caller(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    back(s, task)
    answer(s, task, async_success={"operation_token": "token"})
    s.wait_for(STARTED)
    s.step(timer())
    s.call(
        "ResetWorkflowExecution",
        workflow_execution=s.wid(),
        workflow_task_finish_event_id=9,
        request_id=s.unique("reset"),
        reason="again",
    )
    s.describe(label="reset")
    s.complete(s.poll(s.tq("-backing"), quiet=True), done("later"))
    s.wait_for(COMPLETED)
    s.step(done())


@scenario
def nexus_callback_attached_to_running(s: Session) -> None:
    begin(s)
    s.ask("StartWorkflowExecution", **s.start_fields("-backing", task_queue=s.tq("-backing")))
    task = take(s, quiet=True)
    back(s, task, workflow_id_conflict_policy=2)
    s.describe("-backing", label="attached")
    answer(s, task, async_success={"operation_token": "token"})
    s.wait_for(STARTED)
    s.complete(s.poll(s.tq("-backing"), quiet=True), done("shared"))
    rest(s, COMPLETED)
    s.show_history("-backing")


@scenario
def nexus_callback_to_a_workflow_that_is_gone(s: Session) -> None:
    begin(s)
    task = take(s, quiet=True)
    back(s, task)
    answer(s, task, async_success={"operation_token": "token"})
    s.wait_for(STARTED)
    s.step(done())
    s.complete(s.poll(s.tq("-backing"), quiet=True), done("for nobody"))
    delivered(s, "callback refused")


@scenario
def nexus_callbacks_that_are_wrong(s: Session) -> None:
    for label, callback in cases(
        {
            "nothing": {},
            "no url": {"nexus": {}},
            "http": {"nexus": {"url": "http://127.0.0.1/x"}},
            "https": {"nexus": {"url": "https://example.com/x"}},
            "ftp": {"nexus": {"url": "ftp://example.com/x"}},
            "nonsense": {"nexus": {"url": "nonsense"}},
            "no host": {"nexus": {"url": "http:///x"}},
            "bad system": {"nexus": {"url": "temporal://other"}},
            "system without token": {"nexus": {"url": "temporal://system"}},
            "system with nonsense": {
                "nexus": {"url": "temporal://system", "header": {"temporal-callback-token": "x"}}
            },
            "long url": {"nexus": {"url": "http://" + "h" * 2000}},
            "large header": {"nexus": {"url": "temporal://system", "header": {"h": "v" * 9000}}},
            "internal": {"internal": {"data": b"x"}},
        }
    ).items():
        suffix = "-" + label.replace(" ", "")
        s.start(suffix, label=label, completion_callbacks=[callback])
        s.ask("TerminateWorkflowExecution", workflow_execution=s.wid(suffix))
    time.sleep(1)
    many = [{"nexus": {"url": "temporal://system"}}] * 40
    s.start("-many", label="many", completion_callbacks=many)
    s.start("-more", label="more", completion_callbacks=many * 51)


@scenario
def nexus_callbacks_in_portions(s: Session) -> None:
    some = [{"nexus": {"url": "temporal://system"}}] * 1001
    s.start(completion_callbacks=some)
    options = {"attach_request_id": True, "attach_completion_callbacks": True}
    s.start(
        label="more",
        completion_callbacks=some,
        request_id=s.unique("another"),
        workflow_id_conflict_policy=2,
        on_conflict_options=options,
    )


# ---- reset ----------------------------------------------------------------------------------------------------------------


@scenario
def nexus_completion_survives_reset(s: Session) -> None:
    begin(s)
    s.signal()
    s.step(timer())
    answer(s, take(s, quiet=True), sync_success={"payload": "before"})
    s.wait_for(COMPLETED)
    s.step(timer("u"))
    s.call(
        "ResetWorkflowExecution",
        workflow_execution=s.wid(),
        workflow_task_finish_event_id=9,
        request_id=s.unique("reset"),
        reason="again",
    )
    time.sleep(0.3)
    s.show_history(label="reset")
    s.describe(label="reset")
    s.step(done())


@scenario
def nexus_operation_survives_reset(s: Session) -> None:
    begin(s)
    take(s, "of the first run")
    s.signal()
    s.step(timer())
    s.call(
        "ResetWorkflowExecution",
        workflow_execution=s.wid(),
        workflow_task_finish_event_id=9,
        request_id=s.unique("reset"),
        reason="again",
    )
    s.describe(label="reset")
    answer(s, take(s), sync_success={"payload": "after"})
    s.wait_for(COMPLETED)
    s.step(done())
