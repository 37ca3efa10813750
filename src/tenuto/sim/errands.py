"""Small programs for the storm, in both styles of the framework: a plan is a list of moves, and a workflow makes them.

What a plan results in is known beforehand (`expected`), but for what chance may decide: attempts that may be made once can
be lost. The world's own notebook remembers what steps did. This file must never know about faults.
"""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from tenuto import ApplicationError, activity, workflow
from tenuto.common import RetryPolicy
from tenuto.exceptions import ActivityError, ChildWorkflowError, is_cancelled_exception
from tenuto.sim import nexus_errands

STEP_LIMIT = timedelta(seconds=60)
ONCE = RetryPolicy(maximum_attempts=1)
QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=2))


@dataclass
class Plan:
    """What one workflow is to do."""

    name: str
    moves: list[str]
    signals: int = 0
    """How many notes will be sent."""
    updates: int = 0
    cancelled: bool = False
    """Somebody will ask for its cancellation."""
    early: bool = False
    """The first note came with the start."""
    said: list[str] = field(default_factory=list)
    """Of the runs before this one."""
    notes: list[int] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    at: int = 0


@dataclass
class Outcome:
    """What a workflow made of its plan."""

    said: list[str]
    notes: list[int]
    changes: list[str]


# ---- what happens in the world ------------------------------------------------------------------------------------------


class Notebook:
    """What was done, by key; outside of all that crashes."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        """key -> how often it was done to the end."""
        self.tokens: dict[str, str] = {}
        """token of a step -> its key."""
        self.told: Callable[[str], None] = lambda token: None
        """Called with the token that a step was given by the step before it."""

    def do(self, key: str) -> str:
        """Do it; a token that nobody else gets."""
        self.done[key] = self.done.get(key, 0) + 1
        token = f"{key}#{self.done[key]}"
        self.tokens[token] = key
        return token


notebook: ContextVar[Notebook] = ContextVar("notebook")


@activity.defn
async def act(key: str) -> str:
    await asyncio.sleep(0.2)
    notebook.get().do(key)
    return key


@activity.defn
def act_in_thread(key: str) -> str:
    notebook.get().do(key)
    activity.heartbeat(key)
    return key


@activity.defn
async def stumble(key: str) -> str:
    if activity.info().attempt < 3:
        raise RuntimeError("not yet")
    notebook.get().do(key)
    return key


@activity.defn
async def dawdle(key: str) -> str:
    """Ends when it is told to, and says so in the world."""
    try:
        for _ in range(600):
            activity.heartbeat()
            await asyncio.sleep(0.5)
    except asyncio.CancelledError:
        notebook.get().do(key)
        raise
    return key


@activity(local=True, durable=True, start_to_close_timeout=STEP_LIMIT, name="tick")
async def tick(key: str) -> str:
    await asyncio.sleep(0.05)
    return notebook.get().do(key)


@activity(local=True, durable=True, start_to_close_timeout=STEP_LIMIT, name="tock")
async def tock(key: str, token: str) -> str:
    notebook.get().told(token)
    await asyncio.sleep(0.05)
    return notebook.get().do(key)


@activity(local=True, durable=True, start_to_close_timeout=STEP_LIMIT, name="long_step")
async def long_step(key: str, seconds: float) -> str:
    await asyncio.sleep(seconds)
    return notebook.get().do(key)


@activity.defn
async def local_stumble(key: str) -> str:
    if activity.info().attempt < 2:
        raise RuntimeError("not yet")
    return notebook.get().do(key)


# ---- workflows ----------------------------------------------------------------------------------------------------------


@workflow.defn(name="Errand")
class Errand:
    """Makes the moves of a plan; in between it takes notes and changes."""

    def __init__(self) -> None:
        self.notes: list[int] = []
        self.changes: list[str] = []
        self.said: list[str] = []
        self.noted_at_start = -1

    @workflow.run
    async def run(self, plan: Plan) -> Outcome:
        if self.noted_at_start < 0:
            self.noted_at_start = len(self.notes)
        self.notes[:0] = plan.notes
        self.changes[:0] = plan.changes
        self.said = plan.said
        if plan.early and not plan.at:
            self.said.append(f"early {self.noted_at_start > 0}")
        try:
            for at in range(plan.at, len(plan.moves)):
                if plan.moves[at] == "anew":
                    self.say(plan, "anew")
                    await workflow.wait_condition(workflow.all_handlers_finished)
                    workflow.continue_as_new(self.rest(plan, at + 1))
                await self.move(plan, f"{plan.name}/{at}", plan.moves[at])
            await workflow.wait_condition(lambda: len(self.notes) >= plan.signals)
            await workflow.wait_condition(lambda: len(self.changes) >= plan.updates)
            if plan.cancelled:
                # It may have come together with the very thing that was waited for, which then was what the code saw.
                await workflow.wait_condition(lambda: workflow.cancellation_reason() is not None)
                raise asyncio.CancelledError
        except BaseException as error:
            if not plan.cancelled or not _means_cancelled(error):
                raise
            # What was under way counts for nothing, and what is to be done in the end is done all the same.
            self.said = ["cancelled", await self.remote(act, f"{plan.name}/end")]
        await workflow.wait_condition(workflow.all_handlers_finished)
        return Outcome(self.said, self.notes, self.changes)

    def rest(self, plan: Plan, at: int) -> Plan:
        return Plan(
            plan.name,
            plan.moves,
            plan.signals,
            plan.updates,
            plan.cancelled,
            plan.early,
            self.said,
            self.notes,
            self.changes,
            at,
        )

    # ---- messages -----------------------------------------------------------------------------------------------------

    @workflow.signal
    def note(self, number: int) -> None:
        self.notes.append(number)

    @workflow.signal
    async def slow_note(self, number: int) -> None:
        self.notes.append(number)
        await asyncio.sleep(1)

    @workflow.query
    def state(self) -> list[int]:
        return [len(self.notes), len(self.changes)]

    @workflow.update
    def change(self, what: str) -> int:
        self.changes.append(what)
        return self.changes.index(what)

    @change.validator
    def check(self, what: str) -> None:
        if what.startswith("bad"):
            raise ValueError("bad change")

    @workflow.update
    async def slow_change(self, what: str) -> str:
        self.changes.append(what)
        await asyncio.sleep(0.5)
        return await self.remote(act, f"{what}/effect")

    # ---- moves --------------------------------------------------------------------------------------------------------

    def say(self, plan: Plan, what: str) -> None:
        self.said.append(what)

    async def remote(self, fn: Callable[..., object], key: str, **options: object) -> str:
        given = {"start_to_close_timeout": timedelta(seconds=20), "retry_policy": QUICK, **options}
        result: str = await workflow.execute_activity(fn, key, **given)  # type: ignore[call-overload]
        return result

    async def move(self, plan: Plan, key: str, kind: str) -> None:
        if kind in nexus_errands.MOVES:
            self.say(plan, await nexus_errands.call(kind, key))
        else:
            self.say(plan, await getattr(self, f"move_{kind}")(plan, key))

    async def move_act(self, plan: Plan, key: str) -> str:
        return await self.remote(act, key)

    async def move_thread(self, plan: Plan, key: str) -> str:
        return await self.remote(act_in_thread, key, heartbeat_timeout=timedelta(seconds=10))

    async def move_stumble(self, plan: Plan, key: str) -> str:
        return await self.remote(stumble, key)

    async def move_once(self, plan: Plan, key: str) -> str:
        try:
            return await self.remote(act, key, retry_policy=ONCE)
        except ActivityError:
            return "lost"

    async def move_step(self, plan: Plan, key: str) -> str:
        token = await tick(key)
        return await tock(f"{key}/2", token)

    async def move_steps(self, plan: Plan, key: str) -> str:
        token = await tick(key)
        for number in range(3):
            token = await tock(f"{key}/{number}", token)
        return await self.remote(act, f"{key}/act")

    async def move_long(self, plan: Plan, key: str) -> str:
        return await long_step(key, 9.0)

    async def move_local(self, plan: Plan, key: str) -> str:
        return await workflow.execute_local_activity(
            local_stumble,
            key,
            start_to_close_timeout=STEP_LIMIT,
            retry_policy=QUICK,
        )

    async def move_nap(self, plan: Plan, key: str) -> str:
        await asyncio.sleep(3)
        return "nap"

    async def move_notes(self, plan: Plan, key: str) -> str:
        await workflow.wait_condition(lambda: len(self.notes) >= min(1, plan.signals))
        return "notes"

    async def move_fan(self, plan: Plan, key: str) -> str:
        async with asyncio.TaskGroup() as group:
            one = group.create_task(self.remote(act, f"{key}/a"))
            two = group.create_task(tick(f"{key}/b"))
            three = group.create_task(self.move_stumble(plan, f"{key}/c"))
            group.create_task(asyncio.sleep(1))
            four = group.create_task(tick(f"{key}/d"))
            group.create_task(self.crowd(key))
        return f"{one.result()} {_key(two.result())} {three.result()} {_key(four.result())}"

    async def crowd(self, key: str) -> None:
        """Several at a time, so that results come together. What each does next differs in kind: a replay that sees the
        results in another order asks for other commands."""

        async def one(number: int) -> None:
            done = await self.remote(act, f"{key}/crowd/{number}")
            if number == 1:
                await asyncio.sleep(0.1)
            else:
                await self.remote(act_in_thread if number else act, f"{done}/then")

        await asyncio.gather(one(0), one(1), one(2))

    async def move_race(self, plan: Plan, key: str) -> str:
        try:
            async with asyncio.timeout(2):
                await self.remote(
                    dawdle,
                    key,
                    start_to_close_timeout=timedelta(minutes=20),
                    heartbeat_timeout=timedelta(seconds=5),
                    cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                )
            return "won"
        except (TimeoutError, ActivityError):
            # What was told to end and whose worker died meanwhile timed out.
            return "late"

    async def move_chance(self, plan: Plan, key: str) -> str:
        for number in range(3):
            if workflow.random().random() < 0.5:
                await self.remote(act, f"{key}/{number}")
            else:
                await asyncio.sleep(0.3)
        return "chance"

    async def move_patch(self, plan: Plan, key: str) -> str:
        await self.remote(act, f"{key}/a")
        if workflow.patched(f"patch {key}"):
            return await self.remote(act, f"{key}/b")
        return "old"

    async def move_child(self, plan: Plan, key: str) -> str:
        return await workflow.execute_child_workflow("small_errand", key, id=key, result_type=str)

    async def move_talk(self, plan: Plan, key: str) -> str:
        child = await workflow.start_child_workflow("listener", id=key, result_type=int)
        for number in range(3):
            await child.signal("heard", number)
        return f"talk {await child}"

    async def move_lock(self, plan: Plan, key: str) -> str:
        lock, seen = asyncio.Lock(), []

        async def one(number: int) -> None:
            async with lock:
                seen.append(number)
                await self.remote(act, f"{key}/{number}")
                seen.append(number)

        await asyncio.gather(one(1), one(2), one(3))
        return f"lock {seen}"

    async def move_fail(self, plan: Plan, key: str) -> str:
        try:
            await workflow.execute_child_workflow("failing_errand", key, id=key)
        except ChildWorkflowError as error:
            return f"failed {error.cause.__class__.__name__}"
        return "fine"


def _means_cancelled(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(_means_cancelled, error.exceptions))
    return is_cancelled_exception(error)


def _key(token: str) -> str:
    return token.partition("#")[0]


@workflow
async def small_errand(key: str) -> str:
    token = await tick(f"{key}/tick")
    await asyncio.sleep(1)
    return _key(await tock(f"{key}/tock", token))


@workflow
async def listener() -> int:
    mailbox = workflow.mailbox("heard", int)
    heard = [await mailbox.get() for _ in range(3)]
    return int("".join(map(str, heard)) or 0)


@workflow
async def failing_errand(key: str) -> None:
    await tick(f"{key}/tick")
    raise ApplicationError("as planned", type="Planned")


WORKFLOWS: list[Any] = [Errand, small_errand, listener, failing_errand, nexus_errands.long_errand]
ACTIVITIES: list[Any] = [act, act_in_thread, stumble, dawdle, tick, tock, long_step, local_stumble]
MOVES = (
    "act",
    "act",
    "thread",
    "stumble",
    "once",
    "step",
    "step",
    "steps",
    "long",
    "local",
    "nap",
    "notes",
    "fan",
    "race",
    "chance",
    "patch",
    "child",
    "talk",
    "lock",
    "fail",
    "anew",
)


def draw(chance: Random, name: str) -> Plan:
    """A plan."""
    signals = chance.choice((0, 0, 1, 2, 4))
    updates = chance.choice((0, 0, 1, 3))
    early = bool(signals) and chance.random() < 0.5
    # The service knows a message again only within a run: one that is sent twice may reach two.
    alone = not updates and not signals
    cancelled = chance.random() < 0.15
    # What is told to end for two reasons at once cannot tell which of them it heard.
    moves = [move for move in MOVES if (alone or move != "anew") and not (cancelled and move == "race")]
    return Plan(
        name,
        [chance.choice(moves) for _ in range(chance.randint(1, 5))],
        signals=signals,
        updates=updates,
        cancelled=cancelled,
        early=early,
    )


def expected(plan: Plan, said: list[str], notes: Notebook) -> str:
    """What is wrong with ``said``; empty when it is what the plan results in."""
    if plan.cancelled:
        wanted = ["cancelled", f"{plan.name}/end"]
        return "" if said == wanted else f"{said} instead of {wanted}"
    wanted = ["early True"] if plan.early else []
    wanted += [_wanted(f"{plan.name}/{at}", kind) for at, kind in enumerate(plan.moves)]
    if len(said) != len(wanted):
        return f"{len(said)} moves instead of {len(wanted)}: {said}"
    for heard, want in zip(said, wanted, strict=True):
        if heard == "lost" and plan.moves[wanted.index(want) - plan.early] == "once":
            continue
        got = _key(heard) if heard in notes.tokens else heard
        if got != want:
            return f"{heard!r} instead of {want!r} in {said}"
    return ""


def _wanted(key: str, kind: str) -> str:
    fixed = {
        "step": f"{key}/2",
        "steps": f"{key}/act",
        "nap": "nap",
        "notes": "notes",
        "fan": f"{key}/a {key}/b {key}/c {key}/d",
        "race": "late",
        "chance": "chance",
        "patch": f"{key}/b",
        "child": f"{key}/tock",
        "talk": "talk 12",
        "lock": "lock [1, 1, 2, 2, 3, 3]",
        "fail": "failed ApplicationError",
        "anew": "anew",
    }
    return nexus_errands.wanted(kind, key) if kind in nexus_errands.MOVES else fixed.get(kind, key)
