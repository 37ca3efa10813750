"""Waiting: for conditions, for time, for the first of several. All of it in the order the code names things.

``asyncio.wait`` and ``asyncio.as_completed`` keep sets, whose order differs from process to process; these keep lists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

from tenuto.common import Duration, as_timedelta
from tenuto.workflow._runtime import current
from tenuto.workflow.event_groups import EventGroup, scoped

T = TypeVar("T")
FutureT = TypeVar("FutureT", bound="asyncio.Future[Any]")
FIRST_COMPLETED = asyncio.FIRST_COMPLETED
FIRST_EXCEPTION = asyncio.FIRST_EXCEPTION
ALL_COMPLETED = asyncio.ALL_COMPLETED


async def sleep(
    duration: Duration,
    *,
    summary: str | None = None,
    event_groups: Sequence[EventGroup] | None = None,
) -> None:
    """Sleep durably, by a timer of the server.

    Args:
        duration: Seconds or a timedelta. Zero is a timer, too.
        summary: One line that tools show beside the timer.
        event_groups: Groups of the timer.
    """
    with scoped(event_groups):
        await current().sleep(_seconds(duration), summary)


async def wait_condition(
    fn: Callable[[], bool],
    *,
    timeout: Duration | None = None,
    timeout_summary: str | None = None,
    event_groups: Sequence[EventGroup] | None = None,
) -> None:
    """Wait until ``fn`` is true. It is asked each time some of the workflow's code has run, so it must be quick and
    change nothing.

    Args:
        fn: The predicate.
        timeout: Seconds or a timedelta; None: no limit, and no timer.
        timeout_summary: One line that tools show beside the timer.
        event_groups: Groups of the timer.

    Raises:
        TimeoutError: The predicate was not true in time.
    """
    with scoped(event_groups):
        await current().wait_condition(fn, None if timeout is None else _seconds(timeout), timeout_summary)


def as_completed(
    fs: Iterable[Awaitable[T]], *, timeout: Duration | None = None
) -> Iterator[Coroutine[Any, Any, T]]:
    """Like `asyncio.as_completed`, and deterministic.

    Args:
        fs: Futures, tasks, coroutines; doubles count once.
        timeout: Seconds or a timedelta for all of them; None: no limit.

    Returns:
        An iterator of coroutines: each await gives the next result, or raises TimeoutError.
    """
    return _Completions(fs, None if timeout is None else _seconds(timeout))


class _Completions(Iterator["Coroutine[Any, Any, T]"]):
    def __init__(self, fs: Iterable[Awaitable[T]], timeout: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._waited: list[asyncio.Future[T]] = _unique(fs)
        self._left = len(self._waited)
        self._done: asyncio.Queue[asyncio.Future[T] | None] = asyncio.Queue()
        self._timer = (
            loop.call_later(timeout, self._time_out) if timeout is not None and self._waited else None
        )
        for each in self._waited:
            each.add_done_callback(self._one_done)

    def __iter__(self) -> Iterator[Coroutine[Any, Any, T]]:
        return self

    def __next__(self) -> Coroutine[Any, Any, T]:
        if self._left == 0:
            raise StopIteration
        self._left -= 1
        return self._next()

    async def _next(self) -> T:
        found = await self._done.get()
        if found is None:
            raise TimeoutError
        return found.result()

    def _one_done(self, future: asyncio.Future[T]) -> None:
        if not self._waited:
            return
        self._waited.remove(future)
        self._done.put_nowait(future)
        if not self._waited and self._timer is not None:
            self._timer.cancel()

    def _time_out(self) -> None:
        for each in self._waited:
            each.remove_done_callback(self._one_done)
            self._done.put_nowait(None)
        self._waited.clear()


@overload
async def wait(
    fs: Iterable[FutureT], *, timeout: Duration | None = None, return_when: str = ALL_COMPLETED
) -> tuple[list[FutureT], list[FutureT]]: ...
@overload
async def wait(
    fs: Iterable[asyncio.Task[T]],
    *,
    timeout: Duration | None = None,
    return_when: str = ALL_COMPLETED,
) -> tuple[list[asyncio.Task[T]], list[asyncio.Task[T]]]: ...
async def wait(
    fs: Iterable[Any], *, timeout: Duration | None = None, return_when: str = ALL_COMPLETED
) -> tuple[list[Any], list[Any]]:
    """Like `asyncio.wait`, and deterministic: gives lists in the order of ``fs``.

    Args:
        fs: Futures or tasks; doubles count once.
        timeout: Seconds or a timedelta; None: no limit. Nothing is cancelled when it has passed.
        return_when: ``FIRST_COMPLETED``, ``FIRST_EXCEPTION`` or ``ALL_COMPLETED``.

    Returns:
        Those that are done, and those that are not.

    Raises:
        ValueError: Nothing to wait for, or another ``return_when``.
        TypeError: Something in ``fs`` is a coroutine: make it a task.
    """
    if asyncio.isfuture(fs) or asyncio.iscoroutine(fs):
        raise TypeError(f"Expect an iterable of futures, not {type(fs).__name__}")
    waited = list(dict.fromkeys(fs))
    if not waited:
        raise ValueError("Set of Tasks/Futures is empty.")
    if return_when not in (FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED):
        raise ValueError(f"Invalid return_when value: {return_when}")
    if any(asyncio.iscoroutine(each) for each in waited):
        raise TypeError("Passing coroutines is forbidden, use tasks explicitly.")
    if not _enough(waited, return_when):
        await _wake_when(waited, return_when, None if timeout is None else _seconds(timeout))
    return [each for each in waited if each.done()], [each for each in waited if not each.done()]


async def _wake_when(waited: list[asyncio.Future[Any]], return_when: str, timeout: float | None) -> None:
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()

    def wake(_: object = None) -> None:
        if not woken.done() and _enough(waited, return_when):
            woken.set_result(None)

    def time_out() -> None:
        if not woken.done():
            woken.set_result(None)

    timer = loop.call_later(timeout, time_out) if timeout is not None else None
    for each in waited:
        each.add_done_callback(wake)
    try:
        await woken
    finally:
        if timer is not None:
            timer.cancel()
        for each in waited:
            each.remove_done_callback(wake)


def _enough(waited: list[asyncio.Future[Any]], return_when: str) -> bool:
    done = [each for each in waited if each.done()]
    if len(done) == len(waited):
        return True
    if return_when == FIRST_COMPLETED:
        return bool(done)
    if return_when == FIRST_EXCEPTION:
        return any(not each.cancelled() and each.exception() is not None for each in done)
    return False


def _unique(fs: Iterable[Awaitable[T]]) -> list[asyncio.Future[T]]:
    if asyncio.isfuture(fs) or asyncio.iscoroutine(fs):
        raise TypeError(f"Expect an iterable of futures, not {type(fs).__name__}")
    return [asyncio.ensure_future(each) for each in dict.fromkeys(fs)]


def _seconds(duration: Duration) -> float:
    return as_timedelta(duration).total_seconds()
