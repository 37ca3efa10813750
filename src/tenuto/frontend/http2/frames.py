"""Frames of HTTP/2 (RFC 9113 section 4 and 6): their layout, their numbers, and the two ways in which they are wrong.

Pure. Must never know a connection's state.
"""

import enum
from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITIZED = 0x20

(
    HEADER_TABLE_SIZE,
    ENABLE_PUSH,
    MAX_CONCURRENT_STREAMS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
) = range(1, 7)

DEFAULT_WINDOW = 65_535
DEFAULT_FRAME = 16_384
LARGEST_FRAME = (1 << 24) - 1
LARGEST = (1 << 31) - 1
"""Largest window, and largest stream id."""

FRAME = Struct(">IBI")
"""Length and kind in one word (`length << 8 | kind`), flags, stream id (its top bit is to be ignored)."""
FRAME_BYTES = 9
WORD = Struct(">I")
_TWO_WORDS = Struct(">IBIII")
_ONE_WORD = Struct(">IBII")
_SETTING = Struct(">HI")


class ErrorCode(enum.IntEnum):
    """RFC 9113 section 7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class ConnectionFault(Exception):
    """The peer broke the protocol so that the connection cannot go on: GOAWAY with ``code`` and ``text``."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class StreamFault(Exception):
    """The peer broke the protocol on one stream: RST_STREAM with ``code``."""

    def __init__(self, stream_id: int, code: ErrorCode) -> None:
        super().__init__(code.name)
        self.stream_id = stream_id
        self.code = code


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Any frame; ``payload`` must fit the peer's largest frame."""
    return FRAME.pack(len(payload) << 8 | kind, flags, stream_id) + payload


def settings(values: dict[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in values.items()))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Raises ConnectionFault when the payload is not a whole number of settings."""
    if len(payload) % 6:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS length is no multiple of 6")
    return list(_SETTING.iter_unpack(payload))


def window_update(stream_id: int, increment: int) -> bytes:
    return _ONE_WORD.pack(4 << 8 | WINDOW_UPDATE, 0, stream_id, increment)


def rst_stream(stream_id: int, code: int) -> bytes:
    return _ONE_WORD.pack(4 << 8 | RST_STREAM, 0, stream_id, code)


def goaway(last_id: int, code: int, text: str = "") -> bytes:
    debug = text.encode()[:256]
    return _TWO_WORDS.pack((8 + len(debug)) << 8 | GOAWAY, 0, 0, last_id, code) + debug


def header_frames(stream_id: int, block: bytes, end: bool, frame_bytes: int) -> bytes:
    """HEADERS, and CONTINUATIONs when the block exceeds the peer's largest frame."""
    flags = END_STREAM if end else 0
    if len(block) <= frame_bytes:
        return frame(HEADERS, flags | END_HEADERS, stream_id, block)
    pieces = [block[at : at + frame_bytes] for at in range(0, len(block), frame_bytes)]
    last = len(pieces) - 1
    written = [frame(HEADERS, flags, stream_id, pieces[0])]
    for number, piece in enumerate(pieces[1:], 1):
        written.append(frame(CONTINUATION, END_HEADERS if number == last else 0, stream_id, piece))
    return b"".join(written)


def strip(flags: int, block: bytes, at: int, stop: int, prioritized: bool) -> tuple[int, int]:
    """Where the payload proper begins and ends, without padding and (for HEADERS) priority.

    Raises ConnectionFault when there is more of them than payload.
    """
    if flags & PADDED:
        if at == stop:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "padded frame without a pad length")
        stop -= block[at]
        at += 1
    if prioritized and flags & PRIORITIZED:
        at += 5
    if at > stop:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "padding or priority exceeds the frame")
    return at, stop
