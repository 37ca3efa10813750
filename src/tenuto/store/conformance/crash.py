"""Promises 5 and 8: what is there after a close or a crash, and the words for failure."""

from tenuto.store.conformance.kit import (
    NAMESPACE,
    SHARD,
    Medium,
    chain,
    closed,
    failure_of,
    history,
    key,
    opened,
    owned,
    shown,
    spans,
)
from tenuto.store.spi import Batch, FenceLost, NotWritten, Store, StoredChain, VisibilityFilter


def _batch(number: int) -> Batch:
    batch = chain(f"w{number}", b"h", alarm_at=number, part=b"p")
    batch.history.append(history(f"w{number}", "r", (1, 3)))
    batch.runs.append(closed(f"w{number}", "r0", expires_at=number))
    batch.visibility.append(shown(f"w{number}", f"r{number}", start_at=number))
    return batch


async def _assert_all(store: Store, count: int) -> None:
    assert len(await store.due(SHARD, None, 1000, 1000)) == count
    assert len(await store.expired(SHARD, 1000, 1000)) == count
    assert await store.count_runs(VisibilityFilter(NAMESPACE)) == count
    for number in range(count):
        assert await store.load(SHARD, key(f"w{number}")) == StoredChain(b"h", number, {"part": b"p"})
        assert await spans(store, f"w{number}", "r", 1, 3) == [(1, 3)]


async def check_a_closed_store_reopens_with_everything(medium: Medium) -> None:
    """Promise 5: chains, history, runs, visibility and records outlive a close."""
    async with owned(medium) as (store, fence):
        for number in range(20):
            await store.commit(SHARD, fence, _batch(number))
        version = await store.put_record("kind", "name", b"value", None)
    async with opened(medium) as store:
        await _assert_all(store, 20)
        record = await store.get_record("kind", "name")
        assert record and (record.value, record.version) == (b"value", version)


async def check_acknowledged_commits_outlive_a_crash(medium: Medium) -> None:
    """Promise 5: after each of several crashes everything acknowledged is there."""
    count = 0
    for _ in range(4):
        store = medium.store()
        await store.open()
        fence = await store.acquire(SHARD, "kit")
        await _assert_all(store, count)
        for number in range(count, count + 5):
            await store.commit(SHARD, fence, _batch(number))
        count += 5
        medium.crash(store)
    async with opened(medium) as last:
        await _assert_all(last, count)


async def check_the_owner_before_a_crash_is_fenced_out(medium: Medium) -> None:
    """Promise 2: after a crash and a new acquire the old fence is stale."""
    store = medium.store()
    await store.open()
    stale = await store.acquire(SHARD, "kit")
    medium.crash(store)
    async with owned(medium) as (again, fence):
        assert isinstance(await failure_of(again.commit(SHARD, stale, chain("w"))), FenceLost)
        await again.commit(SHARD, fence, chain("w"))


async def check_a_closed_store_writes_nothing(medium: Medium) -> None:
    """Promise 8: verbs of a store that is not open answer `NotWritten`; closing twice is no error."""
    async with owned(medium) as (store, fence):
        pass
    await store.close()
    assert isinstance(await failure_of(store.commit(SHARD, fence, chain("w"))), NotWritten)
    assert isinstance(await failure_of(store.load(SHARD, key("w"))), NotWritten)
    assert isinstance(await failure_of(medium.store().acquire(SHARD, "kit")), NotWritten)
    async with opened(medium) as again:
        assert await again.load(SHARD, key("w")) is None
