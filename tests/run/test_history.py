"""A history falls into the same workflow tasks however much of it is seen at once."""

import importlib.util
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tenuto.run.history import SDK_NAME, HistoryGap, answered, check_ids, cut
from tenuto.run.types import Activation
from tenuto.wire import DecodeError, enums_event, history
from tests.engine import story
from tests.engine.walk import Walk

Events = list[history.HistoryEvent]
TRANSCRIPTS = Path(__file__).parents[1] / "engine" / "transcripts"

_NAMES = {
    "start": "WORKFLOW_EXECUTION_STARTED",
    "done": "WORKFLOW_EXECUTION_COMPLETED",
    "terminated": "WORKFLOW_EXECUTION_TERMINATED",
    "signal": "WORKFLOW_EXECUTION_SIGNALED",
    "accepted": "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
    "S": "WORKFLOW_TASK_SCHEDULED",
    "T": "WORKFLOW_TASK_STARTED",
    "C": "WORKFLOW_TASK_COMPLETED",
    "F": "WORKFLOW_TASK_FAILED",
    "X": "WORKFLOW_TASK_TIMED_OUT",
    "timer": "TIMER_STARTED",
    "fired": "TIMER_FIRED",
    "marker": "MARKER_RECORDED",
}


def told(text: str) -> Events:
    """Events from words; ``accepted:7`` names the event its request was to come after."""
    events = []
    for number, word in enumerate(text.split(), 1):
        name, _, after = word.partition(":")
        event = history.HistoryEvent(
            event_id=number, event_type=enums_event.EventType.Value(f"EVENT_TYPE_{_NAMES[name]}")
        )
        if after:
            attributes = event.workflow_execution_update_accepted_event_attributes
            attributes.accepted_request_sequencing_event_id = int(after)
        events.append(event)
    return events


def spans(tasks: list[Activation]) -> list[tuple[int, int]]:
    return [(task.events[0].event_id, task.events[-1].event_id) for task in tasks]


def test_a_task_reaches_from_behind_one_start_to_the_next() -> None:
    tasks = cut(told("start S T C timer fired S T"))
    assert spans(tasks) == [(1, 3), (4, 8)]
    assert tasks[0].following == tasks[1].events
    assert [task.last for task in tasks] == [False, True]


def test_starts_that_failed_or_timed_out_belong_to_the_next_task() -> None:
    assert spans(cut(told("start S T F S T X S T C timer fired S T"))) == [(1, 9), (10, 14)]


def test_a_task_kept_alive_is_one_with_what_it_was_kept_alive_for() -> None:
    assert spans(cut(told("start S T C S T C S T C marker timer fired S T"))) == [(1, 9), (10, 15)]


def test_a_task_kept_alive_for_nothing_yet_is_shown_as_far_as_it_was_answered() -> None:
    assert spans(cut(told("start S T C signal S T C S signal"))) == [(1, 3), (4, 7)]
    assert spans(cut(told("start S T C signal S T C S signal"), complete=False)) == []


def test_what_was_answered_ends_with_the_traces_of_its_commands() -> None:
    events = told("start S T C timer marker signal S T C fired S T")
    assert [event.event_id for event in answered(events, 3)] == list(range(1, 7))
    assert [event.event_id for event in answered(events, 9)] == list(range(1, 11))
    assert answered(events, 99) == events


def test_a_task_with_commands_is_not_taken_for_one_kept_alive() -> None:
    assert spans(cut(told("start S T C marker S T C S T C timer fired S T"))) == [
        (1, 3),
        (4, 7),
        (8, 10),
        (11, 15),
    ]


def test_the_end_of_a_run_ends_its_last_task() -> None:
    assert spans(cut(told("start S T C timer fired S T C done"))) == [(1, 3), (4, 8), (9, 10)]


def test_a_start_overtaken_by_termination_was_never_seen() -> None:
    assert spans(cut(told("start S T C timer signal S T terminated"))) == [(1, 3), (4, 9)]


def test_an_update_is_seen_at_the_start_before_it_arrived() -> None:
    kept_alive = told("start S T C S T C S T C accepted:7 timer")
    assert spans(cut(kept_alive)) == [(1, 6), (7, 9), (10, 12)]
    assert spans(cut(told("start S T C accepted:2 timer"))) == [(1, 3), (4, 6)]


def test_tasks_that_this_framework_kept_alive_stay_apart_for_it_saw_what_came_one_by_one() -> None:
    events = told("start S T C S signal T C S T C marker timer fired S T")
    assert spans(cut(events)) == [(1, 10), (11, 16)]
    assert spans(cut(events, ours=True)) == [(1, 3), (4, 7), (8, 10), (11, 16)]
    _sign(events[3], SDK_NAME)
    assert spans(cut(events)) == [(1, 3), (4, 7), (8, 10), (11, 16)]
    _sign(events[7], "another")
    assert spans(cut(events)) == [(1, 3), (4, 10), (11, 16)]


def _sign(event: history.HistoryEvent, name: str) -> None:
    event.workflow_task_completed_event_attributes.sdk_metadata.sdk_name = name


def test_traces_of_commands_behind_the_last_start_are_shown_without_what_came_later() -> None:
    tasks = cut(told("start S T C timer signal S"))
    assert spans(tasks) == [(1, 3), (4, 5)]
    assert [event.event_id for event in tasks[-1].following] == [6, 7]


def test_a_run_that_nobody_worked_on_has_no_tasks() -> None:
    assert cut(told("start S")) == []
    assert cut([]) == []


def test_size_and_advice_come_from_the_start() -> None:
    events = told("start S T")
    events[-1].workflow_task_started_event_attributes.history_size_bytes = 17
    events[-1].workflow_task_started_event_attributes.suggest_continue_as_new = True
    (task,) = cut(events, replay_until=0)
    assert (task.history_size, task.continue_as_new_suggested) == (17, True)


def test_a_gap_is_told_apart() -> None:
    events = told("start S T C timer")
    check_ids(events)
    check_ids(events, 1)
    with pytest.raises(HistoryGap, match="begins at event 1 where 4"):
        check_ids(events, 4)
    with pytest.raises(HistoryGap, match="event 5 where 4"):
        check_ids(events[:3] + events[4:])


def engine_histories() -> Iterator[tuple[str, Events]]:
    for path in sorted(TRANSCRIPTS.glob("*.txt")):
        teller = story._Teller()
        list(teller.tell(path.read_text().splitlines()))
        for world in teller._worlds._worlds.values():
            for run_id, events in world.histories.items():
                yield f"{path.stem} {run_id}", events


HISTORIES = list(engine_histories())


@pytest.mark.parametrize("events", [events for _, events in HISTORIES], ids=[name for name, _ in HISTORIES])
def test_engine_histories_keep_the_law_of_cutting(events: Events) -> None:
    keeps_the_law(events)


@pytest.mark.parametrize("seed", range(12))
def test_random_walks_keep_the_law_of_cutting(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(120):
        walk.step()
    for events in walk.histories.values():
        keeps_the_law(events)


@pytest.mark.parametrize("seed", range(200))
def test_made_up_histories_keep_the_law_of_cutting(seed: int) -> None:
    rng = random.Random(seed)
    text = ["start"]
    while len(text) < 60 and text[-1] not in ("done", "terminated"):
        text += rng.choice(
            ["S T C", "S T F", "S T X", "signal S T C", "S T C marker", "S T C accepted:{} timer fired"]
        ).split()
        if rng.random() < 0.02:
            text += rng.choice([["C", "done"], ["terminated"]])
    before = range(1, len(text))
    keeps_the_law(told(" ".join(text).format(*(rng.choice(before) for _ in text))))


def keeps_the_law(events: Events) -> None:
    check_ids(events, 1)
    whole = cut(events)
    together = [event.event_id for task in whole for event in task.events]
    assert together == list(range(1, len(together) + 1)), "tasks follow one another without gaps"
    for task, then in pairwise(whole):
        assert task.following == then.events
        assert not task.last
        assert task.events[-1].event_type == enums_event.EVENT_TYPE_WORKFLOW_TASK_STARTED
    for number in range(len(events)):
        early = cut(events[:number], complete=False)
        assert spans(early) == spans(whole)[: len(early)], "more events change no task that was given out"
        behind = len([event for task in early for event in task.events])
        later = cut(events[behind:])
        assert spans(early + later) == spans(whole), "cutting may stop and go on"


def official_histories() -> list[Path]:
    spec = importlib.util.find_spec("temporalio")
    if spec is None or not spec.submodule_search_locations:
        return []
    return sorted(
        Path(next(iter(spec.submodule_search_locations))).glob("bridge/sdk-core/**/histories/*.bin")
    )


@pytest.mark.parametrize("path", official_histories(), ids=lambda path: path.stem)
def test_histories_of_the_official_package_keep_the_law_of_cutting(path: Path) -> None:
    try:
        told = history.History.FromString(path.read_bytes())
    except DecodeError:
        pytest.skip("not a serialized history")
    keeps_the_law(list(told.events))
