"""Nexus operations from workflow code. The Nexus package is loaded when a client is first made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from tenuto.common import Duration, as_timedelta
from tenuto.workflow._runtime import current
from tenuto.workflow.enums import NexusOperationCancellationType
from tenuto.workflow.event_groups import EventGroup, grouped
from tenuto.workflow.handles import NexusOperationHandle
from tenuto.workflow.interception import StartNexusOperationInput

NexusServiceType = TypeVar("NexusServiceType")


class NexusClient(Generic[NexusServiceType]):
    """Starts operations of one Nexus service at one endpoint. Made by `create_nexus_client`."""

    def __init__(self, service: type[NexusServiceType] | str, endpoint: str) -> None:
        self._service = service if isinstance(service, str) else service_name(service)
        self._endpoint = endpoint

    async def start_operation(
        self,
        operation: Any,
        input: Any,
        *,
        output_type: type | None = None,
        schedule_to_close_timeout: Duration | None = None,
        schedule_to_start_timeout: Duration | None = None,
        start_to_close_timeout: Duration | None = None,
        cancellation_type: NexusOperationCancellationType = NexusOperationCancellationType.WAIT_COMPLETED,
        headers: Mapping[str, str] | None = None,
        summary: str | None = None,
        event_groups: Sequence[EventGroup] | None = None,
    ) -> NexusOperationHandle[Any]:
        """Start an operation, and wait until it is started.

        Args:
            operation: An operation of a service definition, the method that handles it, or its name.
            input: Its input.
            output_type: Type of its result, where the definition does not tell.
            schedule_to_close_timeout: For all of it; a timedelta or seconds, as all timeouts. Default: none.
            schedule_to_start_timeout: Until it is started. Default: none.
            start_to_close_timeout: From its start on. Default: none.
            cancellation_type: What its cancellation means to the waiting code.
            headers: Sent along with the request.
            summary: One line that tools show beside it.
            event_groups: Groups of its events.

        Raises:
            NexusOperationError: It could not be started.
            ValueError: ``operation`` is none.
        """
        name, known_type = operation_of(operation)
        return await current().start_nexus_operation(
            StartNexusOperationInput(
                endpoint=self._endpoint,
                service=self._service,
                operation=name,
                input=input,
                schedule_to_close_timeout=as_timedelta(schedule_to_close_timeout),
                schedule_to_start_timeout=as_timedelta(schedule_to_start_timeout),
                start_to_close_timeout=as_timedelta(start_to_close_timeout),
                cancellation_type=cancellation_type,
                headers=headers,
                summary=summary,
                output_type=output_type or known_type,
                event_groups=grouped(event_groups),
            )
        )

    async def execute_operation(
        self,
        operation: Any,
        input: Any,
        *,
        output_type: type | None = None,
        schedule_to_close_timeout: Duration | None = None,
        schedule_to_start_timeout: Duration | None = None,
        start_to_close_timeout: Duration | None = None,
        cancellation_type: NexusOperationCancellationType = NexusOperationCancellationType.WAIT_COMPLETED,
        headers: Mapping[str, str] | None = None,
        summary: str | None = None,
        event_groups: Sequence[EventGroup] | None = None,
    ) -> Any:
        """Run an operation and wait for its result. Args and errors as of `start_operation`."""
        return await (
            await self.start_operation(
                operation,
                input,
                output_type=output_type,
                schedule_to_close_timeout=schedule_to_close_timeout,
                schedule_to_start_timeout=schedule_to_start_timeout,
                start_to_close_timeout=start_to_close_timeout,
                cancellation_type=cancellation_type,
                headers=headers,
                summary=summary,
                event_groups=event_groups,
            )
        )


def create_nexus_client(
    *, service: type[NexusServiceType] | str, endpoint: str
) -> NexusClient[NexusServiceType]:
    """A client of a Nexus service.

    Args:
        service: A service definition, a service handler class, or the name of the service.
        endpoint: Name of the endpoint, as registered with the server.

    Raises:
        ValueError: ``service`` is no Nexus service.
    """
    return NexusClient(service, endpoint)


def service_name(service: type) -> str:
    """What the service is called. Raises ValueError for a class that is none."""
    import nexusrpc

    found = nexusrpc.get_service_definition(service)
    if found is None:
        raise ValueError(f"{service} is not a Nexus service: decorate it with @nexusrpc.service")
    return found.name


def operation_of(operation: Any) -> tuple[str, type | None]:
    """What the operation is called, and what it gives if that is known. Raises ValueError for what is none."""
    if isinstance(operation, str):
        return operation, None
    import nexusrpc

    found = operation if isinstance(operation, nexusrpc.Operation) else nexusrpc.get_operation(operation)
    if found is None:
        raise ValueError(f"{operation!r} is not a Nexus operation")
    return found.name, found.output_type
