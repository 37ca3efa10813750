"""What a schedule is: a chain without workflow tasks, and beside it the parts that are kept here.

The parts lie in one table of the run, by name: ``plan`` what its user wants, ``progress`` how far it is, ``carry`` what
the last workflow left behind, ``b/<n>`` a start that waits, ``f/<n>`` a backfill, ``a/<n>`` an action taken. Numbers are
padded, so that names sort as they came. Nothing here decides anything.
"""

from typing import Any

import msgspec

from tenuto.wire import workflowservice as ws

PREFIX = "temporal-sys-scheduler:"
"""A schedule's chain has this before the schedule's id as its workflow id."""
WORKFLOW_TYPE = "temporal-sys-scheduler-workflow"
TASK_QUEUE = "temporal-sys-per-ns-tq"
DIVISION_NAME, DIVISION = "TemporalNamespaceDivision", "TemporalScheduler"
"""The search attribute that keeps schedules apart from users' workflows, and its value."""
LIST_INFO = "ScheduleInfo"
"""Key in the memo under which lists find what they show."""
PAUSED = "TemporalSchedulePaused"
INTERNAL = frozenset({PAUSED, DIVISION_NAME, "BuildIds"})
"""Search attributes of a schedule's chain that are not the user's."""
ALARM = "schedule"
"""Key of the timer that wakes a schedule."""
PLAN, PROGRESS, CARRY = "plan", "progress", "carry"

SKIP, BUFFER_ONE, BUFFER_ALL, CANCEL_OTHER, TERMINATE_OTHER, ALLOW_ALL = 1, 2, 3, 4, 5, 6
"""Values of ScheduleOverlapPolicy."""


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """Part ``plan``; written when the schedule is made and updated."""

    schedule: bytes
    """Serialized Schedule as descriptions show it, without its state."""
    spec: bytes
    """Serialized canonical ScheduleSpec."""
    start: bytes
    """Serialized StartWorkflowExecutionRequest, all but what differs between starts; empty: there is nothing to start."""
    overlap: int
    catchup_ns: int
    pause_on_failure: bool


class Progress(msgspec.Struct, array_like=True):
    """Part ``progress``; written with every decision that changes something."""

    created_at: int
    last_at: int
    """Times up to this instant have been looked at."""
    updated_at: int = 0
    token: int = 1
    """The conflict token: changes with whatever changes the schedule's definition or state."""
    notes: str = ""
    paused: bool = False
    limited: bool = False
    remaining: int = 0
    sequence: int = 0
    """Number of the last part made."""
    actions: int = 0
    missed: int = 0
    skipped: int = 0
    dropped: int = 0
    wake_at: int = 0
    """When the schedule must look again; 0: only when somebody asks."""


class Carry(msgspec.Struct, frozen=True, array_like=True):
    """Part ``carry``: what the next workflow learns of those before."""

    result: bytes = b""
    """Serialized Payloads."""
    failure: bytes = b""
    """Serialized Failure."""


class Waiting(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A start that waits. Part ``b/<n>``."""

    nominal_at: int
    at: int
    overlap: int
    """0: whatever the schedule says when it is looked at."""
    manual: bool


class Backfill(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A stretch of time to make up for. Part ``f/<n>``. Times up to ``after_at`` are done with."""

    after_at: int
    until_at: int
    overlap: int


class Action(msgspec.Struct, array_like=True):
    """A workflow asked for. Part ``a/<n>``; kept while it runs, or is among the last."""

    number: int
    at: int
    workflow_id: str
    tracked: bool
    """The next one may depend on its end."""
    started_at: int = 0
    """When its start was answered; 0: not yet."""
    run_id: str = ""
    """Its first run."""
    status: int = 1
    """WorkflowExecutionStatus."""
    ending: int = 0
    """CANCEL_OTHER or TERMINATE_OTHER once it was asked to end so."""

    @property
    def running(self) -> bool:
        return self.tracked and self.status == 1


class ScheduledStart(msgspec.Struct, frozen=True, array_like=True):
    """What a message that starts a workflow carries. ``request``: a serialized StartWorkflowExecutionRequest."""

    request: bytes


class ScheduledEnd(msgspec.Struct, frozen=True, array_like=True):
    """What the messages carry that ask a workflow to end."""

    identity: str


class ScheduledClose(msgspec.Struct, frozen=True, array_like=True):
    """What the message carries that tells of a workflow's end. ``event``: its serialized close event."""

    first_run_id: str
    event: bytes


Part = Plan | Progress | Carry | Waiting | Backfill | Action

_KINDS: dict[str, type] = {
    PLAN: Plan,
    PROGRESS: Progress,
    CARRY: Carry,
    "b": Waiting,
    "f": Backfill,
    "a": Action,
}
_DECODERS: dict[str, Any] = {letter: msgspec.msgpack.Decoder(kind).decode for letter, kind in _KINDS.items()}


def decode(name: str, raw: bytes) -> Part:
    """A part from its bytes."""
    part: Part = _DECODERS[name.partition("/")[0]](raw)
    return part


def part_name(letter: str, number: int) -> str:
    return f"{letter}/{number:012}"


def identity(namespace: str, workflow_id: str) -> str:
    """Who starts and ends workflows on behalf of the schedule with that chain."""
    return f"temporal-scheduler-{namespace}-{workflow_id.removeprefix(PREFIX)}"


def template(plan: Plan) -> ws.StartWorkflowExecutionRequest | None:
    return ws.StartWorkflowExecutionRequest.FromString(plan.start) if plan.start else None
