"""Watches ``datetime.now()`` and its kin: methods of types written in C, which nobody can replace by name.

From Python 3.12 on, the interpreter itself reports calls, of just those pieces of the user's code that name such a method;
a place that calls something else is reported once. On 3.11, which will not change any more, the methods are replaced in the
type's own dictionary. This file must never decide whether a call is allowed.
"""

from __future__ import annotations

import ctypes
import datetime
import gc
import sys
from collections.abc import Callable, Iterator
from types import BuiltinMethodType, CodeType, FunctionType, ModuleType
from typing import Any

from tenuto.run.forbidden import BUILT_IN, Forbidden

Refuse = Callable[[Forbidden], None]

_NAMES = frozenset(rule.name.rpartition(".")[2] for rule in BUILT_IN)
_RULES: dict[tuple[type, str], Forbidden] = {
    (getattr(datetime, rule.name.split(".")[1]), rule.name.split(".")[2]): rule for rule in BUILT_IN
}
_TOOL = 4
_monitoring: Any = getattr(sys, "monitoring", None)
_refuse: list[Refuse] = []
_replaced: list[tuple[dict[str, Any], type, str, Any]] = []


def rule_for(called: object) -> Forbidden | None:
    """The rule that a callable breaks, if it is one of the methods watched here."""
    if not isinstance(called, BuiltinMethodType) or called.__name__ not in _NAMES:
        return None
    owner = called.__self__
    if not isinstance(owner, type) or not issubclass(owner, datetime.date):
        return None
    kind = datetime.datetime if issubclass(owner, datetime.datetime) else datetime.date
    return _RULES.get((kind, called.__name__))


def install(refuse: Refuse) -> None:
    """Tell ``refuse`` of every call from now on, in the code that is watched. It may raise."""
    if _refuse:
        return
    _refuse.append(refuse)
    if _monitoring is None:
        _replace_methods(refuse)
    elif _monitoring.get_tool(_TOOL) is None:
        _monitoring.use_tool_id(_TOOL, "tenuto")
        _monitoring.register_callback(_TOOL, _monitoring.events.CALL, _on_call)


def uninstall() -> None:
    """Watch no more."""
    _refuse.clear()
    for types_own, owner, name, was in _replaced:
        types_own[name] = was
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))
    _replaced.clear()
    if _monitoring is not None and _monitoring.get_tool(_TOOL) == "tenuto":
        _monitoring.free_tool_id(_TOOL)


def watch(module: ModuleType) -> None:
    """Watch the code of a module."""
    if _monitoring is None or _monitoring.get_tool(_TOOL) != "tenuto":
        return
    for code in _codes_of(module):
        if _NAMES.intersection(code.co_names):
            events = _monitoring.get_local_events(_TOOL, code)
            _monitoring.set_local_events(_TOOL, code, events | _monitoring.events.CALL)


def _on_call(code: CodeType, offset: int, called: object, first: object) -> Any:
    if getattr(called, "__name__", None) not in _NAMES:
        return _monitoring.DISABLE
    rule = rule_for(called)
    if rule is not None and _refuse:
        _refuse[0](rule)
    return None


def _replace_methods(refuse: Refuse) -> None:
    for (owner, name), rule in _RULES.items():
        types_own: dict[str, Any] = gc.get_referents(owner.__dict__)[0]
        was = types_own.get(name)
        if was is None:  # datetime inherits today from date, which watches it already
            continue
        types_own[name] = _watched(was, rule, refuse)
        _replaced.append((types_own, owner, name, was))
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


def _watched(was: Any, rule: Forbidden, refuse: Refuse) -> classmethod[Any, Any, Any]:
    def method(cls: type, *args: Any, **kwargs: Any) -> Any:
        refuse(
            _RULES.get((datetime.datetime, method.__name__), rule)
            if issubclass(cls, datetime.datetime)
            else rule
        )
        return was.__get__(None, cls)(*args, **kwargs)

    method.__name__ = method.__qualname__ = rule.name.rpartition(".")[2]
    method.__doc__ = was.__doc__
    method.__tenuto_rule__ = rule  # type: ignore[attr-defined]
    return classmethod(method)


def _codes_of(module: ModuleType) -> Iterator[CodeType]:
    seen: set[int] = set()
    stack: list[object] = [
        value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__
    ]
    while stack:
        thing = stack.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, CodeType):
            yield thing
            stack.extend(const for const in thing.co_consts if isinstance(const, CodeType))
        elif isinstance(thing, FunctionType):
            stack.append(thing.__code__)
            stack.append(getattr(thing, "__wrapped__", None))
        elif isinstance(thing, type):
            if thing.__module__ == module.__name__:
                stack.extend(vars(thing).values())
        elif isinstance(thing, staticmethod | classmethod):
            stack.append(thing.__func__)
        elif isinstance(thing, property):
            stack.extend((thing.fget, thing.fset, thing.fdel))
        elif hasattr(thing, "__wrapped__") or hasattr(thing, "fn"):
            stack.append(getattr(thing, "__wrapped__", None))
            stack.append(getattr(thing, "fn", None))
