"""Task queues: what waits and who polls, and limits on dispatch (platform-surface 6)."""

from typing import Any

from tenuto.matching.types import QueueDescription, QueueKey, QueueKind, QueueStats, RateSource
from tenuto.service import validate
from tenuto.service.call import Call
from tenuto.service.core import Core, duration, timestamp
from tenuto.service.errors import invalid
from tenuto.wire import enums_queue, taskqueue, timestamp_pb2
from tenuto.wire import workflowservice as ws

ZERO_TIME = timestamp_pb2.Timestamp(seconds=-62135596800)
ENHANCED = enums_queue.DESCRIBE_TASK_QUEUE_MODE_ENHANCED
STICKY = enums_queue.TASK_QUEUE_KIND_STICKY
REACHABLE = enums_queue.BUILD_ID_TASK_REACHABILITY_REACHABLE
UNREACHABLE = enums_queue.BUILD_ID_TASK_REACHABILITY_UNREACHABLE
STICKY_TEXT = (
    "Enhanced DescribeTaskQueue is not valid for a sticky queue, use api_mode=UNSPECIFIED or a normal queue."
)
UNVERSIONED = "__unversioned__"
SYSTEM_RATE = 4000.0
ACTIVITY = enums_queue.TASK_QUEUE_TYPE_ACTIVITY
WORKFLOW = enums_queue.TASK_QUEUE_TYPE_WORKFLOW


class TaskQueues:
    """Calls about task queues."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def describe_task_queue(
        self, request: ws.DescribeTaskQueueRequest, call: Call
    ) -> ws.DescribeTaskQueueResponse:
        queue = validate.task_queue(request)
        kind = QueueKind.ACTIVITY if request.task_queue_type == ACTIVITY else QueueKind.WORKFLOW
        key = QueueKey(call.namespace.id, queue.name, kind)
        response = ws.DescribeTaskQueueResponse()
        if request.api_mode == ENHANCED:
            if queue.kind == STICKY:
                invalid(STICKY_TEXT)
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
            status = response.task_queue_status
            status.backlog_count_hint = told.stats.backlog_count
            status.rate_per_second = limit.requests_per_second
        return response

    def _enhanced(self, key: QueueKey, request: Any, response: ws.DescribeTaskQueueResponse) -> None:
        """The older mode that lists per build id. No task is tied to one here, so that the others have nothing.

        Asked for no versions in particular it tells of the default one, and that is no version."""
        chosen = request.versions
        names = set(chosen.build_ids)
        if chosen.unversioned or not request.HasField("versions"):
            names.add("")
        kinds = request.task_queue_types or (WORKFLOW, ACTIVITY)
        for name in names:
            version = response.versions_info[name]
            for kind in kinds:
                info = version.types_info[kind]
                told = self._core.matching.describe(key._replace(kind=_kind(kind)))
                if request.report_pollers and not name:
                    info.pollers.extend(self._pollers(told))
                _stats(info.stats, told.stats if request.report_stats and not name else QueueStats())
            if request.report_task_reachability:
                version.task_reachability = UNREACHABLE if name else REACHABLE

    def _pollers(self, told: QueueDescription) -> list[taskqueue.PollerInfo]:
        pollers = []
        for seen in told.pollers:
            info = taskqueue.PollerInfo(identity=seen.identity, rate_per_second=seen.rate_per_second)
            info.last_access_time.CopyFrom(timestamp(seen.last_access_at))
            _said(info, seen.poller.details)
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
        name = request.task_queue
        if name.startswith(validate.RESERVED_PREFIX):
            invalid(f"invalid task queue partition name {name}")
        validate.queue_name(name)
        if request.task_queue_type == WORKFLOW and request.HasField("update_queue_rate_limit"):
            invalid("Setting rate limit on workflow task queues is not allowed.")
        _check_weights(request)
        key = QueueKey(call.namespace.id, name, _kind(request.task_queue_type or ACTIVITY))
        matching = self._core.matching
        if request.HasField("update_queue_rate_limit"):
            update = request.update_queue_rate_limit
            rate = _rate(update, "UpdateQueueRateLimit")
            matching.set_rate_limit(key, rate, update.reason, request.identity)
        if request.HasField("update_fairness_key_rate_limit_default"):
            update = request.update_fairness_key_rate_limit_default
            rate = _rate(update, "UpdateFairnessKeyRateLimitDefault")
            matching.set_fairness_rate_limit(key, rate, update.reason, request.identity)
        for fairness_key, weight in request.set_fairness_weight_overrides.items():
            matching.set_fairness_weight(key, fairness_key, weight)
        for fairness_key in request.unset_fairness_weight_overrides:
            matching.set_fairness_weight(key, fairness_key, None)
        response = ws.UpdateTaskQueueConfigResponse()
        response.config.SetInParent()
        _config(response.config, matching.describe(key))
        return response


def _said(info: taskqueue.PollerInfo, poll: Any) -> None:
    """What a poller says of the code it runs."""
    if poll is None:
        return
    if poll.HasField("worker_version_capabilities"):
        info.worker_version_capabilities.CopyFrom(poll.worker_version_capabilities)
    if poll.HasField("deployment_options"):
        info.deployment_options.CopyFrom(poll.deployment_options)


def _kind(number: int) -> QueueKind:
    """Raises INVALID_ARGUMENT for a type of queue that has no queues here."""
    try:
        return QueueKind(number)
    except ValueError:
        invalid(f"unsupported task queue type: {number}")


def _rate(update: ws.UpdateTaskQueueConfigRequest.RateLimitUpdate, field: str) -> float | None:
    """Dispatches per second that an update sets; None: it unsets the limit."""
    if not update.HasField("rate_limit"):
        return None
    rate = update.rate_limit.requests_per_second
    if not rate >= 0:  # nor is a NaN
        invalid(f"RequestsPerSecond for {field} rate limit must be non-negative.")
    return rate


def _check_weights(request: ws.UpdateTaskQueueConfigRequest) -> None:
    unset = set(request.unset_fairness_weight_overrides)
    for key, weight in request.set_fairness_weight_overrides.items():
        if not weight > 0:
            invalid(f'invalid fairness weight weight for key "{key}": must be greater than zero')
        if key in unset:
            invalid(f'fairness weight override key "{key}" present in both set and unset lists')


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
