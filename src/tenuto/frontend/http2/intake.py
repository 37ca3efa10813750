"""DATA: frames into messages, messages to their calls, credit back to the peer.

Functions on a `Connection`. Credit for the connection is given on receipt, so that one slow call never starves the others;
what a peer can make us hold is bounded by `ListenerLimits.buffered_bytes` instead.
"""

from collections import deque
from typing import TYPE_CHECKING

from tenuto.frontend.http2 import frames
from tenuto.frontend.http2.frames import ConnectionFault, ErrorCode, StreamFault
from tenuto.frontend.http2.status import Code, Status
from tenuto.frontend.http2.stream import CALLED, PREFIX, PREFIX_BYTES, Inbox, Stream, too_large

if TYPE_CHECKING:
    from tenuto.frontend.http2.connection import Connection

RECEIVE_WINDOW = 16 * 1024 * 1024
_CREDIT_AT = RECEIVE_WINDOW // 2
WINDOW_SLACK = 64 * 1024
"""How much more than its largest message a call may send before it gets more credit: a unary call never needs any."""


def on_data(to: "Connection", flags: int, stream_id: int, data: bytes, at: int, stop: int) -> None:
    size = stop - at
    to.uncredited += size
    if to.uncredited >= _CREDIT_AT:
        to.out.parts.append(frames.window_update(0, to.uncredited))
        to.uncredited = 0
    stream = to.streams.get(stream_id)
    if stream is None or stream.ended:
        _stray(to, flags, stream_id)
        return
    if flags & frames.PADDED:
        at, stop = frames.strip(flags, data, at, stop, prioritized=False)
    if (
        flags & frames.END_STREAM
        and stream.inbox is None
        and stream.messages is None
        and stream.head.length < 0
    ):
        length = stop - at - PREFIX_BYTES
        if 0 <= length <= to.limits.message_bytes and PREFIX.unpack_from(data, at) == (0, length):
            # The usual call: one message in one frame, and no more.
            stream.ended = True
            stream.message = data[at + PREFIX_BYTES : stop]
            to.events.append((CALLED, stream))
            return
    if at == stop and not flags & frames.END_STREAM:
        to.annoyed()
    if stream.open:
        _feed(to, stream, data[at:stop], size)
    if flags & frames.END_STREAM:
        ended(to, stream)


def _stray(to: "Connection", flags: int, stream_id: int) -> None:
    if stream_id > to.last_id or not stream_id & 1:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "DATA on an idle stream")
    if stream_id not in to.lingering:
        raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED)
    if flags & frames.END_STREAM:
        del to.lingering[stream_id]
    elif not to.lingering[stream_id]:
        # Only now: a client that had ended by itself might take a reset for a failure, whatever its code.
        to.lingering[stream_id] = True
        to.out.parts.append(frames.rst_stream(stream_id, ErrorCode.NO_ERROR))


def _feed(to: "Connection", stream: Stream, chunk: bytes, size: int) -> None:
    stream.received += len(chunk)
    inbox = stream.inbox
    if inbox is None:
        inbox = stream.inbox = Inbox(to.limits.message_bytes, stream.head.gzip)
    try:
        messages = inbox.feed(chunk)
        to.count(inbox)
        if to.buffered > to.limits.buffered_bytes:
            raise too_large(to.buffered, to.limits.buffered_bytes)
        if stream.messages is None and messages:
            if stream.message is not None or len(messages) > 1:
                raise Status(Code.INTERNAL, "a unary call has one message, not more")
            stream.message = messages[0]
    except Status as status:
        to.give_up(stream, status)
        return
    if stream.messages is not None:
        _deliver(to, stream, stream.messages, messages, size)


def _deliver(to: "Connection", stream: Stream, waiting: deque[bytes], fresh: list[bytes], size: int) -> None:
    stream.unread += size
    if stream.unread > to.limits.message_bytes + WINDOW_SLACK:
        raise StreamFault(stream.stream_id, ErrorCode.FLOW_CONTROL_ERROR)
    waiting.extend(fresh)
    if not waiting:
        to.credit(stream)
    elif fresh and stream.wake is not None:
        stream.wake()


def ended(to: "Connection", stream: Stream) -> None:
    """The peer has said all. Raises StreamFault when that is not what it announced."""
    stream.ended = True
    if not stream.open:
        return
    if stream.head.length >= 0 and stream.head.length != stream.received:
        raise StreamFault(stream.stream_id, ErrorCode.PROTOCOL_ERROR)
    partial = stream.inbox is not None and stream.inbox.held
    if partial or (stream.messages is None and stream.message is None):
        to.give_up(stream, Status(Code.INTERNAL, "the request ended before its message did"))
    elif stream.messages is None:
        to.events.append((CALLED, stream))
    elif stream.wake is not None:
        stream.wake()
