"""Local activities and steps: remembered by markers, never run again by a replay."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from tenuto import workflow
from tenuto.exceptions import ActivityError, ApplicationError
from tenuto.run.history import cut
from tests.pair.support import Play

SOON = timedelta(seconds=10)


def markers(play: Play) -> list[dict[str, Any]]:
    """What the markers in history say, in order."""
    found = [
        event.marker_recorded_event_attributes.details["data"].payloads[0].data
        for event in play.world.history
        if event.HasField("marker_recorded_event_attributes")
    ]
    return [json.loads(data) for data in found]


def double(number: int) -> int:
    return number * 2


def boom(number: int) -> int:
    raise ValueError("no")


@workflow.defn
class Locals:
    @workflow.run
    async def run(self) -> int:
        total = 0
        for n in range(3):
            total += await workflow.execute_local_activity("double", n, start_to_close_timeout=SOON)
        await workflow.sleep(1)
        both = await asyncio.gather(
            workflow.execute_local_activity("double", 10, start_to_close_timeout=SOON),
            workflow.execute_local_activity("double", 20, start_to_close_timeout=SOON),
        )
        return int(total + sum(both))


def test_local_activities_run_in_one_workflow_task() -> None:
    play = Play(Locals, double)
    assert play.to_end() == 66
    assert play.calls == ["double"] * 5
    assert play.tasks == 2
    assert play.world.names().count("MARKER_RECORDED") == 5
    assert [told["activation_index"] for told in markers(play)] == [1, 2, 3, 1, 1]
    play.replayed()
    assert play.calls == ["double"] * 5


@workflow.defn
class LocalFails:
    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.execute_local_activity("boom", 1, start_to_close_timeout=SOON)
        except ApplicationError as error:
            return str(error)
        return "?"


def test_a_failed_local_activity_raises_its_own_error() -> None:
    play = Play(LocalFails, boom)
    assert "no" in play.to_end()
    play.replayed()


@workflow.defn
class Impatient:
    @workflow.run
    async def run(self, kind: int) -> str:
        slow = workflow.start_local_activity(
            "slow", start_to_close_timeout=SOON, cancellation_type=workflow.ActivityCancellationType(kind)
        )
        await workflow.execute_local_activity("double", 1, start_to_close_timeout=SOON)
        slow.cancel()
        try:
            await slow
        except ActivityError:
            await workflow.sleep(1)
        return "done"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (workflow.ActivityCancellationType.TRY_CANCEL, [1]),
        (workflow.ActivityCancellationType.ABANDON, []),
    ],
)
def test_an_abandoned_local_activity_is_left_running(
    kind: workflow.ActivityCancellationType, told: list[int]
) -> None:
    play = Play(Impatient, double).start(int(kind))
    handout = play.world.poll()
    run = play.fresh()
    (task,) = cut(play.world.history[: handout.last_event_id], replay_until=0)
    slow, double_start = run.activate(task).local_activities
    assert slow.activity_type == "slow"
    assert run.resolve([play._local(double_start)]).cancelled_local_activities == told
    run.evict()


@workflow.defn
class InTime:
    @workflow.run
    async def run(self) -> int:
        result = await asyncio.wait_for(
            workflow.execute_local_activity("double", 21, start_to_close_timeout=SOON), 100
        )
        left = workflow.start_activity("double", 1, start_to_close_timeout=SOON)
        await workflow.execute_local_activity("double", 2, start_to_close_timeout=SOON)
        left.cancel()
        await workflow.sleep(1)
        return int(result)


def test_what_is_asked_for_and_taken_back_within_a_workflow_task_leaves_no_trace() -> None:
    play = Play(InTime, double)
    assert play.to_end() == 42
    assert play.world.names().count("TIMER_STARTED") == 1
    assert "ACT_SCHEDULED" not in play.world.names()
    play.replayed()
