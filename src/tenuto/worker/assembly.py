"""The parts of one worker, made from its configuration, started together and ended in order.

This file must never decide what a task means; it only says which part gets it.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from tenuto import ambient
from tenuto.common import HeaderCodecBehavior, MetricMeter
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.transport.sizes import Limits
from tenuto.wire import namespace as wire_namespace
from tenuto.wire import workflowservice as ws
from tenuto.worker.activities import Activities
from tenuto.worker.config import (
    PollerBehavior,
    PollerBehaviorAutoscaling,
    PollerBehaviorSimpleMaximum,
    WorkerConfig,
    most_at_once,
    poller_behaviors,
    suppliers,
)
from tenuto.worker.definitions import definitions
from tenuto.worker.deployment import Build
from tenuto.worker.eager import EagerActivities, workflow_slot
from tenuto.worker.interceptor import Interceptor
from tenuto.worker.pollers import Outage, Poller
from tenuto.worker.presence import Occupied, Presence
from tenuto.worker.requests import activity_poll, nexus_poll, workflow_poll
from tenuto.worker.resources import Room
from tenuto.worker.runs import Runs
from tenuto.worker.scaling import Pace, scale_for, split
from tenuto.worker.slots import (
    NORMAL,
    STICKY,
    ActivitySlot,
    NexusSlot,
    Reserve,
    Slots,
    WorkflowSlot,
    slots_for,
)
from tenuto.worker.tuner import (
    DEFAULT_RESOURCE_SLOTS_MAXIMUM,
    FixedSizeSlotSupplier,
    ResourceBasedSlotSupplier,
    SlotSupplier,
    SlotType,
)
from tenuto.worker.worker_metrics import WorkerMetrics

if TYPE_CHECKING:
    from tenuto.client import Client
    from tenuto.runtime import Runtime
    from tenuto.worker.nexus import NexusTasks
    from tenuto.worker.plugin import Plugin

    Capabilities = wire_namespace.NamespaceInfo.Capabilities

logger = logging.getLogger("tenuto.worker")

WORKFLOW_QUEUE, ACTIVITY_QUEUE, NEXUS_QUEUE = 1, 2, 3
"""TaskQueueType."""
POLLS_MAY_END_SECONDS = 5.0
"""How long polls may take to come back once the service was told that the worker goes, if it says that it ends them."""
POLLS_MIGHT_END_SECONDS = 0.05
"""The same for a service that may end them without having said so."""
_outages: WeakKeyDictionary[Any, Outage] = WeakKeyDictionary()
"""Of each connection that workers poll through."""
WORKFLOW_TASK_SECONDS = 10.0
"""How long workflow tasks may still take once all activities have ended."""


class Assembly:
    """Everything a worker consists of. ``on_fatal`` is told what makes it impossible to go on."""

    def __init__(
        self, config: WorkerConfig, plugins: Sequence[Plugin], on_fatal: Callable[[BaseException], None]
    ) -> None:
        self.client: Client = config["client"]
        self._config = config
        self._on_fatal = on_fatal
        self._namespace = self.client.namespace
        self._queue = config["task_queue"]
        self._identity = config.get("identity") or self.client.identity
        given = self.client.config(active_config=True)
        inherited = [cast(Interceptor, one) for one in given["interceptors"] if isinstance(one, Interceptor)]
        self._interceptors: list[Interceptor] = [*inherited, *config.get("interceptors", ())]
        self._header_codec = given.get("header_codec_behavior")
        self.definitions = definitions(config)
        self._build = Build.of(config)
        self._runtime = _runtime_of(self.client)
        self._meter: MetricMeter = self._runtime.metric_meter
        self._metrics = WorkerMetrics.of(self._meter, self._namespace, self._queue)
        self._suppliers = suppliers(config)
        self._room: Room | None = None
        self._open = False
        self._pollers: list[Poller[Any]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._withdraw: Callable[[], None] | None = None
        self._capabilities: Capabilities = wire_namespace.NamespaceInfo.Capabilities()
        self._plugins = sorted({plugin.name() for plugin in plugins})
        storage = given["data_converter"].external_storage
        self._drivers = sorted({driver.type() for driver in storage.drivers}) if storage is not None else []
        cached = config.get("max_cached_workflows", 1000)
        self._sticky_queue = self._sticky_name(cached)
        self._cached = cached if self._sticky_queue else 0
        self._slots = self._all_slots()
        self._activities = self._make_activities()
        self._eager: EagerActivities | None = None
        self._nexus: NexusTasks | None = None
        self._own_executor: ThreadPoolExecutor | None = None
        self._runs: Runs | None = None
        self._presence = self._make_presence()
        self._make_pollers()

    # ---- making ---------------------------------------------------------------------------------------------------------

    def _sticky_name(self, cached: int) -> str:
        """The queue of this worker alone; empty when there is nothing to come back to, or no slot to poll it with."""
        supplier = self._suppliers.workflow
        alone = isinstance(supplier, FixedSizeSlotSupplier) and supplier.num_slots < 2
        if not self.definitions or cached <= 0 or alone:
            return ""
        return f"{self._identity}-{ambient.new_id().replace('-', '')}"

    def _all_slots(self) -> dict[SlotType, Slots]:
        found = self._suppliers
        lanes = (NORMAL, STICKY) if self._sticky_queue else (NORMAL,)
        bound = max(2, self._cached) if self._sticky_queue else None
        return {
            "workflow": self._slots_for("workflow", found.workflow, lanes, bound),
            "activity": self._slots_for("activity", found.activity),
            "local-activity": self._slots_for("local-activity", found.local_activity),
            "nexus": self._slots_for("nexus", found.nexus),
        }

    def _slots_for(
        self,
        kind: SlotType,
        supplier: SlotSupplier,
        lanes: Sequence[int] = (NORMAL,),
        bound: int | None = None,
    ) -> Slots:
        if isinstance(supplier, ResourceBasedSlotSupplier) and self._room is None:
            targets = supplier.tuner_config
            self._room = Room(targets.target_memory_usage, targets.target_cpu_usage)
        version = self._build.deployment_version
        reserve = Reserve(kind, self._queue, self._identity, self._build.build_id, version, False)
        return slots_for(supplier, reserve, room=self._room, lanes=lanes, bound=bound)

    def _make_activities(self) -> Activities | None:
        config = self._config
        activities = config.get("activities")
        if not activities:
            return None
        executor = config.get("activity_executor")
        most = most_at_once(self._suppliers.activity)
        if config.get("max_concurrent_activities") is not None or config.get("tuner") is not None:
            _warn_if_too_few_threads("activities", executor, most)
        return Activities(
            client=self.client,
            task_queue=self._queue,
            activities=activities,
            data_converter=self.client.config(active_config=True)["data_converter"],
            identity=self._identity,
            executor=executor,
            interceptors=self._interceptors,
            max_heartbeat_throttle=config.get("max_heartbeat_throttle_interval", timedelta(seconds=60)),
            default_heartbeat_throttle=config.get(
                "default_heartbeat_throttle_interval", timedelta(seconds=30)
            ),
            metric_meter=self._meter,
            shared_state_manager=config.get("shared_state_manager"),
            default_threads=max(
                1, min(most or DEFAULT_RESOURCE_SLOTS_MAXIMUM, DEFAULT_RESOURCE_SLOTS_MAXIMUM)
            ),
            processes=config.get("activity_processes", 0),
            local_slots=self._slots["local-activity"],
            build=self._build,
            header_codec=self._header_codec == HeaderCodecBehavior.CODEC,
        )

    def _make_presence(self) -> Presence:
        types = []
        if self.definitions:
            types.append(WORKFLOW_QUEUE)
        if self._polls_activities:
            types.append(ACTIVITY_QUEUE)
        if self._config.get("nexus_service_handlers"):
            types.append(NEXUS_QUEUE)
        return Presence(
            client=lambda: self.client.service_client,
            namespace=self._namespace,
            identity=self._identity,
            task_queue=self._queue,
            sticky_queue=self._sticky_queue,
            task_queue_types=types,
            deployment_version=self._build.deployment_version,
            plugins=self._plugins,
            drivers=self._drivers,
            occupied={
                "workflow_task_slots_info": Occupied(self._slots["workflow"]),
                "activity_task_slots_info": Occupied(self._slots["activity"]),
                "nexus_task_slots_info": Occupied(self._slots["nexus"]),
                "local_activity_slots_info": Occupied(self._slots["local-activity"]),
            },
            cached=lambda: self._runs.cached if self._runs is not None else 0,
        )

    @property
    def _polls_activities(self) -> bool:
        return bool(self._config.get("activities")) and not self._config.get("no_remote_activities")

    def _make_pollers(self) -> None:
        workflow, activity, nexus = poller_behaviors(self._config)
        if self._config.get("nexus_service_handlers"):
            self._make_nexus_poller(nexus)
        if self._polls_activities:
            self._make_activity_poller(activity)
        if self.definitions:
            self._runs = self._make_runs()
            self._make_workflow_pollers(workflow, self._runs)

    def _make_activity_poller(self, behavior: PollerBehavior) -> None:
        config, activities = self._config, self._activities
        assert activities is not None
        rate = config.get("max_activities_per_second")
        pace = Pace(rate) if rate is not None else None
        request = activity_poll(
            self._namespace,
            self._queue,
            self._identity,
            self._build,
            self._presence.instance_key,
            config.get("max_task_queue_activities_per_second"),
        )
        poller: Poller[ws.PollActivityTaskQueueResponse] = Poller(
            f"activities of {self._queue}",
            ask=self._asker("PollActivityTaskQueue", request),
            handle=activities.run,
            slots=self._slots["activity"],
            scale=scale_for(behavior),
            on_fatal=self._on_fatal,
            describe=lambda task: ActivitySlot(task.activity_type.name),
            pace=pace,
            on_answer=self._metrics.activity_answered if self._metrics is not None else None,
        )
        self._add_poller("activity_poller_info", poller, behavior)
        if not config.get("disable_eager_activity_execution") and not config.get(
            "max_task_queue_activities_per_second"
        ):
            self._eager = EagerActivities(
                self._queue,
                self._slots["activity"],
                poller,
                maximum=config.get("max_eager_activity_reservations_per_workflow_task", 3),
                open=lambda: self._open,
                pace=pace,
            )

    def _make_nexus_poller(self, behavior: PollerBehavior) -> None:
        from tenuto.worker.nexus import NexusTasks

        config = self._config
        executor = config.get("nexus_task_executor")
        if executor is None:
            threads = most_at_once(self._suppliers.nexus) or DEFAULT_RESOURCE_SLOTS_MAXIMUM
            executor = self._own_executor = ThreadPoolExecutor(max(1, threads), "tenuto-nexus")
        elif config.get("max_concurrent_nexus_tasks") is not None or config.get("tuner") is not None:
            _warn_if_too_few_threads("nexus_tasks", executor, most_at_once(self._suppliers.nexus))
        self._nexus = NexusTasks(
            client=self.client,
            handlers=config.get("nexus_service_handlers", ()),
            data_converter=self.client.config(active_config=True)["data_converter"],
            identity=self._identity,
            executor=executor,
            interceptors=self._interceptors,
            task_queue=self._queue,
            metric_meter=self._meter,
        )
        request = nexus_poll(
            self._namespace, self._queue, self._identity, self._build, self._presence.instance_key
        )
        poller: Poller[ws.PollNexusTaskQueueResponse] = Poller(
            f"Nexus tasks of {self._queue}",
            ask=self._asker("PollNexusTaskQueue", request),
            handle=self._nexus.run,
            slots=self._slots["nexus"],
            scale=scale_for(behavior),
            on_fatal=self._on_fatal,
            describe=_nexus_slot_of,
        )
        self._add_poller("nexus_poller_info", poller, behavior)

    def _make_runs(self) -> Runs:
        config = self._config
        deadlock = config.get("deadlock_timeout", timedelta(seconds=2))
        return Runs(
            client=self.client,
            task_queue=self._queue,
            definitions=self.definitions,
            data_converter=self.client.config(active_config=True)["data_converter"],
            build=self._build,
            identity=self._identity,
            interceptors=self._interceptors,
            activities=self._activities,
            sticky_queue=self._sticky_queue or None,
            sticky_timeout=config.get("sticky_queue_schedule_to_start_timeout", timedelta(seconds=10)),
            max_cached=self._cached,
            eager=self._eager,
            max_eager=config.get("max_eager_activity_reservations_per_workflow_task", 3),
            failure_exception_types=config.get("workflow_failure_exception_types", ()),
            deadlock_timeout=deadlock,
            debug_mode=config.get("debug_mode", False),
            metric_meter=self._meter,
            on_patch=config.get("patch_activation_callback"),
            header_codec=self._header_codec in _WORKFLOW_HEADERS_CODED,
            executor=config.get("workflow_task_executor"),
            clock=ambient.clock(),
        )

    def _make_workflow_pollers(self, behavior: PollerBehavior, runs: Runs) -> None:
        normal, sticky = None, None
        if isinstance(behavior, PollerBehaviorSimpleMaximum):
            normal = behavior.maximum
            if self._sticky_queue:
                ratio = self._config.get("nonsticky_to_sticky_poll_ratio", 0.2)
                normal, sticky = split(behavior.maximum, ratio)
        lanes = [("workflow_poller_info", self._queue, NORMAL, normal)]
        if self._sticky_queue:
            lanes.append(("workflow_sticky_poller_info", self._sticky_queue, STICKY, sticky))
        for field, queue, lane, polls in lanes:
            request = workflow_poll(
                self._namespace,
                queue,
                self._identity,
                self._build,
                self._presence.instance_key,
                self._queue if lane == STICKY else "",
            )
            poller: Poller[ws.PollWorkflowTaskQueueResponse] = Poller(
                f"workflow tasks of {queue}",
                ask=self._asker("PollWorkflowTaskQueue", request),
                handle=runs.handle,
                slots=self._slots["workflow"],
                scale=scale_for(behavior, polls),
                on_fatal=self._on_fatal,
                lane=lane,
                describe=partial(_workflow_slot_of, sticky=lane == STICKY),
                on_answer=self._metrics.workflow_answered if self._metrics is not None else None,
            )
            self._add_poller(field, poller, behavior)

    def _add_poller(self, field: str, poller: Poller[Any], behavior: PollerBehavior) -> None:
        poller.outage = _outages.setdefault(self.client.service_client, Outage())
        self._pollers.append(poller)
        self._presence.pollers[field] = poller
        if isinstance(behavior, PollerBehaviorAutoscaling):
            self._presence.autoscaling.add(field)

    def _asker(self, method: str, request: Any) -> Callable[[timedelta | None], Awaitable[Any]]:
        def ask(patience: timedelta | None) -> Awaitable[Any]:
            return self.client.service_client.call(method, request, timeout=patience)

        return ask

    # ---- running --------------------------------------------------------------------------------------------------------

    def offer(self) -> None:
        """Offer free places to workflows that this client starts. From the first moment on: `start` will follow."""
        if self._runs is not None and self._withdraw is None:
            poller = self._pollers[-1]
            lane = STICKY if self._sticky_queue else NORMAL
            self._withdraw = self.client._eager_workers.register(
                self._queue, partial(workflow_slot, self._slots["workflow"], poller, lane)
            )

    def withdraw(self) -> None:
        """Offer places no more."""
        if self._withdraw is not None:
            self._withdraw()
            self._withdraw = None

    async def start(self) -> None:
        """Make sure that the namespace is there, and begin to poll. Raises RuntimeError when it is not."""
        await self._validate()
        self._open = True
        for poller in self._pollers:
            poller.start()
        interval = self._runtime.worker_heartbeat_interval
        if interval and self._capabilities.worker_heartbeats:
            self._beside(self._presence.keep_telling(interval))
        if self._metrics is not None:
            self._metrics.started()
            presence = self._presence
            self._beside(self._metrics.keep_looking(self._slots, presence.pollers, presence.cached))

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def _validate(self) -> None:
        request = ws.DescribeNamespaceRequest(namespace=self._namespace)
        try:
            answer = await self.client.service_client.call("DescribeNamespace", request, retry=True)
        except RPCError as error:
            if error.status in (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED):
                logger.debug("The namespace could not be described: %s", error)
                return
            raise RuntimeError(
                f"Worker validation failed: Namespace {self._namespace} was not found or otherwise could not be "
                f"described: {error.status.name}: {error.message}"
            ) from error
        self._capabilities = answer.namespace_info.capabilities
        if not self._config.get("disable_payload_error_limit"):
            told = answer.namespace_info.limits
            limits = Limits(told.blob_size_limit_error, told.memo_size_limit_error)
            for part in (self._runs, self._activities):
                if part is not None:
                    part.refuse_beyond(limits)
        if self._capabilities.workflow_task_completion_pagination and self._runs is not None:
            self._runs.send_pages(answer.namespace_info.limits.workflow_task_completion_size_limit_error)
        if self._capabilities.poller_autoscaling:
            for poller in self._pollers:
                poller.be_advised()

    async def stop(self) -> None:
        """End: no more polls; activities have their grace and are cancelled; everything at work is waited for."""
        self._open = False
        self.withdraw()
        if self._nexus is not None:
            self._nexus.stop()
        for poller in self._pollers:
            poller.close()
        if any(poller.loops for poller in self._pollers):
            await self._presence.say_goodbye()
        promised = self._capabilities.worker_poll_complete_on_shutdown
        patience = POLLS_MAY_END_SECONDS if promised else POLLS_MIGHT_END_SECONDS
        await asyncio.gather(*(poller.stop(patience) for poller in self._pollers))
        await self._finish_work()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _finish_work(self) -> None:
        activities = self._activities
        grace = self._config.get("graceful_shutdown_timeout", timedelta())
        ends = []
        if self._nexus is not None:
            ends.append(self._nexus.drain(grace))
        if activities is not None:
            activities.stop()
            ends.append(activities.drain(grace))
        await asyncio.gather(*ends)
        for poller in self._pollers:
            # What takes longer than the service waits for it is in vain.
            await poller.drain(None if poller.name.startswith("activities") else WORKFLOW_TASK_SECONDS)
        if self._own_executor is not None:
            self._own_executor.shutdown(wait=False, cancel_futures=True)
        if activities is not None:
            await activities.drain()
        if self._runs is not None:
            self._runs.evict_all()

    def use_client(self, client: Client) -> None:
        """Call the service through another client from now on. Raises ValueError, RuntimeError."""
        if client.namespace != self._namespace:
            raise ValueError(
                f"the new client is of namespace {client.namespace!r}, the worker of {self._namespace!r}"
            )
        if _runtime_of(client) is not self._runtime:
            raise ValueError("New client is not on the same runtime as the existing client")
        self.client = client
        if self._runs is not None:
            self._runs.client = client
        if self._activities is not None:
            self._activities.client = client
        if self._nexus is not None:
            self._nexus.client = client
        if self._withdraw is not None:
            self.withdraw()
            self.offer()


def _workflow_slot_of(task: ws.PollWorkflowTaskQueueResponse, sticky: bool) -> WorkflowSlot:
    return WorkflowSlot(task.workflow_type.name, sticky)


def _nexus_slot_of(task: ws.PollNexusTaskQueueResponse) -> NexusSlot:
    request = task.request
    asked = request.start_operation if request.HasField("start_operation") else request.cancel_operation
    return NexusSlot(asked.service, asked.operation)


_EXECUTORS = {"activities": "activity_executor", "nexus_tasks": "nexus_task_executor"}


def _warn_if_too_few_threads(what: str, executor: Executor | None, most: int | None) -> None:
    threads = getattr(executor, "_max_workers", None)
    if isinstance(threads, int) and most is not None and threads < most:
        warnings.warn(
            f"Worker max_concurrent_{what} is {most} but {_EXECUTORS[what]}'s max_workers is only {threads}",
            stacklevel=5,
        )


_WORKFLOW_HEADERS_CODED = (HeaderCodecBehavior.CODEC, HeaderCodecBehavior.WORKFLOW_ONLY_CODEC)


def _runtime_of(client: Client) -> Runtime:
    from tenuto.runtime import Runtime

    return client.service_client.config.runtime or Runtime.default()
