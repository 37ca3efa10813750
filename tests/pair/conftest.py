"""What every test of this folder leaves behind."""

from collections.abc import Iterator

import pytest

from tests.pair.support import take_down


@pytest.fixture(autouse=True)
def runs_are_taken_down() -> Iterator[None]:
    """A run that is left to the collector is closed whenever that comes, in the middle of another test."""
    yield
    take_down()
