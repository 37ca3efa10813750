"""A schedule under decision: its parts as they will be, written with one note at the end.

What changes by rule lives in `schedule`; here is only how parts are read, changed, shown to lists and put back.
"""

import copy
from typing import Any, TypeVar, cast

from tenuto.engine import schedule_view
from tenuto.engine.chain import Timer
from tenuto.engine.draft import RunDraft
from tenuto.engine.schedule_spec import Times, compiled
from tenuto.engine.schedule_state import (
    ALARM,
    CARRY,
    LIST_INFO,
    PAUSED,
    PLAN,
    PREFIX,
    PROGRESS,
    Action,
    Backfill,
    Carry,
    Part,
    Plan,
    Progress,
    Waiting,
    part_name,
)

P = TypeVar("P")


class Written:
    """Parts of a schedule have new values (None: gone), and with them what lists show, and its alarm."""

    __slots__ = ("info", "parts", "paused", "wake_at")

    def __init__(self, parts: dict[str, Part | None], info: bytes, paused: bytes, wake_at: int) -> None:
        self.parts = parts
        self.info = info
        self.paused = paused
        self.wake_at = wake_at

    def apply(self, rd: RunDraft) -> None:
        for name, part in self.parts.items():
            if part is None:
                rd.schedule.drop(name)
            else:
                rd.schedule.put(name, part)
        terms = rd.terms
        if terms.memo.get(LIST_INFO) != self.info or terms.search_attributes.get(PAUSED) != self.paused:
            terms = rd.edit_terms()
            terms.memo = {**terms.memo, LIST_INFO: self.info}
            terms.search_attributes = {**terms.search_attributes, PAUSED: self.paused}
            rd.visible = True
        if not self.wake_at:
            rd.timers.drop(ALARM)
        else:
            timer = rd.timers.get(ALARM)
            if timer is None or timer.fire_at != self.wake_at or timer.fire_at <= rd.now:
                rd.timers.put(ALARM, Timer(ALARM, 0, self.wake_at))


class Desk:
    """The parts of one schedule, free to be changed, until `close` writes them."""

    def __init__(self, rd: RunDraft) -> None:
        self.rd = rd
        self.draft = rd.draft
        self.now = rd.now
        self._changes: dict[str, Part | None] = {}
        plan, progress = self._part(PLAN), self._part(PROGRESS)
        self.plan = cast(Plan, plan)
        self.progress: Progress = copy.copy(cast(Progress, progress))

    @classmethod
    def fresh(cls, rd: RunDraft, plan: Plan, progress: Progress) -> "Desk":
        """Of a schedule that is just being made."""
        desk = cls.__new__(cls)
        desk.rd, desk.draft, desk.now = rd, rd.draft, rd.now
        desk._changes = {PLAN: plan}
        desk.plan, desk.progress = plan, progress
        return desk

    @property
    def schedule_id(self) -> str:
        return self.draft.workflow_id.removeprefix(PREFIX)

    @property
    def seed(self) -> str:
        return f"{self.draft.namespace.id}-{self.schedule_id}"

    @property
    def times(self) -> Times:
        return compiled(self.plan.spec)

    # ---- parts --------------------------------------------------------------------------------------------------------

    def _part(self, name: str) -> Part | None:
        if name in self._changes:
            return self._changes[name]
        return self.rd.schedule.get(name)

    def _all(self, letter: str) -> list[tuple[str, Any]]:
        prefix = f"{letter}/"
        names = {name for name in list(self.rd.schedule.keys()) if name.startswith(prefix)}
        names |= {name for name in self._changes if name.startswith(prefix)}
        return [(name, part) for name in sorted(names) if (part := self._part(name)) is not None]

    def replan(self, plan: Plan) -> None:
        self.plan = plan
        self._changes[PLAN] = plan

    @property
    def carry(self) -> Carry:
        return cast(Carry, self._part(CARRY) or Carry())

    @carry.setter
    def carry(self, value: Carry) -> None:
        self._changes[CARRY] = value

    def waiting(self) -> list[tuple[str, Waiting]]:
        return self._all("b")

    def backfills(self) -> list[tuple[str, Backfill]]:
        return self._all("f")

    def actions(self) -> list[Action]:
        return [part for _, part in self._all("a")]

    def action(self, number: int) -> Action | None:
        return cast(Action | None, self._part(part_name("a", number)))

    def number(self) -> int:
        self.progress.sequence += 1
        return self.progress.sequence

    def add(self, letter: str, part: Part) -> None:
        self._changes[part_name(letter, self.number())] = part

    def keep(self, action: Action) -> None:
        self._changes[part_name("a", action.number)] = action

    def forget(self, action: Action) -> None:
        self._changes[part_name("a", action.number)] = None

    def replace(self, name: str, part: Part | None) -> None:
        self._changes[name] = part

    # ---- the end ------------------------------------------------------------------------------------------------------

    def close(self, wake_at: int) -> None:
        """Write what has changed."""
        self.progress.wake_at = wake_at
        if self.progress != self.rd.schedule.get(PROGRESS):
            self._changes[PROGRESS] = self.progress
        if not self._changes:
            timer = self.rd.timers.get(ALARM)
            if (timer.fire_at if timer is not None else 0) == wake_at:
                return
        info = schedule_view.list_info(self.plan, self.progress, self.actions(), self.times, self.seed)
        paused = schedule_view.paused_value(self.progress.paused)
        self.rd.note(Written(self._changes, info, paused, wake_at))
