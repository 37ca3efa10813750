"""Which build of a worker runs a workflow. This file must never import protocol messages when it is loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenuto.wire import deployment, workflow


class VersioningBehavior(IntEnum):
    """Whether a workflow moves on to new versions of its deployment while it runs."""

    UNSPECIFIED = 0
    PINNED = 1
    """It ends on the version it started on."""
    AUTO_UPGRADE = 2
    """It moves with the deployment's current version."""


@dataclass(frozen=True)
class WorkerDeploymentVersion:
    """A build of a worker within a deployment."""

    deployment_name: str
    """Holds no period."""
    build_id: str

    def to_canonical_string(self) -> str:
        """``deployment_name.build_id``."""
        return f"{self.deployment_name}.{self.build_id}"

    @staticmethod
    def from_canonical_string(canonical: str) -> WorkerDeploymentVersion:
        """Reads ``deployment_name.build_id``. Raises ValueError when there is no period."""
        name, period, build_id = canonical.partition(".")
        if not period:
            raise ValueError(
                f"Cannot parse version string: {canonical}, must be in format <deployment_name>.<build_id>"
            )
        return WorkerDeploymentVersion(name, build_id)

    @staticmethod
    def from_proto(proto: deployment.WorkerDeploymentVersion) -> WorkerDeploymentVersion:
        """What ``proto`` says."""
        return WorkerDeploymentVersion(proto.deployment_name, proto.build_id)

    def to_proto(self) -> deployment.WorkerDeploymentVersion:
        """This version as a message."""
        from tenuto.wire import deployment

        return deployment.WorkerDeploymentVersion(
            deployment_name=self.deployment_name, build_id=self.build_id
        )


class VersioningOverride(ABC):
    """Which version one workflow runs on, whatever its worker says."""

    @abstractmethod
    def to_proto(self) -> workflow.VersioningOverride:
        """This override as a message."""


@dataclass(frozen=True)
class PinnedVersioningOverride(VersioningOverride):
    """Stay on ``version``."""

    version: WorkerDeploymentVersion

    def to_proto(self) -> workflow.VersioningOverride:
        """Says it twice: old services read the deprecated fields."""
        from tenuto.wire import enums_workflow, workflow

        return workflow.VersioningOverride(
            behavior=enums_workflow.VERSIONING_BEHAVIOR_PINNED,
            pinned_version=self.version.to_canonical_string(),
            pinned=workflow.VersioningOverride.PinnedOverride(
                behavior=workflow.VersioningOverride.PINNED_OVERRIDE_BEHAVIOR_PINNED,
                version=self.version.to_proto(),
            ),
        )


@dataclass(frozen=True)
class AutoUpgradeVersioningOverride(VersioningOverride):
    """Move with the deployment's current version."""

    def to_proto(self) -> workflow.VersioningOverride:
        from tenuto.wire import enums_workflow, workflow

        return workflow.VersioningOverride(
            behavior=enums_workflow.VERSIONING_BEHAVIOR_AUTO_UPGRADE, auto_upgrade=True
        )


@dataclass(frozen=True)
class OneTimeVersioningOverride(VersioningOverride):
    """Run the next workflow task on ``target_version``, then as the worker says."""

    target_version: WorkerDeploymentVersion

    def to_proto(self) -> workflow.VersioningOverride:
        from tenuto.wire import workflow

        return workflow.VersioningOverride(
            one_time=workflow.VersioningOverride.OneTimeOverride(
                target_deployment_version=self.target_version.to_proto()
            )
        )
