"""Tokens that tie commands together for those who look at a history. This file must never write to the wire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass

from tenuto.workflow._runtime import current

_scope: ContextVar[tuple[EventGroup | Inbound, ...]] = ContextVar("tenuto_event_groups", default=())


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
            # A coroutine that is dropped while it waits here ends in another context, and its own goes with it.
            with suppress(ValueError):
                _scope.reset(token)


@dataclass(frozen=True, slots=True)
class Inbound:
    """What the commands of a handler belong to by themselves: the signal (its event), or the update, that it handles."""

    event_id: int = 0
    update_id: str = ""


def begin(inbound: Inbound) -> None:
    """Attach what this task, and tasks made in it, ask for to an inbound signal or update, and to no open scope."""
    _scope.set((inbound,))


@contextmanager
def scoped(groups: Sequence[EventGroup] | None) -> Iterator[None]:
    """The scopes of all ``groups``."""
    with ExitStack() as opened:
        for group in groups or ():
            opened.enter_context(group.scope())
        yield


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


def grouped(explicit: Sequence[EventGroup | Inbound] | None) -> Sequence[EventGroup | Inbound] | None:
    """The groups of a command: those of the open scopes, then ``explicit`` ones, each once."""
    opened = _scope.get()
    if not opened:
        return explicit
    return list({_name(each): each for each in (*opened, *(explicit or ()))}.values())


def captured(explicit: Sequence[EventGroup | Inbound] | None = None) -> Sequence[EventGroup | Inbound]:
    """`grouped`, where there may be none."""
    return grouped(explicit) or ()


def _name(group: EventGroup | Inbound) -> object:
    return group.id if isinstance(group, EventGroup) else group
