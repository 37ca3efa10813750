"""Promises 3 and 5: all or nothing, and what a commit makes readable."""

from tenuto.store.conformance.kit import (
    NAMESPACE,
    OTHER_NAMESPACE,
    SHARD,
    Medium,
    chain,
    closed,
    history,
    key,
    opened,
    owned,
    shown,
    spans,
)
from tenuto.store.spi import Batch, ChainKey, ChainWrite, StoredChain, StoreError, VisibilityFilter

_TOO_BIG = 2**200  # an alarm that no column holds


async def check_a_commit_can_be_read_back(medium: Medium) -> None:
    """Promise 5: header, parts, alarm, run record and history are read as they were written."""
    async with owned(medium) as (store, fence):
        batch = chain("w", b"\x00header\xff", alarm_at=9, one=b"1", two=b"")
        batch.history.append(history("w", "r", (1, 3)))
        batch.runs.append(closed("w", "r0", b"record"))
        await store.commit(SHARD, fence, batch)
        assert await store.load(SHARD, key("w")) == StoredChain(
            b"\x00header\xff", 9, {"one": b"1", "two": b""}
        )
        assert await store.load_run(SHARD, key("w"), "r0") == b"record"
        assert await spans(store, "w", "r", 1, 3) == [(1, 3)]


async def check_what_was_never_written_is_absent(medium: Medium) -> None:
    """Promise 5: reads of the unknown give None or nothing, and raise nothing."""
    async with opened(medium) as store:
        assert await store.load(SHARD, key("w")) is None
        assert await store.load_run(SHARD, key("w"), "r") is None
        assert await store.read_history(SHARD, key("w"), "r", 1, 10) == []
        assert list(await store.due(SHARD, None, 2**62, 10)) == []
        assert list(await store.expired(SHARD, 2**62, 10)) == []


async def check_parts_change_one_by_one(medium: Medium) -> None:
    """Promise 5: parts not named stay, None deletes one, and the header and alarm are replaced."""
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, chain("w", b"1", 5, a=b"a1", b=b"b1", c=b"c1"))
        await store.commit(SHARD, fence, chain("w", b"2", None, b=b"b2", c=None, d=b"d2", absent=None))
        assert await store.load(SHARD, key("w")) == StoredChain(
            b"2", None, {"a": b"a1", "b": b"b2", "d": b"d2"}
        )


async def check_dropping_parts_comes_before_writing_them(medium: Medium) -> None:
    """Promise 5: ``drop_parts`` removes the parts of the run that ended, and the new ones are written."""
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, chain("w", b"1", 5, a=b"a1", b=b"b1"))
        await store.commit(SHARD, fence, chain("v", b"1", 5, a=b"a1"))
        await store.commit(
            SHARD, fence, Batch([ChainWrite(key("w"), b"2", None, {"b": b"b2"}, drop_parts=True)])
        )
        assert await store.load(SHARD, key("w")) == StoredChain(b"2", None, {"b": b"b2"})
        assert await store.load(SHARD, key("v")) == StoredChain(b"1", 5, {"a": b"a1"})


async def check_a_deleted_chain_is_gone_with_its_parts(medium: Medium) -> None:
    """Promise 5: a chain written anew after its deletion has only what is new."""
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, chain("w", b"1", 5, a=b"a1"))
        await store.commit(SHARD, fence, chain("w", None))
        await store.commit(SHARD, fence, chain("never", None))
        assert await store.load(SHARD, key("w")) is None
        assert list(await store.due(SHARD, None, 10, 10)) == []
        await store.commit(SHARD, fence, chain("w", b"2", None, b=b"b2"))
        assert await store.load(SHARD, key("w")) == StoredChain(b"2", None, {"b": b"b2"})


async def check_a_commit_spans_chains_and_kinds(medium: Medium) -> None:
    """Promise 3: chains, runs and visibility of one commit appear together."""
    async with owned(medium) as (store, fence):
        batch = Batch()
        for number in range(150):
            batch.chains += chain(f"w{number}", b"h", alarm_at=number, part=b"p").chains
            batch.runs.append(closed(f"w{number}", "r0", expires_at=number))
            batch.visibility.append(shown(f"w{number}", f"r{number}", start_at=number))
        await store.commit(SHARD, fence, batch)
        for number in (0, 1, 63, 64, 127, 149):
            assert await store.load(SHARD, key(f"w{number}")) == StoredChain(b"h", number, {"part": b"p"})
        assert len(await store.due(SHARD, None, 1000, 1000)) == 150
        assert len(await store.expired(SHARD, 1000, 1000)) == 150
        assert await store.count_runs(VisibilityFilter(NAMESPACE)) == 150


async def check_a_refused_commit_leaves_nothing(medium: Medium) -> None:
    """Promise 3: when one entry cannot be written, none of them is; the store stays usable.

    A store that takes the entry (it holds any integer) passes.
    """
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, chain("before", b"1", part=b"1"))
        batch = Batch(
            chains=[
                ChainWrite(key("before"), b"2", None, {"part": b"2"}),
                ChainWrite(key("new"), b"2", _TOO_BIG),
            ]
        )
        batch.visibility.append(shown("new", "r", start_at=1))
        try:
            await store.commit(SHARD, fence, batch)
        except StoreError:
            assert await store.load(SHARD, key("before")) == StoredChain(b"1", None, {"part": b"1"})
            assert await store.load(SHARD, key("new")) is None
            assert await store.count_runs(VisibilityFilter(NAMESPACE)) == 0
        await store.commit(SHARD, fence, chain("after"))
        assert await store.load(SHARD, key("after")) is not None


async def check_later_entries_of_a_batch_win(medium: Medium) -> None:
    """Promise 3: several transitions of one chain in one commit end as if committed one after the other."""
    writes = [
        ChainWrite(key("w"), b"1", 1, {"a": b"a1", "b": b"b1"}),
        ChainWrite(key("w"), b"2", 2, {"b": None, "c": b"c2"}),
        ChainWrite(key("w"), b"3", None, {"d": b"d3"}, drop_parts=True),
        ChainWrite(key("w"), b"4", 4, {"d": b"d4", "e": b"e4"}),
        ChainWrite(key("w"), None),
        ChainWrite(key("w"), b"6", 6, {"f": b"f6"}),
        ChainWrite(key("w"), b"7", 7, {"g": b"g7", "f": None}),
    ]
    for count in range(1, len(writes) + 1):
        async with owned(medium) as (store, fence):
            first = ChainWrite(key("w"), b"0", 0, {"a": b"a0", "z": b"z0"}, drop_parts=True)
            await store.commit(SHARD, fence, Batch([first]))
            await store.commit(SHARD, fence, Batch(writes[:count]))
            together = await store.load(SHARD, key("w"))
            await store.commit(SHARD, fence, Batch([first]))
            for write in writes[:count]:
                await store.commit(SHARD, fence, Batch([write]))
            assert together == await store.load(SHARD, key("w")), (count, together)


async def check_later_runs_and_rows_of_a_batch_win(medium: Medium) -> None:
    """Promise 3: the last record and the last visibility row of a run are the ones kept."""
    async with owned(medium) as (store, fence):
        batch = Batch(runs=[closed("w", "r", b"1", 1), closed("w", "r", b"2", 50)])
        batch.visibility += [shown("w", "r", 1), shown("w", "r", 1, close_at=2)]
        await store.commit(SHARD, fence, batch)
        assert await store.load_run(SHARD, key("w"), "r") == b"2"
        assert list(await store.expired(SHARD, 10, 10)) == []
        assert [row.close_at for row in await store.list_runs(VisibilityFilter(NAMESPACE), None, 10)] == [2]


async def check_deleting_a_run_deletes_all_of_it_and_no_more(medium: Medium) -> None:
    """Promise 3: record, history, expiry and visibility row of the run go; the run beside it stays."""
    async with owned(medium) as (store, fence):
        batch = Batch(runs=[closed("w", "r1", expires_at=1), closed("w", "r2", expires_at=2)])
        batch.history += [history("w", "r1", (1, 3), (4, 5)), history("w", "r2", (1, 3))]
        batch.visibility += [shown("w", "r1", 1, 2), shown("w", "r2", 1, 2)]
        await store.commit(SHARD, fence, batch)
        await store.commit(SHARD, fence, Batch(runs=[closed("w", "r1", None), closed("w", "never", None)]))
        assert await store.load_run(SHARD, key("w"), "r1") is None
        assert await spans(store, "w", "r1", 1, 5) == []
        assert await store.load_run(SHARD, key("w"), "r2") == b"record"
        assert await spans(store, "w", "r2", 1, 5) == [(1, 3)]
        assert list(await store.expired(SHARD, 10, 10)) == [(key("w"), "r2")]
        assert [row.run_id for row in await store.list_runs(VisibilityFilter(NAMESPACE), None, 10)] == ["r2"]


async def check_a_run_written_and_deleted_in_one_batch_is_gone(medium: Medium) -> None:
    """Promise 3: the deletion of a run wins over its history and visibility in the same batch."""
    async with owned(medium) as (store, fence):
        batch = Batch(runs=[closed("w", "r", b"1", 1), closed("w", "r", None)])
        batch.history.append(history("w", "r", (1, 3)))
        batch.visibility.append(shown("w", "r", 1, 2))
        await store.commit(SHARD, fence, batch)
        assert await spans(store, "w", "r", 1, 3) == []
        assert await store.count_runs(VisibilityFilter(NAMESPACE)) == 0
        assert list(await store.expired(SHARD, 10, 10)) == []


async def check_keys_do_not_run_into_each_other(medium: Medium) -> None:
    """Promise 5: any text is a workflow id, letter case and spaces count, and namespaces and shards are apart."""
    names = ["a", "A", "a ", " a", "a/b", "a%", "a_", "ä", "ß", "ss", "\u00e9", "e\u0301", "😀", "x" * 1000]
    async with opened(medium) as store:
        fences = {shard: await store.acquire(shard, "kit") for shard in (1, 2)}
        expected = {}
        for shard, fence in fences.items():
            batch = Batch()
            for namespace_id in (NAMESPACE, OTHER_NAMESPACE):
                for name in names:
                    value = f"{shard}/{namespace_id}/{name}".encode()
                    expected[shard, ChainKey(namespace_id, name)] = value
                    batch.chains.append(ChainWrite(ChainKey(namespace_id, name), value, None, {name: value}))
            await store.commit(shard, fence, batch)
        for (shard, place), value in expected.items():
            found = await store.load(shard, place)
            assert found == StoredChain(value, None, {place.workflow_id: value}), (shard, place, found)


async def check_large_values_and_many_parts(medium: Medium) -> None:
    """Promise 5: two thousand parts, and values of two megabytes, come back whole."""
    async with owned(medium) as (store, fence):
        parts: dict[str, bytes | None] = {
            f"activity/{number}": bytes([number % 256]) * 300 for number in range(2000)
        }
        parts["large"] = bytes(range(256)) * 8192
        await store.commit(SHARD, fence, Batch([ChainWrite(key("w"), b"h" * 5000, 1, parts)]))
        assert await store.load(SHARD, key("w")) == StoredChain(b"h" * 5000, 1, parts)  # type: ignore[arg-type]
        few: dict[str, bytes | None] = {f"activity/{number}": None for number in range(1990)}
        await store.commit(SHARD, fence, Batch([ChainWrite(key("w"), b"h", 1, few)]))
        found = await store.load(SHARD, key("w"))
        assert found and len(found.parts) == 11


async def check_a_batch_may_be_changed_after_its_commit(medium: Medium) -> None:
    """Promise 5: what was read or written earlier does not change with the caller's objects."""
    async with owned(medium) as (store, fence):
        batch = chain("w", b"h", a=b"1")
        await store.commit(SHARD, fence, batch)
        batch.chains[0].parts["a"] = b"2"
        found = await store.load(SHARD, key("w"))
        assert found and found.parts == {"a": b"1"}
        found.parts["a"] = b"3"
        again = await store.load(SHARD, key("w"))
        assert again and again.parts == {"a": b"1"}
