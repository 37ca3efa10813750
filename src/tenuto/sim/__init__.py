"""The simulator: whole clusters of the real rooms on virtual time, with faults, from one seed.

``storm`` plays workflows of anybody's in it. A composition root: it wires the product's rooms to a simulated disk, clock and
network, and must never replace one of them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenuto.sim.weather import Faults as Faults
    from tenuto.sim.weather import StormBroken as StormBroken
    from tenuto.sim.weather import storm as storm

__all__ = ["Faults", "StormBroken", "storm"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the service's own simulations do without the framework.
    if name in __all__:
        from tenuto.sim import weather

        return getattr(weather, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
