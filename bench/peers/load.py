"""What every peer program measures, in the same way: ``drive`` runs a workflow many times and tells how long it took.

It imports nothing but the standard library: peers live in environments of their own.
"""

import asyncio
import json
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable


def cpu_seconds() -> float:
    """Processor time of this process and its finished children."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


async def drive(execute: Callable[[int, int], Awaitable[object]], steps: int, seconds: float, at_once: int) -> None:
    """Run ``execute(number, steps)`` for so long, ``at_once`` at a time, and print the numbers as one line of JSON."""
    number = 0
    for number in range(min(at_once, 20)):
        await execute(number, steps)
    began, cpu = time.perf_counter(), cpu_seconds()
    until = began + seconds
    delays: list[float] = []
    next_number = number + 1

    async def one_after_another() -> None:
        nonlocal next_number
        while (now := time.perf_counter()) < until:
            mine, next_number = next_number, next_number + 1
            await execute(mine, steps)
            delays.append(time.perf_counter() - now)

    await asyncio.gather(*[one_after_another() for _ in range(at_once)])
    took, used = time.perf_counter() - began, cpu_seconds() - cpu
    done = len(delays)
    print(
        json.dumps(
            {
                "workflows_per_s": done / took,
                "steps_per_s": done * steps / took,
                "p50_ms": statistics.median(delays) * 1e3,
                "cpu_ms_per_workflow": used / done * 1e3,
                "cpu_ms_per_step": used / done / steps * 1e3,
            }
        ),
        flush=True,
    )


def arguments() -> tuple[str, int, float, int]:
    """``place steps seconds at_once`` from the command line."""
    return sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
