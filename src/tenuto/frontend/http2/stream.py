"""One call as it stands: what came, what waits to leave, and what its handler may ask about it.

Must never write to a connection: `connection` and `outbound` do.
"""

import zlib
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Any

from tenuto.frontend.http2.head import Head, Headers
from tenuto.frontend.http2.status import Code, Status

CALLED, OPENED, GONE = range(3)
Event = tuple[int, "Stream"]
"""CALLED: a unary call is complete, ``stream.message`` its request. OPENED: a streaming call began. GONE: nobody waits for
its answer any more: what works on it should stop."""

PREFIX = Struct(">BI")
"""Before every gRPC message: compressed or not, and its length."""
PREFIX_BYTES = 5


class Route:
    """Where calls of one path go. ``handler`` is opaque to this room's pure half."""

    __slots__ = ("handler", "streaming")

    def __init__(self, handler: Any, streaming: bool) -> None:
        self.handler = handler
        self.streaming = streaming


def too_large(size: int, limit: int) -> Status:
    return Status(Code.RESOURCE_EXHAUSTED, f"grpc: received message larger than max ({size} vs. {limit})")


class Inbox:
    """Messages reassembled from the DATA of one call; used where a message is not simply one frame."""

    __slots__ = ("_buffer", "_gzip", "_limit", "_need", "counted")

    def __init__(self, limit: int, gzip: bool) -> None:
        self._buffer = bytearray()
        self._gzip = gzip
        self._limit = limit
        self._need = PREFIX_BYTES
        self.counted = 0
        """How much of ``held`` the connection has taken account of."""

    @property
    def held(self) -> int:
        """Bytes of a message that is not complete yet."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The messages that ``chunk`` completes. Raises Status."""
        buffer = self._buffer
        buffer += chunk
        messages: list[bytes] = []
        while len(buffer) >= self._need:
            compressed, size = PREFIX.unpack_from(buffer)
            if size > self._limit:
                buffer.clear()
                raise too_large(size, self._limit)
            whole = PREFIX_BYTES + size
            if len(buffer) < whole:
                self._need = whole
                break
            with memoryview(buffer) as view:
                message = bytes(view[PREFIX_BYTES:whole])
            del buffer[:whole]
            self._need = PREFIX_BYTES
            messages.append(self._inflated(message) if compressed else message)
        return messages

    def _inflated(self, message: bytes) -> bytes:
        if not self._gzip:
            raise Status(Code.INTERNAL, "grpc: compressed flag set with identity or empty encoding")
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            plain = unpacker.decompress(message, self._limit + 1)
        except zlib.error as error:
            raise Status(Code.INTERNAL, f"grpc: failed to decompress the received message: {error}") from None
        if len(plain) > self._limit:
            text = f"grpc: received message after decompression larger than max {self._limit}"
            raise Status(Code.RESOURCE_EXHAUSTED, text)
        if not unpacker.eof:
            raise Status(Code.INTERNAL, "grpc: failed to decompress the received message: unexpected EOF")
        return plain


class Stream:
    """One call. Handlers use ``path``, ``headers``, ``deadline_at``, ``alive`` and ``peer``; the rest is this room's.

    ``deadline_at``: ns on the listener's clock, None when the caller set no timeout.
    """

    __slots__ = (
        "__weakref__",
        "_extra",
        "deadline_at",
        "ended",
        "head",
        "inbox",
        "message",
        "messages",
        "open",
        "outbox",
        "received",
        "route",
        "started",
        "stream_id",
        "task",
        "trailers",
        "unread",
        "wake",
        "window",
    )

    def __init__(
        self, stream_id: int, head: Head, route: Route, window: int, extra: Callable[[str], Any] | None
    ) -> None:
        self.stream_id = stream_id
        self.head = head
        self.route = route
        self.window = window
        self._extra = extra
        self.deadline_at: int | None = None
        self.open = True
        """Somebody waits for the answer, and it is not given yet."""
        self.ended = False
        """The peer has said all it will say."""
        self.received = 0
        self.inbox: Inbox | None = None
        self.message: bytes | None = None
        """The request of a unary call, once complete."""
        self.messages: deque[bytes] | None = None
        """Requests of a streaming call that its handler has not taken."""
        self.unread = 0
        """DATA bytes of a streaming call that the peer has no credit for yet."""
        self.started = False
        """Response headers were sent."""
        self.outbox: deque[bytes] | None = None
        """Response bytes that flow control or a slow peer holds back."""
        self.trailers: bytes | None = None
        """What closes the call once the outbox is empty."""
        self.task: Any = None
        self.wake: Callable[[], None] | None = None
        """Called when a streaming call's messages, end, or room to send came."""

    @property
    def path(self) -> str:
        return self.head.path

    @property
    def headers(self) -> Headers:
        return self.head.headers

    def alive(self) -> bool:
        """Whether somebody still waits for the answer."""
        return self.open

    def peer(self, fact: str) -> Any:
        """A fact about the connection under its asyncio name (``peername``, ``peercert``); None if unknown."""
        return self._extra(fact) if self._extra is not None else None
