"""When a cron schedule matches, and how long a cron workflow waits for it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from croniter import CroniterBadDateError, croniter  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.engine import types
from tenuto.engine.cron import backoff, go_duration, parse
from tenuto.limits import SECOND
from tenuto.wire import workflowservice as ws
from tests.engine.support import World
from tests.engine.worlds import canceled, complete, fail


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def following(spec: str, after: str) -> str | None:
    found = parse(spec).next(at(after))
    return None if found is None else datetime.fromtimestamp(found // SECOND, UTC).isoformat(" ")[:19]


@pytest.mark.parametrize(
    ("spec", "after", "expected"),
    [
        ("* * * * *", "2024-01-01 00:00:00", "2024-01-01 00:01:00"),
        ("*/15 * * * *", "2024-01-01 00:50:10", "2024-01-01 01:00:00"),
        ("5/20 * * * *", "2024-01-01 00:26:00", "2024-01-01 00:45:00"),
        ("0 9-17/4 * * *", "2024-01-01 10:00:00", "2024-01-01 13:00:00"),
        ("0 0 1 */6 ?", "2024-02-01 00:00:00", "2024-07-01 00:00:00"),
        ("30 4 * Jan,mar MON", "2024-01-30 00:00:00", "2024-03-04 04:30:00"),
        ("0 0 * * sun-tue", "2024-01-03 00:00:00", "2024-01-07 00:00:00"),
        ("0 0 29 2 *", "2023-01-01 00:00:00", "2024-02-29 00:00:00"),
        ("59 23 31 12 *", "2024-12-31 23:59:00", "2025-12-31 23:59:00"),
        ("@hourly", "2024-01-01 00:00:00", "2024-01-01 01:00:00"),
        ("@daily", "2024-01-01 00:00:00", "2024-01-02 00:00:00"),
        ("@midnight", "2024-01-01 00:00:00", "2024-01-02 00:00:00"),
        ("@weekly", "2024-01-01 00:00:00", "2024-01-07 00:00:00"),
        ("@monthly", "2024-01-01 00:00:00", "2024-02-01 00:00:00"),
        ("@yearly", "2024-01-01 00:00:00", "2025-01-01 00:00:00"),
        ("@annually", "2024-01-01 00:00:00", "2025-01-01 00:00:00"),
        ("@every 1h30m", "2024-01-01 00:00:00", "2024-01-01 01:30:00"),
        ("@every 10ms", "2024-01-01 00:00:00", "2024-01-01 00:00:01"),
        ("CRON_TZ=America/New_York 0 6 * * *", "2024-01-01 00:00:00", "2024-01-01 11:00:00"),
        ("TZ=Asia/Tokyo 0 6 * * *", "2024-07-01 00:00:00", "2024-07-01 21:00:00"),
        ("CRON_TZ=Asia/Tokyo @daily", "2024-07-01 00:00:00", "2024-07-01 15:00:00"),
        ("CRON_TZ=UTC 0 6 * * *", "2024-07-01 00:00:00", "2024-07-01 06:00:00"),
    ],
)
def test_the_next_match_is_the_first_after_the_instant(spec: str, after: str, expected: str) -> None:
    assert following(spec, after) == expected


def test_restricted_days_of_month_and_week_are_alternatives() -> None:
    assert following("0 0 13 * fri", "2024-09-01 00:00:00") == "2024-09-06 00:00:00"
    assert following("0 0 13 * fri", "2024-09-06 00:00:00") == "2024-09-13 00:00:00"
    assert following("0 0 10 * fri", "2024-09-06 00:00:00") == "2024-09-10 00:00:00"


def test_an_unrestricted_day_leaves_the_other_in_force() -> None:
    assert following("0 0 * * fri", "2024-09-01 00:00:00") == "2024-09-06 00:00:00"
    assert following("0 0 15 * ?", "2024-09-01 00:00:00") == "2024-09-15 00:00:00"
    assert following("0 0 */2 * fri", "2024-09-01 00:00:00") == "2024-09-03 00:00:00", (
        "a step is a restriction"
    )


@pytest.mark.parametrize("spec", ["0 0 31 2 *", "0 0 30 feb *", ", * * * *"])
def test_an_impossible_schedule_is_well_formed_and_never_matches(spec: str) -> None:
    assert parse(spec).next(at("2024-01-01 00:00:00")) is None
    assert backoff(spec, at("2024-01-01 00:00:00"), at("2024-01-01 00:00:00")) is None


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "x y",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 7",
        "5-1 * * * *",
        "1-2-3 * * * *",
        "*/0 * * * *",
        "*/x * * * *",
        "1/2/3 * * * *",
        "-1 * * * *",
        "\u0661 * * * *",
        "@fortnightly",
        "@every",
        "@every soon",
        "@every 1",
        "CRON_TZ=Nowhere/Land * * * * *",
        "CRON_TZ=../etc/passwd * * * * *",
        "TZ=UTC",
    ],
)
def test_a_malformed_schedule_is_refused(spec: str) -> None:
    with pytest.raises(ValueError):
        parse(spec)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1h30m", 5400 * SECOND),
        ("1.5s", 1_500_000_000),
        (".5s", 500_000_000),
        ("2m3s4ms5us6ns", 123_004_005_006),
        ("1\u00b5s", 1000),
        ("-1s", -SECOND),
        ("0", 0),
    ],
)
def test_durations_are_go_durations(text: str, ns: int) -> None:
    assert go_duration(text) == ns


def test_a_run_skipped_by_a_clock_change_is_not_made_up() -> None:
    # On 2024-03-10 New York's clocks jump from 02:00 to 03:00.
    spec = "CRON_TZ=America/New_York 30 2 * * *"
    assert following(spec, "2024-03-09 12:00:00") == "2024-03-11 06:30:00"


def test_an_hour_that_happens_twice_runs_twice() -> None:
    # On 2024-11-03 New York's clocks go from 02:00 back to 01:00.
    spec = "CRON_TZ=America/New_York 30 1 * * *"
    assert following(spec, "2024-11-03 00:00:00") == "2024-11-03 05:30:00"
    assert following(spec, "2024-11-03 05:30:00") == "2024-11-03 06:30:00"
    assert following(spec, "2024-11-03 06:30:00") == "2024-11-04 06:30:00"


def test_a_midnight_that_does_not_exist_does_not_stop_the_search() -> None:
    # In Beirut 2024-03-31 begins at 01:00.
    spec = "CRON_TZ=Asia/Beirut 0 5 31 3 *"
    assert following(spec, "2024-03-01 00:00:00") == "2024-03-31 02:00:00"


_FIELDS = st.tuples(
    st.sampled_from(["*", "0", "*/7", "3,17,44", "10-20", "50-59/3"]),
    st.sampled_from(["*", "0", "*/5", "9-17", "23", "1,2"]),
    st.sampled_from(["*", "1", "31", "10-12", "29"]),
    st.sampled_from(["*", "2", "jan-mar", "*/4", "12"]),
    st.sampled_from(["*", "0", "mon-fri", "sat"]),
)


@settings(max_examples=300, deadline=None)
@given(_FIELDS, st.integers(1_600_000_000, 1_900_000_000))
def test_matches_agree_with_an_independent_reckoning(fields: tuple[str, ...], second: int) -> None:
    spec = " ".join(fields)
    try:
        expected = (
            int(croniter(spec, datetime.fromtimestamp(second, UTC)).get_next(datetime).timestamp()) * SECOND
        )
    except CroniterBadDateError:
        expected = None
    assert parse(spec).next(second * SECOND) == expected


# ---- backoff ----------------------------------------------------------------------------------------------------------


def test_the_first_run_waits_whole_seconds_for_its_first_match() -> None:
    start = at("2024-01-01 00:00:30") + 518_382_807
    assert backoff("* * * * *", start, start) == 30 * SECOND
    assert backoff("@every 1s", start, start) == SECOND
    assert backoff("@every 10s", start, start) == 10 * SECOND


def test_a_successor_waits_for_the_first_match_after_its_predecessor_that_is_not_past() -> None:
    executed, closed = at("2024-01-01 00:01:00"), at("2024-01-01 00:03:20") + 1
    assert backoff("* * * * *", executed, closed) == 40 * SECOND
    assert backoff("@every 60s", executed, closed) == 40 * SECOND, (
        "intervals are counted from the predecessor"
    )


def test_a_match_at_the_very_instant_of_the_close_is_not_missed() -> None:
    executed, closed = at("2024-01-01 00:01:00"), at("2024-01-01 00:02:00")
    assert backoff("* * * * *", executed, closed) == 0


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5000), st.integers(0, 10**13), st.integers(0, 10**14))
def test_intervals_skip_the_past_as_stepping_through_it_would(seconds: int, start: int, ran: int) -> None:
    close = start + ran
    step = seconds * SECOND
    found = start // SECOND * SECOND + step
    found += max(0, -(-(close - found) // step)) * step
    assert backoff(f"@every {seconds}s", start, close) == -(-(found - close) // SECOND) * SECOND


# ---- cron workflows ---------------------------------------------------------------------------------------------------


def beating(spec: str = "@every 10s") -> World:
    world = World()
    world.start(cron_schedule=spec)
    return world


def first_event(world: World) -> Any:
    return world.history[0].workflow_execution_started_event_attributes


def test_the_first_run_waits_too_and_says_that_cron_began_it() -> None:
    world = beating()
    assert world.names() == ["WF_STARTED"]
    assert first_event(world).initiator == 3 and first_event(world).first_workflow_task_backoff.seconds == 10
    world.pass_time(10 * SECOND)
    assert world.names() == ["WF_STARTED", "WFT_SCHEDULED"]


def test_results_are_handed_on_even_past_a_failing_run() -> None:
    world = beating()
    world.pass_time(10 * SECOND)
    first = world.run_id
    world.step(complete(b'"r1"'))
    assert (
        world.histories[first][-1].workflow_execution_completed_event_attributes.new_execution_run_id
        == world.run_id
    )
    assert first_event(world).last_completion_result.payloads[0].data == b'"r1"'
    assert first_event(world).first_execution_run_id == first and first_event(world).initiator == 3
    second = world.run_id
    world.pass_time(10 * SECOND)
    world.step(fail("no luck"))
    closed = world.histories[second][-1].workflow_execution_failed_event_attributes
    assert closed.retry_state == 5 and closed.new_execution_run_id == world.run_id
    assert first_event(world).last_completion_result.payloads[0].data == b'"r1"'
    assert first_event(world).continued_failure.message == "no luck"
    world.pass_time(10 * SECOND)
    world.step(complete(b'"r3"'))
    assert first_event(world).last_completion_result.payloads[0].data == b'"r3"'
    assert not first_event(world).HasField("continued_failure")


def test_a_run_that_takes_long_skips_the_matches_it_missed() -> None:
    world = beating()
    world.pass_time(10 * SECOND)
    world.now += 25 * SECOND
    world.step(complete())
    assert first_event(world).first_workflow_task_backoff.seconds == 5


def test_cancelling_or_terminating_ends_the_repetition() -> None:
    world = beating()
    world.pass_time(10 * SECOND)
    run_id = world.run_id
    world.step(canceled())
    assert world.run_id == run_id and world.names()[-1] == "WF_CANCELED"
    world = beating()
    run_id = world.run_id
    world.ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    assert world.run_id == run_id and world.names()[-1] == "WF_TERMINATED"


def test_a_failure_that_may_not_be_retried_still_repeats_by_cron() -> None:
    world = beating()
    world.pass_time(10 * SECOND)
    run_id = world.run_id
    command = fail()
    command.fail_workflow_execution_command_attributes.failure.application_failure_info.non_retryable = True
    world.step(command)
    assert world.run_id != run_id and first_event(world).attempt == 1
