"""Topics with types: what is published and read under one name. This file must never send anything itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tenuto.common import Duration
from tenuto.contrib.workflow_streams._wire import WorkflowStreamItem
from tenuto.wire import common

if TYPE_CHECKING:
    from tenuto.contrib.workflow_streams._client import WorkflowStreamClient

T = TypeVar("T")


class Topics:
    """The types of one side's topics: one type per name, for good."""

    def __init__(self, side: str) -> None:
        self._side = side
        self._types: dict[str, Any] = {}

    def bind(self, name: str, kind: Any) -> Any:
        """The type of the topic. Raises RuntimeError when it has another one, and for payloads: nothing decodes to those."""
        kind = Any if kind is None else kind
        if kind is common.Payload:
            raise RuntimeError(
                f"Topic {name!r} cannot be bound to type=Payload, because nothing is decoded to one: leave the type out. "
                "Payloads may be published under any type, and are read with result_type=RawValue"
            )
        bound = self._types.setdefault(name, kind)
        if bound != kind:
            raise RuntimeError(
                f"Topic {name!r} is already bound to type {bound!r} on this {self._side}, it cannot be {kind!r} as well: "
                "leave the type out for topics of mixed values"
            )
        return kind


class TopicHandle(Generic[T]):
    """A topic from outside. Made by `WorkflowStreamClient.topic`."""

    def __init__(self, client: WorkflowStreamClient, name: str, type: type[T]) -> None:
        self._client = client
        self._name = name
        self._type = type

    @property
    def name(self) -> str:
        """The topic's name."""
        return self._name

    @property
    def type(self) -> type[T]:
        """What its values are."""
        return self._type

    def publish(self, value: T | common.Payload, *, force_flush: bool = False) -> None:
        """Take the value, to be sent with the next batch; ``force_flush``: soon. A payload is sent as it is."""
        self._client._outbox.put(self._name, value, force_flush)

    def subscribe(
        self, from_offset: int = 0, *, poll_cooldown: Duration = timedelta(milliseconds=100)
    ) -> AsyncIterator[WorkflowStreamItem[T]]:
        """The topic's items: see `WorkflowStreamClient.subscribe`."""
        return self._client.subscribe(
            [self._name], from_offset, result_type=self._type, poll_cooldown=poll_cooldown
        )


class WorkflowTopicHandle(Generic[T]):
    """A topic from inside the workflow. Made by `WorkflowStream.topic`."""

    def __init__(self, append: Callable[[str, Any], None], name: str, type: type[T]) -> None:
        self._append = append
        self._name = name
        self._type = type

    @property
    def name(self) -> str:
        """The topic's name."""
        return self._name

    @property
    def type(self) -> type[T]:
        """What its values are."""
        return self._type

    def publish(self, value: T | common.Payload) -> None:
        """Append the value to the stream. A payload is taken as it is."""
        self._append(self._name, value)
