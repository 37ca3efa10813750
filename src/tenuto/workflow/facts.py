"""What a run knows of itself, as workflow code reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tenuto.common import Priority, RetryPolicy, TypedSearchAttributes
from tenuto.workflow._runtime import current

if TYPE_CHECKING:
    from tenuto.common import WorkerDeploymentVersion
    from tenuto.wire import common


@dataclass(frozen=True, slots=True)
class ParentInfo:
    """The workflow that started this one."""

    namespace: str
    run_id: str
    workflow_id: str


@dataclass(frozen=True, slots=True)
class RootInfo:
    """The workflow at the top of the tree this one belongs to."""

    run_id: str
    workflow_id: str


@dataclass(frozen=True, slots=True)
class UpdateInfo:
    """The update whose handler is running."""

    id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Info:
    """Facts about the running workflow. Instants are aware UTC datetimes; ``*_timeout`` None: none."""

    attempt: int
    continued_run_id: str | None
    cron_schedule: str | None
    execution_timeout: timedelta | None
    first_execution_run_id: str
    headers: Mapping[str, common.Payload]
    namespace: str
    original_execution_run_id: str
    parent: ParentInfo | None
    root: RootInfo | None
    priority: Priority
    raw_memo: Mapping[str, common.Payload]
    retry_policy: RetryPolicy | None
    run_id: str
    run_timeout: timedelta | None
    search_attributes: Mapping[str, Any]
    start_time: datetime
    """When the first workflow task was started."""
    task_queue: str
    task_timeout: timedelta
    typed_search_attributes: TypedSearchAttributes
    workflow_id: str
    workflow_start_time: datetime
    """When the execution was started."""
    workflow_type: str

    def get_current_build_id(self) -> str:
        """Build id of the worker that completes (or completed) the current workflow task; empty if unversioned."""
        return _task_facts().build_id

    def get_current_deployment_version(self) -> WorkerDeploymentVersion | None:
        """Deployment version of the worker of the current workflow task."""
        return _task_facts().deployment_version

    def get_current_history_length(self) -> int:
        """Events in history as of the current workflow task."""
        return _task_facts().history_length

    def get_current_history_size(self) -> int:
        """Bytes of history as of the current workflow task, as the server counts them."""
        return _task_facts().history_size

    def is_continue_as_new_suggested(self) -> bool:
        """Whether the server finds this history long enough to go on in a new run."""
        return _task_facts().continue_as_new_suggested

    def is_target_worker_deployment_version_changed(self) -> bool:
        """Whether the deployment's target version is another than this run's."""
        return _task_facts().target_version_changed


@dataclass(frozen=True, slots=True)
class PatchActivationInput:
    """What a worker's ``patch_activation_callback`` is asked about."""

    workflow_info: Info
    patch_id: str


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What changes from workflow task to workflow task."""

    build_id: str = ""
    deployment_version: WorkerDeploymentVersion | None = None
    history_length: int = 0
    history_size: int = 0
    continue_as_new_suggested: bool = False
    target_version_changed: bool = False


def _task_facts() -> TaskFacts:
    return current().task_facts()
