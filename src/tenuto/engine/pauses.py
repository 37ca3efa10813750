"""What lists show of pauses: a search attribute that names each paused activity type, and the paused workflow itself.

It follows from the state alone, so apply rules keep it up to date. This room must never decide anything.
"""

import json

from tenuto.engine.draft import RunDraft
from tenuto.wire import common

PAUSES = "TemporalPauseInfo"


def show(rd: RunDraft) -> None:
    """Bring the attribute in line with what is paused now; a run in which nothing is paused has none."""
    types = sorted({a.activity_type for a in rd.activities.values() if a.paused is not None})
    entries = [f"property:activityType={name}" for name in types]
    if rd.run.paused is not None:
        entries += [f"Workflow:{rd.draft.workflow_id}", f"Reason:{rd.run.paused.reason}"]
    if not entries and PAUSES not in rd.terms.search_attributes:
        return
    terms = rd.edit_terms()
    terms.search_attributes = dict(terms.search_attributes)
    if entries:
        payload = common.Payload(data=json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode())
        payload.metadata["encoding"], payload.metadata["type"] = b"json/plain", b"KeywordList"
        terms.search_attributes[PAUSES] = payload.SerializeToString(deterministic=True)
    else:
        del terms.search_attributes[PAUSES]
    rd.visible = True
