"""The source tree as these tests see it: parsed once, addressed by module name.

Never imports what it reads: a rule must hold also for code that cannot be imported here.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file. `name` is dotted (`tenuto.engine.start`); `room` is what the import law calls it."""

    name: str
    room: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def shown(self) -> str:
        """The path as a reader of the repository writes it."""
        return str(self.path.relative_to(ROOT))

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


def room_of(name: str) -> str:
    """The room of a dotted name below `tenuto`: its first part, or `tenuto` for the front door."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "tenuto"


def _read(path: Path, base: Path) -> Module:
    parts = list(path.relative_to(base).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    name = ".".join(parts)
    text = path.read_text()
    return Module(name, room_of(name), path, text, ast.parse(text, str(path)))


@cache
def source() -> tuple[Module, ...]:
    """Every module of the package."""
    return tuple(_read(path, SOURCE) for path in sorted(SOURCE.rglob("*.py")))


@cache
def everything() -> tuple[Module, ...]:
    """Every module of the package, the tests, the benches and the demo."""
    outside = [path for room in ("tests", "bench", "demo") for path in sorted((ROOT / room).rglob("*.py"))]
    return source() + tuple(_read(path, ROOT) for path in outside)


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of everything a module imports; `from a import b` yields `a.b`."""
    package = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def functions(module: Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """(qualified name, node) of every function and method, nested ones included."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{prefix}{child.name}", child
                yield from walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    yield from walk(module.tree, "")


def report(faults: list[str]) -> str:
    """The message of a failed rule: one fault a line."""
    return "\n  " + "\n  ".join(faults)
