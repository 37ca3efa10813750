"""Markers of steps beside signals, updates and cancellation in one workflow task: replays put them where they were."""

import asyncio

import pytest

from tenuto import step, workflow
from tenuto.run import ordered
from tests.pair.support import Play


@step
async def double(number: int) -> int:
    return number * 2


@workflow.defn
class Interrupted:
    """Its second step ends in a workflow task that also brings a message, whose handler asks for a timer first."""

    def __init__(self) -> None:
        self.heard = 0

    @workflow.run
    async def run(self) -> int:
        total = await double(await double(1))
        await workflow.wait_condition(lambda: self.heard > 0)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return total + self.heard

    @workflow.signal
    async def tell(self, number: int) -> None:
        await asyncio.sleep(1)
        self.heard += number

    @workflow.update
    async def ask(self, number: int) -> int:
        await asyncio.sleep(1)
        self.heard += number
        return self.heard


@pytest.mark.parametrize("message", ["signal", "update"])
def test_a_message_beside_the_end_of_a_step_is_handled_before_it_in_every_replay(message: str) -> None:
    play = Play(Interrupted, double.fn, keep=False).start()
    play.task()
    assert play.world.names().count("MARKER_RECORDED") == 1
    if message == "signal":
        play.signal("tell", 5)
    else:
        play.update("ask", 5)
    play.task()
    names = play.world.names()
    assert names.index("TIMER_STARTED") < len(names) - 1 - names[::-1].index("MARKER_RECORDED")
    play.replayed()
    assert play.to_end() == 9
    play.replayed()


@workflow.defn
class Cancelled:
    """Cancelled in its first workflow task, before its step could begin; then it cleans up."""

    @workflow.run
    async def run(self) -> int:
        try:
            return await double(1)
        except asyncio.CancelledError:
            await workflow.sleep(1)
            return -1


def test_a_step_cancelled_before_it_began_leaves_its_marker_before_what_comes_next() -> None:
    play = Play(Cancelled, double.fn).start()
    play.cancel()
    play.task()
    names = play.world.names()
    assert names.index("MARKER_RECORDED") < names.index("TIMER_STARTED")
    play.replayed()


@workflow.defn
class Groups:
    """A group whose member fails cancels the others, in the order in which they were made."""

    @workflow.run
    async def run(self) -> str:
        async def fail() -> None:
            await asyncio.sleep(1)
            raise ValueError("no")

        try:
            async with asyncio.TaskGroup() as group:
                for number in range(12):
                    group.create_task(workflow.sleep(100 + number))
                group.create_task(fail())
        except* ValueError:
            pass
        return "over"


def test_task_groups_cancel_in_the_order_of_their_tasks() -> None:
    ordered.install()
    play = Play(Groups)
    assert play.to_end() == "over"
    cancelled = [
        event.timer_canceled_event_attributes.timer_id
        for event in play.world.history
        if event.HasField("timer_canceled_event_attributes")
    ]
    assert cancelled == [str(number) for number in range(1, 13)]
