"""State from history alone: stored events go through the same rules that applied them when they were new.

Reset is built on it, and so is the law that state is what history and notes say. What history does not say (started
attempts, heartbeats, stickiness, request ids of clients) is not there afterwards. This room must never emit or note.
"""

from collections.abc import Callable, Sequence

from tenuto.engine.draft import RunDraft
from tenuto.wire import history

Listener = Callable[[RunDraft, history.HistoryEvent], None]


def replay(rd: RunDraft, events: Sequence[history.HistoryEvent], listener: Listener | None = None) -> None:
    """Apply stored events to a blank run, ids and times as they are; they become the run's ``copied`` history.

    ``listener`` hears of each event after it was applied."""
    assert rd.run.next_event_id == 1 and not rd.events, "history can be replayed on a blank run only"
    draft = rd.draft
    for event in events:
        assert event.event_id == rd.run.next_event_id, "history has a gap"
        rd.run.next_event_id = event.event_id + 1
        rd.run.history_bytes += event.ByteSize()
        draft.apply(rd, event)
        draft.settle(rd, event)
        if listener is not None:
            listener(rd, event)
    rd.copied = tuple(events)
