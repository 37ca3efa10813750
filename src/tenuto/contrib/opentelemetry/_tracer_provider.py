"""Spans that workflow code may make with OpenTelemetry's own functions: a replay tells none of them again.

A span made again by a replay has the identifier it had, and goes nowhere when it ends; one that ends live is exported. Its
beginning is then the time of the workflow task that began it. This file must never know headers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    set_span_in_context,
)
from opentelemetry.trace import TracerProvider as AnyTracerProvider
from opentelemetry.util.types import Attributes

import tenuto.workflow as workflow
from tenuto.contrib.opentelemetry._context import attached_context
from tenuto.contrib.opentelemetry._id_generator import TemporalIdGenerator


class _ReplaySafeSpan(Span):
    """A span whose end is told once."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._in_doubt = False
        self._over = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._span, name)

    def end(self, end_time: int | None = None) -> None:
        """Over. While a replay makes history again nobody is told.

        Nor when an exception goes on from here to fail the workflow task, which will run again: one that would is waited
        for until it had the time to.
        """
        if not workflow.in_workflow():
            self._span.end(end_time)
            return
        again, self._over = self._over, True
        if workflow.unsafe.is_replaying_history_events():
            return
        if self._in_doubt and not again:
            asyncio.get_running_loop().call_soon(self._end_after_all, end_time)
            return
        self._end(end_time)

    def _end_after_all(self, end_time: int | None) -> None:
        if not workflow.unsafe.is_replaying_history_events():
            self._end(end_time)

    def _end(self, end_time: int | None) -> None:
        with workflow.unsafe.sandbox_unrestricted():
            self._span.end(end_time)

    def get_span_context(self) -> SpanContext:
        return self._span.get_span_context()

    def set_attributes(self, attributes: Any) -> None:
        self._span.set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self._span.set_attribute(key, value)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        self._span.add_event(name, attributes, _moment(timestamp))

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        self._span.add_link(context, attributes)

    def update_name(self, name: str) -> None:
        self._span.update_name(name)

    def is_recording(self) -> bool:
        return not self._over and self._span.is_recording()

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        self._span.set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        self._in_doubt = self._in_doubt or _may_fail_task(exception)
        self._span.record_exception(exception, attributes, _moment(timestamp), escaped)


def _may_fail_task(exception: BaseException) -> bool:
    return (
        workflow.in_workflow()
        and not workflow.unsafe.is_read_only()
        and not workflow.is_failure_exception(exception)
    )


def _moment(given: int | None) -> int | None:
    """When it is: while replaying, the time of the workflow; None: now, or else what is given."""
    if given is None and workflow.in_workflow() and workflow.unsafe.is_replaying():
        return workflow.time_ns()
    return given


class _ReplaySafeTracer(Tracer):
    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        guard = workflow.unsafe.sandbox_unrestricted() if workflow.in_workflow() else nullcontext()
        with guard:
            span = self._tracer.start_span(
                name,
                context,
                kind,
                attributes,
                links,
                _moment(start_time),
                record_exception,
                set_status_on_exception,
            )
        return _ReplaySafeSpan(span)

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # theirs is the same, made with a class of their own
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Iterator[Span]:
        span = self.start_span(
            name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
        )
        try:
            # Not OpenTelemetry's use_span: it complains where a run is taken down, of which nobody need hear.
            with attached_context(set_span_in_context(span)):
                try:
                    yield span
                except Exception as error:
                    if span.is_recording():
                        if record_exception:
                            span.record_exception(error)
                        if set_status_on_exception:
                            span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
                    raise
        finally:
            if end_on_exit:
                span.end()


class ReplaySafeTracerProvider(AnyTracerProvider):
    """Tracers for clients, activities and workflows alike. `create_tracer_provider` makes one."""

    def __init__(self, tracer_provider: TracerProvider, id_generator: TemporalIdGenerator) -> None:
        if not isinstance(tracer_provider.id_generator, TemporalIdGenerator):
            raise ValueError("the tracer provider's id generator must be a TemporalIdGenerator")
        self._id_generator = id_generator
        self._tracer_provider = tracer_provider

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        self._tracer_provider.add_span_processor(span_processor)

    def shutdown(self) -> None:
        self._tracer_provider.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._tracer_provider.force_flush(timeout_millis)

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes | None = None,
    ) -> Tracer:
        return _ReplaySafeTracer(
            self._tracer_provider.get_tracer(
                instrumenting_module_name, instrumenting_library_version, schema_url, attributes
            )
        )

    def id_generator(self) -> TemporalIdGenerator:
        return self._id_generator


def create_tracer_provider(
    sampler: Sampler | None = None,
    resource: Resource | None = None,
    shutdown_on_exit: bool = True,
    active_span_processor: SynchronousMultiSpanProcessor | ConcurrentMultiSpanProcessor | None = None,
    id_generator: IdGenerator | None = None,
    span_limits: SpanLimits | None = None,
) -> ReplaySafeTracerProvider:
    """A tracer provider for programs with workflows: make it the global one before clients and workers are made.

    The parameters are those of OpenTelemetry's ``TracerProvider``; ``id_generator`` serves outside of workflows.
    """
    generator = TemporalIdGenerator(id_generator or RandomIdGenerator())
    provider = TracerProvider(
        sampler=sampler,
        resource=resource,
        shutdown_on_exit=shutdown_on_exit,
        active_span_processor=active_span_processor,
        id_generator=generator,
        span_limits=span_limits,
    )
    return ReplaySafeTracerProvider(provider, generator)


__all__ = ["ReplaySafeTracerProvider", "create_tracer_provider"]
