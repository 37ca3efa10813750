"""The newer tracing: contexts cross all borders, and spans of workflows are true ones of a replay-safe provider.

This file must never make a span that a replay would tell again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

import opentelemetry.trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Tracer
from opentelemetry.util.types import Attributes

import tenuto.workflow as workflow
from tenuto import client as _client
from tenuto import worker as _worker
from tenuto.contrib.opentelemetry._context import Carrying, Headers, as_strings, attached_context
from tenuto.contrib.opentelemetry._outside import (
    RUN_ID,
    WORKFLOW_ID,
    ActivityInbound,
    ClientOutbound,
    NexusInbound,
    Outside,
    span_around,
)
from tenuto.contrib.opentelemetry._tracer_provider import ReplaySafeTracerProvider

if TYPE_CHECKING:
    from tenuto.workflow.interception import (
        ContinueAsNewInput,
        ExecuteWorkflowInput,
        HandleQueryInput,
        HandleSignalInput,
        HandleUpdateInput,
        SignalChildWorkflowInput,
        SignalExternalWorkflowInput,
        StartActivityInput,
        StartChildWorkflowInput,
        StartLocalActivityInput,
        StartNexusOperationInput,
    )


def _tracer() -> Tracer:
    return opentelemetry.trace.get_tracer(__name__)


class OpenTelemetryInterceptor(_client.Interceptor, _worker.Interceptor, Outside):
    """Give one to ``Client.connect``, or use `OpenTelemetryPlugin`, which does.

    ``add_temporal_spans``: beside your own spans there are those of the framework, for each start, signal, query, update,
    run, activity and so on. Workers with workflows need the global tracer provider to be one of `create_tracer_provider`.
    """

    def __init__(self, add_temporal_spans: bool = False) -> None:
        self._carry_defaults()
        self._add_temporal_spans = add_temporal_spans

    def intercept_client(self, next: _client.OutboundInterceptor) -> _client.OutboundInterceptor:
        return ClientOutbound(next, self)

    def intercept_activity(
        self, next: _worker.ActivityInboundInterceptor
    ) -> _worker.ActivityInboundInterceptor:
        return ActivityInbound(next, self)

    def workflow_interceptor_class(
        self, input: _worker.WorkflowInterceptorClassInput
    ) -> type[_worker.WorkflowInboundInterceptor]:
        """Raises ValueError when the global tracer provider is not replay-safe."""
        if not isinstance(opentelemetry.trace.get_tracer_provider(), ReplaySafeTracerProvider):
            raise ValueError(
                "When using OpenTelemetryPlugin, the global trace provider must be a ReplaySafeTracerProvider. "
                "Use create_tracer_provider to create one."
            )
        return _InboundWithSpans if self._add_temporal_spans else _Inbound

    def intercept_nexus_operation(
        self, next: _worker.NexusOperationInboundInterceptor
    ) -> _worker.NexusOperationInboundInterceptor:
        return NexusInbound(next, self)

    @contextmanager
    def _around(
        self, name: str, *, kind: SpanKind, attributes: Attributes, context: Context | None = None
    ) -> Iterator[None]:
        if not self._add_temporal_spans:
            with attached_context(context):
                yield
            return
        with span_around(_tracer(), name, kind=kind, attributes=attributes, context=context):
            yield


class _Inbound(_worker.WorkflowInboundInterceptor, Carrying):
    """What enters a run does so in the context of whoever sent it."""

    spans = False

    def __init__(self, next: _worker.WorkflowInboundInterceptor) -> None:
        super().__init__(next)
        self._carry_defaults()

    def init(self, outbound: _worker.WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound, self))

    def span(self, name: str, kind: SpanKind) -> AbstractContextManager[Any]:
        """A span of the framework, if any are wanted."""
        if not self.spans:
            return nullcontext()
        info = workflow.info()
        attributes = {WORKFLOW_ID: info.workflow_id, RUN_ID: info.run_id}
        return _tracer().start_as_current_span(name, kind=kind, attributes=attributes)

    @contextmanager
    def _within(self, name: str, headers: Headers) -> Iterator[None]:
        with attached_context(self._context_from_headers(headers) or Context()):
            with self.span(name, SpanKind.SERVER):
                yield

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        with self._within(f"RunWorkflow:{workflow.info().workflow_type}", input.headers):
            return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        with self._within(f"HandleSignal:{input.signal}", input.headers):
            await super().handle_signal(input)

    async def handle_query(self, input: HandleQueryInput) -> Any:
        with self._within(f"HandleQuery:{input.query}", input.headers):
            return await super().handle_query(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        with self._within(f"ValidateUpdate:{input.update}", input.headers):
            super().handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        with self._within(f"HandleUpdate:{input.update}", input.headers):
            return await super().handle_update_handler(input)


class _InboundWithSpans(_Inbound):
    spans = True


class _Outbound(_worker.WorkflowOutboundInterceptor):
    """What a run asks for takes its context along."""

    def __init__(self, next: _worker.WorkflowOutboundInterceptor, inbound: _Inbound) -> None:
        super().__init__(next)
        self._inbound = inbound

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        input.headers = self._inbound._context_to_headers(input.headers)
        super().continue_as_new(input)

    async def signal_child_workflow(self, input: SignalChildWorkflowInput) -> None:
        with self._inbound.span(f"SignalChildWorkflow:{input.signal}", SpanKind.SERVER):
            input.headers = self._inbound._context_to_headers(input.headers)
            await super().signal_child_workflow(input)

    async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:
        with self._inbound.span(f"SignalExternalWorkflow:{input.signal}", SpanKind.CLIENT):
            input.headers = self._inbound._context_to_headers(input.headers)
            await super().signal_external_workflow(input)

    def start_activity(self, input: StartActivityInput) -> Any:
        with self._inbound.span(f"StartActivity:{input.activity}", SpanKind.CLIENT):
            input.headers = self._inbound._context_to_headers(input.headers)
            return super().start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> Any:
        with self._inbound.span(f"StartActivity:{input.activity}", SpanKind.CLIENT):
            input.headers = self._inbound._context_to_headers(input.headers)
            return super().start_local_activity(input)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> Any:
        with self._inbound.span(f"StartChildWorkflow:{input.workflow}", SpanKind.CLIENT):
            input.headers = self._inbound._context_to_headers(input.headers)
            return await super().start_child_workflow(input)

    async def start_nexus_operation(self, input: StartNexusOperationInput) -> Any:
        name = f"StartNexusOperation:{input.service}/{input.operation_name}"
        with self._inbound.span(name, SpanKind.CLIENT):
            input.headers = as_strings(self._inbound._carrier(), input.headers)
            return await super().start_nexus_operation(input)
