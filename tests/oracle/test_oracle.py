"""Every scenario, told by the real server and by ours, reads the same. Drives two servers at once for about two minutes."""

import pytest

from tests.oracle.harness import our_server, real_server
from tests.oracle.registry import load
from tests.oracle.run import compare

_ALL = load()

pytestmark = pytest.mark.oracle


@pytest.fixture(scope="module")
def differences(request: pytest.FixtureRequest) -> dict[str, str]:
    """The selected scenarios' differences, found in one go on a pair of fresh servers."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    names = {found["name"] for found in parameters if "name" in found}
    chosen = {name: run for name, run in _ALL.items() if name in names}
    with real_server() as real, our_server() as ours:
        return compare(real, ours, chosen)


@pytest.mark.parametrize("name", sorted(_ALL))
def test_both_servers_tell_the_same_story(name: str, differences: dict[str, str]) -> None:
    if differences[name]:
        pytest.fail(differences[name], pytrace=False)
