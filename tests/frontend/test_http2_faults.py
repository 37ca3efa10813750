"""Peers that break the protocol, by mistake or on purpose: the right code, the right scope, and bounds on everything."""

import pytest

from tenuto.frontend.http2 import ListenerLimits
from tenuto.frontend.http2 import frames as wire
from tenuto.frontend.http2.frames import ErrorCode
from tenuto.frontend.http2.hpack import indexed, literal
from tenuto.limits import SECOND
from tests.frontend.http2_peer import STREAMING, Peer, prefixed, request_block

HEADERS = wire.frame(wire.HEADERS, wire.END_HEADERS, 1, request_block())
PROTOCOL, SIZE, FLOW = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR, ErrorCode.FLOW_CONTROL_ERROR
MAX = wire.LARGEST


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return wire.frame(kind, flags, stream_id, payload)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (frame(wire.DATA, 0, 0, b"x"), PROTOCOL),
        (frame(wire.DATA, 0, 1, b"x"), PROTOCOL),
        (frame(wire.DATA, 0, 2, b"x"), PROTOCOL),
        (HEADERS + frame(wire.DATA, wire.PADDED, 1, b"\x05abc"), PROTOCOL),
        (HEADERS + frame(wire.DATA, wire.PADDED, 1, b""), SIZE),
        (frame(wire.HEADERS, wire.END_HEADERS, 0, request_block()), PROTOCOL),
        (frame(wire.HEADERS, wire.END_HEADERS, 2, request_block()), PROTOCOL),
        (frame(wire.HEADERS, wire.END_HEADERS | wire.PADDED, 1, b"\xff" + request_block()), PROTOCOL),
        (frame(wire.HEADERS, wire.END_HEADERS | wire.PRIORITIZED, 1, b"\x00"), PROTOCOL),
        (frame(wire.HEADERS, wire.END_HEADERS, 1, b"\xff"), ErrorCode.COMPRESSION_ERROR),
        (frame(wire.HEADERS, 0, 1, request_block()) + frame(wire.PING, 0, 0, bytes(8)), PROTOCOL),
        (frame(wire.HEADERS, 0, 1, request_block()) + frame(wire.CONTINUATION, 4, 3), PROTOCOL),
        (frame(wire.CONTINUATION, wire.END_HEADERS, 1, request_block()), PROTOCOL),
        (frame(wire.PRIORITY, 0, 0, bytes(5)), PROTOCOL),
        (frame(wire.PRIORITY, 0, 1, bytes(4)), SIZE),
        (frame(wire.RST_STREAM, 0, 0, bytes(4)), PROTOCOL),
        (frame(wire.RST_STREAM, 0, 1, bytes(4)), PROTOCOL),
        (HEADERS + frame(wire.RST_STREAM, 0, 1, bytes(5)), SIZE),
        (frame(wire.SETTINGS, 0, 1), PROTOCOL),
        (frame(wire.SETTINGS, 0, 0, bytes(5)), SIZE),
        (frame(wire.SETTINGS, wire.ACK, 0, bytes(6)), SIZE),
        (wire.settings({wire.ENABLE_PUSH: 2}), PROTOCOL),
        (wire.settings({wire.INITIAL_WINDOW_SIZE: MAX + 1}), FLOW),
        (wire.settings({wire.MAX_FRAME_SIZE: 16_383}), PROTOCOL),
        (wire.settings({wire.MAX_FRAME_SIZE: 1 << 24}), PROTOCOL),
        (
            HEADERS + wire.window_update(1, MAX - 65_535) + wire.settings({wire.INITIAL_WINDOW_SIZE: 65_536}),
            FLOW,
        ),
        (frame(wire.PUSH_PROMISE, 4, 1, bytes(8)), PROTOCOL),
        (frame(wire.PING, 0, 1, bytes(8)), PROTOCOL),
        (frame(wire.PING, 0, 0, bytes(7)), SIZE),
        (frame(wire.GOAWAY, 0, 1, bytes(8)), PROTOCOL),
        (frame(wire.GOAWAY, 0, 0, bytes(7)), SIZE),
        (wire.window_update(0, 0), PROTOCOL),
        (wire.window_update(0, MAX), FLOW),
        (wire.window_update(1, 1), PROTOCOL),
        (frame(wire.WINDOW_UPDATE, 0, 0, bytes(3)), SIZE),
        (wire.FRAME.pack(16_385 << 8, 0, 1), SIZE),
    ],
)
def test_a_broken_connection_ends_with_its_code(said: bytes, code: ErrorCode) -> None:
    peer = Peer()
    peer.send(said)
    assert peer.goaway()[0] is code
    assert not peer.server.streams
    assert not peer.send(HEADERS), "nothing more is read"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (HEADERS + wire.window_update(1, 0), PROTOCOL),
        (HEADERS + wire.window_update(1, MAX), FLOW),
        (HEADERS + frame(wire.PRIORITY, 0, 1, bytes(4)), SIZE),
        (HEADERS + frame(wire.HEADERS, wire.END_HEADERS, 1, literal(b"x", b"y")), PROTOCOL),
        (HEADERS + frame(wire.HEADERS, 5, 1, indexed(3)), PROTOCOL),
        (
            HEADERS + frame(wire.DATA, 1, 1, prefixed(b"")) + frame(wire.DATA, 0, 1, b"x"),
            ErrorCode.STREAM_CLOSED,
        ),
    ],
)
def test_a_broken_call_is_reset_with_its_code(said: bytes, code: ErrorCode) -> None:
    peer = Peer()
    events = peer.send(said)
    assert events[-1][0] == "gone"
    assert peer.reset_code(1) is code
    assert not peer.server.closed and not peer.server.streams
    peer.call(3)


def block(*fields: tuple[bytes, bytes]) -> bytes:
    return b"".join(literal(name, value) for name, value in fields)


METHOD, SCHEME, PATH = (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/a/b")
KIND = (b"content-type", b"application/grpc")


@pytest.mark.parametrize(
    "fields",
    [
        (METHOD, SCHEME, KIND),
        (METHOD, PATH, KIND),
        (SCHEME, PATH, KIND),
        (METHOD, SCHEME, (b":path", b""), KIND),
        (METHOD, METHOD, SCHEME, PATH, KIND),
        (METHOD, SCHEME, KIND, PATH),
        (METHOD, SCHEME, PATH, (b":status", b"200"), KIND),
        (METHOD, SCHEME, PATH, (b"X-Upper", b"x")),
        (METHOD, SCHEME, PATH, (b"", b"x")),
        (METHOD, SCHEME, PATH, (b"x y", b"x")),
        (METHOD, SCHEME, PATH, (b"x", b"a\nb")),
        (METHOD, SCHEME, PATH, (b"x", b" a")),
        (METHOD, SCHEME, (b":path", b"/a\x00"), KIND),
        (METHOD, SCHEME, PATH, (b"connection", b"close")),
        (METHOD, SCHEME, PATH, (b"te", b"gzip")),
        (METHOD, SCHEME, PATH, (b"content-length", b"many")),
    ],
)
def test_malformed_headers_reset_their_call(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    peer = Peer()
    peer.frame(wire.HEADERS, wire.END_HEADERS, 1, block(*fields))
    assert peer.reset_code(1) is PROTOCOL
    peer.frame(wire.HEADERS, wire.END_HEADERS, 3, block(*fields))
    assert peer.reset_code(3) is PROTOCOL, "the second time as well"


def test_a_content_length_that_lies_resets_the_call() -> None:
    peer = Peer()
    peer.open(1, content_length="7")
    peer.frame(wire.DATA, wire.END_STREAM, 1, prefixed(b"xyz"))
    assert peer.reset_code(1) is PROTOCOL
    assert peer.call(3, b"xyz", content_length="8").message == b"xyz"


@pytest.mark.parametrize("said", [b"nonsense", b"PRI * HTTP/1.1\r\n", wire.settings({})])
def test_a_wrong_preface_ends_the_connection(said: bytes) -> None:
    peer = Peer(greet=False)
    peer.send(said)
    assert peer.goaway()[0] is PROTOCOL


@pytest.mark.parametrize("first", [frame(wire.PING, 0, 0, bytes(8)), frame(wire.SETTINGS, wire.ACK, 0)])
def test_the_first_frame_must_be_settings(first: bytes) -> None:
    peer = Peer(greet=False)
    peer.send(wire.PREFACE + first)
    assert peer.goaway()[0] is PROTOCOL


def test_frames_on_closed_calls() -> None:
    peer = Peer()
    peer.server.respond(peer.call(3), b"")
    peer.answers()
    peer.send(wire.rst_stream(3, 8) + wire.window_update(3, 5) + frame(wire.PRIORITY, 0, 3, bytes(5)))
    assert not peer.answers(), "these may have been on their way"
    peer.frame(wire.DATA, 0, 3, b"x")
    assert peer.reset_code(3) is ErrorCode.STREAM_CLOSED
    peer.frame(wire.HEADERS, wire.END_HEADERS, 1, request_block())
    assert peer.goaway()[0] is ErrorCode.STREAM_CLOSED


def test_rapid_resets_end_the_connection_unless_time_passes() -> None:
    peer = Peer(ListenerLimits(reset_burst=50, resets_a_second=10))
    ids = iter(range(1, 10_000, 2))

    def open_and_reset() -> None:
        one = next(ids)
        peer.open(one)
        peer.send(wire.rst_stream(one, 8))

    for _ in range(50):
        open_and_reset()
    assert not peer.server.closed
    peer.clock.advance(SECOND)
    for _ in range(10):
        open_and_reset()
    assert not peer.server.closed
    open_and_reset()
    assert peer.goaway() == (ErrorCode.ENHANCE_YOUR_CALM, "too many resets")


NOISE = {
    "pings": frame(wire.PING, 0, 0, bytes(8)),
    "settings": wire.settings({}),
    "priorities": frame(wire.PRIORITY, 0, 1, bytes(5)),
    "unknown frames": frame(0x77, 0, 0),
    "empty data": frame(wire.DATA, 0, 1),
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE.keys())
def test_noise_ends_the_connection(noise: bytes) -> None:
    peer = Peer(ListenerLimits(noise_burst=100))
    peer.open(1)
    peer.send(noise * 99)
    assert not peer.server.closed
    peer.send(noise * 2)
    assert peer.goaway()[0] is ErrorCode.ENHANCE_YOUR_CALM


def test_useful_calls_pay_for_pings() -> None:
    peer = Peer(ListenerLimits(noise_burst=10))
    for number in range(100):
        peer.server.respond(peer.call(2 * number + 1), b"")
        peer.answers()
        peer.send(NOISE["pings"])
    assert not peer.server.closed


def test_endless_continuations_end_the_connection() -> None:
    peer = Peer()
    peer.frame(wire.HEADERS, 0, 1, request_block())
    for _ in range(20):
        peer.frame(wire.CONTINUATION, 0, 1, bytes(16_000))
    assert peer.goaway() == (ErrorCode.ENHANCE_YOUR_CALM, "header block is too large")


def test_a_header_list_that_is_too_large_fails_its_call_alone() -> None:
    peer = Peer()
    peer.frame(wire.HEADERS, wire.END_HEADERS, 1, request_block() + b"\x40\x01a\x7f\x80\x10" + bytes(2175))
    bomb = request_block() + b"\xbe" * 16_000
    peer.frame(wire.HEADERS, wire.END_HEADERS, 3, bomb)
    assert peer.status(3)[0] == 8
    assert not peer.server.closed


def test_calls_beyond_the_limit_are_refused() -> None:
    peer = Peer(ListenerLimits(streams=2))
    streams = [peer.call(1), peer.call(3)]
    peer.open(5)
    assert peer.reset_code(5) is ErrorCode.REFUSED_STREAM
    peer.server.respond(streams[0], b"")
    peer.answers()
    peer.call(7)


def test_calls_are_refused_while_too_much_waits_to_leave() -> None:
    peer = Peer(ListenerLimits(unsent_bytes=1000), settings={wire.INITIAL_WINDOW_SIZE: 0})
    peer.server.respond(peer.call(1), bytes(2000))
    peer.open(3)
    assert peer.reset_code(3) is ErrorCode.REFUSED_STREAM


def test_what_unfinished_messages_hold_is_bounded() -> None:
    peer = Peer(ListenerLimits(buffered_bytes=100_000))
    for number in range(10):
        peer.open(2 * number + 1)
        peer.frame(wire.DATA, 0, 2 * number + 1, prefixed(bytes(1 << 20))[:16_000])
    refused = [f.stream_id for f in peer.answers() if f.kind == wire.HEADERS]
    assert refused == [13, 15, 17, 19]
    assert peer.server.buffered <= 100_000


def test_a_peer_that_provokes_answers_and_takes_none_is_left() -> None:
    peer = Peer(ListenerLimits(stalled_frames=500))
    peer.server.out.blocked = True
    for _ in range(6):
        peer.send(NOISE["pings"] * 100)
    assert peer.server.closed


def test_a_broken_connection_gives_all_its_calls_back() -> None:
    peer = Peer()
    streams = [peer.call(1), peer.call(3)]
    [(_, third)] = peer.open(5, path=STREAMING)
    events = peer.send(frame(wire.PING, 0, 0, b"x"))
    assert [stream for name, stream in events if name == "gone"] == [*streams, third]
    assert not any(stream.alive() for stream in [*streams, third])
