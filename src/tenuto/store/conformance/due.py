"""Promise 6: alarms and expiries."""

from tenuto.store.conformance.kit import NAMESPACE, OTHER_NAMESPACE, SHARD, Medium, closed, key, opened, owned
from tenuto.store.spi import Batch, ChainKey, ChainWrite


def _alarms(*alarms: tuple[int | None, ChainKey]) -> Batch:
    return Batch([ChainWrite(place, b"h", alarm_at, {"part": b"p"}) for alarm_at, place in alarms])


async def check_due_is_in_order_and_within_bounds(medium: Medium) -> None:
    """Promise 6: by (alarm, key), each chain once; ``until`` belongs to the range, and no alarm means never."""
    async with owned(medium) as (store, fence):
        other = key("a", OTHER_NAMESPACE)
        batch = _alarms(
            (30, key("c")), (10, key("z")), (20, other), (20, key("b")), (None, key("n")), (20, key("a"))
        )
        await store.commit(SHARD, fence, batch)
        expected = [(10, key("z")), (20, key("a")), (20, key("b")), (20, other)]
        assert list(await store.due(SHARD, None, 20, 10)) == expected
        assert list(await store.due(SHARD, None, 9, 10)) == []
        assert len(await store.due(SHARD, None, 2**62, 10)) == 5


async def check_due_continues_after_a_place(medium: Medium) -> None:
    """Promise 6: ``after`` is left out, also when its chain is gone, and pages together are the whole."""
    async with owned(medium) as (store, fence):
        places = [
            (alarm_at, key(name)) for alarm_at in (1, 2, 3) for name in (f"a{alarm_at}", f"b{alarm_at}")
        ]
        await store.commit(SHARD, fence, _alarms(*places))
        found: list[tuple[int, ChainKey]] = []
        while page := await store.due(SHARD, found[-1] if found else None, 3, 2):
            found += page
        assert found == places
        assert list(await store.due(SHARD, (2, key("a3")), 2, 9)) == [(2, key("b2"))]


async def check_due_follows_the_alarm(medium: Medium) -> None:
    """Promise 6: a chain is due at its newest alarm only."""
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, _alarms((10, key("w")), (11, key("v"))))
        await store.commit(SHARD, fence, _alarms((50, key("w"))))
        assert list(await store.due(SHARD, None, 20, 10)) == [(11, key("v"))]
        assert list(await store.due(SHARD, None, 50, 10)) == [(11, key("v")), (50, key("w"))]
        await store.commit(SHARD, fence, _alarms((None, key("w"))))
        await store.commit(SHARD, fence, Batch([ChainWrite(key("v"), None)]))
        assert list(await store.due(SHARD, None, 100, 10)) == []


async def check_due_shows_its_own_shard_only(medium: Medium) -> None:
    """Promise 6: chains of other shards are not mentioned."""
    async with opened(medium) as store:
        for shard in (1, 2):
            await store.commit(shard, await store.acquire(shard, "kit"), _alarms((shard, key(f"w{shard}"))))
        assert list(await store.due(1, None, 9, 9)) == [(1, key("w1"))]
        assert list(await store.due(2, None, 9, 9)) == [(2, key("w2"))]


async def check_due_orders_keys_by_code_point(medium: Medium) -> None:
    """Promise 6: keys are ordered as Python orders them, whatever the letters."""
    names = ["Z", "a", "B", "é", "\uffee", "😀", "a b", "a-b", "10", "9"]
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, _alarms(*((7, key(name)) for name in names)))
        found = [place for _, place in await store.due(SHARD, None, 7, 99)]
        assert found == [ChainKey(NAMESPACE, name) for name in sorted(names)]


async def check_expired_runs_come_earliest_first(medium: Medium) -> None:
    """Promise 6: ``expired`` lists closed runs by their instant, up to the limit; None never expires."""
    async with owned(medium) as (store, fence):
        runs = [
            closed("w", "r3", expires_at=30),
            closed("v", "r1", expires_at=10),
            closed("w", "r2", expires_at=20),
        ]
        await store.commit(SHARD, fence, Batch(runs=[*runs, closed("u", "r0")]))
        assert list(await store.expired(SHARD, 20, 9)) == [(key("v"), "r1"), (key("w"), "r2")]
        assert list(await store.expired(SHARD, 99, 1)) == [(key("v"), "r1")]
        await store.commit(
            SHARD, fence, Batch(runs=[closed("v", "r1", expires_at=None), closed("w", "r2", None)])
        )
        assert list(await store.expired(SHARD, 99, 9)) == [(key("w"), "r3")]
