"""Calendars and cron strings of schedules, as written by people, made into the one form that is kept: ranges of numbers.

`canonical` rewrites a whole spec; its complaints are those that clients know. Unlike workflows' cron (`cron`), a schedule's
day of month and day of week must both match. This room must never know what time it is.
"""

import re
from typing import Any

from tenuto.engine.cron import go_duration
from tenuto.limits import DAY, SECOND
from tenuto.wire import schedule

COMMENT_CHARS = 200
_MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august"]
_MONTHS += ["september", "october", "november", "december"]
_DAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
_SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class BadSpec(ValueError):
    """The spec says something that cannot be; the text is what clients are told."""


class Field:
    """One part of a calendar: ``name`` in messages, ``label`` in complaints, bounds, and what is meant when empty."""

    __slots__ = ("default", "first", "label", "last", "name", "names", "shortest")

    def __init__(
        self, name: str, label: str, first: int, last: int, default: str, names: list[str], shortest: int
    ) -> None:
        self.name, self.label, self.first, self.last = name, label, first, last
        self.default, self.names, self.shortest = default, names, shortest


FIELDS = (
    Field("second", "Second", 0, 59, "0", [], 0),
    Field("minute", "Minute", 0, 59, "0", [], 0),
    Field("hour", "Hour", 0, 23, "0", [], 0),
    Field("day_of_month", "DayOfMonth", 1, 31, "*", [], 0),
    Field("month", "Month", 1, 12, "*", _MONTHS, 3),
    Field("year", "Year", 2000, 2100, "*", [], 0),
    Field("day_of_week", "DayOfWeek", 0, 7, "*", _DAYS, 2),
)
_BY_NAME = {field.name: field for field in FIELDS}


def canonical(spec: schedule.ScheduleSpec) -> schedule.ScheduleSpec:
    """The same spec with nothing but structured calendars and intervals. Raises `BadSpec`."""
    made = schedule.ScheduleSpec()
    made.CopyFrom(spec)
    del made.calendar[:], made.cron_string[:], made.exclude_calendar[:]
    for calendar in spec.calendar:
        made.structured_calendar.append(_structured(calendar))
    for text in spec.cron_string:
        _add_cron(made, _zone_of(text)[1])
    _agree(made, [_zone_of(text)[0] for text in spec.cron_string])
    for calendar in spec.exclude_calendar:
        made.exclude_structured_calendar.append(_structured(calendar))
    for interval in made.interval:
        _check_interval(interval)
    for ranges in (made.structured_calendar, made.exclude_structured_calendar):
        for structured in ranges:
            _check_structured(structured)
    return made


def _agree(made: schedule.ScheduleSpec, named: list[str]) -> None:
    """All cron strings name the same time zone, or none does; and no other than the spec's."""
    zones = set(named)
    if len(zones) > 1 or (made.timezone_name and not zones <= {"", made.timezone_name}):
        raise BadSpec("conflicting timezone names")
    made.timezone_name = made.timezone_name or (named[0] if named else "")


def _zone_of(text: str) -> tuple[str, str]:
    """The zone a cron string begins with, and the rest of it."""
    text = text.strip()
    for prefix in ("CRON_TZ=", "TZ="):
        if text.startswith(prefix):
            named, _, rest = text[len(prefix) :].partition(" ")
            return named, rest.strip()
    return "", text


def _add_cron(made: schedule.ScheduleSpec, text: str) -> None:
    text, _, comment = text.partition("#")
    text, comment = text.strip(), comment.strip()
    if text.startswith("@every"):
        made.interval.append(_every(text[len("@every") :].strip()))
        return
    parts = _SHORTHANDS.get(text, text).split()
    wanted = schedule.CalendarSpec(comment=comment)
    match len(parts):
        case 5:
            names = ("minute", "hour", "day_of_month", "month", "day_of_week")
        case 6:
            names = ("minute", "hour", "day_of_month", "month", "day_of_week", "year")  # type: ignore[assignment]
        case 7:
            names = ("second", "minute", "hour", "day_of_month", "month", "day_of_week", "year")  # type: ignore[assignment]
        case _:
            raise BadSpec("CronString does not have 5-7 fields")
    for name, part in zip(names, parts, strict=True):
        setattr(wanted, name, part)
    made.structured_calendar.append(_structured(wanted))


def _every(text: str) -> schedule.IntervalSpec:
    every, _, phase = text.partition("/")
    made = schedule.IntervalSpec()
    ns = _duration(every)
    made.interval.seconds, made.interval.nanos = divmod(ns, SECOND)
    if phase:
        ns = _duration(phase)
        made.phase.seconds, made.phase.nanos = divmod(ns, SECOND)
    return made


def _duration(text: str) -> int:
    """A duration as Go writes it, and days besides."""
    match = re.fullmatch(r"(\d+)d(.*)", text)
    try:
        if match is None:
            return go_duration(text)
        return int(match[1]) * DAY + (go_duration(match[2]) if match[2] else 0)
    except ValueError:
        raise BadSpec(f'time: invalid duration "{text}"') from None


def _structured(calendar: schedule.CalendarSpec) -> schedule.StructuredCalendarSpec:
    made = schedule.StructuredCalendarSpec(comment=calendar.comment)
    for field in FIELDS:
        text = getattr(calendar, field.name) or field.default
        if text == "*" and field.name == "year":
            continue  # every year is written as none
        getattr(made, field.name).extend(_ranges(text, field))
    return made


def _ranges(text: str, field: Field) -> list[schedule.Range]:
    last = 6 if field.name == "day_of_week" else field.last
    found: list[schedule.Range] = []
    for piece in text.split(","):
        span, step = piece, 1
        has_step = "/" in piece
        if has_step:
            pieces = piece.split("/")
            if len(pieces) > 2:
                raise BadSpec(f"{field.label} has too many slashes")
            span = pieces[0]
            step = _step(pieces[1], field)
        if span == "*":
            first, end = field.first, last
        else:
            first, end = _span(span, field, last if has_step else None)
        found.append(schedule.Range(start=first, end=end, step=step))
    if field.name == "day_of_week":
        found = _sundays(found)
    return found


def _step(text: str, field: Field) -> int:
    if not text:
        raise BadSpec(f"{field.label} missing step value")
    if not re.fullmatch(r"[+-]?\d+", text):
        raise BadSpec(f'strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 1:
        raise BadSpec(f"{field.label} has invalid Step")
    return int(text)


def _span(text: str, field: Field, open_end: int | None) -> tuple[int, int]:
    bounds = text.split("-")
    if len(bounds) > 2:
        raise BadSpec(f"{field.label} has too many dashes")
    first = _number(bounds[0], field, f"{field.label} is not in range [{field.first}-{field.last}]")
    if len(bounds) == 1:
        return first, first if open_end is None else open_end
    wrong = f"{field.label} End is before Start or not in range [{field.first}-{field.last}]"
    end = _number(bounds[1], field, wrong)
    if end < first:
        raise BadSpec(wrong)
    return first, end


def _number(text: str, field: Field, wrong: str) -> int:
    if re.fullmatch(r"[+-]?\d+", text):
        number = int(text)
    else:
        lowered = text.lower()
        matches = [
            index
            for index, name in enumerate(field.names)
            if len(lowered) >= field.shortest and name.startswith(lowered)
        ]
        if len(matches) != 1:
            raise BadSpec(wrong)
        number = matches[0] + field.first
    if not field.first <= number <= field.last:
        raise BadSpec(wrong)
    return number


def _sundays(ranges: list[schedule.Range]) -> list[schedule.Range]:
    """Sunday is 0, however it was written."""
    found: list[schedule.Range] = []
    for one in ranges:
        if one.end < 7:
            found.append(one)
            continue
        days = [day % 7 for day in range(one.start, 8, one.step or 1)]
        if 0 in days:
            found.append(schedule.Range(start=0, end=0, step=1))
        rest = [day for day in days if day]
        if rest:
            found.append(schedule.Range(start=rest[0], end=6, step=one.step or 1))
    return found


def _check_interval(interval: schedule.IntervalSpec) -> None:
    every = interval.interval.seconds * SECOND + interval.interval.nanos
    phase = interval.phase.seconds * SECOND + interval.phase.nanos
    if every < SECOND:
        raise BadSpec("interval is too small")
    if phase < 0:
        raise BadSpec("phase is negative")
    if phase >= every:
        raise BadSpec("phase cannot be greater than Interval")


def _check_structured(calendar: schedule.StructuredCalendarSpec) -> None:
    """Bounds of the ranges; those that say little are written out."""
    for field in FIELDS:
        last = 6 if field.name == "day_of_week" else field.last
        for one in getattr(calendar, field.name):
            _check_range(one, field, last)
    if len(calendar.comment) > COMMENT_CHARS:
        raise BadSpec("invalid calendar spec: comment is too long")


def _check_range(one: Any, field: Field, last: int) -> None:
    bounds = f"[{field.first}-{last}]"
    problem = ""
    if not field.first <= one.start <= last:
        problem = f"Start is not in range {bounds}"
    elif one.end and not one.start <= one.end <= last:
        problem = f"End is before Start or not in range {bounds}"
    elif one.step < 0:
        problem = "has invalid Step"
    if problem:
        raise BadSpec(f"invalid calendar spec: {field.label} {problem}")
    if one.end < one.start:
        one.end = one.start
    if not one.step:
        one.step = 1
