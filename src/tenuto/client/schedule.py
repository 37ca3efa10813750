"""A handle to one schedule, and schedules as the service shows them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tenuto.client.encoding import instant
from tenuto.client.inputs import NO_METADATA, RPCMetadata
from tenuto.client.inputs_more import (
    BackfillScheduleInput,
    DeleteScheduleInput,
    DescribeScheduleInput,
    ListSchedulesInput,
    PauseScheduleInput,
    TriggerScheduleInput,
    UnpauseScheduleInput,
    UpdateScheduleInput,
)
from tenuto.client.listing import memo_value, memo_values
from tenuto.client.paging import Pages
from tenuto.client.schedule_terms import Schedule, ScheduleBackfill, ScheduleOverlapPolicy, ScheduleSpec
from tenuto.common import UNSET, SearchAttributes, TypedSearchAttributes
from tenuto.converter import DataConverter, decode_search_attributes, decode_typed_search_attributes
from tenuto.wire import common
from tenuto.wire import schedule as protos
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore


class ScheduleActionExecution:
    """Something that a schedule did."""


@dataclass
class ScheduleActionExecutionStartWorkflow(ScheduleActionExecution):
    """A workflow that a schedule started."""

    workflow_id: str
    first_execution_run_id: str

    @staticmethod
    def _from_proto(proto: common.WorkflowExecution) -> ScheduleActionExecutionStartWorkflow:
        return ScheduleActionExecutionStartWorkflow(proto.workflow_id, proto.run_id)


@dataclass
class ScheduleActionResult:
    """When something should have been done, when it was, and what."""

    scheduled_at: datetime
    started_at: datetime
    action: ScheduleActionExecution

    @staticmethod
    def _from_proto(proto: protos.ScheduleActionResult) -> ScheduleActionResult:
        return ScheduleActionResult(
            scheduled_at=_utc(proto.schedule_time),
            started_at=_utc(proto.actual_time),
            action=ScheduleActionExecutionStartWorkflow._from_proto(proto.start_workflow_result),
        )


def _utc(proto: Any) -> datetime:
    made: datetime = proto.ToDatetime()
    return made.replace(tzinfo=UTC)


@dataclass
class ScheduleInfo:
    """What became of a schedule so far."""

    num_actions: int
    num_actions_missed_catchup_window: int
    num_actions_skipped_overlap: int
    running_actions: Sequence[ScheduleActionExecution]
    recent_actions: Sequence[ScheduleActionResult]
    """The newest last."""
    next_action_times: Sequence[datetime]
    created_at: datetime
    last_updated_at: datetime | None

    @staticmethod
    def _from_proto(info: protos.ScheduleInfo) -> ScheduleInfo:
        return ScheduleInfo(
            num_actions=info.action_count,
            num_actions_missed_catchup_window=info.missed_catchup_window,
            num_actions_skipped_overlap=info.overlap_skipped,
            running_actions=[
                ScheduleActionExecutionStartWorkflow._from_proto(one) for one in info.running_workflows
            ],
            recent_actions=[ScheduleActionResult._from_proto(one) for one in info.recent_actions],
            next_action_times=[_utc(one) for one in info.future_action_times],
            created_at=_utc(info.create_time),
            last_updated_at=instant(info, "update_time"),
        )


@dataclass
class ScheduleDescription:
    """A schedule as `ScheduleHandle.describe` shows it."""

    id: str
    schedule: Schedule
    info: ScheduleInfo
    typed_search_attributes: TypedSearchAttributes
    search_attributes: SearchAttributes
    data_converter: DataConverter = field(repr=False)
    raw_description: ws.DescribeScheduleResponse = field(repr=False)

    async def memo(self) -> Mapping[str, Any]:
        """The schedule's own memo, every value decoded without a type hint."""
        return await memo_values(self.data_converter, self.raw_description.memo)

    async def memo_value(self, key: str, default: Any = UNSET, *, type_hint: type | None = None) -> Any:
        """One value of it. Raises KeyError when it is missing and no ``default`` is given."""
        return await memo_value(self.data_converter, self.raw_description.memo, key, default, type_hint)


def schedule_description_of(
    id: str, answer: ws.DescribeScheduleResponse, converter: DataConverter
) -> ScheduleDescription:
    """An answer to a describe, read."""
    return ScheduleDescription(
        id=id,
        schedule=Schedule._from_proto(answer.schedule),
        info=ScheduleInfo._from_proto(answer.info),
        typed_search_attributes=decode_typed_search_attributes(answer.search_attributes),
        search_attributes=decode_search_attributes(answer.search_attributes),
        data_converter=converter,
        raw_description=answer,
    )


@dataclass
class ScheduleUpdateInput:
    """What an updater is given: the schedule as it is."""

    description: ScheduleDescription


@dataclass
class ScheduleUpdate:
    """What an updater returns. ``search_attributes`` None: leave them; empty: remove them."""

    schedule: Schedule
    search_attributes: TypedSearchAttributes | None = None


class ScheduleListAction:
    """What a schedule in a list does."""


@dataclass
class ScheduleListActionStartWorkflow(ScheduleListAction):
    """It starts workflows of this type."""

    workflow: str


@dataclass
class ScheduleListState:
    """State of a schedule in a list."""

    note: str | None
    paused: bool


@dataclass
class ScheduleListSchedule:
    """What a list knows of a schedule."""

    action: ScheduleListAction
    spec: ScheduleSpec
    state: ScheduleListState

    @staticmethod
    def _from_proto(info: protos.ScheduleListInfo) -> ScheduleListSchedule:
        if not info.HasField("workflow_type"):
            raise ValueError("Unknown action on schedule")
        return ScheduleListSchedule(
            action=ScheduleListActionStartWorkflow(info.workflow_type.name),
            spec=ScheduleSpec._from_proto(info.spec),
            state=ScheduleListState(note=info.notes or None, paused=info.paused),
        )


@dataclass
class ScheduleListInfo:
    """What became of a schedule in a list."""

    recent_actions: Sequence[ScheduleActionResult]
    next_action_times: Sequence[datetime]


@dataclass
class ScheduleListDescription:
    """A schedule as a list shows it."""

    id: str
    schedule: ScheduleListSchedule | None
    info: ScheduleListInfo | None
    typed_search_attributes: TypedSearchAttributes
    search_attributes: SearchAttributes
    data_converter: DataConverter = field(repr=False)
    raw_entry: protos.ScheduleListEntry = field(repr=False)

    async def memo(self) -> Mapping[str, Any]:
        """The schedule's own memo, every value decoded without a type hint."""
        return await memo_values(self.data_converter, self.raw_entry.memo)

    async def memo_value(self, key: str, default: Any = UNSET, *, type_hint: type | None = None) -> Any:
        """One value of it. Raises KeyError when it is missing and no ``default`` is given."""
        return await memo_value(self.data_converter, self.raw_entry.memo, key, default, type_hint)


def _listed(entry: protos.ScheduleListEntry, converter: DataConverter) -> ScheduleListDescription:
    has_info = entry.HasField("info")
    return ScheduleListDescription(
        id=entry.schedule_id,
        schedule=ScheduleListSchedule._from_proto(entry.info) if has_info else None,
        info=ScheduleListInfo(
            recent_actions=[ScheduleActionResult._from_proto(one) for one in entry.info.recent_actions],
            next_action_times=[_utc(one) for one in entry.info.future_action_times],
        )
        if has_info
        else None,
        typed_search_attributes=decode_typed_search_attributes(entry.search_attributes),
        search_attributes=decode_search_attributes(entry.search_attributes),
        data_converter=converter,
        raw_entry=entry,
    )


class ScheduleAsyncIterator(Pages[ScheduleListDescription]):
    """The schedules of a namespace."""

    def __init__(self, client: ClientCore, input: ListSchedulesInput) -> None:
        super().__init__(input.page_size, input.next_page_token)
        self._client = client
        self._input = input

    async def _fetch(
        self, page_size: int | None, token: bytes | None
    ) -> tuple[Sequence[ScheduleListDescription], bytes | None]:
        answer = await self._client._call(
            "ListSchedules",
            ws.ListSchedulesRequest(
                namespace=self._client.namespace,
                maximum_page_size=page_size or 0,
                next_page_token=token or b"",
                query=self._input.query or "",
            ),
            ws.ListSchedulesResponse,
            self._input,
        )
        converter = self._client.data_converter
        return [_listed(entry, converter) for entry in answer.schedules], answer.next_page_token


class ScheduleHandle:
    """One schedule, by id. Made by `Client.create_schedule` and `Client.get_schedule_handle`.

    Every method raises `tenuto.transport.errors.RPCError`, with status NOT_FOUND when there is no such schedule.
    """

    def __init__(self, client: ClientCore, id: str) -> None:
        self._client = client
        self.id = id

    def __repr__(self) -> str:
        return f"<ScheduleHandle {self.id!r}>"

    async def backfill(
        self,
        *backfill: ScheduleBackfill,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Make up for past time. Raises ValueError when nothing is given."""
        if not backfill:
            raise ValueError("At least one backfill required")
        await self._client._impl.backfill_schedule(
            BackfillScheduleInput(self.id, backfill, rpc_metadata, rpc_timeout)
        )

    async def delete(
        self, *, rpc_metadata: RPCMetadata = NO_METADATA, rpc_timeout: timedelta | None = None
    ) -> None:
        """Delete the schedule; workflows it started go on."""
        await self._client._impl.delete_schedule(DeleteScheduleInput(self.id, rpc_metadata, rpc_timeout))

    async def describe(
        self, *, rpc_metadata: RPCMetadata = NO_METADATA, rpc_timeout: timedelta | None = None
    ) -> ScheduleDescription:
        """The schedule as it is."""
        return await self._client._impl.describe_schedule(
            DescribeScheduleInput(self.id, rpc_metadata, rpc_timeout)
        )

    async def pause(
        self,
        *,
        note: str | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Start nothing until `unpause`."""
        await self._client._impl.pause_schedule(PauseScheduleInput(self.id, note, rpc_metadata, rpc_timeout))

    async def trigger(
        self,
        *,
        overlap: ScheduleOverlapPolicy | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Act once now. ``overlap`` None: the schedule's own rule."""
        await self._client._impl.trigger_schedule(
            TriggerScheduleInput(self.id, overlap, rpc_metadata, rpc_timeout)
        )

    async def unpause(
        self,
        *,
        note: str | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Go on after `pause`."""
        await self._client._impl.unpause_schedule(
            UnpauseScheduleInput(self.id, note, rpc_metadata, rpc_timeout)
        )

    async def update(
        self,
        updater: Callable[[ScheduleUpdateInput], ScheduleUpdate | Awaitable[ScheduleUpdate | None] | None],
        *,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Change the schedule: ``updater`` gets it as it is and returns it as it should be, or None to leave it.

        It may be called more than once.
        """
        await self._client._impl.update_schedule(
            UpdateScheduleInput(self.id, updater, rpc_metadata, rpc_timeout)
        )
