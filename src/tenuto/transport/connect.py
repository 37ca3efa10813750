"""From a target to a way there. The rooms that serve in this process are found by name, so that none is loaded in vain."""

import importlib
from typing import Any

from tenuto.transport.base import Transport
from tenuto.transport.config import ConnectConfig

SCHEMES: dict[str, str] = {
    "sqlite": "tenuto.embedded",
    "memory": "tenuto.embedded",
    "postgresql": "tenuto.embedded",
    "postgres": "tenuto.embedded",
}
"""URL scheme -> the module whose ``transport_for(config)`` serves it. Others may add theirs."""
_REMOTE = ("http", "https")


def transport_for(config: ConnectConfig) -> Transport:
    """The way to ``config.target_host``, not connected yet. Raises ValueError for a target nobody knows."""
    target = config.target_host
    scheme, colon, _ = target.partition("://")
    if not colon or scheme in _REMOTE:
        from tenuto.transport.grpc import GrpcTransport

        return GrpcTransport(config)
    module = SCHEMES.get(scheme)
    if module is None:
        known = ", ".join(f"{name}://" for name in (*SCHEMES, *_REMOTE))
        raise ValueError(f"the target {target!r} has an unknown scheme; write host:port, or one of {known}")
    opener: Any = importlib.import_module(module)
    transport: Transport = opener.transport_for(config)
    return transport
