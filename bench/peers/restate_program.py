"""The work with Restate: its server as a process of its own, its Python SDK served by hypercorn, clients over HTTP."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import httpx  # type: ignore[import-not-found,unused-ignore]
import hypercorn.asyncio  # type: ignore[import-not-found,unused-ignore]
import hypercorn.config  # type: ignore[import-not-found,unused-ignore]
import restate  # type: ignore[import-not-found,unused-ignore]
from load import arguments, drive  # type: ignore[import-not-found,unused-ignore]

PLACE, STEPS, SECONDS, AT_ONCE = arguments()
SERVER = os.environ.get("RESTATE_SERVER") or shutil.which("restate-server") or ""
service = restate.Service("bench")


async def one(number: int) -> int:
    return number + 1


@service.handler()  # type: ignore[misc,untyped-decorator,unused-ignore]
async def work(ctx: restate.Context, told: dict[str, int]) -> int:
    number = told["number"]
    for index in range(told["steps"]):
        number = await ctx.run_typed(f"step-{index}", one, number=number)
    return number


async def main() -> None:
    config = hypercorn.config.Config()
    config.bind = ["127.0.0.1:19080"]
    config.accesslog = None
    config.loglevel = "ERROR"
    app = restate.app(services=[service])
    stop = asyncio.Event()
    serving = asyncio.create_task(hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait))
    server = subprocess.Popen(
        [SERVER, "--base-dir", str(Path(PLACE) / "restate"), "--node-name", "bench"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await _register()
        async with httpx.AsyncClient(
            base_url="http://127.0.0.1:8080", timeout=60, limits=httpx.Limits(max_connections=AT_ONCE + 10)
        ) as client:

            async def execute(number: int, steps: int) -> None:
                answer = await client.post("/bench/work", json={"number": number, "steps": steps})
                answer.raise_for_status()

            before = _server_cpu(server.pid)
            await drive(execute, STEPS, SECONDS, AT_ONCE)
            print(json.dumps({"server_cpu_s": _server_cpu(server.pid) - before}), file=sys.stderr)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        stop.set()
        await serving


async def _register() -> None:
    body = json.dumps({"uri": "http://127.0.0.1:19080"}).encode()
    until = time.monotonic() + 40
    while True:
        try:
            request = urllib.request.Request(
                "http://127.0.0.1:9070/deployments", data=body, headers={"content-type": "application/json"}
            )
            await asyncio.to_thread(urllib.request.urlopen, request, None, 5)
            return
        except OSError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)


def _server_cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    asyncio.run(main())
