"""Which code runs a workflow type, and what every run of a worker has in common.

This file must never hold a run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tenuto import __version__
from tenuto.common import VersioningBehavior
from tenuto.exceptions import ApplicationError
from tenuto.run import guard
from tenuto.run.history import SDK_NAME
from tenuto.run.types import RunOptions
from tenuto.worker.interceptor import workflow_interceptors

if TYPE_CHECKING:
    from tenuto.common import MetricMeter, WorkerDeploymentVersion
    from tenuto.converter import DataConverter
    from tenuto.worker.interceptor import Interceptor
    from tenuto.workflow.definition import Definition


class Registry:
    """Workflow types by name. Raises ValueError for a name given twice, or two dynamic types."""

    def __init__(
        self,
        definitions: Sequence[Definition],
        *,
        namespace: str,
        task_queue: str,
        interceptors: Sequence[Interceptor] = (),
        failure_exception_types: Sequence[type[BaseException]] = (),
        default_versioning_behavior: VersioningBehavior = VersioningBehavior.UNSPECIFIED,
        eager_activities: bool = False,
        metric_meter: MetricMeter | None = None,
        on_patch: Callable[[Any], bool] | None = None,
        deployment_version: WorkerDeploymentVersion | None = None,
        build_id: str = "",
    ) -> None:
        watched = [definition for definition in definitions if definition.sandboxed]
        if watched:
            guard.install(watched)
        self._types: dict[str | None, Definition] = {}
        for definition in definitions:
            if definition.name in self._types:
                raise ValueError(
                    f"More than one workflow named {definition.name}"
                    if definition.name is not None
                    else "More than one dynamic workflow"
                )
            self._types[definition.name] = definition
        classes, extern = workflow_interceptors(interceptors)
        self._shared: dict[str, Any] = {
            "namespace": namespace,
            "task_queue": task_queue,
            "interceptors": classes,
            "extern_functions": extern,
            "failure_exception_types": failure_exception_types,
            "default_versioning_behavior": default_versioning_behavior,
            "eager_activities": eager_activities,
            "metric_meter": metric_meter,
            "on_patch": on_patch,
            "deployment_version": deployment_version,
            "build_id": build_id,
            "sdk_name": SDK_NAME,
            "sdk_version": __version__,
        }

    def find(self, workflow_type: str) -> Definition:
        """The code of a type. Raises ApplicationError of type NotFoundError, which names those there are."""
        found = self._types.get(workflow_type) or self._types.get(None)
        if found is None:
            known = ", ".join(sorted(name for name in self._types if name is not None))
            raise ApplicationError(
                f"Workflow class {workflow_type} is not registered on this worker, available workflows: {known}",
                type="NotFoundError",
            )
        return found

    def options(
        self, definition: Definition, run_id: str, workflow_id: str, converter: DataConverter, **other: Any
    ) -> RunOptions:
        """What a new run is made of; ``other`` overrides what runs have in common."""
        return RunOptions(
            definition=definition,
            run_id=run_id,
            workflow_id=workflow_id,
            payload_converter=converter.payload_converter,
            failure_converter=converter.failure_converter,
            **(self._shared | other if other else self._shared),
        )
