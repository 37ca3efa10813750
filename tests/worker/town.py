"""A service in this process, and the workflow half of a worker on it: small enough to see every call between them."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from tenuto.converter import DataConverter, WorkflowSerializationContext
from tenuto.server import Node
from tenuto.store.memory import MemoryStore
from tenuto.transport.config import ConnectConfig
from tenuto.transport.local import LocalTransport
from tenuto.transport.services import ServiceClient
from tenuto.wire import failure, history, taskqueue, update
from tenuto.wire import workflowservice as ws
from tenuto.worker.deployment import Build
from tenuto.worker.local import LocalAttempt, LocalOutcome
from tenuto.worker.runs import Runs
from tenuto.workflow.definition import Definition
from tests.activity.house import LoopClock, virtually

PATIENCE = 90.0
_NAMESPACE = "default"


def in_town(
    *types: Any, virtual: bool = False, **options: Any
) -> Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[[], None]]:
    """Run a test in a new town whose worker knows ``types``; ``virtual``: in time that only waiting takes."""

    def decorate(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[[], None]:
        @wraps(test)
        def run() -> None:
            async def live() -> None:
                async with Town(*types, virtual=virtual, **options) as town, asyncio.timeout(PATIENCE):
                    await test(town)

            if virtual:
                virtually(live)
            else:
                asyncio.run(live())

        del run.__wrapped__
        return run

    return decorate


class Echo:
    """Local activities that give back their first argument; those named ``slow`` take a while, ``boom`` fails."""

    def __init__(self) -> None:
        self.began: list[str] = []

    local_names = None

    async def run_local(self, attempt: LocalAttempt) -> LocalOutcome:
        attempt.on_started()
        start = attempt.start
        self.began.append(start.activity_type)
        if start.activity_type == "slow":
            await asyncio.sleep(1.2)
        if start.activity_type == "boom":
            failed = failure.Failure(message="boom")
            failed.application_failure_info.non_retryable = True
            return LocalOutcome(failure=failed)
        return LocalOutcome(result=start.args[0] if start.args else None)


class Eager:
    """Slots for activities that come with an answer: as many as ``free``. They echo too."""

    def __init__(self, free: int = 10) -> None:
        self.free = free
        self.started: list[str] = []
        self.town: Town

    def reserve(self, queue: str, count: int) -> int:
        taken = min(self.free, count)
        self.free -= taken
        return taken

    def release(self, count: int) -> None:
        self.free += count

    def start(self, task: ws.PollActivityTaskQueueResponse) -> None:
        self.started.append(task.activity_type.name)
        self.town.spawn(self.town.echo(task))
        self.free += 1


class _Client:
    """As much of a client as the workflow half of a worker uses."""

    namespace = _NAMESPACE

    def __init__(self, service_client: ServiceClient) -> None:
        self.service_client = service_client


class Town:
    """``polled`` False: tasks are taken by hand. Calls are counted by method in ``calls``, kept in ``sent``."""

    def __init__(
        self,
        *types: Any,
        converter: DataConverter | None = None,
        polled: bool = True,
        virtual: bool = False,
        **options: Any,
    ) -> None:
        self._virtual = virtual
        self._node: Node | None = None
        self._types = types
        self._options = options
        self._polled = polled
        self.converter = converter if converter is not None else DataConverter.default
        self.sent: list[tuple[str, Any]] = []
        self.echo_activities = Echo()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Town":
        config = ConnectConfig(target_host=f"memory://{uuid.uuid4().hex}", lazy=self._virtual)
        if self._virtual:
            self._node = Node(MemoryStore(), clock=LoopClock(asyncio.get_running_loop()))
            self.service = ServiceClient(config, LocalTransport(await self._node.open()))
        else:
            self.service = await ServiceClient.connect(config)
        self._straight = self.service.call
        self.service.call = self._noting  # type: ignore[method-assign]
        self.runs = self.worker(*self._types)
        if self._polled:
            self.spawn(self._polls("q", 1))
            self.spawn(self._polls("sticky", 2))
            self.spawn(self._works())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.runs.evict_all()
        await asyncio.sleep(0)
        await self.service.close()
        if self._node is not None:
            await self._node.close()

    def worker(self, *types: Any, **options: Any) -> Runs:
        """The workflow half of a worker with this code."""
        eager = self._options.get("eager")
        if eager is not None:
            eager.town = self
        given = {
            "activities": self.echo_activities,
            "sticky_queue": "sticky",
            "build": Build("b1"),
            **self._options,
            **options,
        }
        return Runs(
            client=_Client(self.service),  # type: ignore[arg-type]
            task_queue="q",
            definitions=[Definition.must(one) for one in types],
            data_converter=self.converter,
            identity="worker",
            **given,
        )

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- the worker's side ------------------------------------------------------------------------------------------

    async def _noting(self, method: str, request: Any, **options: Any) -> Any:
        self.sent.append((method, request))
        return await self._straight(method, request, **options)

    def requests(self, method: str) -> list[Any]:
        return [request for name, request in self.sent if name == method]

    async def task(self, queue: str = "q", kind: int = 1) -> ws.PollWorkflowTaskQueueResponse:
        """The next workflow task."""
        request = ws.PollWorkflowTaskQueueRequest(namespace=_NAMESPACE, identity="worker")
        request.task_queue.CopyFrom(
            taskqueue.TaskQueue(name=queue, kind=kind, normal_name="q" if kind == 2 else "")  # type: ignore[arg-type]
        )
        while True:
            task: ws.PollWorkflowTaskQueueResponse = await self._straight("PollWorkflowTaskQueue", request)
            if task.task_token:
                return task

    async def _polls(self, queue: str, kind: int) -> None:
        while True:
            task = await self.task(queue, kind)
            self.spawn(self.runs.handle(task))

    async def _works(self) -> None:
        request = ws.PollActivityTaskQueueRequest(namespace=_NAMESPACE, identity="worker")
        request.task_queue.name = "q"
        while True:
            task = await self._straight("PollActivityTaskQueue", request)
            if task.task_token:
                await self.echo(task)

    async def echo(self, task: ws.PollActivityTaskQueueResponse) -> None:
        request = ws.RespondActivityTaskCompletedRequest(namespace=_NAMESPACE, task_token=task.task_token)
        request.result.payloads.extend(task.input.payloads)
        await self._straight("RespondActivityTaskCompleted", request)

    # ---- the client's side ------------------------------------------------------------------------------------------

    def _for(self, workflow_id: str) -> DataConverter:
        return self.converter.with_context(WorkflowSerializationContext(_NAMESPACE, workflow_id))

    async def start(self, workflow_type: str, *args: Any, task_seconds: int = 120) -> str:
        """Start one; its workflow id."""
        request = ws.StartWorkflowExecutionRequest(
            namespace=_NAMESPACE, workflow_id=uuid.uuid4().hex, request_id=uuid.uuid4().hex
        )
        request.workflow_type.name = workflow_type
        request.task_queue.name = "q"
        request.workflow_task_timeout.seconds = task_seconds
        if args:
            request.input.payloads.extend(await self._for(request.workflow_id).encode(args))
        await self._straight("StartWorkflowExecution", request)
        return request.workflow_id

    async def signal(self, workflow_id: str, name: str, *args: Any) -> None:
        request = ws.SignalWorkflowExecutionRequest(namespace=_NAMESPACE, signal_name=name)
        request.workflow_execution.workflow_id = workflow_id
        if args:
            request.input.payloads.extend(await self._for(workflow_id).encode(args))
        await self._straight("SignalWorkflowExecution", request)

    async def query(self, workflow_id: str, name: str, *args: Any) -> Any:
        """Raises `RPCError` for a query that fails."""
        request = ws.QueryWorkflowRequest(namespace=_NAMESPACE)
        request.execution.workflow_id = workflow_id
        request.query.query_type = name
        if args:
            request.query.query_args.payloads.extend(await self._for(workflow_id).encode(args))
        answer = await self._straight("QueryWorkflow", request)
        return (await self._for(workflow_id).decode(answer.query_result.payloads))[0]

    async def update(self, workflow_id: str, name: str, *args: Any) -> Any:
        """What it gives. Raises RuntimeError for one that is refused or fails."""
        request = ws.UpdateWorkflowExecutionRequest(namespace=_NAMESPACE)
        request.workflow_execution.workflow_id = workflow_id
        request.wait_policy.lifecycle_stage = 3  # type: ignore[assignment]
        asked: update.Request = request.request
        asked.meta.update_id = uuid.uuid4().hex
        asked.input.name = name
        if args:
            asked.input.args.payloads.extend(await self._for(workflow_id).encode(args))
        while True:
            answer = await self._straight("UpdateWorkflowExecution", request)
            if answer.HasField("outcome"):
                break
        if answer.outcome.HasField("failure"):
            raise RuntimeError(answer.outcome.failure.message)
        return (await self._for(workflow_id).decode(answer.outcome.success.payloads))[0]

    async def history(self, workflow_id: str, *, to_the_end: bool = False) -> list[history.HistoryEvent]:
        request = ws.GetWorkflowExecutionHistoryRequest(namespace=_NAMESPACE, wait_new_event=to_the_end)
        request.execution.workflow_id = workflow_id
        events: list[history.HistoryEvent] = []
        while True:
            page = await self._straight("GetWorkflowExecutionHistory", request)
            events.extend(page.history.events)
            request.next_page_token = page.next_page_token
            if not page.next_page_token:
                return events

    async def kinds(self, workflow_id: str) -> list[int]:
        return [event.event_type for event in await self.history(workflow_id)]

    async def result(self, workflow_id: str) -> Any:
        """What it returned. Raises RuntimeError when it did not."""
        last = (await self.history(workflow_id, to_the_end=True))[-1]
        if last.event_type != 2:
            raise RuntimeError(str(last))
        payloads = last.workflow_execution_completed_event_attributes.result.payloads
        return (await self._for(workflow_id).decode(payloads))[0] if payloads else None

    async def until(self, true: Callable[[], bool]) -> None:
        """Give everybody else turns until something is true."""
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0)
