"""Task queues and the workers that serve them (platform-surface 6; execution-semantics 1.20)."""

from typing import Any

from tenuto.limits import MINUTE
from tenuto.matching.types import QueueDescription, QueueKey, QueueKind, QueueStats, RateSource
from tenuto.service import validate
from tenuto.service.call import Call
from tenuto.service.core import Core, duration, timestamp
from tenuto.service.errors import invalid, not_found
from tenuto.wire import enums_queue, taskqueue, timestamp_pb2, worker
from tenuto.wire import workflowservice as ws

ZERO_TIME = timestamp_pb2.Timestamp(seconds=-62135596800)
UNVERSIONED = "__unversioned__"
SYSTEM_RATE = 4000.0
HEARTBEAT_KEPT_NS = 5 * MINUTE
WORKERS_KEPT = 100_000
ACTIVITY = enums_queue.TASK_QUEUE_TYPE_ACTIVITY
WORKFLOW = enums_queue.TASK_QUEUE_TYPE_WORKFLOW


class TaskQueues:
    """Calls about task queues and workers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._workers: dict[tuple[str, str], tuple[int, worker.WorkerHeartbeat]] = {}
        """(namespace id, instance key) -> when it was heard of last, and what it said. Memory only."""

    # ---- queues -------------------------------------------------------------------------------------------------

    async def describe_task_queue(
        self, request: ws.DescribeTaskQueueRequest, call: Call
    ) -> ws.DescribeTaskQueueResponse:
        queue = validate.task_queue(request)
        kind = QueueKind.ACTIVITY if request.task_queue_type == ACTIVITY else QueueKind.WORKFLOW
        key = QueueKey(call.namespace.id, queue.name, kind)
        response = ws.DescribeTaskQueueResponse()
        if request.api_mode == 1:
            self._enhanced(key, request, response)
            return response
        told = self._core.matching.describe(key)
        response.pollers.extend(self._pollers(told))
        response.versioning_info.current_version = UNVERSIONED
        response.versioning_info.update_time.CopyFrom(ZERO_TIME)
        limit = response.effective_rate_limit
        by_system = told.rate_source is RateSource.SYSTEM
        limit.requests_per_second = SYSTEM_RATE if by_system else told.effective_rate
        limit.rate_limit_source = int(told.rate_source)  # type: ignore[assignment]
        if request.report_stats:
            _stats(response.stats, told.stats)
            for priority, stats in told.stats_by_priority.items():
                _stats(response.stats_by_priority_key[priority], stats)
        if request.report_config:
            _config(response.config, told)
        if request.include_task_queue_status:
            response.task_queue_status.backlog_count_hint = told.stats.backlog_count
        return response

    def _enhanced(self, key: QueueKey, request: Any, response: ws.DescribeTaskQueueResponse) -> None:
        """The older mode that lists per build id; everything here is unversioned."""
        version = response.versions_info[""]
        kinds = request.task_queue_types or (WORKFLOW, ACTIVITY)
        for kind in kinds:
            told = self._core.matching.describe(key._replace(kind=_kind(kind)))
            info = version.types_info[kind]
            if request.report_pollers:
                info.pollers.extend(self._pollers(told))
            if request.report_stats:
                _stats(info.stats, told.stats)

    def _pollers(self, told: QueueDescription) -> list[taskqueue.PollerInfo]:
        pollers = []
        for seen in told.pollers:
            info = taskqueue.PollerInfo(identity=seen.identity, rate_per_second=seen.rate_per_second)
            info.last_access_time.CopyFrom(timestamp(seen.last_access_at))
            pollers.append(info)
        return pollers

    async def list_task_queue_partitions(
        self, request: ws.ListTaskQueuePartitionsRequest, call: Call
    ) -> ws.ListTaskQueuePartitionsResponse:
        """One partition a kind, named like the queue."""
        queue = validate.task_queue(request)
        response = ws.ListTaskQueuePartitionsResponse()
        response.activity_task_queue_partitions.add(key=queue.name, owner_host_name=self._core.address)
        response.workflow_task_queue_partitions.add(key=queue.name, owner_host_name=self._core.address)
        return response

    async def update_task_queue_config(
        self, request: ws.UpdateTaskQueueConfigRequest, call: Call
    ) -> ws.UpdateTaskQueueConfigResponse:
        """Limits on dispatch. They live as long as this process."""
        validate.queue_name(request.task_queue)
        if request.task_queue_type == WORKFLOW and request.HasField("update_queue_rate_limit"):
            invalid("Setting rate limit on workflow task queues is not allowed.")
        kind = _kind(request.task_queue_type or ACTIVITY)
        key = QueueKey(call.namespace.id, request.task_queue, kind)
        matching = self._core.matching
        if request.HasField("update_queue_rate_limit"):
            update = request.update_queue_rate_limit
            rate = update.rate_limit.requests_per_second if update.HasField("rate_limit") else None
            matching.set_rate_limit(key, rate, update.reason, request.identity)
        if request.HasField("update_fairness_key_rate_limit_default"):
            update = request.update_fairness_key_rate_limit_default
            rate = update.rate_limit.requests_per_second if update.HasField("rate_limit") else None
            matching.set_fairness_rate_limit(key, rate, update.reason, request.identity)
        for fairness_key, weight in request.set_fairness_weight_overrides.items():
            matching.set_fairness_weight(key, fairness_key, weight)
        for fairness_key in request.unset_fairness_weight_overrides:
            matching.set_fairness_weight(key, fairness_key, None)
        response = ws.UpdateTaskQueueConfigResponse()
        response.config.SetInParent()
        _config(response.config, matching.describe(key))
        return response

    # ---- workers ------------------------------------------------------------------------------------------------

    async def shutdown_worker(
        self, request: ws.ShutdownWorkerRequest, call: Call
    ) -> ws.ShutdownWorkerResponse:
        """A worker goes: its sticky queue is refused at once, so that nothing waits for it."""
        if request.sticky_task_queue:
            self._core.matching.unload_sticky_named(call.namespace.id, request.sticky_task_queue)
        if request.HasField("worker_heartbeat"):
            self._remember(call, request.worker_heartbeat)
        return ws.ShutdownWorkerResponse()

    async def record_worker_heartbeat(
        self, request: ws.RecordWorkerHeartbeatRequest, call: Call
    ) -> ws.RecordWorkerHeartbeatResponse:
        for heartbeat in request.worker_heartbeat:
            self._remember(call, heartbeat)
        return ws.RecordWorkerHeartbeatResponse()

    def _remember(self, call: Call, heartbeat: worker.WorkerHeartbeat) -> None:
        now = self._core.clock.now()
        if len(self._workers) >= WORKERS_KEPT:
            self._workers.pop(next(iter(self._workers)))
        name = (call.namespace.id, heartbeat.worker_instance_key)
        self._workers.pop(name, None)
        self._workers[name] = (now, heartbeat)

    def _known(self, call: Call) -> list[worker.WorkerHeartbeat]:
        oldest = self._core.clock.now() - HEARTBEAT_KEPT_NS
        for name, (seen_at, _) in list(self._workers.items()):
            if seen_at < oldest:
                del self._workers[name]
        return [
            said
            for (namespace_id, _), (_, said) in self._workers.items()
            if namespace_id == call.namespace.id
        ]

    async def list_workers(self, request: ws.ListWorkersRequest, call: Call) -> ws.ListWorkersResponse:
        if request.query:
            invalid("invalid query: filters on workers are not supported")
        response = ws.ListWorkersResponse()
        for heartbeat in self._known(call):
            response.workers_info.add(worker_heartbeat=heartbeat)
        return response

    async def describe_worker(
        self, request: ws.DescribeWorkerRequest, call: Call
    ) -> ws.DescribeWorkerResponse:
        for heartbeat in self._known(call):
            if heartbeat.worker_instance_key == request.worker_instance_key:
                response = ws.DescribeWorkerResponse()
                response.worker_info.worker_heartbeat.CopyFrom(heartbeat)
                return response
        not_found(f"Worker {request.worker_instance_key} not found")

    async def poll_nexus_task_queue(
        self, request: ws.PollNexusTaskQueueRequest, call: Call
    ) -> ws.PollNexusTaskQueueResponse:
        """Parks and answers empty: there are no Nexus tasks. Heartbeats ride along."""
        for heartbeat in request.worker_heartbeat:
            self._remember(call, heartbeat)
        core = self._core
        await core.sleep(core.long_poll_until(call.deadline_at, core.limits.task_poll_ns))
        return ws.PollNexusTaskQueueResponse()


def _kind(number: int) -> QueueKind:
    """Raises INVALID_ARGUMENT for a type of queue that has no queues here."""
    try:
        return QueueKind(number)
    except ValueError:
        invalid(f"unsupported task queue type: {number}")


def _stats(target: taskqueue.TaskQueueStats, stats: QueueStats) -> None:
    target.approximate_backlog_count = stats.backlog_count
    target.approximate_backlog_age.CopyFrom(duration(stats.backlog_age_ns))
    target.tasks_add_rate, target.tasks_dispatch_rate = stats.add_rate, stats.dispatch_rate


def _config(target: taskqueue.TaskQueueConfig, told: QueueDescription) -> None:
    """The limits that somebody has set through the API."""
    for limit, setting in (
        (target.queue_rate_limit, told.queue_rate),
        (target.fairness_keys_rate_limit_default, told.fairness_key_rate),
    ):
        if setting is None:
            continue
        if setting.rate is not None:
            limit.rate_limit.requests_per_second = setting.rate
        limit.metadata.reason, limit.metadata.update_identity = setting.reason, setting.identity
        limit.metadata.update_time.CopyFrom(timestamp(setting.updated_at))
    target.fairness_weight_overrides.update(told.fairness_weights)
