"""Answers that come in pages, as one stream that asks for the next page when it needs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Pages(AsyncIterator[T], ABC, Generic[T]):
    """Iterate with ``async for``, or page by page with `fetch_next_page`. ``limit`` None: everything there is."""

    def __init__(
        self, page_size: int | None, next_page_token: bytes | None, limit: int | None = None
    ) -> None:
        self._page_size = page_size
        self._next_page_token = next_page_token
        self._limit = limit
        self._yielded = 0
        self._current_page: Sequence[T] | None = None
        self._current_page_index = 0

    @abstractmethod
    async def _fetch(self, page_size: int | None, token: bytes | None) -> tuple[Sequence[T], bytes | None]:
        """One page, and the token of the next, empty or None at the end."""

    @property
    def current_page_index(self) -> int:
        """Index in the current page of the next item."""
        return self._current_page_index

    @property
    def current_page(self) -> Sequence[T] | None:
        """The page fetched last, None before the first."""
        return self._current_page

    @property
    def next_page_token(self) -> bytes | None:
        """What the next page is asked for with; None at the end, and before the first page unless one was given."""
        return self._next_page_token

    async def fetch_next_page(self, *, page_size: int | None = None) -> None:
        """Replace the current page by the next. Raises `RPCError`."""
        asked = page_size or self._page_size
        if self._limit is not None and asked is not None:
            asked = min(asked, max(self._limit - self._yielded, 1))
        items, token = await self._fetch(asked, self._next_page_token)
        self._current_page = items
        self._current_page_index = 0
        self._next_page_token = token or None

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        if self._limit is not None and self._yielded >= self._limit:
            raise StopAsyncIteration
        while True:
            page = self._current_page
            if page is None:
                await self.fetch_next_page()
                continue
            if self._current_page_index < len(page):
                item = page[self._current_page_index]
                self._current_page_index += 1
                self._yielded += 1
                return item
            if self._next_page_token is None:
                raise StopAsyncIteration
            await self.fetch_next_page()
