"""The registry of workers: what their heartbeats said, for a while, in memory only (platform-surface 6.8)."""

from collections.abc import Callable, Iterable

from tenuto.limits import MIB, MINUTE
from tenuto.service import filters
from tenuto.service.call import Call
from tenuto.service.core import Core
from tenuto.service.errors import invalid, not_found
from tenuto.service.filters import Comparison
from tenuto.wire import worker
from tenuto.wire import workflowservice as ws

KEPT_NS = 5 * MINUTE
KEPT = 100_000
KEPT_BYTES = 64 * MIB
"""Of all heartbeats together, serialized; those silent longest go first."""

_COLUMNS: dict[str, Callable[[worker.WorkerHeartbeat], str]] = {
    "WorkerInstanceKey": lambda said: said.worker_instance_key,
    "WorkerIdentity": lambda said: said.worker_identity,
    "HostName": lambda said: said.host_info.host_name,
    "TaskQueue": lambda said: said.task_queue,
    "DeploymentName": lambda said: said.deployment_version.deployment_name,
    "BuildId": lambda said: said.deployment_version.build_id,
    "SdkName": lambda said: said.sdk_name,
    "SdkVersion": lambda said: said.sdk_version,
}
"""What workers can be searched by."""


class Workers:
    """Calls about workers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._said: dict[tuple[str, str], tuple[int, worker.WorkerHeartbeat]] = {}
        """(namespace id, instance key) -> when it was heard of last, and what it said; the longest silent first."""
        self._bytes = 0

    async def shutdown_worker(
        self, request: ws.ShutdownWorkerRequest, call: Call
    ) -> ws.ShutdownWorkerResponse:
        """A worker goes: its polls come back empty, so that they take no work with them when it hangs up, and its sticky
        queue is refused at once, so that nothing waits for it."""
        matching = self._core.matching
        if request.worker_instance_key and request.task_queue:
            matching.cancel_polls(call.namespace.id, request.worker_instance_key, request.task_queue)
        if request.sticky_task_queue:
            matching.unload_sticky_named(call.namespace.id, request.sticky_task_queue)
        if request.HasField("worker_heartbeat"):
            self._remember(call, request.worker_heartbeat)
        return ws.ShutdownWorkerResponse()

    async def record_worker_heartbeat(
        self, request: ws.RecordWorkerHeartbeatRequest, call: Call
    ) -> ws.RecordWorkerHeartbeatResponse:
        self.remember(call, request.worker_heartbeat)
        return ws.RecordWorkerHeartbeatResponse()

    async def list_workers(self, request: ws.ListWorkersRequest, call: Call) -> ws.ListWorkersResponse:
        response = ws.ListWorkersResponse()
        for said in self._matching(call, request.query):
            response.workers_info.add(worker_heartbeat=said)
            response.workers.append(_summary(said))
        return response

    async def count_workers(self, request: ws.CountWorkersRequest, call: Call) -> ws.CountWorkersResponse:
        return ws.CountWorkersResponse(count=len(self._matching(call, request.query)))

    async def describe_worker(
        self, request: ws.DescribeWorkerRequest, call: Call
    ) -> ws.DescribeWorkerResponse:
        self._forget_silent()
        known = self._said.get((call.namespace.id, request.worker_instance_key))
        if known is None:
            not_found(f"Worker {request.worker_instance_key} not found")
        response = ws.DescribeWorkerResponse()
        response.worker_info.worker_heartbeat.CopyFrom(known[1])
        return response

    def remember(self, call: Call, heartbeats: Iterable[worker.WorkerHeartbeat]) -> None:
        """What workers say of themselves beside something else."""
        for heartbeat in heartbeats:
            self._remember(call, heartbeat)

    def _remember(self, call: Call, heartbeat: worker.WorkerHeartbeat) -> None:
        name = (call.namespace.id, heartbeat.worker_instance_key)
        self._forget_silent()
        if name in self._said:
            self._forget(name)
        size = heartbeat.ByteSize()
        while self._said and (len(self._said) >= KEPT or self._bytes + size > KEPT_BYTES):
            self._forget(next(iter(self._said)))
        # A copy, because a part of a request keeps all of it in memory.
        kept = worker.WorkerHeartbeat()
        kept.CopyFrom(heartbeat)
        self._said[name] = (self._core.clock.now(), kept)
        self._bytes += size

    def _forget(self, name: tuple[str, str]) -> None:
        self._bytes -= self._said.pop(name)[1].ByteSize()

    def _forget_silent(self) -> None:
        oldest = self._core.clock.now() - KEPT_NS
        silent = []
        for name, (heard_at, _) in self._said.items():
            if heard_at >= oldest:
                break
            silent.append(name)
        for name in silent:
            self._forget(name)

    def _matching(self, call: Call, query: str) -> list[worker.WorkerHeartbeat]:
        terms = filters.conjunction(query)
        self._forget_silent()
        return [
            said
            for (namespace_id, _), (_, said) in self._said.items()
            if namespace_id == call.namespace.id and all(_holds(term, said) for term in terms)
        ]


def _holds(term: Comparison, said: worker.WorkerHeartbeat) -> bool:
    column = _COLUMNS.get(term.name)
    if column is None:
        invalid(f"invalid query: unknown or unsupported worker filter: {term.name}")
    value = column(said)
    match term.operator:
        case "=" | "in":
            return value in term.values
        case "!=":
            return value not in term.values
        case "starts_with":
            return value.startswith(term.values[0])
    return filters.unsupported(f"operator '{term.operator}' for worker filter {term.name}")


def _summary(said: worker.WorkerHeartbeat) -> worker.WorkerListInfo:
    summary = worker.WorkerListInfo(
        worker_instance_key=said.worker_instance_key,
        worker_identity=said.worker_identity,
        task_queue=said.task_queue,
        sdk_name=said.sdk_name,
        sdk_version=said.sdk_version,
        status=said.status,
        host_name=said.host_info.host_name,
        worker_grouping_key=said.host_info.worker_grouping_key,
        process_id=said.host_info.process_id,
        plugins=said.plugins,
        drivers=said.drivers,
    )
    if said.HasField("deployment_version"):
        summary.deployment_version.CopyFrom(said.deployment_version)
    if said.HasField("start_time"):
        summary.start_time.CopyFrom(said.start_time)
    return summary
