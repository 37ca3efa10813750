"""A shard on its own: memory store, matching, a clock moved by hand; no service, no network."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from tenuto.clock import ManualClock
from tenuto.engine import types
from tenuto.limits import SECOND
from tenuto.matching.host import Matching
from tenuto.matching.types import Match, Poller, QueueKey, QueueKind
from tenuto.shard.runner import Shard
from tenuto.store.faults import Fault, FaultyStore
from tenuto.store.memory import MemoryDisk, MemoryStore
from tenuto.store.spi import ChainKey
from tenuto.wire import command as wire_command
from tenuto.wire import workflowservice as ws
from tests.engine.support import NAMESPACE, start_message, token_of


class House:
    """One disk, and the shard that stands on it at the moment."""

    def __init__(self, cache_bytes: int = 1 << 20, workers_inside: bool = False) -> None:
        self.clock = ManualClock()
        self.disk = MemoryDisk()
        self.cache_bytes = cache_bytes
        self.workers_inside = workers_inside
        self.faults: list[tuple[str, Fault]] = []
        """What the next calls of these verbs meet, in order."""
        self._entropy = random.Random(1)
        self.shard: Shard
        self.matching: Matching

    async def open(self) -> "House":
        """Stand up a new shard over the disk, as after a restart."""
        store = FaultyStore(MemoryStore(self.disk), self._fault)
        await store.open()
        self.matching = Matching(self.clock)
        self.shard = Shard(
            store,
            0,
            "owner",
            self.clock,
            lambda namespace_id: NAMESPACE if namespace_id == NAMESPACE.id else None,
            self.matching,
            self._entropy.randbytes,
            cache_bytes=self.cache_bytes,
            workers_inside=self.workers_inside,
        )
        self.matching.refused = self.shard.refused
        self.matching.credit = self.shard.credit
        await self.shard.open()
        return self

    def _fault(self, verb: str) -> Fault:
        if self.faults and self.faults[0][0] == verb:
            return self.faults.pop(0)[1]
        return Fault.NONE

    async def restart(self) -> None:
        """The process dies and another takes over."""
        self.shard.crash()
        await self.clock.flow()
        await self.open()

    # ---- driving --------------------------------------------------------------------------------------------------------

    def key(self, workflow_id: str) -> ChainKey:
        return ChainKey(NAMESPACE.id, workflow_id)

    async def ask(self, workflow_id: str, request: Any) -> Any:
        return await self.shard.submit(self.key(workflow_id), request)

    async def start(self, workflow_id: str = "w", **fields: Any) -> types.StartReply:
        reply: types.StartReply = await self.ask(
            workflow_id, types.Start(start_message(workflow_id, **fields))
        )
        return reply

    async def describe(self, workflow_id: str = "w") -> ws.DescribeWorkflowExecutionResponse:
        reply: ws.DescribeWorkflowExecutionResponse = await self.ask(workflow_id, types.Describe())
        return reply

    async def match(
        self, kind: QueueKind = QueueKind.WORKFLOW, queue: str = "queue", wait_ns: int = 1
    ) -> Match | None:
        """What a poll of the queue gets within ``wait_ns``."""
        poller = Poller(QueueKey(NAMESPACE.id, queue, kind), "worker", "poll")
        poll = asyncio.ensure_future(self.matching.poll(poller, self.clock.now() + wait_ns))
        await self.clock.flow(wait_ns)
        return await poll

    async def take(self, queue: str = "queue") -> tuple[ChainKey, types.WorkflowTaskHandout]:
        """Poll a workflow task and start it."""
        match = await self.match(queue=queue)
        assert match is not None and match.offer is not None, "no workflow task is on offer"
        ticket = match.offer.ticket
        key = ChainKey(ticket.namespace_id, ticket.workflow_id)
        request = types.StartWorkflowTask(
            ticket.run_id,
            ticket.scheduled_event_id,
            ticket.attempt,
            ticket.stamp,
            queue,
            False,
            "worker",
            "poll",
        )
        return key, await self.shard.submit(key, request)

    async def step(self, *commands: wire_command.Command, queue: str = "queue") -> types.TaskCompleted:
        """Take a workflow task and complete it."""
        key, handout = await self.take(queue)
        message = ws.RespondWorkflowTaskCompletedRequest(identity="worker", commands=commands)
        reply: types.TaskCompleted = await self.shard.submit(
            key, types.CompleteWorkflowTask(token_of(handout), message)
        )
        return reply

    async def history(self, workflow_id: str = "w") -> list[str]:
        """Names of the events of the current run, as stored."""
        from tenuto.wire import history
        from tests.engine.support import short

        asked: types.HistoryReply = await self.ask(workflow_id, types.AskHistory())
        rows = await self.shard.read_history(self.key(workflow_id), asked.run_id, 1, asked.next_event_id - 1)
        raw = b"".join(row.events for row in rows)
        return [short(event) for event in history.History.FromString(raw).events]


def timer(timer_id: str, seconds: int) -> wire_command.Command:
    command = wire_command.Command(command_type=3)  # type: ignore[arg-type]
    command.start_timer_command_attributes.timer_id = timer_id
    command.start_timer_command_attributes.start_to_fire_timeout.seconds = seconds
    return command


def complete() -> wire_command.Command:
    command = wire_command.Command(command_type=4)  # type: ignore[arg-type]
    command.complete_workflow_execution_command_attributes.SetInParent()
    return command


def child(workflow_id: str) -> wire_command.Command:
    command = wire_command.Command(command_type=11)  # type: ignore[arg-type]
    attributes = command.start_child_workflow_execution_command_attributes
    attributes.workflow_id = workflow_id
    attributes.workflow_type.name = "Child"
    attributes.task_queue.name = "children"
    return command


def told(story: Callable[[House], Awaitable[None]], *, workers_inside: bool = False) -> None:
    """Run a test's story on a fresh house."""

    async def run() -> None:
        house = await House(workers_inside=workers_inside).open()
        try:
            await story(house)
        finally:
            closing = asyncio.ensure_future(house.shard.close())
            await house.clock.flow(SECOND)
            await closing

    asyncio.run(run())
