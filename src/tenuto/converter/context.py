"""Where a value is converted: what converters and codecs may be told before they work.

This file must never import protocol messages.
"""

from __future__ import annotations

import copy
from abc import ABC
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar


class SerializationContext(ABC):  # noqa: B024 - a family's name
    """What a value belongs to. The side that encodes and the side that decodes are told the same."""

    storage_target: ClassVar[Any] = None
    """What external storage keeps the value under, if that is known better than the context says. Only for the side that
    encodes, and no part of the context's value."""

    def stored_under(self, target: object) -> Self:
        """The same context with another `storage_target`."""
        told = copy.copy(self)
        object.__setattr__(told, "storage_target", target)
        return told


@dataclass(frozen=True)
class WorkflowSerializationContext(SerializationContext):
    """The value belongs to a workflow; of a child's input, the child."""

    namespace: str
    workflow_id: str


@dataclass(frozen=True)
class ActivitySerializationContext(SerializationContext):
    """The value belongs to an activity; the workflow's fields are None when it stands on its own."""

    namespace: str
    activity_id: str | None
    activity_type: str | None
    activity_task_queue: str | None
    workflow_id: str | None
    workflow_type: str | None
    is_local: bool


@dataclass(frozen=True)
class NexusSerializationContext(SerializationContext):
    """The value belongs to a Nexus operation."""

    endpoint: str
    service: str
    operation: str


class WithSerializationContext(ABC):  # noqa: B024 - the official one has none either
    """Base of converters and codecs that want to be told the context."""

    def with_context(self, context: SerializationContext) -> Self:
        """One of the same kind that works for ``context``; may be ``self``."""
        raise NotImplementedError


_T = TypeVar("_T")


def asks_context(thing: object) -> bool:
    """Whether ``thing`` may be another one in some context. A chain of converters asks when one of them does."""
    if not isinstance(thing, WithSerializationContext):
        return False
    own = getattr(thing, "asks_context", True)
    return bool(own)


def in_context(thing: _T, context: SerializationContext) -> _T:
    """``thing`` for ``context``; itself when it does not want to be told."""
    return thing.with_context(context) if isinstance(thing, WithSerializationContext) else thing
