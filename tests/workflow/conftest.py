"""What every test of this folder leaves behind."""

from tests.pair.conftest import runs_are_taken_down

__all__ = ["runs_are_taken_down"]
