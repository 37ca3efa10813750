"""The whole house behind the service's door, on a store in memory and a clock moved by hand."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tenuto.clock import ManualClock
from tenuto.matching.host import Matching
from tenuto.service.call import Call
from tenuto.service.core import Core
from tenuto.service.errors import Code, ServiceError
from tenuto.service.namespaces import Namespaces
from tenuto.service.service import Service
from tenuto.shard.runner import Shard
from tenuto.store.memory import MemoryStore
from tenuto.wire import Message, operatorservice
from tenuto.wire import workflowservice as ws

S = 1_000_000_000
T = TypeVar("T")


class House:
    """One node. ``call`` answers with a parsed message, whatever the service answers with."""

    def __init__(self, store: MemoryStore, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self._chance = random.Random(7)
        self._ids = 0
        self.namespaces = Namespaces(store, self.new_id)
        self.matching = Matching(clock)
        self.shard = Shard(
            store, 0, "node", clock, self.namespaces.facts, self.matching, self._chance.randbytes
        )
        self.matching.refused, self.matching.credit = self.shard.refused, self.shard.credit
        self.service = Service(Core(self.shard, self.matching, self.namespaces, clock, self.new_id))

    def new_id(self) -> str:
        self._ids += 1
        return f"00000000-0000-4000-8000-{self._ids:012}"

    async def open(self) -> None:
        await self.store.open()
        await self.namespaces.load()
        await self.shard.open()
        self.service.resume()

    async def close(self) -> None:
        self.matching.close()
        await self.shard.close()

    def begin(self, method: str, seconds: float = 10, **fields: Any) -> "asyncio.Task[Any]":
        """A call on its way; ``seconds`` until its deadline, 0 for none."""
        module = ws if hasattr(ws, method + "Request") else operatorservice
        kind = getattr(module, method + "Request")
        if "namespace" in kind.DESCRIPTOR.fields_by_name:
            fields = {"namespace": "default", **fields}
        answer = getattr(module, method + "Response")
        call = Call(self.clock.now() + int(seconds * S) if seconds else None)

        async def run() -> Message:
            made: Message | bytes = await self.service.call(method, kind(**fields), call)
            return answer.FromString(made) if isinstance(made, bytes) else made

        return asyncio.ensure_future(run())

    async def call(self, method: str, seconds: float = 10, **fields: Any) -> Any:
        """A call that needs no time to pass."""
        task = self.begin(method, seconds, **fields)
        for _ in range(200):
            if task.done():
                return task.result()
            await self.clock.flow()
        task.cancel()
        raise AssertionError(f"{method} is still waiting")

    async def refusal(self, method: str, **fields: Any) -> ServiceError:
        """The error that a call must end with."""
        try:
            answer = await self.call(method, **fields)
        except ServiceError as error:
            return error
        raise AssertionError(f"{method} was answered: {answer}")

    async def start(self, workflow_id: str = "w", **fields: Any) -> Any:
        wanted = {"workflow_type": {"name": "T"}, "task_queue": {"name": "q"}, **fields}
        return await self.call("StartWorkflowExecution", workflow_id=workflow_id, **wanted)

    async def poll(self, queue: str = "q", **fields: Any) -> Any:
        """The workflow task that waits on a queue."""
        return await self.call(
            "PollWorkflowTaskQueue", 60, task_queue={"name": queue}, identity="me", **fields
        )

    async def complete(self, task: Any, *commands: Any, **fields: Any) -> Any:
        wanted = {"identity": "me", "commands": list(commands), **fields}
        return await self.call("RespondWorkflowTaskCompleted", task_token=task.task_token, **wanted)

    async def finish(self, task: Any) -> Any:
        """Complete the workflow itself."""
        return await self.complete(
            task, {"command_type": 4, "complete_workflow_execution_command_attributes": {}}
        )


def on_virtual_time(scene: Callable[[House], Awaitable[None]], store: MemoryStore | None = None) -> None:
    """Play a scene in a house of its own."""

    async def play() -> None:
        house = House(store or MemoryStore(), ManualClock())
        await house.open()
        try:
            await scene(house)
        finally:
            await house.close()

    asyncio.run(play())


def said(error: ServiceError) -> tuple[Code, str]:
    return error.code, error.message
