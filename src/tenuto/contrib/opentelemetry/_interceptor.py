"""The older tracing: spans of workflows have no length, and are told as soon as they begin.

They are made below the span of whoever started the workflow. This file must never depend on a replay-safe provider.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import opentelemetry.context
import opentelemetry.trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, Tracer
from opentelemetry.util.types import Attributes

import tenuto.workflow as workflow
from tenuto import client as _client
from tenuto import worker as _worker
from tenuto.contrib.opentelemetry._context import (
    Carrier,
    Carrying,
    Headers,
    as_strings,
    attached_context,
)
from tenuto.contrib.opentelemetry._outside import (
    RUN_ID,
    WORKFLOW_ID,
    ActivityInbound,
    ClientOutbound,
    NexusInbound,
    Outside,
    has_span,
    span_around,
)
from tenuto.exceptions import FailureError

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

_EXTERN = "tenuto_opentelemetry_tracing"
_INBOUND = opentelemetry.context.create_key("tenuto-tracing-inbound")


class TracingInterceptor(_client.Interceptor, _worker.Interceptor, Outside):
    """Give one to ``Client.connect``: the client's calls are traced, and all that its workers run.

    ``tracer`` makes the spans; None: the global one. ``always_create_workflow_spans``: also in workflows that nobody started
    with a span, from a schedule or a command line; such spans may have no parent.

    Subclasses may set ``header_key``, ``text_map_propagator`` and ``payload_converter``, here and in a subclass of
    `TracingWorkflowInboundInterceptor` that `workflow_interceptor_class` then returns.
    """

    def __init__(self, tracer: Tracer | None = None, *, always_create_workflow_spans: bool = False) -> None:
        self.tracer = tracer or opentelemetry.trace.get_tracer(__name__)
        self._carry_defaults()
        self._always_create_workflow_spans = always_create_workflow_spans

    def intercept_client(self, next: _client.OutboundInterceptor) -> _client.OutboundInterceptor:
        return ClientOutbound(next, self)

    def intercept_activity(
        self, next: _worker.ActivityInboundInterceptor
    ) -> _worker.ActivityInboundInterceptor:
        return ActivityInbound(next, self)

    def workflow_interceptor_class(
        self, input: _worker.WorkflowInterceptorClassInput
    ) -> type[TracingWorkflowInboundInterceptor]:
        input.unsafe_extern_functions[_EXTERN] = lambda: self
        return TracingWorkflowInboundInterceptor

    def intercept_nexus_operation(
        self, next: _worker.NexusOperationInboundInterceptor
    ) -> _worker.NexusOperationInboundInterceptor:
        return NexusInbound(next, self)

    @contextmanager
    def _around(
        self, name: str, *, kind: SpanKind, attributes: Attributes, context: Context | None = None
    ) -> Iterator[None]:
        with span_around(self.tracer, name, kind=kind, attributes=attributes, context=context):
            yield

    def _span_now(
        self,
        name: str,
        *,
        kind: SpanKind,
        attributes: Attributes,
        link: Context | None,
        exception: BaseException | None,
    ) -> Context | None:
        """A span of a workflow, begun and ended; returns the context below it. None: there is to be none."""
        parent = opentelemetry.context.get_current()
        if not self._always_create_workflow_spans and not has_span(parent):
            return None
        linked = opentelemetry.trace.get_current_span(link).get_span_context() if link else None
        now = workflow.time_ns()
        with workflow.unsafe.sandbox_unrestricted():
            span = self.tracer.start_span(
                name,
                parent,
                kind,
                attributes,
                [Link(linked)] if linked is not None and linked.is_valid else [],
                now,
            )
            made = opentelemetry.trace.set_span_in_context(span, parent)
            if exception is not None:
                span.record_exception(exception, timestamp=now)
            span.end(now)
        return made


class TracingWorkflowInboundInterceptor(_worker.WorkflowInboundInterceptor, Carrying):
    """The part of `TracingInterceptor` that stands before each run. See there on why to subclass it."""

    def __init__(self, next: _worker.WorkflowInboundInterceptor) -> None:
        super().__init__(next)
        self._carry_defaults()
        self._root: TracingInterceptor = workflow.extern_functions()[_EXTERN]()
        self._carrier_of_run: Carrier | None = None

    @staticmethod
    def _from_context() -> TracingWorkflowInboundInterceptor | None:
        """The one whose run this is."""
        found = opentelemetry.context.get_value(_INBOUND)
        return found if isinstance(found, TracingWorkflowInboundInterceptor) else None

    def init(self, outbound: _worker.WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound, self))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        with self._top_level_workflow_context(success_is_complete=True):
            self._completed_span(f"RunWorkflow:{workflow.info().workflow_type}", kind=SpanKind.SERVER)
            return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        with self._top_level_workflow_context(success_is_complete=False):
            self._completed_span(
                f"HandleSignal:{input.signal}",
                link=self._context_from_headers(input.headers),
                kind=SpanKind.SERVER,
            )
            await super().handle_signal(input)

    async def handle_query(self, input: HandleQueryInput) -> Any:
        context = self._context_from_headers(input.headers)
        own = self._load_workflow_context_carrier() if context else None
        with attached_context(self._set_on_context(context or Context())):
            self._completed_span(
                f"HandleQuery:{input.query}",
                link=self._context_of(own) if own else None,
                new_span_even_on_replay=True,
                kind=SpanKind.SERVER,
            )
            return await super().handle_query(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        with self._top_level_workflow_context(success_is_complete=False):
            self._completed_span(
                f"ValidateUpdate:{input.update}",
                link=self._context_from_headers(input.headers),
                kind=SpanKind.SERVER,
            )
            super().handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        with self._top_level_workflow_context(success_is_complete=False):
            self._completed_span(
                f"HandleUpdate:{input.update}",
                link=self._context_from_headers(input.headers),
                kind=SpanKind.SERVER,
            )
            return await super().handle_update_handler(input)

    def _load_workflow_context_carrier(self) -> Carrier | None:
        """What whoever started the run told of its context."""
        if self._carrier_of_run is None:
            self._carrier_of_run = self._carrier_from_headers(workflow.info().headers)
        return self._carrier_of_run

    @contextmanager
    def _top_level_workflow_context(self, *, success_is_complete: bool) -> Iterator[None]:
        """The context of whoever started the run is the current one; the run's end is told, where this is it."""
        carrier = self._load_workflow_context_carrier()
        context = self._set_on_context(self._context_of(carrier) if carrier else Context())
        with attached_context(context):
            ended, failure = False, None
            try:
                yield
                ended = success_is_complete
            except FailureError as error:
                ended, failure = True, error
                raise
            finally:
                if ended and opentelemetry.context.get_current() is context:
                    self._completed_span(
                        f"CompleteWorkflow:{workflow.info().workflow_type}",
                        exception=failure,
                        kind=SpanKind.INTERNAL,
                    )

    def _completed_span(
        self,
        name: str,
        *,
        link: Context | None = None,
        new_span_even_on_replay: bool = False,
        attributes: Attributes = None,
        exception: BaseException | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Context | None:
        """A span that is over at once; returns the context to pass on: that below it, or else the current one."""
        if workflow.unsafe.is_replaying() and not new_span_even_on_replay:
            return None
        info = workflow.info()
        told: dict[str, Any] = {WORKFLOW_ID: info.workflow_id, RUN_ID: info.run_id, **(attributes or {})}
        return self._root._span_now(name, kind=kind, attributes=told, link=link, exception=exception)

    def _set_on_context(self, context: Context) -> Context:
        return opentelemetry.context.set_value(_INBOUND, self, context)


class _Outbound(_worker.WorkflowOutboundInterceptor):
    def __init__(
        self, next: _worker.WorkflowOutboundInterceptor, inbound: TracingWorkflowInboundInterceptor
    ) -> None:
        super().__init__(next)
        self._inbound = inbound

    def _told(self, name: str, headers: Headers, kind: SpanKind = SpanKind.CLIENT) -> Headers:
        below = self._inbound._completed_span(name, kind=kind)
        return self._inbound._carrier_to_headers(self._inbound._carrier(below), headers)

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        input.headers = self._inbound._context_to_headers(input.headers)
        super().continue_as_new(input)

    async def signal_child_workflow(self, input: SignalChildWorkflowInput) -> None:
        # The kind is that of the other SDKs; one may wonder why.
        input.headers = self._told(f"SignalChildWorkflow:{input.signal}", input.headers, SpanKind.SERVER)
        await super().signal_child_workflow(input)

    async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:
        input.headers = self._told(f"SignalExternalWorkflow:{input.signal}", input.headers)
        await super().signal_external_workflow(input)

    def start_activity(self, input: StartActivityInput) -> Any:
        input.headers = self._told(f"StartActivity:{input.activity}", input.headers)
        return super().start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> Any:
        input.headers = self._told(f"StartActivity:{input.activity}", input.headers)
        return super().start_local_activity(input)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> Any:
        input.headers = self._told(f"StartChildWorkflow:{input.workflow}", input.headers)
        return await super().start_child_workflow(input)

    async def start_nexus_operation(self, input: StartNexusOperationInput) -> Any:
        name = f"StartNexusOperation:{input.service}/{input.operation_name}"
        below = self._inbound._completed_span(name, kind=SpanKind.CLIENT)
        input.headers = as_strings(self._inbound._carrier(below), input.headers)
        return await super().start_nexus_operation(input)


__all__ = ["TracingInterceptor", "TracingWorkflowInboundInterceptor"]
