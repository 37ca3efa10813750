"""The determinism guard: tells workflow code, at the very call, what it must not call, where it does, and what to use.

Nothing is imported anew. Once per process, the functions of `tenuto.run.forbidden` are replaced by wrappers that cost a
tenth of a microsecond outside workflows. Inside one, a wrapper looks who calls: the user's code is refused; asyncio,
logging, the import of modules and the like go through. This file must never read a clock or do anything else it forbids.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from asyncio import base_events, events
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import update_wrapper
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from tenuto.run import clocks, ordered
from tenuto.run.forbidden import EXCUSED, FORBIDDEN, LAZY, OWN, QUIET, Forbidden
from tenuto.run.reach import classify, modules_near, own_package, top_of
from tenuto.workflow.errors import NondeterminismError

if TYPE_CHECKING:
    from tenuto.workflow.definition import Definition

_BASE = frozenset({"tenuto.run.loop", "tenuto._loop"})
_running_loop = events._get_running_loop
_ordinary: set[type] = set()
"""Loops that never run workflows: a quick way out, a miss of an attribute is slow."""
_looking_away: ContextVar[bool] = ContextVar("tenuto_guard_looks_away", default=False)


class RestrictedWorkflowAccessError(NondeterminismError):
    """Workflow code called something whose answer a replay could not repeat.

    ``qualified_name`` is what was called. ``message`` says where, and what to use instead.
    """

    def __init__(self, qualified_name: str, *, override_message: str | None = None) -> None:
        self.qualified_name = qualified_name
        self.message = override_message or self.default_message(qualified_name)
        super().__init__(self.message)

    @staticmethod
    def default_message(qualified_name: str) -> str:
        """What is said of a name when nothing more is known."""
        return (
            f"Cannot access {qualified_name} from inside a workflow. If the workflow cannot notice, say so with "
            "`with workflow.unsafe.sandbox_unrestricted():`."
        )


class _Place:
    """One replaced name: where it is, what was there, what is there now."""

    __slots__ = ("holder", "name", "now", "was")

    def __init__(self, holder: Any, name: str, was: Any, now: Any) -> None:
        self.holder = holder
        self.name = name
        self.was = was
        self.now = now


_places: list[_Place] = []
_done: set[str] = set()
_substitutes: dict[int, Any] = {}
_by_name: dict[str, Forbidden] = {rule.name: rule for rule in FORBIDDEN}
_seen: set[str] = set()


@contextmanager
def look_away() -> Iterator[None]:
    """While open, the guard sees nothing in this task."""
    token = _looking_away.set(True)
    try:
        yield
    finally:
        _looking_away.reset(token)


def install(definitions: Iterable[Definition] = ()) -> None:
    """Guard this process from now on, and watch the code of ``definitions``. Calling it again costs little."""
    for rule in FORBIDDEN:
        if rule.name not in _done:
            _replace(rule)
    if not any(place.holder is base_events for place in _places):
        _spare_asyncio()
    _ordinary.add(asyncio.SelectorEventLoop)
    if "uvloop" in sys.modules:
        _ordinary.add(sys.modules["uvloop"].Loop)
    ordered.install(_put)
    clocks.install(refuse_clock)
    for definition in definitions:
        watch(definition)


def _spare_asyncio() -> None:
    """Event loops read the clock at every turn: they keep the functions that nobody guards."""
    time = vars(base_events)["time"]
    raw = ModuleType("time")
    vars(raw).update(vars(time))
    for place in _places:
        if place.holder is time:
            setattr(raw, place.name, place.was)
    _places.append(_Place(base_events, "time", time, raw))
    vars(base_events)["time"] = raw


def uninstall() -> None:
    """Put everything back as it was."""
    while _places:
        place = _places.pop()
        if place.holder.__dict__.get(place.name) is place.now:
            setattr(place.holder, place.name, place.was)
    _done.clear()
    _substitutes.clear()
    _seen.clear()
    clocks.uninstall()
    ordered.uninstall()


def installed() -> bool:
    """Whether this process is guarded."""
    return bool(_places)


def watch(definition: Definition) -> None:
    """See the code of a workflow type, even where it holds functions by names of its own (``from time import time``)."""
    if not definition.sandboxed:
        return
    module = sys.modules.get(definition.cls.__module__)
    if module is None:
        return
    own_package(module)
    for near in modules_near(module):
        if near.__name__ not in _seen:
            _seen.add(near.__name__)
            _repoint(near)
            clocks.watch(near)


def _repoint(module: ModuleType) -> None:
    for name, value in list(vars(module).items()):
        substitute = _substitutes.get(id(value))
        if substitute is not None and substitute is not value:
            _put(module, name, substitute)


def _put(holder: Any, name: str, now: Any) -> None:
    was = holder.__dict__[name]
    setattr(holder, name, now)
    _places.append(_Place(holder, name, was, now))
    if isinstance(holder, ModuleType):
        _substitutes[id(was)] = now


def _replace(rule: Forbidden) -> None:
    module_name, holder_name, name = _split(rule.name)
    if module_name in LAZY and module_name not in sys.modules:
        return
    holder: Any = importlib.import_module(module_name)
    _done.add(rule.name)
    if holder_name:
        holder = getattr(holder, holder_name, None)
    was = getattr(holder, "__dict__", {}).get(name)
    if was is None and isinstance(holder, ModuleType):
        was = getattr(holder, name, None)  # concurrent.futures finds its executors late
    if was is None:
        return
    with suppress(TypeError):  # other kits (gevent) put types of C in place, which nobody can change
        _put(holder, name, _guarded(was, rule))


def _split(dotted: str) -> tuple[str, str, str]:
    """Module, class (or nothing) and name."""
    head, _, name = dotted.rpartition(".")
    before, _, last = head.rpartition(".")
    if (before and last[:1].isupper()) or last == "_Environ" or head == "socket.socket":
        return before, last, name
    return head, "", name


def _guarded(original: Callable[..., Any], rule: Forbidden) -> Callable[..., Any]:
    running_loop, ordinary = _running_loop, _ordinary
    when = rule.when
    if when is None:

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            loop = running_loop()
            if loop is not None and loop.__class__ not in ordinary and hasattr(loop, "tenuto_runtime"):
                _judge(rule, loop, sys._getframe(1))
            return original(*args, **kwargs)
    else:

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            loop = running_loop()
            if loop is not None and hasattr(loop, "tenuto_runtime") and when(args, kwargs):
                _judge(rule, loop, sys._getframe(1))
            return original(*args, **kwargs)

    update_wrapper(wrapper, original)
    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None and inspect.iscoroutinefunction(original):
        mark(wrapper)
    return wrapper


def watching(loop: Any) -> bool:
    """Whether the guard is to see what code on ``loop`` does: it is a workflow's, and nobody asked to look away."""
    runtime = getattr(loop, "tenuto_runtime", None)
    return runtime is not None and getattr(runtime, "guarded", True) and not _looking_away.get()


_passed: list[int] = []
"""Where a clock of a C type was let be read last: a frame's id and its instruction."""


def _judge(rule: Forbidden, loop: Any, caller: FrameType) -> None:
    """Raise if workflow code is to blame for the call that ``caller`` makes."""
    if not watching(loop):
        return
    if _passed == [id(caller), caller.f_lasti] and rule.name == "time.time":
        return
    called = rule
    frame: FrameType | None = caller
    culprit: FrameType | None = None
    made: FrameType | None = None
    while frame is not None:
        names = frame.f_globals
        module = names.get("__name__", "")
        if module in _BASE:
            break
        top = top_of(module)
        if top in EXCUSED or frame.f_code.co_name == "__del__":  # the collector runs wherever it likes
            return
        if culprit is None:
            if top in OWN:  # also a wrapper of ours: it has let this pass
                return
            standing = classify(top, frame.f_code.co_filename)
            if standing == "user" and frame.f_code.co_filename == "<string>":
                made = made or frame  # made by a decorator, for a class: whoever uses it is to blame
            elif standing == "user":
                culprit = frame
            elif standing == "library" and rule.kind in QUIET:
                return
            elif standing == "standard":
                called = _by_name.get(f"{module}.{frame.f_code.co_name}", called)
        frame = frame.f_back
    if culprit is None and made is None:
        return
    if called.name not in getattr(loop.tenuto_runtime, "allowed", ()):
        refuse(called, culprit or made)


def refuse(rule: Forbidden, frame: FrameType | None) -> None:
    """Raise the error that says what is wrong at ``frame``, and where that is."""
    assert frame is not None
    code = frame.f_code
    raise RestrictedWorkflowAccessError(
        rule.name.removesuffix(".__init__"),
        override_message=(
            f"{code.co_filename}:{frame.f_lineno}: {getattr(code, 'co_qualname', code.co_name)} calls "
            f"{rule.name.removesuffix('.__init__').removeprefix('builtins.')}() in a workflow, which {rule.kind.value}; "
            f"{rule.instead}. If the workflow cannot notice, say so with "
            "`with workflow.unsafe.sandbox_unrestricted():`."
        ),
    )


def refuse_clock(rule: Forbidden) -> None:
    """What `tenuto.run.clocks` calls when a clock of a C type is read: two frames up is whoever reads it."""
    loop = _running_loop()
    if loop is not None and hasattr(loop, "tenuto_runtime"):
        frame = sys._getframe(2)
        _judge(rule, loop, frame)
        # Let pass. From 3.12 on, date.today() asks time.time() in its turn, as if this very place did.
        _passed[:] = (id(frame), frame.f_lasti)


__all__ = [
    "RestrictedWorkflowAccessError",
    "install",
    "installed",
    "look_away",
    "uninstall",
    "watch",
    "watching",
]
