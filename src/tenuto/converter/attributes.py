"""Search attributes on the wire: always JSON, never changed by a codec. This file must never know another payload."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tenuto.common import (
    SearchAttributeIndexedValueType,
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributes,
    SearchAttributeValue,
    SearchAttributeValues,
    TypedSearchAttributes,
)
from tenuto.converter.encodings import JSONPlainPayloadConverter, loads
from tenuto.wire import common

_json = JSONPlainPayloadConverter()
_LIST = SearchAttributeIndexedValueType.KEYWORD_LIST


def encode_search_attributes(
    attributes: SearchAttributes | TypedSearchAttributes, api: common.SearchAttributes
) -> None:
    """Write ``attributes`` into ``api``. Raises TypeError or ValueError for values that no attribute can have."""
    if isinstance(attributes, TypedSearchAttributes):
        for pair in attributes:
            api.indexed_fields[pair.key.name].CopyFrom(
                encode_typed_search_attribute_value(pair.key, pair.value)
            )
    else:
        for name, values in attributes.items():
            api.indexed_fields[name].CopyFrom(encode_search_attribute_values(values))


def encode_typed_search_attribute_value(
    key: SearchAttributeKey[Any], value: SearchAttributeValue | None
) -> common.Payload:
    """The payload of one value; None takes the attribute away. Raises TypeError when it is not of the key's type,
    ValueError for a datetime without time zone."""
    if value is None:
        return common.Payload(metadata={"encoding": b"binary/null"})
    if not isinstance(value, key.origin_value_type):
        raise TypeError(f"Value of type {value} not suitable for indexed value type {key.indexed_value_type}")
    if key.indexed_value_type == _LIST and not isinstance(value, str):
        if not all(isinstance(item, str) for item in value):  # type: ignore[union-attr]
            raise TypeError("All values of a keyword list must be strings")
    payload = _encoded(_checked(value))
    payload.metadata["type"] = key.indexed_value_type.metadata_name.encode()
    return payload


def encode_search_attribute_values(vals: SearchAttributeValues) -> common.Payload:
    """The payload of untyped values. Raises TypeError unless they are a list of one type, ValueError for a datetime
    without time zone."""
    if not isinstance(vals, list):
        raise TypeError("Search attribute values must be lists")
    for value in vals:
        if not isinstance(value, str | int | float | bool | datetime):
            raise TypeError(
                f"Search attribute value of type {type(value).__name__} not one of str, int, float, bool, or datetime"
            )
        if type(value) is not type(vals[0]):
            raise TypeError("Search attribute values must have the same type for the same key")
    return _encoded([_checked(value) for value in vals])


def _in_order(api: common.SearchAttributes) -> list[tuple[str, common.Payload]]:
    """By name: a map of the protocol has another order in each process, and a replay must see the same."""
    return sorted(api.indexed_fields.items())


def decode_search_attributes(api: common.SearchAttributes) -> SearchAttributes:
    """The attributes of ``api``, each as a list."""
    found: dict[str, Any] = {}
    for name, payload in _in_order(api):
        value = _decoded(payload)
        values = value if isinstance(value, list) else [value]
        if payload.metadata.get("type") == b"Datetime":
            values = [_instant(item) for item in values]
        found[name] = values
    return found


def decode_typed_search_attributes(api: common.SearchAttributes) -> TypedSearchAttributes:
    """Those attributes of ``api`` whose type is told and whose value is of that type."""
    pairs: list[SearchAttributePair[Any]] = []
    for name, payload in _in_order(api):
        told = payload.metadata.get("type", b"").decode()
        kind = SearchAttributeIndexedValueType.from_metadata_name(told)
        if kind is None:
            continue
        value = _decoded(payload)
        if isinstance(value, list) and kind != _LIST:
            if len(value) != 1:
                continue
            value = value[0]
        value = _as_type(kind, value)
        if value is not None:
            pairs.append(SearchAttributePair(SearchAttributeKey.of_type(name, kind), value))
    return TypedSearchAttributes(pairs)


def _as_type(kind: SearchAttributeIndexedValueType, value: Any) -> Any:
    """``value`` if it is of that type, made so where that loses nothing; else None."""
    if kind == SearchAttributeIndexedValueType.DATETIME:
        return _instant(value) if isinstance(value, str) else None
    if kind == SearchAttributeIndexedValueType.DOUBLE and type(value) is int:
        return float(value)
    return value if isinstance(value, SearchAttributeKey.of_type("", kind).origin_value_type) else None


def _instant(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _checked(value: Any) -> Any:
    if not isinstance(value, datetime):
        return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
    if value.tzinfo is None:
        raise ValueError("Timezone must be present on all search attribute dates")
    return value.isoformat()


def _encoded(value: Any) -> common.Payload:
    payload = _json.to_payload(value)
    assert payload is not None
    return payload


def _decoded(payload: common.Payload) -> Any:
    return loads(payload.data) if payload.data else None
