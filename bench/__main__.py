"""``python -m bench``: Tenuto beside others on this machine, in one run, part by part and turn by turn.

The server beside the real one; the framework beside others (`bench.frameworks`).

Every part gives each server its turn before the next round begins, so that what else the machine does falls on all
alike. Shown is the median of the rounds. Results also go to ``bench/results/`` as JSON and Markdown.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench import frameworks
from bench.parts import PARTS, Numbers, Sizes
from bench.servers import KINDS, ROOT, running

RESULTS = ROOT / "bench" / "results"
Table = dict[str, dict[str, list[Numbers]]]
NOTES = """\
- *temporal* is `temporal server start-dev --db-filename` as it comes; *temporal-tuned* lifts its rate limits.
- `server_cpu_ms` is processor time of the server's process tree per workflow (per activity in sequential and parallel).
- sequential: six events an activity, and a history may have 51,200; therefore 8,000 activities, not 10,000.
- sleepers and sequential give the other servers a twenty-fifth of the work (`--slow-share`); the first row says how much.
- peers: Tenuto (embedded) and DBOS are one process on a SQLite file; Restate's server and its endpoint are two more.
  Processor time is that of all of a peer's processes.
- All servers keep their state in one SQLite file on the same disk; clients and servers share the machine's processors.
"""


def measure(parts: list[str], kinds: list[str], rounds: int, sizes: Sizes) -> Table:
    """Every part for every server, `rounds` times, turn by turn; prints each number as it comes."""
    found: Table = {part: {kind: [] for kind in kinds} for part in parts}
    with tempfile.TemporaryDirectory(prefix="tenuto-bench-") as directory:
        for part in parts:
            for turn in range(1 if part in ("sleepers", "sequential") else rounds):
                for kind in kinds:
                    began = time.monotonic()
                    with running(kind, Path(directory), f"{part}-{turn}") as server:
                        numbers = PARTS[part](server, sizes)
                    found[part][kind].append(numbers)
                    shown = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
                    print(f"{part:12} {kind:15} {shown}  [{time.monotonic() - began:.0f} s]", flush=True)
    return found


def medians(rounds: list[Numbers]) -> Numbers:
    """The median of each number over the rounds."""
    return {name: statistics.median(numbers[name] for numbers in rounds) for name in rounds[0]}


def markdown(found: Table) -> str:
    """One table a part: a row for each number, a column for each server."""
    lines = [f"# Bench of {time.strftime('%Y-%m-%d %H:%M')}", "", f"{machine()}", ""]
    for part, by_kind in found.items():
        kinds = [kind for kind, rounds in by_kind.items() if rounds]
        middle = {kind: medians(by_kind[kind]) for kind in kinds}
        if not kinds:
            continue
        told = (PARTS[part] if part in PARTS else frameworks.PARTS[part]).__doc__ or ""
        lines += [f"## {part}: {told.strip()}", ""]
        lines += [f"| | {' | '.join(kinds)} |", f"|---|{'---:|' * len(kinds)}"]
        lines += [
            f"| {name} | {' | '.join(f'{middle[kind][name]:,.4g}' for kind in kinds)} |"
            for name in middle[kinds[0]]
        ]
        lines.append("")
    return "\n".join([*lines, NOTES])


def machine() -> str:
    """What this ran on."""
    return f"{os.cpu_count()} processors, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def parse(arguments: list[str]) -> argparse.Namespace:
    """What to run, against whom, how long."""
    sizes = Sizes()
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--only",
        help=f"parts, comma separated, or the beginning of names; of {', '.join([*PARTS, *frameworks.PARTS])}",
    )
    parser.add_argument("--servers", default=",".join(KINDS), help="comma separated")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=sizes.seconds, help="each timed stretch")
    parser.add_argument("--sleepers", type=int, default=sizes.sleepers)
    parser.add_argument("--sequential", type=int, default=sizes.sequential)
    parser.add_argument("--parallel", type=int, default=sizes.parallel)
    parser.add_argument(
        "--slow-share", type=float, default=sizes.slow_share, help="work for servers other than ours"
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Measures, prints, writes."""
    options = parse(sys.argv[1:])
    wanted = options.only.split(",") if options.only else [""]
    parts = [part for part in PARTS if part.startswith(tuple(wanted))]
    beside = [part for part in frameworks.PARTS if part.startswith(tuple(wanted))]
    sizes = Sizes(options.seconds, options.sleepers, options.sequential, options.parallel, options.slow_share)
    found = measure(parts, options.servers.split(","), options.rounds, sizes) if parts else {}
    for part in beside:
        found[part] = frameworks.measure(part, options.seconds, options.rounds)
    RESULTS.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    table = markdown(found)
    (RESULTS / f"{stamp}.md").write_text(table)
    (RESULTS / f"{stamp}.json").write_text(json.dumps({"machine": machine(), "parts": found}, indent=1))
    print(f"\n{table}\nwritten to {RESULTS.relative_to(ROOT)}/{stamp}.md and .json")


if __name__ == "__main__":
    main()
