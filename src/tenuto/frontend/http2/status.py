"""gRPC on top of HTTP/2: status codes, and the header blocks that carry answers.

Pure. Must never know why a call failed.
"""

import base64
import enum
from collections.abc import Sequence
from functools import lru_cache

from tenuto.frontend.http2.hpack import indexed, literal

Trailers = Sequence[tuple[str, bytes | str]]


class Code(enum.IntEnum):
    """The gRPC status codes this room answers with by itself."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    DEADLINE_EXCEEDED = 4
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


class Status(Exception):
    """Raised by handlers: an answer that is an error.

    ``code`` is gRPC's number; ``trailers`` are sent with it, binary ones (bytes) under names that end in ``-bin``.
    """

    def __init__(self, code: int, message: str, trailers: Trailers = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.trailers = trailers


_PLAIN = frozenset(range(0x20, 0x7F)) - {0x25}


def percent_encoded(text: str) -> bytes:
    """A grpc-message: printable ASCII stays, other bytes of its UTF-8 become %XX."""
    raw = text.encode("utf-8", "replace")
    if raw.isascii() and text.isprintable() and b"%" not in raw:
        return raw
    return b"".join(bytes((byte,)) if byte in _PLAIN else b"%%%02X" % byte for byte in raw)


def _field(name: str, value: bytes | str) -> bytes:
    if isinstance(value, bytes):
        coded = base64.b64encode(value).rstrip(b"=")
    else:
        coded = value.encode("utf-8", "replace")
    return literal(name.lower().encode(), coded)


CONTENT_TYPE = indexed(8) + b"\x0f\x10\x10application/grpc"
"""`:status 200`, and content-type (index 31) as a literal: the head of every answer."""
OK_TRAILERS = literal(b"grpc-status", b"0")
_LEAST_MESSAGE = 256


@lru_cache(256)
def _bare(code: int, message: str) -> bytes:
    block = literal(b"grpc-status", b"%d" % code)
    return block + literal(b"grpc-message", percent_encoded(message)) if message else block


def trailer_block(status: Status, room: int | None = None) -> bytes:
    """The trailers of an answer that failed. ``room``: the largest list the peer takes (bytes; None: any).

    A peer would drop a call whose trailers exceed that, and its error with it, so details go first, then the message.
    """
    bare = _bare(status.code, status.message)
    if not status.trailers and (room is None or len(bare) < room):
        return bare
    block = bare + b"".join(_field(name, value) for name, value in status.trailers)
    overhead = 32 * (2 + len(status.trailers))
    if room is None or len(block) + overhead <= room:
        return block
    if len(bare) + overhead <= room:
        return bare
    return _bare(status.code, status.message[: max(_LEAST_MESSAGE, (room - 256) // 3)])


def refusal_block(status: Status, extra: bytes = b"") -> bytes:
    """Headers and trailers in one, for a call refused before it began."""
    return CONTENT_TYPE + extra + trailer_block(status)


def http_block(code: int, text: str) -> bytes:
    """An answer to a request that is not gRPC."""
    return (
        literal(b":status", b"%d" % code)
        + literal(b"grpc-status", b"13")
        + literal(b"grpc-message", percent_encoded(text))
    )
