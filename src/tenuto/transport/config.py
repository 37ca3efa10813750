"""How to reach a service: plain values. Must never act on them.

Durations in fields named ``*_millis`` are integer milliseconds, sizes are bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from tenuto.runtime import Runtime


@dataclass
class TLSConfig:
    """TLS to the service; all values are PEM bytes or names. Empty: the system's authorities, the target's name."""

    server_root_ca_cert: bytes | None = None
    """Authorities to trust instead of the system's."""
    domain: str | None = None
    """The name to ask for and to verify, instead of the target's."""
    client_cert: bytes | None = None
    """Certificate to show (mTLS); needs ``client_private_key``."""
    client_private_key: bytes | None = None
    verification_server_name: str | None = None
    """The name to verify the server's certificate against, when it differs from ``domain``; needs
    ``server_root_ca_cert``."""


@dataclass
class RetryConfig:
    """How calls that ask for it are retried."""

    initial_interval_millis: int = 100
    randomization_factor: float = 0.2
    """Each wait is varied by up to this share, up or down."""
    multiplier: float = 1.5
    max_interval_millis: int = 5000
    max_elapsed_time_millis: int | None = 10000
    """None: no limit of time."""
    max_retries: int = 10


@dataclass(frozen=True)
class KeepAliveConfig:
    """Pings over an idle connection, so that a dead one is noticed."""

    interval_millis: int = 30000
    timeout_millis: int = 15000
    """The connection is dropped when a ping has had no answer for this long."""
    default: ClassVar["KeepAliveConfig"]


KeepAliveConfig.default = KeepAliveConfig()


@dataclass(frozen=True)
class HttpConnectProxyConfig:
    """A proxy to go through with HTTP CONNECT."""

    target_host: str
    """``host:port`` of the proxy."""
    basic_auth: tuple[str, str] | None = None
    """User and password."""


@dataclass(frozen=True)
class DnsLoadBalancingConfig:
    """Connect to every address the target's name resolves to, and use them in turn."""

    resolution_interval_millis: int = 30000
    default: ClassVar["DnsLoadBalancingConfig"]


DnsLoadBalancingConfig.default = DnsLoadBalancingConfig()


class GrpcCompression:
    """How requests are compressed: ``GrpcCompression.NONE`` or ``GrpcCompression.GZIP``."""

    NONE: ClassVar["GrpcCompression"]
    GZIP: ClassVar["GrpcCompression"]

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"GrpcCompression.{self._name}"


GrpcCompression.NONE = GrpcCompression("NONE")
GrpcCompression.GZIP = GrpcCompression("GZIP")


@dataclass(frozen=True)
class PayloadLimitsConfig:
    """Sizes of a field of a request beyond which a warning is logged; 0: none is."""

    payloads_warn_size: int = 512 * 1024
    """Of the values of one field together, or of a failure."""
    memo_warn_size: int = 2 * 1024


@dataclass
class ConnectConfig:
    """Everything about a connection.

    ``target_host`` is ``"host:port"``, or a URL of a store to open in this process: ``"sqlite:///app.db"``,
    ``"memory://"``, ``"memory://name"``.
    """

    target_host: str
    api_key: str | None = None
    """Sent as a bearer token; TLS is on with it unless ``tls`` says otherwise."""
    tls: bool | TLSConfig | None = None
    """None: on exactly when there is an ``api_key``."""
    retry_config: RetryConfig | None = None
    keep_alive_config: KeepAliveConfig | None = KeepAliveConfig.default
    """None: no pings."""
    rpc_metadata: Mapping[str, str | bytes] = field(default_factory=dict)
    """Headers of every call; keys ending in ``-bin`` have bytes, all others text."""
    identity: str = ""
    """Who calls; default ``pid@host``."""
    lazy: bool = False
    """Connect with the first call."""
    runtime: "Runtime | None" = None
    http_connect_proxy_config: HttpConnectProxyConfig | None = None
    dns_load_balancing_config: DnsLoadBalancingConfig | None = DnsLoadBalancingConfig.default
    """None: one address only."""
    grpc_compression: GrpcCompression = GrpcCompression.GZIP
    payload_limits: PayloadLimitsConfig = field(default_factory=PayloadLimitsConfig)
    connect_timeout: timedelta | None = None
    """How long the first connection may take; default 10 seconds."""

    def __post_init__(self) -> None:
        if not self.identity:
            import os
            import socket

            self.identity = f"{os.getpid()}@{socket.gethostname()}"
