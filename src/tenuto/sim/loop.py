"""The simulator's event loop and clocks: virtual time, and a seeded choice of what runs next.

asyncio promises that callbacks scheduled with ``call_soon`` run in the order of their scheduling; real programs nevertheless
see their tasks wake in any order, because what they wait for completes in any order. The loop therefore keeps the promise
within a *lane* and chooses freely among lanes: the callbacks of one future are a lane, all plain callbacks (timers among
them) are one lane, and each step of a task is a lane of its own. In seeds without ``shuffle`` there is one lane for all.

A crash is modelled by *lives*: every callback belongs to the life in whose context it was made, and callbacks of an ended
life are thrown away. No ``except`` or ``finally`` of a crashed node runs, as none does when a process is killed.
"""

import asyncio
import contextvars
import zlib
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from itertools import count
from random import Random
from typing import Any, TypeVar

from tenuto._loop import LoopError, VirtualTimeLoop

STALL_STEPS = 200_000

T = TypeVar("T")
_numbers = count()


class _NumberedTask(asyncio.Task[T]):
    """A task whose hash is a number: sets of tasks, asyncio's own too, are then walked in the same order each time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._number = next(_numbers)
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class _NumberedFuture(asyncio.Future[Any]):
    """Likewise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._number = next(_numbers)
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class Stalled(LoopError):
    """Callbacks run for ever and time does not pass."""


class Life:
    """One incarnation of something that can crash."""

    __slots__ = ("alive", "context", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.context = contextvars.Context()
        self.context.run(_LIFE.set, self)


_LIFE: contextvars.ContextVar[Life | None] = contextvars.ContextVar("life", default=None)


class SimulationLoop(VirtualTimeLoop):
    """``trace_lines`` is how many of the last steps are kept for a report; ``fingerprint`` covers all of them."""

    def __init__(self, seed: int, shuffle: bool = True, trace_lines: int = 2000) -> None:
        global _numbers
        super().__init__()
        _numbers = count()
        self._choice = Random(f"choice {seed}")
        self._shuffle = shuffle
        self.steps = 0
        self._steps_now = 0
        self.fingerprint = 0
        self.trace: deque[tuple[int, int, str, str]] = deque(maxlen=trace_lines)
        """(step, virtual ns, life, what)"""
        self.on_trace: Callable[[tuple[int, int, str, str]], None] | None = None
        self._graveyard: list[asyncio.Handle] = []

    def create_future(self) -> "asyncio.Future[Any]":
        return _NumberedFuture(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **kwargs: Any,
    ) -> "asyncio.Task[T]":
        return _NumberedTask(coro, loop=self, name=name, context=context, **kwargs)

    def _run_inline(self, executor: Any, work: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
        """There are no threads: what would run in one runs between two other callbacks, and takes no time."""
        future = self.create_future()
        self.call_soon(_perform, future, work, args)
        return future

    run_in_executor: Any = _run_inline

    def _take(self) -> asyncio.Handle:
        ready = self._ready
        if not self._shuffle or len(ready) == 1:
            return ready.popleft()
        chosen = ready[int(self._choice.random() * len(ready))]
        lane = _lane(chosen)
        if lane is not chosen:
            for handle in ready:
                if _lane(handle) is lane:
                    chosen = handle
                    break
        ready.remove(chosen)
        return chosen

    def _step(self) -> None:
        handle = self._take()
        if handle._cancelled:
            return
        life = handle._context.get(_LIFE)  # type: ignore[attr-defined]
        if life is not None and not life.alive:
            self._graveyard.append(handle)  # collecting it would run its ``finally`` blocks
            return
        self.steps += 1
        self._steps_now += 1
        if self._steps_now > STALL_STEPS:
            raise Stalled(f"{STALL_STEPS} steps at one instant")
        self.note(_label(handle), life)
        handle._run()

    def _rest(self) -> bool:
        self._steps_now = 0
        return super()._rest()

    def note(self, what: str, life: Life | None = None) -> None:
        """Write a line into the trace. It becomes part of the fingerprint."""
        line = (self.steps, self.now_ns, life.name if life is not None else "world", what)
        self.trace.append(line)
        self.fingerprint = zlib.crc32(f"{line[1]} {line[2]} {what}".encode(), self.fingerprint)
        if self.on_trace is not None:
            self.on_trace(line)

    def spawn(self, coro: Coroutine[Any, Any, Any], life: Life | None = None) -> "asyncio.Task[Any]":
        """A task that belongs to ``life``, or to the world."""
        context = life.context.copy() if life is not None else contextvars.Context()
        return self.create_task(coro, context=context)

    def later(self, delay_ns: int, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """A call that belongs to the world, whoever asks for it."""
        return self.call_at_ns(self.now_ns + delay_ns, callback, *args, context=contextvars.Context())


def _perform(future: "asyncio.Future[Any]", work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        result = work(*args)
    except Exception as error:  # noqa: BLE001 - whoever waits is told
        if not future.done():
            future.set_exception(error)
    else:
        if not future.done():
            future.set_result(result)


def _lane(handle: asyncio.Handle) -> object:
    args: Any = handle._args
    if args and isinstance(args[0], asyncio.Future):
        return args[0]
    if isinstance(getattr(handle._callback, "__self__", None), asyncio.Task):  # type: ignore[attr-defined]
        return handle
    return None


def _label(handle: asyncio.Handle) -> str:
    callback: Any = handle._callback  # type: ignore[attr-defined]
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return str(getattr(owner.get_coro(), "__qualname__", "task"))
    while hasattr(callback, "func"):
        callback = callback.func
    return str(getattr(callback, "__qualname__", type(callback).__name__))


class SimTimer:
    """A pending call on a `SimClock`."""

    __slots__ = ("clock", "context", "fn", "handle", "when_ns")

    def __init__(self, clock: "SimClock", when_ns: int, fn: Callable[[], None]) -> None:
        self.clock = clock
        self.when_ns = when_ns
        self.fn: Callable[[], None] | None = fn
        self.context = contextvars.copy_context()
        self.arm()

    def arm(self) -> None:
        loop = self.clock.loop
        due = loop.now_ns + max(0, self.when_ns - self.clock.raw())
        self.handle = loop.call_at_ns(due, self._ring, context=self.context)

    def _ring(self) -> None:
        if self.clock.now() < self.when_ns:
            self.arm()
            return
        fn, self.fn = self.fn, None
        self.clock.pending.pop(self, None)
        if fn is not None:
            fn()

    def cancel(self) -> None:
        self.fn = None
        self.clock.pending.pop(self, None)
        self.handle.cancel()


EPOCH_NS = 1_767_225_600 * 1_000_000_000
"""Where virtual time begins: the first second of 2026, UTC."""


class SimClock:
    """A node's clock: virtual time, ``skew_ns`` beside the truth, and jumps. Like the product's it never goes back: after a
    jump backward it stands still until the truth has caught up."""

    def __init__(self, loop: SimulationLoop, skew_ns: int = 0) -> None:
        self.loop = loop
        self.skew_ns = skew_ns
        self._last = 0
        self.pending: dict[SimTimer, None] = {}

    def raw(self) -> int:
        return EPOCH_NS + self.loop.now_ns + self.skew_ns

    def now(self) -> int:
        self._last = max(self._last, self.raw())
        return self._last

    def call_at(self, when_ns: int, fn: Callable[[], None]) -> SimTimer:
        timer = SimTimer(self, when_ns, fn)
        self.pending[timer] = None
        return timer

    def jump(self, ns: int) -> None:
        """Set the clock forward, or back when negative."""
        self.skew_ns += ns
        for timer in list(self.pending):
            timer.handle.cancel()
            timer.arm()
