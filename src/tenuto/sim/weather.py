"""The storm: the framework's real clients and workers, with workflows of anybody's, in the simulated cluster.

``storm(workflows=[...], activities=[...], scenario=...)`` plays a scenario once for each seed, on virtual time, while nodes
and workers crash, commits fail and messages get lost, come late or come twice; it raises `StormBroken` with a report when
something does not hold. This file must never replace a room of the product.
"""

import asyncio
import traceback
from asyncio import events
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any

from tenuto import ambient
from tenuto.client import Client
from tenuto.converter import DataConverter
from tenuto.sim import options as sim_options
from tenuto.sim.framework import EffectsHappen, HistoriesReplay, Make, StepsOnce, TasksNeverFail
from tenuto.sim.ledger import Ledger, Scribe
from tenuto.sim.loop import Life, SimClock
from tenuto.sim.options import SECOND, Options
from tenuto.sim.promises import PromisesKept
from tenuto.sim.telling import told
from tenuto.sim.transport import SimTransport
from tenuto.sim.world import INTERNAL, LOOK_NS, TROUBLE_NS, Outcome, World, outcome_of, play_through
from tenuto.transport.config import ConnectConfig
from tenuto.transport.services import ServiceClient
from tenuto.worker import Worker
from tenuto.worker.config import WorkerConfig
from tenuto.worker.replayer import Replayer

SCENARIO = "the scenario succeeds"
ENDS = "everything ends"
Scenario = Callable[[Client], Awaitable[None]]
_RESTART_S = 1.0


@dataclass(frozen=True, slots=True)
class Faults:
    """What may go wrong. How often and how badly is drawn from the seed; in a tenth of all seeds nothing does."""

    node_crashes: bool = True
    """The service dies at any moment and comes back, or another node takes over."""
    lost_commits: bool = True
    """The database refuses commits, or answers neither yes nor no."""
    worker_crashes: bool = True
    """Workers die at any moment, in the middle of whatever they do, or are shut down; others take over."""
    lost_messages: bool = True
    duplicates: bool = True
    """Requests arrive twice."""
    slow_network: bool = True
    small_caches: bool = True
    """Workers forget workflows and replay them, the service forgets what it can read again."""
    clock_jumps: bool = False
    """The clocks of nodes and workers differ, and jump: workflows may see a timer or a timeout come far too early."""

    @staticmethod
    def none() -> "Faults":
        """Fair weather."""
        return Faults(False, False, False, False, False, False, False, False)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is played."""

    workflows: Sequence[Any]
    activities: Sequence[Callable[..., Any]]
    scenario: Scenario
    faults: Faults
    task_queue: str = "default"
    data_converter: DataConverter = field(default_factory=lambda: DataConverter.default)
    interceptors: Sequence[Any] = ()
    worker: WorkerConfig = field(default_factory=lambda: WorkerConfig())
    patience: timedelta = timedelta(hours=6)
    replays: float = 0.5
    """Share of workflow tasks after which the history is replayed."""
    checkers: Sequence[Make] = ()
    surroundings: Sequence[tuple[ContextVar[Any], Any]] = ()
    """Context variables that every program of the world starts with."""
    must_end: bool = False
    """Whether every workflow must have ended when the scenario has."""


class StormBroken(AssertionError):
    """Something did not hold. ``seed`` plays it again; the text is the report."""

    def __init__(self, outcome: Outcome, report: str) -> None:
        super().__init__(report)
        self.outcome = outcome
        self.seed = outcome.seed
        assert outcome.violation is not None
        self.checker = outcome.violation.checker


def storm(
    *,
    workflows: Sequence[Any],
    activities: Sequence[Callable[..., Any]] = (),
    scenario: Scenario,
    seeds: Iterable[int] = range(1, 31),
    faults: Faults | None = None,
    task_queue: str = "default",
    data_converter: DataConverter | None = None,
    interceptors: Sequence[Any] = (),
    worker: WorkerConfig | None = None,
    patience: timedelta = timedelta(hours=6),
) -> list[Outcome]:
    """Play ``scenario`` once for each seed, in a storm.

    Args:
        workflows: To be run by the workers of the storm, which come and go.
        activities: Likewise. They run on virtual time: ``asyncio.sleep`` takes none. Sync ones run on the loop itself, so
            they must not block for long. The real world must not come in: no sockets, no files that others change.
        scenario: Gets a `Client`; starts workflows, signals them, awaits results, asserts. What it calls may take long, but
            is not lost: calls are made again until they get through. So it must succeed whatever happens.
        seeds: Each is a story of its own, always the same one.
        faults: What may go wrong; default: everything but jumping clocks.
        task_queue: Of the workers, and the client's default.
        data_converter: Of the client.
        interceptors: Of the client; those that are worker interceptors as well pass to the workers.
        worker: More parameters of `Worker`.
        patience: Virtual time within which the scenario must have succeeded once the trouble has ceased.

    Returns:
        How each seed went.

    Raises:
        StormBroken: The scenario raised or did not end; a workflow task failed, as it does for nondeterminism; a history
            does not replay; a recorded step ran again; an attempt of an activity ran twice; or the service lost something.
        RuntimeError: It was called from within a running event loop.
    """
    if events._get_running_loop() is not None:
        raise RuntimeError(
            "storm() has event loops of its own: call it from plain code, not from within a running event loop"
        )
    setting = Setting(
        workflows=workflows,
        activities=activities,
        scenario=scenario,
        faults=faults or Faults(),
        task_queue=task_queue,
        data_converter=data_converter or DataConverter.default,
        interceptors=interceptors,
        worker=worker or WorkerConfig(),
        patience=patience,
    )
    outcomes = []
    for seed in seeds:
        outcome, report = play(seed, setting)
        if outcome.violation is not None:
            raise StormBroken(outcome, report)
        outcomes.append(outcome)
    return outcomes


def play(
    seed: int, setting: Setting, options: Options | None = None, only: str = "", on_trace: Any = None
) -> tuple[Outcome, str]:
    """One seed, and a report if something broke. ``only`` names the one property to be judged."""
    drawn = options or draw(seed, setting.faults)

    def look(world: StormWorld) -> tuple[Outcome, str]:
        outcome = outcome_of(world)
        return outcome, told(world.chronicle, outcome) if outcome.violation is not None else ""

    return play_through(lambda: StormWorld(seed, drawn, setting, only), look, seed, drawn, on_trace)


def draw(seed: int, faults: Faults) -> Options:
    """The options of a seed, but for the troubles that are switched off."""
    drawn = sim_options.draw(seed)
    calm: dict[str, Any] = {"clients": 1, "store_faults": drawn.store_faults / 3}
    if not faults.node_crashes:
        calm.update(crash_every_ns=0, takeover_every_ns=0, nodes=1)
    if not faults.lost_commits:
        calm.update(store_faults=0.0)
    if not faults.worker_crashes:
        calm.update(worker_death_every_ns=0)
    if not faults.lost_messages:
        calm.update(net_loss=0.0, partition_every_ns=0)
    if not faults.duplicates:
        calm.update(net_duplicates=0.0)
    if not faults.slow_network:
        calm.update(net_delay_ns=SECOND // 1000, disk_delay_ns=SECOND // 1000)
    if not faults.small_caches:
        calm.update(small_cache=False, small_bounds=0.0, small_window=False)
    if not faults.clock_jumps:
        calm.update(jump_every_ns=0, skew_ns=0)
    return replace(drawn, **calm)


class _Shift:
    """A worker's time at work."""

    def __init__(self) -> None:
        self.calm = False
        self.worker: Worker | None = None


class Inline(Executor):
    """Where sync activities run: on the loop, between two other callbacks."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        asyncio.get_running_loop().call_soon(self._perform, future, fn, args, kwargs)
        return future

    def _perform(self, future: "Future[Any]", fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - as in a thread: whoever waits is told
            future.set_exception(error)


class StormWorld(World):
    """A world whose clients and workers are the framework's own."""

    def __init__(self, seed: int, options: Options, setting: Setting, only: str = "") -> None:
        super().__init__(seed, options, only)
        self.setting = setting
        self.ledger = Ledger(lambda: self.loop.now_ns)
        replayer = Replayer(
            workflows=setting.workflows,
            data_converter=setting.data_converter,
            interceptors=[one for one in setting.interceptors if hasattr(one, "workflow_interceptor_class")],
            debug_mode=True,
            workflow_failure_exception_types=setting.worker.get("workflow_failure_exception_types", ()),
        )
        chronicle = self.chronicle
        chance = Random(f"replays {seed}")
        self._replays = HistoriesReplay(chronicle, self.report, replayer, setting.replays, chance)
        self._steps = StepsOnce(chronicle, self.report, self.ledger)
        self.checkers.checkers = [
            *(one for one in self.checkers.checkers if not isinstance(one, PromisesKept)),
            TasksNeverFail(chronicle, self.report),
            self._replays,
            self._steps,
            EffectsHappen(chronicle, self.report, self.ledger),
            *(make(chronicle, self.report) for make in setting.checkers),
        ]

    def report(self, checker: str, text: str) -> None:
        # A worker that cannot reach the service when it starts gives up, and is started again like any program.
        if checker != INTERNAL or "Worker validation failed" not in text:
            super().report(checker, text)

    # ---- the story ----------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        """Everything, in order."""
        self._give_lease(self.nodes[0])
        self.loop.spawn(self._keep_owner())
        troubles = [self.loop.spawn(coro) for coro in self._troubles()]
        for _ in range(self.options.workers):
            self._start_worker()
        self.loop.spawn(self._keep_replaying())
        life = self._program("c0")
        scene = self.loop.spawn(self._scene(), life)
        await asyncio.wait([scene], timeout=TROUBLE_NS / SECOND)
        for task in troubles:
            task.cancel()
        self._heal()
        patience = self.setting.patience.total_seconds()
        if not scene.done():
            await asyncio.wait([scene], timeout=patience)
        if not scene.done():
            self.report(
                SCENARIO, f"it is not over after {patience:.0f} s of fair weather: {self._where(scene)}"
            )
            return
        if self.setting.must_end:
            for _ in range(round(patience * SECOND) // LOOK_NS):
                if not self.unfinished() and self._owner().serving:
                    break
                await asyncio.sleep(LOOK_NS / SECOND)
            self.checkers.ended()
        self._replays.all_of_them()
        await self._replays.work()

    def _where(self, scene: "asyncio.Task[Any]") -> str:
        frames = [f"{frame.f_code.co_name} (line {frame.f_lineno})" for frame in scene.get_stack(limit=6)]
        return "it waits in " + " < ".join(reversed(frames))

    async def _scene(self) -> None:
        client = self._client("c0", patient=True)
        try:
            await self.setting.scenario(client)
        except Exception as raised:  # noqa: BLE001 - whatever the scenario raises is what the storm found
            error: BaseException = raised
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            if isinstance(error, BrokenPromise):
                self.report(error.checker, str(error))
                return
            shown = "".join(traceback.format_exception(error)).rstrip()
            self.report(SCENARIO, f"{type(error).__name__}: {error}\n{shown}")

    async def _keep_replaying(self) -> None:
        while True:
            await self._replays.work()
            await asyncio.sleep(0.5)

    # ---- programs -----------------------------------------------------------------------------------------------------

    def _program(self, name: str) -> Life:
        """A process with a clock and a chance of its own."""
        chance = Random(f"program {self.seed} {name}")
        clock = SimClock(self.loop, round(chance.uniform(-1, 1) * self.options.skew_ns))
        life = Life(name)
        life.context.run(ambient.give, ambient.Ambience(clock.now, chance))
        for variable, value in self.setting.surroundings:
            life.context.run(variable.set, value)
        return life

    def _client(self, name: str, patient: bool) -> Client:
        setting = self.setting
        chance = Random(f"way {self.seed} {name}")
        way = SimTransport(name, self._ask, chance, self._steps.heard, patient=patient)
        connection = ServiceClient(ConnectConfig(target_host="simulation", identity=name, lazy=True), way)
        return Client(
            connection,
            data_converter=setting.data_converter,
            interceptors=setting.interceptors,
            default_task_queue=setting.task_queue,
        )

    def _start_worker(self) -> None:
        self._worker_count += 1
        name = f"k{self._worker_count}"
        life, shift = self._program(name), _Shift()
        shift.calm = self.healed
        self.workers[name] = (shift, life)
        self.loop.spawn(self._shift(name, shift), life)

    async def _shift(self, name: str, shift: _Shift) -> None:
        """A worker's process, started again when it ends by itself."""
        chance = Random(f"shift {self.seed} {name}")
        setting = self.setting
        cached = chance.choice((0, 1, 2, 1000)) if setting.faults.small_caches else 1000
        given: dict[str, Any] = {
            "max_cached_workflows": cached,
            "max_concurrent_workflow_task_polls": chance.choice((2, 2, 3, 5)),
            "max_concurrent_activity_task_polls": chance.choice((1, 2)),
            "activity_executor": Inline(),
            **setting.worker,
        }
        while shift.worker is None or not shift.worker.is_shutdown:
            given["interceptors"] = [*setting.worker.get("interceptors", ()), Scribe(self.ledger, name)]
            shift.worker = Worker(
                self._client(name, patient=False),
                task_queue=setting.task_queue,
                workflows=setting.workflows,
                activities=setting.activities,
                **given,
            )
            try:
                await shift.worker.run()
                return
            except RuntimeError as error:
                if "Worker validation failed" not in str(error):
                    self.report(INTERNAL, f"worker {name} broke: {error!r}")
            shift.worker = None
            await asyncio.sleep(_RESTART_S)

    def _kill_worker(self) -> None:
        name = self._chance.choice(sorted(self.workers))
        shift, life = self.workers[name]
        if self._chance.random() < 0.3 and shift.worker is not None and shift.worker.is_running:
            del self.workers[name]
            self.loop.note("worker leaves", life)
            self.loop.spawn(shift.worker.shutdown(), life)
            self._start_worker()
            return
        self._stray.append((shift, life))
        super()._kill_worker()


class BrokenPromise(AssertionError):
    """A workload found that something else than it says itself was broken."""

    def __init__(self, checker: str, text: str) -> None:
        super().__init__(text)
        self.checker = checker
