"""The work with Restate: its server and its Python endpoint are processes of their own, this one asks them over HTTP.

Requests go out on connections that stay open, written by hand: the usual HTTP clients for Python take several times as
long for a request as everything else here, and would be what is measured.
"""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from load import arguments, cpu_of, drive  # type: ignore[import-not-found,unused-ignore]

PLACE, STEPS, SECONDS, AT_ONCE = arguments()
SERVER = os.environ.get("RESTATE_SERVER") or shutil.which("restate-server") or ""


class Connection:
    """One connection to the ingress, for one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes) -> bytes:
        """The answer's body. Raises RuntimeError when it is not 200."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        lengths = [
            line.partition(":")[2] for line in answer.split("\r\n") if line.startswith("content-length:")
        ]
        content = await reader.readexactly(int(lengths[0])) if lengths else b""
        if not answer.startswith("http/1.1 200"):
            raise RuntimeError(f"{answer}{content!r}")
        return content


async def main() -> None:
    ingress, admin, node, endpoint = (_free_port() for _ in range(4))
    environment = os.environ | {
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
        "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{node}",
    }
    command = [SERVER, "--base-dir", str(Path(PLACE) / "restate"), "--node-name", "bench"]
    serving = [
        _begin(command, environment),
        _begin(
            [sys.executable, str(Path(__file__).with_name("restate_endpoint.py")), str(endpoint)], environment
        ),
    ]
    try:
        await _register(admin, endpoint)
        idle: list[Connection] = []

        async def execute(number: int, steps: int) -> None:
            connection = idle.pop() if idle else Connection(ingress)
            await connection.post("/bench/work", json.dumps({"number": number, "steps": steps}).encode())
            idle.append(connection)

        await drive(execute, STEPS, SECONDS, AT_ONCE, lambda: sum(cpu_of(each.pid) for each in serving))
    finally:
        for each in serving:
            each.terminate()
        for each in serving:
            with suppress(subprocess.TimeoutExpired):
                each.wait(10)
            each.kill()


def _begin(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command, env=environment, cwd=PLACE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _register(admin: int, endpoint: int) -> None:
    body = json.dumps({"uri": f"http://127.0.0.1:{endpoint}"}).encode()
    until = time.monotonic() + 60
    while True:
        try:
            request = urllib.request.Request(
                f"http://127.0.0.1:{admin}/deployments",
                data=body,
                headers={"content-type": "application/json"},
            )
            await asyncio.to_thread(urllib.request.urlopen, request, None, 5)
            return
        except OSError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(main())
