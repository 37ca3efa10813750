"""History as bytes: stored rows go into answers without being parsed.

A row is a serialized ``History``: repeated field 1, so rows concatenate and can be walked by tag and length. This room must
never look into an event beyond its id.
"""

from collections.abc import Iterator, Sequence

from tenuto.store.spi import HistoryRow
from tenuto.wire import history

EVENT_TAG = 0x0A
"""Field 1, length-delimited: the events of a ``History``."""


def varint(value: int) -> bytes:
    """``value`` >= 0 as the wire writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def field(number: int, value: bytes) -> bytes:
    """One length-delimited field."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def events_in(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(start, body, end) of each event in a serialized ``History``; ``start`` is where its tag is."""
    at, size = 0, len(data)
    while at < size:
        start = at
        if data[at] != EVENT_TAG:
            raise ValueError("not a history row")
        length, body = read_varint(data, at + 1)
        at = body + length
        yield start, body, at


def cut(row: HistoryRow, first: int, last: int) -> bytes:
    """The row's bytes, without events outside first..last."""
    if row.first_event_id >= first and row.last_event_id <= last:
        return row.events
    kept = [
        row.events[start:end]
        for number, (start, _, end) in enumerate(events_in(row.events), row.first_event_id)
        if first <= number <= last
    ]
    return b"".join(kept)


def reverse(rows: Sequence[bytes]) -> bytes:
    """The same events, the last one first."""
    pieces = [row[start:end] for row in rows for start, _, end in events_in(row)]
    pieces.reverse()
    return b"".join(pieces)


def serialized(events: Sequence[history.HistoryEvent]) -> bytes:
    """Events that are not stored, as they would stand in a row."""
    return history.History(events=events).SerializeToString() if events else b""
