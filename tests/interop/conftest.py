"""One set of servers, and one playing of every program on each, for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.interop.sdk.loading import names
from tests.interop.sdk.targets import Targets, targets


@pytest.fixture(scope="session")
def stages(request: pytest.FixtureRequest) -> Iterator[Targets]:
    """Plays the programs that the chosen tests name."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    chosen = sorted({str(found["name"]) for found in parameters if "name" in found} & set(names()))
    with targets(chosen) as found:
        yield found
