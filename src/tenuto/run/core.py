"""The state of one run that its machines share, and the few things each of them does with it.

Machines (timers, activities, children ...) ask for commands and are told of events; they leave resolutions in ``jobs``, to
be delivered in the next round. This file must never decide what an event means.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from tenuto.converter.context import ActivitySerializationContext, WorkflowSerializationContext
from tenuto.run.conversion import Conversion
from tenuto.run.ledger import Asked, Ledger
from tenuto.run.loop import RunLoop
from tenuto.run.seed import seed_of
from tenuto.wire import command, common
from tenuto.workflow.errors import ReadOnlyContextError
from tenuto.workflow.event_groups import EventGroup, Inbound
from tenuto.workflow.facts import TaskFacts

if TYPE_CHECKING:
    from tenuto.run.activity import ActivityMachine
    from tenuto.run.ledger import Machine
    from tenuto.run.local_activity import LocalActivityMachine, Marker
    from tenuto.run.types import LocalActivityStart, RunOptions
    from tenuto.wire import duration_pb2, history
    from tenuto.workflow.enums import VersioningIntent
    from tenuto.workflow.facts import Info
    from tenuto.workflow.interception import WorkflowInboundInterceptor, WorkflowOutboundInterceptor

SECOND = 1_000_000_000
Groups = Sequence[EventGroup | Inbound]

# The core's flags and this language's, as they are numbered in history.
CHECK_IDS = 1
UPSERT_ON_PATCH = 2
TERMINAL_LAST = 3
CORE_FLAGS = (CHECK_IDS, UPSERT_ON_PATCH, TERMINAL_LAST)
RAISE_ON_CANCELLED_DONE_ACTIVITY = 1
SINGLE_BATCH = 2
"""Signals and updates do not run ahead of the other jobs of their workflow task: all are given, then the code runs."""


class Evicted(BaseException):
    """The run is being taken down: no code of it may ask for anything any more."""


class Interrupted(BaseException):
    """Raised inside workflow code by whoever drives the run, to get out of it. The workflow task has failed."""


class Routed(Protocol):
    """A machine that later events belong to."""

    def on_event(self, event: history.HistoryEvent) -> None: ...


class Core(Conversion):
    """Everything that is one run's, its converters too. Instants in ns since the epoch."""

    def __init__(self, options: RunOptions) -> None:
        super().__init__(options.payload_converter, options.failure_converter)
        self.options = options
        free = options.context_free
        self._context_free = (
            Conversion(free.payload_converter, free.failure_converter) if free is not None else None
        )
        self.ledger = Ledger()
        self.loop = RunLoop(self)
        self.by_event: dict[int, Routed] = {}
        self.jobs: deque[Callable[[], None]] = deque()
        self.counters: dict[str, int] = {}
        self.now_ns = 0
        self.replaying = False
        self.in_query = False
        self.read_only = ""
        self.evicted = False
        self.unguarded = 0
        self.started: history.WorkflowExecutionStartedEventAttributes
        self.make_info: Callable[[], Info]
        self._info: Info | None = None
        self.task = TaskFacts()
        self.seed_text = options.run_id
        self._seed: int | None = None
        self._rng: Random | None = None
        self.core_flags: set[int] = set()
        self.lang_flags: set[int] = set()
        self.new_lang_flags: list[int] = []
        self.single_batch = False
        self.recorded_core_flags = False
        self.cancel_requested = False
        self.cancel_reason: str | None = None
        self.inbound: WorkflowInboundInterceptor
        self.outbound: WorkflowOutboundInterceptor
        self.instance: Any = None
        # local activities
        self.locals: dict[int, LocalActivityMachine] = {}
        self.markers: dict[int, Marker] = {}
        self.local_starts: list[LocalActivityStart] = []
        self.local_jobs: deque[Callable[[], None]] = deque()
        """Resolutions of local activities, behind all other jobs."""
        self.local_cancels: list[int] = []
        self.unsent_steps = False
        self.activation_index = 0
        # patches
        self.patched: dict[str, bool] = {}
        self.patch_ids: set[str] = set()
        self.notified_patches: set[str] = set()
        self.activities: dict[int, ActivityMachine] = {}

    def let_go(self) -> None:
        """Cut the circles in which a run holds itself: it is freed at once then, without waiting for the collector."""
        self.ledger.clear()
        for name in ("inbound", "outbound", "make_info"):
            vars(self).pop(name, None)
        vars(self.loop).pop("tenuto_runtime", None)

    # ---- what most runs never ask for is made when it is asked for -----------------------------------------------------

    @property
    def info(self) -> Info:
        if self._info is None:
            self._info = self.make_info()
        return self._info

    @property
    def seed(self) -> int:
        if self._seed is None:
            self._seed = seed_of(self.seed_text)
        return self._seed

    @property
    def rng(self) -> Random:
        if self._rng is None:
            self._rng = Random(self.seed)
        return self._rng

    def reseed(self, seed: int) -> None:
        self._seed = seed
        self.rng.seed(seed)

    def use_flag(self, flag: int) -> bool:
        """Whether an optional behaviour holds in this workflow task: what history says, and for new runs the worker."""
        if flag in self.lang_flags:
            return True
        if self.replaying or flag not in self.options.lang_flags:
            return False
        self.lang_flags.add(flag)
        self.new_lang_flags.append(flag)
        return True

    # ---- time -------------------------------------------------------------------------------------------------------

    def seconds(self) -> float:
        return self.now_ns / 1e9

    def start_timer(self, seconds: float, handle: asyncio.TimerHandle) -> None:
        if self.evicted:
            return  # it never fires
        from tenuto.run.timer import start

        start(self, seconds, handle)

    def cancel_timer(self, handle: asyncio.TimerHandle) -> None:
        from tenuto.run.timer import cancel

        cancel(self, handle)

    # ---- asking -----------------------------------------------------------------------------------------------------

    def check(self, doing: str) -> None:
        """Raises where nothing may be asked for: in a query or validator, and while the run is taken down."""
        if self.evicted:
            raise Evicted
        if self.read_only:
            raise ReadOnlyContextError(
                f"While in read-only function, action attempted: {doing} (in {self.read_only})"
            )

    def check_task(self) -> None:
        """Raises where no task may be begun: it would outlive the query or the validator, and no replay would know of it."""
        if self.read_only and not self.evicted:
            self.check("schedule task")

    def check_wait(self, doing: str) -> None:
        """`check` for what waits. While the run is taken down that waits for good instead of raising: code that swallows
        whatever ends it and begins anew is then at rest, where a raise would have it spin."""
        if not self.evicted:
            self.check(doing)

    def next(self, kind: str) -> int:
        """The next number of this kind, from 1."""
        number = self.counters.get(kind, 0) + 1
        self.counters[kind] = number
        return number

    def ask(
        self,
        event_type: int,
        machine: Machine,
        command_type: int,
        fill: Callable[[command.Command], object],
        groups: Groups = (),
    ) -> Asked:
        """Ask for a command. ``fill`` writes its attributes, at once, and only when they will be sent. ``groups`` are those
        of the place in the code where it, or what it cancels, was asked for."""
        made = None
        if not self.replaying:
            made = command.Command(command_type=command_type)  # type: ignore[arg-type]
            fill(made)
            if groups:
                mark(made, groups)
        return self.ledger.ask(event_type, machine, made)

    def seen(self, flag: int) -> bool:
        """Whether code may behave as this flag of the core says: always when live, as history says on replay."""
        return not self.replaying or flag in self.core_flags

    # ---- data -------------------------------------------------------------------------------------------------------

    def for_activity(self, activity_id: str, name: str, task_queue: str, *, local: bool) -> Conversion:
        """The converters for the values of one of its activities."""
        if self._context_free is None:
            return self
        return self._context_free.within(
            ActivitySerializationContext(
                namespace=self.options.namespace,
                activity_id=activity_id,
                activity_type=name,
                activity_task_queue=task_queue,
                workflow_id=self.options.workflow_id,
                workflow_type=self.info.workflow_type,
                is_local=local,
            )
        )

    def for_workflow(self, workflow_id: str, namespace: str | None = None) -> Conversion:
        """The converters for the values of another workflow."""
        if self._context_free is None:
            return self
        return self._context_free.within(
            WorkflowSerializationContext(
                namespace=namespace or self.options.namespace, workflow_id=workflow_id
            )
        )


def set_duration(field: duration_pb2.Duration, value: Any) -> None:
    """Write a timedelta, or seconds, if there is one."""
    if value is None:
        return
    if isinstance(value, int | float):
        field.FromNanoseconds(round(value * SECOND))
    else:
        field.FromTimedelta(value)


def mark(made: command.Command, groups: Groups) -> None:
    """Write the groups of a command. Their labels are in the plain form, whatever the converter of the run."""
    from tenuto.converter import PayloadConverter

    for group in groups:
        marker = made.event_group_markers.add()
        if isinstance(group, Inbound):
            if group.event_id:
                marker.inbound_event.inbound_event_id = group.event_id
            else:
                marker.inbound_update.inbound_update_id = group.update_id
            continue
        marker.label.id = group.id
        if group.label is not None:
            marker.label.label.CopyFrom(PayloadConverter.default.to_payloads([group.label])[0])


def same_build(core: Core, intent: VersioningIntent | None, queue: str) -> bool:
    """Whether a worker of this run's build is to take it, where builds have sets: by default on its own queue."""
    if intent is None:
        return not queue or queue == core.options.task_queue
    return intent.value == 1


def set_headers(header: common.Header, headers: Mapping[str, common.Payload]) -> None:
    """Write headers, if there are any."""
    for name, payload in headers.items():
        header.fields[name].CopyFrom(payload)
