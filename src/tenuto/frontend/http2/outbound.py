"""What leaves a connection: frames in order, DATA as far as the peer's windows reach, the rest in each call's outbox.

Pure. Must never decide what to answer.
"""

from collections import deque
from struct import Struct

from tenuto.frontend.http2.frames import (
    DATA,
    DEFAULT_FRAME,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    FRAME,
    HEADERS,
    LARGEST,
    ConnectionFault,
    ErrorCode,
    StreamFault,
    header_frames,
)
from tenuto.frontend.http2.hpack import EMPTY_TABLE
from tenuto.frontend.http2.status import CONTENT_TYPE, OK_TRAILERS
from tenuto.frontend.http2.stream import PREFIX, PREFIX_BYTES, Stream

_BEFORE = Struct(f">IBI{len(CONTENT_TYPE)}sIBIBI")
_AFTER = Struct(f">IBI{len(OK_TRAILERS)}s")
_HEAD_WORD = len(CONTENT_TYPE) << 8 | HEADERS
_TAIL_WORD = len(OK_TRAILERS) << 8 | HEADERS
_CLOSING = END_STREAM | END_HEADERS
_PORTION = 256 * 1024
"""DATA bytes put on their way before the transport is asked again whether it takes more."""


class Outbound:
    """The sending half. ``window``: what the peer takes on the whole connection; ``initial``: on a new call."""

    __slots__ = (
        "_prefix",
        "blocked",
        "finished",
        "frame_bytes",
        "header_list_bytes",
        "initial",
        "parts",
        "unsent",
        "waiting",
        "window",
    )

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        """Frames that may leave at once."""
        self.window = DEFAULT_WINDOW
        self.initial = DEFAULT_WINDOW
        self.frame_bytes = DEFAULT_FRAME
        self.header_list_bytes: int | None = None
        self.blocked = False
        """The transport asked for a pause: DATA waits."""
        self.waiting: dict[int, Stream] = {}
        """Calls with something to send that their own window lets through, in turn."""
        self.unsent = 0
        self.finished: list[Stream] = []
        """Calls whose last frame left the outbox since the list was last emptied."""
        self._prefix = EMPTY_TABLE

    def table_changed(self) -> None:
        """The peer resized the table we do not use: that must be acknowledged in the next block."""
        self._prefix = EMPTY_TABLE

    def headers(self, stream_id: int, block: bytes, end: bool) -> None:
        """Sends a header block at once."""
        if self._prefix:
            block, self._prefix = self._prefix + block, b""
        self.parts.append(header_frames(stream_id, block, end, self.frame_bytes))

    def unary(self, stream: Stream, message: bytes) -> bool:
        """Sends a whole successful answer; False when some of it has to wait."""
        size = len(message) + PREFIX_BYTES
        if (
            size <= stream.window
            and size <= self.window
            and size <= self.frame_bytes
            and not (self.blocked or self._prefix or self.waiting)
        ):
            self.window -= size
            one = stream.stream_id
            self.parts += (
                _BEFORE.pack(
                    _HEAD_WORD,
                    END_HEADERS,
                    one,
                    CONTENT_TYPE,
                    size << 8 | DATA,
                    0,
                    one,
                    0,
                    size - PREFIX_BYTES,
                ),
                message,
                _AFTER.pack(_TAIL_WORD, _CLOSING, one, OK_TRAILERS),
            )
            return True
        self.message(stream, message)
        return self.close(stream, OK_TRAILERS)

    def message(self, stream: Stream, message: bytes) -> None:
        """Sends or queues one message of a call."""
        self.start(stream)
        if stream.outbox is None:
            stream.outbox = deque()
        stream.outbox.append(PREFIX.pack(0, len(message)) + message)
        self.unsent += len(message) + PREFIX_BYTES
        self._offer(stream)

    def start(self, stream: Stream) -> None:
        """Sends the response headers of a call, once."""
        if not stream.started:
            stream.started = True
            self.headers(stream.stream_id, CONTENT_TYPE, end=False)

    def close(self, stream: Stream, trailers: bytes) -> bool:
        """Ends a call after what is queued; False when that has to wait."""
        if stream.outbox:
            stream.trailers = trailers
            return False
        if stream.started:
            self.headers(stream.stream_id, trailers, end=True)
        else:
            self.headers(stream.stream_id, CONTENT_TYPE + trailers, end=True)
        return True

    def drop(self, stream: Stream) -> None:
        """Forgets what a call had queued."""
        self.waiting.pop(stream.stream_id, None)
        if stream.outbox:
            self.unsent -= sum(map(len, stream.outbox))
        stream.outbox = stream.trailers = None

    def grow(self, increment: int) -> None:
        """The peer takes more on the connection. Raises ConnectionFault."""
        self.window += increment
        if self.window > LARGEST:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window is too large")

    def grow_stream(self, stream: Stream, increment: int) -> None:
        """The peer takes more on one call. Raises StreamFault."""
        stream.window += increment
        if stream.window > LARGEST:
            raise StreamFault(stream.stream_id, ErrorCode.FLOW_CONTROL_ERROR)
        self._offer(stream)

    def _offer(self, stream: Stream) -> None:
        if stream.window > 0 and stream.outbox:
            self.waiting[stream.stream_id] = stream

    def take(self) -> bytes:
        """Bytes for the transport; empty when there are none, or none that may leave."""
        if self.waiting and not self.blocked and self.window > 0:
            self._pump()
        parts = self.parts
        if not parts:
            return b""
        data = b"".join(parts)
        parts.clear()
        return data

    def _pump(self) -> None:
        """One frame of each waiting call in turn, for as long as there is window and the portion lasts."""
        portion = _PORTION
        waiting = self.waiting
        while waiting and self.window > 0 and portion > 0:
            stream = next(iter(waiting.values()))
            del waiting[stream.stream_id]
            portion -= self._send_frame(stream)
            if not stream.outbox:
                self._emptied(stream)
            elif stream.window > 0:
                waiting[stream.stream_id] = stream

    def _send_frame(self, stream: Stream) -> int:
        outbox = stream.outbox
        assert outbox
        chunk = outbox[0]
        size = min(len(chunk), stream.window, self.window, self.frame_bytes)
        if size == len(chunk):
            outbox.popleft()
        else:
            # A view: cutting a large message frame by frame must not copy its rest every time.
            view = memoryview(chunk)
            outbox[0] = view[size:]  # type: ignore[assignment]
            chunk = view[:size]  # type: ignore[assignment]
        stream.window -= size
        self.window -= size
        self.unsent -= size
        self.parts += (FRAME.pack(size << 8 | DATA, 0, stream.stream_id), chunk)
        return size

    def _emptied(self, stream: Stream) -> None:
        if stream.trailers is not None:
            self.headers(stream.stream_id, stream.trailers, end=True)
            stream.trailers = None
            self.finished.append(stream)
        elif stream.wake is not None:
            stream.wake()
