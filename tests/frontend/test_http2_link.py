"""What time does to a connection: handshakes, signs of life, idleness, age, and farewells that are not heard."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tenuto.clock import ManualClock
from tenuto.frontend.http2 import ListenerLimits, Stream
from tenuto.frontend.http2 import frames as wire
from tenuto.frontend.http2.link import Link
from tenuto.frontend.http2.stream import Route
from tenuto.limits import SECOND
from tests.frontend.http2_peer import Frame, prefixed, request_block, split


class Line(asyncio.Transport):
    """The far end of a connection: keeps what was written, and says what became of it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.fate = "open"

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.fate = "closed"

    def abort(self) -> None:
        self.fate = "aborted"

    def frames(self) -> list[Frame]:
        said, self.written = self.written, b""
        return split(said)


class Ends:
    """A link on a line, with a handler that waits until it is told to answer."""

    def __init__(self, greet: bool = True, **limits: Any) -> None:
        self.line = Line()
        self.go = asyncio.Event()
        self.cancelled: list[asyncio.Task[None]] = []
        self.lost = 0
        self.born = asyncio.get_running_loop().time()
        clock = ManualClock()
        route = Route(self._answer, streaming=False)
        chosen = ListenerLimits(**{"keepalive_ns": 0, **limits})
        self.link = Link(lambda path: route, chosen, clock.now, lambda link: None, self._left, self._cancel)
        self.link.connection_made(self.line)
        if greet:
            self.link.data_received(wire.PREFACE + wire.settings({}))
            self.line.frames()

    async def _answer(self, path: str, message: bytes, stream: Stream) -> bytes:
        await self.go.wait()
        return message

    def _left(self, link: Link) -> None:
        self.lost += 1

    def _cancel(self, task: "asyncio.Task[None]") -> None:
        task.cancel()
        self.cancelled.append(task)

    def call(self) -> None:
        call = wire.frame(wire.HEADERS, wire.END_HEADERS, 1, request_block())
        self.link.data_received(call + wire.frame(wire.DATA, wire.END_STREAM, 1, prefixed(b"x")))

    def at(self, seconds: float) -> list[int]:
        """Lets the link look at the time; the kinds of the frames it says."""
        self.link.tick(self.born + seconds)
        return [frame.kind for frame in self.line.frames()]


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(body())


def test_a_client_that_never_greets_is_cut() -> None:
    async def body() -> None:
        ends = Ends(greet=False)
        ends.link.data_received(wire.PREFACE[:10])
        ends.at(9)
        assert ends.line.fate == "open"
        ends.at(11)
        assert ends.line.fate == "aborted"

    run(body)


def test_a_silent_client_is_asked_and_then_cut() -> None:
    async def body() -> None:
        ends = Ends(keepalive_ns=60 * SECOND, keepalive_patience_ns=20 * SECOND)
        assert ends.at(1) == [] and ends.at(60) == [] and ends.at(62) == [wire.PING]
        ends.link.data_received(wire.frame(wire.PING, wire.ACK, 0, b"alive?.."))
        assert ends.at(63) == [] and ends.at(120) == [] and ends.at(124) == [wire.PING]
        assert ends.at(142) == [] and ends.line.fate == "open"
        ends.at(144)
        assert ends.line.fate == "aborted"

    run(body)


def test_an_idle_connection_is_asked_to_leave_and_a_busy_one_is_not() -> None:
    async def body() -> None:
        ends = Ends(idle_ns=10 * SECOND)
        ends.call()
        assert ends.at(15) == []
        ends.go.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert ends.line.frames()[-1].kind == wire.HEADERS
        assert ends.at(20) == [] and ends.at(26) == [wire.GOAWAY, wire.PING]
        ends.link.data_received(wire.frame(wire.PING, wire.ACK, 0, b"leaving?"))
        assert [frame.kind for frame in ends.line.frames()] == [wire.GOAWAY]
        assert ends.line.fate == "closed"
        ends.at(30)
        ends.at(40)
        assert ends.line.fate == "aborted", "it does not wait for ever to be heard"

    run(body)


def test_an_old_connection_is_asked_to_leave_and_cut_after_its_grace() -> None:
    async def body() -> None:
        ends = Ends(age_ns=100 * SECOND, age_grace_ns=50 * SECOND)
        ends.call()
        await asyncio.sleep(0)
        assert ends.at(99) == [] and ends.at(101) == [wire.GOAWAY, wire.PING]
        assert ends.at(102) == [] and ends.at(105) == [wire.GOAWAY], "it does not wait for ever for the ping"
        assert ends.line.fate == "open" and not ends.cancelled
        assert ends.at(151) == [wire.GOAWAY]
        assert ends.line.fate == "closed" and len(ends.cancelled) == 1

    run(body)


def test_a_lost_connection_cancels_its_calls() -> None:
    async def body() -> None:
        ends = Ends()
        ends.call()
        await asyncio.sleep(0)
        ends.link.connection_lost(None)
        [task] = ends.cancelled
        await asyncio.wait([task])
        assert task.cancelled() and ends.lost == 1 and not ends.link.tasks()
        ends.at(1)

    run(body)


def test_a_paused_transport_gets_no_answers_until_it_resumes() -> None:
    async def body() -> None:
        ends = Ends()
        ends.link.pause_writing()
        ends.go.set()
        ends.call()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not [frame for frame in ends.line.frames() if frame.kind == wire.DATA]
        ends.link.resume_writing()
        assert [frame.kind for frame in ends.line.frames()] == [wire.DATA, wire.HEADERS]

    run(body)
