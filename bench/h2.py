"""The least HTTP/2 that carries unary gRPC calls, because a library's own cost would hide the server's.

Headers are sent as plain literals; answers' headers are never decoded: a call that brought a message succeeded. It offers no
TLS, no streaming and no status codes, and must never be used for anything but load.
"""

import asyncio
import struct
import sys
from collections import deque
from typing import cast

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK, _PADDED = 1, 4, 1, 8
_WIDE = 0x7FFFFFFF
_CHUNK = 16_384


class CallFailed(Exception):
    """The server refused the call, or the connection ended; the text is what little is known."""


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A header field, literal and never indexed; both parts below 127 bytes."""
    return b"\x10" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


def _headers(path: str, authority: str) -> bytes:
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": authority,
        "te": "trailers",
        "content-type": "application/grpc",
        "grpc-timeout": "70S",
        "user-agent": "grpc-bench/1",
    }
    return b"".join(_literal(name, value) for name, value in fields.items())


class Connection(asyncio.Protocol):
    """One connection; calls share it. Make one with `connect`."""

    def __init__(self, authority: str) -> None:
        self._authority = authority
        self._blocks: dict[str, bytes] = {}
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._next = 1
        self._calls: dict[int, asyncio.Future[bytes]] = {}
        self._answers: dict[int, bytearray] = {}
        self._window = 65_535
        self._initial = 65_535
        self._stream_windows: dict[int, int] = {}
        self._waiting: deque[tuple[int, bytes, int]] = deque()
        self._received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = writing = cast(asyncio.Transport, transport)  # uvloop's own kind
        # No dynamic header table, no push, windows as wide as they go.
        settings = struct.pack(">HIHIHI", 1, 0, 2, 0, 4, _WIDE)
        widen = struct.pack(">I", _WIDE - 65_535)
        writing.write(_PREFACE + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW, 0, 0, widen))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for call in self._calls.values():
            if not call.done():
                call.set_exception(CallFailed(f"connection lost: {exc}"))
        self._calls.clear()

    def close(self) -> None:
        """Ends the connection; calls in flight fail."""
        if self._transport is not None:
            self._transport.close()

    async def call(self, path: str, message: bytes) -> bytes:
        """One unary call; returns the answer's message. Raises CallFailed."""
        if self._transport is None:
            raise CallFailed("not connected")
        block = self._blocks.get(path)
        if block is None:
            block = self._blocks[path] = _headers(path, self._authority)
        stream, self._next = self._next, self._next + 2
        answer = self._calls[stream] = asyncio.get_running_loop().create_future()
        body = b"\0" + struct.pack(">I", len(message)) + message
        opening = _frame(_HEADERS, _END_HEADERS, stream, block)
        if len(body) <= min(_CHUNK, self._window, self._initial) and not self._waiting:
            self._window -= len(body)
            self._transport.write(opening + _frame(_DATA, _END_STREAM, stream, body))
        else:
            self._stream_windows[stream] = self._initial
            self._transport.write(opening)
            self._waiting.append((stream, body, 0))
            self._send_waiting()
        try:
            return bytes(await answer)
        finally:
            if self._calls.pop(stream, None) is not None and self._transport is not None:
                self._transport.write(_frame(_RESET, 0, stream, struct.pack(">I", 8)))
            self._answers.pop(stream, None)
            self._stream_windows.pop(stream, None)

    def _send_waiting(self) -> None:
        """Sends what the windows allow. A body that waits for its stream's window does not hold up the others."""
        assert self._transport is not None
        for _ in range(len(self._waiting)):
            stream, body, sent = self._waiting.popleft()
            while sent < len(body):
                allowed = min(_CHUNK, self._window, self._stream_windows.get(stream, 0), len(body) - sent)
                if allowed <= 0:
                    break
                last = sent + allowed == len(body)
                self._transport.write(_frame(_DATA, _END_STREAM * last, stream, body[sent : sent + allowed]))
                sent += allowed
                self._window -= allowed
                self._stream_windows[stream] -= allowed
            if sent < len(body) and stream in self._calls:
                self._waiting.append((stream, body, sent))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        start, end = 0, len(buffer)
        while end - start >= 9:
            length = buffer[start] << 16 | buffer[start + 1] << 8 | buffer[start + 2]
            if end - start < 9 + length:
                break
            stream = int.from_bytes(buffer[start + 5 : start + 9]) & _WIDE
            payload = bytes(buffer[start + 9 : start + 9 + length])
            self._accept(buffer[start + 3], buffer[start + 4], stream, payload)
            start += 9 + length
        del buffer[:start]

    def _accept(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _DATA:
            self._received += len(payload)
            if flags & _PADDED:
                payload = payload[1 : len(payload) - payload[0]]
            if stream in self._calls:
                self._answers.setdefault(stream, bytearray()).extend(payload)
        if kind in (_DATA, _HEADERS):
            if flags & _END_STREAM:
                self._finish(stream, payload)
        elif kind == _RESET:
            self._finish(stream, b"reset " + payload)
        else:
            self._control(kind, flags, stream, payload)

    def _finish(self, stream: int, ending: bytes) -> None:
        call = self._calls.pop(stream, None)
        answer = self._answers.pop(stream, None)
        if call is None or call.done():
            return
        if answer is None or len(answer) < 5:
            call.set_exception(CallFailed(f"refused: {ending!r}"))
        else:
            call.set_result(bytes(memoryview(answer)[5:]))

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        assert self._transport is not None
        if kind == _SETTINGS and not flags & _ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == 4:
                    for open_stream in self._stream_windows:
                        self._stream_windows[open_stream] += value - self._initial
                    self._initial = value
            self._transport.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._transport.write(_frame(_PING, _ACK, 0, payload))
        elif kind == _WINDOW:
            step = int.from_bytes(payload)
            if stream == 0:
                self._window += step
            elif stream in self._stream_windows:
                self._stream_windows[stream] += step
        elif kind == _GOAWAY:
            sys.stderr.write(f"server says goodbye: {payload!r}\n")
            self._transport.close()
        if self._received > 1 << 29:
            self._transport.write(_frame(_WINDOW, 0, 0, struct.pack(">I", self._received)))
            self._received = 0
        if self._waiting:
            self._send_waiting()


async def connect(address: str) -> Connection:
    """A new connection to `host:port`."""
    host, _, port = address.rpartition(":")
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(address), host, int(port)
    )
    return connection
