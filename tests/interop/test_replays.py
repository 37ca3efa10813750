"""Histories are interchangeable: what a worker of either make did, on either server, replays with both SDKs.

Also those that the official core brings along for its own tests.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import temporalio.bridge
import temporalio.client
import temporalio.worker
from temporalio.api.history.v1 import message_pb2 as history

import tenuto.client
import tenuto.worker
from tenuto.run.history import cut
from tests.interop.sdk.loading import MAKES, Make, load, names
from tests.interop.sdk.targets import Targets

REAL = pytest.param("real", marks=pytest.mark.oracle)
_CORE = Path(temporalio.bridge.__file__).parent / "sdk-core" / "crates" / "sdk-core" / "tests" / "histories"


def replayed(make: Make, histories: Sequence[tuple[str, Sequence[history.HistoryEvent]]]) -> list[str]:
    """What goes wrong when a replayer of that make replays them."""

    async def replay() -> list[str]:
        replayer: Any
        found: type[Any]
        if make == "official":
            runner = temporalio.worker.UnsandboxedWorkflowRunner()
            replayer = temporalio.worker.Replayer(
                workflows=load(make).workflows,
                workflow_runner=runner,
                debug_mode=True,  # what it takes for deadlocks are stalls of the machine
            )
            found = temporalio.client.WorkflowHistory
        else:
            replayer = tenuto.worker.Replayer(workflows=load(make).workflows)
            found = tenuto.client.WorkflowHistory
        wrong = []
        for workflow_id, events in histories:
            told = await replayer.replay_workflow(
                found(workflow_id, list(events)), raise_on_replay_failure=False
            )
            if told.replay_failure is not None:
                wrong.append(f"{workflow_id}: {told.replay_failure}")
        return wrong

    return asyncio.run(replay())


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("where", ["ours", REAL])
@pytest.mark.parametrize("worker", MAKES)
def test_every_history_replays_with_both(name: str, where: str, worker: Make, stages: Targets) -> None:
    played = stages.played(worker, where)[name]
    assert not played.error
    assert {make: replayed(make, played.histories) for make in MAKES} == {make: [] for make in MAKES}


_BINARY = sorted(path for path in _CORE.glob("*.bin") if not path.with_suffix(".json").exists())


@pytest.mark.parametrize("path", _BINARY, ids=lambda path: path.stem)
def test_histories_of_other_languages_can_be_cut_into_workflow_tasks(path: Path) -> None:
    events = history.History.FromString(path.read_bytes()).events
    tasks = cut(events)
    assert [event.event_id for task in tasks for event in task.events] == [
        event.event_id for event in events[: sum(len(task.events) for task in tasks)]
    ]
    assert tasks[-1].last
