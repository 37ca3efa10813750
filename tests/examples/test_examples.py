"""Each example says what it should, in a service of its own whose time jumps; some also against a server, and as scripts."""

import asyncio
import importlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tenuto.testing import WorkflowEnvironment

ROOT = Path(__file__).resolve().parents[2]

SAYS = {
    "agent": "may I? buy_ticket(ICE 700)\nDone: a ticket for ICE 700. Take an umbrella.",
    "approval": "an organ: nobody answered",
    "children": "the cello on its own: cello: C tuned, G tuned, D tuned, A tuned",
    "class_activities": "works: 2",
    "class_style": "now: 2\ncount: 2\n['Sonata for violin', 'Sonata for viola']",
    "continue_as_new": "found: 250\nthe last of several runs: True",
    "cron": "run 1: 5\nrun 2: 10\nrun 3: 15",
    "fan_out": "sum: 328350",
    "hello": "Hello, World?",
    "local_activities": "[210.0, 200.0]",
    "pipeline": "total: 7619",
    "polling": "nocturne.mp4 after 4 attempts",
    "pydantic_models": "invoice=7 total=Decimal('130.40')",
    "queries": "result: ['Neck', 'Bridge', 'Pegs']\nin the end: Progress(done=3, of=3)\nremaining: []",
    "replay_check": "sale: fits\nsale_the_other_way_round: Workflow",
    "saga": "cancelled: room for Leipzig\ncancelled: train for Leipzig\nWorkflow execution failed:",
    "schedules": "Monday 05 January\nreport of Tuesday 06 January\nreport of Wednesday 07 January",
    "signals": "Rehearsal\nClara: bar 12 again\nRobert: softer",
    "steps": "fetched page 5\nstored: 30",
    "updates": "violin: 900\nrefused: ValueError: violin is in the basket already",
}
"""What each of them prints, among other things."""
WITH_A_STORE_OF_THEIR_OWN = {
    "encryption": "Robert needs rest\nthe history says Robert: False",
    "large_payloads": "bytes: 4000000\nhistory is small: True\nfiles: 1",
}
"""Those that bring a data converter, so that the client cannot be given to them."""
NEEDS = {"encryption": "cryptography", "pydantic_models": "pydantic"}
ON_A_SERVER = ["class_style", "children", "hello", "saga", "steps", "updates"]


def _main(name: str) -> Callable[[Any], Coroutine[Any, Any, None]]:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    found: Callable[[Any], Coroutine[Any, Any, None]] = importlib.import_module(f"examples.{name}").main
    return found


def test_every_example_is_tested() -> None:
    there = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert there == {*SAYS, *WITH_A_STORE_OF_THEIR_OWN, "fastapi_service", "storm", "test_reminder"}


@pytest.mark.parametrize("name", SAYS)
async def test_it_says_what_it_should(
    name: str, tenuto_env: WorkflowEnvironment, capsys: pytest.CaptureFixture[str]
) -> None:
    main = _main(name)
    await main(tenuto_env.client)
    assert SAYS[name] in capsys.readouterr().out


@pytest.mark.parametrize("name", WITH_A_STORE_OF_THEIR_OWN)
def test_it_converts_what_it_keeps(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = _main(name)
    asyncio.run(main(f"sqlite:///{tmp_path}/app.db"))
    assert WITH_A_STORE_OF_THEIR_OWN[name] in capsys.readouterr().out


@pytest.mark.parametrize("name", ON_A_SERVER)
def test_it_is_the_same_program_against_a_server(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main = _main(name)

    async def scene() -> None:
        async with await WorkflowEnvironment.start_local(port=0) as server:
            await main(server.address)

    asyncio.run(scene())
    assert SAYS[name] in capsys.readouterr().out


def test_it_is_a_script_and_takes_an_address(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "examples" / "steps.py"),
        "--address",
        f"sqlite:///{tmp_path}/app.db",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=True)
    assert said.stdout.endswith(SAYS["steps"] + "\n")
    assert said.stderr == ""


def test_the_storm_is_weathered(capsys: pytest.CaptureFixture[str]) -> None:
    from examples.storm import main

    main(seeds=10)
    assert "10 storms weathered" in capsys.readouterr().out


def test_the_web_service_starts_workflows_and_talks_to_them(tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    httpx = pytest.importorskip("httpx")
    from examples.fastapi_service import service

    @asynccontextmanager
    async def running() -> AsyncIterator[Any]:
        web = service(f"sqlite:///{tmp_path}/orders.db")
        async with (
            web.router.lifespan_context(web),
            httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://shop") as asking,
        ):
            yield asking

    async def scene() -> None:
        async with running() as shop:
            placed = await shop.post("/orders/7", json={"items": ["violin", "bow"]})
            assert placed.json() == {"id": "order-7"}
            assert (await shop.post("/orders/7", json={"items": []})).status_code == 409
        async with running() as shop:  # as another process would: the order is still there
            assert (await shop.post("/orders/7/approval")).status_code == 202
            result = await shop.get("/orders/7/result")
            assert result.json() == {"reserved": ["reserved violin", "reserved bow"]}
            assert (await shop.get("/orders/7")).json() == {"stage": "done"}

    asyncio.run(scene())
