"""What a chain is: the state every rule reads and only ``apply`` changes.

A chain is all runs under one workflow id. It holds its current run in full; older runs are closed records. Everything here
is plain slotted structs; a protobuf inside state is kept as its serialized bytes. Instants are integer nanoseconds since the
epoch, durations integer nanoseconds, 0 meaning "none". This room must never look at a clock or at storage.

State is saved in parts (see `PARTS`): a transition writes only the parts that it touched.
"""

from typing import Any

import msgspec

from tenuto.engine.nexus_state import CallbackState, NexusOperation
from tenuto.engine.standalone_state import Standalone

NO_EVENT = 0


class ChainId(msgspec.Struct, frozen=True, array_like=True, gc=False):
    namespace_id: str
    workflow_id: str


class Retry(msgspec.Struct, frozen=True, array_like=True):
    """A retry policy with its defaults filled in."""

    initial_ns: int
    coefficient: float
    maximum_ns: int
    maximum_attempts: int
    non_retryable: tuple[str, ...] = ()


class ParentLink(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a child's result goes."""

    namespace: str
    namespace_id: str
    workflow_id: str
    run_id: str
    initiated_id: int


class RootLink(msgspec.Struct, frozen=True, array_like=True, gc=False):
    workflow_id: str
    run_id: str


class Terms(msgspec.Struct, array_like=True):
    """What a run was started with. Part ``terms``; written at the start and when options, memo or attributes change."""

    workflow_type: str
    task_queue: str
    execution_timeout_ns: int
    run_timeout_ns: int
    task_timeout_ns: int
    start_at: int
    execution_at: int
    """start_at plus the first workflow task's backoff."""
    execution_expires_at: int
    """Deadline of the whole chain; 0: none."""
    run_expires_at: int
    """Deadline of this run; 0: none."""
    first_run_id: str
    original_run_id: str
    continued_run_id: str
    create_request_id: str
    initiator: int
    attempt: int
    retry: Retry | None
    cron: str
    parent: ParentLink | None
    root: RootLink | None
    memo: dict[str, bytes]
    """Key -> serialized Payload."""
    search_attributes: dict[str, bytes]
    """Key -> serialized Payload with its ``type`` metadata."""
    priority: bytes = b""
    """Serialized Priority."""
    user_metadata: bytes = b""
    """Serialized UserMetadata of the start request."""
    versioning_override: bytes = b""
    callbacks: tuple[bytes, ...] = ()
    """Serialized Callback messages."""
    last_result: bytes = b""
    """Serialized Payloads of the last completed run of a cron chain."""
    original_start_at: int = 0
    """Start of the first incarnation, for a reset run; 0: this run was not made by a reset."""
    start_attributes: bytes = b""
    """Serialized WorkflowExecutionStartedEventAttributes, kept only for runs that may be retried or repeated by cron."""
    run_timeout_named: bool = False
    """The first event names a run timeout, be it zero; descriptions then do too."""
    was_overridden: bool = False
    """A versioning override was taken away; descriptions show an empty place where it was."""
    execution_timeout_named: bool = False
    """The same of the execution timeout."""
    scheduled_by: ParentLink | None = None
    """The schedule that started this chain of runs; its ``initiated_id`` is the number of the action, negative if nobody
    there waits for the end."""
    callback_states: tuple[CallbackState, ...] = ()
    """How far the delivery of each of ``callbacks`` has come."""
    standalone: Standalone | None = None
    """Set in the chain of an activity on its own."""


NORMAL, SPECULATIVE = 1, 2


class WorkflowTask(msgspec.Struct, array_like=True):
    """The one workflow task a run may have."""

    kind: int
    scheduled_id: int
    attempt: int
    scheduled_at: int
    original_scheduled_at: int
    timeout_ns: int
    queue: str
    """Queue it was scheduled on: sticky or normal."""
    sticky: bool
    written: bool
    """WFT_SCHEDULED stands in history. False: a transient or speculative task with virtual event ids."""
    schedule_to_start_ns: int = 0
    started_id: int = NO_EVENT
    started_at: int = 0
    request_id: str = ""
    identity: str = ""
    stamp: int = 0
    suggest_continue: bool = False
    suggest_reasons: tuple[int, ...] = ()
    history_bytes: int = 0
    """Size told to the worker in WFT_STARTED."""
    worker: bytes = b""
    """Serialized WorkerVersionStamp of the poller."""
    redirected: bool = False
    """Offered on the normal queue although it is a sticky task: nobody listens there."""
    completed_id: int = NO_EVENT
    """WFT_COMPLETED stands in history, and yet the worker goes on: what it still does is written behind it."""
    recorded_id: int = NO_EVENT
    """The last event so written; the worker's token names it."""

    @property
    def started(self) -> bool:
        return self.started_id != NO_EVENT


class Pause(msgspec.Struct, frozen=True, array_like=True):
    at: int
    identity: str
    reason: str
    request_id: str


class Run(msgspec.Struct, array_like=True):
    """The hot state of one run; saved in the chain's header with every transition."""

    run_id: str
    status: int = 1
    next_event_id: int = 1
    history_bytes: int = 0
    transitions: int = 0
    previous_started_id: int = NO_EVENT
    """Started id of the last completed workflow task."""
    task: WorkflowTask | None = None
    task_attempt: int = 1
    """Attempt that the next workflow task gets."""
    problems: int = 0
    """Consecutive workflow task failures and timeouts."""
    sticky_queue: str = ""
    sticky_timeout_ns: int = 0
    backoff_until: int = 0
    """The first workflow task waits until this instant; 0: it does not wait (any more)."""
    awaits_parent: bool = False
    """A child whose parent has not yet recorded its start: no workflow task may be scheduled."""
    cancel_requested: bool = False
    signal_count: int = 0
    update_count: int = 0
    """Updates accepted or completed in this run."""
    request_ids: dict[str, tuple[int, int]] = {}
    """Request id -> (event type, event id); see StartWorkflowExecution's idempotency."""
    close_at: int = 0
    close_event_id: int = NO_EVENT
    new_run_id: str = ""
    reset_run_id: str = ""
    """The run that a reset made from this one."""
    reset_at: int = 0
    paused: Pause | None = None
    buffer_sequence: int = 0
    """Number of the last buffered event of this run."""
    stamp: int = 0
    worker_stamp: bytes = b""
    """Serialized WorkerVersionStamp of the last completed workflow task."""
    stamped: tuple[str, str] | None = None
    """Build id and binary checksum of the last completed workflow task, as reset points and attributes know them."""
    reset_points: tuple[bytes, ...] = ()
    """Serialized ResetPointInfo, oldest first."""
    delete_at_close: bool = False
    speculative_dropped: int = 0
    reset_request_id: str = ""
    """Request id of the reset that made this run: the same reset is not done twice."""
    reset_children: tuple[str, ...] = ()
    """Workflow ids of children whose next start may terminate the one that runs. A reset leaves it empty, as the
    reference service does: such a start fails, and the worker decides."""

    @property
    def open(self) -> bool:
        return self.close_at == 0


class Activity(msgspec.Struct, array_like=True):
    """A pending activity. Part ``activity/<scheduled id>``."""

    scheduled_id: int
    activity_id: str
    activity_type: str
    task_queue: str
    attempt: int
    first_scheduled_at: int
    scheduled_at: int
    """When the current attempt may start; in the future while it waits for a retry."""
    schedule_to_close_ns: int
    schedule_to_start_ns: int
    start_to_close_ns: int
    heartbeat_ns: int
    retry: Retry | None
    stamp: int = 0
    started_at: int = 0
    """0: the current attempt has not started."""
    started_event_id: int = NO_EVENT
    """Only set in histories that hold a real ACTIVITY_TASK_STARTED while the activity is pending."""
    identity: str = ""
    """Worker of the current, or of the last started, attempt."""
    request_id: str = ""
    heartbeat_at: int = 0
    heartbeat_details: bytes = b""
    """Serialized Payloads."""
    last_failure: bytes = b""
    """Serialized Failure of the previous attempt."""
    last_completed_at: int = 0
    """When the previous attempt ended."""
    retry_interval_ns: int = 0
    cancel_request_id: int = NO_EVENT
    """Event id of ACTIVITY_TASK_CANCEL_REQUESTED."""
    paused: Pause | None = None
    reset_requested: bool = False
    reset_heartbeat: bool = False
    keep_paused: bool = False
    priority: bytes = b""
    """Serialized Priority, its own; what goes to a worker is merged with the workflow's."""
    original_options: bytes = b""
    """Serialized ActivityOptions as scheduled, kept once UpdateActivityOptions has changed them."""
    worker_stamp: bytes = b""
    workflow_task_completed_id: int = NO_EVENT
    left_open: bool = False
    """Its worker has returned without a result: somebody else will tell how the current attempt ends."""
    heartbeats: int = 0
    """How many there were, in all attempts."""
    last_started_at: int = 0
    """When the previous attempt began."""

    @property
    def started(self) -> bool:
        return self.started_at != 0

    @property
    def in_hand(self) -> bool:
        """A worker is at it now."""
        return self.started_at != 0 and not self.left_open


class Timer(msgspec.Struct, array_like=True, gc=False):
    """A running timer. Part ``timer/<started id>``; the table's key is the timer id."""

    timer_id: str
    started_id: int
    fire_at: int


class Child(msgspec.Struct, array_like=True):
    """A child that has not closed, as far as this run knows. Part ``child/<initiated id>``."""

    initiated_id: int
    namespace: str
    namespace_id: str
    workflow_id: str
    workflow_type: str
    request_id: str
    parent_close_policy: int
    run_id: str = ""
    """Run id of the child's first run; empty until it started."""
    started_id: int = NO_EVENT
    """Event id of CHILD_WORKFLOW_EXECUTION_STARTED; NO_EVENT while that event is only buffered or has not happened."""
    out_id: int = 0


class External(msgspec.Struct, array_like=True):
    """A signal or cancel request on its way to another chain. Part ``external/<initiated id>``."""

    initiated_id: int
    kind: int
    """EventType of its INITIATED event."""
    namespace: str
    namespace_id: str
    workflow_id: str
    run_id: str
    out_id: int
    signal_name: str = ""
    control: str = ""


class UpdateRecord(msgspec.Struct, array_like=True):
    """An update the run's history knows. Part ``update/<update id>``."""

    update_id: str
    admitted_id: int = NO_EVENT
    """Event id of UPDATE_ADMITTED (made by a reset)."""
    accepted_id: int = NO_EVENT
    completed_id: int = NO_EVENT
    outcome: bytes = b""
    """Serialized Outcome once completed; empty when it is too large to keep and must be read from history."""
    identity: str = ""


class Outgoing(msgspec.Struct, array_like=True):
    """A message this chain owes another chain. Part ``out/<id>``: delivered at least once, dropped when answered."""

    out_id: int
    kind: int
    """One of `Out`."""
    run_id: str
    """Run of this chain that owes it."""
    reference: int
    """Initiated event id (children, externals), else 0."""
    namespace_id: str
    workflow_id: str
    target_run_id: str
    request_id: str
    """Deterministic: the receiver deduplicates by it."""
    payload: bytes = b""
    """Serialized request message, its type given by ``kind``."""


class Out:
    """Kinds of `Outgoing`."""

    START_CHILD = 1
    FIRST_TASK = 2
    SIGNAL = 3
    CANCEL = 4
    CHILD_CLOSED = 5
    PARENT_CLOSED = 6
    SCHEDULED_START = 21
    SCHEDULED_CANCEL = 22
    SCHEDULED_TERMINATE = 23
    SCHEDULED_CLOSED = 24
    NEXUS_START = 7
    NEXUS_CANCEL = 8
    CALLBACK = 9


# ---- facts that live only in memory; they die with the cached chain, and their callers get UNAVAILABLE --------------------


class PendingUpdate(msgspec.Struct):
    """An update that history does not know yet."""

    update_id: str
    request: Any
    """temporal.api.update.v1.Request"""
    admitted_at: int
    sent_with: int = NO_EVENT
    """Started id of the workflow task it was last sent with; NO_EVENT: admitted only."""
    size: int = 0
    aborted: str = ""


class BufferedQuery(msgspec.Struct):
    """A query that waits for a workflow task to carry it."""

    query_id: str
    query: Any
    """temporal.api.query.v1.WorkflowQuery"""


class RunState:
    """One run with all its tables; live objects, changed only by folding a draft."""

    __slots__ = (
        "activities",
        "activity_ids",
        "buffer",
        "children",
        "close_attempted",
        "externals",
        "nexus",
        "pending_updates",
        "queries",
        "run",
        "schedule",
        "signal_ids",
        "terms",
        "timers",
        "updates",
    )

    def __init__(self, run: Run, terms: Terms) -> None:
        self.run = run
        self.terms = terms
        self.activities: dict[int, Activity] = {}
        self.activity_ids: dict[str, int] = {}
        self.timers: dict[str, Timer] = {}
        self.children: dict[int, Child] = {}
        self.externals: dict[int, External] = {}
        self.nexus: dict[int, NexusOperation] = {}
        self.updates: dict[str, UpdateRecord] = {}
        self.signal_ids: dict[str, bool] = {}
        self.buffer: dict[int, bytes] = {}
        self.schedule: dict[str, Any] = {}
        """The parts of a schedule by name (`schedule_state`); workflows have none."""
        # memory only
        self.pending_updates: dict[str, PendingUpdate] = {}
        self.queries: dict[str, BufferedQuery] = {}
        self.close_attempted = False


class Header(msgspec.Struct, array_like=True):
    """What a chain's row holds."""

    run: Run
    out_sequence: int = 0
    flavor: int = 0
    """0: Temporal. Room for Cadence."""


class Chain:
    """A live chain: its current run in full and what it owes others."""

    __slots__ = ("current", "key", "out", "out_sequence")

    def __init__(self, namespace_id: str, workflow_id: str, current: RunState, out_sequence: int = 0) -> None:
        self.key = (namespace_id, workflow_id)
        self.current = current
        self.out: dict[int, Outgoing] = {}
        self.out_sequence = out_sequence


class ClosedRun(msgspec.Struct, array_like=True):
    """The record a run leaves behind."""

    run: Run
    terms: Terms
    updates: list[UpdateRecord] = []
    activities: list[Activity] = []
    children: list[Child] = []
    externals: list[External] = []
    nexus: list[NexusOperation] = []
