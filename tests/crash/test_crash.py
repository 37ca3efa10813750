"""The server is killed with `kill -9` at random moments under load; nothing it acknowledged may be missing or doubled."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.api.history.v1 import message_pb2 as history

from bench.raw import NAMESPACE, Raw, wire
from bench.servers import Server
from tests.crash.journal import Journal, compare
from tests.crash.load import Load

KILLS = int(os.environ.get("CRASH_KILLS", "30"))
KIND = os.environ.get("CRASH_SERVER", "tenuto")
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
PATIENCE = 60
"""Seconds that the last workflows have to close; a crowded machine needs some of them, a sound one two."""
CLOSED = 2
LONGEST_LIFE = 1.6
"""Seconds a server lives at most before it is killed; the shortest life ends during start-up work."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(KIND, tmp_path / "crash.db")
    found.start()
    yield found
    found.kill()


def events_of(raw: Raw, workflow_id: str) -> tuple[str, list[history.HistoryEvent]]:
    """The run id and the whole history of a workflow's current run."""
    describe = wire.DescribeWorkflowExecutionRequest(namespace=NAMESPACE)
    describe.execution.workflow_id = workflow_id
    seen = wire.DescribeWorkflowExecutionResponse.FromString(raw.call("DescribeWorkflowExecution", describe))
    run_id = seen.workflow_execution_info.execution.run_id
    request = wire.GetWorkflowExecutionHistoryRequest(namespace=NAMESPACE)
    request.execution.CopyFrom(seen.workflow_execution_info.execution)
    events: list[history.HistoryEvent] = []
    while True:
        page = wire.GetWorkflowExecutionHistoryResponse.FromString(
            raw.call("GetWorkflowExecutionHistory", request)
        )
        events += page.history.events
        request.next_page_token = page.next_page_token
        if not page.next_page_token:
            return run_id, events


def kill_again_and_again(server: Server, chance: random.Random) -> None:
    """Kills the server `KILLS` times, each after a random life, and leaves it running."""
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.0, LONGEST_LIFE))
        server.kill()
        server.start()


def await_all_closed(raw: Raw, journal: Journal, patience: float) -> None:
    """Waits until every workflow's close was acknowledged or is in its history, for at most `patience` seconds.

    A close whose acknowledgement died with the server is never acknowledged again, so history decides about those.
    """
    deadline = time.monotonic() + patience
    closed: set[str] = set()
    while time.monotonic() < deadline:
        waiting = [workflow_id for workflow_id in journal.open() if workflow_id not in closed]
        if not waiting:
            return
        closed.update(
            workflow_id for workflow_id in waiting if events_of(raw, workflow_id)[1][-1].event_type == CLOSED
        )
        time.sleep(0.25)


@pytest.mark.crash
@pytest.mark.slow
def test_what_was_acknowledged_survives_every_kill_exactly_once(server: Server) -> None:
    print(f"CRASH_SEED={SEED}")
    journal = Journal()
    load = Load(server.address, journal)
    load.begin()
    kill_again_and_again(server, random.Random(SEED))
    load.stop_clients()
    with Raw(server.address) as raw:
        await_all_closed(raw, journal, PATIENCE)
        load.stop_worker()
        unacknowledged = journal.open()
        faults = list(journal.faults)
        for workflow_id, acknowledged in journal.workflows.items():
            run_id, events = events_of(raw, workflow_id)
            faults += compare(workflow_id, acknowledged, run_id, events)
            if workflow_id in unacknowledged and events[-1].event_type != CLOSED:
                kinds = [event.event_type for event in events]
                faults.append(f"{workflow_id}: did not finish; events {kinds}")
    print(f"{KILLS} kills, acknowledged: {journal.counts()}")
    assert not faults, "\n" + "\n".join(faults[:40])
    assert journal.counts()["closes"] > KILLS, "too little happened to prove anything"
