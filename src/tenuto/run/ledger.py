"""What workflow code asked for, in order, and the matching of it with what history says it asked for.

Commands are matched first in, first out: a command event of history belongs to the oldest thing asked that has no event
yet. Here nondeterminism is found. This file must never know what becomes of a matched command.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Protocol

from tenuto.wire import enums_event
from tenuto.workflow.errors import NondeterminismError

if TYPE_CHECKING:
    from tenuto.wire import command, history

HERE = str(Path(__file__).resolve().parent.parent)
_OURS = (HERE, str(Path(asyncio.__file__).resolve().parent), "<frozen")


class Machine(Protocol):
    """What stands behind a command: told when the command is in history."""

    def recorded(self, event: history.HistoryEvent) -> None:
        """The command has become ``event``. Raises `NondeterminismError` when they are not the same."""
        ...

    def describe(self) -> str:
        """What was asked for, in words: ``activity 'charge' (id 3)``."""
        ...


class _Forgotten:
    """Stands for machines of a run that is no more."""

    __slots__ = ()

    def recorded(self, event: history.HistoryEvent) -> None: ...
    def describe(self) -> str:
        return "something"


_FORGOTTEN = _Forgotten()


class Asked:
    """One command. ``command`` is None while replaying: history has it. A ``dropped`` one is neither sent nor matched."""

    __slots__ = ("command", "dropped", "event_type", "machine", "patch_id", "source", "taken")

    def __init__(
        self, event_type: int, machine: Machine, made: command.Command | None, source: Source | None
    ) -> None:
        self.event_type = event_type
        self.machine = machine
        self.command = made
        self.dropped = False
        self.taken = False
        self.patch_id: str | None = None
        self.source = source

    def where(self) -> str:
        """``file:line`` of the workflow code that asked."""
        if self.source is None or self.source is NOWHERE:
            return "unknown place"
        code, line = self.source
        return f"{code.co_filename}:{line} in {code.co_qualname if hasattr(code, 'co_qualname') else code.co_name}"


Source = tuple[CodeType, int]
NOWHERE: Source = (compile("", "", "exec"), 0)
"""For what no line of workflow code asks for."""
_theirs: dict[CodeType, bool] = {}
"""Whether code is a user's: the same few pieces are met again and again."""


def source() -> Source | None:
    """The place in the innermost frame that is neither ours nor asyncio's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        theirs = _theirs.get(code)
        if theirs is None:
            theirs = _theirs[code] = not code.co_filename.startswith(_OURS)
        if theirs:
            return code, frame.f_lineno
        frame = frame.f_back
    return None


def event_name(event_type: int) -> str:
    """``ActivityTaskScheduled`` for a number."""
    try:
        word = enums_event.EventType.Name(event_type)  # type: ignore[arg-type]
    except ValueError:
        return f"event type {event_type}"
    return "".join(part.capitalize() for part in word.removeprefix("EVENT_TYPE_").split("_"))


def nondeterminism(event: history.HistoryEvent, asked: Asked | None, why: str) -> NondeterminismError:
    """The error that tells both sides: what history holds, and what the code asked for, and where."""
    held = f"history holds {event_name(event.event_type)} (event {event.event_id})"
    if asked is None:
        wanted = "the workflow code asked for nothing more"
    else:
        wanted = f"the workflow code asked for {asked.machine.describe()} at {asked.where()}"
    return NondeterminismError(f"[TMPRL1100] Nondeterminism error: {why}: {held}, but {wanted}")


class Ledger:
    """The queue of what was asked and is not in history yet."""

    __slots__ = ("queue", "unsent", "withdrawn")

    def __init__(self) -> None:
        self.queue: deque[Asked] = deque()
        self.unsent: list[Asked] = []
        self.withdrawn: list[command.Command] = []
        """Taken before, within the workflow task that still goes on, and not to be sent after all."""

    def ask(
        self, event_type: int, machine: Machine, made: command.Command | None, where: Source | None = None
    ) -> Asked:
        """Note a command at the end of the queue. ``where`` it was asked for, if that was not just now."""
        asked = Asked(event_type, machine, made, where if where is not None else source())
        self.queue.append(asked)
        if made is not None:
            self.unsent.append(asked)
        return asked

    def oldest(self) -> Asked | None:
        queue = self.queue
        while queue:
            if not queue[0].dropped:
                return queue[0]
            queue.popleft()
        return None

    def match(self, event: history.HistoryEvent, patch_id: str | None = None) -> None:
        """Give ``event``, which a command made, to the machine that asked for it. Raises `NondeterminismError`.

        ``patch_id`` says that the event is the marker of this patch. Patches asked for that history does not have here
        are passed over: the code took them where it was replayed only."""
        while True:
            asked = self.oldest()
            if asked is None:
                raise nondeterminism(event, None, "no command was asked for where history has one")
            if asked.patch_id is not None and asked.patch_id != patch_id:
                asked.dropped = True
                continue
            if asked.event_type != event.event_type:
                raise nondeterminism(event, asked, "history and code differ")
            self.queue.popleft()
            asked.machine.recorded(event)
            return

    def clear(self) -> None:
        """Forget everything, for good."""
        for asked in self.queue:
            asked.machine = _FORGOTTEN
        self.queue.clear()
        self.unsent.clear()

    def drop(self, asked: Asked) -> None:
        """Ask for it no longer: it is not in history yet, so nobody will have heard of it."""
        asked.dropped = True
        if asked.taken and asked.command is not None:
            self.withdrawn.append(asked.command)

    def take(self) -> list[Asked]:
        """What is to be sent now, in order. It stays in the queue until history has it."""
        taken = [asked for asked in self.unsent if not asked.dropped]
        for asked in taken:
            asked.taken = True
        self.unsent = []
        return taken
