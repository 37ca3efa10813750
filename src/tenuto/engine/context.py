"""What every rule needs before its own: finding the run a request names, and the frame of a worker's completion.

Nothing here changes state.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tenuto.engine.chain import ClosedRun, ParentLink, Run, Terms
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.standalone_state import shown_id
from tenuto.engine.types import Reason, Rejected
from tenuto.limits import LIMITS, Limits
from tenuto.wire import errordetails
from tenuto.wire import workflowservice as ws

COMPLETED_TEXT = "workflow execution already completed"


def not_found(message: str) -> Rejected:
    return Rejected(Reason.NOT_FOUND, message, errordetails.NotFoundFailure())


def invalid(message: str) -> Rejected:
    return Rejected(Reason.INVALID, message)


def no_such_activity(draft: Draft) -> Rejected | None:
    """What callers hear of an activity on its own that is not there (any more); None: the chain is a workflow's."""
    activity_id = shown_id(draft.workflow_id)
    return not_found(f"activity not found for ID: {activity_id}") if activity_id is not None else None


def no_such_chain(draft: Draft) -> Rejected:
    return no_such_activity(draft) or not_found(f"workflow not found for ID: {draft.workflow_id}")


def no_such_run(draft: Draft, run_id: str) -> Rejected:
    return no_such_activity(draft) or not_found(
        f'workflow execution not found for workflow ID "{draft.workflow_id}" and run ID "{run_id}"'
    )


@dataclass(slots=True)
class Found:
    """The run that a request names. ``rd`` is None when it is a closed run that is no longer current."""

    run: Run
    terms: Terms
    rd: RunDraft | None
    record: ClosedRun | None


def find_run(draft: Draft, run_id: str, first_run_id: str = "") -> Found:
    """The run named by ``run_id`` (empty: the current one; with ``first_run_id``: the current one of that chain of runs).
    Raises NOT_FOUND with the reference's texts (execution-semantics 0.2, 5.8)."""
    if run_id and run_id in draft.closed and not first_run_id:
        record = draft.closed[run_id]
        return Found(record.run, record.terms, None, record)
    if draft.chain is None or draft.run.run.delete_at_close:
        raise no_such_chain(draft) if not run_id or first_run_id else no_such_run(draft, run_id)
    rd = draft.run
    if first_run_id:
        if rd.terms.first_run_id != first_run_id:
            raise not_found("workflow execution not found")
        return Found(rd.run, rd.terms, rd, None)
    if not run_id or run_id == rd.run.run_id:
        return Found(rd.run, rd.terms, rd, None)
    raise no_such_run(draft, run_id)


def open_run(draft: Draft, run_id: str, first_run_id: str = "") -> RunDraft:
    """The named run, which must be open. Raises NOT_FOUND."""
    found = find_run(draft, run_id, first_run_id)
    if found.rd is None or not found.rd.run.open:
        raise no_such_activity(draft) or not_found(COMPLETED_TEXT)
    return found.rd


def is_child_of(rd: RunDraft, parent: ParentLink) -> bool:
    """The run's parent is exactly that run of that workflow."""
    own = rd.terms.parent
    return own is not None and (own.workflow_id, own.run_id) == (parent.workflow_id, parent.run_id)


class CommandFailed(Exception):
    """A worker's command is wrong: the whole completion is void and the workflow task fails with ``cause``
    (execution-semantics 2.1). ``terminate``: the run is closed too, because the command can never fit."""

    def __init__(self, cause: int, detail: str = "", terminate: bool = False) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail
        self.terminate = terminate


@dataclass(slots=True)
class Completion:
    """The frame in which the commands of one workflow task completion run."""

    rd: RunDraft
    message: ws.RespondWorkflowTaskCompletedRequest
    completed_id: int
    """Event id of this completion's WFT_COMPLETED."""
    buffered_before: bool
    """Events were buffered when the commands began; CANCEL_TIMER may clear it."""
    limits: Limits = LIMITS
    needs_task: bool = False
    """A new workflow task must follow, whatever else happens."""
    eager: list[int] = field(default_factory=list)
    """Scheduled ids of activities to start at once for the caller."""
    messages: dict[str, Any] = field(default_factory=dict)
    """Protocol messages of this completion by id, until a command or the end consumes them."""
    initiated_children: set[str] = field(default_factory=set)
    """Workflow ids of children initiated by this completion."""
    endpoints: dict[str, str] = field(default_factory=dict)
    """Nexus endpoints that the commands name and that exist: name -> id."""

    @property
    def draft(self) -> Draft:
        return self.rd.draft


CommandRule = Callable[[Completion, Any], None]
"""Executes one command: may emit events, or raise `CommandFailed`."""

DecideRule = Callable[[Draft, Any], None]
"""Decides one request: sets ``draft.reply``, or raises `Rejected`."""

ApplyRule = Callable[[RunDraft, Any], None]
"""Applies one event to state. Must not fail, must not emit."""
