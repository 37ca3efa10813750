"""A type checker finds the mistakes in wrong programs, at their lines, and none in right ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy.tree import ROOT, SOURCE

WRONG = """
import tenuto
from tenuto import activity, step, workflow
from tenuto.client import Client, WorkflowHandle


@activity.defn
async def greet(name: str) -> str:
    return name


@activity
async def charge(card: str, total: int = 0) -> bool:
    return True


@activity(nothing=1)  # wrong: no such option
async def optioned() -> None: ...


@workflow.defn(nme="x")  # wrong: misspelt
class Misspelt: ...


@workflow
def not_async() -> None: ...  # wrong above: it is sync


@workflow
async def order(card: str, total: int = 0) -> int:
    await workflow.execute_activity(greet, 1, start_to_close_timeout=5)  # wrong: int for str
    await workflow.execute_activity(greet, start_to_close_timeout=5)  # wrong: argument missing
    await workflow.execute_activity(greet, "a", "b", start_to_close_timeout=5)  # wrong: one too many
    await workflow.execute_activity(greet, "a", start_to_close=5)  # wrong: misspelt
    await workflow.execute_activity(greet, "a", start_to_close_timeout="5s")  # wrong: no duration
    await charge(5)  # wrong: int for str
    await charge("visa", totals=5)  # wrong: misspelt
    x: str = await charge("visa")  # wrong: bool for str
    await charge.options(sumary="x")("visa")  # wrong: misspelt
    workflow.nothing()  # wrong: no such function
    box = workflow.mailbox("box", int)
    y: str = await box.get()  # wrong: int for str
    return "text"  # wrong: str for int


async def main(client: Client, handle: WorkflowHandle[object, int]) -> None:
    await order.using(client, id="a").execute(5)  # wrong: int for str
    z: str = await order.using(client).execute("visa")  # wrong: int for str
    tenuto.nothing  # wrong: no such name
    async with tenuto.open("memory://", workflow=[order]) as app:  # wrong: misspelt
        w: str = await app.execute(order, "visa")
"""


@pytest.mark.slow
def test_wrong_programs_are_found_out(tmp_path: Path) -> None:
    program = tmp_path / "wrong.py"
    program.write_text(WRONG)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(program)],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in checked.stdout.splitlines() if "wrong.py:" in line and ": error:" in line]
    found = {int(line.split(":")[1]) for line in errors}
    expected = {
        number + (-1 if "wrong above" in line else 0)
        for number, line in enumerate(WRONG.splitlines(), 1)
        if "# wrong" in line
    }
    assert expected - found == set(), "\n".join(errors)
