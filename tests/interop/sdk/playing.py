"""Plays programs: with workers of one make, or of both at once, against a service at an address."""

import asyncio
import contextlib
import time
import traceback
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import temporalio.client
import temporalio.worker
from temporalio.api.enums.v1 import common_pb2 as values
from temporalio.api.enums.v1 import event_type_pb2 as enums
from temporalio.api.history.v1 import message_pb2 as history
from temporalio.api.operatorservice.v1 import request_response_pb2 as operator

import tenuto.client
import tenuto.worker
from tests.interop.sdk.loading import Make, load
from tests.interop.sdk.stage import Stage
from tests.oracle.harness import SEARCH_ATTRIBUTES

IDENTITY = "interop"
PATIENCE = 120.0
"""Seconds that one program may take."""


@dataclass(slots=True)
class Played:
    """What came of one program: its result, and the history of every run it made, by the order of their starts."""

    result: Any = None
    error: str = ""
    histories: list[tuple[str, list[history.HistoryEvent]]] = field(default_factory=list)
    began_at: float = 0.0
    salt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Whose client and workers play, and where. With two makes of workers each workflow task may go to either."""

    address: str
    client: Make
    workers: Sequence[Make]
    connect: dict[str, Any] = field(default_factory=dict)
    """Options of the client of each make."""
    worker: dict[str, Any] = field(default_factory=dict)
    takeover: bool = False
    """The workers do not work at once: the second takes over from the first, where all programs are half done."""


async def connect(make: Make, address: str, **options: Any) -> Any:
    """A client of that make."""
    if make == "official":
        return await temporalio.client.Client.connect(address, identity=IDENTITY, **options)
    client = await tenuto.client.Client.connect(address, identity=IDENTITY, **options)
    if "://" in address:
        await _attributes(client)
    return client


async def _attributes(client: tenuto.client.Client) -> None:
    """Make known to a service in this process what servers are told at their start."""
    wanted = operator.AddSearchAttributesRequest(namespace=client.namespace)
    for name, kind in SEARCH_ATTRIBUTES.items():
        wanted.search_attributes[name] = values.IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{_upper(kind)}")
    await client.operator_service.add_search_attributes(wanted)


def _upper(kind: str) -> str:
    return "KEYWORD_LIST" if kind == "KeywordList" else kind.upper()


def worker(make: Make, client: Any, queue: str, executor: ThreadPoolExecutor, **options: Any) -> Any:
    """A worker of that make, which runs every script."""
    scripts = load(make)
    options = {
        "task_queue": queue,
        "workflows": scripts.workflows,
        "activities": scripts.activities,
        "activity_executor": executor,
        "graceful_shutdown_timeout": timedelta(0),
        "max_heartbeat_throttle_interval": timedelta(milliseconds=100),
        "default_heartbeat_throttle_interval": timedelta(milliseconds=100),
        **options,
    }
    if make == "official":
        runner = temporalio.worker.UnsandboxedWorkflowRunner()
        # What it takes for deadlocks are stalls of the machine: none is looked for.
        return temporalio.worker.Worker(client, workflow_runner=runner, debug_mode=True, **options)
    return tenuto.worker.Worker(client, **options)


class Crew:
    """The workers of a setting, and who of them is at work."""

    def __init__(self, setting: Setting, clients: dict[Make, Any], queue: str, programs: int) -> None:
        self._setting = setting
        self._clients = clients
        self._queue = queue
        self._expected = programs
        self._over = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()
        self._executor = ThreadPoolExecutor(16)

    async def _hire(self, make: Make, **options: Any) -> None:
        options.update(self._setting.worker.get(make, {}))
        await self._stack.enter_async_context(
            worker(make, self._clients[make], self._queue, self._executor, **options)
        )

    async def __aenter__(self) -> "Crew":
        makes = self._setting.workers
        if self._setting.takeover:
            await self._hire(makes[0])
        else:
            for make in makes:
                await self._hire(make, **({"max_cached_workflows": 0} if len(makes) > 1 else {}))
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()
        self._executor.shutdown()

    async def swap(self) -> None:
        """Wait until every program is here; then the second worker takes over from the first."""
        if not self._setting.takeover:
            return
        self._expected -= 1
        if self._expected:
            await self._over.wait()
            return
        await self._stack.aclose()
        self._stack = contextlib.AsyncExitStack()
        await self._hire(self._setting.workers[1])
        self._over.set()


async def play_all(setting: Setting, names: Sequence[str]) -> dict[str, Played]:
    """Every named program at once."""
    makes: set[Make] = {setting.client, *setting.workers}
    clients = {make: await connect(make, setting.address, **setting.connect.get(make, {})) for make in makes}
    queue = f"interop-{uuid.uuid4()}"
    async with Crew(setting, clients, queue, len(names)) as crew:
        client = clients[setting.client]
        found = await asyncio.gather(*(play(client, queue, setting.client, name, crew) for name in names))
    return dict(zip(names, found, strict=True))


async def play(client: Any, queue: str, make: Make, name: str, crew: Crew) -> Played:
    """One program, and the histories of what it started."""
    program = load(make).programs[name]
    played = Played(began_at=time.time(), salt=uuid.uuid4().hex[:8])
    stage = Stage(client=client, queue=queue, name=name, salt=played.salt, swapped=crew.swap)
    stage.accepted = (temporalio if make == "official" else tenuto).client.WorkflowUpdateStage.ACCEPTED
    try:
        async with asyncio.timeout(PATIENCE):
            played.result = await program.play(stage)
            for handle in sorted(stage.handles, key=lambda each: str(each.id)):
                await _follow(
                    client, handle.id, handle.first_execution_run_id or handle.result_run_id, played
                )
    except Exception:  # noqa: BLE001 - the test shows it
        played.error = traceback.format_exc()
        with contextlib.suppress(Exception):
            for handle in stage.handles:
                await _follow(client, handle.id, handle.first_execution_run_id, played, wait=False)
    return played


async def _follow(
    client: Any, workflow_id: str, run_id: str | None, played: Played, wait: bool = True
) -> None:
    """Keep the history of a run, of its children, and of the runs behind it. A run that never ends is waited for."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    if wait:
        closing = handle.fetch_history_events(
            wait_new_event=True,
            event_filter_type=temporalio.client.WorkflowHistoryEventFilterType.CLOSE_EVENT,
        )
        async for _ in closing:
            pass
    events = [event async for event in handle.fetch_history_events()]
    played.histories.append((workflow_id, events))
    for event in events:
        if event.event_type == enums.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
            child = event.child_workflow_execution_started_event_attributes.workflow_execution
            await _follow(client, child.workflow_id, child.run_id, played, wait)
    for _, value in events[-1].ListFields():
        following = getattr(value, "new_execution_run_id", "")
        if following:
            await _follow(client, workflow_id, following, played, wait)
