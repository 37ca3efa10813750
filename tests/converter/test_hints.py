"""What annotations say of arguments and results."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from tenuto.converter import fitting_hints, type_hints_from_func


def two(first: int, second: str) -> float: ...  # type: ignore[empty-body]


def half(first: int, second) -> None: ...  # type: ignore[no-untyped-def]


def many(first: int, *rest: str) -> float: ...  # type: ignore[empty-body]


def keyword(first: int, *, second: str = "") -> float: ...  # type: ignore[empty-body]


def silent(first: int): ...  # type: ignore[no-untyped-def]


async def waits(first: list[int]) -> dict[str, int]: ...  # type: ignore[empty-body]


def annotated(first: Annotated[int, "x"]) -> None: ...


class Holder:
    def method(self, first: int) -> None: ...

    def __call__(self, first: int) -> str: ...  # type: ignore[empty-body]

    @staticmethod
    def static(first: int) -> int: ...  # type: ignore[empty-body]

    @classmethod
    def of_class(cls, first: int) -> int: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("function", "arguments", "result"),
    [
        (two, [int, str], float),
        (half, [int, None], type(None)),
        (many, None, float),
        (keyword, None, float),
        (silent, [int], None),
        (waits, [list[int]], dict[str, int]),
        (annotated, [Annotated[int, "x"]], type(None)),
        (Holder.method, [int], type(None)),
        (Holder().method, [int], type(None)),
        (Holder(), [int], str),
        (Holder.static, [int], int),
        (Holder.of_class, [int], int),
        (functools.partial(two, 1), [str], float),
    ],
)
def test_annotations_tell_types(function: Callable[..., Any], arguments: Any, result: Any) -> None:
    assert type_hints_from_func(function) == (arguments, result)


def test_types_local_to_a_function_are_found() -> None:
    @dataclass
    class Local:
        x: int

    def takes(value: Local) -> list[Local]: ...  # type: ignore[empty-body]

    assert type_hints_from_func(takes) == ([Local], list[Local])


def test_names_that_are_nowhere_are_an_error() -> None:
    def takes(value: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(NameError):
        type_hints_from_func(takes)


def test_arguments_left_to_their_defaults_do_not_cost_the_others_their_types() -> None:
    assert fitting_hints([int, str], 1) == [int]
    assert fitting_hints([int, str], 2) == [int, str]
    assert fitting_hints([int], 2) is None
    assert fitting_hints(None, 1) is None
