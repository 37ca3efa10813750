"""Reads a decorated class into a `Definition`, and gathers all that is wrong with it. It must never run its code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from tenuto.common import VersioningBehavior
from tenuto.workflow._hints import hints_of, is_raw_sequence, parameters_of
from tenuto.workflow.definition import (
    DEFINITION,
    QUERY,
    SIGNAL,
    UPDATE,
    Definition,
    QueryDefinition,
    SignalDefinition,
    UpdateDefinition,
)

RUN = "__tenuto_workflow_run"
INIT = "__tenuto_workflow_init"
DYNAMIC_CONFIG = "__tenuto_workflow_dynamic_config"
"""The attributes that mark a method's part."""

_MARKS = {RUN: "run", SIGNAL: "signal", QUERY: "query", UPDATE: "update", DYNAMIC_CONFIG: "dynamic_config"}
_RESERVED = "__temporal"
_BUILT_IN_QUERIES = ("__stack_trace", "__enhanced_stack_trace")


class _Reading:
    """What was read of a class so far."""

    def __init__(self, cls: type, *, dynamic: bool) -> None:
        self.cls = cls
        self.dynamic = dynamic
        self.defects: list[str] = []
        self.run_fn: Callable[..., Any] | None = None
        self.dynamic_config: Callable[..., Any] | None = None
        self.signals: dict[str | None, SignalDefinition] = {}
        self.queries: dict[str | None, QueryDefinition] = {}
        self.updates: dict[str | None, UpdateDefinition] = {}

    def members(self) -> None:
        for name in sorted(dir(self.cls)):
            member = inspect.getattr_static(self.cls, name, None)
            if not inspect.isfunction(member):
                continue
            for mark, word in _MARKS.items():
                if mark in member.__dict__:
                    self._member(name, member, word, member.__dict__[mark])

    def _member(self, name: str, member: Callable[..., Any], word: str, found: Any) -> None:
        if word == "run":
            self._run(name, member)
            return
        if word == "dynamic_config":
            self._dynamic_config(name, member)
            return
        arg_types, ret_type = self._hints(f"@workflow.{word} method {name}", member)
        self._callable_by_wire(f"@workflow.{word} method {name}", member)
        if isinstance(found, SignalDefinition):
            self._add("signal", name, self.signals, replace(found, arg_types=arg_types))
        elif isinstance(found, QueryDefinition):
            self._add("query", name, self.queries, replace(found, arg_types=arg_types, ret_type=ret_type))
        elif isinstance(found, UpdateDefinition):
            read = replace(found, arg_types=arg_types, ret_type=ret_type)
            self._add("update", name, self.updates, read)
            self._validator(name, read)

    def _add(self, word: str, method: str, table: dict[str | None, Any], read: Any) -> None:
        shown = "<dynamic>" if read.name is None else read.name
        if read.name in table:
            other = table[read.name].fn.__name__
            self.defects.append(
                f"Multiple {word} methods found for {shown} (at least on {method} and {other})"
            )
            return
        if shown.startswith(_RESERVED) or (word == "query" and shown in _BUILT_IN_QUERIES):
            self.defects.append(f"{word.capitalize()} name {shown} of method {method} is reserved")
        table[read.name] = read
        setattr(read.fn, {"signal": SIGNAL, "query": QUERY, "update": UPDATE}[word], read)

    def _run(self, name: str, member: Callable[..., Any]) -> None:
        if self.run_fn is not None:
            other = self.run_fn.__name__
            self.defects.append(f"Multiple @workflow.run methods found (at least on {name} and {other})")
            return
        self.run_fn = member
        if name not in self.cls.__dict__:
            self.defects.append(f"@workflow.run method {name} must be defined on {self.cls.__qualname__}")
        self._callable_by_wire(f"@workflow.run method {name}", member)

    def _dynamic_config(self, name: str, member: Callable[..., Any]) -> None:
        if self.dynamic_config is not None:
            other = self.dynamic_config.__name__
            self.defects.append(
                f"Multiple @workflow.dynamic_config methods found (at least on {name} and {other})"
            )
            return
        self.dynamic_config = member
        if not self.dynamic:
            self.defects.append(
                "@workflow.dynamic_config can only be used in dynamic workflows, but workflow class "
                f"{self.cls.__name__} ({self.cls.__qualname__}) is not dynamic"
            )
        if parameters_of(member, True):
            self.defects.append(f"@workflow.dynamic_config method {name} must only take self")

    def overrides(self) -> None:
        """A decorated method of a base class that is overridden without the decorator."""
        for base, name, member in self._inherited():
            own = inspect.getattr_static(self.cls, name, None)
            for mark, word in _MARKS.items():
                if mark in member.__dict__ and mark not in getattr(own, "__dict__", {}):
                    self.defects.append(
                        f"@workflow.{word} defined on {base.__qualname__}.{name} but not on the override"
                    )
                    if word == "run" and self.run_fn is None:
                        self.run_fn = member

    def _inherited(self) -> Iterator[tuple[type, str, Callable[..., Any]]]:
        seen = set()
        for base in self.cls.__mro__[1:]:
            for name, member in base.__dict__.items():
                if name not in seen and inspect.isfunction(member):
                    seen.add(name)
                    yield base, name, member

    def init(self) -> bool:
        """Whether the constructor takes the arguments of the workflow."""
        made = inspect.getattr_static(self.cls, "__init__", None)
        if not inspect.isfunction(made):
            return False
        if INIT not in made.__dict__:
            needed = [each.name for each in parameters_of(made, True) if _required(each)]
            if needed:
                self.defects.append(
                    f"__init__ requires {', '.join(needed)}: decorate it with @workflow.init to receive the "
                    "arguments of the workflow"
                )
            return False
        if self.run_fn is not None and self._shape(made) != self._shape(self.run_fn):
            self.defects.append("@workflow.init and @workflow.run method parameters do not match")
        return True

    def _validator(self, name: str, read: UpdateDefinition) -> None:
        validator = read.validator
        if validator is None:
            return
        if self._shape(validator) != self._shape(read.fn):
            self.defects.append(
                f"Update validator method {validator.__name__} parameters do not match update method {name} parameters"
            )

    def _shape(self, fn: Callable[..., Any]) -> list[tuple[Any, Any]]:
        arg_types = self._hints("", fn)[0]
        parameters = parameters_of(fn, True)
        hints = arg_types if arg_types is not None else [each.annotation for each in parameters]
        return [(each.kind, hint) for each, hint in zip(parameters, hints, strict=True)]

    def _hints(self, where: str, fn: Callable[..., Any]) -> tuple[list[type] | None, type | None]:
        try:
            return hints_of(fn, True, {self.cls.__name__: self.cls})
        except NameError as error:
            if where:
                self.defects.append(f"Type hints of {where} cannot be read: {error}")
            return None, None

    def _callable_by_wire(self, where: str, fn: Callable[..., Any]) -> None:
        if not inspect.signature(fn).parameters:
            self.defects.append(f"{where} does not take self")
        for each in parameters_of(fn, True):
            if each.kind is inspect.Parameter.KEYWORD_ONLY and _required(each):
                self.defects.append(
                    f"{where} requires the keyword-only {each.name}: arguments travel by position"
                )

    def hints_of_run(self) -> tuple[list[type] | None, type | None]:
        if self.run_fn is None:
            return None, None
        arg_types, ret_type = self._hints(f"@workflow.run method {self.run_fn.__name__}", self.run_fn)
        if self.dynamic and not (arg_types and len(arg_types) == 1 and is_raw_sequence(arg_types[0])):
            raise TypeError("Dynamic workflow must accept a single Sequence[tenuto.common.RawValue]")
        return arg_types, ret_type


def gather(
    cls: type,
    *,
    name: str | None,
    sandboxed: bool,
    failure_exception_types: Sequence[type[BaseException]],
    versioning_behavior: VersioningBehavior,
) -> Definition:
    """Give ``cls`` its definition; ``name`` None: dynamic. Raises ValueError with all defects at once."""
    if DEFINITION in cls.__dict__:
        raise ValueError("Class already contains workflow definition")
    reading = _Reading(cls, dynamic=name is None)
    reading.members()
    reading.overrides()
    takes_args = reading.init()
    if name is not None and name.startswith(_RESERVED):
        reading.defects.append(f"Workflow name {name} is reserved")
    if reading.run_fn is None:
        reading.defects.insert(0, "Missing @workflow.run method")
    arg_types, ret_type = reading.hints_of_run()
    if reading.defects:
        _raise(reading.defects)
    assert reading.run_fn is not None
    definition = Definition(
        name=name,
        cls=cls,
        run_fn=reading.run_fn,
        make=cls,
        init_takes_args=takes_args,
        signals=reading.signals,
        queries=reading.queries,
        updates=reading.updates,
        sandboxed=sandboxed,
        failure_exception_types=failure_exception_types,
        versioning_behavior=versioning_behavior,
        dynamic_config=reading.dynamic_config,
        arg_types=arg_types,
        ret_type=ret_type,
    )
    setattr(cls, DEFINITION, definition)
    setattr(reading.run_fn, DEFINITION, definition)
    return definition


def _raise(defects: list[str]) -> None:
    if len(defects) == 1:
        raise ValueError(f"Invalid workflow class: {defects[0]}")
    raise ValueError(f"Invalid workflow class for {len(defects)} reasons: {', '.join(defects)}")


def _required(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty and parameter.kind not in (
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    )
