"""``asyncio.wait``, ``asyncio.as_completed`` and ``asyncio.TaskGroup`` inside workflows: the same order in every replay.

asyncio keeps what is waited for in sets, whose order is that of memory addresses. Inside a workflow the calls go to
`tenuto.workflow`, and the sets that come out iterate in the order in which their tasks were made; a group cancels its tasks
in that order, too. Outside, nothing changes.
"""

from __future__ import annotations

import asyncio
from asyncio import events, tasks
from collections.abc import Callable, Iterable, Iterator
from functools import update_wrapper
from typing import Any

_running_loop = events._get_running_loop
_std_wait = asyncio.wait
_std_as_completed = asyncio.as_completed
_std_group_init = asyncio.TaskGroup.__init__


class OrderedTasks(set[Any]):
    """A set of futures that iterates, and pops, in a known order."""

    def __init__(self, futures: Iterable[Any] = ()) -> None:
        order = dict.fromkeys(futures)
        super().__init__(order)
        self._order = order

    def __iter__(self) -> Iterator[Any]:
        return (future for future in [*self._order] if future in self)

    def add(self, future: Any) -> None:
        self._order[future] = None
        super().add(future)

    def discard(self, future: Any) -> None:
        self._order.pop(future, None)
        super().discard(future)

    def remove(self, future: Any) -> None:
        super().remove(future)
        del self._order[future]

    def pop(self) -> Any:
        for future in self:
            self.remove(future)
            return future
        return super().pop()


def in_order(futures: Iterable[Any]) -> list[Any]:
    """Each once. Sets have no order of their own: theirs becomes that in which the loop made the tasks."""
    if not isinstance(futures, set | frozenset) or isinstance(futures, OrderedTasks):
        return list(dict.fromkeys(futures))
    made = getattr(_running_loop(), "tasks", ())
    place = {task: number for number, task in enumerate(made)}
    return sorted(futures, key=lambda future: place.get(future, len(place)))


async def _wait_in_order(fs: Any, timeout: Any, return_when: Any) -> Any:
    from tenuto import workflow

    done, pending = await workflow.wait(in_order(fs), timeout=timeout, return_when=return_when)
    return OrderedTasks(done), OrderedTasks(pending)


def _wait(fs: Any, *, timeout: Any = None, return_when: Any = asyncio.ALL_COMPLETED) -> Any:
    if not hasattr(_running_loop(), "tenuto_runtime"):
        return _std_wait(fs, timeout=timeout, return_when=return_when)
    if asyncio.isfuture(fs) or asyncio.iscoroutine(fs):
        raise TypeError(f"expect a list of futures, not {type(fs).__name__}")
    if not fs:
        raise ValueError("Set of Tasks/Futures is empty.")
    return _wait_in_order(fs, timeout, return_when)


def _as_completed(fs: Any, *, timeout: Any = None) -> Any:
    if not hasattr(_running_loop(), "tenuto_runtime"):
        return _std_as_completed(fs, timeout=timeout)
    from tenuto import workflow

    return workflow.as_completed(in_order(fs), timeout=timeout)


def _group_init(self: Any, *args: Any, **options: Any) -> None:
    _std_group_init(self, *args, **options)
    if hasattr(_running_loop(), "tenuto_runtime"):
        self._tasks = OrderedTasks()


_PLACES: tuple[tuple[Any, str, Any, Any], ...] = (
    (asyncio, "wait", _wait, _std_wait),
    (tasks, "wait", _wait, _std_wait),
    (asyncio, "as_completed", _as_completed, _std_as_completed),
    (tasks, "as_completed", _as_completed, _std_as_completed),
    (asyncio.TaskGroup, "__init__", _group_init, _std_group_init),
)


def install(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Replace all, through ``put(holder, name, function)``. A second time does nothing."""
    if asyncio.wait is not _std_wait:
        return
    for holder, name, ours, was in _PLACES:
        update_wrapper(ours, was)
        put(holder, name, ours)


def uninstall() -> None:
    """Put everything back, whoever has replaced it."""
    for holder, name, ours, was in _PLACES:
        if getattr(holder, name) is ours:
            setattr(holder, name, was)
