"""Tables of state seen through a draft: what changes is at the same time what must be written."""

import copy
from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Table(Generic[K, V]):
    """A dict of state values seen through this draft's changes. A value is copied before it is edited."""

    __slots__ = ("_base", "changes", "size")

    def __init__(self, base: dict[K, V]) -> None:
        self._base = base
        self.changes: dict[K, V | None] = {}
        self.size = len(base)

    def get(self, key: K) -> V | None:
        if key in self.changes:
            return self.changes[key]
        return self._base.get(key)

    def __getitem__(self, key: K) -> V:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: K) -> bool:
        return self.get(key) is not None

    def __len__(self) -> int:
        return self.size

    def put(self, key: K, value: V) -> V:
        if self.get(key) is None:
            self.size += 1
        self.changes[key] = value
        return value

    def edit(self, key: K) -> V:
        """The value, copied once into this draft, free to be changed."""
        value = self.changes.get(key)
        if value is None:
            value = copy.copy(self[key])
            self.changes[key] = value
        return value

    def drop(self, key: K) -> None:
        if self.get(key) is not None:
            self.size -= 1
            self.changes[key] = None

    def clear(self) -> None:
        for key in list(self.keys()):
            self.drop(key)

    def keys(self) -> Iterator[K]:
        changes = self.changes
        for key in self._base:
            if key not in changes:
                yield key
        for key, value in changes.items():
            if value is not None:
                yield key

    def values(self) -> Iterator[V]:
        changes = self.changes
        for key, value in self._base.items():
            if key not in changes:
                yield value
        for changed in changes.values():
            if changed is not None:
                yield changed

    def fold(self) -> None:
        """Make the changes true. After this the draft is spent."""
        base = self._base
        for key, value in self.changes.items():
            if value is None:
                base.pop(key, None)
            else:
                base[key] = value
