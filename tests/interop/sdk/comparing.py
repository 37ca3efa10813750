"""Holds one playing of a program against another."""

import difflib

import pytest

from tests.interop.sdk.accepted import accepted
from tests.interop.sdk.loading import program_of
from tests.interop.sdk.playing import Played
from tests.interop.sdk.reading import told


def compare_results(name: str, expected: Played, found: Played, same_make: bool = False) -> None:
    """Fails when one went wrong, or what they answer differs."""
    for played in (expected, found):
        if played.error:
            pytest.fail(played.error, pytrace=False)
    if same_make or not accepted(name, "result"):
        said = [str(played.result).replace(played.salt, "SALT") for played in (found, expected)]
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
