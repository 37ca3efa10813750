"""Promise 4: history."""

from tenuto.store.conformance.kit import SHARD, Medium, history, key, owned, row, spans
from tenuto.store.spi import Batch


async def check_rows_are_read_in_order_and_whole(medium: Medium) -> None:
    """Promise 4: rows covering the wanted events, from whichever commit they came."""
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, Batch(history=[history("w", "r", (1, 3), (4, 4))]))
        await store.commit(
            SHARD, fence, Batch(history=[history("w", "r", (5, 9)), history("w", "r", (10, 10))])
        )
        assert await store.read_history(SHARD, key("w"), "r", 1, 10) == [
            row(1, 3),
            row(4, 4),
            row(5, 9),
            row(10, 10),
        ]


async def check_a_page_begins_and_ends_within_rows(medium: Medium) -> None:
    """Promise 4: the first row may begin before the first wanted event, and the last end after the last."""
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, Batch(history=[history("w", "r", (1, 3), (4, 6), (7, 9))]))
        assert await spans(store, "w", "r", 5, 5) == [(4, 6)]
        assert await spans(store, "w", "r", 3, 4) == [(1, 3), (4, 6)]
        assert await spans(store, "w", "r", 4, 7) == [(4, 6), (7, 9)]
        assert await spans(store, "w", "r", 9, 9) == [(7, 9)]


async def check_a_short_history_gives_what_there_is(medium: Medium) -> None:
    """Promise 4: asking beyond the end is no error."""
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, Batch(history=[history("w", "r", (1, 3))]))
        assert await spans(store, "w", "r", 2, 100) == [(1, 3)]
        assert await spans(store, "w", "r", 4, 100) == []


async def check_runs_and_chains_have_their_own_histories(medium: Medium) -> None:
    """Promise 4: neither another run of the chain nor another chain shows through."""
    async with owned(medium) as (store, fence):
        await store.commit(
            SHARD, fence, Batch(history=[history("w", "r1", (1, 3)), history("w", "r2", (1, 2), (3, 8))])
        )
        assert await spans(store, "w", "r1", 1, 9) == [(1, 3)]
        assert await spans(store, "w", "r2", 1, 9) == [(1, 2), (3, 8)]
        assert await spans(store, "other", "r1", 1, 9) == []


async def check_a_gap_ends_the_history(medium: Medium) -> None:
    """Promise 4: a row that does not continue its predecessor is not seen."""
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, Batch(history=[history("w", "r", (1, 3), (5, 6))]))
        assert await spans(store, "w", "r", 1, 6) == [(1, 3)]


async def check_a_row_written_again_replaces_the_older(medium: Medium) -> None:
    """Promise 4: the newer of two rows that begin at the same event is the one seen."""
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, Batch(history=[history("w", "r", (1, 3), (4, 6))]))
        await store.commit(SHARD, fence, Batch(history=[history("w", "r", (4, 8), mark="new ")]))
        assert await store.read_history(SHARD, key("w"), "r", 1, 8) == [row(1, 3), row(4, 8, "new ")]


async def check_orphans_never_come_back(medium: Medium) -> None:
    """Promise 4: rows left over from before do not show behind, or in the middle of, the rows that replaced them."""
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, Batch(history=[history("w", "r", (1, 3))]))
        await store.commit(SHARD, fence, Batch(history=[history("w", "r", (4, 5), (6, 8), (9, 9))]))
        await store.commit(SHARD, fence, Batch(history=[history("w", "r", (4, 8), mark="new ")]))
        for first in range(4, 9):
            assert await spans(store, "w", "r", first, 8) == [(4, 8)], first
        assert await spans(store, "w", "r", 1, 8) == [(1, 3), (4, 8)]
        await store.commit(SHARD, fence, Batch(history=[history("w", "r", (9, 12), mark="new ")]))
        assert await spans(store, "w", "r", 7, 12) == [(4, 8), (9, 12)]


async def check_a_long_history_is_read_in_pages(medium: Medium) -> None:
    """Promise 4: three thousand rows, and a page from their middle."""
    async with owned(medium) as (store, fence):
        for start in range(0, 3000, 1000):
            rows = [(event, event) for event in range(start + 1, start + 1001)]
            await store.commit(SHARD, fence, Batch(history=[history("w", "r", *rows)]))
        assert len(await spans(store, "w", "r", 1, 3000)) == 3000
        assert await spans(store, "w", "r", 1500, 1502) == [(1500, 1500), (1501, 1501), (1502, 1502)]
