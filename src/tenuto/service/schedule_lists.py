"""Lists and counts of schedules: what visibility knows of their chains, filtered by the schedules' own attributes."""

import json
from typing import Any

from tenuto.engine.schedule_state import INTERNAL, LIST_INFO, PAUSED, PREFIX, WORKFLOW_TYPE
from tenuto.service import filters, list_pages
from tenuto.service.attributes import PREDEFINED, SYSTEM
from tenuto.service.call import Call
from tenuto.service.core import Core, nanoseconds
from tenuto.service.errors import invalid
from tenuto.store.spi import VisibilityCursor, VisibilityFilter, VisibilityRow
from tenuto.wire import schedule, workflow
from tenuto.wire import workflowservice as ws

SCHEDULE_ID = "ScheduleId"
RUNNING = (1,)


class Listed:
    """One schedule as lists know it."""

    __slots__ = ("info", "row")

    def __init__(self, row: VisibilityRow) -> None:
        self.row = row
        self.info = workflow.WorkflowExecutionInfo.FromString(row.info)

    @property
    def schedule_id(self) -> str:
        return self.row.workflow_id.removeprefix(PREFIX)

    def value(self, name: str) -> Any:
        """A search attribute's value; None when there is none."""
        if name == SCHEDULE_ID:
            return self.schedule_id
        fields = self.info.search_attributes.indexed_fields
        return json.loads(fields[name].data) if name in fields else None

    def entry(self, now: int) -> schedule.ScheduleListEntry:
        """How it is shown; a schedule that rests has times in its list that are over."""
        made = schedule.ScheduleListEntry(schedule_id=self.schedule_id)
        made.memo.SetInParent()
        for key, payload in self.info.memo.fields.items():
            if key == LIST_INFO:
                made.info.ParseFromString(payload.data)
                ahead = [at for at in made.info.future_action_times if nanoseconds(at) > now]
                del made.info.future_action_times[:]
                made.info.future_action_times.extend(ahead)
            else:
                made.memo.fields[key].CopyFrom(payload)
        for key, payload in self.info.search_attributes.indexed_fields.items():
            if key not in INTERNAL:
                made.search_attributes.indexed_fields[key].CopyFrom(payload)
        return made


class ScheduleLists:
    """Calls about all schedules of a namespace."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def list_schedules(self, request: ws.ListSchedulesRequest, call: Call) -> ws.ListSchedulesResponse:
        terms = _terms(request.query, call)
        size = request.maximum_page_size
        size = min(size, list_pages.PAGE) if size > 0 else list_pages.PAGE
        after = list_pages.begin(request.next_page_token)
        found = await self._find(call, terms, after, size + 1)
        now = self._core.clock.now()
        response = ws.ListSchedulesResponse(schedules=[one.entry(now) for one in found[:size]])
        if len(found) > size:
            response.next_page_token = list_pages.token_after(found[size - 1].row)
        return response

    async def count_schedules(
        self, request: ws.CountSchedulesRequest, call: Call
    ) -> ws.CountSchedulesResponse:
        terms = _terms(request.query, call)
        if not terms:
            return ws.CountSchedulesResponse(count=await self._core.shards.count_runs(_wanted(call)))
        return ws.CountSchedulesResponse(count=len(await self._find(call, terms, None, None)))

    async def _find(
        self,
        call: Call,
        terms: list[filters.Comparison],
        after: VisibilityCursor | None,
        limit: int | None,
    ) -> list[Listed]:
        def fits(one: Listed) -> bool:
            return all(filters.holds(term, one.value(term.name)) for term in terms)

        return await list_pages.search(self._core, _wanted(call), Listed, fits, after, limit)


def _wanted(call: Call) -> VisibilityFilter:
    return VisibilityFilter(call.namespace.id, workflow_type=WORKFLOW_TYPE, statuses=RUNNING)


def _terms(query: str, call: Call) -> list[filters.Comparison]:
    terms = filters.conjunction(query)
    for term in terms:
        if term.name in (SCHEDULE_ID, PAUSED) or term.name in call.namespace.attributes:
            continue
        if term.name in SYSTEM or term.name in PREDEFINED:
            invalid(f'invalid query filter for schedules: cannot filter on "{term.name}"')
        invalid(f"invalid query: invalid search attribute: {term.name}")
    return terms
