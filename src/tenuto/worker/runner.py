"""Ways of running workflow code, as the official package names them. Here there is one: runs are made by `tenuto.run`.

A runner's only say is whether the determinism guard watches (`SandboxedWorkflowRunner`) or not
(`UnsandboxedWorkflowRunner`), and its `prepare_workflow`, called for every workflow type when a worker is made.
This file must never run anything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenuto.common import MetricMeter
    from tenuto.converter import FailureConverter, PayloadConverter
    from tenuto.workflow.definition import Definition
    from tenuto.workflow.facts import Info
    from tenuto.workflow.interception import WorkflowInboundInterceptor


@dataclass(frozen=True)
class PatchActivationInput:
    """What a worker's ``patch_activation_callback`` is asked about: a patch that a run meets for the first time."""

    workflow_info: Info
    patch_id: str


@dataclass(frozen=True)
class WorkflowInstanceDetails:
    """What a run is made of, as a runner sees it."""

    payload_converter_factory: Callable[[], PayloadConverter]
    failure_converter_class: type[FailureConverter]
    interceptor_classes: Sequence[type[WorkflowInboundInterceptor]]
    defn: Definition
    info: Info
    randomness_seed: int
    extern_functions: Mapping[str, Callable[..., Any]]
    disable_eager_activity_execution: bool
    worker_level_failure_exception_types: Sequence[type[BaseException]]
    patch_activation_callback: Callable[[PatchActivationInput], bool] | None = None
    metric_meter: MetricMeter | None = None


class WorkflowInstance(ABC):
    """A run, for runners of your own. Workers here make their runs themselves and never ask a runner for one."""

    @abstractmethod
    def activate(self, act: Any) -> Any:
        """Answer one activation."""

    def get_thread_id(self) -> int | None:
        """The thread the run's code is in now, if any."""
        return None


class WorkflowRunner(ABC):
    """Base of all ways to run workflow code."""

    @abstractmethod
    def prepare_workflow(self, defn: Definition) -> None:
        """Refuse a workflow type by raising; called once for each when a worker is made."""

    @abstractmethod
    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Part of the official interface; workers here never call it."""

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        """Told once, before any `prepare_workflow`: errors that fail any workflow of the worker."""
        return


class UnsandboxedWorkflowRunner(WorkflowRunner):
    """Workflow code runs as it is: the determinism guard looks away."""

    def prepare_workflow(self, defn: Definition) -> None:
        return

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        raise NotImplementedError("runs are made by the worker itself, not by its workflow runner")
