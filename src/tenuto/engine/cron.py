"""Cron schedules: when does a cron workflow run next?

The dialect is the one a Temporal service speaks: five fields (minute, hour, day of month, month, day of week)
with names, lists, ranges and steps; ``@every <duration>`` and the usual ``@daily`` family; an optional
``CRON_TZ=`` (or ``TZ=``) prefix. Without a prefix the wall clock is UTC's. This room must never read a clock,
and stays cheap to import: time zones are loaded only by the schedules that name one.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from tenuto.limits import LIMITS, SECOND

_MONTHS = {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6}
_MONTHS |= {"jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12}
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_BOUNDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_HORIZON_YEARS = 5
"""A schedule that matches nothing within this many years is taken to match never."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed schedule. ``every`` > 0: that many seconds apart; else the sets of matching fields."""

    every: int = 0
    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = False
    """Day of month or day of week is unrestricted, so both must match; otherwise either is enough."""
    zone: tzinfo = UTC

    def next(self, after_ns: int) -> int | None:
        """The first match strictly after the given instant (nanoseconds since the epoch); None: there is none."""
        second = after_ns // SECOND
        if self.every:
            return (second + self.every) * SECOND
        found = self._search(second + 1)
        return None if found is None else found * SECOND

    def _search(self, second: int) -> int | None:
        if not (self.minutes and self.hours and self.months):
            return None
        last_year = datetime.fromtimestamp(second, self.zone).year + _HORIZON_YEARS
        while True:
            local = datetime.fromtimestamp(second, self.zone)
            if local.year > last_year:
                return None
            if local.month not in self.months:
                following = local.replace(day=1) + timedelta(days=32)
                second = self._midnight(following.replace(day=1), second)
            elif not self._day_matches(local):
                second = self._midnight(local + timedelta(days=1), second)
            elif local.hour not in self.hours:
                second += 3600 - local.minute * 60 - local.second
            elif local.minute not in self.minutes or local.second:
                second += 60 - local.second
            else:
                return second

    def _midnight(self, day: datetime, after: int) -> int:
        """The second at which the local day begins; where a clock change skips midnight, the first that exists."""
        begins = int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp())
        return max(begins, after + 1)

    def _day_matches(self, local: datetime) -> bool:
        by_month = local.day in self.days
        by_week = local.isoweekday() % 7 in self.weekdays
        return (by_month and by_week) if self.any_day else (by_month or by_week)


@lru_cache(maxsize=1024)
def parse(spec: str) -> Cron:
    """Read a schedule. Raises ValueError when it is malformed; one that can never match is well-formed."""
    zone: tzinfo = UTC
    if spec.startswith(("CRON_TZ=", "TZ=")):
        prefix, _, spec = spec.partition(" ")
        zone = _zone(prefix.partition("=")[2])
        spec = spec.strip()
    if not spec:
        raise ValueError("empty cron schedule")
    if spec.startswith("@"):
        if spec.startswith("@every "):
            return Cron(every=max(go_duration(spec[len("@every ") :]) // SECOND, 1))
        if spec not in _SHORTHANDS:
            raise ValueError(f"unrecognized cron descriptor: {spec}")
        spec = _SHORTHANDS[spec]
    fields = spec.split()
    if len(fields) != len(_BOUNDS):
        raise ValueError(f"a cron schedule has 5 fields, this one has {len(fields)}: {spec!r}")
    read = [_field(text, *bounds) for text, bounds in zip(fields, _BOUNDS, strict=True)]
    minutes, hours, days, months, weekdays = (values for values, _ in read)
    return Cron(0, minutes, hours, days, months, weekdays, any_day=read[2][1] or read[4][1], zone=zone)


def _zone(name: str) -> tzinfo:
    if name in ("", "UTC", "Local"):
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        raise ValueError(f"unknown time zone in cron schedule: {name!r}") from error


def _field(text: str, what: str, low: int, high: int, names: dict[str, int]) -> tuple[frozenset[int], bool]:
    """The values a field matches, and whether it is unrestricted."""
    values: set[int] = set()
    star = False
    for part in text.split(","):
        if part:
            stretch, open_ended = _part(part, what, low, high, names)
            values.update(stretch)
            star = star or open_ended
    return frozenset(values), star


def _part(text: str, what: str, low: int, high: int, names: dict[str, int]) -> tuple[range, bool]:
    """One element of a list: ``*``, ``?``, ``n``, ``n-m``, each with an optional ``/step``; ``n/step`` runs
    to the end."""
    stretch, slash, step_text = text.partition("/")
    ends = stretch.split("-")
    star = ends[0] in ("*", "?")
    if star:
        first, last = low, high
    else:
        if len(ends) > 2:
            raise ValueError(f"too many hyphens in cron {what}: {text!r}")
        first = _number(ends[0], what, names)
        last = _number(ends[-1], what, names)
    step = 1
    if slash:
        step = _number(step_text, what, {})
        if step == 0:
            raise ValueError(f"step must be positive in cron {what}: {text!r}")
        if len(ends) == 1:
            last = high
        star = star and step == 1
    if first < low or last > high or first > last:
        raise ValueError(f"cron {what} is outside {low}-{high}, or ends before it begins: {text!r}")
    return range(first, last + 1, step), star


def _number(text: str, what: str, names: dict[str, int]) -> int:
    known = names.get(text.lower())
    if known is not None:
        return known
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"not a number in cron {what}: {text!r}")
    return int(text)


def go_duration(text: str) -> int:
    """Nanoseconds of a Go duration such as ``1h30m`` or ``1.5s``. Raises ValueError when malformed."""
    sign = -1 if text.startswith("-") else 1
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return 0
    total, end = 0, 0
    for found in _DURATION.finditer(body):
        if found.start() != end:
            break
        whole, _, fraction = found[1].partition(".")
        unit = _UNITS[found[2]]
        total += int(whole or "0") * unit
        if fraction:
            total += int(fraction) * unit // 10 ** len(fraction)
        end = found.end()
    if not body or end != len(body) or total >= 2**63:
        raise ValueError(f"not a duration: {text!r}")
    return sign * total


def backoff(spec: str, start_ns: int, close_ns: int) -> int | None:
    """How long the next run of a cron workflow waits: from ``close_ns`` to the first match after ``start_ns``
    that is not before ``close_ns``, rounded up to whole seconds.

    For a first run both are the instant of its start; for a successor ``start_ns`` is the previous run's
    execution time. None: nothing matches any more. Raises ValueError when the schedule is malformed.
    """
    schedule = parse(spec)
    if schedule.every:
        step = schedule.every * SECOND
        found: int | None = schedule.next(start_ns)
        assert found is not None
        if found < close_ns:
            found += -(-(close_ns - found) // step) * step
    else:
        found = schedule.next(start_ns)
        if found is not None and found < close_ns:
            found = schedule.next(close_ns - 1)
    if found is None:
        return None
    # No instant so far away that it would not fit a database's number.
    return min(-(-(found - close_ns) // SECOND) * SECOND, LIMITS.duration_ns)
