"""Promises 1 and 2: the fence."""

from tenuto.store.conformance.kit import SHARD, Medium, chain, failure_of, history, key, opened, owned, shown
from tenuto.store.spi import Batch, FenceLost, VisibilityFilter


async def check_fences_of_a_shard_only_rise(medium: Medium) -> None:
    """Promise 1: each fence is greater than every one given before."""
    async with opened(medium) as store:
        fences = [await store.acquire(SHARD, f"node-{number}") for number in range(5)]
    assert fences == sorted(set(fences)), fences


async def check_fences_rise_across_a_reopening(medium: Medium) -> None:
    """Promise 1: also greater than those given before the store was last opened."""
    async with owned(medium) as (_, before):
        pass
    async with owned(medium) as (_, after):
        assert after > before


async def check_fences_rise_across_a_crash(medium: Medium) -> None:
    """Promise 1: also greater than those given before a crash."""
    store = medium.store()
    await store.open()
    before = await store.acquire(SHARD, "kit")
    medium.crash(store)
    async with owned(medium) as (_, after):
        assert after > before


async def check_shards_have_fences_of_their_own(medium: Medium) -> None:
    """Promise 1: taking one shard over leaves the fence of another good."""
    async with opened(medium) as store:
        one = await store.acquire(1, "kit")
        two = await store.acquire(2, "kit")
        await store.acquire(1, "kit")
        await store.commit(2, two, chain("w"))
        assert isinstance(await failure_of(store.commit(1, one, chain("w"))), FenceLost)


async def check_a_stale_fence_writes_nothing(medium: Medium) -> None:
    """Promise 2: nothing of a commit with a stale fence can be read, and `FenceLost` is raised."""
    async with owned(medium) as (store, stale):
        await store.acquire(SHARD, "another")
        batch = chain("w", b"stale", alarm_at=5, part=b"value")
        batch.history.append(history("w", "r", (1, 3)))
        batch.visibility.append(shown("w", "r", start_at=1))
        assert isinstance(await failure_of(store.commit(SHARD, stale, batch)), FenceLost)
        assert await store.load(SHARD, key("w")) is None
        assert not await store.due(SHARD, None, 10, 10)
        assert await store.count_runs(VisibilityFilter(key("w").namespace_id)) == 0


async def check_a_fence_never_given_is_refused(medium: Medium) -> None:
    """Promise 2: a shard nobody acquired has no good fence, and neither has a fence from the future."""
    async with owned(medium) as (store, fence):
        for shard, guess in ((77, 0), (77, 1), (SHARD, fence + 1), (SHARD, 0)):
            assert isinstance(await failure_of(store.commit(shard, guess, chain("w"))), FenceLost)


async def check_the_fence_is_checked_for_an_empty_batch(medium: Medium) -> None:
    """Promise 2: an empty commit tells an owner whether it still is one."""
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, Batch())
        await store.acquire(SHARD, "another")
        assert isinstance(await failure_of(store.commit(SHARD, fence, Batch())), FenceLost)
