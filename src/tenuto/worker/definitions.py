"""The workflow types that a worker is given: found, checked, and shown to its runner.

This file must never run one.
"""

from __future__ import annotations

from dataclasses import replace

from tenuto.common import VersioningBehavior
from tenuto.run import ordered
from tenuto.worker.config import WorkerConfig
from tenuto.worker.workflow_sandbox import SandboxedWorkflowRunner
from tenuto.workflow.definition import Definition


def definitions(config: WorkerConfig) -> list[Definition]:
    """Of every workflow, prepared by the runner. Raises ValueError, or RuntimeError for what a runner refuses."""
    given = config.get("workflows") or ()
    found = []
    if given:
        # Order is no matter of trust: also what no guard watches must be the same in every replay.
        ordered.install()
    runner = config.get("workflow_runner")
    unwatched = config.get("unsandboxed_workflow_runner")
    types = list(config.get("workflow_failure_exception_types", ()))
    for one in (runner, unwatched):
        if one is not None:
            one.set_worker_level_failure_exception_types(types)
    names = set()
    for workflow in given:
        definition = Definition.must(workflow)
        if definition.name in names:
            raise ValueError(
                "More than one dynamic workflow"
                if definition.name is None
                else f"More than one workflow named {definition.name}"
            )
        names.add(definition.name)
        _check_versioned(config, definition)
        prepare = runner if definition.sandboxed else unwatched
        if prepare is not None:
            try:
                prepare.prepare_workflow(definition)
            except Exception as error:
                raise RuntimeError(f"Failed validating workflow {definition.name}") from error
        if definition.sandboxed and isinstance(runner, SandboxedWorkflowRunner):
            definition = replace(definition, allowed=runner.restrictions.allowed())
        elif definition.sandboxed and runner is not None:
            definition = replace(definition, sandboxed=False)
        found.append(definition)
    return found


def _check_versioned(config: WorkerConfig, definition: Definition) -> None:
    deployment = config.get("deployment_config")
    if (
        deployment is not None
        and deployment.use_worker_versioning
        and deployment.default_versioning_behavior == VersioningBehavior.UNSPECIFIED
        and definition.versioning_behavior == VersioningBehavior.UNSPECIFIED
        and definition.dynamic_config is None
    ):
        raise ValueError(
            f"Workflow {definition.name} must specify a versioning behavior using the `versioning_behavior` argument "
            "to `@workflow.defn` or by defining a function decorated with `@workflow.dynamic_config`."
        )
