"""Lists and counts of activities on their own: what visibility knows of their runs, filtered by their own attributes."""

import json
from typing import Any

from tenuto.engine.standalone_state import PREFIX, RUN_TYPE, TYPE_NAME
from tenuto.engine.standalone_view import INTERNAL, PAUSES, STATUSES, closed_status
from tenuto.service import filters, list_pages
from tenuto.service.attributes import PREDEFINED, SYSTEM
from tenuto.service.call import Call
from tenuto.service.core import Core, nanoseconds, timestamp
from tenuto.service.errors import invalid
from tenuto.service.visibility import ungrouped
from tenuto.store.spi import VisibilityCursor, VisibilityFilter, VisibilityRow
from tenuto.wire import activity, timestamp_pb2, workflow
from tenuto.wire import workflowservice as ws

ACTIVITY_ID, STATUS = "ActivityId", "ExecutionStatus"
TIMES = frozenset({"StartTime", "ExecutionTime", "CloseTime"})
PAUSED = 7
NAMES = frozenset(STATUSES.values())
Terms = list[list[filters.Comparison]]
"""Groups of which one must hold as a whole."""


class Listed:
    """One run as lists know it."""

    __slots__ = ("info", "row")

    def __init__(self, row: VisibilityRow) -> None:
        self.row = row
        self.info = workflow.WorkflowExecutionInfo.FromString(row.info)

    @property
    def activity_id(self) -> str:
        return self.row.workflow_id.removeprefix(PREFIX)

    @property
    def status(self) -> int:
        paused = self.row.close_at is None and PAUSES in self.info.search_attributes.indexed_fields
        return PAUSED if paused else closed_status(self.row.status)

    def value(self, name: str) -> Any:
        """A search attribute's value; None when there is none. Times in nanoseconds."""
        row = self.row
        match name:
            case "ActivityId":
                return self.activity_id
            case "RunId":
                return row.run_id
            case "ExecutionStatus":
                return STATUSES[self.status]
            case "TaskQueue":
                return row.task_queue
            case "StartTime":
                return row.start_at
            case "ExecutionTime":
                return row.execution_at
            case "CloseTime":
                return row.close_at
            case "ExecutionDuration":
                return None if row.close_at is None else nanoseconds(self.info.execution_duration)
        fields = self.info.search_attributes.indexed_fields
        return json.loads(fields[name].data) if name in fields else None

    def fits(self, group: list[filters.Comparison]) -> bool:
        return all(filters.holds(term, self.value(term.name)) for term in group)

    def entry(self) -> activity.ActivityExecutionListInfo:
        row = self.row
        made = activity.ActivityExecutionListInfo(
            activity_id=self.activity_id,
            run_id=row.run_id,
            schedule_time=timestamp(row.start_at),
            execution_time=timestamp(row.execution_at),
            status=self.status,  # type: ignore[arg-type]
            task_queue=row.task_queue,
        )
        made.activity_type.name = self.value(TYPE_NAME) or ""
        made.search_attributes.SetInParent()
        for key, payload in self.info.search_attributes.indexed_fields.items():
            if key not in INTERNAL:
                made.search_attributes.indexed_fields[key].CopyFrom(payload)
        if row.close_at is not None:
            made.close_time.CopyFrom(timestamp(row.close_at))
            made.execution_duration.CopyFrom(self.info.execution_duration)
            made.state_transition_count = self.info.state_transition_count
            made.state_size_bytes = self.info.history_size_bytes
        return made


class StandaloneLists:
    """Calls about all activities on their own of a namespace."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def list_activity_executions(
        self, request: ws.ListActivityExecutionsRequest, call: Call
    ) -> ws.ListActivityExecutionsResponse:
        terms = _terms(request.query, call)
        size = min(request.page_size, list_pages.PAGE) if request.page_size > 0 else list_pages.PAGE
        after = list_pages.begin(request.next_page_token)
        found = await self._find(call, terms, after, size + 1)
        response = ws.ListActivityExecutionsResponse(executions=[one.entry() for one in found[:size]])
        if len(found) > size:
            response.next_page_token = list_pages.token_after(found[size - 1].row)
        return response

    async def count_activity_executions(
        self, request: ws.CountActivityExecutionsRequest, call: Call
    ) -> ws.CountActivityExecutionsResponse:
        query, grouped = ungrouped(request.query)
        terms = _terms(query, call)
        if terms == [[]] and not grouped:
            count = await self._core.shards.count_runs(_wanted(call, terms))
            return ws.CountActivityExecutionsResponse(count=count)
        found = await self._find(call, terms, None, None)
        response = ws.CountActivityExecutionsResponse(count=len(found))
        if grouped:
            names = sorted(STATUSES[one.status] for one in found)
            for name in dict.fromkeys(names):
                group = response.groups.add(count=names.count(name))
                value = group.group_values.add(data=json.dumps(name).encode())
                value.metadata["encoding"], value.metadata["type"] = b"json/plain", b"Keyword"
        return response

    async def _find(
        self,
        call: Call,
        terms: Terms,
        after: VisibilityCursor | None,
        limit: int | None,
    ) -> list[Listed]:
        def fits(one: Listed) -> bool:
            return any(one.fits(group) for group in terms)

        return await list_pages.search(self._core, _wanted(call, terms), Listed, fits, after, limit)


def _wanted(call: Call, terms: Terms) -> VisibilityFilter:
    only = terms[0] if len(terms) == 1 else []
    exact = {term.name: term.values[0] for term in only if term.operator == "="}
    activity_id = exact.get(ACTIVITY_ID)
    return VisibilityFilter(
        call.namespace.id,
        workflow_id=PREFIX + activity_id if activity_id is not None else None,
        run_id=exact.get("RunId"),
        workflow_type=RUN_TYPE,
    )


def _terms(query: str, call: Call) -> Terms:
    return [_checked(group, call) for group in filters.alternatives(query)]


def _checked(group: list[filters.Comparison], call: Call) -> list[filters.Comparison]:
    made = []
    for term in group:
        name = term.name
        known = name in (ACTIVITY_ID, TYPE_NAME) or name in SYSTEM or name in PREDEFINED
        if not known and name not in call.namespace.attributes:
            invalid(f"invalid query: invalid search attribute: {name}")
        if name == STATUS:
            _check_status(term)
        made.append(_in_nanoseconds(term) if name in TIMES else term)
    return made


def _check_status(term: filters.Comparison) -> None:
    if not term.quoted:
        text = f"invalid value type for search attribute {STATUS} of type Keyword: {term.values[0]}"
        invalid(f"invalid query: invalid expression: {text}")
    for value in term.values:
        if value not in NAMES:
            invalid(f"invalid query: invalid expression: invalid ExecutionStatus value {value!r}")


def _in_nanoseconds(term: filters.Comparison) -> filters.Comparison:
    made = []
    for value in term.values:
        at = timestamp_pb2.Timestamp()
        try:
            at.FromJsonString(value)
        except ValueError:
            text = f"invalid value for search attribute {term.name} of type Datetime: {value!r}"
            invalid(f"invalid query: invalid expression: {text}")
        made.append(str(nanoseconds(at)))
    return filters.Comparison(term.name, term.operator, tuple(made), term.quoted)
