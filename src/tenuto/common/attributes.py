"""Search attributes: typed keys, their values and changes. This file must never know how they look on the wire."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from itertools import pairwise
from typing import Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar, get_origin, overload

SearchAttributeValues: TypeAlias = list[str] | list[int] | list[float] | list[bool] | list[datetime]
"""Values of one untyped search attribute: always a list, even of one."""
SearchAttributes: TypeAlias = Mapping[str, SearchAttributeValues]
"""Untyped search attributes (deprecated: say `TypedSearchAttributes`)."""
SearchAttributeValue: TypeAlias = str | int | float | bool | datetime | Sequence[str]
"""A value of a typed search attribute."""
SearchAttributeValueType = TypeVar("SearchAttributeValueType", str, int, float, bool, datetime, Sequence[str])
_Default = TypeVar("_Default")


class SearchAttributeIndexedValueType(IntEnum):
    """How the service indexes an attribute."""

    TEXT = 1
    KEYWORD = 2
    INT = 3
    DOUBLE = 4
    BOOL = 5
    DATETIME = 6
    KEYWORD_LIST = 7

    @property
    def metadata_name(self) -> str:
        """Its name beside a value on the wire, as in ``KeywordList``."""
        return _METADATA_NAMES[self]

    @staticmethod
    def from_metadata_name(name: str) -> SearchAttributeIndexedValueType | None:
        """The type of that name on the wire, None if there is none such."""
        return _BY_METADATA_NAME.get(name)


_METADATA_NAMES = {
    kind: "".join(word.capitalize() for word in kind.name.split("_"))
    for kind in SearchAttributeIndexedValueType
}
_BY_METADATA_NAME = {name: kind for kind, name in _METADATA_NAMES.items()}
_PYTHON_TYPES: dict[SearchAttributeIndexedValueType, Any] = {
    SearchAttributeIndexedValueType.TEXT: str,
    SearchAttributeIndexedValueType.KEYWORD: str,
    SearchAttributeIndexedValueType.INT: int,
    SearchAttributeIndexedValueType.DOUBLE: float,
    SearchAttributeIndexedValueType.BOOL: bool,
    SearchAttributeIndexedValueType.DATETIME: datetime,
    SearchAttributeIndexedValueType.KEYWORD_LIST: Sequence[str],
}


class SearchAttributeKey(ABC, Generic[SearchAttributeValueType]):
    """The name of a search attribute with its type. Made by the ``for_*`` methods."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name in queries."""

    @property
    @abstractmethod
    def indexed_value_type(self) -> SearchAttributeIndexedValueType:
        """How the service indexes it."""

    @property
    @abstractmethod
    def value_type(self) -> type[SearchAttributeValueType]:
        """The Python type of its values."""

    @property
    def origin_value_type(self) -> type:
        """``value_type`` without type arguments."""
        return get_origin(self.value_type) or self.value_type

    def value_set(self, value: SearchAttributeValueType) -> SearchAttributeUpdate[SearchAttributeValueType]:
        """The change that sets it."""
        return _Update(self, value)

    def value_unset(self) -> SearchAttributeUpdate[SearchAttributeValueType]:
        """The change that takes it away."""
        return _Update(self, None)

    @staticmethod
    def for_text(name: str) -> SearchAttributeKey[str]:
        """A key of text that is searched word by word."""
        return _Key(name, SearchAttributeIndexedValueType.TEXT)

    @staticmethod
    def for_keyword(name: str) -> SearchAttributeKey[str]:
        """A key of text that is searched as a whole."""
        return _Key(name, SearchAttributeIndexedValueType.KEYWORD)

    @staticmethod
    def for_int(name: str) -> SearchAttributeKey[int]:
        """A key of whole numbers."""
        return _Key(name, SearchAttributeIndexedValueType.INT)

    @staticmethod
    def for_float(name: str) -> SearchAttributeKey[float]:
        """A key of floating-point numbers."""
        return _Key(name, SearchAttributeIndexedValueType.DOUBLE)

    @staticmethod
    def for_bool(name: str) -> SearchAttributeKey[bool]:
        """A key of truth values."""
        return _Key(name, SearchAttributeIndexedValueType.BOOL)

    @staticmethod
    def for_datetime(name: str) -> SearchAttributeKey[datetime]:
        """A key of instants."""
        return _Key(name, SearchAttributeIndexedValueType.DATETIME)

    @staticmethod
    def for_keyword_list(name: str) -> SearchAttributeKey[Sequence[str]]:
        """A key of several keywords at once."""
        return _Key(name, SearchAttributeIndexedValueType.KEYWORD_LIST)

    @staticmethod
    def of_type(name: str, kind: SearchAttributeIndexedValueType) -> SearchAttributeKey[Any]:
        """A key whose type is known only when the program runs."""
        return _Key(name, kind)

    @staticmethod
    def guess(name: str, values: Sequence[Any]) -> SearchAttributeKey[Any] | None:
        """The key that untyped ``values`` go with; None when there are none, or several that are not all text."""
        if not values:
            return None
        if len(values) > 1:
            if all(isinstance(value, str) for value in values):
                return _Key(name, SearchAttributeIndexedValueType.KEYWORD_LIST)
            return None
        for kind, types in _GUESSES:
            if isinstance(values[0], types):
                return _Key(name, kind)
        return None


_GUESSES: list[tuple[SearchAttributeIndexedValueType, type | tuple[type, ...]]] = [
    (SearchAttributeIndexedValueType.BOOL, bool),
    (SearchAttributeIndexedValueType.INT, int),
    (SearchAttributeIndexedValueType.DOUBLE, float),
    (SearchAttributeIndexedValueType.DATETIME, datetime),
    (SearchAttributeIndexedValueType.KEYWORD, str),
]


@dataclass(frozen=True)
class _Key(SearchAttributeKey[Any]):
    _name: str
    _indexed_value_type: SearchAttributeIndexedValueType

    def __repr__(self) -> str:
        return f"SearchAttributeKey({self._name!r}, {self._indexed_value_type.metadata_name})"

    @property
    def name(self) -> str:
        return self._name

    @property
    def indexed_value_type(self) -> SearchAttributeIndexedValueType:
        return self._indexed_value_type

    @property
    def value_type(self) -> type[Any]:
        python_type: type[Any] = _PYTHON_TYPES[self._indexed_value_type]
        return python_type


class SearchAttributePair(NamedTuple, Generic[SearchAttributeValueType]):
    """A key with its value."""

    key: SearchAttributeKey[SearchAttributeValueType]
    value: SearchAttributeValueType


class SearchAttributeUpdate(ABC, Generic[SearchAttributeValueType]):
    """A change of one search attribute. Made by `SearchAttributeKey.value_set` and ``value_unset``."""

    @property
    @abstractmethod
    def key(self) -> SearchAttributeKey[SearchAttributeValueType]:
        """What changes."""

    @property
    @abstractmethod
    def value(self) -> SearchAttributeValueType | None:
        """What it becomes; None: it goes away."""


@dataclass(frozen=True)
class _Update(SearchAttributeUpdate[Any]):
    _key: SearchAttributeKey[Any]
    _value: Any

    @property
    def key(self) -> SearchAttributeKey[Any]:
        return self._key

    @property
    def value(self) -> Any:
        return self._value


@dataclass(frozen=True)
class TypedSearchAttributes(Collection[SearchAttributePair[Any]]):
    """Search attributes with their types, sorted by name, each name once."""

    search_attributes: Sequence[SearchAttributePair[Any]]
    """What they are."""

    empty: ClassVar[TypedSearchAttributes]
    """None at all."""

    def __post_init__(self) -> None:
        """Raises ValueError when a name is there twice."""
        in_order = sorted(self.search_attributes, key=lambda pair: pair.key.name)
        object.__setattr__(self, "search_attributes", in_order)
        for one, other in pairwise(in_order):
            if one.key.name == other.key.name:
                raise ValueError(f"Duplicate search attribute entries found for key {one.key.name}")

    def __len__(self) -> int:
        return len(self.search_attributes)

    def __getitem__(self, key: SearchAttributeKey[SearchAttributeValueType]) -> SearchAttributeValueType:
        """The value of ``key``. Raises KeyError when there is none, or when its type is another."""
        for pair in self.search_attributes:
            if pair.key == key:
                value: SearchAttributeValueType = pair.value
                return value
        raise KeyError(key)

    def __iter__(self) -> Iterator[SearchAttributePair[Any]]:
        return iter(self.search_attributes)

    def __contains__(self, key: object) -> bool:
        """Whether there is a value for ``key``, of the key's type."""
        return any(pair.key == key for pair in self.search_attributes)

    @overload
    def get(self, key: SearchAttributeKey[SearchAttributeValueType]) -> SearchAttributeValueType | None: ...
    @overload
    def get(
        self, key: SearchAttributeKey[SearchAttributeValueType], default: _Default
    ) -> SearchAttributeValueType | _Default: ...
    def get(self, key: SearchAttributeKey[Any], default: Any | None = None) -> Any:
        """The value of ``key``, or ``default``."""
        for pair in self.search_attributes:
            if pair.key == key:
                return pair.value
        return default

    def updated(self, *search_attributes: SearchAttributePair[Any]) -> TypedSearchAttributes:
        """These, with ``search_attributes`` added or in place of those of the same name."""
        mine = {pair.key.name: pair for pair in self.search_attributes}
        mine.update((pair.key.name, pair) for pair in search_attributes)
        return TypedSearchAttributes(list(mine.values()))


TypedSearchAttributes.empty = TypedSearchAttributes([])
