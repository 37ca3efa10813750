"""Queries: direct, sticky, buffered, failed, rejected, refused."""

import time
from concurrent.futures import Future
from typing import Any

from tests.oracle.build import cases
from tests.oracle.commands import application, done, timer
from tests.oracle.registry import scenario
from tests.oracle.scenarios.tasks import sticky, sticky_queue
from tests.oracle.session import Outcome, Session


def _ask(s: Session, timeout: float = 20, **over: Any) -> Future[Outcome]:
    return s.later("QueryWorkflow", timeout, **_query(s, **over))


def _query(s: Session, **over: Any) -> dict[str, Any]:
    query = {"query_type": "state", "query_args": ["arg"], "header": {"h": 1}}
    return {"execution": s.wid(), "query": query, **over}


def _reply(s: Session, task: Outcome, **fields: Any) -> Outcome:
    return s.call("RespondQueryTaskCompleted", task_token=task.task_token, **fields)


ANSWERED = {"completed_type": "QUERY_RESULT_TYPE_ANSWERED", "query_result": ["answer"]}
FAILED = {
    "completed_type": "QUERY_RESULT_TYPE_FAILED",
    "error_message": "query broke",
    "failure": application("query broke", "QueryBroke"),
}


@scenario
def query_direct(s: Session) -> None:
    s.start()
    s.step(timer())
    asked = _ask(s)
    task = s.poll()
    _reply(s, task, **ANSWERED)
    s.join(asked, "answer")
    _reply(s, task, **ANSWERED)


@scenario
def query_direct_fails(s: Session) -> None:
    s.start()
    s.step(timer())
    asked = _ask(s)
    _reply(s, s.poll(), **FAILED)
    s.join(asked, "failed answer")
    asked = _ask(s)
    _reply(s, s.poll(quiet=True), completed_type="QUERY_RESULT_TYPE_FAILED", error_message="only text")
    s.join(asked, "failed answer without failure")


@scenario
def query_direct_oversized(s: Session) -> None:
    s.start()
    s.step(timer())
    asked = _ask(s)
    huge = {**ANSWERED, "query_result": ["x" * (2 << 20)]}
    _reply(s, s.poll(quiet=True), **huge)
    s.join(asked, "answer")


@scenario
def query_on_sticky_queue(s: Session) -> None:
    s.start()
    s.step(timer(), sticky_attributes=sticky(s))
    waiting = s.later("PollWorkflowTaskQueue", task_queue=sticky_queue(s))
    time.sleep(0.5)
    asked = _ask(s)
    _reply(s, s.join(waiting, "sticky poll"), **ANSWERED)
    s.join(asked, "answer")


@scenario
def query_falls_back_from_sticky_queue(s: Session) -> None:
    s.start()
    s.step(timer(), sticky_attributes=sticky(s))
    asked = _ask(s)
    _reply(s, s.poll(label="normal queue"), **ANSWERED)
    s.join(asked, "answer")


@scenario
def query_buffered_with_the_first_task(s: Session) -> None:
    s.start()
    asked = _ask(s)
    task = s.poll(quiet=True)
    s.record("queries", [[q.query_type for q in task.queries.values()], bool(task.query.query_type)])
    results = {
        key: {"result_type": "QUERY_RESULT_TYPE_ANSWERED", "answer": ["buffered"]} for key in task.queries
    }
    s.complete(task, timer(), query_results=results)
    s.join(asked, "answer")


@scenario
def query_buffered_fails(s: Session) -> None:
    s.start()
    asked = _ask(s)
    task = s.poll(quiet=True)
    failed = {"result_type": "QUERY_RESULT_TYPE_FAILED", "error_message": "no", "failure": application("no")}
    s.complete(task, timer(), query_results=dict.fromkeys(task.queries, failed))
    s.join(asked, "failed answer")


@scenario
def query_buffered_then_ignored_goes_direct(s: Session) -> None:
    s.start()
    asked = _ask(s)
    s.step(timer())
    _reply(s, s.poll(label="direct after all"), **ANSWERED)
    s.join(asked, "answer")


@scenario
def query_buffer_holds_one(s: Session) -> None:
    s.start()
    first = _ask(s)
    s.call("QueryWorkflow", 2, "second", **_query(s))
    task = s.poll(quiet=True)
    results = {key: {"result_type": "QUERY_RESULT_TYPE_ANSWERED", "answer": ["one"]} for key in task.queries}
    s.complete(task, timer(), query_results=results)
    s.join(first, "first")


@scenario
def query_buffered_when_completion_is_refused(s: Session) -> None:
    s.start()
    asked = _ask(s, 3)
    task = s.poll(quiet=True)
    s.complete(task, timer(""), label="refused")
    time.sleep(0.5)  # either server asks a query again that its refused task has dropped, a little later
    retry = s.poll(quiet=True)
    results = {
        key: {"result_type": "QUERY_RESULT_TYPE_ANSWERED", "answer": ["late"]} for key in retry.queries
    }
    s.complete(retry, timer(), query_results=results)
    outcome = asked.result(30)
    s.record("code", getattr(outcome, "code", "OK"))


@scenario
def query_rejections(s: Session) -> None:
    s.start()
    s.step(done())
    for condition in ("NOT_OPEN", "NOT_COMPLETED_CLEANLY"):
        fields = _query(s, query_reject_condition=f"QUERY_REJECT_CONDITION_{condition}")
        if condition == "NOT_OPEN":
            s.call("QueryWorkflow", 3, condition, **fields)
        else:
            asked = s.later("QueryWorkflow", **fields)
            _reply(s, s.poll(label="closed workflow"), **ANSWERED)
            s.join(asked, condition)
    s.start("-t", task_queue=s.tq("t"))
    s.call("TerminateWorkflowExecution", workflow_execution=s.wid("-t"))
    fields = _query(s, execution=s.wid("-t"))
    s.call("QueryWorkflow", 3, "never ran", **fields)
    rejected = {**fields, "query_reject_condition": "QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY"}
    s.call("QueryWorkflow", 3, "terminated", **rejected)


@scenario
def query_bad_arguments(s: Session) -> None:
    s.start()
    unknown = "00000000-0000-4000-8000-000000000000"
    for label, over in cases(
        {
            "no execution": {"execution": None},
            "missing": {"execution": "missing"},
            "bad run": {"execution": (s.wid(), "bad")},
            "unknown run": {"execution": (s.wid(), unknown)},
            "no query": {"query": None},
            "no type": {"query": {}},
            "huge": {"query": {"query_type": "q", "query_args": ["x" * (2 << 20)]}},
            "namespace": {"namespace": "nowhere"},
        }
    ).items():
        s.call("QueryWorkflow", 3, label, **_query(s, **over))


@scenario
def query_while_workflow_is_broken(s: Session) -> None:
    s.start()
    s.fail(s.poll(quiet=True))
    s.fail(s.poll(quiet=True))
    s.call("QueryWorkflow", 3, **_query(s))


@scenario
def query_before_the_first_task(s: Session) -> None:
    s.start(workflow_start_delay=600)
    s.call("QueryWorkflow", 3, **_query(s))


@scenario
def query_nobody_answers(s: Session) -> None:
    s.start()
    s.step(timer())
    s.call("QueryWorkflow", 3, **_query(s))
