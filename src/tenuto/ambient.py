"""Time, ids and chance for the rooms of the framework that live in programs: clients, workers, the way to the service.

They take them from the machine, unless the context they run in was given others (`Ambience`): a simulator gives each of its
programs a clock and a chance of its own. This room must never be asked by what decides about workflows.
"""

import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tenuto.clock import WallClock

_machine = random.Random()


class Ambience:
    """What one program takes for the time and for chance. ``now`` gives ns since the epoch."""

    __slots__ = ("chance", "now")

    def __init__(self, now: Callable[[], int], chance: random.Random) -> None:
        self.now = now
        self.chance = chance


_given: ContextVar[Ambience | None] = ContextVar("tenuto_ambience", default=None)


@contextmanager
def surrounded(by: Ambience) -> Iterator[None]:
    """The block, and all tasks and callbacks that begin in it, take ``by`` instead of the machine."""
    token = _given.set(by)
    try:
        yield
    finally:
        _given.reset(token)


def give(by: Ambience) -> None:
    """Like `surrounded`, for the rest of this context."""
    _given.set(by)


def clock() -> Callable[[], int]:
    """The time, in ns since the epoch, for whoever keeps it."""
    given = _given.get()
    return given.now if given is not None else WallClock().now


def new_id() -> str:
    """A UUID of version 4."""
    given = _given.get()
    if given is None:
        return str(uuid.uuid4())
    return str(uuid.UUID(int=given.chance.getrandbits(128), version=4))


def uniform(low: float, high: float) -> float:
    """A number between the two."""
    given = _given.get()
    return (given.chance if given is not None else _machine).uniform(low, high)
