"""The world: nodes, their disk, the network, clients and workers, and what happens to them, all from one seed.

``simulate`` runs one world to its end: first with trouble, then healed, until everything has closed or should have.
"""

import asyncio
import gc
import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from tenuto._loop import LoopError
from tenuto.engine import codec
from tenuto.engine.chain import Chain
from tenuto.sim import options as sim_options
from tenuto.sim.bounds import shrunk
from tenuto.sim.checkers import (
    ActivityOnce,
    All,
    AppendOnly,
    EverythingEnds,
    OneOpenRun,
    OneOwner,
    ReadsArePrefixes,
    ResultsStay,
    StoredIsLive,
    TimersWait,
)
from tenuto.sim.chronicle import Chronicle
from tenuto.sim.disk import Faults, WatchedDisk
from tenuto.sim.loop import EPOCH_NS, Life, SimulationLoop
from tenuto.sim.network import HEADERS, Network
from tenuto.sim.node import SHARD, Node
from tenuto.sim.options import SECOND, Options
from tenuto.sim.promises import PromisesKept
from tenuto.sim.schedules import EveryTimeCounts, Planner
from tenuto.sim.standalone import OutcomesStay, Soloist
from tenuto.sim.worker import Worker
from tenuto.sim.workload import Auditor, Client, Janitor
from tenuto.store.spi import ChainKey

TROUBLE_NS = 120 * SECOND
"""Trouble ends after this long at the latest."""
PATIENCE_NS = 3600 * SECOND
"""After healing, everything must have ended within this time."""
LOOK_NS = 5 * SECOND
INTERNAL = "no internal errors"


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken property."""

    checker: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a simulation went."""

    seed: int
    options: Options
    violation: Violation | None
    steps: int
    fingerprint: int
    virtual_ns: int
    runs: int
    events: int
    trace: list[str]


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, options: Options, only: str = "") -> None:
        self.seed = seed
        self.options = options
        self._only = only
        self.loop = SimulationLoop(seed, options.shuffle)
        self.loop.set_exception_handler(self._loop_error)
        self.violation: Violation | None = None
        self.disk = WatchedDisk()
        self.chronicle = Chronicle(self.disk)
        self.checkers = All(
            self.chronicle,
            [
                *(
                    kind(self.chronicle, self.report)
                    for kind in (OneOwner, AppendOnly, OneOpenRun, TimersWait, ActivityOnce)
                ),
                *(
                    kind(self.chronicle, self.report)
                    for kind in (ReadsArePrefixes, ResultsStay, PromisesKept, EveryTimeCounts, OutcomesStay)
                ),
                StoredIsLive(self.chronicle, self.report, self._owner_of, self._stored),
                EverythingEnds(self.chronicle, self.report, self.unfinished),
            ],
            lambda: EPOCH_NS + self.loop.now_ns,
        )
        self.disk.watchers.append(self.checkers)
        self.faults = Faults(Random(f"faults {seed}"), options.store_faults)
        chance = Random(f"network {seed}")
        self.network = Network(self.loop, options, chance, self.checkers, self._service_error)
        names = [f"n{number}" for number in range(options.nodes)]
        self.nodes = [Node(name, seed, self.loop, self.disk, self.faults, options) for name in names]
        self.workers: dict[str, tuple[Any, Life]] = {}
        self.healed = False
        self._chance = Random(f"world {seed}")
        self._routes = Random(f"routes {seed}")
        self._worker_count = 0
        self._stray: list[object] = []

    # ---- judging ------------------------------------------------------------------------------------------------------

    def report(self, checker: str, text: str) -> None:
        """Something is broken: the first finding counts, and the world stops."""
        if self.violation is None and self._only in ("", checker):
            self.violation = Violation(checker, text)
            self.loop.note(f"VIOLATION {checker}: {text}")
            self.loop.stop()

    def _loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.report(INTERNAL, f"{context.get('message')}: {error!r}{_where(error)}")

    def _service_error(self, method: str, error: BaseException) -> None:
        self.report(INTERNAL, f"{method} broke: {error!r}{_where(error)}")

    def _owner_of(self, fence: int) -> Any:
        """The living shard that holds this fence."""
        for node in self.nodes:
            if node.rooms is not None and node.life.alive and node.rooms.shard._fence == fence:
                return node.rooms.shard
        return None

    def _stored(self, key: ChainKey) -> Any:
        return self.disk.shard(SHARD).chains[key]

    def unfinished(self) -> list[str]:
        """What still runs or is still owed, in words."""
        left = []
        for chain in self._chains():
            if chain.current.run.open:
                left.append(f"{chain.key[1]} is open: {chain.current.run}")
            elif chain.out:
                left.append(f"{chain.key[1]} still owes {list(chain.out.values())}")
        return left

    def _chains(self) -> list[Chain]:
        chains = self.disk.shard(SHARD).chains
        return [codec.decode_chain(key, stored.header, stored.parts) for key, stored in chains.items()]

    # ---- the story ----------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        """Everything, in order."""
        self._give_lease(self.nodes[0])
        self.loop.spawn(self._keep_owner())
        troubles = [self.loop.spawn(coro) for coro in self._troubles()]
        for _ in range(self.options.workers):
            self._start_worker()
        ids = [f"w{number}" for number in range(self.options.workflow_ids)]
        clients = [
            self.loop.spawn(
                Client(name, Random(f"client {self.seed} {name}"), self.options, ids, self._ask).run()
            )
            for name in (f"c{number}" for number in range(self.options.clients))
        ]
        clients += [
            self.loop.spawn(
                Planner(name, Random(f"planner {self.seed} {name}"), self.options, self._ask).run()
            )
            for name in (f"p{number}" for number in range(self.options.schedules))
        ]
        clients += [
            self.loop.spawn(
                Soloist(name, Random(f"soloist {self.seed} {name}"), self.options, self._ask).run()
            )
            for name in (f"a{number}" for number in range(self.options.soloists))
        ]
        await asyncio.wait(clients, timeout=TROUBLE_NS / SECOND)
        for task in troubles:
            task.cancel()
        self._heal()
        for task in clients:
            await task
        janitor = Janitor(self._chains, self._ask)
        for _ in range(PATIENCE_NS // LOOK_NS):
            await asyncio.sleep(LOOK_NS / SECOND)
            await janitor.round()
            if not self.unfinished() and self._owner().serving:
                break
        self.checkers.ended()
        await Auditor(self.chronicle, self._ask).run()

    def _heal(self) -> None:
        self.loop.note("heal")
        self.healed = True
        self.faults.rate = 0
        self.network.calm = True
        self.network.cut.clear()
        for node in self.nodes:
            node.steal = False
            if node is not self._owner() and node.serving:
                node.retire()
        for worker, _ in self.workers.values():
            worker.calm = True

    # ---- routing ------------------------------------------------------------------------------------------------------

    def _owner(self) -> Node:
        return next(node for node in self.nodes if node.name == node.lease)

    async def _ask(
        self,
        caller: str,
        method: str,
        request: Any,
        timeout: int,
        headers: Mapping[str, str] = HEADERS,
    ) -> Any:
        node = self._owner()
        if not self.healed and self._routes.random() < 0.1:
            node = self._routes.choice(self.nodes)
        return await self.network.call(caller, node, method, request, timeout, headers)

    def _give_lease(self, owner: Node) -> None:
        for node in self.nodes:
            node.lease = owner.name
        self.loop.note(f"lease to {owner.name}")

    async def _keep_owner(self) -> None:
        """A cluster's membership: somebody who is alive shall own the shard."""
        while True:
            owner = self._owner()
            if not owner.serving and not owner.booting:
                if not self.healed:
                    owner = self._chance.choice(self.nodes)
                    self._give_lease(owner)
                self._begin_anew(owner)
            await asyncio.sleep(self._chance.uniform(0.05, 1))

    def _begin_anew(self, heir: Node) -> None:
        """Whoever gets the lease acquires the shard, even if it still believes in a former lease."""
        if heir.serving or heir.booting:
            heir.crash()
            self.network.died(heir)
        heir.boot()

    # ---- workers ------------------------------------------------------------------------------------------------------

    def _start_worker(self) -> None:
        self._worker_count += 1
        name = f"k{self._worker_count}"
        life = Life(name)
        worker = Worker(name, Random(f"worker {self.seed} {name}"), self.options, self._ask, self.report)
        worker.calm = self.healed
        self.workers[name] = (worker, life)
        self.loop.spawn(worker.run(), life)

    def _kill_worker(self) -> None:
        name = self._chance.choice(sorted(self.workers))
        _, life = self.workers.pop(name)
        self.loop.note("worker dies", life)
        self._stray.append(asyncio.all_tasks(self.loop))
        life.alive = False
        self.network.hung_up(name)
        self._start_worker()

    # ---- trouble ------------------------------------------------------------------------------------------------------

    def _troubles(self) -> list[Any]:
        options = self.options
        return [
            self._every(mean, act)
            for mean, act in (
                (options.crash_every_ns, self._crash),
                (options.takeover_every_ns, self._take_over),
                (options.partition_every_ns, self._cut),
                (options.jump_every_ns, self._jump),
                (options.worker_death_every_ns, self._kill_worker),
            )
            if mean
        ]

    async def _every(self, mean_ns: int, act: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(self._chance.expovariate(SECOND / mean_ns))
            act()

    def _crash(self) -> None:
        living = [node for node in self.nodes if node.serving or node.booting]
        if living:
            node = self._chance.choice(living)
            node.crash()
            self.network.died(node)

    def _take_over(self) -> None:
        """Another node gets the lease while the former owner still believes in its own."""
        former = self._owner()
        heirs = [node for node in self.nodes if node is not former] or [former]
        heir = self._chance.choice(heirs)
        if heir is former:
            if former.serving:
                former.retire()
                self.network.died(former)
            return
        self._give_lease(heir)
        self._begin_anew(heir)
        self.loop.later(round(self._chance.uniform(0, 8) * SECOND), self._depose, former, former.lives)

    def _depose(self, former: Node, life: int) -> None:
        if former.lives != life or former.lease == former.name or not former.serving:
            return
        if self._chance.random() < 0.5:
            former.crash()
            self.network.died(former)
        else:
            former.retire()
            self.network.died(former)

    def _cut(self) -> None:
        callers = [f"c{number}" for number in range(self.options.clients)] + sorted(self.workers)
        pairs = {
            (caller, node.name) for caller in callers for node in self.nodes if self._chance.random() < 0.5
        }
        self.network.cut |= pairs
        self.loop.later(round(self._chance.uniform(0.1, 10) * SECOND), self._mend, pairs)

    def _mend(self, pairs: set[tuple[str, str]]) -> None:
        self.network.cut -= pairs

    def _jump(self) -> None:
        node = self._chance.choice(self.nodes)
        far = round(self._chance.random() * self.options.jump_ns)
        ns = far if self._chance.random() < 0.5 else -min(far, 2 * SECOND)
        self.loop.note(f"clock of {node.name} jumps by {ns} ns")
        node.clock.jump(ns)


class _Alarm(logging.Handler):
    """The product's own error log is a finding."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._world.report(INTERNAL, f"{record.getMessage()}: {error!r}{_where(error)}")


def _where(error: BaseException | None) -> str:
    """The innermost lines of a traceback."""
    places = []
    trace = error.__traceback__ if error is not None else None
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " at " + " < ".join(reversed(places[-5:])) if places else ""


def simulate(
    seed: int,
    options: Options | None = None,
    on_trace: Callable[[tuple[int, int, str, str]], None] | None = None,
    only: str = "",
) -> Outcome:
    """Run one world. ``options`` default to those drawn from the seed; ``only`` names the one property to be judged."""
    drawn = options or sim_options.draw(seed)
    return play_through(lambda: World(seed, drawn, only), outcome_of, seed, drawn, on_trace)


W = TypeVar("W", bound=World)
R = TypeVar("R")


def play_through(
    make: Callable[[], W],
    look: Callable[[W], R],
    seed: int,
    options: Options,
    on_trace: Callable[[tuple[int, int, str, str]], None] | None = None,
) -> R:
    """Make a world, play it to its end, ``look`` at it, and throw it away with all that died in it."""
    collecting, hook = gc.isenabled(), sys.unraisablehook
    gc.disable()
    gc.freeze()  # what was there before need not be looked through for the dead of this world
    sys.unraisablehook = lambda _: None
    try:
        with shrunk(seed, options), warnings.catch_warnings():
            # What is killed before it begins was never awaited.
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            world = make()
            _play(world, on_trace)
            seen = look(world)
            del world
            # The dead are thrown away now: their ``finally`` blocks run into a closed loop, and nobody minds.
            disabled = logging.root.manager.disable
            logging.disable(logging.CRITICAL)
            gc.collect()
            logging.disable(disabled)
        return seen
    finally:
        sys.unraisablehook = hook
        gc.unfreeze()
        if collecting:
            gc.enable()


def _play(world: World, on_trace: Callable[[tuple[int, int, str, str]], None] | None) -> None:
    world.loop.on_trace = on_trace
    logger = logging.getLogger("tenuto")
    alarm, before = _Alarm(world), (logger.propagate, logger.level)
    logger.addHandler(alarm)
    logger.propagate = False
    logger.setLevel(logging.ERROR)
    try:
        world.loop.run_until_complete(world.loop.spawn(world.play()))
    except LoopError as error:
        world.report(INTERNAL, f"{type(error).__name__}: {error}")
    finally:
        logger.removeHandler(alarm)
        logger.propagate = before[0]
        logger.setLevel(before[1])
        world.loop.close()


def outcome_of(world: World) -> Outcome:
    """How it went."""
    stories = world.chronicle.stories()
    return Outcome(
        world.seed,
        world.options,
        world.violation,
        world.loop.steps,
        world.loop.fingerprint,
        world.loop.now_ns,
        len(stories),
        sum(len(story.events) for story in stories),
        [shown(line) for line in world.loop.trace],
    )


def shown(line: tuple[int, int, str, str]) -> str:
    """A line of the trace: step, virtual seconds, whose, what."""
    step, ns, life, what = line
    return f"{step:>8} {ns / 1e9:>14.6f} {life:<8} {what}"
