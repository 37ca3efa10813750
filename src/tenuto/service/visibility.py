"""Lists and counts of workflow executions, for plain filters.

A query is empty or a conjunction of equalities on WorkflowId, RunId, WorkflowType and ExecutionStatus (also ``IN``);
a count may be grouped by ExecutionStatus. Anything beyond that is refused with the text clients know for a query that
cannot be understood.
"""

import re
from dataclasses import replace
from typing import Any, Literal

from msgspec.structs import replace as with_changes

from tenuto.engine.schedule_state import DIVISION as SCHEDULER
from tenuto.engine.schedule_state import DIVISION_NAME
from tenuto.engine.schedule_state import WORKFLOW_TYPE as SCHEDULE_TYPE
from tenuto.engine.standalone_state import RUN_TYPE as ACTIVITY_TYPE
from tenuto.service import filters, list_pages
from tenuto.service.attributes import PREDEFINED, SYSTEM
from tenuto.service.call import Call
from tenuto.service.core import Core, nanoseconds
from tenuto.service.errors import invalid
from tenuto.store.spi import VisibilityCursor, VisibilityFilter, VisibilityRow
from tenuto.wire import enums_workflow, workflow
from tenuto.wire import workflowservice as ws

PAGE = 1000
Status = enums_workflow.WorkflowExecutionStatus
STATUSES = {
    "Running": 1,
    "Completed": 2,
    "Failed": 3,
    "Canceled": 4,
    "Terminated": 5,
    "ContinuedAsNew": 6,
    "TimedOut": 7,
    "Paused": 8,
}
_NUMBERS = {str(number): number for number in STATUSES.values()}
COLUMNS = frozenset({"WorkflowId", "RunId", "WorkflowType", "ExecutionStatus"})
"""What lists can be filtered by."""
CLOSED = (2, 3, 4, 5, 6, 7)
HIDDEN = (SCHEDULE_TYPE, ACTIVITY_TYPE)
"""Types of runs that are no workflows of users."""
_GROUP = re.compile(r"(?:^|\s)group\s+by\s+`?(\w+)`?\s*\Z", re.IGNORECASE)


def ungrouped(query: str) -> tuple[str, bool]:
    """A count's query without its ``GROUP BY``, and whether it had one."""
    match = _GROUP.search(query)
    if match is None:
        return query, False
    if match[1] != "ExecutionStatus":
        invalid(
            "invalid query: operation is not supported: 'GROUP BY' clause is only supported for ExecutionStatus"
        )
    return query[: match.start()], True


def parsed(query: str, namespace_id: str, custom: Any) -> VisibilityFilter:
    """The filter a query means. Raises INVALID_ARGUMENT."""
    found: dict[str, tuple[str, ...]] = {}
    for term in filters.conjunction(query):
        name = term.name
        if name == DIVISION_NAME and term.operator == "=" and term.values == (SCHEDULER,):
            name, term = "WorkflowType", replace(term, values=(SCHEDULE_TYPE,))
        if name not in COLUMNS:
            if name in SYSTEM or name in PREDEFINED or name in custom:
                filters.unsupported(f"filter on {name}")
            invalid(f"invalid query: invalid search attribute: {name}")
        if not term.quoted and name != "ExecutionStatus":
            text = f"invalid value type for search attribute {name} of type Keyword: {term.values[0]}"
            invalid(f"invalid query: invalid expression: {text}")
        if term.operator not in ("=", "in"):
            filters.unsupported(f"operator '{term.operator}' for {name}")
        if name in found or (name != "ExecutionStatus" and len(term.values) != 1):
            filters.unsupported(f"several values of {name}")
        found[name] = term.values
    statuses = tuple(_status(value) for value in found.get("ExecutionStatus", ()))
    return VisibilityFilter(
        namespace_id,
        workflow_id=_only(found, "WorkflowId"),
        run_id=_only(found, "RunId"),
        workflow_type=_only(found, "WorkflowType"),
        statuses=statuses,
    )


def _only(found: dict[str, tuple[str, ...]], name: str) -> str | None:
    values = found.get(name)
    return values[0] if values else None


def _status(value: str) -> int:
    number = STATUSES.get(value) or _NUMBERS.get(value, 0)
    if not number:
        invalid(f"invalid query: invalid expression: invalid ExecutionStatus value {value!r}")
    return number


class Visibility:
    """Lists and counts."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def list_workflow_executions(
        self, request: ws.ListWorkflowExecutionsRequest, call: Call
    ) -> ws.ListWorkflowExecutionsResponse:
        wanted = parsed(request.query, call.namespace.id, call.namespace.attributes)
        response = ws.ListWorkflowExecutionsResponse()
        await self._fill(wanted, request, response)
        return response

    async def scan_workflow_executions(
        self, request: ws.ScanWorkflowExecutionsRequest, call: Call
    ) -> ws.ScanWorkflowExecutionsResponse:
        wanted = parsed(request.query, call.namespace.id, call.namespace.attributes)
        response = ws.ScanWorkflowExecutionsResponse()
        await self._fill(wanted, request, response)
        return response

    async def list_open_workflow_executions(
        self, request: ws.ListOpenWorkflowExecutionsRequest, call: Call
    ) -> ws.ListOpenWorkflowExecutionsResponse:
        first, last = _range(request)
        wanted = VisibilityFilter(
            call.namespace.id,
            workflow_id=request.execution_filter.workflow_id or None,
            run_id=request.execution_filter.run_id or None,
            workflow_type=request.type_filter.name or None,
            statuses=(1, 8),
            start_from=first,
            start_to=last,
        )
        response = ws.ListOpenWorkflowExecutionsResponse()
        await self._fill(wanted, request, response, request.maximum_page_size)
        return response

    async def list_closed_workflow_executions(
        self, request: ws.ListClosedWorkflowExecutionsRequest, call: Call
    ) -> ws.ListClosedWorkflowExecutionsResponse:
        first, last = _range(request)
        status = request.status_filter.status
        if request.HasField("status_filter") and status not in CLOSED:
            invalid("StatusFilter must be specified and must be not Running.")
        wanted = VisibilityFilter(
            call.namespace.id,
            workflow_id=request.execution_filter.workflow_id or None,
            run_id=request.execution_filter.run_id or None,
            workflow_type=request.type_filter.name or None,
            statuses=(status,) if status else CLOSED,
            close_from=first,
            close_to=last,
        )
        response = ws.ListClosedWorkflowExecutionsResponse()
        await self._fill(wanted, request, response, request.maximum_page_size)
        return response

    async def count_workflow_executions(
        self, request: ws.CountWorkflowExecutionsRequest, call: Call
    ) -> ws.CountWorkflowExecutionsResponse:
        text, grouped = ungrouped(request.query)
        wanted = parsed(text, call.namespace.id, call.namespace.attributes)
        if not grouped:
            return ws.CountWorkflowExecutionsResponse(count=await self._count(wanted))
        response = ws.CountWorkflowExecutionsResponse()
        for name, status in STATUSES.items():
            if wanted.statuses and status not in wanted.statuses:
                continue
            count = await self._count(with_changes(wanted, statuses=(status,)))
            if count:
                group = response.groups.add(count=count)
                value = group.group_values.add(data=f'"{name}"'.encode())
                value.metadata["encoding"], value.metadata["type"] = b"json/plain", b"Keyword"
                response.count += count
        return response

    async def _count(self, wanted: VisibilityFilter) -> int:
        """What is hidden is counted only when it is asked for."""
        count = await self._core.shards.count_runs(wanted)
        if count and wanted.workflow_type is None:
            for hidden in HIDDEN:
                count -= await self._core.shards.count_runs(with_changes(wanted, workflow_type=hidden))
        return count

    async def _rows(
        self, wanted: VisibilityFilter, after: VisibilityCursor | None, limit: int
    ) -> list[VisibilityRow]:
        """``limit`` rows, if there are as many. What is hidden shows only when it is asked for."""
        found: list[VisibilityRow] = []
        while True:
            rows = await self._core.shards.list_runs(wanted, after, limit)
            found += [
                row for row in rows if wanted.workflow_type is not None or row.workflow_type not in HIDDEN
            ]
            if len(rows) < limit or len(found) >= limit:
                return found[:limit]
            after = VisibilityCursor(rows[-1].close_at, rows[-1].start_at, rows[-1].run_id)

    async def _fill(
        self, wanted: VisibilityFilter, request: Any, response: Any, size: int | None = None
    ) -> None:
        limit = request.page_size if size is None else size
        limit = min(limit, PAGE) if limit > 0 else PAGE
        after = list_pages.begin(request.next_page_token)
        rows = await self._rows(wanted, after, limit + 1)
        for row in rows[:limit]:
            response.executions.append(shown(row))
        if len(rows) > limit:
            response.next_page_token = list_pages.token_after(rows[limit - 1])


_AT_CLOSE: tuple[Literal["history_length", "history_size_bytes", "state_transition_count"], ...] = (
    "history_length",
    "history_size_bytes",
    "state_transition_count",
)
"""What lists tell of closed runs only."""


def shown(row: VisibilityRow) -> workflow.WorkflowExecutionInfo:
    """A row as lists show it; the length of an open run's history is not told."""
    info = workflow.WorkflowExecutionInfo.FromString(row.info)
    if row.close_at is None:
        for field in _AT_CLOSE:
            info.ClearField(field)
    return info


def _range(request: Any) -> tuple[int | None, int | None]:
    if not request.HasField("start_time_filter"):
        return None, None
    times = request.start_time_filter
    first = nanoseconds(times.earliest_time) if times.HasField("earliest_time") else None
    last = nanoseconds(times.latest_time) if times.HasField("latest_time") else None
    if first is not None and last is not None and first > last:
        invalid("EarliestTime in StartTimeFilter should not be larger than LatestTime.")
    return first, last
