"""Tests of workflows and activities: a service in the test's own process, whose time can jump.

`storm` plays workflows among crashes, losses and delays, from seeds. All else has the names and behaviour of the official
``temporalio.testing``. For pytest see `tenuto.testing.pytest_plugin`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenuto.sim.weather import Faults as Faults
    from tenuto.sim.weather import StormBroken as StormBroken
    from tenuto.sim.weather import storm as storm
    from tenuto.testing.activity import ActivityEnvironment as ActivityEnvironment
    from tenuto.testing.environment import FastForwardConfig as FastForwardConfig
    from tenuto.testing.environment import TimeSkipper as TimeSkipper
    from tenuto.testing.environment import TimeSkippingConfig as TimeSkippingConfig
    from tenuto.testing.environment import WorkflowEnvironment as WorkflowEnvironment

__all__ = [
    "ActivityEnvironment",
    "FastForwardConfig",
    "Faults",
    "StormBroken",
    "TimeSkipper",
    "TimeSkippingConfig",
    "WorkflowEnvironment",
    "storm",
]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: pytest imports this package for its plugin in every run.
    if name == "ActivityEnvironment":
        from tenuto.testing.activity import ActivityEnvironment

        return ActivityEnvironment
    if name in {"Faults", "StormBroken", "storm"}:
        from tenuto.sim import weather

        return getattr(weather, name)
    if name in __all__:
        from tenuto.testing import environment

        return getattr(environment, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
