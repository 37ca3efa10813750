"""Timers: what ``sleep`` and every timeout inside a workflow become."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenuto.run.core import SECOND
from tenuto.run.ledger import Asked, nondeterminism
from tenuto.run.loop import RunTimer
from tenuto.wire import enums_command, enums_event
from tenuto.workflow._runtime import timer_summary
from tenuto.workflow.event_groups import captured

if TYPE_CHECKING:
    from tenuto.run.core import Core
    from tenuto.wire import command, history


class TimerMachine:
    """One timer. It fires once, unless it was cancelled before."""

    __slots__ = (
        "asked",
        "cancelled",
        "core",
        "fired",
        "groups",
        "handle",
        "seconds",
        "seq",
        "started_id",
        "summary",
    )

    def __init__(self, core: Core, seconds: float, handle: asyncio.TimerHandle) -> None:
        self.core = core
        self.seconds = seconds
        self.handle = handle
        self.seq = core.next("timer")
        self.started_id = 0
        self.fired = False
        self.cancelled = False
        self.groups = captured()
        self.summary = timer_summary.get()

        def fill(made: command.Command) -> None:
            wanted = made.start_timer_command_attributes
            wanted.timer_id = str(self.seq)
            wanted.start_to_fire_timeout.FromNanoseconds(int(seconds * SECOND))
            core.summarize(made, self.summary)

        self.asked: Asked = core.ask(
            enums_event.EVENT_TYPE_TIMER_STARTED,
            self,
            enums_command.COMMAND_TYPE_START_TIMER,
            fill,
            self.groups,
        )

    def describe(self) -> str:
        return f"timer {self.seq} of {self.seconds:g} s"

    def recorded(self, event: history.HistoryEvent) -> None:
        self.started_id = event.event_id
        self.core.by_event[event.event_id] = self

    def on_event(self, event: history.HistoryEvent) -> None:
        attributes = event.timer_fired_event_attributes
        if attributes.timer_id != str(self.seq):
            raise nondeterminism(
                event, self.asked, f"timer {attributes.timer_id!r} fired where {self.seq} was started"
            )
        if not self.cancelled:
            # From now on there is nothing to cancel, even for a signal that is handled before the timer's news.
            self.fired = True
            self.core.jobs.append(self.fire)
        self.core.by_event.pop(self.started_id, None)

    def fire(self) -> None:
        self.core.loop.fire(self.handle)

    def cancel(self) -> None:
        core = self.core
        if self.fired or self.cancelled or core.evicted:
            return
        core.check("cancel a timer")
        self.cancelled = True
        if not self.started_id:
            core.ledger.drop(self.asked)
            return

        def fill(made: command.Command) -> None:
            made.cancel_timer_command_attributes.timer_id = str(self.seq)
            core.summarize(made, self.summary)

        core.ask(
            enums_event.EVENT_TYPE_TIMER_CANCELED,
            _Cancel(self),
            enums_command.COMMAND_TYPE_CANCEL_TIMER,
            fill,
            self.groups,
        )


class _Cancel:
    """The command that cancels a timer."""

    __slots__ = ("timer",)

    def __init__(self, timer: TimerMachine) -> None:
        self.timer = timer

    def describe(self) -> str:
        return f"cancelling {self.timer.describe()}"

    def recorded(self, event: history.HistoryEvent) -> None:
        wanted = str(self.timer.seq)
        if event.timer_canceled_event_attributes.timer_id != wanted:
            raise nondeterminism(event, self.timer.asked, f"not timer {wanted} was cancelled")
        self.timer.core.by_event.pop(self.timer.started_id, None)


def start(core: Core, seconds: float, handle: asyncio.TimerHandle) -> None:
    """Start the timer behind ``handle``."""
    core.check("start a timer")
    if isinstance(handle, RunTimer):
        handle.timer = None
        handle.timer = TimerMachine(core, seconds, handle)


def cancel(core: Core, handle: asyncio.TimerHandle) -> None:
    """Somebody cancelled ``handle``."""
    timer = getattr(handle, "timer", None)
    if timer is not None:
        timer.cancel()
