"""What a worker says of itself to the service: that it is there, how busy it is, and that it goes.

This file must never fail a worker: a service that does not care is left alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tenuto import __version__, ambient
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import timestamp_pb2, worker
from tenuto.wire import workflowservice as ws
from tenuto.worker.resources import Host
from tenuto.worker.slots import Slots

if TYPE_CHECKING:
    from tenuto.common import WorkerDeploymentVersion
    from tenuto.transport.services import ServiceClient
    from tenuto.worker.pollers import Poller

logger = logging.getLogger("tenuto.worker")

RUNNING, SHUTTING_DOWN, SHUTDOWN = 1, 2, 3
"""WorkerStatus."""
GROUPING_KEY = ambient.new_id()
"""The same for every worker of this process."""
_GOODBYE = timedelta(seconds=5)


@dataclass(slots=True)
class Occupied:
    """One kind of slots, and how it stood at the last heartbeat."""

    slots: Slots
    processed: int = 0
    failed: int = 0

    def told(self) -> worker.WorkerSlotsInfo:
        """For a heartbeat; what happens from now on counts for the next."""
        slots = self.slots
        said = worker.WorkerSlotsInfo(
            current_available_slots=slots.available or 0,
            current_used_slots=slots.working,
            slot_supplier_kind=slots.kind,
            total_processed_tasks=slots.processed,
            total_failed_tasks=slots.failed,
            last_interval_processed_tasks=slots.processed - self.processed,
            last_interval_failure_tasks=slots.failed - self.failed,
        )
        self.processed, self.failed = slots.processed, slots.failed
        return said


@dataclass(slots=True)
class Presence:
    """One worker, as the service may know it. Instants in ns since the epoch."""

    client: Callable[[], ServiceClient]
    namespace: str
    identity: str
    task_queue: str
    sticky_queue: str
    task_queue_types: Sequence[int]
    deployment_version: WorkerDeploymentVersion | None = None
    plugins: Sequence[str] = ()
    drivers: Sequence[str] = ()
    instance_key: str = field(default_factory=ambient.new_id)
    occupied: dict[str, Occupied] = field(default_factory=dict)
    """By the heartbeat's field."""
    pollers: dict[str, Poller[Any]] = field(default_factory=dict)
    """By the heartbeat's field."""
    autoscaling: set[str] = field(default_factory=set)
    cached: Callable[[], int] = lambda: 0
    now: Callable[[], int] = field(default_factory=ambient.clock)
    status: int = RUNNING
    _host: Host = field(default_factory=Host)
    _started_at: int = 0
    _told_at: int = 0

    async def keep_telling(self, interval: timedelta) -> None:
        """Send a heartbeat now and every ``interval``, until cancelled or the service does not know heartbeats."""
        self._started_at = self.now()
        while True:
            request = ws.RecordWorkerHeartbeatRequest(
                namespace=self.namespace, identity=self.identity, worker_heartbeat=[self.heartbeat()]
            )
            try:
                await self.client().call("RecordWorkerHeartbeat", request)
            except RPCError as error:
                if error.status is RPCStatusCode.UNIMPLEMENTED:
                    return
                logger.debug("Worker heartbeat failed: %s", error)
            await asyncio.sleep(interval.total_seconds())

    async def say_goodbye(self) -> None:
        """Tell the service that this worker stops polling, so that it may end its polls and its sticky queue at once."""
        self.status = SHUTTING_DOWN
        request = ws.ShutdownWorkerRequest(
            namespace=self.namespace,
            sticky_task_queue=self.sticky_queue,
            identity=self.identity,
            reason="graceful shutdown",
            worker_heartbeat=self.heartbeat() if self._started_at else None,
            worker_instance_key=self.instance_key,
            task_queue=self.task_queue,
            task_queue_types=self.task_queue_types,  # type: ignore[arg-type]
        )
        try:
            await self.client().call("ShutdownWorker", request, timeout=_GOODBYE)
        except RPCError as error:
            logger.debug("The service was not told that the worker stops: %s", error)

    def heartbeat(self) -> worker.WorkerHeartbeat:
        """How the worker stands now."""
        now = self.now()
        usage = self._host.usage(now / 1e9)
        said = worker.WorkerHeartbeat(
            worker_instance_key=self.instance_key,
            worker_identity=self.identity,
            host_info=worker.WorkerHostInfo(
                host_name=socket.gethostname(),
                worker_grouping_key=GROUPING_KEY,
                process_id=str(os.getpid()),
                current_host_cpu_usage=usage.cpu,
                current_host_mem_usage=usage.memory,
            ),
            task_queue=self.task_queue,
            sdk_name="tenuto",
            sdk_version=__version__,
            status=self.status,  # type: ignore[arg-type]
            start_time=_instant(self._started_at or now),
            heartbeat_time=_instant(now),
            plugins=[worker.PluginInfo(name=name) for name in self.plugins],
            drivers=[worker.StorageDriverInfo(type=name) for name in self.drivers],
            current_sticky_cache_size=self.cached(),
        )
        if self._told_at:
            said.elapsed_since_last_heartbeat.FromNanoseconds(now - self._told_at)
        self._told_at = now
        version = self.deployment_version
        if version is not None:
            said.deployment_version.deployment_name = version.deployment_name
            said.deployment_version.build_id = version.build_id
        for name, occupied in self.occupied.items():
            getattr(said, name).CopyFrom(occupied.told())
        self._add_pollers(said, now)
        return said

    def _add_pollers(self, said: worker.WorkerHeartbeat, now: int) -> None:
        running = asyncio.get_running_loop().time()
        for name, poller in self.pollers.items():
            about: worker.WorkerPollerInfo = getattr(said, name)
            about.current_pollers = poller.out
            about.is_autoscaling = name in self.autoscaling
            if poller.last_found_at is not None:
                found_at = now - int((running - poller.last_found_at) * 1e9)
                about.last_successful_poll_time.FromNanoseconds(found_at)


def _instant(at: int) -> timestamp_pb2.Timestamp:
    stamp = timestamp_pb2.Timestamp()
    stamp.FromNanoseconds(at)
    return stamp
