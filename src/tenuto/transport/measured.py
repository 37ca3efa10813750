"""What is measured of calls: how many, how many failed and with which status, and how long they took.

A client whose runtime measures nothing never comes here. Must never change a call, nor what comes of it.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

from tenuto import ambient
from tenuto.common import MetricMeter
from tenuto.transport.base import NO_HEADERS, Headers, Transport
from tenuto.transport.config import ConnectConfig
from tenuto.transport.errors import RPCError
from tenuto.transport.retry import Kind, kind_of
from tenuto.wire import Message

_QUEUED = frozenset(
    {
        "DescribeTaskQueue",
        "ExecuteMultiOperation",
        "GetWorkerBuildIdCompatibility",
        "GetWorkerVersioningRules",
        "ListTaskQueuePartitions",
        "PollActivityTaskQueue",
        "PollNexusTaskQueue",
        "PollWorkflowTaskQueue",
        "SignalWithStartWorkflowExecution",
        "StartWorkflowExecution",
        "UpdateTaskQueueConfig",
        "UpdateWorkerBuildIdCompatibility",
        "UpdateWorkerVersioningRules",
    }
)
"""Methods whose measurements say which task queue they were about."""
_SHORT = frozenset({"PollActivityExecution", "PollNexusOperationExecution", "PollWorkflowExecutionUpdate"})
"""Polls that dashboards expect among ordinary requests."""
_MOST_SERIES = 4096

_Series = tuple[Any, Any, Any]


def measured(transport: Transport, config: ConnectConfig) -> Transport:
    """``transport``, measured if the client's runtime, or the process's default one, measures anything."""
    runtime = config.runtime
    if runtime is None:
        # Where nobody has loaded the module nobody has set a default.
        module: Any = sys.modules.get("tenuto.runtime")
        runtime = module.Runtime._default if module is not None else None
    meter = runtime.metric_meter if runtime is not None else MetricMeter.noop
    return transport if meter is MetricMeter.noop else MeasuredTransport(transport, meter)


class MeasuredTransport:
    """Calls through ``inner``."""

    def __init__(self, inner: Transport, meter: MetricMeter) -> None:
        from tenuto.runtime.metrics import own_meter

        self._inner = inner
        self._meter = own_meter(meter)
        self._clock = ambient.clock()
        self._series: dict[tuple[str, str, str, bool], _Series] = {}

    @property
    def workers_inside(self) -> bool:
        """As ``inner`` says."""
        return bool(getattr(self._inner, "workers_inside", False))

    async def open(self) -> None:
        """See `Transport.open`."""
        await self._inner.open()

    async def close(self) -> None:
        """See `Transport.close`."""
        await self._inner.close()

    async def call(
        self, method: str, request: Message, *, timeout: float | None = None, headers: Headers = NO_HEADERS
    ) -> Message:
        """See `Transport.call`. A call that the caller gives up is counted, and no more."""
        called, failed, took = self._of(method, request)
        called.add(1)
        began = self._clock()
        try:
            answer = await self._inner.call(method, request, timeout=timeout, headers=headers)
        except RPCError as error:
            took.record(self._since(began))
            failed.add(1, {"status_code": error.status.name})
            raise
        took.record(self._since(began))
        return answer

    def _since(self, began: int) -> timedelta:
        return timedelta(microseconds=max(self._clock() - began, 0) / 1000)

    def _of(self, method: str, request: Any) -> _Series:
        is_long = method not in _SHORT and kind_of(method, request) is not Kind.CALL
        queue = _queue_of(method, request) if method in _QUEUED else ""
        key = (method, getattr(request, "namespace", ""), queue, is_long)
        found = self._series.get(key)
        if found is None:
            if len(self._series) >= _MOST_SERIES:
                self._series.clear()
            found = self._series[key] = self._made(*key)
        return found

    def _made(self, method: str, namespace: str, queue: str, is_long: bool) -> _Series:
        labels = {"operation": method.rpartition("/")[2], "namespace": namespace, "task_queue": queue}
        meter = self._meter.with_additional_attributes({name: text for name, text in labels.items() if text})
        name, what = ("temporal_long_request", "long polls") if is_long else ("temporal_request", "requests")
        return (
            meter.create_counter(name, f"Count of {what} by rpc name"),
            meter.create_counter(f"{name}_failure", f"Count of {what} that failed, by rpc name"),
            meter.create_histogram_timedelta(
                f"{name}_latency", f"Histogram of {what}' latencies", "duration"
            ),
        )


def _queue_of(method: str, request: Any) -> str:
    if method == "ExecuteMultiOperation":
        operations = request.operations
        if not operations:
            return ""
        request = operations[0].start_workflow
    queue = request.task_queue
    if isinstance(queue, str):
        return queue
    # What a sticky queue belongs to says more than its name, which no other process knows.
    name: str = queue.normal_name or queue.name
    return name
