"""Timers of workflow code."""

import pytest

from tenuto.engine import types
from tenuto.limits import SECOND
from tenuto.wire import duration_pb2
from tests.engine.story_commands import cancel_timer, timer
from tests.engine.support import World
from tests.engine.words import begun, command, completion, last, misstep, refused, said


def running(world: World) -> set[str]:
    assert world.chain is not None
    return set(world.chain.current.timers)


def test_a_timer_fires_when_its_time_has_come_and_schedules_a_task() -> None:
    world = begun()
    world.step(timer("t", 5))
    world.pass_time(5 * SECOND - 1)
    assert world.names()[-1] == "TIMER_STARTED"
    world.pass_time(1)
    assert world.names()[-2:] == ["TIMER_FIRED", "WFT_SCHEDULED"]
    assert (said(world.history[5]).timer_id, said(world.history[5]).started_event_id) == ("t", 5)
    assert not running(world)


def test_a_timer_of_no_length_fires_at_once_but_with_an_event() -> None:
    world = begun()
    made = command(3)
    made.start_timer_command_attributes.timer_id = "t"
    world.step(made)
    world.pass_time(0)
    assert world.names()[4:] == ["TIMER_STARTED", "TIMER_FIRED", "WFT_SCHEDULED"]


def test_timers_due_together_fire_in_order_in_one_go() -> None:
    world = begun()
    world.step(timer("late", 3), timer("b", 2), timer("a", 2), timer("far", 9))
    world.now += 4 * SECOND
    world.ask(types.Tick(timers=("far", "late", "a", "b")))
    fired = [said(event).timer_id for event in world.history if event.event_type == 18]
    assert fired == ["b", "a", "late"]
    assert world.names().count("WFT_SCHEDULED") == 2


def test_a_cancelled_timer_does_not_fire() -> None:
    world = begun()
    world.step(timer("t", 5))
    world.signal()
    world.step(cancel_timer("t"))
    canceled = said(last(world))
    assert (canceled.timer_id, canceled.started_event_id, canceled.identity) == ("t", 5, "worker")
    world.pass_time(10 * SECOND)
    assert world.names()[-1] == "TIMER_CANCELED"


def test_a_name_may_be_used_again_once_its_timer_is_gone() -> None:
    world = begun()
    world.step(timer("t", 5), cancel_timer("t"), timer("t", 7))
    assert running(world) == {"t"}
    world.pass_time(7 * SECOND)
    assert said(world.history[-2]).started_event_id == 7


def test_news_of_a_fired_timer_do_not_end_its_successor_of_the_same_name() -> None:
    world = begun()
    world.step(timer("t", 1))
    world.signal()
    handout = world.poll()
    world.pass_time(SECOND)
    world.respond(handout, timer("t", 5))
    assert world.names()[-3:] == ["TIMER_STARTED", "TIMER_FIRED", "WFT_SCHEDULED"]
    assert running(world) == {"t"}


def test_cancelling_a_timer_that_has_fired_unseen_erases_its_firing() -> None:
    world = begun()
    world.step(timer("t", 1))
    world.signal()
    handout = world.poll()
    world.pass_time(SECOND)
    world.respond(handout, cancel_timer("t"))
    assert world.names()[-2:] == ["WFT_COMPLETED", "TIMER_CANCELED"]


@pytest.mark.parametrize(
    ("timer_id", "seconds", "text"),
    [
        ("", 1, "BadStartTimerAttributes: TimerId is not set on StartTimerCommand."),
        (
            "x" * 1001,
            1,
            "BadStartTimerAttributes: TimerId on StartTimerCommand exceeds length limit. TimerId="
            + "x" * 1001
            + " Length=1001 Limit=1000",
        ),
        ("t", -1, "BadStartTimerAttributes: An invalid StartToFireTimeout is set on StartTimerCommand"),
    ],
)
def test_a_wrong_timer_fails_the_task(timer_id: str, seconds: int, text: str) -> None:
    made = command(3)
    made.start_timer_command_attributes.timer_id = timer_id
    made.start_timer_command_attributes.start_to_fire_timeout.CopyFrom(duration_pb2.Duration(seconds=seconds))
    assert misstep(begun(), made).message.startswith(text)


def test_a_second_timer_of_the_same_name_fails_the_task() -> None:
    refusal = misstep(begun(), timer("t", 1), timer("t", 2))
    text = "invalid history builder state for action: add-timer-started-event, TimerID: t"
    assert refusal.message == f"StartTimerDuplicateId: {text}"


@pytest.mark.parametrize(
    ("timer_id", "text"),
    [
        ("", "TimerId is not set on CancelTimerCommand."),
        ("zz", "invalid history builder state for action: add-timer-canceled-event, TimerID: zz"),
    ],
)
def test_only_a_known_timer_can_be_cancelled(timer_id: str, text: str) -> None:
    assert misstep(begun(), cancel_timer(timer_id)).message == f"BadCancelTimerAttributes: {text}"


def test_a_failed_completion_leaves_timers_as_they_were() -> None:
    world = begun()
    world.step(timer("t", 5))
    world.signal()
    handout = world.poll()
    refused(world, completion(handout, cancel_timer("t"), command(3)))
    assert running(world) == {"t"}


def test_a_tick_for_a_timer_that_is_gone_or_not_due_is_nothing() -> None:
    world = begun()
    world.step(timer("t", 5))
    world.ask(types.Tick(timers=("t", "gone")))
    assert world.names()[-1] == "TIMER_STARTED"
