"""The end of the chain for schedules."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast

from tenuto import ambient
from tenuto.client import encoding
from tenuto.client.errors import ScheduleAlreadyRunningError
from tenuto.client.inputs import CallTerms
from tenuto.client.inputs_more import (
    BackfillScheduleInput,
    CreateScheduleInput,
    DeleteScheduleInput,
    DescribeScheduleInput,
    ListSchedulesInput,
    PauseScheduleInput,
    TriggerScheduleInput,
    UnpauseScheduleInput,
    UpdateScheduleInput,
)
from tenuto.client.interceptor import OutboundInterceptor
from tenuto.client.schedule import (
    ScheduleAsyncIterator,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleUpdate,
    ScheduleUpdateInput,
    schedule_description_of,
)
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import common, schedule
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore


class ScheduleCalls(OutboundInterceptor):
    """Calls about schedules, made."""

    def __init__(self, client: ClientCore) -> None:
        self._client = client

    async def create_schedule(self, input: CreateScheduleInput) -> ScheduleHandle:
        client = self._client
        patch = schedule.SchedulePatch(backfill_request=[one._to_proto() for one in input.backfill])
        if input.trigger_immediately:
            overlap = input.schedule.policy.overlap
            patch.trigger_immediately.overlap_policy = cast("Any", int(overlap))
        request = ws.CreateScheduleRequest(
            namespace=client.namespace,
            schedule_id=input.id,
            schedule=await input.schedule._to_proto(client),
            initial_patch=patch if patch.ByteSize() or input.trigger_immediately else None,
            identity=client.identity,
            request_id=ambient.new_id(),
            memo=await encoding.memo_proto(client.data_converter, input.memo),
            search_attributes=encoding.search_attributes_proto(input.search_attributes),
        )
        try:
            await client._call("CreateSchedule", request, ws.CreateScheduleResponse, input)
        except RPCError as error:
            if error.status == RPCStatusCode.ALREADY_EXISTS:
                raise ScheduleAlreadyRunningError() from error
            raise
        return ScheduleHandle(client, input.id)

    def list_schedules(self, input: ListSchedulesInput) -> ScheduleAsyncIterator:
        return ScheduleAsyncIterator(self._client, input)

    async def _patch(self, id: str, patch: schedule.SchedulePatch, terms: CallTerms) -> None:
        await self._client._call(
            "PatchSchedule",
            ws.PatchScheduleRequest(
                namespace=self._client.namespace,
                schedule_id=id,
                patch=patch,
                identity=self._client.identity,
                request_id=ambient.new_id(),
            ),
            ws.PatchScheduleResponse,
            terms,
        )

    async def backfill_schedule(self, input: BackfillScheduleInput) -> None:
        patch = schedule.SchedulePatch(backfill_request=[one._to_proto() for one in input.backfills])
        await self._patch(input.id, patch, CallTerms(input.rpc_metadata, input.rpc_timeout))

    async def pause_schedule(self, input: PauseScheduleInput) -> None:
        patch = schedule.SchedulePatch(pause=input.note or "Paused via Python SDK")
        await self._patch(input.id, patch, CallTerms(input.rpc_metadata, input.rpc_timeout))

    async def unpause_schedule(self, input: UnpauseScheduleInput) -> None:
        patch = schedule.SchedulePatch(unpause=input.note or "Unpaused via Python SDK")
        await self._patch(input.id, patch, CallTerms(input.rpc_metadata, input.rpc_timeout))

    async def trigger_schedule(self, input: TriggerScheduleInput) -> None:
        now = schedule.TriggerImmediatelyRequest(overlap_policy=cast("Any", int(input.overlap or 0)))
        patch = schedule.SchedulePatch(trigger_immediately=now)
        await self._patch(input.id, patch, CallTerms(input.rpc_metadata, input.rpc_timeout))

    async def delete_schedule(self, input: DeleteScheduleInput) -> None:
        await self._client._call(
            "DeleteSchedule",
            ws.DeleteScheduleRequest(
                namespace=self._client.namespace, schedule_id=input.id, identity=self._client.identity
            ),
            ws.DeleteScheduleResponse,
            input,
        )

    async def describe_schedule(self, input: DescribeScheduleInput) -> ScheduleDescription:
        return await self._described(input.id, CallTerms(input.rpc_metadata, input.rpc_timeout))

    async def _described(self, id: str, terms: CallTerms) -> ScheduleDescription:
        answer = await self._client._call(
            "DescribeSchedule",
            ws.DescribeScheduleRequest(namespace=self._client.namespace, schedule_id=id),
            ws.DescribeScheduleResponse,
            terms,
        )
        return schedule_description_of(id, answer, self._client.data_converter)

    async def update_schedule(self, input: UpdateScheduleInput) -> None:
        terms = CallTerms(input.rpc_metadata, input.rpc_timeout)
        asked = input.updater(ScheduleUpdateInput(await self._described(input.id, terms)))
        change = await asked if inspect.isawaitable(asked) else asked
        if change is None:
            return
        if not isinstance(change, ScheduleUpdate):
            raise TypeError(f"an updater returns a ScheduleUpdate or None, not {change!r}")
        request = ws.UpdateScheduleRequest(
            namespace=self._client.namespace,
            schedule_id=input.id,
            schedule=await change.schedule._to_proto(self._client),
            identity=self._client.identity,
            request_id=ambient.new_id(),
        )
        if change.search_attributes is not None:
            made = encoding.search_attributes_proto(change.search_attributes)
            request.search_attributes.CopyFrom(made or common.SearchAttributes())
        await self._client._call("UpdateSchedule", request, ws.UpdateScheduleResponse, terms)
