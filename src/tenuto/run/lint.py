"""Finds calls that the guard would refuse by reading the workflow's source, before anything runs.

It follows what a workflow class calls through the user's own functions and methods, as far as names tell. What it cannot
resolve it does not guess at: a finding is meant to be right. This file must never run the code it reads.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import random
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from tenuto.run.clocks import rule_for
from tenuto.run.forbidden import FORBIDDEN, Forbidden
from tenuto.run.reach import is_user

if TYPE_CHECKING:
    from tenuto.workflow.definition import Definition

_MOST = 2_000
_DOORS = frozenset({"sandbox_unrestricted"})
_MISSING = object()


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One forbidden call. ``line`` counts from 1, ``column`` from 0; ``name`` is what is called, ``instead`` what to do."""

    file: str
    line: int
    column: int
    function: str
    name: str
    why: str
    instead: str

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}: {self.function} calls {self.name}(), which {self.why}; {self.instead}"
        )


def lint(definition: Definition) -> list[Finding]:
    """The forbidden calls in a workflow's code, by file and line. Empty for ``sandboxed=False``."""
    if not definition.sandboxed:
        return []
    reader = _Reader()
    reader.follow_class(definition.cls)
    reader.follow(getattr(definition.run_fn, "__wrapped__", definition.run_fn))
    for family in (definition.signals, definition.queries, definition.updates):
        for handler in family.values():
            reader.follow(handler.fn)
    reader.read_all()
    return sorted(set(reader.findings))


def _rules() -> dict[int, Forbidden]:
    found: dict[int, Forbidden] = {}
    for rule in FORBIDDEN:
        thing: Any = sys.modules.get(rule.name.rpartition(".")[0])
        called = getattr(thing, rule.name.rpartition(".")[2], None) if thing is not None else None
        while called is not None:
            found.setdefault(id(called), rule)
            called = getattr(called, "__wrapped__", None)
    for name in ("subprocess.Popen", "socket.socket", "random.Random"):
        module, _, kind = name.partition(".")
        if module in sys.modules:
            rule = next(rule for rule in FORBIDDEN if rule.name.startswith(name + "."))
            found[id(getattr(sys.modules[module], kind))] = rule
    return found


class _Reader:
    """Walks functions, once each."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.rules = _rules()
        self._queue: list[tuple[FunctionType, type | None]] = []
        self._seen: set[int] = set()

    def follow(self, thing: Any, owner: type | None = None) -> None:
        """Read a function later, if it is the user's."""
        if isinstance(thing, staticmethod | classmethod):
            thing = thing.__func__
        if isinstance(thing, property):
            thing = thing.fget
        if not isinstance(thing, FunctionType):
            return  # an activity, say, is callable and yet does not run here
        thing = inspect.unwrap(thing)
        if not isinstance(thing, FunctionType) or id(thing) in self._seen or len(self._seen) > _MOST:
            return
        module = sys.modules.get(thing.__module__)
        if module is None or not is_user(module):
            return
        self._seen.add(id(thing))
        if owner is not None and thing.__qualname__ == owner.__qualname__:
            owner = None  # the function of a function workflow: its first parameter is an argument
        self._queue.append((thing, owner))

    def follow_class(self, cls: type) -> None:
        for kind in cls.__mro__:
            for value in vars(kind).values():
                self.follow(value, cls)

    def read_all(self) -> None:
        while self._queue:
            function, owner = self._queue.pop()
            tree = _tree_of(function)
            if tree is not None:
                _Function(self, function, owner).visit_body(tree)


def _tree_of(function: FunctionType) -> ast.AST | None:
    """The syntax of a function, with the line numbers of its file."""
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    ast.increment_lineno(tree, first - 1)
    return next(
        (
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function.__name__
        ),
        None,
    )


class _Function:
    """One function's body and the names it can see."""

    def __init__(self, reader: _Reader, function: FunctionType, owner: type | None) -> None:
        self._reader = reader
        self._function = function
        self._owner = owner
        self._local: dict[str, Any] = {}
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
        self._free: Mapping[str, Any] = {name: _content(cell) for name, cell in cells}

    def visit_body(self, tree: Any) -> None:
        arguments = tree.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        for each in [*named, arguments.vararg, arguments.kwarg]:
            if each is not None:
                self._local[each.arg] = _MISSING
        if self._owner is not None and named:
            self._local[named[0].arg] = self._owner
        for node in ast.walk(tree):
            self._bind(node)
        for statement in tree.body:
            self._visit(statement)

    def _bind(self, node: ast.AST) -> None:
        """What the function itself names: imports are known, the rest is not."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                target = alias.name if alias.asname else top
                self._local[alias.asname or top] = sys.modules.get(target, _MISSING)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            module = sys.modules.get(node.module or "")
            for alias in node.names:
                self._local[alias.asname or alias.name] = getattr(module, alias.name, _MISSING)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            self._local.setdefault(node.id, _MISSING)

    def _visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.With | ast.AsyncWith) and any(self._is_door(item) for item in node.items):
            return
        if isinstance(node, ast.Call):
            self._call(node)
        for child in ast.iter_child_nodes(node):
            self._visit(child)

    def _is_door(self, item: ast.withitem) -> bool:
        call = item.context_expr
        if not isinstance(call, ast.Call):
            return False
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        return name in _DOORS

    def _call(self, node: ast.Call) -> None:
        called = self._resolve(node.func)
        if called is _MISSING:
            return
        if called is random.Random and (node.args or node.keywords):
            return
        rule = self._reader.rules.get(id(called)) or rule_for(called) or _clock_method(called)
        if rule is not None:
            if (
                rule.when is None
                or called is random.Random
                or rule.when(tuple(node.args), {word.arg or "": 0 for word in node.keywords})
            ):
                self._find(node, rule)
        elif isinstance(called, type):
            self._reader.follow(vars(called).get("__init__"), called)
            self._reader.follow(vars(called).get("__post_init__"), called)
        else:
            self._reader.follow(called, self._owner if self._is_mine(node.func) else None)

    def _is_mine(self, func: ast.expr) -> bool:
        return isinstance(func, ast.Attribute) and self._resolve(func.value) is self._owner

    def _find(self, node: ast.Call, rule: Forbidden) -> None:
        self._reader.findings.append(
            Finding(
                file=self._function.__code__.co_filename,
                line=node.lineno,
                column=node.col_offset,
                function=self._function.__qualname__,
                name=rule.name.removesuffix(".__init__").removeprefix("builtins."),
                why=rule.kind.value,
                instead=rule.instead,
            )
        )

    def _resolve(self, node: ast.expr) -> Any:
        """What an expression stands for, if names alone tell; nothing is evaluated."""
        if isinstance(node, ast.Name):
            for names in (self._local, self._free, self._function.__globals__, vars(builtins)):
                if node.id in names:
                    return names[node.id]
            return _MISSING
        if isinstance(node, ast.Attribute):
            whole = self._resolve(node.value)
            if isinstance(whole, ModuleType | type):
                return getattr(whole, node.attr, _MISSING)
        return _MISSING


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _MISSING


def _clock_method(called: Any) -> Forbidden | None:
    """On 3.11, where the guard puts Python methods in place of those in C."""
    original = getattr(called, "__func__", None)
    rule = getattr(original, "__tenuto_rule__", None)
    return rule if isinstance(rule, Forbidden) else None
