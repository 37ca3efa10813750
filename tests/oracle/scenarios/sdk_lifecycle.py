"""The official Python SDK through the life of a workflow: updates in every phase, resets, pauses, heavy histories."""

import asyncio
import uuid
from collections.abc import Awaitable
from typing import Any

from temporalio.client import WorkflowUpdateFailedError

from tests.oracle.scenarios import sdk_feature_programs as programs
from tests.oracle.scenarios.sdk import Bench
from tests.oracle.scenarios.sdk_features import begin, feature, replays, worker_of


async def _raw(b: Bench, method: str, **fields: Any) -> Any:
    """A raw call that is recorded by its outcome only."""
    outcome = await asyncio.to_thread(b.s.target.call, method, b.s.request(method, fields), 20)
    b.s.record(method, getattr(outcome, "message", "") or "done")
    return outcome


async def _outcome(awaited: Awaitable[Any]) -> str:
    try:
        return str(await awaited)
    except WorkflowUpdateFailedError as error:
        return f"failed: {error.cause}"


@feature()
async def sdk_more_updates_than_fit(b: Bench) -> None:
    handle = await begin(b, programs.Baton.run, 0, 0)
    calls = [
        _outcome(handle.execute_update("add", number if number % 5 else -1, id=f"u{number}"))
        for number in range(30)
    ]
    outcomes = await asyncio.gather(*calls)
    b.s.record("outcomes", outcomes)
    await handle.signal("stop")
    await b.show("result", handle.result())
    await replays(b, handle)


@feature(alone=True)
async def sdk_updates_before_a_worker_comes(b: Bench) -> None:
    handle = await begin(b, programs.Baton.run, 0, 0)
    waiting = [asyncio.create_task(handle.execute_update("add", 1, id=f"u{number}")) for number in range(3)]
    await asyncio.sleep(1)
    async with worker_of(b):
        b.s.record("updates", list(await asyncio.gather(*waiting)))
        await handle.signal("stop")
        await b.show("result", handle.result())


@feature()
async def sdk_updates_across_runs(b: Bench) -> None:
    handle = await begin(b, programs.Baton.run, 0, 0)
    current = b.client.get_workflow_handle(handle.id)

    async def keep_adding() -> list[str]:
        return [await _outcome(current.execute_update("add", 1, id=f"u{number}")) for number in range(12)]

    adding = asyncio.create_task(keep_adding())
    for _ in range(2):
        await asyncio.sleep(1.2)
        await current.signal("next_run")
    b.s.record("updates", sorted(set(await adding)))
    await current.signal("stop")
    await b.show("result", _at_least(current.result()))


async def _at_least(awaited: Awaitable[list[int]]) -> bool:
    """An update that was accepted by a run that then hands over may be lost with it, but none is made twice."""
    runs, count = await awaited
    return runs >= 1 and 0 < count <= 12


@feature(max_cached_workflows=0)
async def sdk_heavy_history(b: Bench) -> None:
    handle = await begin(b, programs.Heavy.run, 6, 900_000)
    await b.show("result", handle.result())
    await replays(b, handle)


@feature()
async def sdk_payload_too_large(b: Bench) -> None:
    handle = await begin(b, programs.Heavy.run, 1, 3_000_000, task_timeout=None)
    await asyncio.sleep(3)
    described = await handle.describe()
    b.s.record("status", str(described.status))
    await handle.terminate()


@feature()
async def sdk_reset_reapplies(b: Bench) -> None:
    handle = await begin(b, programs.Mailbox.run)
    await handle.signal("plain")
    await handle.execute_update("first", id="first")
    await handle.signal("plain")
    await handle.execute_update("second", id="second")
    fields: dict[str, Any] = {
        "workflow_execution": handle.id,
        "request_id": str(uuid.uuid4()),
        "reason": "oracle",
    }
    await _raw(b, "ResetWorkflowExecution", workflow_task_finish_event_id=4, **fields)
    current = b.client.get_workflow_handle(handle.id)
    await current.signal("stop")
    mail = await current.result()
    b.s.record("mail", sorted(mail))
    await replays(b, current)


@feature()
async def sdk_activity_is_paused(b: Bench) -> None:
    handle = await begin(b, programs.Watched.run)
    await asyncio.sleep(1)
    which: dict[str, Any] = {"execution": handle.id, "id": "watched"}
    await _raw(b, "PauseActivity", **which)
    await asyncio.sleep(1.5)
    described = await handle.describe()
    pending = described.raw_description.pending_activities
    b.s.record("paused", [[each.state, each.attempt, each.paused] for each in pending])
    await _raw(b, "UnpauseActivity", **which)
    await b.show("result", handle.result())


@feature()
async def sdk_activity_is_reset(b: Bench) -> None:
    handle = await begin(b, programs.Watched.run)
    await asyncio.sleep(1)
    await _raw(b, "ResetActivity", execution=handle.id, id="watched")
    await asyncio.sleep(1.5)
    described = await handle.describe()
    b.s.record("attempt", [each.attempt for each in described.raw_description.pending_activities])
    await handle.terminate()


@feature(no_remote_activities=True)
async def sdk_workflow_only_worker(b: Bench) -> None:
    handle = await begin(b, programs.Fan.run, 2)
    await asyncio.sleep(0.5)
    async with worker_of(b, workflows=[]):
        await b.show("result", handle.result())
    await replays(b, handle)
