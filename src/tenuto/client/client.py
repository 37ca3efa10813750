"""The client: starts workflows, finds them, and talks to them.

Every call passes the interceptors and ends in `tenuto.client.root`. This file must never build a request itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from tenuto.client.activity_starts import ActivityStarts
from tenuto.client.async_activity import AsyncActivityHandle, AsyncActivityIDReference
from tenuto.client.inputs import NO_METADATA, CountWorkflowsInput, ListWorkflowsInput, RPCMetadata
from tenuto.client.interceptor import Interceptor
from tenuto.client.listing import WorkflowExecutionAsyncIterator, WorkflowExecutionCount
from tenuto.client.nexus_starts import NexusStarts
from tenuto.client.plugin import Plugin
from tenuto.client.schedule_starts import ScheduleStarts
from tenuto.client.update_starts import UpdateStarts
from tenuto.client.workflow_starts import WorkflowStarts
from tenuto.common import HeaderCodecBehavior, QueryRejectCondition
from tenuto.converter import DataConverter
from tenuto.transport.config import (
    ConnectConfig,
    DnsLoadBalancingConfig,
    GrpcCompression,
    HttpConnectProxyConfig,
    KeepAliveConfig,
    PayloadLimitsConfig,
    RetryConfig,
    TLSConfig,
)
from tenuto.transport.services import ServiceClient

if TYPE_CHECKING:
    from typing import Self

    from tenuto.runtime import Runtime


class Client(WorkflowStarts, UpdateStarts, ActivityStarts, ScheduleStarts, NexusStarts):
    """A way to a service and one namespace of it. Make one with `connect`, and share it: it holds one connection.

    ``async with await Client.connect(...) as client`` closes it at the end; `close` does the same.
    """

    @classmethod
    async def connect(
        cls,
        target_host: str,
        *,
        namespace: str = "default",
        api_key: str | None = None,
        data_converter: DataConverter = DataConverter.default,
        plugins: Sequence[Plugin] = (),
        interceptors: Sequence[Interceptor] = (),
        default_workflow_query_reject_condition: QueryRejectCondition | None = None,
        tls: bool | TLSConfig | None = None,
        retry_config: RetryConfig | None = None,
        keep_alive_config: KeepAliveConfig | None = KeepAliveConfig.default,
        connect_timeout: timedelta | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        identity: str | None = None,
        lazy: bool = False,
        runtime: Runtime | None = None,
        http_connect_proxy_config: HttpConnectProxyConfig | None = None,
        dns_load_balancing_config: DnsLoadBalancingConfig | None = DnsLoadBalancingConfig.default,
        grpc_compression: GrpcCompression = GrpcCompression.GZIP,
        payload_limits: PayloadLimitsConfig = PayloadLimitsConfig(),  # noqa: B008 - frozen
        header_codec_behavior: HeaderCodecBehavior = HeaderCodecBehavior.NO_CODEC,
        default_task_queue: str | None = None,
    ) -> Self:
        """Reach a service.

        ``target_host``: ``"host:port"`` of a server, or the URL of a store to open in this process:
        ``"sqlite:///app.db"``, ``"memory://"``. ``tls`` None: on exactly when there is an ``api_key``. ``identity`` None:
        ``pid@host``. ``lazy``: connect with the first call. ``default_task_queue``: for workflows started without one.
        Raises RuntimeError (also an `RPCError`) when nobody answers within ``connect_timeout``, by default 10 s.
        """
        asked = ConnectConfig(
            target_host=target_host,
            api_key=api_key,
            tls=tls,
            retry_config=retry_config,
            keep_alive_config=keep_alive_config,
            rpc_metadata=rpc_metadata,
            identity=identity or "",
            lazy=lazy,
            runtime=runtime,
            http_connect_proxy_config=http_connect_proxy_config,
            dns_load_balancing_config=dns_load_balancing_config,
            grpc_compression=grpc_compression,
            payload_limits=payload_limits,
            connect_timeout=connect_timeout,
        )
        connect: Callable[[ConnectConfig], Awaitable[ServiceClient]] = ServiceClient.connect
        for plugin in reversed(plugins):
            connect = _linked(plugin, connect)
        return cls(
            await connect(asked),
            namespace=namespace,
            data_converter=data_converter,
            plugins=plugins,
            interceptors=interceptors,
            default_workflow_query_reject_condition=default_workflow_query_reject_condition,
            header_codec_behavior=header_codec_behavior,
            default_task_queue=default_task_queue,
        )

    def list_workflows(
        self,
        query: str | None = None,
        *,
        limit: int | None = None,
        page_size: int = 1000,
        next_page_token: bytes | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> WorkflowExecutionAsyncIterator:
        """The workflows that match ``query`` (None: all), fetched while iterated with ``async for``."""
        return self._impl.list_workflows(
            ListWorkflowsInput(
                query=query,
                page_size=page_size,
                next_page_token=next_page_token,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
                limit=limit,
            )
        )

    async def count_workflows(
        self,
        query: str | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> WorkflowExecutionCount:
        """How many workflows match ``query`` (None: all)."""
        return await self._impl.count_workflows(
            CountWorkflowsInput(query=query, rpc_metadata=rpc_metadata, rpc_timeout=rpc_timeout)
        )

    def get_async_activity_handle(
        self,
        *,
        workflow_id: str | None = None,
        run_id: str | None = None,
        activity_id: str | None = None,
        task_token: bytes | None = None,
    ) -> AsyncActivityHandle:
        """A handle to finish an activity from elsewhere: by ``task_token``, or by ``activity_id`` and ``workflow_id``
        (without: a standalone activity). Raises ValueError for neither and for both."""
        if task_token is not None:
            if workflow_id is not None or run_id is not None or activity_id is not None:
                raise ValueError("Task token cannot be present with other IDs")
            return AsyncActivityHandle(self, task_token)
        if activity_id is None:
            raise ValueError("Task token or workflow/run/activity ID must be present")
        return AsyncActivityHandle(
            self, AsyncActivityIDReference(workflow_id=workflow_id, run_id=run_id, activity_id=activity_id)
        )


def _linked(
    plugin: Plugin, next: Callable[[ConnectConfig], Awaitable[ServiceClient]]
) -> Callable[[ConnectConfig], Awaitable[ServiceClient]]:
    async def connect(config: ConnectConfig) -> ServiceClient:
        return await plugin.connect_service_client(config, next)

    return connect
