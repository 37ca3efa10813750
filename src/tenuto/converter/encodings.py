"""One converter for each encoding of a payload. This file must never choose between them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from google.protobuf import json_format, symbol_database
from google.protobuf.message import Message

from tenuto.converter.encoder import AdvancedJSONEncoder, dumps
from tenuto.converter.typed import Decoders, JSONTypeConverter, standard
from tenuto.wire import common

Payload = common.Payload


class EncodingPayloadConverter(ABC):
    """Turns values into payloads of one encoding, and back."""

    @property
    @abstractmethod
    def encoding(self) -> str:
        """Its name, in the payload's metadata."""

    @abstractmethod
    def to_payload(self, value: Any) -> common.Payload | None:
        """The payload of ``value``; None when it is not for this converter."""

    @abstractmethod
    def from_payload(self, payload: common.Payload, type_hint: type | None = None) -> Any:
        """The value of ``payload``, as ``type_hint`` asks. Raises RuntimeError for data not in this encoding."""


_NULL = Payload(metadata={"encoding": b"binary/null"})
_PLAIN = Payload(metadata={"encoding": b"binary/plain"})


def null_payload() -> common.Payload:
    """The payload of None."""
    payload = Payload()
    payload.CopyFrom(_NULL)  # a quarter of the time that metadata takes otherwise
    return payload


class BinaryNullPayloadConverter(EncodingPayloadConverter):
    """None."""

    @property
    def encoding(self) -> str:
        return "binary/null"

    def to_payload(self, value: Any) -> common.Payload | None:
        return null_payload() if value is None else None

    def from_payload(self, payload: common.Payload, type_hint: type | None = None) -> Any:
        if payload.data:
            raise RuntimeError("Expected empty data set for binary/null")
        return None


class BinaryPlainPayloadConverter(EncodingPayloadConverter):
    """bytes."""

    @property
    def encoding(self) -> str:
        return "binary/plain"

    def to_payload(self, value: Any) -> common.Payload | None:
        if not isinstance(value, bytes):
            return None
        payload = Payload()
        payload.CopyFrom(_PLAIN)
        payload.data = value
        return payload

    def from_payload(self, payload: common.Payload, type_hint: type | None = None) -> Any:
        return bytearray(payload.data) if type_hint is bytearray else payload.data


class StoredElsewhereError(RuntimeError):
    """A payload is in an external storage that is not known here."""


def _asks_for_message(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Message)


def _message_type(payload: common.Payload, hint: Any) -> type[Message]:
    """The class the payload's metadata names; when it names none, that of ``hint``. Raises RuntimeError."""
    name = payload.metadata.get("messageType", b"").decode()
    named_by_hint: Any = hint if _asks_for_message(hint) else None
    if named_by_hint is not None and (not name or named_by_hint.DESCRIPTOR.full_name == name):
        found: type[Message] = named_by_hint
        return found
    try:
        kind: type[Message] = symbol_database.Default().GetSymbol(name)
    except KeyError as error:
        raise RuntimeError(f"Unknown Protobuf type {name or '<unknown>'}") from error
    return kind


class JSONProtoPayloadConverter(EncodingPayloadConverter):
    """Messages of protocol buffers, as JSON."""

    def __init__(self, ignore_unknown_fields: bool = False) -> None:
        """``ignore_unknown_fields``: whether fields that the message does not have are passed over when reading."""
        super().__init__()
        self._ignore_unknown_fields = ignore_unknown_fields

    @property
    def encoding(self) -> str:
        return "json/protobuf"

    def to_payload(self, value: Any) -> common.Payload | None:
        if not isinstance(value, Message):
            return None
        text = json.dumps(json_format.MessageToDict(value), separators=(",", ":"), sort_keys=True)
        return Payload(
            metadata={"encoding": b"json/protobuf", "messageType": value.DESCRIPTOR.full_name.encode()},
            data=text.encode(),
        )

    def from_payload(self, payload: common.Payload, type_hint: type | None = None) -> Any:
        if payload.external_payloads and not _asks_for_message(type_hint):
            raise StoredElsewhereError(
                "[TMPRL1105] Detected externally stored payload(s) but external storage is not configured."
            )
        message = _message_type(payload, type_hint)()
        try:
            json_format.Parse(payload.data, message, ignore_unknown_fields=self._ignore_unknown_fields)
        except json_format.ParseError as error:
            raise RuntimeError("Failed parsing") from error
        return message


class BinaryProtoPayloadConverter(EncodingPayloadConverter):
    """Messages of protocol buffers, in their own encoding."""

    @property
    def encoding(self) -> str:
        return "binary/protobuf"

    def to_payload(self, value: Any) -> common.Payload | None:
        if not isinstance(value, Message):
            return None
        return Payload(
            metadata={"encoding": b"binary/protobuf", "messageType": value.DESCRIPTOR.full_name.encode()},
            data=value.SerializeToString(),
        )

    def from_payload(self, payload: common.Payload, type_hint: type | None = None) -> Any:
        message = _message_type(payload, type_hint)()
        try:
            message.ParseFromString(payload.data)
        except Exception as error:
            raise RuntimeError("Failed parsing") from error
        return message


_read_fast = msgspec.json.Decoder().decode


def loads(data: bytes) -> Any:
    """The value that JSON text holds, as `json.loads` reads it. Raises ValueError."""
    try:
        return _read_fast(data)
    except (msgspec.MsgspecError, RecursionError):
        return json.loads(data)  # it takes some texts that a strict reader refuses: NaN, lone surrogates


class JSONPlainPayloadConverter(EncodingPayloadConverter):
    """Everything that JSON can hold."""

    def __init__(
        self,
        *,
        encoder: type[json.JSONEncoder] | None = AdvancedJSONEncoder,
        decoder: type[json.JSONDecoder] | None = None,
        encoding: str = "json/plain",
        custom_type_converters: Sequence[JSONTypeConverter] = (),
    ) -> None:
        """``encoder``, ``decoder``: classes for JSON itself, None for the standard ones. ``custom_type_converters`` read
        values of types that are not known here; the first that handles a hint is taken."""
        super().__init__()
        self._encoding = encoding
        self._template = Payload(metadata={"encoding": encoding.encode()})
        self._dumps: Callable[[Any], bytes] = (
            dumps if encoder is AdvancedJSONEncoder else _dumps_with(encoder)
        )
        self._loads: Callable[[bytes], Any] = loads if decoder is None else _loads_with(decoder)
        self._decoders = Decoders(custom_type_converters) if custom_type_converters else standard

    @property
    def encoding(self) -> str:
        return self._encoding

    def to_payload(self, value: Any) -> common.Payload | None:
        """Raises TypeError for what JSON cannot hold, ValueError for cycles."""
        return self.encode(value)

    def encode(self, value: Any) -> common.Payload:
        """`to_payload`, which takes every value."""
        payload = Payload()
        payload.CopyFrom(self._template)
        payload.data = self._dumps(value)
        return payload

    def from_payload(self, payload: common.Payload, type_hint: type | None = None) -> Any:
        try:
            value = self._loads(payload.data)
        except ValueError as error:
            raise RuntimeError("Failed parsing") from error
        if type_hint is None:
            return value
        way = self._decoders.of(type_hint)
        return value if way is None else way(value)


def _dumps_with(encoder: type[json.JSONEncoder] | None) -> Callable[[Any], bytes]:
    encode = (encoder or json.JSONEncoder)(separators=(",", ":"), sort_keys=True).encode
    return lambda value: encode(value).encode()


def _loads_with(decoder: type[json.JSONDecoder]) -> Callable[[bytes], Any]:
    return lambda data: json.loads(data, cls=decoder)
