"""For pytest: an environment, a client and workers for each test. Loaded by pytest itself, so that importing it must
cost nothing.

Fixtures: ``tenuto_env`` (a `WorkflowEnvironment` whose time jumps), ``tenuto_client``, ``tenuto_worker`` (makes workers).
``tenuto_storm`` is `tenuto.testing.storm`, with the seeds of ``--tenuto-seeds`` (a count, or ``first..last``) if given.
Others work in async tests (with pytest-asyncio, with anyio, or with neither) and in plain ones, through ``tenuto_env.run``.
Switches: ``--tenuto-no-cache`` forgets a workflow after every task, so that every task replays; ``--tenuto-replay`` replays
every workflow of a worker when the worker ends.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tenuto.client import Client
    from tenuto.testing.environment import WorkflowEnvironment
    from tenuto.worker.worker import Worker

_OTHERS = ("asyncio", "anyio", "trio")
TASK_QUEUE = "tests"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tenuto", "workflows under test")
    group.addoption(
        "--tenuto-no-cache",
        action="store_true",
        help="workers forget a workflow after every task, and replay it",
    )
    group.addoption(
        "--tenuto-replay", action="store_true", help="replay every workflow of a worker when the worker ends"
    )
    group.addoption(
        "--tenuto-seeds",
        metavar="A..B|COUNT",
        help="the seeds that tenuto_storm plays, instead of each test's own",
    )


@pytest.fixture
def tenuto_storm(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`tenuto.testing.storm`. For plain tests: a storm has event loops of its own."""
    from tenuto.testing import storm

    asked = request.config.getoption("--tenuto-seeds", None)
    if asked is None:
        return storm
    first, dots, last = asked.partition("..")
    seeds = range(int(first), int(last) + 1) if dots else range(1, int(first) + 1)

    def play(**options: Any) -> Any:
        return storm(**{**options, "seeds": seeds})

    return play


@pytest.fixture
def tenuto_env() -> Iterator[WorkflowEnvironment]:
    """A service of the test's own, whose time jumps. It opens on the event loop that uses it first.

    The client's default task queue is the one that workers of ``tenuto_worker`` have."""
    from tenuto.testing.environment import unopened

    env = unopened(default_task_queue=TASK_QUEUE)
    yield env
    env.close()


@pytest.fixture
def tenuto_client(tenuto_env: WorkflowEnvironment) -> Client:
    """The client of ``tenuto_env``."""
    return tenuto_env.client


@pytest.fixture
def tenuto_worker(tenuto_env: WorkflowEnvironment, request: pytest.FixtureRequest) -> Callable[..., Worker]:
    """Makes workers: ``async with tenuto_worker(workflows=[...], activities=[...]):``. Options are those of `Worker`."""
    from tenuto.testing.checking import warn_of, worker_class

    no_cache = bool(request.config.getoption("--tenuto-no-cache", False))
    kind = worker_class(bool(request.config.getoption("--tenuto-replay", False)))

    def make(**options: Any) -> Worker:
        warn_of(options.get("workflows", ()))
        options.setdefault("task_queue", TASK_QUEUE)
        if no_cache:
            options["max_cached_workflows"] = 0
        return kind(tenuto_env.client, **options)

    return make


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test that uses our fixtures and that no other plugin claims."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj) or "tenuto_env" not in pyfuncitem.fixturenames:
        return None
    if (
        any(pyfuncitem.get_closest_marker(name) for name in _OTHERS)
        or "anyio_backend" in pyfuncitem.fixturenames
    ):
        return None
    env: Any = pyfuncitem.funcargs["tenuto_env"]
    wanted = pyfuncitem._fixtureinfo.argnames
    env.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True
