"""When does a schedule act? A compiled spec finds its times: of calendars, of intervals, without what is excluded, jittered.

Times are whole seconds; a time of day that a clock change leaves out is left out, and one that it repeats happens twice.
Everything is a function of the spec, a seed and an instant: this room must never look at a clock.
"""

import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tenuto.engine.schedule_text import BadSpec
from tenuto.limits import LIMITS, SECOND
from tenuto.wire import schedule

LAST_YEAR = 2100
LAST_AT = int(datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp()) * SECOND
"""No schedule acts then or later."""
EXCLUSIONS = 10_000
"""After so many excluded times in a row a spec is taken to have no more."""
MILLISECOND = SECOND // 1000
_ALL_SECONDS = frozenset(range(60))
_ALL_HOURS = frozenset(range(24))


class Occasion(NamedTuple):
    """One time of a schedule, in nanoseconds: as the spec says it, and as jitter moved it."""

    nominal_at: int
    at: int


class _Calendar:
    """Sets of numbers that all must match."""

    __slots__ = ("days", "hours", "minutes", "months", "seconds", "weekdays", "years")

    def __init__(self, given: schedule.StructuredCalendarSpec) -> None:
        self.seconds, self.minutes = _numbers(given.second), _numbers(given.minute)
        self.hours = _numbers(given.hour)
        self.days, self.months = _numbers(given.day_of_month), _numbers(given.month)
        self.weekdays = _numbers(given.day_of_week)
        self.years = _numbers(given.year) if given.year else None

    def on(self, day: date) -> bool:
        """Whether the calendar has that day."""
        return (
            day.day in self.days
            and day.month in self.months
            and (self.years is None or day.year in self.years)
            and (day.weekday() + 1) % 7 in self.weekdays
        )

    def has(self, local: datetime) -> bool:
        return (
            local.second in self.seconds
            and local.minute in self.minutes
            and local.hour in self.hours
            and self.on(local.date())
        )

    def whole(self, local: datetime) -> int:
        """How many seconds from ``local`` on surely match as it does."""
        if self.seconds != _ALL_SECONDS:
            return 1
        if self.minutes != _ALL_SECONDS:
            return 60 - local.second
        if self.hours != _ALL_HOURS:
            return 3600 - local.minute * 60 - local.second
        midnight = datetime(local.year, local.month, local.day, tzinfo=local.tzinfo) + timedelta(days=1)
        return max(1, int(midnight.timestamp() - local.timestamp()))

    def next(self, after: int, zone: tzinfo) -> int | None:
        """The first second after ``after`` that matches; None: there is none."""
        if not (self.seconds and self.minutes and self.hours and self.days and self.months and self.weekdays):
            return None
        at = after + 1
        while True:
            local = datetime.fromtimestamp(at, zone)
            if local.year > LAST_YEAR:
                return None
            if not self.on(local.date()):
                following = self._next_day(local.date())
                if following is None:
                    return None
                midnight = datetime(following.year, following.month, following.day, tzinfo=zone)
                at = max(at + 1, int(midnight.timestamp()))
            elif local.hour not in self.hours:
                at += 3600 - local.minute * 60 - local.second
            elif local.minute not in self.minutes:
                at += 60 - local.second
            elif local.second not in self.seconds:
                at += 1
            else:
                return at

    def _next_day(self, day: date) -> date | None:
        """The first matching day after ``day``."""
        while True:
            day += timedelta(days=1)
            if day.year > LAST_YEAR:
                return None
            if self.years is not None and day.year not in self.years:
                day = date(day.year, 12, 31)
            elif day.month not in self.months:
                day = (date(day.year, day.month, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
            elif self.on(day):
                return day


def _numbers(ranges: Any) -> frozenset[int]:
    found: set[int] = set()
    for one in ranges:
        found.update(range(one.start, max(one.end, one.start) + 1, one.step or 1))
    return frozenset(found)


class Times:
    """A compiled spec. ``seed`` tells schedules of the same spec apart when their times are jittered."""

    __slots__ = ("_calendars", "_end_at", "_excluded", "_intervals", "_start_at", "_zone", "jitter_ns")

    def __init__(self, spec: schedule.ScheduleSpec) -> None:
        """``spec``: canonical. Raises `BadSpec` for a time zone that is not known."""
        self._zone = _zone(spec)
        self._calendars = [_Calendar(one) for one in spec.structured_calendar]
        self._excluded = [_Calendar(one) for one in spec.exclude_structured_calendar]
        self._intervals = [(one.interval.seconds, one.phase.seconds) for one in spec.interval]
        self._start_at = _instant(spec.start_time) if spec.HasField("start_time") else 0
        self._end_at = min(_instant(spec.end_time), LAST_AT) if spec.HasField("end_time") else LAST_AT
        self.jitter_ns = max(0, min(spec.jitter.seconds * SECOND + spec.jitter.nanos, LIMITS.duration_ns))

    def next(self, after_at: int, seed: str) -> Occasion | None:
        """The first time after ``after_at`` (nanoseconds); None: there is none any more."""
        after_at = max(after_at, -1)
        if after_at < self._start_at:
            after_at = self._start_at - SECOND
        nominal = self._nominal(after_at // SECOND)
        if nominal is None:
            return None
        return Occasion(nominal * SECOND, nominal * SECOND + self._jitter(nominal, seed))

    def within(self, after_at: int, until_at: int, seed: str) -> Iterator[Occasion]:
        """The times after ``after_at``, up to and with ``until_at``."""
        found = self.next(after_at, seed)
        while found is not None and found.at <= until_at:
            yield found
            found = self.next(found.at, seed)

    def _nominal(self, after: int) -> int | None:
        if after * SECOND >= self._end_at:
            return None
        for _ in range(EXCLUSIONS):
            found = self._raw(after)
            if found is None or found * SECOND > self._end_at:
                return None
            if not self._excluded:
                return found
            local = datetime.fromtimestamp(found, self._zone)
            skipped = max((one.whole(local) for one in self._excluded if one.has(local)), default=0)
            if not skipped:
                return found
            after = found + skipped - 1
        return None

    def _raw(self, after: int) -> int | None:
        """The first second after ``after`` that anything asks for."""
        found = [at for one in self._calendars if (at := one.next(after, self._zone)) is not None]
        found += [((after - phase) // every + 1) * every + phase for every, phase in self._intervals]
        return min(found, default=None)

    def _jitter(self, nominal: int, seed: str) -> int:
        bound = self.jitter_ns
        if not bound:
            return 0
        following = self._raw(nominal)
        if following is not None:
            bound = min(bound, (following - nominal) * SECOND)
        drawn = hashlib.blake2b(f"{nominal}:{seed}".encode(), digest_size=8).digest()
        return (int.from_bytes(drawn, "big") * (bound // MILLISECOND) >> 64) * MILLISECOND


def bounded(at: int) -> int:
    """The instant, or what is nearest to it of those that schedules know."""
    return max(0, min(at, LAST_AT))


def _instant(value: Any) -> int:
    return int(value.seconds) * SECOND + int(value.nanos)


def _zone(spec: schedule.ScheduleSpec) -> tzinfo:
    if spec.timezone_data:
        try:
            return ZoneInfo.from_file(io.BytesIO(spec.timezone_data), key=spec.timezone_name or None)
        except (ValueError, EOFError, IndexError):
            raise BadSpec("malformed time zone information") from None
    name = spec.timezone_name
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadSpec(f"unknown time zone {name}") from None


@lru_cache(maxsize=4096)
def compiled(spec: bytes) -> Times:
    """The compiled form of a serialized canonical spec. Raises `BadSpec`."""
    return Times(schedule.ScheduleSpec.FromString(spec))
