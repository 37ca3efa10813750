"""Values converted by pydantic, hint by hint: validation, and JSON as pydantic writes it.

The default converter reads and writes pydantic's models too. This one is for values that only pydantic knows, and for
programs that share histories with others that use it. This file must never be imported by another room.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import SchemaSerializer, to_json
from pydantic_core.core_schema import any_schema

from tenuto.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    JSONPlainPayloadConverter,
)
from tenuto.wire import common

_any = SchemaSerializer(any_schema())


@dataclass
class ToJsonOptions:
    """How pydantic writes JSON."""

    exclude_unset: bool = False
    """Whether fields that were never set are left out."""


class PydanticJSONPlainPayloadConverter(EncodingPayloadConverter):
    """Everything that pydantic can write as JSON, under the same encoding as the default's JSON."""

    def __init__(
        self, to_json_options: ToJsonOptions | None = None, *, max_cached_type_adapters: int | None = 1024
    ) -> None:
        """``max_cached_type_adapters``: how many hints are kept ready to be read, None for all. Raises ValueError
        below 0."""
        super().__init__()
        if max_cached_type_adapters is not None and max_cached_type_adapters < 0:
            raise ValueError("max_cached_type_adapters cannot be negative")
        self._options = to_json_options
        self._adapter = lru_cache(maxsize=max_cached_type_adapters)(TypeAdapter)

    @property
    def encoding(self) -> str:
        return "json/plain"

    def to_payload(self, value: Any) -> common.Payload | None:
        """Raises `pydantic_core.PydanticSerializationError` for what pydantic cannot write."""
        data = (
            _any.to_json(value, exclude_unset=self._options.exclude_unset)
            if self._options
            else to_json(value)
        )
        return common.Payload(metadata={"encoding": b"json/plain"}, data=data)

    def from_payload(self, payload: common.Payload, type_hint: type | None = None) -> Any:
        """Raises `pydantic.ValidationError`."""
        hint: Any = Any if type_hint is None else type_hint
        try:
            adapter: TypeAdapter[Any] = self._adapter(hint)
        except TypeError:  # a hint that cannot be a key
            adapter = TypeAdapter(hint)
        return adapter.validate_json(payload.data)


class PydanticPayloadConverter(CompositePayloadConverter):
    """None, bytes, protocol buffers as by default, then JSON by pydantic."""

    def __init__(
        self, to_json_options: ToJsonOptions | None = None, *, max_cached_type_adapters: int | None = 1024
    ) -> None:
        json_converter = PydanticJSONPlainPayloadConverter(
            to_json_options, max_cached_type_adapters=max_cached_type_adapters
        )
        super().__init__(
            *(
                json_converter if isinstance(converter, JSONPlainPayloadConverter) else converter
                for converter in DefaultPayloadConverter.default_encoding_payload_converters
            )
        )


pydantic_data_converter = DataConverter(payload_converter_class=PydanticPayloadConverter)
"""A data converter of pydantic's."""
