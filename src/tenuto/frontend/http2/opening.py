"""Header blocks: frames into blocks, blocks into heads, heads into calls or immediate refusals.

Functions on a `Connection`. Must never touch a message.
"""

from collections import deque
from typing import TYPE_CHECKING

from tenuto.frontend.http2 import frames
from tenuto.frontend.http2.frames import ConnectionFault, ErrorCode, StreamFault
from tenuto.frontend.http2.head import Head, Malformed, check_trailers, recall
from tenuto.frontend.http2.intake import ended
from tenuto.frontend.http2.status import Code, Status, refusal_block
from tenuto.frontend.http2.stream import OPENED, Stream

if TYPE_CHECKING:
    from tenuto.frontend.http2.connection import Connection

_HEADS_KEPT = 64
_HEAD_BYTES_KEPT = 1024
_SHORT_LIST = 24


def on_headers(to: "Connection", flags: int, stream_id: int, data: bytes, at: int, stop: int) -> None:
    if not stream_id & 1:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "HEADERS on a stream no client may open")
    if flags & (frames.PADDED | frames.PRIORITIZED):
        at, stop = frames.strip(flags, data, at, stop, prioritized=True)
    if flags & frames.END_HEADERS:
        _on_block(to, stream_id, bool(flags & frames.END_STREAM), data[at:stop])
    else:
        to.block, to.block_id, to.block_bytes = [data[at:stop]], stream_id, stop - at
        to.block_ends = bool(flags & frames.END_STREAM)


def on_continuation(to: "Connection", flags: int, stream_id: int, data: bytes, at: int, stop: int) -> None:
    if to.block is None or stream_id != to.block_id:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "unexpected CONTINUATION")
    to.annoyed()
    to.block.append(data[at:stop])
    to.block_bytes += stop - at
    if to.block_bytes > to.limits.header_block_bytes:
        raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "header block is too large")
    if flags & frames.END_HEADERS:
        block, to.block = b"".join(to.block), None
        _on_block(to, stream_id, to.block_ends, block)


def _on_block(to: "Connection", stream_id: int, ends: bool, block: bytes) -> None:
    if stream_id > to.last_id:
        to.last_id = stream_id
        head = to.heads.get(block) or _read_head(to, stream_id, block)
        _begin(to, stream_id, head, ends)
        return
    to.heads.clear()
    fields = to.decoder.decode(block)
    stream = to.streams.get(stream_id)
    if stream is None or stream.ended:
        if stream is None and stream_id in to.lingering:
            to.annoyed()
            if ends:
                del to.lingering[stream_id]
            return
        raise ConnectionFault(ErrorCode.STREAM_CLOSED, "HEADERS on a closed stream")
    try:
        check_trailers(fields)
    except Malformed:
        ends = False
    if not ends:
        raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR)
    ended(to, stream)


def _read_head(to: "Connection", stream_id: int, block: bytes) -> Head | None:
    """None for a list that is too long. Remembers the head while nothing changes what its bytes mean."""
    version = to.decoder.version
    fields = to.decoder.decode(block)
    changed = version != to.decoder.version
    if changed and to.heads:
        to.heads.clear()
    # Fields are shared with the table, so even a long list costs references only until it is copied.
    if len(fields) > _SHORT_LIST or len(block) > _HEAD_BYTES_KEPT:
        if sum(len(name) + len(value) + 32 for name, value in fields) > to.limits.header_list_bytes:
            return None
    try:
        head = recall(fields, to.similar)
    except Malformed:
        raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR) from None
    if not changed and len(block) <= _HEAD_BYTES_KEPT:
        if len(to.heads) >= _HEADS_KEPT:
            to.heads.clear()
        to.heads[block] = head
    return head


def _begin(to: "Connection", stream_id: int, head: Head | None, ends: bool) -> None:
    limits = to.limits
    if to.settled or len(to.streams) >= limits.streams or to.out.unsent > limits.unsent_bytes:
        raise StreamFault(stream_id, ErrorCode.REFUSED_STREAM)
    if head is None:
        text = f"grpc: received header list larger than max {limits.header_list_bytes}"
        to.answer_at_once(stream_id, refusal_block(Status(Code.RESOURCE_EXHAUSTED, text)), ends)
        return
    if head.answer is not None:
        to.answer_at_once(stream_id, head.answer, ends)
        return
    route = to.route(head.path)
    if isinstance(route, Status):
        to.answer_at_once(stream_id, refusal_block(route), ends)
        return
    stream = Stream(stream_id, head, route, to.out.initial, to.extra)
    to.streams[stream_id] = stream
    if head.timeout_ns is not None:
        deadline = stream.deadline_at = to.now() + head.timeout_ns
        if to.earliest_deadline is None or deadline < to.earliest_deadline:
            to.earliest_deadline = deadline
    if route.streaming:
        stream.messages = deque()
        to.events.append((OPENED, stream))
    if ends:
        ended(to, stream)
