"""What a schedule is made of: when, what, and with which rules. Values without behaviour, and their protocol form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any, cast

from tenuto.client.encoding import duration_proto, instant, length, timestamp_proto
from tenuto.wire import schedule

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore
    from tenuto.client.schedule_action import ScheduleAction


class ScheduleOverlapPolicy(IntEnum):
    """What happens when a workflow should start while the one before still runs."""

    SKIP = 1
    """Nothing starts."""
    BUFFER_ONE = 2
    """One starts as soon as the one before ends."""
    BUFFER_ALL = 3
    """Each starts as soon as the one before ends."""
    CANCEL_OTHER = 4
    TERMINATE_OTHER = 5
    ALLOW_ALL = 6
    """They run side by side."""


@dataclass(frozen=True)
class ScheduleRange:
    """The numbers from ``start`` to ``end``, both included, every ``step``. ``end`` 0: only ``start``; ``step`` 0: 1."""

    start: int
    end: int = 0
    step: int = 0

    def __post_init__(self) -> None:
        if self.end < self.start:
            object.__setattr__(self, "end", self.start)
        if self.step == 0:
            object.__setattr__(self, "step", 1)


def _ranges_proto(ranges: Sequence[ScheduleRange]) -> list[schedule.Range]:
    return [schedule.Range(start=one.start, end=one.end, step=one.step) for one in ranges]


def _ranges(protos: Sequence[schedule.Range]) -> Sequence[ScheduleRange]:
    return tuple(ScheduleRange(one.start, one.end, one.step) for one in protos)


_ZERO = (ScheduleRange(0),)


@dataclass
class ScheduleCalendarSpec:
    """Instants by the calendar: those where every field matches. An empty field matches everything, for ``year``."""

    second: Sequence[ScheduleRange] = _ZERO
    minute: Sequence[ScheduleRange] = _ZERO
    hour: Sequence[ScheduleRange] = _ZERO
    day_of_month: Sequence[ScheduleRange] = (ScheduleRange(1, 31),)
    month: Sequence[ScheduleRange] = (ScheduleRange(1, 12),)
    year: Sequence[ScheduleRange] = ()
    day_of_week: Sequence[ScheduleRange] = (ScheduleRange(0, 6),)
    """0 is Sunday."""
    comment: str | None = None

    @staticmethod
    def _from_proto(spec: schedule.StructuredCalendarSpec) -> ScheduleCalendarSpec:
        return ScheduleCalendarSpec(
            second=_ranges(spec.second),
            minute=_ranges(spec.minute),
            hour=_ranges(spec.hour),
            day_of_month=_ranges(spec.day_of_month),
            month=_ranges(spec.month),
            year=_ranges(spec.year),
            day_of_week=_ranges(spec.day_of_week),
            comment=spec.comment or None,
        )

    def _to_proto(self) -> schedule.StructuredCalendarSpec:
        return schedule.StructuredCalendarSpec(
            second=_ranges_proto(self.second),
            minute=_ranges_proto(self.minute),
            hour=_ranges_proto(self.hour),
            day_of_month=_ranges_proto(self.day_of_month),
            month=_ranges_proto(self.month),
            year=_ranges_proto(self.year),
            day_of_week=_ranges_proto(self.day_of_week),
            comment=self.comment or "",
        )


@dataclass
class ScheduleIntervalSpec:
    """Instants at a fixed distance, counted from the epoch: ``every``, moved by ``offset``."""

    every: timedelta
    offset: timedelta | None = None

    @staticmethod
    def _from_proto(spec: schedule.IntervalSpec) -> ScheduleIntervalSpec:
        return ScheduleIntervalSpec(spec.interval.ToTimedelta(), length(spec, "phase"))

    def _to_proto(self) -> schedule.IntervalSpec:
        return schedule.IntervalSpec(interval=duration_proto(self.every), phase=duration_proto(self.offset))


@dataclass
class ScheduleSpec:
    """When: the union of everything listed, without ``skip``, within ``start_at`` and ``end_at``."""

    calendars: Sequence[ScheduleCalendarSpec] = field(default_factory=list)
    intervals: Sequence[ScheduleIntervalSpec] = field(default_factory=list)
    cron_expressions: Sequence[str] = field(default_factory=list)
    """Read by the service, which shows them as ``calendars`` and ``intervals``."""
    skip: Sequence[ScheduleCalendarSpec] = field(default_factory=list)
    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter: timedelta | None = None
    """Each start is late by a random length up to this."""
    time_zone_name: str | None = None
    """Of the calendars, as in ``"Europe/Rome"``; None: UTC."""

    @staticmethod
    def _from_proto(spec: schedule.ScheduleSpec) -> ScheduleSpec:
        return ScheduleSpec(
            calendars=[ScheduleCalendarSpec._from_proto(one) for one in spec.structured_calendar],
            intervals=[ScheduleIntervalSpec._from_proto(one) for one in spec.interval],
            cron_expressions=list(spec.cron_string),
            skip=[ScheduleCalendarSpec._from_proto(one) for one in spec.exclude_structured_calendar],
            start_at=instant(spec, "start_time"),
            end_at=instant(spec, "end_time"),
            jitter=length(spec, "jitter"),
            time_zone_name=spec.timezone_name or None,
        )

    def _to_proto(self) -> schedule.ScheduleSpec:
        return schedule.ScheduleSpec(
            structured_calendar=[one._to_proto() for one in self.calendars],
            interval=[one._to_proto() for one in self.intervals],
            cron_string=self.cron_expressions,
            exclude_structured_calendar=[one._to_proto() for one in self.skip],
            start_time=timestamp_proto(self.start_at),
            end_time=timestamp_proto(self.end_at),
            jitter=duration_proto(self.jitter),
            timezone_name=self.time_zone_name or "",
        )


@dataclass
class SchedulePolicy:
    """Rules. ``catchup_window`` None: the service's default, a year."""

    overlap: ScheduleOverlapPolicy = field(default_factory=lambda: ScheduleOverlapPolicy.SKIP)
    catchup_window: timedelta | None = timedelta(days=365)
    """Starts missed while the service was down are made up for when they are not older than this."""
    pause_on_failure: bool = False

    @staticmethod
    def _from_proto(policies: schedule.SchedulePolicies) -> SchedulePolicy:
        return SchedulePolicy(
            overlap=ScheduleOverlapPolicy(policies.overlap_policy or ScheduleOverlapPolicy.SKIP),
            catchup_window=length(policies, "catchup_window"),
            pause_on_failure=policies.pause_on_failure,
        )

    def _to_proto(self) -> schedule.SchedulePolicies:
        return schedule.SchedulePolicies(
            overlap_policy=cast("Any", int(self.overlap)),
            catchup_window=duration_proto(self.catchup_window),
            pause_on_failure=self.pause_on_failure,
        )


@dataclass
class ScheduleState:
    """What may change of a schedule while it runs."""

    note: str | None = None
    paused: bool = False
    limited_actions: bool = False
    """Whether ``remaining_actions`` counts down, and the schedule rests at 0."""
    remaining_actions: int = 0

    @staticmethod
    def _from_proto(state: schedule.ScheduleState) -> ScheduleState:
        return ScheduleState(
            note=state.notes or None,
            paused=state.paused,
            limited_actions=state.limited_actions,
            remaining_actions=state.remaining_actions,
        )

    def _to_proto(self) -> schedule.ScheduleState:
        if self.limited_actions and not self.remaining_actions:
            raise ValueError("Must set limited actions to false if there are no remaining actions set")
        if not self.limited_actions and self.remaining_actions:
            raise ValueError("Must set limited actions to true if there are remaining actions set")
        return schedule.ScheduleState(
            notes=self.note or "",
            paused=self.paused,
            limited_actions=self.limited_actions,
            remaining_actions=self.remaining_actions,
        )


@dataclass
class ScheduleBackfill:
    """Starts to make up for, as if the time from ``start_at`` to ``end_at`` passed now."""

    start_at: datetime
    end_at: datetime
    overlap: ScheduleOverlapPolicy | None = None
    """None: the schedule's own."""

    def _to_proto(self) -> schedule.BackfillRequest:
        return schedule.BackfillRequest(
            start_time=timestamp_proto(self.start_at),
            end_time=timestamp_proto(self.end_at),
            overlap_policy=cast("Any", int(self.overlap or 0)),
        )


@dataclass
class Schedule:
    """A schedule: what to do, and when."""

    action: ScheduleAction
    spec: ScheduleSpec
    policy: SchedulePolicy = field(default_factory=SchedulePolicy)
    state: ScheduleState = field(default_factory=ScheduleState)

    @staticmethod
    def _from_proto(proto: schedule.Schedule) -> Schedule:
        from tenuto.client.schedule_action import ScheduleAction

        return Schedule(
            action=ScheduleAction._from_proto(proto.action),
            spec=ScheduleSpec._from_proto(proto.spec),
            policy=SchedulePolicy._from_proto(proto.policies),
            state=ScheduleState._from_proto(proto.state),
        )

    async def _to_proto(self, client: ClientCore) -> schedule.Schedule:
        return schedule.Schedule(
            spec=self.spec._to_proto(),
            action=await self.action._to_proto(client),
            policies=self.policy._to_proto(),
            state=self.state._to_proto(),
        )
