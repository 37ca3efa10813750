"""Turns messages and errors into text in which two correct servers cannot differ.

Ids, tokens, instants and sizes become placeholders; ids are numbered by first appearance, so that equality
stays visible. Event ids, attempts, durations and texts stay. Nothing here knows which server spoke.
"""

import re
from typing import Any

from google.protobuf import any_pb2, descriptor, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from temporalio.api.common.v1 import message_pb2 as common

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MASKED = re.compile(r"please retry \([0-9a-f]{8}\)")
_DELETED = re.compile(r"-deleted-[0-9a-f]{5}\b")
_LONG_HEX = re.compile(r"\b[0-9a-f]{32}\b")
_TRACE_PLACE = re.compile(r'File "[^"]*", line \d+')
_OPAQUE = {
    "task_token": "<token>",
    "next_page_token": "<page-token>",
    "task_id": "<task-id>",
    "history_size_bytes": "<bytes>",
    "state_transition_count": "<count>",
    "version_history": "<versions>",
}
# Entries of maps that only the server which wrote them can read.
_OPAQUE_ENTRIES = {"temporal-callback-token"}
_FUZZY_DURATIONS = {"execution_duration", "approximate_backlog_age"}
# Differences of two readings of a clock; a server that reads it once says them to the nanosecond.
_MEASURED = {"current_retry_interval"}
# Maps whose keys end in a number the server picks as it likes.
_ALLOCATED = {"custom_search_attribute_aliases"}
# Lists a server reads out of a hash map: the order says nothing.
_UNORDERED = {
    "pending_activities": "activity_id",
    "pending_children": "workflow_id",
    "pending_nexus_operations": "scheduled_event_id",
    "core_used_flags": "",
}
_PRINTED_INSTANTS = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( \+0000 UTC|Z|\+00:00)?")
_JSON_INSTANT = re.compile(r'\{"seconds":\d+,"nanos":\d+\}')
_FAR = 10_000_000
"""Seconds from the start of the scenario."""
_GO_ZERO_TIME = -62135596800


class Normaliser:
    """Renders one scenario's transcript.

    `started_at` is the scenario's start in seconds since the epoch; `salt` the text that made its ids unique.
    """

    def __init__(self, started_at: float, salt: str) -> None:
        self._started_at = started_at
        self._salt = salt
        self._seen: dict[str, str] = {}

    def text(self, raw: str) -> str:
        """`raw` with unique ids and instants replaced."""
        # Go's protobuf library puts a no-break space into its errors, or not, so that nobody relies on them.
        raw = raw.replace(self._salt, "SALT").replace("\u00a0", " ")
        raw = _PRINTED_INSTANTS.sub("<instant>", raw)
        raw = _DELETED.sub("-deleted-<prefix>", _JSON_INSTANT.sub("<instant>", raw))
        raw = _MASKED.sub("please retry (<code>)", raw)
        raw = _LONG_HEX.sub("<hex>", _TRACE_PLACE.sub("File", raw))
        return _UUID.sub(lambda match: self._uuid(match.group()), raw)

    def _uuid(self, found: str) -> str:
        return self._seen.setdefault(found, f"<uuid-{len(self._seen) + 1}>")

    def render(self, message: Message, indent: int = 1) -> list[str]:
        """`message` as indented lines, one field a line, in field-number order."""
        lines: list[str] = []
        for field, value in message.ListFields():
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                for key in sorted(
                    value, key=lambda key: str(value[key]) if field.name in _ALLOCATED else str(key)
                ):
                    shown = key.rstrip("0123456789") if field.name in _ALLOCATED else self.text(str(key))
                    content = "<opaque>" if key in _OPAQUE_ENTRIES else value[key]
                    self._field(lines, indent, field, f"{field.name}[{shown}]", content)
            elif isinstance(value, (str, bytes, int, float, Message)):
                self._field(lines, indent, field, field.name, value)
            else:
                for item in _in_order(field.name, value):
                    self._field(lines, indent, field, f"{field.name}[]", item)
        return lines

    def _field(self, lines: list[str], indent: int, field: Any, label: str, value: Any) -> None:
        pad = "  " * indent
        if field.name in _OPAQUE:
            lines.append(f"{pad}{label}: {_OPAQUE[field.name]}")
        elif not isinstance(value, Message):
            lines.append(f"{pad}{label}: {self._scalar(field, value)}")
        else:
            short = self._short(field.name, value)
            if short is not None:
                lines.append(f"{pad}{label}: {short}")
                return
            value, kind = _unpacked(value)
            inner = self.render(value, indent + 1)
            lines.append(f"{pad}{label}:{kind}" if inner else f"{pad}{label}:{kind} {{}}")
            lines.extend(inner)

    def _scalar(self, field: descriptor.FieldDescriptor, value: Any) -> str:
        kind = field.message_type.fields_by_name["value"] if field.message_type is not None else field
        if kind.enum_type is not None:
            named = kind.enum_type.values_by_number.get(value)
            return named.name if named is not None else str(value)
        if isinstance(value, bytes):
            return repr(value)
        if (
            isinstance(value, str)
            and field.name == "request_id"
            and _UUID.fullmatch(value)
            and value not in self._seen
        ):
            # Made up by a server and seen nowhere else: a number would only shift all later numbers.
            return "<uuid>"
        if isinstance(value, str):
            shown = self.text(_shortened(value, 8000))
            return shown if "\n" not in shown else repr(shown)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _short(self, name: str, value: Any) -> str | None:
        match value.DESCRIPTOR.full_name:
            case "google.protobuf.Timestamp":
                return self._instant(value)
            case "google.protobuf.Duration":
                if name in _MEASURED:
                    return f"{round((value.seconds * 1_000_000_000 + value.nanos) / 1e8) / 10:g}s"
                return "<duration>" if name in _FUZZY_DURATIONS else _duration(value)
            case "temporal.api.common.v1.Payload":
                return self._payload(value)
            case _:
                return None

    def _instant(self, stamp: Any) -> str:
        if stamp.seconds == _GO_ZERO_TIME:
            return "<zero-time>"
        if stamp.seconds == 0 and stamp.nanos == 0:
            return "<epoch>"
        offset = stamp.seconds + stamp.nanos / 1e9 - self._started_at + 0.5
        if abs(offset) > _FAR and not stamp.nanos:
            return f"<at {stamp.seconds}>"  # told by the scenario: how far it is depends on when it is played
        return "<time>" if -100 < offset < 100 else f"<time{int(offset // 100) * 100:+d}s>"

    def _payload(self, value: Message) -> str:
        assert isinstance(value, common.Payload)
        encoding = value.metadata["encoding"].decode() if "encoding" in value.metadata else "no-encoding"
        extra = "".join(
            f" {key}={self.text(value.metadata[key].decode(errors='replace'))}"
            for key in sorted(value.metadata)
            if key != "encoding"
        )
        shown = self.text(_shortened(value.data.decode(errors="replace"), 1000))
        return f"<{encoding}{extra}> {shown}"


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:40]}… ({len(text)} characters)"


def _in_order(name: str, items: Any) -> Any:
    key = _UNORDERED.get(name)
    return items if key is None else sorted(items, key=lambda item: str(getattr(item, key) if key else item))


def _unpacked(value: Message) -> tuple[Message, str]:
    """An Any's content and its type as a label; anything else as it is."""
    if not isinstance(value, any_pb2.Any):
        return value, ""
    try:
        kind = descriptor_pool.Default().FindMessageTypeByName(value.type_url.rsplit("/", 1)[-1])
        return message_factory.GetMessageClass(kind).FromString(value.value), f" <{kind.full_name}>"
    except (KeyError, DecodeError):
        return value, ""


def _duration(value: Any) -> str:
    nanos = value.seconds * 1_000_000_000 + value.nanos
    if nanos % 50_000_000 == 0:
        return f"{nanos / 1e9:g}s"
    if 0 < nanos < 1_000_000_000:
        return "<under a second>"
    if nanos > 5_000_000_000:
        return "<jittered>"
    return f"~{round(nanos / 5e8) / 2:g}s"
