"""A schedule under decision: its parts as they will be, written with one note at the end.

What changes by rule lives in `schedule`; here is only how parts are read, changed, shown to lists and put back.
"""

import copy
from typing import Any, cast

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

    def __init__(self, rd: RunDraft, made: tuple[Plan, Progress] | None = None) -> None:
        """``made``: of a schedule that is just being made."""
        self.rd = rd
        self.draft = rd.draft
        self.now = rd.now
        self._changes: dict[str, Part | None] = {}
        self._tables: dict[str, dict[str, Any]] = {}
        if made is not None:
            self.plan, self.progress = made
            self._changes[PLAN] = self.plan
        else:
            self.plan = cast(Plan, rd.schedule[PLAN])
            self.progress = copy.copy(cast(Progress, rd.schedule[PROGRESS]))

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

    def _table(self, letter: str) -> dict[str, Any]:
        """All parts of a kind by name, in the order in which they came."""
        table = self._tables.get(letter)
        if table is None:
            parts, prefix = self.rd.schedule, f"{letter}/"
            names = sorted(name for name in list(parts.keys()) if name.startswith(prefix))
            table = self._tables[letter] = {name: parts[name] for name in names}
        return table

    def replan(self, plan: Plan) -> None:
        self.plan = plan
        self._changes[PLAN] = plan

    @property
    def carry(self) -> Carry:
        return cast(Carry, self._changes.get(CARRY) or self.rd.schedule.get(CARRY) or Carry())

    @carry.setter
    def carry(self, value: Carry) -> None:
        self._changes[CARRY] = value

    @property
    def waiting_count(self) -> int:
        return len(self._table("b"))

    def waiting(self) -> list[tuple[str, Waiting]]:
        return list(self._table("b").items())

    def backfills(self) -> list[tuple[str, Backfill]]:
        return list(self._table("f").items())

    def actions(self) -> list[Action]:
        return list(self._table("a").values())

    def action(self, number: int) -> Action | None:
        return self._table("a").get(part_name("a", number))

    def number(self) -> int:
        self.progress.sequence += 1
        return self.progress.sequence

    def add(self, letter: str, part: Part) -> None:
        self.replace(part_name(letter, self.number()), part)

    def keep(self, action: Action) -> None:
        self.replace(part_name("a", action.number), action)

    def forget(self, action: Action) -> None:
        self.replace(part_name("a", action.number), None)

    def replace(self, name: str, part: Part | None) -> None:
        """Give the part of that name, which begins with its kind's letter, another value; None: it is gone."""
        table = self._table(name[0])
        if part is None:
            table.pop(name, None)
        else:
            table[name] = part
        if part is None and name not in self.rd.schedule:
            self._changes.pop(name, None)  # it came and went
        else:
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
