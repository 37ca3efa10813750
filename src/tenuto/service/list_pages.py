"""Pages of lists: where one begins, how the next is named, and the search for rows that a store cannot filter.

This file must never know what is listed.
"""

from collections.abc import Callable
from typing import TypeVar

from tenuto.service import tokens
from tenuto.service.core import Core
from tenuto.service.errors import invalid
from tenuto.store.spi import VisibilityCursor, VisibilityFilter, VisibilityRow

T = TypeVar("T")
PAGE = 1000


def begin(page_token: bytes) -> VisibilityCursor | None:
    """Behind which row the page begins that a caller asks for; None: it is the first. Raises INVALID_ARGUMENT."""
    if not page_token:
        return None
    try:
        token = tokens.decode_list(page_token)
    except tokens.Malformed:
        invalid("Invalid NextPageToken.")
    return VisibilityCursor(token.close_at, token.start_at, token.run_id)


def token_after(row: VisibilityRow) -> bytes:
    """Names the page behind ``row``."""
    return tokens.encode(tokens.ListToken(row.close_at, row.start_at, row.run_id))


async def search(
    core: Core,
    wanted: VisibilityFilter,
    made: Callable[[VisibilityRow], T],
    fits: Callable[[T], bool],
    after: VisibilityCursor | None,
    limit: int | None,
) -> list[T]:
    """What ``made`` makes of the rows that fit, at most ``limit``, behind ``after``."""
    found: list[T] = []
    while True:
        rows = await core.shards.list_runs(wanted, after, PAGE)
        for row in rows:
            one = made(row)
            if fits(one):
                found.append(one)
                if limit is not None and len(found) >= limit:
                    return found
        if len(rows) < PAGE:
            return found
        last = rows[-1]
        after = VisibilityCursor(last.close_at, last.start_at, last.run_id)
