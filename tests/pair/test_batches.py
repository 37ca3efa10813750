"""The two orders in which a workflow task's signals and its other news reach the code, and that history tells which."""

import asyncio
from typing import Any

import pytest

from tenuto import workflow
from tenuto.run.core import SINGLE_BATCH
from tests.pair.support import Play

AHEAD = ["signal begins", "signal goes on", "main"]
TOGETHER = ["signal begins", "main", "signal goes on"]


@workflow.defn
class Order:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.go = False

    @workflow.run
    async def run(self) -> list[str]:
        self.seen.append("main")
        await workflow.wait_condition(lambda: self.go)
        return self.seen

    @workflow.signal
    async def note(self) -> None:
        self.seen.append("signal begins")
        await asyncio.sleep(0)
        self.seen.append("signal goes on")

    @workflow.signal
    async def stop(self) -> None:
        self.go = True

    @workflow.query
    def order(self) -> list[str]:
        return self.seen


def _played(**options: Any) -> Play:
    play = Play(Order, **options).start()
    play.signal("note")
    play.task()
    return play


def test_signals_run_ahead_of_the_start_of_the_workflow() -> None:
    assert _played().query("order") == AHEAD


def test_a_worker_may_give_all_news_at_once() -> None:
    assert _played(lang_flags=frozenset({SINGLE_BATCH})).query("order") == TOGETHER


def test_history_says_that_news_were_given_at_once_and_a_worker_without_that_habit_follows_it() -> None:
    play = _played(lang_flags=frozenset({SINGLE_BATCH}))
    play.options = {}
    play.run = play.replayed()
    assert play.query("order") == TOGETHER
    play.signal("stop")
    assert play.to_end() == TOGETHER


def test_an_older_history_keeps_its_order_on_a_worker_that_gives_all_news_at_once() -> None:
    play = _played()
    play.options = {"lang_flags": frozenset({SINGLE_BATCH})}
    play.run = play.replayed()
    assert play.query("order") == AHEAD


@workflow.defn
class Torn:
    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.wait_condition(lambda: self.let_go, timeout=10)
        except asyncio.CancelledError:
            return "cancelled"
        return "let go"

    def __init__(self) -> None:
        self.let_go = False

    @workflow.signal
    async def release(self) -> None:
        self.let_go = True


@pytest.mark.parametrize(
    ("flags", "end"), [(frozenset(), "let go"), (frozenset({SINGLE_BATCH}), "cancelled")]
)
def test_a_cancel_that_comes_with_the_condition_is_seen_only_when_both_are_given_at_once(
    flags: frozenset[int], end: str
) -> None:
    play = Play(Torn, lang_flags=flags).start()
    play.task()
    play.signal("release")
    play.cancel()
    assert play.to_end() == end
