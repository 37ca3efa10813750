"""What a workflow writes about itself: markers, search attributes, memo."""

import pytest

from tenuto.limits import LIMITS
from tenuto.wire import command as wire_command
from tenuto.wire import common
from tests.engine.activities import boom
from tests.engine.support import World, payloads
from tests.engine.words import begun, last, marker, misstep, remember, said, upsert, values


def kept(world: World, name: str) -> dict[str, bytes]:
    assert world.chain is not None
    fields = getattr(world.chain.current.terms, name)
    return {key: common.Payload.FromString(raw).data for key, raw in fields.items() if key != "BuildIds"}


def test_a_marker_is_kept_as_given() -> None:
    made = marker()
    wanted = made.record_marker_command_attributes
    wanted.details["d"].CopyFrom(payloads())
    wanted.failure.CopyFrom(boom())
    wanted.header.fields["h"].data = b"1"
    world = begun()
    world.step(made)
    event = said(last(world))
    assert (event.marker_name, event.details["d"], event.failure, event.header) == (
        "m",
        payloads(),
        wanted.failure,
        wanted.header,
    )


def test_search_attributes_are_merged_and_deleted_by_empty_values() -> None:
    world = begun(search_attributes=common.SearchAttributes(indexed_fields=values(a=b"1", b=b"2", c=b"3")))
    world.step(upsert(a=b"9", b=b"null", c=b"[]", d=b"4"))
    assert kept(world, "search_attributes") == {"a": b"9", "d": b"4"}
    assert set(said(last(world)).search_attributes.indexed_fields) == {"a", "b", "c", "d"}


def test_the_memo_is_merged_and_deleted_by_empty_values() -> None:
    world = begun(memo=common.Memo(fields=values(a=b"1", b=b"2")))
    world.step(remember(a=b"null", c=b"3"))
    assert kept(world, "memo") == {"b": b"2", "c": b"3"}
    assert world.names()[-1] == "WORKFLOW_PROPERTIES_MODIFIED"


def unnamed() -> wire_command.Command:
    made = remember()
    made.modify_workflow_properties_command_attributes.ClearField("upserted_memo")
    made.modify_workflow_properties_command_attributes.SetInParent()
    return made


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (marker(""), "BadRecordMarkerAttributes: MarkerName is not set on RecordMarkerCommand."),
        (
            marker("x" * 1001),
            "BadRecordMarkerAttributes: MarkerName on RecordMarkerCommand exceeds length limit. MarkerName="
            + "x" * 1001
            + " Length=1001 Limit=1000",
        ),
        (
            upsert(),
            "BadSearchAttributes: SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand.",
        ),
        (
            remember(),
            "BadModifyWorkflowPropertiesAttributes: UpsertedMemo.Fields is not set on ModifyWorkflowPropertiesCommand.",
        ),
        (
            unnamed(),
            "BadModifyWorkflowPropertiesAttributes: UpsertedMemo is not set on ModifyWorkflowPropertiesCommand.",
        ),
    ],
)
def test_what_is_missing_fails_the_task(made: wire_command.Command, text: str) -> None:
    assert misstep(begun(), made).message == text


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (
            remember(m=b"x" * LIMITS.memo_bytes),
            "BadModifyWorkflowPropertiesAttributes: ModifyWorkflowPropertiesCommandAttributes exceeds size limit.",
        ),
        (
            upsert(k=b"x" * LIMITS.search_attribute_total_bytes),
            "BadSearchAttributes: search attributes size exceeds limit",
        ),
    ],
)
def test_what_can_never_fit_ends_the_workflow(made: wire_command.Command, text: str) -> None:
    world = begun()
    assert misstep(world, made).message == text
    assert (world.names()[-1], said(last(world)).reason) == ("WF_TERMINATED", text)
