"""Frames about the connection itself: RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, PRIORITY.

Functions on a `Connection`. Must never answer a call.
"""

from typing import TYPE_CHECKING

from tenuto.frontend.http2 import frames
from tenuto.frontend.http2.frames import ConnectionFault, ErrorCode, StreamFault

if TYPE_CHECKING:
    from tenuto.frontend.http2.connection import Connection

DRAIN_PING = b"leaving?"
ALIVE_PING = b"alive?.."


def on_priority(to: "Connection", flags: int, stream_id: int, data: bytes, at: int, stop: int) -> None:
    if not stream_id:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY on stream 0")
    to.annoyed()
    if stop - at != 5 and stream_id <= to.last_id:
        raise StreamFault(stream_id, ErrorCode.FRAME_SIZE_ERROR)
    if stop - at != 5:
        # An idle stream cannot be reset.
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY is five bytes")


def on_rst_stream(to: "Connection", flags: int, stream_id: int, data: bytes, at: int, stop: int) -> None:
    if stop - at != 4:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM is four bytes")
    if stream_id > to.last_id or not stream_id & 1:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "RST_STREAM on an idle stream")
    if not to.resets.spend():
        raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many resets")
    to.lingering.pop(stream_id, None)
    to.gone(stream_id)


def on_settings(to: "Connection", flags: int, stream_id: int, data: bytes, at: int, stop: int) -> None:
    if stream_id:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream")
    if flags & frames.ACK:
        if stop != at:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS acknowledgement with a payload")
        return
    to.annoyed()
    for key, value in frames.read_settings(data[at:stop]):
        _set(to, key, value)
    to.out.parts.append(frames.frame(frames.SETTINGS, frames.ACK, 0))


def _set(to: "Connection", key: int, value: int) -> None:
    out = to.out
    if key == frames.INITIAL_WINDOW_SIZE:
        if value > frames.LARGEST:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE is too large")
        change, out.initial = value - out.initial, value
        if change:
            _shift_windows(to, change)
    elif key == frames.MAX_FRAME_SIZE:
        if not frames.DEFAULT_FRAME <= value <= frames.LARGEST_FRAME:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE out of range")
        out.frame_bytes = value
    elif key == frames.ENABLE_PUSH:
        if value > 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS_ENABLE_PUSH is 0 or 1")
    elif key == frames.HEADER_TABLE_SIZE:
        out.table_changed()
    elif key == frames.MAX_HEADER_LIST_SIZE:
        out.header_list_bytes = value


def _shift_windows(to: "Connection", change: int) -> None:
    for stream in to.streams.values():
        try:
            to.out.grow_stream(stream, change)
        except StreamFault:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window is too large") from None


def on_push_promise(to: "Connection", flags: int, stream_id: int, data: bytes, at: int, stop: int) -> None:
    raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "clients do not push")


def on_ping(to: "Connection", flags: int, stream_id: int, data: bytes, at: int, stop: int) -> None:
    if stream_id:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PING on a stream")
    if stop - at != 8:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "PING is eight bytes")
    to.annoyed()
    if not flags & frames.ACK:
        to.out.parts.append(frames.frame(frames.PING, frames.ACK, 0, data[at:stop]))
    elif to.draining and data[at:stop] == DRAIN_PING:
        to.settle()


def on_goaway(to: "Connection", flags: int, stream_id: int, data: bytes, at: int, stop: int) -> None:
    if stream_id:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream")
    if stop - at < 8:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY is eight bytes or more")
    to.annoyed()
    # The peer may yet wait for answers; once there are none to give, both sides are done.
    to.settled = True


def on_window_update(to: "Connection", flags: int, stream_id: int, data: bytes, at: int, stop: int) -> None:
    if stop - at != 4:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE is four bytes")
    increment = frames.WORD.unpack_from(data, at)[0] & frames.LARGEST
    if not stream_id:
        if not increment:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
        to.out.grow(increment)
        return
    stream = to.streams.get(stream_id)
    if stream is None:
        to.annoyed()
        if stream_id > to.last_id or not stream_id & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream")
    elif not increment:
        raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR)
    else:
        to.out.grow_stream(stream, increment)
