"""Workers of both makes serve one queue: at once, so that a run's tasks go now to the one and now to the other, or the
second takes a run over that the first has left half done. Also with payloads that a codec hides, and headers from
interceptors.
"""

import pytest

from tests.interop.sdk.comparing import same
from tests.interop.sdk.loading import MAKES, names, program_of
from tests.interop.sdk.targets import Targets
from tests.interop.test_replays import replayed

REAL = pytest.param("real", marks=pytest.mark.oracle)
TOGETHER = [
    name
    for name in names()
    if not program_of("official", name).alone and not program_of("official", name).takeover
]
HALVES = [name for name in names() if program_of("official", name).takeover]


@pytest.mark.parametrize("name", TOGETHER)
@pytest.mark.parametrize("where", ["ours", REAL])
def test_both_at_once_do_what_one_does(name: str, where: str, stages: Targets) -> None:
    same(stages, name, ("official", where), ("both", where), loose=True)
    found = stages.played("both", where)[name]
    assert {make: replayed(make, found.histories) for make in MAKES} == {make: [] for make in MAKES}


@pytest.mark.parametrize("name", TOGETHER)
def test_both_hide_the_same_payloads_and_carry_the_same_headers(name: str, stages: Targets) -> None:
    same(stages, name, ("coded official", "ours"), ("coded", "ours"), loose=True)


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("where", ["ours", REAL])
@pytest.mark.parametrize("who", ["official, then tenuto", "tenuto, then official"])
def test_one_finishes_what_the_other_began(name: str, where: str, who: str, stages: Targets) -> None:
    same(stages, name, ("official", where), (who, where), results_only=True)
    found = stages.played(who, where)[name]
    assert {make: replayed(make, found.histories) for make in MAKES} == {make: [] for make in MAKES}
