"""Each planted bug must be noticed by the property that is there to notice it, within a bounded number of seeds."""

import pytest

from tenuto.sim.mutations import MUTATIONS, Mutation, planted
from tenuto.sim.world import simulate


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_planted_bug_is_noticed(mutation: Mutation) -> None:
    with planted(mutation.name):
        for seed in range(1, mutation.seeds + 1):
            outcome = simulate(seed, only=mutation.caught_by)
            if outcome.violation is not None:
                assert outcome.violation.checker == mutation.caught_by
                return
    pytest.fail(f"{mutation.name!r} went unnoticed by {mutation.caught_by!r} in {mutation.seeds} seeds")


def test_a_planted_bug_is_gone_afterwards() -> None:
    before = simulate(1)
    for mutation in MUTATIONS:
        with planted(mutation.name):
            pass
    assert before.violation is None
    assert simulate(1).fingerprint == before.fingerprint
