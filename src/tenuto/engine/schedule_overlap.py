"""Overlap: which of a schedule's waiting starts go now, which go on waiting, which are dropped. A pure function."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tenuto.engine.schedule_state import (
    ALLOW_ALL,
    BUFFER_ALL,
    BUFFER_ONE,
    CANCEL_OTHER,
    SKIP,
    TERMINATE_OTHER,
    Waiting,
)


@dataclass(slots=True)
class Chosen:
    """What becomes of the starts that waited; those not named here go on waiting."""

    starts: list[tuple[Waiting, bool]] = field(default_factory=list)
    """To start now; with each, whether later ones depend on its end."""
    gone: list[str] = field(default_factory=list)
    """Names of those that wait no longer."""
    skipped: int = 0
    left: bool = False
    """Some could go, but not in this decision."""
    end: int = 0
    """CANCEL_OTHER or TERMINATE_OTHER: what to do with those that run."""


def choose(waiting: Iterable[tuple[str, Waiting]], running: bool, default: int, most: int) -> Chosen:
    """``running``: an earlier workflow on which others depend is not over. ``default``: policy of starts that have none.
    ``most``: how many may go that depend on nothing."""
    chosen = Chosen()
    next_one: Waiting | None = None
    kept = 0
    for name, one in waiting:
        policy = one.overlap or default or SKIP
        keep = False
        if policy == ALLOW_ALL:
            if len(chosen.starts) >= most:
                chosen.left = True
                continue
            chosen.starts.append((one, False))
        elif not running and next_one is None:
            next_one = one
        elif policy == BUFFER_ALL:
            keep = True
        elif policy == BUFFER_ONE:
            keep = kept == 0
            chosen.skipped += not keep
        elif policy in (CANCEL_OTHER, TERMINATE_OTHER):
            if running:
                keep = True
                chosen.end = max(chosen.end, policy)
            else:
                next_one = one  # nothing runs yet: only the latest counts
        else:
            chosen.skipped += 1
        kept += keep
        if not keep:
            chosen.gone.append(name)
    if next_one is not None:
        chosen.starts.append((next_one, True))
    return chosen
