"""What a process's clients and workers share: where metrics and log lines go, and how often workers are heard of.

Must never start anything that was not asked for: without a `TelemetryConfig` that says so, nothing is measured.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import ClassVar

from tenuto.common import MetricMeter
from tenuto.runtime.metrics import (
    BUFFERED_METRIC_KIND_COUNTER,
    BUFFERED_METRIC_KIND_GAUGE,
    BUFFERED_METRIC_KIND_HISTOGRAM,
    OWN_PREFIX,
    BufferedMetric,
    BufferedMetricKind,
    BufferedMetricUpdate,
    Meter,
    MetricBuffer,
    MetricBufferDurationFormat,
    Sink,
)

__all__ = [
    "BUFFERED_METRIC_KIND_COUNTER",
    "BUFFERED_METRIC_KIND_GAUGE",
    "BUFFERED_METRIC_KIND_HISTOGRAM",
    "BufferedMetric",
    "BufferedMetricKind",
    "BufferedMetricUpdate",
    "LogForwardingConfig",
    "LoggingConfig",
    "LoggingFormat",
    "MetricBuffer",
    "MetricBufferDurationFormat",
    "OpenTelemetryConfig",
    "OpenTelemetryMetricTemporality",
    "PrometheusConfig",
    "Runtime",
    "TelemetryConfig",
    "TelemetryFilter",
]

ROOT_LOGGER = "tenuto"
SERVICE_NAME = "temporal-core-sdk"
_LEVELS = {"TRACE": logging.DEBUG, "OFF": logging.CRITICAL + 1}
_HEARTBEAT_LEAST, _HEARTBEAT_MOST = timedelta(seconds=1), timedelta(seconds=60)
_EXPORT_PERIOD = timedelta(seconds=1)


# ---- logging --------------------------------------------------------------------------------------------------------------


@dataclass
class TelemetryFilter:
    """Which log lines are wanted: of the framework itself (``core_level``), and of everything beneath it."""

    core_level: str
    """TRACE, DEBUG, INFO, WARN, ERROR or OFF."""
    other_level: str

    def formatted(self) -> str:
        """As one text: the level of everything else, then that of the framework."""
        return f"{self.other_level},{ROOT_LOGGER}={self.core_level}"


class LoggingFormat(Enum):
    """How lines look that the framework writes by itself."""

    COMPACT = "compact"
    PRETTY = "pretty"
    JSON = "json"


@dataclass
class LogForwardingConfig:
    """Give the framework's log lines to a logger of the program's own."""

    logger: logging.Logger
    append_target_to_name: bool = True
    """The line's logger is called ``<logger>-<framework's logger>``."""
    prepend_target_on_message: bool = True
    """The message begins with ``[<framework's logger>]``."""
    overwrite_log_record_time: bool = True
    append_log_fields_to_message: bool = True


@dataclass(frozen=True)
class LoggingConfig:
    """The framework logs through Python's ``logging``, to the logger ``tenuto`` and those beneath it."""

    filter: TelemetryFilter | str
    forwarding: LogForwardingConfig | None = None
    """Without it, lines go where the program has ``logging`` send them."""
    format: LoggingFormat | None = None
    default: ClassVar["LoggingConfig"]


LoggingConfig.default = LoggingConfig(TelemetryFilter("WARN", "ERROR"))


class _Forwarder(logging.Handler):
    def __init__(self, config: LogForwardingConfig, level: int) -> None:
        super().__init__(level)
        self._config = config

    def emit(self, record: logging.LogRecord) -> None:
        config, target = self._config, record.name
        if not config.logger.isEnabledFor(record.levelno):
            return
        copied = logging.makeLogRecord(record.__dict__)
        copied.name = f"{config.logger.name}-{target}" if config.append_target_to_name else config.logger.name
        if config.prepend_target_on_message:
            copied.msg, copied.args = f"[{target}] {record.getMessage()}", ()
        config.logger.handle(copied)


def _level(filter: TelemetryFilter | str) -> int:
    word = filter.core_level if isinstance(filter, TelemetryFilter) else filter
    for part in word.split(","):
        name, _, level = part.rpartition("=")
        if name in (ROOT_LOGGER, ""):
            word = level
    word = word.upper()
    return _LEVELS.get(word) or logging.getLevelNamesMapping().get(word, logging.WARNING)


# ---- metrics --------------------------------------------------------------------------------------------------------------


class OpenTelemetryMetricTemporality(Enum):
    """Whether counters are sent as totals or as differences."""

    CUMULATIVE = 1
    DELTA = 2


@dataclass(frozen=True)
class OpenTelemetryConfig:
    """Send metrics by OTLP. Needs opentelemetry-sdk and opentelemetry-exporter-otlp."""

    url: str
    headers: Mapping[str, str] | None = None
    metric_periodicity: timedelta | None = None
    """Default: every second."""
    metric_temporality: OpenTelemetryMetricTemporality = OpenTelemetryMetricTemporality.CUMULATIVE
    durations_as_seconds: bool = False
    http: bool = False
    """OTLP over HTTP rather than gRPC."""
    histogram_bucket_overrides: Mapping[str, Sequence[float]] | None = None


@dataclass(frozen=True)
class PrometheusConfig:
    """Have metrics read over HTTP at ``bind_address`` (``host:port``)."""

    bind_address: str
    counters_total_suffix: bool = False
    unit_suffix: bool = False
    durations_as_seconds: bool = False
    histogram_bucket_overrides: Mapping[str, Sequence[float]] | None = None


@dataclass(frozen=True)
class TelemetryConfig:
    """What is told about this process, and to whom."""

    logging: LoggingConfig | None = LoggingConfig.default
    metrics: OpenTelemetryConfig | PrometheusConfig | MetricBuffer | None = None
    global_tags: Mapping[str, str] = field(default_factory=dict)
    """On every metric."""
    attach_service_name: bool = True
    """Every metric says ``service_name``."""
    metric_prefix: str | None = None
    """Before the names of the framework's own metrics; default ``temporal_``."""


def _sink(config: TelemetryConfig) -> Sink | None:
    metrics = config.metrics
    if metrics is None:
        return None
    if isinstance(metrics, MetricBuffer):
        metrics.used = True
        return metrics
    if isinstance(metrics, PrometheusConfig):
        from tenuto.runtime.prometheus import PrometheusSink

        return PrometheusSink(
            metrics.bind_address,
            seconds=metrics.durations_as_seconds,
            total_suffix=metrics.counters_total_suffix,
            unit_suffix=metrics.unit_suffix,
            buckets=metrics.histogram_bucket_overrides,
        )
    from tenuto.runtime.opentelemetry import OpenTelemetrySink

    return OpenTelemetrySink(
        metrics.url,
        headers=metrics.headers or {},
        period=metrics.metric_periodicity or _EXPORT_PERIOD,
        delta=metrics.metric_temporality is OpenTelemetryMetricTemporality.DELTA,
        seconds=metrics.durations_as_seconds,
        http=metrics.http,
        service_name=SERVICE_NAME if config.attach_service_name else "",
        buckets=metrics.histogram_bucket_overrides or {},
    )


# ---- the runtime ----------------------------------------------------------------------------------------------------------


class Runtime:
    """Telemetry and worker settings of a process, given to ``Client.connect(runtime=...)``."""

    _default: ClassVar["Runtime | None"] = None
    _prevented: ClassVar[bool] = False

    @classmethod
    def default(cls) -> "Runtime":
        """The one used where none is given; made when first asked for. Raises RuntimeError after `prevent_default`."""
        if Runtime._default is None:
            if Runtime._prevented:
                raise RuntimeError(
                    "Cannot create default Runtime after Runtime.prevent_default has been called"
                )
            Runtime._default = cls(telemetry=TelemetryConfig())
        return Runtime._default

    @classmethod
    def prevent_default(cls) -> None:
        """Let `default` fail until `set_default` was called. Raises RuntimeError when there is a default already."""
        if Runtime._default is not None:
            raise RuntimeError("Runtime.prevent_default called after default runtime has been created or set")
        Runtime._prevented = True

    @staticmethod
    def set_default(runtime: "Runtime", *, error_if_already_set: bool = True) -> None:
        """Make ``runtime`` the default. Raises RuntimeError when there is one already, unless told not to."""
        if Runtime._default is not None and error_if_already_set:
            raise RuntimeError("Runtime default already set")
        Runtime._default = runtime

    def __init__(
        self,
        *,
        telemetry: TelemetryConfig,
        worker_heartbeat_interval: timedelta | None = _HEARTBEAT_MOST,
        disable_environment_info: bool = False,
    ) -> None:
        """``worker_heartbeat_interval``: how often workers tell the service about themselves, 1 to 60 s; None: never.

        ``disable_environment_info``: they say nothing about the machine. Raises ValueError, and OSError when the address
        for metrics is taken.
        """
        every = worker_heartbeat_interval
        if every is not None and every <= timedelta(0):
            raise ValueError("worker_heartbeat_interval must be positive")
        if every is not None and not _HEARTBEAT_LEAST <= every <= _HEARTBEAT_MOST:
            raise ValueError(
                f"Invalid runtime options: heartbeat_interval ({every}) must be between 1s and 60s"
            )
        self.telemetry = telemetry
        self.worker_heartbeat_interval = every
        self.disable_environment_info = disable_environment_info
        self.metric_prefix = OWN_PREFIX if telemetry.metric_prefix is None else telemetry.metric_prefix
        sink = _sink(telemetry)
        tags: dict[str, str] = {}
        if telemetry.attach_service_name:
            tags["service_name"] = SERVICE_NAME
        tags.update(telemetry.global_tags)
        self._meter: MetricMeter = MetricMeter.noop if sink is None else Meter(sink, tags, self.metric_prefix)
        wanted = telemetry.logging
        if wanted is not None and wanted.forwarding is not None:
            level = _level(wanted.filter)
            logger = logging.getLogger(ROOT_LOGGER)
            logger.addHandler(_Forwarder(wanted.forwarding, level))
            if logger.getEffectiveLevel() > level:
                logger.setLevel(level)

    @property
    def metric_meter(self) -> MetricMeter:
        """Makes the program's own metrics; they measure nothing unless ``telemetry.metrics`` says where numbers go."""
        return self._meter
