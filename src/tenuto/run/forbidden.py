"""What workflow code must not call, and what to call instead: a table.

It names functions of the standard library only. This file must never replace anything: that is the guard's business.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class Kind(enum.Enum):
    """Why a call is forbidden."""

    CLOCK = "reads a clock: a replay would see another time"
    CHANCE = "is left to chance: a replay would see another value"
    PLACE = "depends on the machine and the process: a replay may run on another"
    BLOCK = "blocks the thread that all workflows share"
    INPUT = "does input or output, which a replay would do again"
    THREAD = "starts work that the workflow's history knows nothing of"


QUIET = frozenset({Kind.CLOCK, Kind.CHANCE, Kind.PLACE})
"""Libraries do these for their own ends (timings, trace ids, settings); only the user's own code is held to account."""

ACTIVITY = "do it in an activity"
NOW = "use workflow.now()"
SECONDS = "use workflow.time()"
RANDOM = "use workflow.random()"
UUID = "use workflow.uuid4()"
SLEEP = "use `await workflow.sleep(...)` (or asyncio.sleep)"
TASKS = "use asyncio.create_task for concurrency inside the workflow, an activity for work outside it"


@dataclass(frozen=True, slots=True)
class Forbidden:
    """``name`` is the dotted name of a function, or of a method of a class. ``when`` looks at the call's arguments;
    without it every call is meant."""

    name: str
    kind: Kind
    instead: str
    when: Callable[[tuple[Any, ...], Mapping[str, Any]], bool] | None = None

    def why(self) -> str:
        """``time.time() reads a clock: ... Use ...``"""
        return f"{self.name}() {self.kind.value}; {self.instead}"


def _unseeded(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    return (len(args) < 2 and not kwargs) or (args[1:2] == (None,))


def _no_moment(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    return not args or args[0] is None


def _no_moment_second(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    return len(args) < 2


def _rows(
    module: str, names: str, kind: Kind, instead: str, when: Callable[..., bool] | None = None
) -> list[Forbidden]:
    return [Forbidden(f"{module}.{name}", kind, instead, when) for name in names.split()]


FORBIDDEN: tuple[Forbidden, ...] = (
    *_rows("time", "time", Kind.CLOCK, SECONDS),
    *_rows("time", "time_ns", Kind.CLOCK, "use workflow.time_ns()"),
    *_rows(
        "time",
        "monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns thread_time thread_time_ns"
        " clock_gettime clock_gettime_ns",
        Kind.CLOCK,
        SECONDS,
    ),
    *_rows("time", "localtime gmtime ctime asctime", Kind.CLOCK, NOW, _no_moment),
    *_rows("time", "strftime", Kind.CLOCK, NOW, _no_moment_second),
    *_rows("time", "sleep", Kind.BLOCK, SLEEP),
    *_rows(
        "random",
        "random uniform triangular randint choice randrange sample shuffle choices normalvariate lognormvariate"
        " expovariate vonmisesvariate gammavariate gauss betavariate binomialvariate paretovariate weibullvariate"
        " getrandbits randbytes seed getstate setstate",
        Kind.CHANCE,
        RANDOM,
    ),
    *_rows("random", "Random.__init__ Random.seed", Kind.CHANCE, RANDOM, _unseeded),
    *_rows("random", "SystemRandom.random SystemRandom.getrandbits", Kind.CHANCE, RANDOM),
    *_rows("uuid", "uuid1 uuid4 uuid6", Kind.CHANCE, UUID),
    *_rows("uuid", "uuid7", Kind.CHANCE, "use workflow.uuid7()"),
    *_rows("uuid", "getnode", Kind.PLACE, UUID),
    *_rows(
        "secrets",
        "token_bytes token_hex token_urlsafe choice randbelow randbits",
        Kind.CHANCE,
        "make secrets in an activity; for mere chance use workflow.random()",
    ),
    *_rows("os", "urandom getrandom", Kind.CHANCE, RANDOM),
    *_rows(
        "os",
        "getenv getenvb getpid getppid getcwd getcwdb getlogin uname cpu_count getloadavg times",
        Kind.PLACE,
        "pass it to the workflow as an argument, or ask an activity",
    ),
    *_rows(
        "os",
        "_Environ.__getitem__ _Environ.__setitem__ _Environ.__delitem__ _Environ.__iter__",
        Kind.PLACE,
        "pass it to the workflow as an argument, or ask an activity",
    ),
    *_rows("builtins", "open", Kind.INPUT, ACTIVITY),
    *_rows("builtins", "input", Kind.BLOCK, "wait for a signal or an update"),
    *_rows("io", "open open_code", Kind.INPUT, ACTIVITY),
    *_rows(
        "os",
        "open read write pread pwrite listdir scandir stat lstat access remove unlink rename renames replace mkdir"
        " makedirs rmdir removedirs symlink link readlink chmod chown chdir truncate utime walk statvfs mkfifo pipe"
        " sendfile copy_file_range",
        Kind.INPUT,
        ACTIVITY,
    ),
    *_rows("os", "system popen fork forkpty posix_spawn execv execve kill killpg", Kind.INPUT, ACTIVITY),
    *_rows("subprocess", "Popen.__init__", Kind.INPUT, ACTIVITY),
    *_rows("socket", "socket.__init__ getaddrinfo gethostbyname create_connection", Kind.INPUT, ACTIVITY),
    *_rows("socket", "gethostname getfqdn", Kind.PLACE, "ask an activity"),
    *_rows("select", "select poll", Kind.BLOCK, ACTIVITY),
    *_rows("threading", "Thread.start", Kind.THREAD, TASKS),
    *_rows(
        "threading", "Event.wait Condition.wait Barrier.wait Thread.join", Kind.BLOCK, "use asyncio's own"
    ),
    *_rows("_thread", "start_new_thread", Kind.THREAD, TASKS),
    *_rows(
        "concurrent.futures",
        "ThreadPoolExecutor.submit ProcessPoolExecutor.submit",
        Kind.THREAD,
        TASKS,
    ),
    *_rows("multiprocessing.process", "BaseProcess.start", Kind.THREAD, TASKS),
    *_rows("asyncio", "to_thread", Kind.THREAD, ACTIVITY),
    *_rows("asyncio", "run run_coroutine_threadsafe", Kind.THREAD, "await the coroutine"),
    *_rows(
        "asyncio",
        "open_connection start_server open_unix_connection start_unix_server create_subprocess_exec"
        " create_subprocess_shell",
        Kind.INPUT,
        ACTIVITY,
    ),
)
"""Functions of modules, and methods of Python classes: what can be replaced by name."""

BUILT_IN: tuple[Forbidden, ...] = (
    *_rows("datetime.datetime", "now today", Kind.CLOCK, NOW),
    *_rows("datetime.datetime", "utcnow", Kind.CLOCK, NOW),
    *_rows("datetime.date", "today", Kind.CLOCK, "use workflow.now().date()"),
)
"""Methods of types written in C, which cannot be replaced by name."""

LAZY = frozenset(
    {"multiprocessing.process", "concurrent.futures", "select", "subprocess", "socket", "secrets"}
)
"""Modules not to be loaded for the guard's sake: guarded if they are there, and looked at again later."""

EXCUSED = frozenset(
    [
        "importlib",
        "_frozen_importlib",
        "_frozen_importlib_external",
        "zipimport",
        "logging",
        "warnings",
        "linecache",
        "tokenize",
        "traceback",
        "inspect",
        "weakref",
        "zoneinfo",
        "tracemalloc",
        "faulthandler",
        "pdb",
        "bdb",
        "cmd",
        "code",
        "codeop",
        "pydevd",
        "_pydevd_bundle",
        "_pydevd_frame_eval",
        "_pydev_bundle",
        "debugpy",
        "ipdb",
        "pudb",
        "IPython",
        "coverage",
        "_pytest",
        "pluggy",
        "structlog",
        "loguru",
        "sentry_sdk",
        "opentelemetry",
        "ddtrace",
        "newrelic",
        "rich",
    ]
)
"""Whose calls cannot change a workflow's course: loading code, telling what happens, debugging, cleaning up."""

OWN = frozenset({"tenuto", "temporalio", "asyncio"})
"""Who may call anything on its own account."""
