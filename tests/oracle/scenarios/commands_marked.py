"""What a command says beside its attributes: metadata for people, and the groups its events belong to."""

import time
from typing import Any

from tests.oracle.build import payload
from tests.oracle.commands import (
    activity,
    cancel_activity,
    cancel_external,
    cancel_timer,
    child,
    continue_as_new,
    done,
    marker,
    signal_external,
    timer,
)
from tests.oracle.commands import command as plain
from tests.oracle.registry import scenario
from tests.oracle.session import Session

_MARKERS = [
    {"label": {"id": "g", "label": payload("a group")}},
    {"inbound_event": {"inbound_event_id": 1}},
    {"inbound_update": {"inbound_update_id": "u"}},
]
_METADATA = {"summary": payload("summary"), "details": payload("details")}


def marked(command: dict[str, Any]) -> dict[str, Any]:
    """The command with metadata and event groups."""
    return {**command, "user_metadata": _METADATA, "event_group_markers": _MARKERS}


@scenario
def commands_with_groups(s: Session) -> None:
    s.start()
    upsert = plain("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", search_attributes={"OracleKeyword": "v"})
    modify = plain("MODIFY_WORKFLOW_PROPERTIES", upserted_memo={"m": 1})
    s.step(
        marked(activity(queue=s.tq())),
        marked(timer()),
        marked(timer("kept")),
        marked(cancel_timer()),
        marked(cancel_activity(5)),
        marked(activity("other", queue=s.tq())),
        marked(marker()),
        marked(upsert),
        marked(modify),
        marked(signal_external("missing")),
        marked(cancel_external("missing")),
    )
    time.sleep(1)  # what was sent to strangers has been refused by now
    s.step(marked(cancel_activity(10)), marked(child(s.wid("-child"), s.tq("child"))))
    time.sleep(1)
    s.step(marked(continue_as_new()))
    s.step(marked(done()))


@scenario
def failure_with_groups(s: Session) -> None:
    s.start()
    failure = {"message": "boom", "application_failure_info": {"type": "T"}}
    s.step(marked(plain("FAIL_WORKFLOW_EXECUTION", failure=failure)))


@scenario
def cancellation_with_groups(s: Session) -> None:
    s.start()
    s.step(marked(plain("CANCEL_WORKFLOW_EXECUTION")))
