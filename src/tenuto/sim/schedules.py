"""Schedules in the simulation: who makes and changes them, and what must be true of them whatever breaks.

A ``plain`` schedule is left alone once it is made, so that every one of its times can be accounted for; a ``busy`` one is
patched, updated and described all the time.
"""

import asyncio
from typing import Any

from tenuto.engine.chain import Chain
from tenuto.engine.schedule_spec import compiled
from tenuto.engine.schedule_state import (
    CANCEL_OTHER,
    PLAN,
    PREFIX,
    PROGRESS,
    TERMINATE_OTHER,
    Action,
    Plan,
    Progress,
    Waiting,
)
from tenuto.sim.caller import Caller
from tenuto.sim.checkers import Checker, Report
from tenuto.sim.chronicle import Chronicle, News
from tenuto.sim.program import QUEUE
from tenuto.sim.wording import SECOND, duration, event_name, payloads
from tenuto.wire import schedule, timestamp_pb2
from tenuto.wire import workflowservice as ws

PLAIN, BUSY = "plain", "busy"
SILENT = (CANCEL_OTHER, TERMINATE_OTHER)
"""With these policies only the latest of the starts that wait for an end is acted on; nobody counts the others."""


class Planner(Caller):
    """A client that makes one plain and one busy schedule, and does not leave the busy one in peace."""

    async def run(self) -> None:
        """All operations, one after another."""
        chance = self._chance
        plain, busy = f"{PLAIN}-{self.name}", f"{BUSY}-{self.name}"
        for schedule_id in (plain, busy):
            request = ws.CreateScheduleRequest(schedule_id=schedule_id, schedule=self._schedule(schedule_id))
            await self._insist("CreateSchedule", request)
        for _ in range(self._options.operations):
            await asyncio.sleep(chance.uniform(0, 4))
            await self._operation(busy)

    def _schedule(self, schedule_id: str) -> schedule.Schedule:
        chance, made = self._chance, schedule.Schedule()
        every = chance.randint(2, 9)
        made.spec.interval.add(interval=duration(every * SECOND))
        if chance.random() < 0.5:
            made.spec.jitter.CopyFrom(duration(chance.randint(1, every * SECOND)))
        action = made.action.start_workflow
        action.workflow_id = schedule_id
        action.workflow_type.name = "Flow"
        action.task_queue.name = QUEUE
        action.workflow_run_timeout.CopyFrom(duration(60 * SECOND))
        given = {"token": schedule_id, "seed": chance.getrandbits(32), "targets": ["w0"], "children": False}
        action.input.CopyFrom(payloads({**given, "guard": self._options.resets, "eager": 0.0}))
        made.policies.overlap_policy = chance.randint(0, 6)  # type: ignore[assignment]
        made.policies.catchup_window.CopyFrom(duration(chance.choice((10, 20, 3600)) * SECOND))
        return made

    async def _operation(self, schedule_id: str) -> None:
        chance = self._chance
        kind = chance.choice(("trigger", "trigger", "backfill", "pause", "unpause", "update", "describe"))
        patch = schedule.SchedulePatch()
        if kind == "describe":
            await self._insist("DescribeSchedule", ws.DescribeScheduleRequest(schedule_id=schedule_id))
            return
        if kind == "update":
            changed = self._schedule(schedule_id)
            changed.state.limited_actions = chance.random() < 0.3
            changed.state.remaining_actions = chance.randint(1, 5)
            changed.policies.pause_on_failure = chance.random() < 0.2
            request = ws.UpdateScheduleRequest(schedule_id=schedule_id, schedule=changed)
            await self._insist("UpdateSchedule", request)
            return
        if kind == "trigger":
            patch.trigger_immediately.overlap_policy = chance.randint(0, 6)  # type: ignore[assignment]
        elif kind == "backfill":
            begin = 1_600_000_000 + chance.randint(0, 10**6)
            patch.backfill_request.add(
                start_time=timestamp_pb2.Timestamp(seconds=begin),
                end_time=timestamp_pb2.Timestamp(seconds=begin + chance.randint(0, 30)),
                overlap_policy=chance.randint(0, 6),
            )
        else:
            setattr(patch, kind, f"{self.name} wants it")
        await self._insist("PatchSchedule", ws.PatchScheduleRequest(schedule_id=schedule_id, patch=patch))


def is_schedule(chain: Chain) -> bool:
    return chain.key[1].startswith(PREFIX)


def ending(chain: Chain, number: int) -> tuple[str, Any] | None:
    """After healing: the call that brings a schedule nearer to its end; None: it must be waited for."""
    parts = chain.current.schedule
    schedule_id = chain.key[1].removeprefix(PREFIX)
    if not parts[PROGRESS].paused:
        patch = schedule.SchedulePatch(pause="the end is near")
        return "PatchSchedule", ws.PatchScheduleRequest(
            schedule_id=schedule_id, patch=patch, request_id=f"janitor {number}"
        )
    if any(name.startswith(("b/", "f/")) for name in parts):
        return None
    if any(isinstance(part, Action) and (part.running or not part.started_at) for part in parts.values()):
        return None
    return "DeleteSchedule", ws.DeleteScheduleRequest(schedule_id=schedule_id)


class EveryTimeCounts(Checker):
    """Every time of a schedule starts exactly one workflow, or is counted as missed, skipped or dropped; and no action,
    wanted by whomever, starts two."""

    name = "every time of a schedule counts once"

    def __init__(self, chronicle: Chronicle, report: Report) -> None:
        super().__init__(chronicle, report)
        self._made: dict[tuple[str, str, int], tuple[str, str]] = {}
        """(schedule, its run, number of the action) -> the workflow."""
        self._nominal: dict[str, set[str]] = {}
        """Schedule id -> ids of workflows its clock has started."""
        self._actions: dict[str, int] = {}

    def committed(self, news: News, now: int) -> None:
        for chain in news.chains:
            if is_schedule(chain):
                self._weigh(chain)
            link = chain.current.terms.scheduled_by
            if link is not None:
                name = (link.workflow_id, link.run_id, abs(link.initiated_id))
                workflow = (chain.key[1], chain.current.terms.first_run_id)
                if self._made.setdefault(name, workflow) != workflow:
                    self.fail(f"action {name} has started {self._made[name]} and {workflow}")
        for story, first in news.grown:
            for event in story.events[first:]:
                if event_name(event) == "WORKFLOW_EXECUTION_STARTED":
                    self._started(story.key.workflow_id, event.workflow_execution_started_event_attributes)

    def _started(self, workflow_id: str, attributes: Any) -> None:
        by = attributes.search_attributes.indexed_fields.get("TemporalScheduledById")
        if by is None or attributes.continued_execution_run_id:
            return
        schedule_id = by.data.decode().strip('"')
        if schedule_id.startswith(PLAIN):
            nominal = self._nominal.setdefault(schedule_id, set())
            if workflow_id in nominal:
                self.fail(f"{schedule_id} has started {workflow_id} twice")
            nominal.add(workflow_id)

    def _weigh(self, chain: Chain) -> None:
        schedule_id = chain.key[1].removeprefix(PREFIX)
        parts = chain.current.schedule
        plan, progress = parts[PLAN], parts[PROGRESS]
        assert isinstance(plan, Plan) and isinstance(progress, Progress)
        self._actions[schedule_id] = progress.actions
        if not schedule_id.startswith(PLAIN) or progress.paused or plan.overlap in SILENT:
            return
        times = compiled(plan.spec)
        seed = f"{chain.key[0]}-{schedule_id}"
        due = sum(1 for _ in times.within(progress.created_at, progress.last_at, seed))
        waiting = sum(isinstance(part, Waiting) for part in parts.values())
        asked = sum(isinstance(part, Action) and not part.started_at for part in parts.values())
        dropped = progress.missed + progress.skipped + progress.dropped
        if due != dropped + waiting + asked + progress.actions:
            self.fail(
                f"{schedule_id} had {due} times: {progress.actions} acted on, {asked} under way, {waiting} waiting, "
                f"{progress.missed} missed, {progress.skipped} skipped, {progress.dropped} dropped"
            )

    def ended(self) -> None:
        for schedule_id, started in self._nominal.items():
            if len(started) != self._actions.get(schedule_id, 0):
                self.fail(f"{schedule_id} counts {self._actions[schedule_id]} actions of {len(started)}")
