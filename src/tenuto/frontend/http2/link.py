"""One asyncio connection: reads into a `Connection`, runs handlers as tasks, writes once per turn of the event loop.

Must never know what a handler does; and whatever a handler raises, the caller gets an answer.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, cast

from tenuto.frontend.http2.connection import Connection
from tenuto.frontend.http2.frames import ErrorCode
from tenuto.frontend.http2.limits import ListenerLimits
from tenuto.frontend.http2.status import Code, Status
from tenuto.frontend.http2.stream import CALLED, OPENED, Route, Stream
from tenuto.limits import SECOND

Handler = Callable[[str, bytes, Stream], Awaitable[bytes]]
"""Path, request message, call -> response message. Raises Status to refuse. Cancelled when nobody waits any more."""
StreamHandler = Callable[[str, AsyncIterator[bytes], Stream], AsyncGenerator[bytes, None]]
"""Path, request messages as they come, call -> response messages. Raises Status to refuse."""

_LOG = logging.getLogger("tenuto.frontend")
_BROKEN = Status(Code.INTERNAL, "internal error")
_STOPPED = Status(Code.UNAVAILABLE, "the server is shutting down")
_SHORTEST_TIMER = 0.002
"""Seconds. Deadlines that fall close together are swept together."""
_LONGEST_TIMER = 3600.0
_FAREWELL = 5.0
"""Seconds a peer gets to take the last bytes of a connection that ends."""
_SETTLE = 2.0
"""Seconds a peer gets to react when it is asked to leave."""


class Requests:
    """The request messages of a streaming call, as its handler iterates them."""

    __slots__ = ("_changed", "_link", "_stream")

    def __init__(self, link: "Link", stream: Stream, changed: asyncio.Event) -> None:
        self._link = link
        self._stream = stream
        self._changed = changed

    def __aiter__(self) -> "Requests":
        return self

    async def __anext__(self) -> bytes:
        stream = self._stream
        messages = stream.messages
        assert messages is not None
        while not messages:
            if stream.ended or not stream.open:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        message = messages.popleft()
        if not messages:
            self._link.core.credit(stream)
            self._link.flush_soon()
        return message


class Link(asyncio.Protocol):
    """``met`` and ``left`` are called once each, with the link, when its connection is made and when it is gone.

    ``cancel`` ends a handler nobody waits for, and keeps hold of it until it has ended.
    """

    __slots__ = (
        "_armed_at",
        "_born",
        "_busy_at",
        "_cancel",
        "_closing_at",
        "_draining_at",
        "_flushing",
        "_heard",
        "_left",
        "_limits",
        "_loop",
        "_met",
        "_now",
        "_pinged",
        "_quiet_at",
        "_timer",
        "_transport",
        "core",
    )

    def __init__(
        self,
        route: Callable[[str], Route | Status],
        limits: ListenerLimits,
        now: Callable[[], int],
        met: Callable[["Link"], None],
        left: Callable[["Link"], None],
        cancel: Callable[["asyncio.Task[None]"], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._now = now
        self._met = met
        self._left = left
        self._cancel = cancel
        self._transport: asyncio.Transport | None = None
        self._flushing = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at: int | None = None
        self._heard = self._pinged = False
        self._born = self._busy_at = self._quiet_at = self._loop.time()
        self._closing_at: float | None = None
        self._draining_at: float | None = None
        self.core = Connection(route, limits, now, self._extra)

    def _extra(self, fact: str) -> Any:
        return self._transport.get_extra_info(fact) if self._transport is not None else None

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._met(self)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        core = self.core
        for kind, stream in core.receive(data):
            if kind == CALLED:
                if stream.open:
                    stream.task = self._loop.create_task(self._call(stream))
            elif kind == OPENED:
                if stream.open:
                    stream.task = self._loop.create_task(self._converse(stream))
            elif stream.task is not None:
                self._cancel(stream.task)
        if core.out.parts or core.out.waiting or core.closed:
            self._flush()
        earliest = core.earliest_deadline
        if earliest is not None and (self._armed_at is None or earliest < self._armed_at):
            self._arm(earliest)

    def eof_received(self) -> None:
        """A peer that stops sending is gone: gRPC has no use for half a connection."""

    def pause_writing(self) -> None:
        self.core.out.blocked = True

    def resume_writing(self) -> None:
        self.core.out.blocked = False
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        core = self.core
        core.closed = True
        for stream in list(core.streams.values()):
            core.gone(stream.stream_id)
            if stream.task is not None:
                self._cancel(stream.task)
        core.events.clear()
        core.extra = None
        self._transport = None
        self._left(self)

    # Writing.

    def flush_soon(self) -> None:
        """Write at the end of this turn of the loop, together with what else comes up in it."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        transport = self._transport
        if transport is None:
            return
        core = self.core
        while data := core.take():
            transport.write(data)
        if core.finished and self._closing_at is None:
            self._closing_at = self._loop.time()
            transport.close()

    # Calls.

    async def _call(self, stream: Stream) -> None:
        core = self.core
        message, stream.message = stream.message, None
        try:
            answer = await stream.route.handler(stream.head.path, message, stream)
        except Status as status:
            core.refuse(stream, status)
        except asyncio.CancelledError:
            core.refuse(stream, _STOPPED)
            raise
        except Exception:  # noqa: BLE001 - the caller gets an answer whatever happens
            _LOG.exception("the handler of %s failed", stream.path)
            core.refuse(stream, _BROKEN)
        else:
            core.respond(stream, answer)
        finally:
            stream.task = None
            if not self._flushing:
                self._flushing = True
                self._loop.call_soon(self._flush)

    async def _converse(self, stream: Stream) -> None:
        core = self.core
        changed = asyncio.Event()
        stream.wake = changed.set
        try:
            answers = stream.route.handler(stream.head.path, Requests(self, stream, changed), stream)
            async with contextlib.aclosing(answers):
                async for answer in answers:
                    core.send(stream, answer)
                    self.flush_soon()
                    while stream.outbox and stream.open:
                        changed.clear()
                        await changed.wait()
        except Status as status:
            core.refuse(stream, status)
        except asyncio.CancelledError:
            core.refuse(stream, _STOPPED)
            raise
        except Exception:  # noqa: BLE001 - the caller gets an answer whatever happens
            _LOG.exception("the handler of %s failed", stream.path)
            core.refuse(stream, _BROKEN)
        else:
            core.finish(stream)
        finally:
            stream.task = stream.wake = None
            self.flush_soon()

    # Time.

    def _arm(self, at: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_at = at
        delay = min(max((at - self._now()) / SECOND, _SHORTEST_TIMER), _LONGEST_TIMER)
        self._timer = self._loop.call_later(delay, self._ring)

    def _ring(self) -> None:
        self._timer = self._armed_at = None
        for stream in self.core.expire(self._now()):
            if stream.task is not None:
                self._cancel(stream.task)
        self.core.events.clear()
        self._flush()
        earliest = self.core.earliest_deadline
        if earliest is not None and self._transport is not None:
            self._arm(earliest)

    def tick(self, at: float) -> None:
        """Called about once a second, with the loop's time: signs of life, idleness, age."""
        limits, core, transport = self._limits, self.core, self._transport
        if transport is None:
            return
        if self._closing_at is not None:
            if at - self._closing_at > _FAREWELL:
                transport.abort()
        elif not core.greeted:
            if limits.handshake_ns and (at - self._born) * SECOND > limits.handshake_ns:
                transport.abort()
        elif not self._lives(at):
            transport.abort()
        else:
            self._grow_old(at)
            self._flush()

    def _lives(self, at: float) -> bool:
        if self._heard:
            self._heard = self._pinged = False
            self._quiet_at = at
            return True
        limits = self._limits
        if not limits.keepalive_ns:
            return True
        quiet_ns = (at - self._quiet_at) * SECOND
        if not self._pinged:
            if quiet_ns > limits.keepalive_ns:
                self._pinged = True
                self.core.ask_alive()
            return True
        return quiet_ns <= limits.keepalive_ns + limits.keepalive_patience_ns

    def _grow_old(self, at: float) -> None:
        limits, core = self._limits, self.core
        if core.streams:
            self._busy_at = at
        age_ns = (at - self._born) * SECOND
        if limits.age_ns and age_ns > limits.age_ns + limits.age_grace_ns:
            self.end()
        elif (limits.age_ns and age_ns > limits.age_ns) or (
            limits.idle_ns and (at - self._busy_at) * SECOND > limits.idle_ns
        ):
            core.drain()
        if core.draining and not core.settled:
            if self._draining_at is None:
                self._draining_at = at
            elif at - self._draining_at > _SETTLE:
                core.settle()

    # The end.

    def drain(self) -> None:
        """Ask the peer to leave, and close once its calls are answered."""
        if not self.core.greeted:
            self.core.closed = True
        self.core.drain()
        self._flush()

    def end(self) -> None:
        """Say goodbye, answering nothing more."""
        tasks = self.tasks()
        self.core.fail(ErrorCode.NO_ERROR, "the server is going away")
        self.core.events.clear()
        for task in tasks:
            self._cancel(task)
        self._flush()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def tasks(self) -> list["asyncio.Task[None]"]:
        """What works on this connection's calls."""
        return [stream.task for stream in self.core.streams.values() if stream.task is not None]
