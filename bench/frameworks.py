"""The framework beside its peers: the same durable work by each, in the same run, every one in its own environment.

Environments are made under ``build/peers`` when they are first needed. What cannot be had is reported as absent, and the
others are measured all the same: nothing of this is needed to build, test or use the project.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.servers import ROOT, running

Numbers = dict[str, float]
HERE = ROOT / "bench" / "peers"
BUILD = ROOT / "build" / "peers"
LIMIT = 120.0
"""Seconds that making a measurement may take beyond its own time."""


class Absent(Exception):
    """A peer cannot be had on this machine. Its text says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """``packages`` are for pip, none for our own environment; ``server`` names an npm package with a server in it."""

    program: str
    packages: tuple[str, ...] = ()
    server: str = ""


PEERS = {
    "tenuto": Peer("tenuto_program.py"),
    "dbos": Peer("dbos_program.py", ("dbos",)),
    "restate": Peer("restate_program.py", ("restate-sdk", "hypercorn"), "@restatedev/restate-server"),
}


def environment(name: str) -> tuple[str, dict[str, str]]:
    """The interpreter of a peer and what is to be in its environment, both made if need be. Raises `Absent`."""
    peer = PEERS[name]
    variables = dict(os.environ)
    if not peer.packages:
        return sys.executable, variables
    place = BUILD / name
    python = place / "bin" / "python"
    if not (place / ".made").exists():
        print(f"making {place.relative_to(ROOT)}: pip install {' '.join(peer.packages)}", flush=True)
        _run(sys.executable, "-m", "venv", "--clear", str(place))
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.packages)
        (place / ".made").touch()
    if peer.server and "RESTATE_SERVER" not in variables:
        variables["RESTATE_SERVER"] = _server(place, peer.server)
    return str(python), variables


def _server(place: Path, package: str) -> str:
    """The server's program. Raises `Absent`."""
    name = package.rpartition("/")[2]
    found = _binary(place, name) or shutil.which(name)
    if not found:
        if shutil.which("npm") is None:
            raise Absent(f"{name} is not installed, and there is no npm to install it with")
        _run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(place / "npm"), package)
        found = _binary(place, name)
    if not found:
        raise Absent(f"{package} has no program for this machine")
    return found


def _binary(place: Path, name: str) -> str | None:
    found = (
        path for path in (place / "npm").glob(f"node_modules/@*/*/bin/{name}") if os.access(path, os.X_OK)
    )
    return str(next(found, "")) or None


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)
    except (OSError, subprocess.SubprocessError) as error:
        told = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise Absent(told[-1] if told else repr(error)) from None


def _numbers(command: list[str], seconds: float, variables: dict[str, str] | None = None) -> Numbers:
    """The line of JSON that a program prints. Raises `Absent` when it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=HERE,
            env=variables,
            capture_output=True,
            text=True,
            timeout=seconds + LIMIT,
            check=True,
        )
        numbers: Numbers = json.loads(done.stdout.strip().splitlines()[-1])
        return numbers
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        told = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise Absent(told[-1] if told else repr(error)) from None


# ---- parts ----------------------------------------------------------------------------------------------------------

Turn = Iterator[tuple[str, Callable[[], Numbers]]]


def _peers(seconds: float, steps: int, at_once: int) -> Turn:
    for name in PEERS:

        def turn(name: str = name) -> Numbers:
            python, variables = environment(name)
            with tempfile.TemporaryDirectory(prefix=f"tenuto-bench-{name}-") as place:
                given = [place, str(steps), str(seconds), str(at_once)]
                return _numbers([python, PEERS[name].program, *given], seconds, variables)

        yield name, turn


def peers_1(seconds: float) -> Turn:
    """Workflows of one step, fifty at once."""
    return _peers(seconds, 1, 50)


def peers_10(seconds: float) -> Turn:
    """Workflows of ten steps, fifty at once."""
    return _peers(seconds, 10, 50)


def peers_alone(seconds: float) -> Turn:
    """Workflows of one step, one at a time."""
    return _peers(seconds, 1, 1)


def worker(seconds: float) -> Turn:
    """Worker and client in one process against a server of ours: workflows of one activity, fifty at once."""
    for sdk in ("tenuto", "temporalio"):

        def turn(sdk: str = sdk) -> Numbers:
            with tempfile.TemporaryDirectory(prefix="tenuto-bench-") as place:
                with running("tenuto", Path(place), f"worker-{sdk}") as server:
                    given = [sdk, server.address, str(seconds), "50"]
                    return _numbers([sys.executable, "worker_program.py", *given], seconds)

        yield sdk, turn


def replay(seconds: float) -> Turn:
    """Replays of a history of one hundred activities."""
    for sdk in ("tenuto", "temporalio"):

        def turn(sdk: str = sdk) -> Numbers:
            with tempfile.TemporaryDirectory(prefix="tenuto-bench-") as place:
                program, file = [sys.executable, "replay_program.py"], f"{place}/history.json"
                subprocess.run([*program, "make", file, "100"], cwd=HERE, check=True, timeout=LIMIT)
                return _numbers([*program, sdk, file, str(seconds)], seconds)

        yield sdk, turn


PARTS: dict[str, Callable[[float], Turn]] = {
    "peers-1": peers_1,
    "peers-10": peers_10,
    "peers-alone": peers_alone,
    "worker": worker,
    "replay": replay,
}


def measure(part: str, seconds: float, rounds: int) -> dict[str, list[Numbers]]:
    """One part, everybody's turn in every round; prints numbers as they come, and who is absent and why."""
    found: dict[str, list[Numbers]] = {}
    absent: set[str] = set()
    for _ in range(rounds):
        for name, turn in PARTS[part](seconds):
            if name in absent:
                continue
            try:
                numbers = turn()
            except Absent as error:
                absent.add(name)
                print(f"{part:12} {name:15} absent: {error}", flush=True)
                continue
            found.setdefault(name, []).append(numbers)
            shown = ", ".join(f"{key} {value:.4g}" for key, value in numbers.items())
            print(f"{part:12} {name:15} {shown}", flush=True)
    return found
