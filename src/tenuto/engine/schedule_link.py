"""A workflow's side of schedules: whose it is, and the news of its end. What a schedule makes of that is `schedule`'s."""

from dataclasses import dataclass

from tenuto.engine import parcel
from tenuto.engine.chain import Out, ParentLink
from tenuto.engine.draft import RunDraft
from tenuto.engine.schedule_state import ScheduledClose
from tenuto.wire import history


@dataclass(frozen=True, slots=True)
class Linked:
    """The run was made by a schedule, or follows one that was. A link with a negative number wants no news."""

    link: ParentLink

    def apply(self, rd: RunDraft) -> None:
        rd.edit_terms().scheduled_by = self.link


def report_close(rd: RunDraft, event: history.HistoryEvent) -> None:
    """The run has closed for good: tell the schedule that made it, if it waits for that."""
    link = rd.terms.scheduled_by
    if link is None or link.initiated_id < 0:
        return
    target = (link.namespace_id, link.workflow_id, link.run_id)
    payload = ScheduledClose(rd.terms.first_run_id, event.SerializeToString())
    parcel.owe(rd.draft, Out.SCHEDULED_CLOSED, rd.run.run_id, link.initiated_id, target, payload)
