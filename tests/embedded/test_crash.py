"""A program with its service inside is killed in the middle of its work; started again, it goes on at once."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    from tenuto.transport.config import ConnectConfig
    from tenuto.transport.services import ServiceClient
    from tests.transport import raw

    home, what = Path(sys.argv[1]), sys.argv[2]

    async def activity(client):
        task = await client.workflow_service.poll_activity_task_queue(raw.poll_activity(), timeout=raw.PATIENCE)
        return task.attempt

    async def first(client):
        for number in range(int(sys.argv[3])):
            await client.workflow_service.start_workflow_execution(raw.start(f"sleeper-{number}", queue="nobody"))
        await client.workflow_service.start_workflow_execution(raw.start("w"))
        if what == "workflow task":
            await client.workflow_service.poll_workflow_task_queue(raw.poll(), timeout=raw.PATIENCE)
        else:
            await raw.answer_task(client, raw.activity(seconds=86_400))
            await activity(client)
        print("in the middle", flush=True)
        await asyncio.sleep(600)

    async def second(client):
        if what == "workflow task":
            await raw.answer_task(client, raw.activity(seconds=86_400))
        task = await raw.answer_activity(client)
        await raw.answer_task(client, raw.completion())
        print(task.attempt, flush=True)

    async def main():
        exists = (home / "app.db").exists()
        client = await ServiceClient.connect(ConnectConfig(f"sqlite:///{home}/app.db"))
        await (second(client) if exists else first(client))
        await client.close()

    asyncio.run(main())
""")
ROOT = Path(__file__).parents[2]
_STARTED: "list[subprocess.Popen[str]]" = []


def _start(home: Path, what: str, sleepers: int) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home), what, str(sleepers)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
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


@pytest.mark.crash
@pytest.mark.parametrize(("what", "attempt"), [("activity", "2"), ("workflow task", "1")])
def test_a_killed_program_goes_on_at_once(tmp_path: Path, what: str, attempt: str) -> None:
    victim = _start(tmp_path, what, sleepers=100)
    assert victim.stdout is not None
    assert victim.stdout.readline() == "in the middle\n"
    victim.kill()
    victim.wait()
    # Two minutes is what the workflow task has, a day the activity: more than the program's polls wait.
    told, _ = _start(tmp_path, what, sleepers=0).communicate(timeout=180)
    assert told == f"{attempt}\n"
