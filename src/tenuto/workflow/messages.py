"""Messages without classes, for function workflows: a mailbox takes signals, what is published answers queries."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar, overload

from tenuto.workflow._runtime import current

T = TypeVar("T")


class Mailbox(Generic[T]):
    """The signals of one name, in the order in which they came. Made by `mailbox`.

    ``async for each in box`` takes them one by one without end.
    """

    __slots__ = ("_queue", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._queue: asyncio.Queue[T] = asyncio.Queue()

    async def get(self) -> T:
        """Take the oldest; wait when there is none."""
        return await self._queue.get()

    def get_nowait(self) -> T:
        """Take the oldest. Raises `asyncio.QueueEmpty` when there is none."""
        return self._queue.get_nowait()

    def empty(self) -> bool:
        """Whether there is none."""
        return self._queue.empty()

    def __len__(self) -> int:
        return self._queue.qsize()

    def __bool__(self) -> bool:
        return True

    def __aiter__(self) -> Mailbox[T]:
        return self

    async def __anext__(self) -> T:
        return await self._queue.get()


class _Deliver:
    """The handler behind a mailbox."""

    def __init__(self, box: Mailbox[Any]) -> None:
        self.box = box

    def __call__(self, value: Any = None) -> None:
        self.box._queue.put_nowait(value)


@overload
def mailbox(name: str) -> Mailbox[Any]: ...
@overload
def mailbox(name: str, type: type[T]) -> Mailbox[T]: ...
def mailbox(name: str, type: Any = None) -> Mailbox[Any]:
    """The mailbox of the signals called ``name``, also of those that came before. Asked again, it is the same.

    Args:
        name: Of the signals; each carries one value, or none, which is None.
        type: Of the value. Default: whatever it converts to without a hint.
    """
    runtime = current()
    known = runtime.get_handler("signal", name)
    deliver = getattr(known, "deliver", None)
    if isinstance(deliver, _Deliver):
        return deliver.box
    deliver = _Deliver(Mailbox(name))

    def receive(value: Any = None) -> None:
        deliver(value)

    if type is not None:
        receive.__annotations__["value"] = type
    receive.deliver = deliver  # type: ignore[attr-defined]
    runtime.set_handler("signal", name, receive)
    return deliver.box


class _Published:
    """The answer to a query of one name."""

    def __init__(self, value: Any) -> None:
        self.value = value


def publish(name: str, value: Any) -> None:
    """Let queries called ``name`` be answered with ``value``, until it is published again.

    What changes inside ``value`` shows at once: it is converted when a query asks.
    """
    runtime = current()
    known = getattr(runtime.get_handler("query", name), "published", None)
    if isinstance(known, _Published):
        runtime.assert_not_read_only(f"publish {name}")
        known.value = value
        return
    published = _Published(value)

    def answer() -> Any:
        return published.value

    answer.published = published  # type: ignore[attr-defined]
    runtime.set_handler("query", name, answer)
