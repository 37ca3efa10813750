"""The end of the chain for Nexus operations of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tenuto import ambient
from tenuto.client import encoding
from tenuto.client.encoding import duration_proto
from tenuto.client.errors import NexusOperationFailureError
from tenuto.client.inputs_nexus import (
    CancelNexusOperationInput,
    CountNexusOperationsInput,
    DescribeNexusOperationInput,
    GetNexusOperationResultInput,
    ListNexusOperationsInput,
    StartNexusOperationInput,
    TerminateNexusOperationInput,
)
from tenuto.client.interceptor import OutboundInterceptor
from tenuto.client.nexus import NexusOperationHandle
from tenuto.client.nexus_views import (
    NexusOperationExecutionAsyncIterator,
    NexusOperationExecutionCount,
    NexusOperationExecutionDescription,
    nexus_count_of,
    nexus_description_of,
)
from tenuto.converter import DataConverter, NexusSerializationContext
from tenuto.exceptions import NexusOperationAlreadyStartedError
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import enums_nexus, errordetails
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore


class NexusCalls(OutboundInterceptor):
    """Calls about Nexus operations of their own, made."""

    def __init__(self, client: ClientCore) -> None:
        self._client = client

    def _operation(self, id: str, run_id: str | None) -> dict[str, Any]:
        return {"namespace": self._client.namespace, "operation_id": id, "run_id": run_id or ""}

    def _ending(self, input: CancelNexusOperationInput | TerminateNexusOperationInput) -> dict[str, Any]:
        own = {
            "identity": self._client.identity,
            "request_id": ambient.new_id(),
            "reason": input.reason or "",
        }
        return {**self._operation(input.operation_id, input.run_id), **own}

    def _nexus_converter(self, endpoint: str, service: str, operation: str) -> DataConverter:
        converter = self._client.data_converter
        if not (endpoint and service and operation):
            return converter
        return converter.with_context(NexusSerializationContext(endpoint, service, operation))

    async def start_nexus_operation(self, input: StartNexusOperationInput) -> NexusOperationHandle[Any]:
        client = self._client
        converter = self._nexus_converter(input.endpoint, input.service, input.operation)
        request = ws.StartNexusOperationExecutionRequest(
            namespace=client.namespace,
            identity=client.identity,
            request_id=ambient.new_id(),
            operation_id=input.id,
            endpoint=input.endpoint,
            service=input.service,
            operation=input.operation,
            schedule_to_close_timeout=duration_proto(input.schedule_to_close_timeout),
            schedule_to_start_timeout=duration_proto(input.schedule_to_start_timeout),
            start_to_close_timeout=duration_proto(input.start_to_close_timeout),
            input=await encoding.payload(converter, input.arg),
            id_reuse_policy=cast("Any", int(input.id_reuse_policy)),
            id_conflict_policy=cast("Any", int(input.id_conflict_policy)),
            search_attributes=encoding.search_attributes_proto(input.search_attributes),
            nexus_header=input.headers,
            user_metadata=await encoding.user_metadata(converter, input.summary, None),
        )
        try:
            answer = await client._call(
                "StartNexusOperationExecution", request, ws.StartNexusOperationExecutionResponse, input
            )
        except RPCError as error:
            taken = error.details(errordetails.NexusOperationExecutionAlreadyStartedFailure)
            if error.status == RPCStatusCode.ALREADY_EXISTS and taken is not None:
                raise NexusOperationAlreadyStartedError(input.id, run_id=taken.run_id) from error
            raise
        return NexusOperationHandle(
            client,
            input.id,
            run_id=answer.run_id or None,
            result_type=input.result_type,
            endpoint=input.endpoint,
            service=input.service,
            operation=input.operation,
        )

    async def describe_nexus_operation(
        self, input: DescribeNexusOperationInput
    ) -> NexusOperationExecutionDescription:
        answer = await self._client._call(
            "DescribeNexusOperationExecution",
            ws.DescribeNexusOperationExecutionRequest(**self._operation(input.operation_id, input.run_id)),
            ws.DescribeNexusOperationExecutionResponse,
            input,
        )
        info = answer.info
        converter = self._nexus_converter(info.endpoint, info.service, info.operation)
        return await nexus_description_of(info, converter)

    async def get_nexus_operation_result(self, input: GetNexusOperationResultInput) -> Any:
        request = ws.PollNexusOperationExecutionRequest(
            **self._operation(input.operation_id, input.run_id),
            wait_stage=enums_nexus.NEXUS_OPERATION_WAIT_STAGE_CLOSED,
        )
        while True:
            answer = await self._client._call(
                "PollNexusOperationExecution", request, ws.PollNexusOperationExecutionResponse, input
            )
            if answer.WhichOneof("outcome") is not None:
                break
        converter = self._nexus_converter(input.endpoint, input.service, input.operation)
        if answer.HasField("failure"):
            raise NexusOperationFailureError(cause=await encoding.error_of(converter, answer.failure))
        return await encoding.first_value(converter, [answer.result], input.result_type)

    async def cancel_nexus_operation(self, input: CancelNexusOperationInput) -> None:
        await self._client._call(
            "RequestCancelNexusOperationExecution",
            ws.RequestCancelNexusOperationExecutionRequest(**self._ending(input)),
            ws.RequestCancelNexusOperationExecutionResponse,
            input,
        )

    async def terminate_nexus_operation(self, input: TerminateNexusOperationInput) -> None:
        await self._client._call(
            "TerminateNexusOperationExecution",
            ws.TerminateNexusOperationExecutionRequest(**self._ending(input)),
            ws.TerminateNexusOperationExecutionResponse,
            input,
        )

    def list_nexus_operations(self, input: ListNexusOperationsInput) -> NexusOperationExecutionAsyncIterator:
        return NexusOperationExecutionAsyncIterator(self._client, input)

    async def count_nexus_operations(self, input: CountNexusOperationsInput) -> NexusOperationExecutionCount:
        answer = await self._client._call(
            "CountNexusOperationExecutions",
            ws.CountNexusOperationExecutionsRequest(
                namespace=self._client.namespace, query=input.query or ""
            ),
            ws.CountNexusOperationExecutionsResponse,
            input,
        )
        return nexus_count_of(answer)
