"""Calls a `Service` that lives in this process: no socket, no second copy of what is only read, the same refusals.

Must never hand out an object that the service keeps, nor let the service keep one that the caller may change.
"""

import logging
from typing import Any

from tenuto.limits import LIMITS, SECOND
from tenuto.service.call import Call
from tenuto.service.errors import ServiceError, packed
from tenuto.service.namespaces import NamespaceRecord
from tenuto.service.service import FREE, Service
from tenuto.transport import routes
from tenuto.transport.base import NO_HEADERS, Headers
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import KEEP_HEADER, Message, grpc_status, service_module

log = logging.getLogger("tenuto.transport")
_SERVING = 1
_NAME_TARGETS = frozenset({"CreateNexusEndpoint", "UpdateNexusEndpoint"})
"""Methods that are about no namespace but name one that is to exist."""


class LocalTransport:
    """A way to a service in this process, on the event loop that owns it.

    ``register``: whether a namespace that a call names and that does not exist is made first.
    """

    def __init__(self, service: Service, *, register: bool = False) -> None:
        self._service = service
        self._register = register

    async def open(self) -> None:
        """There is nothing to open."""

    async def close(self) -> None:
        """The service belongs to whoever made it."""

    async def call(
        self, method: str, request: Message, *, timeout: float | None = None, headers: Headers = NO_HEADERS
    ) -> Message:
        """See `Transport.call`."""
        try:
            route = routes.route(method)
        except LookupError as error:
            raise RPCError(str(error), RPCStatusCode.UNIMPLEMENTED, b"") from None
        if not route.bare:
            return _beside(route)
        copied = request
        if KEEP_HEADER in headers:
            # Of our own worker's making, which looks at it no more; it comes with every step.
            size = request.ByteSize()
        else:
            raw = request.SerializeToString()
            size, copied = len(raw), type(request).FromString(raw)
        if size > LIMITS.message_bytes:
            text = f"grpc: received message larger than max ({size} vs. {LIMITS.message_bytes})"
            raise RPCError(text, RPCStatusCode.RESOURCE_EXHAUSTED, b"")
        core = self._service.core
        deadline_at = None if timeout is None else core.clock.now() + int(timeout * SECOND)
        frame = Call(deadline_at, given=headers)
        try:
            # What waits, waits until the frame's deadline; nothing else takes longer than a commit.
            answer = await self._answer(route.method, copied, frame)
        except ServiceError as error:
            raise refused(error) from None
        except RPCError:
            raise
        except (
            Exception
        ) as error:  # the service's door: what nobody planned is the caller's to see, as a refusal
            log.exception("%s failed", route.method)
            raise RPCError(f"{route.method} failed: {error!r}", RPCStatusCode.INTERNAL, b"") from error
        return route.parse(answer) if isinstance(answer, bytes) else answer

    async def _answer(self, method: str, request: Any, frame: Call) -> Message | bytes:
        # Workers describe their namespace before anything else.
        if self._register and (method not in FREE or method == "DescribeNamespace"):
            name = getattr(request, "namespace", "")
            if name and not self._service.core.namespaces.knows(name):
                await self._see_to_namespace(name)
        elif self._register and method in _NAME_TARGETS:
            await self._see_to_namespace(request.spec.target.worker.namespace)
        return await self._service.call(method, request, frame)

    async def _see_to_namespace(self, name: str) -> None:
        namespaces = self._service.core.namespaces
        if not name or len(name) > LIMITS.id_bytes or namespaces.knows(name):
            return
        try:
            await namespaces.register(NamespaceRecord("", name))
        except ServiceError:
            # Somebody else was faster; or it is being deleted, and then the call itself will say so.
            return


def refused(error: ServiceError) -> RPCError:
    """The service's refusal as every transport tells it."""
    details = b""
    if error.details:
        status = grpc_status.GrpcStatus(
            code=int(error.code), message=error.message, details=[packed(detail) for detail in error.details]
        )
        details = status.SerializeToString()
    return RPCError(error.message, RPCStatusCode(int(error.code)), details)


def _beside(route: routes.Route) -> Message:
    """The services beside the main ones: this process is healthy, and has no others."""
    if route.path == f"/{routes.HEALTH}/Check":
        answer: Message = service_module(routes.HEALTH).HealthCheckResponse(status=_SERVING)
        return answer
    raise RPCError(f"unknown method {route.path}", RPCStatusCode.UNIMPLEMENTED, b"")
