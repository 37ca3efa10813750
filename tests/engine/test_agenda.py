"""What a chain owes the world, and when. That a reloaded chain owes the same is checked after every step of every test."""

from tenuto.engine import agenda, types
from tenuto.engine.types import Dispatch, DispatchKind
from tenuto.limits import SECOND
from tenuto.wire import common
from tests.engine.activities import fail, scheduled
from tests.engine.story_commands import cancel_timer, timer
from tests.engine.support import START_AT, World
from tests.engine.test_options import pausable, pause, unpause
from tests.engine.words import ask_cancel, begun, done, fail_task, length, rested, sticky, terminate
from tests.engine.worlds import Worlds, start_child


def due(world: World) -> float | None:
    """Seconds from the start until the next deadline."""
    assert world.agenda is not None
    assert world.chain is not None
    at = world.agenda.next_due(world.chain)
    return (at - START_AT) / SECOND if at else None


def alarm(world: World) -> float | None:
    assert world.agenda is not None
    assert world.chain is not None
    at = world.agenda.alarm(world.chain, world.now)
    return (at - START_AT) / SECOND if at is not None else None


def offers(world: World) -> list[Dispatch]:
    assert world.agenda is not None
    assert world.chain is not None
    return list(agenda.dispatches(world.chain, world.agenda))


def test_a_workflow_at_rest_has_no_deadline_and_no_alarm() -> None:
    world = rested()
    assert (due(world), alarm(world), offers(world)) == (None, None, [])


def test_a_waiting_task_is_offered_and_remembered_across_a_restart_without_a_deadline() -> None:
    world = begun(priority=common.Priority(priority_key=2))
    (offer,) = offers(world)
    assert (offer.kind, offer.queue, offer.normal_queue, offer.attempt) == (
        DispatchKind.WORKFLOW,
        "queue",
        "",
        1,
    )
    assert common.Priority.FromString(offer.priority).priority_key == 2
    assert (due(world), alarm(world)) == (None, 0)


def test_a_started_task_is_not_offered_and_has_a_deadline() -> None:
    world = begun()
    world.poll()
    assert (offers(world), due(world), alarm(world)) == ([], 10, 10)


def test_a_sticky_task_names_both_queues_and_does_not_wait_for_ever() -> None:
    world = begun()
    world.step(**sticky(seconds=3))
    world.signal()
    (offer,) = offers(world)
    assert (offer.queue, offer.normal_queue, due(world)) == ("own", "queue", 3)


def test_the_earliest_deadline_counts() -> None:
    world = begun(workflow_run_timeout=length(50), workflow_execution_timeout=length(60))
    assert due(world) == 50
    world.step(timer("t", 30), timer("u", 20), scheduled(schedule_to_close_timeout=length(25)))
    assert due(world) == 20
    world.signal()
    world.step(cancel_timer("u"))
    assert due(world) == 25


def test_the_end_of_a_delay_is_a_deadline_until_it_is_broken() -> None:
    world = begun(workflow_start_delay=length(7))
    assert (due(world), offers(world)) == (7, [])
    ask_cancel(world)
    assert (due(world), len(offers(world))) == (None, 1)


def test_an_activity_is_offered_again_when_its_retry_is_due() -> None:
    world = begun()
    world.step(scheduled())
    assert [offer.attempt for offer in offers(world)] == [1]
    handout = world.poll_activity()
    assert (offers(world), due(world)) == ([], 100)
    fail(world, handout)
    assert (offers(world), due(world)) == ([], 1)
    world.pass_time(SECOND)
    assert [offer.attempt for offer in offers(world)] == [2]


def test_activities_are_offered_in_the_order_they_were_scheduled() -> None:
    world = begun()
    world.step(scheduled("b"), scheduled("a"))
    assert [offer.scheduled_id for offer in offers(world)] == [5, 6]
    assert {offer.kind for offer in offers(world)} == {DispatchKind.ACTIVITY}


def test_a_later_attempt_of_a_task_is_offered_with_its_number() -> None:
    world = begun()
    fail_task(world)
    (offer,) = offers(world)
    assert (offer.attempt, offer.scheduled_id) == (2, 5)


def test_what_is_due_is_taken_once() -> None:
    world = begun()
    world.step(timer("t", 2), timer("u", 3), scheduled(schedule_to_start_timeout=length(2)))
    assert world.agenda is not None
    assert world.chain is not None
    now = START_AT + 2 * SECOND
    assert world.agenda.take_due(world.chain, now) == ((7,), ("t",), ())
    assert world.agenda.take_due(world.chain, now) == ((), (), ())


def test_a_closed_workflow_owes_nobody_but_other_workflows() -> None:
    worlds = Worlds("w")
    world = worlds["w"]
    world.step(start_child("c"), scheduled(), timer("t", 5))
    worlds.settle()
    terminate(world)
    assert world.chain is not None
    assert (offers(world), due(world), alarm(world)) == ([], None, 0)
    assert [message.workflow_id for message in agenda.messages(world.chain)] == ["c"]
    worlds.settle()
    assert alarm(world) is None


def test_nothing_is_offered_in_a_pause() -> None:
    world = pausable()
    world.step(scheduled())
    world.signal()
    pause(world)
    assert offers(world) == []
    unpause(world)
    assert [offer.kind for offer in offers(world)] == [DispatchKind.WORKFLOW, DispatchKind.ACTIVITY]


def test_a_successor_owes_only_its_own() -> None:
    world = begun()
    world.step(timer("t", 5), scheduled())
    world.signal()
    world.step(done())
    world.ask(types.Tick())
    world.start(request_id="again")
    assert [offer.scheduled_id for offer in offers(world)] == [2]
    assert due(world) is None
