"""Bugs planted on purpose in the framework's rooms: what `mutations` is to the service's.

``with planted("wrong seed"): errand_storm.simulate(seed)`` runs the framework with that bug.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tenuto import ambient
from tenuto.run import core, local_activity, patch
from tenuto.run.handlers import Handlers
from tenuto.run.run import Run
from tenuto.sim.mutations import Mutation, Patch, applied
from tenuto.worker import local, runs
from tenuto.worker.activities import Activities
from tenuto.worker.cache import Cache
from tenuto.worker.pollers import Poller

REPLAY, RESULTS, MESSAGES = "histories replay", "errands end as planned", "messages arrive once and in order"


def _use_before_recorded() -> list[Patch]:
    ended = local_activity.LocalActivityMachine.ended

    def hasty(self: Any, result: Any) -> bool:
        ended(self, result)
        return False  # as if there were nothing that the next step has to wait for

    return [(local_activity.LocalActivityMachine, "ended", hasty)]


def _signals_last() -> list[Patch]:
    run_jobs = Run._run_jobs

    def late(self: Run) -> None:
        signals: Any = [job for _, job in self._signals]
        self.core.jobs.extend(signals)
        self._signals = []
        run_jobs(self)

    return [(Run, "_run_jobs", late)]


def _lose_order() -> list[Patch]:
    take = runs._continue

    def disordered(cached: Any, events: Any, replay_until: int) -> Any:
        activations = take(cached, events, replay_until)
        for activation in activations or ():
            activation.events = sorted(activation.events, key=_results_backwards(activation.events))
        return activations

    return [(runs, "_continue", disordered)]


def _results_backwards(events: Any) -> Any:
    """A sorting key: results of activities and timers trade their places, everything else stays."""
    kinds = {12, 17}
    places = [at for at, event in enumerate(events) if event.event_type in kinds]
    other = dict(zip(places, reversed(places), strict=True))
    order = {event.event_id: other.get(at, at) for at, event in enumerate(events)}
    return lambda event: order[event.event_id]


def _wrong_seed() -> list[Patch]:
    return [(core, "seed_of", lambda run_id: hash(ambient.new_id()))]


def _evict_at_work() -> list[Patch]:
    surplus = Cache.surplus

    def careless(self: Cache, busy: Any) -> Any:
        return surplus(self, lambda run_id: False)

    return [(Cache, "surplus", careless)]


def _forget_patch() -> list[Patch]:
    def forgetful(asked: Any, patch_id: str, deprecated: bool) -> None:
        asked.patch_ids.add(patch_id)

    return [(patch, "ask", forgetful)]


def _run_recorded_again() -> list[Patch]:
    remembered, activate = local_activity.LocalActivityMachine.remembered, Run.activate

    def again(self: Any, marker: Any) -> None:
        vars(self.core).setdefault("planted", []).append(self.start())
        remembered(self, marker)

    def sending(self: Run, activation: Any) -> Any:
        made = activate(self, activation)
        if not self.core.replaying:
            made.local_activities = [*made.local_activities, *vars(self.core).pop("planted", [])]
        return made

    return [(local_activity.LocalActivityMachine, "remembered", again), (Run, "activate", sending)]


def _signal_twice() -> list[Patch]:
    signal = Handlers.signal

    def twice(self: Handlers, event: Any) -> None:
        signal(self, event)
        signal(self, event)

    return [(Handlers, "signal", twice)]


def _stale_answers() -> list[Patch]:
    query = Run.query

    def remembering(self: Any, asked: Any, query_id: str = "") -> Any:
        known = self.core.__dict__.setdefault("planted", {})
        if asked.query_type not in known:
            known[asked.query_type] = query(self, asked, query_id)
        return known[asked.query_type]

    return [(Run, "query", remembering)]


def _hand_on_twice() -> list[Patch]:
    run = Poller.run

    def eager(self: Any, task: Any, permit: Any) -> None:
        run(self, task, permit)
        if hasattr(task, "activity_id"):
            self._working.add(again := _spawn(self._handle(task)))
            again.add_done_callback(self._working.discard)

    return [(Poller, "run", eager)]


def _spawn(work: Any) -> Any:
    import asyncio

    return asyncio.get_running_loop().create_task(work)


def _invent_results() -> list[Patch]:
    async def invented(self: Activities, attempt: Any) -> Any:
        attempt.on_started()
        return local.LocalOutcome(result=None)

    return [(Activities, "run_local", invented)]


def _fail_on_cancel() -> list[Patch]:
    def broken(self: Run, reason: str) -> None:
        raise RuntimeError("planted")

    return [(Run, "_cancel", broken)]


MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "use a step before it is recorded",
        "A step's result is given to the code, which begins the next step, before history has its marker.",
        "results are durable before they are used",
        _use_before_recorded,
    ),
    Mutation(
        "run signals last",
        "Signals are handled after the main function has begun instead of before.",
        RESULTS,
        _signals_last,
    ),
    Mutation(
        "lose the order of a sticky run",
        "A run in memory sees results of one workflow task in another order than history has them.",
        REPLAY,
        _lose_order,
    ),
    Mutation("wrong seed", "A run's randomness is not that of its history.", REPLAY, _wrong_seed),
    Mutation(
        "evict with a task in flight",
        "A run may be dropped from the cache while a worker is at work on it.",
        "the scenario succeeds",
        _evict_at_work,
    ),
    Mutation("forget a patch", "Taking a patch leaves no marker in history.", REPLAY, _forget_patch),
    Mutation(
        "run recorded steps again",
        "A worker that replays a run has the steps run that history remembers, and ignores what they give.",
        "recorded steps never run again",
        _run_recorded_again,
    ),
    Mutation("handle signals twice", "Each signal's handler runs twice.", MESSAGES, _signal_twice),
    Mutation(
        "answer from memory",
        "A query of a run in memory is answered with what the same query was answered before.",
        "queries see what was told before",
        _stale_answers,
    ),
    Mutation(
        "hand on twice",
        "An activity task that a poll brought is run twice.",
        "activities do what history says",
        _hand_on_twice,
    ),
    Mutation(
        "invent results",
        "Local activities are said to be done that nobody did.",
        "activities do what history says",
        _invent_results,
    ),
    Mutation(
        "stumble over cancellation",
        "A request for cancellation makes the workflow task fail.",
        "workflow tasks never fail",
        _fail_on_cancel,
    ),
)


@contextmanager
def planted(name: str) -> Iterator[Mutation]:
    """The framework with one bug, until the block ends. Raises KeyError for an unknown name."""
    mutation = {one.name: one for one in MUTATIONS}[name]
    with applied(mutation):
        yield mutation
