"""Durable steps are recorded one by one, in one workflow task as long as nothing else waits; replays see the same."""

import asyncio
from typing import Any

import pytest

from tenuto import step, workflow
from tenuto.engine import codec, steps
from tests.pair.support import Play


@step
async def double(number: int) -> int:
    return number * 2


@workflow
async def chain(count: int) -> int:
    total = 0
    for number in range(count):
        total += await double(number)
    return total


def test_steps_in_a_row_are_one_workflow_task_with_a_marker_for_each() -> None:
    play = Play(chain, double.fn)
    assert play.to_end(4) == 12
    assert play.world.names() == [
        "WF_STARTED",
        "WFT_SCHEDULED",
        "WFT_STARTED",
        "WFT_COMPLETED",
        *["MARKER_RECORDED"] * 4,
        "WF_COMPLETED",
    ]
    play.replayed()
    assert len(play.calls) == 4


def test_against_a_service_that_keeps_no_tasks_each_step_is_one_of_its_own() -> None:
    play = Play(chain, double.fn, keep=False)
    assert play.to_end(3) == 6
    assert play.world.names().count("WFT_COMPLETED") == 3
    play.replayed()
    assert len(play.calls) == 3


@workflow
async def winding() -> list[int]:
    first = await double(1)
    both = await asyncio.gather(double(first), double(5))
    await asyncio.sleep(3)
    third = await double(sum(both))
    noted = workflow.info().get_current_history_length()
    return [third, await double(third), noted]


@pytest.mark.parametrize("keep", [True, False])
def test_steps_between_other_things_are_replayed_as_they_were_lived(keep: bool) -> None:
    play = Play(winding, double.fn, keep=keep)
    result = play.to_end()
    assert result[:2] == [28, 56]
    replayed = play.replayed()
    assert replayed.closed
    assert len(play.calls) == 5


@workflow
async def told() -> list[int]:
    seen: list[int] = []
    workflow.set_signal_handler("told", seen.append)
    lengths = []
    for number in range(4):
        await double(number)
        lengths.append(workflow.info().get_current_history_length() + 1000 * len(seen))
    return lengths


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_signal_between_steps_comes_to_a_replay_at_the_same_place(at: int) -> None:
    play: Play

    async def interrupted(number: int) -> int:
        if number == at:
            play.signal("told", number)
        return number * 2

    interrupted.__name__ = "double"
    play = Play(told, interrupted, cold=False)
    lived = play.to_end()
    again = play.replayed()
    assert again.closed
    assert [value >= 1000 for value in lived] == [False] * (at + 1) + [True] * (3 - at)


def test_the_short_way_leaves_exactly_what_the_long_way_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    def lived() -> tuple[list[bytes], bytes]:
        play = Play(chain, double.fn)
        play.to_end(6)
        assert play.world.chain is not None
        state = codec.encode_header(play.world.chain)
        return [event.SerializeToString(deterministic=True) for event in play.world.history], state

    taken: list[bool] = []
    record = steps.record

    def noted(*args: Any) -> bool:
        taken.append(record(*args))
        return taken[-1]

    monkeypatch.setattr(steps, "record", noted)
    short = lived()
    assert any(taken)
    monkeypatch.setattr(steps, "record", lambda *args: False)
    assert short == lived()
