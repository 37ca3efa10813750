"""Choices with the protocol's own numbers, priorities, and payloads left as they are.

This file must never import protocol messages when it is loaded: workflow modules load it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from tenuto.wire import common


class WorkflowIDReusePolicy(IntEnum):
    """Whether a workflow may start under an id that a closed workflow has."""

    ALLOW_DUPLICATE = 1
    ALLOW_DUPLICATE_FAILED_ONLY = 2
    """Only when the closed one did not succeed."""
    REJECT_DUPLICATE = 3
    TERMINATE_IF_RUNNING = 4
    """Deprecated: say `WorkflowIDConflictPolicy.TERMINATE_EXISTING`."""


class WorkflowIDConflictPolicy(IntEnum):
    """What happens when a workflow starts under an id that a running workflow has."""

    UNSPECIFIED = 0
    FAIL = 1
    USE_EXISTING = 2
    TERMINATE_EXISTING = 3


class ActivityIDReusePolicy(IntEnum):
    """Whether an activity of its own may start under an id that a closed one has."""

    UNSPECIFIED = 0
    ALLOW_DUPLICATE = 1
    ALLOW_DUPLICATE_FAILED_ONLY = 2
    REJECT_DUPLICATE = 3


class ActivityIDConflictPolicy(IntEnum):
    """What happens when an activity of its own starts under an id that a running one has."""

    UNSPECIFIED = 0
    FAIL = 1
    USE_EXISTING = 2


class NexusOperationIDReusePolicy(IntEnum):
    """Whether a Nexus operation of its own may start under an id that a closed one has."""

    UNSPECIFIED = 0
    ALLOW_DUPLICATE = 1
    ALLOW_DUPLICATE_FAILED_ONLY = 2
    REJECT_DUPLICATE = 3


class NexusOperationIDConflictPolicy(IntEnum):
    """What happens when a Nexus operation of its own starts under an id that a running one has."""

    UNSPECIFIED = 0
    FAIL = 1
    USE_EXISTING = 2


class NexusOperationExecutionStatus(IntEnum):
    """Where a Nexus operation of its own stands."""

    UNSPECIFIED = 0
    RUNNING = 1
    COMPLETED = 2
    FAILED = 3
    CANCELED = 4
    TERMINATED = 5
    TIMED_OUT = 6


class PendingNexusOperationExecutionState(IntEnum):
    """What a running Nexus operation is waiting for."""

    UNSPECIFIED = 0
    SCHEDULED = 1
    BACKING_OFF = 2
    STARTED = 3
    BLOCKED = 4


class NexusOperationCancellationState(IntEnum):
    """Where the cancellation of a Nexus operation stands."""

    UNSPECIFIED = 0
    SCHEDULED = 1
    BACKING_OFF = 2
    SUCCEEDED = 3
    FAILED = 4
    TIMED_OUT = 5
    BLOCKED = 6


class QueryRejectCondition(IntEnum):
    """When a query is refused for the state its workflow is in."""

    NONE = 1
    NOT_OPEN = 2
    NOT_COMPLETED_CLEANLY = 3


class HeaderCodecBehavior(IntEnum):
    """Whether a payload codec sees headers."""

    NO_CODEC = 1
    CODEC = 2
    WORKFLOW_ONLY_CODEC = 3
    """Only the headers of workflows, not those of activities."""


@dataclass(frozen=True)
class RawValue:
    """A payload taken or given as it is, without conversion (a codec still sees it)."""

    payload: common.Payload


@dataclass(frozen=True)
class Priority:
    """Which task of a queue goes first. What is None is inherited, or the queue's default."""

    priority_key: int | None = None
    """1 is the most urgent; queues have five levels, and 3 is the middle."""
    fairness_key: str | None = None
    """Tasks of one level take turns by this key, at most 64 bytes."""
    fairness_weight: float | None = None
    """How many turns the key gets, between 0.001 and 1000."""

    default: ClassVar[Priority]

    def __post_init__(self) -> None:
        """Raises TypeError or ValueError for a key that is not a positive integer."""
        if self.priority_key is None:
            return
        if not isinstance(self.priority_key, int):
            raise TypeError("priority_key must be an integer")
        if self.priority_key < 1:
            raise ValueError("priority_key must be a positive integer")

    @staticmethod
    def from_proto(proto: common.Priority) -> Priority:
        """What ``proto`` says; zeros are None."""
        return Priority(proto.priority_key or None, proto.fairness_key or None, proto.fairness_weight or None)

    def to_proto(self) -> common.Priority:
        """This priority as a message."""
        from tenuto.wire import common

        return common.Priority(
            priority_key=self.priority_key or 0,
            fairness_key=self.fairness_key or "",
            fairness_weight=self.fairness_weight or 0.0,
        )


Priority.default = Priority()
