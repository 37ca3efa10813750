"""What both kinds of tracing do outside of workflows: around calls of clients, activities and Nexus operations.

How a span is made, and whether, is the business of the `Outside` that is given. This file must never look into a workflow.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import opentelemetry.trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import Attributes

from tenuto import client as _client
from tenuto import worker as _worker
from tenuto.contrib.opentelemetry._context import Carrying, attached_context
from tenuto.exceptions import ApplicationError, ApplicationErrorCategory

if TYPE_CHECKING:
    from tenuto.worker import (
        ExecuteActivityInput,
        ExecuteNexusOperationCancelInput,
        ExecuteNexusOperationStartInput,
    )

WORKFLOW_ID = "temporalWorkflowID"
RUN_ID = "temporalRunID"
ACTIVITY_ID = "temporalActivityID"
ACTIVITY_TYPE = "temporalActivityType"
UPDATE_ID = "temporalUpdateID"


class Outside(Carrying):
    """Makes spans, or only passes contexts on."""

    @abstractmethod
    def _around(
        self, name: str, *, kind: SpanKind, attributes: Attributes, context: Context | None = None
    ) -> AbstractContextManager[None]:
        """A span that is the current one, below ``context`` (None: the current one)."""


@contextmanager
def span_around(
    tracer: Tracer, name: str, *, kind: SpanKind, attributes: Attributes, context: Context | None
) -> Iterator[Span]:
    """A current span with the exceptions that pass it; benign ones leave its status as it is."""
    with attached_context(context):
        with tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                if not (
                    isinstance(error, ApplicationError) and error.category is ApplicationErrorCategory.BENIGN
                ):
                    span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
                raise


class ClientOutbound(_client.OutboundInterceptor):
    """Around the calls of a client that workflows and activities hear of."""

    def __init__(self, next: _client.OutboundInterceptor, outside: Outside) -> None:
        super().__init__(next)
        self._outside = outside

    def _call(self, name: str, attributes: Attributes) -> AbstractContextManager[None]:
        return self._outside._around(name, kind=SpanKind.CLIENT, attributes=attributes)

    async def start_workflow(self, input: Any) -> Any:
        kind = "SignalWithStartWorkflow" if input.start_signal else "StartWorkflow"
        with self._call(f"{kind}:{input.workflow}", {WORKFLOW_ID: input.id}):
            input.headers = self._outside._context_to_headers(input.headers)
            return await super().start_workflow(input)

    async def query_workflow(self, input: Any) -> Any:
        with self._call(f"QueryWorkflow:{input.query}", {WORKFLOW_ID: input.id}):
            input.headers = self._outside._context_to_headers(input.headers)
            return await super().query_workflow(input)

    async def signal_workflow(self, input: Any) -> None:
        with self._call(f"SignalWorkflow:{input.signal}", {WORKFLOW_ID: input.id}):
            input.headers = self._outside._context_to_headers(input.headers)
            return await super().signal_workflow(input)

    async def start_workflow_update(self, input: Any) -> Any:
        with self._call(f"StartWorkflowUpdate:{input.update}", {WORKFLOW_ID: input.id}):
            input.headers = self._outside._context_to_headers(input.headers)
            return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(self, input: Any) -> Any:
        start, update = input.start_workflow_input, input.update_workflow_input
        with self._call(f"StartUpdateWithStartWorkflow:{start.workflow}", {WORKFLOW_ID: start.id}):
            start.headers = self._outside._context_to_headers(start.headers)
            update.headers = self._outside._context_to_headers(update.headers)
            return await super().start_update_with_start_workflow(input)

    async def start_activity(self, input: Any) -> Any:
        attributes = {ACTIVITY_ID: input.id, ACTIVITY_TYPE: input.activity_type}
        with self._call(f"StartActivity:{input.activity_type}", attributes):
            input.headers = self._outside._context_to_headers(input.headers)
            return await super().start_activity(input)


class ActivityInbound(_worker.ActivityInboundInterceptor):
    """Around each attempt of an activity."""

    def __init__(self, next: _worker.ActivityInboundInterceptor, outside: Outside) -> None:
        super().__init__(next)
        self._outside = outside

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        import tenuto.activity as activity

        info = activity.info()
        attributes = {ACTIVITY_ID: info.activity_id}
        if info.workflow_id:
            attributes |= {WORKFLOW_ID: info.workflow_id, RUN_ID: info.workflow_run_id or ""}
        with self._outside._around(
            f"RunActivity:{info.activity_type}",
            kind=SpanKind.SERVER,
            attributes=attributes,
            context=self._outside._context_from_headers(input.headers) or Context(),
        ):
            return await super().execute_activity(input)


class NexusInbound(_worker.NexusOperationInboundInterceptor):
    """Around each call of a Nexus operation's handler."""

    def __init__(self, next: _worker.NexusOperationInboundInterceptor, outside: Outside) -> None:
        super().__init__(next)
        self._outside = outside

    def _handling(self, what: str, ctx: Any) -> AbstractContextManager[None]:
        return self._outside._around(
            f"{what}:{ctx.service}/{ctx.operation}",
            kind=SpanKind.SERVER,
            attributes={},
            context=self._outside._context_of(ctx.headers),
        )

    async def execute_nexus_operation_start(self, input: ExecuteNexusOperationStartInput) -> Any:
        with self._handling("RunStartNexusOperationHandler", input.ctx):
            return await super().execute_nexus_operation_start(input)

    async def execute_nexus_operation_cancel(self, input: ExecuteNexusOperationCancelInput) -> None:
        with self._handling("RunCancelNexusOperationHandler", input.ctx):
            return await super().execute_nexus_operation_cancel(input)


def has_span(context: Context | None = None) -> bool:
    """Whether ``context``, or the current one, is within a span."""
    return opentelemetry.trace.get_current_span(context).get_span_context().is_valid


__all__ = [
    "ActivityInbound",
    "ClientOutbound",
    "NexusInbound",
    "Outside",
    "has_span",
    "span_around",
]
