"""The measurements, one function a part. Each takes a fresh server and returns named numbers; none prints.

Units are in the names: ``_ms`` milliseconds, ``_s`` seconds, ``_mib`` mebibytes, ``per_s`` per second.
"""

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.servers import ROOT, Server

Numbers = dict[str, float]
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much to do. `sequential` x 6 events must stay below the 51,200 events a history may have."""

    seconds: float = 5
    sleepers: int = 100_000
    sequential: int = 8_000
    parallel: int = 2_000
    slow_share: float = 0.04
    """Share of `sleepers` and `sequential` that servers other than ours get: all of it would take them an hour."""

    def of(self, server: Server, count: int) -> int:
        """`count` for ours, its share for the others; numbers per workflow and per activity stay comparable."""
        return count if server.kind == "tenuto" else max(1, round(count * self.slow_share))


class Child:
    """A process of ours that is spoken to by lines."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self) -> str:
        """The next line. Raises RuntimeError when the process is gone."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a measuring process ended with {self._process.wait()}")
        return line.strip()

    def say(self, line: str = "") -> None:
        """Sends a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """Closes its input and waits; kills it after 10 s."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def child(module: str, *arguments: str) -> Iterator[Child]:
    """A child that is ended whatever happens."""
    found = Child(module, *arguments)
    try:
        yield found
    finally:
        found.end()


def _measured(
    load: Child, server: Server, others: Callable[[], float] = lambda: 0.0
) -> tuple[Numbers, float, float]:
    """Waits for a load to run; (its numbers, server CPU seconds, CPU seconds of `others`) of the measured stretch."""
    assert load.hear() == "measure"
    before, others_before = server.cpu(), others()
    load.say()
    assert load.hear() == "measured"
    used, others_used = server.cpu() - before, others() - others_before
    load.say()
    return json.loads(load.hear()), used, others_used


def _official(server: Server, seconds: float, concurrency: int) -> Numbers:
    queue = f"official-{uuid.uuid4().hex[:8]}"
    where = ("--address", server.address, "--queue", queue)
    with child("bench.official", "worker", *where) as worker:
        worker.hear()

        def worker_cpu() -> float:
            worker.say()
            return float(worker.hear())

        how = ("--seconds", str(seconds), "--concurrency", str(concurrency))
        with child("bench.official", "load", *where, *how) as load:
            numbers, used, worked = _measured(load, server, worker_cpu)
    count = numbers["count"]
    return {
        "p50_ms": numbers["p50"] * 1e3,
        "p99_ms": numbers["p99"] * 1e3,
        "per_s": count / numbers["elapsed"],
        "server_cpu_ms": used / count * 1e3,
        "worker_cpu_ms": worked / count * 1e3,
        "client_cpu_ms": numbers["client_cpu"] / count * 1e3,
    }


def official_1(server: Server, sizes: Sizes) -> Numbers:
    """Official SDK, one workflow at a time."""
    return _official(server, sizes.seconds, 1)


def official_50(server: Server, sizes: Sizes) -> Numbers:
    """Official SDK, fifty at a time."""
    return _official(server, sizes.seconds, 50)


def _raw(server: Server, plan: str, *more: str) -> tuple[Numbers, float]:
    with child("bench.driver", "--address", server.address, "--sync", "--plan", plan, *more) as load:
        numbers, used, _ = _measured(load, server)
    return numbers, used


def raw_50(server: Server, sizes: Sizes) -> Numbers:
    """Canned worker without an SDK, fifty at a time."""
    numbers, used = _raw(server, "short", "--seconds", str(sizes.seconds), "--concurrency", "50")
    count = numbers["count"]
    return {
        "p50_ms": numbers["p50"] * 1e3,
        "p99_ms": numbers["p99"] * 1e3,
        "per_s": count / numbers["elapsed"],
        "server_cpu_ms": used / count * 1e3,
        "driver_cpu_ms": numbers["driver_cpu"] / count * 1e3,
    }


def _long(server: Server, plan: str, count: int, *more: str) -> Numbers:
    numbers, used = _raw(server, f"{plan}:{count}", *more)
    return {
        "activities": count,
        "elapsed_s": numbers["elapsed"],
        "per_s": count / numbers["elapsed"],
        "server_cpu_ms": used / count * 1e3,
        "driver_cpu_ms": numbers["driver_cpu"] / count * 1e3,
    }


def sequential(server: Server, sizes: Sizes) -> Numbers:
    """One workflow, activities one after another."""
    return _long(server, "sequential", sizes.of(server, sizes.sequential), "--pollers", "2")


def parallel(server: Server, sizes: Sizes) -> Numbers:
    """One workflow, all activities at once."""
    return _long(server, "parallel", sizes.parallel)


def idle(server: Server, sizes: Sizes) -> Numbers:
    """Readiness on an existing file and memory at rest."""
    server.stop()
    ready = server.start()
    return {"ready_s": ready, "resident_mib": server.resident() / _MIB}


def sleepers(server: Server, sizes: Sizes) -> Numbers:
    """Many workflows asleep on a timer; then a restart."""
    count = sizes.of(server, sizes.sleepers)
    server.stop()
    server.start()
    empty = server.resident()
    numbers, used = _raw(server, f"sleep:{count}")
    after = server.resident()
    server.stop()
    ready = server.start()
    return {
        "workflows": count,
        "started_per_s": count / numbers["elapsed"],
        "server_cpu_ms": used / count * 1e3,
        "resident_after_load_mib": (after - empty) / _MIB,
        "ready_again_s": ready,
        "resident_after_restart_mib": (server.resident() - empty) / _MIB,
        "database_mib": server.database.stat().st_size / _MIB,
    }


PARTS: dict[str, Callable[[Server, Sizes], Numbers]] = {
    "idle": idle,
    "official-1": official_1,
    "official-50": official_50,
    "raw-50": raw_50,
    "sequential": sequential,
    "parallel": parallel,
    "sleepers": sleepers,
}
