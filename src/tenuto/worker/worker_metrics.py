"""What a worker measures of its polls, slots and cache. It must never cost anything when nobody measures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tenuto.common import MetricMeter
from tenuto.runtime.metrics import own_meter

if TYPE_CHECKING:
    from tenuto.worker.pollers import Poller
    from tenuto.worker.slots import Slots
    from tenuto.worker.tuner import SlotType

SAMPLE_SECONDS = 1.0
"""Between two looks at what is counted as it stands."""
_KINDS = {
    "workflow": "WorkflowWorker",
    "activity": "ActivityWorker",
    "local-activity": "LocalActivityWorker",
    "nexus": "NexusWorker",
}
_POLLERS = {
    "workflow_poller_info": "workflow_task",
    "workflow_sticky_poller_info": "sticky_workflow_task",
    "activity_poller_info": "activity_task",
    "nexus_poller_info": "nexus_task",
}


class WorkerMetrics:
    """Counters of polls, and gauges that are looked at once a second."""

    @staticmethod
    def of(meter: MetricMeter, namespace: str, task_queue: str) -> WorkerMetrics | None:
        """None when ``meter`` measures nothing."""
        return None if meter is MetricMeter.noop else WorkerMetrics(meter, namespace, task_queue)

    def __init__(self, meter: MetricMeter, namespace: str, task_queue: str) -> None:
        meter = own_meter(meter).with_additional_attributes(
            {"namespace": namespace, "task_queue": task_queue}
        )
        self._started = meter.create_counter("temporal_worker_start")
        self._found = meter.create_counter("temporal_workflow_task_queue_poll_succeed")
        self._empty = meter.create_counter("temporal_workflow_task_queue_poll_empty")
        self._no_activity = meter.create_counter("temporal_activity_poll_no_task")
        self._polls = meter.create_gauge("temporal_num_pollers")
        self._free = meter.create_gauge("temporal_worker_task_slots_available")
        self._used = meter.create_gauge("temporal_worker_task_slots_used")
        self._cached = meter.create_gauge("temporal_sticky_cache_size")

    def started(self) -> None:
        """A worker began to poll."""
        self._started.add(1)

    def workflow_answered(self, found: bool) -> None:
        """A poll for workflow tasks came back."""
        (self._found if found else self._empty).add(1)

    def activity_answered(self, found: bool) -> None:
        """A poll for activities came back."""
        if not found:
            self._no_activity.add(1)

    async def keep_looking(
        self,
        slots: Mapping[SlotType, Slots],
        pollers: Mapping[str, Poller[Any]],
        cached: Callable[[], int],
    ) -> None:
        """Look at what stands, every second, until cancelled."""
        while True:
            for kind, those in slots.items():
                tags = {"worker_type": _KINDS[kind]}
                if those.available is not None:
                    self._free.set(those.available, tags)
                self._used.set(those.working, tags)
            for field, poller in pollers.items():
                self._polls.set(poller.out, {"poller_type": _POLLERS[field]})
            self._cached.set(cached())
            await asyncio.sleep(SAMPLE_SECONDS)
