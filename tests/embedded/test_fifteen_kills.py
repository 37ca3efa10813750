"""A program that does steps, activities, timers and signals is killed at fifteen random moments; its work ends as if nothing
had been."""

import json
import os
import random
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
KILLS = 15
STAGES, PARCELS = 120, 4
MARKER_RECORDED = 25
PROGRAM = textwrap.dedent("""
    import asyncio, json, os, sys
    from pathlib import Path

    import tenuto
    from tenuto import activity, step, workflow

    home, STAGES, PARCELS, LETTERS = Path(sys.argv[1]), *map(int, sys.argv[2:])
    journal = os.open(home / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(*words):
        os.write(journal, (json.dumps(words) + "\\n").encode())

    @step
    async def weigh(parcel: str, number: int) -> str:
        note("begins", parcel, number)
        await asyncio.sleep(0.005)
        token = f"{parcel}.{number}.{os.urandom(4).hex()}"
        note("weighed", parcel, number, token)
        return token

    @activity
    async def carry(parcel: str, number: int, tokens: list[str]) -> int:
        note("carried", parcel, number, tokens)
        await asyncio.sleep(0.005)
        return number

    @activity(retry_policy=tenuto.RetryPolicy(maximum_attempts=1))
    def stamp(parcel: str, number: int) -> None:
        note("stamped", parcel, number)

    @workflow
    async def parcel(name: str, stages: int) -> dict[str, list]:
        letters = workflow.mailbox("letter", int)
        tokens, carried, stamped, got = [], [], [], []
        for number in range(stages):
            tokens.append(await weigh(name, 2 * number))
            tokens.append(await weigh(name, 2 * number + 1))
            carried.append(await carry(name, number, tokens[-2:]))
            await asyncio.sleep(0.02)
            got.append(await letters.get())
            try:
                await stamp(name, number)
                stamped.append(number)
            except tenuto.ActivityError:
                pass
        return {"tokens": tokens, "carried": carried, "stamped": stamped, "letters": got}

    async def send_letters(handle):
        sent = home / f"sent-{handle.id}"
        for number in range(len(sent.read_text().split()) if sent.exists() else 0, LETTERS):
            await handle.signal("letter", number)
            with sent.open("a") as out:
                out.write(f"{number}\\n")
            await asyncio.sleep(0.02)

    async def main():
        target = f"sqlite:///{home}/app.db"
        async with tenuto.open(target, workflows=[parcel], activities=[weigh, carry, stamp]) as app:
            print("up", flush=True)
            handles = [
                await app.start(parcel, f"p{number}", STAGES, id=f"p{number}", once=True) for number in range(PARCELS)
            ]
            await asyncio.gather(*(send_letters(handle) for handle in handles))
            results = [await handle.result() for handle in handles]
            histories = [await handle.fetch_history() for handle in handles]
            print(json.dumps([results, [[event.event_type for event in one.events] for one in histories]]), flush=True)

    asyncio.run(main())
""")
_STARTED: "list[subprocess.Popen[str]]" = []


def _start(home: Path, letters: int = STAGES) -> "subprocess.Popen[str]":
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home), str(STAGES), str(PARCELS), str(letters)],
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


def _journal(home: Path) -> list[list[Any]]:
    """What happened in the world; the line that a kill cut short tells nothing."""
    lines = (home / "journal").read_text().split("\n")[:-1]
    return [json.loads(line) for line in lines if line.endswith("]")]


@pytest.mark.crash
@pytest.mark.parametrize("seed", [1])
def test_fifteen_kills_change_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for life in range(KILLS):
        # Every life is left something to do, however late it is killed: each stage waits for a letter.
        victim = _start(tmp_path, letters=STAGES - 2 * (KILLS - life))
        assert victim.stdout is not None
        assert victim.stdout.readline() == "up\n"
        time.sleep(chance.uniform(0, 0.7))
        assert victim.poll() is None, "it was done before it was killed"
        victim.kill()
        victim.wait()
    told, _ = _start(tmp_path).communicate(timeout=180)
    results, histories = json.loads(told.splitlines()[-1])
    journal = _journal(tmp_path)
    for number in range(PARCELS):
        _check(f"p{number}", results[number], histories[number], journal)


def _check(name: str, result: dict[str, list[Any]], history: list[int], journal: list[list[Any]]) -> None:
    mine = [entry for entry in journal if entry[1] == name]
    # Steps: each result is of something that was done, recorded once, and not begun again once a later step had.
    weighed = {entry[3]: entry[2] for entry in mine if entry[0] == "weighed"}
    assert [weighed[token] for token in result["tokens"]] == list(range(2 * STAGES))
    assert history.count(MARKER_RECORDED) == 2 * STAGES
    begun = [entry[2] for entry in mine if entry[0] == "begins"]
    assert begun == sorted(begun)
    assert len(begun) <= 2 * STAGES + KILLS
    # Activities: done once at least, always told the same; once at most where only one attempt is allowed.
    assert result["carried"] == list(range(STAGES))
    for _, _, number, tokens in (entry for entry in mine if entry[0] == "carried"):
        assert tokens == result["tokens"][2 * number : 2 * number + 2]
    assert {entry[2] for entry in mine if entry[0] == "carried"} == set(range(STAGES))
    stamped = Counter(entry[2] for entry in mine if entry[0] == "stamped")
    assert max(stamped.values()) == 1
    assert set(result["stamped"]) <= set(stamped)
    assert len(result["stamped"]) >= STAGES - KILLS
    # Signals: none is lost and none comes before another; the program may have died before it noted that it had sent one.
    letters = result["letters"]
    assert letters == sorted(letters)
    assert set(letters) == set(range(max(letters) + 1))
