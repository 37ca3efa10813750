"""A node in this process, a client of it, and activities that run against it; workflows are written command by command."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar

from tenuto._loop import VirtualTimeLoop
from tenuto.client import Client
from tenuto.clock import WallClock
from tenuto.converter import DataConverter
from tenuto.matching.types import Clock
from tenuto.server import Node
from tenuto.store.memory import MemoryStore
from tenuto.transport.config import ConnectConfig
from tenuto.transport.local import LocalTransport
from tenuto.transport.services import ServiceClient
from tenuto.wire import command, common, enums_command, enums_event, failure, history, workflowservice
from tenuto.worker.activities import Activities

T = TypeVar("T")
QUEUE = "things"
EPOCH_NS = 1_767_225_600 * 1_000_000_000
_ENDS = {
    enums_event.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "activity_task_completed_event_attributes",
    enums_event.EVENT_TYPE_ACTIVITY_TASK_FAILED: "activity_task_failed_event_attributes",
    enums_event.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "activity_task_timed_out_event_attributes",
    enums_event.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "activity_task_canceled_event_attributes",
}


class LoopClock:
    """The virtual loop's time as a node's clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> int:
        return EPOCH_NS + round(self._loop.time() * 1e9)

    def call_at(self, when_ns: int, fn: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(max(0, when_ns - self.now()) / 1e9, fn)


def virtually(story: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The end of ``story``, told in virtual time."""
    loop = VirtualTimeLoop()
    try:
        done: T = loop.run_until_complete(loop.create_task(story()))
        return done
    finally:
        loop.close()


class End:
    """How an activity ended, as its workflow's history tells."""

    def __init__(self, event: history.HistoryEvent, converter: DataConverter) -> None:
        self.kind = enums_event.EventType.Name(event.event_type).removeprefix("EVENT_TYPE_ACTIVITY_TASK_")
        self.attributes: Any = getattr(event, _ENDS[event.event_type])
        self._converter = converter

    @property
    def result(self) -> Any:
        assert self.kind == "COMPLETED", self
        return self._converter.payload_converter.from_payloads(self.attributes.result.payloads)[0]

    @property
    def failure(self) -> failure.Failure:
        found: failure.Failure = self.attributes.failure
        return found

    def __repr__(self) -> str:
        return f"{self.kind} {self.attributes}"


class House:
    """See `open_house`."""

    def __init__(self, client: Client, node: Node) -> None:
        self.client = client
        self.node = node
        self._numbers = itertools.count(1)

    def activities(self, *functions: Callable[..., Any], **options: Any) -> Activities:
        """What a worker makes of ``functions``."""
        options.setdefault("data_converter", self.client.data_converter)
        return Activities(
            client=self.client, task_queue=QUEUE, activities=functions, identity="worker", **options
        )

    async def call(self, method: str, **fields: Any) -> Any:
        """The answer of the service."""
        request = getattr(workflowservice, f"{method}Request")(namespace="default", **fields)
        return await self.client.service_client.call(method, request)

    async def workflow(self, *commands: command.Command) -> str:
        """A new workflow that asked for ``commands``."""
        workflow_id = f"w{next(self._numbers)}"
        await self.call(
            "StartWorkflowExecution",
            workflow_id=workflow_id,
            request_id=workflow_id,
            workflow_type=common.WorkflowType(name="story"),
            task_queue={"name": workflow_id},
        )
        await self.answer(workflow_id, *commands)
        return workflow_id

    async def answer(self, workflow_id: str, *commands: command.Command) -> None:
        """Complete the workflow's next task with ``commands``."""
        task = await self.call("PollWorkflowTaskQueue", task_queue={"name": workflow_id}, identity="hand")
        assert task.task_token
        await self.call("RespondWorkflowTaskCompleted", task_token=task.task_token, commands=commands)

    async def schedule(self, name: str, *args: Any, **options: Any) -> str:
        """A new workflow that asked for an activity; ``options`` are timedeltas, or ``attempts`` (default 1)."""
        made = command.Command(command_type=enums_command.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK)
        asked = made.schedule_activity_task_command_attributes
        asked.activity_id = "a"
        asked.activity_type.name = name
        asked.task_queue.name = QUEUE
        payloads = await self.client.data_converter.encode(args)
        asked.input.payloads.extend(payloads)
        asked.retry_policy.maximum_attempts = options.pop("attempts", 1)
        options.setdefault("start_to_close_timeout", timedelta(seconds=100))
        for key, value in options.items():
            getattr(asked, key).FromTimedelta(value)
        return await self.workflow(made)

    async def task(self) -> workflowservice.PollActivityTaskQueueResponse:
        """The next activity task."""
        found: workflowservice.PollActivityTaskQueueResponse
        found = await self.call("PollActivityTaskQueue", task_queue={"name": QUEUE}, identity="worker")
        assert found.task_token
        return found

    async def run(self, activities: Activities, name: str, *args: Any, **options: Any) -> End:
        """Schedule, run once, and tell how it ended."""
        workflow_id = await self.schedule(name, *args, **options)
        await activities.run(await self.task())
        return await self.end(workflow_id)

    async def end(self, workflow_id: str) -> End:
        """How the workflow's last activity ended. Raises AssertionError when it has not."""
        answer = await self.call("GetWorkflowExecutionHistory", execution={"workflow_id": workflow_id})
        for event in reversed(answer.history.events):
            if event.event_type in _ENDS:
                return End(event, self.client.data_converter)
        raise AssertionError(f"no end of an activity in {answer.history}")

    async def pending(self, workflow_id: str) -> Any:
        """What is known of its activity while it is not over."""
        answer = await self.call("DescribeWorkflowExecution", execution={"workflow_id": workflow_id})
        return answer.pending_activities[0]

    async def cancel(self, workflow_id: str) -> None:
        """The workflow asks for its activity's cancellation."""
        await self.call(
            "SignalWorkflowExecution", workflow_execution={"workflow_id": workflow_id}, signal_name="stop"
        )
        made = command.Command(command_type=enums_command.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK)
        made.request_cancel_activity_task_command_attributes.scheduled_event_id = 5
        await self.answer(workflow_id, made)


@asynccontextmanager
async def open_house(*, virtual: bool = True, converter: DataConverter | None = None) -> AsyncIterator[House]:
    """A house on the running loop; ``virtual``: whether that loop's time is the service's."""
    clock: Clock = LoopClock(asyncio.get_running_loop()) if virtual else WallClock()
    node = Node(MemoryStore(), clock=clock)
    service = await node.open()
    config = ConnectConfig(target_host="memory://", lazy=True)
    made = Client(
        ServiceClient(config, LocalTransport(service)), data_converter=converter or DataConverter.default
    )
    try:
        yield House(made, node)
    finally:
        await node.close()


def payloads(values: Sequence[Any]) -> list[common.Payload]:
    """``values`` as they travel."""
    return list(DataConverter.default.payload_converter.to_payloads(values))
