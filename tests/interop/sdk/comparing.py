"""Holds one playing of a program against another."""

import difflib
from typing import Any

import pytest

from tests.interop.sdk.accepted import accepted
from tests.interop.sdk.loading import program_of
from tests.interop.sdk.playing import Played
from tests.interop.sdk.reading import told
from tests.interop.sdk.targets import Targets


def same(
    stages: Targets,
    name: str,
    expected: tuple[str, str],
    found: tuple[str, str],
    *,
    same_make: bool = False,
    loose: bool = False,
    results_only: bool = False,
) -> None:
    """Fails with what differs between two playings, each by whom and where. ``loose``: as in `told`.

    Timers of a tenth of a second race on a busy machine: what differs is played again, alone, up to four times. A real
    difference is there every time."""

    def held(one: Played, other: Played) -> None:
        if results_only:
            compare_results(name, one, other, same_make)
        else:
            compare(name, one, other, same_make=same_make, loose=loose)

    try:
        held(stages.played(*expected)[name], stages.played(*found)[name])
        return
    except (AssertionError, pytest.fail.Exception):
        pass
    for left in range(3, -1, -1):
        try:
            held(stages.again(*expected, name), stages.again(*found, name))
            return
        except (AssertionError, pytest.fail.Exception):
            if not left:
                raise


def _in_order(value: Any) -> Any:
    """The same with its dicts in one order: a memo is a map of the protocol, which has another order in each process."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value, key=str)}
    return [_in_order(item) for item in value] if isinstance(value, list | tuple) else value


def compare_results(name: str, expected: Played, found: Played, same_make: bool = False) -> None:
    """Fails when one went wrong, or what they answer differs."""
    for played in (expected, found):
        if played.error:
            pytest.fail(played.error, pytrace=False)
    if same_make or not accepted(name, "result"):
        said = [str(_in_order(played.result)).replace(played.salt, "SALT") for played in (found, expected)]
        assert said[0] == said[1]


def compare(
    name: str, expected: Played, found: Played, *, same_make: bool = False, loose: bool = False
) -> None:
    """Fails with what differs, in results or histories. ``loose``: as in `told`."""
    compare_results(name, expected, found, same_make)
    if same_make or not accepted(name, "history"):
        loose = loose or bool(program_of("official", name).loose)
        wanted, got = (told(played, loose).splitlines() for played in (expected, found))
        differences = list(difflib.unified_diff(wanted, got, "expected", "found", lineterm="", n=4))
        if differences:
            pytest.fail("\n".join(differences[:80]), pytrace=False)
