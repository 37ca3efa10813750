"""Whatever comes, the connection neither raises nor loses count, and it says whole frames only."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tenuto.frontend.http2 import ListenerLimits, Status
from tenuto.frontend.http2 import frames as wire
from tenuto.frontend.http2.stream import Stream
from tests.frontend.http2_peer import STREAMING, Peer, prefixed, request_block, split

TIGHT = ListenerLimits(
    message_bytes=200, streams=4, header_list_bytes=300, header_block_bytes=400, buffered_bytes=300,
    unsent_bytes=500, noise_burst=30, reset_burst=5, stalled_frames=40,
)  # fmt: skip
IDS = st.sampled_from([0, 1, 2, 3, 5, 7, 9, 11, wire.LARGEST])
PAYLOADS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            request_block(),
            request_block(STREAMING),
            request_block(grpc_timeout="1S"),
            request_block() + b"\x40\x01a\x01b",
            request_block() + b"\xbe",
            prefixed(b"hello"),
            prefixed(b"hello")[:6],
            prefixed(bytes(300)),
            prefixed(b"x", 1),
            bytes(4),
            b"\x00\x00\x10\x00",
            b"\x7f\xff\xff\xff",
            bytes(8),
            b"\x00\x04\x00\x00\x00\x00",
            b"\x00\x04\x7f\xff\xff\xff",
            b"\x00\x01\x00\x00\x00\x00",
        ]
    ),
)
FRAMES = st.builds(
    wire.frame,
    st.integers(0, 11),
    st.sampled_from([0, 1, 4, 5, 5, 5, 8, 9, 12, 13, 32, 36, 255]),
    IDS,
    PAYLOADS,
)
CALL = st.builds(
    lambda one, path, body, ends: (
        wire.frame(wire.HEADERS, wire.END_HEADERS, one, request_block(path))
        + wire.frame(wire.DATA, ends, one, body)
    ),
    st.sampled_from([1, 3, 5, 7, 9, 11, 13]),
    st.sampled_from(["/test.Echo/Unary", STREAMING, "/none/none"]),
    PAYLOADS,
    st.sampled_from([0, 1]),
)
ANSWERS = st.tuples(
    st.sampled_from(["respond", "refuse", "send", "finish", "block", "free", "expire", "drain"]),
    st.integers(0, 5),
)
STEPS = st.lists(st.one_of(FRAMES, CALL, ANSWERS), max_size=40)


def answer(peer: Peer, known: list[Stream], verb: str, which: int) -> None:
    """Does to the server what its shell might do."""
    server = peer.server
    match verb:
        case "block" | "free":
            server.out.blocked = verb == "block"
        case "expire":
            peer.clock.advance(10**9)
            server.expire(peer.clock.now())
        case "drain":
            server.drain()
        case _ if known:
            stream = known[which % len(known)]
            if verb == "refuse":
                server.refuse(stream, Status(3, "no", [("x-bin", b"\x00")]))
            elif (verb == "respond") == (stream.messages is None):
                getattr(server, verb)(stream, *([b"y" * 100] if verb != "finish" else []))


def check(peer: Peer) -> None:
    """What must hold between any two steps."""
    server = peer.server
    streams = server.streams.values()
    assert server.buffered == sum(s.inbox.counted for s in streams if s.inbox) >= 0
    assert server.out.unsent == sum(len(chunk) for s in streams for chunk in s.outbox or ()) >= 0
    assert len(streams) <= server.limits.streams and len(server.rest) <= 16_400
    assert all(s.outbox and s.window > 0 for s in server.out.waiting.values())
    assert not server.closed or not streams


def run(peer: Peer, steps: list[bytes | tuple[str, int]]) -> None:
    known: list[Stream] = []
    written = b""
    for step in steps:
        if isinstance(step, bytes):
            known += [stream for name, stream in peer.send(step) if name != "gone"]
        else:
            answer(peer, known, *step)
        written += peer.server.take()
        check(peer)
    said = split(written) if not written.startswith(b"HTTP/1.1") else []
    if peer.server.closed and said:
        assert said[-1].kind == wire.GOAWAY
        wire.ErrorCode(int.from_bytes(said[-1].payload[4:8], "big"))


@given(STEPS)
@settings(max_examples=400, deadline=None)
def test_any_sequence_of_frames_and_answers_is_survived(steps: list[bytes | tuple[str, int]]) -> None:
    run(Peer(TIGHT), steps)


@given(st.lists(st.binary(max_size=60), max_size=6))
@example([b"", b"CONN"])
@example([b"P", b"OST / HTTP/1.1"])
@settings(deadline=None)
def test_any_bytes_are_survived_from_the_start(chunks: list[bytes]) -> None:
    run(Peer(TIGHT, greet=False), list(chunks))


@given(STEPS.map(lambda steps: b"".join(step for step in steps if isinstance(step, bytes))), st.data())
@settings(deadline=None)
def test_where_bytes_are_cut_makes_no_difference(said: bytes, data: st.DataObject) -> None:
    whole, cut = Peer(TIGHT), Peer(TIGHT)
    events = [(name, stream.stream_id) for name, stream in whole.send(said)]
    at, pieces = 0, []
    while at < len(said):
        size = data.draw(st.integers(1, 40))
        pieces += [(name, stream.stream_id) for name, stream in cut.send(said[at : at + size])]
        at += size
    assert pieces == events
    assert b"".join(cut.server.out.parts) == b"".join(whole.server.out.parts)


@given(st.binary(max_size=200), st.integers(0, 255))
@settings(deadline=None)
def test_a_flipped_byte_in_a_good_conversation_is_survived(noise: bytes, flip: int) -> None:
    good = b"".join(
        wire.frame(wire.HEADERS, 4, one, request_block()) + wire.frame(wire.DATA, 1, one, prefixed(b"x"))
        for one in (1, 3, 5)
    )
    spoilt = bytearray(good)
    for at, byte in enumerate(noise[:3]):
        spoilt[(byte * 7 + at) % len(spoilt)] ^= flip
    run(Peer(TIGHT), [bytes(spoilt)])
