"""grpc.health.v1.Health for the native listener: Check, List, and Watch.

It must never decide whether the server is healthy; whoever runs it tells.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable

from grpc_health.v1 import health_pb2

from tenuto.frontend.http2 import Status, Stream

SERVICE = "grpc.health.v1.Health"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
_INVALID_ARGUMENT, _NOT_FOUND, _UNAVAILABLE = 3, 5, 14


def _service(request: bytes) -> str:
    try:
        return str(health_pb2.HealthCheckRequest.FromString(request).service)
    except ValueError as error:
        raise Status(_INVALID_ARGUMENT, "the request is not a HealthCheckRequest") from error


class Health:
    """The state of ``services``; NOT_SERVING until told otherwise."""

    def __init__(self, services: Iterable[str]) -> None:
        self._states = dict.fromkeys(services, NOT_SERVING)
        self._changed = asyncio.Event()
        self._over = False

    def tell(self, state: int, last: bool = False) -> None:
        """Sets the state of all services. ``last``: watchers are told, and then sent away."""
        self._states = dict.fromkeys(self._states, state)
        self._over = last
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def check(self, path: str, request: bytes, stream: Stream) -> bytes:
        """The state of one service; NOT_FOUND for services that are not there."""
        state = self._states.get(_service(request))
        if state is None:
            raise Status(_NOT_FOUND, "unknown service")
        answer: bytes = health_pb2.HealthCheckResponse(status=state).SerializeToString()
        return answer

    async def watch(
        self, path: str, requests: AsyncIterator[bytes], stream: Stream
    ) -> AsyncGenerator[bytes, None]:
        """The state of one service now, and whenever it changes."""
        service, told = "", None
        async for request in requests:
            service = _service(request)
            break
        while True:
            changed = self._changed
            state = self._states.get(service, SERVICE_UNKNOWN)
            if state != told:
                told = state
                yield health_pb2.HealthCheckResponse(status=state).SerializeToString()
            if self._over:
                raise Status(_UNAVAILABLE, "the server is shutting down")
            await changed.wait()
