"""What goes into a run and what comes out of it: values without behaviour.

A worker (or a replayer, a simulator, a debugger) cuts a history into workflow tasks and shows them to a `Run` one by one.
Payloads are decoded (codec, external storage) before they come in, and encoded after they came out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenuto.common import VersioningBehavior

if TYPE_CHECKING:
    from tenuto.common import MetricMeter, WorkerDeploymentVersion
    from tenuto.converter import DataConverter, FailureConverter, PayloadConverter
    from tenuto.wire import command, common, failure, history, protocol
    from tenuto.workflow.definition import Definition
    from tenuto.workflow.interception import WorkflowInboundInterceptor


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a run is made of, the same for every replay of it."""

    definition: Definition
    namespace: str
    task_queue: str
    run_id: str
    payload_converter: PayloadConverter
    failure_converter: FailureConverter
    context_free: DataConverter | None = None
    """The converters before they were told whose values they convert; None: they do not ask."""
    interceptors: Sequence[type[WorkflowInboundInterceptor]] = ()
    """Outermost first."""
    extern_functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    failure_exception_types: Sequence[type[BaseException]] = ()
    default_versioning_behavior: VersioningBehavior = VersioningBehavior.UNSPECIFIED
    eager_activities: bool = True
    """Whether activities on this worker's own queue may be asked for in the answer to a workflow task."""
    metric_meter: MetricMeter | None = None
    on_patch: Callable[[Any], bool] | None = None
    """Asked before a new patch is taken; False: stay on the old path."""
    deployment_version: WorkerDeploymentVersion | None = None
    build_id: str = ""
    workflow_id: str = ""
    lang_flags: frozenset[int] = frozenset()
    """Optional behaviours that runs of this worker begin with, `core.SINGLE_BATCH` for one; history keeps them."""
    sdk_name: str = "tenuto"
    sdk_version: str = ""


@dataclass(slots=True, kw_only=True)
class Activation:
    """One workflow task as a run sees it: the events since the one before, up to and with its start."""

    events: Sequence[history.HistoryEvent]
    following: Sequence[history.HistoryEvent] = ()
    """The next workflow task's events, if it is known: its commands, markers and flags belong to this one's code."""
    replay_until: int = 0
    """Id of the last workflow task's start that was answered before; what comes later is new."""
    last: bool = True
    """Whether these are the newest events there are."""
    messages: Sequence[protocol.Message] = ()
    history_size: int = 0
    continue_as_new_suggested: bool = False


@dataclass(slots=True, kw_only=True)
class LocalActivityStart:
    """A local activity to run now. ``*_ns`` are durations, 0 for none; ``*_at`` instants, both in ns."""

    seq: int
    activity_id: str
    activity_type: str
    args: Sequence[common.Payload]
    headers: Mapping[str, common.Payload]
    attempt: int
    original_schedule_at: int | None
    schedule_to_close_ns: int
    schedule_to_start_ns: int
    start_to_close_ns: int
    retry_policy: common.RetryPolicy
    local_retry_threshold_ns: int
    summary: common.Payload | None = None


@dataclass(slots=True, kw_only=True)
class LocalActivityResult:
    """What became of it: ``result`` (possibly None for a void result), or ``failure``, or also ``backoff_ns``: to be
    tried again by the workflow after a timer. ``attempt`` is the last attempt made; instants in ns."""

    seq: int
    attempt: int
    complete_at: int
    original_schedule_at: int
    result: common.Payload | None = None
    failure: failure.Failure | None = None
    cancelled: bool = False
    backoff_ns: int | None = None


@dataclass(slots=True, kw_only=True)
class TaskFailure:
    """The workflow task cannot be completed. ``cause`` is a `WorkflowTaskFailedCause`."""

    cause: int
    failure: failure.Failure
    error: BaseException | None = None


@dataclass(slots=True, kw_only=True)
class Completion:
    """What a run answers. When ``failure`` is set nothing else counts, and the run must be dropped."""

    commands: list[command.Command] = field(default_factory=list)
    withdrawn: list[command.Command] = field(default_factory=list)
    """Of the commands that earlier completions of this workflow task held, those (the very objects) not to be sent."""
    messages: list[protocol.Message] = field(default_factory=list)
    failure: TaskFailure | None = None
    local_activities: list[LocalActivityStart] = field(default_factory=list)
    cancelled_local_activities: list[int] = field(default_factory=list)
    waits_for_local_activities: bool = False
    """The workflow task is not over: run the local activities and call ``Run.resolve``."""
    record_now: bool = False
    """Complete the workflow task now and ask for the next: what a durable step did must be in history before the next
    step begins, which the next activation's completion asks for, or, should the task go on instead, `Run.recorded`."""
    closed: bool = False
    """A command closes the run: it needs no more activations."""
    core_flags: list[int] = field(default_factory=list)
    """New since this run's last completion."""
    lang_flags: list[int] = field(default_factory=list)
    versioning_behavior: int = 0
    command_sources: list[str] = field(default_factory=list)
    """``file:line`` of the code that asked for each command, when recorded."""


@dataclass(slots=True, kw_only=True)
class QueryAnswer:
    """Either ``result`` or ``failure`` (with ``message``)."""

    result: common.Payload | None = None
    failure: failure.Failure | None = None
    message: str = ""
