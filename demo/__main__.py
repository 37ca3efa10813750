"""``python -m demo``: an order on one SQLite file, its program killed while it works, and a finished order; then the same
program against a server, which is killed in its turn."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import tenuto
from bench.servers import ROOT, Server
from demo.timeline import tell

_BEGAN = time.monotonic()


def say(text: str) -> None:
    """One line of the story, with its second."""
    print(f"{time.monotonic() - _BEGAN:6.2f} s | {text}", flush=True)


class Program:
    """``demo.orders`` as a process of its own, so that it can be killed. ``done``: what its activities did, all told."""

    def __init__(self, target: str, done: list[str]) -> None:
        self._target = target
        self._done = done
        self._process: asyncio.subprocess.Process | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Program"]:
        """Started, and in the end killed if it is still there."""
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        command = [sys.executable, "-m", "demo.orders", self._target]
        self._process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
        )
        try:
            yield self
        finally:
            await self.kill()

    async def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def until(self, begins: str) -> str:
        """Read on, up to the first line that begins so; the rest of that line."""
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            async for line in self._process.stdout:
                text = line.decode().strip()
                word, _, rest = text.partition(" ")
                if word == "did":
                    self._done.append(rest)
                    say(f"    {rest.rpartition('-')[0].replace('-', ' ', 1)}")
                if text.startswith(begins):
                    return text.removeprefix(begins).strip()
        raise RuntimeError(f"the program ended before it said {begins!r}")


async def embedded(file: Path) -> None:
    """The program with the store inside it, killed in the middle."""
    target = f"sqlite:///{file}"
    done: list[str] = []
    program = Program(target, done)
    say(f'the program opens "sqlite:///{file.name}": no server, one file')
    async with program.running():
        await program.until("did reserve-bow")
    say("kill -9 of the PROGRAM, in the middle of the second reservation")
    restarted = time.monotonic()
    async with program.running():
        await program.until("open")
        opened = time.monotonic()
        say(f"the program is started again ({opened - restarted:.2f} s, most of it Python's)")
        await program.until("did reserve-bow")
        say(f"it carries on at once ({time.monotonic() - opened:.2f} s); the charge is not made again")
        await program.until("approving")
        say("signal: approved by Clara")
        result = json.loads(await program.until("result"))
    await verify(target, result, done)


async def against_a_server(file: Path) -> None:
    """The same program with an address, and the server killed in the middle."""
    server = Server("tenuto", file)
    took = server.start()
    say(f'`tenuto server start` takes {took:.2f} s; the same program opens "{server.address}"')
    done: list[str] = []
    program = Program(server.address, done)
    try:
        async with program.running():
            await program.until("did reserve-bow")
            server.kill()
            say("kill -9 of the SERVER, in the middle of the second reservation")
            say(f"the server is back after {server.start():.2f} s, on the same file")
            await program.until("approving")
            say("signal: approved by Clara")
            result = json.loads(await program.until("result"))
        await verify(server.address, result, done, quiet=True)
    finally:
        server.stop()


async def verify(target: str, result: dict[str, object], done: list[str], *, quiet: bool = False) -> None:
    """Prints the history, and fails unless every recorded result is recorded exactly once and really happened."""
    recorded: list[str] = []
    async with await tenuto.connect(target) as client:
        for workflow_id in ("order-42", "order-42-shipping"):
            history = await client.get_workflow_handle(workflow_id).fetch_history()
            if not quiet:
                print(f"\nhistory of {workflow_id}:")
                print("\n".join(tell(history.events)))
            recorded += [
                json.loads(event.activity_task_completed_event_attributes.result.payloads[0].data)
                for event in history.events
                if event.HasField("activity_task_completed_event_attributes")
            ]
    if not quiet:
        print(f"\nresult: {json.dumps(result)}\n")
    assert len(recorded) == len(set(recorded)) == 5, f"each result once: {recorded}"
    assert set(recorded) <= set(done), "every recorded result really happened"
    reserved = result["reserved"]
    assert isinstance(reserved, list)
    kept = [result["charged"], *reserved, result["shipped"]]
    assert kept == recorded, f"local variables {kept} are not the recorded results {recorded}"
    assert result["notes"] == ["order no-42", result["charged"], "approved by Clara"]
    say(f"order-42 is complete: {len(done)} things done, 5 of them recorded, each exactly once")


def main() -> None:
    """Both halves, and the verdict."""
    with tempfile.TemporaryDirectory(prefix="tenuto-demo-") as directory:
        asyncio.run(embedded(Path(directory) / "orders.db"))
        print()
        asyncio.run(against_a_server(Path(directory) / "served.db"))
    print()
    print("What a killed program had begun is begun again by the next one; its result counts once.")
    say("demo: everything held")


if __name__ == "__main__":
    main()
