"""Metrics that workflow code records: once, not again at every replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenuto.common import MetricMeter

if TYPE_CHECKING:
    from tenuto.run.core import Core

_RECORDERS = ("add", "record", "set")


class _Instrument:
    """An instrument that is silent while its run replays."""

    def __init__(self, inner: Any, core: Core) -> None:
        self._inner = inner
        self._core = core

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in _RECORDERS and self._core.replaying:
            return lambda *args, **kwargs: None
        if name == "with_additional_attributes":
            return lambda attributes: _Instrument(found(attributes), self._core)
        return found


class ReplaySafeMeter(MetricMeter):
    """A meter whose instruments are silent while a run replays."""

    def __init__(self, inner: MetricMeter, core: Core) -> None:
        self._inner = inner
        self._core = core

    def _made(self, kind: str, *args: Any) -> Any:
        return _Instrument(getattr(self._inner, kind)(*args), self._core)

    def create_counter(self, name: str, description: str | None = None, unit: str | None = None) -> Any:
        return self._made("create_counter", name, description, unit)

    def create_histogram(self, name: str, description: str | None = None, unit: str | None = None) -> Any:
        return self._made("create_histogram", name, description, unit)

    def create_histogram_float(
        self, name: str, description: str | None = None, unit: str | None = None
    ) -> Any:
        return self._made("create_histogram_float", name, description, unit)

    def create_histogram_timedelta(
        self, name: str, description: str | None = None, unit: str | None = None
    ) -> Any:
        return self._made("create_histogram_timedelta", name, description, unit)

    def create_gauge(self, name: str, description: str | None = None, unit: str | None = None) -> Any:
        return self._made("create_gauge", name, description, unit)

    def create_gauge_float(self, name: str, description: str | None = None, unit: str | None = None) -> Any:
        return self._made("create_gauge_float", name, description, unit)

    def with_additional_attributes(self, additional_attributes: Any) -> MetricMeter:
        return ReplaySafeMeter(self._inner.with_additional_attributes(additional_attributes), self._core)
