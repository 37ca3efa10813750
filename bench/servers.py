"""Server processes under measurement: start, wait until they serve, count what they use, stop or kill them.

Every process started here is ended here, by its own process id and never by name.
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.raw import Raw, wire

ROOT = Path(__file__).resolve().parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
KINDS = ("tenuto", "temporal", "temporal-tuned")
TUNING = (
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.transferProcessorMaxPollHostRPS=2000",
    "frontend.namespaceRPS=100000",
    "frontend.namespaceCount=100000",
    "frontend.rps=100000",
)
"""Settings with which a default development server no longer waits on its own rate limits."""


def free_port() -> int:
    """A TCP port free at the moment of asking, and none that systems give to whoever calls out meanwhile."""
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _command(kind: str, database: Path, port: int) -> list[str]:
    if kind == "tenuto":
        return [
            sys.executable,
            "-m",
            "tenuto.cli",
            "server",
            "start",
            "--db",
            f"sqlite:///{database}",
            "--port",
            str(port),
        ]
    binary = str(Path(sys.executable).parent / "temporal")
    command = [binary, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--db-filename", str(database), "--log-level", "error"]
    if kind == "temporal-tuned":
        for setting in TUNING:
            command += ["--dynamic-config-value", setting]
    return command


def descendants(root: int) -> list[int]:
    """`root` and every process below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                after_name = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(after_name[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def cpu_seconds(root: int) -> float:
    """Processor seconds used so far by `root` and its living descendants."""
    ticks = 0
    for pid in descendants(root):
        with contextlib.suppress(OSError):
            after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(after_name[11]) + int(after_name[12])
    return ticks / _TICKS


def resident_bytes(root: int) -> int:
    """Resident memory of `root` and its living descendants."""
    pages = 0
    for pid in descendants(root):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * _PAGE


@dataclass(slots=True)
class Server:
    """One server on one database file; may be started again after `stop` or `kill`."""

    kind: str
    database: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.database.with_suffix(".log")

    @property
    def pid(self) -> int:
        assert self.process is not None, "not started"
        return self.process.pid

    def start(self, patience: float = 120) -> float:
        """Starts the process; returns the seconds until it answers for the default namespace."""
        began = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                _command(self.kind, self.database, self.port),
                stdout=sink,
                stderr=sink,
                env=environment,
                cwd=self.database.parent,
            )
        while not self._serves():
            if self.process.poll() is not None or time.monotonic() - began > patience:
                self.kill()
                raise RuntimeError(f"{self.kind} does not serve:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.01)
        return time.monotonic() - began

    def _serves(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.2).close()
        except OSError:
            return False
        with Raw(self.address) as raw:
            return raw.answers("DescribeNamespace", wire.DescribeNamespaceRequest(namespace="default"))

    def cpu(self) -> float:
        """Processor seconds used by this start of the server."""
        return cpu_seconds(self.pid)

    def resident(self) -> int:
        """Resident bytes of the server."""
        return resident_bytes(self.pid)

    def stop(self) -> None:
        """Asks the process to end and waits; kills it after 15 s."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None

    def kill(self) -> None:
        """`kill -9`: the process gets no chance to say goodbye."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process = None


@contextlib.contextmanager
def running(kind: str, directory: Path, name: str) -> Iterator[Server]:
    """A fresh server of `kind` on a new file in `directory`; stopped at the end."""
    server = Server(kind, directory / f"{name}-{kind}.db")
    server.start()
    try:
        yield server
    finally:
        server.stop()
