"""Metrics that go somewhere: a meter over a sink, and the sink that keeps updates for whoever fetches them.

Must never block or fail the code that measures.
"""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import IntEnum
from typing import Any, NewType, Protocol, Self

from tenuto.common import (
    MetricAttributes,
    MetricCounter,
    MetricGauge,
    MetricGaugeFloat,
    MetricHistogram,
    MetricHistogramFloat,
    MetricHistogramTimedelta,
    MetricMeter,
)

log = logging.getLogger("tenuto.metrics")

OWN_PREFIX = "temporal_"
"""How the framework's own names begin unless a program wants otherwise."""

BufferedMetricKind = NewType("BufferedMetricKind", int)
BUFFERED_METRIC_KIND_COUNTER = BufferedMetricKind(0)
BUFFERED_METRIC_KIND_GAUGE = BufferedMetricKind(1)
BUFFERED_METRIC_KIND_HISTOGRAM = BufferedMetricKind(2)


class BufferedMetric(Protocol):
    """What was measured."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str | None: ...

    @property
    def unit(self) -> str | None: ...

    @property
    def kind(self) -> BufferedMetricKind: ...


class BufferedMetricUpdate(Protocol):
    """One measurement. ``value``: added (counter), present (gauge) or taken in (histogram)."""

    @property
    def metric(self) -> BufferedMetric: ...

    @property
    def value(self) -> int | float: ...

    @property
    def attributes(self) -> MetricAttributes: ...


class Metric:
    """A metric as sinks see it; one object for each time it was created."""

    __slots__ = ("description", "kind", "name", "unit")

    def __init__(
        self, name: str, description: str | None, unit: str | None, kind: BufferedMetricKind
    ) -> None:
        self.name = name
        self.description = description
        self.unit = unit
        self.kind = kind


class Sink(Protocol):
    """Where measurements go; called from any thread."""

    seconds: bool
    """Whether durations are wanted in seconds, as fractions; else in whole milliseconds."""

    def take(self, metric: Metric, value: int | float, attributes: MetricAttributes) -> None: ...


# ---- the buffer -----------------------------------------------------------------------------------------------------------


class MetricBufferDurationFormat(IntEnum):
    """How durations are counted in a buffer."""

    MILLISECONDS = 1
    SECONDS = 2


class _Update:
    __slots__ = ("attributes", "metric", "value")

    def __init__(self, metric: Metric, value: int | float, attributes: MetricAttributes) -> None:
        self.metric = metric
        self.value = value
        self.attributes = attributes


class MetricBuffer:
    """Keeps up to ``buffer_size`` measurements until they are fetched; what comes when it is full is dropped."""

    def __init__(
        self,
        buffer_size: int,
        duration_format: MetricBufferDurationFormat = MetricBufferDurationFormat.MILLISECONDS,
    ) -> None:
        self.seconds = duration_format is MetricBufferDurationFormat.SECONDS
        self._size = buffer_size
        self._updates: deque[_Update] = deque()
        self._full = False
        self.used = False
        """A `Runtime` writes to it."""

    def take(self, metric: Metric, value: int | float, attributes: MetricAttributes) -> None:
        """Keep one measurement."""
        if len(self._updates) < self._size:
            self._updates.append(_Update(metric, value, attributes))
        elif not self._full:
            self._full = True
            log.error("the metric buffer is full (%d): fetch its updates more often; dropping", self._size)

    def retrieve_updates(self) -> Sequence[BufferedMetricUpdate]:
        """All measurements since the last time, the oldest first. Raises RuntimeError before a `Runtime` uses the buffer."""
        if not self.used:
            raise RuntimeError("Attempting to retrieve updates before runtime created")
        self._full = False
        found: list[BufferedMetricUpdate] = []
        while self._updates:
            found.append(self._updates.popleft())
        return found


# ---- the meter ------------------------------------------------------------------------------------------------------------


def _joined(attributes: Mapping[str, Any], more: MetricAttributes) -> Mapping[str, Any]:
    for key, value in more.items():
        if not isinstance(value, str | int | float):
            raise TypeError(
                f"Invalid value type for key {key}: {type(value).__name__}; it is to be a str, int, float or bool"
            )
    return {**attributes, **more}


class _Measured:
    """What all metrics of a `Meter` have."""

    __slots__ = ("_attributes", "_metric", "_sink")

    def __init__(self, sink: Sink, metric: Metric, attributes: Mapping[str, Any]) -> None:
        self._sink = sink
        self._metric = metric
        self._attributes = attributes

    @property
    def name(self) -> str:
        return self._metric.name

    @property
    def description(self) -> str | None:
        return self._metric.description

    @property
    def unit(self) -> str | None:
        return self._metric.unit

    def with_additional_attributes(self, additional_attributes: MetricAttributes) -> Self:
        return type(self)(self._sink, self._metric, _joined(self._attributes, additional_attributes))

    def _take(self, value: int | float, additional: MetricAttributes | None) -> None:
        if value < 0:
            raise ValueError("Metric value cannot be negative")
        attributes = _joined(self._attributes, additional) if additional else self._attributes
        self._sink.take(self._metric, value, attributes)


class _Counter(_Measured, MetricCounter):
    def add(self, value: int, additional_attributes: MetricAttributes | None = None) -> None:
        self._take(value, additional_attributes)


class _Histogram(_Measured, MetricHistogram):
    def record(self, value: int, additional_attributes: MetricAttributes | None = None) -> None:
        self._take(value, additional_attributes)


class _HistogramFloat(_Measured, MetricHistogramFloat):
    def record(self, value: float, additional_attributes: MetricAttributes | None = None) -> None:
        self._take(value, additional_attributes)


class _HistogramTimedelta(_Measured, MetricHistogramTimedelta):
    def record(self, value: timedelta, additional_attributes: MetricAttributes | None = None) -> None:
        seconds = value.total_seconds()
        if seconds < 0:
            raise ValueError("Metric value cannot be negative")
        self._take(seconds if self._sink.seconds else round(seconds * 1000), additional_attributes)


class _Gauge(_Measured, MetricGauge):
    def set(self, value: int, additional_attributes: MetricAttributes | None = None) -> None:
        self._take(value, additional_attributes)


class _GaugeFloat(_Measured, MetricGaugeFloat):
    def set(self, value: float, additional_attributes: MetricAttributes | None = None) -> None:
        self._take(value, additional_attributes)


class Meter(MetricMeter):
    """Makes metrics whose measurements go to ``sink``, all with ``attributes``. ``prefix``: of the framework's own names."""

    def __init__(
        self, sink: Sink, attributes: Mapping[str, Any], prefix: str = OWN_PREFIX, *, own: bool = False
    ) -> None:
        self._sink = sink
        self._attributes = attributes
        self._prefix = prefix
        self._own = own

    def own(self) -> MetricMeter:
        """The same for the framework's own metrics: names that begin with ``temporal_`` get the prefix instead."""
        return Meter(self._sink, self._attributes, self._prefix, own=True)

    def _metric(
        self, name: str, description: str | None, unit: str | None, kind: BufferedMetricKind
    ) -> Metric:
        if self._own and name.startswith(OWN_PREFIX):
            name = self._prefix + name[len(OWN_PREFIX) :]
        return Metric(name, description, unit, kind)

    def create_counter(
        self, name: str, description: str | None = None, unit: str | None = None
    ) -> MetricCounter:
        metric = self._metric(name, description, unit, BUFFERED_METRIC_KIND_COUNTER)
        return _Counter(self._sink, metric, self._attributes)

    def create_histogram(
        self, name: str, description: str | None = None, unit: str | None = None
    ) -> MetricHistogram:
        metric = self._metric(name, description, unit, BUFFERED_METRIC_KIND_HISTOGRAM)
        return _Histogram(self._sink, metric, self._attributes)

    def create_histogram_float(
        self, name: str, description: str | None = None, unit: str | None = None
    ) -> MetricHistogramFloat:
        metric = self._metric(name, description, unit, BUFFERED_METRIC_KIND_HISTOGRAM)
        return _HistogramFloat(self._sink, metric, self._attributes)

    def create_histogram_timedelta(
        self, name: str, description: str | None = None, unit: str | None = None
    ) -> MetricHistogramTimedelta:
        metric = self._metric(name, description, unit, BUFFERED_METRIC_KIND_HISTOGRAM)
        return _HistogramTimedelta(self._sink, metric, self._attributes)

    def create_gauge(self, name: str, description: str | None = None, unit: str | None = None) -> MetricGauge:
        metric = self._metric(name, description, unit, BUFFERED_METRIC_KIND_GAUGE)
        return _Gauge(self._sink, metric, self._attributes)

    def create_gauge_float(
        self, name: str, description: str | None = None, unit: str | None = None
    ) -> MetricGaugeFloat:
        metric = self._metric(name, description, unit, BUFFERED_METRIC_KIND_GAUGE)
        return _GaugeFloat(self._sink, metric, self._attributes)

    def with_additional_attributes(self, additional_attributes: MetricAttributes) -> MetricMeter:
        attributes = _joined(self._attributes, additional_attributes)
        return Meter(self._sink, attributes, self._prefix, own=self._own)


def own_meter(meter: MetricMeter) -> MetricMeter:
    """``meter`` for what the framework itself measures."""
    return meter.own() if isinstance(meter, Meter) else meter
