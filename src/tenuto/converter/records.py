"""How objects with fields are read from JSON: dataclasses, and those of pydantic, attrs and msgspec.

This file must never import a library that the program has not imported itself.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

from tenuto.converter.hints import resolved_hints
from tenuto.converter.reading import Decode, Of, substituted, unbound


def record(of: Of, hint: Any, cls: Any, args: tuple[Any, ...]) -> Decode | None:
    if callable(getattr(cls, "model_validate", None)) and hasattr(cls, "__pydantic_validator__"):
        return _model(hint)
    if hasattr(cls, "__pydantic_validator__") and dataclasses.is_dataclass(cls):
        return pydantic_type(hint)
    if dataclasses.is_dataclass(cls):
        return _dataclass(of, cls, args)
    if hasattr(cls, "__struct_fields__") and hasattr(cls, "__struct_config__"):
        return _struct(of, hint)
    if hasattr(cls, "__attrs_attrs__"):
        return _attrs(of, cls, args)
    parse = getattr(cls, "parse_obj", None)
    return parse if callable(parse) else None


def _dataclass(of: Of, cls: Any, args: tuple[Any, ...]) -> Decode:
    hints = _field_hints(cls, args)
    given: list[tuple[str, str, Decode | None]] = []
    later: list[tuple[str, str, Decode | None]] = []
    for field in dataclasses.fields(cls):
        way = of(hints.get(field.name, Any))
        (given if field.init else later).append((field.name, field.name, way))
    return _fielded(f"dataclass {cls}", cls, given, later)


def _attrs(of: Of, cls: Any, args: tuple[Any, ...]) -> Decode:
    hints = _field_hints(cls, args)
    given: list[tuple[str, str, Decode | None]] = []
    later: list[tuple[str, str, Decode | None]] = []
    for attribute in cls.__attrs_attrs__:
        way = of(hints.get(attribute.name, Any))
        alias = getattr(attribute, "alias", None) or attribute.name.lstrip("_")
        (given if attribute.init else later).append((attribute.name, alias, way))
    return _fielded(f"class {cls}", cls, given, later)


def _struct(of: Of, hint: Any) -> Decode:
    import msgspec

    def other(inner: type, value: Any) -> Any:
        way = of(inner)
        return value if way is None else way(value)

    return lambda value: msgspec.convert(value, hint, dec_hook=other, str_keys=True)


def _model(hint: Any) -> Decode:
    try:
        hint.model_validate({}, by_name=True, by_alias=True)
    except TypeError:
        return hint.model_validate  # type: ignore[no-any-return]  # an older pydantic
    except Exception:  # noqa: BLE001 - an empty model need not be valid
        pass
    # What was written by name is read by name, aliases or not.
    return lambda value: hint.model_validate(value, by_name=True, by_alias=True)


def pydantic_type(hint: Any) -> Decode:
    adapter = sys.modules["pydantic"].TypeAdapter(hint)
    return adapter.validate_python  # type: ignore[no-any-return]


def _field_hints(cls: Any, args: tuple[Any, ...]) -> dict[str, Any]:
    hints = resolved_hints(cls)
    types = dict(zip(getattr(cls, "__parameters__", ()), args, strict=False))
    return {name: unbound(substituted(hint, types) if types else hint) for name, hint in hints.items()}


def _fielded(
    what: str,
    cls: Any,
    given: Sequence[tuple[str, str, Decode | None]],
    later: Sequence[tuple[str, str, Decode | None]],
) -> Decode:
    """Reads an object with fields: ``given`` (name, parameter, way) go to the constructor, ``later`` are set after it.
    Unknown fields are ignored."""

    def decode(value: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"Cannot convert to {what}, value is {type(value)} not dict")
        arguments = {}
        name = ""
        try:
            for name, parameter, way in given:
                if name in value:
                    inner = value[name]
                    arguments[parameter] = inner if way is None else way(inner)
        except Exception as error:
            raise TypeError(f"Failed converting field {name} on {what}") from error
        made = cls(**arguments)
        for name, _, way in later:
            if name in value:
                inner = value[name]
                object.__setattr__(made, name, inner if way is None else way(inner))
        return made

    return decode
