"""From URLs to stores."""

import os

import pytest

from tenuto.store.memory import MemoryStore
from tenuto.store.sqlite import SqliteStore
from tenuto.store.url import open_store


def test_memory_is_new_each_time() -> None:
    one, two = open_store("memory://"), open_store("memory://")
    assert isinstance(one, MemoryStore) and isinstance(two, MemoryStore)
    assert one.disk is not two.disk


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///relative.db", os.path.join(os.getcwd(), "relative.db")),
        ("sqlite:///some/relative.db?synchronous=normal", os.path.join(os.getcwd(), "some/relative.db")),
        ("sqlite:////absolute.db", "/absolute.db"),
        ("sqlite:////with%20space/a.db", "/with space/a.db"),
    ],
)
def test_sqlite_paths(url: str, path: str) -> None:
    store = open_store(url)
    assert isinstance(store, SqliteStore) and store.path == path


@pytest.mark.parametrize(
    "url",
    ["", "app.db", "sqlite://", "sqlite:///", "sqlite://app.db", "postgresql://h/d", "memory://x",
     "sqlite:///a.db?synchronous=off", "sqlite:///a.db?journal=wal", "sqlite:///:memory:"],
)  # fmt: skip
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="memory://|synchronous|unknown options"):
        open_store(url)
