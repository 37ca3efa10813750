"""How an activity is called, said once where it is defined. It must never hold a default that a call could not override."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

from tenuto.common import Priority, RetryPolicy
from tenuto.common.durations import as_timedelta

START_TO_CLOSE = timedelta(minutes=10)
"""How long one attempt may take when nobody says."""
HEARTBEAT = timedelta(seconds=30)
"""How soon a lost worker is noticed when nobody says: the worker heartbeats by itself meanwhile."""


@dataclass(frozen=True, kw_only=True)
class ActivityOptions:
    """How an activity is called. A timeout of None: none; all are given as timedelta or in seconds."""

    task_queue: str | None = None
    """None: the queue of the workflow that calls."""
    start_to_close_timeout: timedelta | None = START_TO_CLOSE
    """Of each attempt."""
    schedule_to_close_timeout: timedelta | None = None
    """Of all attempts together."""
    schedule_to_start_timeout: timedelta | None = None
    """How long it may wait for a worker."""
    heartbeat_timeout: timedelta | None = None
    """How long it may be silent. Default with ``auto_heartbeat``: 30 s."""
    retry_policy: RetryPolicy | None = None
    """None: again and again, after 1 s, 2 s, 4 s ... at most 100 s."""
    auto_heartbeat: bool = True
    """Whether the worker heartbeats on its own while the function runs."""
    local: bool = False
    """Run by the workflow's own worker, without a task of its own: for short work."""
    durable: bool = False
    """Of a local one: its result is recorded before the workflow goes on."""
    local_retry_threshold: timedelta | None = None
    """Longer delays between attempts of a local one become timers of the workflow. Default 60 s."""
    cancellation_type: int | None = None
    """What the caller sees when it is cancelled: `tenuto.workflow.ActivityCancellationType`."""
    activity_id: str | None = None
    summary: str | None = None
    """One line for people who look at the workflow."""
    priority: Priority | None = None

    def but(self, **changes: Any) -> ActivityOptions:
        """These options with ``changes``. Raises TypeError for a name that is no option, or a duration that is none."""
        return replace(self, **normal(changes))


_NAMES = frozenset(each.name for each in fields(ActivityOptions))
_DURATIONS = frozenset(name for name in _NAMES if name.endswith(("_timeout", "_threshold")))


def normal(given: dict[str, Any]) -> dict[str, Any]:
    """``given`` with every duration as timedelta. Raises TypeError for a name that is no option."""
    unknown = sorted(given.keys() - _NAMES)
    if unknown:
        raise TypeError(
            f"{', '.join(unknown)}: no such option of an activity; there are {', '.join(sorted(_NAMES))}"
        )
    return {name: as_timedelta(value) if name in _DURATIONS else value for name, value in given.items()}


def options_of(given: dict[str, Any]) -> ActivityOptions:
    """The options of a definition that says ``given``."""
    made = ActivityOptions().but(**given)
    if "start_to_close_timeout" not in given and made.schedule_to_close_timeout is not None:
        made = replace(made, start_to_close_timeout=min(START_TO_CLOSE, made.schedule_to_close_timeout))
    if made.auto_heartbeat and not made.local and "heartbeat_timeout" not in given:
        made = replace(made, heartbeat_timeout=HEARTBEAT)
    return made
