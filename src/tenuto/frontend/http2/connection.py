"""One HTTP/2 connection as a server sees it, without I/O: bytes in, events out; answers in, bytes out.

`Connection.receive` never raises, whatever comes: a peer that breaks the protocol gets the RST_STREAM or GOAWAY that RFC
9113 asks for. What frames mean is said in `opening`, `intake` and `control`. Must never do I/O, and never run a handler.
"""

from collections.abc import Callable
from typing import Any

from tenuto.frontend.http2 import frames
from tenuto.frontend.http2.allowance import Allowance
from tenuto.frontend.http2.control import (
    ALIVE_PING,
    DRAIN_PING,
    on_goaway,
    on_ping,
    on_priority,
    on_push_promise,
    on_rst_stream,
    on_settings,
    on_window_update,
)
from tenuto.frontend.http2.frames import ConnectionFault, ErrorCode, StreamFault
from tenuto.frontend.http2.head import Head
from tenuto.frontend.http2.hpack import Decoder, Field
from tenuto.frontend.http2.intake import RECEIVE_WINDOW, WINDOW_SLACK, on_data
from tenuto.frontend.http2.limits import DEFAULT, ListenerLimits
from tenuto.frontend.http2.opening import on_continuation, on_headers
from tenuto.frontend.http2.outbound import Outbound
from tenuto.frontend.http2.status import Code, Status, trailer_block
from tenuto.frontend.http2.stream import GONE, Event, Inbox, Route, Stream

_LINGERING = 1024
_NO_HTTP2 = (
    b"HTTP/1.1 505 HTTP Version Not Supported\r\nconnection: close\r\ncontent-type: text/plain\r\n\r\n"
    b"This port speaks gRPC (HTTP/2) only.\n"
)
_HTTP1 = (b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"DELE", b"PATC", b"CONN")
_DEADLINE = Status(Code.DEADLINE_EXCEEDED, "Deadline Exceeded")

Reader = Callable[["Connection", int, int, bytes, int, int], None]
_READERS: tuple[Reader, ...] = (
    on_data,
    on_headers,
    on_priority,
    on_rst_stream,
    on_settings,
    on_push_promise,
    on_ping,
    on_goaway,
    on_window_update,
    on_continuation,
)
"""By the frame's kind."""


class Connection:
    """``route``: path -> where its calls go, or the Status that refuses them. ``now``: ns. ``extra``: facts for handlers."""

    __slots__ = (
        "block",
        "block_bytes",
        "block_ends",
        "block_id",
        "buffered",
        "closed",
        "decoder",
        "draining",
        "earliest_deadline",
        "events",
        "extra",
        "greeted",
        "heads",
        "last_id",
        "limits",
        "lingering",
        "noise",
        "now",
        "out",
        "resets",
        "rest",
        "route",
        "settled",
        "similar",
        "streams",
        "uncredited",
    )

    def __init__(
        self,
        route: Callable[[str], Route | Status],
        limits: ListenerLimits = DEFAULT,
        now: Callable[[], int] = lambda: 0,
        extra: Callable[[str], Any] | None = None,
    ) -> None:
        self.route = route
        self.limits = limits
        self.now = now
        self.extra = extra
        self.decoder = Decoder()
        self.heads: dict[bytes, Head] = {}
        """What header blocks mean, as long as the decoder's table stays as it is."""
        self.similar: dict[tuple[Field, ...], Head] = {}
        """Heads by their fields, timeouts left out."""
        self.events: list[Event] = []
        self.rest = b""
        self.last_id = 0
        self.block: list[bytes] | None = None
        """A header block that waits for its CONTINUATION."""
        self.block_id = self.block_bytes = 0
        self.block_ends = False
        self.uncredited = 0
        self.buffered = 0
        self.lingering: dict[int, bool] = {}
        """Calls over for us, of which more may come; and whether the peer was told that nobody reads it."""
        self.noise = Allowance(limits.noise_burst, limits.noise_a_second, now)
        self.resets = Allowance(limits.reset_burst, limits.resets_a_second, now)
        self.streams: dict[int, Stream] = {}
        """Calls whose answer is not wholly sent."""
        self.out = Outbound()
        self.earliest_deadline: int | None = None
        """No call's deadline is before this."""
        self.greeted = False
        self.draining = False
        self.settled = False
        """No new calls are taken."""
        self.closed = False
        """Nothing more will be read; the transport should be closed once ``take`` gives nothing."""

    @property
    def finished(self) -> bool:
        """Whether the connection has no more use."""
        return self.closed or (self.settled and not self.streams)

    def take(self) -> bytes:
        """Bytes for the transport; empty when there are none, or none the peer takes now."""
        data = self.out.take()
        if self.out.finished:
            for stream in self.out.finished:
                self._complete(stream)
            self.out.finished.clear()
        return data

    # What comes.

    def receive(self, data: bytes) -> list[Event]:
        """What ``data`` means. Events are in order; a call may be CALLED and GONE in one list."""
        if self.closed:
            return []
        if self.rest:
            data = self.rest + data
        at = 0
        try:
            if self.greeted:
                at = self._read_frames(data, 0)
            elif self._greets(data):
                at = self._read_frames(data, len(frames.PREFACE))
            if self.out.blocked and len(self.out.parts) > self.limits.stalled_frames:
                raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many answers are not taken")
        except ConnectionFault as fault:
            self.fail(fault.code, fault.text)
        self.rest = b"" if self.closed else data[at:]
        events, self.events = self.events, []
        return events

    def _greets(self, data: bytes) -> bool:
        """Whether the preface and the head of the first frame came. Raises ConnectionFault when they cannot any more."""
        preface = frames.PREFACE
        if data[:4] in _HTTP1:
            self.out.parts.append(_NO_HTTP2)
            self.closed = True
            return False
        if data[: len(preface)] != preface[: len(data)]:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "no HTTP/2 preface")
        if len(data) < len(preface) + frames.FRAME_BYTES:
            return False
        if data[len(preface) + 3] != frames.SETTINGS or data[len(preface) + 4] & frames.ACK:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame must be SETTINGS")
        self.greeted = True
        self._introduce()
        return True

    def _introduce(self) -> None:
        limits = self.limits
        chosen = {
            frames.MAX_CONCURRENT_STREAMS: limits.streams,
            frames.INITIAL_WINDOW_SIZE: min(limits.message_bytes + WINDOW_SLACK, frames.LARGEST),
            frames.MAX_HEADER_LIST_SIZE: limits.header_list_bytes,
        }
        self.out.parts.append(frames.settings(chosen))
        self.out.parts.append(frames.window_update(0, RECEIVE_WINDOW - frames.DEFAULT_WINDOW))

    def _read_frames(self, data: bytes, at: int) -> int:
        """Reads whole frames from ``at``; returns where the first incomplete one begins."""
        end = len(data)
        unpack, readers = frames.FRAME.unpack_from, _READERS
        while end - at >= 9:
            word, flags, stream_id = unpack(data, at)
            stop = at + 9 + (word >> 8)
            if word >> 8 > frames.DEFAULT_FRAME:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "frame exceeds SETTINGS_MAX_FRAME_SIZE")
            if stop > end:
                break
            kind = word & 0xFF
            if self.block is not None and kind != frames.CONTINUATION:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "expected CONTINUATION")
            try:
                if kind <= frames.CONTINUATION:
                    readers[kind](self, flags, stream_id & frames.LARGEST, data, at + 9, stop)
                else:
                    self.annoyed()
            except StreamFault as fault:
                self.annoyed()
                self.reset(fault.stream_id, fault.code)
            at = stop
        return at

    def annoyed(self) -> None:
        """The peer made work without use. Raises ConnectionFault when that is too much."""
        if not self.noise.spend():
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many frames without use")

    def count(self, inbox: Inbox) -> None:
        """Takes account of how much of an unfinished message an inbox holds."""
        self.buffered += inbox.held - inbox.counted
        inbox.counted = inbox.held

    # What leaves.

    def respond(self, stream: Stream, message: bytes) -> None:
        """The answer of a unary call. Does nothing when nobody waits for it any more; so do the other answers."""
        if stream.open:
            stream.open = False
            if self.out.unary(stream, message):
                self._complete(stream)

    def refuse(self, stream: Stream, status: Status) -> None:
        """An error, after whatever messages the call has sent already."""
        if stream.open:
            self._close(stream, trailer_block(status, self.out.header_list_bytes))

    def send(self, stream: Stream, message: bytes) -> None:
        """One message of a streaming call."""
        if stream.open:
            self.out.message(stream, message)

    def finish(self, stream: Stream) -> None:
        """The end of a streaming call that succeeded."""
        if stream.open:
            self._close(stream, trailer_block(Status(Code.OK, "")))

    def _close(self, stream: Stream, trailers: bytes) -> None:
        stream.open = False
        if self.out.close(stream, trailers):
            self._complete(stream)

    def give_up(self, stream: Stream, status: Status) -> None:
        """Refuses a call whose request is wrong, whatever works on it."""
        self.refuse(stream, status)
        self.events.append((GONE, stream))

    def answer_at_once(self, stream_id: int, block: bytes, ends: bool) -> None:
        """Refuses a call before it began; to the peer's allowance it is noise. ``ends``: no more comes of it."""
        self.annoyed()
        self.out.headers(stream_id, block, end=True)
        if not ends:
            self._linger(stream_id, told=False)

    def credit(self, stream: Stream) -> None:
        """A streaming call's handler took what there was: the peer may send more."""
        if stream.unread and stream.open and not stream.ended:
            self.out.parts.append(frames.window_update(stream.stream_id, stream.unread))
        stream.unread = 0

    def _complete(self, stream: Stream) -> None:
        self._forget(stream)
        self.noise.earn(3)
        self.resets.earn(1)
        if not stream.ended:
            self._linger(stream.stream_id, told=False)

    def _linger(self, stream_id: int, told: bool) -> None:
        self.lingering[stream_id] = told
        if len(self.lingering) > _LINGERING:
            del self.lingering[next(iter(self.lingering))]

    def _forget(self, stream: Stream) -> None:
        self.streams.pop(stream.stream_id, None)
        inbox, stream.inbox = stream.inbox, None
        if inbox is not None:
            self.buffered -= inbox.counted

    def gone(self, stream_id: int) -> None:
        """The peer, or its misbehaviour, ended a call."""
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.open = False
            self.out.drop(stream)
            self._forget(stream)
            self.events.append((GONE, stream))

    def reset(self, stream_id: int, code: int) -> None:
        """Ends a call without an answer."""
        self.gone(stream_id)
        self.out.parts.append(frames.rst_stream(stream_id, code))
        self._linger(stream_id, told=True)

    def expire(self, now: int) -> list[Stream]:
        """Answers the calls whose deadline is past; returns them, for whatever works on them to be cancelled."""
        late: list[Stream] = []
        earliest: int | None = None
        for stream in self.streams.values():
            deadline = stream.deadline_at
            if deadline is None:
                continue
            if deadline <= now:
                late.append(stream)
            elif earliest is None or deadline < earliest:
                earliest = deadline
        self.earliest_deadline = earliest
        for stream in late:
            if stream.outbox:
                # What is queued would come too late, and half a message cannot be followed by a status.
                self.reset(stream.stream_id, ErrorCode.CANCEL)
            else:
                self.refuse(stream, _DEADLINE)
        return late

    def ask_alive(self) -> None:
        """Asks the peer for a sign of life."""
        self.out.parts.append(frames.frame(frames.PING, 0, 0, ALIVE_PING))

    def drain(self) -> None:
        """Asks the peer to take new calls elsewhere. Those on their way are still taken, until it answers or `settle`."""
        if not (self.draining or self.settled or self.closed):
            self.draining = True
            self.out.parts.append(
                frames.goaway(frames.LARGEST, ErrorCode.NO_ERROR)
                + frames.frame(frames.PING, 0, 0, DRAIN_PING)
            )

    def settle(self) -> None:
        """Takes no more calls."""
        if not (self.settled or self.closed):
            self.settled = True
            self.out.parts.append(frames.goaway(self.last_id, ErrorCode.NO_ERROR))

    def fail(self, code: int, text: str) -> None:
        """Ends the connection and every call of it."""
        self.closed = True
        self.out.parts.append(frames.goaway(self.last_id, code, text))
        for stream_id in list(self.streams):
            self.gone(stream_id)
