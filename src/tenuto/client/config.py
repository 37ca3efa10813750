"""What a client is made of, as dictionaries that can be changed and passed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Required, TypedDict

if TYPE_CHECKING:
    from tenuto.client.interceptor import Interceptor
    from tenuto.client.plugin import Plugin
    from tenuto.common import HeaderCodecBehavior, QueryRejectCondition
    from tenuto.converter import DataConverter
    from tenuto.runtime import Runtime
    from tenuto.transport.config import (
        DnsLoadBalancingConfig,
        GrpcCompression,
        HttpConnectProxyConfig,
        KeepAliveConfig,
        PayloadLimitsConfig,
        RetryConfig,
        TLSConfig,
    )
    from tenuto.transport.services import ServiceClient


class ClientConfig(TypedDict, total=False):
    """Parameters of `Client`: ``Client(**config)``."""

    service_client: Required[ServiceClient]
    namespace: Required[str]
    data_converter: Required[DataConverter]
    plugins: Required[Sequence[Plugin]]
    interceptors: Required[Sequence[Interceptor]]
    default_workflow_query_reject_condition: Required[QueryRejectCondition | None]
    header_codec_behavior: Required[HeaderCodecBehavior]
    default_task_queue: str | None


class ClientConnectConfig(TypedDict, total=False):
    """Parameters of `Client.connect`: ``await Client.connect(**config)``."""

    target_host: Required[str]
    namespace: str
    api_key: str | None
    data_converter: DataConverter
    plugins: Sequence[Plugin]
    interceptors: Sequence[Interceptor]
    default_workflow_query_reject_condition: QueryRejectCondition | None
    tls: bool | TLSConfig | None
    retry_config: RetryConfig | None
    keep_alive_config: KeepAliveConfig | None
    connect_timeout: timedelta | None
    rpc_metadata: Mapping[str, str | bytes]
    identity: str | None
    lazy: bool
    runtime: Runtime | None
    http_connect_proxy_config: HttpConnectProxyConfig | None
    dns_load_balancing_config: DnsLoadBalancingConfig | None
    grpc_compression: GrpcCompression
    payload_limits: PayloadLimitsConfig
    header_codec_behavior: HeaderCodecBehavior
    default_task_queue: str | None
