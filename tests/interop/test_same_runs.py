"""The same program does the same: with either SDK, embedded, over gRPC, and on the real server.

What the official worker makes is the measure: its results and histories on our server, and on the real one (mark `oracle`).
"""

import pytest

from tests.interop.sdk.comparing import same
from tests.interop.sdk.loading import names
from tests.interop.sdk.targets import Targets

REAL = pytest.param("real", marks=pytest.mark.oracle)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("where", ["embedded", "ours", REAL])
def test_our_worker_does_what_the_official_one_does(name: str, where: str, stages: Targets) -> None:
    measure = "real" if where == "real" else "ours"
    same(stages, name, ("official", measure), ("tenuto", where))


@pytest.mark.oracle
@pytest.mark.parametrize("name", names())
def test_our_server_does_what_the_real_one_does(name: str, stages: Targets) -> None:
    same(stages, name, ("official", "real"), ("official", "ours"), same_make=True)
