"""CPU per call and calls per second of the gRPC listeners: ours (`native`), grpc.aio (`aio`) and threaded grpcio (`grpcio`).

    python -m bench.listener [--seconds 5] [--kinds native aio grpcio] [--parked 200] [--flying 50] [--loop uvloop|asyncio]

The client is the same for all: grpcio, `--flying` calls at once over four connections, 300-byte requests,
200-byte responses. What counts is the server's processor time, since the client shares the machine.
"""

import argparse
import asyncio
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from multiprocessing.connection import Connection
from typing import Any

import grpc
import uvloop

from bench.servers import cpu_seconds, free_port, resident_bytes
from tenuto.clock import WallClock
from tenuto.frontend.http2 import Handler, Listener, Stream

SERVICE = "bench.Bench"
CALL, PARK = f"/{SERVICE}/Call", f"/{SERVICE}/Park"
REQUEST, RESPONSE = b"q" * 300, b"a" * 200
CONNECTIONS = 4


async def _answer(request: bytes, context: Any) -> bytes:
    return RESPONSE


async def _park(request: bytes, context: Any) -> bytes:
    await asyncio.get_running_loop().create_future()
    return RESPONSE


async def _native(port: int) -> None:
    async def answer(path: str, request: bytes, stream: Stream) -> bytes:
        return RESPONSE

    async def park(path: str, request: bytes, stream: Stream) -> bytes:
        return await _park(request, stream)

    handlers: dict[str, Handler] = {CALL: answer, PARK: park}
    listener = Listener(handlers.get, lambda path: None, now=WallClock().now, services=(SERVICE,))
    await listener.start("127.0.0.1", port)
    await asyncio.Event().wait()


def _table(answer: Any, park: Any) -> Any:
    unary = grpc.unary_unary_rpc_method_handler
    return grpc.method_handlers_generic_handler(SERVICE, {"Call": unary(answer), "Park": unary(park)})


async def _aio(port: int) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_table(_answer, _park),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


def _threaded(port: int) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(400))
    server.add_generic_rpc_handlers(
        (_table(lambda request, context: RESPONSE, lambda request, context: threading.Event().wait()),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def _serve(kind: str, loop: str, port: int) -> None:
    if kind == "grpcio":
        _threaded(port)
        return
    main = _native(port) if kind == "native" else _aio(port)
    if loop == "uvloop":
        uvloop.run(main)
    else:
        asyncio.run(main)


def _channels(port: int) -> list[grpc.aio.Channel]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    return [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) for _ in range(CONNECTIONS)]


async def _drive(port: int, seconds: float, parked: int, flying: int, control: Connection) -> None:
    channels = _channels(port)
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    polls = [channels[n % CONNECTIONS].unary_unary(PARK)(REQUEST, timeout=600) for n in range(parked)]
    done = 0
    until = time.monotonic() + 0.5

    async def caller(number: int) -> None:
        nonlocal done
        call = channels[number % CONNECTIONS].unary_unary(CALL)
        while time.monotonic() < until:
            await call(REQUEST, timeout=10)
            done += 1

    await asyncio.gather(*(caller(number) for number in range(flying)))
    control.send("warm")
    control.recv()
    done, until = 0, time.monotonic() + seconds
    await asyncio.gather(*(caller(number) for number in range(flying)))
    control.send(done)
    for poll in polls:
        poll.cancel()
    for channel in channels:
        await channel.close()


def _client(port: int, seconds: float, parked: int, flying: int, control: Connection) -> None:
    asyncio.run(_drive(port, seconds, parked, flying, control))


def _wait(port: int) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(20)


def measure(kind: str, loop: str, seconds: float, parked: int, flying: int) -> tuple[float, float, int]:
    """Calls per second, server processor seconds per call, and resident bytes, of one listener."""
    spawn = multiprocessing.get_context("spawn")
    port = free_port()
    server = spawn.Process(target=_serve, args=(kind, loop, port), daemon=True)
    server.start()
    pid = server.pid
    assert pid is not None
    ours, theirs = spawn.Pipe()
    client = spawn.Process(target=_client, args=(port, seconds, parked, flying, theirs), daemon=True)
    try:
        _wait(port)
        client.start()
        ours.recv()
        cpu, began = cpu_seconds(pid), time.monotonic()
        ours.send("go")
        calls = int(ours.recv())
        took = time.monotonic() - began
        return calls / took, (cpu_seconds(pid) - cpu) / calls, resident_bytes(pid)
    finally:
        for process in (client, server):
            if process.pid is not None:
                process.kill()
                process.join()


def _rows(args: argparse.Namespace) -> Iterator[tuple[str, int, tuple[float, float, int]]]:
    for kind in args.kinds:
        for parked in (0, args.parked):
            yield kind, parked, measure(kind, args.loop, args.seconds, parked, args.flying)


def main() -> None:
    """Measures and prints one line a listener."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--kinds", nargs="+", default=["native", "aio", "grpcio"])
    parser.add_argument("--parked", type=int, default=200)
    parser.add_argument("--flying", type=int, default=50)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    args = parser.parse_args()
    sys.stdout.write(f"{os.cpu_count()} cores, {args.loop}\n")
    for kind, parked, (rate, cpu, resident) in _rows(args):
        line = f"{kind:8} {parked:4} parked  {rate:7.0f} calls/s  {cpu * 1e6:6.1f} us CPU/call  {resident >> 20:4} MiB\n"
        sys.stdout.write(line)


if __name__ == "__main__":
    main()
