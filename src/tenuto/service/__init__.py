"""Use cases: every RPC of the protocol as a plain coroutine over shards and matching.

Speaks protocol messages natively; must never import grpc, a store driver, or look inside a chain.

Programs know this name for the client's side of a service (``from tenuto.service import RPCError, TLSConfig``): those names
are fetched from the room they live in when somebody asks, and nothing in here may.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "tenuto": ("__version__",),
    "tenuto.transport.config": (
        "ConnectConfig",
        "DnsLoadBalancingConfig",
        "GrpcCompression",
        "HttpConnectProxyConfig",
        "KeepAliveConfig",
        "PayloadLimitsConfig",
        "RetryConfig",
        "TLSConfig",
    ),
    "tenuto.transport.errors": ("ConnectError", "RPCError", "RPCStatusCode"),
    "tenuto.transport.services": (
        "CloudService",
        "HealthService",
        "OperatorService",
        "ServiceClient",
        "TestService",
        "WorkflowService",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'tenuto.service' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(home), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
