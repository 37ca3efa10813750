"""What a workflow, handler or activity named in a call means: the name on the wire and the type of its result.

A name is a string, or the very function, method or class the worker runs. This file must never call user code.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tenuto.activity.definition import Definition as ActivityDefinition
from tenuto.activity.options import ActivityOptions
from tenuto.workflow.definition import Definition, QueryDefinition, SignalDefinition, UpdateDefinition

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Named:
    """A name on the wire, and what its definition says of it: types None when unknown."""

    name: str
    ret_type: type | None = None
    task_queue: str | None = None


def _carried(target: Any, kind: type[T]) -> T | None:
    """The definition of this kind that the object carries itself."""
    own = getattr(target, "__dict__", None) or {}
    return next((value for value in own.values() if isinstance(value, kind)), None)


def _shown(target: Any) -> str:
    return str(getattr(target, "__qualname__", repr(target)))


def workflow_named(workflow: Any) -> Named:
    """``workflow``: a string, a run method, a workflow class or a function workflow. Raises TypeError, ValueError."""
    if isinstance(workflow, str):
        return Named(workflow)
    definition = Definition.of(workflow) or _carried(workflow, Definition)
    if definition is None:
        if not callable(workflow):
            raise TypeError(f"a workflow must be a string, a run method or a workflow, not {workflow!r}")
        raise ValueError(
            f"{_shown(workflow)} is not a workflow's run method: is its class decorated with @workflow.defn?"
        )
    if definition.name is None:
        raise ValueError("Cannot invoke dynamic workflow explicitly: give its name as a string")
    return Named(definition.name, definition.ret_type, getattr(workflow, "task_queue", None))


def _handler(target: Any, kind: type[T], word: str) -> T:
    found = _carried(target, kind)
    if found is None and inspect.ismethod(target):
        found = _carried(target.__func__, kind)
    if found is None:
        if not callable(target):
            raise TypeError(f"a {word} must be a string or a method, not {target!r}")
        raise ValueError(f"{_shown(target)} is not decorated with @workflow.{word}")
    return found


def signal_named(signal: str | Callable[..., Any]) -> str:
    """Raises TypeError, ValueError."""
    if isinstance(signal, str):
        return signal
    name = _handler(signal, SignalDefinition, "signal").name
    if name is None:
        raise ValueError("Cannot invoke dynamic signal explicitly: give its name as a string")
    return name


def query_named(query: str | Callable[..., Any]) -> Named:
    """Raises TypeError, ValueError."""
    if isinstance(query, str):
        return Named(query)
    definition = _handler(query, QueryDefinition, "query")
    if definition.name is None:
        raise ValueError("Cannot invoke dynamic query explicitly: give its name as a string")
    return Named(definition.name, definition.ret_type)


def update_named(update: str | Callable[..., Any]) -> Named:
    """Raises TypeError, ValueError."""
    if isinstance(update, str):
        return Named(update)
    definition = _handler(update, UpdateDefinition, "update")
    if definition.name is None:
        raise ValueError("Cannot invoke dynamic update explicitly: give its name as a string")
    return Named(definition.name, definition.ret_type)


@dataclass(frozen=True, slots=True)
class NamedActivity:
    """An activity's name on the wire, the type of its result, and the options its definition says, if it says any."""

    name: str
    ret_type: type | None = None
    options: ActivityOptions | None = None


def activity_named(activity: Any) -> NamedActivity:
    """``activity``: a string, or a function, method, class or object decorated as one. Raises TypeError, ValueError."""
    if isinstance(activity, str):
        return NamedActivity(activity)
    if not callable(activity):
        raise TypeError(f"an activity must be a string or a callable, not {activity!r}")
    definition = ActivityDefinition.must(activity)
    if definition.name is None:
        raise ValueError("Cannot invoke dynamic activity explicitly: give its name as a string")
    return NamedActivity(definition.name, definition.ret_type, definition.options)
