"""Sets of worker builds that may take each other's workflows: the protocol's older, deprecated way of versioning."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tenuto.wire import workflowservice as ws


class TaskReachabilityType(Enum):
    """Which workflows to look for."""

    NEW_WORKFLOWS = 1
    EXISTING_WORKFLOWS = 2
    OPEN_WORKFLOWS = 3
    CLOSED_WORKFLOWS = 4


class BuildIdOp(ABC):
    """A change of the sets."""

    @abstractmethod
    def _fields(self) -> dict[str, Any]:
        """The part of the request that says it."""


@dataclass(frozen=True)
class BuildIdOpAddNewDefault(BuildIdOp):
    """A new set with this build, the default from now on."""

    build_id: str

    def _fields(self) -> dict[str, Any]:
        return {"add_new_build_id_in_new_default_set": self.build_id}


@dataclass(frozen=True)
class BuildIdOpAddNewCompatible(BuildIdOp):
    """This build joins the set of another, as the default of that set."""

    build_id: str
    existing_compatible_build_id: str
    promote_set: bool = False

    def _fields(self) -> dict[str, Any]:
        return {
            "add_new_compatible_build_id": {
                "new_build_id": self.build_id,
                "existing_compatible_build_id": self.existing_compatible_build_id,
                "make_set_default": self.promote_set,
            }
        }


@dataclass(frozen=True)
class BuildIdOpPromoteSetByBuildId(BuildIdOp):
    """This build's set becomes the default."""

    build_id: str

    def _fields(self) -> dict[str, Any]:
        return {"promote_set_by_build_id": self.build_id}


@dataclass(frozen=True)
class BuildIdOpPromoteBuildIdWithinSet(BuildIdOp):
    """This build becomes the default of its set."""

    build_id: str

    def _fields(self) -> dict[str, Any]:
        return {"promote_build_id_within_set": self.build_id}


@dataclass(frozen=True)
class BuildIdOpMergeSets(BuildIdOp):
    """The sets of the two builds become one, with the primary's default."""

    primary_build_id: str
    secondary_build_id: str

    def _fields(self) -> dict[str, Any]:
        return {
            "merge_sets": {
                "primary_set_build_id": self.primary_build_id,
                "secondary_set_build_id": self.secondary_build_id,
            }
        }


@dataclass(frozen=True)
class BuildIdVersionSet:
    """Builds that may take each other's workflows; the last is the default."""

    build_ids: Sequence[str]

    def default(self) -> str:
        """The set's default."""
        return self.build_ids[-1]


@dataclass(frozen=True)
class WorkerBuildIdVersionSets:
    """All sets of a task queue; the last is the default."""

    version_sets: Sequence[BuildIdVersionSet]

    def default_set(self) -> BuildIdVersionSet:
        """The set of new workflows."""
        return self.version_sets[-1]

    def default_build_id(self) -> str:
        """The build of new workflows."""
        return self.default_set().default()

    @staticmethod
    def _from_proto(answer: ws.GetWorkerBuildIdCompatibilityResponse) -> WorkerBuildIdVersionSets:
        return WorkerBuildIdVersionSets(
            [BuildIdVersionSet(list(s.build_ids)) for s in answer.major_version_sets]
        )


@dataclass(frozen=True)
class BuildIdReachability:
    """From which workflows a build can be reached, by task queue; ``unretrieved_task_queues`` were not looked at."""

    task_queue_reachability: Mapping[str, Sequence[TaskReachabilityType]]
    unretrieved_task_queues: frozenset[str]


@dataclass(frozen=True)
class WorkerTaskReachability:
    """From which workflows builds can be reached."""

    build_id_reachability: Mapping[str, BuildIdReachability]

    @staticmethod
    def _from_proto(answer: ws.GetWorkerTaskReachabilityResponse) -> WorkerTaskReachability:
        found = {}
        for build in answer.build_id_reachability:
            queues: dict[str, Sequence[TaskReachabilityType]] = {}
            skipped = set()
            for queue in build.task_queue_reachability:
                if 0 in queue.reachability:
                    skipped.add(queue.task_queue)
                else:
                    queues[queue.task_queue] = [TaskReachabilityType(kind) for kind in queue.reachability]
            found[build.build_id] = BuildIdReachability(queues, frozenset(skipped))
        return WorkerTaskReachability(found)
