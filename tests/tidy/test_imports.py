"""The import law: which room may know which. One table; everything else follows from it."""

from tests.tidy.tree import Module, imports, report, room_of, source

FLOOR = {"wire", "limits", "clock", "ambient", "_loop"}
"""Rooms everybody may stand on. They know nobody but each other."""

LAW: dict[str, set[str]] = {
    "wire": set(),
    "limits": set(),
    "_loop": set(),
    "clock": {"limits"},
    "ambient": {"clock"},
    "engine": set(),
    "store": set(),
    "matching": set(),
    "shard": {"engine", "store", "matching"},
    "cluster": {"engine", "store", "shard"},
    "service": {"shard", "matching", "cluster", "store", "engine"},
    "frontend": {"service"},
    "common": set(),
    "exceptions": {"common"},
    "types": set(),
    "converter": {"common", "exceptions"},
    "activity": {"common", "exceptions", "converter"},
    "workflow": {"common", "exceptions", "converter", "activity"},
    "run": {"common", "exceptions", "converter", "activity", "workflow"},
    "transport": {"common", "exceptions", "service", "runtime"},
    "api": set(),
    "runtime": {"common", "exceptions"},
    "envconfig": {"common", "exceptions", "transport"},
    "client": {"common", "exceptions", "converter", "activity", "workflow", "transport", "runtime"},
    "nexus": {"common", "exceptions", "workflow", "client"},
    "worker": {
        "common",
        "exceptions",
        "converter",
        "activity",
        "workflow",
        "run",
        "client",
        "nexus",
        "transport",
        "runtime",
    },
    "plugin": {"common", "exceptions", "converter", "activity", "workflow", "transport", "client", "worker"},
    "contrib": {
        "common",
        "exceptions",
        "converter",
        "activity",
        "workflow",
        "transport",
        "client",
        "runtime",
        "worker",
        "plugin",
    },
    "web": {"client"},
    "metrics": set(),
    "log": set(),
}

COMPOSITION = {"tenuto", "app", "sync", "_doors", "server", "embedded", "config", "sim", "cli", "testing"}
"""Composition roots: the only rooms that know both halves of the house."""

NARROW: dict[tuple[str, str], set[str]] = {
    ("service", "engine"): {
        "tenuto.engine.types",
        "tenuto.engine.cron",
        "tenuto.engine.retry",
        "tenuto.engine.options",
        "tenuto.engine.schedule_spec",
        "tenuto.engine.nexus_token",
        "tenuto.engine.nexus_types",
        "tenuto.engine.schedule_state",
        "tenuto.engine.schedule_text",
        "tenuto.engine.activity_terms",
        "tenuto.engine.standalone_state",
        "tenuto.engine.standalone_types",
        "tenuto.engine.standalone_view",
    },
    ("cluster", "engine"): {"tenuto.engine.types"},
}
"""Doors that open only to some modules of the other room."""

PROTOCOL = ("temporalio", "cadence")
GRPC_ROOMS = ("tenuto.frontend", "tenuto.transport.grpc")
DRIVERS = {
    "sqlite3": "tenuto.store.",
    "asyncpg": "tenuto.store.",
    "psycopg": "tenuto.store.",
    "aiomysql": "tenuto.store.",
    "cassandra": "tenuto.store.",
}


def _is_grpc(name: str) -> bool:
    return name.split(".")[0] in {"grpc", "grpc_status", "grpc_reflection", "grpc_health"}


def _faults(module: Module) -> list[str]:
    if module.room in COMPOSITION:
        return []
    allowed = LAW[module.room] | FLOOR | {module.room}
    found = []
    for line, name in imports(module):
        if not name.startswith("tenuto."):
            continue
        room = room_of(name)
        narrow = NARROW.get((module.room, room))
        if room == "__version__":
            continue
        if room not in allowed:
            found.append(f"{module.shown}:{line} {module.room} may not import {name}")
        elif narrow is not None and not any(name == door or name.startswith(f"{door}.") for door in narrow):
            found.append(
                f"{module.shown}:{line} {module.room} may import of {room} only {sorted(narrow)}: {name}"
            )
    return found


def test_every_room_is_in_the_law() -> None:
    unknown = sorted({module.room for module in source()} - set(LAW) - COMPOSITION)
    assert not unknown, f"rooms without a line in LAW: {unknown}"


def test_rooms_import_only_what_the_law_allows() -> None:
    faults = [fault for module in source() if module.room in LAW for fault in _faults(module)]
    assert not faults, report(faults)


def test_the_law_has_no_cycles() -> None:
    done: set[str] = set()
    while len(done) < len(LAW):
        ready = {room for room, needs in LAW.items() if room not in done and needs <= done}
        assert ready, f"rooms in a cycle: {sorted(set(LAW) - done)}"
        done |= ready


def test_protocol_messages_come_through_wire_alone() -> None:
    faults = [
        f"{module.shown}:{line} {name}: say `from tenuto.wire import ...`"
        for module in source()
        if module.name != "tenuto.wire"
        for line, name in imports(module)
        if name.split(".")[0] in PROTOCOL or (name.startswith("google.protobuf.") and name.endswith("_pb2"))
    ]
    assert not faults, report(faults)


def test_grpc_is_known_at_the_edge_alone() -> None:
    faults = [
        f"{module.shown}:{line} {name}"
        for module in source()
        if not module.name.startswith(GRPC_ROOMS)
        for line, name in imports(module)
        if _is_grpc(name)
    ]
    assert not faults, report(faults)


def test_database_drivers_are_known_to_store_adapters_alone() -> None:
    faults = [
        f"{module.shown}:{line} {name}"
        for module in source()
        for line, name in imports(module)
        if (home := DRIVERS.get(name.split(".")[0])) and not module.name.startswith(home)
    ]
    assert not faults, report(faults)


def test_no_module_is_dead() -> None:
    doors = (
        "__main__",
        "tenuto.cli.main",
        "tenuto.store.conformance",
        "tenuto.testing.pytest_plugin",
        "tenuto.plugin",
        "tenuto.contrib.",
        "tenuto.embedded",  # found by its name: transport.connect must not know it
        "tenuto.envconfig",
        "tenuto.types",
    )
    known = {module.name for module in source()}
    used = {
        target
        for module in source()
        for _, name in imports(module)
        for target in (name, name.rpartition(".")[0])
        if target != module.name
    }
    packages = {module.name for module in source() if module.is_package}
    dead = sorted(name for name in known - used - packages if not any(door in name for door in doors))
    assert not dead, f"nothing imports: {dead}"
