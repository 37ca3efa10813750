"""Clusters with activities on their own, and faults: every one ends, once, and what came of it is told for ever alike."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest

from tenuto.engine import standalone, table
from tenuto.engine.draft import Draft
from tenuto.engine.standalone_types import StartStandalone
from tenuto.service import standalone as service
from tenuto.sim.options import describe, draw, with_activities
from tenuto.sim.standalone import OutcomesStay
from tenuto.sim.world import simulate
from tenuto.wire import activity

SEEDS = 24


def _broken(seed: int) -> str:
    options = with_activities(seed)
    violation = simulate(seed, options).violation
    return (
        "" if violation is None else f"{seed}: {violation.checker}: {violation.text}\n  {describe(options)}"
    )


def test_every_property_holds_with_activities_on_their_own() -> None:
    with ProcessPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        broken = [text for text in pool.map(_broken, range(1, SEEDS + 1), chunksize=4) if text]
    assert not broken, "\n".join(broken)


def test_seeds_without_them_tell_the_story_they_always_told() -> None:
    assert not draw(1).soloists


def _found(seeds: range) -> bool:
    for seed in seeds:
        violation = simulate(seed, with_activities(seed), only=OutcomesStay.name).violation
        if violation is not None:
            return True
    return False


def test_a_start_that_forgets_its_request_id_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(draft: Draft, request: StartStandalone) -> None:
        standalone.begin(draft, request)
        if draft.runs and draft.run.is_new:
            draft.run.run.request_ids = {}

    monkeypatch.setitem(table.DECIDE, StartStandalone, forgetful)
    assert _found(range(1, 16))


def test_an_outcome_that_is_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    told: Callable[..., activity.ActivityExecutionOutcome | None] = vars(service)["outcome"]
    count = iter(range(10**6))
    monkeypatch.setattr(service, "outcome", lambda *args: told(*args) if next(count) % 5 else None)
    assert _found(range(1, 6))
