"""Spans for workflow code. This file must never be used outside of workflows."""

from __future__ import annotations

from opentelemetry.trace import get_tracer
from opentelemetry.util.types import Attributes

from tenuto.contrib.opentelemetry._interceptor import TracingWorkflowInboundInterceptor


def completed_span(name: str, *, attributes: Attributes = None, exception: Exception | None = None) -> None:
    """A span that is over as soon as it begins.

    With `TracingInterceptor` it is made when the workflow is not replaying and whoever started it was traced, and tells the
    workflow's and the run's id. For spans around code use `OpenTelemetryPlugin` and OpenTelemetry's own functions.
    """
    inbound = TracingWorkflowInboundInterceptor._from_context()
    if inbound is not None:
        inbound._completed_span(name, attributes=attributes, exception=exception)
        return
    span = get_tracer(__name__).start_span(name, attributes=attributes)
    if exception is not None:
        span.record_exception(exception)
    span.end()
