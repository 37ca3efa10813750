"""What workflow code asks for arrives, as asked, at the outbound interceptors."""

import asyncio
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from tenuto import activity, workflow
from tenuto.common import Priority, RetryPolicy
from tenuto.workflow.interception import (
    ContinueAsNewInput,
    SignalExternalWorkflowInput,
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)
from tests.pair.support import Play

RUN = "0192f0c1-1111-7000-8000-000000000001"
asked: list[Any] = []
"""The inputs of the last play's first workflow task."""


class Outbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        asked.append(input)
        return super().start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        asked.append(input)
        return super().start_local_activity(input)

    async def start_child_workflow(
        self, input: StartChildWorkflowInput
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        asked.append(input)
        return await super().start_child_workflow(input)

    async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:
        asked.append(input)
        return await super().signal_external_workflow(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        asked.append(input)
        super().continue_as_new(input)


class Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(Outbound(outbound))


def first_task(flow: Any, *args: Any) -> list[Any]:
    asked.clear()
    play = Play(flow, cold=False, interceptors=[Inbound]).start(*args)
    play.task()
    assert not play.failures, play.failures
    if play.run is not None:
        play.run.evict()
    return list(asked)


@activity.defn(name="pay")
async def pay_fn(card: str, total: int) -> bool:
    return True


@activity.defn
class Stamp:
    def __call__(self, text: str) -> str:
        return text


class Desk:
    @activity.defn
    def sign(self, text: str) -> str:
        return text


@activity(
    name="charge", task_queue="bank", start_to_close_timeout=90, retry_policy=RetryPolicy(maximum_attempts=3)
)
async def charge(card: str, total: int = 5) -> bool:
    return True


@activity(local=True, durable=True, local_retry_threshold=1.5)
def stamp(text: str) -> str:
    return text


@workflow
async def activities() -> None:
    workflow.start_activity(
        pay_fn,
        "visa",
        3,
        start_to_close_timeout=1.5,
        heartbeat_timeout=timedelta(seconds=2),
        priority=Priority(1),
    )
    workflow.start_activity("by name", args=[1, 2], schedule_to_close_timeout=60, result_type=str)
    workflow.start_activity_class(Stamp, "text", start_to_close_timeout=5, task_queue="q", activity_id="mine")
    workflow.start_activity_method(Desk.sign, "text", start_to_close_timeout=5, summary="sign")
    workflow.start_local_activity_method(Desk.sign, "text", start_to_close_timeout=5, local_retry_threshold=9)
    workflow.start_activity(charge, "visa")
    workflow.start_activity(charge, "visa", 2, start_to_close_timeout=1, task_queue="other")
    charge.options(summary="again", activity_id="c").start("visa", total=8)
    stamp.start("text")
    await workflow.sleep(1)


def test_activities_are_asked_for_as_named_and_timed() -> None:
    pay, named, stamped, signed, local, declared, overridden, durable, step = first_task(activities)
    assert (pay.activity, pay.args, pay.arg_types, pay.ret_type) == ("pay", ["visa", 3], [str, int], bool)
    assert pay.start_to_close_timeout == timedelta(seconds=1.5)
    assert pay.heartbeat_timeout == timedelta(seconds=2)
    assert pay.priority.priority_key == 1
    assert pay.schedule_to_close_timeout is None
    assert (named.activity, list(named.args), named.ret_type) == ("by name", [1, 2], str)
    assert named.schedule_to_close_timeout == timedelta(minutes=1)
    assert (stamped.activity, stamped.task_queue, stamped.activity_id) == ("Stamp", "q", "mine")
    assert (signed.activity, signed.arg_types, signed.summary) == ("sign", [str], "sign")
    assert local.local_retry_threshold == timedelta(seconds=9)
    assert (declared.task_queue, declared.start_to_close_timeout) == ("bank", timedelta(seconds=90))
    assert declared.retry_policy == RetryPolicy(maximum_attempts=3)
    assert (overridden.task_queue, overridden.start_to_close_timeout) == ("other", timedelta(seconds=1))
    assert (durable.args, durable.summary, durable.activity_id) == (["visa", 8], "again", "c")
    assert isinstance(step, StartLocalActivityInput)
    assert (step.durable, step.local_retry_threshold) == (True, timedelta(seconds=1.5))


@workflow(name="kid", task_queue="nursery")
async def kid(name: str, age: int = 1) -> str:
    return name


@workflow.defn
class Toy:
    @workflow.run
    async def run(self, name: str) -> list[str]:
        return [name]

    @workflow.signal(name="wind-up")
    def wind(self, turns: int) -> None: ...


@workflow
async def family() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(kid("ann", age=3))
        group.create_task(kid.options(id="bob-1", run_timeout=5).start("bob"))
        group.create_task(
            workflow.start_child_workflow(
                Toy.run,
                "bear",
                id="toy",
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                memo={"a": 1},
            )
        )
        group.create_task(workflow.execute_child_workflow("Other", 1, 2, result_type=int))
        other = workflow.get_external_workflow_handle_for(Toy.run, "toy-2", run_id=RUN)
        group.create_task(other.signal(Toy.wind, 4))


def test_children_are_asked_for_as_named_and_signals_go_to_others() -> None:
    ann, bob, toy, other, signal = first_task(family)
    assert (ann.workflow, ann.args, ann.task_queue) == ("kid", ["ann", 3], "nursery")
    assert ann.ret_type is str
    assert len(ann.id) == 36
    assert (bob.id, bob.args, bob.run_timeout) == ("bob-1", ["bob"], timedelta(seconds=5))
    assert (toy.workflow, toy.id, toy.arg_types, toy.ret_type) == ("Toy", "toy", [str], list[str])
    assert toy.parent_close_policy is workflow.ParentClosePolicy.ABANDON
    assert toy.cancellation_type is workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED
    assert (other.workflow, other.args, other.ret_type, other.task_queue) == ("Other", [1, 2], int, None)
    assert (signal.signal, signal.args, signal.workflow_id) == ("wind-up", [4], "toy-2")
    assert (signal.workflow_run_id, signal.namespace) == (RUN, "default")


@workflow
async def again(count: int) -> None:
    workflow.continue_as_new(count + 1, workflow=Toy.run, run_timeout=3)


def test_the_next_run_is_asked_for_as_named() -> None:
    (made,) = first_task(again, 1)
    assert (made.workflow, made.args, made.arg_types) == ("Toy", [2], [str])
    assert (made.run_timeout, made.task_timeout) == (timedelta(seconds=3), None)


@workflow
async def wrong(kind: str) -> str:
    def plain() -> None: ...

    try:
        if kind == "no timeout":
            workflow.start_activity(pay_fn, "a", 1)
        elif kind == "both":
            workflow.start_activity(pay_fn, "a", args=["a", 1], start_to_close_timeout=1)  # type: ignore[call-overload]
        elif kind == "plain":
            workflow.start_activity(plain, start_to_close_timeout=1)
        elif kind == "neither":
            workflow.start_activity(5, start_to_close_timeout=1)  # type: ignore[call-overload]
        elif kind == "duration":
            workflow.start_activity("x", start_to_close_timeout="5s")  # type: ignore[call-overload]
        else:
            await charge()  # type: ignore[call-arg]
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "fine"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("no timeout", "ValueError: Activity must have start_to_close_timeout or schedule_to_close_timeout"),
        ("both", "ValueError: Cannot have arg and args"),
        ("plain", "TypeError: Activity plain missing attributes"),
        ("neither", "TypeError: Activity must be a string or callable"),
        ("duration", "TypeError: a duration is a timedelta or a number of seconds, not str"),
        ("arguments", "TypeError: missing a required argument"),
    ],
)
def test_a_wrong_call_fails_where_it_is_made(kind: str, told: str) -> None:
    assert Play(wrong).to_end(kind).startswith(told)


@workflow
async def groups() -> None:
    work, more = workflow.create_event_group("work", label="Work"), workflow.create_event_group("more")
    with work.scope():
        workflow.start_activity("a", start_to_close_timeout=1)
        workflow.start_activity("b", start_to_close_timeout=1, event_groups=[more, work])
    workflow.start_activity("c", start_to_close_timeout=1)
    await workflow.sleep(1)


def test_event_groups_are_those_of_open_scopes_and_of_the_call() -> None:
    a, b, c = first_task(groups)
    assert [each.id for each in a.event_groups] == ["work"]
    assert [each.id for each in b.event_groups] == ["work", "more"]
    assert c.event_groups is None
