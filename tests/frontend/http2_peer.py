"""A client made of single frames, for a `Connection` without a network; and a listener on a real port for real clients."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from tenuto.clock import ManualClock, WallClock
from tenuto.frontend.http2 import Handler, Listener, ListenerLimits, Status, StreamHandler
from tenuto.frontend.http2 import frames as wire
from tenuto.frontend.http2.connection import Connection
from tenuto.frontend.http2.hpack import Decoder, indexed, literal
from tenuto.frontend.http2.stream import CALLED, GONE, OPENED, Event, Route, Stream

UNARY, STREAMING = "/test.Echo/Unary", "/test.Echo/Stream"
EVENT_NAMES = {CALLED: "called", OPENED: "opened", GONE: "gone"}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it left the server."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes


def split(data: bytes) -> list[Frame]:
    """The frames in `data`, which must be whole."""
    found = []
    while data:
        word, flags, stream_id = wire.FRAME.unpack_from(data)
        end = 9 + (word >> 8)
        assert len(data) >= end, "half a frame left"
        found.append(Frame(word & 0xFF, flags, stream_id, data[9:end]))
        data = data[end:]
    return found


def prefixed(message: bytes, compressed: int = 0) -> bytes:
    """A gRPC message as it stands in DATA."""
    return bytes((compressed,)) + len(message).to_bytes(4, "big") + message


def request_block(path: str = UNARY, **extra: str) -> bytes:
    """The header block of a request, without any table. Underscores in names of `extra` stand for hyphens."""
    block = indexed(3) + indexed(6) + literal(b":path", path.encode()) + literal(b":authority", b"here")
    fields = {"te": "trailers", "content_type": "application/grpc", **extra}
    for name, value in fields.items():
        block += literal(name.replace("_", "-").encode(), value.encode())
    return block


def route(path: str) -> Route | Status:
    """Two methods; everything else is unknown."""
    if path == UNARY:
        return Route(None, streaming=False)
    return Route(None, streaming=True) if path == STREAMING else Status(12, f"unknown {path}")


@dataclass
class Peer:
    """The client's end. `said` collects what the server sent."""

    limits: ListenerLimits = field(default_factory=ListenerLimits)
    clock: ManualClock = field(default_factory=ManualClock)
    settings: dict[int, int] = field(default_factory=dict)
    greet: bool = True

    def __post_init__(self) -> None:
        self.server = Connection(route, self.limits, self.clock.now)
        self.decoder = Decoder()
        self.said: list[Frame] = []
        if self.greet:
            self.send(wire.PREFACE + wire.settings(self.settings))
            self.answers()

    def send(self, data: bytes) -> list[tuple[str, Stream]]:
        """Bytes to the server; what they meant to it."""
        events: list[Event] = self.server.receive(data)
        return [(EVENT_NAMES[kind], stream) for kind, stream in events]

    def frame(self, kind: int, flags: int, stream_id: int, payload: bytes = b"") -> list[tuple[str, Stream]]:
        return self.send(wire.frame(kind, flags, stream_id, payload))

    def open(self, stream_id: int, path: str = UNARY, **extra: str) -> list[tuple[str, Stream]]:
        """HEADERS of a call."""
        return self.frame(wire.HEADERS, wire.END_HEADERS, stream_id, request_block(path, **extra))

    def call(self, stream_id: int, message: bytes = b"hello", **extra: str) -> Stream:
        """A whole unary call."""
        self.open(stream_id, **extra)
        [(name, stream)] = self.frame(wire.DATA, wire.END_STREAM, stream_id, prefixed(message))
        assert name == "called"
        return stream

    def answers(self) -> list[Frame]:
        """What the server sends now."""
        fresh: list[Frame] = []
        while data := self.server.take():
            fresh += split(data)
        self.said += fresh
        return fresh

    def fields(self, frame: Frame) -> dict[str, str]:
        """The headers in a HEADERS frame."""
        assert frame.kind == wire.HEADERS and frame.flags & wire.END_HEADERS
        return {name.decode(): value.decode() for name, value in self.decoder.decode(frame.payload)}

    def goaway(self) -> tuple[wire.ErrorCode, str]:
        """The code and text with which the server ended the connection."""
        last = self.answers()[-1]
        assert last.kind == wire.GOAWAY and self.server.closed
        return wire.ErrorCode(int.from_bytes(last.payload[4:8], "big")), last.payload[8:].decode()

    def reset_code(self, stream_id: int) -> wire.ErrorCode:
        """The code with which the server reset a stream."""
        [code] = [f.payload for f in self.answers() if f.kind == wire.RST_STREAM and f.stream_id == stream_id]
        return wire.ErrorCode(int.from_bytes(code, "big"))

    def status(self, stream_id: int) -> tuple[int, str]:
        """The gRPC status with which the server ended a call."""
        ends = [f for f in self.answers() if f.kind == wire.HEADERS and f.stream_id == stream_id]
        for one in ends:
            known = self.fields(one)
        assert ends[-1].flags & wire.END_STREAM
        return int(known["grpc-status"]), known.get("grpc-message", "")


@contextlib.asynccontextmanager
async def serving(
    unary: Mapping[str, Handler],
    streaming: Mapping[str, StreamHandler] | None = None,
    limits: ListenerLimits | None = None,
    **options: object,
) -> AsyncIterator[tuple[Listener, int]]:
    """A listener on a free port of this machine, closed at the end. `options` go to `Listener.start`."""
    listener = Listener(
        unary.get,
        (streaming or {}).get,
        now=WallClock().now,
        services=("test.Echo",),
        limits=limits or ListenerLimits(),
    )
    port = await listener.start("127.0.0.1", 0, **options)  # type: ignore[arg-type]
    try:
        yield listener, port
    finally:
        await listener.close()
