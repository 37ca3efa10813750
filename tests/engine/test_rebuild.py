"""The law of rebuilding: replaying a history gives the state it tells of."""

import pytest

from tenuto.engine import types
from tenuto.engine.chain import Run
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.rebuild import replay
from tenuto.engine.start import blank_terms
from tenuto.engine.table import apply, settle
from tenuto.wire import history

from .resets import activity, child, send_update, timer
from .support import NAMESPACE, World
from .updates import accept


def rebuilt(events: list[history.HistoryEvent]) -> RunDraft:
    draft = Draft(("n", "w"), None, types.Stamp(1, bytes(16), 1, NAMESPACE), apply, settle)
    rd = draft.begin_run(Run("run"), blank_terms())
    replay(rd, events)
    return rd


def test_replaying_a_history_gives_the_state_it_tells_of() -> None:
    world = World()
    world.start()
    world.step(activity("a"), activity("b"), timer("t"), timer("u"), child())
    world.signal("one", request_id="r")
    send_update(world)
    world.step(messages=[accept()])
    world.signal("two")
    assert world.chain is not None
    live = world.chain.current
    rd = rebuilt(world.history)
    assert list(rd.activities.keys()) == list(live.activities)
    assert {t.timer_id: t.fire_at for t in rd.timers.values()} == {
        t.timer_id: t.fire_at for t in live.timers.values()
    }
    assert list(rd.children.keys()) == list(live.children)
    assert {u.update_id: u for u in rd.updates.values()} == live.updates
    assert rd.run.next_event_id == live.run.next_event_id
    assert rd.run.previous_started_id == live.run.previous_started_id
    assert rd.run.signal_count == live.run.signal_count == 2
    assert rd.run.task is not None and live.run.task is not None
    assert rd.run.task.scheduled_id == live.run.task.scheduled_id


def test_a_history_with_a_gap_is_refused() -> None:
    world = World()
    world.start()
    world.step()
    with pytest.raises(AssertionError, match="gap"):
        rebuilt([world.history[0], world.history[2]])
