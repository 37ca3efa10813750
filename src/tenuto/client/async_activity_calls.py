"""The end of the chain for activities that are finished from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenuto.client import encoding
from tenuto.client.async_activity import AsyncActivityIDReference
from tenuto.client.errors import AsyncActivityCancelledError
from tenuto.client.inputs import (
    CompleteAsyncActivityInput,
    FailAsyncActivityInput,
    HeartbeatAsyncActivityInput,
    ReportCancellationAsyncActivityInput,
)
from tenuto.client.interceptor import OutboundInterceptor
from tenuto.common import UNSET
from tenuto.wire import common, failure
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore
    from tenuto.converter import DataConverter


class AsyncActivityCalls(OutboundInterceptor):
    """Calls about activities that are finished from elsewhere, made: by token, or by ids."""

    def __init__(self, client: ClientCore) -> None:
        self._client = client

    def _converter(self, override: DataConverter | None) -> DataConverter:
        return override or self._client.data_converter

    def _target(self, target: AsyncActivityIDReference | bytes) -> dict[str, Any]:
        shared = {"namespace": self._client.namespace, "identity": self._client.identity}
        if isinstance(target, bytes):
            return {**shared, "task_token": target}
        return {
            **shared,
            "workflow_id": target.workflow_id or "",
            "run_id": target.run_id or "",
            "activity_id": target.activity_id,
        }

    async def heartbeat_async_activity(self, input: HeartbeatAsyncActivityInput) -> None:
        details = await encoding.payloads(self._converter(input.data_converter_override), input.details)
        target = self._target(input.id_or_token)
        answer: ws.RecordActivityTaskHeartbeatResponse | ws.RecordActivityTaskHeartbeatByIdResponse
        if "task_token" in target:
            answer = await self._client._call(
                "RecordActivityTaskHeartbeat",
                ws.RecordActivityTaskHeartbeatRequest(**target, details=details),
                ws.RecordActivityTaskHeartbeatResponse,
                input,
            )
        else:
            answer = await self._client._call(
                "RecordActivityTaskHeartbeatById",
                ws.RecordActivityTaskHeartbeatByIdRequest(**target, details=details),
                ws.RecordActivityTaskHeartbeatByIdResponse,
                input,
            )
        if answer.cancel_requested or answer.activity_paused or answer.activity_reset:
            from tenuto.activity import ActivityCancellationDetails

            raise AsyncActivityCancelledError(
                ActivityCancellationDetails(
                    cancel_requested=answer.cancel_requested,
                    paused=answer.activity_paused,
                    reset=answer.activity_reset,
                )
            )

    async def complete_async_activity(self, input: CompleteAsyncActivityInput) -> None:
        converter = self._converter(input.data_converter_override)
        values = [] if input.result is UNSET else [input.result]
        result = common.Payloads(payloads=await converter.encode(values)) if values else None
        target = self._target(input.id_or_token)
        if "task_token" in target:
            await self._client._call(
                "RespondActivityTaskCompleted",
                ws.RespondActivityTaskCompletedRequest(**target, result=result),
                ws.RespondActivityTaskCompletedResponse,
                input,
            )
        else:
            await self._client._call(
                "RespondActivityTaskCompletedById",
                ws.RespondActivityTaskCompletedByIdRequest(**target, result=result),
                ws.RespondActivityTaskCompletedByIdResponse,
                input,
            )

    async def fail_async_activity(self, input: FailAsyncActivityInput) -> None:
        converter = self._converter(input.data_converter_override)
        failed = failure.Failure()
        await converter.encode_failure(input.error, failed)
        details = await encoding.payloads(converter, input.last_heartbeat_details)
        target = self._target(input.id_or_token)
        if "task_token" in target:
            await self._client._call(
                "RespondActivityTaskFailed",
                ws.RespondActivityTaskFailedRequest(**target, failure=failed, last_heartbeat_details=details),
                ws.RespondActivityTaskFailedResponse,
                input,
            )
        else:
            await self._client._call(
                "RespondActivityTaskFailedById",
                ws.RespondActivityTaskFailedByIdRequest(
                    **target, failure=failed, last_heartbeat_details=details
                ),
                ws.RespondActivityTaskFailedByIdResponse,
                input,
            )

    async def report_cancellation_async_activity(self, input: ReportCancellationAsyncActivityInput) -> None:
        details = await encoding.payloads(self._converter(input.data_converter_override), input.details)
        target = self._target(input.id_or_token)
        if "task_token" in target:
            await self._client._call(
                "RespondActivityTaskCanceled",
                ws.RespondActivityTaskCanceledRequest(**target, details=details),
                ws.RespondActivityTaskCanceledResponse,
                input,
            )
        else:
            await self._client._call(
                "RespondActivityTaskCanceledById",
                ws.RespondActivityTaskCanceledByIdRequest(**target, details=details),
                ws.RespondActivityTaskCanceledByIdResponse,
                input,
            )
