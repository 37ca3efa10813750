"""Activities: the one door to them for the rest of the engine (execution-semantics 4).

A pending activity is scheduled by a command, started and reported on by workers, retried and timed out by the
tick, and operated on from outside. Closing its run leaves no event for it. The rules live in the rooms behind
this door, one for each of those who ask; this one must never hold a rule of its own.
"""

from tenuto.engine.activity_command import eager_start, request_cancel, schedule
from tenuto.engine.activity_operate import operate
from tenuto.engine.activity_report import cancel, complete, fail, heartbeat, leave_open, start
from tenuto.engine.activity_state import (
    APPLY,
    SETTLE,
    applied_cancel_requested,
    applied_closed,
    applied_scheduled,
    applied_started,
    deadline,
    dispatch,
    merged_priority,
    ready,
    retry_at,
)
from tenuto.engine.activity_timeout import expire, lose, take_back
from tenuto.engine.activity_view import pending_info

__all__ = [
    "APPLY",
    "SETTLE",
    "applied_cancel_requested",
    "applied_closed",
    "applied_scheduled",
    "applied_started",
    "cancel",
    "complete",
    "deadline",
    "dispatch",
    "eager_start",
    "expire",
    "fail",
    "heartbeat",
    "leave_open",
    "lose",
    "merged_priority",
    "operate",
    "pending_info",
    "ready",
    "request_cancel",
    "retry_at",
    "schedule",
    "start",
    "take_back",
]
