"""Activity tasks, from the poll's answer to the event in the workflow's history."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tenuto import activity
from tenuto.activity import Info
from tenuto.common import RawValue
from tenuto.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError
from tenuto.wire import common
from tenuto.worker.activities import Activities
from tenuto.worker.activity_interceptor import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
)
from tenuto.worker.interceptor import Interceptor

from .house import House, open_house, virtually


@dataclass
class Card:
    number: str
    limit: int = 10


@activity.defn
async def add(one: int, other: int = 10) -> int:
    return one + other


@activity.defn
async def inspect_card(card: Card) -> list[Any]:
    return [type(card).__name__, card.limit]


@activity.defn
async def tell() -> dict[str, Any]:
    info = activity.info()
    return {
        "ids": [info.activity_id, info.workflow_id, info.activity_type, info.workflow_type],
        "namespace": [info.namespace, info.workflow_namespace],
        "attempt": info.attempt,
        "s2c": info.start_to_close_timeout == timedelta(seconds=100),
        "inside": info.in_workflow and not info.is_local,
        "started": info.started_time >= info.scheduled_time,
        "run": bool(info.workflow_run_id) and info.activity_run_id is None,
        "retry": info.retry_policy is not None and info.retry_policy.maximum_attempts == 1,
    }


@activity.defn
async def nothing() -> None:
    pass


class Odd(BaseException):
    pass


@activity.defn
async def explode(kind: str) -> None:
    if kind == "value":
        raise ValueError("no such value")
    if kind == "final":
        raise ApplicationError("done for", "detail", type="Final", non_retryable=True)
    if kind == "benign":
        raise ApplicationError("as planned", category=ApplicationErrorCategory.BENIGN)
    if kind == "cancelled":
        raise asyncio.CancelledError("mine")
    if kind == "base":
        raise Odd("not an Exception")
    if kind == "exit":
        raise SystemExit(3)
    raise CancelledError("of my own")


def run(*functions: Any, call: Sequence[Any], **options: Any) -> Any:
    async def story() -> Any:
        async with open_house() as house:
            return await house.run(house.activities(*functions, **options), *call)

    return virtually(story)


def test_a_result_reaches_the_workflow() -> None:
    assert run(add, call=["add", 3, 4]).result == 7


def test_parameters_with_defaults_may_stay_away() -> None:
    assert run(add, call=["add", 3]).result == 13


def test_arguments_get_the_types_of_their_annotations() -> None:
    assert run(inspect_card, call=["inspect_card", {"number": "1", "extra": 2}]).result == ["Card", 10]


def test_returning_nothing_is_a_null_result() -> None:
    assert run(nothing, call=["nothing"]).result is None


def test_facts_about_the_activity_come_from_its_task() -> None:
    told = run(tell, call=["tell"]).result
    assert told["ids"] == ["a", "w1", "tell", "story"]
    assert told["namespace"] == ["default", "default"]
    assert told["attempt"] == 1
    assert all(told[name] for name in ("s2c", "inside", "started", "run", "retry"))


def test_activities_of_new_style_run() -> None:
    @activity
    async def double(value: int) -> int:
        return value * 2

    class Shop:
        @activity
        async def sell(self, what: str, price: int = 5) -> str:
            return f"{what} {price}"

    assert run(double, call=["double", 4]).result == 8
    assert run(Shop().sell, call=["sell", "tea"]).result == "tea 5"


@pytest.mark.parametrize(
    ("kind", "type_", "message", "non_retryable"),
    [
        ("value", "ValueError", "no such value", False),
        ("final", "Final", "done for", True),
        ("cancelled", "CancelledError", "mine", False),
        ("exit", "SystemExit", "3", False),
        ("base", "Odd", "not an Exception", False),
    ],
)
def test_an_error_fails_the_attempt(kind: str, type_: str, message: str, non_retryable: bool) -> None:
    end = run(explode, call=["explode", kind])
    told = end.failure.application_failure_info
    assert (end.kind, end.failure.message) == ("FAILED", message)
    assert (told.type, told.non_retryable) == (type_, non_retryable)


def test_the_stack_trace_begins_in_the_activity() -> None:
    trace = run(explode, call=["explode", "value"]).failure.stack_trace
    assert "in explode" in trace
    assert "tenuto/worker" not in trace


def test_failures_are_logged_unless_they_are_part_of_the_plan(caplog: pytest.LogCaptureFixture) -> None:
    run(explode, call=["explode", "value"])
    assert [one.levelname for one in caplog.records if "as failed" in one.getMessage()] == ["WARNING"]
    caplog.clear()
    run(explode, call=["explode", "benign"])
    assert not [one for one in caplog.records if one.levelname == "WARNING"]


def test_a_type_nobody_has_is_told_with_those_there_are() -> None:
    end = run(add, nothing, call=["absent"])
    assert end.failure.message == (
        "Activity function absent for workflow w1 is not registered on this worker, "
        "available activities: add, nothing"
    )
    assert end.failure.application_failure_info.type == "NotFoundError"


def test_arguments_that_cannot_be_read_fail_the_attempt() -> None:
    end = run(inspect_card, call=["inspect_card", "not a card"])
    assert end.failure.message == "Failed decoding arguments"
    assert end.failure.HasField("cause")


def test_too_many_arguments_fail_the_attempt() -> None:
    assert run(nothing, call=["nothing", 1]).failure.application_failure_info.type == "TypeError"


def test_a_result_that_cannot_be_converted_fails_the_attempt() -> None:
    @activity.defn
    async def odd() -> object:
        return object()

    assert run(odd, call=["odd"]).kind == "FAILED"


def test_a_dynamic_activity_runs_what_nobody_else_has() -> None:
    @activity.defn(dynamic=True)
    async def other(args: Sequence[RawValue]) -> list[Any]:
        convert = activity.payload_converter()
        return [activity.info().activity_type, *convert.from_payloads([one.payload for one in args])]

    assert run(other, add, call=["free", 1, "x"]).result == ["free", 1, "x"]
    assert run(other, add, call=["add", 1, 2]).result == 3


def test_two_activities_of_one_name_are_refused() -> None:
    @activity.defn(name="add")
    async def again() -> None: ...

    async def story() -> None:
        async with open_house() as house:
            with pytest.raises(ValueError, match="More than one activity named add"):
                house.activities(add, again)
            made = house.activities(add, nothing)
            assert (made.names, made.has_dynamic) == (frozenset({"add", "nothing"}), False)

    virtually(story)


def test_an_attempt_that_failed_is_made_again() -> None:
    seen: list[int] = []

    @activity.defn
    async def second() -> str:
        seen.append(activity.info().attempt)
        if len(seen) == 1:
            raise ApplicationError("not yet", next_retry_delay=timedelta(seconds=7))
        return "now"

    async def story() -> Any:
        async with open_house() as house:
            activities = house.activities(second)
            end = await _through(house, activities, "second", attempts=2)
            return end.result

    assert virtually(story) == "now"
    assert seen == [1, 2]


async def _through(house: House, activities: Activities, name: str, *args: Any, attempts: int) -> Any:
    workflow_id = await house.schedule(name, *args, attempts=attempts)
    for _ in range(attempts):
        await activities.run(await house.task())
    return await house.end(workflow_id)


def test_somebody_else_may_complete_it() -> None:
    tokens: list[bytes] = []

    @activity.defn
    async def elsewhere() -> None:
        activity.heartbeat("half")
        activity.heartbeat("more")
        tokens.append(activity.info().task_token)
        activity.raise_complete_async()

    async def story() -> Any:
        async with open_house() as house:
            activities = house.activities(elsewhere)
            workflow_id = await house.schedule("elsewhere")
            await activities.run(await house.task())
            pending = await house.pending(workflow_id)
            await house.client.get_async_activity_handle(task_token=tokens[0]).complete("late")
            return pending.heartbeat_details.payloads[0].data, (await house.end(workflow_id)).result

    assert virtually(story) == (b'"more"', "late")


def test_an_end_that_comes_too_late_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with open_house() as house:
            activities = house.activities(nothing)
            workflow_id = await house.schedule("nothing")
            task = await house.task()
            await house.call("TerminateWorkflowExecution", workflow_execution={"workflow_id": workflow_id})
            await activities.run(task)

    virtually(story)
    assert "was not found on completion" in caplog.text


def test_a_result_that_is_too_large_fails_the_activity_now() -> None:
    @activity.defn
    async def huge() -> str:
        return "x" * 5_000_000

    end = run(huge, call=["huge"])
    assert end.kind == "FAILED"


def test_context_variables_of_one_activity_stay_in_it() -> None:
    mine: ContextVar[int] = ContextVar("mine", default=0)

    @activity.defn
    async def remember() -> int:
        before = mine.get()
        mine.set(5)
        await asyncio.sleep(1)
        return before

    async def story() -> list[int]:
        async with open_house() as house:
            activities = house.activities(remember)
            ids = [await house.schedule("remember") for _ in range(2)]
            tasks = [asyncio.ensure_future(activities.run(await house.task())) for _ in range(2)]
            await asyncio.gather(*tasks)
            return [(await house.end(one)).result for one in ids]

    assert virtually(story) == [0, 0]


class _Inbound(ActivityInboundInterceptor):
    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        assert activity.in_activity()
        LOG.append(f"in {input.fn.__name__} {list(input.args)} {dict(input.headers)} {input.executor}")
        input.args = [*input.args, 100]
        try:
            return await super().execute_activity(input) * 2
        finally:
            LOG.append("out")


class _Outbound(ActivityOutboundInterceptor):
    def info(self) -> Info:
        LOG.append("info")
        return super().info()

    def heartbeat(self, *details: Any) -> None:
        LOG.append(f"heartbeat {details}")
        super().heartbeat(*details)


class _Both(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next)


LOG: list[str] = []


def test_interceptors_stand_around_calls_and_see_what_the_code_asks() -> None:
    @activity.defn
    async def work(one: int, other: int) -> int:
        activity.heartbeat("x")
        return one + other + activity.info().attempt

    LOG.clear()
    end = run(work, call=["work", 1], interceptors=[_Both(), Interceptor()])
    assert end.result == 204
    assert LOG == ["in work [1] {} None", "heartbeat ('x',)", "info", "out"]


def test_headers_are_for_interceptors() -> None:
    seen: list[dict[str, common.Payload]] = []

    class Reader(ActivityInboundInterceptor):
        async def execute_activity(self, input: ExecuteActivityInput) -> Any:
            seen.append(dict(input.headers))
            return await super().execute_activity(input)

    class Reads(Interceptor):
        def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
            return Reader(next)

    async def story() -> None:
        async with open_house() as house:
            activities = house.activities(nothing, interceptors=[Reads()])
            await house.schedule("nothing")
            task = await house.task()
            task.header.fields["trace"].data = b"1"
            await activities.run(task)

    virtually(story)
    assert seen[0]["trace"].data == b"1"
