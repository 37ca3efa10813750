"""Every scenario, told by the real server and by ours, reads the same."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.oracle.harness import our_server, real_server
from tests.oracle.registry import load
from tests.oracle.run import difference, run_all

_ALL = load()


@pytest.fixture(scope="module")
def transcripts(request: pytest.FixtureRequest) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """(real, ours): the selected scenarios' transcripts, driven on both servers at once."""
    names = {item.callspec.params["name"] for item in request.session.items if hasattr(item, "callspec")}
    chosen = {name: run for name, run in _ALL.items() if name in names}
    with real_server() as real, our_server() as ours, ThreadPoolExecutor(2) as pool:
        left = pool.submit(run_all, real, chosen)
        right = pool.submit(run_all, ours, chosen)
        yield left.result(), right.result()


@pytest.mark.oracle
@pytest.mark.parametrize("name", sorted(_ALL))
def test_both_servers_tell_the_same_story(
    name: str, transcripts: tuple[dict[str, str], dict[str, str]]
) -> None:
    real, ours = transcripts
    diff = difference(name, real[name], ours[name])
    if diff:
        pytest.fail(diff, pytrace=False)
