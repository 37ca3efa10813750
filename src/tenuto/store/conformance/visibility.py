"""The lists of runs: order, pages and filters (promise 3 ties them to their commits)."""

from msgspec.structs import replace

from tenuto.store.conformance.kit import (
    COMPLETED,
    FAILED,
    NAMESPACE,
    OTHER_NAMESPACE,
    RUNNING,
    SHARD,
    Medium,
    owned,
    shown,
)
from tenuto.store.spi import Batch, Store, VisibilityCursor, VisibilityFilter, VisibilityRow

_ALL = VisibilityFilter(NAMESPACE)


async def _runs(store: Store, wanted: VisibilityFilter) -> list[str]:
    rows = [found.run_id for found in await store.list_runs(wanted, None, 100)]
    assert await store.count_runs(wanted) == len(rows)
    return rows


_ROWS = [
    shown("w1", "a", start_at=10, close_at=40),
    shown("w1", "b", start_at=50),
    shown("w2", "c", start_at=20, close_at=30, workflow_type="Pay", status=FAILED),
    shown("w3", "d", start_at=60, workflow_type="Pay"),
    shown("w4", "e", start_at=5, close_at=30),
    shown("w5", "f", start_at=50),
]


async def check_open_runs_first_then_newest_first(medium: Medium) -> None:
    """Promise 3: lists are ordered by (close or infinity, start, run id), descending, within one namespace."""
    async with owned(medium) as (store, fence):
        other = shown("w1", "x", start_at=99, namespace_id=OTHER_NAMESPACE)
        await store.commit(SHARD, fence, Batch(visibility=[*_ROWS, other]))
        assert await _runs(store, _ALL) == ["d", "f", "b", "a", "c", "e"]
        assert await _runs(store, VisibilityFilter(OTHER_NAMESPACE)) == ["x"]
        assert await _runs(store, VisibilityFilter("none")) == []


async def check_rows_come_back_whole(medium: Medium) -> None:
    """Promise 3: every field is read as it was written."""
    async with owned(medium) as (store, fence):
        rows = [
            VisibilityRow(NAMESPACE, "w", "r1", "Type", COMPLETED, "queue", 1, 2, 3, b"\x00info"),
            VisibilityRow(NAMESPACE, "w", "r0", "", RUNNING, "", 2**62, 2**62, None, b""),
        ]
        await store.commit(SHARD, fence, Batch(visibility=rows))
        assert list(await store.list_runs(_ALL, None, 9)) == [rows[1], rows[0]]


async def check_each_filter_and_all_together(medium: Medium) -> None:
    """Promise 3: all given filters must hold; both ends of a range belong to it; open runs are in no range of closing."""
    cases: list[tuple[VisibilityFilter, list[str]]] = [
        (replace(_ALL, workflow_id="w1"), ["b", "a"]),
        (replace(_ALL, run_id="c"), ["c"]),
        (replace(_ALL, workflow_type="Pay"), ["d", "c"]),
        (replace(_ALL, statuses=(RUNNING,)), ["d", "f", "b"]),
        (replace(_ALL, statuses=(COMPLETED, FAILED)), ["a", "c", "e"]),
        (replace(_ALL, start_from=20), ["d", "f", "b", "c"]),
        (replace(_ALL, start_to=20), ["a", "c", "e"]),
        (replace(_ALL, start_from=10, start_to=50), ["f", "b", "a", "c"]),
        (replace(_ALL, close_from=31), ["a"]),
        (replace(_ALL, close_to=30), ["c", "e"]),
        (replace(_ALL, close_from=30, close_to=30), ["c", "e"]),
        (replace(_ALL, close_to=2**63 - 1), ["a", "c", "e"]),
        (
            replace(
                _ALL, workflow_id="w2", workflow_type="Pay", statuses=(FAILED,), start_from=20, close_to=30
            ),
            ["c"],
        ),
        (replace(_ALL, workflow_id="w2", workflow_type="Greet"), []),
        (replace(_ALL, workflow_id="w"), []),
    ]
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, Batch(visibility=_ROWS))
        for wanted, expected in cases:
            assert await _runs(store, wanted) == expected, wanted


async def check_pages_make_up_the_whole(medium: Medium) -> None:
    """Promise 3: a cursor continues after its row, under any filter, also when that row is gone."""
    async with owned(medium) as (store, fence):
        rows = [
            shown(f"w{n}", f"r{n:02}", start_at=n // 3, close_at=None if n % 2 else n // 5) for n in range(30)
        ]
        await store.commit(SHARD, fence, Batch(visibility=rows))
        for wanted in (_ALL, replace(_ALL, statuses=(RUNNING,)), replace(_ALL, start_from=3)):
            for limit in (1, 4, 7):
                found: list[str] = []
                cursor: VisibilityCursor | None = None
                while page := await store.list_runs(wanted, cursor, limit):
                    assert len(page) <= limit
                    found += [row.run_id for row in page]
                    cursor = VisibilityCursor(page[-1].close_at, page[-1].start_at, page[-1].run_id)
                assert found == await _runs(store, wanted)
        gone = VisibilityCursor(None, 9, "r28x")
        assert (await store.list_runs(_ALL, gone, 1))[0].run_id == "r27"


async def check_a_run_moves_when_it_closes(medium: Medium) -> None:
    """Promise 3: a row written again replaces the older one at its new place."""
    async with owned(medium) as (store, fence):
        await store.commit(SHARD, fence, Batch(visibility=_ROWS))
        await store.commit(SHARD, fence, Batch(visibility=[shown("w3", "d", start_at=60, close_at=35)]))
        assert await _runs(store, _ALL) == ["f", "b", "a", "d", "c", "e"]
        assert await _runs(store, replace(_ALL, statuses=(RUNNING,))) == ["f", "b"]
