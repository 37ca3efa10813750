"""Nexus operations of their own, as lists, counts and descriptions show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tenuto.client.encoding import error_of, first_value, instant, length
from tenuto.client.listing import group_values
from tenuto.client.paging import Pages
from tenuto.common import (
    NexusOperationCancellationState,
    NexusOperationExecutionStatus,
    PendingNexusOperationExecutionState,
    TypedSearchAttributes,
)
from tenuto.converter import DataConverter, decode_typed_search_attributes
from tenuto.wire import nexus
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore
    from tenuto.client.inputs_nexus import ListNexusOperationsInput


@dataclass(frozen=True, kw_only=True, eq=False)
class NexusOperationExecutionCancellationInfo:
    """How the request to cancel an operation stands. Instants are aware UTC datetimes."""

    raw: nexus.NexusOperationExecutionCancellationInfo = field(repr=False)
    requested_time: datetime | None
    state: NexusOperationCancellationState
    attempt: int
    last_attempt_complete_time: datetime | None
    next_attempt_schedule_time: datetime | None
    last_attempt_failure: BaseException | None
    blocked_reason: str
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class NexusOperationExecution:
    """A Nexus operation of its own as a list shows it. Instants are aware UTC datetimes."""

    operation_id: str
    run_id: str
    endpoint: str
    service: str
    operation: str
    schedule_time: datetime | None
    close_time: datetime | None
    status: NexusOperationExecutionStatus
    search_attributes: TypedSearchAttributes
    state_transition_count: int
    execution_duration: timedelta | None
    """From its schedule to its end."""
    raw_info: nexus.NexusOperationExecutionListInfo | nexus.NexusOperationExecutionInfo = field(repr=False)


def _shared(
    info: nexus.NexusOperationExecutionListInfo | nexus.NexusOperationExecutionInfo,
) -> dict[str, Any]:
    return {
        "operation_id": info.operation_id,
        "run_id": info.run_id,
        "endpoint": info.endpoint,
        "service": info.service,
        "operation": info.operation,
        "schedule_time": instant(info, "schedule_time"),
        "close_time": instant(info, "close_time"),
        "status": NexusOperationExecutionStatus(info.status),
        "search_attributes": decode_typed_search_attributes(info.search_attributes),
        "state_transition_count": info.state_transition_count,
        "execution_duration": length(info, "execution_duration"),
        "raw_info": info,
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class NexusOperationExecutionDescription(NexusOperationExecution):
    """A Nexus operation of its own as `NexusOperationHandle.describe` shows it."""

    raw_description: nexus.NexusOperationExecutionInfo = field(repr=False)
    state: PendingNexusOperationExecutionState
    """What it is waiting for, while it runs."""
    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    attempt: int
    expiration_time: datetime | None
    """When ``schedule_to_close_timeout`` is over."""
    last_attempt_complete_time: datetime | None
    next_attempt_schedule_time: datetime | None
    last_attempt_failure: BaseException | None
    blocked_reason: str | None
    request_id: str
    operation_token: str | None
    """What its handler calls it, once it is started and has not ended at once."""
    identity: str
    cancellation_info: NexusOperationExecutionCancellationInfo | None
    data_converter: DataConverter = field(repr=False)

    async def static_summary(self) -> str | None:
        """The one-line summary given at its start, if any."""
        return await self._told("summary")

    async def static_details(self) -> str | None:
        """The longer text given at its start, if any."""
        return await self._told("details")

    async def _told(self, name: str) -> str | None:
        metadata = self.raw_description.user_metadata
        if not metadata.HasField(name):  # type: ignore[arg-type]
            return None
        return await first_value(self.data_converter, [getattr(metadata, name)], str)


async def nexus_description_of(
    info: nexus.NexusOperationExecutionInfo, converter: DataConverter
) -> NexusOperationExecutionDescription:
    """An answer to a describe, read."""
    return NexusOperationExecutionDescription(
        **_shared(info),
        raw_description=info,
        state=PendingNexusOperationExecutionState(info.state),
        schedule_to_close_timeout=length(info, "schedule_to_close_timeout"),
        schedule_to_start_timeout=length(info, "schedule_to_start_timeout"),
        start_to_close_timeout=length(info, "start_to_close_timeout"),
        attempt=info.attempt,
        expiration_time=instant(info, "expiration_time"),
        last_attempt_complete_time=instant(info, "last_attempt_complete_time"),
        next_attempt_schedule_time=instant(info, "next_attempt_schedule_time"),
        last_attempt_failure=await _failure(info, converter),
        blocked_reason=info.blocked_reason or None,
        request_id=info.request_id,
        operation_token=info.operation_token or None,
        identity=info.identity,
        cancellation_info=await _cancellation(info.cancellation_info, converter)
        if info.HasField("cancellation_info")
        else None,
        data_converter=converter,
    )


async def _cancellation(
    info: nexus.NexusOperationExecutionCancellationInfo, converter: DataConverter
) -> NexusOperationExecutionCancellationInfo:
    return NexusOperationExecutionCancellationInfo(
        raw=info,
        requested_time=instant(info, "requested_time"),
        state=NexusOperationCancellationState(info.state),
        attempt=info.attempt,
        last_attempt_complete_time=instant(info, "last_attempt_complete_time"),
        next_attempt_schedule_time=instant(info, "next_attempt_schedule_time"),
        last_attempt_failure=await _failure(info, converter),
        blocked_reason=info.blocked_reason,
        reason=info.reason,
    )


async def _failure(
    info: nexus.NexusOperationExecutionInfo | nexus.NexusOperationExecutionCancellationInfo,
    converter: DataConverter,
) -> BaseException | None:
    if not info.HasField("last_attempt_failure"):
        return None
    return await error_of(converter, info.last_attempt_failure)


@dataclass(frozen=True)
class NexusOperationExecutionCountAggregationGroup:
    """How many have these values, in the order of the query's GROUP BY."""

    count: int
    group_values: Sequence[Any]


@dataclass(frozen=True)
class NexusOperationExecutionCount:
    """How many operations match; ``groups`` is empty unless the query says GROUP BY."""

    count: int
    groups: Sequence[NexusOperationExecutionCountAggregationGroup]


def nexus_count_of(answer: ws.CountNexusOperationExecutionsResponse) -> NexusOperationExecutionCount:
    """An answer to a count, read."""
    return NexusOperationExecutionCount(
        answer.count,
        [
            NexusOperationExecutionCountAggregationGroup(group.count, group_values(group.group_values))
            for group in answer.groups
        ],
    )


class NexusOperationExecutionAsyncIterator(Pages[NexusOperationExecution]):
    """The Nexus operations of their own that match a query."""

    def __init__(self, client: ClientCore, input: ListNexusOperationsInput) -> None:
        super().__init__(input.page_size, input.next_page_token, input.limit)
        self._client = client
        self._input = input

    async def _fetch(
        self, page_size: int | None, token: bytes | None
    ) -> tuple[Sequence[NexusOperationExecution], bytes | None]:
        answer = await self._client._call(
            "ListNexusOperationExecutions",
            ws.ListNexusOperationExecutionsRequest(
                namespace=self._client.namespace,
                page_size=page_size or 0,
                next_page_token=token or b"",
                query=self._input.query or "",
            ),
            ws.ListNexusOperationExecutionsResponse,
            self._input,
        )
        return [NexusOperationExecution(**_shared(row)) for row in answer.operations], answer.next_page_token
