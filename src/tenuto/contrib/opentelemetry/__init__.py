"""Traces, metrics and log records of OpenTelemetry that cross clients, workflows and activities.

`OpenTelemetryPlugin` is for new programs: spans made with OpenTelemetry's own functions, also in workflows, with their true
durations, and none told twice by a replay. `TracingInterceptor` is the older way, whose spans in workflows have no length.
Both write what the same interceptors of other SDKs read. Needs the extra ``opentelemetry``. This room must never be imported
by another.
"""

try:
    import opentelemetry.trace as _trace
except ImportError as _missing:  # pragma: no cover - depends on what is installed
    raise ImportError("tenuto.contrib.opentelemetry needs: pip install tenuto[opentelemetry]") from _missing

from tenuto.contrib.opentelemetry._interceptor import TracingInterceptor, TracingWorkflowInboundInterceptor
from tenuto.contrib.opentelemetry._logger_provider import ReplaySafeLoggerProvider
from tenuto.contrib.opentelemetry._meter_provider import ReplaySafeMeterProvider
from tenuto.contrib.opentelemetry._metrics_exporter import MetricsExporter
from tenuto.contrib.opentelemetry._otel_interceptor import OpenTelemetryInterceptor
from tenuto.contrib.opentelemetry._plugin import OpenTelemetryPlugin
from tenuto.contrib.opentelemetry._tracer_provider import ReplaySafeTracerProvider, create_tracer_provider

__all__ = [
    "MetricsExporter",
    "OpenTelemetryInterceptor",
    "OpenTelemetryPlugin",
    "ReplaySafeLoggerProvider",
    "ReplaySafeMeterProvider",
    "ReplaySafeTracerProvider",
    "TracingInterceptor",
    "TracingWorkflowInboundInterceptor",
    "create_tracer_provider",
]

del _trace
