"""Workflows as lists, counts and descriptions show them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from tenuto.client.encoding import first_value, instant
from tenuto.client.history import WorkflowHistory, WorkflowHistoryEventFilterType
from tenuto.client.inputs import NO_METADATA, RPCMetadata
from tenuto.client.paging import Pages
from tenuto.common import UNSET, SearchAttributes, TypedSearchAttributes
from tenuto.converter import (
    DataConverter,
    WorkflowSerializationContext,
    decode_search_attributes,
    decode_typed_search_attributes,
)
from tenuto.wire import common, workflow
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore
    from tenuto.client.inputs import ListWorkflowsInput


class WorkflowExecutionStatus(IntEnum):
    """Whether a run is open, or how it closed."""

    RUNNING = 1
    COMPLETED = 2
    FAILED = 3
    CANCELED = 4
    TERMINATED = 5
    CONTINUED_AS_NEW = 6
    TIMED_OUT = 7


@dataclass
class WorkflowExecution:
    """A run as a list shows it. Instants are aware UTC datetimes."""

    close_time: datetime | None
    execution_time: datetime | None
    history_length: int
    id: str
    namespace: str
    parent_id: str | None
    parent_run_id: str | None
    root_id: str | None
    root_run_id: str | None
    raw_info: workflow.WorkflowExecutionInfo
    run_id: str
    search_attributes: SearchAttributes
    start_time: datetime
    status: WorkflowExecutionStatus | None
    task_queue: str
    typed_search_attributes: TypedSearchAttributes
    workflow_type: str
    _context_free_data_converter: DataConverter = field(repr=False)

    @property
    def data_converter(self) -> DataConverter:
        """The converter, knowing this workflow."""
        context = WorkflowSerializationContext(namespace=self.namespace, workflow_id=self.id)
        return self._context_free_data_converter.with_context(context)

    async def memo(self) -> Mapping[str, Any]:
        """The memo, every value decoded without a type hint."""
        return await memo_values(self.data_converter, self.raw_info.memo)

    async def memo_value(self, key: str, default: Any = UNSET, *, type_hint: type | None = None) -> Any:
        """One value of the memo. Raises KeyError when it is missing and no ``default`` is given."""
        return await memo_value(self.data_converter, self.raw_info.memo, key, default, type_hint)


async def memo_values(converter: DataConverter, memo: common.Memo) -> Mapping[str, Any]:
    """Every value of a memo, decoded without a type hint."""
    return {key: await first_value(converter, [raw], None) for key, raw in memo.fields.items()}


async def memo_value(
    converter: DataConverter, memo: common.Memo, key: str, default: Any, hint: type | None
) -> Any:
    """One value of a memo. Raises KeyError when it is missing and ``default`` is `UNSET`."""
    if key not in memo.fields:
        if default is UNSET:
            raise KeyError(f"Memo does not have a value for key {key}")
        return default
    return await first_value(converter, [memo.fields[key]], hint)


def _execution_fields(
    info: workflow.WorkflowExecutionInfo, namespace: str, converter: DataConverter
) -> dict[str, Any]:
    return {
        "close_time": instant(info, "close_time"),
        "execution_time": instant(info, "execution_time"),
        "history_length": info.history_length,
        "id": info.execution.workflow_id,
        "namespace": namespace,
        "parent_id": info.parent_execution.workflow_id or None,
        "parent_run_id": info.parent_execution.run_id or None,
        "root_id": info.root_execution.workflow_id or None,
        "root_run_id": info.root_execution.run_id or None,
        "raw_info": info,
        "run_id": info.execution.run_id,
        "search_attributes": decode_search_attributes(info.search_attributes),
        "start_time": instant(info, "start_time"),
        "status": WorkflowExecutionStatus(info.status) if info.status else None,
        "task_queue": info.task_queue,
        "typed_search_attributes": decode_typed_search_attributes(info.search_attributes),
        "workflow_type": info.type.name,
        "_context_free_data_converter": converter,
    }


def execution_of(
    info: workflow.WorkflowExecutionInfo, namespace: str, converter: DataConverter
) -> WorkflowExecution:
    """A row of a list, read."""
    return WorkflowExecution(**_execution_fields(info, namespace, converter))


@dataclass
class WorkflowExecutionDescription(WorkflowExecution):
    """A run as `WorkflowHandle.describe` shows it."""

    raw_description: ws.DescribeWorkflowExecutionResponse

    async def static_summary(self) -> str | None:
        """The one-line summary given at its start, if any."""
        return await self._told("summary")

    async def static_details(self) -> str | None:
        """The longer text given at its start, if any."""
        return await self._told("details")

    async def _told(self, name: str) -> str | None:
        metadata = self.raw_description.execution_config.user_metadata
        if not metadata.HasField(name):  # type: ignore[arg-type]
            return None
        return await first_value(self.data_converter, [getattr(metadata, name)], str)


def description_of(
    answer: ws.DescribeWorkflowExecutionResponse, namespace: str, converter: DataConverter
) -> WorkflowExecutionDescription:
    """An answer to a describe, read."""
    fields = _execution_fields(answer.workflow_execution_info, namespace, converter)
    fields["task_queue"] = answer.execution_config.task_queue.name or fields["task_queue"]
    return WorkflowExecutionDescription(**fields, raw_description=answer)


@dataclass
class WorkflowExecutionCountAggregationGroup:
    """How many have these values, in the order of the query's GROUP BY."""

    count: int
    group_values: Sequence[Any]


@dataclass
class WorkflowExecutionCount:
    """How many workflows match; ``groups`` is empty unless the query says GROUP BY."""

    count: int
    groups: Sequence[WorkflowExecutionCountAggregationGroup]


def count_of(answer: ws.CountWorkflowExecutionsResponse) -> WorkflowExecutionCount:
    """An answer to a count, read."""
    return WorkflowExecutionCount(
        answer.count,
        [
            WorkflowExecutionCountAggregationGroup(group.count, group_values(group.group_values))
            for group in answer.groups
        ],
    )


def group_values(encoded: Sequence[common.Payload]) -> Sequence[Any]:
    """Values of search attributes as a group has them: bare, or a list where the attribute is one."""
    return [_group_value(raw) for raw in encoded]


def _group_value(raw: common.Payload) -> Any:
    values = decode_search_attributes(common.SearchAttributes(indexed_fields={"_": raw}))["_"]
    return values[0] if len(values) == 1 else list(values)


class WorkflowExecutionAsyncIterator(Pages[WorkflowExecution]):
    """The workflows that match a query."""

    def __init__(self, client: ClientCore, input: ListWorkflowsInput) -> None:
        super().__init__(input.page_size, input.next_page_token, input.limit)
        self._client = client
        self._input = input

    async def _fetch(
        self, page_size: int | None, token: bytes | None
    ) -> tuple[Sequence[WorkflowExecution], bytes | None]:
        answer = await self._client._call(
            "ListWorkflowExecutions",
            ws.ListWorkflowExecutionsRequest(
                namespace=self._client.namespace,
                page_size=page_size or 0,
                next_page_token=token or b"",
                query=self._input.query or "",
            ),
            ws.ListWorkflowExecutionsResponse,
            self._input,
        )
        converter = self._client.data_converter
        rows = [execution_of(row, self._client.namespace, converter) for row in answer.executions]
        return rows, answer.next_page_token

    async def map_histories(
        self,
        *,
        event_filter_type: WorkflowHistoryEventFilterType = WorkflowHistoryEventFilterType.ALL_EVENT,
        skip_archival: bool = False,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> AsyncIterator[WorkflowHistory]:
        """The history of each, fetched one after the other."""
        from tenuto.client.workflow import WorkflowHandle

        async for row in self:
            handle = WorkflowHandle[Any, Any](self._client, row.id, run_id=row.run_id)
            yield await handle.fetch_history(
                event_filter_type=event_filter_type,
                skip_archival=skip_archival,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
            )
