"""The framework's own metrics, from a buffer into a meter provider of OpenTelemetry.

This file must never measure anything itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import opentelemetry.metrics
from opentelemetry.metrics import Counter, Histogram, MeterProvider, _Gauge

from tenuto.runtime.metrics import BUFFERED_METRIC_KIND_COUNTER, BUFFERED_METRIC_KIND_GAUGE

if TYPE_CHECKING:
    from tenuto.runtime import BufferedMetric, BufferedMetricUpdate, MetricBuffer

logger = logging.getLogger(__name__)


class MetricsExporter:
    """Empties ``buffer`` every ``poll_interval`` into a meter of ``meter_provider`` (None: the global one).

    Make the `Runtime` with the buffer first, and keep the exporter open, ``async with`` or by `run`, as long as metrics are
    wanted. ``on_error`` learns what goes wrong, which stops nothing; None: it is logged.
    """

    def __init__(
        self,
        buffer: MetricBuffer,
        meter_provider: MeterProvider | None = None,
        *,
        meter_name: str = "temporalio",
        meter_version: str | None = None,
        poll_interval: timedelta = timedelta(seconds=1),
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        self._buffer = buffer
        provider = meter_provider or opentelemetry.metrics.get_meter_provider()
        self._meter = provider.get_meter(meter_name, meter_version)
        self._seconds = poll_interval.total_seconds()
        self._on_error = on_error
        self._instruments: dict[tuple[int, str], Counter | Histogram | _Gauge] = {}
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Export until `shutdown`. What is left in the buffer then is exported too."""
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(self._seconds):
                    await self._stopping.wait()
            except TimeoutError:
                self._export()
        self._export()

    async def shutdown(self) -> None:
        """Stop, with the buffer emptied once more."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def __aenter__(self) -> MetricsExporter:
        self._task = asyncio.get_running_loop().create_task(self.run())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.shutdown()

    def _export(self) -> None:
        try:
            for update in self._buffer.retrieve_updates():
                self._apply(update)
        except Exception as error:
            if self._on_error is None:
                logger.warning("Metrics could not be exported", exc_info=error)
            else:
                self._on_error(error)

    def _apply(self, update: BufferedMetricUpdate) -> None:
        instrument = self._instrument(update.metric)
        attributes: Any = dict(update.attributes)
        if isinstance(instrument, Counter):
            instrument.add(update.value, attributes)
        elif isinstance(instrument, Histogram):
            instrument.record(update.value, attributes)
        else:
            instrument.set(update.value, attributes)

    def _instrument(self, metric: BufferedMetric) -> Counter | Histogram | _Gauge:
        key = (metric.kind, metric.name)
        found = self._instruments.get(key)
        if found is None:
            make: Callable[..., Counter | Histogram | _Gauge] = self._meter.create_histogram
            if metric.kind == BUFFERED_METRIC_KIND_COUNTER:
                make = self._meter.create_counter
            elif metric.kind == BUFFERED_METRIC_KIND_GAUGE:
                make = self._meter.create_gauge
            found = self._instruments[key] = make(metric.name, metric.unit or "", metric.description or "")
        return found
