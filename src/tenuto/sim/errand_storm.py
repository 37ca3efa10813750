"""The framework's own storm: clients that start errands, talk to them, and know what must come of it.

This file must never cause trouble itself; the world does.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any
from weakref import WeakMethod

from tenuto.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from tenuto.sim import nexus_errands
from tenuto.sim.checkers import Checker, Report
from tenuto.sim.chronicle import Chronicle, News
from tenuto.sim.errands import (
    ACTIVITIES,
    WORKFLOWS,
    Errand,
    Notebook,
    Outcome,
    Plan,
    draw,
    expected,
    notebook,
)
from tenuto.sim.framework import marker_of
from tenuto.sim.options import Options
from tenuto.sim.weather import BrokenPromise, Faults, Setting, play
from tenuto.sim.world import Outcome as Played
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.worker.config import WorkerConfig

RESULTS = "errands end as planned"
MESSAGES = "messages arrive once and in order"
OUTCOMES = "an update has one outcome"
QUERIES = "queries see what was told before"
EFFECTS = "things are done as often as they may"
ERRANDS = (4, 9)
QUEUE = "default"


class DurableBefore(Checker):
    """A step that is given another's result is given what history holds for ever."""

    name = "results are durable before they are used"

    def __init__(self, chronicle: Chronicle, report: Report, notes: Notebook) -> None:
        super().__init__(chronicle, report)
        self._durable: set[str] = set()
        told = WeakMethod(self._told)  # the notebook outlives the world

        def tell(token: str) -> None:
            method = told()
            if method is not None:
                method(token)

        notes.told = tell

    def committed(self, news: News, now: int) -> None:
        for story, first in news.grown:
            for event in story.events[first:]:
                found = marker_of(event)
                if found is not None and found.result is not None:
                    self._durable.add(found.result.data.decode().strip('"'))

    def _told(self, token: str) -> None:
        if token not in self._durable:
            self.fail(f"a step uses {token!r}, which nobody will remember after a crash")


class Customers:
    """Everybody who uses the service. ``scenario`` is the storm's."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._chance = Random(f"customers {seed}")
        self.notes = Notebook()
        self.plans: list[Plan] = []

    async def scenario(self, client: Client) -> None:
        chance = self._chance
        plans = [draw(chance, f"e{number}") for number in range(chance.randint(*ERRANDS))]
        seeds = [Random(chance.random()) for _ in plans]
        if nexus_errands.knows_nexus(self._seed):
            for plan in plans:
                plan.moves[:] = nexus_errands.draw(self._seed, plan.name, plan.moves)
            await nexus_errands.prepare(client, QUEUE)
        async with asyncio.TaskGroup() as group:
            for plan, own in zip(plans, seeds, strict=True):
                group.create_task(_Customer(client, plan, own, self.notes).run())


class _Customer:
    """One errand's."""

    def __init__(self, client: Client, plan: Plan, chance: Random, notes: Notebook) -> None:
        self._client = client
        self._plan = plan
        self._chance = chance
        self._notes = notes
        self._noted = 0
        self._changed: list[str] = []

    async def run(self) -> None:
        plan = self._plan
        await asyncio.sleep(self._chance.uniform(0, 15))
        handle = await self._start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_notes(handle))
            group.create_task(self._send_changes(handle))
            group.create_task(self._ask(handle))
            if plan.cancelled:
                group.create_task(self._cancel(handle))
        try:
            ended = await handle.result()
        except WorkflowFailureError as error:
            raise BrokenPromise(RESULTS, f"{plan.name} failed: {error.cause!r}") from error
        self._judge(ended)
        again = await self._client.get_workflow_handle(plan.name, result_type=Outcome).result()
        if again != ended:
            raise BrokenPromise(RESULTS, f"{plan.name} ended with {ended} and now with {again}")

    async def _start(self) -> WorkflowHandle[Any, Outcome]:
        plan = self._plan
        first: dict[str, Any] = {}
        if plan.early:
            first = {"start_signal": "note", "start_signal_args": [0]}
            self._noted = 1
        start: Any = self._client.start_workflow
        started: WorkflowHandle[Any, Outcome] = await start(Errand.run, plan, id=plan.name, **first)
        return started

    async def _send_notes(self, handle: WorkflowHandle[Any, Outcome]) -> None:
        while self._noted < self._plan.signals:
            await asyncio.sleep(self._chance.uniform(0, 4))
            name = self._chance.choice(("note", "slow_note"))
            if await self._unless_over(handle.signal(name, self._noted)) is _OVER:
                return
            self._noted += 1

    async def _send_changes(self, handle: WorkflowHandle[Any, Outcome]) -> None:
        for number in range(self._plan.updates):
            await asyncio.sleep(self._chance.uniform(0, 6))
            what = f"{self._plan.name}/change{number}"
            slow = self._chance.random() < 0.5
            if self._chance.random() < 0.3 and await self._refused(handle) is _OVER:
                return
            told = self._change(handle, what, "slow_change" if slow else "change")
            outcome = await self._unless_over(told)
            if outcome is _OVER:
                return
            self._changed.append(what)
            if slow and outcome != f"{what}/effect":
                raise BrokenPromise(OUTCOMES, f"{what} resulted in {outcome!r}")

    async def _change(self, handle: WorkflowHandle[Any, Outcome], what: str, name: str) -> Any:
        first = await handle.execute_update(name, what, id=what)
        again = await self._outcome_of(handle, what)
        if first != again:
            raise BrokenPromise(
                OUTCOMES, f"update {what} resulted in {first!r}, and asked again in {again!r}"
            )
        return first

    async def _outcome_of(self, handle: WorkflowHandle[Any, Outcome], what: str) -> Any:
        for _ in range(60):
            try:
                return await handle.get_update_handle(what).result()
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
            # A node that was deposed without knowing answered from what it remembers.
            await asyncio.sleep(1)
        raise BrokenPromise(OUTCOMES, f"nobody knows of update {what} any more")

    async def _refused(self, handle: WorkflowHandle[Any, Outcome]) -> Any:
        async def attempt() -> Any:
            try:
                return await handle.execute_update("change", "bad")
            except WorkflowUpdateFailedError:
                return None

        told = await self._unless_over(attempt())
        if told is not None and told is not _OVER:
            raise BrokenPromise(OUTCOMES, f"an update that is to be refused resulted in {told!r}")
        return told

    async def _ask(self, handle: WorkflowHandle[Any, Outcome]) -> None:
        for _ in range(self._chance.randint(0, 3)):
            await asyncio.sleep(self._chance.uniform(0, 8))
            noted, changed = self._noted, len(self._changed)
            answer = await self._unless_over(handle.query("state"))
            if answer is _OVER:
                return
            # What was told to a cancelled errand may have come after its end.
            if not self._plan.cancelled and (answer[0] < noted or answer[1] < changed):
                raise BrokenPromise(
                    QUERIES,
                    f"{self._plan.name} was told of {noted} notes and {changed} changes, and says {answer}",
                )

    async def _cancel(self, handle: WorkflowHandle[Any, Outcome]) -> None:
        await asyncio.sleep(self._chance.uniform(0, 15))
        await self._unless_over(handle.cancel())

    async def _unless_over(self, call: Any) -> Any:
        """The answer; ``_OVER`` when the workflow has ended, which only a cancelled one may before it heard all."""
        try:
            return await call
        except (RPCError, WorkflowUpdateFailedError) as error:
            over = isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND
            if self._plan.cancelled and (over or isinstance(error, WorkflowUpdateFailedError)):
                return _OVER
            raise

    # ---- judging ------------------------------------------------------------------------------------------------------

    def _judge(self, ended: Outcome) -> None:
        plan, notes = self._plan, self._notes
        wrong = expected(plan, ended.said, notes)
        if wrong:
            raise BrokenPromise(RESULTS, f"{plan.name} says {wrong}; its plan: {plan.moves}")
        if plan.cancelled:
            if ended.notes != list(range(len(ended.notes))):
                raise BrokenPromise(MESSAGES, f"{plan.name} heard {ended.notes}")
            return
        if ended.notes != list(range(plan.signals)):
            raise BrokenPromise(MESSAGES, f"{plan.name} heard {ended.notes} instead of 0..{plan.signals - 1}")
        if ended.changes != self._changed:
            raise BrokenPromise(MESSAGES, f"{plan.name} took {ended.changes} instead of {self._changed}")
        self._judge_effects(ended)

    def _judge_effects(self, ended: Outcome) -> None:
        plan, done = self._plan, self._notes.done
        said = ended.said[plan.early :]
        for at, kind in enumerate(plan.moves):
            key = f"{plan.name}/{at}"
            count = done.get(key, 0)
            if kind == "once" and (count > 1 or (said[at] != "lost" and count != 1)):
                raise BrokenPromise(
                    EFFECTS, f"{key}, which may be done once, was done {count} times: {said[at]}"
                )
            if kind in {"act", "thread", "stumble", "step", "steps", "long", "local"} and not count:
                raise BrokenPromise(EFFECTS, f"{key} ({kind}) was never done")
            if kind in {"step", "steps", "long", "local"} and said[at] in self._notes.tokens:
                self._judge_token(said[at])
        for what in self._changed:
            effect = f"{what}/effect"
            if effect in done or what in ended.changes:
                continue
            raise BrokenPromise(EFFECTS, f"{effect} was never done")

    def _judge_token(self, token: str) -> None:
        if token not in self._notes.tokens:
            raise BrokenPromise(EFFECTS, f"{token} is nobody's")


_OVER: Any = object()


def simulate(
    seed: int,
    options: Options | None = None,
    only: str = "",
    on_trace: Callable[[tuple[int, int, str, str]], None] | None = None,
) -> tuple[Played, str]:
    """One seed of the framework's own storm: how it went, and a report if something broke."""
    customers = Customers(seed)
    token = notebook.set(customers.notes)
    try:
        return play(seed, _setting(customers, seed), options, only, on_trace)
    finally:
        notebook.reset(token)


def _setting(customers: Customers, seed: int) -> Setting:
    def durable(chronicle: Chronicle, report: Report) -> Checker:
        return DurableBefore(chronicle, report, customers.notes)

    worker = WorkerConfig()
    if nexus_errands.knows_nexus(seed):
        from tenuto.sim.nexus_shop import Shop

        worker = WorkerConfig(nexus_service_handlers=[Shop()])
    return Setting(
        workflows=WORKFLOWS,
        activities=ACTIVITIES,
        scenario=customers.scenario,
        faults=Faults(clock_jumps=True),
        replays=0.4,
        patience=timedelta(minutes=40),
        checkers=(durable,),
        must_end=True,
        task_queue=QUEUE,
        worker=worker,
        surroundings=((notebook, customers.notes),),
    )
