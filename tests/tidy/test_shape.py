"""Sizes, docstrings and words: what a reader meets before the code."""

import ast
import re
from pathlib import Path

from tests.tidy.tree import ROOT, SOURCE, Module, everything, functions, report, source

FILE_LINES = 600
FUNCTION_LINES = 60
LONG_FUNCTIONS: set[str] = {"tenuto.worker.worker:Worker.__init__"}
"""Functions that are tables in disguise, as `module:function`. Keep it short."""

AVOIDED_NAMES = re.compile(r"(Manager|Helper|Util|Utils|Data|Impl)$")
WORKPLACE = {
    "a ticket": re.compile(r"\bissue\s*#\d+", re.IGNORECASE),
    "a workplace path": re.compile(r"/work/(?!flow)"),
    "a package registry": re.compile(
        r"pypi\.|pythonhosted|artifactory|files\.python|proxy\.golang", re.IGNORECASE
    ),
    "a home directory": re.compile(r"/(?:root|home/\w+)/"),
}
WRITTEN = {".py", ".md", ".toml", ".sql", ".yml", ".yaml", ".cfg", ".txt", ".html", ".js", ".css"}
SKIPPED = {".venv", ".git", "__pycache__", "results", "node_modules", "dist", "build"}


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    whole = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is None:
        return whole
    first = node.body[0]
    return whole - ((first.end_lineno or first.lineno) - first.lineno + 1)


def _public(name: str) -> bool:
    return not any(part.startswith("_") for part in name.split("."))


def _texts() -> list[Path]:
    found = [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and (path.suffix in WRITTEN or path.name in {"Makefile", "run"})
        and not SKIPPED & set(path.relative_to(ROOT).parts)
        and not any(part.startswith(".") and part != ".ci" for part in path.relative_to(ROOT).parts)
    ]
    return sorted(found)


def test_files_are_short_enough_to_hold_in_mind() -> None:
    faults = [
        f"{module.shown} has {lines} lines (at most {FILE_LINES})"
        for module in everything()
        if (lines := module.text.count("\n")) > FILE_LINES
    ]
    assert not faults, report(faults)


def test_functions_fit_a_screen() -> None:
    faults = [
        f"{module.shown}:{node.lineno} {name} has {_length(node)} lines (fewer than {FUNCTION_LINES})"
        for module in everything()
        for name, node in functions(module)
        if _length(node) >= FUNCTION_LINES and f"{module.name}:{name}" not in LONG_FUNCTIONS
    ]
    assert not faults, report(faults)


def test_long_functions_that_are_excused_still_exist() -> None:
    known = {f"{module.name}:{name}" for module in everything() for name, _ in functions(module)}
    assert known >= LONG_FUNCTIONS, sorted(LONG_FUNCTIONS - known)


def test_every_module_says_what_it_is() -> None:
    faults = [
        module.shown for module in everything() if module.tree.body and ast.get_docstring(module.tree) is None
    ]
    assert not faults, report(faults)


def _undocumented(module: Module) -> list[str]:
    faults = []
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if _public(node.name) and ast.get_docstring(node) is None:
                faults.append(f"{module.shown}:{node.lineno} {node.name}")
    return faults


def test_public_names_of_the_package_are_documented() -> None:
    public = {"tenuto", "client", "transport", "embedded", "server", "limits", "clock"}
    doors = {"tenuto.store.spi", "tenuto.shard.api", "tenuto.matching.types"}
    faults = [
        fault
        for module in source()
        if (module.room in public or module.name in doors) and _public(module.name)
        for fault in _undocumented(module)
    ]
    assert not faults, report(faults)


def test_names_say_more_than_manager() -> None:
    faults = [
        f"{module.shown}:{node.lineno} {node.name}"
        for module in source()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and AVOIDED_NAMES.search(node.name)
    ]
    assert not faults, report(faults)


def test_nothing_speaks_of_the_workplace() -> None:
    own = Path(__file__).resolve()
    faults = []
    for path in _texts():
        if path == own:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            faults += [
                f"{path.relative_to(ROOT)}:{number} names {what}"
                for what, pattern in WORKPLACE.items()
                if pattern.search(line)
            ]
    assert not faults, report(faults)


def test_the_package_ships_its_types() -> None:
    assert (SOURCE / "tenuto" / "py.typed").exists()
