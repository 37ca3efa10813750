"""Bounds of the product made small, so that a short simulation reaches them: pages, windows, horizons, turns.

The table is explicit, and the bounds are back at their own values when the block ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from tenuto.limits import SECOND
from tenuto.service import histories
from tenuto.shard import cache, runner
from tenuto.sim.options import Options

SMALL: tuple[tuple[Any, str, tuple[int, ...]], ...] = (
    (runner, "HORIZON_NS", (2 * SECOND, 5 * SECOND, 20 * SECOND)),
    (runner, "SWEEP_NS", (SECOND, 5 * SECOND)),
    (runner, "DUE_PAGE", (1, 2)),
    (runner, "TURN_REQUESTS", (1, 2, 5)),
    (runner, "TURN_BYTES", (1, 1000)),
    (cache, "TAIL_BYTES", (1, 500)),
    (histories, "READ_AHEAD", (1, 3)),
)
"""(module, bound, small values). A horizon is never below its sweep, or alarms would be late by design."""


@contextmanager
def shrunk(seed: int, options: Options) -> Iterator[None]:
    """Each bound is made small with the chance ``options.small_bounds``."""
    chance = Random(f"bounds {seed}")
    kept = [(module, name, getattr(module, name)) for module, name, _ in SMALL]
    try:
        for module, name, values in SMALL:
            small = chance.choice(values)
            if chance.random() < options.small_bounds:
                setattr(module, name, small)
        horizon, sweep = runner.HORIZON_NS, runner.SWEEP_NS  # type: ignore[attr-defined]
        runner.SWEEP_NS = min(sweep, horizon // 2)
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)
