"""Lengths of time as users write them. This file must never read a clock."""

from datetime import timedelta
from typing import TypeAlias, overload

Duration: TypeAlias = timedelta | int | float
"""A length of time: a timedelta, or a number of seconds."""


@overload
def as_timedelta(value: Duration) -> timedelta: ...
@overload
def as_timedelta(value: Duration | None) -> timedelta | None: ...
def as_timedelta(value: Duration | None) -> timedelta | None:
    """``value`` as timedelta; a number is seconds, None stays None. Raises TypeError for anything else."""
    if value is None or isinstance(value, timedelta):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a duration is a timedelta or a number of seconds, not {type(value).__name__}")
    return timedelta(seconds=value)


def as_seconds(value: Duration | None) -> float | None:
    """``value`` in seconds; None stays None."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    return None if value is None else float(value)
