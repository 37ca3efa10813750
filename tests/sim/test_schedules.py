"""Clusters with schedules, and faults: every time of a schedule counts once, whatever breaks."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest

from tenuto.engine import schedule, start, table
from tenuto.engine.draft import Draft
from tenuto.engine.schedule_desk import Desk
from tenuto.engine.schedule_state import Waiting
from tenuto.engine.types import Start
from tenuto.sim.options import describe, with_schedules
from tenuto.sim.schedules import EveryTimeCounts
from tenuto.sim.world import simulate

SEEDS = 24


def _broken(seed: int) -> str:
    options = with_schedules(seed)
    violation = simulate(seed, options).violation
    return (
        "" if violation is None else f"{seed}: {violation.checker}: {violation.text}\n  {describe(options)}"
    )


def test_every_property_holds_with_schedules() -> None:
    with ProcessPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        broken = [text for text in pool.map(_broken, range(1, SEEDS + 1), chunksize=4) if text]
    assert not broken, "\n".join(broken)


def _found(seeds: range) -> bool:
    for seed in seeds:
        violation = simulate(seed, with_schedules(seed), only=EveryTimeCounts.name).violation
        if violation is not None:
            return True
    return False


def test_a_time_that_is_looked_at_and_forgotten_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    keep: Callable[[Desk, Waiting], None] = vars(schedule)["_wait"]

    def forgetful(desk: Desk, one: Waiting) -> None:
        if one.nominal_at // 10**9 % 7:
            keep(desk, one)

    monkeypatch.setattr(schedule, "_wait", forgetful)
    assert _found(range(1, 6))


def test_a_start_under_a_new_name_each_time_it_is_sent_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(draft: Draft, request: Start) -> None:
        if request.scheduled_by is not None and draft.chain is not None:
            request.message.request_id = draft.new_id()
            request.message.workflow_id_reuse_policy = 1  # type: ignore[assignment]
            request.message.workflow_id_conflict_policy = 3  # type: ignore[assignment]
            draft.run.terms.scheduled_by = None
        start.start(draft, request)

    monkeypatch.setitem(table.DECIDE, Start, hasty)
    assert _found(range(1, 30))
