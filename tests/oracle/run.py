"""Runs scenarios against one server, many at a time, and compares transcripts."""

import difflib
import fnmatch
import re
import time
import traceback
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tests.oracle.accepted import ACCEPTED
from tests.oracle.harness import Target
from tests.oracle.registry import Scenario
from tests.oracle.session import Session

CONCURRENCY = 32
CALM = 6


def transcript(target: Target, name: str, scenario: Scenario) -> str:
    """Runs one scenario; a scenario that stops early says so at the end of its transcript."""
    session = Session(target, name, uuid.uuid4().hex[:10])
    began = time.monotonic()
    try:
        scenario(session)
    except Exception as error:  # noqa: BLE001
        where = traceback.extract_tb(error.__traceback__)[-1]
        session.record(f"SCENARIO STOPPED: {type(error).__name__} at {where.name}", str(error)[:400])
    text = session.finish()
    DURATIONS[name] = time.monotonic() - began
    return text


DURATIONS: dict[str, float] = {}


def run_all(address: str, chosen: dict[str, Scenario], concurrency: int = CONCURRENCY) -> dict[str, str]:
    """Every chosen scenario's transcript from the server at `address`."""
    target = Target(address)
    try:
        with ThreadPoolExecutor(concurrency) as pool:
            running = {name: pool.submit(transcript, target, name, chosen[name]) for name in chosen}
            return {name: future.result() for name, future in running.items()}
    finally:
        target.close()


def without_accepted(name: str, text: str) -> list[str]:
    """The transcript's lines minus those an accepted difference covers."""
    patterns = [re.compile(entry.line) for entry in ACCEPTED if fnmatch.fnmatch(name, entry.scenario)]
    return [line for line in text.splitlines() if not any(pattern.search(line) for pattern in patterns)]


def difference(name: str, expected: str, actual: str) -> str:
    """A unified diff, empty when the servers agree. Ids are numbered, so agreement is textual."""
    return "\n".join(
        difflib.unified_diff(
            without_accepted(name, expected),
            without_accepted(name, actual),
            "real",
            "other",
            n=8,
            lineterm="",
        )
    )


def compare(
    real: str, other: str, chosen: dict[str, Scenario], concurrency: int = CONCURRENCY
) -> dict[str, str]:
    """The difference per scenario between the servers at two addresses, driven at the same time.

    Many scenarios at once on a small machine upset each other's timing, so those that differ are tried again a few at a
    time, and then, as the machine itself may stand still for seconds, one by one. A real difference is there every time.
    """
    diffs = _compare_once(real, other, chosen, concurrency)
    for fewer in (CALM, 1):
        doubtful = {name: chosen[name] for name, diff in diffs.items() if diff}
        if doubtful:
            diffs.update(_compare_once(real, other, doubtful, fewer))
    return diffs


def _compare_once(real: str, other: str, chosen: dict[str, Scenario], concurrency: int) -> dict[str, str]:
    with ThreadPoolExecutor(2) as pool:
        left = pool.submit(run_all, real, chosen, concurrency)
        right = pool.submit(run_all, other, chosen, concurrency)
        return {name: difference(name, text, right.result()[name]) for name, text in left.result().items()}


def summary(diffs: dict[str, str]) -> Iterable[str]:
    """One line per scenario: `ok` or how many lines differ."""
    for name, diff in sorted(diffs.items()):
        changed = sum(1 for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---"))
        yield f"{'ok      ' if not diff else f'DIFF {changed:4d}'} {name}"
