"""The part of a client that finds Nexus operations of their own, and makes clients of Nexus services."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, overload

from tenuto.client.callables import ReturnType
from tenuto.client.core import ClientCore
from tenuto.client.inputs import NO_METADATA, RPCMetadata
from tenuto.client.inputs_nexus import CountNexusOperationsInput, ListNexusOperationsInput
from tenuto.client.nexus import NexusClient, NexusOperationHandle, NexusServiceType, OutputT
from tenuto.client.nexus_views import NexusOperationExecutionAsyncIterator, NexusOperationExecutionCount

if TYPE_CHECKING:
    import nexusrpc


class NexusStarts(ClientCore):
    """Makes clients of Nexus services, and handles to operations."""

    def create_nexus_client(
        self, service: type[NexusServiceType] | str, endpoint: str
    ) -> NexusClient[NexusServiceType]:
        """A client of a Nexus service: a service definition, a service handler class, or the name of one. ``endpoint`` is
        the name that is registered with the server. Raises ValueError when ``service`` is no Nexus service."""
        return NexusClient(self, service, endpoint)

    @overload
    def get_nexus_operation_handle(
        self, operation_id: str, *, run_id: str | None = None
    ) -> NexusOperationHandle[Any]: ...
    @overload
    def get_nexus_operation_handle(
        self, operation_id: str, *, run_id: str | None = None, result_type: type[ReturnType]
    ) -> NexusOperationHandle[ReturnType]: ...
    @overload
    def get_nexus_operation_handle(
        self,
        operation_id: str,
        *,
        operation: nexusrpc.Operation[Any, OutputT],
        run_id: str | None = None,
    ) -> NexusOperationHandle[OutputT]: ...
    def get_nexus_operation_handle(
        self,
        operation_id: str,
        *,
        operation: Any = None,
        run_id: str | None = None,
        result_type: type | None = None,
    ) -> NexusOperationHandle[Any]:
        """A handle to an operation that was started before. ``run_id`` None: the current run. ``result_type``, or else
        the definition ``operation``, says what its result is decoded to."""
        if result_type is None and operation is not None:
            result_type = operation.output_type
        return NexusOperationHandle(self, operation_id, run_id=run_id, result_type=result_type)

    def list_nexus_operations(
        self,
        query: str,
        *,
        limit: int | None = None,
        page_size: int = 1000,
        next_page_token: bytes | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> NexusOperationExecutionAsyncIterator:
        """The Nexus operations of their own that match ``query`` (empty: all), fetched while iterated with ``async for``."""
        return self._impl.list_nexus_operations(
            ListNexusOperationsInput(
                query=query,
                page_size=page_size,
                next_page_token=next_page_token,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
                limit=limit,
            )
        )

    async def count_nexus_operations(
        self,
        query: str | None = None,
        *,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> NexusOperationExecutionCount:
        """How many Nexus operations of their own match ``query`` (None: all)."""
        return await self._impl.count_nexus_operations(
            CountNexusOperationsInput(query=query, rpc_metadata=rpc_metadata, rpc_timeout=rpc_timeout)
        )
