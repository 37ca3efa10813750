"""The end of the chain for standalone activities."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from tenuto import ambient
from tenuto.client import encoding
from tenuto.client.activity import ActivityHandle
from tenuto.client.activity_views import (
    ActivityExecutionAsyncIterator,
    ActivityExecutionCount,
    ActivityExecutionDescription,
    ActivityExecutionOptions,
    activity_count_of,
    activity_description_of,
    options_of,
)
from tenuto.client.encoding import duration_proto
from tenuto.client.inputs_more import (
    CancelActivityInput,
    CountActivitiesInput,
    DescribeActivityInput,
    ListActivitiesInput,
    PauseActivityInput,
    StartActivityInput,
    TerminateActivityInput,
    UnpauseActivityInput,
    UpdateActivityOptionsInput,
)
from tenuto.client.interceptor import OutboundInterceptor
from tenuto.exceptions import ActivityAlreadyStartedError
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import activity, common, errordetails, field_mask_pb2, taskqueue
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore


class ActivityCalls(OutboundInterceptor):
    """Calls about standalone activities, made."""

    def __init__(self, client: ClientCore) -> None:
        self._client = client

    def _standalone(self, id: str, run_id: str | None) -> dict[str, Any]:
        return {"namespace": self._client.namespace, "activity_id": id, "run_id": run_id or ""}

    def _change(self, id: str, run_id: str | None) -> dict[str, Any]:
        own = {"identity": self._client.identity, "request_id": ambient.new_id()}
        return {**self._standalone(id, run_id), **own}

    async def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        client = self._client
        if input.start_delay is not None and input.start_delay < timedelta(0):
            raise ValueError("start_delay must be non-negative")
        converter = encoding.for_activity(client, input.id, input.activity_type, input.task_queue)
        request = ws.StartActivityExecutionRequest(
            namespace=client.namespace,
            identity=client.identity,
            request_id=ambient.new_id(),
            activity_id=input.id,
            activity_type=common.ActivityType(name=input.activity_type),
            task_queue=taskqueue.TaskQueue(name=input.task_queue),
            schedule_to_close_timeout=duration_proto(input.schedule_to_close_timeout),
            schedule_to_start_timeout=duration_proto(input.schedule_to_start_timeout),
            start_to_close_timeout=duration_proto(input.start_to_close_timeout),
            heartbeat_timeout=duration_proto(input.heartbeat_timeout),
            retry_policy=encoding.retry_policy_proto(input.retry_policy),
            input=await encoding.payloads(converter, input.args),
            id_reuse_policy=cast("Any", int(input.id_reuse_policy)),
            id_conflict_policy=cast("Any", int(input.id_conflict_policy)),
            search_attributes=encoding.search_attributes_proto(input.search_attributes),
            header=await encoding.headers_proto(client, input.headers),
            user_metadata=await encoding.user_metadata(converter, input.summary, None),
            priority=encoding.priority_proto(input.priority),
            start_delay=duration_proto(input.start_delay),
        )
        try:
            answer = await client._call(
                "StartActivityExecution", request, ws.StartActivityExecutionResponse, input
            )
        except RPCError as error:
            taken = error.details(errordetails.ActivityExecutionAlreadyStartedFailure)
            if error.status == RPCStatusCode.ALREADY_EXISTS and taken is not None:
                raise ActivityAlreadyStartedError(
                    input.id, input.activity_type, run_id=taken.run_id
                ) from error
            raise
        return ActivityHandle(client, input.id, run_id=answer.run_id, result_type=input.result_type)

    async def cancel_activity(self, input: CancelActivityInput) -> None:
        await self._client._call(
            "RequestCancelActivityExecution",
            ws.RequestCancelActivityExecutionRequest(
                **self._change(input.activity_id, input.activity_run_id), reason=input.reason or ""
            ),
            ws.RequestCancelActivityExecutionResponse,
            input,
        )

    async def terminate_activity(self, input: TerminateActivityInput) -> None:
        await self._client._call(
            "TerminateActivityExecution",
            ws.TerminateActivityExecutionRequest(
                **self._change(input.activity_id, input.activity_run_id), reason=input.reason or ""
            ),
            ws.TerminateActivityExecutionResponse,
            input,
        )

    async def pause_activity(self, input: PauseActivityInput) -> None:
        await self._client._call(
            "PauseActivityExecution",
            ws.PauseActivityExecutionRequest(
                **self._change(input.activity_id, input.activity_run_id), reason=input.reason or ""
            ),
            ws.PauseActivityExecutionResponse,
            input,
        )

    async def unpause_activity(self, input: UnpauseActivityInput) -> None:
        await self._client._call(
            "UnpauseActivityExecution",
            ws.UnpauseActivityExecutionRequest(
                **self._change(input.activity_id, input.activity_run_id),
                reason=input.reason or "",
                jitter=duration_proto(input.jitter),
            ),
            ws.UnpauseActivityExecutionResponse,
            input,
        )

    async def update_activity_options(self, input: UpdateActivityOptionsInput) -> ActivityExecutionOptions:
        options = activity.ActivityOptions()
        for update in input.updates:
            _write_option(options, update.key.name, update.value)
        paths = ["task_queue.name" if u.key.name == "task_queue" else u.key.name for u in input.updates]
        answer = await self._client._call(
            "UpdateActivityExecutionOptions",
            ws.UpdateActivityExecutionOptionsRequest(
                **self._change(input.activity_id, input.activity_run_id),
                activity_options=options,
                update_mask=field_mask_pb2.FieldMask(paths=paths) if paths else None,
                restore_original=input.restore_original,
            ),
            ws.UpdateActivityExecutionOptionsResponse,
            input,
        )
        return options_of(answer.activity_options)

    async def describe_activity(self, input: DescribeActivityInput) -> ActivityExecutionDescription:
        answer = await self._client._call(
            "DescribeActivityExecution",
            ws.DescribeActivityExecutionRequest(
                **self._standalone(input.activity_id, input.activity_run_id),
                include_input=input.include_input,
                include_outcome=input.include_outcome,
                include_heartbeat_details=input.include_heartbeat_details,
                include_last_failure=input.include_last_failure,
            ),
            ws.DescribeActivityExecutionResponse,
            input,
        )
        converter = encoding.for_activity(self._client, input.activity_id)
        return activity_description_of(answer, self._client.namespace, converter)

    def list_activities(self, input: ListActivitiesInput) -> ActivityExecutionAsyncIterator:
        return ActivityExecutionAsyncIterator(self._client, input)

    async def count_activities(self, input: CountActivitiesInput) -> ActivityExecutionCount:
        answer = await self._client._call(
            "CountActivityExecutions",
            ws.CountActivityExecutionsRequest(namespace=self._client.namespace, query=input.query or ""),
            ws.CountActivityExecutionsResponse,
            input,
        )
        return activity_count_of(answer)


def _write_option(options: activity.ActivityOptions, name: str, value: Any) -> None:
    """An option that is in the mask but not in the message is unset by the service."""
    if value is None:
        return
    if name == "task_queue":
        options.task_queue.name = value
    elif name == "retry_policy":
        options.retry_policy.CopyFrom(value.to_proto())
    elif name == "priority":
        options.priority.CopyFrom(value.to_proto())
    else:
        getattr(options, name).FromTimedelta(value)
