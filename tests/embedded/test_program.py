"""Whole programs, written as their authors would: killed in the middle, started again, done."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ACTIVITY = textwrap.dedent("""
    import asyncio, sys
    from datetime import timedelta
    from pathlib import Path
    from tenuto import activity, workflow
    from tenuto.client import Client
    from tenuto.worker import Worker

    home = Path(sys.argv[1])

    @activity.defn
    async def work(name: str) -> str:
        attempt = activity.info().attempt
        print("attempt", attempt, flush=True)
        if MODE == "open":
            (home / "token").write_bytes(activity.info().task_token)
            activity.raise_complete_async()
        if attempt == 1:
            await asyncio.sleep(600)
        return f"{name} {attempt}"

    @workflow.defn
    class Flow:
        @workflow.run
        async def run(self, name: str) -> str:
            return await workflow.execute_activity(work, name, start_to_close_timeout=timedelta(hours=24))

    async def main():
        client = await Client.connect(f"sqlite:///{home}/app.db")
        call = client.service_client.call

        async def heard(method, request, **terms):
            answer = await call(method, request, **terms)
            if method == "RecordActivityTaskHeartbeat":  # the service knows now that others complete it
                print("left", flush=True)
            return answer

        client.service_client.call = heard
        async with Worker(client, task_queue="q", workflows=[Flow], activities=[work]):
            if (home / "started").exists():
                if MODE == "open":
                    token = (home / "token").read_bytes()
                    await client.get_async_activity_handle(task_token=token).complete("from outside")
                print("result", await client.get_workflow_handle("w").result(), flush=True)
            else:
                (home / "started").touch()
                await client.execute_workflow(Flow.run, "done", id="w", task_queue="q")

    asyncio.run(main())
""")
_STARTED: "list[subprocess.Popen[str]]" = []


def _start(home: Path, mode: str) -> "subprocess.Popen[str]":
    program = subprocess.Popen(
        [sys.executable, "-c", f"MODE = {mode!r}\n{ACTIVITY}", str(home)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    _STARTED.append(program)
    return program


@pytest.fixture(autouse=True)
def _none_is_left() -> Iterator[None]:
    yield
    while _STARTED:
        program = _STARTED.pop()
        program.kill()
        program.wait()


def _until(program: "subprocess.Popen[str]", line: str) -> None:
    assert program.stdout is not None
    for said in program.stdout:
        if said == f"{line}\n":
            return
    pytest.fail(f"the program has ended without saying {line!r}")


@pytest.mark.crash
def test_an_activity_that_was_running_is_tried_again_at_once(tmp_path: Path) -> None:
    victim = _start(tmp_path, "run")
    _until(victim, "attempt 1")
    victim.kill()
    victim.wait()
    # The activity has a day; it need not be over for the next attempt.
    told, _ = _start(tmp_path, "run").communicate(timeout=120)
    assert told == "attempt 2\nresult done 2\n"


@pytest.mark.crash
def test_an_activity_that_others_complete_is_left_to_them(tmp_path: Path) -> None:
    victim = _start(tmp_path, "open")
    _until(victim, "left")
    victim.kill()
    victim.wait()
    told, _ = _start(tmp_path, "open").communicate(timeout=120)
    assert told == "result from outside\n"
