"""A sink whose numbers are read over HTTP in Prometheus' text format, at ``http://<address>/metrics``.

Must never be busy while nobody reads: it adds up, and writes only when asked.
"""

import re
import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tenuto.common import MetricAttributes
from tenuto.runtime.metrics import (
    BUFFERED_METRIC_KIND_COUNTER,
    BUFFERED_METRIC_KIND_GAUGE,
    Metric,
)

_BUCKETS_MS = (50.0, 100.0, 500.0, 1000.0, 2500.0, 10000.0)
_UNFIT = re.compile(r"[^a-zA-Z0-9_:]")
_Labels = tuple[tuple[str, str], ...]


class _Distribution:
    __slots__ = ("counts", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * (buckets + 1)
        self.total = 0.0


class _Family:
    """All series of one metric."""

    __slots__ = ("bounds", "description", "distributions", "kind", "values")

    def __init__(self, metric: Metric, bounds: Sequence[float]) -> None:
        self.kind = metric.kind
        self.description = metric.description or ""
        self.bounds = bounds
        self.values: dict[_Labels, int | float] = {}
        self.distributions: dict[_Labels, _Distribution] = {}

    def take(self, labels: _Labels, value: int | float) -> None:
        if self.kind == BUFFERED_METRIC_KIND_COUNTER:
            self.values[labels] = self.values.get(labels, 0) + value
        elif self.kind == BUFFERED_METRIC_KIND_GAUGE:
            self.values[labels] = value
        else:
            series = self.distributions.get(labels)
            if series is None:
                series = self.distributions[labels] = _Distribution(len(self.bounds))
            series.counts[bisect_left(self.bounds, value)] += 1
            series.total += value

    def lines(self, name: str) -> list[str]:
        word = "counter" if self.kind == BUFFERED_METRIC_KIND_COUNTER else "gauge"
        if self.kind not in (BUFFERED_METRIC_KIND_COUNTER, BUFFERED_METRIC_KIND_GAUGE):
            word = "histogram"
        escaped = self.description.replace("\\", "\\\\").replace("\n", "\\n")
        written = [f"# HELP {name} {escaped}".rstrip(), f"# TYPE {name} {word}"]
        written += [f"{name}{_shown(labels)} {value}" for labels, value in self.values.items()]
        for labels, series in self.distributions.items():
            below = 0
            for bound, count in zip((*self.bounds, None), series.counts, strict=True):
                below += count
                edge = "+Inf" if bound is None else f"{bound:g}"
                written.append(f"{name}_bucket{_shown((*labels, ('le', edge)))} {below}")
            written += [
                f"{name}_sum{_shown(labels)} {series.total:g}",
                f"{name}_count{_shown(labels)} {below}",
            ]
        return written


def _shown(labels: _Labels) -> str:
    if not labels:
        return ""
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return "{" + inside + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class PrometheusSink:
    """Listens on ``address`` (``host:port``) from construction on. Raises OSError when it is taken, ValueError when bad."""

    def __init__(
        self,
        address: str,
        *,
        seconds: bool = False,
        total_suffix: bool = False,
        unit_suffix: bool = False,
        buckets: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"the address for metrics must be host:port, not {address!r}")
        self.seconds = seconds
        self._total_suffix = total_suffix
        self._unit_suffix = unit_suffix
        self._buckets = buckets or {}
        self._families: dict[str, _Family] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="tenuto-metrics", daemon=True).start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def take(self, metric: Metric, value: int | float, attributes: MetricAttributes) -> None:
        """Add one measurement up."""
        name = self._name(metric)
        labels = tuple(sorted((_UNFIT.sub("_", key), _worded(one)) for key, one in attributes.items()))
        with self._lock:
            family = self._families.get(name)
            if family is None:
                family = self._families[name] = _Family(metric, self._bounds(metric))
            family.take(labels, value)

    def _name(self, metric: Metric) -> str:
        name = _UNFIT.sub("_", metric.name)
        if self._unit_suffix and metric.unit:
            name += "_" + _UNFIT.sub("_", metric.unit)
        if self._total_suffix and metric.kind == BUFFERED_METRIC_KIND_COUNTER and not name.endswith("_total"):
            name += "_total"
        return name

    def _bounds(self, metric: Metric) -> Sequence[float]:
        given = self._buckets.get(metric.name)
        if given is not None:
            return tuple(sorted(given))
        return tuple(bound / 1000 for bound in _BUCKETS_MS) if self.seconds else _BUCKETS_MS

    def text(self) -> str:
        """Everything, as Prometheus reads it."""
        with self._lock:
            return "".join(
                line + "\n" for name, family in sorted(self._families.items()) for line in family.lines(name)
            )

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


def _handler(sink: PrometheusSink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = sink.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _worded(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
