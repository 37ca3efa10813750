"""Nexus operations at work: from a task that was handed out to its reported end.

Handlers are those of the package ``nexusrpc``, which is loaded only when a worker has some. This file must never poll.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import nexusrpc
import nexusrpc.handler as handling
from google.protobuf.json_format import MessageToDict

from tenuto import ambient
from tenuto.common import MetricMeter
from tenuto.exceptions import ApplicationError, FailureError, WorkflowAlreadyStartedError
from tenuto.nexus._operation_context import Info, Scope, Stopping, within
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import common, failure, nexus
from tenuto.wire import workflowservice as ws
from tenuto.worker.interceptor import (
    ExecuteNexusOperationCancelInput,
    ExecuteNexusOperationStartInput,
    Interceptor,
    NexusOperationInboundInterceptor,
)

if TYPE_CHECKING:
    from tenuto.client import Client
    from tenuto.converter import DataConverter

logger = logging.getLogger("tenuto.worker")

_TYPES = nexusrpc.HandlerErrorType
_OF_STATUS = {
    RPCStatusCode.INVALID_ARGUMENT: _TYPES.BAD_REQUEST,
    RPCStatusCode.ALREADY_EXISTS: _TYPES.INTERNAL,
    RPCStatusCode.FAILED_PRECONDITION: _TYPES.INTERNAL,
    RPCStatusCode.OUT_OF_RANGE: _TYPES.INTERNAL,
    RPCStatusCode.ABORTED: _TYPES.UNAVAILABLE,
    RPCStatusCode.UNAVAILABLE: _TYPES.UNAVAILABLE,
    RPCStatusCode.UNIMPLEMENTED: _TYPES.NOT_IMPLEMENTED,
    RPCStatusCode.NOT_FOUND: _TYPES.NOT_FOUND,
    RPCStatusCode.RESOURCE_EXHAUSTED: _TYPES.RESOURCE_EXHAUSTED,
    RPCStatusCode.DEADLINE_EXCEEDED: _TYPES.UPSTREAM_TIMEOUT,
}
"""What a refusal of the service means to who called the operation; all else is INTERNAL."""
_LASTING = frozenset(
    {RPCStatusCode.ALREADY_EXISTS, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.OUT_OF_RANGE}
)
_RETRYABLE, _NON_RETRYABLE = 1, 2
"""NexusHandlerErrorRetryBehavior."""
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class NexusTasks:
    """The Nexus half of a worker: the operations of some service handlers.

    ``executor`` runs handlers that are not async; ``metric_meter`` is what theirs are made from. Raises what ``nexusrpc``
    raises for handlers that are none.
    """

    def __init__(
        self,
        *,
        client: Client,
        handlers: Sequence[Any],
        data_converter: DataConverter,
        identity: str,
        executor: Executor,
        interceptors: Sequence[Interceptor] = (),
        task_queue: str = "",
        metric_meter: MetricMeter = MetricMeter.noop,
    ) -> None:
        self.client = client
        """May be replaced by another client at any time."""
        self._identity = identity
        self._converter = data_converter
        self._queue = task_queue
        self._meter = metric_meter
        self._stopping = Stopping()
        self._running: dict[asyncio.Task[Any], _Over] = {}
        self._now = ambient.clock()
        own = [
            one
            for one in interceptors
            if type(one).intercept_nexus_operation is not Interceptor.intercept_nexus_operation
        ]
        self._handler = handling.Handler(handlers, _InContext(executor), [_Middleware(own)] if own else None)

    def stop(self) -> None:
        """Tell handlers that the worker has begun to stop."""
        self._stopping.set()

    async def drain(self, grace: timedelta) -> None:
        """Let handlers go on for ``grace``, then cancel those still at it; one that ends all the same is reported."""
        if self._running and grace > timedelta():
            await asyncio.wait(self._running, timeout=grace.total_seconds())
        for task, over in self._running.items():
            over.set("the worker shuts down")
            task.cancel()

    def _scope(self, context: handling.OperationContext, endpoint: str) -> Scope:
        def meter() -> MetricMeter:
            return self._meter.with_additional_attributes(
                {
                    "nexus_service": context.service,
                    "nexus_operation": context.operation,
                    "task_queue": self._queue,
                }
            )

        return Scope(
            info=Info(endpoint, self.client.namespace, self._queue),
            context=context,
            client=lambda: self.client,
            metric_meter=meter,
            stopping=self._stopping,
        )

    async def run(self, task: ws.PollNexusTaskQueueResponse) -> None:
        """One task, to its reported end. Raises nothing but CancelledError."""
        over = _Over()
        seconds = _timeout(task.request.header)
        this = asyncio.current_task()
        assert this is not None
        self._running[this] = over
        try:
            async with asyncio.timeout(seconds) as scope:
                report = await self._answer(task, over, seconds)
        except TimeoutError:
            if not scope.expired():
                raise
            over.set("the time for the request is over")
            logger.warning("A Nexus task took longer than its %s s", seconds)
            return
        except asyncio.CancelledError:
            over.set("the worker shuts down")
            raise
        finally:
            del self._running[this]
        try:
            await self.client.service_client.call(*report, retry=True)
        except RPCError as error:
            level = logging.DEBUG if error.status is RPCStatusCode.NOT_FOUND else logging.WARNING
            logger.log(level, "A Nexus task could not be completed: %s", error)

    async def _answer(
        self, task: ws.PollNexusTaskQueueResponse, over: _Over, seconds: float | None
    ) -> tuple[str, Any]:
        signed = {
            "task_token": task.task_token,
            "identity": self._identity,
            "namespace": self.client.namespace,
        }
        request = task.request
        shared: dict[str, Any] = {"headers": dict(request.header), "task_cancellation": over}
        if seconds is not None:
            now = datetime.fromtimestamp(self._now() / 1e9, UTC)
            shared["request_deadline"] = now + timedelta(seconds=seconds)
        response = nexus.Response()
        modern = request.capabilities.temporal_failure_responses
        try:
            if request.HasField("start_operation"):
                await self._start(request, shared, response.start_operation, modern)
            elif request.HasField("cancel_operation"):
                await self._cancel(request, shared)
                response.cancel_operation.SetInParent()
            else:
                raise nexusrpc.HandlerError("unknown kind of Nexus task", type=_TYPES.NOT_IMPLEMENTED)
        except Exception as error:
            logger.warning("Nexus operation failed", exc_info=error)
            return "RespondNexusTaskFailed", await self._failed(error, signed, modern)
        completed = ws.RespondNexusTaskCompletedRequest(response=response, **signed)  # type: ignore[arg-type]
        return "RespondNexusTaskCompleted", completed

    async def _start(
        self,
        request: nexus.Request,
        shared: dict[str, Any],
        told: nexus.StartOperationResponse,
        modern: bool,
    ) -> None:
        asked = request.start_operation
        context = handling.StartOperationContext(
            service=asked.service,
            operation=asked.operation,
            request_id=asked.request_id,
            callback_url=asked.callback or None,
            callback_headers=dict(asked.callback_header),
            inbound_links=[nexusrpc.Link(url=link.url, type=link.type) for link in asked.links],
            outbound_links=[],
            **shared,
        )
        value = nexusrpc.LazyValue(
            serializer=cast(Any, _Input(self._converter, asked.payload)), headers={}, stream=None
        )
        try:
            with within(self._scope(context, request.endpoint)):
                result = await self._handler.start_operation(context, value)
        except nexusrpc.OperationError as error:
            if not modern:
                told.operation_error.operation_state = error.state.value
                told.operation_error.failure.CopyFrom(await self._plain(error))
                return
            ended: FailureError = ApplicationError(error.message, type="OperationError", non_retryable=True)
            if error.state is nexusrpc.OperationErrorState.CANCELED:
                from tenuto.exceptions import CancelledError

                ended = CancelledError(error.message)
            ended.__cause__ = error.__cause__
            await self._converter.encode_failure(ended, told.failure)
            return
        links = [nexus.Link(url=link.url, type=link.type) for link in context.outbound_links]
        if isinstance(result, handling.StartOperationResultAsync):
            told.async_success.operation_token = told.async_success.operation_id = result.token
            told.async_success.links.extend(links)
            return
        (payload,) = await self._converter.encode([result.value])
        told.sync_success.payload.CopyFrom(payload)
        told.sync_success.links.extend(links)

    async def _cancel(self, request: nexus.Request, shared: dict[str, Any]) -> None:
        asked = request.cancel_operation
        context = handling.CancelOperationContext(service=asked.service, operation=asked.operation, **shared)
        with within(self._scope(context, request.endpoint)):
            await self._handler.cancel_operation(context, asked.operation_token or asked.operation_id)

    # ---- failures -------------------------------------------------------------------------------------------------------

    async def _failed(
        self, error: BaseException, signed: dict[str, Any], modern: bool
    ) -> ws.RespondNexusTaskFailedRequest:
        told = _as_handler_error(error)
        request = ws.RespondNexusTaskFailedRequest(**signed)
        if modern:
            await self._converter.encode_failure(told, request.failure)
            return request
        request.error.error_type = told.type.value
        if told.retryable_override is not None:
            request.error.retry_behavior = _RETRYABLE if told.retryable_override else _NON_RETRYABLE  # type: ignore[assignment]
        cause = told.__cause__ if told.__cause__ is not None else told
        request.error.failure.CopyFrom(await self._plain(cause, told.message))
        return request

    async def _plain(self, error: BaseException, message: str = "") -> nexus.Failure:
        """A failure as callers that know nothing of the service's own read it; the service's own is inside."""
        inner = failure.Failure()
        await self._converter.encode_failure(
            error if isinstance(error, Exception) else ApplicationError(str(error)), inner
        )
        text = message or inner.message
        inner.ClearField("message")
        return nexus.Failure(
            message=text,
            metadata={"type": failure.Failure.DESCRIPTOR.full_name},
            details=json.dumps(MessageToDict(inner)).encode(),
        )


def _as_handler_error(error: BaseException) -> nexusrpc.HandlerError:
    if isinstance(error, nexusrpc.HandlerError):
        return error
    kind, retryable, text = _TYPES.INTERNAL, None, str(error)
    if isinstance(error, ApplicationError):
        retryable = not error.non_retryable
        if error.non_retryable:  # what it says itself is in the cause
            text = "Handler failed with non-retryable application error"
    elif isinstance(error, WorkflowAlreadyStartedError):
        retryable = False
    elif isinstance(error, RPCError):
        kind = _OF_STATUS.get(error.status, _TYPES.INTERNAL)
        retryable = False if error.status in _LASTING else None
    made = nexusrpc.HandlerError(text, type=kind, retryable_override=retryable)
    made.__cause__ = error
    return made


def _timeout(header: Mapping[str, str]) -> float | None:
    """Seconds from a header as in ``request-timeout: 9.5s``; None: none, or nobody can read it."""
    text = next((value for name, value in header.items() if name.lower() == "request-timeout"), "").strip()
    for unit in ("ms", "s", "m", "h"):
        if text.endswith(unit):
            try:
                return float(text.removesuffix(unit)) * _UNITS[unit]
            except ValueError:
                return None
    return None


class _Input:
    """The argument of an operation, decoded when it is known as what."""

    def __init__(self, converter: DataConverter, payload: common.Payload) -> None:
        self._converter = converter
        self._payload = payload

    async def serialize(self, value: Any) -> Any:
        raise NotImplementedError("arguments of operations are only read here")

    async def deserialize(self, content: Any, as_type: type[Any] | None = None) -> Any:
        try:
            plain = await self._converter.decode_payloads([self._payload])
        except Exception as error:  # a key may be back in a minute
            raise _unreadable(error, "codec", _TYPES.INTERNAL, None) from error
        try:
            (value,) = self._converter.payload_converter.from_payloads(
                plain, [as_type] if as_type is not None else None
            )
        except Exception as error:
            raise _unreadable(error, "converter", _TYPES.BAD_REQUEST, False) from error
        return value


def _unreadable(
    error: Exception, part: str, kind: nexusrpc.HandlerErrorType, retryable: bool | None
) -> nexusrpc.HandlerError:
    """An argument that cannot be read: whose fault it is, and whether to try again."""
    refused = isinstance(error, ApplicationError) and error.type == "PayloadValidationError"
    if refused and cast("ApplicationError", error).non_retryable:
        return nexusrpc.HandlerError(
            "Invalid operation input", type=_TYPES.BAD_REQUEST, retryable_override=False
        )
    text = f"Payload {part} failed to decode Nexus operation input"
    return nexusrpc.HandlerError(text, type=kind, retryable_override=retryable)


class _Over(handling.OperationTaskCancellation):
    """Whether a task counts no more; asked from any thread."""

    def __init__(self) -> None:
        self._set = threading.Event()
        self._reason: str | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()

    def set(self, reason: str) -> None:
        """On the loop's thread."""
        self._reason = reason
        self._set.set()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def is_cancelled(self) -> bool:
        return self._set.is_set()

    def cancellation_reason(self) -> str | None:
        return self._reason

    def wait_until_cancelled_sync(self, timeout: float | None = None) -> bool:
        return self._set.wait(timeout)

    async def wait_until_cancelled(self) -> None:
        if self._set.is_set():
            return
        if self._waiting is None:
            self._waiting = self._loop.create_future()
        await asyncio.shield(self._waiting)


class _InContext(Executor):
    """Runs what is submitted in the context of who submits it: handlers on threads find their operation, too."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._executor.submit(copy_context().run, fn, *args, **kwargs)


class _Middleware(handling.OperationHandlerMiddleware):
    """The worker's interceptors, as the package wants them; the first is the outermost."""

    def __init__(self, interceptors: Sequence[Interceptor]) -> None:
        self._interceptors = interceptors

    def intercept(
        self, ctx: handling.OperationContext, next: handling.MiddlewareSafeOperationHandler
    ) -> handling.MiddlewareSafeOperationHandler:
        inbound: NexusOperationInboundInterceptor = _Last(next)
        for interceptor in reversed(self._interceptors):
            inbound = interceptor.intercept_nexus_operation(inbound)
        return _First(inbound)


class _Last(NexusOperationInboundInterceptor):
    def __init__(self, handler: handling.MiddlewareSafeOperationHandler) -> None:
        super().__init__(self)
        self._handler = handler

    async def execute_nexus_operation_start(self, input: ExecuteNexusOperationStartInput) -> Any:
        return await self._handler.start(input.ctx, input.input)

    async def execute_nexus_operation_cancel(self, input: ExecuteNexusOperationCancelInput) -> None:
        await self._handler.cancel(input.ctx, input.token)


class _First(handling.MiddlewareSafeOperationHandler):
    def __init__(self, inbound: NexusOperationInboundInterceptor) -> None:
        self._inbound = inbound

    async def start(self, ctx: handling.StartOperationContext, input: Any) -> Any:
        return await self._inbound.execute_nexus_operation_start(ExecuteNexusOperationStartInput(ctx, input))

    async def cancel(self, ctx: handling.CancelOperationContext, token: str) -> None:
        await self._inbound.execute_nexus_operation_cancel(ExecuteNexusOperationCancelInput(ctx, token))
