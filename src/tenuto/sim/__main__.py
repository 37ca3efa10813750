"""``python -m tenuto.sim``: one seed with its trace, or many seeds as a table. Exit code 1 when a property broke.

    python -m tenuto.sim --seed 7              one seed, judged
    python -m tenuto.sim --seed 7 --trace      every step: step, virtual seconds, whose, what
    python -m tenuto.sim --seeds 1..500        a range
    python -m tenuto.sim --seed 1 --seeds 500  the same, as a count
    python -m tenuto.sim --seed 1 --minutes 30 seeds upward until time is over
    python -m tenuto.sim --framework ...       the framework's clients and workers in the cluster, instead of simulated ones

Whose: a node's life (``n0#2``: the second life of node n0), a worker (``k1``), or the world. What: the callback or task that
runs, or a note about what happens (``disk commit``, ``crash``, ``served StartWorkflowExecution to c0``).
"""

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import count

from tenuto.sim import errand_storm, framework_mutations, mutations
from tenuto.sim.mutations import applied
from tenuto.sim.options import describe, with_activities, with_schedules
from tenuto.sim.world import Outcome, shown, simulate

_MUTATIONS = {one.name: one for one in (*mutations.MUTATIONS, *framework_mutations.MUTATIONS)}
TAIL = 60
"""Trace lines shown with a failure."""


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tenuto.sim", description="Simulate Tenuto clusters from seeds."
    )
    parser.add_argument("--seed", type=int, default=None, help="the seed, or the first one")
    parser.add_argument("--seeds", default=None, metavar="A..B|COUNT", help="many seeds")
    parser.add_argument("--minutes", type=float, default=None, help="go on for this long")
    parser.add_argument("--trace", action="store_true", help="show every step")
    parser.add_argument(
        "--tail", type=int, default=TAIL, help=f"trace lines shown with a failure (default {TAIL})"
    )
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first failing seed")
    parser.add_argument("--plant", choices=[*_MUTATIONS], help="run with a bug planted on purpose")
    parser.add_argument("--schedules", action="store_true", help="schedules besides")
    parser.add_argument("--activities", action="store_true", help="activities on their own besides")
    parser.add_argument("--framework", action="store_true", help="the framework's workload")
    options = parser.parse_args(arguments)
    if options.plant:
        mutation = _MUTATIONS[options.plant]
        options.framework = options.framework or mutation in framework_mutations.MUTATIONS
        with applied(mutation):
            print(f"planted: {mutation.story}")
            return _run(options)
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    one = options.seeds is None and options.minutes is None
    failed: list[int] = []
    began, done = time.monotonic(), 0
    for seed in _seeds(options):
        report = ""
        if options.framework:
            outcome, report = errand_storm.simulate(seed, on_trace=_show if options.trace else None)
        else:
            knobs = with_schedules(seed) if options.schedules else None
            knobs = with_activities(seed) if options.activities else knobs
            outcome = simulate(seed, knobs, on_trace=_show if options.trace else None)
        done += 1
        if one:
            print(f"seed {seed}: {describe(outcome.options)}")
        if outcome.violation is not None:
            failed.append(seed)
            if report:
                print(report)
            else:
                _explain(outcome, 0 if options.trace else options.tail)
        if one or outcome.violation is not None or done % 50 == 0:
            print(_line(outcome))
        if failed and not options.keep_going:
            break
        if options.minutes is not None and time.monotonic() - began > options.minutes * 60:
            break
    if not one:
        took = time.monotonic() - began
        print(f"{done} seeds in {took:.1f} s, {len(failed)} failed{': ' if failed else ''}{failed or ''}")
    return 1 if failed else 0


def _seeds(options: argparse.Namespace) -> Iterator[int]:
    first = 1 if options.seed is None else options.seed
    if options.seeds is not None:
        low, dots, high = options.seeds.partition("..")
        return iter(range(int(low), int(high) + 1)) if dots else iter(range(first, first + int(low)))
    return count(first) if options.minutes is not None else iter((first,))


def _line(outcome: Outcome) -> str:
    verdict = f"BROKEN {outcome.violation.checker}" if outcome.violation else "held"
    return (
        f"seed {outcome.seed}: {verdict}; {outcome.steps} steps, {outcome.virtual_ns / 1e9:.0f} virtual s, "
        f"{outcome.runs} runs, {outcome.events} events, trace {outcome.fingerprint:08x}"
    )


def _explain(outcome: Outcome, tail: int) -> None:
    assert outcome.violation is not None
    if tail:
        print("\n".join(outcome.trace[-tail:]))
    print(f"seed {outcome.seed} breaks {outcome.violation.checker!r}:")
    print(f"  {outcome.violation.text}")
    print(f"  options: {describe(outcome.options)}")
    print(f"  again: python -m tenuto.sim --seed {outcome.seed} --trace")


def _show(line: tuple[int, int, str, str]) -> None:
    print(shown(line))


if __name__ == "__main__":
    sys.exit(main())
