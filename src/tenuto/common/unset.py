"""The mark of an argument that was not given, told apart from None. This file must never know another."""

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final


class Unset(Enum):
    """The type of `UNSET`; it has one member, so that ``is`` narrows types."""

    TOKEN = 0

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.TOKEN
"""Says that an argument was not given."""


def arg_or_args(arg: Any, args: Sequence[Any]) -> Sequence[Any]:
    """The arguments meant by a pair of ``arg`` (one, or `UNSET`) and ``args``. Raises ValueError when both are given."""
    if arg is UNSET:
        return args
    if args:
        raise ValueError("Cannot have arg and args")
    return [arg]


def merged_args(arg: Any, more: Sequence[Any], args: Sequence[Any]) -> Sequence[Any]:
    """Like `arg_or_args` where further positional arguments ``more`` may follow ``arg``."""
    if not more:
        return arg_or_args(arg, args)
    if args:
        raise ValueError("Cannot have arg and args")
    return [arg, *more]
