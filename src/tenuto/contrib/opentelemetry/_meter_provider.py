"""Instruments of OpenTelemetry whose measurements a replay does not repeat. This file must never know spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import (
    CallbackT,
    Counter,
    Histogram,
    Meter,
    MeterProvider,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
    _Gauge,
)
from opentelemetry.util.types import Attributes

from tenuto.contrib.opentelemetry._logger_provider import replaying


def _given(attributes: Attributes, context: Context | None) -> tuple[Any, ...]:
    """Of the two, those that are given: older instruments know no context."""
    return (attributes,) if context is None else (attributes, context)


class _ReplaySafeCounter(Counter):
    def __init__(self, instrument: Counter) -> None:
        self._instrument = instrument

    def add(self, amount: float, attributes: Attributes = None, context: Context | None = None) -> None:
        if not replaying():
            self._instrument.add(amount, *_given(attributes, context))


class _ReplaySafeUpDownCounter(UpDownCounter):
    def __init__(self, instrument: UpDownCounter) -> None:
        self._instrument = instrument

    def add(self, amount: float, attributes: Attributes = None, context: Context | None = None) -> None:
        if not replaying():
            self._instrument.add(amount, *_given(attributes, context))


class _ReplaySafeHistogram(Histogram):
    def __init__(self, instrument: Histogram) -> None:
        self._instrument = instrument

    def record(self, amount: float, attributes: Attributes = None, context: Context | None = None) -> None:
        if not replaying():
            self._instrument.record(amount, *_given(attributes, context))


class _ReplaySafeGauge(_Gauge):
    def __init__(self, instrument: _Gauge) -> None:
        self._instrument = instrument

    def set(self, amount: float, attributes: Attributes = None, context: Context | None = None) -> None:
        if not replaying():
            self._instrument.set(amount, *_given(attributes, context))


class _ReplaySafeMeter(Meter):
    def __init__(self, meter: Meter) -> None:
        super().__init__(meter.name, meter.version, meter.schema_url)
        self._meter = meter

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        return _ReplaySafeCounter(self._meter.create_counter(name, unit, description))

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> UpDownCounter:
        return _ReplaySafeUpDownCounter(self._meter.create_up_down_counter(name, unit, description))

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> Histogram:
        more: dict[str, Any] = {}
        if explicit_bucket_boundaries_advisory is not None:
            more["explicit_bucket_boundaries_advisory"] = explicit_bucket_boundaries_advisory
        return _ReplaySafeHistogram(self._meter.create_histogram(name, unit, description, **more))

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> _Gauge:
        return _ReplaySafeGauge(self._meter.create_gauge(name, unit, description))

    # Callbacks are called by readers, not by workflows: they need no watching.

    def create_observable_counter(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> ObservableCounter:
        return self._meter.create_observable_counter(name, callbacks, unit, description)

    def create_observable_gauge(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> ObservableGauge:
        return self._meter.create_observable_gauge(name, callbacks, unit, description)

    def create_observable_up_down_counter(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> ObservableUpDownCounter:
        return self._meter.create_observable_up_down_counter(name, callbacks, unit, description)


class ReplaySafeMeterProvider(MeterProvider):
    """Make it the global one, around yours: measurements of workflow code are dropped while it is replayed."""

    def __init__(self, meter_provider: MeterProvider) -> None:
        self._meter_provider = meter_provider

    def __getattr__(self, name: str) -> Any:
        return getattr(self._meter_provider, name)

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes | None = None,
    ) -> Meter:
        return _ReplaySafeMeter(self._meter_provider.get_meter(name, version, schema_url, attributes))
