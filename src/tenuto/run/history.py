"""Cutting a history into workflow tasks: which events a run is shown together, and which it may peek at.

A workflow task is the events after the one before it, up to and with the start that was answered. Starts whose task failed,
timed out or was overtaken by the run's end belong to the next. Tasks that were only kept alive for local activities are one
where another framework wrote history, as its own replay has it. This one's stay apart: each showed the run what had come.

This file must never look at what workflow code does, and must never wait for anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tenuto.run.types import Activation

if TYPE_CHECKING:
    from tenuto.wire import history

    Events = Sequence[history.HistoryEvent]

# The protocol's numbers: naming them here keeps a cut free of look-ups.
_EXECUTION_STARTED = 1
_TASK_SCHEDULED = 5
_TASK_STARTED = 6
_TASK_COMPLETED = 7
_UPDATE_ACCEPTED = 41

_ENDS = frozenset({2, 3, 4, 21, 27, 28})
"""Completed, failed, timed out, cancelled, terminated, continued as new."""
SDK_NAME = "tenuto"
"""What workflow tasks that this framework answers are signed with."""

_IN_VAIN = frozenset({8, 9, 4, 27, 21})
"""What follows a start that nobody answered: task timed out, task failed, run timed out, terminated, cancelled."""
_COMMANDS = frozenset({2, 3, 10, 15, 17, 19, 21, 22, 25, 28, 29, 37, 40, 41, 42, 43, 46, 48, 54})
"""Events that are the trace of a command."""


class HistoryGap(ValueError):
    """Events are missing in the middle of a history."""


def check_ids(events: Events, first: int = 0) -> None:
    """Raises `HistoryGap` unless ids rise by one; ``first`` is the id expected first (0: any)."""
    if not events:
        return
    begins = events[0].event_id
    if first and begins != first:
        raise HistoryGap(f"History begins at event {begins} where {first} was expected")
    if events[-1].event_id - begins + 1 != len(events):
        wrong = next(i for i, event in enumerate(events) if event.event_id != begins + i)
        raise HistoryGap(f"History has event {events[wrong].event_id} where {begins + wrong} was expected")


def answered(events: Events, until: int) -> Events:
    """``events`` up to the workflow task that began with event ``until`` and its answer, without what came later."""
    at = next((index for index, event in enumerate(events) if event.event_id == until), -1)
    if at < 0:
        return events
    end = at + 1
    while end < len(events) and (
        events[end].event_type in _COMMANDS or (end == at + 1 and events[end].event_type == _TASK_COMPLETED)
    ):
        end += 1
    return events[:end]


def cut(
    events: Events, replay_until: int = 0, complete: bool = True, updates: bool = False, ours: bool = False
) -> list[Activation]:
    """Cut ``events``, in order and without gaps, into workflow tasks.

    ``replay_until`` is the id of the last start that was answered before. With ``complete`` false more events are to come:
    the tasks returned are only those that no later event can change, each with what follows it; go on with the events
    behind the last of them. With ``complete`` true everything is cut: traces of commands behind the last start are a task of
    their own, which ends with the last of them, and what nobody has been told yet is left out. ``updates`` says that updates
    came along with the events: they belong behind what was answered before, as history will have it once they are accepted,
    so a task answered with nothing is not taken for one that was kept alive. ``ours``: whether this framework answered the
    tasks that have no name in ``events``, nor one before them.
    """
    kinds = [event.event_type for event in events]
    ends: list[int] = []
    begin = 0
    while begin < len(kinds):
        end = _end(events, kinds, begin, complete, replay_until if updates else 0, ours)
        if end < 0:
            break
        ends.append(end)
        begin = end + 1
    if complete:
        last_command = next((i for i in range(len(kinds) - 1, begin - 1, -1) if kinds[i] in _COMMANDS), -1)
        if last_command >= 0:
            ends.append(last_command)
    tasks: list[Activation] = []
    begin = 0
    for end in ends:
        task = Activation(events=events[begin : end + 1], replay_until=replay_until, last=False)
        if kinds[end] == _TASK_STARTED:
            started = events[end].workflow_task_started_event_attributes
            task.history_size = started.history_size_bytes
            task.continue_as_new_suggested = started.suggest_continue_as_new
        if tasks:
            tasks[-1].following = task.events
        tasks.append(task)
        begin = end + 1
    if not complete:
        return tasks[:-1]
    if tasks:
        tasks[-1].last = True
        tasks[-1].following = events[begin:]
    return tasks


def _is_ours(events: Events, index: int, otherwise: bool) -> bool:
    """Whether this framework answered the task that was completed at ``index``: answers are signed when names change."""
    for event in reversed(events[: index + 1]):
        if event.event_type == _TASK_COMPLETED:
            name = event.workflow_task_completed_event_attributes.sdk_metadata.sdk_name
            if name:
                return bool(name == SDK_NAME)
    return otherwise


def _end(events: Events, kinds: Sequence[int], begin: int, complete: bool, apart: int, ours: bool) -> int:
    """Index of the last event of the workflow task that begins at ``begin``; negative when it has no end yet."""
    saw_command = saw_substance = False
    starts: list[int] = []
    kept = -1
    count = len(kinds)
    for index in range(begin, count):
        kind = kinds[index]
        if kind == _TASK_STARTED:
            if index + 1 == count:
                return index if complete else -1
            after = kinds[index + 1]
            if after in _IN_VAIN:
                continue
            starts.append(index)
            if after == _TASK_COMPLETED:
                if index + 2 == count:
                    return index if complete else -1
                then = kinds[index + 2]
                if then == _TASK_SCHEDULED and not saw_command and events[index].event_id != apart:
                    if _is_ours(events, index + 1, ours):
                        return index
                    kept = index
                    continue  # it was answered with nothing but the wish for another: kept alive
                return _before_update(events, starts, index) if then == _UPDATE_ACCEPTED else index
            if saw_substance:
                return index
        elif kind in _COMMANDS:
            saw_command = saw_substance = True
            if kind in _ENDS:
                return index
        elif kind in _ENDS:
            return index
        elif kind == _EXECUTION_STARTED:
            saw_substance = True
    # Nobody has begun the task that would go on with it: what was answered is all there is to see.
    return kept if complete else -1


def _before_update(events: Events, starts: list[int], index: int) -> int:
    """Where a task ends whose answer accepts an update: the run saw the update at the last start before it arrived."""
    accepted = events[index + 2].workflow_execution_update_accepted_event_attributes
    asked = accepted.accepted_request_sequencing_event_id
    return next((start for start in reversed(starts) if events[start].event_id < asked), index)
