"""Every adapter in the house against the kit."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tenuto.store.conformance import CHECKS, Check, Medium, name_of
from tenuto.store.faults import Fault, FaultyStore
from tenuto.store.memory import MemoryDisk, MemoryStore
from tenuto.store.spi import Store
from tenuto.store.sqlite import SqliteStore


class MemoryMedium:
    def __init__(self) -> None:
        self.disk = MemoryDisk()

    def store(self) -> Store:
        return MemoryStore(self.disk)

    def crash(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.crash()


class SlowMemoryMedium(MemoryMedium):
    def store(self) -> Store:
        return MemoryStore(self.disk, latency=lambda verb: asyncio.sleep(0))


class FaultyMedium(MemoryMedium):
    """Faults that are never chosen must not show."""

    def store(self) -> Store:
        return FaultyStore(MemoryStore(self.disk), lambda verb: Fault.NONE)

    def crash(self, store: Store) -> None:
        assert isinstance(store, FaultyStore)
        super().crash(store.inner)


class SqliteMedium:
    """A crash leaves the files as they are at that instant: they are copied, and the copy is used from then on."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "store-0.db"
        self.crashes = 0

    def store(self) -> Store:
        return SqliteStore(str(self.path))

    def crash(self, store: Store) -> None:
        self.crashes += 1
        copy = self.path.with_name(f"store-{self.crashes}.db")
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{self.path}{suffix}", f"{copy}{suffix}")
        self.path = copy


@pytest.mark.parametrize("medium_name", ["memory", "slow memory", "faulty", "sqlite"])
@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_the_store_keeps_the_promise(check: Check, medium_name: str, tmp_path: Path) -> None:
    media: dict[str, Medium] = {
        "memory": MemoryMedium(),
        "slow memory": SlowMemoryMedium(),
        "faulty": FaultyMedium(),
        "sqlite": SqliteMedium(tmp_path),
    }
    asyncio.run(check(media[medium_name]))  # type: ignore[arg-type]
