"""The alarm, deletion, and the end of retention."""

import pytest

from tenuto.engine import types
from tenuto.engine.types import Reason
from tenuto.limits import SECOND
from tests.engine.activities import complete, scheduled
from tests.engine.story_commands import timer
from tests.engine.support import World
from tests.engine.words import begun, closing, done, last, length, refused, said, terminate
from tests.engine.worlds import Worlds, start_child

# ---- the alarm ----------------------------------------------------------------------------------------------------------


def test_an_alarm_for_nothing_changes_nothing() -> None:
    world = begun()
    for _ in range(2):
        world.ask(types.Tick(activities=(5,), timers=("t",)))
    assert len(world.history) == 2
    assert World().ask(types.Tick()) is True


def test_the_end_of_the_run_comes_before_all_else_that_is_due() -> None:
    world = begun(workflow_run_timeout=length(5))
    world.step(timer("t", 5), scheduled(start_to_close_timeout=length(5)))
    world.now += 6 * SECOND
    world.ask(types.Tick((6,), ("t",)))
    assert world.names()[6:] == ["WF_TIMED_OUT"]


def test_an_alarm_that_rings_late_does_all_that_is_due_in_one_go() -> None:
    world = begun()
    world.step(
        timer("t", 5), scheduled(schedule_to_start_timeout=length(4), schedule_to_close_timeout=length(9))
    )
    world.now += 6 * SECOND
    world.ask(types.Tick((6,), ("t",)))
    assert world.names()[6:] == ["TIMER_FIRED", "WFT_SCHEDULED", "ACT_TIMED_OUT"]


def test_a_closed_workflow_hears_no_alarm() -> None:
    world = begun()
    world.step(timer("t", 5))
    terminate(world)
    world.now += 6 * SECOND
    world.ask(types.Tick((), ("t",)))
    assert world.names()[-1] == "WF_TERMINATED"


# ---- deletion -----------------------------------------------------------------------------------------------------------


def test_an_open_workflow_is_terminated_and_gone() -> None:
    world = begun()
    run_id = world.run_id
    assert world.ask(types.Delete()) == run_id
    assert world.chain is None
    assert world.last is not None
    ended = world.last.runs[-1].events[-1]
    assert (said(ended).reason, said(ended).identity) == ("Delete workflow execution", "history-service")
    assert world.last.deleted_runs == [run_id]


def test_a_deleted_id_is_free_whatever_the_reuse_policy_says() -> None:
    world = begun()
    world.step(done())
    world.ask(types.Delete())
    assert world.start(reuse=3).started


def test_deleting_an_old_run_leaves_the_current_one() -> None:
    world = begun()
    old = world.run_id
    world.step(closing(10))
    assert world.ask(types.Delete(old)) == old
    assert world.chain is not None
    assert old not in world.closed
    assert refused(world, types.Delete(old)).reason is Reason.NOT_FOUND


def test_what_does_not_exist_cannot_be_deleted() -> None:
    assert refused(World(), types.Delete()).message == "workflow not found for ID: w"


def test_a_deleted_chain_stays_until_it_owes_nothing_but_nobody_sees_it() -> None:
    worlds = Worlds("w")
    worlds["w"].step(start_child("c"))
    worlds.settle()
    worlds["w"].ask(types.Delete())
    assert worlds.owed("w")
    assert refused(worlds["w"], types.Describe()).reason is Reason.NOT_FOUND
    worlds.settle()
    assert worlds["w"].chain is None
    assert worlds["c"].names()[-1] == "WF_TERMINATED"


# ---- retention ----------------------------------------------------------------------------------------------------------


def test_a_closed_run_goes_when_its_time_is_over() -> None:
    world = begun()
    world.step(done())
    world.ask(types.ExpireRun(world.run_id))
    assert world.chain is None


def test_retention_never_touches_an_open_run_or_the_one_that_is_current_instead() -> None:
    world = begun()
    old = world.run_id
    world.ask(types.ExpireRun(old))
    assert world.chain is not None
    world.step(closing(10))
    world.ask(types.ExpireRun(old))
    assert world.chain is not None
    assert old not in world.closed
    assert world.history


@pytest.mark.parametrize("request_", [types.ExpireRun("gone"), types.Tick()])
def test_a_chain_that_is_gone_needs_nothing(request_: object) -> None:
    world = World()
    world.ask(request_)
    assert world.chain is None


def test_activities_finish_as_usual_after_a_late_alarm() -> None:
    world = begun()
    world.step(scheduled())
    handout = world.poll_activity()
    world.pass_time(SECOND)
    complete(world, handout)
    assert world.names()[-3:] == ["ACT_STARTED", "ACT_COMPLETED", "WFT_SCHEDULED"]
    assert last(world)
