"""What the checks stand on: the medium under test, and makers of values to store.

Must never import a test framework: a check is a coroutine function over a medium, and fails by AssertionError.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from tenuto.store.spi import (
    Batch,
    ChainKey,
    ChainWrite,
    HistoryRow,
    HistoryWrite,
    RunWrite,
    Store,
    StoreError,
    VisibilityRow,
)


class Medium(Protocol):
    """Where an adapter's stores keep what they keep; empty when a check gets it."""

    def store(self) -> Store:
        """A store over this medium, not open. Called again after a close or a crash, it finds what was written."""

    def crash(self, store: Store) -> None:
        """The node with this open store dies now. The kit then abandons the store without closing it."""


Check = Callable[[Medium], Awaitable[None]]

SHARD = 1
NAMESPACE = "7f3f2a64-0000-4000-8000-000000000001"
OTHER_NAMESPACE = "7f3f2a64-0000-4000-8000-000000000002"
RUNNING, COMPLETED, FAILED = 1, 2, 3


@asynccontextmanager
async def opened(medium: Medium) -> AsyncIterator[Store]:
    """An open store, closed at the end."""
    store = medium.store()
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def owned(medium: Medium) -> AsyncIterator[tuple[Store, int]]:
    """An open store with a fence for `SHARD`."""
    async with opened(medium) as store:
        yield store, await store.acquire(SHARD, "kit")


async def failure_of(call: Awaitable[object]) -> StoreError:
    """The word the store answers with; an AssertionError if it answers with none."""
    try:
        await call
    except StoreError as error:
        return error
    raise AssertionError("the store accepted what it must refuse")


def key(workflow_id: str, namespace_id: str = NAMESPACE) -> ChainKey:
    return ChainKey(namespace_id, workflow_id)


def chain(
    workflow_id: str, header: bytes | None = b"header", alarm_at: int | None = None, **parts: bytes | None
) -> Batch:
    """A batch that writes one chain."""
    return Batch(chains=[ChainWrite(key(workflow_id), header, alarm_at, dict(parts))])


def history(workflow_id: str, run_id: str, *spans: tuple[int, int], mark: str = "") -> HistoryWrite:
    """Rows with the given (first, last) event ids."""
    return HistoryWrite(key(workflow_id), run_id, tuple(row(*span, mark=mark) for span in spans))


def row(first: int, last: int, mark: str = "") -> HistoryRow:
    return HistoryRow(first, last, f"{mark}{first}-{last}".encode())


def closed(
    workflow_id: str, run_id: str, record: bytes | None = b"record", expires_at: int | None = None
) -> RunWrite:
    return RunWrite(key(workflow_id), run_id, record, expires_at)


def shown(
    workflow_id: str,
    run_id: str,
    start_at: int,
    close_at: int | None = None,
    workflow_type: str = "Greet",
    status: int | None = None,
    namespace_id: str = NAMESPACE,
) -> VisibilityRow:
    """A visibility row; its status follows from ``close_at`` unless given."""
    if status is None:
        status = RUNNING if close_at is None else COMPLETED
    return VisibilityRow(
        namespace_id, workflow_id, run_id, workflow_type, status, "queue", start_at, start_at, close_at,
        f"{run_id}/{status}".encode(),
    )  # fmt: skip


async def spans(store: Store, workflow_id: str, run_id: str, first: int, last: int) -> list[tuple[int, int]]:
    """The (first, last) of the rows a reader sees."""
    rows = await store.read_history(SHARD, key(workflow_id), run_id, first, last)
    return [(found.first_event_id, found.last_event_id) for found in rows]
