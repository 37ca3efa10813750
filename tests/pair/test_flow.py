"""What workflow code may do, and what history makes of it."""

import asyncio
import contextlib
import contextvars
import gc
from datetime import timedelta

import pytest

from tenuto import workflow
from tenuto.common import RetryPolicy, SearchAttributeKey
from tenuto.exceptions import ActivityError, ApplicationError
from tests.pair.support import Play

SOON = timedelta(seconds=10)


def double(number: int) -> int:
    return number * 2


def boom(number: int) -> int:
    raise ApplicationError("no", type="Boom", non_retryable=True)


@workflow.defn
class OneActivity:
    @workflow.run
    async def run(self, number: int) -> int:
        result: int = await workflow.execute_activity("double", number, start_to_close_timeout=SOON)
        return result + 1


def test_an_activity_is_scheduled_run_and_its_result_returned() -> None:
    play = Play(OneActivity, double)
    assert play.to_end(4) == 9
    assert play.world.names() == [
        "WF_STARTED",
        "WFT_SCHEDULED",
        "WFT_STARTED",
        "WFT_COMPLETED",
        "ACT_SCHEDULED",
        "ACT_STARTED",
        "ACT_COMPLETED",
        "WFT_SCHEDULED",
        "WFT_STARTED",
        "WFT_COMPLETED",
        "WF_COMPLETED",
    ]


@workflow.defn
class Caught:
    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.execute_activity("boom", 1, start_to_close_timeout=SOON)
        except ActivityError as error:
            cause = error.cause
            return f"{cause.type}: {cause.message}" if isinstance(cause, ApplicationError) else "?"
        return "?"


def test_an_activitys_failure_is_an_activity_error_with_its_cause() -> None:
    assert Play(Caught, boom).to_end() == "Boom: no"


@workflow.defn
class FanOut:
    @workflow.run
    async def run(self, count: int) -> int:
        results = await asyncio.gather(
            *[
                workflow.execute_activity("double", n, start_to_close_timeout=SOON, result_type=int)
                for n in range(count)
            ]
        )
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(workflow.execute_activity("double", n, start_to_close_timeout=SOON))
                for n in range(3)
            ]
        return int(sum(results) + sum(task.result() for task in tasks))


def test_gather_and_task_groups_fan_out() -> None:
    play = Play(FanOut, double)
    assert play.to_end(10) == 96
    assert play.calls == ["double"] * 13


@workflow.defn
class Sleeper:
    @workflow.run
    async def run(self) -> float:
        begun = workflow.now()
        await asyncio.sleep(60)
        await workflow.sleep(timedelta(days=30))
        return (workflow.now() - begun).total_seconds()


def test_sleeping_takes_the_services_time() -> None:
    play = Play(Sleeper)
    assert play.to_end() == 60 + 30 * 86400


@workflow.defn
class TimesOut:
    @workflow.run
    async def run(self) -> str:
        try:
            async with asyncio.timeout(5):
                await workflow.execute_activity("double", 1, start_to_close_timeout=SOON)
        except ActivityError:
            pass  # cancelled: waiting for an activity ends as the activity does
        try:
            await workflow.wait_condition(lambda: False, timeout=3)
        except TimeoutError:
            return "late"
        return "?"


def test_a_timeout_cancels_what_it_guards() -> None:
    play = Play(TimesOut).start()
    play.task()
    play.world.pass_time(5 * 10**9)
    play.task()
    play.world.pass_time(3 * 10**9)
    play.until_quiet()
    assert play.result() == "late"
    names = play.world.names()
    assert "ACT_CANCEL_REQUESTED" in names and names.count("TIMER_FIRED") == 2


@workflow.defn
class Cancelled:
    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.sleep(100)
        finally:
            await asyncio.shield(workflow.execute_activity("double", 1, start_to_close_timeout=SOON))
        return "?"


def test_a_cancelled_workflow_cleans_up_and_ends_as_cancelled() -> None:
    play = Play(Cancelled, double).start()
    play.task()
    play.cancel()
    assert play.to_end() == "WF_CANCELED"
    assert play.calls == ["double"]


def test_a_cancellation_before_the_first_task_lets_the_body_begin() -> None:
    play = Play(Cancelled, double).start()
    play.cancel()
    assert play.to_end() == "WF_CANCELED"
    assert play.calls == ["double"]


@workflow.defn
class Failing:
    @workflow.run
    async def run(self, how: str) -> None:
        if how == "application":
            raise ApplicationError("wrong", 1, type="Wrong")
        raise ValueError("a bug")


def test_an_application_error_fails_the_workflow() -> None:
    with pytest.raises(ApplicationError) as caught:
        Play(Failing).to_end("application")
    assert (caught.value.type, caught.value.details) == ("Wrong", (1,))


def test_any_other_error_fails_the_workflow_task_which_is_tried_again() -> None:
    play = Play(Failing).start("bug")
    play.task()
    assert play.failures == ["ValueError('a bug')"]
    assert play.world.names()[-1] == "WFT_FAILED"
    assert play.owes_task


@workflow.defn
class Again:
    @workflow.run
    async def run(self, left: int) -> int:
        if left:
            workflow.continue_as_new(left - 1)
        return workflow.info().attempt


def test_a_workflow_goes_on_as_a_new_run() -> None:
    play = Play(Again).start(2)
    for _ in range(3):
        play.until_quiet()
        play.run = None
        play.world.pass_time(10**9)
    assert [len(events) for events in play.world.histories.values()] == [5, 5, 5]
    assert play.result() == 1


@workflow.defn
class Chance:
    @workflow.run
    async def run(self) -> list[object]:
        first = [str(workflow.uuid4()), workflow.random().random()]
        await workflow.sleep(1)
        return [*first, str(workflow.uuid4()), workflow.random().randint(1, 10**9)]


def test_chance_is_the_same_in_every_replay() -> None:
    result = Play(Chance).to_end()
    assert len({str(each) for each in result}) == 4


@workflow.defn
class Retried:
    @workflow.run
    async def run(self) -> int:
        result: int = await workflow.execute_activity(
            "flaky", start_to_close_timeout=SOON, retry_policy=RetryPolicy(maximum_attempts=3)
        )
        return result


def test_an_activity_is_tried_again_by_its_policy() -> None:
    tries = []

    def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("not yet")
        return len(tries)

    assert Play(Retried, flaky).to_end() == 3


@workflow.defn
class Clinging:
    def __init__(self) -> None:
        self.tries = 0

    @workflow.run
    async def run(self) -> str:
        self.background = asyncio.create_task(self.cling())
        await workflow.sleep(5)
        return "done"

    async def cling(self) -> None:
        while True:
            self.tries += 1
            with contextlib.suppress(BaseException):
                await workflow.wait_condition(lambda: False)


def test_code_that_swallows_its_own_end_does_not_spin_when_its_run_is_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    play = Play(Clinging).start()
    play.task()
    assert play.run is not None
    clinging = play.run.core.instance
    play.run.evict()
    assert 1 < clinging.tries < 20
    assert "refuse to end" in caplog.text
    play.run = None
    gc.collect()
    assert clinging.tries < 20


@workflow.defn
class Tidy:
    def __init__(self) -> None:
        self.seen: list[str] = []

    @workflow.run
    async def run(self) -> None:
        self.background = asyncio.create_task(self.beside())
        var: contextvars.ContextVar[str] = contextvars.ContextVar("var")
        token = var.set("x")
        try:
            await workflow.wait_condition(lambda: False, timeout=60, timeout_summary="long")
        finally:
            self.seen.append("main")
            var.reset(token)
            await workflow.execute_activity("double", 1, start_to_close_timeout=SOON)
            self.seen.append("never")

    async def beside(self) -> None:
        try:
            await workflow.sleep(60)
        finally:
            self.seen.append("beside")
            await workflow.execute_child_workflow("Other", id="other")


def test_a_dropped_run_runs_its_finally_blocks_which_can_ask_for_nothing(
    caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    play = Play(Tidy).start()
    play.task()
    run, play.run = play.run, None
    assert run is not None
    seen = run.core.instance.seen
    run.evict()
    assert sorted(seen) == ["beside", "main"]
    assert not run.core.ledger.take()
    del run
    gc.collect()
    assert not caplog.records
    assert not recwarn.list


@workflow.defn
class Tagged:
    @workflow.run
    async def run(self) -> list[str]:
        workflow.upsert_search_attributes({"words": ["a", "b"], "number": [3]})
        workflow.upsert_search_attributes({"words": ["c", "d"], "number": []})
        typed = workflow.info().typed_search_attributes
        words = SearchAttributeKey.for_keyword_list("words")
        workflow.upsert_search_attributes([SearchAttributeKey.for_float("share").value_set(0.5)])
        workflow.upsert_search_attributes([SearchAttributeKey.for_float("share").value_unset()])
        plain = workflow.info().search_attributes
        return [*typed[words], str(len(typed)), str(plain["number"]), str(plain["share"])]


def test_search_attributes_by_name_get_types_and_removed_ones_stay_as_empty_lists() -> None:
    play = Play(Tagged).start()
    assert play.to_end() == ["c", "d", "1", "[]", "[]"]
    play.replayed()
