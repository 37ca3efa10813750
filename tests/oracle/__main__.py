"""By hand: `python -m tests.oracle [--ours host:port | --real-twice | --real-only] [--only glob] [--show]`.

Without a mode, starts both servers. Prints one line per scenario, then the differences.
"""

import argparse
import fnmatch
import sys
from contextlib import ExitStack

from tests.oracle.harness import our_server, real_server
from tests.oracle.registry import load
from tests.oracle.run import CONCURRENCY, DURATIONS, compare, run_all, summary


def main() -> int:
    """Returns the process's exit code: 1 when anything differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle")
    parser.add_argument("--ours", help="address of a running server of ours instead of starting one")
    parser.add_argument("--real", help="address of a running real server instead of starting one")
    parser.add_argument("--real-only", action="store_true", help="print the real server's transcripts")
    parser.add_argument(
        "--real-twice", action="store_true", help="compare two real servers: proves determinism"
    )
    parser.add_argument("--only", default="*", help="glob over scenario names; several separated by commas")
    parser.add_argument("--concurrency", type=int, default=CONCURRENCY)
    parser.add_argument("--quiet", action="store_true", help="only the summary")
    parser.add_argument("--slow", action="store_true", help="also list the slowest scenarios")
    options = parser.parse_args()
    globs = options.only.split(",")
    chosen = {name: run for name, run in load().items() if any(fnmatch.fnmatch(name, glob) for glob in globs)}
    with ExitStack() as stack:
        real = options.real or stack.enter_context(real_server())
        if options.real_only:
            for name, text in run_all(real, chosen, options.concurrency).items():
                print(f"===== {name}\n{text}")
            return 0
        if options.real_twice:
            other = options.ours or stack.enter_context(real_server())
        else:
            other = options.ours or stack.enter_context(our_server())
        diffs = compare(real, other, chosen, options.concurrency)
    if not options.quiet:
        for name, diff in sorted(diffs.items()):
            if diff:
                print(f"===== {name}\n{diff}")
    print("\n".join(summary(diffs)))
    if options.slow:
        for name in sorted(DURATIONS, key=DURATIONS.__getitem__)[-15:]:
            print(f"{DURATIONS[name]:6.1f}s {name}")
    bad = sum(1 for diff in diffs.values() if diff)
    print(f"{len(diffs)} scenarios, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
