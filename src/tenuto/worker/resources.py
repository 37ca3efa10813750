"""How much of the machine is in use: what resource-based slots are decided by.

Reads ``/proc`` and the control group of the process (both versions), and says "nothing is used" where there are none.
Must never block for longer than reading small virtual files takes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

REFRESH_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Usage:
    """Shares of the machine, or of what the container may have of it, each from 0 to 1."""

    memory: float = 0.0
    cpu: float = 0.0


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().split()[0]
        return int(text)
    except (OSError, ValueError, IndexError):
        return None


def _fields(path: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        parts = line.replace(":", " ").split()
        if len(parts) >= 2 and parts[1].isdigit():
            found[parts[0]] = int(parts[1])
    return found


@dataclass(slots=True)
class Host:
    """Measures when asked, at most every 100 ms of the time that is handed in (seconds, monotonic)."""

    root: Path = Path("/")
    """Where the file system begins; for tests."""
    _read_at: float = field(default=float("-inf"))
    _usage: Usage = field(default_factory=Usage)
    _busy: tuple[float, float] | None = None
    """At the last look: (processor seconds used, processor seconds there were)."""
    _spent: tuple[float, float] | None = None
    """The same within the control group: (processor seconds used, instant)."""

    def usage(self, now: float) -> Usage:
        """What is in use, at most 100 ms old."""
        if now - self._read_at >= REFRESH_SECONDS:
            self._read_at = now
            self._usage = Usage(self._memory(), self._cpu(now))
        return self._usage

    def _memory(self) -> float:
        there = _fields(self.root / "proc/meminfo")
        total = there.get("MemTotal", 0) * 1024
        used = total - there.get("MemAvailable", 0) * 1024
        limit, within = self._group_memory()
        if limit is not None and within is not None and (not total or limit < total):
            return min(1.0, within / limit) if limit else 0.0
        return used / total if total else 0.0

    def _group_memory(self) -> tuple[int | None, int | None]:
        group = self.root / "sys/fs/cgroup"
        limit = _number(group / "memory.max")
        if limit is not None:
            inactive = _fields(group / "memory.stat").get("inactive_file", 0)
            current = _number(group / "memory.current")
            return limit, max(0, current - inactive) if current is not None else None
        first = group / "memory"
        inactive = _fields(first / "memory.stat").get("total_inactive_file", 0)
        current = _number(first / "memory.usage_in_bytes")
        return _number(first / "memory.limit_in_bytes"), (
            max(0, current - inactive) if current is not None else None
        )

    def _cpu(self, now: float) -> float:
        allowed = self._group_processors()
        spent = self._group_spent()
        if allowed is not None and spent is not None:
            before, self._spent = self._spent, (spent, now)
            if before is None or now <= before[1]:
                return 0.0
            return min(1.0, max(0.0, (spent - before[0]) / (now - before[1]) / allowed))
        return self._machine_cpu()

    def _machine_cpu(self) -> float:
        try:
            line = (self.root / "proc/stat").read_text().split("\n", 1)[0].split()[1:9]
            ticks = [int(part) for part in line]
        except (OSError, ValueError):
            return self._load()
        total, idle = sum(ticks), ticks[3] + ticks[4]
        before, self._busy = self._busy, (total - idle, total)
        if before is None or total <= before[1]:
            return 0.0
        return (total - idle - before[0]) / (total - before[1])

    def _load(self) -> float:
        try:
            return min(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        except (AttributeError, OSError):
            return 0.0

    def _group_processors(self) -> float | None:
        """How many processors the control group may use, None for all there are."""
        group = self.root / "sys/fs/cgroup"
        try:
            quota, period = (group / "cpu.max").read_text().split()[:2]
            return None if quota == "max" else int(quota) / int(period)
        except (OSError, ValueError):
            pass
        quota_us, period_us = (
            _number(group / "cpu/cpu.cfs_quota_us"),
            _number(group / "cpu/cpu.cfs_period_us"),
        )
        if quota_us is None or period_us is None or quota_us <= 0 or period_us <= 0:
            return None
        return quota_us / period_us

    def _group_spent(self) -> float | None:
        group = self.root / "sys/fs/cgroup"
        usage = _fields(group / "cpu.stat").get("usage_usec")
        if usage is not None:
            return usage / 1e6
        first = _number(group / "cpuacct/cpuacct.usage")
        return first / 1e9 if first is not None else None


@dataclass(slots=True)
class Regulator:
    """A proportional-integral-derivative controller: positive while there is room below the target."""

    target: float
    proportional: float
    derivative: float
    threshold: float
    _before: float | None = None
    _output: float = 0.0
    _measured: float = -1.0

    def allows(self, measured: float) -> bool:
        """Whether one more may begin, given the share in use now."""
        if measured != self._measured:
            error = self.target - measured
            change = 0.0 if self._before is None else self._before - measured
            self._output = self.proportional * error + self.derivative * change
            self._before = self._measured = measured
        return self._output > self.threshold


class Room:
    """Whether the machine has room for one more task, for the targets of one tuner."""

    __slots__ = ("_cpu", "_host", "_memory")

    def __init__(self, target_memory: float, target_cpu: float, host: Host | None = None) -> None:
        self._host = host if host is not None else Host()
        self._memory = Regulator(target_memory, 5.0, 1.0, 0.25)
        self._cpu = Regulator(target_cpu, 5.0, 1.0, 0.05)

    def there_is(self, now: float) -> bool:
        """``now`` in seconds of any monotonic clock."""
        usage = self._host.usage(now)
        memory, cpu = self._memory.allows(usage.memory), self._cpu.allows(usage.cpu)
        return memory and cpu
