"""The gRPC frontend on our own listener: the service's methods, health and reflection, by path.

It must never know what a method means; `answers` and the service do.
"""

import ssl
from typing import Any

from tenuto.frontend.answers import DETAILS_KEY, OPERATOR_SERVICE, WORKFLOW_SERVICE, Answers, Refusal
from tenuto.frontend.health import NOT_SERVING, SERVING, Health
from tenuto.frontend.health import SERVICE as HEALTH
from tenuto.frontend.http2 import Handler, Listener, ListenerLimits, Status, Stream, StreamHandler
from tenuto.frontend.reflection import SERVICES as REFLECTION
from tenuto.frontend.reflection import Reflection
from tenuto.limits import LIMITS
from tenuto.service.call import Call
from tenuto.service.service import Service

ADMIN_SERVICE = "temporal.server.api.adminservice.v1.AdminService"
"""Not served, but health checks ask for it."""
DEFAULT_LIMITS = ListenerLimits(message_bytes=LIMITS.message_bytes)


def _handler(answer: Any) -> Handler:
    async def handle(path: str, request: bytes, stream: Stream) -> bytes:
        try:
            response: bytes = await answer(
                request, Call(stream.deadline_at, lambda: stream.headers, stream.alive)
            )
            return response
        except Refusal as refusal:
            trailers = ((DETAILS_KEY, refusal.details),) if refusal.details else ()
            raise Status(refusal.code, refusal.message, trailers) from refusal

    return handle


class Frontend:
    """A listening gRPC server over a `Service`."""

    def __init__(self, service: Service, limits: ListenerLimits = DEFAULT_LIMITS) -> None:
        self._answers = Answers(service)
        listed = (WORKFLOW_SERVICE, OPERATOR_SERVICE, HEALTH, *REFLECTION)
        self._health = Health(("", WORKFLOW_SERVICE, OPERATOR_SERVICE, ADMIN_SERVICE))
        reflection = Reflection(listed)
        self._streaming: dict[str, StreamHandler] = {
            f"/{HEALTH}/Watch": self._health.watch,
            **{f"/{name}/ServerReflectionInfo": reflection.converse for name in REFLECTION},
        }
        self._listener = Listener(
            self._unary, self._streaming.get, now=service.core.clock.now, services=listed, limits=limits
        )

    def _unary(self, path: str) -> Handler | None:
        if path == f"/{HEALTH}/Check":
            return self._health.check
        answer = self._answers.unary(path)
        return None if answer is None else _handler(answer)

    async def start(self, host: str, port: int, context: ssl.SSLContext | None = None) -> int:
        """Listen, with ``context`` over TLS; the port. Raises OSError when the address is taken."""
        bound = await self._listener.start(host, port, context)
        self._health.tell(SERVING)
        return bound

    async def drain(self, grace_s: float) -> None:
        """Take no more calls, let those in flight finish for ``grace_s`` seconds, then close."""
        self._health.tell(NOT_SERVING, last=True)
        await self._listener.drain(grace_s)
        await self._listener.close()
