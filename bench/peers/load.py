"""What every peer program measures, in the same way: ``drive`` runs a workflow many times and tells how long it took.

It imports nothing but the standard library: peers live in environments of their own.
"""

import asyncio
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path


def cpu_seconds() -> float:
    """Processor time of this process and its finished children."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def cpu_of(pid: int) -> float:
    """Processor time of another process that runs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def drive(
    execute: Callable[[int, int], Awaitable[object]],
    steps: int,
    seconds: float,
    at_once: int,
    others: Callable[[], float] = float,
) -> None:
    """Run ``execute(number, steps)`` for so long, ``at_once`` at a time, and print the numbers as one line of JSON.

    ``others``: processor time of the other processes that have a part in it. What is measured begins warm.
    """
    warm = time.perf_counter() + min(2.0, seconds / 3)
    next_number = 0

    async def warming() -> None:
        nonlocal next_number
        while time.perf_counter() < warm:
            mine, next_number = next_number, next_number + 1
            await execute(mine, steps)

    await asyncio.gather(*[warming() for _ in range(at_once)])
    began, cpu = time.perf_counter(), cpu_seconds() + others()
    until = began + seconds
    delays: list[float] = []

    async def one_after_another() -> None:
        nonlocal next_number
        while (now := time.perf_counter()) < until:
            mine, next_number = next_number, next_number + 1
            await execute(mine, steps)
            delays.append(time.perf_counter() - now)

    await asyncio.gather(*[one_after_another() for _ in range(at_once)])
    took, used = time.perf_counter() - began, cpu_seconds() + others() - cpu
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
