"""Notices workflow code that does not yield: one thread for the whole process that looks now and then.

An activation costs two stores and two loads; everything else happens on the watchdog's own thread, and only for activations
that it finds running twice. Stalled code is interrupted with `Stalled`; code that cannot be (it is inside a C call) is told
of in the log. This file must never be used on virtual time.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from types import FrameType

from tenuto.clock import SECOND, WallClock
from tenuto.run.core import Interrupted

logger = logging.getLogger("tenuto.worker")

_DEBUGGERS = ("bdb", "pdb", "pydevd", "debugpy", "_pydevd_bundle", "IPython.core.debugger")
_STARVED_AT_MOST = 10
"""After that many times the timeout a thread counts as stalled even if it seems only short of processor time."""


class Stalled(Interrupted):
    """Raised inside workflow code that did not yield in time. Not an `Exception`: code must not swallow it by accident."""


class Watch:
    """One place where activations run, one at a time. Made on any thread; entered and left on the same one.

    ``timeout`` in seconds. ``on_stall``, if given, is called on the watchdog's thread with the message and the stack, when
    a stall is found; it must not block.
    """

    __slots__ = (
        "__weakref__",
        "_aiming",
        "_cpu",
        "_lock",
        "_position",
        "_reported",
        "_seen",
        "_serial",
        "_since",
        "_told",
        "active",
        "on_stall",
        "thread",
        "timeout",
    )

    def __init__(self, timeout: float, on_stall: Callable[[str, str], object] | None = None) -> None:
        self.timeout = timeout
        self.on_stall = on_stall
        self.active: str | None = None
        """What runs now."""
        self.thread = 0
        self._serial = 0
        self._aiming = False
        self._lock = threading.Lock()
        self._told: tuple[str, str] | None = None
        # Only the watchdog's:
        self._seen = -1
        self._since = 0.0
        self._cpu = 0.0
        self._position: tuple[int, int] = (0, 0)
        self._reported = 0.0
        _watchdog.add(self)

    def enter(self, what: str, thread: int) -> None:
        """Code named ``what`` begins to run on ``thread`` (as `threading.get_ident` names it)."""
        self.thread = thread
        self._serial += 1
        self.active = what

    def leave(self) -> tuple[str, str] | None:
        """The code has come back. The message and the stack when it had been told to stop; after this nothing is raised."""
        self.active = None
        return self._settle() if self._aiming else None

    def _settle(self) -> tuple[str, str] | None:
        """Wait until the watchdog is done with us, and take back an exception it sent too late."""
        while True:
            try:
                with self._lock:
                    _throw(self.thread, None)
                    told, self._told = self._told, None
                    self._aiming = False
                    return told
            except Stalled:
                continue

    # ---- on the watchdog's thread -----------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """See whether what runs has run too long. ``now`` is monotonic, in seconds."""
        serial = self._serial
        if self.active is None:
            self._seen = -1
            return
        if serial != self._seen:
            self._seen, self._since, self._reported = serial, now, 0.0
            self._cpu = _cpu_of(self.thread, now)
            return
        stalled = now - self._since
        frame = sys._current_frames().get(self.thread)
        if frame is None:
            return
        position, before = (id(frame), frame.f_lasti), self._position
        self._position = position
        if stalled < self.timeout:
            return
        if _debugged(frame):
            self._since = now
        elif self._reported:
            if now - self._reported > 30 * self.timeout:
                self._reported = now
                self._complain(f"still stalled after {stalled:.0f} s", frame)
        elif (
            position == before
            or stalled > _STARVED_AT_MOST * self.timeout
            or _cpu_of(self.thread, now) - self._cpu >= self.timeout / 2
        ):
            self._reported = now
            self._strike(serial, frame)

    def _strike(self, serial: int, frame: FrameType) -> None:
        message = (
            "[TMPRL1101] Potential deadlock detected: workflow didn't yield within"
            f" {self.timeout:g} second(s)."
        )
        stack = "".join(traceback.format_stack(frame))
        what = self.active
        with self._lock:
            self._aiming = True  # before looking again: whoever leaves now will wait for us
            if self._serial != serial or self.active is None:
                return
            self._told = (message, stack)
            _throw(self.thread, Stalled)
        logger.error("%s (%s) The code is at:\n%s", message, what, stack)
        if self.on_stall is not None:
            self.on_stall(message, stack)

    def _complain(self, text: str, frame: FrameType) -> None:
        logger.critical(
            "[TMPRL1101] %s is %s and cannot be interrupted. The code is at:\n%s",
            self.active,
            text,
            "".join(traceback.format_stack(frame)),
        )


class _Watchdog:
    """The thread. It begins with the first watch, and ends when there are no more."""

    def __init__(self) -> None:
        self._watches: weakref.WeakSet[Watch] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._nap = threading.Event()
        self._clock = WallClock()

    def add(self, watch: Watch) -> None:
        with self._lock:
            self._watches.add(watch)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="tenuto-watchdog", daemon=True)
                self._thread.start()
        self._nap.set()

    def _run(self) -> None:
        while True:
            with self._lock:
                watches = list(self._watches)
                if not watches:
                    self._thread = None
                    return
            now = self._clock.now() / SECOND
            shortest = min(watch.timeout for watch in watches)
            for watch in watches:
                watch.look(now)
            del watches, watch
            self._nap.wait(min(max(shortest / 8, 0.01), 0.5))
            self._nap.clear()


_watchdog = _Watchdog()


def _throw(thread: int, error: type[BaseException] | None) -> None:
    """Have ``error`` raised in ``thread`` at its next step; None takes back one that was not raised yet."""
    what = ctypes.py_object(error) if error is not None else ctypes.py_object()  # null
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)


def _cpu_of(thread: int, now: float) -> float:
    """Processor time ``thread`` has used, in seconds; where that cannot be known, all the time there was."""
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(thread))
    except (AttributeError, OSError):
        return now


def _debugged(frame: FrameType) -> bool:
    """Whether a debugger holds the thread."""
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None:
        return True
    at: FrameType | None = frame
    while at is not None:
        if at.f_trace is not None or at.f_globals.get("__name__", "").startswith(_DEBUGGERS):
            return True
        at = at.f_back
    return False
