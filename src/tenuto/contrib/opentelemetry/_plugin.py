"""One object that sets up tracing for clients, workers and replayers. This file must never set a global provider."""

from __future__ import annotations

from tenuto.contrib.opentelemetry._otel_interceptor import OpenTelemetryInterceptor
from tenuto.plugin import SimplePlugin


class OpenTelemetryPlugin(SimplePlugin):
    """Give one to ``Client.connect``, after the global tracer provider was made by `create_tracer_provider`.

    ``add_temporal_spans``: see `OpenTelemetryInterceptor`.
    """

    def __init__(self, *, add_temporal_spans: bool = False) -> None:
        super().__init__("OpenTelemetryPlugin", interceptors=[OpenTelemetryInterceptor(add_temporal_spans)])
