"""The pytest plugin gives each test a service, in async tests and in plain ones."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenuto.client import Client
from tenuto.testing import WorkflowEnvironment
from tenuto.worker.worker import Worker
from tests.testing import flows

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = "tenuto.testing.pytest_plugin"


def test_a_plain_test_runs_coroutines_through_the_environment(
    tenuto_env: WorkflowEnvironment, tenuto_client: Client, tenuto_worker: Callable[..., Worker]
) -> None:
    async def scene() -> str:
        async with tenuto_worker(workflows=[flows.Slow]):
            return await tenuto_client.execute_workflow(flows.Slow.run, 3, id="slow")

    assert tenuto_env.run(scene()) == "all done"


async def test_an_async_test_needs_no_other_plugin(
    tenuto_env: WorkflowEnvironment, tenuto_worker: Callable[..., Worker]
) -> None:
    async with tenuto_worker(workflows=[flows.Slow]):
        assert await tenuto_env.client.execute_workflow(flows.Slow.run, 3, id="slow") == "all done"


INSIDE = """
import random
from tenuto import workflow

@workflow.defn
class Fickle:
    calls = 0

    @workflow.run
    async def run(self) -> None:
        Fickle.calls += 1
        if Fickle.calls == 1:
            await workflow.sleep(1)

@workflow.defn
class Counting:
    replays = 0

    @workflow.run
    async def run(self) -> None:
        Counting.replays += 1
        await workflow.sleep(1)
        await workflow.sleep(1)

async def test_fickle(tenuto_client, tenuto_worker):
    async with tenuto_worker(workflows=[Fickle]):
        await tenuto_client.execute_workflow(Fickle.run, id="fickle")

async def test_counting(tenuto_client, tenuto_worker):
    async with tenuto_worker(workflows=[Counting]):
        await tenuto_client.execute_workflow(Counting.run, id="counting")
    print("replays:", Counting.replays)
"""


def _run(tmp_path: Path, *options: str) -> tuple[int, str]:
    file = tmp_path / "test_inside.py"
    file.write_text(INSIDE)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-s",
        "-p",
        PLUGIN,
        "-p",
        "no:cacheprovider",
        *options,
        str(file),
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    return done.returncode, done.stdout + done.stderr


def test_without_switches_all_is_well(tmp_path: Path) -> None:
    code, told = _run(tmp_path)
    assert code == 0, told
    assert "replays: 1\n" in told


def test_a_switch_makes_every_task_a_replay(tmp_path: Path) -> None:
    code, told = _run(tmp_path, "--tenuto-no-cache", "-k", "counting")
    assert code == 0, told
    assert "replays: 3\n" in told


def test_a_switch_replays_every_workflow_when_its_worker_ends(tmp_path: Path) -> None:
    code, told = _run(tmp_path, "--tenuto-replay")
    assert code == 1, told
    assert "1 failed, 1 passed" in told
    assert "ondeterminism" in told


def test_the_plugin_loads_nothing_of_the_house() -> None:
    asked = f"import {PLUGIN}, sys; print([m for m in sys.modules if m.startswith('tenuto.')])"
    done = subprocess.run(
        [sys.executable, "-c", asked], env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True
    )
    loaded: Any = eval(done.stdout)
    assert set(loaded) == {"tenuto.testing", PLUGIN}
