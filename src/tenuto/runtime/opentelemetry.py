"""A sink that hands measurements to OpenTelemetry's own exporters, where those packages are installed.

Must never be imported unless somebody asks for it.
"""

import importlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from tenuto.common import MetricAttributes
from tenuto.runtime.metrics import BUFFERED_METRIC_KIND_COUNTER, BUFFERED_METRIC_KIND_GAUGE, Metric

_NEEDED = (
    "sending metrics by OpenTelemetry needs the packages opentelemetry-sdk and opentelemetry-exporter-otlp"
)


class OpenTelemetrySink:
    """Exports to ``url`` every ``period``. Raises RuntimeError when the packages it needs are missing."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        period: timedelta,
        delta: bool,
        seconds: bool,
        http: bool,
        service_name: str,
        buckets: Mapping[str, Sequence[float]],
    ) -> None:
        self.seconds = seconds
        try:
            way = "http" if http else "grpc"
            exporting: Any = importlib.import_module(
                f"opentelemetry.exporter.otlp.proto.{way}.metric_exporter"
            )
            sdk: Any = importlib.import_module("opentelemetry.sdk.metrics")
            export: Any = importlib.import_module("opentelemetry.sdk.metrics.export")
            view: Any = importlib.import_module("opentelemetry.sdk.metrics.view")
            resources: Any = importlib.import_module("opentelemetry.sdk.resources")
        except ImportError as error:
            raise RuntimeError(f"{_NEEDED}: {error}") from error
        temporality = (
            export.AggregationTemporality.DELTA if delta else export.AggregationTemporality.CUMULATIVE
        )
        preferred = dict.fromkeys((sdk.Counter, sdk.Histogram), temporality)
        exporter = exporting.OTLPMetricExporter(
            endpoint=url, headers=dict(headers), preferred_temporality=preferred
        )
        reader = export.PeriodicExportingMetricReader(
            exporter, export_interval_millis=period.total_seconds() * 1000
        )
        views = [
            view.View(
                instrument_name=name, aggregation=view.ExplicitBucketHistogramAggregation(tuple(bounds))
            )
            for name, bounds in buckets.items()
        ]
        resource = resources.Resource.create({"service.name": service_name} if service_name else {})
        provider = sdk.MeterProvider(metric_readers=[reader], resource=resource, views=views)
        self._provider = provider
        self._meter = provider.get_meter("tenuto")
        self._instruments: dict[tuple[str, int], Any] = {}

    def take(self, metric: Metric, value: int | float, attributes: MetricAttributes) -> None:
        """Hand one measurement on."""
        key = (metric.name, metric.kind)
        instrument = self._instruments.get(key)
        if instrument is None:
            instrument = self._instruments[key] = self._create(metric)
        if metric.kind == BUFFERED_METRIC_KIND_COUNTER:
            instrument.add(value, attributes)
        elif metric.kind == BUFFERED_METRIC_KIND_GAUGE:
            instrument.set(value, attributes)
        else:
            instrument.record(value, attributes)

    def _create(self, metric: Metric) -> Any:
        told = {"unit": metric.unit or "", "description": metric.description or ""}
        if metric.kind == BUFFERED_METRIC_KIND_COUNTER:
            return self._meter.create_counter(metric.name, **told)
        if metric.kind == BUFFERED_METRIC_KIND_GAUGE:
            return self._meter.create_gauge(metric.name, **told)
        return self._meter.create_histogram(metric.name, **told)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
