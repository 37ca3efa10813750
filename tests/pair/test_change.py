"""Code that changes while runs are alive: patches, and what is said when it may not."""

from datetime import timedelta
from typing import Any

import pytest

from tenuto import workflow
from tenuto.workflow import NondeterminismError
from tests.pair.support import Play

SOON = timedelta(seconds=10)


def old(number: int) -> int:
    return number


def new(number: int) -> int:
    return number + 100


@workflow.defn(name="Changing")
class Before:
    @workflow.run
    async def run(self) -> int:
        first: int = await workflow.execute_activity("old", 1, start_to_close_timeout=SOON)
        await workflow.sleep(5)
        return first


@workflow.defn(name="Changing")
class Patched:
    @workflow.run
    async def run(self) -> int:
        if workflow.patched("use-new"):
            first: int = await workflow.execute_activity("new", 1, start_to_close_timeout=SOON)
        else:
            first = await workflow.execute_activity("old", 1, start_to_close_timeout=SOON)
        await workflow.sleep(5)
        return first


@workflow.defn(name="Changing")
class Deprecated:
    @workflow.run
    async def run(self) -> int:
        workflow.deprecate_patch("use-new")
        first: int = await workflow.execute_activity("new", 1, start_to_close_timeout=SOON)
        await workflow.sleep(5)
        return first


@workflow.defn(name="Changing")
class After:
    @workflow.run
    async def run(self) -> int:
        first: int = await workflow.execute_activity("new", 1, start_to_close_timeout=SOON)
        await workflow.sleep(5)
        return first


def _begun(workflow_class: Any) -> Play:
    play = Play(workflow_class, old, new).start()
    return play.until_quiet()


def _taken_over(play: Play, workflow_class: Any) -> Play:
    from tenuto.workflow.definition import Definition

    play.definition = Definition.must(workflow_class)
    play.run = None
    return play


def test_a_run_from_before_the_patch_stays_on_the_old_path() -> None:
    assert _taken_over(_begun(Before), Patched).to_end() == 1


def test_a_run_begun_with_the_patch_takes_the_new_path_and_keeps_it() -> None:
    play = _begun(Patched)
    assert [name for name in play.world.names() if name.startswith(("MARKER", "UPSERT"))] == [
        "MARKER_RECORDED",
        "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
    ]
    assert _taken_over(play, Deprecated).to_end() == 101


def test_a_deprecated_patch_may_be_taken_out() -> None:
    assert _taken_over(_begun(Deprecated), After).to_end() == 101


def test_another_activity_than_history_has_is_refused_with_both_sides_told() -> None:
    play = _taken_over(_begun(Before), After)
    play.world.pass_time(5 * 10**9)
    made = play.task()
    assert made.failure is not None and isinstance(made.failure.error, NondeterminismError)
    text = str(made.failure.error)
    assert text.startswith("[TMPRL1100] Nondeterminism error: ")
    assert "event 5" in text and "activity 'new'" in text and "test_change.py" in text


def test_a_patch_still_needed_cannot_be_taken_out() -> None:
    play = _taken_over(_begun(Patched), After)
    play.world.pass_time(5 * 10**9)
    made = play.task()
    assert made.failure is not None and "MarkerRecorded" in str(made.failure.error)


@workflow.defn
class Decided:
    @workflow.run
    async def run(self) -> bool:
        return workflow.patched("p")


def _notes(_: Any) -> bool:
    workflow.upsert_memo({"asked": True})
    return True


@pytest.mark.parametrize(
    ("decide", "told"),
    [
        (lambda _: "yes", "Patch activation callback must return true or false"),
        (
            _notes,
            "While in read-only function, action attempted: upsert memo (in a patch activation callback)",
        ),
    ],
)
def test_whoever_decides_about_a_patch_only_decides(decide: Any, told: str) -> None:
    play = Play(Decided, on_patch=decide).start()
    play.task()
    assert told in play.failures[0]
