"""The vocabulary between the engine and its host: requests, replies, refusals, notices.

A request carries the wire message that asked for it, already validated and with its defaults filled in by the service, and
never more than the engine may know: time, randomness and ids come in with the `Stamp`. Nothing here may import a clock,
a store or a network.
"""

import enum
from typing import Any

import msgspec

from tenuto.engine.chain import Activity, ParentLink, RootLink
from tenuto.engine.refusal import MemberStatus as MemberStatus
from tenuto.engine.refusal import Reason as Reason
from tenuto.engine.refusal import Rejected as Rejected
from tenuto.wire import (
    common,
    failure,
    history,
    protocol,
    query,
    update,
)
from tenuto.wire import (
    workflowservice as ws,
)


class Namespace(msgspec.Struct, frozen=True):
    """What the engine may know of the namespace of a chain."""

    id: str
    name: str
    retention_ns: int
    pause_enabled: bool = False


class Stamp(msgspec.Struct, frozen=True):
    """Time, randomness and ids of one request."""

    now: int
    seed: bytes
    """16 bytes; every id the decision needs is derived from it."""
    task_id: int
    """First ``task_id`` that this decision's events may use; strictly increasing over a shard's life."""
    namespace: Namespace


# ---- addressing -----------------------------------------------------------------------------------------------


class TaskToken(msgspec.Struct, frozen=True):
    """Names one started workflow task."""

    run_id: str
    scheduled_id: int
    started_id: int
    started_at: int
    attempt: int
    recorded_id: int = 0
    """Last event written for the task, if it was kept after its completion was."""


class ActivityToken(msgspec.Struct, frozen=True):
    """Names one started activity attempt, or, by id (``attempt=0``), whatever attempt is current."""

    run_id: str
    scheduled_id: int = 0
    activity_id: str = ""
    attempt: int = 0
    started_at: int = 0

    @property
    def by_id(self) -> bool:
        return self.attempt == 0


# ---- requests of clients --------------------------------------------------------------------------------------


class Start(msgspec.Struct, frozen=True):
    message: ws.StartWorkflowExecutionRequest
    parent: ParentLink | None = None
    root: RootLink | None = None
    run_id: str = ""
    scheduled_by: ParentLink | None = None


class SignalWithStart(msgspec.Struct, frozen=True):
    message: ws.SignalWithStartWorkflowExecutionRequest
    run_id: str = ""


class UpdateWithStart(msgspec.Struct, frozen=True):
    start: ws.StartWorkflowExecutionRequest
    update: ws.UpdateWorkflowExecutionRequest
    run_id: str = ""


class Signal(msgspec.Struct, frozen=True):
    message: ws.SignalWorkflowExecutionRequest
    run_id: str = ""
    source: common.WorkflowExecution | None = None
    """The workflow that signals, when one does."""
    child_of: ParentLink | None = None
    """Only a child of exactly this parent run may be signalled (child_workflow_only)."""


class RequestCancel(msgspec.Struct, frozen=True):
    message: ws.RequestCancelWorkflowExecutionRequest
    run_id: str = ""
    source: common.WorkflowExecution | None = None
    source_initiated_id: int = 0
    child_of: ParentLink | None = None


class Terminate(msgspec.Struct, frozen=True):
    message: ws.TerminateWorkflowExecutionRequest
    run_id: str = ""
    child_of: ParentLink | None = None


class Delete(msgspec.Struct, frozen=True):
    run_id: str = ""


class Reset(msgspec.Struct, frozen=True):
    """``events`` are the base run's, 1..end, loaded before; ``followers`` those of the runs that followed it."""

    message: ws.ResetWorkflowExecutionRequest
    run_id: str = ""
    events: tuple[history.HistoryEvent, ...] = ()
    followers: tuple[tuple[str, tuple[history.HistoryEvent, ...]], ...] = ()


class Update(msgspec.Struct, frozen=True):
    message: ws.UpdateWorkflowExecutionRequest
    run_id: str = ""


class AskUpdate(msgspec.Struct, frozen=True):
    """Where does this update stand? A read."""

    update_id: str
    run_id: str = ""
    first_run_id: str = ""


class Query(msgspec.Struct, frozen=True):
    message: ws.QueryWorkflowRequest
    query_id: str
    run_id: str = ""
    deadline_at: int = 0


class DropQuery(msgspec.Struct, frozen=True):
    """The caller of a buffered query is gone."""

    query_id: str
    run_id: str = ""


class Describe(msgspec.Struct, frozen=True):
    run_id: str = ""


class AskHistory(msgspec.Struct, frozen=True):
    """Run id, next event id, whether it runs, and the virtual tail. A read."""

    run_id: str = ""


class UpdateOptions(msgspec.Struct, frozen=True):
    message: ws.UpdateWorkflowExecutionOptionsRequest
    run_id: str = ""


class PauseRun(msgspec.Struct, frozen=True):
    message: ws.PauseWorkflowExecutionRequest
    run_id: str = ""


class UnpauseRun(msgspec.Struct, frozen=True):
    message: ws.UnpauseWorkflowExecutionRequest
    run_id: str = ""


class OperateActivities(msgspec.Struct, frozen=True):
    """Pause, unpause, reset, or update the options of pending activities; ``message`` says which."""

    message: (
        ws.PauseActivityRequest
        | ws.UnpauseActivityRequest
        | ws.ResetActivityRequest
        | ws.UpdateActivityOptionsRequest
    )
    run_id: str = ""


class ResetSticky(msgspec.Struct, frozen=True):
    run_id: str = ""


class CreateSchedule(msgspec.Struct, frozen=True):
    """``message`` with its spec in canonical form and its defaults; ``template``: what each start has in common."""

    message: ws.CreateScheduleRequest
    template: ws.StartWorkflowExecutionRequest | None


class UpdateSchedule(msgspec.Struct, frozen=True):
    """As `CreateSchedule`."""

    message: ws.UpdateScheduleRequest
    template: ws.StartWorkflowExecutionRequest | None


class PatchSchedule(msgspec.Struct, frozen=True):
    message: ws.PatchScheduleRequest


class DeleteSchedule(msgspec.Struct, frozen=True):
    message: ws.DeleteScheduleRequest


class DescribeSchedule(msgspec.Struct, frozen=True):
    """A read."""


class MatchingTimes(msgspec.Struct, frozen=True):
    """When would the schedule act? A read: instants after ``from_at`` up to ``until_at``."""

    from_at: int
    until_at: int


# ---- requests of workers --------------------------------------------------------------------------------------


class StartWorkflowTask(msgspec.Struct, frozen=True):
    run_id: str
    scheduled_id: int
    attempt: int
    stamp: int
    queue: str
    """Name of the queue the poller waits on."""
    sticky: bool
    identity: str
    request_id: str
    poll: ws.PollWorkflowTaskQueueRequest | None = None


class CompleteWorkflowTask(msgspec.Struct, frozen=True):
    token: TaskToken
    message: ws.RespondWorkflowTaskCompletedRequest
    refused: dict[int, tuple[int, str, bool]] = msgspec.field(default_factory=dict)
    """Position of a command -> (cause, text, whether the run is closed too), for what only the service can check
    (names, types and sizes of search attributes)."""
    keep: bool = False
    """When nothing else waits for the workflow, its markers shall be written and the task stay with its worker, instead
    of being followed by another."""
    endpoints: dict[str, str] = {}
    """Nexus endpoints that the commands name and that exist: name -> id."""
    only_steps: bool = False
    """``keep``, and there is nothing in the message but markers of steps: the short way may do."""

    @property
    def run_id(self) -> str:
        return self.token.run_id


class FailWorkflowTask(msgspec.Struct, frozen=True):
    token: TaskToken
    message: ws.RespondWorkflowTaskFailedRequest

    @property
    def run_id(self) -> str:
        return self.token.run_id


class StartActivityTask(msgspec.Struct, frozen=True):
    run_id: str
    scheduled_id: int
    attempt: int
    stamp: int
    identity: str
    request_id: str
    poll: ws.PollActivityTaskQueueRequest | None = None


class Heartbeat(msgspec.Struct, frozen=True):
    token: ActivityToken
    details: common.Payloads | None
    identity: str

    @property
    def run_id(self) -> str:
        return self.token.run_id


class LeaveActivityOpen(msgspec.Struct, frozen=True):
    """The attempt's worker is done with it, but it has not ended: who holds the token tells how it ends."""

    token: ActivityToken

    @property
    def run_id(self) -> str:
        return self.token.run_id


class CompleteActivity(msgspec.Struct, frozen=True):
    token: ActivityToken
    result: common.Payloads | None
    identity: str
    worker_version: common.WorkerVersionStamp | None = None

    @property
    def run_id(self) -> str:
        return self.token.run_id


class FailActivity(msgspec.Struct, frozen=True):
    token: ActivityToken
    failure: failure.Failure | None
    identity: str
    last_heartbeat: common.Payloads | None = None
    worker_version: common.WorkerVersionStamp | None = None

    @property
    def run_id(self) -> str:
        return self.token.run_id


class CancelActivity(msgspec.Struct, frozen=True):
    token: ActivityToken
    details: common.Payloads | None
    identity: str
    worker_version: common.WorkerVersionStamp | None = None

    @property
    def run_id(self) -> str:
        return self.token.run_id


# ---- requests of the world ------------------------------------------------------------------------------------


class Tick(msgspec.Struct, frozen=True):
    """The alarm rang: do everything that is due at the stamp's instant. The host's agenda says where to look."""

    activities: tuple[int, ...] = ()
    """Scheduled ids of activities with an instant that has come."""
    timers: tuple[str, ...] = ()
    run_id: str = ""
    nexus: tuple[int, ...] = ()
    """Scheduled ids of Nexus operations with an instant that has come."""


class WorkersLost(msgspec.Struct, frozen=True):
    """Every worker that had begun something before ``before_at`` is gone for good: nobody will report what it began."""

    before_at: int
    run_id: str = ""


class Unclaimed(msgspec.Struct, frozen=True):
    """The answer to the poll that started this task never left: its worker does not know of it."""

    run_id: str
    scheduled_id: int
    request_id: str
    """The poll's."""


class StickyRefused(msgspec.Struct, frozen=True):
    """Nobody polls the sticky queue a workflow task was offered on."""

    run_id: str
    scheduled_id: int
    attempt: int
    stamp: int


class Delivered(msgspec.Struct, frozen=True):
    """The receiver of an `Outgoing` answered. ``refusal`` is None on success."""

    out_id: int
    reply: Any
    refusal: Rejected | None
    run_id: str = ""


class FirstTask(msgspec.Struct, frozen=True):
    """To a child: its parent has recorded its start; schedule the first workflow task (again: no-op)."""

    run_id: str
    parent: ParentLink | None = None
    """Only a child of exactly this parent run is meant; needed when ``run_id`` is empty."""


class ChildClosed(msgspec.Struct, frozen=True):
    """To a parent: a child has closed for good. ``event`` is the child's close event."""

    run_id: str
    initiated_id: int
    child: common.WorkflowExecution
    child_type: str
    event: history.HistoryEvent


class ScheduledClosed(msgspec.Struct, frozen=True):
    """To a schedule: a workflow of its action ``number`` has closed for good. ``event`` is its close event."""

    run_id: str
    number: int
    first_run_id: str
    event: history.HistoryEvent


class ExpireRun(msgspec.Struct, frozen=True):
    """Retention of this closed run is over."""

    run_id: str


# ---- replies --------------------------------------------------------------------------------------------------


class WorkflowTaskHandout(msgspec.Struct):
    """A started workflow task, all but the stored history events ``first_event_id..last_event_id``."""

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    """The normal queue."""
    scheduled_id: int
    started_id: int
    attempt: int
    scheduled_at: int
    started_at: int
    previous_started_id: int
    first_event_id: int
    last_event_id: int
    """Last stored event to send; the virtual ones follow it."""
    virtual: tuple[history.HistoryEvent, ...] = ()
    messages: tuple[protocol.Message, ...] = ()
    queries: dict[str, query.WorkflowQuery] = msgspec.field(default_factory=dict)
    next_event_id: int = 0


class ActivityHandout(msgspec.Struct):
    """A started activity attempt, all but input and header, which the scheduled event holds."""

    workflow_id: str
    run_id: str
    workflow_type: str
    activity: Activity
    heartbeat_details: bytes = b""
    scheduled: history.ActivityTaskScheduledEventAttributes | None = None
    """Set when the event was written by the same decision."""
    standalone: bool = False
    """There is no workflow."""
    start_at: int = 0
    """When the run began."""


class StartReply(msgspec.Struct):
    run_id: str
    first_run_id: str
    started: bool
    status: int
    handout: WorkflowTaskHandout | None = None
    event_type: int = 1
    """What the link of the answer refers to."""
    request_id: str = ""


class SignalReply(msgspec.Struct):
    run_id: str
    request_id: str = ""
    started: bool = False
    first_run_id: str = ""


class TaskCompleted(msgspec.Struct):
    run_id: str
    next_task: WorkflowTaskHandout | None = None
    activities: tuple[ActivityHandout, ...] = ()
    reset_history_event_id: int = 0
    kept: TaskToken | None = None
    """The task is still the worker's, under this token."""


class HeartbeatReply(msgspec.Struct):
    cancel_requested: bool = False
    paused: bool = False
    reset: bool = False


class FailActivityReply(msgspec.Struct):
    failures: tuple[failure.Failure, ...] = ()


class UpdateReply(msgspec.Struct):
    """Where an update stands. ``outcome`` is set at stage COMPLETED; ``error`` when it was aborted."""

    run_id: str
    update_id: str
    stage: int
    outcome: update.Outcome | None = None
    error: Rejected | None = None
    accepted_id: int = 0
    start: StartReply | None = None
    """For update-with-start."""
    completed_id: int = 0
    """Event id of UPDATE_COMPLETED; with stage COMPLETED and no ``outcome``, that event holds the outcome."""


class QueryReply(msgspec.Struct):
    """How a query is to be answered: refused, directly by a worker, or together with the next workflow task."""

    run_id: str
    rejected_status: int = 0
    direct: bool = False
    buffered: bool = False
    task_queue: str = ""
    sticky_queue: str = ""
    sticky_timeout_ns: int = 0
    workflow_type: str = ""
    next_event_id: int = 0
    previous_started_id: int = 0
    open: bool = True


class HistoryReply(msgspec.Struct):
    run_id: str
    next_event_id: int
    open: bool
    close_event_id: int
    virtual: tuple[history.HistoryEvent, ...] = ()


class CancelReply(msgspec.Struct):
    run_id: str


# ---- notices: what waiters beside the reply hear after the commit ---------------------------------------------


class UpdateNotice(msgspec.Struct, frozen=True):
    """An update reached ``stage``, or was aborted with ``error``."""

    run_id: str
    update_id: str
    stage: int
    outcome: update.Outcome | None = None
    error: Rejected | None = None
    accepted_id: int = 0


class QueryNotice(msgspec.Struct, frozen=True):
    """A buffered query was answered (``result``), must be dispatched directly (``direct``), or was dropped (``error``)."""

    query_id: str
    result: query.WorkflowQueryResult | None = None
    direct: bool = False
    error: Rejected | None = None
    facts: QueryReply | None = None
    """With ``direct``: where to ask now, and how far history has come since the query was buffered."""


Notice = UpdateNotice | QueryNotice


# ---- obligations: what the chain owes the world after the commit ----------------------------------------------


class DispatchKind(enum.IntEnum):
    """Values equal the wire's TaskQueueType."""

    WORKFLOW = 1
    ACTIVITY = 2


class Dispatch(msgspec.Struct, frozen=True):
    """A workflow or activity task that must reach a worker."""

    kind: DispatchKind
    run_id: str
    scheduled_id: int
    attempt: int
    stamp: int
    queue: str
    normal_queue: str
    """Non-empty: ``queue`` is sticky and this is the normal one behind it."""
    priority: bytes
    """Serialized Priority."""
    scheduled_at: int
