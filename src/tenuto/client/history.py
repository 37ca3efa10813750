"""A workflow's history: fetched event by event, held as a whole, read from and written to JSON.

This file must never judge what the events mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from tenuto.client.paging import Pages
from tenuto.wire import common, history
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore
    from tenuto.client.inputs import FetchWorkflowHistoryEventsInput


class WorkflowHistoryEventFilterType(IntEnum):
    """Which events to fetch."""

    ALL_EVENT = 1
    CLOSE_EVENT = 2
    """Only the last one, once the run is closed."""


@dataclass(frozen=True)
class WorkflowHistory:
    """One run's events, from the first on."""

    workflow_id: str
    events: Sequence[history.HistoryEvent]

    @property
    def run_id(self) -> str:
        """Run id of this history. Raises RuntimeError when it does not begin with the start of a run."""
        if not self.events:
            raise RuntimeError("No events in the history")
        first = self.events[0]
        if not first.HasField("workflow_execution_started_event_attributes"):
            raise RuntimeError("The first event is not the start of a workflow")
        return first.workflow_execution_started_event_attributes.original_execution_run_id

    @staticmethod
    def from_json(workflow_id: str, history: str | dict[str, Any]) -> WorkflowHistory:
        """Read what `to_json`, the command line or the web interface wrote, in any of their spellings.

        Raises ValueError when it is not a history.
        """
        return WorkflowHistory(
            workflow_id, _events(json.loads(history) if isinstance(history, str) else history)
        )

    def to_json(self) -> str:
        """The history as JSON text, as `from_json` and the command line read it."""
        return json_format.MessageToJson(history.History(events=self.events))

    def to_json_dict(self) -> dict[str, Any]:
        """Like `to_json`, before it becomes text."""
        return json_format.MessageToDict(history.History(events=self.events))


def _events(parsed: Any) -> Sequence[history.HistoryEvent]:
    if isinstance(parsed, list):
        parsed = {"events": parsed}
    if not isinstance(parsed, dict):
        raise ValueError("a history is a JSON object with a list of events")
    if "history" in parsed and "events" not in parsed:
        parsed = parsed["history"]
    spelled = _respelled(history.History.DESCRIPTOR, parsed)
    try:
        return json_format.ParseDict(spelled, history.History(), ignore_unknown_fields=True).events
    except json_format.ParseError as error:
        raise ValueError(f"not a history: {error}") from error


def _respelled(kind: Descriptor, value: Any) -> Any:
    """``value`` with every enum name in the protocol's own spelling, whichever it came in."""
    if not isinstance(value, dict) or kind.full_name.startswith("google.protobuf."):
        return value
    fields = _fields(kind)
    return {
        key: _respelled_field(fields[key], item) if key in fields and item is not None else item
        for key, item in value.items()
    }


def _respelled_field(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        item = field.message_type.fields_by_name["value"]
        return (
            {key: _respelled_field(item, one) for key, one in value.items()}
            if isinstance(value, dict)
            else value
        )
    if isinstance(value, list):
        return [_respelled_one(field, one) for one in value]
    return _respelled_one(field, value)


def _respelled_one(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None:
        return _spellings(field.enum_type).get(_bare(value), value) if isinstance(value, str) else value
    if field.message_type is not None:
        return _respelled(field.message_type, value)
    return value


@cache
def _fields(kind: Descriptor) -> Mapping[str, FieldDescriptor]:
    return {name: field for field in kind.fields for name in (field.name, cast("Any", field).json_name)}


def _bare(name: str) -> str:
    return name.replace("_", "").lower()


@cache
def _spellings(kind: EnumDescriptor) -> Mapping[str, str]:
    """Names as ``EVENT_TYPE_TIMER_FIRED``, ``TimerFired`` or ``timer_fired``, all to the first."""
    names = [value.name for value in kind.values]
    zero = next((value.name for value in kind.values if value.number == 0), "")
    prefix = zero.removesuffix("UNSPECIFIED") if zero.endswith("UNSPECIFIED") else ""
    short = {_bare(name.removeprefix(prefix)): name for name in names}
    return {**short, **{_bare(name): name for name in names}}


class WorkflowHistoryEventAsyncIterator(Pages[history.HistoryEvent]):
    """The events of a run; with ``wait_new_event`` it goes on until the run is closed."""

    def __init__(self, client: ClientCore, input: FetchWorkflowHistoryEventsInput) -> None:
        super().__init__(input.page_size, input.next_page_token)
        self._client = client
        self._input = input

    async def _fetch(
        self, page_size: int | None, token: bytes | None
    ) -> tuple[Sequence[history.HistoryEvent], bytes | None]:
        asked = self._input
        answer = await self._client._call(
            "GetWorkflowExecutionHistory",
            ws.GetWorkflowExecutionHistoryRequest(
                namespace=self._client.namespace,
                execution=common.WorkflowExecution(workflow_id=asked.id, run_id=asked.run_id or ""),
                maximum_page_size=page_size or 0,
                next_page_token=token or b"",
                wait_new_event=asked.wait_new_event,
                history_event_filter_type=cast("Any", int(asked.event_filter_type)),
                skip_archival=asked.skip_archival,
            ),
            ws.GetWorkflowExecutionHistoryResponse,
            asked,
        )
        return answer.history.events, answer.next_page_token


async def whole(workflow_id: str, events: WorkflowHistoryEventAsyncIterator) -> WorkflowHistory:
    """All of them."""
    return WorkflowHistory(workflow_id, [event async for event in events])
