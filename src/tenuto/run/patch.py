"""Patches: how code may change while runs of it are alive."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tenuto.run.core import UPSERT_ON_PATCH
from tenuto.wire import enums_command, enums_event
from tenuto.workflow.event_groups import captured

if TYPE_CHECKING:
    from tenuto.run.core import Core
    from tenuto.run.ledger import Asked
    from tenuto.wire import command, history

MARKER_NAME = "core_patch"
CHANGE_VERSION = "TemporalChangeVersion"
_LARGEST_ATTRIBUTE = 2048


def read_marker(attributes: history.MarkerRecordedEventAttributes) -> tuple[str, bool]:
    """Patch id, and whether it is deprecated; in the present layout or the older one."""
    details = attributes.details
    if "patch-data" in details:
        told = json.loads(details["patch-data"].payloads[0].data)
        return told["id"], told["deprecated"]
    deprecated = "deprecated" in details and json.loads(details["deprecated"].payloads[0].data)
    return json.loads(details["patch_id"].payloads[0].data), bool(deprecated)


def is_patch(event: history.HistoryEvent) -> bool:
    """Whether a marker event remembers a patch."""
    return (
        event.event_type == enums_event.EVENT_TYPE_MARKER_RECORDED
        and event.marker_recorded_event_attributes.marker_name == MARKER_NAME
    )


def is_change_version(event: history.HistoryEvent) -> bool:
    """Whether an event is the search attribute that goes with a patch marker."""
    if event.event_type != enums_event.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
        return False
    fields = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
    return CHANGE_VERSION in fields


class _Marker:
    __slots__ = ("patch_id",)

    def __init__(self, patch_id: str) -> None:
        self.patch_id = patch_id

    def describe(self) -> str:
        return f"patch {self.patch_id!r}"

    def recorded(self, event: history.HistoryEvent) -> None:
        pass


class _Upsert:
    __slots__ = ()

    def describe(self) -> str:
        return "the search attribute of a patch"

    def recorded(self, event: history.HistoryEvent) -> None:
        pass


def ask(core: Core, patch_id: str, deprecated: bool) -> None:
    """Remember in history that this patch was taken."""
    if patch_id in core.patch_ids:
        return
    core.patch_ids.add(patch_id)

    def fill(made: command.Command) -> None:
        attributes = made.record_marker_command_attributes
        attributes.marker_name = MARKER_NAME
        payload = attributes.details["patch-data"].payloads.add()
        payload.metadata["encoding"] = b"json/plain"
        told = {"id": patch_id, "deprecated": deprecated}
        payload.data = json.dumps(told, separators=(",", ":")).encode()

    asked = core.ask(
        enums_event.EVENT_TYPE_MARKER_RECORDED,
        _Marker(patch_id),
        enums_command.COMMAND_TYPE_RECORD_MARKER,
        fill,
        captured(),
    )
    asked.patch_id = patch_id
    if core.seen(UPSERT_ON_PATCH) and (not core.replaying or patch_id in core.notified_patches):
        _ask_upsert(core)


def _ask_upsert(core: Core) -> None:
    data = json.dumps(sorted(core.patch_ids), separators=(",", ":")).encode()
    if len(data) >= _LARGEST_ATTRIBUTE:
        return

    def fill(made: command.Command) -> None:
        attributes = made.upsert_workflow_search_attributes_command_attributes.search_attributes
        payload = attributes.indexed_fields[CHANGE_VERSION]
        payload.metadata["encoding"] = b"json/plain"
        payload.metadata["type"] = b"KeywordList"
        payload.data = data

    core.ask(
        enums_event.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        _Upsert(),
        enums_command.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        fill,
        captured(),
    )


def skips(event: history.HistoryEvent, oldest: Asked | None) -> bool:
    """Whether this patch marker may be passed over: deprecated, and the code no longer asks for it."""
    patch_id, deprecated = read_marker(event.marker_recorded_event_attributes)
    return deprecated and (oldest is None or oldest.patch_id != patch_id)
