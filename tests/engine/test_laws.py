"""The engine's laws under random walks (`ledger` says what they are, `walk` what is asked).

A failure names its seed; ``TENUTO_SEED=n`` walks only that one, ``TENUTO_WALKS=n`` walks more.
"""

import os

import pytest

from tests.engine.walk import ASKS, Walk

WALKS = int(os.environ.get("TENUTO_WALKS", "2000"))
STEPS = 30
BATCHES = 10


def walked(seed: int) -> Walk:
    walk = Walk(seed)
    try:
        for _ in range(STEPS):
            walk.step()
        walk.check_ends()
    except Exception as error:
        error.add_note(f"seed {seed}: {' '.join(walk.steps)}")
        raise
    return walk


@pytest.mark.parametrize("batch", range(BATCHES))
def test_the_laws_hold_on_random_walks(batch: int) -> None:
    if "TENUTO_SEED" in os.environ:
        walked(int(os.environ["TENUTO_SEED"]))
        return
    for seed in range(batch, WALKS, BATCHES):
        walked(seed)


def test_walks_go_everywhere() -> None:
    asked: set[str] = set()
    kinds: set[int] = set()
    for seed in range(10_000, 10_120):
        walk = walked(seed)
        asked.update(walk.steps)
        kinds.update(event.event_type for events in walk.histories.values() for event in events)
    assert asked == {ask.__name__ for ask in ASKS}
    assert len(kinds) >= 40, sorted(kinds)
