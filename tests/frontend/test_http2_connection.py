"""The connection frame by frame: calls, answers, flow control, and the ends of calls and connections."""

import gzip

import pytest

from tenuto.clock import ManualClock
from tenuto.frontend.http2 import ListenerLimits, Status
from tenuto.frontend.http2 import frames as wire
from tenuto.frontend.http2.frames import ErrorCode
from tenuto.frontend.http2.hpack import EMPTY_TABLE, literal
from tenuto.limits import SECOND
from tests.frontend.http2_peer import STREAMING, Peer, prefixed, request_block


def data_of(peer: Peer, stream_id: int) -> bytes:
    return b"".join(f.payload for f in peer.answers() if f.kind == wire.DATA and f.stream_id == stream_id)


def test_the_server_greets_with_its_settings_and_acknowledges_the_clients() -> None:
    peer = Peer()
    assert [(f.kind, f.flags) for f in peer.said] == [
        (wire.SETTINGS, 0),
        (wire.WINDOW_UPDATE, 0),
        (wire.SETTINGS, wire.ACK),
    ]
    known = dict(wire.read_settings(peer.said[0].payload))
    assert known[wire.INITIAL_WINDOW_SIZE] > 4 << 20, "a unary call never has to wait for credit"


def test_a_call_in_one_frame_is_answered_with_headers_data_and_trailers() -> None:
    peer = Peer()
    stream = peer.call(1, b"hello")
    assert (stream.path, stream.message, stream.alive()) == ("/test.Echo/Unary", b"hello", True)
    assert stream.headers["te"] == "trailers" and stream.headers[":authority"] == "here"
    peer.server.respond(stream, b"world")
    head, data, tail = peer.answers()
    assert peer.fields(head) == {":status": "200", "content-type": "application/grpc"}
    assert head.payload[:1] == EMPTY_TABLE
    assert data.payload == prefixed(b"world") and not data.flags
    assert peer.fields(tail) == {"grpc-status": "0"} and tail.flags & wire.END_STREAM
    assert not stream.alive() and not peer.server.streams


def test_a_message_may_come_in_pieces_of_any_size() -> None:
    peer = Peer()
    peer.open(1)
    for byte in prefixed(b"slowly"):
        assert not peer.frame(wire.DATA, 0, 1, bytes((byte,)))
    [(name, stream)] = peer.frame(wire.DATA, wire.END_STREAM, 1)
    assert (name, stream.message) == ("called", b"slowly")
    peer.server.respond(stream, b"")
    assert peer.server.buffered == 0


def test_bytes_may_come_one_at_a_time() -> None:
    peer = Peer(greet=False)
    head = request_block()
    said = wire.PREFACE + wire.settings({}) + wire.frame(wire.HEADERS, wire.END_HEADERS, 1, head)
    said += wire.frame(wire.DATA, wire.END_STREAM, 1, prefixed(b"m"))
    events = [event for byte in said for event in peer.send(bytes((byte,)))]
    assert [(name, stream.message) for name, stream in events] == [("called", b"m")]


def test_headers_may_be_padded_prioritized_and_continued() -> None:
    peer = Peer()
    block = request_block()
    flags = wire.PADDED | wire.PRIORITIZED
    peer.frame(wire.HEADERS, flags, 1, b"\x03" + b"\x00\x00\x00\x00\x10" + block[:7] + bytes(3))
    peer.frame(wire.CONTINUATION, 0, 1, block[7:20])
    peer.frame(wire.CONTINUATION, wire.END_HEADERS, 1, block[20:])
    padded = b"\x04" + prefixed(b"x") + bytes(4)
    [(_, stream)] = peer.frame(wire.DATA, wire.PADDED | wire.END_STREAM, 1, padded)
    assert stream.message == b"x"


def test_trailers_from_the_client_end_its_request() -> None:
    peer = Peer()
    peer.open(1)
    peer.frame(wire.DATA, 0, 1, prefixed(b"x"))
    flags = wire.END_HEADERS | wire.END_STREAM
    [(name, stream)] = peer.frame(wire.HEADERS, flags, 1, literal(b"x-checksum", b"1"))
    assert (name, stream.message) == ("called", b"x")


def test_equal_header_blocks_share_a_head_until_the_table_changes() -> None:
    peer = Peer()
    first, second = peer.call(1), peer.call(3)
    assert first.head is second.head
    added = request_block() + b"\x40\x03x-a\x01b"
    peer.frame(wire.HEADERS, wire.END_HEADERS, 5, added)
    assert peer.server.streams[5].headers["x-a"] == "b"
    reference = request_block() + b"\xbe"
    peer.frame(wire.HEADERS, wire.END_HEADERS, 7, reference)
    peer.frame(wire.HEADERS, wire.END_HEADERS, 9, request_block() + b"\x40\x03x-a\x01c")
    peer.frame(wire.HEADERS, wire.END_HEADERS, 11, reference)
    seen = [peer.server.streams[one].headers["x-a"] for one in (7, 9, 11)]
    assert seen == ["b", "c", "c"], "the same bytes mean something else now"


def test_a_head_is_recalled_with_another_timeout() -> None:
    peer = Peer()
    timeouts = ["1S", "2S", "soon", "3S"]
    for number, timeout in enumerate(timeouts):
        peer.open(2 * number + 1, grpc_timeout=timeout)
    peer.open(9)
    streams = peer.server.streams
    seen = {
        one: (stream.headers.get("grpc-timeout"), stream.head.timeout_ns) for one, stream in streams.items()
    }
    assert seen == {1: ("1S", SECOND), 3: ("2S", 2 * SECOND), 7: ("3S", 3 * SECOND), 9: (None, None)}
    assert peer.status(5)[0] == 13
    early = literal(b"grpc-timeout", b"1S") + request_block()
    peer.frame(wire.HEADERS, wire.END_HEADERS, 11, early)
    assert peer.reset_code(11) is ErrorCode.PROTOCOL_ERROR


def test_gzip_is_taken_and_bombs_are_not() -> None:
    peer = Peer(ListenerLimits(message_bytes=1000))
    peer.open(1, grpc_encoding="gzip")
    [(_, stream)] = peer.frame(wire.DATA, wire.END_STREAM, 1, prefixed(gzip.compress(b"z" * 900), 1))
    assert stream.message == b"z" * 900
    peer.open(3, grpc_encoding="gzip")
    peer.frame(wire.DATA, wire.END_STREAM, 3, prefixed(gzip.compress(b"z" * 100_000), 1))
    assert peer.status(3) == (8, "grpc: received message after decompression larger than max 1000")


@pytest.mark.parametrize(
    ("body", "extra", "code"),
    [
        (prefixed(b"x", 1), {}, 13),
        (prefixed(b"no gzip", 1), {"grpc_encoding": "gzip"}, 13),
        (prefixed(gzip.compress(b"cut")[:-4], 1), {"grpc_encoding": "gzip"}, 13),
        (prefixed(b"x") + prefixed(b"y"), {}, 13),
        (prefixed(b"x")[:-1], {}, 13),
        (b"", {}, 13),
        (b"\x00\x00", {}, 13),
    ],
    ids=[
        "flag without encoding",
        "not gzip",
        "cut gzip",
        "two messages",
        "half a message",
        "no message",
        "half a prefix",
    ],
)
def test_wrong_messages_fail_their_call_alone(body: bytes, extra: dict[str, str], code: int) -> None:
    peer = Peer()
    peer.open(1, **extra)
    events = peer.frame(wire.DATA, wire.END_STREAM, 1, body)
    assert [name for name, _ in events] == ["gone"]
    assert peer.status(1)[0] == code
    assert not peer.server.closed and not peer.server.streams and peer.server.buffered == 0


def test_a_message_that_is_too_large_is_refused_before_it_came() -> None:
    peer = Peer()
    peer.open(1)
    peer.frame(wire.DATA, 0, 1, b"\x00" + (5 << 20).to_bytes(4, "big") + bytes(1000))
    assert peer.status(1) == (8, "grpc: received message larger than max (5242880 vs. 4194304)")
    assert not peer.frame(wire.DATA, 0, 1, bytes(16_000))
    assert peer.reset_code(1) is ErrorCode.NO_ERROR, "please stop sending"
    assert not peer.frame(wire.DATA, 0, 1, bytes(16_000)), "what was on its way is ignored"
    assert not peer.answers() and not peer.server.closed


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"content_type": "text/plain"}, (":status", "415")),
        ({"content_type": "application/grpcish"}, (":status", "415")),
        ({"grpc_encoding": "snappy"}, ("grpc-status", "12")),
        ({"grpc_timeout": "soon"}, ("grpc-status", "13")),
        ({"grpc_timeout": "123456789S"}, ("grpc-status", "13")),
    ],
)
def test_requests_that_are_not_proper_grpc_are_answered_at_once(
    extra: dict[str, str], expected: tuple[str, str]
) -> None:
    peer = Peer()
    assert not peer.open(1, **extra)
    [answer] = peer.answers()
    assert peer.fields(answer)[expected[0]] == expected[1]
    assert answer.flags & wire.END_STREAM and not peer.server.streams
    peer.frame(wire.DATA, wire.END_STREAM, 1, prefixed(b"x"))
    assert not peer.answers(), "a client that ends by itself is not reset"


def test_a_get_is_no_call() -> None:
    peer = Peer()
    block = b"\x82\x86\x84" + literal(b"content-type", b"application/grpc")
    peer.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, block)
    [answer] = peer.answers()
    assert peer.fields(answer)[":status"] == "405"


def test_unknown_paths_get_the_routes_refusal() -> None:
    peer = Peer()
    peer.open(1, path="/no/such")
    assert peer.status(1) == (12, "unknown /no/such")


def test_errors_carry_their_trailers() -> None:
    peer = Peer()
    stream = peer.call(1)
    peer.server.refuse(
        stream, Status(5, "näh: 100%", [("grpc-status-details-bin", b"\x00\xff"), ("x-a", "b")])
    )
    [answer] = peer.answers()
    assert peer.fields(answer) == {
        ":status": "200",
        "content-type": "application/grpc",
        "grpc-status": "5",
        "grpc-message": "n%C3%A4h: 100%25",
        "grpc-status-details-bin": "AP8",
        "x-a": "b",
    }


def test_trailers_too_large_for_the_peer_lose_their_details() -> None:
    peer = Peer(settings={wire.MAX_HEADER_LIST_SIZE: 1000})
    peer.server.refuse(peer.call(1), Status(3, "short", [("grpc-status-details-bin", bytes(5000))]))
    assert peer.status(1) == (3, "short")
    peer.server.refuse(peer.call(3), Status(3, "x" * 5000))
    code, message = peer.status(3)
    assert code == 3 and 100 < len(message) < 1000


def test_large_trailers_are_continued() -> None:
    peer = Peer()
    peer.server.refuse(peer.call(1), Status(3, "x" * 40_000))
    kinds = [(f.kind, f.flags) for f in peer.answers()]
    assert kinds == [
        (wire.HEADERS, wire.END_STREAM),
        (wire.CONTINUATION, 0),
        (wire.CONTINUATION, wire.END_HEADERS),
    ]


def test_answers_obey_the_streams_window() -> None:
    peer = Peer(settings={wire.INITIAL_WINDOW_SIZE: 10})
    stream = peer.call(1)
    peer.server.respond(stream, b"x" * 30)
    assert data_of(peer, 1) == prefixed(b"x" * 30)[:10]
    peer.send(wire.window_update(1, 20))
    assert len(data_of(peer, 1)) == 20
    peer.send(wire.settings({wire.INITIAL_WINDOW_SIZE: 15}))
    assert [f.kind for f in peer.answers()] == [wire.SETTINGS, wire.DATA, wire.HEADERS]
    assert not peer.server.streams and peer.server.out.unsent == 0


def test_a_smaller_initial_window_may_make_windows_negative() -> None:
    peer = Peer(settings={wire.INITIAL_WINDOW_SIZE: 10})
    peer.server.respond(peer.call(1), b"x" * 30)
    peer.answers()
    peer.send(wire.settings({wire.INITIAL_WINDOW_SIZE: 0}))
    peer.send(wire.window_update(1, 9))
    assert data_of(peer, 1) == b""
    peer.send(wire.window_update(1, 2))
    assert data_of(peer, 1) == b"x"


def test_answers_obey_the_connections_window_and_take_turns() -> None:
    peer = Peer(settings={wire.INITIAL_WINDOW_SIZE: 1 << 20})
    streams = [peer.call(one) for one in (1, 3)]
    for stream in streams:
        peer.server.respond(stream, bytes(60_000))
    sent = dict.fromkeys((1, 3), 0)
    for f in peer.answers():
        if f.kind == wire.DATA:
            sent[f.stream_id] += len(f.payload)
            assert len(f.payload) <= wire.DEFAULT_FRAME
    assert sum(sent.values()) == wire.DEFAULT_WINDOW and min(sent.values()) > 30_000
    peer.send(wire.window_update(0, 1 << 20))
    assert (
        sum(len(f.payload) for f in peer.answers() if f.kind == wire.DATA) == 2 * 60_005 - wire.DEFAULT_WINDOW
    )
    assert not peer.server.streams


def test_frames_grow_when_the_peer_takes_larger_ones() -> None:
    peer = Peer(settings={wire.MAX_FRAME_SIZE: 1 << 20, wire.INITIAL_WINDOW_SIZE: 1 << 20})
    peer.server.respond(peer.call(1), bytes(60_000))
    assert [len(f.payload) for f in peer.answers() if f.kind == wire.DATA] == [60_005]


def test_a_blocked_transport_holds_data_back() -> None:
    peer = Peer()
    stream = peer.call(1)
    peer.server.out.blocked = True
    peer.server.respond(stream, b"later")
    assert data_of(peer, 1) == b""
    assert len(peer.server.streams) == 1, "it counts against the limit until it has left"
    peer.server.out.blocked = False
    assert data_of(peer, 1) == prefixed(b"later")
    assert not peer.server.streams


def test_credit_for_the_connection_comes_in_batches() -> None:
    peer = Peer()
    updates = 0
    for number in range(1100):
        stream = peer.call(2 * number + 1, bytes(16_000))
        peer.server.respond(stream, b"")
        updates += sum(f.kind == wire.WINDOW_UPDATE for f in peer.answers())
    assert updates == 2


def test_a_reset_call_is_gone_and_its_answer_goes_nowhere() -> None:
    peer = Peer()
    stream = peer.call(1)
    assert peer.send(wire.rst_stream(1, ErrorCode.CANCEL)) == [("gone", stream)]
    assert not stream.alive()
    peer.server.respond(stream, b"too late")
    assert not peer.answers()


def test_a_queued_answer_is_dropped_with_its_call() -> None:
    peer = Peer(settings={wire.INITIAL_WINDOW_SIZE: 0})
    peer.server.respond(peer.call(1), bytes(1000))
    assert peer.server.out.unsent == 1005
    peer.send(wire.rst_stream(1, ErrorCode.CANCEL))
    assert peer.server.out.unsent == 0 and not peer.server.streams


def test_deadlines_are_answered_and_their_calls_given_back() -> None:
    clock = ManualClock()
    peer = Peer(clock=clock)
    peer.open(1, grpc_timeout="2S")
    [(_, stream)] = peer.frame(wire.DATA, wire.END_STREAM, 1, prefixed(b""))
    peer.call(3, grpc_timeout="500m")
    peer.call(5)
    assert stream.deadline_at == clock.now() + 2 * SECOND
    assert peer.server.earliest_deadline == clock.now() + SECOND // 2
    assert [late.stream_id for late in peer.server.expire(clock.now() + SECOND)] == [3]
    assert peer.status(3) == (4, "Deadline Exceeded")
    assert peer.server.earliest_deadline == stream.deadline_at
    assert peer.server.expire(clock.now() + 2 * SECOND) == [stream]
    assert list(peer.server.streams) == [5]


def test_a_deadline_ends_an_answer_the_peer_does_not_take() -> None:
    peer = Peer(settings={wire.INITIAL_WINDOW_SIZE: 0})
    peer.server.respond(peer.call(1, grpc_timeout="1S"), b"x")
    peer.server.expire(peer.clock.now() + SECOND)
    assert peer.reset_code(1) is ErrorCode.CANCEL and not peer.server.streams


def test_streaming_calls_open_with_their_headers_and_get_credit_as_they_read() -> None:
    peer = Peer()
    [(name, stream)] = peer.open(1, path=STREAMING)
    assert name == "opened" and stream.messages is not None
    peer.frame(wire.DATA, 0, 1, prefixed(b"a") + prefixed(b"b")[:3])
    assert list(stream.messages) == [b"a"] and not peer.answers()
    stream.messages.clear()
    peer.server.credit(stream)
    [update] = peer.answers()
    assert (update.kind, update.stream_id, int.from_bytes(update.payload, "big")) == (
        wire.WINDOW_UPDATE,
        1,
        9,
    )
    peer.server.send(stream, b"A")
    peer.server.send(stream, b"B")
    assert data_of(peer, 1) == prefixed(b"A") + prefixed(b"B")
    peer.frame(wire.DATA, wire.END_STREAM, 1, prefixed(b"b")[3:])
    assert list(stream.messages) == [b"b"]
    peer.server.finish(stream)
    assert peer.status(1) == (0, "")


def test_a_streaming_call_that_outruns_its_credit_is_reset() -> None:
    peer = Peer(ListenerLimits(message_bytes=1000))
    peer.open(1, path=STREAMING)
    for _ in range(100):
        peer.frame(wire.DATA, 0, 1, prefixed(bytes(995)))
    assert peer.reset_code(1) is ErrorCode.FLOW_CONTROL_ERROR


def test_pings_come_back() -> None:
    peer = Peer()
    peer.frame(wire.PING, 0, 0, b"12345678")
    [pong] = peer.answers()
    assert (pong.kind, pong.flags, pong.payload) == (wire.PING, wire.ACK, b"12345678")


def test_unknown_frames_and_settings_are_ignored() -> None:
    peer = Peer()
    peer.frame(0xEE, 0xFF, 1, b"whatever")
    peer.send(wire.settings({0x99: 1}))
    assert [f.kind for f in peer.answers()] == [wire.SETTINGS]


def test_draining_takes_what_is_on_its_way_and_then_no_more() -> None:
    peer = Peer()
    stream = peer.call(1)
    peer.server.drain()
    leave, ask = peer.answers()
    assert (leave.kind, leave.payload[:4]) == (wire.GOAWAY, b"\x7f\xff\xff\xff") and ask.kind == wire.PING
    late = peer.call(3)
    peer.frame(wire.PING, wire.ACK, 0, ask.payload)
    [leave] = peer.answers()
    assert (leave.kind, leave.payload[:4]) == (wire.GOAWAY, b"\x00\x00\x00\x03")
    peer.open(5)
    assert peer.reset_code(5) is ErrorCode.REFUSED_STREAM
    peer.server.respond(stream, b"")
    peer.answers()
    assert not peer.server.finished
    peer.server.respond(late, b"")
    peer.answers()
    assert peer.server.finished


def test_a_peer_that_leaves_gets_its_answers_first() -> None:
    peer = Peer()
    stream = peer.call(1)
    peer.send(wire.goaway(0, 0))
    assert not peer.server.finished
    peer.server.respond(stream, b"")
    peer.answers()
    assert peer.server.finished


def test_http_1_is_told_what_this_port_speaks() -> None:
    peer = Peer(greet=False)
    peer.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert peer.server.closed and peer.server.take().startswith(b"HTTP/1.1 505 ")
