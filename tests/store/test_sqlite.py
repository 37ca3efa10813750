"""What the SQLite store promises beyond the kit."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tenuto.store import sql
from tenuto.store.spi import (
    Batch,
    ChainKey,
    ChainWrite,
    StoredChain,
    StoreInUse,
    VisibilityCursor,
    VisibilityFilter,
)
from tenuto.store.sqlite import SqliteStore, StoreUnusable

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
"""Lets a child process find the package though it may not be installed."""
_COMMITTER = """
import asyncio, sys
from tenuto.store.spi import *
from tenuto.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1])
    await store.open()
    fence = await store.acquire(1, "child")
    number = int(sys.argv[2])
    while True:
        key = ChainKey("n", f"w{number}")
        rows = (HistoryRow(1, 3, b"x" * 2000),)
        await store.commit(1, fence, Batch([ChainWrite(key, b"h" * 500, number)], [HistoryWrite(key, "r", rows)]))
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""

_CROWDED = """
import asyncio, resource, signal, sys
from tenuto.store.spi import *
from tenuto.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1])
    await store.open()
    fence = await store.acquire(1, "child")
    await store.commit(1, fence, Batch([ChainWrite(ChainKey("n", "fits"), b"h")]))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    try:
        await store.commit(1, fence, Batch([ChainWrite(ChainKey("n", "big"), b"h" * 2_000_000)]))
    except OutcomeUnknown as error:
        print("unknown", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.commit(1, fence, Batch([ChainWrite(ChainKey("n", "after"), b"h")]))
    print([(await store.load(1, ChainKey("n", name))) is not None for name in ("fits", "after")])
    await store.close()

asyncio.run(main())
"""


def test_a_killed_process_loses_no_acknowledged_commit(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    acknowledged = -1
    for _ in range(3):
        command = [sys.executable, "-c", _COMMITTER, path, str(acknowledged + 1)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        assert child.stdout
        for line in child.stdout:
            acknowledged = int(line)
            if acknowledged % 700 == 699:
                break
        child.kill()
        rest = child.stdout.read().split("\n")[:-1]
        acknowledged = int(rest[-1]) if rest else acknowledged
        child.wait()

    async def verify() -> None:
        store = SqliteStore(path)
        await store.open()
        for number in range(acknowledged + 1):
            key = ChainKey("n", f"w{number}")
            assert await store.load(1, key) == StoredChain(b"h" * 500, number, {}), number
            assert len(await store.read_history(1, key, "r", 1, 3)) == 1
        await store.close()

    assert acknowledged > 1000
    asyncio.run(verify())


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_full_disk_at_commit_is_unknown_and_the_store_recovers(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", _CROWDED, str(tmp_path / "store.db")],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    first, second = child.stdout.splitlines()
    assert first.startswith("unknown commit:") and "store.db" in first
    assert second == "[True, True]"


def test_a_second_opening_is_refused_and_names_file_and_holder(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    link = tmp_path / "link.db"

    async def run() -> None:
        store = SqliteStore(str(path))
        await store.open()
        link.symlink_to(path)
        for other in (path, link):
            with pytest.raises(StoreInUse, match="this process") as refusal:
                await SqliteStore(str(other)).open()
            assert str(path) in str(refusal.value)
        await store.close()
        again = SqliteStore(str(path))
        await again.open()
        await again.close()

    asyncio.run(run())


def test_another_process_is_refused_until_the_holder_dies(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    command = [sys.executable, "-c", _COMMITTER, path, "0"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert child.stdout and child.stdout.readline()

    async def run() -> None:
        store = SqliteStore(path)
        with pytest.raises(StoreInUse, match=f"pid {child.pid}"):
            await store.open()
        child.kill()
        child.communicate()
        await store.open()
        await store.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda path: path.write_bytes(b"not a database" * 100), "not a database"),
        (lambda path: sqlite3.connect(path).execute("CREATE TABLE mine (x)"), "not a store of Tenuto"),
    ],
)
def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path, make: object, complaint: str) -> None:
    path = tmp_path / "store.db"
    make(path)  # type: ignore[operator]
    for _ in range(2):  # the refusal gives the lock back
        with pytest.raises(StoreUnusable, match=complaint):
            asyncio.run(SqliteStore(str(path)).open())


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="absent"):
        asyncio.run(SqliteStore(str(tmp_path / "absent" / "store.db")).open())


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def make() -> None:
        store = SqliteStore(str(path))
        await store.open()
        await store.close()

    asyncio.run(make())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE tenuto_schema SET version = 99")
    with pytest.raises(StoreUnusable, match="version 99"):
        asyncio.run(SqliteStore(str(path)).open())


def test_a_cancelled_commit_is_still_written(tmp_path: Path) -> None:
    async def run() -> None:
        store = SqliteStore(str(tmp_path / "store.db"))
        await store.open()
        fence = await store.acquire(1, "kit")
        key = ChainKey("n", "w")
        task = asyncio.ensure_future(store.commit(1, fence, Batch([ChainWrite(key, b"h")])))
        await asyncio.sleep(0)
        task.cancel()
        await store.commit(1, fence, Batch())
        assert await store.load(1, key) is not None
        await store.close()

    asyncio.run(run())


def test_a_hundred_thousand_sleeping_chains_are_due_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        store = SqliteStore(str(tmp_path / "store.db"))
        await store.open()
        fence = await store.acquire(1, "kit")
        count = 100_000
        for start in range(0, count, 20_000):
            chains = [
                ChainWrite(ChainKey("n", f"w{n:06}"), b"h" * 50, n) for n in range(start, start + 20_000)
            ]
            await store.commit(1, fence, Batch(chains))
        began = time.process_time()
        assert len(await store.due(1, None, count, count)) == count
        assert len(await store.due(1, (count - 5, ChainKey("n", "z")), count, 100)) == 4
        assert time.process_time() - began < 2.0
        await store.close()

    asyncio.run(run())


def test_the_log_starts_over_under_steady_commits(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")

    async def run() -> None:
        store = SqliteStore(path, synchronous="normal")
        await store.open()
        fence = await store.acquire(1, "kit")
        for turn in range(200):
            chains = [
                ChainWrite(ChainKey("n", f"{n * 7919 % 50_021}"), b"h" * 3000, turn) for n in range(200)
            ]
            await store.commit(1, fence, Batch(chains))
        assert os.path.getsize(f"{path}-wal") < 64_000_000
        await store.close()
        assert not os.path.exists(f"{path}-wal")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "index"),
    [
        (sql.DUE, "USING COVERING INDEX chains_alarm"),
        (sql.EXPIRED, "USING COVERING INDEX runs_expiry"),
        (sql.LOAD, "USING PRIMARY KEY"),
        (sql.READ_HISTORY, "USING PRIMARY KEY"),
        (sql.list_runs(VisibilityFilter("n"), None, 10)[0], "USING INDEX visibility_order"),
        (sql.list_runs(VisibilityFilter("n", workflow_id="w"), None, 10)[0], "PRIMARY KEY"),
        (sql.count_runs(VisibilityFilter("n", statuses=(1,)))[0], "USING COVERING INDEX visibility_order"),
        (
            sql.list_runs(VisibilityFilter("n", workflow_id="w"), VisibilityCursor(1, 1, "r"), 10)[0],
            "PRIMARY KEY (namespace_id=? AND workflow_id=?)",
        ),
        (sql.DROP_PART.cut([(1, "n", "w", "p")] * 64)[0][0], "workflow_id=? AND part=?"),
        (sql.DROP_PART.cut([(1, "n", "w", "p")])[0][0], "workflow_id=? AND part=?"),
        (sql.DROP_CHAIN, "USING PRIMARY KEY (shard=? AND namespace_id=? AND workflow_id=?)"),
        (sql.CUT_HISTORY.cut([(1, "n", "w", "r", 1)] * 64)[0][0], "run_id=? AND first_event_id>?"),
        (sql.CUT_HISTORY.cut([(1, "n", "w", "r", 1)])[0][0], "run_id=? AND first_event_id>?"),
    ],
)
def test_statements_use_their_index(text: str, index: str) -> None:
    connection = sqlite3.connect(":memory:")
    for statement in sql.SCHEMA:
        connection.execute(statement)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", [1] * text.count("?"))]
    assert any(index in step for step in plan), plan
    assert not any(step.startswith(("SCAN", "SEARCH chains USING PRIMARY KEY (shard=?)")) for step in plan), (
        plan
    )
