"""A broken seed told to people: what broke, under which troubles, and the histories that matter. Never decides anything."""

from typing import Any

from tenuto.sim.chronicle import Chronicle, Story
from tenuto.sim.loop import EPOCH_NS
from tenuto.sim.options import describe
from tenuto.sim.wording import attributes_of, event_name, nanoseconds
from tenuto.sim.world import Outcome
from tenuto.wire import history

TAIL = 25
"""Trace lines shown."""
MOST_HISTORIES = 3
_TELLING = (
    "crash",
    "boot",
    "retire",
    "lease",
    "worker",
    "heal",
    "disk commit:",
    "clock",
    "VIOLATION",
    "refused",
)


def told(chronicle: Chronicle, outcome: Outcome) -> str:
    """The report of a broken seed."""
    broken = outcome.violation
    assert broken is not None
    lines = [
        f"seed {outcome.seed} breaks {broken.checker!r} after {outcome.virtual_ns / 1e9:.1f} virtual seconds:",
        *(f"  {line}" for line in broken.text.splitlines()),
        f"again: seeds=[{outcome.seed}]",
        f"weather: {describe(outcome.options)}",
    ]
    for story in _that_matter(chronicle, broken.text)[:MOST_HISTORIES]:
        lines += ["", *told_history(story)]
    events = [line for line in outcome.trace if any(word in line for word in _TELLING)]
    lines += ["", "what happened last:", *events[-TAIL:]]
    return "\n".join(lines)


def _that_matter(chronicle: Chronicle, text: str) -> list[Story]:
    """Runs that the finding names; else those that are open; else the last ones."""
    stories = chronicle.stories()
    for wanted in (
        lambda story: story.run_id[-8:] in text,
        lambda story: story.key.workflow_id in text,
        lambda story: story.open,
    ):
        found = [story for story in stories if wanted(story)]
        if found:
            return found
    return stories[-MOST_HISTORIES:]


def told_history(story: Story) -> list[str]:
    """A line for each event: id, virtual seconds, what."""
    state = "open" if story.open else "closed"
    lines = [f"history of {story.key.workflow_id}, run {story.run_id} ({state}):"]
    for event in story.events:
        at = (nanoseconds(event.event_time) - EPOCH_NS) / 1e9
        lines.append(f"  {event.event_id:>4} {at:>10.3f} {event_name(event)} {_hint(event)}".rstrip())
    return lines


def _hint(event: history.HistoryEvent) -> str:
    told: Any = attributes_of(event)
    words = []
    for field in ("activity_id", "timer_id", "signal_name", "marker_name", "workflow_id", "identity"):
        value = getattr(told, field, "")
        if isinstance(value, str) and value:
            words.append(value)
    for field in ("activity_type", "workflow_type"):
        value = getattr(told, field, None)
        if value is not None and value.name:
            words.append(value.name)
    failed = getattr(told, "failure", None)
    if failed is not None and failed.message:
        words.append(repr(failed.message[:80]))
    return " ".join(words)
