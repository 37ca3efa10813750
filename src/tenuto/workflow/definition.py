"""What a worker knows of a workflow type: its name, its code, its handlers. Built by the decorators, read by runs.

Nobody changes a definition once it is made; they are not frozen because making a frozen class takes twice as long, and
every program that imports workflows waits for it. This file must never hold a run's state.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenuto.common import VersioningBehavior
from tenuto.workflow.enums import HandlerUnfinishedPolicy

DEFINITION = "__tenuto_workflow_definition"
"""The attribute of a class, its run method, or a function workflow that carries its `Definition`."""
SIGNAL = "__tenuto_signal_definition"
QUERY = "__tenuto_query_definition"
UPDATE = "__tenuto_update_definition"
"""The attributes of handlers that carry their definitions."""


@dataclass(kw_only=True, eq=False, repr=False)
class SignalDefinition:
    """A signal handler. ``name`` None: dynamic. ``fn`` takes the instance first when ``is_method``."""

    name: str | None
    fn: Callable[..., Any]
    is_method: bool
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON
    description: str | None = None
    arg_types: list[type] | None = None
    dynamic_vararg: bool = False


@dataclass(kw_only=True, eq=False, repr=False)
class QueryDefinition:
    """A query handler. ``name`` None: dynamic."""

    name: str | None
    fn: Callable[..., Any]
    is_method: bool
    description: str | None = None
    arg_types: list[type] | None = None
    ret_type: type | None = None
    dynamic_vararg: bool = False


@dataclass(kw_only=True, eq=False, repr=False)
class UpdateDefinition:
    """An update handler and its validator. ``name`` None: dynamic."""

    name: str | None
    fn: Callable[..., Any]
    is_method: bool
    validator: Callable[..., Any] | None = None
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON
    description: str | None = None
    arg_types: list[type] | None = None
    ret_type: type | None = None
    dynamic_vararg: bool = False


@dataclass(kw_only=True, eq=False, repr=False)
class Definition:
    """A workflow type. ``name`` None: dynamic, it runs every type nobody else has."""

    name: str | None
    cls: type
    """What ``make`` instantiates; for a function workflow a class made for it."""
    run_fn: Callable[..., Awaitable[Any]]
    """Takes the instance first, then the arguments."""
    make: Callable[..., Any]
    """Makes an instance: with the arguments when ``init_takes_args``, with none otherwise."""
    init_takes_args: bool = False
    signals: Mapping[str | None, SignalDefinition] = field(default_factory=dict)
    queries: Mapping[str | None, QueryDefinition] = field(default_factory=dict)
    updates: Mapping[str | None, UpdateDefinition] = field(default_factory=dict)
    sandboxed: bool = True
    """Whether the determinism guard watches this type's code."""
    allowed: frozenset[str] = frozenset()
    """What the guard lets it call all the same, by full names (``os.getpid``)."""
    failure_exception_types: Sequence[type[BaseException]] = ()
    """Errors that fail the workflow; others fail the workflow task, which is tried again."""
    versioning_behavior: VersioningBehavior = VersioningBehavior.UNSPECIFIED
    dynamic_config: Callable[[Any], Any] | None = None
    arg_types: list[type] | None = None
    ret_type: type | None = None
    description: str | None = None
    dynamic_vararg: bool = False

    @staticmethod
    def of(workflow: Any) -> Definition | None:
        """The definition that ``workflow`` (a class, its run method, a function workflow) carries itself, not by
        inheritance."""
        own = getattr(workflow, "__dict__", {}).get(DEFINITION)
        if callable(own):
            own = own()  # of a function: annotations are read when first asked for
        return own if isinstance(own, Definition) else None

    @staticmethod
    def must(workflow: Any) -> Definition:
        """Like ``of``. Raises ValueError when there is none."""
        found = Definition.of(workflow)
        if found is None:
            raise ValueError(
                f"{_shown(workflow)} missing attributes, was it decorated with @workflow.run and was its class "
                "decorated with @workflow.defn?"
                if callable(workflow) and not isinstance(workflow, type)
                else f"Workflow {_shown(workflow)} missing attributes, was it decorated with @workflow.defn?"
            )
        return found


def workflow_named(workflow: Any) -> tuple[str, list[type] | None, type | None]:
    """Name, types of arguments, type of result of what a caller names: a string, a run method, a class, a function
    workflow. Raises ValueError when it is none of these, or dynamic."""
    if isinstance(workflow, str):
        return workflow, None, None
    definition = Definition.must(workflow)
    if definition.name is None:
        raise ValueError("Cannot invoke dynamic workflow explicitly")
    return definition.name, definition.arg_types, definition.ret_type


def signal_named(signal: Any) -> tuple[str, list[type] | None]:
    """Name and types of arguments. Raises RuntimeError when ``signal`` is neither a string nor a named handler."""
    if isinstance(signal, str):
        return signal, None
    found = getattr(signal, SIGNAL, None)
    if not isinstance(found, SignalDefinition):
        raise RuntimeError(
            f"Signal definition not found on {_shown(signal)}, is it decorated with @workflow.signal?"
        )
    if found.name is None:
        raise RuntimeError("Cannot invoke dynamic signal definition")
    return found.name, found.arg_types


_declared: list[Any] = []


def declare(workflow: Any) -> None:
    """Remember a function workflow, so that an application need not list it."""
    _declared.append(workflow)


def declared() -> Sequence[Any]:
    """Every function workflow of this process; of those with one name, the one defined last."""
    by_name = {each.name: each for each in _declared}
    return tuple(by_name.values())


def _shown(what: Any) -> str:
    return getattr(what, "__qualname__", None) or repr(what)
