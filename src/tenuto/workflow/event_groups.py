"""Tokens that tie commands together for those who look at a history. This file must never write to the wire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from tenuto.workflow._runtime import current

_scope: ContextVar[tuple[EventGroup, ...]] = ContextVar("tenuto_event_groups", default=())


@dataclass(frozen=True, slots=True)
class EventGroup:
    """A group of commands, made by `create_event_group`."""

    id: str
    label: str | None = None

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Attach this group to every command that the block, and tasks made in it, ask for."""
        token = _scope.set((*_scope.get(), self))
        try:
            yield
        finally:
            _scope.reset(token)


def create_event_group(id: str, *, label: str | None = None) -> EventGroup:
    """A group to pass as ``event_groups`` of a command, or to open with ``scope``.

    Args:
        id: Commands with the same id belong together. Kept in plain text; not empty.
        label: What tools show; not empty when given.

    Raises:
        ValueError: ``id`` or ``label`` is empty.
        NotInWorkflowError: Not called from workflow code.
    """
    current()
    if not id:
        raise ValueError("Event group ID must not be empty")
    if label is not None and not label:
        raise ValueError("Event group label must not be empty")
    return EventGroup(id, label)


def grouped(explicit: Sequence[EventGroup] | None) -> Sequence[EventGroup] | None:
    """The groups of a command: those of the open scopes, then ``explicit`` ones, each once."""
    opened = _scope.get()
    if not opened:
        return explicit
    return list({each.id: each for each in (*opened, *(explicit or ()))}.values())
