"""The framework in the storm, seed by seed; the bugs its checkers must find; and storms of anybody's own workflows."""

import asyncio
import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from tenuto import activity, workflow
from tenuto.client import Client
from tenuto.sim import Faults, StormBroken, storm
from tenuto.sim.errand_storm import simulate
from tenuto.sim.framework_mutations import MUTATIONS, planted
from tenuto.sim.mutations import Mutation

KEPT = (5, 7, 22, 41, 54, 57, 170, 320, 345, 675, 6083)
"""Seeds that found a bug once."""
SEEDS = 60
SOURCE = Path(__file__).resolve().parents[2] / "src"
SOON = timedelta(seconds=10)


def _broken(seed: int) -> str:
    return simulate(seed)[1]


def test_every_property_of_the_framework_holds_whatever_breaks() -> None:
    with ProcessPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        broken = [report for report in pool.map(_broken, range(1, SEEDS + 1), chunksize=5) if report]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("seed", [seed for seed in KEPT if seed > SEEDS])
def test_seeds_that_found_bugs_stay_quiet(seed: int) -> None:
    assert _broken(seed) == ""


def test_a_seed_tells_the_same_story_twice() -> None:
    for seed in (2, 9):
        first, second = simulate(seed)[0], simulate(seed)[0]
        assert (first.fingerprint, first.steps, first.events) == (
            second.fingerprint,
            second.steps,
            second.events,
        )


def test_a_seed_tells_the_same_story_whatever_strings_hash_to() -> None:
    script = (
        "import json; from tenuto.sim.errand_storm import simulate; "
        "print(json.dumps([simulate(seed)[0].fingerprint for seed in (3, 8)]))"
    )
    stories = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(SOURCE)}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        stories.append(json.loads(done.stdout))
    assert stories[0] == stories[1]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_planted_bug_of_the_framework_is_noticed(mutation: Mutation) -> None:
    with planted(mutation.name):
        for seed in range(1, mutation.seeds + 1):
            outcome, _ = simulate(seed, only=mutation.caught_by)
            if outcome.violation is not None:
                assert outcome.violation.checker == mutation.caught_by
                return
    pytest.fail(f"{mutation.name!r} went unnoticed by {mutation.caught_by!r} in {mutation.seeds} seeds")


# ---- storms of one's own ------------------------------------------------------------------------------------------------


@activity.defn
async def tune(string: str) -> str:
    await asyncio.sleep(0.5)
    return f"{string} tuned"


@activity.defn
def listen(string: str) -> str:
    return string.upper()


@workflow.defn
class Tuning:
    def __init__(self) -> None:
        self.done = False

    @workflow.run
    async def run(self, strings: list[str]) -> list[str]:
        tuned = [
            await workflow.execute_activity(
                tune,
                await workflow.execute_activity(listen, one, start_to_close_timeout=SOON),
                start_to_close_timeout=SOON,
            )
            for one in strings
        ]
        await workflow.wait_condition(lambda: self.done)
        return tuned

    @workflow.signal
    def finish(self) -> None:
        self.done = True


async def tunes(client: Client) -> None:
    handle = await client.start_workflow(Tuning.run, ["g", "d"], id="violin")
    await asyncio.sleep(5)
    await handle.signal(Tuning.finish)
    assert await handle.result() == ["G tuned", "D tuned"]


def test_workflows_of_ones_own_live_through_a_storm() -> None:
    outcomes = storm(workflows=[Tuning], activities=[tune, listen], scenario=tunes, seeds=range(1, 11))
    assert [outcome.seed for outcome in outcomes] == list(range(1, 11))
    assert all(outcome.runs == 1 for outcome in outcomes)


def test_fair_weather_brings_no_faults() -> None:
    (outcome,) = storm(
        workflows=[Tuning], activities=[tune, listen], scenario=tunes, seeds=[1], faults=Faults.none()
    )
    assert not any("crash" in line or "dies" in line for line in outcome.trace)


_turns = 0


@workflow.defn
class Moody:
    """Does something else each time it is replayed."""

    @workflow.run
    async def run(self) -> None:
        global _turns
        _turns += 1
        for number in range(3):
            if _turns % 2:
                await asyncio.sleep(1)
            else:
                await workflow.execute_activity(listen, str(number), start_to_close_timeout=SOON)


async def moods(client: Client) -> None:
    await client.execute_workflow(Moody.run, id="moody")


def test_a_workflow_that_is_not_deterministic_is_found_and_told_of() -> None:
    with pytest.raises(StormBroken) as caught:
        storm(workflows=[Moody], activities=[listen], scenario=moods, seeds=range(1, 11))
    report = str(caught.value)
    assert caught.value.checker in {"histories replay", "workflow tasks never fail"}
    assert f"seed {caught.value.seed} breaks" in report and f"seeds=[{caught.value.seed}]" in report
    assert "history of moody" in report and "WORKFLOW_EXECUTION_STARTED" in report


async def hopes(client: Client) -> None:
    handle = await client.start_workflow(Tuning.run, ["a"], id="viola")
    await handle.signal(Tuning.finish)
    assert await handle.result() == ["in tune"]


async def forgets(client: Client) -> None:
    await client.execute_workflow(Tuning.run, ["a"], id="viola")


def test_a_scenario_that_fails_or_never_ends_is_told_of() -> None:
    with pytest.raises(StormBroken, match="in tune"):
        storm(workflows=[Tuning], activities=[tune, listen], scenario=hopes, seeds=[1])
    options = {
        "workflows": [Tuning],
        "activities": [tune, listen],
        "seeds": [1],
        "patience": timedelta(minutes=5),
    }
    with pytest.raises(StormBroken, match="is not over after 300 s of fair weather") as caught:
        storm(scenario=forgets, **options)  # type: ignore[arg-type]
    assert caught.value.checker == "the scenario succeeds"


def test_a_storm_says_where_it_can_be_called() -> None:
    async def inside() -> None:
        storm(workflows=[Tuning], activities=[tune], scenario=tunes, seeds=[1])

    with pytest.raises(RuntimeError, match="not from within a running event loop"):
        asyncio.run(inside())
