"""Calls that are banned, with what to say instead. Time, chance and the environment enter at the door, with the request."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.tidy.tree import Module, functions, imports, report, source

COMPOSITION = {"server", "embedded", "config", "sim", "cli", "tenuto"}
EDGE = COMPOSITION | {"frontend", "transport", "client", "worker", "log", "metrics"}


@dataclass(frozen=True, slots=True)
class Ban:
    """`name` may be used only in `rooms`; elsewhere say `instead`."""

    name: str
    instead: str
    rooms: frozenset[str]


def _ban(name: str, instead: str, rooms: set[str]) -> Ban:
    return Ban(name, instead, frozenset(rooms))


CLOCK = "tenuto.clock, or the `now` that came with the request"
CHANCE = "a random.Random handed in"
BANS = (
    _ban("time.time", CLOCK, {"clock"}),
    _ban("time.time_ns", CLOCK, {"clock"}),
    _ban("time.monotonic", CLOCK, {"clock", "server", "cli", "sim", "metrics"}),
    _ban("time.monotonic_ns", CLOCK, {"clock", "server", "cli", "sim", "metrics"}),
    _ban("time.sleep", "an alarm or asyncio.sleep", {"cli"}),
    _ban("datetime.datetime.now", CLOCK, {"clock"}),
    _ban("datetime.datetime.utcnow", CLOCK, set()),
    _ban("datetime.date.today", CLOCK, set()),
    _ban("uuid.uuid4", "ids that came with the request", COMPOSITION | {"ambient"}),
    _ban("uuid.uuid1", "ids that came with the request", set()),
    _ban("uuid.uuid7", "ids that came with the request", {"clock"}),
    _ban("os.environ", "an option", COMPOSITION | {"envconfig", "worker", "transport"}),
    _ban("os.getenv", "an option", COMPOSITION),
    _ban("os.urandom", CHANCE, COMPOSITION | {"clock"}),
    _ban("secrets.token_hex", CHANCE, COMPOSITION | {"clock"}),
    _ban("secrets.token_bytes", CHANCE, COMPOSITION | {"clock"}),
    _ban("pickle.loads", "msgspec", set()),
    _ban("asyncio.get_event_loop", "asyncio.get_running_loop", set()),
)
SEEDED = {"random.Random", "random.SystemRandom"}

DOORS = {
    ("tenuto.shard", "the runner's turn"),
    ("tenuto.worker", "the worker's slot"),
    (
        "tenuto.run",
        "workflow code raises what it likes: it is its run's, handler's or query's end, and a run never raises",
    ),
    ("tenuto.frontend", "the frontend's dispatch"),
    (
        "tenuto.converter",
        "types and libraries of others raise what they like; the next way is tried, or the error told",
    ),
    ("tenuto.contrib", "libraries of others raise what they like, and measuring must not stop a program"),
    ("tenuto.store", "a driver's thread: an error travels to the waiter as one of the three words"),
}
"""Rooms that may catch everything, and where. Composition roots may as well."""


def _names(module: Module) -> dict[str, str]:
    """Local name -> dotted origin, for imported names."""
    found: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return found


def _dotted(node: ast.expr) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def _uses(module: Module) -> Iterator[tuple[int, str]]:
    """(line, dotted origin) of every name that leads into an imported module."""
    names = _names(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            said = _dotted(node)
            if said is None:
                continue
            first, _, rest = said.partition(".")
            if first in names:
                yield node.lineno, f"{names[first]}.{rest}" if rest else names[first]


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: ban.name)
def test_banned_names_are_said_only_where_allowed(ban: Ban) -> None:
    faults = [
        f"{module.shown}:{line} {ban.name}: use {ban.instead}"
        for module in source()
        if module.room not in ban.rooms
        for line, name in _uses(module)
        if name == ban.name
    ]
    assert not faults, report(faults)


def test_chance_comes_from_a_seeded_source() -> None:
    faults = [
        f"{module.shown}:{line} {name}: use {CHANCE}"
        for module in source()
        for line, name in _uses(module)
        if name.startswith("random.") and ".".join(name.split(".")[:2]) not in SEEDED
    ]
    assert not faults, report(faults)


def test_pure_rooms_do_not_await() -> None:
    faults = [
        f"{module.shown}:{node.lineno} {name}"
        for module in source()
        if module.room == "engine" or module.name == "tenuto.matching.queue"
        for name, node in functions(module)
        if isinstance(node, ast.AsyncFunctionDef)
    ]
    assert not faults, report(faults)


def test_pure_rooms_import_no_clock_and_no_loop() -> None:
    faults = [
        f"{module.shown}:{line} {name}"
        for module in source()
        if module.room == "engine" or module.name == "tenuto.matching.queue"
        for line, name in imports(module)
        if name.split(".")[0] in {"asyncio", "time", "threading", "socket", "os", "secrets", "subprocess"}
    ]
    assert not faults, report(faults)


def _faults_of(matches: Callable[[ast.AST], bool], rooms: set[str]) -> list[str]:
    return [
        f"{module.shown}:{getattr(node, 'lineno', 0)}"
        for module in source()
        if module.room not in rooms
        for node in ast.walk(module.tree)
        if matches(node)
    ]


def test_only_programs_print() -> None:
    faults = _faults_of(
        lambda node: (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        ),
        {"cli", "sim", "server"},
    )
    assert not faults, report(faults)


def _catches_all(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    everything = any(kind is None or _dotted(kind) in {"Exception", "BaseException"} for kind in kinds)
    raises_again = bool(node.body) and isinstance(node.body[-1], ast.Raise)
    return everything and not raises_again


def test_everything_is_caught_at_the_doors_alone() -> None:
    doors = {room.split(".")[1] for room, _ in DOORS}
    faults = _faults_of(_catches_all, COMPOSITION | doors)
    assert not faults, report(faults)
