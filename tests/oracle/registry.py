"""Where scenarios sign in. A scenario is a function of a Session; its name is its name everywhere."""

import importlib
import pkgutil
from collections.abc import Callable

from tests.oracle import scenarios
from tests.oracle.session import Session

Scenario = Callable[[Session], None]
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    """Registers `function` under its own name."""
    name = function.__name__
    if name in SCENARIOS:
        raise ValueError(f"two scenarios are called {name!r}: rename one")
    SCENARIOS[name] = function
    return function


def load() -> dict[str, Scenario]:
    """Imports every scenario file; returns all scenarios by name."""
    for found in pkgutil.iter_modules(scenarios.__path__):
        importlib.import_module(f"{scenarios.__name__}.{found.name}")
    return SCENARIOS
