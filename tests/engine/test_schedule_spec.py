"""When schedules act: calendars, cron strings, intervals, what is excluded, time zones, jitter."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import TZPATH

import pytest

from tenuto.engine.schedule_spec import Times, compiled
from tenuto.engine.schedule_text import BadSpec, canonical
from tenuto.limits import HOUR, MINUTE, SECOND
from tenuto.wire import schedule

FALL = datetime(2026, 10, 30, tzinfo=UTC)
SPRING = datetime(2026, 3, 7, tzinfo=UTC)


def times(**fields: Any) -> Times:
    return Times(canonical(schedule.ScheduleSpec(**fields)))


def nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * SECOND


def first(spec: Times, count: int, after: datetime = FALL) -> list[str]:
    found, at = [], nanoseconds(after)
    for _ in range(count):
        one = spec.next(at, "seed")
        if one is None:
            break
        at = one.at
        found.append(datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S"))
    return found


def every(seconds: int, phase: int = 0) -> schedule.IntervalSpec:
    made = schedule.IntervalSpec()
    made.interval.seconds, made.phase.seconds = seconds, phase
    return made


def test_an_interval_is_counted_from_the_epoch() -> None:
    assert first(times(interval=[every(7200, 300)]), 2) == ["2026-10-30 00:05:00", "2026-10-30 02:05:00"]


def test_a_time_is_after_the_instant_asked_for() -> None:
    at = nanoseconds(FALL)
    found = times(interval=[every(60)]).next(at, "")
    assert found is not None and found.at == at + MINUTE


def test_a_spec_without_anything_has_no_times() -> None:
    assert first(times(), 1) == []


def test_day_of_month_and_day_of_week_must_both_match() -> None:
    assert first(times(cron_string=["0 0 13 * FRI"]), 2) == ["2026-11-13 00:00:00", "2027-08-13 00:00:00"]


def test_times_of_all_parts_are_put_together() -> None:
    both = times(cron_string=["0 12 * * *", "@every 8h"])
    assert first(both, 4) == [
        "2026-10-30 08:00:00",
        "2026-10-30 12:00:00",
        "2026-10-30 16:00:00",
        "2026-10-31 00:00:00",
    ]


def test_excluded_times_are_left_out() -> None:
    night = schedule.CalendarSpec(hour="0-20", minute="*", second="*")
    assert first(times(interval=[every(3600)], exclude_calendar=[night]), 4) == [
        "2026-10-30 21:00:00",
        "2026-10-30 22:00:00",
        "2026-10-30 23:00:00",
        "2026-10-31 21:00:00",
    ]


def test_a_spec_that_excludes_everything_ends() -> None:
    always = schedule.CalendarSpec(hour="*", minute="*", second="*")
    assert first(times(interval=[every(1)], exclude_calendar=[always]), 1) == []


def test_a_time_that_the_clock_repeats_happens_twice() -> None:
    daily = times(cron_string=["30 1 * * *"], timezone_name="America/New_York")
    assert first(daily, 4)[1:] == ["2026-10-31 05:30:00", "2026-11-01 05:30:00", "2026-11-01 06:30:00"]


def test_a_time_that_the_clock_skips_does_not_happen() -> None:
    daily = times(cron_string=["30 2 * * *"], timezone_name="America/New_York")
    assert first(daily, 2, SPRING) == ["2026-03-07 07:30:00", "2026-03-09 06:30:00"]


def test_a_time_zone_may_come_as_its_file() -> None:
    path = next((file for place in TZPATH if (file := Path(place) / "America" / "New_York").exists()), None)
    if path is None:
        pytest.skip("this machine has no time zone files")
    assert first(times(cron_string=["30 1 * * *"], timezone_data=path.read_bytes()), 1) == [
        "2026-10-30 05:30:00"
    ]


def test_nothing_happens_before_the_start_and_after_the_end() -> None:
    spec = schedule.ScheduleSpec(interval=[every(3600)])
    spec.start_time.FromSeconds(int(FALL.timestamp()) + 7200)
    spec.end_time.FromSeconds(int(FALL.timestamp()) + 3 * 3600)
    assert first(Times(canonical(spec)), 9) == ["2026-10-30 02:00:00", "2026-10-30 03:00:00"]


def test_a_day_that_comes_once_in_decades_is_found_and_then_no_more() -> None:
    assert first(times(cron_string=["0 0 29 2 MON"]), 9) == ["2044-02-29 00:00:00", "2072-02-29 00:00:00"]


def test_jitter_is_the_same_for_the_same_seed_and_stays_before_the_next_time() -> None:
    spec = schedule.ScheduleSpec(interval=[every(60)])
    spec.jitter.seconds = 3600
    jittered, at = Times(canonical(spec)), nanoseconds(FALL)
    moved = set()
    for _ in range(50):
        one = jittered.next(at, "seed")
        assert one is not None and one == jittered.next(at, "seed")
        assert one.nominal_at <= one.at < one.nominal_at + MINUTE
        assert one.nominal_at == at - at % MINUTE + MINUTE
        moved.add(one.at - one.nominal_at)
        at = one.at
    assert len(moved) > 40
    assert jittered.next(at, "seed") != jittered.next(at, "other")


def test_between_two_instants_the_first_does_not_count_and_the_last_does() -> None:
    at = nanoseconds(FALL)
    found = times(interval=[every(3600)]).within(at, at + 3 * HOUR, "")
    assert [one.at - at for one in found] == [HOUR, 2 * HOUR, 3 * HOUR]


def ranges(text: str, field: str = "hour") -> list[tuple[int, int, int]]:
    calendar = schedule.CalendarSpec(**{field: text})
    made = canonical(schedule.ScheduleSpec(calendar=[calendar])).structured_calendar[0]
    return [(one.start, one.end, one.step) for one in getattr(made, field)]


@pytest.mark.parametrize(
    ("text", "field", "wanted"),
    [
        ("1,3-5,*/6", "hour", [(1, 1, 1), (3, 5, 1), (0, 23, 6)]),
        ("3/4", "hour", [(3, 23, 4)]),
        ("7", "day_of_week", [(0, 0, 1)]),
        ("fri-7", "day_of_week", [(0, 0, 1), (5, 6, 1)]),
        ("1-7/2", "day_of_week", [(0, 0, 1), (1, 6, 2)]),
        ("2/2", "day_of_week", [(2, 6, 2)]),
        ("jan-mar/2", "month", [(1, 3, 2)]),
        ("*", "year", []),
        ("2030/3", "year", [(2030, 2100, 3)]),
    ],
)
def test_text_becomes_ranges(text: str, field: str, wanted: list[tuple[int, int, int]]) -> None:
    found = ranges(text, field)
    assert found == wanted or (field == "day_of_week" and sorted(found) == wanted)


def test_cron_strings_become_calendars_and_keep_their_comment_and_zone() -> None:
    made = canonical(
        schedule.ScheduleSpec(cron_string=["CRON_TZ=Europe/Berlin 15 30 9 1 */2 1-5 2030 # pay"])
    )
    calendar = made.structured_calendar[0]
    assert not made.cron_string and made.timezone_name == "Europe/Berlin"
    assert (calendar.second[0].start, calendar.minute[0].start, calendar.hour[0].start) == (15, 30, 9)
    assert (calendar.month[0].step, calendar.year[0].start, calendar.comment) == (2, 2030, "pay")


def test_every_becomes_an_interval() -> None:
    made = canonical(schedule.ScheduleSpec(cron_string=["@every 1d2h/3m"])).interval[0]
    assert (made.interval.seconds, made.phase.seconds) == (26 * 3600, 180)


def test_a_canonical_spec_stays_as_it_is() -> None:
    once = canonical(
        schedule.ScheduleSpec(cron_string=["0 9 * * MON-FRI"], calendar=[schedule.CalendarSpec()])
    )
    assert canonical(once) == once


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("* * * *", "CronString does not have 5-7 fields"),
        ("@Daily", "CronString does not have 5-7 fields"),
        ("61 * * * *", "Minute is not in range [0-59]"),
        ("*/0 * * * *", "Minute has invalid Step"),
        ("5-3 * * * *", "Minute End is before Start or not in range [0-59]"),
        ("1/2/3 * * * *", "Minute has too many slashes"),
        ("*/ * * * *", "Minute missing step value"),
        ("1-2-3 * * * *", "Minute has too many dashes"),
        ("0 0 * * FUNDAY", "DayOfWeek is not in range [0-7]"),
        ("@every 0s", "interval is too small"),
        ("@every 1s/2s", "phase cannot be greater than Interval"),
        ("@every x", 'time: invalid duration "x"'),
    ],
)
def test_a_wrong_cron_string_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(BadSpec) as refused:
        canonical(schedule.ScheduleSpec(cron_string=[text]))
    assert str(refused.value) == complaint


def test_cron_strings_must_agree_on_the_time_zone() -> None:
    with pytest.raises(BadSpec, match="conflicting timezone names"):
        canonical(schedule.ScheduleSpec(cron_string=["TZ=UTC * * * * *", "* * * * *"]))
    with pytest.raises(BadSpec, match="conflicting timezone names"):
        canonical(schedule.ScheduleSpec(cron_string=["TZ=UTC * * * * *"], timezone_name="Asia/Tokyo"))


def test_an_unknown_time_zone_is_refused() -> None:
    spec = canonical(schedule.ScheduleSpec(timezone_name="Mars/X"))
    with pytest.raises(BadSpec, match="unknown time zone Mars/X"):
        compiled(spec.SerializeToString(deterministic=True))
    with pytest.raises(BadSpec, match="malformed time zone information"):
        Times(canonical(schedule.ScheduleSpec(timezone_data=b"garbage")))
