"""What a worker measures of its workflow tasks. It must never cost anything when nobody measures."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tenuto.common import MetricMeter
from tenuto.runtime.metrics import own_meter
from tenuto.wire import enums_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.wire import command
    from tenuto.wire import workflowservice as ws

_ENDS = {
    enums_command.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION: "completed",
    enums_command.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION: "failed",
    enums_command.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION: "canceled",
    enums_command.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION: "continue_as_new",
}


class WorkflowMetrics:
    """Counters and latencies, by workflow type."""

    @staticmethod
    def of(meter: MetricMeter | None, namespace: str, task_queue: str) -> WorkflowMetrics | None:
        """None when ``meter`` measures nothing."""
        if meter is None or meter is MetricMeter.noop:
            return None
        return WorkflowMetrics(meter, namespace, task_queue)

    def __init__(self, meter: MetricMeter, namespace: str, task_queue: str) -> None:
        meter = own_meter(meter).with_additional_attributes(
            {"namespace": namespace, "task_queue": task_queue}
        )
        self._ended = {word: meter.create_counter(f"temporal_workflow_{word}") for word in _ENDS.values()}
        self._end_to_end = meter.create_histogram_timedelta("temporal_workflow_endtoend_latency")
        self._waited = meter.create_histogram_timedelta("temporal_workflow_task_schedule_to_start_latency")
        self._took = meter.create_histogram_timedelta("temporal_workflow_task_execution_latency")
        self._replayed = meter.create_histogram_timedelta("temporal_workflow_task_replay_latency")
        self._failed = meter.create_counter("temporal_workflow_task_execution_failed")
        self._hits = meter.create_counter("temporal_sticky_cache_hit")
        self._misses = meter.create_counter("temporal_sticky_cache_miss")
        self._evicted = meter.create_counter("temporal_sticky_cache_total_forced_eviction")

    def received(self, task: ws.PollWorkflowTaskQueueResponse, cached: bool) -> None:
        """A task begins. ``cached``: its run was in memory."""
        tags = _tags(task.workflow_type.name)
        if cached:
            self._hits.add(1, tags)
        elif task.previous_started_event_id:
            self._misses.add(1, tags)
        waited = task.started_time.ToNanoseconds() - task.scheduled_time.ToNanoseconds()
        self._waited.record(timedelta(microseconds=max(0, waited) / 1000), tags)

    def replayed(self, workflow_type: str, seconds: float) -> None:
        """A run that was not in memory has caught up."""
        self._replayed.record(timedelta(seconds=max(0.0, seconds)), _tags(workflow_type))

    def completed(
        self, workflow_type: str, seconds: float, commands: Sequence[command.Command], age_ns: int
    ) -> None:
        """A task was answered with ``commands``, ``age_ns`` after the run began."""
        tags = _tags(workflow_type)
        self._took.record(timedelta(seconds=max(0.0, seconds)), tags)
        for made in reversed(commands):
            word = _ENDS.get(made.command_type)
            if word is not None:
                self._ended[word].add(1, tags)
                self._end_to_end.record(timedelta(microseconds=max(0, age_ns) / 1000), tags)
                return

    def failed(self, workflow_type: str, reason: str) -> None:
        """A task could not be done."""
        self._failed.add(1, {**_tags(workflow_type), "failure_reason": reason})

    def evicted(self, workflow_type: str) -> None:
        """A run had to make room."""
        self._evicted.add(1, _tags(workflow_type))


def _tags(workflow_type: str) -> dict[str, str | int | float | bool]:
    return {"workflow_type": workflow_type}
