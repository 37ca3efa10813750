"""An application in one process: a client and its workers, opened together. Composition root of new-style programs.

``async with tenuto.open("sqlite:///app.db") as app:`` is a service, a client and a worker. This file decides nothing about
workflows; it only puts together what others made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast, overload

from tenuto.activity.call import declared as declared_activities
from tenuto.activity.definition import Definition as ActivityDefinition
from tenuto.client import Client
from tenuto.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from tenuto.exceptions import WorkflowAlreadyStartedError
from tenuto.worker import Worker
from tenuto.workflow.definition import declared as declared_workflows
from tenuto.workflow.definition import workflow_named
from tenuto.workflow.function import FunctionWorkflow

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Unpack

    from tenuto.client import Interceptor as ClientInterceptor
    from tenuto.client import Plugin as ClientPlugin
    from tenuto.client import ScheduleHandle, ScheduleOverlapPolicy, WorkflowHandle
    from tenuto.client.callables import StartOptions
    from tenuto.client.schedule_action import ScheduledStartOptions
    from tenuto.common import Duration

    class AppStartOptions(StartOptions, total=False):
        """Options of `App.start` and `App.execute`."""

        once: bool

    from tenuto.converter import DataConverter
    from tenuto.transport.config import TLSConfig
    from tenuto.worker import WorkerConfig

R = TypeVar("R")

connect = Client.connect
"""Reach a service: see `tenuto.client.Client.connect`."""


def open(
    target: str | Client = "memory://",
    *,
    workflows: Sequence[Any] | None = None,
    activities: Sequence[Callable[..., Any]] | None = None,
    task_queue: str = "default",
    nexus_endpoints: Mapping[str, Any] | None = None,
    worker: WorkerConfig | None = None,
    namespace: str = "default",
    data_converter: DataConverter | None = None,
    interceptors: Sequence[ClientInterceptor] = (),
    plugins: Sequence[ClientPlugin] = (),
    api_key: str | None = None,
    tls: bool | TLSConfig | None = None,
    identity: str | None = None,
) -> App:
    """A client and its workers as one: ``async with tenuto.open("sqlite:///app.db") as app:``.

    Args:
        target: URL of a store to open in this process (``sqlite:///app.db``, ``memory://``), ``host:port`` of a server, or
            a client that is connected already, which is then not closed.
        workflows: What to run. Default: every ``@workflow`` function of this process.
        activities: What to run. Default: every ``@activity`` and ``@step`` function of this process.
        task_queue: Where workflows are started and taken from, unless their definition names another queue: each queue
            that is named gets a worker.
        nexus_endpoints: Nexus services that this program offers: names of endpoints, and the service handler (or a sequence
            of them) behind each. An endpoint that is not there is made; one that leads elsewhere leads here from now on.
        worker: More parameters of `tenuto.worker.Worker`, for every worker.
        namespace: As of `tenuto.client.Client.connect`, like those that follow.
        data_converter: Default: `tenuto.DataConverter.default`.
        interceptors: Of the client; those that are worker interceptors as well pass to the workers.
        plugins: Of the client; those that are worker plugins as well pass to the workers.
        api_key: Default: none.
        tls: Default: on exactly when there is an ``api_key``.
        identity: Default: ``pid@host``.

    Raises:
        ValueError: ``target`` is a client, and something else than it says was asked for.
    """
    options: dict[str, Any] = {
        "namespace": namespace,
        "interceptors": interceptors,
        "plugins": plugins,
        "api_key": api_key,
        "tls": tls,
        "identity": identity,
    }
    if data_converter is not None:
        options["data_converter"] = data_converter
    if isinstance(target, Client):
        _refuse_settings(target, options)
    return App(
        target,
        workflows=declared_workflows() if workflows is None else workflows,
        activities=declared_activities() if activities is None else activities,
        task_queue=task_queue,
        nexus_endpoints=nexus_endpoints or {},
        worker=worker or {},
        options=options,
    )


def _refuse_settings(client: Client, asked: dict[str, Any]) -> None:
    """A client that is connected already has its settings; what else is asked for would have no effect."""
    given = [name for name, value in asked.items() if value and name != "namespace"]
    if asked["namespace"] not in ("default", client.namespace):
        given.append("namespace")
    if given:
        raise ValueError(
            f"the client given to tenuto.open() is connected already: pass {', '.join(given)} to its Client.connect()"
        )


class App:
    """A client and its workers, made by `tenuto.open`; running inside ``async with``."""

    client: Client
    """The client. Only inside ``async with``."""
    workers: Sequence[Worker]
    """One for each task queue, the application's own first. Empty when there is nothing to run."""

    def __init__(
        self,
        target: str | Client,
        *,
        workflows: Sequence[Any],
        activities: Sequence[Callable[..., Any]],
        task_queue: str,
        nexus_endpoints: Mapping[str, Any],
        worker: WorkerConfig,
        options: dict[str, Any],
    ) -> None:
        self.task_queue = task_queue
        self.workers = ()
        self._target = target
        self._workflows = workflows
        self._activities = activities
        self._endpoints = nexus_endpoints
        self._worker = worker
        self._options = options
        self._running: AsyncExitStack | None = None

    @property
    def worker(self) -> Worker:
        """The worker of the application's own task queue. Raises RuntimeError when there is none."""
        if not self.workers:
            raise RuntimeError("this application has no worker: it is not open, or has nothing to run")
        return self.workers[0]

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise RuntimeError("this application is open already")
        async with AsyncExitStack() as opened:
            await self._open(opened)
            self._running = opened.pop_all()
        return self

    async def _open(self, opened: AsyncExitStack) -> None:
        if isinstance(self._target, Client):
            self.client = self._target
        else:
            given = {"default_task_queue": self.task_queue, **self._options}
            self.client = await Client.connect(self._target, **given)
            opened.push_async_callback(self.client.service_client.close)
        if self._endpoints:
            from tenuto.client import nexus_sugar

            for name in self._endpoints:
                await nexus_sugar.put(self.client, name, self.task_queue)
        workers = []
        for queue, (workflows, activities) in self._by_queue().items():
            offered = {"nexus_service_handlers": self._handlers()} if queue == self.task_queue else {}
            made = Worker(
                self.client,
                **{
                    **cast("dict[str, Any]", self._worker),
                    "task_queue": queue,
                    "workflows": workflows,
                    "activities": activities,
                    **(offered if self._endpoints else {}),
                },
            )
            workers.append(await opened.enter_async_context(made))
        self.workers = tuple(workers)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        running, self._running = self._running, None
        self.workers = ()
        if running is not None:
            await running.__aexit__(kind, error, trace)

    def _handlers(self) -> list[Any]:
        """What is offered at endpoints, beside what the worker's own parameters offer."""
        handlers = list(self._worker.get("nexus_service_handlers", ()))
        for given in self._endpoints.values():
            for one in given if isinstance(given, Sequence) else (given,):
                if one not in handlers:
                    handlers.append(one)
        return handlers

    def _by_queue(self) -> dict[str, tuple[list[Any], list[Any]]]:
        """What each queue's worker runs. An activity that names no queue is asked for in its workflow's."""
        queues: dict[str, tuple[list[Any], list[Any]]] = {}
        if self._endpoints or any(getattr(each, "task_queue", None) is None for each in self._workflows):
            queues[self.task_queue] = ([], [])
        for workflow in self._workflows:
            queue = getattr(workflow, "task_queue", None) or self.task_queue
            queues.setdefault(queue, ([], []))[0].append(workflow)
        homeless = []
        for activity in self._activities:
            said = ActivityDefinition.must(activity).options
            queue = said.task_queue if said is not None else None
            if queue is None:
                homeless.append(activity)
            else:
                queues.setdefault(queue, ([], []))[1].append(activity)
        if homeless and not any(workflows for workflows, _ in queues.values()):
            queues.setdefault(self.task_queue, ([], []))
        for _, activities in queues.values():
            activities.extend(homeless)
        return queues

    @overload
    async def start(
        self, workflow: FunctionWorkflow[..., R], *args: Any, **options: Unpack[AppStartOptions]
    ) -> WorkflowHandle[Any, R]: ...
    @overload
    async def start(
        self, workflow: Callable[..., Awaitable[R]], *args: Any, **options: Unpack[AppStartOptions]
    ) -> WorkflowHandle[Any, R]: ...
    @overload
    async def start(
        self, workflow: str, *args: Any, **options: Unpack[AppStartOptions]
    ) -> WorkflowHandle[Any, Any]: ...
    async def start(self, workflow: Any, *args: Any, **options: Any) -> Any:
        """Start a workflow, and return its handle.

        Args:
            workflow: A ``@workflow`` function, the run method of a workflow class, or the name of a type.
            args: Its arguments.
            options: Those of `Client.start_workflow`, all optional: ``id`` (default: name and a UUID) and so on. And
                ``once=True``: this id is run once. If it runs already, or has ended, in whatever way, the handle is of
                that run; so a program that is started again goes on where it was.
        """
        if not options.pop("once", False):
            return await self.client.start_workflow(workflow, args=args, **self._queued(workflow, options))
        if not options.get("id"):
            raise ValueError("once=True needs an id: it says what is to be done once")
        options.setdefault("id_conflict_policy", WorkflowIDConflictPolicy.USE_EXISTING)
        options.setdefault("id_reuse_policy", WorkflowIDReusePolicy.REJECT_DUPLICATE)
        try:
            return await self.client.start_workflow(workflow, args=args, **self._queued(workflow, options))
        except WorkflowAlreadyStartedError as ended:
            _, _, result_type = workflow_named(workflow)
            return self.client.get_workflow_handle(
                options["id"],
                run_id=ended.run_id or None,
                result_type=options.get("result_type") or result_type,
            )

    @overload
    async def execute(
        self, workflow: FunctionWorkflow[..., R], *args: Any, **options: Unpack[AppStartOptions]
    ) -> R: ...
    @overload
    async def execute(
        self, workflow: Callable[..., Awaitable[R]], *args: Any, **options: Unpack[AppStartOptions]
    ) -> R: ...
    @overload
    async def execute(self, workflow: str, *args: Any, **options: Unpack[AppStartOptions]) -> Any: ...
    async def execute(self, workflow: Any, *args: Any, **options: Any) -> Any:
        """Run a workflow, and return its result. Args as of `start`. Raises `WorkflowFailureError` when it fails."""
        if options.get("once"):
            handle = await self.start(workflow, *args, **options)
            return await handle.result()
        return await self.client.execute_workflow(workflow, args=args, **self._queued(workflow, options))

    async def schedule(
        self,
        id: str,
        workflow: Any,
        /,
        *args: Any,
        cron: str | Sequence[str] = (),
        every: Duration | None = None,
        time_zone: str | None = None,
        overlap: ScheduleOverlapPolicy | None = None,
        **options: Unpack[ScheduledStartOptions],
    ) -> ScheduleHandle:
        """See to it that a schedule starts ``workflow`` again and again: make it, or, if there is one with this ``id``, have
        it act like this from now on. So a program that is started again need not ask whether it made its schedules.

        For more than this, `Client.create_schedule`.

        Args:
            id: The schedule's. Workflows get the same one with their time, unless ``options`` name another.
            workflow: A ``@workflow`` function, the run method of a workflow class, or the name of a type.
            args: Its arguments.
            cron: When, as cron expressions: one or several.
            every: When, as an interval in seconds or as timedelta, counted from 1970. May be given beside ``cron``.
            time_zone: Whose clock ``cron`` is read by, as in ``"Europe/Rome"``. Default: UTC.
            overlap: What to do while the workflow before still runs. Default: skip.
            options: Those of `ScheduleActionStartWorkflow`: timeouts, retry policy, memo and so on.

        Raises:
            ValueError: Neither ``cron`` nor ``every``.
            RPCError: What the service says of a ``cron`` or ``time_zone`` that it cannot read.
        """
        from tenuto.client import schedule_sugar

        if not cron and every is None:
            raise ValueError("a schedule needs a time: give cron, every, or both")
        queue = getattr(workflow, "task_queue", None) or self.task_queue
        wanted = schedule_sugar.schedule(
            workflow,
            args,
            [cron] if isinstance(cron, str) else list(cron),
            every,
            time_zone,
            overlap,
            {"id": id, "task_queue": queue, **options},
        )
        return await schedule_sugar.put(self.client, id, wanted)

    def _queued(self, workflow: Any, options: dict[str, Any]) -> Any:
        queue = getattr(workflow, "task_queue", None) or self.task_queue
        # The worker is next door: its first workflow task comes with the answer to the start.
        eager = not any(options.get(name) for name in ("start_signal", "start_delay", "cron_schedule"))
        return {"task_queue": queue, "request_eager_start": eager, **options}
