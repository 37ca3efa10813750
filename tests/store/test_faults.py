"""The fault injector over the reference adapter."""

import asyncio
from collections.abc import Iterator

import pytest

from tenuto.store.faults import Fault, FaultyStore, faults_of
from tenuto.store.memory import MemoryDisk, MemoryStore
from tenuto.store.spi import (
    Batch,
    ChainKey,
    ChainWrite,
    FenceLost,
    HistoryRow,
    HistoryWrite,
    NotWritten,
    OutcomeUnknown,
    StoreError,
)

KEY = ChainKey("n", "w")
BATCH = Batch([ChainWrite(KEY, b"h", 5)], [HistoryWrite(KEY, "r", (HistoryRow(1, 3, b"e"),))])


@pytest.mark.parametrize(
    ("fault", "word", "chain_written", "rows_written"),
    [
        (Fault.NOT_WRITTEN, NotWritten, False, False),
        (Fault.UNKNOWN_BEFORE, OutcomeUnknown, False, False),
        (Fault.UNKNOWN_AFTER, OutcomeUnknown, True, True),
        (Fault.FENCE_LOST, FenceLost, False, False),
        (Fault.HALF, OutcomeUnknown, False, True),
    ],
)
def test_each_fault_of_a_commit(
    fault: Fault, word: type[StoreError], chain_written: bool, rows_written: bool
) -> None:
    async def run() -> None:
        faults: Iterator[Fault] = iter([Fault.NONE, fault])
        store = FaultyStore(MemoryStore(), lambda verb: next(faults, Fault.NONE))
        await store.open()
        fence = await store.acquire(1, "a")
        with pytest.raises(word):
            await store.commit(1, fence, BATCH)
        assert (await store.load(1, KEY) is not None) == chain_written
        assert bool(await store.read_history(1, KEY, "r", 1, 3)) == rows_written

    asyncio.run(run())


def test_half_a_commit_leaves_no_trace_once_it_is_done_again_differently() -> None:
    async def run() -> None:
        faults = iter([Fault.NONE, Fault.NONE, Fault.HALF])
        store = FaultyStore(MemoryStore(), lambda verb: next(faults, Fault.NONE))
        await store.open()
        fence = await store.acquire(1, "a")
        await store.commit(1, fence, BATCH)
        orphans = tuple(HistoryRow(first, first + 1, b"orphan") for first in (4, 6, 8))
        with pytest.raises(OutcomeUnknown):
            await store.commit(1, fence, Batch(history=[HistoryWrite(KEY, "r", orphans)]))
        good = HistoryRow(4, 9, b"good")
        await store.commit(1, fence, Batch(history=[HistoryWrite(KEY, "r", (good,))]))
        for first in range(4, 10):
            assert await store.read_history(1, KEY, "r", first, 9) == [good]

    asyncio.run(run())


def test_half_a_commit_with_a_stale_fence_writes_nothing() -> None:
    async def run() -> None:
        store = FaultyStore(MemoryStore(), lambda verb: Fault.HALF if verb == "commit" else Fault.NONE)
        await store.open()
        stale = await store.acquire(1, "a")
        await store.acquire(1, "b")
        with pytest.raises(FenceLost):
            await store.commit(1, stale, BATCH)
        assert await store.read_history(1, KEY, "r", 1, 3) == []

    asyncio.run(run())


def test_faults_that_cannot_happen_to_a_verb_are_an_error_of_the_decider() -> None:
    async def run() -> None:
        store = FaultyStore(MemoryStore(), lambda verb: Fault.FENCE_LOST)
        await store.open()
        with pytest.raises(ValueError, match="load"):
            await store.load(1, KEY)

    asyncio.run(run())
    assert Fault.HALF in faults_of("commit") and Fault.FENCE_LOST not in faults_of("put_record")


def test_a_node_that_crashes_while_its_commit_waits_writes_nothing() -> None:
    async def run() -> None:
        disk = MemoryDisk()
        gate = asyncio.Event()

        async def latency(verb: str) -> None:
            if verb == "commit":
                await gate.wait()

        node, other = MemoryStore(disk, latency), MemoryStore(disk)
        await node.open()
        await other.open()
        fence = await node.acquire(1, "a")
        waiting = asyncio.ensure_future(node.commit(1, fence, BATCH))
        await asyncio.sleep(0)
        node.crash()
        gate.set()
        with pytest.raises(StoreError):
            await waiting
        assert await other.load(1, KEY) is None

    asyncio.run(run())


def test_without_latency_no_verb_suspends() -> None:
    store = MemoryStore()
    for verb in (store.open(), store.acquire(1, "a"), store.commit(1, 1, BATCH), store.due(1, None, 9, 9)):
        with pytest.raises(StopIteration):
            verb.send(None)
