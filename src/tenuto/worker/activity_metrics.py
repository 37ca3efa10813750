"""What a worker measures of its activities. It must never cost anything when nobody measures."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tenuto.common import MetricMeter
from tenuto.runtime.metrics import own_meter

if TYPE_CHECKING:
    from tenuto.wire import workflowservice
    from tenuto.worker.local import LocalAttempt

    Task = workflowservice.PollActivityTaskQueueResponse


class ActivityMetrics:
    """Counters and latencies, by activity type."""

    @staticmethod
    def of(meter: MetricMeter, namespace: str, task_queue: str) -> ActivityMetrics | None:
        """None when ``meter`` measures nothing."""
        return None if meter is MetricMeter.noop else ActivityMetrics(meter, namespace, task_queue)

    def __init__(self, meter: MetricMeter, namespace: str, task_queue: str) -> None:
        meter = own_meter(meter).with_additional_attributes(
            {"namespace": namespace, "task_queue": task_queue}
        )
        self._received = meter.create_counter("temporal_activity_task_received")
        self._waited = meter.create_histogram_timedelta("temporal_activity_schedule_to_start_latency")
        self._took = meter.create_histogram_timedelta("temporal_activity_execution_latency")
        self._end_to_end = meter.create_histogram_timedelta("temporal_activity_succeed_endtoend_latency")
        self._failed = meter.create_counter("temporal_activity_execution_failed")
        self._local = meter.create_counter("temporal_local_activity_total")
        self._local_failed = meter.create_counter("temporal_local_activity_execution_failed")
        self._local_cancelled = meter.create_counter("temporal_local_activity_execution_cancelled")
        self._local_took = meter.create_histogram_timedelta("temporal_local_activity_execution_latency")

    def started(self, task: Task) -> None:
        tags = _tags(task)
        self._received.add(1, tags)
        waited = task.started_time.ToNanoseconds() - task.current_attempt_scheduled_time.ToNanoseconds()
        self._waited.record(timedelta(microseconds=max(0, waited) / 1000), tags)

    def succeeded(self, task: Task, seconds: float) -> None:
        tags = _tags(task)
        self._took.record(timedelta(seconds=seconds), tags)
        before = task.started_time.ToNanoseconds() - task.scheduled_time.ToNanoseconds()
        self._end_to_end.record(timedelta(seconds=seconds + max(0, before) / 1e9), tags)

    def failed(self, task: Task, seconds: float) -> None:
        tags = _tags(task)
        self._took.record(timedelta(seconds=seconds), tags)
        self._failed.add(1, tags)

    def local_succeeded(self, asked: LocalAttempt, seconds: float) -> None:
        tags = _local_tags(asked)
        self._local.add(1, tags)
        self._local_took.record(timedelta(seconds=seconds), tags)

    def local_failed(self, asked: LocalAttempt, seconds: float) -> None:
        self.local_succeeded(asked, seconds)
        self._local_failed.add(1, _local_tags(asked))

    def local_cancelled(self, asked: LocalAttempt) -> None:
        tags = _local_tags(asked)
        self._local.add(1, tags)
        self._local_cancelled.add(1, tags)


def _tags(task: Task) -> dict[str, str | int | float | bool]:
    return {"activity_type": task.activity_type.name, "workflow_type": task.workflow_type.name}


def _local_tags(asked: LocalAttempt) -> dict[str, str | int | float | bool]:
    return {"activity_type": asked.start.activity_type, "workflow_type": asked.workflow_type}
