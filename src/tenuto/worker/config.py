"""What a worker is made of, as a dictionary that plugins may change, and the checks of it.

This file must never start anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from tenuto.common import VersioningBehavior
from tenuto.worker.tuner import FixedSizeSlotSupplier, ResourceBasedSlotSupplier, SlotSupplier, WorkerTuner

if TYPE_CHECKING:
    from tenuto.client import Client
    from tenuto.common import WorkerDeploymentVersion
    from tenuto.worker.interceptor import Interceptor
    from tenuto.worker.plugin import Plugin
    from tenuto.worker.runner import PatchActivationInput, WorkflowRunner
    from tenuto.worker.shared_state import SharedStateManager


@dataclass(frozen=True)
class PollerBehaviorSimpleMaximum:
    """Up to ``maximum`` polls at once, as far as there are slots: at least 2 for workflow tasks, 1 for others."""

    maximum: int = 5


@dataclass(frozen=True)
class PollerBehaviorAutoscaling:
    """As many polls at once as the server's advice makes useful, within bounds, as far as there are slots."""

    minimum: int = 1
    maximum: int = 100
    initial: int = 5
    """How many to begin with, before any advice."""


PollerBehavior: TypeAlias = PollerBehaviorSimpleMaximum | PollerBehaviorAutoscaling


@dataclass(frozen=True)
class WorkerDeploymentConfig:
    """Which deployment version a worker is, and whether the server routes workflows by it."""

    version: WorkerDeploymentVersion
    use_worker_versioning: bool
    default_versioning_behavior: VersioningBehavior = VersioningBehavior.UNSPECIFIED
    """For workflows that declare none; must be UNSPECIFIED without ``use_worker_versioning``."""


class WorkerConfig(TypedDict, total=False):
    """The parameters of `tenuto.worker.Worker`, by name."""

    client: Client
    task_queue: str
    activities: Sequence[Callable[..., Any]]
    nexus_service_handlers: Sequence[Any]
    workflows: Sequence[Any]
    activity_executor: Executor | None
    activity_processes: int
    workflow_task_executor: ThreadPoolExecutor | None
    nexus_task_executor: ThreadPoolExecutor | None
    workflow_runner: WorkflowRunner
    unsandboxed_workflow_runner: WorkflowRunner
    plugins: Sequence[Plugin]
    interceptors: Sequence[Interceptor]
    build_id: str | None
    identity: str | None
    max_cached_workflows: int
    max_concurrent_workflow_tasks: int | None
    max_concurrent_activities: int | None
    max_concurrent_local_activities: int | None
    max_concurrent_nexus_tasks: int | None
    tuner: WorkerTuner | None
    max_concurrent_workflow_task_polls: int | None
    nonsticky_to_sticky_poll_ratio: float
    max_concurrent_activity_task_polls: int | None
    no_remote_activities: bool
    sticky_queue_schedule_to_start_timeout: timedelta
    max_heartbeat_throttle_interval: timedelta
    default_heartbeat_throttle_interval: timedelta
    max_activities_per_second: float | None
    max_task_queue_activities_per_second: float | None
    max_eager_activity_reservations_per_workflow_task: int
    graceful_shutdown_timeout: timedelta
    plugin_shutdown_timeout: timedelta | None
    workflow_failure_exception_types: Sequence[type[BaseException]]
    shared_state_manager: SharedStateManager | None
    debug_mode: bool
    deadlock_timeout: timedelta | None
    disable_eager_activity_execution: bool
    on_fatal_error: Callable[[BaseException], Awaitable[None]] | None
    use_worker_versioning: bool
    disable_safe_workflow_eviction: bool
    deployment_config: WorkerDeploymentConfig | None
    patch_activation_callback: Callable[[PatchActivationInput], bool] | None
    workflow_task_poller_behavior: PollerBehavior
    activity_task_poller_behavior: PollerBehavior
    nexus_task_poller_behavior: PollerBehavior
    disable_payload_error_limit: bool
    max_workflow_task_external_storage_concurrency: int


_NOTHING_REGISTERED = (
    "At least one activity, Nexus service, or workflow must be specified: "
    "pass workflows=[...] (classes with @workflow.defn, functions with @workflow) "
    "or activities=[...] (functions with @activity.defn or @activity)"
)


def check(config: WorkerConfig) -> None:
    """Raises ValueError when the parts of ``config`` do not fit together."""
    if not (config.get("activities") or config.get("nexus_service_handlers") or config.get("workflows")):
        raise ValueError(_NOTHING_REGISTERED)
    _check_versioning(config)
    if config.get("max_workflow_task_external_storage_concurrency", 3) < 1:
        raise ValueError("max_workflow_task_external_storage_concurrency must be positive")
    if config.get("max_eager_activity_reservations_per_workflow_task", 3) < 1:
        raise ValueError(
            "max_eager_activity_reservations_per_workflow_task must be positive; "
            "use disable_eager_activity_execution=True to disable eager activity execution"
        )
    if config.get("max_cached_workflows", 1000) < 0:
        raise ValueError("max_cached_workflows must not be negative")
    if not config.get("task_queue"):
        raise ValueError("task_queue must not be empty")
    if (
        config.get("no_remote_activities")
        and not config.get("workflows")
        and not config.get("nexus_service_handlers")
    ):
        raise ValueError(
            "Invalid worker config: At least one task type must be enabled: "
            "with no_remote_activities and no workflows there is nothing to poll for"
        )
    for rate in ("max_activities_per_second", "max_task_queue_activities_per_second"):
        value = config.get(rate)
        if isinstance(value, int | float) and value <= 0:
            raise ValueError(f"{rate} must be positive")
    _check_executor(config)
    poller_behaviors(config)


def _check_versioning(config: WorkerConfig) -> None:
    if config.get("use_worker_versioning") and not config.get("build_id"):
        raise ValueError("build_id must be specified when use_worker_versioning is True")
    deployment = config.get("deployment_config")
    if deployment is None:
        return
    if config.get("build_id") or config.get("use_worker_versioning"):
        raise ValueError("deployment_config cannot be used with build_id or use_worker_versioning")
    if (
        not deployment.use_worker_versioning
        and deployment.default_versioning_behavior != VersioningBehavior.UNSPECIFIED
    ):
        raise ValueError(
            "default_versioning_behavior must be UNSPECIFIED when use_worker_versioning is False"
        )


def _check_executor(config: WorkerConfig) -> None:
    executor = config.get("activity_executor")
    if executor is not None and type(executor).__name__ == "InterpreterPoolExecutor":
        raise ValueError(
            "InterpreterPoolExecutor is not supported as an activity_executor. "
            "Use ThreadPoolExecutor or ProcessPoolExecutor instead."
        )


def poller_behaviors(config: WorkerConfig) -> tuple[PollerBehavior, PollerBehavior, PollerBehavior]:
    """Polls for workflow tasks, activities, Nexus tasks; the old ``max_concurrent_*_polls`` win. Raises ValueError."""
    polls = config.get("max_concurrent_workflow_task_polls")
    workflow = (
        PollerBehaviorSimpleMaximum(polls)
        if polls is not None
        else config.get("workflow_task_poller_behavior", PollerBehaviorSimpleMaximum())
    )
    polls = config.get("max_concurrent_activity_task_polls")
    activity = (
        PollerBehaviorSimpleMaximum(polls)
        if polls is not None
        else config.get("activity_task_poller_behavior", PollerBehaviorSimpleMaximum())
    )
    nexus = config.get("nexus_task_poller_behavior", PollerBehaviorSimpleMaximum())
    for behavior in (workflow, activity, nexus):
        _check_behavior(behavior)
    if (
        config.get("workflows")
        and config.get("max_cached_workflows", 1000) > 0
        and isinstance(workflow, PollerBehaviorSimpleMaximum)
        and workflow.maximum < 2
    ):
        raise ValueError(
            "Invalid worker config: `max_cached_workflows` > 0 requires `workflow_task_poller_behavior` "
            "to be at least 2"
        )
    return workflow, activity, nexus


def _check_behavior(behavior: PollerBehavior) -> None:
    if isinstance(behavior, PollerBehaviorSimpleMaximum):
        if behavior.maximum < 1:
            raise ValueError("Invalid worker config: SimpleMaximum poller behavior must be at least 1")
        return
    if behavior.minimum < 1:
        raise ValueError("Invalid worker config: Autoscaling minimum must be at least 1")
    if behavior.maximum < behavior.minimum:
        raise ValueError(
            "Invalid worker config: Autoscaling maximum must be greater than or equal to minimum"
        )
    if not behavior.minimum <= behavior.initial <= behavior.maximum:
        raise ValueError("Invalid worker config: Autoscaling initial must be between minimum and maximum")


@dataclass(frozen=True, slots=True)
class Suppliers:
    """Who gives each kind of slots."""

    workflow: SlotSupplier
    activity: SlotSupplier
    local_activity: SlotSupplier
    nexus: SlotSupplier


def suppliers(config: WorkerConfig) -> Suppliers:
    """From the tuner or the ``max_concurrent_*`` numbers. Raises ValueError for both."""
    numbers = (
        config.get("max_concurrent_workflow_tasks"),
        config.get("max_concurrent_activities"),
        config.get("max_concurrent_local_activities"),
        config.get("max_concurrent_nexus_tasks"),
    )
    tuner = config.get("tuner")
    if tuner is not None and any(number is not None for number in numbers):
        raise ValueError(
            "Cannot specify max_concurrent_workflow_tasks, max_concurrent_activities, "
            "max_concurrent_local_activities, or max_concurrent_nexus_tasks when also specifying tuner"
        )
    if tuner is None:
        tuner = WorkerTuner.create_fixed(
            workflow_slots=numbers[0],
            activity_slots=numbers[1],
            local_activity_slots=numbers[2],
            nexus_slots=numbers[3],
        )
    found = Suppliers(
        tuner.workflow_task_slot_supplier(),
        tuner.activity_task_slot_supplier(),
        tuner.local_activity_task_slot_supplier(),
        tuner.nexus_task_slot_supplier(),
    )
    given = (found.workflow, found.activity, found.local_activity, found.nexus)
    if len({one.tuner_config for one in given if isinstance(one, ResourceBasedSlotSupplier)}) > 1:
        raise ValueError("All resource-based slot suppliers of a worker must have the same tuner_config")
    return found


def most_at_once(supplier: SlotSupplier) -> int | None:
    """The most slots ``supplier`` can give; None when only it knows."""
    if isinstance(supplier, FixedSizeSlotSupplier):
        return supplier.num_slots
    if isinstance(supplier, ResourceBasedSlotSupplier):
        maximum = supplier.slot_config.maximum_slots
        return 500 if maximum is None else maximum
    return None
