"""The runner that has workflow code watched. Must never touch modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenuto.worker.runner import (
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from tenuto.worker.workflow_sandbox.restrictions import SandboxRestrictions

if TYPE_CHECKING:
    from tenuto.workflow.definition import Definition


@dataclass(frozen=True)
class SandboxedWorkflowRunner(WorkflowRunner):
    """Workflow code is watched for what is not deterministic. Others are made with `dataclasses.replace`."""

    restrictions: SandboxRestrictions = SandboxRestrictions.default
    """What is watched for."""
    runner_class: type[WorkflowRunner] = UnsandboxedWorkflowRunner
    """Prepares the workflows."""
    _inner: WorkflowRunner = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_inner", self.runner_class())

    def prepare_workflow(self, defn: Definition) -> None:
        self._inner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return self._inner.create_instance(det)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        self._inner.set_worker_level_failure_exception_types(types)
