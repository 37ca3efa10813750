"""Nexus operations of their own, without a workflow that asks for them: who starts them, and a handle to one.

The Nexus package is loaded for services and operations that are more than names. This file must never build a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, Unpack, cast, overload

from tenuto.client.callables import ReturnType
from tenuto.client.errors import NexusOperationFailureError
from tenuto.client.inputs import NO_METADATA, RPCMetadata
from tenuto.client.inputs_nexus import (
    CancelNexusOperationInput,
    DescribeNexusOperationInput,
    GetNexusOperationResultInput,
    StartNexusOperationInput,
    TerminateNexusOperationInput,
)
from tenuto.client.nexus_views import NexusOperationExecutionDescription
from tenuto.common import (
    UNSET,
    Duration,
    NexusOperationIDConflictPolicy,
    NexusOperationIDReusePolicy,
    TypedSearchAttributes,
    as_timedelta,
)
from tenuto.workflow.nexus import operation_of, service_name

if TYPE_CHECKING:
    import nexusrpc

    from tenuto.client.core import ClientCore

NexusServiceType = TypeVar("NexusServiceType")
InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")


class NexusStartOptions(TypedDict, total=False):
    """Options of a start. Durations are timedeltas or seconds."""

    id_reuse_policy: NexusOperationIDReusePolicy
    id_conflict_policy: NexusOperationIDConflictPolicy
    schedule_to_close_timeout: Duration | None
    schedule_to_start_timeout: Duration | None
    start_to_close_timeout: Duration | None
    search_attributes: TypedSearchAttributes | None
    summary: str | None
    headers: Mapping[str, str] | None
    rpc_metadata: Mapping[str, str | bytes]
    rpc_timeout: timedelta | None


class NexusClient(Generic[NexusServiceType]):
    """Starts operations of one Nexus service at one endpoint. Made by `Client.create_nexus_client`."""

    def __init__(self, client: ClientCore, service: type[NexusServiceType] | str, endpoint: str) -> None:
        self._client = client
        self._service = service if isinstance(service, str) else service_name(service)
        self._endpoint = endpoint

    @overload
    async def start_operation(
        self,
        operation: nexusrpc.Operation[InputT, OutputT],
        arg: InputT,
        *,
        id: str,
        **options: Unpack[NexusStartOptions],
    ) -> NexusOperationHandle[OutputT]: ...
    @overload
    async def start_operation(
        self,
        operation: str,
        arg: Any,
        *,
        id: str,
        result_type: type[OutputT],
        **options: Unpack[NexusStartOptions],
    ) -> NexusOperationHandle[OutputT]: ...
    @overload
    async def start_operation(
        self,
        operation: str | Callable[..., Any],
        arg: Any,
        *,
        id: str,
        result_type: None = None,
        **options: Unpack[NexusStartOptions],
    ) -> NexusOperationHandle[Any]: ...
    async def start_operation(
        self,
        operation: Any,
        arg: Any,
        *,
        id: str,
        result_type: type | None = None,
        **options: Unpack[NexusStartOptions],
    ) -> NexusOperationHandle[Any]:
        """Start an operation, and return a handle once its start is durable.

        Args:
            operation: An operation of a service definition, the method that handles it, or its name.
            arg: Its input.
            id: Of the operation; see ``id_reuse_policy`` and ``id_conflict_policy`` for one that is taken.
            result_type: What the result is decoded to, for an operation given by its name.
            options: Timeouts, search attributes, a summary, headers of the Nexus request; see `NexusStartOptions`.

        Raises:
            NexusOperationAlreadyStartedError: There is one with this id.
            RPCError: The service refuses, or is out of reach.
            ValueError: ``operation`` is none.
        """
        name, known_type = operation_of(operation)
        if isinstance(operation, str):
            known_type = result_type
        asked = _start_input(name, arg, id, self._endpoint, self._service, known_type, **options)
        return await self._client._impl.start_nexus_operation(asked)

    @overload
    async def execute_operation(
        self,
        operation: nexusrpc.Operation[InputT, OutputT],
        arg: InputT,
        *,
        id: str,
        **options: Unpack[NexusStartOptions],
    ) -> OutputT: ...
    @overload
    async def execute_operation(
        self,
        operation: str,
        arg: Any,
        *,
        id: str,
        result_type: type[OutputT],
        **options: Unpack[NexusStartOptions],
    ) -> OutputT: ...
    @overload
    async def execute_operation(
        self,
        operation: str | Callable[..., Any],
        arg: Any,
        *,
        id: str,
        result_type: None = None,
        **options: Unpack[NexusStartOptions],
    ) -> Any: ...
    async def execute_operation(
        self,
        operation: Any,
        arg: Any,
        *,
        id: str,
        result_type: type | None = None,
        **options: Unpack[NexusStartOptions],
    ) -> Any:
        """Start an operation and wait for its result. Args and errors as of `start_operation`; raises
        `NexusOperationFailureError`, too."""
        handle = await self.start_operation(
            operation, arg, id=id, result_type=cast(Any, result_type), **options
        )
        return await handle.result()


class NexusOperationHandle(Generic[ReturnType]):
    """One Nexus operation of its own, by id. Made by `NexusClient.start_operation` and
    `Client.get_nexus_operation_handle`.

    Every method raises `tenuto.transport.errors.RPCError`, with status NOT_FOUND when there is no such operation.
    """

    def __init__(
        self,
        client: ClientCore,
        operation_id: str,
        *,
        run_id: str | None = None,
        result_type: type | None = None,
        endpoint: str = "",
        service: str = "",
        operation: str = "",
    ) -> None:
        self._client = client
        self._operation_id = operation_id
        self._run_id = run_id
        self._result_type = result_type
        self._endpoint = endpoint
        self._service = service
        self._operation = operation
        self._known: Any = UNSET

    def __repr__(self) -> str:
        return f"<NexusOperationHandle {self._operation_id!r} run {self._run_id or 'current'}>"

    @property
    def operation_id(self) -> str:
        """The operation's id."""
        return self._operation_id

    @property
    def run_id(self) -> str | None:
        """The run meant; None: the current one."""
        return self._run_id

    @property
    def endpoint(self) -> str:
        """Where it runs; empty when only its id is known."""
        return self._endpoint

    @property
    def service(self) -> str:
        """The service it belongs to; empty when only its id is known."""
        return self._service

    async def result(
        self, *, rpc_metadata: RPCMetadata = NO_METADATA, rpc_timeout: timedelta | None = None
    ) -> ReturnType:
        """Wait until the operation closes, and return its result; asked once. ``rpc_timeout`` bounds each call, not the
        wait. Raises `NexusOperationFailureError`."""
        if self._known is UNSET:
            asked = GetNexusOperationResultInput(
                operation_id=self._operation_id,
                run_id=self._run_id,
                endpoint=self._endpoint,
                service=self._service,
                operation=self._operation,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
                result_type=self._result_type,
            )
            try:
                self._known = await self._client._impl.get_nexus_operation_result(asked)
            except NexusOperationFailureError as failure:
                self._known = failure
        if isinstance(self._known, NexusOperationFailureError):
            raise self._known
        return cast("ReturnType", self._known)

    async def describe(
        self, *, rpc_metadata: RPCMetadata = NO_METADATA, rpc_timeout: timedelta | None = None
    ) -> NexusOperationExecutionDescription:
        """How the operation stands."""
        return await self._client._impl.describe_nexus_operation(
            DescribeNexusOperationInput(self._operation_id, self._run_id, rpc_metadata, rpc_timeout)
        )

    async def cancel(
        self,
        *,
        reason: str | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Ask its handler to stop."""
        await self._client._impl.cancel_nexus_operation(
            CancelNexusOperationInput(self._operation_id, self._run_id, reason, rpc_metadata, rpc_timeout)
        )

    async def terminate(
        self,
        *,
        reason: str | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """End the operation at once; its handler is not told."""
        await self._client._impl.terminate_nexus_operation(
            TerminateNexusOperationInput(self._operation_id, self._run_id, reason, rpc_metadata, rpc_timeout)
        )


def _start_input(
    operation: str,
    arg: Any,
    id: str,
    endpoint: str,
    service: str,
    result_type: type | None,
    /,
    *,
    id_reuse_policy: NexusOperationIDReusePolicy = NexusOperationIDReusePolicy.ALLOW_DUPLICATE,
    id_conflict_policy: NexusOperationIDConflictPolicy = NexusOperationIDConflictPolicy.FAIL,
    schedule_to_close_timeout: Duration | None = None,
    schedule_to_start_timeout: Duration | None = None,
    start_to_close_timeout: Duration | None = None,
    search_attributes: TypedSearchAttributes | None = None,
    summary: str | None = None,
    headers: Mapping[str, str] | None = None,
    rpc_metadata: RPCMetadata = NO_METADATA,
    rpc_timeout: timedelta | None = None,
) -> StartNexusOperationInput:
    return StartNexusOperationInput(
        operation=operation,
        arg=arg,
        id=id,
        endpoint=endpoint,
        service=service,
        result_type=result_type,
        schedule_to_close_timeout=as_timedelta(schedule_to_close_timeout),
        schedule_to_start_timeout=as_timedelta(schedule_to_start_timeout),
        start_to_close_timeout=as_timedelta(start_to_close_timeout),
        id_reuse_policy=id_reuse_policy,
        id_conflict_policy=id_conflict_policy,
        search_attributes=search_attributes,
        summary=summary,
        headers=dict(headers or {}),
        rpc_metadata=rpc_metadata,
        rpc_timeout=rpc_timeout,
    )
