"""Real clients against a real listener: grpcio in both its forms, with and without TLS."""

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from tenuto.frontend.http2 import ListenerLimits, Status, Stream
from tenuto.limits import MIB, SECOND
from tests.frontend.http2_peer import STREAMING, UNARY, serving

LARGE = [("grpc.max_receive_message_length", 64 * MIB), ("grpc.max_send_message_length", 64 * MIB)]


def run(main: Coroutine[Any, Any, None], loop: str) -> None:
    """Runs a test's body on either event loop."""
    factory: Any = None
    if loop == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(main, 60))


pytestmark = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


def dial(port: int, **options: Any) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(
        f"127.0.0.1:{port}", options=[*LARGE, ("grpc.use_local_subchannel_pool", 1)], **options
    )


async def echo(path: str, request: bytes, stream: Stream) -> bytes:
    return request


class Parked:
    """A handler that waits for ever, and tells when calls came and went."""

    def __init__(self) -> None:
        self.came = asyncio.Semaphore(0)
        self.left = asyncio.Semaphore(0)
        self.streams: list[Stream] = []

    async def __call__(self, path: str, request: bytes, stream: Stream) -> bytes:
        self.streams.append(stream)
        self.came.release()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.left.release()
        return b""


def test_two_hundred_calls_at_once_over_one_connection(loop: str) -> None:
    async def main() -> None:
        async with serving({UNARY: echo}) as (listener, port), dial(port) as channel:
            call = channel.unary_unary(UNARY)
            messages = [str(number).encode() * number for number in range(200)]
            assert await asyncio.gather(*(call(one, timeout=50) for one in messages)) == messages
            assert listener.connections == 1

    run(main(), loop)


def test_messages_of_three_megabytes_both_ways(loop: str) -> None:
    message = os.urandom(3 * MIB)

    async def main() -> None:
        async with serving({UNARY: echo}) as (_, port), dial(port) as channel:
            call = channel.unary_unary(UNARY)
            assert await asyncio.gather(*(call(message) for _ in range(8))) == [message] * 8
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(bytes(5 * MIB))
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            expected = f"grpc: received message larger than max ({5 * MIB} vs. {4 * MIB})"
            assert caught.value.details() == expected
            assert await call(b"still alive") == b"still alive"

    run(main(), loop)


def test_errors_metadata_and_gzip(loop: str) -> None:
    seen: list[Stream] = []

    async def fail(path: str, request: bytes, stream: Stream) -> bytes:
        seen.append(stream)
        raise Status(5, "nö % \n", [("grpc-status-details-bin", b"\x00\xff"), ("x-plain", "p")])

    async def crash(path: str, request: bytes, stream: Stream) -> bytes:
        raise ZeroDivisionError

    async def main() -> None:
        handlers = {UNARY: fail, "/test.Echo/Crash": crash, "/test.Echo/Echo": echo}
        async with serving(handlers) as (_, port), dial(port, compression=grpc.Compression.Gzip) as channel:
            metadata = (("x-bin", b"\x01\xfe"), ("x-bin", b"second"), ("x-text", "t"))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(UNARY)(b"q" * 1000, metadata=metadata)
            assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "nö % \n")
            trailers = dict(caught.value.trailing_metadata())
            assert trailers == {"grpc-status-details-bin": b"\x00\xff", "x-plain": "p"}
            headers = seen[0].headers
            assert headers.binary("x-bin") == [b"\x01\xfe", b"second"] and headers["x-text"] == "t"
            assert headers[":path"] == UNARY and seen[0].peer("peername")[0] == "127.0.0.1"
            for path, code, text in (
                ("/test.Echo/Crash", grpc.StatusCode.INTERNAL, "internal error"),
                (
                    "/test.Echo/None",
                    grpc.StatusCode.UNIMPLEMENTED,
                    "unknown method None for service test.Echo",
                ),
                ("/test.None/None", grpc.StatusCode.UNIMPLEMENTED, "unknown service test.None"),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await channel.unary_unary(path)(b"")
                assert (caught.value.code(), caught.value.details()) == (code, text)
            assert await channel.unary_unary("/test.Echo/Echo")(b"z" * 10_000) == b"z" * 10_000

    run(main(), loop)


def test_a_call_is_cancelled_when_its_caller_cancels_gives_up_or_is_gone(loop: str) -> None:
    async def main() -> None:
        parked = Parked()
        async with serving({UNARY: parked}) as (_, port):
            channel = dial(port)
            call = channel.unary_unary(UNARY)
            first, second = call(b""), call(b"", timeout=1.0)
            for _ in range(2):
                await parked.came.acquire()
            first.cancel()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await second
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            third = call(b"")
            await parked.came.acquire()
            await channel.close()
            for _ in range(3):
                await parked.left.acquire()
            assert third.cancelled() and not any(stream.alive() for stream in parked.streams)

    run(main(), loop)


def test_two_hundred_parked_polls_are_given_back_with_their_connection(loop: str) -> None:
    async def main() -> None:
        parked = Parked()
        async with serving({UNARY: parked}) as (listener, port):
            channel = dial(port)
            polls = [channel.unary_unary(UNARY)(b"") for _ in range(200)]
            for _ in polls:
                await parked.came.acquire()
            await channel.close()
            for _ in polls:
                await parked.left.acquire()
            assert len(parked.streams) == 200
            await listener.drain(5)
            assert listener.connections == 0

    run(main(), loop)


def test_draining_answers_calls_in_flight_and_refuses_connections(loop: str) -> None:
    async def main() -> None:
        arrived, go = asyncio.Event(), asyncio.Event()

        async def slow(path: str, request: bytes, stream: Stream) -> bytes:
            arrived.set()
            await go.wait()
            return b"done"

        async with serving({UNARY: slow}) as (listener, port), dial(port) as channel:
            call = asyncio.ensure_future(channel.unary_unary(UNARY)(b""))
            await arrived.wait()
            draining = asyncio.create_task(listener.drain(20))
            await asyncio.sleep(0)
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", port)
            go.set()
            assert await call == b"done"
            await draining
            assert listener.connections == 0

    run(main(), loop)


def test_what_outlives_the_grace_is_ended(loop: str) -> None:
    async def main() -> None:
        parked = Parked()
        async with serving({UNARY: parked}) as (listener, port), dial(port) as channel:
            call = channel.unary_unary(UNARY)(b"")
            await parked.came.acquire()
            await listener.drain(0.05)
            await parked.left.acquire()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    run(main(), loop)


async def stutter(path: str, requests: AsyncIterator[bytes], stream: Stream) -> AsyncGenerator[bytes, None]:
    """Answers every message twice."""
    async for request in requests:
        if request == b"stop":
            raise Status(9, "stopped")
        yield request
        yield request


def test_streaming_both_ways(loop: str) -> None:
    async def main() -> None:
        async with serving({}, {STREAMING: stutter}) as (_, port), dial(port) as channel:
            call = channel.stream_stream(STREAMING)()
            for number in range(20):
                message = bytes(number * 10_000)
                await call.write(message)
                assert [await call.read(), await call.read()] == [message, message]
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF
            call = channel.stream_stream(STREAMING)(iter([b"a", b"stop", b"b"]))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                assert [message async for message in call] == [b"a", b"a"]
            assert (caught.value.code(), caught.value.details()) == (
                grpc.StatusCode.FAILED_PRECONDITION,
                "stopped",
            )

    run(main(), loop)


def test_an_endless_stream_waits_for_its_reader_and_ends_with_it(loop: str) -> None:
    async def main() -> None:
        made, over = 0, asyncio.Event()

        async def endless(
            path: str, requests: AsyncIterator[bytes], stream: Stream
        ) -> AsyncGenerator[bytes, None]:
            nonlocal made
            try:
                while True:
                    made += 1
                    yield bytes(100_000)
            finally:
                over.set()

        async with serving({UNARY: echo}, {STREAMING: endless}) as (_, port), dial(port) as channel:
            call = channel.unary_stream(STREAMING)(b"")
            for _ in range(5):
                assert len(await call.read()) == 100_000
            for _ in range(50):
                await channel.unary_unary(UNARY)(b"")
            assert made < 400, "unread messages are not made for ever"
            call.cancel()
            await over.wait()

    run(main(), loop)


def test_blocking_clients_in_threads(loop: str) -> None:
    def talk(port: int) -> list[bytes]:
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=LARGE) as channel:
            call = channel.unary_unary(UNARY)
            with ThreadPoolExecutor(20) as threads:
                return list(threads.map(lambda n: call(b"%d" % n, timeout=50), range(200)))

    async def main() -> None:
        async with serving({UNARY: echo}) as (_, port):
            assert await asyncio.to_thread(talk, port) == [b"%d" % n for n in range(200)]

    run(main(), loop)


def test_an_old_connection_is_asked_to_leave_without_failing_calls(loop: str) -> None:
    async def main() -> None:
        limits = ListenerLimits(age_ns=SECOND // 10)
        async with serving({UNARY: echo}, limits=limits) as (_, port), dial(port) as channel:
            assert await channel.unary_unary(UNARY)(b"x") == b"x"
            await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
            assert await channel.unary_unary(UNARY)(b"x", wait_for_ready=True) == b"x"

    run(main(), loop)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a server's and a client's certificate from it."""
    home = tmp_path_factory.mktemp("papers")
    ext = home / "ext"
    ext.write_text("subjectAltName=IP:127.0.0.1")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def openssl(*words: str) -> None:
        try:
            subprocess.run(["openssl", *words], cwd=home, check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("openssl is not installed")

    openssl(
        "req",
        "-x509",
        *key,
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
        "-days",
        "2",
        "-subj",
        "/CN=test authority",
    )
    for name in ("server", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        sign = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext"]
        openssl("x509", "-req", "-in", f"{name}.csr", *sign, "-out", f"{name}.crt")
    return home


def test_tls_and_mutual_tls(papers: Path, loop: str) -> None:
    def read(name: str) -> bytes:
        return (papers / name).read_bytes()

    async def who(path: str, request: bytes, stream: Stream) -> bytes:
        certificate = stream.peer("peercert") or {}
        subject = {key: value for ((key, value),) in certificate.get("subject", ())}
        return str(subject.get("commonName", "nobody")).encode()

    async def ask(port: int, credentials: grpc.ChannelCredentials) -> bytes:
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options=LARGE) as channel:
            large = os.urandom(3 * MIB)
            assert await channel.unary_unary("/test.Echo/Echo")(large, timeout=50) == large
            return bytes(await channel.unary_unary(UNARY)(b"", timeout=50))

    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(papers / "server.crt", papers / "server.key")
        mutual = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        mutual.load_cert_chain(papers / "server.crt", papers / "server.key")
        mutual.load_verify_locations(papers / "ca.crt")
        mutual.verify_mode = ssl.CERT_REQUIRED
        anonymous = grpc.ssl_channel_credentials(read("ca.crt"))
        known = grpc.ssl_channel_credentials(read("ca.crt"), read("client.key"), read("client.crt"))
        handlers = {UNARY: who, "/test.Echo/Echo": echo}
        async with serving(handlers, ssl=context) as (_, port):
            assert await ask(port, anonymous) == b"nobody"
        async with serving(handlers, ssl=mutual) as (listener, port):
            assert await ask(port, known) == b"client"
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ask(port, anonymous)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            await listener.drain(5)
            assert listener.connections == 0

    run(main(), loop)
