"""What a workflow writes about itself: markers, memo and search attributes (execution-semantics 2.2)."""

from collections.abc import Mapping

from tenuto.engine import events as ev
from tenuto.engine.context import CommandFailed, Completion
from tenuto.engine.draft import RunDraft
from tenuto.wire import command as wire_command
from tenuto.wire import common, enums_failed, history

Cause = enums_failed.WorkflowTaskFailedCause


def record_marker(task: Completion, command: wire_command.Command) -> None:
    """RECORD_MARKER."""
    wanted = command.record_marker_command_attributes
    bad = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_RECORD_MARKER_ATTRIBUTES
    if not wanted.marker_name:
        raise CommandFailed(bad, "MarkerName is not set on RecordMarkerCommand.")
    length, limit = len(wanted.marker_name.encode()), task.limits.id_bytes
    if length > limit:
        raise CommandFailed(
            bad,
            f"MarkerName on RecordMarkerCommand exceeds length limit. MarkerName={wanted.marker_name} "
            f"Length={length} Limit={limit}",
        )
    attributes = history.MarkerRecordedEventAttributes(
        marker_name=wanted.marker_name,
        workflow_task_completed_event_id=task.completed_id,
        details=wanted.details,
    )
    if attributes.ByteSize() > task.limits.blob_bytes and _size(wanted.details) > task.limits.blob_bytes:
        raise CommandFailed(bad, "RecordMarkerCommandAttributes.Details exceeds size limit.", terminate=True)
    if wanted.HasField("header"):
        attributes.header.CopyFrom(wanted.header)
    if wanted.HasField("failure"):
        attributes.failure.CopyFrom(wanted.failure)
    task.rd.emit(ev.MARKER_RECORDED, attributes, command=command)


def _size(details: Mapping[str, common.Payloads]) -> int:
    return sum(payloads.ByteSize() for payloads in details.values())


def upsert(task: Completion, command: wire_command.Command) -> None:
    """UPSERT_WORKFLOW_SEARCH_ATTRIBUTES. The service has checked names and types and added the types' metadata."""
    wanted = command.upsert_workflow_search_attributes_command_attributes.search_attributes
    bad = Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES
    if not command.upsert_workflow_search_attributes_command_attributes.HasField("search_attributes"):
        raise CommandFailed(bad, "SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand.")
    if not wanted.indexed_fields:
        raise CommandFailed(bad, "IndexedFields is not set on UpsertWorkflowSearchAttributesCommand.")
    merged = _merged(task.rd.terms.search_attributes, wanted.indexed_fields)
    if sum(len(key) + len(value) for key, value in merged.items()) > task.limits.search_attribute_total_bytes:
        raise CommandFailed(bad, "search attributes size exceeds limit", terminate=True)
    task.rd.emit(
        ev.ATTRIBUTES_UPSERTED,
        history.UpsertWorkflowSearchAttributesEventAttributes(
            workflow_task_completed_event_id=task.completed_id, search_attributes=wanted
        ),
        command=command,
    )


def modify_properties(task: Completion, command: wire_command.Command) -> None:
    """MODIFY_WORKFLOW_PROPERTIES: the memo."""
    wanted = command.modify_workflow_properties_command_attributes
    if not wanted.upserted_memo.fields:
        raise CommandFailed(
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES,
            "UpsertedMemo is not set on ModifyWorkflowPropertiesCommand."
            if not wanted.HasField("upserted_memo")
            else "UpsertedMemo.Fields is not set on ModifyWorkflowPropertiesCommand.",
        )
    merged = _merged(task.rd.terms.memo, wanted.upserted_memo.fields)
    if sum(len(key) + len(value) for key, value in merged.items()) > task.limits.memo_bytes:
        raise CommandFailed(
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES,
            "ModifyWorkflowPropertiesCommandAttributes exceeds size limit.",
            terminate=True,
        )
    task.rd.emit(
        ev.PROPERTIES_MODIFIED,
        history.WorkflowPropertiesModifiedEventAttributes(
            workflow_task_completed_event_id=task.completed_id, upserted_memo=wanted.upserted_memo
        ),
        command=command,
    )


def _merged(old: dict[str, bytes], new: object) -> dict[str, bytes]:
    """Upserted values over the old ones; a deletion removes its key."""
    result = dict(old)
    fields: dict[str, common.Payload] = new  # type: ignore[assignment]
    for key, payload in fields.items():
        if ev.is_deletion(payload):
            result.pop(key, None)
        else:
            result[key] = payload.SerializeToString()
    return result


def applied_upserted(rd: RunDraft, event: history.HistoryEvent) -> None:
    wanted = event.upsert_workflow_search_attributes_event_attributes.search_attributes
    terms = rd.edit_terms()
    terms.search_attributes = _merged(terms.search_attributes, wanted.indexed_fields)
    rd.visible = True


def applied_modified(rd: RunDraft, event: history.HistoryEvent) -> None:
    wanted = event.workflow_properties_modified_event_attributes.upserted_memo
    terms = rd.edit_terms()
    terms.memo = _merged(terms.memo, wanted.fields)
    rd.visible = True


def applied_marker(rd: RunDraft, event: history.HistoryEvent) -> None:
    """A marker changes nothing but history."""


APPLY = {
    ev.MARKER_RECORDED: applied_marker,
    ev.ATTRIBUTES_UPSERTED: applied_upserted,
    ev.PROPERTIES_MODIFIED: applied_modified,
}
